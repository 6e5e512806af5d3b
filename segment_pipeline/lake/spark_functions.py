"""Functions Spark lacks or answers otherwise: DuckDB runs them inside Spark's Python workers, so that the answer is the same.

For what lands and is rare; nothing here belongs into the path of every order or event. Workers need `duckdb` and `pyarrow`.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from segment_pipeline.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FROM_JSON, JSON_TYPE, JSON_VALID, JSON_ELEMENTS = (
    "house_from_json",
    "house_json_type",
    "house_json_valid",
    "house_json_elements",
)
SCALARS = {"VARCHAR": "STRING", "JSON": "STRING", "BIGINT": "BIGINT", "BOOLEAN": "BOOLEAN", "DOUBLE": "DOUBLE"}

# What DuckDB computes of the argument(s) `a` and `b`, and Spark's type of it, by the function's name.
_declared: dict[str, tuple[str, str]] = {
    JSON_TYPE: ("json_type(a, b)", "STRING"),
    JSON_VALID: ("json_valid(a)", "BOOLEAN"),
}


def from_json_of(shape: str) -> str:
    """The name of the function that types records as `shape` says (DuckDB's JSON structure): one per shape."""
    return _one_per(FROM_JSON, shape, f"from_json(a, {_literal(shape)})", spark_type(json.loads(shape)))


def elements_at(path: str) -> str:
    """The name of the function that gives the elements of the list at a JSON path, as texts: one per path."""
    return _one_per(JSON_ELEMENTS, path, f"CAST(json_extract(a, {_literal(path)}) AS VARCHAR[])", "ARRAY<STRING>")


def _one_per(kind: str, constant: str, expression: str, result: str) -> str:
    name = f"{kind}_{hashlib.sha256(constant.encode()).hexdigest()[:12]}"
    _declared[name] = (expression, result)
    return name


def spark_type(shape: Any) -> str:
    """A JSON structure as Spark spells the type; raises ContractError for a type no statement uses yet."""
    match shape:
        case str() if shape in SCALARS:
            return SCALARS[shape]
        case [element]:
            return f"ARRAY<{spark_type(element)}>"
        case dict():
            return "STRUCT<" + ", ".join(f"`{key}`: {spark_type(value)}" for key, value in shape.items()) + ">"
    raise ContractError(f"a JSON structure names a type Spark is not told of: {shape}")


def register(session: "SparkSession", name: str) -> None:
    """Make the function of this name known to a session."""
    from pyspark import cloudpickle
    from pyspark.sql.pandas.functions import arrow_udf

    # By value: a cluster's workers need not have this package.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    if name not in _declared:
        raise ContractError(f"there is no function {name} for Spark")
    expression, kind = _declared[name]
    function: Any = arrow_udf(_run_by_duckdb(expression), kind)  # type: ignore[call-overload]
    session.udf.register(name, function)


def _run_by_duckdb(expression: str) -> Callable[..., Any]:
    """A function of Arrow arrays `a` and `b` (or `a` alone) that DuckDB computes; an error names no value."""

    def one(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        return _computed(expression, ({"a": batch} for batch in batches))

    def two(batches: Iterator[tuple[pa.Array, pa.Array]]) -> Iterator[pa.Array]:
        return _computed(expression, ({"a": a, "b": b} for a, b in batches))

    return two if "(a, b)" in expression else one


def _computed(expression: str, batches: Iterator[dict[str, pa.Array]]) -> Iterator[pa.Array]:
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": 1})
    for batch in batches:
        connection.register("batch", pa.table(batch))
        try:
            answered = connection.sql(f"SELECT {expression} AS answer FROM batch").to_arrow_table()
        except duckdb.Error as error:
            # Its text quotes the record.
            raise ValueError(f"{expression.partition('(')[0]} failed: {type(error).__name__}") from None
        yield answered.column(0).combine_chunks()
    connection.close()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
