"""Files of before a column was declared, in tables with derived ones, written again: once, so that no reader computes those any more.

Changes no row: what is written is what every reader was given already.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from pyarrow import parquet

from segment_pipeline.lake import storage
from segment_pipeline.lake.engine import Partitions, derived_everywhere
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Table

ROWS_AT_ONCE: Final = 2_500_000


def complete_files(lake: Lake, declared: Table) -> int:
    """Write the partitions again some file of which lacks a column, and note that none does; returns how many files did.

    Tables without derived columns are left as they are: NULL costs nothing.
    Raises ConflictError where somebody else writes to one of them meanwhile, and what was written until then stays.
    """
    if not any(column.derived for column in declared.columns):
        return 0
    with lake.opened.newest(declared.name) as delta:
        if delta is None or derived_everywhere(declared, storage.held_by_all(delta)):
            return 0
        files = storage.files(delta, declared)
    lacking = [file for file in files if _lacks(file.path, declared)]
    for partitions in _batches(lacking, declared.partition_by):
        with lake.session() as session:
            session.scan(declared.name, partitions=partitions)
            session.replace(declared.name, f"SELECT * FROM {declared.name}", partitions)
    with lake.opened.newest(declared.name) as delta:
        if delta is not None:
            storage.note_complete(delta, declared)
    return len(lacking)


def _lacks(path: str, declared: Table) -> bool:
    fs, place = storage.filesystem(path)
    with fs.open(place, "rb") as file:
        held = set(parquet.read_schema(file).names)
    return not held.issuperset(set(declared.names) - set(declared.partition_by))


def _batches(files: Sequence[storage.DataFile], by: Sequence[str]) -> Iterator[Partitions]:
    """The partitions of files, so many at a time as have ROWS_AT_ONCE rows; those of one batch differ in the last column alone."""
    rows: dict[tuple[str | date, ...], int] = {}
    for file in files:
        key = tuple(file.partition[column] for column in by)
        rows[key] = rows.get(key, 0) + file.rows
    batch: list[tuple[str | date, ...]] = []
    for key in sorted(rows):
        if batch and (key[:-1] != batch[-1][:-1] or sum(rows[each] for each in batch) + rows[key] > ROWS_AT_ONCE):
            yield _named(batch, by)
            batch = []
        batch.append(key)
    if batch:
        yield _named(batch, by)


def _named(keys: Sequence[tuple[str | date, ...]], by: Sequence[str]) -> Mapping[str, Sequence[str | date]]:
    return {column: sorted({key[at] for key in keys}, key=str) for at, column in enumerate(by)}
