"""A company from vendors' records to traits, shares and segments: what tests of money put in and read out, whatever lies between."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.profiles import build
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import Rule, Segment
from segment_pipeline.settings import Settings
from segment_pipeline.testing.source import Vendor
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources.shopify_records import SHOPIFY, gid, metafield, product as shopify_product
from segment_pipeline_tests.sources.square_records import SQUARE, category, item

YEAR = Window(date(2017, 1, 1), date(2017, 12, 31))
DAY = date(2017, 12, 31)
VENDORS = {"square": SQUARE, "shopify": SHOPIFY}
ENTITIES = {
    "square": ("locations", "customers", "catalog", "orders"),
    "shopify": ("customers", "products", "orders"),
}
RATES = {date(2017, 1, 1): {"CAD": "0.8"}, date(2017, 7, 1): {"CAD": "0.9"}}


@dataclass
class Person:
    """What is said of one customer. `shares`: net of the goods kept to date, by dimension and value."""

    traits: Mapping[str, Any]
    shares: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    segments: set[str] = field(default_factory=set)


@contextmanager
def year_over() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        patched.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:00:00+00:00")
        yield


class Company:
    """One home: records are landed, a day is built, and people are read by their customer keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(str(folder / "lake"), DuckDBEngine(memory="500MB", threads=1, spill=folder / "spill"))
        self.settings = replace(
            Settings.from_env({"SEGMENT_PIPELINE_HOME": str(folder / "home")}), timezone="America/New_York"
        )

    def land(self, vendor: str, records: Sequence[Version], pulled: Sequence[str] = ()) -> None:
        """Pull all there is; `pulled`: after the orders that had been there at these instants."""
        land_rates(self.lake, RATES, base="USD")
        played: Vendor = VENDORS[vendor]
        with year_over(), played.serve(self.folder / vendor, [*played.setting, *records]) as server:
            source: Any = played.source(server.base_url)
            source = replace(source, page_size=type(source).page_size)
            for instant in pulled:
                server.at(instant)
                ingest(self.lake, source, "orders", YEAR, self.settings, "run")
            server.at("2018-01-01T08:00:00+00:00")
            for entity in ENTITIES[vendor]:
                ingest(self.lake, source, entity, YEAR, self.settings, "run")

    def people(self, rules: Mapping[str, Rule] | None = None, as_of: date = DAY) -> dict[str, Person]:
        """The people of a day by their customer keys, and which of these rules each meets."""
        segments = [
            Segment(name, owner="team:crm", goal="orders", description="in a test", where=rule)
            for name, rule in (rules or {}).items()
        ]
        with year_over():
            build.identities(self.lake, as_of, self.settings)
            build.traits(self.lake, as_of, self.settings)
            report = build_memberships(self.lake, as_of, segments, self.settings)
        assert not report.failed
        with self.lake.session() as session:
            for name in ("identities", "traits", "trait_shares", "memberships"):
                session.scan(name, partitions={"as_of": [as_of]})
            keys = session.rows("SELECT profile_id, record_key FROM identities WHERE entity = 'customer'")
            found = {row["profile_id"]: Person(row) for row in session.rows("SELECT * FROM traits")}
            for row in session.rows("SELECT * FROM trait_shares"):
                found[row["profile_id"]].shares[row["dimension"], row["value"]] = row["spend_total"]
            for row in session.rows("SELECT profile_id, segment FROM memberships"):
                found[row["profile_id"]].segments.add(row["segment"])
        return {row["record_key"]: found[row["profile_id"]] for row in keys}


def till_products(departments: Mapping[str, str]) -> list[Version]:
    """Of a till: the variation `V` + number, with the department of that number; its SKU is `SKU` + number."""
    names = sorted(set(departments.values()))
    made = [category(f"K{name}", name, is_top_level=True) for name in names]
    return made + [item(number, f"K{name}", "2017-01-02T12:00:00") for number, name in departments.items()]


def shop_products(departments: Mapping[str, str]) -> list[Version]:
    """Of a shop: the product `7` + number, with the department of that number; its SKU is `W-` + number."""
    return [
        shopify_product(
            int(f"7{number}"), "2017-01-02T12:00:00", title="Shoe", vendor="Brand", status="ACTIVE", isGiftCard=False,
            createdAt="2017-01-02T12:00:00Z", updatedAt="2017-01-02T12:00:00Z", publishedAt="2017-01-02T12:00:00Z",
            collections=[], metafields=[metafield(1, "department", name)],
            priceRangeV2={"minVariantPrice": {"amount": "1.00", "currencyCode": "USD"}},
            variants=[{**gid("ProductVariant", number), "sku": f"W-{number}", "title": "Regular", "price": "1.00"}],
        )
        for number, name in departments.items()
    ]  # fmt: skip
