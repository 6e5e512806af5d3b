"""Square's documented rules that no source of ours leans on, and Square's own SDK as the judge of shapes."""

from typing import Any

import httpx
import pytest
import requests
from square import Square
from square.core.api_error import ApiError

from segment_pipeline_tests.sandbox.source_world import Client, move_clock, version
from segment_pipeline_tests.sources.square_records import (
    catalog,
    customer,
    group,
    item,
    location,
    loyalty,
    merged,
    order,
)

VENDOR = "square"
AUTH = {"Authorization": "Bearer sandbox-square-token"}
ALL = ["L1", "L2", "L3"]
RECORDS = [
    *(location(key) for key in ALL),
    *(group(key, "Age: 45-54") for key in ("G1", "G2")),
    order("O1", "2017-05-01T10:00:00"),
    order("O2", "2017-05-01T10:00:00", route="L2"),
    order("O3", "2017-05-02T00:00:00", state="OPEN"),
    order("O4", "2017-05-01T12:00:00", route="L3"),
    order("O5", "2017-05-03T09:00:00", visible={"created": "2017-05-01T09:00:00"}),
    customer("C1", "2017-06-01T00:00:00", given_name="Zoe", visible={"created": "2017-01-01"}),
    customer("C3", "2017-03-01T00:00:00", given_name="Bob"),
    merged("gone", "C1", "2017-03-02"),
    customer("C4", "2017-03-02T00:00:00", given_name=None, creation_source="INSTANT_PROFILE"),
    *(loyalty(f"LA{n}", f"C{n}", f"+1513555010{n}", f"2017-01-0{n}T00:00:00") for n in (1, 2, 3)),
    *(item(f"I{n:03}", "K1", "2017-01-01T00:00:00") for n in range(150)),
    catalog("K1", "CATEGORY", "2017-01-02T00:00:00"),
    catalog("T1", "TAX", "2017-01-02T00:00:00", visible={"until": "2017-09-01"}),
    version("square", "catalog", "T1", None, updated="2017-09-01"),
]
BEGUN = {"start_at": "2017-05-01T00:00:00Z", "end_at": "2017-07-01T00:00:00Z"}


@pytest.fixture
def square(served: Client) -> Client:
    served.headers.update(AUTH)
    return served


def keys(answer: requests.Response) -> list[str]:
    return [each["id"] for held in answer.json().values() if isinstance(held, list) for each in held]


def updated(start: str | None, end: str | None, **sort: str) -> dict[str, Any]:
    bounds = {"start_at": start, "end_at": end}
    ordered = {"sort_field": "UPDATED_AT", "sort_order": "ASC", **sort}
    return {"location_ids": ALL, "query": {"filter": {"date_time_filter": {"updated_at": bounds}}, "sort": ordered}}


@pytest.mark.parametrize(
    ("path", "asked", "code"),
    [
        ("orders", {}, "MISSING_REQUIRED_PARAMETER"),
        ("orders", {"location_ids": [f"L{n}" for n in range(11)]}, "ARRAY_LENGTH_TOO_LONG"),
        ("orders", {"location_ids": ALL, "limit": 1001}, "VALUE_TOO_HIGH"),
        ("orders", {"location_ids": ALL, "limit": 0}, "VALUE_TOO_LOW"),
        ("orders", updated(None, None, sort_field="CREATED_AT"), "BAD_REQUEST"),
        ("orders", {"location_ids": ALL, "query": {"filter": {"date_time_filter": {"created_at": {}, "updated_at": {}}}}}, "BAD_REQUEST"),
        ("orders", updated("yesterday", None), "INVALID_TIME"),
        ("orders", updated(BEGUN["end_at"], BEGUN["start_at"]), "INVALID_TIME_RANGE"),
        ("orders", {"location_ids": ALL, "cursor": "bogus"}, "INVALID_CURSOR"),
        ("customers", {"query": {"sort": {"field": "UPDATED_AT"}}}, "INVALID_ENUM_VALUE"),
        ("customers", {"limit": 101}, "VALUE_TOO_HIGH"),
        ("loyalty/accounts", {"limit": 201}, "VALUE_TOO_HIGH"),
    ],
)  # fmt: skip
def test_what_is_outside_the_rules_is_refused(square: Client, path: str, asked: dict[str, Any], code: str) -> None:
    answer = square.post(f"/square/v2/{path}/search", json=asked)
    assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (400, [code])


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        # Only the locations asked for, both ends of the range, in any offset.
        ("orders", updated("2017-05-01T10:00:00Z", "2017-05-02T00:00:00Z") | {"location_ids": ALL[:2]}, "O1 O2 O3"),
        ("orders", updated(*["2017-05-01T06:00:00-04:00"] * 2), "O1 O2"),
        ("orders", updated(BEGUN["start_at"], None, sort_order="DESC"), "O5 O3 O4 O2 O1"),
        # By created_at, descending, unless asked.
        ("orders", {"location_ids": ["L1"]}, "O3 O1 O5"),
        # Profiles without public details are left out of a search.
        ("customers", {}, "C3 C1"),
        ("customers", {"query": {"filter": {"updated_at": BEGUN}}}, "C1"),
        ("customers", {"query": {"sort": {"field": "CREATED_AT", "order": "DESC"}}}, "C3 C1"),
        # What changed after the begin time, and of the types asked for; what is deleted has no type.
        ("catalog", {"begin_time": "2017-01-01T00:00:00Z", "object_types": ["ITEM", "CATEGORY"]}, "K1"),
        ("catalog", {"begin_time": "2017-01-02T00:00:00Z", "include_deleted_objects": True}, "T1"),
    ],
)  # fmt: skip
def test_a_search_finds(square: Client, path: str, asked: dict[str, Any], expected: str) -> None:
    assert keys(square.post(f"/square/v2/{path}/search", json=asked)) == expected.split()


