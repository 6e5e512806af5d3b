"""How the core traits of one day are computed, for the persons of that day's identities.

Every day is made from the facts as a whole, never from the day before. Windows slide for everybody every night, ranks move
with anybody's sale, records arrive late or change, people merge and split: a snapshot made from the one before could differ
from what a backfill makes of the same day. What is only asked of a window (sessions, prepaid loads) reads that window's files.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from segment_pipeline.days import AsOf
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts import money, persons, versions
from segment_pipeline.profiles.facts.landed import landed
from segment_pipeline.profiles.facts.runs import Run, once, session_of, several
from segment_pipeline.profiles.identity import golden, records
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits import measured
from segment_pipeline.profiles.traits.sets import clear, core_digest


@dataclass(frozen=True, slots=True)
class TraitsReport:
    """Counts of one as_of; `unknown`: tables that had not landed, whose traits are NULL."""

    as_of: date
    profiles: int
    shares: int
    buyers_365d: int
    unknown: tuple[str, ...]
    inputs: str


# What is computed in turn, and what nothing reads afterwards: dropped then, or it would still take its part of the memory.
_Group = tuple[tuple[str, ...], tuple[str, ...]]
_Range = tuple[date, date]
_PURCHASES: Final[tuple[_Group, ...]] = (
    (("prepaid_facts", "numbered_stores", "store_facts", "buyers", "lifetime_buyers"), ()),
    (("product_classes", "share_values", "class_values", "loose_line_money"), ("orders_kept", "buyer_records")),
    (("line_money",), ("paid_orders_held", "lines_kept", "goods_returned", "exchanged")),
    (("person_lines",), ()),
)
# What is read of paid orders more than once.
_OF_ORDERS: Final = (
    *(
        "source",
        "day",
        "order_key",
        "updated_at",
        "person_no",
        "is_order",
        "ordered_on",
        "local_at",
        "store_key",
        "spend",
    ),
    *("is_worth", "is_kept", "given_back"),
)
# Lines are looked at as they come, whatever an engine expects of joins by several columns at once.
_AS_WRITTEN: Final = frozenset({"line_money"})
# Range of days after range of days: all orders to join lines to do not fit into the memory.
_BY_DAYS: Final = frozenset({"line_money"})
ORDERS_AT_ONCE: Final = 2_500_000
_DIMENSIONS: Final = ("department", "category", "collection")
_BEHAVIOUR: Final[tuple[_Group, ...]] = (
    (("declared_facts",), ("golden_fields", "person_accounts", "person_records", "accounts")),
    (("contact_visits", "event_contacts", "met", "contact_persons"), ("met", "event_contacts")),
    (("event_facts", "message_facts", "survey_facts"), ("contact_persons", "contact_visits")),
    (("person_sources", "reach_facts", "known_by"), ("person_identifiers", "consent_states", "activity_persons")),
)
_VIEWS: Final = frozenset({"event_contacts"})


def build_traits(
    lake: Lake,
    as_of: AsOf,
    rules: TraitRules | None = None,
    *,
    identity_rules: IdentityRules | None = None,
    run: Run | None = None,
) -> TraitsReport:
    """Compute the traits and trait shares of one day for the persons of that day's identities, and replace the snapshot.

    `run`: of whose days this is one. Raises ContractError when the day has no identities.
    """
    with session_of(lake, run) as session:
        values = trait_values(as_of, rules or TraitRules())
        persons.define_numbered_persons(session, as_of)
        known = landed(session, ("orders", "events", "messages"), as_of)
        define_purchases(session, as_of, values, known)
        shares = session.replace(
            "trait_shares", statement("profiles/traits", "trait_shares"), {"as_of": [as_of.day]}, as_of=as_of.day
        )
        for name in ("shares", *(f"shares_{dimension}" for dimension in _DIMENSIONS), "known_spend"):
            session.drop(name)
        _define_behaviour(session, as_of, identity_rules or IdentityRules(), values)
        also = {f"{name}_landed": is_known for name, is_known in known.items()} | {
            "definition": core_digest(rules or TraitRules())
        }
        inputs = session.inputs
        clear(session, as_of.day)
        query = statement("profiles/traits", "traits")
        written = session.replace("traits", query, {"as_of": [as_of.day]}, **_wanted("traits", values | also))
        session.mark_snapshot("traits", as_of.day, written.rows)
        buyers = int(session.value("SELECT count(*) FROM buyers"))
    unknown = tuple(name for name, is_known in known.items() if not is_known)
    return TraitsReport(as_of.day, written.rows, shares.rows, buyers, unknown, inputs)


def define_purchases(session: Session, as_of: AsOf, values: dict[str, Any], landed: Mapping[str, bool]) -> None:
    """Define what orders and their lines say of each of the people, whom activity_persons numbers: the
    facts of the traits of purchases, and the shares. `landed`: of `facts.landed`."""
    versions.define_orders(session, as_of, numbered=False)
    versions.define_products(session, as_of)
    money.define_money(session, as_of, columns=_OF_ORDERS)
    for name in money.WORKINGS:
        session.drop(name)
    versions.define_stores(session, as_of.day)
    measured.define_measured(session, as_of, landed)
    ranges = list(_ranges_of_days(session))
    _compute(session, _PURCHASES, values, ranges)
    for dimension in _DIMENSIONS:
        session.define(
            f"shares_{dimension}", statement("profiles/traits", "shares"), materialize=True, dimension=dimension
        )
    _drop(session, "line_money", ranges)
    parts = (f"SELECT {literal(name)} AS dimension, * FROM shares_{name}" for name in _DIMENSIONS)
    session.define("shares", " UNION ALL ".join(parts))
    _compute(session, ((("known_spend", "department_facts"), ()),), values)


def _define_behaviour(
    session: Session,
    as_of: AsOf,
    identity_rules: IdentityRules,
    values: dict[str, Any],
) -> None:
    """Define what events, messages, answers, consents and accounts say of each of the people."""
    persons.register_key_spaces(session, identity_rules.key_spaces)
    for name in ("messages", "survey_answers", "suppressions"):
        session.scan(name)
    visits = "visit_days" if several(session) else "visits"
    once(session, "visit_days", statement("profiles/traits", visits), scans=("events",), copy=False)
    define_identifiers(session, as_of, identity_rules)
    versions.define_accounts(session, as_of)
    golden.define_golden(session, as_of, identity_rules)
    versions.define_campaigns(session, as_of)
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
            query, wanted = statement("profiles/traits", name), _wanted(name, values)
            if name in _AS_WRITTEN:
                query = query.joined_as_written()
            if name not in _BY_DAYS:
                session.define(name, query, materialize=name not in _VIEWS, **wanted)
                continue
            for part, (first, last) in _parts(name, ranges).items():
                session.define(part, query, materialize=True, first=first, last=last, **wanted)
            parts = (*_parts(name, ranges), f"loose_{name}")
            session.define(name, " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts))
        for name in done_with:
            _drop(session, name, ranges)


def _drop(session: Session, name: str, ranges: Sequence[_Range]) -> None:
    for each in (name, *_parts(name, ranges)):
        session.drop(each)


def _parts(name: str, ranges: Sequence[_Range]) -> dict[str, _Range]:
    return {f"{name}_{at}": days for at, days in enumerate(ranges)} if name in _BY_DAYS else {}


def define_identifiers(session: Session, as_of: AsOf, rules: IdentityRules) -> None:
    """Define person_identifiers of a day, whose records are whose as in `persons`: as identity left them where the day is the newest,
    else from the records anew.
    """
    session.scan("profile_identifiers")
    if session.value("SELECT max(as_of) FROM profile_identifiers") == as_of.day:
        session.define(
            "person_identifiers", "SELECT * FROM profile_identifiers WHERE identifier_type <> 'anonymous_id'"
        )
        return
    records.define_records(session, as_of, rules)
    records.define_identifier_values(session, rules)
    golden.define_person_identifiers(session)


def trait_values(as_of: AsOf, rules: TraitRules) -> dict[str, Any]:
    """What the statements of a day are bound with."""
    return {
        "as_of": as_of.day,
        "end": as_of.end,
        **{f"days_{n}": as_of.back(n) for n in (7, 30, 90, 365)},
        **{name: getattr(rules, name) for name in TraitRules.__slots__},
        # As they are written: a comparison of counts with them is exact.
        **{name: Decimal(str(getattr(rules, name))) for name in ("top_from", "mid_from")},
    }


def _wanted(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values a statement has parameters for."""
    parameters = set(re.findall(r"\$([a-z_0-9]+)", statement("profiles/traits", name).text))
    return {key: value for key, value in values.items() if key in parameters}
