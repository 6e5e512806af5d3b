"""Files of members as tables: read and written whole, merged by key, in a form in which equal members are equal bytes.

A table has the columns members are known by, those a layout always has, and, where members carry any, one per attribute; NULL is an
empty cell.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from segment_pipeline.delivery import attributes, bodies
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.dialect import literal, quote

Delivered = Callable[[Path, str], None]
"""Is handed a file that is whole, before it stands under the name given."""
PARQUET: Final = ".parquet"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What files of members look like. `key`: the columns members are known by; `header`: what a file calls them.

    `others`: what another platform's file may call them. `columns`: those that are always there. `bare`: no cell has anything to quote,
    unless there are further columns.
    """

    key: tuple[str, ...]
    header: tuple[str, ...]
    others: Collection[tuple[str, ...]] = ()
    columns: tuple[str, ...] = ()
    bare: bool = True

    def empty(self) -> pa.Table:
        return pa.table({column: pa.array([], pa.string()) for column in (*self.key, *self.columns)})

    def read(self, path: Path) -> pa.Table:
        """ContractError when it was edited into something else."""
        try:
            table = _parquet(path) if path.suffix == PARQUET else _csv(path)
        except pa.ArrowInvalid:
            table = None
        first = len(self.key)
        if table is None or tuple(table.column_names[:first]) not in {self.header, *self.others}:
            raise ContractError(
                f"{path.name} of {path.parent.name} is not a file of members: restore it, or remove it and sync again"
            )
        return table.rename_columns([*self.key, *table.column_names[first:]])

    def write(self, path: Path, table: pa.Table, delivered: Delivered | None = None) -> None:
        """Whole or not at all, by the name's ending. Where cells may hold anything all are quoted, the header where it must be."""
        more = table.column_names[len(self.key) :]
        with whole(path, delivered) as file:
            if path.suffix == PARQUET:
                from pyarrow import parquet

                parquet.write_table(table.rename_columns([*self.header, *more]), file)
                return
            # pyarrow would quote the header of all files, and not every upload form reads that.
            file.write(",".join(map(_cell, [*self.header, *more])).encode() + b"\n")
            _write_csv(file, table, bare=self.bare and not more)

    def of_batch(self, rows: pa.Table) -> pa.Table:
        """A batch's members with a column per attribute that one of them carries; '' where an attribute is to be emptied."""
        names = self._in_order(attributes.carried(rows))
        if not names:
            return rows.select(list(self.key)).cast(self.empty().schema)
        columns = []
        for name in names:
            path = literal('$."' + name.replace('"', '\\"') + '"')
            cleared = f"json_type(attributes, {path}) = 'NULL'"
            columns.append(
                f"CASE WHEN {cleared} THEN '' ELSE json_extract_string(attributes, {path}) END AS {quote(name)}"
            )
        return bodies.combined(f"SELECT {', '.join([*map(quote, self.key), *columns])} FROM rows", rows=rows)

    def merged(self, members: pa.Table, added: pa.Table) -> pa.Table:
        """The members with those added; an attribute that is not said stays as it was."""
        more = self._in_order({*members.column_names, *added.column_names} - {*self.key})
        if not more:
            return self.ordered(pa.concat_tables([members, added]))
        held, said = (self._with_columns(table, more) for table in (members, added))
        keys = ", ".join(f"coalesce(m.{quote(name)}, a.{quote(name)}) AS {quote(name)}" for name in self.key)
        values = ", ".join(f"coalesce(a.{quote(name)}, m.{quote(name)}) AS {quote(name)}" for name in more)
        same = " AND ".join(f"a.{quote(name)} = m.{quote(name)}" for name in self.key)
        return self.ordered(
            bodies.combined(
                f"SELECT {keys}, {values} FROM members AS m FULL JOIN added AS a ON {same}",
                members=self._filled(held),
                added=self._filled(said),
            )
        )

    def without(self, members: pa.Table, removed: pa.Table) -> pa.Table:
        """The members that are not, as whole rows, among those removed."""
        key = list(self.key)
        marked = self._filled(removed.select(key)).group_by(key).aggregate([])
        return self.ordered(self._filled(members).join(marked, keys=key, join_type="left anti"))

    def not_carried(self, removed: pa.Table, staying: pa.Table) -> pa.Table:
        """Rows to take out at a platform, which matches on any identifier: without those that somebody who stays carries."""
        columns = []
        for name in self.key:
            column = removed.column(name)
            carried = pc.is_in(column, staying.column(name).combine_chunks().drop_null())
            columns.append(pc.if_else(carried, None, column))
        left = pa.table([column.cast(pa.string()) for column in columns], names=list(self.key))
        return self.ordered(left.filter(pc.is_valid(self.strongest(left))))

    def strongest(self, table: pa.Table) -> pa.ChunkedArray:
        """The first of the key's identifiers that a row has."""
        return pc.coalesce(*(table.column(name) for name in self.key))

    def ordered(self, table: pa.Table) -> pa.Table:
        """Distinct and in order, so that equal members are equal files; NULL for the empty text."""
        distinct = self._filled(table).group_by(table.column_names).aggregate([])
        in_order = distinct.sort_by([(column, "ascending") for column in self.key])
        emptied = [pc.if_else(pc.equal(column, ""), None, column) for column in in_order.columns]
        return pa.table(dict(zip(in_order.column_names, emptied, strict=True)))

    def _in_order(self, names: Collection[str]) -> list[str]:
        """A layout's columns as it has them, all of them, and then what attributes there are. ConfigError for a name that is taken: capitals tell
        no two columns apart.
        """
        taken = Counter(name.casefold() for name in {*self.key, *self.header, *self.columns, *names})
        for name in sorted({*names} - {*self.columns}):
            if not name or name in self.key or taken[name.casefold()] > 1:
                raise ConfigError(f"a file of members has no room for attribute {name!r}, its name is taken: rename it")
        return [*self.columns, *sorted({*names} - {*self.columns})]

    def _with_columns(self, table: pa.Table, names: Sequence[str]) -> pa.Table:
        nothing = pa.nulls(table.num_rows, pa.string())
        columns = {name: table.column(name) if name in table.column_names else nothing for name in (*self.key, *names)}
        return pa.table(columns)

    def _filled(self, table: pa.Table) -> pa.Table:
        """The empty text for NULL in the key, as in the file: joins do not match NULL with NULL."""
        filled = {name: table.column(name).cast(pa.string()) for name in table.column_names}
        return pa.table({name: column.fill_null("") if name in self.key else column for name, column in filled.items()})


def write_list(path: Path, values: pa.ChunkedArray, delivered: Delivered | None = None) -> None:
    """One value a line, in order, without a header."""
    with whole(path, delivered) as file:
        _write_csv(file, pa.table({"value": values.unique().drop_null()}).sort_by("value"), bare=True)


@contextmanager
def whole(path: Path, delivered: Delivered | None = None) -> Iterator[BinaryIO]:
    """A file that takes the path's place once it is written; for its owner only."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if delivered is not None:
            delivered(partial, path.name)
        partial.replace(path)
        _sync_directory(path.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _csv(path: Path) -> pa.Table:
    options = csv.ConvertOptions(strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True)
    with csv.open_csv(path) as opened:
        names = opened.schema.names
    options.column_types = dict.fromkeys(names, pa.string())
    return csv.read_csv(path, convert_options=options, parse_options=csv.ParseOptions(newlines_in_values=True))


def _parquet(path: Path) -> pa.Table:
    from pyarrow import parquet

    return parquet.read_table(path, partitioning=None)


def _write_csv(file: BinaryIO, table: pa.Table, *, bare: bool) -> None:
    style = "none" if bare else "needed"
    csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style=style))


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text
