"""What people spent and what they keep, as of a day: the one definition that traits, shares and segments read (docs/money.md).

Gives `paid_orders`, `kept_lines` and `loose_returns`. What was given back is found for the few orders it concerns; all others are
taken as they were sold.
"""

from collections.abc import Collection
from typing import Final

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement, trusted
from segment_pipeline.profiles.facts.runs import once
from segment_pipeline.profiles.facts.versions import define_lines

_ROOM: Final = "profiles/facts"
# What is read of every order here, and what paid_orders has of it in any case.
_OF_ORDERS: Final = frozenset(
    {"source", "order_no", "updated_at", "person_no", "kind", "is_paid", "ordered_on", "net", "net_base", "tax", "currency", "rate_day"}
    | {"gross", "gift_card_sold", "return_key", "parent_order_key", "returned_at"}
)  # fmt: skip
_OF_PAID_ORDERS: Final = frozenset(
    {"source", "order_no", "updated_at", "person_no", "is_order", "ordered_on", "spend", "is_worth", "is_kept", "given_back"}
)  # fmt: skip
# What each is made of comes before it.
_HELD: Final = (
    "refunds_as_of",
    "returned_orders",
    "returned_lines",
    "goods_returned",
    "give_backs",
    "exchange_parents",
    "exchanged",
    "orders_given_back",
    "lines_given_back",
    "give_backs_of_lines",
    "lines_kept",
    "orders_kept",
)
# Exchanges without a customer, one of the goods of another, whose buyer is found: so many in a row.
_IN_A_ROW: Final = 3
# Nothing but what is defined here reads these, once it is defined.
WORKINGS: Final = (
    "refunds_as_of",
    "returned_orders",
    "returned_lines",
    "give_backs",
    "exchange_parents",
    "orders_given_back",
    "lines_given_back",
    "give_backs_of_lines",
)


def define_money(session: Session, as_of: AsOf, *, columns: Collection[str] | None = None) -> None:
    """Define paid_orders, kept_lines and loose_returns over orders_as_of and activity_persons.

    `columns`: those of an order that paid_orders has beside what money is made of, so that orders are read once and held; None: all,
    and orders are read by each who asks.
    """
    define_lines(session)
    session.scan("rates")
    _define_orders(session, columns)
    once(session, "refund_versions", statement(_ROOM, "refund_versions"), scans=("refunds",))
    once(session, "revised_refunds", statement(_ROOM, "revised_refunds"), scans=())
    for name in _HELD:
        if name == "exchanged":
            _define_owners(session)
        query, values = statement(_ROOM, name), {"as_of": as_of.day} if name == "refunds_as_of" else {}
        if name == "returned_lines" and not session.value("SELECT count(*) FROM returned_orders"):
            query = trusted(name, f"SELECT * FROM ({query.text}) AS returned WHERE FALSE")
        session.define(name, query, materialize=True, **values)
    paid = statement(_ROOM, "paid_orders")
    session.define("paid_orders", paid if columns is None else paid.only(_OF_PAID_ORDERS | set(columns)))
    for name in ("kept_lines", "loose_returns"):
        session.define(name, statement(_ROOM, name))


def define_give_backs(session: Session) -> None:
    """Define goods_given_back and money_given_back, over what `define_money` made and while all of it is there."""
    for name in ("goods_given_back", "money_given_back"):
        session.define(name, statement(_ROOM, name))


def _define_orders(session: Session, columns: Collection[str] | None) -> None:
    """Define owned_orders, a table where its columns are known to be few."""
    session.define("buyer_records", statement(_ROOM, "buyer_records"))
    owned = statement(_ROOM, "owned_orders")
    if columns is not None:
        owned = owned.only(_OF_ORDERS | set(columns))
    # Orders are looked at as they come, whatever an engine expects of joins by several columns at once.
    session.define("owned_orders", owned.joined_as_written(), materialize=columns is not None)


def _define_owners(session: Session) -> None:
    """Define exchange_owners: whose exchanges are, in rounds: each knows of the exchanges that the one before it found."""
    nobody = "SELECT order_no, person_no FROM exchange_parents WHERE FALSE"
    session.define("exchange_owners", nobody, materialize=True)
    if not session.value("SELECT count(*) FROM exchange_parents WHERE person_no IS NULL"):
        return
    for number in range(_IN_A_ROW):
        session.define(f"exchange_owners_{number}", statement(_ROOM, "exchanged"), materialize=True)
        session.define("exchange_owners", f"SELECT order_no, person_no FROM exchange_owners_{number}")
