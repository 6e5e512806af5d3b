"""What people spent and what they keep, as of a day: the one definition that traits, shares and segments read (docs/money.md).

Gives `paid_orders_held`, `kept_lines` and `loose_returns`. What was given back is found for the few orders it concerns; all others are
taken as they were sold.
"""

from collections.abc import Sequence
from typing import Final

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import generated, statement
from segment_pipeline.profiles.facts.runs import once
from segment_pipeline.profiles.facts.versions import define_lines

# What each is made of comes before it; what is small is held, what has a row per order or line is looked at as it comes.
_HELD: Final = (
    "buyer_records",
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


def define_money(session: Session, as_of: AsOf, *, columns: Sequence[str] = ()) -> None:
    """Define paid_orders_held, kept_lines and loose_returns over orders_as_of and activity_persons.

    `columns`: paid_orders_held is a table of these alone, for who reads them more than once; none: a view of all.
    """
    define_lines(session)
    for name in ("refunds", "rates"):
        session.scan(name)
    once(session, "revised_refunds", statement("profiles/facts", "revised_refunds"), scans=("refunds",))
    for name in _HELD:
        if name == "exchanged":
            _define_owners(session)
        values = {"as_of": as_of.day} if name == "refunds_as_of" else {}
        # Whose orders are is looked up in a table already, unless they are looked at more than once.
        held = name != "buyer_records" or bool(columns)
        session.define(name, statement("profiles/facts", name), materialize=held, **values)
    session.define("paid_orders", statement("profiles/facts", "paid_orders"))
    chosen = generated("profiles/facts/paid_orders", f"SELECT {', '.join(columns) or '*'} FROM paid_orders")
    # Orders are looked at as they come, whatever an engine expects of joins by several columns at once.
    session.define("paid_orders_held", chosen.joined_as_written(), materialize=bool(columns))
    session.define("kept_lines", statement("profiles/facts", "kept_lines"))
    session.define("loose_returns", statement("profiles/facts", "loose_returns"))


def define_give_backs(session: Session) -> None:
    """Define goods_given_back and money_given_back, over what `define_money` made and while all of it is there."""
    for name in ("goods_given_back", "money_given_back"):
        session.define(name, statement("profiles/facts", name))


def _define_owners(session: Session) -> None:
    """Define exchange_owners: whose exchanges are, in rounds: each knows of the exchanges that the one before it found."""
    nobody = "SELECT order_no, person_no FROM exchange_parents WHERE FALSE"
    session.define("exchange_owners", nobody, materialize=True)
    for number in range(_IN_A_ROW):
        session.define(f"exchange_owners_{number}", statement("profiles/facts", "exchanged"), materialize=True)
        session.define("exchange_owners", f"SELECT order_no, person_no FROM exchange_owners_{number}")
