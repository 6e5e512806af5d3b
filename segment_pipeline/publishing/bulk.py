"""Rows on their way into a table and out of it: by COPY where the driver has it, in batches elsewhere. Never all in memory.

COPY takes CSV that Arrow writes, in which NULL is nothing at all and an empty text is a pair of quotes.
"""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.engine import Connection

from segment_pipeline.databases import driver_errors
from segment_pipeline.publishing.shape import Shape

BATCH_ROWS = 5_000
NUL, REPLACED = "\x00", "\ufffd"
"""PostgreSQL's text cannot hold the character NUL; it becomes the sign for what cannot be shown, everywhere alike."""

AfterBatch = Callable[[int], None]


def insert(
    connection: Connection, table: sa.Table, shape: Shape, rows: pa.RecordBatchReader, after_batch: AfterBatch
) -> int:
    """Add rows that have the shape's columns; returns how many. `after_batch` hears of the rows of each batch."""
    if connection.dialect.driver == "psycopg":
        return _copy(connection, table, rows, after_batch)
    documents = [c.name for c in shape.columns if c.type == "JSON"]
    sent = 0
    for batch in _batches(rows):
        values = batch.to_pylist()
        for row in values if documents else ():
            row.update({name: json.loads(row[name]) for name in documents if row[name] is not None})
        connection.execute(table.insert(), values)
        sent += len(values)
        after_batch(len(values))
    return sent


def delete(
    connection: Connection, table: sa.Table, shape: Shape, keys: pa.RecordBatchReader, after_batch: AfterBatch
) -> int:
    """Remove the rows with these keys; returns how many were there, or the number of keys where the driver does not say."""
    if connection.dialect.driver == "psycopg":
        columns = [sa.Column(name, table.c[name].type) for name in shape.key]
        gone = sa.Table(
            "_gone", sa.MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
        )  # fmt: skip
        gone.create(connection, checkfirst=False)
        _copy(connection, gone, keys, after_batch)
        # Without it the planner takes the keys for a handful.
        connection.execute(sa.text("ANALYZE _gone"))
        found = connection.execute(table.delete().where(*(table.c[name] == gone.c[name] for name in shape.key)))
        return found.rowcount
    statement = table.delete().where(*(table.c[name] == sa.bindparam(f"_{name}") for name in shape.key))
    removed = 0
    for batch in _batches(keys):
        wanted = [{f"_{name}": row[name] for name in shape.key} for row in batch.to_pylist()]
        counted = connection.execute(statement, wanted).rowcount
        removed += counted if counted >= 0 else len(wanted)
        after_batch(len(wanted))
    return removed


def _batches(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        for start in range(0, len(batch), BATCH_ROWS):
            yield _writable(batch.slice(start, BATCH_ROWS))


def _copy(connection: Connection, table: sa.Table, rows: pa.RecordBatchReader, after_batch: AfterBatch) -> int:
    preparer = connection.dialect.identifier_preparer
    columns = ", ".join(preparer.quote(name) for name in rows.schema.names)
    into = f"COPY {preparer.format_table(table)} ({columns}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
    driver: Any = connection.connection.driver_connection
    sent = 0
    with driver_errors(connection.dialect), driver.cursor() as cursor, cursor.copy(into) as copy:
        for batch in rows:
            if len(batch):
                copy.write(_csv(_writable(batch)))
                sent += len(batch)
                after_batch(len(batch))
    return sent


def _csv(batch: pa.RecordBatch) -> memoryview:
    flat = [_array_literal(column) if pa.types.is_list(column.type) else column for column in batch.columns]
    text = io.BytesIO()
    csv.write_csv(pa.RecordBatch.from_arrays(flat, batch.schema.names), text, csv.WriteOptions(include_header=False))
    return text.getbuffer()


def _writable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without a character that some database refuses."""
    return pa.RecordBatch.from_arrays([_without_nul(column) for column in batch.columns], batch.schema.names)


def _without_nul(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return _lists_of(column, _without_nul(column.flatten()))
    if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, NUL)).as_py():
        return pc.replace_substring(column, NUL, REPLACED)
    return column


def _array_literal(lists: pa.Array) -> pa.Array:
    """PostgreSQL's text of an array: `{"a","say \\"b\\"",NULL}`."""
    values = lists.flatten()
    for special in ("\\", '"'):
        values = pc.replace_substring(values, special, "\\" + special)
    quoted = pc.fill_null(pc.binary_join_element_wise('"', values, '"', ""), "NULL")
    inner = pc.binary_join(_lists_of(lists, quoted), ",")
    return pc.binary_join_element_wise("{", inner, "}", "")


def _lists_of(lists: pa.Array, values: pa.Array) -> pa.Array:
    """Lists of the same lengths, NULL where they are, with other values."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    return pa.ListArray.from_arrays(offsets, values, mask=pc.is_null(lists))
