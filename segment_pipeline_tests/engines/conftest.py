"""Lakes whose engine is Spark, and lakes that ask both engines the same."""

from pathlib import Path

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.conftest import engine_of


@pytest.fixture
def spark_lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), engine_of("spark", tmp_path))


@pytest.fixture
def both_lake(tmp_path: Path) -> Lake:
    """Every statement is asked on DuckDB and on Spark, and the rows must be the same."""
    return Lake(str(tmp_path / "lake"), engine_of("both", tmp_path))
