"""Shopify's listings to their end: lists inside records, windows of more records than a listing gives, and what an app may not see."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from graphql import FieldNode, GraphQLSchema, TypeInfo, TypeInfoVisitor, Visitor, get_named_type, parse, visit

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest, pull
from segment_pipeline.sandbox.vendors.shopify.shop import schema
from segment_pipeline.settings import Settings
from segment_pipeline.sources.shopify import api, queries
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.testing.source import JUNE, Vendor
from segment_pipeline_tests.sources.conftest import Served, connector
from segment_pipeline_tests.sources.shopify_records import (
    SHOPIFY,
    bag,
    checkout,
    customer,
    gid,
    line,
    order,
    product,
    refund,
)
from segment_pipeline_tests.sources.test_answers_outside_the_contract import vendor as scripted

# What an app at its defaults meets, and what no page of the vendor's holds.
SIZES = [0, 1, 20, 21, 251]


@pytest.fixture
def vendor() -> Vendor:
    return SHOPIFY


def lines_of(size: int) -> list[dict[str, Any]]:
    return [line(n, "1.00") for n in range(1, size + 1)]


def landed(served: Served, lake: Lake, settings: Settings, entity: str, records: Any, query: str, **more: Any) -> Any:
    """Rows of a query after landing June; nothing of it may be refused."""
    with served(records) as server:
        source = connector("shopify", server.base_url, **more)
        report = ingest(lake, source, entity, JUNE, settings, "run")
    assert report.quarantined == {}
    with lake.session() as session:
        for name in {name for each in source.entities for name in each.table_names}:
            session.scan(name)
        return session.value(query)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nested", [20, 250, 1000])
def test_every_variant_of_a_product_lands(
    served: Served, lake: Lake, settings: Settings, size: int, nested: int
) -> None:
    """A product of 24 variants stopped all products at the defaults, one of 251 at any setting."""
    variants = [{"id": f"gid://shopify/ProductVariant/{n}", "sku": f"W-{n}", "price": "1.00"} for n in range(size)]
    records = [product(71, variants=variants), product(72)]
    query = "SELECT len(skus) FROM products WHERE product_key = '71'"
    assert landed(served, lake, settings, "products", records, query, nested=nested) == size


@pytest.mark.parametrize("size", SIZES)
def test_every_line_and_refunded_line_of_an_order_lands(
    served: Served, lake: Lake, settings: Settings, size: int
) -> None:
    lines = lines_of(size)
    made = order(1, lineItems=lines, refunds=[refund(5, f"{size}.00", lines), refund(6, "1.00", lines[-1:])])
    query = (
        "SELECT (SELECT net FROM orders WHERE order_key = '1') || ' ' || (SELECT count(*) FROM order_lines WHERE order_key = '1')"
        " || ' ' || (SELECT count(*) FROM refunds WHERE starts_with(refund_key, '5/'))"
    )
    assert landed(served, lake, settings, "orders", [made, order(2)], query) == f"{Decimal(size):.4f} {size} {size}"


@pytest.mark.parametrize("size", SIZES)
def test_every_line_of_a_checkout_lands(served: Served, lake: Lake, settings: Settings, size: int) -> None:
    items = [
        {
            "id": f"gid://shopify/AbandonedCheckoutLineItem/{n}", "sku": f"W-{n}", "title": "Shoe", "quantity": 1,
            "product": gid("Product", n), "variant": None, "originalUnitPriceSet": bag("1.00"),
            "discountedTotalPriceSet": bag("1.00"),
        }
        for n in range(size)
    ]  # fmt: skip
    query = "SELECT len(product_keys) FROM carts"
    assert landed(served, lake, settings, "checkouts", [checkout(81, lineItems=items)], query) == size


def test_a_query_too_costly_for_one_record_asks_for_fewer_of_its_lines(
    served: Served, lake: Lake, settings: Settings
) -> None:
    """Pages are halved down to one record, and that record's lists after them."""
    with served([order(1, lineItems=lines_of(30)), order(2)]) as server:
        server.set(largest_query=125)
        report = ingest(lake, connector("shopify", server.base_url), "orders", JUNE, settings, "run")
    assert (report.rows["orders"], report.rows["order_lines"], report.quarantined) == (2, 31, {})


