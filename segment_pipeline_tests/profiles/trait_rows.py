"""Traits of a day, read back by the customer key of the person."""

from datetime import date
from decimal import Decimal
from typing import Any

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline_tests.profiles.literal_rows import Row
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES, build, rows

DAY = date(2017, 12, 31)


def traits(lake: Lake, as_of: date = DAY, **rules: Any) -> dict[str, Row]:
    """Traits by the customer key of the person."""
    build(lake, as_of)
    identity = IdentityRules(key_spaces=KEY_SPACES)
    build_traits(lake, AsOf(as_of, "UTC"), TraitRules(**rules), identity_rules=identity)
    return read(lake, as_of)


def read(lake: Lake, as_of: date) -> dict[str, Row]:
    keys = {
        r["profile_id"]: r["record_key"]
        for r in rows(lake, "identities")
        if r["as_of"] == as_of and r["entity"] == "customer"
    }
    return {keys[r["profile_id"]]: r for r in rows(lake, "traits") if r["as_of"] == as_of and r["profile_id"] in keys}


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.0001"))
