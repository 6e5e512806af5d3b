"""Which version of an order, account, cart, product or campaign counts as of a day: that of the day, or the earliest held after it."""

from datetime import date

from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.numbers import refuse
from segment_pipeline.profiles.facts.runs import once


def define_orders(session: Session, as_of: AsOf) -> None:
    """Define the view orders_as_of over a snapshot of identities, the view identities_as_of."""
    define_order_versions(session)
    session.define("nameless_keys", statement("profiles/facts", "nameless_keys"), materialize=True)
    define_orders_as_of(session, as_of)


def define_order_versions(session: Session) -> None:
    """Define order_versions, all there are."""
    once(session, "order_versions", statement("profiles/facts", "order_versions"), scans=("orders",), copy=False)


def define_orders_as_of(session: Session, as_of: AsOf) -> None:
    """Define orders_as_of over order_versions and nameless_keys, the customers that are nobody.

    Raises ContractError where two orders have one number.
    """
    once(session, "revised_orders", statement("profiles/facts", "revised_orders"), scans=())
    session.define(
        "revised_versions", statement("profiles/facts", "revised_versions"), materialize=True, as_of=as_of.day
    )
    refuse(session, "SELECT source, order_no AS number FROM revised_versions WHERE is_shared", "orders")
    session.define("orders_as_of", statement("profiles/facts", "orders_as_of"), as_of=as_of.day)


def define_lines(session: Session) -> None:
    """Define known_lines, the lines of all versions of orders, over revised_orders."""
    session.scan("order_lines")
    once(session, "remembered_products", statement("profiles/facts", "remembered_products"), scans=("order_lines",))
    # Mostly none is, and no line need be looked up.
    remembered = session.value("SELECT count(*) FROM remembered_products")
    session.define(
        "known_lines", statement("profiles/facts", "known_lines") if remembered else "SELECT * FROM order_lines"
    )


def define_account_versions(session: Session, as_of: AsOf) -> None:
    """Define the view account_versions, one row per account known by the end of a day.

    Raises ContractError where two accounts have one number.
    """
    session.scan("customers")
    once(session, "revised_accounts", statement("profiles/facts", "revised_accounts"), scans=("customers",))
    session.define("chosen_accounts", statement("profiles/facts", "chosen_accounts"), materialize=True, as_of=as_of.day)
    refuse(session, "SELECT source, key_no AS number FROM chosen_accounts WHERE is_shared", "accounts")
    session.define("account_versions", statement("profiles/facts", "account_versions"), as_of=as_of.day, end=as_of.end)


def define_accounts(session: Session, as_of: AsOf) -> None:
    """Define accounts, one row per account known by the end of a day, numbered among themselves."""
    define_account_versions(session, as_of)
    session.define("accounts", statement("profiles/facts", "numbered_accounts"), materialize=True)


def define_carts(session: Session, as_of: AsOf, *, materialize: bool = False) -> None:
    """Define carts_as_of, one row per cart begun by the end of a day, over a snapshot of identities, the view identities_as_of."""
    session.scan("carts")
    session.define("nameless_cart_keys", statement("profiles/facts", "nameless_cart_keys"), materialize=True)
    define_carts_as_of(session, as_of, materialize=materialize)


def define_carts_as_of(session: Session, as_of: AsOf, *, materialize: bool = False) -> None:
    """Define carts_as_of over the views carts and nameless_cart_keys, the customer keys that name nobody."""
    query = statement("profiles/facts", "carts_as_of")
    session.define("carts_as_of", query, materialize=materialize, as_of=as_of.day, end=as_of.end)


def define_known_carts(session: Session) -> None:
    """Define the view known_carts, all versions of carts with the products they are known to hold."""
    session.scan("carts")
    query = statement("profiles/facts", "remembered_cart_products")
    once(session, "remembered_cart_products", query, scans=("carts",))
    session.define("known_carts", statement("profiles/facts", "known_carts"))


def define_campaigns(session: Session, as_of: AsOf) -> None:
    """Define campaigns_as_of, one row per campaign."""
    session.scan("campaigns")
    session.define("campaigns_as_of", statement("profiles/facts", "campaigns_as_of"), materialize=True, as_of=as_of.day)


def define_stores(session: Session, as_of: date) -> None:
    """Define the view stores_as_of, one row per store."""
    session.scan("stores")
    session.define("stores_as_of", statement("profiles/facts", "stores_as_of"), as_of=as_of)


def define_products(session: Session, as_of: AsOf) -> None:
    """Define products_as_of, one row per product. Raises ContractError where two have one number."""
    once(session, "product_versions", statement("profiles/facts", "product_versions"), scans=("products",))
    session.define("chosen_products", statement("profiles/facts", "chosen_products"), materialize=True, as_of=as_of.day)
    refuse(session, "SELECT source, product_no AS number FROM chosen_products WHERE is_shared", "products")
    session.define("products_as_of", statement("profiles/facts", "products_as_of"))
