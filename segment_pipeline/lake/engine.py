"""What the lake asks of a SQL engine. A second engine implements these protocols; nothing else may know which one runs."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import pyarrow as pa
from deltalake import DeltaTable

from segment_pipeline.lake.schema import Table

Partitions = Mapping[str, Sequence[str | date]]


def derived_everywhere(table: Table, held: Collection[str] | None) -> bool:
    """Whether files that all hold these columns (None: they may differ) hold every derived one."""
    return held is not None and all(column.name in held for column in table.columns if column.derived)


def columns_read(table: Table) -> str:
    """A SELECT's columns over a table's, the derived ones computed where the files of rows lack them."""
    return ", ".join(column.selected() for column in table.columns)


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """Where a query's rows go, in one Delta commit.

    `delta`: the table, newest when the write begins; a commit after another writer's brings it up again.
    `partitions`: partition values whose rows are replaced; None: the whole table is; `append` replaces nothing.
    `marker`: (application id, number) recorded with the commit, so that a fold is applied once.
    `base`: version the rows were computed from: what others did to the same partitions since is a conflict; None: nothing
    of the table was read, and the last writer wins.
    """

    table: Table
    uri: str
    delta: DeltaTable
    partitions: Partitions | None = None
    append: bool = False
    marker: tuple[str, int] | None = None
    base: int | None = None
    storage_options: Mapping[str, str] = field(default_factory=dict)


class Connection(Protocol):
    """One conversation with an engine. Every engine exception leaves as ours, naming `name` and never quoting a value."""

    def scan(self, name: str, table: Table, files: Sequence[str], *, held: Collection[str] | None = None) -> None:
        """Make `name` a view of the table's declared columns, of their declared types, over these files.

        Columns a file lacks are NULL, and derived ones computed. `held`: the columns all of these files hold, which spares looking into each of them;
        None: they may differ.
        """

    def scan_as_held(self, name: str, table: Table, files: Sequence[str]) -> None:
        """Make `name` a view of all columns these files hold, whatever is declared: for migrations. Files may not be none."""

    def register(self, name: str, rows: pa.Table) -> None:
        """Make `name` a view of an Arrow table."""

    def records(self, name: str, files: Sequence[str], path: Sequence[str]) -> None:
        """Make `name` a view of the records in raw pages: one row `record`, JSON text, per element of the list at `path`.

        Files are Parquet with one column, `content`: a page as received. An empty `path`: the files are text instead, plain
        or gzip by their suffix, and each line is a record, valid JSON or not.
        """

    def parquet(self, name: str, files: Sequence[str], columns: Mapping[str, str], *, file: str = "") -> None:
        """Make `name` a view of these columns (name: type in DuckDB's words) of Parquet files, cast; NULL where a file lacks one.

        `file`: a further column, the name of the file a row stands in, without its folder.
        """

    def define(
        self, name: str, sql: str, *, materialize: bool, as_written: bool = False, label: str | None = None
    ) -> None:
        """Make `name` a view of a query, or a temporary table of its rows; `label` is what errors call it.

        `as_written`: see Statement.
        """

    def filtering_last(self) -> AbstractContextManager[None]:
        """Until it is left, a condition is asked of rows as they were made, and not of what they are made of.

        For rows whose making costs more than what a condition leaves out: pushed down, it makes what it asks of once more, and
        each time it is named.
        """

    def drop(self, name: str) -> None:
        """Forget a view or temporary table, if it is there."""

    def table(self, sql: str, *, name: str) -> pa.Table:
        """The rows of a query in memory: for results known to be small."""

    def reader(self, sql: str, *, name: str) -> pa.RecordBatchReader:
        """The rows of a query as a stream; read it to its end before the next call."""

    def columns(self, sql: str, *, name: str) -> list[tuple[str, str]]:
        """Names and engine types of a query's columns, without running it."""

    def write(self, sql: str, target: WriteTarget, *, name: str) -> tuple[int, int]:
        """Write a query's rows in one commit; returns their number and the table's version. Raises ConflictError when another writer was first."""

    def close(self) -> None: ...


class Engine(Protocol):
    """Opens connections. `dialect` is sqlglot's name of what it speaks."""

    dialect: str

    def connect(self) -> Connection: ...
