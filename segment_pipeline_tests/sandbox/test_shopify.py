"""Shopify's documented rules on tokens, queries, cost, pages and search texts that no source of ours leans on."""

from pathlib import Path
from typing import Any

import pytest

from segment_pipeline_tests.sandbox.shopify_asked import CREDENTIALS, GRAPHQL, TOKEN, ask, code, data, token
from segment_pipeline_tests.sandbox.source_world import Client, client, move_clock, world
from segment_pipeline_tests.sources.shopify_records import (
    bag,
    checkout,
    customer,
    gid,
    line,
    metafield,
    order,
    product,
    shop,
)

VENDOR = "shopify"
HALF = bag("10.00")
LINES = [
    line(1, "20.00", discount="10.00", discountedTotalSet=HALF, variant={"id": "gid://shopify/ProductVariant/71"}),
    line(2, "20.00", discount="10.00", markdown=True, discountedTotalSet=HALF),
]
FIELDS = [metafield(1, "gender", "female"), metafield(2, "tier", "gold", "loyalty")]
RECORDS = [
    shop(),
    product(71),
    order(5001, "2017-05-01T10:00:00", lineItems=LINES, customer=gid("Customer", 6001)),
    order(5002, "2017-05-01T11:00:00", test=True),
    order(5003, "2017-05-02T00:00:00", cancelledAt="2017-05-02T00:00:00Z"),
    order(5004, "2017-05-02T12:00:00", visible={"created": "2017-04-01"}, customer=gid("Customer", 6999)),
    customer(6001, "2017-05-01T04:59:59", metafields=FIELDS),
    customer(6002, "2017-05-01T05:00:00"),
    customer(6003, "2017-05-02T04:59:59"),
    customer(6004, "2017-05-02T05:00:00"),
    checkout(8001, "2017-05-01T00:00:00"),
    checkout(8002, "2017-05-02T00:00:00", completedAt="2017-05-02T01:00:00Z"),
]
NAME, ORDER = "{ shop { name } }", 'order(id: "gid://shopify/Order/5001")'
CUSTOMER = 'customer(id: "gid://shopify/Customer/6001")'


@pytest.fixture
def shopify(served: Client) -> Client:
    served.headers["X-Shopify-Access-Token"] = token(served)
    return served


def change(shopify: Client, **settings: Any) -> None:
    shopify.put("/_control/shopify/settings", json=settings).raise_for_status()


def status(shopify: Client, path: str = GRAPHQL) -> int:
    return shopify.post(path, json={"query": NAME}).status_code


def test_a_token_is_issued_for_the_right_secret_only_as_json_or_as_a_form(shopify: Client) -> None:
    answer = shopify.post(TOKEN, data=CREDENTIALS).json()
    assert (answer["expires_in"], answer["access_token"][:6]) == (86_399, "shpat_")
    assert shopify.post(TOKEN, json={**CREDENTIALS, "client_secret": "other"}).status_code == 401
    assert shopify.post(TOKEN, json={**CREDENTIALS, "grant_type": "password"}).status_code == 400


def test_a_token_outlives_a_restart_and_ends_a_day_later(tmp_path: Path) -> None:
    world(tmp_path, RECORDS)
    with client(tmp_path, VENDOR) as shopify:
        issued = {"X-Shopify-Access-Token": token(shopify)}
    with client(tmp_path, VENDOR) as shopify:
        shopify.headers.update(issued)
        assert status(shopify) == 200
        for second, expected in ((58, 200), (59, 401)):
            move_clock(shopify, f"2018-01-02T07:59:{second}+00:00")
            assert status(shopify) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ orders(first: 1) { nodes { id nothing } } }", "argumentOrFieldRefused"),
        ("query Q($n: Int!) { orders(first: $n) { nodes { id } } }", "argumentOrFieldRefused"),
        ("{ orders(first: 1) { nodes { id }", "argumentOrFieldRefused"),
        ('mutation { orderDelete(id: "1") { deletedId } }', ""),
        ("{ __schema { types { name } } }", "undefinedField"),
        ("{ orders(first: 1) { nodes { currentSubtotalPriceSet { shopMoney { amount } } } } }", "INTERNAL_SERVER_ERROR"),  # not held, not null
        ('{ orders(first: 1, after: "bogus") { nodes { id } } }', "INVALID_CURSOR"),
        ('{ orders(first: 1, query: "updated_at:>soon") { nodes { id } } }', "SANDBOX_NOT_SUPPORTED"),
        *((f"{{ orders({page}) {{ nodes {{ id }} }} }}", "BAD_REQUEST")
          for page in ("first: 251", "first: -1", "last: 5", "sortKey: ID")),
        *((f'{{ orders(first: 9, query: "{text}") {{ nodes {{ id }} }} }}', "SANDBOX_NOT_SUPPORTED")
          for text in ("updated_at:now OR created_at:now", "-updated_at:now", "(updated_at:now)", "Norman", "update_at:now")),
    ],
)  # fmt: skip
def test_a_query_outside_the_schema_or_the_rules_is_refused(shopify: Client, query: str, expected: str) -> None:
    assert code(shopify, query, n="many") == expected


