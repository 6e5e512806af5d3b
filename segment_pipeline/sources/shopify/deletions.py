"""Which of a shop's customers and products are gone: asked by id, since Shopify lists nothing that was deleted or merged.

A customer with orders cannot be deleted: one that is gone was merged, and its orders say into whom. Of one without orders nobody
can tell, so that it is closed as deleted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from segment_pipeline.errors import ContractError
from segment_pipeline.landing.raw import Known
from segment_pipeline.sources.shopify import queries
from segment_pipeline.sources.shopify.api import LARGEST_PAGE, Api

KINDS = {"customers": "Customer", "products": "Product"}
SCOPES = {"customers": ("read_customers", "read_orders", "read_all_orders"), "products": ("read_products",)}


def gone(api: Api, table: str, known: Sequence[Known]) -> dict[str, str | None]:
    """Those that are not there any more, each customer with the one it was merged into as far as an order tells."""
    answered = _nodes(api, queries.THERE, KINDS[table], [each.key for each in known])
    missing = [account for account in known if _number(answered[account.key]) != account.key]
    orders = _nodes(api, queries.OWNERS, "Order", [each.order_key for each in missing if each.order_key])
    found: dict[str, str | None] = {}
    for account in missing:
        order = orders.get(account.order_key or "")
        survivor = _number(answered[account.key]) or _number(order.get("customer") if order else None)
        # An order that names it still speaks against its being gone.
        if survivor != account.key:
            found[account.key] = survivor
    return found


def _nodes(api: Api, query: str, kind: str, keys: Sequence[str]) -> dict[str, Mapping[str, Any] | None]:
    """Records by the numbers of their ids; None for those that are not there."""
    found: dict[str, Mapping[str, Any] | None] = {}
    for first in range(0, len(keys), LARGEST_PAGE):
        asked = keys[first : first + LARGEST_PAGE]
        answer = api.ask(query, {"ids": [f"gid://shopify/{kind}/{key}" for key in asked]})
        nodes = (answer.get("data") or {}).get("nodes")
        if not isinstance(nodes, list) or len(nodes) != len(asked):
            raise ContractError("shopify: records by id were not answered one by one: see whether the API changed")
        found |= dict(zip(asked, nodes, strict=True))
    return found


def _number(node: Mapping[str, Any] | None) -> str | None:
    return str(node["id"]).rpartition("/")[2] if node and node.get("id") else None
