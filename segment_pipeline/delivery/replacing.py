"""An audience made exactly what it is given in one step, which comes with the last batch. Knows no vendor."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Receipt

Fit = Callable[[Batch], tuple[pa.Table, Mapping[str, str]]]


def with_the_last(
    batches: Sequence[Batch],
    fit: Fit,
    put: Callable[[Batch, Sequence[pa.Table]], None],
    *,
    most: int,
    name: str,
    requests: int,
) -> Iterator[Receipt]:
    """A receipt per batch, of `requests` each; before that of the last, `put` gets it with the rows of all that are fit to be there.

    `fit`: a batch's rows that may be, and key → reason of the others. Raises ContractError, before anything is put, for more rows
    than `most` in one batch.
    """
    for batch in batches:
        bodies.refuse_oversize(batch, most, name)
    parts = [fit(batch) for batch in batches]
    for number, (batch, (_, rejected)) in enumerate(zip(batches, parts, strict=True), 1):
        if number == len(parts):
            put(batch, [rows for rows, _ in parts])
        yield Receipt.final(batch, rejected, requests=requests)