@pytest.mark.parametrize("content", ["", "{", "[]", '{"query": 1}', '{"query": "{ shop { name } }", "variables": [1]}'])
def test_a_body_that_is_no_graphql_request_is_a_bad_request(shopify: Client, content: str) -> None:
    assert shopify.post(GRAPHQL, data=content).status_code == 400


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # What a record names is that record; who is gone, or of another type, is null.
        (f"{ORDER} {{ customer {{ firstName }} }}", {"customer": {"firstName": "Ada"}}),
        (f"{ORDER} {{ lineItems(first: 1) {{ nodes {{ variant {{ sku }} }} }} }}", {"lineItems": {"nodes": [{"variant": {"sku": "W-71"}}]}}),
        ('order(id: "gid://shopify/Order/5004") { customer { firstName } }', {"customer": None}),
        ('order(id: "gid://shopify/Customer/6001") { id }', None),
        (f'{CUSTOMER} {{ metafield(namespace: "custom", key: "tier") {{ value }} }}', {"metafield": None}),
        (f'{CUSTOMER} {{ metafields(first: 5, namespace: "loyalty") {{ nodes {{ key }} }} }}', {"metafields": {"nodes": [{"key": "tier"}]}}),
    ],
)  # fmt: skip
def test_a_record_is_shown_along_the_selection(shopify: Client, asked: str, expected: Any) -> None:
    assert list(data(shopify, f"{{ {asked} }}").values()) == [expected]


def test_a_lines_total_leaves_discounts_by_code_out_unless_asked(shopify: Client) -> None:
    query = f"""{{ {ORDER} {{ lineItems(first: 2) {{ nodes {{
        plain: discountedTotalSet {{ shopMoney {{ amount }} }}
        net: discountedTotalSet(withCodeDiscounts: true) {{ shopMoney {{ amount }} }} }} }} }} }}"""
    lines = data(shopify, query)["order"]["lineItems"]["nodes"]
    assert [{name: held["shopMoney"]["amount"] for name, held in each.items()} for each in lines] == [
        {"plain": "20.00", "net": "10.00"},
        {"plain": "10.00", "net": "10.00"},
    ]


def test_cost_is_named_in_every_answer_and_what_was_not_used_is_given_back(shopify: Client) -> None:
    change(shopify, maximum_available=2000, restore_rate=0)
    cost = ask(shopify, "{ orders(first: 250) { nodes { customer { id } } } }")["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (24, 6)
    assert cost["throttleStatus"] == {"maximumAvailable": 2000, "currentlyAvailable": 1994, "restoreRate": 0}
    change(shopify, largest_query=23)
    assert code(shopify, "{ orders(first: 250) { nodes { customer { id } } } }") == "MAX_COST_EXCEEDED"


def test_an_empty_bucket_throttles_with_http_200_until_it_has_refilled(shopify: Client) -> None:
    change(shopify, maximum_available=20, restore_rate=0)
    query = '{ orders(first: 10, query: "updated_at:<2016") { nodes { id } } ordersCount { count } }'
    refused = [ask(shopify, query) for _ in range(21)][-1]
    cost = refused["extensions"]["cost"]
    assert (refused["errors"][0]["extensions"]["code"], cost["requestedQueryCost"]) == ("THROTTLED", 6)
    change(shopify, restore_rate=100_000)
    assert "errors" not in ask(shopify, query)


@pytest.mark.parametrize(
    ("asked", "by"),
    [("2026-10", "2026-10"), ("2026-01", "2026-01"), ("2025-10", "2026-01"), ("2027-01", None), ("2026-11", None)],
)
def test_a_version_that_ended_is_answered_by_the_oldest_alive(shopify: Client, asked: str, by: str | None) -> None:
    """A stable version lives for a year; one to come, or that never was, is not found."""
    answer = shopify.post(GRAPHQL.replace("2026-10", asked), json={"query": NAME})
    assert answer.status_code == (200 if by else 404)
    assert answer.headers.get("X-Shopify-API-Version") == by


def test_what_an_app_may_not_read_is_refused_and_orders_of_more_than_sixty_days_hidden(shopify: Client) -> None:
    counted = "{ ordersCount { count } orders(first: 9) { nodes { legacyResourceId } } }"
    change(shopify, scope="read_orders")
    assert data(shopify, counted) == {"ordersCount": {"count": 0}, "orders": {"nodes": []}}
    assert code(shopify, "{ orders(first: 1) { nodes { customer { id } } } }") == "ACCESS_DENIED"
    change(shopify, scope="read_orders,read_all_orders")
    assert data(shopify, counted)["ordersCount"] == {"count": 4}


def test_a_record_is_got_by_its_id_whatever_it_is(shopify: Client) -> None:
    ids = ["gid://shopify/Customer/6001", "gid://shopify/Customer/1", "gid://shopify/AbandonedCheckout/8001"]
    query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Customer { firstName } } }"
    assert data(shopify, query, ids=ids)["nodes"] == [
        {"__typename": "Customer", "id": ids[0], "firstName": "Ada"}, None, {"__typename": "AbandonedCheckout", "id": ids[2]},
    ]  # fmt: skip


