"""The one view of what people did, which segments and triggers read: `activities`.

One row per thing one person did (per line for product_bought, per product for cart_abandoned), from the facts as of a day,
with products as of that day; `ACTIVITY_COLUMNS` says what each column means. Names: `order` (a completed sale),
`product_bought`, the canonical names of events (visit, product_viewed, category_viewed, cart_added, checkout_started,
search, login, social_engaged, content_viewed, …), `survey_answered`, `message_sent|delivered|opened|clicked|bounced|
unsubscribed|complained|responded`, `cart_abandoned` (not completed by then, at the cart's creation). Returns, exchanges,
refunds, test, open and cancelled orders are not here, nor are rows that belong to nobody.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.identity import define_orders, register_rules
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.runs import once
from segment_pipeline.records import Window

ACTIVITY_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "profile_id": ("VARCHAR", "person at as_of; never NULL"),
    "name": ("VARCHAR", "what was done"),
    "occurred_at": ("TIMESTAMPTZ", "when"),
    "occurred_on": ("DATE", "company day of it"),
    "local_at": ("TIMESTAMP", "wall-clock time of the person or store; NULL: zone unknown"),
    "source": ("VARCHAR", "source of the fact"),
    "product_key": ("VARCHAR", "the source's own product id; NULL: none"),
    "item_key": ("VARCHAR", "the same product across sources: its first SKU, else source:product_key"),
    "brand": ("VARCHAR", "of the product at as_of"),
    "department": ("VARCHAR", "of the product at as_of"),
    "category": ("VARCHAR", "of the product at as_of, else what the event names"),
    "collection": ("VARCHAR", "of the product at as_of, else what the event names"),
    "launched_on": ("DATE", "of the product; NULL: unknown"),
    "quantity": ("DECIMAL(18,8)", "units of a line"),
    "amount": ("DECIMAL(18,4)", "net of an order or line in the base currency; NULL: no rate, or no money involved"),
    "is_markdown": ("BOOLEAN", "line sold below list price"),
    "campaign": ("VARCHAR", "name of the campaign, its key where no name is held; of events: utm_campaign"),
    "channel": ("VARCHAR", "orders and lines: store, web, app; messages: email, sms, push, mail"),
    "subject": ("VARCHAR", "question of an answer, network of a social event, topic of content"),
    "text": ("VARCHAR", "the answer, the search, the social action, the landing page"),
    "score": ("DOUBLE", "numeric answer"),
    "order_key": ("VARCHAR", "order of an order or line"),
}

ACTIVITY_NAMES: Final = (
    "order",
    "product_bought",
    "visit",
    "category_viewed",
    "product_viewed",
    "cart_added",
    "checkout_started",
    "order_completed",
    "search",
    "login",
    "social_engaged",
    "content_viewed",
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
)

BEGINNING: Final = date(1900, 1, 1)


def define_activities(
    session: Session,
    as_of: date,
    *,
    timezone: str = "UTC",
    since: date | None = None,
    rules: IdentityRules | None = None,
    materialize: bool = False,
) -> None:
    """Define the views `activities` and `products_as_of` as of a day; facts before `since` are left out (None: none are).

    `rules`: those the identities were built with (only `key_spaces` is read). Raises ContractError when `as_of` has no
    snapshot of identities.
    """
    define_persons(session, as_of)
    define_behaviour(session, as_of, rules or IdentityRules())
    define_products(session, as_of)
    session.scan("carts")
    end = Window.of(as_of).instants(timezone)[1]
    session.define("carts_as_of", statement("profiles", "carts_as_of"), as_of=as_of, end=end)
    session.define("cart_products", statement("profiles", "cart_products"), zone=timezone)
    define_sales(session, as_of)
    define_lines(session)
    session.scan("campaigns")
    session.define("campaigns_as_of", statement("profiles", "campaigns_as_of"), as_of=as_of)
    query = statement("profiles", "activities")
    session.define("activities", query, materialize=materialize, as_of=as_of, since=since or BEGINNING)


def define_persons(session: Session, as_of: date) -> None:
    """Define the view persons(source, entity, record_key, profile_id) of one snapshot; raises ContractError without one."""
    session.scan("identities", partitions={"as_of": [as_of]}, alias="identities_as_of")
    session.define("persons", "SELECT source, entity, record_key, profile_id FROM identities_as_of", materialize=True)
    # A snapshot is there when it has a row: asking the table's log would open it once more.
    if not session.value("SELECT count(*) FROM persons"):
        raise ContractError(f"there are no identities as of {as_of}: materialise them for that day first")


def define_sales(session: Session, as_of: date) -> None:
    """Define orders_as_of, order_persons and sales (completed ones) over the view persons."""
    define_orders(session, as_of)
    session.define("order_persons", statement("profiles", "order_persons"), materialize=True)
    session.define("sales", statement("profiles", "sales"))


def define_behaviour(session: Session, as_of: date, rules: IdentityRules) -> None:
    """Define contact_persons: whose each combination of device, customer and e-mail in events, messages and answers is."""
    for name in ("events", "messages", "survey_answers"):
        session.scan(name)
    register_rules(session, rules)
    session.define("event_contacts", "SELECT source, anonymous_id, customer_key, email, occurred_on FROM events")
    session.define("met", statement("profiles", "met"), as_of=as_of)
    session.define("contact_persons", statement("profiles", "contact_persons"), materialize=True)


def define_products(session: Session, as_of: date) -> None:
    """Define products_as_of, one row per product."""
    session.scan("products")
    session.define("products_as_of", statement("profiles", "products_as_of"), materialize=True, as_of=as_of)


def define_lines(session: Session) -> None:
    """Define numbered_lines and numbered_products over order_versions and products_as_of."""
    once(session, "product_numbers", statement("profiles", "product_numbers"), scans=("products",))
    once(session, "numbered_lines", statement("profiles", "numbered_lines"), scans=("order_lines",), copy=False)
    session.define("numbered_products", statement("profiles", "numbered_products"), materialize=True)