class _Connections(Visitor):
    """The connections inside records that a query asks for, and whether it asks how they go on."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.types = types
        self.found: dict[tuple[str, str], bool] = {}

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        owner = self.types.get_parent_type()
        kind = get_named_type(self.types.get_type())
        if owner and owner.name != "QueryRoot" and kind and kind.name.endswith("Connection"):
            assert node.selection_set
            asked = {each.name.value for each in node.selection_set.selections if isinstance(each, FieldNode)}
            self.found[owner.name, node.name.value] = "pageInfo" in asked


def connections(text: str, types: GraphQLSchema) -> dict[tuple[str, str], bool]:
    info = TypeInfo(types)
    visitor = _Connections(info)
    visit(parse(text), TypeInfoVisitor(info, visitor))
    return visitor.found


def test_every_list_inside_a_record_can_go_on() -> None:
    """Of collections the first is meant: a product has one here."""
    asked: dict[tuple[str, str], bool] = {}
    for listing in api.LISTINGS.values():
        asked |= connections(listing.query, schema())
    assert asked.pop(("Product", "collections")) is False
    assert set(asked.values()) == {True}
    assert asked.keys() == queries.NESTED.keys()


def test_a_record_whose_list_cannot_be_ended_is_quarantined_by_name(lake: Lake, settings: Settings) -> None:
    """It went away between its page and the rest of its lines; its neighbour lands."""

    def node(number: int, *, more: bool) -> dict[str, Any]:
        items = {"pageInfo": {"hasNextPage": more, "endCursor": "c"}, "nodes": []}
        return {
            **gid("AbandonedCheckout", number), "createdAt": "2017-06-05T12:00:00Z", "updatedAt": "2017-06-05T12:00:00Z",
            "subtotalPriceSet": bag("1.00"), "lineItems": items,
        }  # fmt: skip

    def answer(_: str, body: Mapping[str, Any]) -> Any:
        asked = str(body["query"])
        if "accessScopes" in asked:
            held = [{"handle": scope} for scope in ("read_orders", "write_customers", "read_products")]
            return {"data": {"currentAppInstallation": {"accessScopes": held}}}
        if "Count" in asked:
            return {"data": {"abandonedCheckoutsCount": {"count": 2, "precision": "EXACT"}}}
        if "node(id" in asked:
            return {"data": {"node": None}}
        page = {
            "pageInfo": {"hasNextPage": False, "endCursor": None},
            "nodes": [node(1, more=True), node(2, more=False)],
        }
        return {"data": {"abandonedCheckouts": page}}

    with scripted(answer) as url:
        report = ingest(lake, Shopify(base_url=url, access_token="t"), "checkouts", JUNE, settings, "run")
    assert (report.rows["carts"], report.quarantined) == (1, {"a list without its end": 1})


@pytest.mark.parametrize("entity", ["customers", "products", "orders", "checkouts"])
def test_more_of_one_second_than_a_listing_gives_are_asked_for_by_id(
    served: Served, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    """An import stamps every record with one time; twenty thousand customers of a UTC day stopped them all for good."""
    made: Any = {
        "customers": customer,
        "products": product,
        "orders": order,
        "checkouts": checkout,
    }
    monkeypatch.setattr(api, "LISTING_LIMIT", 5)
    numbers = [*range(1, 18), 9_000_000_000_001, 9_000_000_000_002, 9_000_000_000_007, 9_000_000_000_008]
    with served([made[entity](n) for n in numbers]) as server:
        server.set(most_paged=7)
        pulled = pull(connector("shopify", server.base_url, page_size=2), entity, JUNE, settings)
    assert (pulled.said, pulled.records[entity]) == (21, 21)


def test_more_of_a_utc_day_than_a_listing_gives_land(
    served: Served, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LISTING_LIMIT", 5)
    with served([customer(n, f"2017-06-05T{n:02d}:00:00") for n in range(21)]) as server:
        server.set(most_paged=7)
        source = connector("shopify", server.base_url, page_size=2)
        report = ingest(lake, source, "customers", Window.of(date(2017, 6, 5)), settings, "run")
    assert (report.said, report.received) == (21, 21)


def test_an_id_filter_that_is_ignored_is_seen(lake: Lake, settings: Settings) -> None:
    """The vendor ignores filters it does not know, and the listing is more than was meant, again and again."""

    def answer(_: str, body: Mapping[str, Any]) -> Any:
        asked = str(body["query"])
        if "accessScopes" in asked:
            return {"data": {"currentAppInstallation": {"accessScopes": [{"handle": "read_customers"}]}}}
        if "Count" in asked:
            return {"data": {"customersCount": {"count": 20_000, "precision": "AT_LEAST"}}}
        ends = {
            name: {"nodes": [{"id": f"gid://shopify/Customer/{n}"}]} for name, n in (("smallest", 1), ("largest", 9))
        }
        return {"data": ends}

    with scripted(answer) as url, pytest.raises(ContractError, match="still filters by id"):
        pull(Shopify(base_url=url, access_token="t"), "customers", JUNE, settings)


@pytest.mark.parametrize(
    ("entity", "lacking"),
    [
        ("orders", "read_all_orders"), ("orders", "read_orders"), ("orders", "read_customers"), ("customers", "read_customers"),
        ("products", "read_products"), ("checkouts", "read_orders"),
    ],
)  # fmt: skip
def test_a_pull_names_the_scope_that_would_hide_records(
    served: Served, lake: Lake, settings: Settings, entity: str, lacking: str
) -> None:
    """airbyte 58668: without read_all_orders a shop shows, and counts, the orders of sixty days."""
    held = {"read_orders", "read_all_orders", "read_customers", "read_products"} - {lacking}
    with served([order(1), order(2, "2017-12-20T12:00:00"), customer(1), product(1)]) as server:
        server.set(scope=",".join(sorted(held)))
        with pytest.raises(ConfigError, match=f"lacks the scope {lacking}"):
            ingest(lake, connector("shopify", server.base_url), entity, JUNE, settings, "run")
    assert lake.version("orders") is None


def test_an_app_that_may_write_may_read(served: Served, lake: Lake, settings: Settings) -> None:
    with served([customer(1)]) as server:
        server.set(scope="write_customers")
        pull(connector("shopify", server.base_url), "customers", JUNE, settings)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "Access denied for firstName field.", "extensions": {"requiredAccess": "`read_customers` access scope."}},
         "give the app read_customers$"),
        ({"message": "This app is not approved to use the email field. See https://shopify.dev/docs", "extensions": {}},
         "not approved for a field of protected customer data"),
        ({"message": "Access denied.", "extensions": {}}, "give the app read_orders, read_all_orders"),
    ],
)  # fmt: skip
def test_a_field_that_is_denied_names_what_it_takes(
    lake: Lake, settings: Settings, error: dict[str, Any], said: str
) -> None:
    error["extensions"]["code"] = "ACCESS_DENIED"
    with scripted(lambda *_: {"errors": [error], "data": None}) as url, pytest.raises(ConfigError, match=said):
        Shopify(base_url=url, access_token="t").check()


@pytest.mark.parametrize(("people", "named"), [(19, 0), (60, 1)])
def test_a_few_without_a_name_are_people_all_the_same(
    served: Served, lake: Lake, settings: Settings, people: int, named: int
) -> None:
    nobody = [customer(n, firstName=None, lastName=None) for n in range(1, people + 1)]
    with served([*nobody, *(customer(900 + n) for n in range(named))]) as server:
        report = ingest(lake, connector("shopify", server.base_url), "customers", JUNE, settings, "run")
    assert report.rows["customers"] == people + named


def test_when_nobody_has_a_name_the_app_is_not_approved_for_them(
    served: Served, lake: Lake, settings: Settings
) -> None:
    """Without the approval protected fields may be NULL, and no error says so."""
    with served([customer(n, firstName=None, lastName=None) for n in range(20)]) as server:
        with pytest.raises(ConfigError, match="none of 20 customers has a name.*protected-customer-data"):
            ingest(lake, connector("shopify", server.base_url), "customers", JUNE, settings, "run")
    assert lake.version("customers") is None


def test_a_version_that_is_not_served_any_more_is_said(served: Served, lake: Lake, settings: Settings) -> None:
    """Answers come all the same, by the oldest version alive, whose fields may mean something else."""
    with served([customer(1)]) as server:
        source = connector("shopify", server.base_url, version="2025-10")
        report = ingest(lake, source, "customers", JUNE, settings, "run")
        assert report.notes == (
            "API version 2025-10 is not served any more: Shopify answered by 2026-01; set `version` to one it serves",
        )
        with pytest.raises(ConfigError, match="source shopify: API version 2025-10 is not served"):
            source.check()
        assert ingest(lake, connector("shopify", server.base_url), "customers", JUNE, settings, "run").notes == ()


def test_a_page_of_more_bytes_than_are_kept_is_asked_for_in_smaller_ones(
    served: Served, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGE_BYTES", 3000)
    with served([customer(n, firstName="x" * 500) for n in range(1, 20)]) as server:
        pulled = pull(connector("shopify", server.base_url), "customers", JUNE, settings)
    assert pulled.records["customers"] == 19

    assert len(pulled.files["customers"]) > 4
