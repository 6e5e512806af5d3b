"""Square's documented rules over a literal world, and Square's own SDK as the judge of shapes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from square import Square

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.source_world import (
    NOW,
    Client,
    Version,
    client,
    move_clock,
    version,
    world,
)

AUTH = {"Authorization": "Bearer sandbox-square-token"}
USD = {"amount": 100, "currency": "USD"}


def record(entity: str, key: str, updated: str, body: dict[str, Any], *, created: str = "", **seen: str) -> Version:
    """One version of a record; `seen` are `seen`, `until` and `route` of `version`."""
    times = {"created_at": f"{created or updated}.000Z", "updated_at": f"{updated}.000Z"}
    whole = {"id": key, "version": 1, **times, **body}
    return version("square", entity, key, whole, updated=updated, created=created or updated, **seen)


def order(key: str, location: str, updated: str, *, state: str = "COMPLETED", **seen: str) -> Version:
    lines = [{"uid": "1", "quantity": "1", "item_type": "ITEM", "total_money": USD}]
    body = {
        "location_id": location,
        "state": state,
        "closed_at": f"{updated}.000Z",
        "total_money": USD,
        "line_items": lines,
    }
    return record("orders", key, updated, body, route=location, **seen)


def customer(key: str, updated: str, body: dict[str, Any], **seen: str) -> Version:
    return record("customers", key, updated, body, **seen)


def item(key: str, updated: str, kind: str = "ITEM") -> Version:
    return record("catalog", key, updated, {"type": kind, "is_deleted": False})


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
ZOE = {"given_name": "Zoe"}
PEOPLE = [
    customer("C1", "2017-01-01T00:00:00", ZOE, until="2017-06-01T00:00:00"),
    customer("C1", "2017-06-01T00:00:00", ZOE | {"email_address": "zoë@example.com"}, created="2017-01-01T00:00:00"),
    customer("C2", "2017-02-01T00:00:00", {"given_name": "Ann"}, until="2017-07-01T00:00:00"),
    version("square", "customers", "C2", None, updated="2017-07-01T00:00:00"),
    customer("C3", "2017-03-01T00:00:00", {"given_name": "Bob"}),
    customer("C4", "2017-03-02T00:00:00", {"creation_source": "INSTANT_PROFILE"}),
]
LOYALTY = [
    record(
        "loyalty",
        f"LA{n}",
        f"2017-01-0{n}T00:00:00",
        {"customer_id": f"C{n}", "mapping": {"phone_number": f"+1513555010{n}"}},
    )
    for n in (1, 2, 3)
]
CATALOG = [item(f"I{n:03}", "2017-01-01T00:00:00") for n in range(150)] + [
    item("K1", "2017-01-02T00:00:00", kind="CATEGORY"),
    item("T1", "2017-01-02T00:00:00", kind="TAX"),
]
GROUPS = [version("square", "groups", "G1", {"id": "G1", "name": "Age: 45-54"}, updated="2016-01-01")]


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = tmp_path_factory.mktemp("square")
    world(home, LOCATIONS + ORDERS + PEOPLE + LOYALTY + CATALOG + GROUPS)
    with client(home, "square") as served:
        served.headers.update(AUTH)
        yield served


@pytest.fixture
def square(_served: Client) -> Client:
    move_clock(_served, NOW)
    return _served


def keys(answer: Any, name: str = "orders") -> list[str]:
    return [each["id"] for each in answer.get(name, [])]


def post(square: Client, path: str, **asked: Any) -> Any:
    answer = square.post(f"/square/v2/{path}", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def updated(start: str | None, end: str | None, **sort: str) -> dict[str, Any]:
    bounds = {name: value for name, value in (("start_at", start), ("end_at", end)) if value}
    return {
        "filter": {"date_time_filter": {"updated_at": bounds}},
        "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC", **sort},
    }


def filtered(**query: Any) -> dict[str, Any]:
    return {"query": {"filter": query}}


ALL = ["L1", "L2", "L3"]
TIMES = "updated_at", "created_at"
BEGUN = {"start_at": "2017-05-01T00:00:00Z", "end_at": "2017-07-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("path", "asked", "code"),
    [
        ("orders/search", {}, "MISSING_REQUIRED_PARAMETER"),
        ("orders/search", {"location_ids": [f"L{n}" for n in range(11)]}, "ARRAY_LENGTH_TOO_LONG"),
        ("orders/search", {"location_ids": ALL, "limit": 1001}, "VALUE_TOO_HIGH"),
        ("orders/search", {"location_ids": ALL, "limit": 0}, "VALUE_TOO_LOW"),
        ("orders/search", {"location_ids": ALL, "query": updated(None, None, sort_field="CREATED_AT")}, "BAD_REQUEST"),
        ("orders/search", {"location_ids": ALL, **filtered(date_time_filter={TIMES[0]: {}})}, "BAD_REQUEST"),
        ("orders/search", {"location_ids": ALL, **filtered(date_time_filter=dict.fromkeys(TIMES, {}))}, "BAD_REQUEST"),
        ("orders/search", {"location_ids": ALL, "query": updated("yesterday", None)}, "INVALID_TIME"),
        ("orders/search", {"location_ids": ALL, "query": updated("2017-05-02T00:00:00Z", "2017-05-01T00:00:00Z")},
         "INVALID_TIME_RANGE"),
        ("orders/search", {"location_ids": ALL, "cursor": "bogus"}, "INVALID_CURSOR"),
        ("customers/search", {"query": {"sort": {"field": "UPDATED_AT"}}}, "INVALID_ENUM_VALUE"),
        ("customers/search", {"limit": 101}, "VALUE_TOO_HIGH"),
        ("loyalty/accounts/search", {"limit": 201}, "VALUE_TOO_HIGH"),
        ("loyalty/accounts/search", {"query": {"customer_ids": ["C"] * 31}}, "ARRAY_LENGTH_TOO_LONG"),
        ("loyalty/accounts/search", {"query": {"customer_ids": ["C1"], "mappings": [{"phone_number": "+1"}]}},
         "CONFLICTING_PARAMETERS"),
    ],
)  # fmt: skip
def test_what_is_outside_the_rules_is_refused_in_the_error_envelope(
    square: Client, path: str, asked: dict[str, Any], code: str
) -> None:
    answer = square.post(f"/square/v2/{path}", json=asked)
    assert (answer.status_code, [error["code"] for error in answer.json()["errors"]]) == (400, [code])


@pytest.mark.parametrize(
    ("path", "asked", "name", "expected"),
    [
        # Only the locations asked for, both ends of the range, in any offset.
        ("orders/search", {"location_ids": ALL[:2], "query": updated("2017-05-01T10:00:00Z", "2017-05-02T00:00:00Z")},
         "orders", "O1 O2 O3"),
        ("orders/search", {"location_ids": ALL, "query": updated(*["2017-05-01T06:00:00-04:00"] * 2)}, "orders", "O1 O2"),
        # By created_at, descending, unless asked.
        ("orders/search", {"location_ids": ["L1"]}, "orders", "O3 O1 O5"),
        ("orders/search", {"location_ids": ["L1"], **filtered(state_filter={"states": ["OPEN"]})}, "orders", "O3"),
        # Profiles without public details are left out of a search.
        ("customers/search", filtered(creation_source={"values": ["INSTANT_PROFILE"]}), "customers", ""),
        ("customers/search", filtered(updated_at=BEGUN), "customers", "C1"),
        ("customers/search", {"query": {"sort": {"field": "CREATED_AT", "order": "DESC"}}}, "customers", "C3 C1"),
        ("loyalty/accounts/search", {"query": {"customer_ids": ["C1", "C2"]}}, "loyalty_accounts", "LA1 LA2"),
        ("loyalty/accounts/search", {"query": {"mappings": [{"phone_number": "+15135550103"}]}}, "loyalty_accounts", "LA3"),
        # What changed after the begin time, and of the types asked for.
        ("catalog/search", {"begin_time": "2017-01-01T00:00:00Z", "object_types": ["ITEM", "CATEGORY"], "limit": 1000},
         "objects", "K1"),
    ],
)  # fmt: skip
def test_a_search_finds(square: Client, path: str, asked: dict[str, Any], name: str, expected: str) -> None:
    assert keys(post(square, path, **asked), name) == expected.split()


@pytest.mark.parametrize(
    ("path", "asked", "name", "expected"),
    [
        ("orders/search", {"location_ids": ALL, "query": updated("2017-01-01T00:00:00Z", None)}, "orders", "O1 O2 O4 O3 O5"),
        ("orders/search", {"location_ids": ALL, "query": updated("2017-01-01T00:00:00Z", None, sort_order="DESC")},
         "orders", "O5 O3 O4 O2 O1"),
        ("customers/search", {}, "customers", "C3 C1"),
        ("loyalty/accounts/search", {}, "loyalty_accounts", "LA1 LA2 LA3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_follow_each_other_without_loss_or_repeat_and_full_ones_end_without_a_cursor(
    square: Client, path: str, asked: dict[str, Any], name: str, expected: str, limit: int
) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    pages = 0
    while pages == 0 or cursor:
        answer = post(square, path, **asked, limit=limit, **cursor)
        found, pages = found + keys(answer, name), pages + 1
        cursor = {"cursor": answer["cursor"]} if "cursor" in answer else {}
    assert (found, pages) == (expected.split(), -(-len(expected.split()) // limit))


def test_a_cursor_with_another_query_is_refused(square: Client) -> None:
    asked = {"location_ids": ["L1"], "query": updated("2017-01-01T00:00:00Z", None)}
    asked["cursor"] = post(square, "orders/search", **asked, limit=1)["cursor"]
    answer = square.post("/square/v2/orders/search", json={**asked, "location_ids": ["L2"]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "INVALID_CURSOR")


def test_return_entries_gives_ids_instead_of_orders(square: Client) -> None:
    answer = post(square, "orders/search", location_ids=["L2"], return_entries=True)
    assert answer["order_entries"] == [{"order_id": "O2", "version": 1, "location_id": "L2"}]


def test_an_order_that_reaches_the_server_late_shows_when_the_clock_has_passed_and_not_on_an_older_cursor(
    tmp_path: Path,
) -> None:
    """An absent end is the time of the first request, on all its pages."""
    first = [
        order("O1", "L1", "2017-05-01T10:00:00"),
        order("O2", "L1", "2017-05-01T11:00:00", seen="2017-05-01T11:30:00"),
    ]
    world(tmp_path, [*first, order("O3", "L1", "2017-05-01T12:30:00")])
    asked = {"location_ids": ["L1"], "query": updated("2017-05-01T00:00:00Z", None), "limit": 1}
    with client(tmp_path, "square") as square:
        square.headers.update(AUTH)
        move_clock(square, "2017-05-01T11:29:59+00:00")
        assert "cursor" not in post(square, "orders/search", **asked)
        move_clock(square, "2017-05-01T12:00:00+00:00")
        cursor = post(square, "orders/search", **asked)["cursor"]
        move_clock(square, "2017-05-01T13:00:00+00:00")
        answer = post(square, "orders/search", **asked, cursor=cursor)
        assert (keys(answer), "cursor" in answer) == (["O2"], False)


def test_customers_show_their_newest_version_and_merged_away_ones_vanish(square: Client) -> None:
    seen = {}
    for day in ("2017-05-01", "2018-01-01"):
        move_clock(square, f"{day}T00:00:00+00:00")
        answer = post(square, "customers/search", count=True)
        seen[day] = [(each["id"], each.get("email_address")) for each in answer["customers"]]
        assert answer["count"] == len(seen[day])
    assert seen["2017-05-01"] == [("C2", None), ("C3", None), ("C1", None)]
    assert seen["2018-01-01"] == [("C3", None), ("C1", "zoë@example.com")]


def test_one_record_and_whole_lists_are_read(square: Client) -> None:
    assert square.get("/square/v2/customers/C4").json()["customer"]["id"] == "C4"
    assert keys(square.get("/square/v2/customers").json(), "customers") == ["C4", "C3", "C1"]
    nobody = square.get("/square/v2/customers/NOBODY")
    assert (nobody.status_code, nobody.json()["errors"][0]["code"]) == (404, "NOT_FOUND")
    assert keys(square.get("/square/v2/locations").json(), "locations") == ALL
    assert square.get("/square/v2/customers/groups").json() == {"groups": [{"id": "G1", "name": "Age: 45-54"}]}
    types = {"types": "item,CATEGORY"}
    first = square.get("/square/v2/catalog/list", params=types).json()
    rest = square.get("/square/v2/catalog/list", params={**types, "cursor": first["cursor"]}).json()
    assert (len(first["objects"]), len(rest["objects"])) == (100, 51)
    assert {each["type"] for each in rest["objects"]} == {"ITEM", "CATEGORY"}


def test_a_deleted_catalogue_object_is_gone_unless_deletions_are_asked_for(tmp_path: Path) -> None:
    gone, first = version("square", "catalog", "I1", None, updated="2017-03-01"), item("I1", "2017-01-01T00:00:00")
    world(tmp_path, [(*first[:7], gone[6], first[8]), gone])
    with client(tmp_path, "square") as square:
        square.headers.update(AUTH)
        assert "objects" not in post(square, "catalog/search")
        (deleted,) = post(square, "catalog/search", include_deleted_objects=True)["objects"]
        assert (deleted["id"], deleted["is_deleted"]) == ("I1", True)
        move_clock(square, "2017-02-01T00:00:00+00:00")
        assert keys(post(square, "catalog/search"), "objects") == ["I1"]


def test_token_version_and_faults_are_squares_own(square: Client) -> None:
    path = "/square/v2/locations"
    rules = [{"vendor": "square", "kind": kind, "times": 1, "seconds": 3} for kind in ("429", "expired_token")]
    square.post("/_control/faults", json=rules)
    answers = [square.get(path), square.get(path), square.get(path, headers={"Authorization": "Bearer other"})]
    assert [(answer.status_code, answer.json()["errors"][0]["code"]) for answer in answers] == [
        (429, "RATE_LIMITED"),
        (401, "ACCESS_TOKEN_EXPIRED"),
        (401, "UNAUTHORIZED"),
    ]
    assert answers[0].headers["Retry-After"] == "3"
    answer = square.get(path, headers={"Square-Version": "2026-09-16"})
    assert (answer.status_code, answer.headers["Square-Version"]) == (200, "2026-09-16")


def test_squares_own_sdk_reads_everything_over_http(tmp_path: Path) -> None:
    """The vendor's client is the judge of shapes: it parses each answer into its own models and pages by itself."""
    people = [customer(f"C{n:03}", "2017-02-01T00:00:00", {"given_name": f"N{n:03}"}) for n in range(150)]
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
