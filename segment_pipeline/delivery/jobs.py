"""Batches of tools that answer later: waiting for their end, and for members that failed and were not named. Knows no vendor."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from threading import Semaphore
from typing import Final, Protocol, TypeVar

from segment_pipeline import clock
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Asynchronous, Batch, Destination, JobLost, Receipt
from segment_pipeline.errors import ContractError, RejectedRecords, TransientError

T = TypeVar("T")
ASKED: Final = 200


class AnsweringLater(Destination, Asynchronous, Protocol):
    """A destination whose receipts carry a handle."""


def ended(ask: Callable[[], T | None], seconds: float, *, of: str) -> T:
    """What `ask` gives once it gives anything; asked at intervals that grow, as long as a job may take is long, to a sixtieth of it.

    A question that fails (TransientError) is asked again. Raises JobLost, and ContractError when its seconds are over: the job may
    yet be done.
    """
    started = clock.monotonic()
    for asked in range(ASKED):
        clock.sleep(seconds * min(1 / 60, 1.6**asked / 9000))
        try:
            told = ask()
        except JobLost:
            raise
        except TransientError:
            told = None
        if told is not None:
            return told
        if clock.monotonic() - started > seconds:
            break
    raise ContractError(f"{of} did not finish a job in time: it is looked at again next time")


def all_delivered(tool: AnsweringLater, batches: Sequence[Batch]) -> Iterator[Receipt]:
    """The final receipts of batches, in their order; as many under way at once as the tool takes, and requests in flight."""
    room = Semaphore(max(1, tool.capabilities.parallel))
    with ThreadPoolExecutor(tool.capabilities.under_way, thread_name_prefix=tool.name) as pool:
        yield from pool.map(partial(delivered, tool, room=room), batches)


def delivered(tool: Destination, batch: Batch, *, room: Semaphore | None = None) -> Receipt:
    """The final receipt of a batch: applied, waited for, and without the members that are refused, looked for in halves if need be.

    `room`: for requests that carry rows; None: there is enough.
    """
    try:
        with room or nullcontext():
            receipt = tool.apply(batch)
        if receipt.handle is None:
            return receipt
        if not isinstance(tool, Asynchronous):
            raise ContractError(f"{tool.name} named a job but has no `poll` to ask for its end")
        handle, before, later = receipt.handle, receipt.requests, tool

        def ask() -> Receipt | None:
            nonlocal before
            polled = later.poll(handle, batch)
            before += polled.requests
            return None if polled.handle else replace(polled, requests=before)

        return ended(ask, tool.capabilities.job_seconds, of=tool.name)
    except RejectedRecords as refused:
        rejected, parts = bodies.apart(batch.rows, refused)
    receipts = [delivered(tool, replace(batch, rows=part), room=room) for part in parts]
    for receipt in receipts:
        rejected |= receipt.rejected
    return Receipt.final(batch, rejected, requests=1 + sum(receipt.requests for receipt in receipts))
