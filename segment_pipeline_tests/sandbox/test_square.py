"""Square's documented rules, one test each, over a literal world."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from square import Square

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.source_world import (
    Client,
    Version,
    client,
    move_clock,
    vendor_schema,
    version,
    world,
)

AUTH = {"Authorization": "Bearer sandbox-square-token"}
USD = {"amount": 100, "currency": "USD"}


def order(key: str, location: str, updated: str, **more: Any) -> Version:
    visible = {name: more.pop(name) for name in ("seen", "until") if name in more}
    created = more.pop("created", updated)
    body = {
        "id": key,
        "location_id": location,
        "state": "COMPLETED",
        "version": 1,
        "created_at": f"{created}.000Z",
        "updated_at": f"{updated}.000Z",
        "closed_at": f"{updated}.000Z",
        "total_money": USD,
        "line_items": [{"uid": "1", "quantity": "1", "item_type": "ITEM", "total_money": USD}],
        **more,
    }
    return version("square", "orders", key, body, updated=updated, created=created, route=location, **visible)


def customer(key: str, updated: str, *, given: str | None = "Ann", **more: Any) -> Version:
    visible = {name: more.pop(name) for name in ("seen", "until", "created") if name in more}
    body = {"id": key, "updated_at": f"{updated}.000Z", "created_at": f"{updated}.000Z", "version": 1, **more}
    if given:
        body["given_name"] = given
    return version("square", "customers", key, body, updated=updated, **visible)


def item(key: str, updated: str, kind: str = "ITEM") -> Version:
    body = {"type": kind, "id": key, "updated_at": f"{updated}.000Z", "version": 1, "is_deleted": False}
    return version("square", "catalog", key, body, updated=updated)


LOCATIONS = [
    version("square", "locations", key, {"id": key, "name": key, "timezone": "America/New_York"}, updated="2016-01-01")
    for key in ("L1", "L2", "L3")
]
ORDERS = [
    order("O1", "L1", "2017-05-01T10:00:00"),
    order("O2", "L2", "2017-05-01T10:00:00"),
    order("O3", "L1", "2017-05-02T00:00:00", state="OPEN"),
    order("O4", "L3", "2017-05-01T12:00:00"),
    order("O5", "L1", "2017-05-03T09:00:00", created="2017-05-01T09:00:00"),
]


@pytest.fixture
def square(tmp_path: Path) -> Iterator[Client]:
    loyalty = [
        version(
            "square",
            "loyalty",
            f"LA{n}",
            {
                "id": f"LA{n}",
                "customer_id": f"C{n}",
                "program_id": "P",
                "balance": n,
                "mapping": {"id": f"M{n}", "phone_number": f"+1513555010{n}"},
            },
            updated=f"2017-01-0{n}",
        )
        for n in (1, 2, 3)
    ]
    people = [
        customer("C1", "2017-01-01T00:00:00", given="Zoe", until="2017-06-01T00:00:00"),
        customer(
            "C1", "2017-06-01T00:00:00", given="Zoe", created="2017-01-01T00:00:00", email_address="zoë@example.com"
        ),
        customer("C2", "2017-02-01T00:00:00", given="Ann", until="2017-07-01T00:00:00"),
        version("square", "customers", "C2", None, updated="2017-07-01T00:00:00"),
        customer("C3", "2017-03-01T00:00:00", given="Bob"),
        customer("C4", "2017-03-02T00:00:00", given=None, creation_source="INSTANT_PROFILE"),
    ]
    catalog = [item(f"I{n:03}", "2017-01-01T00:00:00") for n in range(150)] + [
        item("K1", "2017-01-02T00:00:00", kind="CATEGORY"),
        item("T1", "2017-01-02T00:00:00", kind="TAX"),
    ]
    groups = [version("square", "groups", "G1", {"id": "G1", "name": "Age: 45-54"}, updated="2016-01-01")]
    world(tmp_path, LOCATIONS + ORDERS + people + loyalty + catalog + groups)
    with client(tmp_path, "square") as served:
        served.headers.update(AUTH)
        yield served


def search(square: Client, **asked: Any) -> Any:
    answer = square.post("/square/v2/orders/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def updated(start: str | None, end: str | None, **sort: str) -> dict[str, Any]:
    bounds = {name: value for name, value in (("start_at", start), ("end_at", end)) if value}
    return {
        "filter": {"date_time_filter": {"updated_at": bounds}},
        "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC", **sort},
    }


def refusal(square: Client, path: str, asked: dict[str, Any]) -> tuple[int, str]:
    answer = square.post(f"/square{path}", json=asked)
    (error,) = answer.json()["errors"]
    return answer.status_code, error["code"]


def keys(answer: Any, name: str = "orders") -> list[str]:
    return [each["id"] for each in answer.get(name, [])]


def test_an_order_search_takes_only_its_locations_with_both_ends_of_the_range(square: Client) -> None:
    query = updated("2017-05-01T10:00:00Z", "2017-05-02T00:00:00Z")
    assert keys(search(square, location_ids=["L1", "L2"], query=query)) == ["O1", "O2", "O3"]


def test_a_range_may_be_written_with_any_offset(square: Client) -> None:
    query = updated("2017-05-01T06:00:00-04:00", "2017-05-01T06:00:00-04:00")
    assert keys(search(square, location_ids=["L1", "L2", "L3"], query=query)) == ["O1", "O2"]


def test_orders_are_sorted_by_created_at_descending_unless_asked(square: Client) -> None:
    assert keys(search(square, location_ids=["L1"])) == ["O3", "O1", "O5"]


def test_pages_follow_each_other_without_loss_or_repeat_in_both_directions(square: Client) -> None:
    for direction, expected in (("ASC", ["O1", "O2", "O4", "O3", "O5"]), ("DESC", ["O5", "O3", "O4", "O2", "O1"])):
        query = updated("2017-01-01T00:00:00Z", None, sort_order=direction)
        found, cursor = [], None
        while True:
            asked = {"location_ids": ["L1", "L2", "L3"], "query": query, "limit": 2}
            answer = search(square, **asked, **({"cursor": cursor} if cursor else {}))
            found += keys(answer)
            cursor = answer.get("cursor")
            if cursor is None:
                break
        assert found == expected


def test_a_page_without_a_follower_has_no_cursor_and_exactly_full_pages_neither(square: Client) -> None:
    query = updated("2017-05-01T00:00:00Z", None)
    assert "cursor" not in search(square, location_ids=["L1"], query=query, limit=3)
    assert "cursor" in search(square, location_ids=["L1"], query=query, limit=2)


def test_a_cursor_with_another_query_is_refused(square: Client) -> None:
    cursor = search(square, location_ids=["L1"], query=updated("2017-01-01T00:00:00Z", None), limit=1)["cursor"]
    other = {"location_ids": ["L2"], "query": updated("2017-01-01T00:00:00Z", None), "cursor": cursor}
    assert refusal(square, "/v2/orders/search", other) == (400, "INVALID_CURSOR")
    assert refusal(square, "/v2/orders/search", {"location_ids": ["L1"], "cursor": "bogus"}) == (400, "INVALID_CURSOR")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "MISSING_REQUIRED_PARAMETER"),
        ({"location_ids": [f"L{n}" for n in range(11)]}, "ARRAY_LENGTH_TOO_LONG"),
        ({"location_ids": ["L1"], "limit": 1001}, "VALUE_TOO_HIGH"),
        ({"location_ids": ["L1"], "limit": 0}, "VALUE_TOO_LOW"),
        (
            {"location_ids": ["L1"], "query": updated("2017-01-01T00:00:00Z", None, sort_field="CREATED_AT")},
            "BAD_REQUEST",
        ),
        ({"location_ids": ["L1"], "query": {"filter": {"date_time_filter": {"updated_at": {}}}}}, "BAD_REQUEST"),
        (
            {"location_ids": ["L1"], "query": {"filter": {"date_time_filter": {"updated_at": {}, "created_at": {}}}}},
            "BAD_REQUEST",
        ),
        ({"location_ids": ["L1"], "query": updated("yesterday", None)}, "INVALID_TIME"),
        (
            {"location_ids": ["L1"], "query": updated("2017-05-02T00:00:00Z", "2017-05-01T00:00:00Z")},
            "INVALID_TIME_RANGE",
        ),
    ],
)
def test_an_order_search_outside_the_rules_is_refused_in_the_error_envelope(
    square: Client, asked: dict[str, Any], code: str
) -> None:
    assert refusal(square, "/v2/orders/search", asked) == (400, code)


def test_a_state_filter_keeps_only_those_states(square: Client) -> None:
    query = {"filter": {"state_filter": {"states": ["OPEN"]}}}
    assert keys(search(square, location_ids=["L1"], query=query)) == ["O3"]


def test_return_entries_gives_ids_instead_of_orders(square: Client) -> None:
    answer = search(square, location_ids=["L2"], return_entries=True)
    assert answer["order_entries"] == [{"order_id": "O2", "version": 1, "location_id": "L2"}]


def test_an_order_that_reaches_the_server_late_shows_only_when_the_clock_has_passed(tmp_path: Path) -> None:
    world(tmp_path, [order("O1", "L1", "2017-05-01T10:00:00", seen="2017-05-03T10:00:00")])
    with client(tmp_path, "square") as square:
        square.headers.update(AUTH)
        query = updated("2017-05-01T00:00:00Z", "2017-05-02T00:00:00Z")
        move_clock(square, "2017-05-03T09:59:59+00:00")
        assert keys(search(square, location_ids=["L1"], query=query)) == []
        move_clock(square, "2017-05-03T10:00:00+00:00")
        assert keys(search(square, location_ids=["L1"], query=query)) == ["O1"]


def test_an_absent_end_is_the_time_of_the_first_request_on_all_its_pages(tmp_path: Path) -> None:
    first = [order("O1", "L1", "2017-05-01T10:00:00"), order("O2", "L1", "2017-05-01T11:00:00")]
    world(tmp_path, [*first, order("O3", "L1", "2017-05-01T12:30:00")])
    with client(tmp_path, "square") as square:
        square.headers.update(AUTH)
        move_clock(square, "2017-05-01T12:00:00+00:00")
        asked = {"location_ids": ["L1"], "query": updated("2017-05-01T00:00:00Z", None), "limit": 1}
        cursor = search(square, **asked)["cursor"]
        move_clock(square, "2017-05-01T13:00:00+00:00")
        answer = search(square, **asked, cursor=cursor)
        assert keys(answer) == ["O2"]
        assert "cursor" not in answer


def test_customers_show_their_newest_version_and_merged_away_ones_vanish(square: Client) -> None:
    def seen(instant: str) -> list[tuple[str, str | None]]:
        move_clock(square, instant)
        answer = square.post("/square/v2/customers/search", json={}).json()
        return [(each["id"], each.get("email_address")) for each in answer["customers"]]

    assert seen("2017-05-01T00:00:00+00:00") == [("C2", None), ("C3", None), ("C1", None)]
    assert seen("2018-01-01T00:00:00+00:00") == [("C3", None), ("C1", "zoë@example.com")]


def test_a_customer_search_leaves_out_profiles_without_public_details_but_a_look_up_finds_them(square: Client) -> None:
    query = {"filter": {"creation_source": {"values": ["INSTANT_PROFILE"]}}}
    assert square.post("/square/v2/customers/search", json={"query": query}).json() == {}
    assert square.get("/square/v2/customers/C4").json()["customer"]["id"] == "C4"
    assert keys(square.get("/square/v2/customers").json(), "customers") == ["C4", "C3", "C1"]


def test_a_customer_search_filters_by_updated_at_and_counts_when_asked(square: Client) -> None:
    query = {"filter": {"updated_at": {"start_at": "2017-05-01T00:00:00Z", "end_at": "2017-07-01T00:00:00Z"}}}
    answer = square.post("/square/v2/customers/search", json={"query": query, "count": True}).json()
    assert keys(answer, "customers") == ["C1"]
    assert answer["count"] == 1


def test_customers_are_paged_by_name_or_by_created_at_and_by_nothing_else(square: Client) -> None:
    asked: dict[str, Any] = {"limit": 1, "query": {"sort": {"field": "CREATED_AT", "order": "DESC"}}}
    first = square.post("/square/v2/customers/search", json=asked).json()
    second = square.post("/square/v2/customers/search", json={**asked, "cursor": first["cursor"]}).json()
    assert keys(first, "customers") + keys(second, "customers") == ["C3", "C1"]
    assert "cursor" not in second
    sort = {"query": {"sort": {"field": "UPDATED_AT"}}}
    assert refusal(square, "/v2/customers/search", sort) == (400, "INVALID_ENUM_VALUE")
    assert refusal(square, "/v2/customers/search", {"limit": 101}) == (400, "VALUE_TOO_HIGH")


def test_an_unknown_record_is_not_found(square: Client) -> None:
    answer = square.get("/square/v2/customers/NOBODY")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "NOT_FOUND")


def test_loyalty_accounts_are_found_by_customer_or_phone_but_not_by_both(square: Client) -> None:
    path = "/v2/loyalty/accounts/search"

    def found(query: dict[str, Any]) -> list[str]:
        return keys(square.post(f"/square{path}", json={"query": query}).json(), "loyalty_accounts")

    mappings = [{"phone_number": "+15135550103"}]
    assert found({"customer_ids": ["C1", "C2"]}) == ["LA1", "LA2"]
    assert found({"mappings": mappings}) == ["LA3"]
    both = {"query": {"customer_ids": ["C1"], "mappings": mappings}}
    assert refusal(square, path, both) == (400, "CONFLICTING_PARAMETERS")
    assert refusal(square, path, {"limit": 201}) == (400, "VALUE_TOO_HIGH")


def test_loyalty_accounts_page_in_order_of_creation(square: Client) -> None:
    first = square.post("/square/v2/loyalty/accounts/search", json={"limit": 2}).json()
    rest = square.post("/square/v2/loyalty/accounts/search", json={"limit": 2, "cursor": first["cursor"]}).json()
    assert [keys(first, "loyalty_accounts"), keys(rest, "loyalty_accounts")] == [["LA1", "LA2"], ["LA3"]]
    assert "cursor" not in rest


def test_the_catalogue_lists_a_hundred_at_a_time_of_the_types_asked_for(square: Client) -> None:
    first = square.get("/square/v2/catalog/list", params={"types": "item,CATEGORY"}).json()
    params = {"types": "item,CATEGORY", "cursor": first["cursor"]}
    rest = square.get("/square/v2/catalog/list", params=params).json()
    assert (len(first["objects"]), len(rest["objects"])) == (100, 51)
    assert {each["type"] for each in rest["objects"]} == {"ITEM", "CATEGORY"}


def test_a_catalogue_search_takes_what_changed_after_the_begin_time(square: Client) -> None:
    asked = {"begin_time": "2017-01-01T00:00:00Z", "object_types": ["ITEM", "CATEGORY"], "limit": 1000}
    answer = square.post("/square/v2/catalog/search", json=asked).json()
    assert keys(answer, "objects") == ["K1"]


def test_a_deleted_catalogue_object_is_gone_unless_deletions_are_asked_for(tmp_path: Path) -> None:
    gone = version("square", "catalog", "I1", None, updated="2017-03-01T00:00:00")
    first = item("I1", "2017-01-01T00:00:00")
    until = (*first[:7], gone[6], first[8])
    world(tmp_path, [until, gone])
    with client(tmp_path, "square") as square:
        square.headers.update(AUTH)
        path = "/square/v2/catalog/search"
        assert "objects" not in square.post(path, json={}).json()
        (deleted,) = square.post(path, json={"include_deleted_objects": True}).json()["objects"]
        assert (deleted["id"], deleted["is_deleted"]) == ("I1", True)
        move_clock(square, "2017-02-01T00:00:00+00:00")
        assert keys(square.post(path, json={}).json(), "objects") == ["I1"]


def test_locations_and_groups_are_listed_whole(square: Client) -> None:
    assert keys(square.get("/square/v2/locations").json(), "locations") == ["L1", "L2", "L3"]
    assert square.get("/square/v2/customers/groups").json() == {"groups": [{"id": "G1", "name": "Age: 45-54"}]}


def test_a_wrong_token_is_unauthorized(square: Client) -> None:
    answer = square.get("/square/v2/locations", headers={"Authorization": "Bearer other"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")


def test_the_version_asked_for_is_named_in_the_answer(square: Client) -> None:
    answer = square.get("/square/v2/locations", headers={"Square-Version": "2026-09-16"})
    assert answer.headers["Square-Version"] == "2026-09-16"


def test_faults_come_in_squares_own_form(square: Client) -> None:
    rules = [
        {"vendor": "square", "kind": "429", "times": 1, "seconds": 3},
        {"vendor": "square", "kind": "expired_token", "times": 1},
    ]
    square.post("/_control/faults", json=rules)
    limited = square.get("/square/v2/locations")
    expired = square.get("/square/v2/locations")
    assert (limited.status_code, limited.json()["errors"][0]["code"]) == (429, "RATE_LIMITED")
    assert limited.headers["Retry-After"] == "3"
    assert (expired.status_code, expired.json()["errors"][0]["code"]) == (401, "ACCESS_TOKEN_EXPIRED")
    assert square.get("/square/v2/locations").status_code == 200


def test_squares_own_sdk_reads_everything_over_http(tmp_path: Path) -> None:
    """The vendor's client is the judge of shapes: it parses each answer into its own models and pages by itself."""
    people = [customer(f"C{n:03}", "2017-02-01T00:00:00", given=f"N{n:03}") for n in range(150)]
    world(tmp_path, LOCATIONS + ORDERS + people + [item("I1", "2017-01-01T00:00:00")])
    with SandboxServer(tmp_path, vendors=["square"]) as server, httpx.Client() as http:
        sdk = Square(token="sandbox-square-token", base_url=f"{server.base_url}/square", httpx_client=http)
        assert [each.id for each in sdk.locations.list().locations or []] == ["L1", "L2", "L3"]
        query: Any = updated("2017-05-01T00:00:00Z", "2017-06-01T00:00:00Z")
        found = sdk.orders.search(location_ids=["L1", "L2", "L3"], query=query, limit=2)
        assert [each.id for each in found.orders or []] == ["O1", "O2"]
        rest = sdk.orders.search(location_ids=["L1", "L2", "L3"], query=query, limit=2, cursor=found.cursor)
        assert [each.id for each in rest.orders or []] == ["O4", "O3"]
        assert len(list(sdk.customers.list(limit=100))) == 150
        page = sdk.customers.search(limit=100, count=True)
        assert (len(page.customers or []), page.count) == (100, 150)
        assert [each.id for each in sdk.catalog.list(types="ITEM")] == ["I1"]
        assert sdk.loyalty.accounts.search(limit=10).loyalty_accounts is None


