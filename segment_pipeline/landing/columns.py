"""Columns on their way into raw files: Arrow batches written as Parquet as they come, under types that SQL knows.

Knows no system; a batch whose columns are not those of the first stops the pull.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.landing.extracts import NOTHING, Extract, family

TEXT = pa.string()
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
    """A raw file's columns, by name and SQL type, and its rows."""

    columns: Mapping[str, str]
    rows: int


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
    if pair := same_name(schema.names):
        one, other = (schema.names[place] for place in pair)
        said = (
            f"the column {one} is there twice"
            if one == other
            else f"the columns {one} and {other} differ in case alone"
        )
        raise ContractError(f"{said}: give each a name of its own")
    return {field.name: sql_type(field.type) for field in schema}


def whole(file: Path) -> bool:
    """Whether every value of a Parquet file can be read; without holding more than a batch of them."""
    try:
        with parquet.ParquetFile(file) as held:
            for _ in held.iter_batches():
                pass
    except (pa.ArrowException, OSError):
        return False
    return True


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
    """Write batches as one Parquet file, without holding more than one of them."""
    columns, rows = types_of(schema), 0
    with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as file:
        for batch in batches:
            file.write_batch(batch)
            rows += batch.num_rows
    return Written(columns, rows)


def write_texts(path: Path, columns: Mapping[str, list[str]]) -> None:
    """Write a handful of texts."""
    parquet.write_table(pa.table({name: pa.array(values, TEXT) for name, values in columns.items()}), path)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
