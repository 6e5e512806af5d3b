"""Klaviyo's lists and profiles as its documents describe them, as far as the connector's tests and the SDK do not."""

from datetime import timedelta
from typing import Any

import pytest
import requests

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, errors, import_of, phone, profile

VENDOR = "klaviyo"
ROWS = "/data/attributes/profiles/data"
ERASE = "data-privacy-deletion-job"
RELATION = "/lists/{l}/relationships/profiles"
JOBS = "/profile-bulk-import-jobs"
NOBODY = {"type": "profile", "id": "nobody"}
PATCHED = {**profile(external_id="1"), "meta": {"patch_properties": {"append": {"tags": "x"}}}}


@pytest.fixture
def klaviyo(server: SandboxServer) -> Klaviyo:
    return Klaviyo(server)


def erasure(**named: str) -> dict[str, Any]:
    return {"type": ERASE, "attributes": {"profile": {"data": profile(**named)}}}


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "expected"),
    [
        ("POST", "/lists", {"type": "list", "attributes": {}}, 400, ("invalid", "/data/attributes/name")),
        ("POST", "/profile-import", profile(email="broken"), 400, ("invalid", "/data/attributes/email")),
        ("POST", "/profile-import", profile(email="a b@x.com"), 400, ("invalid", "/data/attributes/email")),
        ("POST", "/profile-import", profile(phone_number="555"), 400, ("invalid", "/data/attributes/phone_number")),
        ("POST", "/profile-import", profile(first_name="Ann"), 400, ("invalid", "/data/attributes")),
        ("POST", "/profile-import", profile(external_id="1", size=4), 400, ("invalid", "/data/attributes/size")),
        ("POST", "/profile-import", profile(external_id="1", title="x" * 103_000), 400, ("invalid", "/data")),
        ("POST", "/profile-import", PATCHED, 400, ("invalid", "/data/meta")),
        ("POST", JOBS, import_of([]), 400, ("invalid", ROWS)),
        ("POST", JOBS, import_of([profile(external_id=f"{n}") for n in range(10_001)]), 400, ("invalid", ROWS)),
        ("POST", JOBS, import_of([profile(external_id="1")], "NOLIST"), 404, ("not_found", "/data")),
        ("POST", JOBS, import_of([profile(organization="x" * 99_000)] * 54), 413, ("payload_too_large", "/data")),
        ("POST", RELATION, [NOBODY], 404, ("not_found", "/data")),
        ("DELETE", RELATION, [NOBODY] * 1001, 400, ("invalid", "/data")),
        ("POST", f"/{ERASE}s", erasure(email="x@x.com", phone_number="+1"), 400, ("invalid", "/data/attributes/profile")),
        ("GET", '/profiles?filter=contains(email,"x")', None, 400, ("invalid", None)),
        ("GET", "/profiles?filter=any(email,x)", None, 400, ("invalid", None)),
        ("GET", "/profiles?page[size]=101", None, 400, ("invalid", None)),
        ("GET", "/pigeons", None, 404, ("not_found", "/data")),
        ("GET", "/v2/lists", None, 410, ("gone", "/data")),
    ],
)  # fmt: skip
def test_what_the_api_refuses_and_where_it_points(
    klaviyo: Klaviyo, method: str, path: str, data: Any, status: int, expected: Any
) -> None:
    answer = klaviyo.call(method, path.format(l=klaviyo.new_list()), data)
    assert (answer.status_code, errors(answer)) == (status, [expected])


@pytest.mark.parametrize(
    ("key", "revision", "status"),
    [
        (None, "2026-10-15", 401),
        ("Bearer pk_sandbox", "2026-10-15", 401),
        ("Klaviyo-API-Key pk_other", "2026-10-15", 401),
        ("Klaviyo-API-Key pk_sandbox", None, 400),
        ("Klaviyo-API-Key pk_sandbox", "latest", 400),
        ("Klaviyo-API-Key pk_sandbox", "2023-02-22", 410),
        ("Klaviyo-API-Key pk_sandbox", "2025-01-15", 200),
    ],
)
def test_key_and_revision_are_checked(klaviyo: Klaviyo, key: str | None, revision: str | None, status: int) -> None:
    headers = {"Authorization": key, "revision": revision}
    assert requests.get(f"{klaviyo.base}/lists/", headers=headers, timeout=10).status_code == status


def test_new_lists_are_limited_per_day(klaviyo: Klaviyo) -> None:
    klaviyo.server.set_clock(NOON + timedelta(days=400))
    klaviyo.settings(lists_per_day=1)
    klaviyo.new_list()
    data = {"type": "list", "attributes": {"name": "one too many"}}
    assert klaviyo.call("POST", "/lists", data).status_code == 429
    klaviyo.server.set_clock(NOON + timedelta(days=401))
    assert klaviyo.call("POST", "/lists", data).status_code == 201


def test_adding_an_unknown_profile_adds_nobody(klaviyo: Klaviyo) -> None:
    path, known = RELATION.format(l=klaviyo.new_list()), klaviyo.upsert(email=email()).json()["data"]["id"]
    assert klaviyo.call("POST", path, [{"type": "profile", "id": known}, NOBODY]).status_code == 404
    assert klaviyo.pages(path) == [[]]


def test_an_import_matches_by_e_mail_in_any_case_and_anothers_phone_is_a_duplicate(klaviyo: Klaviyo) -> None:
    shared, bob = phone(), email()
    klaviyo.upsert(email=email(), phone_number=shared)
    assert (klaviyo.upsert(email=bob).status_code, klaviyo.upsert(email=bob.upper()).status_code) == (201, 200)
    job = klaviyo.imported([profile(email=bob, phone_number=shared)])
    [[error]] = klaviyo.pages(f"{JOBS}/{job['id']}/import-errors")
    assert (job["attributes"]["failed_count"], error["attributes"]["code"]) == (1, "duplicate_profile")


def test_klaviyos_own_limits_can_be_turned_on(klaviyo: Klaviyo) -> None:
    klaviyo.settings(limit_factor=1)
    answers = [klaviyo.call("POST", f"/{ERASE}s", erasure(email="nobody@example.com")) for _ in range(30)]
    assert answers[0].headers["RateLimit-Limit"] == "3, 3;w=1, 60;w=60"
    refused = [answer for answer in answers if answer.status_code == 429]
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert not [name for name in refused[0].headers if name.lower().startswith("ratelimit")]
    assert klaviyo.upsert(email=email()).status_code == 201, "another endpoint has a limit of its own"


def test_errors_of_a_job_are_read_at_the_pace_of_bulk_jobs(klaviyo: Klaviyo) -> None:
    job = klaviyo.imported([profile(email=email())])
    klaviyo.settings(limit_factor=1)
    answer = klaviyo.call("GET", f"{JOBS}/{job['id']}/import-errors")
    assert answer.headers["RateLimit-Limit"] == "10, 10;w=1, 150;w=60"
    assert klaviyo.call("GET", "/profiles").headers["RateLimit-Limit"] == "75, 75;w=1, 750;w=60"
