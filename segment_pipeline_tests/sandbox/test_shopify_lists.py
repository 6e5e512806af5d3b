"""Shopify's documented rules on pages, search texts and counts, one test each, over a literal shop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segment_pipeline_tests.sandbox.literal_shop import (
    SHOP,
    ask,
    code,
    data,
    found,
    literal_shop,
    order,
    token,
)
from segment_pipeline_tests.sandbox.source_world import Client, client, move_clock, version, world


@pytest.fixture
def shopify(tmp_path: Path) -> Iterator[Client]:
    literal_shop(tmp_path)
    with client(tmp_path, "shopify") as served:
        served.headers["X-Shopify-Access-Token"] = token(served)
        yield served


def test_pages_follow_each_other_without_loss_or_repeat_in_both_directions(shopify: Client) -> None:
    query = """query Q($after: String, $reverse: Boolean) {
        orders(first: 3, after: $after, sortKey: UPDATED_AT, reverse: $reverse) {
          pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { legacyResourceId } } } }"""
    for reverse, expected in ((False, ["5001", "5002", "5003", "5004"]), (True, ["5004", "5003", "5002", "5001"])):
        first = data(shopify, query, reverse=reverse)["orders"]
        rest = data(shopify, query, reverse=reverse, after=first["pageInfo"]["endCursor"])["orders"]
        assert [edge["node"]["legacyResourceId"] for edge in first["edges"] + rest["edges"]] == expected
        assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
        assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
        assert first["edges"][-1]["cursor"] == first["pageInfo"]["endCursor"]


def test_lines_of_an_order_are_paged_too(shopify: Client) -> None:
    query = """query Q($after: String) { order(id: "gid://shopify/Order/5001") {
        lineItems(first: 2, after: $after) { pageInfo { hasNextPage endCursor } nodes { sku } } } }"""
    first = data(shopify, query)["order"]["lineItems"]
    rest = data(shopify, query, after=first["pageInfo"]["endCursor"])["order"]["lineItems"]
    assert [[each["sku"] for each in page["nodes"]] for page in (first, rest)] == [["W-1", "W-2"], ["W-3"]]
    assert [page["pageInfo"]["hasNextPage"] for page in (first, rest)] == [True, False]


def test_a_cursor_of_another_order_of_things_is_refused(shopify: Client) -> None:
    query = "query Q($after: String) {{ orders(first: 1, sortKey: {}, after: $after) {{ pageInfo {{ endCursor }} }} }}"
    cursor = data(shopify, query.format("ID"))["orders"]["pageInfo"]["endCursor"]
    assert code(shopify, query.format("CREATED_AT"), after=cursor) == "INVALID_CURSOR"
    assert code(shopify, query.format("ID"), after="bogus") == "INVALID_CURSOR"


@pytest.mark.parametrize("arguments", ["first: 251", "first: -1", "last: 5", "sortKey: ID"])
def test_a_page_has_a_first_of_at_most_250(shopify: Client, arguments: str) -> None:
    assert "errors" in ask(shopify, f"{{ orders({arguments}) {{ nodes {{ id }} }} }}")


def test_paging_ends_at_25000_objects(tmp_path: Path) -> None:
    world(tmp_path, [SHOP, *(order(100_000 + n, "2017-05-01T10:00:00") for n in range(25_100))])
    query = "query Q($after: String) { orders(first: 250, sortKey: ID, after: $after) { pageInfo { endCursor } } }"
    with client(tmp_path, "shopify") as shopify:
        shopify.headers["X-Shopify-Access-Token"] = token(shopify)
        cursor = None
        for _ in range(100):
            cursor = data(shopify, query, after=cursor)["orders"]["pageInfo"]["endCursor"]
        assert code(shopify, query, after=cursor) == "PAGINATION_LIMIT"
        counted = data(shopify, "{ ordersCount(limit: null) { count precision } }")
        assert counted == {"ordersCount": {"count": 25_001, "precision": "AT_LEAST"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("updated_at:>='2017-05-01T11:00:00Z' updated_at:<'2017-05-02T00:00:00Z'", ["5002"]),
        ("updated_at:>'2017-05-01T11:00:00Z' AND updated_at:<='2017-05-02T00:00:00Z'", ["5003"]),
        ("updated_at:'2017-05-01T10:00:00Z'", ["5001"]),
        ('updated_at:>="2017-05-02T08:00:00-04:00"', ["5004"]),
        ("updated_at:2017-05-01", ["5001", "5002", "5003"]),  # the shop's day ends at 04:00 UTC
        ("updated_at:>2017-05-01", ["5004"]),
        ("created_at:<=2017-04", ["5004"]),
        ("processed_at:>'2017-05-01T11:00:00Z'", ["5003", "5004"]),
        ("updated_at:<now status:cancelled", ["5003"]),
        ("status:open test:false", ["5001", "5004"]),
        ("id:>=5003", ["5003", "5004"]),
        ("customer_id:6001", ["5001"]),
        ("name:#5002", ["5002"]),
        ("status:nonsense", []),
        ("", ["5001", "5002", "5003", "5004"]),
    ],
)
def test_a_search_text_filters_orders(shopify: Client, text: str, expected: list[str]) -> None:
    assert found(shopify, text) == expected


def test_a_customers_updated_at_stands_for_its_whole_day_in_the_shops_zone(shopify: Client) -> None:
    assert found(shopify, "updated_at:'2017-05-01T20:00:00Z'", "customers") == ["6002", "6003"]
    assert found(shopify, "updated_at:>='2017-05-01T20:00:00Z'", "customers") == ["6002", "6003", "6004"]
    assert found(shopify, "updated_at:<'2017-05-02T20:00:00Z'", "customers") == ["6001", "6002", "6003"]


def test_abandoned_checkouts_are_open_until_they_are_completed(shopify: Client) -> None:
    assert found(shopify, "recovery_state:not_recovered", "abandonedCheckouts") == ["8001"]
    assert found(shopify, "status:closed updated_at:>='2017-05-02T00:00:00Z'", "abandonedCheckouts") == ["8002"]


def test_an_unknown_search_field_is_ignored_with_a_warning(shopify: Client) -> None:
    answer = ask(shopify, '{ orders(first: 9, query: "update_at:>2017-05-01") { nodes { id } } }')
    assert len(answer["data"]["orders"]["nodes"]) == 4
    (search,) = answer["extensions"]["search"]
    assert search["warnings"] == [
        {"field": "update_at", "message": "Invalid search field for this query.", "code": "invalid_field"}
    ]


def test_search_syntax_the_sandbox_lacks_is_refused_and_not_misread(shopify: Client) -> None:
    query = "query Q($q: String) { orders(first: 9, query: $q) { nodes { id } } }"
    for text in ("status:open OR status:closed", "-status:open", "NOT status:open", "(status:open)", "Norman"):
        assert code(shopify, query, q=text) == "SANDBOX_NOT_SUPPORTED", text
    assert code(shopify, query, q="updated_at:>soon") == "SANDBOX_NOT_SUPPORTED"


def test_counts_are_exact_up_to_their_limit(shopify: Client) -> None:
    query = (
        '{ few: ordersCount(limit: 2) { count precision } all: ordersCount(query: "test:false") { count precision } }'
    )
    assert data(shopify, query) == {
        "few": {"count": 2, "precision": "AT_LEAST"},
        "all": {"count": 3, "precision": "EXACT"},
    }


def test_a_newer_version_replaces_the_older_when_the_clock_gets_there(tmp_path: Path) -> None:
    versions = [
        SHOP,
        order(5001, "2017-05-01T10:00:00", name="old", until="2017-05-03T10:00:00"),
        order(5001, "2017-05-03T10:00:00", name="new", created="2017-05-01T10:00:00", until="2017-05-05T00:00:00"),
        version("shopify", "orders", "5001", None, updated="2017-05-05T00:00:00"),
    ]
    world(tmp_path, versions)
    with client(tmp_path, "shopify") as shopify:
        seen = []
        for day in ("2017-05-01", "2017-05-02", "2017-05-04", "2017-05-06"):
            move_clock(shopify, f"{day}T00:00:00+00:00")
            shopify.headers["X-Shopify-Access-Token"] = token(shopify)
            nodes = data(shopify, "{ orders(first: 5) { nodes { name } } }")["orders"]["nodes"]
            seen.append([node["name"] for node in nodes])
        assert seen == [[], ["old"], ["new"], []]
