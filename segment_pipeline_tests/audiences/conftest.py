"""A company of hand-made people, a tool in a file, a clock that stands, and no waiting."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segment_pipeline.lake.engine import Engine
from segment_pipeline_tests.audiences.told import Told
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import NOW, World


@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", NOW)
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")


@pytest.fixture
def world(tmp_path: Path, engine: Engine) -> Iterator[World]:
    made = World(tmp_path, engine=engine)
    yield made
    made.ledger.close()


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "tool.sqlite")


@pytest.fixture
def told(world: World, tool: Tool) -> Told:
    return Told(world, tool)
