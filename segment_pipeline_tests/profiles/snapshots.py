"""Build a day of the lake and read it back in the words tests use."""

from collections.abc import Callable
from datetime import date
from typing import Any

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.identity.resolution import IdentityReport, build_identities
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline_tests.profiles.literal_rows import Row, jan

# Whose customers the analytics of the literal rows name.
KEY_SPACES = {"amplitude": "shopify"}
Put = Callable[[str, list[Row]], None]
DAY = jan(31)


def build(lake: Lake, as_of: date = DAY, **rules: Any) -> IdentityReport:
    return build_identities(lake, AsOf(as_of, "UTC"), IdentityRules(**{"key_spaces": KEY_SPACES} | rules))


def rows(lake: Lake, table: str, sql: str = "SELECT * FROM t") -> list[dict[str, Any]]:
    with lake.session() as session:
        session.scan(table, alias="t")
        return session.rows(sql)


def people(lake: Lake, as_of: date = DAY) -> set[frozenset[str]]:
    """The persons of a day as sets of `entity:key`; addresses, whose keys are digests, as `email`."""
    groups: dict[str, set[str]] = {}
    for row in rows(lake, "identities"):
        if row["as_of"] == as_of:
            name = "email" if row["entity"] == "email" else f"{row['entity']}:{row['record_key']}"
            groups.setdefault(row["profile_id"], set()).add(name)
    return {frozenset(group) for group in groups.values()}


def events(lake: Lake, kind: str) -> list[dict[str, Any]]:
    return [row for row in rows(lake, "identity_events") if row["kind"] == kind]


def together(*names: str) -> frozenset[str]:
    return frozenset(names)