def test_faults_come_in_shopifys_own_form(shopify: Client) -> None:
    rules = [{"vendor": "shopify", "kind": kind, "times": 1} for kind in ("429", "500", "expired_token")]
    shopify.post("/_control/faults", json=rules).raise_for_status()
    assert [code(shopify, NAME) for _ in range(2)] == ["THROTTLED", "INTERNAL_SERVER_ERROR"]
    assert [status(shopify) for _ in range(2)] == [401, 200]


def test_pages_say_where_they_stand_and_end_at_a_number_of_objects_that_counts_stop_at_too(shopify: Client) -> None:
    query = """query Q($after: String, $reverse: Boolean) {
        orders(first: 2, after: $after, sortKey: UPDATED_AT, reverse: $reverse) {
          pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { legacyResourceId } } } }"""
    assert shopify.get("/_control/shopify/settings").json()["most_paged"] == 25_000
    change(shopify, most_paged=3)
    first = data(shopify, query)["orders"]
    after = first["pageInfo"].pop("endCursor")
    assert first["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False}
    assert (first["edges"][-1]["cursor"], code(shopify, query, after=after)) == (after, "PAGINATION_LIMIT")
    assert code(shopify, query, reverse=True, after=after) == "INVALID_CURSOR"
    counts = "{ few: ordersCount(limit: 2) { count precision } all: ordersCount(limit: null) { count precision } }"
    told = {"few": {"count": 2, "precision": "AT_LEAST"}, "all": {"count": 4, "precision": "EXACT"}}
    assert data(shopify, counts) == told
    change(shopify, most_paged=2)
    assert data(shopify, counts)["all"] == {"count": 3, "precision": "AT_LEAST"}


@pytest.mark.parametrize(
    ("text", "expected", "entity"),
    [
        ("updated_at:>='2017-05-01T11:00:00Z' updated_at:<'2017-05-02T00:00:00Z'", "5002", "orders"),
        ("updated_at:>'2017-05-01T11:00:00Z' AND updated_at:<='2017-05-02T00:00:00Z'", "5003", "orders"),
        ("updated_at:'2017-05-01T10:00:00Z'", "5001", "orders"),
        ('updated_at:>="2017-05-02T08:00:00-04:00"', "5004", "orders"),
        ("id:>=5002 id:<5004", "5002 5003", "orders"),
        ("id:5002", "5002", "orders"),
        ("updated_at:2017-05-01", "5001 5002 5003", "orders"),  # the shop's day ends at 05:00 UTC
        ("updated_at:>2017-05-01", "5004", "orders"),
        ("created_at:<=2017-04", "5004", "orders"),
        ("processed_at:>'2017-05-01T11:00:00Z'", "5003 5004", "orders"),
        ("", "5001 5002 5003 5004", "orders"),
        # A customer's updated_at stands for its whole day in the shop's zone.
        ("updated_at:'2017-05-01T20:00:00Z'", "6002 6003", "customers"),
        ("updated_at:>='2017-05-01T20:00:00Z'", "6002 6003 6004", "customers"),
        ("updated_at:<'2017-05-02T20:00:00Z'", "6001 6002 6003", "customers"),
        ("updated_at:<now updated_at:>='2017-05-02T00:00:00Z'", "8002", "abandonedCheckouts"),
    ],
)
def test_a_search_text_filters(shopify: Client, text: str, expected: str, entity: str) -> None:
    query = f"query Q($q: String) {{ {entity}(first: 50, query: $q, sortKey: ID) {{ nodes {{ id }} }} }}"
    found = data(shopify, query, q=text)[entity]["nodes"]
    assert [node["id"].rsplit("/", 1)[-1] for node in found] == expected.split()
