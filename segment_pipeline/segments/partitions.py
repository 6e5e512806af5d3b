"""One write for the tables that hold one partition per day and rows of many segments: replace some segments' rows, keep the rest."""

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from segment_pipeline.errors import ConflictError
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import table

ATTEMPTS = 5


def replace_segments(session: Session, name: str, query: str, day: date, segments: Collection[str]) -> int:
    """Make the rows of these segments on one day those of the query; returns the version committed.

    Raises ConflictError when other writers of the table leave no undisturbed moment for it.
    """
    session.register("segments_replaced", pa.table({"segment": pa.array(sorted(segments), pa.string())}))
    columns = [quote(column) for column in table(name).names]
    for _ in range(ATTEMPTS):
        session.pins.pop(name, None)
        session.scan(name, partitions={"as_of": [day]}, alias=f"{name}_held")
        before = session.pins.get(name, 0)
        kept = (
            f"FROM {name}_held AS h LEFT JOIN segments_replaced AS r ON r.segment = h.segment WHERE r.segment IS NULL"
        )
        rows = f"SELECT {', '.join(columns)} FROM ({query}) AS q UNION ALL SELECT {', '.join(f'h.{c}' for c in columns)} {kept}"
        written = session.replace(name, rows, {"as_of": [day]})
        # Another commit between the reading and the writing may have been to this day, and be lost: once more, from what is there.
        if written.version == before + 1:
            return written.version
    raise ConflictError(f"table {name} is being written by others all the time: run {day} again")
