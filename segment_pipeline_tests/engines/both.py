"""An engine that asks DuckDB and Spark the same and holds them to the same rows; tests put it where one of them goes.

Every statement is compared where its rows are first kept, read or written, so that a difference is named at the statement that
makes it and not at the table it ends in.
"""

import math
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import duckdb
import pyarrow as pa
from pyarrow import dataset

from segment_pipeline.lake import spark_writes
from segment_pipeline.lake.duckdb_engine import DuckDBConnection, DuckDBEngine
from segment_pipeline.lake.engine import WriteTarget
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.spark_engine import SparkConnection, SparkEngine

SAMPLE = 3


class BothEngines:
    """Writes go through DuckDB, after Spark's executors wrote the same rows to files of their own. `seen`: names of statements."""

    dialect = "duckdb"

    def __init__(self, duckdb: DuckDBEngine, spark: SparkEngine) -> None:
        self.duckdb, self.spark = duckdb, spark
        self.seen: set[str] = set()

    def connect(self) -> "BothConnections":
        return BothConnections(self, self.duckdb.connect(), self.spark.connect())


class BothConnections:
    def __init__(self, engine: BothEngines, duckdb: DuckDBConnection, spark: SparkConnection) -> None:
        self.engine, self.duckdb, self.spark = engine, duckdb, spark

    def scan(self, name: str, table: Table, files: Sequence[str], *, held: Collection[str] | None = None) -> None:
        self.duckdb.scan(name, table, files, held=held)
        self.spark.scan(name, table, files, held=held)

    def scan_as_held(self, name: str, table: Table, files: Sequence[str]) -> None:
        self.duckdb.scan_as_held(name, table, files)
        self.spark.scan_as_held(name, table, files)

    def register(self, name: str, rows: pa.Table) -> None:
        self.duckdb.register(name, rows)
        self.spark.register(name, rows)

    def records(self, name: str, files: Sequence[str], path: Sequence[str]) -> None:
        self.duckdb.records(name, files, path)
        self.spark.records(name, files, path)
        self._same(f'SELECT * FROM "{name}"', f"records {name}")

    def parquet(self, name: str, files: Sequence[str], columns: Mapping[str, str], *, file: str = "") -> None:
        self.duckdb.parquet(name, files, columns, file=file)
        self.spark.parquet(name, files, columns, file=file)
        self._same(f'SELECT * FROM "{name}"', f"parquet {name}")

    def define(
        self, name: str, sql: str, *, materialize: bool, as_written: bool = False, label: str | None = None
    ) -> None:
        self._note(label or name)
        self.duckdb.define(name, sql, materialize=materialize, as_written=as_written, label=label)
        self.spark.define(name, sql, materialize=materialize, label=label)
        if materialize:
            # Spark kept the rows as files: no need to ask it for them.
            files = [url2pathname(urlsplit(file).path) for file in self.spark.session.table(name).inputFiles()]
            expected = self.duckdb.table(f'SELECT * FROM "{name}"', name=label or name)
            compare(expected, dataset.dataset(files, format="parquet").to_table(), label or name)

    def filtering_last(self) -> AbstractContextManager[None]:
        return self.duckdb.filtering_last()

    def drop(self, name: str) -> None:
        self.duckdb.drop(name)
        self.spark.drop(name)

    def table(self, sql: str, *, name: str) -> pa.Table:
        self._note(name)
        return self._same(sql, name)

    def reader(self, sql: str, *, name: str) -> pa.RecordBatchReader:
        self._note(name)
        expected = self.duckdb.table(sql, name=name)
        compare(expected, self.spark.reader(sql, name=name).read_all(), name)
        return expected.to_reader()

    def columns(self, sql: str, *, name: str) -> list[tuple[str, str]]:
        found = self.duckdb.columns(sql, name=name)
        assert [c for c, _ in found] == [c for c, _ in self.spark.columns(sql, name=name)], name
        return found

    def write(self, sql: str, target: WriteTarget, *, name: str) -> tuple[int, int]:
        self._note(name)
        folder = Path(self.spark.scratch, uuid.uuid4().hex)
        spark_writes.to_files(self.spark._frame(sql, name), target.table, str(folder))
        self.duckdb.scan("_written_by_spark", target.table, [str(file) for file in folder.rglob("*.parquet")])
        got = self.duckdb.table("SELECT * FROM _written_by_spark", name=name)
        compare(self.duckdb.table(sql, name=name), got, f"{name}, written to {target.table.name}")
        return self.duckdb.write(sql, target, name=name)

    def close(self) -> None:
        self.duckdb.close()
        self.spark.close()

    def _note(self, name: str) -> None:
        self.engine.seen.add(statement_of(name))

    def _same(self, sql: str, name: str) -> pa.Table:
        expected = self.duckdb.table(sql, name=name)
        compare(expected, self.spark.table(sql, name=name), name)
        return expected


def statement_of(label: str) -> str:
    """The name of the statement in what errors call it (`profiles/touches as touches`)."""
    return label.partition(" as ")[0].partition(",")[0]


def compare(expected: pa.Table, got: pa.Table, name: str) -> None:
    """Fails unless both hold the same rows, in any order, under the same names."""
    named = [c for c in expected.column_names if "(" not in c]
    assert [c for c in got.column_names if c in named] == named, (
        f"{name}: {expected.column_names} != {got.column_names}"
    )
    if _same_rows(expected, got):
        return
    rows, others = (sorted(map(_row, each.to_pylist())) for each in (expected, got))
    if rows == others:
        return
    mine, theirs = [row for row in rows if row not in others], [row for row in others if row not in rows]
    raise AssertionError(
        f"{name}: {len(rows)} rows on DuckDB and {len(others)} on Spark\n"
        f"only on DuckDB: {mine[:SAMPLE]}\nonly on Spark:  {theirs[:SAMPLE]}"
    )


def _same_rows(expected: pa.Table, got: pa.Table) -> bool:
    """Whether both surely hold the same rows; rows of unlike types are not looked at."""
    if expected.num_rows != got.num_rows or expected.schema.types != got.schema.types:
        return False
    if not expected.num_rows:
        return True
    mine, theirs = (each.rename_columns([f"c{n}" for n in range(each.num_columns)]) for each in (expected, got))
    with duckdb.connect() as connection:
        connection.register("mine", mine)
        connection.register("theirs", theirs)
        return not connection.execute("SELECT 1 FROM (FROM mine EXCEPT ALL FROM theirs) LIMIT 1").fetchall()


def _row(row: dict[str, Any]) -> str:
    return repr([_plain(value) for value in row.values()])


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case float() | Decimal() if value == int(value):
            return int(value)
        case Decimal():
            return value.normalize()
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
    return value
