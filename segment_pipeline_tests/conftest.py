"""Fixtures every room uses: a lake in an empty folder, and literal rows put through the real engine."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest

from segment_pipeline.lake import statements
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.engine import Engine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.spark_engine import SparkEngine
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.profiles.traits.sets import core_digest
from segment_pipeline_tests import tiers
from segment_pipeline_tests.engines.both import BothEngines
from segment_pipeline_tests.engines.named import NamedOnSpark
from segment_pipeline_tests.mariadb import server as mariadb_server
from segment_pipeline_tests.postgres import server as postgres_server

Rows = Sequence[dict[str, Any]]

# Whatever the package writes, in whatever form, is read again while it is tested.
statements.READ_AGAIN = True

# A handful of rows: what Spark prepares for millions would cost more than all the rest. The answers are the same.
FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "false",
    # With one compiler the code cache is 48 MB and full after a thousand statements; each step of the metaspace is a full GC.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m -XX:ReservedCodeCacheSize=256m -XX:MetaspaceSize=512m",
}
# Many statements of few rows each: compiling an expression costs more than evaluating it. Expressions one by one are compared as
# compiled; here the statements made of them are.
MANY_STATEMENTS = FEW_ROWS | {"spark.sql.codegen.factoryMode": "NO_CODEGEN"}


def arrow_rows(name: str, rows: Rows) -> pa.Table:
    """Literal rows as the declared types of a table; a column a row does not name is NULL. Traits mean what they do today."""
    declared = table(name)
    if name == "traits":
        rows = [{"definition_hash": core_digest(TraitRules())} | row for row in rows]
    unknown = {column for row in rows for column in row} - set(declared.names)
    assert not unknown, f"{name} has no columns {unknown}"
    return pa.Table.from_pylist(
        [{c: row.get(c) for c in declared.names} for row in rows],
        schema=pa.schema([pa.field(f.name, f.type) for f in declared.arrow]),
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(tiers, "segment_pipeline_tests.tiers")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        choices=["duckdb", "spark", "both"],
        default="duckdb",
        help="engine of the fixture `lake`; both: compared",
    )


def engine_of(name: str, folder: Path, conf: Mapping[str, str] = FEW_ROWS) -> Engine:
    """An engine for a lake in `folder`; `both` asks DuckDB and Spark the same and compares. `conf`: Spark's."""
    duckdb = DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill")
    if name == "duckdb":
        return duckdb
    spark = SparkEngine(master="local[1]", memory="2GB", scratch=str(folder / "scratch"), conf=conf)
    return spark if name == "spark" else BothEngines(duckdb, spark)


@pytest.fixture(autouse=True)
def environment_is_put_back() -> Iterator[None]:
    """A home's settings are taken into the process by what is tested, and are nobody else's."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine `--engine` names. Of a test marked `also_on_spark` the statements named there are asked of Spark too, and must be."""
    chosen, mark = request.config.getoption("--engine"), request.node.get_closest_marker("also_on_spark")
    if mark is None or chosen != "duckdb":
        yield engine_of(chosen, tmp_path)
        return
    duckdb, spark = engine_of("duckdb", tmp_path), engine_of("spark", tmp_path, MANY_STATEMENTS)
    assert isinstance(duckdb, DuckDBEngine)
    assert isinstance(spark, SparkEngine)
    named = NamedOnSpark(duckdb, spark, mark.args)
    yield named
    assert named.compared == named.names, f"without rows to compare: {named.names - named.compared}"


@pytest.fixture
def lake(tmp_path: Path, engine: Engine) -> Lake:
    return Lake(str(tmp_path / "lake"), engine)


@pytest.fixture
def put(lake: Lake) -> Callable[[str, Rows], None]:
    """Append literal rows to a table of the lake."""

    def append(name: str, rows: Rows) -> None:
        with lake.session() as session:
            session.register("literal_rows", arrow_rows(name, rows))
            session.append(name, "SELECT * FROM literal_rows")

    return append


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server; tests write to a `new_database` of it."""
    # Not in pytest's folder, which is root's alone where root runs the tests: the server is a user of its own then.
    with TemporaryDirectory(prefix="postgres-") as folder, postgres_server(Path(folder)) as url:
        yield url


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The SQLAlchemy URL of a MariaDB server; tests write to a `new_database` of it."""
    with TemporaryDirectory(prefix="mariadb-") as folder, mariadb_server(Path(folder)) as url:
        yield url


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A home of this name that `make` has made, the first time any worker asks for it."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    home = shared / name
    with (shared / f"{name}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            make(home)
            lock.write("made")
    return home


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the demo has run once with 300 households; shared by all workers, to be read only."""
    return made_once(tmp_path_factory, "demo", lambda home: run_cli("demo", "--home", str(home), "--households", "300"))


@pytest.fixture
def demo_copy(demo_home: Path, tmp_path: Path) -> Path:
    """A copy of the demo's home to write to."""
    return copied(demo_home, tmp_path / "demo")


def copied(home: Path, to: Path) -> Path:
    """A copy of a home whose settings name the copy, so that nothing is written to the original."""
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("running", "spill"))
    settings = to / "settings.env"
    settings.write_text(settings.read_text().replace(str(home), str(to)))
    return to


def run_cli(
    *arguments: str,
    home: Path | None = None,
    code: int = 0,
    variables: Mapping[str, str] | None = None,
    timeout: float | None = 600,
) -> str:
    """The command line as a process of its own, with a clean environment and `variables`; returns its standard output."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    environ |= variables or {}
    options = ["--home", str(home)] if home else []
    done = subprocess.run(
        [sys.executable, "-m", "segment_pipeline.cli", *options, *arguments],
        env=environ, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
