"""What a company's own traits may read: views of one day, each row about one person by profile_id.

Written down once: the names, grains, columns and types here are what docs show, what queries are checked against, and what a
test asks of the views themselves.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from segment_pipeline.days import AsOf
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.activities import (
    ACTIVITY_COLUMNS,
    ORDER_NUMBER,
    define_activities,
    define_behaviour,
)
from segment_pipeline.profiles.facts.persons import define_numbered_persons
from segment_pipeline.profiles.facts.versions import define_lines, define_orders, define_products
from segment_pipeline.profiles.rules import IdentityRules


@dataclass(frozen=True, slots=True)
class View:
    """A documented view. `columns`: type and meaning by name, profile_id first."""

    name: str
    grain: str
    columns: Mapping[str, tuple[str, str]]


_PERSON: Final = {"profile_id": ("VARCHAR", "the person, as of the day; never NULL")}
_SOURCE: Final = {"source": ("VARCHAR", "source of the fact")}

VIEWS: Final[Mapping[str, View]] = {
    view.name: view
    for view in (
        View(
            "profiles",
            "one row per person known by as_of, with the core traits of the day",
            _PERSON | {trait.name: (trait.type, trait.description) for trait in CORE.traits},
        ),
        View(
            "orders",
            "one row per completed order of a person made by the end of as_of: its version of that day; returns and exchanges are "
            "orders of their own",
            _PERSON
            | _SOURCE
            | {
                "order_key": ("VARCHAR", "the source's id of the order"),
                "kind": ("VARCHAR", "sale, return or exchange"),
                "channel": ("VARCHAR", "store, web or app"),
                "store_key": ("VARCHAR", "store it was made in; NULL online"),
                "ordered_at": ("TIMESTAMPTZ", "when"),
                "ordered_on": ("DATE", "company day of it"),
                "local_at": ("TIMESTAMP", "wall-clock time where it was made; NULL: zone unknown"),
                "net": ("MONEY", "net in the base currency, refunds not off; negative for a return; NULL: no rate"),
                "tax": ("MONEY", "tax and service charges on its goods, in the order's currency; NULL: not told"),
                "gift_card_sold": ("MONEY", "prepaid balance loaded by it, which is in no net"),
                "coupon_codes": ("VARCHAR[]", "coupons redeemed; NULL: the source does not say"),
                "campaign_key": ("VARCHAR", "campaign the source credits; NULL: none"),
                "parent_order_key": ("VARCHAR", "order a return or exchange refers to; NULL: none"),
            },
        ),
        View(
            "order_lines",
            "one row per line of those orders",
            _PERSON
            | _SOURCE
            | {
                "order_key": ("VARCHAR", "the order"),
                "line_number": ("VARCHAR", "the source's id of the line; returned lines begin with `return:`"),
                "ordered_on": ("DATE", "company day of the order"),
                "product_key": ("VARCHAR", "the source's own product id; NULL: free text"),
                "item_key": (
                    "VARCHAR",
                    "the same product across sources: its SKUs, joined by a vertical bar, else source:product_key",
                ),
                "brand": ("VARCHAR", "of the product at as_of"),
                "department": ("VARCHAR", "of the product at as_of"),
                "category": ("VARCHAR", "of the product at as_of"),
                "collection": ("VARCHAR", "of the product at as_of"),
                "quantity": ("RATE", "units"),
                "net": (
                    "MONEY",
                    "net in the base currency, refunds not off; negative for a returned line; NULL: no rate",
                ),
                "is_markdown": ("BOOLEAN", "sold below list price"),
                "tax": ("MONEY", "tax and service charges on it, in the order's currency; NULL: not told"),
                "parent_order_key": ("VARCHAR", "order a returned line comes from; NULL: as its own order says"),
                "parent_line_number": ("VARCHAR", "line of that order; NULL: not named"),
            },
        ),
        View(
            "events",
            "one row per event of a person by the end of as_of, of whatever name",
            _PERSON
            | _SOURCE
            | {
                "name": ("VARCHAR", "what was done"),
                "occurred_at": ("TIMESTAMPTZ", "when"),
                "occurred_on": ("DATE", "company day of it"),
                "local_at": ("TIMESTAMP", "wall-clock time of the person; NULL: zone unknown"),
                "session_key": ("VARCHAR", "session; NULL: out of session"),
                "product_key": ("VARCHAR", "product concerned"),
                "category": ("VARCHAR", "category the event itself names"),
                "collection": ("VARCHAR", "collection the event itself names"),
                "subject": (
                    "VARCHAR",
                    "what it is about: the topic of content, the network of a social event; NULL: not said",
                ),
                "text": (
                    "VARCHAR",
                    "what was typed, done or opened: the search, the social action, the landing page; NULL: not said",
                ),
                "country": ("VARCHAR", "country it came from, where the source knows"),
                "lat": ("DOUBLE", "latitude it came from, where the source knows"),
                "lon": ("DOUBLE", "longitude of the same"),
                "utm_source": ("VARCHAR", "source of the visit's campaign"),
                "utm_medium": ("VARCHAR", "medium of the same"),
                "utm_campaign": ("VARCHAR", "name of the same"),
                "properties": ("JSON", "other properties, a JSON object"),
            },
        ),
        View(
            "activities",
            "one row per thing a person did by the end of as_of, as `did(...)` sees it; without statements of consent",
            {
                name: ({"DECIMAL(18,4)": "MONEY", "DECIMAL(18,8)": "RATE"}.get(kind, kind), meaning)
                for name, (kind, meaning) in ACTIVITY_COLUMNS.items()
                if name not in ("person_no", "told_by", ORDER_NUMBER)
            },
        ),
    )
}


def view_in_session(name: str) -> str:
    """What the session calls a documented view: facts have the plain names there."""
    return f"trait_{name}"


def define_views(session: Session, as_of: AsOf, names: Collection[str], rules: IdentityRules) -> None:
    """Define those documented views of a day whose names are given; `profiles` needs nothing but the day's core traits.

    Raises ContractError when the day has no identities, or no core traits.
    """
    day = as_of.day
    if "profiles" in names:
        columns = ", ".join(map(quote, VIEWS["profiles"].columns))
        session.scan("traits", partitions={"as_of": [day]}, alias="core_traits")
        session.define("trait_profiles", f"SELECT {columns} FROM core_traits")
    facts = set(names) - {"profiles"}
    if facts:
        define_numbered_persons(session, as_of, named=True)
    if "activities" in facts:
        done = VIEWS["activities"].columns
        define_activities(session, as_of, key_spaces=rules.key_spaces, columns=done)
        session.define("trait_activities", f"SELECT {', '.join(map(quote, done))} FROM activities")
    if facts & {"orders", "order_lines"}:
        define_orders(session, as_of)
        session.define("trait_orders", statement("profiles/traits", "trait_orders"))
    if "order_lines" in facts:
        define_products(session, as_of)
        define_lines(session)
        session.define("trait_order_lines", statement("profiles/traits", "trait_order_lines"))
    if "events" in facts:
        if "activities" not in facts:
            define_behaviour(session, ["events"], rules.key_spaces)
        session.define("trait_events", statement("profiles/traits", "trait_events"), as_of=day)
