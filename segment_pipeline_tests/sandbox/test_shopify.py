"""Shopify's documented rules on tokens, queries and cost, one test each, over a literal shop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segment_pipeline_tests.sandbox.literal_shop import (
    CREDENTIALS,
    GRAPHQL,
    SHOPPER,
    TOKEN,
    ask,
    code,
    data,
    literal_shop,
    token,
)
from segment_pipeline_tests.sandbox.source_world import Client, client, move_clock


@pytest.fixture
def shopify(tmp_path: Path) -> Iterator[Client]:
    literal_shop(tmp_path)
    with client(tmp_path, "shopify") as served:
        served.headers["X-Shopify-Access-Token"] = token(served)
        yield served


def test_a_token_is_issued_for_the_right_secret_only_as_json_or_as_a_form(shopify: Client) -> None:
    answer = shopify.post(TOKEN, data=CREDENTIALS).json()
    assert answer["expires_in"] == 86_399
    assert answer["access_token"].startswith("shpat_")
    assert shopify.post(TOKEN, json={**CREDENTIALS, "client_secret": "other"}).status_code == 401
    assert shopify.post(TOKEN, json={**CREDENTIALS, "grant_type": "password"}).status_code == 400


def test_a_token_ends_a_day_of_sandbox_time_later(shopify: Client) -> None:
    body = {"query": "{ shop { name } }"}
    move_clock(shopify, "2018-01-02T07:59:58+00:00")
    assert shopify.post(GRAPHQL, json=body).status_code == 200
    move_clock(shopify, "2018-01-02T07:59:59+00:00")
    assert shopify.post(GRAPHQL, json=body).status_code == 401


def test_a_token_ends_after_the_uses_it_was_given(shopify: Client) -> None:
    shopify.put("/_control/shopify/settings", json={"token_uses": 2}).raise_for_status()
    shopify.headers["X-Shopify-Access-Token"] = token(shopify)
    body = {"query": "{ shop { name } }"}
    assert [shopify.post(GRAPHQL, json=body).status_code for _ in range(3)] == [200, 200, 401]


def test_a_token_outlives_a_restart(tmp_path: Path) -> None:
    literal_shop(tmp_path)
    with client(tmp_path, "shopify") as first:
        issued = token(first)
    with client(tmp_path, "shopify") as second:
        second.headers["X-Shopify-Access-Token"] = issued
        assert data(second, "{ shop { name } }") == {"shop": {"name": "Sandbox"}}


def test_no_token_and_another_version_are_refused(shopify: Client) -> None:
    body = {"query": "{ shop { name } }"}
    assert shopify.post(GRAPHQL, json=body, headers={"X-Shopify-Access-Token": ""}).status_code == 401
    assert shopify.post(GRAPHQL.replace("2026-10", "2019-04"), json=body).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "{ orders(first: 1) { nodes { id nothing } } }",
        "{ orders(first: 1, sortKey: UPDATED) { nodes { id } } }",
        "{ orders(first: 1, since: 3) { nodes { id } } }",
        '{ orders(first: "1") { nodes { id } } }',
        "{ orders(first: 1) { nodes { customer } } }",
        "query Q($first: String) { orders(first: $first) { nodes { id } } }",
        "{ orders(first: 1) { nodes { ...Missing } } }",
        "{ orders(first: 1) { nodes { id }",
        'mutation { orderDelete(id: "1") { deletedId } }',
    ],
)
def test_a_query_the_schema_does_not_allow_is_refused(shopify: Client, query: str) -> None:
    answer = ask(shopify, query)
    assert "data" not in answer
    assert answer["errors"][0]["message"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"query": 1}', '{"query": "{ shop { name } }", "variables": [1]}'])
def test_a_body_that_is_no_graphql_request_is_a_bad_request(shopify: Client, content: str) -> None:
    assert shopify.post(GRAPHQL, data=content).status_code == 400


def test_a_variable_of_the_wrong_type_is_refused(shopify: Client) -> None:
    assert "errors" in ask(shopify, "query Q($n: Int!) { orders(first: $n) { nodes { id } } }", n="many")
    assert "errors" in ask(shopify, "query Q($n: Int!) { orders(first: $n) { nodes { id } } }")


def test_aliases_fragments_variables_and_directives_shape_the_answer(shopify: Client) -> None:
    query = """
      query Q($n: Int = 1, $skip: Boolean!) {
        newest: orders(first: $n, sortKey: UPDATED_AT, reverse: true) { edges { node { ...Names left: id @skip(if: $skip) } } }
        shop { __typename ... on Shop { zone: ianaTimezone } }
      }
      fragment Names on Order { number: name totalPriceSet { shopMoney { amount } } totalPriceSet { shopMoney { currencyCode } } }
    """
    assert data(shopify, query, skip=True) == {
        "newest": {
            "edges": [
                {
                    "node": {
                        "number": "#5004",
                        "totalPriceSet": {"shopMoney": {"amount": "10.00", "currencyCode": "USD"}},
                    }
                }
            ]
        },
        "shop": {"__typename": "Shop", "zone": "America/New_York"},
    }


def test_only_what_is_selected_comes_back_and_what_is_absent_is_null(shopify: Client) -> None:
    nodes = data(shopify, "{ orders(first: 1, sortKey: ID) { nodes { id email customer { id } } } }")["orders"]["nodes"]
    assert nodes == [{"id": "gid://shopify/Order/5001", "email": None, "customer": SHOPPER}]


def test_a_field_that_may_not_be_null_and_is_not_held_is_an_error_and_no_null(shopify: Client) -> None:
    assert code(shopify, "{ orders(first: 1) { nodes { customerAcceptsMarketing } } }") == "INTERNAL_SERVER_ERROR"


def test_a_customer_or_a_product_inside_an_order_is_the_record_itself(shopify: Client) -> None:
    query = """{ orders(first: 4, sortKey: ID) { nodes {
        customer { defaultEmailAddress { emailAddress } }
        lineItems(first: 1) { nodes { product { productType category { fullName } } variant { sku price } } } } } }"""
    first, *_, last = data(shopify, query)["orders"]["nodes"]
    assert first["customer"]["defaultEmailAddress"]["emailAddress"] == "ann6001@example.com"
    assert first["lineItems"]["nodes"] == [
        {
            "product": {"productType": "Running Shoes", "category": {"fullName": "Apparel > Shoes"}},
            "variant": {"sku": "W-1", "price": "129.00"},
        }
    ]
    assert last["customer"] is None


def test_a_discount_is_told_apart_by_its_type(shopify: Client) -> None:
    query = """{ order(id: "gid://shopify/Order/5001") { lineItems(first: 1) { nodes { discountAllocations {
        discountApplication { __typename targetType ... on DiscountCodeApplication { code }
        ... on AutomaticDiscountApplication { title } } } } } } }"""
    (only,) = data(shopify, query)["order"]["lineItems"]["nodes"]
    assert [each["discountApplication"] for each in only["discountAllocations"]] == [
        {"__typename": "DiscountCodeApplication", "targetType": "LINE_ITEM", "code": "WELCOME10"},
        {"__typename": "AutomaticDiscountApplication", "targetType": "LINE_ITEM", "title": "Season markdown"},
    ]


def test_a_lines_discounted_total_leaves_code_discounts_out_unless_asked(shopify: Client) -> None:
    query = """{ order(id: "gid://shopify/Order/5001") { lineItems(first: 1) { nodes {
        plain: discountedTotalSet { shopMoney { amount } presentmentMoney { amount currencyCode } }
        net: discountedTotalSet(withCodeDiscounts: true) { shopMoney { amount } } } } } }"""
    (only,) = data(shopify, query)["order"]["lineItems"]["nodes"]
    assert only == {
        "plain": {"shopMoney": {"amount": "20.00"}, "presentmentMoney": {"amount": "26.00", "currencyCode": "CAD"}},
        "net": {"shopMoney": {"amount": "10.00"}},
    }


def test_a_refund_leads_to_the_line_it_refunds(shopify: Client) -> None:
    query = """{ order(id: "gid://shopify/Order/5002") { refunds(first: 3) { refundLineItems(first: 9) { nodes {
        quantity lineItem { sku } } } } } }"""
    assert data(shopify, query)["order"]["refunds"] == [
        {"refundLineItems": {"nodes": [{"quantity": 1, "lineItem": {"sku": "W-4"}}]}}
    ]


def test_metafields_are_found_by_namespace_and_key(shopify: Client) -> None:
    query = """{ customer(id: "gid://shopify/Customer/6001") {
        tier: metafield(namespace: "loyalty", key: "tier") { value }
        none: metafield(namespace: "custom", key: "tier") { value }
        metafields(first: 5, namespace: "custom") { nodes { key value } } } }"""
    assert data(shopify, query)["customer"] == {
        "tier": {"value": "gold"},
        "none": None,
        "metafields": {"nodes": [{"key": "gender", "value": "female"}]},
    }


def test_an_unknown_id_is_null(shopify: Client) -> None:
    assert data(shopify, '{ order(id: "gid://shopify/Order/1") { id } }') == {"order": None}
    assert data(shopify, '{ order(id: "gid://shopify/Customer/6001") { id } }') == {"order": None}


def test_cost_is_named_in_every_answer_and_what_was_not_used_is_given_back(shopify: Client) -> None:
    shopify.put("/_control/shopify/settings", json={"maximum_available": 2000, "restore_rate": 0}).raise_for_status()
    cost = ask(shopify, "{ orders(first: 250) { nodes { customer { id } } } }")["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 24
    assert cost["actualQueryCost"] == 6
    assert cost["throttleStatus"] == {"maximumAvailable": 2000, "currentlyAvailable": 1994, "restoreRate": 0}


def test_a_query_over_1000_points_is_refused_with_http_200(shopify: Client) -> None:
    query = """query Q($n: Int!) { orders(first: $n) { nodes { lineItems(first: 100) { nodes { product { category { id } }
        discountAllocations { allocatedAmountSet { shopMoney { amount } presentmentMoney { amount } } } variant { id }
        discountedTotalSet { shopMoney { amount } } } } } } }"""
    assert code(shopify, query, n=250) == "MAX_COST_EXCEEDED"
    cheaper = query.replace("discountedTotalSet { shopMoney { amount } }", "")
    assert "errors" not in ask(shopify, cheaper, n=20)


def test_an_empty_bucket_throttles_with_http_200_until_it_has_refilled(shopify: Client) -> None:
    shopify.put("/_control/shopify/settings", json={"maximum_available": 20, "restore_rate": 0}).raise_for_status()
    query = '{ orders(first: 10, query: "id:<0") { nodes { id } } ordersCount { count } }'
    answers = [ask(shopify, query) for _ in range(21)]
    refused = answers[-1]
    assert refused["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert refused["extensions"]["cost"]["requestedQueryCost"] == 6
    assert refused["extensions"]["cost"]["actualQueryCost"] is None
    shopify.put("/_control/shopify/settings", json={"restore_rate": 100_000}).raise_for_status()
    assert "errors" not in ask(shopify, query)


def test_faults_come_in_shopifys_own_form(shopify: Client) -> None:
    rules = [{"vendor": "shopify", "kind": kind, "times": 1} for kind in ("429", "500", "expired_token")]
    shopify.post("/_control/faults", json=rules).raise_for_status()
    body = {"query": "{ shop { name } }"}
    answers = [shopify.post(GRAPHQL, json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 401, 200]
    codes = [answer.json()["errors"][0]["extensions"]["code"] for answer in answers[:2]]
    assert codes == ["THROTTLED", "INTERNAL_SERVER_ERROR"]
