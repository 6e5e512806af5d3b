"""From what sources say to what a tool is sent: records landed through the real connectors, people resolved, an audience of all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from segment_pipeline.days import AsOf, Window
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.source import Source
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline.profiles.identity.resolution import build_identities
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.sources.frame.connector import Frames, FrameTable
from segment_pipeline.testing.source import Vendor
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import DAY, World, audience
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources import amplitude_records
from segment_pipeline_tests.sources.conftest import connector
from segment_pipeline_tests.sources.shopify_records import customer

ANN, EVE = "ann@quiet.shop", "eve@quiet.shop"
JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
KEY_SPACES = {"amplitude": "shopify"}
# A mailing tool's export: an address, what it said, and when.
MAILINGS = {
    "at": "changed",
    "key": ("mail",),
    "fills": (
        each(
            "consents",
            identifier="mail",
            identifier_type=Const("email"),
            channel=Const("email"),
            status="said",
            recorded_at="said_at",
        ),
    ),
}


class Told:
    """A company whose whole lake comes from sources."""

    def __init__(self, world: World, tool: Tool) -> None:
        self.world, self.tool, self.served = world, tool, 0

    def vendor(self, vendor: Vendor, entity: str, *records: Version) -> None:
        """What a vendor shows at one pull of June."""
        self.served += 1
        folder = self.world.home / f"served-{self.served}"
        folder.mkdir()
        with vendor.serve(folder, [*vendor.setting, *records]) as server:
            self.land(connector(vendor.name, server.base_url), entity)

    def table(self, rows: Sequence[Mapping[str, Any]], name: str = "mailings", **mapping: Any) -> None:
        """Rows of a company's own, by default statements of a mailing tool."""
        columns = {column: str for row in rows for column in row}
        frame = pd.DataFrame([{column: row.get(column) for column in columns} for row in rows], dtype="string")
        table = FrameTable("rows", function=lambda window: frame, **(mapping or MAILINGS))  # noqa: ARG005
        self.land(Frames(name=name, tables=(table,)), "rows")

    def land(self, source: Source, entity: str) -> None:
        ingest(self.world.lake, source, entity, JUNE, self.world.settings, f"run-{self.served}")

    def people(self, day: date = DAY, **rules: Any) -> None:
        """Who is who as of a day; everybody is in the segment."""
        build_identities(self.world.lake, AsOf(day, "UTC"), IdentityRules(**{"key_spaces": KEY_SPACES} | rules))
        self.world.members([row["profile_id"] for row in self.world.rows("profiles", "profile_id")])

    def sent(self, channel: str = "email") -> set[str]:
        """The addresses and numbers the tool holds after a sync."""
        self.world.sync(replace(audience(), channel=channel), self.tool, key_spaces=KEY_SPACES)
        return {value for row in self.tool.held() for value in row if value is not None}

    def mailed(self, channel: str = "email", **rules: Any) -> set[str]:
        """Who is sent to once people are resolved anew."""
        self.people(**rules)
        return self.sent(channel)


def mail(state: str, at: str | None = None, address: str | None = ANN) -> dict[str, Any]:
    return {
        "emailAddress": address, "marketingState": state, "marketingOptInLevel": None, "marketingUpdatedAt": at,
        "openTrackingLevel": "UNKNOWN", "validFormat": True,
    }  # fmt: skip


def ann(state: str, at: str | None = None, updated: str = "2017-06-05T12:00:00", **more: Any) -> Any:
    return customer(1, updated, **{"defaultEmailAddress": mail(state, at), **more})


def says(status: str, at: str | None, address: str = ANN, changed: str = "2017-06-29") -> dict[str, Any]:
    return {"mail": address, "said": status, "said_at": at, "changed": changed}


def consented(number: int, status: str, at: str, uploaded: str | None = None, **more: Any) -> Any:
    """A statement that analytics was told of."""
    said = {"identifier_type": "email", "identifier": ANN, "channel": "email", "status": status} | more.pop("said", {})
    visible = {"seen": uploaded} if uploaded else None
    return amplitude_records.event(
        number,
        at,
        visible=visible,
        event_type="consent_updated",
        event_properties={k: v for k, v in said.items() if v is not None},
        **more,
    )
