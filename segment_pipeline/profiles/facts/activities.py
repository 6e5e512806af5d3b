"""The one view of what people did, which segments and triggers read: `activities`.

One row per thing one person did (per line for product_bought, per product for cart_abandoned), from the facts as of a day,
with products as of that day; `ACTIVITY_COLUMNS` says what each column means. Names: `order` (a paid sale, also when it was
given back), `product_bought` (a line of goods of which something is kept, exchanged goods as well), `product_returned` (a line of goods
of which units were given back), `order_refunded` (money given back for goods), the canonical names of events (visit, product_viewed, category_viewed, cart_added, checkout_started,
search, login, social_engaged, content_viewed, …), `survey_answered`, `message_sent|delivered|opened|clicked|bounced|
unsubscribed|complained|responded`, `cart_abandoned` (not completed by then, at the last change of its content), `consent_given|
withdrawn` (to marketing in a channel, otherwise than before). Test,
open and cancelled orders are not here, nor are rows that belong to nobody. Spend that is of no order (what an exchange sold, what
was given back without naming an order) is there by the name SPEND_APART where it is asked for.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final

from segment_pipeline.algebra.parts import property_column
from segment_pipeline.days import AsOf
from segment_pipeline.lake.canonical import EVENT_NAMES
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.consents import define_consent_changes
from segment_pipeline.profiles.facts.money import define_give_backs, define_money
from segment_pipeline.profiles.facts.numbers import refuse_shared
from segment_pipeline.profiles.facts.persons import define_numbered_persons, register_key_spaces
from segment_pipeline.profiles.facts.versions import (
    define_campaigns,
    define_carts,
    define_known_carts,
    define_orders,
    define_products,
)

ACTIVITY_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "profile_id": ("VARCHAR", "person at as_of; never NULL"),
    "person_no": ("INTEGER", "the person's number within the session, by the view people; never NULL"),
    "name": ("VARCHAR", "what was done"),
    "told_by": (
        "VARCHAR",
        "kind of fact: orders, lines, returns, refunds, events, answers, messages, carts, consents, exchanges, loose",
    ),
    "occurred_at": ("TIMESTAMPTZ", "when"),
    "occurred_on": ("DATE", "company day of it"),
    "local_at": ("TIMESTAMP", "wall-clock time of the person or store; NULL: zone unknown"),
    "source": ("VARCHAR", "source of the fact"),
    "product_key": ("VARCHAR", "the source's own product id; NULL: none"),
    "item_key": (
        "VARCHAR",
        "the same product across sources: its SKUs, joined by a vertical bar, else source:product_key",
    ),
    "brand": ("VARCHAR", "of the product at as_of"),
    "department": ("VARCHAR", "of the product at as_of"),
    "category": ("VARCHAR", "of the product at as_of, else what the event names"),
    "collection": ("VARCHAR", "of the product at as_of, else what the event names"),
    "launched_on": ("DATE", "of the product; NULL: unknown"),
    "quantity": ("DECIMAL(18,8)", "units kept of a line; of one given back, those not kept"),
    "amount": (
        "DECIMAL(18,4)",
        "spend of an order, net of a line as far as it is kept or given back, money given back; in the base currency; NULL: none known",
    ),
    "is_markdown": ("BOOLEAN", "line sold below list price"),
    "is_worth": ("BOOLEAN", "order that sold goods worth something"),
    "is_kept": ("BOOLEAN", "order of which goods of some worth are kept"),
    "campaign": ("VARCHAR", "name of the campaign, its key where no name is held; of events: utm_campaign"),
    "channel": (
        "VARCHAR",
        "orders, lines, returns and refunds: store, web, app; messages: email, sms, push, mail; consents: these and ads",
    ),
    "subject": ("VARCHAR", "question of an answer, network of a social event, topic of content"),
    "text": ("VARCHAR", "the answer, the search, the social action, the landing page"),
    "score": ("DOUBLE", "numeric answer"),
    "order_key": (
        "VARCHAR",
        "order of an order or line, the one that goods or money given back are of; NULL: none is named",
    ),
    "store_key": ("VARCHAR", "store that order was made in; NULL: online, or unknown"),
    "order_number": (
        "INTEGER",
        "number of that order among the person's, by time, source and key; NULL: an exchange, or none is named",
    ),
    "coupon_codes": ("VARCHAR[]", "coupons redeemed on that order; NULL: the source does not say"),
}

ACTIVITY_NAMES: Final = (
    "order",
    "product_bought",
    "product_returned",
    "order_refunded",
    *EVENT_NAMES,
    "survey_answered",
    "message_sent",
    "message_delivered",
    "message_opened",
    "message_clicked",
    "message_bounced",
    "message_unsubscribed",
    "message_complained",
    "message_responded",
    "cart_abandoned",
    "consent_given",
    "consent_withdrawn",
)

_PRODUCT: Final = frozenset({"item_key", "brand", "department", "category", "collection"})
_NAMED: Final = frozenset({"category", "collection"})
_SAID: Final = frozenset({"subject", "text"})
_CAMPAIGN: Final = frozenset({"campaign"})
_GIVEN_BACK: Final = frozenset(
    {"amount", "campaign", "channel", "store_key", "coupon_codes", "order_key", "order_number"}
)
_ORDER: Final = _GIVEN_BACK | {"local_at"}
# What an event by a name that is none of ours may have; how many of them a source fills is the company's to know.
OWN_EVENT_FILLS: Final = _PRODUCT | _SAID | _CAMPAIGN
# The columns that rules may ask for and that rows by a name have, beside `source` and events' local time, which is there where
# a source knows the person's time zone. What is not here is NULL in every row.
ACTIVITY_FILLS: Final[Mapping[str, frozenset[str]]] = {
    "order": _ORDER,
    "product_bought": _PRODUCT | _ORDER | {"quantity", "is_markdown"},
    "product_returned": _PRODUCT | _GIVEN_BACK | {"quantity"},
    "order_refunded": _GIVEN_BACK,
    "visit": _NAMED | _CAMPAIGN | {"text"},
    "category_viewed": _NAMED | _CAMPAIGN,
    "product_viewed": _PRODUCT | _CAMPAIGN,
    "cart_added": _PRODUCT | _CAMPAIGN,
    "checkout_started": _CAMPAIGN,
    "order_completed": _CAMPAIGN,
    "search": _NAMED | _CAMPAIGN | {"text"},
    "login": _CAMPAIGN,
    "social_engaged": _SAID | _CAMPAIGN,
    "content_viewed": _NAMED | _CAMPAIGN | {"subject"},
    "survey_answered": _SAID | {"score"},
    **{name: frozenset({"campaign", "channel"}) for name in ACTIVITY_NAMES if name.startswith("message_")},
    "cart_abandoned": _PRODUCT,
    "consent_given": frozenset({"channel"}),
    "consent_withdrawn": frozenset({"channel"}),
}
# Values of `channel` by the kind of fact.
CHANNELS: Final[Mapping[str, tuple[str, ...]]] = {
    "orders": ("store", "web", "app"),
    "lines": ("store", "web", "app"),
    "returns": ("store", "web", "app"),
    "refunds": ("store", "web", "app"),
    "messages": ("email", "sms", "push", "mail"),
    "consents": ("email", "sms", "ads", "mail", "push", "product"),
}

# As `MEANINGS` of the core traits: raise the number of a name (add it at 2) in the commit that makes its rows others.
ACTIVITY_MEANINGS: Final[Mapping[str, int]] = dict.fromkeys(
    ("order", "product_bought", "product_viewed", "cart_added", "cart_abandoned"), 2
)

# What the sum of spend has beside orders: no activity that a rule can name.
SPEND_APART: Final = "spend without order"

BEGINNING: Final = date(1900, 1, 1)

_APART: Final = frozenset({"exchanges", "loose"})
_MONEY: Final = frozenset({"orders", "lines", "returns", "refunds"}) | _APART
# What an engine would join though nobody reads its columns: it cannot know that keys are unique.
_LOOKUPS: Final = ("people", "products_as_of", "event_products", "campaigns_as_of")
# Orders are numbered where somebody asks, beside those kinds of facts that are of one.
ORDER_NUMBER: Final = "order_number"
_OF_ORDERS: Final = _MONEY - _APART
_GIVE_BACKS: Final = frozenset({"returns", "refunds"})
# What activities have of their order, by what an order calls it.
_ORDER_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "ordered_at": frozenset({"occurred_at", ORDER_NUMBER}),
    "local_at": frozenset({"local_at"}),
    "channel": frozenset({"channel"}),
    "store_key": frozenset({"store_key"}),
    "coupon_codes": frozenset({"coupon_codes"}),
    "campaign_key": frozenset({"campaign"}),
    "order_key": frozenset({"order_key", ORDER_NUMBER}),
}
_OF_GIVE_BACKS: Final = frozenset({"channel", "store_key", "coupon_codes", "campaign_key", "order_key"})
_BEHAVIOUR: Final = {"events": "events", "messages": "messages", "answers": "survey_answers"}
_CONSENTS: Final = frozenset({"consent_given", "consent_withdrawn"})
# Activities told by other facts; events by these names would be the same thing told twice.
_NOT_EVENTS: Final = (
    frozenset(f"message_{kind}" for kind in ("sent", "delivered", "opened", "clicked", "responded"))
    | {
        "order",
        "product_bought",
        "product_returned",
        "order_refunded",
        "survey_answered",
        "cart_abandoned",
        SPEND_APART,
    }
    | _CONSENTS
)

_NUMBERS: Final = " LEFT JOIN order_numbers AS n ON n.order_no = a.order_no"


def define_activities(
    session: Session,
    as_of: AsOf,
    *,
    since: date | None = None,
    key_spaces: Mapping[str, str] | None = None,
    names: Collection[str] | None = None,
    columns: Collection[str] | None = None,
    properties: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
    people_defined: bool = False,
) -> None:
    """Define the views `activities` and `products_as_of` as of a day; facts before `since` are left out (None: none are).

    `names`: activities somebody asks for, others may be left out (None: all but consents); `columns`: those of the view that are read, in any order.
    What neither needs is not read, nor joined. `people_defined`: the view people(profile_id, person_no) is there, and what
    others did is left out; else it is defined here. `properties`: types of events' properties by name: each is one more
    column (`property_column`) that `columns` may name; `keys`: what the records call those that have another name there. `key_spaces`: of the rules the identities were built with.
    Raises ContractError when `as_of` has no snapshot of identities.
    """
    wanted = set(ACTIVITY_COLUMNS if columns is None else columns)
    parts = tellers(names)
    define_numbered_persons(session, as_of, named="profile_id" in wanted, people_defined=people_defined)
    define_products(session, as_of)
    define_campaigns(session, as_of)
    first = since or BEGINNING
    define_behaviour(session, [part for part in parts if part in _BEHAVIOUR], key_spaces or {})
    session.define("event_products", statement("profiles/facts", "event_products"))
    if _MONEY & set(parts):
        define_orders(session, as_of)
        define_money(session, as_of, columns=None if columns is None else _columns_of_orders(parts, wanted))
    if _GIVE_BACKS & set(parts):
        define_give_backs(session)
    if "consents" in parts:
        define_consent_changes(session, as_of, key_spaces or {})
    if "carts" in parts:
        define_carts(session, as_of)
        define_known_carts(session)
        session.define(
            "cart_products",
            statement("profiles/facts", "cart_products"),
            zone=as_of.zone,
            as_of=as_of.day,
            end=as_of.end,
        )
    define_view(session, as_of, parts, wanted, since=first, properties=properties, keys=keys)


def _columns_of_orders(parts: Collection[str], wanted: Collection[str]) -> frozenset[str]:
    """What is read of orders for these columns of the view."""
    read = {name for name, told in _ORDER_COLUMNS.items() if not told.isdisjoint(wanted)}
    return frozenset(read | (_OF_GIVE_BACKS if _GIVE_BACKS & set(parts) else set()))


def define_view(
    session: Session,
    as_of: AsOf,
    parts: Collection[str],
    wanted: Collection[str],
    *,
    since: date = BEGINNING,
    properties: Mapping[str, str] | None = None,
    keys: Mapping[str, str] | None = None,
) -> None:
    """Define the view `activities` of these columns over the facts of these kinds, once those are there."""
    values: dict[str, dict[str, Any]] = {key: {"since": since, "as_of": as_of.day} for key in _BEHAVIOUR}
    values |= {part: {"since": since} for part in ("carts", "consents", *_MONEY)}
    numbered = _OF_ORDERS & set(parts) if ORDER_NUMBER in wanted else frozenset()
    if numbered:
        session.define("order_numbers", statement("profiles/facts", "order_numbers"), materialize=True)
    asked = {name: kind for name, kind in (properties or {}).items() if property_column(name) in wanted}
    selects = []
    for part in parts:
        name = f"activities_{part}"
        told = statement("profiles/facts", name)
        read = {*wanted, *(("order_no",) if part in numbered else ()), *(("properties",) if asked else ())}
        session.define(name, told.only(read, lookups=_LOOKUPS), **values.get(part, {}))
        columns = [
            _column(each, told.columns, numbered=part in numbered) for each in ACTIVITY_COLUMNS if each in wanted
        ]
        columns += [
            _property(each, kind, key=(keys or {}).get(each), told=part == "events") for each, kind in asked.items()
        ]
        selects.append(f"SELECT {', '.join(columns)} FROM {name} AS a{_NUMBERS if part in numbered else ''}")
    session.define("activities", " UNION ALL ".join(selects))


def _column(name: str, told: Collection[str], *, numbered: bool) -> str:
    """A column of the view for one kind of fact: NULL where those have nothing of the sort."""
    if name == ORDER_NUMBER and numbered:
        return f"n.{quote(name)}"
    return f"a.{quote(name)}" if name in told else f"CAST(NULL AS {ACTIVITY_COLUMNS[name][0]}) AS {quote(name)}"


def property_type(kind: str) -> str:
    """The type a property is compared in: whole numbers too as floating-point ones, because JSON writes 7 as 7.0 as well."""
    return "DOUBLE" if kind == "BIGINT" else kind


def _property(name: str, kind: str, *, key: str | None, told: bool) -> str:
    """A property as a column; NULL where it is missing or something else than its type."""
    path = f"$.{name}" if key is None else f'$."{key}"'
    wanted, text = property_type(kind), f"json_extract_string(properties, {literal(path)})"
    match wanted if told else "":
        case "VARCHAR":
            said = text
        case "BOOLEAN":
            said = f"CASE {text} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
        case "DATE":
            said = f"CASE WHEN regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$') THEN TRY_CAST({text} AS DATE) END"
        case "DOUBLE":
            said = f"TRY_CAST({text} AS DOUBLE)"
        case _:
            said = f"CAST(NULL AS {wanted})"
    return f"{said} AS {quote(property_column(name))}"


def tellers(names: Collection[str] | None) -> list[str]:
    """The kinds of facts that tell of activities by these names (None: any but consents), at least one: values of `told_by`."""
    told = {
        "orders": names is None or "order" in names,
        "lines": names is None or "product_bought" in names,
        "returns": names is None or "product_returned" in names,
        "refunds": names is None or "order_refunded" in names,
        "events": not names or bool(set(names) - _NOT_EVENTS),
        "answers": names is None or "survey_answered" in names,
        "messages": names is None or any(name.startswith("message_") for name in names),
        "carts": names is None or "cart_abandoned" in names,
        # Whose statements are is looked up for those who ask for them by name alone.
        "consents": names is not None and not _CONSENTS.isdisjoint(names),
        **dict.fromkeys(sorted(_APART), names is not None and SPEND_APART in names),
    }
    return [kind for kind, is_told in told.items() if is_told]


def define_behaviour(session: Session, parts: Collection[str], key_spaces: Mapping[str, str]) -> None:
    """Define what tells whose events, messages and answers are: key_spaces, activity_customers and activity_addresses over activity_persons.

    Of events also person_events, those that are a person's.
    """
    register_key_spaces(session, key_spaces)
    if parts:
        session.define("activity_customers", statement("profiles/facts", "activity_customers"), materialize=True)
        refuse_shared(session, "activity_customers", "customer_no", "customers")
    for part in parts:
        session.scan(_BEHAVIOUR[part])
    met = [f"SELECT source, email FROM {_BEHAVIOUR[part]} WHERE email IS NOT NULL" for part in parts]
    nobody = "SELECT source, record_key AS email FROM persons WHERE FALSE"
    # Once each, however many of the parts there are: each is joined to all that names it.
    session.define("addresses_met", f"SELECT DISTINCT source, email FROM ({' UNION ALL '.join(met) or nobody}) AS met")
    session.define("activity_addresses", statement("profiles/facts", "activity_addresses"), materialize=True)
    if "events" in parts:
        session.define("person_events", statement("profiles/facts", "person_events"))
