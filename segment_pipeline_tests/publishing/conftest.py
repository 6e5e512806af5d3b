"""A lake of a few people, and databases of both kinds to publish to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segment_pipeline_tests.postgres import new_database
from segment_pipeline_tests.publishing.company import Company


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.database)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def company(tmp_path: Path, url: str, request: pytest.FixtureRequest) -> Iterator[Company]:
    made = Company(tmp_path, url, engine=request.config.getoption("--engine"))
    yield made
    made.close()
