"""Files of members as tables: read and written whole, merged by key, in a form in which equal members are equal bytes.

A table has the columns `email` and `phone` and, where members carry any, one per attribute; NULL is an empty cell.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from segment_pipeline.delivery import bodies
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.dialect import literal, quote

KEY: Final = ("email", "phone")


def empty() -> pa.Table:
    return pa.table({column: pa.array([], pa.string()) for column in KEY})


def read(path: Path, headers: Collection[tuple[str, ...]]) -> pa.Table:
    """A file whose first columns are called in one of these ways. ContractError when it was edited into something else."""
    options = csv.ConvertOptions(strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True)
    try:
        with csv.open_csv(path) as opened:
            names = opened.schema.names
        options.column_types = dict.fromkeys(names, pa.string())
        table = csv.read_csv(path, convert_options=options, parse_options=csv.ParseOptions(newlines_in_values=True))
    except pa.ArrowInvalid:
        table = None
    if table is None or tuple(table.column_names[:2]) not in headers:
        raise ContractError(
            f"{path.name} of {path.parent.name} is not a file of members: restore it, or remove it and sync again"
        )
    return table.rename_columns([*KEY, *table.column_names[2:]])


def write(path: Path, table: pa.Table, header: Sequence[str] | None) -> None:
    """Whole or not at all; `header` None: none. With attributes cells are quoted, since those may hold anything."""
    more = table.column_names[2:]
    with whole(path) as file:
        if header is not None:
            # pyarrow would quote the header of all files, and not every upload form reads that.
            file.write(",".join([*header, *map(_cell, more)]).encode() + b"\n")
        style = "needed" if more else "none"
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style=style))


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the path's place once it is written; for its owner only."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_directory(path.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


def of_batch(rows: pa.Table) -> pa.Table:
    """A batch's members with a column per attribute that one of them carries; '' where an attribute is to be emptied."""
    named = bodies.query("SELECT DISTINCT unnest(json_keys(attributes)) FROM rows ORDER BY 1", rows)
    if not named:
        return rows.select(list(KEY)).cast(empty().schema)
    columns = []
    for (name,) in named:
        path = literal('$."' + str(name).replace('"', '\\"') + '"')
        cleared = f"json_type(attributes, {path}) = 'NULL'"
        columns.append(
            f"CASE WHEN {cleared} THEN '' ELSE json_extract_string(attributes, {path}) END AS {quote(str(name))}"
        )
    return bodies.combined(f"SELECT email, phone, {', '.join(columns)} FROM rows", rows=rows)


def merged(members: pa.Table, added: pa.Table) -> pa.Table:
    """The members with those added; an attribute that is not said stays as it was."""
    more = sorted({*members.column_names[2:], *added.column_names[2:]})
    if not more:
        return ordered(pa.concat_tables([members, added]))
    held, said = (_with_columns(table, more) for table in (members, added))
    values = ", ".join(f"coalesce(a.{quote(name)}, m.{quote(name)}) AS {quote(name)}" for name in more)
    return ordered(
        bodies.combined(
            f"""SELECT coalesce(m.email, a.email) AS email, coalesce(m.phone, a.phone) AS phone, {values}
            FROM members AS m FULL JOIN added AS a ON a.email = m.email AND a.phone = m.phone""",
            members=_filled(held),
            added=_filled(said),
        )
    )


def without(members: pa.Table, removed: pa.Table) -> pa.Table:
    """The members that are not, as whole rows, among those removed."""
    marked = _filled(removed.select(list(KEY))).group_by(list(KEY)).aggregate([])
    return ordered(_filled(members).join(marked, keys=list(KEY), join_type="left anti"))


def not_carried(removed: pa.Table, staying: pa.Table) -> pa.Table:
    """Rows to take out at a platform, which matches on any identifier: without those that somebody who stays carries."""
    columns = []
    for name in KEY:
        column = removed.column(name)
        carried = pc.is_in(column, staying.column(name).combine_chunks().drop_null())
        columns.append(pc.if_else(carried, None, column))
    left = pa.table(dict(zip(KEY, columns, strict=True)), schema=empty().schema)
    return ordered(left.filter(pc.or_(left.column("email").is_valid(), left.column("phone").is_valid())))


def ordered(table: pa.Table) -> pa.Table:
    """Distinct and in order, so that equal members are equal files; NULL for the empty text."""
    distinct = _filled(table).group_by(table.column_names).aggregate([])
    in_order = distinct.sort_by([(column, "ascending") for column in KEY])
    emptied = [pc.if_else(pc.equal(column, ""), None, column) for column in in_order.columns]
    return pa.table(dict(zip(in_order.column_names, emptied, strict=True)))


def _with_columns(table: pa.Table, names: Sequence[str]) -> pa.Table:
    nothing = pa.nulls(table.num_rows, pa.string())
    columns = {name: table.column(name) if name in table.column_names else nothing for name in (*KEY, *names)}
    return pa.table(columns)


def _filled(table: pa.Table) -> pa.Table:
    """The empty text for NULL in the key, as in the file: joins do not match NULL with NULL."""
    filled = {name: table.column(name).cast(pa.string()) for name in table.column_names}
    return pa.table({name: column.fill_null("") if name in KEY else column for name, column in filled.items()})
