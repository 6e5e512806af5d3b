"""The people one batch is about: found by id or identifier, merged in memory, saved once."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segment_pipeline.sandbox.lists import Lists, Person, new_id


class Book:
    """The people a batch may be about, loaded once, changed in memory, saved once; within one write.

    `sent` are the fields of each row that is to be looked up, its `id` among them where the vendor takes one. `identify` makes the id
    of a new person of that number.
    """

    def __init__(
        self,
        lists: Lists,
        sent: Iterable[Mapping[str, Any]],
        *,
        identify: Callable[[int], str] = lambda _: new_id(),
    ) -> None:
        rows = list(sent)
        self._identify = identify
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
            person = Person(self._next, self._identify(self._next), {}, self._now, self._now)
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
