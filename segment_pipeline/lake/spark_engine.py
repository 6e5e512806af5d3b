"""The Spark engine: the same SQL over the same tables, on as many machines as the master has. Knows files and SQL, no table by name.

What is read more than once is kept as Parquet in a scratch folder of the lake, which every executor reaches; rows are written by
the executors and committed by delta-rs. Only small results, and what `reader` streams, pass through this process.
"""

import logging
import os
import re
import shutil
import sys
import uuid
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import dataset, parquet

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.interrupts import interrupted
from segment_pipeline.lake import commits, spark_functions, spark_writes, storage
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.engine import WriteTarget, columns_read, derived_everywhere
from segment_pipeline.lake.schema import Column, Table
from segment_pipeline.lake.spark_dialect import render

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

BATCH_ROWS = 100_000
OURS = re.compile(r"\bhouse_\w+", flags=re.IGNORECASE)
# What Spark says of names is safe and helps; a condition's other parameters may hold a value.
SAFE_PARAMETERS = ("objectName", "relationName", "routineName")
SPARK_TYPES = {
    "VARCHAR": "STRING",
    "INTEGER": "INT",
    "TIMESTAMPTZ": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "VARCHAR[]": "ARRAY<STRING>",
}


class SparkEngine:
    """`master` as Spark takes it (`local[2]`, `spark://…`, `yarn`, `k8s://…`); `memory` is the driver's: all there is of a local master.

    `scratch` is a folder that driver and executors reach under one path. `conf` is more of Spark's configuration, before which
    `SPARK_CONF_DIR` is read. Raises ConfigError when the extra or a Java runtime is missing.
    """

    dialect = "spark"

    def __init__(
        self, *, master: str, scratch: str, memory: str = "2GB", conf: Mapping[str, str] | None = None
    ) -> None:
        self.master, self.scratch, self.memory = master, scratch.rstrip("/"), memory
        self.conf = tuple(sorted((conf or {}).items()))

    def connect(self) -> "SparkConnection":
        session = _session(self.master, self.memory, self.conf).newSession()
        # There is one Spark in a process: a new session begins with what the first engine's `conf` said.
        for key, value in self.conf:
            if session.conf.isModifiable(key):
                session.conf.set(key, value)
        return SparkConnection(session, f"{self.scratch}/{uuid.uuid4().hex}")


@cache
def _session(master: str, memory: str, conf: tuple[tuple[str, str], ...]) -> "SparkSession":
    try:
        # It warns of a pandas newer than its own pandas API was tried with; that API is not used here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            from pyspark.sql import SparkSession
    except ImportError:
        raise ConfigError(
            "SEGMENT_PIPELINE_ENGINE is spark and pyspark is not installed: pip install 'segment-pipeline[spark]'"
        ) from None
    if shutil.which("java") is None:
        raise ConfigError(
            "SEGMENT_PIPELINE_ENGINE is spark and there is no java: install a Java 17 runtime (JAVA_HOME)"
        )
    settings: dict[str, str] = {
        "spark.app.name": "segment-pipeline",
        "spark.master": master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # What it keeps for a page nobody looks at: plans, and each of their metrics, of a thousand statements.
        "spark.sql.ui.retainedExecutions": "10",
        "spark.ui.retainedJobs": "10",
        "spark.ui.retainedStages": "10",
        "spark.ui.retainedTasks": "100",
        "spark.sql.maxPlanStringLength": "1000",
        "spark.driver.memory": _java_size(memory),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.caseSensitive": "false",
        # The lake prunes partitions itself, and a pruning filter was seen to run before what it waits for.
        "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "5000",
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        "spark.log.level": "OFF",
    }
    if master.startswith("local"):
        cores = re.search(r"\[(\d+)", master)
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(2 * int(cores.group(1)) if cores else 8),
        }
        # Its workers run what `spark_functions` holds: they need this environment, not the first python3 on the path.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for key, value in (settings | dict(conf)).items():
        builder = builder.config(key, value)
    # Its query contexts quote statements, and those hold bound values.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    with engine_errors("starting the session"):
        return builder.getOrCreate()


def _java_size(memory: str) -> str:
    number, unit = re.fullmatch(r"([\d.]+)\s*([KMGT])i?B", memory, flags=re.IGNORECASE).groups()  # type: ignore[union-attr]
    return f"{int(float(number) * 1024 ** ('KMGT'.index(unit.upper()) + 1) / 1024**2)}m"


@contextmanager
def engine_errors(name: str) -> Iterator[None]:
    """Spark quotes values and statements: its message stays here, but for the condition and the names it says are missing."""
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        if interrupted():
            # Jobs are cancelled then, and fail.
            raise KeyboardInterrupt from None
        if isinstance(error, PySparkException):
            raise _failed(name, error, error.getCondition(), error.getMessageParameters()) from None
        said = _condition(error.java_exception) if isinstance(error, Py4JJavaError) else (None, None)
        raise _failed(name, error, *said) from None


