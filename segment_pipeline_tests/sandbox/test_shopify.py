"""Shopify's documented rules on tokens, queries, cost, pages and search texts, over a literal shop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline_tests.sandbox.literal_shop import (
    CREDENTIALS,
    GRAPHQL,
    SHOP,
    TOKEN,
    ask,
    code,
    data,
    found,
    literal_shop,
    order,
    token,
)
from segment_pipeline_tests.sandbox.source_world import NOW, Client, client, move_clock, version, world

NAME = {"query": "{ shop { name } }"}


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("shopify")
    literal_shop(home)
    with client(home, "shopify") as served:
        yield served


@pytest.fixture
def shopify(_served: Client) -> Iterator[Client]:
    move_clock(_served, NOW)
    _served.headers["X-Shopify-Access-Token"] = token(_served)
    before = _served.get("/_control/shopify/settings").json()
    yield _served
    _served.put("/_control/shopify/settings", json=before).raise_for_status()


def change(shopify: Client, **settings: Any) -> None:
    shopify.put("/_control/shopify/settings", json=settings).raise_for_status()


def status(shopify: Client, path: str = GRAPHQL) -> int:
    return shopify.post(path, json=NAME).status_code


def test_a_token_is_issued_for_the_right_secret_only_as_json_or_as_a_form(shopify: Client) -> None:
    answer = shopify.post(TOKEN, data=CREDENTIALS).json()
    assert (answer["expires_in"], answer["access_token"][:6]) == (86_399, "shpat_")
    assert shopify.post(TOKEN, json={**CREDENTIALS, "client_secret": "other"}).status_code == 401
    assert shopify.post(TOKEN, json={**CREDENTIALS, "grant_type": "password"}).status_code == 400


def test_a_token_ends_a_day_of_sandbox_time_later_or_after_the_uses_it_was_given(shopify: Client) -> None:
    move_clock(shopify, "2018-01-02T07:59:58+00:00")
    assert status(shopify) == 200
    move_clock(shopify, "2018-01-02T07:59:59+00:00")
    assert status(shopify) == 401
    change(shopify, token_uses=2)
    shopify.headers["X-Shopify-Access-Token"] = token(shopify)
    assert [status(shopify) for _ in range(3)] == [200, 200, 401]
    assert status(shopify, GRAPHQL.replace("2026-10", "2019-04")) == 404


def test_a_token_outlives_a_restart(tmp_path: Path) -> None:
    literal_shop(tmp_path)
    with client(tmp_path, "shopify") as first:
        issued = token(first)
    with client(tmp_path, "shopify") as second:
        second.headers["X-Shopify-Access-Token"] = issued
        assert data(second, "{ shop { name } }") == {"shop": {"name": "Sandbox"}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ orders(first: 1) { nodes { id nothing } } }", "argumentOrFieldRefused"),
        ("{ orders(first: 1, sortKey: UPDATED) { nodes { id } } }", "argumentOrFieldRefused"),
        ("{ orders(first: 1, since: 3) { nodes { id } } }", "argumentOrFieldRefused"),
        ('{ orders(first: "1") { nodes { id } } }', "argumentOrFieldRefused"),
        ("{ orders(first: 1) { nodes { customer } } }", "argumentOrFieldRefused"),
        ("query Q($n: String) { orders(first: $n) { nodes { id } } }", "argumentOrFieldRefused"),
        ("query Q($n: Int!) { orders(first: $n) { nodes { id } } }", "argumentOrFieldRefused"),
        ("{ orders(first: 1) { nodes { ...Missing } } }", "argumentOrFieldRefused"),
        ("{ orders(first: 1) { nodes { id }", "argumentOrFieldRefused"),
        ('mutation { orderDelete(id: "1") { deletedId } }', ""),
        ("{ __schema { types { name } } }", "undefinedField"),
        ("{ orders(first: 1) { nodes { customerAcceptsMarketing } } }", "INTERNAL_SERVER_ERROR"),  # not held, not null
        ('{ orders(first: 1, after: "bogus") { nodes { id } } }', "INVALID_CURSOR"),
        ('{ orders(first: 1, query: "updated_at:>soon") { nodes { id } } }', "SANDBOX_NOT_SUPPORTED"),
        *((f"{{ orders({page}) {{ nodes {{ id }} }} }}", "BAD_REQUEST")
          for page in ("first: 251", "first: -1", "last: 5", "sortKey: ID")),
        *((f'{{ orders(first: 9, query: "{text}") {{ nodes {{ id }} }} }}', "SANDBOX_NOT_SUPPORTED")
          for text in ("status:open OR status:closed", "-status:open", "NOT status:open", "(status:open)", "Norman")),
    ],
)  # fmt: skip
def test_a_query_outside_the_schema_or_the_rules_is_refused(shopify: Client, query: str, expected: str) -> None:
    assert code(shopify, query, n="many") == expected


@pytest.mark.parametrize("content", ["", "{", "[]", '{"query": 1}', '{"query": "{ shop { name } }", "variables": [1]}'])
def test_a_body_that_is_no_graphql_request_is_a_bad_request(shopify: Client, content: str) -> None:
    assert shopify.post(GRAPHQL, data=content).status_code == 400


def test_aliases_fragments_variables_and_directives_shape_the_answer(shopify: Client) -> None:
    query = """
      query Q($n: Int = 1, $skip: Boolean!) {
        newest: orders(first: $n, sortKey: UPDATED_AT, reverse: true) { edges { node { ...Names left: id @skip(if: $skip) } } }
        shop { __typename ... on Shop { zone: ianaTimezone } }
      }
      fragment Names on Order { number: name totalPriceSet { shopMoney { amount } } totalPriceSet { shopMoney { currencyCode } } }
    """
    money = {"amount": "10.00", "currencyCode": "USD"}
    assert data(shopify, query, skip=True) == {
        "newest": {"edges": [{"node": {"number": "#5004", "totalPriceSet": {"shopMoney": money}}}]},
        "shop": {"__typename": "Shop", "zone": "America/New_York"},
    }


def test_what_an_order_names_is_the_record_itself_and_what_is_absent_is_null(shopify: Client) -> None:
    query = """{ orders(first: 4, sortKey: ID) { nodes { email customer { defaultEmailAddress { emailAddress } }
        lineItems(first: 1) { nodes { product { productType category { fullName } } variant { sku price } } } } } }"""
    first, *_, last = data(shopify, query)["orders"]["nodes"]
    assert (first["email"], last["customer"]) == (None, None)
    assert first["customer"]["defaultEmailAddress"]["emailAddress"] == "ann6001@example.com"
    product = {"productType": "Running Shoes", "category": {"fullName": "Apparel > Shoes"}}
    assert first["lineItems"]["nodes"] == [{"product": product, "variant": {"sku": "W-1", "price": "129.00"}}]
    for gid in ("Order/1", "Customer/6001"):
        assert data(shopify, f'{{ order(id: "gid://shopify/{gid}") {{ id }} }}') == {"order": None}


def test_discounts_are_told_apart_and_a_lines_total_leaves_codes_out_unless_asked(shopify: Client) -> None:
    query = """{ order(id: "gid://shopify/Order/5001") { lineItems(first: 1) { nodes {
        plain: discountedTotalSet { shopMoney { amount } presentmentMoney { amount currencyCode } }
        net: discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount } }
        discountAllocations { discountApplication { __typename targetType ... on DiscountCodeApplication { code }
        ... on AutomaticDiscountApplication { title } } } } } } }"""
    (line,) = data(shopify, query)["order"]["lineItems"]["nodes"]
    assert [each["discountApplication"] for each in line.pop("discountAllocations")] == [
        {"__typename": "DiscountCodeApplication", "targetType": "LINE_ITEM", "code": "WELCOME10"},
        {"__typename": "AutomaticDiscountApplication", "targetType": "LINE_ITEM", "title": "Season markdown"},
    ]
    assert line == {
        "plain": {"shopMoney": {"amount": "20.00"}, "presentmentMoney": {"amount": "26.00", "currencyCode": "CAD"}},
        "net": {"shopMoney": {"amount": "10.00"}},
    }


def test_a_refund_leads_to_its_line_and_metafields_are_found_by_namespace_and_key(shopify: Client) -> None:
    query = """{ order(id: "gid://shopify/Order/5002") { refunds(first: 3) { refundLineItems(first: 9) { nodes {
        quantity lineItem { sku } } } } }
        customer(id: "gid://shopify/Customer/6001") { tier: metafield(namespace: "loyalty", key: "tier") { value }
        none: metafield(namespace: "custom", key: "tier") { value }
        metafields(first: 5, namespace: "custom") { nodes { key value } } } }"""
    found = data(shopify, query)
    assert found["order"]["refunds"] == [{"refundLineItems": {"nodes": [{"quantity": 1, "lineItem": {"sku": "W-4"}}]}}]
    fields = {"nodes": [{"key": "gender", "value": "female"}]}
    assert found["customer"] == {"tier": {"value": "gold"}, "none": None, "metafields": fields}


def test_cost_is_named_in_every_answer_and_what_was_not_used_is_given_back(shopify: Client) -> None:
    change(shopify, maximum_available=2000, restore_rate=0)
    cost = ask(shopify, "{ orders(first: 250) { nodes { customer { id } } } }")["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (24, 6)
    assert cost["throttleStatus"] == {"maximumAvailable": 2000, "currentlyAvailable": 1994, "restoreRate": 0}
    query = """query Q($n: Int!) { orders(first: $n) { nodes { lineItems(first: 100) { nodes { product { category { id } }
        discountAllocations { allocatedAmountSet { shopMoney { amount } presentmentMoney { amount } } } variant { id }
        discountedTotalSet { shopMoney { amount } } } } } } }"""
    assert code(shopify, query, n=250) == "MAX_COST_EXCEEDED"
    assert "errors" not in ask(shopify, query.replace("discountedTotalSet { shopMoney { amount } }", ""), n=20)


def test_an_empty_bucket_throttles_with_http_200_until_it_has_refilled(shopify: Client) -> None:
    change(shopify, maximum_available=20, restore_rate=0)
    query = '{ orders(first: 10, query: "id:<0") { nodes { id } } ordersCount { count } }'
    refused = [ask(shopify, query) for _ in range(21)][-1]
    assert refused["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = refused["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (6, None)
    change(shopify, restore_rate=100_000)
    assert "errors" not in ask(shopify, query)


def test_faults_come_in_shopifys_own_form(shopify: Client) -> None:
    rules = [{"vendor": "shopify", "kind": kind, "times": 1} for kind in ("429", "500", "expired_token")]
    shopify.post("/_control/faults", json=rules).raise_for_status()
    answers = [shopify.post(GRAPHQL, json=NAME) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 200]
    codes = [answer.json()["errors"][0]["extensions"]["code"] for answer in answers[:2]]
    assert codes == ["THROTTLED", "INTERNAL_SERVER_ERROR"]


def test_pages_follow_each_other_without_loss_or_repeat_in_both_directions(shopify: Client) -> None:
    query = """query Q($after: String, $reverse: Boolean) {
        orders(first: 3, after: $after, sortKey: UPDATED_AT, reverse: $reverse) {
          pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { legacyResourceId } } } }"""
    for reverse, expected in ((False, ["5001", "5002", "5003", "5004"]), (True, ["5004", "5003", "5002", "5001"])):
        first = data(shopify, query, reverse=reverse)["orders"]
        after = first["pageInfo"]["endCursor"]
        rest = data(shopify, query, reverse=reverse, after=after)["orders"]
        assert [edge["node"]["legacyResourceId"] for edge in first["edges"] + rest["edges"]] == expected
        shown = [(page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) for page in (first, rest)]
        assert (shown, first["edges"][-1]["cursor"]) == ([(True, False), (False, True)], after)
        assert code(shopify, query, reverse=not reverse, after=after) == "INVALID_CURSOR"


def test_lines_of_an_order_are_paged_too(shopify: Client) -> None:
    query = """query Q($after: String) { order(id: "gid://shopify/Order/5001") {
        lineItems(first: 2, after: $after) { pageInfo { hasNextPage endCursor } nodes { sku } } } }"""
    first = data(shopify, query)["order"]["lineItems"]
    rest = data(shopify, query, after=first["pageInfo"]["endCursor"])["order"]["lineItems"]
    assert [[each["sku"] for each in page["nodes"]] for page in (first, rest)] == [["W-1", "W-2"], ["W-3"]]
    assert [page["pageInfo"]["hasNextPage"] for page in (first, rest)] == [True, False]


def test_paging_ends_at_25000_objects_and_counts_at_their_limit(shopify: Client, tmp_path: Path) -> None:
    few = '{ few: ordersCount(limit: 2) { count precision } all: ordersCount(query: "test:false") { count precision } }'
    exact = {"count": 3, "precision": "EXACT"}
    assert data(shopify, few) == {"few": {"count": 2, "precision": "AT_LEAST"}, "all": exact}
    world(tmp_path, [SHOP, *(order(100_000 + n, "2017-05-01T10:00:00") for n in range(25_100))])
    query = "query Q($after: String) { orders(first: 250, sortKey: ID, after: $after) { pageInfo { endCursor } } }"
    with client(tmp_path, "shopify") as large:
        large.headers["X-Shopify-Access-Token"] = token(large)
        cursor = None
        for _ in range(100):
            cursor = data(large, query, after=cursor)["orders"]["pageInfo"]["endCursor"]
        assert code(large, query, after=cursor) == "PAGINATION_LIMIT"
        counted = data(large, "{ ordersCount(limit: null) { count precision } }")
        assert counted == {"ordersCount": {"count": 25_001, "precision": "AT_LEAST"}}


@pytest.mark.parametrize(
    ("text", "expected", "entity"),
    [
        ("updated_at:>='2017-05-01T11:00:00Z' updated_at:<'2017-05-02T00:00:00Z'", "5002", "orders"),
        ("updated_at:>'2017-05-01T11:00:00Z' AND updated_at:<='2017-05-02T00:00:00Z'", "5003", "orders"),
        ("updated_at:'2017-05-01T10:00:00Z'", "5001", "orders"),
        ('updated_at:>="2017-05-02T08:00:00-04:00"', "5004", "orders"),
        ("updated_at:2017-05-01", "5001 5002 5003", "orders"),  # the shop's day ends at 04:00 UTC
        ("updated_at:>2017-05-01", "5004", "orders"),
        ("created_at:<=2017-04", "5004", "orders"),
        ("processed_at:>'2017-05-01T11:00:00Z'", "5003 5004", "orders"),
        ("updated_at:<now status:cancelled", "5003", "orders"),
        ("status:open test:false", "5001 5004", "orders"),
        ("id:>=5003", "5003 5004", "orders"),
        ("customer_id:6001", "5001", "orders"),
        ("name:#5002", "5002", "orders"),
        ("status:nonsense", "", "orders"),
        ("", "5001 5002 5003 5004", "orders"),
        # A customer's updated_at stands for its whole day in the shop's zone.
        ("updated_at:'2017-05-01T20:00:00Z'", "6002 6003", "customers"),
        ("updated_at:>='2017-05-01T20:00:00Z'", "6002 6003 6004", "customers"),
        ("updated_at:<'2017-05-02T20:00:00Z'", "6001 6002 6003", "customers"),
        ("recovery_state:not_recovered", "8001", "abandonedCheckouts"),
        ("status:closed updated_at:>='2017-05-02T00:00:00Z'", "8002", "abandonedCheckouts"),
    ],
)
def test_a_search_text_filters(shopify: Client, text: str, expected: str, entity: str) -> None:
    assert found(shopify, text, entity) == expected.split()


def test_an_unknown_search_field_is_ignored_with_a_warning(shopify: Client) -> None:
    answer = ask(shopify, '{ orders(first: 9, query: "update_at:>2017-05-01") { nodes { id } } }')
    assert len(answer["data"]["orders"]["nodes"]) == 4
    warning = {"field": "update_at", "message": "Invalid search field for this query.", "code": "invalid_field"}
    assert answer["extensions"]["search"][0]["warnings"] == [warning]


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
