"""People, activities and products as literal rows, put before the compiler as the views it reads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from segment_pipeline.algebra.parts import Value
from segment_pipeline.days import AsOf
from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.compiler.compilation import compile_segments
from segment_pipeline.profiles.facts.activities import tellers
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.evaluate import World
from segment_pipeline.segments.examples import STAY
from segment_pipeline.segments.rules import Rule, Segment
from segment_pipeline_tests.conftest import arrow_rows

ACTIVITY_SCHEMA = pa.schema(
    [
        ("profile_id", pa.string()),
        ("name", pa.string()),
        ("told_by", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("occurred_on", pa.date32()),
        ("local_at", pa.timestamp("us")),
        *[
            (name, pa.string())
            for name in ("source", "product_key", "item_key", "brand", "department", "category", "collection")
        ],
        ("launched_on", pa.date32()),
        ("quantity", pa.decimal128(18, 8)),
        ("amount", pa.decimal128(18, 4)),
        ("is_markdown", pa.bool_()),
        *[(name, pa.string()) for name in ("campaign", "channel", "subject", "text")],
        ("score", pa.float64()),
        ("order_key", pa.string()),
        ("store_key", pa.string()),
        ("order_number", pa.int32()),
        ("coupon_codes", pa.list_(pa.string())),
        # Of the event of a company's own that wishes ask for.
        ("property_place", pa.string()),
        ("property_minutes", pa.float64()),
        ("property_meters_from_store", pa.float64()),
    ]
)
PRODUCT_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("source", "product_key", "item_key", "title", "brand", "department", "category", "collection")
    ]
    + [("launched_on", pa.date32()), ("price", pa.decimal128(18, 4)), ("skus", pa.list_(pa.string()))]
)
DAY = date(2017, 12, 31)


def segment(name: str, where: Rule, **more: Any) -> Segment:
    return Segment(name, owner="team:crm", goal="orders", description="in a test", where=where, **more)


def person(profile_id: str, **traits: Any) -> dict[str, Any]:
    """A row of traits; one that is a quotient has its parts with it."""
    parts: dict[str, Any] = {}
    for name in RATIOS.keys() & traits.keys():
        if traits[name] is not None:
            parts |= dict(zip(RATIOS[name], Fraction(str(traits[name])).as_integer_ratio(), strict=True))
    return {"as_of": DAY, "profile_id": profile_id} | parts | traits


def act(profile_id: str, name: str, days_ago: float = 0, **more: Any) -> dict[str, Any]:
    """An activity so many days before noon of DAY."""
    at = datetime(2017, 12, 31, 12, tzinfo=UTC) - timedelta(days=days_ago)
    return {"profile_id": profile_id, "name": name, "occurred_at": at, "occurred_on": at.date()} | more


def address(profile_id: str, identifier: str, standing: str = "current", kind: str = "email") -> dict[str, Any]:
    """A row of profile_identifiers."""
    usable = standing in {"current", "shared"}
    return {"as_of": DAY, "profile_id": profile_id, "identifier_type": kind, "identifier": identifier, "usable": usable, "standing": standing,
            "last_seen_at": datetime(2017, 12, 1, tzinfo=UTC)}  # fmt: skip


def share(
    profile_id: str, value: str, share_365d: float | None, dimension: str = "department", **more: Any
) -> dict[str, Any]:
    """A row of trait_shares: so much of 1.00 in 365 days, and to date unless `more` says otherwise; None: of nothing."""
    part, whole = (0, 0) if share_365d is None else (Decimal(str(share_365d)), 1)
    held = {"as_of": DAY, "profile_id": profile_id, "dimension": dimension, "value": value, "share_365d": share_365d}
    held |= {"spend_365d": part, "known_365d": whole, "spend_total": part, "known_total": whole}
    return held | more


def typed(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)


def register(session: Session, world: World) -> None:
    session.register("traits", arrow_rows("traits", world.traits))  # type: ignore[arg-type]
    session.register("trait_shares", arrow_rows("trait_shares", world.shares))  # type: ignore[arg-type]
    session.define("people", statement("segments", "people"), materialize=True)
    told = [{**row, "told_by": tellers([row["name"]])[0]} for row in world.activities]
    session.register("activities_by_id", typed(told, ACTIVITY_SCHEMA))
    session.define(
        "activities",
        "SELECT p.person_no, a.* FROM activities_by_id AS a JOIN people AS p ON p.profile_id = a.profile_id",
    )
    session.register("memberships_before", arrow_rows("memberships", world.members))  # type: ignore[arg-type]
    session.register("membership_changes", arrow_rows("membership_changes", world.changes))  # type: ignore[arg-type]
    session.register("profile_aliases", arrow_rows("profile_aliases", []))
    session.define("segment_past", statement("profiles/compiler", "past"), as_of=world.as_of)
    stores = [{"source": "till", "day": world.as_of, **row} for row in world.stores]
    session.register("stores", arrow_rows("stores", stores))
    session.define("stores_as_of", statement("profiles/facts", "stores_as_of"), as_of=world.as_of)
    session.define("segment_stores", statement("profiles/compiler", "stores"), as_of=world.as_of)
    session.register("person_identifiers", arrow_rows("profile_identifiers", world.identifiers))  # type: ignore[arg-type]
    asked = {row["identifier"].partition("@")[2] for row in world.identifiers}
    session.register("domains_asked", pa.table({"domain": pa.array(sorted(asked), pa.string())}))
    session.define("segment_domains", statement("segments", "domains"))
    session.register("products_as_of", typed(world.products, PRODUCT_SCHEMA))  # type: ignore[arg-type]


def compiled_members(
    lake: Lake, segments: Sequence[Segment], world: World, *, declared: Mapping[str, Segment] | None = None
) -> dict[str, set[str]]:
    """The members of each segment as the compiler and the engine find them."""
    with lake.session() as session:
        register(session, world)
        compilation = compile_segments(
            segments, AsOf(world.as_of, world.zone), traits=trait_types(), declared=declared, properties=STAY.properties
        )
        compilation.define(session)
        found: dict[str, set[str]] = {s.name: set() for s in segments}
        ids = {row["person_no"]: row["profile_id"] for row in session.rows("SELECT * FROM people")}
        for row in session.rows(compilation.members()):
            members = found[compilation.segments[row["segment_no"]].name]
            assert ids[row["person_no"]] not in members, "a person is listed twice"
            members.add(ids[row["person_no"]])
    return found


def compiled_values(lake: Lake, asked: Mapping[str, tuple[Value, str]], world: World) -> dict[str, dict[str, Any]]:
    """What each value is for each person, by profile_id and name, as the compiler and the engine find them: traits of a company's own."""
    with lake.session() as session:
        register(session, world)
        compilation = compile_segments(
            [],
            AsOf(world.as_of, world.zone),
            traits=trait_types(),
            properties=STAY.properties,
            values=[value for value, _ in asked.values()],
        )
        compilation.define(session)
        return {row["profile_id"]: row for row in session.rows(compilation.of_people(asked))}


def who(lake: Lake, where: Rule, world: World) -> set[str]:
    """The members of one rule."""
    return compiled_members(lake, [segment("one", where)], world)["one"]