def _plain(column: str, held: Mapping[str, str]) -> str:
    """A column of a file that holds columns of these types; what is nested as JSON, as DuckDB's engine gives it."""
    kind = held.get(column)
    if kind is None:
        return "NULL"
    nested = kind.startswith(("struct", "map", "array")) and kind != "array<string>"
    return f"to_json({quote(column)})" if nested else quote(column)


def _failed(name: str, error: Exception, condition: str | None, said: Mapping[str, str] | None) -> ContractError:
    named = " ".join((said or {})[key] for key in SAFE_PARAMETERS if key in (said or {})).replace("`", "")
    return ContractError(f"{name} failed on Spark: {condition or type(error).__name__} {named}".rstrip())


def _condition(thrown: Any) -> tuple[str | None, Mapping[str, str] | None]:
    """Condition and parameters of the first exception that has one: a job's failure arrives inside those of who waited for it."""
    from py4j.java_gateway import is_instance_of
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway  # noqa: SLF001 - there is no public way to what Java says
    while thrown is not None:
        if is_instance_of(gateway, thrown, "org.apache.spark.SparkThrowable"):
            said = gateway.jvm.PythonErrorUtils
            if condition := said.getCondition(thrown):
                return condition, dict(said.getMessageParameters(thrown))
        thrown = thrown.getCause()
    return None, None


