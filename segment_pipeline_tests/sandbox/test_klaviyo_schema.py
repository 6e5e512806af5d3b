"""Every answer of the sandbox's Klaviyo against the vendor's published schema, with its objects closed: no misspelt key passes."""

from collections.abc import Iterator

import pytest

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.contracts.published import Published, Schema, published
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, import_of, profile

VENDOR = "klaviyo"
FILE = "klaviyo_openapi_2026-07-15_trimmed.json"
JOBS = "/profile-bulk-import-jobs"
# Errors carry these beside what the schema names, as the vendor's pages show them.
MORE_OF_ERRORS: dict[str, Schema] = {"errors": {"status": {}, "links": {}, "meta": {}}}


@pytest.fixture
def vendor() -> Published:
    return published(FILE, MORE_OF_ERRORS)


@pytest.fixture
def klaviyo(server: SandboxServer, vendor: Published) -> Iterator[Klaviyo]:
    """What was asked and answered is held against the schema at the test's end, deliberate mistakes in a request aside."""
    server.record(limit=5_000)
    yield Klaviyo(server)
    asked = server.recorded("klaviyo")
    server.record(on=False)
    Klaviyo(server).settings(polls_to_complete=2)
    wrong = {why for each in asked for why in vendor.wrong(each, each["path"].removeprefix("/klaviyo"))}
    assert sorted(why for why in wrong if "requestBody" not in why) == []


def test_every_answer_is_one_the_vendor_describes(klaviyo: Klaviyo) -> None:
    listed = klaviyo.new_list("of the schema")
    people = [profile(email=email(), first_name="Ann", location={"city": "Oslo"}, properties={"tier": 1})]
    job = klaviyo.imported([*people, *(profile(email=email()) for _ in range(30)), profile(email="broken")], listed)
    errors = klaviyo.pages(f"{JOBS}/{job['id']}/import-errors")
    assert len(errors[0]) == 1
    for fields in ({}, {"fields[profile]": "email"}):
        for path in (f"{JOBS}/{job['id']}/profiles", "/profiles"):
            klaviyo.pages(path, **{**fields, "page[size]": 30})
    assert len(klaviyo.pages(f"/lists/{listed}/profiles", **{"page[size]": 20})) == 2
    assert len(klaviyo.pages(f"/lists/{listed}/relationships/profiles")) == 2
    klaviyo.pages("/lists")
    klaviyo.call("GET", f"/lists/{listed}")
    klaviyo.call("GET", f"/lists/{listed}", **{"additional-fields[list]": "profile_count"})
    [made] = klaviyo.pages("/profiles", filter=f'equals(email,"{people[0]["attributes"]["email"]}")')[0]
    for method in ("DELETE", "POST"):
        klaviyo.call(method, f"/lists/{listed}/relationships/profiles", [{"type": "profile", "id": made["id"]}])
    bounced = [{"reason": "HARD_BOUNCE", "timestamp": "2017-05-01T10:00:00+00:00"}]
    said = {"email": {"consent": "SUBSCRIBED", "suppression": bounced}, "sms": {"consent": "UNSUBSCRIBED"}}
    klaviyo.server.control("POST", "/klaviyo/people", {"email": email(), "subscriptions": said})
    since = {"filter": "greater-than(updated,2016-01-01T00:00:00Z),less-than(updated,2030-01-01T00:00:00Z)"}
    told = klaviyo.pages("/profiles", **{"additional-fields[profile]": "subscriptions", "sort": "updated", **since})
    assert sum(map(len, told)) > 30
    klaviyo.upsert(email=email())
    klaviyo.upsert(email=email().upper(), phone_number=None)
    klaviyo.call("POST", "/profiles", profile(email=email()))
    gone = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": people[0]}}}
    klaviyo.call("POST", "/data-privacy-deletion-jobs", gone)


def test_every_refusal_is_one_the_vendor_describes(klaviyo: Klaviyo) -> None:
    codes = [
        klaviyo.call("GET", "/lists/none").status_code,
        klaviyo.call("GET", "/lists/none/profiles").status_code,
        klaviyo.call("GET", f"{JOBS}/none").status_code,
        klaviyo.call("GET", "/profiles", filter="nonsense").status_code,
        klaviyo.call("GET", "/profiles", **{"fields[profile]": "shoe_size"}).status_code,
        klaviyo.call("POST", JOBS, import_of([])).status_code,
        klaviyo.upsert(email="broken").status_code,
    ]
    assert codes == [404, 404, 404, 400, 400, 400, 400]


def answer(vendor: Published, method: str, path: str, status: int, body: str) -> list[str]:
    asked = {"method": method, "query": [], "body": "", "answer": {"status": status, "body": body}}
    return list(vendor.wrong(asked, path))


@pytest.mark.parametrize(
    "wrong", ['{"data": [], "links": {"self": "x", "nxt": "y"}}', '{"data": [], "links": {}}', "not json"]
)
def test_an_answer_the_vendor_does_not_describe_is_seen(vendor: Published, wrong: str) -> None:
    assert answer(vendor, "GET", "/api/lists", 200, '{"data": [], "links": {"self": "x"}}') == []
    assert len(answer(vendor, "GET", "/api/lists", 200, wrong)) == 1


def test_a_job_state_the_vendor_does_not_know_is_seen(klaviyo: Klaviyo, vendor: Published) -> None:
    job = klaviyo.open_import([profile(email=email())]).text.replace('"queued"', '"done"')
    [why] = answer(vendor, "POST", "/api/profile-bulk-import-jobs", 202, job)
    assert "is not one of" in why


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/api/listen", [], ""),
        ("PUT", "/api/lists", [], ""),
        ("GET", "/api/lists", [("page[sise]", "3")], ""),
        ("POST", "/api/lists", [], '{"data": {"type": "list", "attributes": {"nome": "x"}}}'),
    ],
)
def test_a_request_the_vendor_does_not_describe_is_seen(
    vendor: Published, method: str, path: str, query: list[tuple[str, str]], body: str
) -> None:
    assert list(vendor.wrong({"method": method, "query": query, "body": body}, path))
