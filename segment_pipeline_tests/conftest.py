"""Fixtures every room uses: a lake in an empty folder, and literal rows put through the real engine."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table

Rows = Sequence[dict[str, Any]]


def arrow_rows(name: str, rows: Rows) -> pa.Table:
    """Literal rows as the declared types of a table; a column a row does not name is NULL."""
    declared = table(name)
    unknown = {column for row in rows for column in row} - set(declared.names)
    assert not unknown, f"{name} has no columns {unknown}"
    return pa.Table.from_pylist(
        [{c: row.get(c) for c in declared.names} for row in rows],
        schema=pa.schema([pa.field(f.name, f.type) for f in declared.arrow]),
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=tmp_path / "spill"))


@pytest.fixture
def put(lake: Lake) -> Callable[[str, Rows], None]:
    """Append literal rows to a table of the lake."""

    def append(name: str, rows: Rows) -> None:
        with lake.session() as session:
            session.register("literal_rows", arrow_rows(name, rows))
            session.append(name, "SELECT * FROM literal_rows")

    return append
