"""Lists with members, as every audience tool keeps them: who is known by which identifiers, and who is on which list.

A vendor says what its words and refusals are, in which order identifiers find somebody, and what a row means; this model
holds them. A list is known by an id of the vendor's form and ordered by `number`; so is a person.
"""

import base64
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.listing import unseal
from segment_pipeline.sandbox.store import VendorStore, listed

SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT NOT NULL, held TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL, content_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (
    number INTEGER PRIMARY KEY, id TEXT, held TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS people_id ON people (id) WHERE id IS NOT NULL;
CREATE TABLE IF NOT EXISTS keys (key INTEGER, person INTEGER, PRIMARY KEY (key, person)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    list TEXT, person INTEGER, joined_at TEXT NOT NULL, PRIMARY KEY (list, person)) WITHOUT ROWID;
"""
PERSON = "p.number, p.id, p.held, p.created_at, p.updated_at"


@dataclass(slots=True)
class Person:
    """Somebody the vendor knows, by an `id` of its own where it has one (else empty); `held`: identifiers and attributes."""

    number: int
    id: str
    held: dict[str, Any]
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: sqlite3.Row) -> "Person":
        return cls(row[0], row[1] or "", json.loads(row[2]), row[3], row[4])

    def row(self) -> tuple[object, ...]:
        return self.number, self.id or None, json.dumps(self.held), self.created_at, self.updated_at


def digest(text: str) -> int:
    """63 bits of a digest: short keys keep the trees of a large list small."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def behind(cursor: str | None) -> int:
    """The number a page begins behind: the one its cursor was sealed with, 0 without one. Raises ValueError for no cursor."""
    return int(str(unseal(cursor)[0])) if cursor else 0


def new_id() -> str:
    """Twenty-six characters that nobody has had, in the form of a ULID."""
    return "01" + base64.b32encode(secrets.token_bytes(15)).decode("ascii")


class Lists:
    """The lists and people of one vendor's store. Changes that belong together are made within the store's `writing`.

    `identify` makes the id of the list of that number. `identifiers`: the fields of `held` that find a person, strongest first;
    those in `folded` are kept as they came and compared without regard to case.
    """

    def __init__(
        self,
        store: VendorStore,
        *,
        identify: Callable[[int], str],
        identifiers: Sequence[str],
        folded: Collection[str] = (),
    ) -> None:
        self.store = store
        self.identifiers = identifiers
        self._folded = folded
        self._identify = identify

    def create(self, name: str, **held: Any) -> sqlite3.Row:
        now = self.store.now
        number = self.store.database.execute(
            "INSERT INTO lists (name, held, created_at, updated_at, content_at) VALUES (?, ?, ?, ?, ?)",
            (name, json.dumps(held), now, now, now),
        ).lastrowid
        assert number is not None
        identifier = self._identify(number)
        self.store.database.execute("UPDATE lists SET id = ? WHERE number = ?", (identifier, number))
        made = self.get(identifier)
        assert made is not None
        return made

    def get(self, identifier: str) -> sqlite3.Row | None:
        return self.store.row("SELECT * FROM lists WHERE id = ?", identifier)

    def page(self, after: int, limit: int, where: str = "1", *values: object) -> list[sqlite3.Row]:
        """Lists by number behind `after`; `where` is a condition of the vendor's with bound values."""
        query = f"SELECT * FROM lists WHERE number > ? AND {where} ORDER BY number LIMIT ?"
        return self.store.rows(query, after, *values, limit)

    def change(self, identifier: str, **values: Any) -> None:
        """Set the `name`, and anything else among what the list holds."""
        held = {name: value for name, value in values.items() if name != "name"}
        self.store.database.execute(
            "UPDATE lists SET name = coalesce(?, name), held = json_patch(held, ?), updated_at = ? WHERE id = ?",
            (values.get("name"), json.dumps(held), self.store.now, identifier),
        )

    def touch(self, identifier: str, at: str) -> None:
        """Who is on the list has changed."""
        self.store.database.execute("UPDATE lists SET content_at = ? WHERE id = ?", (at, identifier))

    def drop(self, identifier: str) -> None:
        with self.store.writing():
            self.store.database.execute("DELETE FROM members WHERE list = ?", (identifier,))
            self.store.database.execute("DELETE FROM lists WHERE id = ?", (identifier,))

    def size(self, identifier: str) -> int:
        return int(self.store.rows("SELECT count(*) FROM members WHERE list = ?", identifier)[0][0])

    def joined(self, identifier: str, people: Iterable[int]) -> dict[int, str]:
        """When each of these people came onto the list."""
        query = "SELECT person, joined_at FROM members WHERE list = ? AND person IN (SELECT value FROM json_each(?))"
        return {row[0]: row[1] for row in self.store.rows(query, identifier, listed(people))}

    def members(self, identifier: str, after: int = 0, limit: int = -1) -> list[Person]:
        query = (
            f"SELECT {PERSON} FROM members m JOIN people p ON p.number = m.person"
            " WHERE m.list = ? AND m.person > ? ORDER BY m.person LIMIT ?"
        )
        return [Person.of(row) for row in self.store.rows(query, identifier, after, limit)]

    def people(
        self, after: int = 0, limit: int = -1, *, keys: Iterable[int] | None = None, ids: Iterable[str] | None = None
    ) -> list[Person]:
        """People by number behind `after`: everybody, or those with one of the keys or ids."""
        where, values = "1", []
        if keys is not None:
            where = "number IN (SELECT person FROM keys WHERE key IN (SELECT value FROM json_each(?)))"
            values = [listed(keys)]
        elif ids is not None:
            where, values = "id IN (SELECT value FROM json_each(?))", [listed(ids)]
        query = f"SELECT {PERSON} FROM people p WHERE number > ? AND {where} ORDER BY number LIMIT ?"
        return [Person.of(row) for row in self.store.rows(query, after, *values, limit)]

    def holders(self, keys: Iterable[int]) -> list[int]:
        """The numbers of everybody with one of the keys."""
        query = "SELECT DISTINCT person FROM keys WHERE key IN (SELECT value FROM json_each(?))"
        return [row[0] for row in self.store.rows(query, listed(keys))]

    def keys_of(self, held: Mapping[str, Any]) -> list[int]:
        """A key for each identifier that is there."""
        given = ((name, held[name]) for name in self.identifiers if held.get(name))
        return [digest(f"{name}:{str(value).lower() if name in self._folded else value}") for name, value in given]

    def keep(self, people: Sequence[Person], *, new: bool = False) -> None:
        """Store people with their keys. `new`: whoever has the number is the same and stays as it is."""
        # In the order of the trees they go into, or a large list slows every batch down.
        people = sorted(people, key=lambda person: person.number)
        verb = "INSERT OR IGNORE" if new else "INSERT OR REPLACE"
        database = self.store.database
        database.executemany(f"{verb} INTO people VALUES (?, ?, ?, ?, ?)", (person.row() for person in people))
        keys = sorted((key, person.number) for person in people for key in self.keys_of(person.held))
        database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)

    def add(self, lists: Iterable[str], people: Iterable[int]) -> None:
        numbers, now = sorted(people), self.store.now
        rows = ((identifier, number, now) for identifier in lists for number in numbers)
        self.store.database.executemany("INSERT OR IGNORE INTO members VALUES (?, ?, ?)", rows)

    def remove(self, identifier: str, people: Iterable[int]) -> int:
        """How many of them were on the list."""
        query = "DELETE FROM members WHERE list = ? AND person IN (SELECT value FROM json_each(?))"
        return self.store.database.execute(query, (identifier, listed(people))).rowcount

    def replace(self, identifier: str, staged: str) -> None:
        """Whoever was added to `staged`, a list of no other standing, is who is on the list from now on."""
        self.store.database.execute("DELETE FROM members WHERE list = ?", (identifier,))
        self.store.database.execute("UPDATE members SET list = ? WHERE list = ?", (identifier, staged))

    def forget(self, people: Iterable[int]) -> None:
        """Whoever they are, they are on no list and known by nothing."""
        gone = listed(people)
        with self.store.writing():
            for table, column in (("members", "person"), ("keys", "person"), ("people", "number")):
                query = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
                self.store.database.execute(query, (gone,))

    def control(self) -> list[Route]:
        """What a test sees and changes past the vendor: its lists, who is on them, everybody, and its settings.

        `GET /lists`, `GET /lists/{id}` (`members`: id and what is held of each), `POST /lists/{id}` (change), `GET /people`.
        """
        return [
            *self.store.control(),
            Route("/lists", lambda _: JSONResponse([self._shown(row) for row in self.page(0, -1)]), methods=["GET"]),
            Route("/lists/{id}", self._one, methods=["GET", "POST"]),
            Route("/people", lambda _: JSONResponse(_seen(self.people())), methods=["GET"]),
        ]

    def _one(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        if request.method == "POST":
            self.change(identifier, **(json_body(request) or {}))
        row = self.get(identifier)
        if row is None:
            return JSONResponse({"error": "there is no list with this id"}, 404)
        return JSONResponse({**self._shown(row), "members": _seen(self.members(identifier))})

    def _shown(self, row: sqlite3.Row) -> dict[str, Any]:
        return {"id": row["id"], "name": row["name"], "size": self.size(row["id"])}


class Book:
    """The people a batch may be about, loaded once, changed in memory, saved once; within one write.

    `sent` are the fields of each row that is to be looked up, its `id` among them where the vendor takes one.
    """

    def __init__(self, lists: Lists, sent: Iterable[Mapping[str, Any]]) -> None:
        rows = list(sent)
        self._lists = lists
        self._now = lists.store.now
        self._next = lists.store.rows("SELECT coalesce(max(number), 0) + 1 FROM people")[0][0]
        self._ids: dict[str, Person] = {}
        self._keys: dict[int, Person] = {}
        self._changed: dict[int, Person] = {}
        self._given_up: list[tuple[int, int]] = []
        found = lists.people(ids=[str(row["id"]) for row in rows if row.get("id")])
        for person in [*found, *lists.people(keys=[key for row in rows for key in lists.keys_of(row)])]:
            if person.id not in self._ids:
                self._index(person)

    def find(self, sent: Mapping[str, Any]) -> Person | None:
        """Who the row is about: its id alone where it has one, else the strongest identifier that is somebody's."""
        if sent.get("id"):
            return self._ids.get(str(sent["id"]))
        return next((self._keys[key] for key in self._lists.keys_of(sent) if key in self._keys), None)

    def conflict(self, sent: Mapping[str, Any], found: Person | None) -> tuple[str, Person] | None:
        """An identifier of the row that is somebody else's, and that person."""
        for name in self._lists.identifiers:
            for key in self._lists.keys_of({name: sent.get(name)}):
                holder = self._keys.get(key)
                if holder is not None and holder is not found:
                    return name, holder
        return None

    def upsert(self, sent: Mapping[str, Any], found: Person | None) -> Person:
        """A row without conflict, merged into its person or into a new one."""
        person = found
        if person is None:
            person = Person(self._next, new_id(), {}, self._now, self._now)
            self._next += 1
        before = self._lists.keys_of(person.held)
        merge(person.held, {name: value for name, value in sent.items() if name != "id"})
        for key in set(before) - set(self._lists.keys_of(person.held)):
            del self._keys[key]
            self._given_up.append((key, person.number))
        person.updated_at = self._now
        self.changed(person)
        return person

    def changed(self, person: Person) -> None:
        """The person is to be saved."""
        self._index(person)
        self._changed[person.number] = person

    def save(self) -> None:
        self._lists.store.database.executemany("DELETE FROM keys WHERE key = ? AND person = ?", self._given_up)
        self._lists.keep(list(self._changed.values()))

    def _index(self, person: Person) -> None:
        self._ids[person.id] = person
        for key in self._lists.keys_of(person.held):
            self._keys[key] = person


def merge(held: dict[str, Any], sent: Mapping[str, Any]) -> None:
    """Null clears a field, absence leaves it, and so it is with the fields of an object; what is deeper is replaced whole."""
    for name, value in sent.items():
        if value is None:
            held.pop(name, None)
        elif isinstance(value, dict):
            together = {**(held[name] if isinstance(held.get(name), dict) else {}), **value}
            held[name] = {inner: each for inner, each in together.items() if each is not None}
        else:
            held[name] = value


def _seen(people: Iterable[Person]) -> list[dict[str, Any]]:
    return [{"id": person.id, **person.held} for person in people]
