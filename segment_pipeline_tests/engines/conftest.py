"""Lakes whose engine is Spark, lakes that ask both engines the same, and a small company for both to work on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import MANY_STATEMENTS, copied, engine_of, made_once, run_cli

# So few people and days that a tool's minimum holds an audience: the demo says so and ends with 1.
SMALL = ("--households", "150", "--days", "2")


@pytest.fixture
def spark_lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), engine_of("spark", tmp_path))


@pytest.fixture
def both_lake(tmp_path: Path) -> Lake:
    """Every statement is asked on DuckDB and on Spark, and the rows must be the same."""
    return Lake(str(tmp_path / "lake"), engine_of("both", tmp_path))


@pytest.fixture
def both_lake_interpreted(tmp_path: Path) -> Lake:
    """The same, where Spark interprets expressions: for days of statements, whose expressions are compared as compiled elsewhere."""
    return Lake(str(tmp_path / "lake"), engine_of("both", tmp_path, MANY_STATEMENTS))


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the demo has run once with few households and days; shared by all workers, to be read only."""
    return made_once(tmp_path_factory, "small-demo", lambda home: run_cli("demo", "--home", str(home), *SMALL))


@pytest.fixture
def small_copy(small_home: Path, tmp_path: Path) -> Path:
    """A copy of it to write to."""
    return copied(small_home, tmp_path / "small")


@contextmanager
def settings_of(home: Path) -> Iterator[Settings]:
    """What the demo wrote down for a home, or the copy of one, with this process's environment saying the same."""
    given = dict(line.split("=", 1) for line in (home / "settings.env").read_text().splitlines())
    given["SEGMENT_PIPELINE_HOME"] = str(home)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in given.items():
            patched.setenv(name, value)
        yield Settings.from_env(given)
