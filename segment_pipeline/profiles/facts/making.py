"""Tables of a session made in the order of what they read, and dropped when nothing to come reads them.

    make_all(session, ("trait_shares", "traits"), part_of, droppable=("owned_orders",))

The order is found from the statements themselves: nobody keeps a list of it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.session import Session


@dataclass(frozen=True, slots=True)
class Part:
    """How a table comes about, or a write: `make` does it once all it `reads` is there.

    `is_view`: who reads it reads what it reads. `leaves`: what is there beside it as long as it is.
    """

    make: Callable[[], object]
    reads: tuple[str, ...]
    is_view: bool = False
    leaves: tuple[str, ...] = ()


# By name; None: it is there already.
Parts = Callable[[str], Part | None]


def make_all(session: Session, wanted: Sequence[str], parts: Parts, *, droppable: Collection[str] = ()) -> None:
    """Make what is wanted, in turn, each after what it reads. What was made on the way, and what else is `droppable`, goes with its
    last reader: it would still take its part of the memory. Raises ContractError for what reads itself.
    """
    steps = list(dict.fromkeys(step for name in wanted for step in _before(name, parts, ())))
    last = {read: number for number, name in enumerate(steps) for read in _read_by(name, parts)}
    for name in set(droppable) - last.keys():
        session.drop(name)
    for number, name in enumerate(steps):
        if part := parts(name):
            part.make()
        for gone in (read for read, at in last.items() if at == number and read not in wanted):
            if (held := parts(gone)) or gone in droppable:
                for each in (gone, *(held.leaves if held else ())):
                    session.drop(each)


def _before(name: str, parts: Parts, path: tuple[str, ...]) -> Iterator[str]:
    """What has to be made for a table, itself last."""
    if name in path:
        raise ContractError(f"{' -> '.join((*path, name))}: tables are made of each other in a circle")
    if part := parts(name):
        for read in part.reads:
            yield from _before(read, parts, (*path, name))
        yield name


def _read_by(name: str, parts: Parts) -> Iterator[str]:
    """What is read where a table is made, through views too."""
    part = parts(name)
    for read in part.reads if part else ():
        yield read
        if (other := parts(read)) and other.is_view:
            yield from _read_by(read, parts)
