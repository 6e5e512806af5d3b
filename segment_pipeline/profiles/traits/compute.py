"""How the core traits of one day are computed, for the persons of that day's identities.

Every day is made from the facts as a whole, never from the day before. Windows slide for everybody every night, ranks move
with anybody's sale, records arrive late or change, people merge and split: a snapshot made from the one before could differ
from what a backfill makes of the same day. What is only asked of a window (sessions, prepaid loads) reads that window's files.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from segment_pipeline.days import AsOf
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session, Written
from segment_pipeline.lake.statements import statement, statements
from segment_pipeline.profiles.facts import money, persons, versions
from segment_pipeline.profiles.facts.landed import landed
from segment_pipeline.profiles.facts.making import Part, make_all
from segment_pipeline.profiles.facts.runs import Run, once, session_of, several
from segment_pipeline.profiles.identity import golden, records
from segment_pipeline.profiles.rules import IdentityRules, TraitRules
from segment_pipeline.profiles.traits import measured
from segment_pipeline.profiles.traits.sets import clear, core_digest

_ROOM: Final = "profiles/traits"
# What orders and their lines say of each person. What reads orders comes first, before lines need the room.
_OF_ORDERS: Final = ("measured", "prepaid_facts", "store_facts", "buyers", "lifetime_buyers")
PURCHASES: Final = (*_OF_ORDERS, "person_lines", "shares", "known_spend", "department_facts")
# What is read of orders beside their money.
_OF_PAID_ORDERS: Final = ("day", "local_at", "store_key")
# What is there before the first of a day's tables is made, and goes with its last reader.
_DROPPABLE: Final = (
    *money.WORKINGS,
    *("owned_orders", "orders_kept", "lines_kept", "goods_returned", "exchanged"),
    "activity_persons",
)
# Range of days after range of days: all orders to join lines to do not fit into the memory.
ORDERS_AT_ONCE: Final = 2_500_000
_DIMENSIONS: Final = ("department", "category", "collection")
_Range = tuple[date, date]


@dataclass(frozen=True, slots=True)
class TraitsReport:
    """Counts of one as_of; `unknown`: tables that had not landed, whose traits are NULL."""

    as_of: date
    profiles: int
    shares: int
    buyers_365d: int
    unknown: tuple[str, ...]
    inputs: str


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
        persons.define_numbered_persons(session, as_of)
        known = landed(session, ("orders", "events", "messages"), as_of)
        day = DayOfTraits(session, as_of, rules or TraitRules(), identity_rules or IdentityRules(), known)
        day.open_purchases()
        day.open_behaviour()
        make_all(session, (*_OF_ORDERS, "trait_shares", "traits"), day.part, droppable=_DROPPABLE)
        buyers = int(session.value("SELECT count(*) FROM buyers"))
    unknown = tuple(name for name, is_known in known.items() if not is_known)
    traits, shares = day.written["traits"], day.written["trait_shares"]
    return TraitsReport(as_of.day, traits.rows, shares.rows, buyers, unknown, day.inputs)


class DayOfTraits:
    """The tables that the core traits of one day are made from, and how each comes about. `landed`: of `facts.landed`.

    The people are numbered in the session: `persons.define_numbered_persons`.
    """

    def __init__(
        self,
        session: Session,
        as_of: AsOf,
        rules: TraitRules,
        identity_rules: IdentityRules,
        landed: Mapping[str, bool],
    ) -> None:
        self.session, self.as_of, self.identity_rules, self.landed = session, as_of, identity_rules, landed
        self.values = trait_values(as_of, rules)
        self.values |= {f"{name}_landed": is_known for name, is_known in landed.items()}
        self.values["definition"] = core_digest(rules)
        self.written: dict[str, Written] = {}
        self.inputs = ""

    def open_purchases(self) -> None:
        """Define what is asked of orders and their lines."""
        versions.define_orders(self.session, self.as_of)
        versions.define_products(self.session, self.as_of)
        money.define_money(self.session, self.as_of, columns=_OF_PAID_ORDERS)
        versions.define_stores(self.session, self.as_of.day)

    def open_behaviour(self) -> None:
        """Define what is asked of events, messages and answers."""
        persons.register_key_spaces(self.session, self.identity_rules.key_spaces)
        for name in ("messages", "survey_answers", "suppressions"):
            self.session.scan(name)
        visits = "visit_days" if several(self.session) else "visits"
        once(self.session, "visit_days", statement(_ROOM, visits), scans=("events",), copy=False)

    def part(self, name: str) -> Part | None:
        """How a table comes about: by our own hand, or as the statement of its name says."""
        return self._own.get(name) or (self._stated(name) if name in _STATED else None)

    @cached_property
    def _own(self) -> Mapping[str, Part]:
        lines = tuple(f"line_money_{number}" for number, _ in enumerate(self._ranges))
        shares = tuple(f"shares_{dimension}" for dimension in _DIMENSIONS)
        accounts = ("person_accounts", "person_records", "accounts")
        return {
            # Views that are there; who reads them reads what they are made of.
            **{name: _view(name) for name in ("paid_orders", "kept_lines", "loose_returns")},
            "event_contacts": Part(
                self._defines("event_contacts", materialize=False),
                statement(_ROOM, "event_contacts").reads,
                is_view=True,
            ),
            "measured": Part(self._measured, ("paid_orders", "loose_returns")),
            "line_money": Part(
                self._lines,
                (*statement(_ROOM, "line_money").reads, *statement(_ROOM, "loose_line_money").reads),
                leaves=(*lines, "loose_line_money"),
            ),
            "shares": Part(self._shares, ("line_money", "class_values"), leaves=shares),
            "campaigns_as_of": Part(lambda: versions.define_campaigns(self.session, self.as_of), ()),
            "person_identifiers": Part(self._identifiers, ("activity_persons",)),
            # Identifiers first: on their way records are numbered by the name that accounts are numbered by then.
            "golden_fields": Part(self._golden, ("activity_persons", "person_identifiers"), leaves=accounts),
            "consent_states": Part(lambda: None, ("golden_fields",)),
            "trait_shares": Part(lambda: self._write("trait_shares"), statement(_ROOM, "trait_shares").reads),
            "traits": Part(self._write_traits, statement(_ROOM, "traits").reads),
        }

    def _stated(self, name: str) -> Part:
        return Part(self._defines(name), statement(_ROOM, name).reads)

    def _defines(self, name: str, *, materialize: bool = True) -> Callable[[], None]:
        return lambda: self.session.define(name, statement(_ROOM, name), materialize=materialize, **self._bound(name))

    def _bound(self, name: str) -> dict[str, Any]:
        """The values a statement has parameters for."""
        parameters = set(re.findall(r"\$([a-z_0-9]+)", statement(_ROOM, name).text))
        return {key: value for key, value in self.values.items() if key in parameters}

    def _measured(self) -> None:
        measured.define_measured(self.session, self.as_of, self.landed)

    def _lines(self) -> None:
        # Lines are looked at as they come, whatever an engine expects of joins by several columns at once.
        query, bound = statement(_ROOM, "line_money").joined_as_written(), self._bound("line_money")
        for number, (first, last) in enumerate(self._ranges):
            days = {"first": first, "last": last}
            self.session.define(f"line_money_{number}", query, materialize=True, **bound, **days)
        self._defines("loose_line_money")()
        parts = [*(f"line_money_{number}" for number, _ in enumerate(self._ranges)), "loose_line_money"]
        self.session.define("line_money", " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts))

    def _shares(self) -> None:
        for dimension in _DIMENSIONS:
            self.session.define(
                f"shares_{dimension}", statement(_ROOM, "shares"), materialize=True, dimension=dimension
            )
        parts = (f"SELECT {literal(name)} AS dimension, * FROM shares_{name}" for name in _DIMENSIONS)
        self.session.define("shares", " UNION ALL ".join(parts))

    def _identifiers(self) -> None:
        define_identifiers(self.session, self.as_of, self.identity_rules)

    def _golden(self) -> None:
        versions.define_accounts(self.session, self.as_of)
        golden.define_golden(self.session, self.as_of, self.identity_rules)

    def _write(self, name: str) -> None:
        query = statement(_ROOM, name)
        self.written[name] = self.session.replace(name, query, {"as_of": [self.as_of.day]}, **self._bound(name))

    def _write_traits(self) -> None:
        self.inputs = self.session.inputs
        clear(self.session, self.as_of.day)
        self._write("traits")
        self.session.mark_snapshot("traits", self.as_of.day, self.written["traits"].rows)

    @cached_property
    def _ranges(self) -> list[_Range]:
        return list(_ranges_of_days(self.session))


# Statements that others are made of by their names; visits are defined once for all days of a run.
_STATED: Final = frozenset(statements(_ROOM)) - {"visit_days", "visits"}


def _view(name: str) -> Part:
    return Part(lambda: None, statement("profiles/facts", name).reads, is_view=True)


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
