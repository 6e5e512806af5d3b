"""DuckDB for a whole test, and Spark for the statements a test names: asked over the same rows, held to the same answer.

Marks a test that leads where the company of `test_models` does not: `@pytest.mark.also_on_spark("audiences/drawn", …)`.
"""

import re
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import sqlglot
from sqlglot import exp

from segment_pipeline.lake.duckdb_engine import DuckDBConnection, DuckDBEngine
from segment_pipeline.lake.engine import WriteTarget
from segment_pipeline.lake.spark_engine import SparkEngine
from segment_pipeline_tests.engines.both import compare, statement_of

TESTS = Path(__file__).parent.parent


class NamedOnSpark:
    """`compared`: the statements of `names` that were asked of both, and answered with rows."""

    dialect = "duckdb"

    def __init__(self, duckdb: DuckDBEngine, spark: SparkEngine, names: Collection[str]) -> None:
        self.duckdb, self.spark, self.names = duckdb, spark, frozenset(names)
        self.compared: set[str] = set()

    def connect(self) -> "NamedConnection":
        return NamedConnection(self)


class NamedConnection(DuckDBConnection):
    def __init__(self, engine: NamedOnSpark) -> None:
        super().__init__(engine.duckdb)
        self.engine = engine

    def define(
        self, name: str, sql: str, *, materialize: bool, as_written: bool = False, label: str | None = None
    ) -> None:
        self._asked(sql, label or name)
        super().define(name, sql, materialize=materialize, as_written=as_written, label=label)

    def reader(self, sql: str, *, name: str) -> pa.RecordBatchReader:
        self._asked(sql, name)
        return super().reader(sql, name=name)

    def write(self, sql: str, target: WriteTarget, *, name: str) -> tuple[int, int]:
        self._asked(sql, name)
        return super().write(sql, target, name=name)

    def _asked(self, sql: str, label: str) -> None:
        statement = statement_of(label)
        if statement not in self.engine.names:
            return
        expected, tree = super().reader(sql, name=label).read_all(), sqlglot.parse_one(sql, read="duckdb")
        own = {each.alias for each in tree.find_all(exp.CTE)}
        with closing(self.engine.spark.connect()) as spark:
            for read in {table.name for table in tree.find_all(exp.Table)} - own:
                spark.register(read, super().reader(f'SELECT * FROM "{read}"', name=read).read_all())
            compare(expected, spark.table(sql, name=label), label)
        if expected.num_rows:
            self.engine.compared.add(statement)


def named_by_tests() -> set[str]:
    """The statements that marks of tests name."""
    marks = re.compile(r"mark\.also_on_spark\(([^)]*)\)")
    texts = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    return {name for text in texts for mark in marks.findall(text) for name in re.findall(r'"([^"]+)"', mark)}
