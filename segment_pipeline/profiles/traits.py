"""Every core trait, its exact definition, and how the traits of one day are computed.

A trait is about the world at the end of as_of. Windows are company days: `365 days` are as_of and the 364 before it.
0 is known (the source landed and says nothing), NULL is unknown. Money is net of discounts, without tax and shipping, in
the base currency, with refunds made by as_of off the order they belong to; amounts without a currency rate are left out.

Every day is made from the facts as a whole, never from the day before. Windows slide for everybody every night, ranks move
with anybody's sale, records arrive late or change, people merge and split: a snapshot made from the one before could differ
from what a backfill makes of the same day. What is only asked of a window (sessions, prepaid loads) reads that window's files.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from segment_pipeline.days import Window
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles import activities, golden, identity
from segment_pipeline.profiles.landed import landed
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.runs import Run, once, session_of, several


@dataclass(frozen=True, slots=True)
class TraitRules:
    """Thresholds of the staged traits; days are counted back from as_of, shares are 0 to 1.

    `department_questions`, `interest_questions`: survey questions whose answers declare them.
    """

    new_days: int = 30
    active_days: int = 90
    at_risk_days: int = 180
    top_from: float = 0.9
    mid_from: float = 0.5
    loyal_orders: int = 6
    power_visits: int = 8
    dormant_days: int = 90
    new_arrival_days: int = 30
    department_questions: tuple[str, ...] = ("preferred_department", "favourite_department")
    interest_questions: tuple[str, ...] = ("interest", "interests")


@dataclass(frozen=True, slots=True)
class Trait:
    """One column of `traits`. `formula`: where its definition comes from; empty: our own."""

    name: str
    type: str
    definition: str
    formula: str = ""


@dataclass(frozen=True, slots=True)
class TraitsReport:
    """Counts of one as_of; `unknown`: tables that had not landed, whose traits are NULL."""

    as_of: date
    profiles: int
    shares: int
    buyers_365d: int
    unknown: tuple[str, ...]
    inputs: str


_RFM = "Hughes, Strategic Database Marketing (quintiles), with equal values in one bin"
_DEFINITIONS: Final[dict[str, tuple[str, str]]] = {
    "orders_total": (
        "completed sales to date; not returns, exchanges, test or cancelled orders, nor loads of prepaid balance alone",
        "",
    ),
    "orders_90d": ("completed sales in 90 days", ""),
    "orders_365d": ("completed sales in 365 days", ""),
    "spend_total": (
        "revenue to date: net of sales and of goods sold in exchanges, minus refunds and returns made by as_of",
        "",
    ),
    "spend_90d": (
        "revenue of the orders of 90 days, refunds by as_of off; an unlinked return counts on its own day",
        "",
    ),
    "spend_365d": ("the same of 365 days", ""),
    "aov_365d": ("spend_365d / orders_365d; NULL without an order", ""),
    "first_order_on": ("company day of the first completed sale", ""),
    "last_order_on": ("company day of the last completed sale", ""),
    "days_since_last_order": ("as_of - last_order_on; NULL without an order", ""),
    "spend_percentile": (
        "cume_dist of spend_365d among people with an order in 365 days; NULL for others",
        "SQL:2003 CUME_DIST",
    ),
    "value_tier": ("by spend_percentile: top >= 0.9, mid >= 0.5, low; `none` without an order in 365 days", ""),
    "value_tier_lifetime": ("the same over spend_total among people with any order; `none` without", ""),
    "rfm_r": (
        "ceil(5 x cume_dist of last_order_on) among people with an order in 365 days; 5 is the most recent",
        _RFM,
    ),
    "rfm_f": ("ceil(5 x cume_dist of orders_365d) among the same", _RFM),
    "rfm_m": ("ceil(5 x cume_dist of spend_365d) among the same", _RFM),
    "lifecycle_stage": (
        "prospect: no order; new: first order <= 30 days ago; else by the last order: active <= 90, at_risk <= 180, churned",
        "",
    ),
    "loyalty_stage": (
        "loyal: 6 or more orders in 365 days and the last <= 90 days ago; vip: loyal and value_tier top; else regular",
        "",
    ),
    "activity_stage": (
        "power: 8 or more visits in 30 days; active: 1 or more; inactive: last visit <= 90 days ago; dormant: later or never",
        "",
    ),
    "top_department": ("department with the largest spend in 365 days, ties to the first name; NULL without spend", ""),
    "departments_365d": ("departments bought from in 365 days", ""),
    "markdown_share": (
        "share of the spend on sold lines of 365 days, refunds off, that was on marked-down lines; NULL without",
        "",
    ),
    "new_arrival_share": (
        "share of sold lines of 365 days of known launch that were bought <= 30 days after it; NULL without",
        "",
    ),
    "late_night_share": (
        "share of sales of 365 days with a local time that were made from 22:00 to before 04:00 local time",
        "",
    ),
    "prepaid_loaded_7d": ("prepaid balance loaded in 7 days", ""),
    "last_seen_on": ("company day of the last event of any kind", ""),
    "visits_7d": ("visit events in 7 days", ""),
    "visits_30d": ("visit events in 30 days", ""),
    "sessions_30d": ("sessions with an event in 30 days", ""),
    "email_clicks_90d": ("clicked e-mails in 90 days, each click once", ""),
    "responded_campaigns": ("names of the campaigns ever responded to, sorted, each once", ""),
    "age": ("completed years at as_of; born on 29 February, a year is complete on 1 March in common years", ""),
    "age_band": ("declared band, else the band of age: under 19, 19-24, 25-34, 35-44, 45-54, 55-64, 65+", ""),
    "gender": ("of the golden record at as_of", ""),
    "income_band": ("declared, of the golden record", ""),
    "household_type": ("declared, of the golden record", ""),
    "children": ("declared, of the golden record", ""),
    "occupation": ("declared, of the golden record", ""),
    "birth_day": ("MM-DD; known also where the year is not", ""),
    "city": ("of the address at as_of", ""),
    "region": ("of the address at as_of", ""),
    "postcode": ("of the address at as_of", ""),
    "country": ("of the address at as_of", ""),
    "lat": ("latitude of the store with most sales in 365 days, ties to the first key; NULL: none", ""),
    "lon": ("longitude of that store", ""),
    "loyalty_balance": ("points over the person's living loyalty accounts; NULL: not a member", ""),
    "preferred_department": ("newest declared answer; NULL: never answered", ""),
    "interests": ("declared interests, sorted, each once; NULL: never answered", ""),
    "email_reachable": (
        "has a usable, unsuppressed e-mail whose newest e-mail consent is a grant and no newer denial names the customer",
        "",
    ),
    "sms_reachable": ("the same for a phone and SMS", ""),
    "ads_reachable": ("the same for an e-mail or phone and ads", ""),
    "sources": ("sources that know the person, sorted", ""),
}

TRAITS: Final = tuple(
    Trait(column.name, column.type, *_DEFINITIONS[column.name])
    for column in table("traits").columns
    if column.name not in ("as_of", "profile_id")
)

# What is computed in turn, and what nothing reads afterwards: dropped then, or it would still take its part of the memory.
_Group = tuple[tuple[str, ...], tuple[str, ...]]
_Range = tuple[date, date]
_PURCHASES: Final[tuple[_Group, ...]] = (
    (("buyer_records", "refunds_as_of", "returned_orders", "return_parts", "order_refunds"), ()),
    (("person_sales", "prepaid_facts"), ("order_refunds", "returned_orders", "buyer_records")),
    (("order_money", "order_facts", "numbered_stores", "store_facts", "buyers", "lifetime_buyers"), ("order_money",)),
    (("product_classes", "share_values", "class_values", "goods_returned", "goods_orders", "line_refunds"), ()),
    (
        ("line_money",),
        ("line_refunds", "goods_orders", "goods_returned", "person_sales", "return_parts", "refunds_as_of"),
    ),
    (("person_lines",), ()),
)
# Orders and lines are looked at as they come, whatever an engine expects of joins by several columns at once.
_AS_WRITTEN: Final = frozenset({"person_sales", "line_money"})
# Range of days after range of days: all orders to join lines to do not fit into the memory.
_BY_DAYS: Final = frozenset({"line_money"})
ORDERS_AT_ONCE: Final = 2_500_000
_DIMENSIONS: Final = ("department", "category", "collection")
_BEHAVIOUR: Final[tuple[_Group, ...]] = (
    (("declared_facts",), ("golden_fields", "person_accounts", "person_records", "accounts")),
    (("contact_visits", "event_contacts", "met", "contact_persons"), ("met", "event_contacts")),
    (("event_facts", "campaigns_as_of", "message_facts", "survey_facts"), ("contact_persons", "contact_visits")),
    (("person_sources", "reach_facts"), ("person_identifiers", "consent_states", "activity_persons")),
)
_VIEWS: Final = frozenset({"order_money", "goods_orders", "event_contacts"})


def build_traits(
    lake: Lake,
    as_of: date,
    rules: TraitRules | None = None,
    *,
    identity_rules: IdentityRules | None = None,
    timezone: str = "UTC",
    run: Run | None = None,
) -> TraitsReport:
    """Compute the traits and trait shares of one day for the persons of that day's identities, and replace the snapshot.

    `run`: of whose days this is one. Raises ContractError when the day has no identities.
    """
    with session_of(lake, run) as session:
        values = trait_values(as_of, rules or TraitRules(), timezone)
        activities.define_numbered_persons(session, as_of)
        define_purchases(session, as_of, values)
        shares = session.replace("trait_shares", statement("profiles", "trait_shares"), {"as_of": [as_of]}, as_of=as_of)
        for name in ("shares", *(f"shares_{dimension}" for dimension in _DIMENSIONS), "known_spend"):
            session.drop(name)
        _define_behaviour(session, as_of, identity_rules or IdentityRules(), timezone, values)
        known = landed(session, ("orders", "events", "messages"), as_of)
        flags = {f"{name}_landed": is_known for name, is_known in known.items()}
        inputs = session.inputs
        query = statement("profiles", "traits")
        written = session.replace("traits", query, {"as_of": [as_of]}, **_wanted("traits", values | flags))
        buyers = int(session.value("SELECT count(*) FROM buyers"))
    unknown = tuple(name for name, is_known in known.items() if not is_known)
    return TraitsReport(as_of, written.rows, shares.rows, buyers, unknown, inputs)


def define_purchases(session: Session, as_of: date, values: dict[str, Any]) -> None:
    """Define what orders and their lines say of each of the people, whom activity_persons numbers: the
    facts of the traits of purchases, and the shares."""
    identity.define_orders(session, as_of, numbered=False)
    activities.define_products(session, as_of)
    for name in ("order_lines", "refunds", "stores"):
        session.scan(name)
    once(session, "revised_refunds", statement("profiles", "revised_refunds"), scans=("refunds",))
    ranges = list(_ranges_of_days(session))
    _compute(session, _PURCHASES, values, ranges)
    for dimension in _DIMENSIONS:
        session.define(f"shares_{dimension}", statement("profiles", "shares"), materialize=True, dimension=dimension)
    _drop(session, "line_money", ranges)
    parts = (f"SELECT {literal(name)} AS dimension, * FROM shares_{name}" for name in _DIMENSIONS)
    session.define("shares", " UNION ALL ".join(parts))
    _compute(session, ((("known_spend", "department_facts"), ()),), values)


def _define_behaviour(
    session: Session,
    as_of: date,
    identity_rules: IdentityRules,
    timezone: str,
    values: dict[str, Any],
) -> None:
    """Define what events, messages, answers, consents and accounts say of each of the people."""
    identity.register_rules(session, identity_rules)
    for name in ("messages", "survey_answers", "campaigns", "suppressions"):
        session.scan(name)
    visits = "visit_days" if several(session) else "visits"
    once(session, "visit_days", statement("profiles", visits), scans=("events",), copy=False)
    _define_identifiers(session, as_of, identity_rules, timezone)
    identity.define_accounts(session, as_of, timezone)
    golden.define_golden(session, as_of, identity_rules, timezone)
    _compute(session, _BEHAVIOUR, values)


def _ranges_of_days(session: Session) -> Iterator[_Range]:
    """Ranges that hold every day once: as many days as have ORDERS_AT_ONCE versions of orders, at least one."""
    rows: Counter[date] = Counter()
    for entry in session.lake.partitions("orders"):
        rows[entry["day"]] += entry["rows"]
    first, held = date.min, 0
    for day in sorted(rows):
        if held and held + rows[day] > ORDERS_AT_ONCE:
            yield first, day - timedelta(days=1)
            first, held = day, 0
        held += rows[day]
    yield first, date.max


def _compute(
    session: Session, groups: tuple[_Group, ...], values: dict[str, Any], ranges: Sequence[_Range] = ()
) -> None:
    for computed, done_with in groups:
        for name in computed:
            query, wanted = statement("profiles", name), _wanted(name, values)
            if name in _AS_WRITTEN:
                query = query.joined_as_written()
            if name not in _BY_DAYS:
                session.define(name, query, materialize=name not in _VIEWS, **wanted)
                continue
            for part, (first, last) in _parts(name, ranges).items():
                session.define(part, query, materialize=True, first=first, last=last, **wanted)
            session.define(name, " UNION ALL ".join(f"SELECT * FROM {part}" for part in _parts(name, ranges)))
        for name in done_with:
            _drop(session, name, ranges)


def _drop(session: Session, name: str, ranges: Sequence[_Range]) -> None:
    for each in (name, *_parts(name, ranges)):
        session.drop(each)


def _parts(name: str, ranges: Sequence[_Range]) -> dict[str, _Range]:
    return {f"{name}_{at}": days for at, days in enumerate(ranges)} if name in _BY_DAYS else {}


def _define_identifiers(session: Session, as_of: date, rules: IdentityRules, timezone: str) -> None:
    """Define person_identifiers of a day: as identity left them where the day is the newest, else from the records anew."""
    session.scan("profile_identifiers")
    if session.value("SELECT max(as_of) FROM profile_identifiers") == as_of:
        session.define(
            "person_identifiers", "SELECT * FROM profile_identifiers WHERE identifier_type <> 'anonymous_id'"
        )
        return
    identity.define_records(session, as_of, rules, timezone)
    identity.define_identifier_values(session, rules)
    golden.define_person_identifiers(session)


def trait_values(as_of: date, rules: TraitRules, timezone: str) -> dict[str, Any]:
    """What the statements of a day are bound with."""
    return {
        "as_of": as_of,
        "end": Window.of(as_of).instants(timezone)[1],
        **{f"days_{n}": as_of - timedelta(days=n) for n in (7, 30, 90, 365)},
        **{name: getattr(rules, name) for name in TraitRules.__slots__},
    }


def _wanted(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values a statement has parameters for."""
    parameters = set(re.findall(r"\$([a-z_0-9]+)", statement("profiles", name).text))
    return {key: value for key, value in values.items() if key in parameters}
