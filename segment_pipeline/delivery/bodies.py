"""Turns a batch's Arrow rows into request text, one text per request and no Python per row: inside Arrow where joining texts
is all there is to it, inside DuckDB where values have to be written as JSON.

Holds no vendor's shape: a connector hands in the SQL expressions for its rows.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Any, Final, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline.delivery.destination import Batch
from segment_pipeline.errors import ContractError, RejectedRecords, TransientError

T = TypeVar("T")
HEX: Final = "[0-9a-f]{64}"
PLAIN: Final = "[A-Za-z0-9_.:-]+"
_REASONS: Final = {HEX: "not_a_hash", PLAIN: "not_an_id"}
_lock = threading.Lock()


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    # One in-memory database per process: making one costs as much as writing a batch.
    return duckdb.connect()


def query(sql: str, rows: pa.Table, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement over `rows` (registered under that name). Errors name no value of a row."""
    return _asked({"rows": rows}, lambda cursor: cursor.execute(sql, list(parameters)).fetchall())


def combined(sql: str, **tables: pa.Table) -> pa.Table:
    """What one statement makes of tables, each registered under its name. Errors name no value of a row."""
    return _asked(tables, lambda cursor: cursor.sql(sql).to_arrow_table())


def _asked(tables: Mapping[str, pa.Table], ask: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    with _lock:
        cursor = _engine().cursor()
    try:
        for name, table in tables.items():
            cursor.register(name, table)
        return ask(cursor)
    except duckdb.Error as error:
        kind = type(error).__name__
    finally:
        cursor.close()
    raise ContractError(
        f"a batch could not be written as a request ({kind}): its columns are not those of the destination"
    )


def of_each(values: str, rows: pa.Table) -> pa.Table:
    """SQL values of each row, named, in the order of the rows."""
    return combined(
        f"SELECT {values} FROM (SELECT row_number() OVER () AS place, * FROM rows) ORDER BY place", rows=rows
    )


def joined(*pieces: pa.ChunkedArray | str, between: str = ",") -> memoryview:
    """The rows' texts with commas, or what else, between them, each row the pieces one after the other; NULL counts as ''."""
    texts = [pa.scalar(piece) if isinstance(piece, str) else pc.fill_null(piece, "") for piece in pieces]
    column = pa.chunked_array(pc.binary_join_element_wise(*texts, pa.scalar(""))).combine_chunks()
    rows = pa.LargeListArray.from_arrays(pa.array([0, len(column)], pa.int64()), column)
    return memoryview(pc.binary_join(rows, between)[0].as_buffer())


def json_parts(rows: pa.Table, expression: str, limit_bytes: int) -> list[tuple[int, int, str]]:
    """(position of the first row, number of rows, comma-separated JSON texts) per run of rows within `limit_bytes`.

    A run may pass the limit by at most its last row. `expression` gives JSON text.
    """
    return [
        (int(first), int(count), str(text))
        for first, count, text in query(
            f"""
            WITH texts AS (SELECT row_number() OVER () - 1 AS i, CAST({expression} AS VARCHAR) AS t FROM rows),
            parts AS (SELECT i, t, (sum(strlen(t) + 1) OVER (ORDER BY i) - strlen(t) - 1) // ? AS part FROM texts)
            SELECT min(i), count(*), string_agg(t, ',' ORDER BY i) FROM parts GROUP BY part ORDER BY part
            """,
            rows,
            [limit_bytes],
        )
    ]


def in_parts(
    batch: Batch, rows: pa.Table, expression: str, limit_bytes: int, send: Callable[[pa.Table, str], Mapping[str, str]]
) -> dict[str, str]:
    """Key → reason of the rows that failed: what `send` tells of each run of rows and its text, runs as `json_parts` makes them.

    What it raises is of the batch as it was given: where a refusal names positions, and where runs before have been sent.
    """
    failed: dict[str, str] = {}
    for first, count, text in json_parts(rows, expression, limit_bytes):
        part = rows.slice(first, count)
        try:
            failed |= send(part, text)
        except TransientError as error:
            error.sent = error.sent or first > 0
            raise
        except RejectedRecords as refused:
            raise as_given(refused, batch, part) from None
    return failed


def refuse_locally(batch: Batch, reason: str) -> tuple[pa.Table, dict[str, str]]:
    """Split a batch's rows into those fit to send and key → reason code; `reason` is SQL, NULL for a fit row."""
    refused = dict(
        query(
            f"SELECT key, reason FROM (SELECT key, {reason} AS reason FROM rows) WHERE reason IS NOT NULL", batch.rows
        )
    )
    if not refused:
        return batch.rows, {}
    kept = [i for i, key in enumerate(batch.rows.column("key").to_pylist()) if key not in refused]
    return batch.rows.take(pa.array(kept, pa.int64())), refused


def refuse_nobody(batch: Batch, *columns: str) -> tuple[pa.Table, dict[str, str]]:
    """Split a batch's rows into those with a value in one of these columns at least, and key → `no_identifier`."""
    nothing = " AND ".join(f"{column} IS NULL" for column in columns)
    return refuse_locally(batch, f"CASE WHEN {nothing} THEN 'no_identifier' END")


def refuse_large(batch: Batch, column: str, most_bytes: int) -> tuple[pa.Table, dict[str, str]]:
    """Split a batch's rows into those with a value in this column, which '' is none, and as many bytes of attributes, and key → reason code."""
    return refuse_locally(
        batch,
        f"""CASE WHEN coalesce({column}, '') = '' THEN 'no_identifier'
            WHEN strlen(coalesce(attributes, '')) > {most_bytes} THEN 'too_large' END""",
    )


def refuse_unhashed(batch: Batch, *columns: str, plain: Sequence[str] = ()) -> tuple[pa.Table, dict[str, str]]:
    """Split a batch's rows into those fit to send and key → reason code.

    Fit are rows that carry SHA-256 in hex in these columns and ids without anything to escape in the `plain` ones, in one of them all
    at least.
    """
    patterns = dict.fromkeys(columns, HEX) | dict.fromkeys(plain, PLAIN)
    held = {column: batch.rows.column(column) for column in patterns}
    formed = [
        pc.fill_null(pc.match_substring_regex(values, f"^{patterns[column]}$"), fill_value=True)
        for column, values in held.items()
    ]
    present = [values.is_valid() for values in held.values()]
    if pc.all(reduce(pc.and_, [*formed, reduce(pc.or_, present)]), min_count=0).as_py():
        return batch.rows, {}
    nothing = " AND ".join(f"{column} IS NULL" for column in patterns)
    odd = " ".join(
        f"WHEN NOT coalesce(regexp_full_match({column}, '{pattern}'), true) THEN '{_REASONS[pattern]}'"
        for column, pattern in patterns.items()
    )
    return refuse_locally(batch, f"CASE WHEN {nothing} THEN 'no_identifier' {odd} END")


def as_given(refused: RejectedRecords, batch: Batch, sent: pa.Table) -> RejectedRecords:
    """A refusal of rows by their positions in what was sent, with their positions in the batch as it was given."""
    keys = sent.column("key").to_pylist()
    position = {key: i for i, key in enumerate(batch.rows.column("key").to_pylist())}
    rows = {position[keys[i]]: why for i, why in refused.rows.items() if i < len(keys)}
    return RejectedRecords(str(refused), rows=rows)


def apart(rows: pa.Table, refused: RejectedRecords) -> tuple[dict[str, str], list[pa.Table]]:
    """Of rows that were refused as one: key → reason of those that are to blame, and the parts the others are sent in again.

    Where none is named, halves, until a row stands alone.
    """
    keys = rows.column("key").to_pylist()
    named = {position: reason for position, reason in refused.rows.items() if 0 <= position < len(keys)}
    if named:
        rest = rows.take(pa.array([i for i in range(len(keys)) if i not in named], pa.int64()))
        return {keys[i]: reason for i, reason in named.items()}, [rest] if rest.num_rows else []
    if len(keys) == 1:
        return {keys[0]: "refused"}, []
    middle = len(keys) // 2
    return {}, [rows.slice(0, middle), rows.slice(middle)]


def refuse_oversize(batch: Batch, most: int, name: str) -> None:
    """Raises ContractError, before anything is sent, for more rows than one batch may hold."""
    if batch.rows.num_rows > most:
        raise ContractError(
            f"{name}: a batch of {batch.rows.num_rows} rows is over the {most} of its capabilities: split it"
        )
