"""The shop of the sandbox's world as Shopify's Admin API shows it at one instant: its records, pages, counts and prices."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from graphql import GraphQLSchema, build_schema

from segment_pipeline.sandbox.graphql import Get, Json, Page, Resolver, Rules, bad_cursor, refused
from segment_pipeline.sandbox.listing import Condition, Listing, Records, opened, sealed, stamp
from segment_pipeline.sandbox.vendors.shopify import search

LARGEST_PAGE = 250
SORTS = {
    "CREATED_AT": "created_at",
    "UPDATED_AT": "updated_at",
    "PROCESSED_AT": search.PROCESSED_AT,
    "ID": search.NUMBER,
}
ENTITIES = {
    "Customer": "customers",
    "Product": "products",
    "Order": "orders",
    "AbandonedCheckout": "abandonedCheckouts",
}
# The scope without which a type is refused, and how far back orders go without the one for all.
SCOPES = {
    "Customer": "read_customers",
    "Product": "read_products",
    "ProductVariant": "read_products",
    "Order": "read_orders",
    "AbandonedCheckout": "read_orders",
}
RECENT = timedelta(days=60)


@cache
def schema() -> GraphQLSchema:
    """The part of the Admin API's schema that the sandbox's shop has."""
    return build_schema(files("segment_pipeline.sandbox.vendors.shopify").joinpath("schema.graphql").read_text("utf-8"))


class ShopAt:
    """The shop's objects at one instant, for one query. `setting`: the vendor's."""

    def __init__(self, records: Records, at: datetime, setting: Callable[[str], Any]) -> None:
        self.records = records
        self.at = at
        self.setting = setting
        self.scopes = frozenset(setting("scope").split(","))
        # Who may write may read.
        self.readable = self.scopes | {scope.replace("write_", "read_") for scope in self.scopes}
        self._nodes: dict[tuple[str, str], Json | None] = {}
        self._variants: dict[str, Json] | None = None

    def rules(self) -> Rules:
        whole_types = frozenset({"Customer", "Product", "ProductVariant"})
        denied = {kind: scope for kind, scope in SCOPES.items() if scope not in self.readable}
        return Rules(schema(), self.root, RESOLVERS, self.node, whole_types, denied, LARGEST_PAGE, scale)

    def root(self, name: str, arguments: Json) -> Get:
        if name == "shop":
            return lambda _: self._shop()
        if name == "currentAppInstallation":
            scopes = [{"handle": scope} for scope in sorted(self.scopes)]
            return lambda _: {"id": "gid://shopify/AppInstallation/1", "accessScopes": scopes}
        if name.endswith("Count"):
            return lambda _: self._count(name.removesuffix("Count"), arguments)
        if name == "nodes":
            return lambda _: [self._any(gid) for gid in arguments["ids"]]
        if name == "node":
            return lambda _: self._any(arguments["id"])
        if "id" in arguments:
            return lambda _: self.node(name.capitalize(), str(arguments["id"]))
        return lambda _: self._page(name, arguments)

    def node(self, type_name: str, gid: str) -> Json | None:
        if type_name == "ProductVariant":
            return self._variant(gid)
        key = gid.rsplit("/", 1)[-1]
        if gid != f"gid://shopify/{type_name}/{key}":
            return None
        if (type_name, key) not in self._nodes:
            found = self.records.bodies(self._listing(ENTITIES[type_name], (Condition("key = ?", (key,)),)), self.at)
            self._nodes[type_name, key] = _opened(found[0]) if found else None
        return self._nodes[type_name, key]

    def _any(self, gid: str) -> Json | None:
        """A record by an id that says its type."""
        kind = gid.rpartition("/")[0].rpartition("/")[2]
        found = self._refund(gid) if kind == "Refund" else self.node(kind, gid) if kind in ENTITIES else None
        return None if found is None else {**found, "__typename": kind}

    def _refund(self, gid: str) -> Json | None:
        naming = Condition("instr(body, ?) > 0", (json.dumps(gid),))
        bodies = self.records.bodies(self._listing("orders", (naming,)), self.at)
        return next((each for body in bodies for each in _opened(body).get("refunds") or () if each["id"] == gid), None)

    def _page(self, name: str, arguments: Json) -> Page:
        sort, descending = str(arguments["sortKey"]), bool(arguments.get("reverse"))
        made_for = [name, sort, descending]
        try:
            after, kept = opened(arguments.get("after"), made_for)
        except ValueError:
            raise bad_cursor() from None
        seen = int(str(kept[0])) if kept else 0
        size = arguments["first"]
        if seen + size > (most := self.setting("most_paged")):
            raise refused(f"Pagination is limited to {most} objects: filter the query", "PAGINATION_LIMIT")
        listing = self._listing(name, self._conditions(name, arguments), SORTS[sort], descending=descending)
        found, more = self.records.page(listing, self.at, size, after)

        def cursor(number: int) -> str:
            return sealed(found[number], made_for, seen + number + 1)

        return Page([_opened(record.body) for record in found], cursor, more, after is not None)

    def _count(self, name: str, arguments: Json) -> Json:
        """Exact up to `limit`; beyond it, at least that many. Without a limit Shopify still stops one behind what it pages."""
        listing = self._listing(name, self._conditions(name, arguments))
        asked, most = arguments.get("limit"), self.setting("most_paged") + 1
        limit = most if asked is None else min(asked, most)
        found = self.records.count(listing, self.at, limit + 1)
        return {"count": min(found, limit), "precision": "AT_LEAST" if found > limit else "EXACT"}

    def _listing(
        self, name: str, conditions: tuple[Condition, ...], order: str = "key", *, descending: bool = False
    ) -> Listing:
        """Records of a kind; of orders the app sees the last sixty days unless it may see all, and is not told."""
        if name == "orders" and "read_all_orders" not in self.scopes:
            conditions = (*conditions, Condition("created_at >= ?", (stamp(self.at - RECENT),)))
        return Listing("shopify", name, conditions, order, descending)

    def _variant(self, gid: str) -> Json | None:
        if self._variants is None:
            products = self.records.bodies(Listing("shopify", "products", order="key"), self.at)
            self._variants = {variant["id"]: variant for body in products for variant in json.loads(body)["variants"]}
        return self._variants.get(gid)

    def _shop(self) -> Json:
        found = self.records.bodies(Listing("shopify", "shop", order="key"), self.at)
        shop: Json = json.loads(found[0]) if found else {"ianaTimezone": "UTC"}
        return shop

    def _conditions(self, name: str, arguments: Json) -> tuple[Condition, ...]:
        text = arguments.get("query")
        if not text:
            return ()
        written = search.Clock(ZoneInfo(self._shop()["ianaTimezone"]), self.at)
        try:
            return tuple(search.parse(text, search.FIELDS[name], written))
        except search.SearchError as error:
            raise refused(str(error), "SANDBOX_NOT_SUPPORTED") from None


def scale(size: int) -> int:
    """How many times a connection's page counts the cost of one node.

    Shopify says only that connections are "sized by first and last arguments". The one published figure under the present
    rules (250 variants, each with one object: 24 points) and the advice on page sizes fit 2 ln(size), rounded up. Unverified.
    """
    return max(1, math.ceil(2 * math.log(size))) if size > 0 else 0


def _metafield(_: str, arguments: Json) -> Get:
    wanted = {**arguments, "keys": [arguments["key"]]}
    return lambda o: next(iter(_metafields("", wanted)(o)), None)


def _metafields(_: str, arguments: Json) -> Get:
    namespace, keys = arguments.get("namespace"), arguments.get("keys")

    def found(holder: Json) -> list[Json]:
        return [
            each
            for each in holder.get("metafields") or []
            if namespace in (None, each["namespace"])
            and (keys is None or each["key"] in keys or f"{each['namespace']}.{each['key']}" in keys)
        ]

    return found


def _discounted_total(name: str, arguments: Json) -> Get:
    """A line's total without its code discounts: stored totals have all discounts off, Shopify's default has not."""

    def before_codes(line: Json) -> Json | None:
        if name not in line:
            return None
        amounts = {currency: Decimal(money["amount"]) for currency, money in line[name].items()}
        for allocation in line.get("discountAllocations") or []:
            if allocation["discountApplication"]["__typename"] == "DiscountCodeApplication":
                for currency, money in allocation["allocatedAmountSet"].items():
                    amounts[currency] += Decimal(money["amount"])
        return {currency: {**money, "amount": str(amounts[currency])} for currency, money in line[name].items()}

    return (lambda line: line.get(name)) if arguments.get("withCodeDiscounts") else before_codes


def _unless_held(default: Callable[[Json], Any]) -> Resolver:
    """A field that bodies hold only where there is something to say."""

    def resolver(name: str, _: Json) -> Get:
        def held(found: Json) -> Any:
            value = found.get(name)
            return default(found) if value is None else value

        return held

    return resolver


def _nothing(found: Json) -> Json:
    money = {"amount": "0.00", "currencyCode": found.get("currencyCode", "USD")}
    return {"shopMoney": money, "presentmentMoney": money}


def _tips(order: Json) -> Json:
    """What the lines come to that a tip makes: they are called so, and have no product."""
    lines = [line for line in order["lineItems"] if line.get("product") is None and line["title"] == "Tip"]
    amount = sum((Decimal(line["originalTotalSet"]["shopMoney"]["amount"]) for line in lines), Decimal("0.00"))
    return {name: {**money, "amount": str(amount)} for name, money in _nothing(order).items()}


RESOLVERS: Mapping[str, Resolver] = {
    "taxesIncluded": _unless_held(lambda _: False),
    "totalTipReceivedSet": _unless_held(_tips),
    "totalTaxSet": _unless_held(_nothing),
    "taxAmountSet": _unless_held(_nothing),
    "metafield": _metafield,
    "metafields": _metafields,
    "discountedTotalSet": _discounted_total,
    # Bodies do not say what a discount of a line is applied to.
    "targetType": lambda _name, _arguments: lambda _: "LINE_ITEM",
}


def _opened(body: bytes) -> Json:
    """A stored node; a refund of an order names a line by id only, and gets the line itself."""
    found: Json = json.loads(body)
    refunds: Sequence[Any] = found.get("refunds") or ()
    if refunds:
        lines = {line["id"]: line for line in found["lineItems"]}
        for refund in refunds:
            for refunded in refund["refundLineItems"]:
                refunded["lineItem"] = lines.get(refunded["lineItem"]["id"], refunded["lineItem"])
    return found
