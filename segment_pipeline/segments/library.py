"""Building blocks that most companies' segments share. Each gives a Rule; none knows a company's departments or names."""

from segment_pipeline.algebra.choosing import a_rule
from segment_pipeline.segments.rules import (
    Days,
    Names,
    Rule,
    Within,
    all_of,
    any_of,
    did,
    did_not,
    trait,
)


@a_rule
def top_shopper(*, lifetime: bool = False) -> Rule:
    """In the top tenth of buyers by spend of the last 365 days; `lifetime`: by spend to date."""
    return trait("value_tier_lifetime" if lifetime else "value_tier") == "top"


@a_rule
def lapsed(*, at_most: Days) -> Rule:
    """Churned, but with an order within so many days."""
    return all_of(trait("lifecycle_stage") == "churned", trait("days_since_last_order") < at_most)


@a_rule
def active() -> Rule:
    """Bought in the last 90 days, the first order included."""
    return trait("lifecycle_stage").isin("new", "active")


@a_rule
def prefers(department: str) -> Rule:
    """Spends most on the department, or says so in a survey."""
    return any_of(trait("top_department") == department, trait("preferred_department") == department)


@a_rule
def abandoned_cart(within: Within) -> Rule:
    """Left something in a cart and has not bought it since, in any channel, the till included."""
    return any_of(
        did("cart_abandoned", within=within, not_followed_by="product_bought"),
        did("cart_added", within=within, not_followed_by="product_bought"),
    )


@a_rule
def viewed_not_bought(times: int, within: Within) -> Rule:
    """Looked at one and the same product so many times and never bought it."""
    return did("product_viewed", at_least=times, same_product=True, within=within, never="product_bought")


@a_rule
def browsed_latest_without_buying(category: Names, within: Within) -> Rule:
    """Looked at the newest collection of a category and bought nothing of it."""
    return all_of(
        did("product_viewed", category=category, collection="latest", within=within),
        did_not("product_bought", category=category, collection="latest", within=within),
    )


@a_rule
def bought_without(category: Names, complement: Names, within: Within) -> Rule:
    """Bought from a category and not from what goes with it."""
    return all_of(
        did("product_bought", category=category, within=within),
        did_not("product_bought", category=complement, within=within),
    )


@a_rule
def visited_without_action(within: Within) -> Rule:
    """Looked at products, and put none into a cart, began no checkout and placed no order."""
    return all_of(
        did("product_viewed", within=within),
        *(did_not(name, within=within) for name in ("cart_added", "checkout_started", "order")),
    )


@a_rule
def unreceptive(sent: int, within: Within) -> Rule:
    """Was sent so many messages and neither opened nor clicked one."""
    return all_of(
        did("message_delivered", at_least=sent, within=within),
        did_not("message_opened", within=within),
        did_not("message_clicked", within=within),
    )
