"""A clock that stands, and settings of a company in New York."""

from dataclasses import replace
from pathlib import Path

import pytest

from segment_pipeline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-06-10T08:00:00+00:00")
    return replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)}), timezone="America/New_York")
