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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Both engines in turn take longer than one: these tests may, so long as they end."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1500))
