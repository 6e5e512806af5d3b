"""The sandbox of the one vendor that a module of tests names, at noon of New Year's Day and with its own settings."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from segment_pipeline.sandbox.server import SandboxServer

NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def _running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    vendor = request.module.VENDOR
    with SandboxServer(tmp_path_factory.mktemp(vendor), vendors=[vendor]) as running:
        yield running


@pytest.fixture
def server(_running: SandboxServer, request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    _running.set_clock(NOON)
    path = f"/{request.module.VENDOR}/settings"
    before = _running.control("GET", path)
    yield _running
    _running.control("PUT", path, before)