def test_answers_satisfy_squares_openapi_file(square: Client) -> None:
    """Every key of an answer is in the vendor's schema of that answer, and so are the keys of its records."""
    schemas = json.loads(vendor_schema("square_openapi_2025-08-20_trimmed.json").read_text())["components"]["schemas"]
    answers = {
        "SearchOrdersResponse": search(square, location_ids=["L1"], limit=1),
        "SearchCustomersResponse": square.post("/square/v2/customers/search", json={"limit": 1, "count": True}).json(),
        "SearchLoyaltyAccountsResponse": square.post("/square/v2/loyalty/accounts/search", json={"limit": 1}).json(),
        "ListCatalogResponse": square.get("/square/v2/catalog/list").json(),
        "ListLocationsResponse": square.get("/square/v2/locations").json(),
    }
    for name, answer in answers.items():
        known = schemas[name]["properties"]
        assert answer.keys() <= known.keys(), name
        for field, value in answer.items():
            if isinstance(value, list):
                record = known[field]["items"]["$ref"].rsplit("/", 1)[-1]
                assert value[0].keys() <= schemas[record]["properties"].keys(), record
    refused = square.post("/square/v2/orders/search", json={}).json()["errors"][0]
    assert refused["code"] in schemas["ErrorCode"]["enum"]
    assert refused["category"] in schemas["ErrorCategory"]["enum"]