def test_an_absent_end_is_the_time_of_the_first_request_and_a_cursor_is_for_its_query(square: Client) -> None:
    path, asked = "/square/v2/orders/search", updated("2017-05-01T00:00:00Z", None) | {"limit": 2}
    move_clock(square, "2017-05-01T12:00:00+00:00")
    asked["cursor"] = square.post(path, json=asked).json()["cursor"]
    move_clock(square, "2018-01-01T00:00:00+00:00")
    answer = square.post(path, json=asked)
    assert (keys(answer), "cursor" in answer.json()) == (["O4"], False)
    other = square.post(path, json={**asked, "location_ids": ["L2"]})
    assert other.json()["errors"][0]["code"] == "INVALID_CURSOR"


def test_token_version_and_wait_are_squares_own(square: Client) -> None:
    square.post("/_control/faults", json=[{"vendor": "square", "kind": "429", "times": 1, "seconds": 3}])
    sent: list[dict[str, str]] = [{}, {"Square-Version": "2026-09-16"}, {"Authorization": "?"}]
    limited, good, other = (square.get("/square/v2/locations", headers=more) for more in sent)
    assert (limited.headers["Retry-After"], limited.json()["errors"][0]["code"]) == ("3", "RATE_LIMITED")
    assert (good.status_code, good.headers["Square-Version"]) == (200, "2026-09-16")
    assert (other.status_code, other.json()["errors"][0]["code"]) == (401, "UNAUTHORIZED")


def test_a_customer_is_got_by_its_id_and_by_one_that_was_merged_into_it(square: Client) -> None:
    """What a search leaves out is got as well; who is not there is not found."""
    paths = [f"/square/v2/customers/{key}" for key in ("C1", "C4", "gone", "nobody")]
    answers = [square.get(path) for path in paths]
    assert [a.json()["customer"]["id"] for a in answers if a.ok] == ["C1", "C4", "C1"]
    assert (answers[-1].status_code, answers[-1].json()["errors"][0]["code"]) == (404, "NOT_FOUND")
    bulk = square.post("/square/v2/customers/bulk-retrieve", json={"customer_ids": ["gone", "nobody"]}).json()[
        "responses"
    ]
    assert (bulk["gone"]["customer"]["id"], bulk["nobody"]["errors"][0]["code"]) == ("C1", "NOT_FOUND")


def test_what_the_token_may_not_read_is_refused(square: Client) -> None:
    square.put("/_control/square/settings", json={"permissions": ["ORDERS_READ"]}).raise_for_status()
    refused = square.get("/square/v2/locations")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "INSUFFICIENT_SCOPES")
    assert square.post("/square/v2/orders/search", json={"location_ids": ALL}).ok


def test_squares_own_sdk_reads_everything(square: Client) -> None:
    """The vendor's client parses each answer into its own models, and pages by itself."""
    with httpx.Client() as http:
        sdk = Square(token="sandbox-square-token", base_url=f"{square.base_url}/square", httpx_client=http)
        assert [each.id for each in sdk.locations.list().locations or []] == ALL
        asked: Any = updated("2017-05-01T00:00:00Z", "2017-06-01T00:00:00Z")
        assert [each.id for each in sdk.orders.search(**asked, limit=2).orders or []] == ["O1", "O2"]
        alone, bulk = sdk.customers.get(customer_id="gone"), sdk.customers.bulk_retrieve_customers(customer_ids=["C1"])
        assert (alone.customer and alone.customer.id, list(bulk.responses or {})) == ("C1", ["C1"])
        page = sdk.customers.search(limit=1, count=True)
        assert ([each.id for each in page.customers or []], page.count) == (["C3"], 2)
        assert [each.id for each in sdk.customers.groups.list(limit=1)] == ["G1", "G2"]
        objects = sdk.catalog.search(object_types=["ITEM", "CATEGORY"])
        assert (len(objects.objects or []), bool(objects.cursor)) == (100, True)
        assert len(sdk.loyalty.accounts.search(limit=2).loyalty_accounts or []) == 2
        nobody: Any = updated("2016-01-01T00:00:00Z", "2016-01-02T00:00:00Z")
        assert sdk.orders.search(**nobody).orders is None
        with pytest.raises(ApiError, match="NOT_IMPLEMENTED"):
            sdk.loyalty.accounts.search(query={"customer_ids": ["C1"]})
