"""Literal worlds served over HTTP, and a short way from them to rows of the lake."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings
from segment_pipeline.testing.source import JUNE, Vendor
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources.amplitude_records import AMPLITUDE
from segment_pipeline_tests.sources.sandboxed import Sandboxed, serve
from segment_pipeline_tests.sources.shopify_records import SHOPIFY
from segment_pipeline_tests.sources.square_records import SQUARE

Landed = Callable[[str, Sequence[Version], str], list[dict[str, Any]]]
Served = Callable[[Sequence[Version]], AbstractContextManager[Sandboxed]]
VENDORS = {vendor.name: vendor for vendor in (SQUARE, SHOPIFY, AMPLITUDE)}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")
    return replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)}), timezone="America/New_York")


def connector(vendor: str, base_url: str, **more: Any) -> Source:
    """The source as companies have it, pages of the usual size."""
    made: Any = VENDORS[vendor].source(base_url)
    usual = {"page_size": type(made).page_size} if hasattr(made, "page_size") else {}
    source: Source = replace(made, **{**usual, **more})
    return source


@pytest.fixture
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """The vendor that a test module is named after."""
    return VENDORS[request.module.__name__.rpartition("test_")[2]]


@pytest.fixture
def served(tmp_path: Path, vendor: Vendor) -> Served:
    """The vendor with these records and those it needs to answer."""
    return lambda records: serve(vendor.name)(tmp_path, [*vendor.setting, *records])


@pytest.fixture
def landed(served: Served, lake: Lake, settings: Settings, vendor: Vendor) -> Landed:
    """Serve records, ingest one entity's June, and give a query's rows over the tables the source fills."""

    def run(entity: str, records: Sequence[Version], query: str) -> list[dict[str, Any]]:
        with served(records) as server:
            source = connector(vendor.name, server.base_url)
            ingest(lake, source, entity, JUNE, settings, "run")
        with lake.session() as session:
            for each in source.entities:
                for name in each.table_names:
                    session.scan(name)
            return session.rows(query)

    return run
