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

from segment_pipeline.sandbox.exchange import Refused, json_body
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

    `identify` makes the id of the list of that number. `identifiers`: the fields of `held` that find a person, strongest first,
    each a value or several; those in `folded` are kept as they came and compared without regard to case. `settle` gets the id of
    a list before anybody reads who is on it: what time alone has changed is to be done by then.
    """

    def __init__(
        self,
        store: VendorStore,
        *,
        identify: Callable[[int], str],
        identifiers: Sequence[str],
        folded: Collection[str] = (),
        settle: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store = store
        self.identifiers = identifiers
        self._folded = folded
        self._identify = identify
        self._settle = settle

    def create(self, name: str, *, known_as: str | None = None, **held: Any) -> sqlite3.Row:
        """A list with an id of the vendor's form, or that its maker has chosen (`known_as`)."""
        now = self.store.now
        number = self.store.database.execute(
            "INSERT INTO lists (name, held, created_at, updated_at, content_at) VALUES (?, ?, ?, ?, ?)",
            (name, json.dumps(held), now, now, now),
        ).lastrowid
        assert number is not None
        identifier = known_as or self._identify(number)
        self.store.database.execute("UPDATE lists SET id = ? WHERE number = ?", (identifier, number))
        made = self.get(identifier)
        assert made is not None
        return made

    def get(self, identifier: str) -> sqlite3.Row | None:
        return self.store.row("SELECT * FROM lists WHERE id = ?", identifier)

    def found(self, identifier: str, otherwise: Refused) -> sqlite3.Row:
        """The list of that id; raises `otherwise` where there is none."""
        row = self.get(identifier)
        if row is None:
            raise otherwise
        return row

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
        self._settle(identifier)
        return int(self.store.rows("SELECT count(*) FROM members WHERE list = ?", identifier)[0][0])

    def joined(self, identifier: str, people: Iterable[int]) -> dict[int, str]:
        """When each of these people came onto the list."""
        query = "SELECT person, joined_at FROM members WHERE list = ? AND person IN (SELECT value FROM json_each(?))"
        return {row[0]: row[1] for row in self.store.rows(query, identifier, listed(people))}

    def members(self, identifier: str, after: int = 0, limit: int = -1) -> list[Person]:
        self._settle(identifier)
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
        each = ((name, one) for name, value in given for one in (value if isinstance(value, list) else [value]))
        return [digest(f"{name}:{str(value).lower() if name in self._folded else value}") for name, value in each]

    def keep(self, people: Sequence[Person], *, new: bool = False) -> None:
        """Store people with their keys. `new`: whoever has the number is the same and stays as it is."""
        # In the order of the trees they go into, or a large list slows every batch down.
        people = sorted(people, key=lambda person: person.number)
        verb = "INSERT OR IGNORE" if new else "INSERT OR REPLACE"
        database = self.store.database
        database.executemany(f"{verb} INTO people VALUES (?, ?, ?, ?, ?)", (person.row() for person in people))
        keys = sorted((key, person.number) for person in people for key in self.keys_of(person.held))
        database.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)

    def add(self, lists: Iterable[str], people: Iterable[int], *, renewed: str | None = None) -> None:
        """Whoever is there already is there since then, or since the instant `renewed` like everybody else."""
        numbers, since = sorted(people), renewed or self.store.now
        rows = ((identifier, number, since) for identifier in lists for number in numbers)
        verb = "INSERT OR REPLACE" if renewed else "INSERT OR IGNORE"
        self.store.database.executemany(f"{verb} INTO members VALUES (?, ?, ?)", rows)

    def remove(self, identifier: str, people: Iterable[int]) -> int:
        """How many of them were on the list."""
        query = "DELETE FROM members WHERE list = ? AND person IN (SELECT value FROM json_each(?))"
        return self.store.database.execute(query, (identifier, listed(people))).rowcount

    def remove_joined_before(self, identifier: str, instant: str | None) -> None:
        """None: whoever is there."""
        query = "DELETE FROM members WHERE list = ?1 AND (?2 IS NULL OR joined_at < ?2)"
        self.store.database.execute(query, (identifier, instant))

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

        `GET /lists`, `POST /lists` (`{names: […], like: id}` makes some like one), `DELETE /lists` (`{ids: […]}`), `GET /lists/{id}` (`members`: id and what is held of each),
        `POST /lists/{id}` (change), `DELETE /lists/{id}`, `GET /people`.
        """
        return [
            *self.store.control(),
            Route("/lists", self._all, methods=["GET", "POST", "DELETE"]),
            Route("/lists/{id:path}", self._one, methods=["GET", "POST", "DELETE"]),
            Route("/people", lambda _: JSONResponse(_seen(self.people())), methods=["GET"]),
        ]

    def _all(self, request: Request) -> Response:
        asked = json_body(request) or {}
        if request.method == "DELETE":
            with self.store.writing():
                for table, column in (("members", "list"), ("lists", "id")):
                    query = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
                    self.store.database.execute(query, (listed(asked["ids"]),))
        if request.method == "POST":
            like = self.get(asked["like"])
            with self.store.writing():
                for name in asked["names"]:
                    self.create(name, **json.loads(like["held"] if like else "{}"))
        return JSONResponse([self._shown(row) for row in self.page(0, -1)])

    def _one(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        if request.method == "DELETE":
            self.drop(identifier)
            return JSONResponse({})
        if request.method == "POST":
            self.change(identifier, **(json_body(request) or {}))
        row = self.get(identifier)
        if row is None:
            return JSONResponse({"error": "there is no list with this id"}, 404)
        return JSONResponse({**self._shown(row), "members": _seen(self.members(identifier))})

    def _shown(self, row: sqlite3.Row) -> dict[str, Any]:
        return {"id": row["id"], "name": row["name"], "size": self.size(row["id"])}


def _seen(people: Iterable[Person]) -> list[dict[str, Any]]:
    return [{"id": person.id, **person.held} for person in people]
