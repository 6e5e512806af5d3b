"""The sandbox of the one vendor that a module of tests names, with its own settings and at an instant of New Year's Day."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.source_world import NOW, Client, client, move_clock, world

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


@pytest.fixture(scope="module")
def _served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("world")
    world(home, request.module.RECORDS)
    with client(home, request.module.VENDOR) as served:
        yield served


@pytest.fixture
def served(_served: Client, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A source's vendor over the module's `RECORDS`."""
    move_clock(_served, NOW)
    path = f"/_control/{request.module.VENDOR}/settings"
    before = _served.get(path)
    yield _served
    if before.ok:
        _served.put(path, json=before.json()).raise_for_status()
