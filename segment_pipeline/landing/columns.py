"""Columns on their way into raw files: Arrow batches written as Parquet as they come, under types that SQL knows.

Knows no system; a batch whose columns are not those of the first stops the pull.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.landing.extracts import NOTHING, Extract, family
from segment_pipeline.landing.holdable import Odd, held, schema_of
from segment_pipeline.texts import NUL

TEXT = pa.string()
# Which of the files a row came from; and what names of columns begin with that landing adds to a row's own.
FILE, RESERVED = "_file", ("raw:", "landing:")
PLAIN: Sequence[tuple[Callable[[pa.DataType], bool], str]] = (
    (pa.types.is_null, NOTHING),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_uint64, "DECIMAL(20,0)"),
    (pa.types.is_integer, "BIGINT"),
    (pa.types.is_floating, "DOUBLE"),
    (pa.types.is_date, "DATE"),
)


@dataclass(frozen=True, slots=True)
class Written:
    """A raw file's columns, by name and SQL type, its rows, and how many of its values could not be held."""

    columns: Mapping[str, str]
    rows: int
    odd: Odd = field(default_factory=Odd)


def sql_type(kind: pa.DataType) -> str:
    """The SQL type a column of this Arrow type is read as; what has none is text."""
    if pa.types.is_dictionary(kind):
        return sql_type(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"DECIMAL({min(kind.precision, 38)},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type):
        return "VARCHAR[]"
    return next((said for holds, said in PLAIN if holds(kind)), "VARCHAR")


def usable(name: str) -> bool:
    """Whether a column may be called so: neither blank nor with a NUL, nor as landing calls what it works out of a row."""
    return bool(name.strip()) and NUL not in name and name.lower() != FILE and not name.lower().startswith(RESERVED)


def same_name(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first two columns that SQL cannot tell apart: of one name, whatever its case."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        if (before := seen.setdefault(name.lower(), place)) != place:
            return before, place
    return None


def types_of(schema: pa.Schema) -> dict[str, str]:
    """Columns by name and SQL type. Raises ContractError where two have one name, or one has none."""
    for number, name in enumerate(schema.names, start=1):
        if not name.strip():
            raise ContractError(f"column {number} has no name: give it one")
        if NUL in name:
            raise ContractError(f"the name of column {number} holds a NUL character: rename it")
    if pair := same_name(schema.names):
        one, other = (schema.names[place] for place in pair)
        said = (
            f"the column {one} is there twice"
            if one == other
            else f"the columns {one} and {other} differ in case alone"
        )
        raise ContractError(f"{said}: give each a name of its own")
    return {each.name: sql_type(each.type) for each in schema}


def as_it_is(file: Path) -> Written | None:
    """What a Parquet file holds, where each of its values can be held as it stands; None: it has to be written anew.

    Raises ContractError for a file that cannot be read to its end.
    """
    odd = Odd()
    with opened(file) as read:
        types, schema = types_of(read.schema_arrow), schema_of(read.schema_arrow)
        if schema != read.schema_arrow:
            return None
        for batch in _batches(read):
            held(batch, schema, odd)
            if odd:
                return None
        return Written(types, read.metadata.num_rows)


def anew(file: Path, into: Path) -> Written:
    """Write a Parquet file's rows to another, such that each value can be held."""
    with opened(file) as read:
        return write(into, read.schema_arrow, _batches(read))


def opened(file: Path) -> parquet.ParquetFile:
    """A Parquet file; raises ContractError for one that is none."""
    try:
        # Old times of 96 bits reach beyond nanoseconds.
        return parquet.ParquetFile(file, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError):
        raise ContractError("it cannot be read as Parquet: is it complete?") from None


def _batches(read: parquet.ParquetFile) -> Iterator[pa.RecordBatch]:
    try:
        yield from read.iter_batches()
    except (pa.ArrowException, OSError):
        raise ContractError("it cannot be read as Parquet: is it complete?") from None


def together(where: str, read: Sequence[Extract], *, grown: bool = False) -> Extract:
    """Pieces of one answer as one: their rows, and each column's type, which all that have values in it share.

    `grown`: columns were added over time, and older pieces lack them. Raises ContractError for pieces with other columns, or a column of several types.
    """
    found: dict[str, str] = {}
    names = read[0].columns.keys()
    for each in read:
        if each.columns.keys() != names and not grown:
            other = ", ".join(sorted(names ^ each.columns.keys()))
            raise ContractError(
                f"{where}: a later piece has other columns than the first ({other}): give each the same"
            )
        for name, kind in each.columns.items():
            found[name] = _common(where, name, found.get(name, NOTHING), kind)
    rows = sum(each.rows for each in read)
    return Extract("", found, rows)


def _common(where: str, name: str, one: str, other: str) -> str:
    if NOTHING in {one, other} or one == other:
        return other if one == NOTHING else one
    if family(one) == family(other) == "number":
        exact = not ({one, other} & {"DOUBLE"})
        return "DECIMAL(38,9)" if exact else "DOUBLE"
    said = [family(one), family(other)] if family(one) != family(other) else [one, other]
    raise ContractError(f"{where}: the column {name} holds {said[0]}s and {said[1]}s: make it one type")


def write(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Written:
    """Write batches as one Parquet file, without holding more than one of them; what cannot be held is replaced, and counted."""
    schema, odd, rows = schema_of(schema), Odd(), 0
    columns = types_of(schema)
    with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as file:
        for batch in batches:
            file.write_batch(held(batch, schema, odd))
            rows += batch.num_rows
    return Written(columns, rows, odd)


def write_texts(path: Path, columns: Mapping[str, list[str]]) -> None:
    """Write a handful of texts."""
    parquet.write_table(pa.table({name: pa.array(values, TEXT) for name, values in columns.items()}), path)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
