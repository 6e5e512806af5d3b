"""Literal worlds served over HTTP, and a short way from them to rows of the lake."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Source
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline_tests.sandbox.source_world import Version, client, world

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
Landed = Callable[[str, str, Sequence[Version], str], list[dict[str, Any]]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")
    return replace(Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)}), timezone="America/New_York")


def connector(vendor: str, base_url: str, **more: Any) -> Source:
    match vendor:
        case "square":
            return Square(base_url=base_url, access_token="sandbox-square-token", **more)
        case "shopify":
            return Shopify(
                base_url=base_url, client_id="sandbox-shopify-id", client_secret="sandbox-shopify-secret", **more
            )
        case _:
            return Amplitude(
                base_url=base_url, api_key="sandbox-amplitude-key", secret_key="sandbox-amplitude-secret", **more
            )


@pytest.fixture
def landed(tmp_path: Path, lake: Lake, settings: Settings) -> Landed:
    """Serve a world, ingest one entity's June, and give a query's rows over the tables it fills."""

    def run(vendor: str, entity: str, versions: Sequence[Version], query: str) -> list[dict[str, Any]]:
        world(tmp_path, versions)
        with client(tmp_path, vendor) as http:
            source = connector(vendor, f"{http.base_url}/{vendor}")
            ingest(lake, source, entity, JUNE, settings, "run")
        with lake.session() as session:
            for each in source.entities:
                for name in each.table_names:
                    session.scan(name)
            return session.rows(query)

    return run
