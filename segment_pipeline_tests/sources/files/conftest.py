"""A folder to drop files into, and a second lake to compare with."""

from pathlib import Path

import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.sources.files.till import Drop


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    folder = tmp_path / "drop"
    folder.mkdir()
    return Drop(folder)


@pytest.fixture
def other_lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "other"), DuckDBEngine(memory="1GB", threads=2, spill=tmp_path / "spill"))
