"""Columns on their way into raw files: Arrow batches written as Parquet as they come, under types that SQL knows.

Knows no system; a batch whose columns are not those of the first stops the pull.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from segment_pipeline.errors import ContractError

TEXT = pa.string()


@dataclass(frozen=True, slots=True)
class Written:
    """A raw file's columns, by name and SQL type, and its rows."""

    columns: Mapping[str, str]
    rows: int


def sql_type(kind: pa.DataType) -> str:
    """The SQL type a column of this Arrow type is read as; what has none is text."""
    if pa.types.is_dictionary(kind):
        return sql_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if kind == pa.uint64():
        return "DECIMAL(20,0)"
    if pa.types.is_integer(kind):
        return "BIGINT"
    if pa.types.is_floating(kind):
        return "DOUBLE"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({min(kind.precision, 38)},{kind.scale})"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type):
        return "VARCHAR[]"
    return "VARCHAR"


def types_of(schema: pa.Schema) -> dict[str, str]:
    """Columns by name and SQL type. Raises ContractError where two have one name."""
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise ContractError(f"the column {', '.join(twice)} is there twice: name each once")
    return {field.name: sql_type(field.type) for field in schema}


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