class SparkConnection:
    """One Spark session of its own views; temporary tables are Parquet under `scratch`, removed with it."""

    def __init__(self, session: "SparkSession", scratch: str) -> None:
        self.session, self.scratch = session, scratch
        self._made = 0

    def scan(
        self,
        name: str,
        table: Table,
        files: Sequence[str],
        *,
        held: Collection[str] | None = None,
    ) -> None:
        if not files:
            empty = ", ".join(f"CAST(NULL AS {spark_type(c)}) AS `{c.name}`" for c in table.columns)
            self._spark_view(name, f"SELECT {empty} WHERE FALSE", label=f"scan of {table.name}")
            return
        with engine_errors(f"scan of {table.name}"):
            schema = ", ".join(f"`{c.name}` {spark_type(c)}" for c in table.columns)
            rows = self._parquet(files, table).schema(schema).parquet(*files)
            # Spark puts columns read off folders last, and gives NULL for a column a file lacks.
            rows = rows.select(*(f"`{column}`" for column in table.names))
            if derived_everywhere(table, held):
                rows.createOrReplaceTempView(name)
                return
            rows.createOrReplaceTempView(f"{name}_files")
        self.define(name, f"SELECT {columns_read(table)} FROM {quote(f'{name}_files')}", materialize=False)

    def scan_as_held(self, name: str, table: Table, files: Sequence[str]) -> None:
        with engine_errors(f"scan of {table.name}"):
            reader = self._parquet(files, table).option("mergeSchema", "true")
            reader.parquet(*files).createOrReplaceTempView(name)

    def register(self, name: str, rows: pa.Table) -> None:
        from pyspark.sql.pandas.types import from_arrow_schema

        with engine_errors(f"register {name}"):
            readable = _readable(rows)
            folder = self._folder()
            fs, path = storage.filesystem(folder)
            fs.makedirs(path, exist_ok=True)
            with fs.open(f"{path}/rows.parquet", "wb") as file:
                parquet.write_table(readable, file)
            # Without a schema Spark runs a job to find it.
            schema = from_arrow_schema(readable.schema, prefer_timestamp_ntz=True)
            self.session.read.schema(schema).parquet(folder).createOrReplaceTempView(name)

    def records(self, name: str, files: Sequence[str], path: Sequence[str]) -> None:
        with engine_errors(f"records {name}"):
            if not files:
                self._spark_view(name, "SELECT CAST(NULL AS STRING) AS record WHERE FALSE", label=name)
            elif not path:
                lines = self.session.read.text(list(files)).withColumnRenamed("value", "record")
                lines.where("record <> ''").createOrReplaceTempView(name)
            else:
                elements = "$" + "".join(f".{quote(step)}" for step in path) + "[*]"
                self.session.read.schema("content STRING").parquet(*files).createOrReplaceTempView(f"{name}_pages")
                function = spark_functions.elements_at(elements)
                sql = f"SELECT explode({function}(content)) AS record FROM `{name}_pages`"
                self._spark_view(name, sql, label=name)

    def parquet(self, name: str, files: Sequence[str], columns: Mapping[str, str], *, file: str = "") -> None:
        read, held = f"{name}_files", dict[str, str]()
        with engine_errors(f"parquet {name}"):
            if files:
                rows = self.session.read.option("mergeSchema", "true").parquet(*files)
                held = dict(rows.dtypes)
                if file:
                    rows = rows.withColumn(file, rows["_metadata.file_name"])
                rows.createOrReplaceTempView(read)
        listed = [f"CAST({_plain(column, held)} AS {kind}) AS {quote(column)}" for column, kind in columns.items()]
        if file:
            listed.append(quote(file) if files else f"CAST(NULL AS VARCHAR) AS {quote(file)}")
        casts = ", ".join(listed)
        self.define(
            name, f"SELECT {casts} FROM {quote(read)}" if files else f"SELECT {casts} WHERE FALSE", materialize=False
        )

    def filtering_last(self) -> AbstractContextManager[None]:
        return nullcontext()

    def define(
        self,
        name: str,
        sql: str,
        *,
        materialize: bool,
        as_written: bool = False,  # noqa: ARG002  Spark sees how large a side is before it joins
        label: str | None = None,
    ) -> None:
        label = label or name
        if not materialize:
            self._spark_view(name, render(sql, label), label=label)
            return
        frame = self._frame(sql, label)
        # The folder of a table this one replaces stays until the end: views may still read it.
        folder = self._folder()
        with engine_errors(label):
            frame.write.parquet(folder)
            self.session.read.schema(frame.schema).parquet(folder).createOrReplaceTempView(name)

    def drop(self, name: str) -> None:
        with engine_errors(f"drop {name}"):
            self.session.catalog.dropTempView(name)

    def table(self, sql: str, *, name: str) -> pa.Table:
        frame = self._frame(sql, name)
        with engine_errors(name):
            return frame.toArrow()

    def reader(self, sql: str, *, name: str) -> pa.RecordBatchReader:
        frame = self._frame(sql, name)
        folder = self._folder()
        with engine_errors(name):
            frame.write.parquet(folder)
        fs, path = storage.filesystem(folder)
        # Files are named by task, and tasks of a sorted result by range: in this order the rows are the query's.
        found = sorted(file for file in fs.find(path) if file.endswith(".parquet"))
        rows = dataset.dataset(found, filesystem=fs, format="parquet", schema=spark_writes.arrow_schema(frame.schema))

        def batches() -> Iterator[pa.RecordBatch]:
            yield from rows.to_batches(batch_size=BATCH_ROWS, fragment_readahead=1, batch_readahead=2)
            fs.rm(path, recursive=True)

        return pa.RecordBatchReader.from_batches(rows.schema, batches())

    def columns(self, sql: str, *, name: str) -> list[tuple[str, str]]:
        return [(column, str(kind)) for column, kind in self._frame(sql, name).dtypes]

    def write(self, sql: str, target: WriteTarget, *, name: str) -> tuple[int, int]:
        frame = self._frame(sql, name)
        folder = self._folder()
        with engine_errors(name):
            spark_writes.to_files(frame, target.table, folder)
        return commits.commit(spark_writes.moved(folder, target.uri), target)

    def close(self) -> None:
        with suppress(FileNotFoundError):
            fs, path = storage.filesystem(self.scratch)
            fs.rm(path, recursive=True)

    def _frame(self, sql: str, name: str) -> "DataFrame":
        text = render(sql, name)
        self._need(text)
        with engine_errors(name):
            return _without_untyped(self.session.sql(text))

    def _spark_view(self, name: str, text: str, *, label: str) -> None:
        self._need(text)
        with engine_errors(label):
            self.session.sql(f"CREATE OR REPLACE TEMP VIEW `{name}` AS {text}")

    def _need(self, text: str) -> None:
        for found in set(OURS.findall(text)):
            function = found.lower()
            if not self.session.catalog.functionExists(function):
                spark_functions.register(self.session, function)

    def _parquet(self, files: Sequence[str], table: Table) -> Any:
        # Partition columns are read off the folders' names, from the table's own folder on.
        depth = len(table.partition_by) + 1
        return self.session.read.option("basePath", files[0].rsplit("/", depth)[0])

    def _folder(self) -> str:
        self._made += 1
        return f"{self.scratch}/{self._made:05d}"


def spark_type(column: Column) -> str:
    """A declared column's type as Spark spells it."""
    return SPARK_TYPES.get(column.sql, column.sql)


def _without_untyped(frame: "DataFrame") -> "DataFrame":
    # A column of nothing but NULL is an integer to DuckDB; Parquet has no such type.
    from pyspark.sql import functions as f, types as t

    untyped = [field.name for field in frame.schema.fields if isinstance(field.dataType, t.NullType)]
    return frame.withColumns({name: f.col(f"`{name}`").cast("int") for name in untyped}) if untyped else frame


def _readable(rows: pa.Table) -> pa.Table:
    """Types Spark reads from Parquet: microseconds, plain text, signed integers."""
    fields: list[pa.Field] = []
    for field in rows.schema:
        kind = field.type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
        elif pa.types.is_null(kind):
            kind = pa.int32()
        elif pa.types.is_dictionary(kind):
            kind = kind.value_type
        fields.append(pa.field(field.name, kind))
    return rows.cast(pa.schema(fields))
