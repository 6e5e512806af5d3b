"""Lists of the customer's own ids, as product tools keep them: a member is an id, compared to the letter, and nothing else."""

from collections.abc import Iterable

from segment_pipeline.sandbox.lists import Lists, Person, digest

FIELD = "user_id"


class IdLists(Lists):
    """Changes belong within the store's `writing`."""

    def put(self, identifier: str, ids: Iterable[str]) -> None:
        """Whoever is there already stays."""
        now = self.store.now
        people = [Person(_number(one), "", {FIELD: one}, now, now) for one in dict.fromkeys(ids)]
        self.keep(people, new=True)
        self.add([identifier], (person.number for person in people))

    def take(self, identifier: str, ids: Iterable[str]) -> None:
        """Whoever is not there is no mistake."""
        self.remove(identifier, {_number(one) for one in ids})

    def exchange(self, identifier: str, ids: Iterable[str]) -> None:
        """These are there from now on, and nobody else."""
        self.remove_joined_before(identifier, None)
        self.put(identifier, ids)

    def ids(self, identifier: str) -> list[str]:
        return [str(person.held[FIELD]) for person in self.members(identifier)]


def _number(user_id: str) -> int:
    return digest(f"{FIELD}:{user_id}")
