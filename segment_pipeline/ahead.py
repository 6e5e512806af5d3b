"""Work on one thing while the next is made, in a thread beside: for what waits, or lets other threads run, on either side."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")


def ahead(work: Callable[[Thing], Made], things: Iterable[Thing]) -> Iterator[Made]:
    """What `work` makes of each thing, in their order; at most two things are held, one worked on and one made. Raises what either side raises."""
    before: Future[Made] | None = None
    with ThreadPoolExecutor(1) as worker:
        for thing in things:
            if before is not None:
                yield before.result()
            before = worker.submit(work, thing)
        if before is not None:
            yield before.result()
