"""Klaviyo's lists, profiles and consent as its documents describe them, as far as the connector's tests and the SDK do not."""

from datetime import timedelta
from typing import Any

import pytest
import requests

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, errors, phone, profile

VENDOR = "klaviyo"
ROWS = "/data/attributes/profiles/data"
SUBSCRIBE, UNSUBSCRIBE = "profile-subscription-bulk-create-job", "profile-subscription-bulk-delete-job"
ERASE = {
    "type": "data-privacy-deletion-job",
    "attributes": {"profile": {"data": profile(email="x@x.com", phone_number="+1")}},
}
RELATION = "/lists/{l}/relationships/profiles"


@pytest.fixture
def klaviyo(server: SandboxServer) -> Klaviyo:
    return Klaviyo(server)


REFUSED: list[tuple[str, str, Any, int, list[tuple[str, str | None]]]] = [
    ("POST", "/lists", {"type": "list", "attributes": {}}, 400, [("invalid", "/data/attributes/name")]),
    ("POST", "/profile-import", profile(email="broken"), 400, [("invalid", "/data/attributes/email")]),
    ("POST", "/profile-import", profile(email="a b@x.com"), 400, [("invalid", "/data/attributes/email")]),
    ("POST", "/profile-import", profile(phone_number="555"), 400, [("invalid", "/data/attributes/phone_number")]),
    ("POST", "/profile-import", profile(first_name="Ann"), 400, [("invalid", "/data/attributes")]),
    ("POST", "/profile-import", profile(external_id="1", size=4), 400, [("invalid", "/data/attributes/size")]),
    ("POST", RELATION, [{"type": "profile", "id": "nobody"}], 404, [("not_found", "/data")]),
    ("DELETE", RELATION, [{"type": "profile", "id": str(n)} for n in range(1001)], 400, [("invalid", "/data")]),
    ("POST", "/data-privacy-deletion-jobs", ERASE, 400, [("invalid", "/data/attributes/profile")]),
    ("GET", '/profiles?filter=contains(email,"x")', None, 400, [("invalid", None)]),
    ("GET", "/profiles?filter=any(email,x)", None, 400, [("invalid", None)]),
    ("GET", "/profiles?page[size]=101", None, 400, [("invalid", None)]),
    ("GET", "/pigeons", None, 404, [("not_found", "/data")]),
    ("GET", "/v2/lists", None, 410, [("gone", "/data")]),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "data", "status", "expected"), REFUSED)
def test_what_the_api_refuses_and_where_it_points(
    klaviyo: Klaviyo, method: str, path: str, data: Any, status: int, expected: Any
) -> None:
    answer = klaviyo.call(method, path.format(l=klaviyo.new_list()), data)
    assert (answer.status_code, errors(answer)) == (status, expected)


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


def test_lists_come_in_pages_of_ten_are_found_by_exact_name_and_limited_per_day(klaviyo: Klaviyo) -> None:
    created = [klaviyo.new_list('Winter "sale", 2018' if number == 7 else f"paged {number}") for number in range(12)]
    pages = klaviyo.pages("/lists")
    assert {len(page) for page in pages[:-1]} == {10}
    assert [one["id"] for page in pages for one in page][-12:] == created
    found = klaviyo.call("GET", "/lists", filter='equals(name,"Winter \\"sale\\", 2018")').json()["data"]
    assert [one["id"] for one in found] == [created[7]]
    klaviyo.server.set_clock(NOON + timedelta(days=400))
    klaviyo.settings(lists_per_day=1)
    klaviyo.new_list()
    data = {"type": "list", "attributes": {"name": "one too many"}}
    assert klaviyo.call("POST", "/lists", data).status_code == 429
    klaviyo.server.set_clock(NOON + timedelta(days=401))
    assert klaviyo.call("POST", "/lists", data).status_code == 201


def test_an_import_is_bounded_in_rows_and_bytes_and_into_lists_that_are_there(klaviyo: Klaviyo) -> None:
    for rows in (0, 10_001):
        answer = klaviyo.open_import([profile(external_id=f"cap{number}") for number in range(rows)])
        assert (answer.status_code, errors(answer)) == (400, [("invalid", ROWS)])
    wide = [profile(external_id=f"w{number}", properties={"p": "x" * 90_000}) for number in range(60)]
    assert klaviyo.open_import(wide).status_code == 413
    assert klaviyo.open_import([profile(email=email())], "NOLIST").status_code == 404
    klaviyo.settings(error_pointer="indexed")
    people = [profile(external_id=f"f{number}") for number in range(25)]
    job = klaviyo.imported([*people, profile(email=email(), properties={"p": "x" * 103_000})])
    assert (job["attributes"]["completed_count"], job["attributes"]["failed_count"]) == (25, 1)
    path = f"/profile-bulk-import-jobs/{job['id']}"
    [[failed]] = klaviyo.pages(f"{path}/import-errors")
    assert failed["attributes"]["source"] == {"pointer": f"{ROWS}/25"}
    assert [len(page) for page in klaviyo.pages(f"{path}/profiles")] == [20, 5]


def test_adding_an_unknown_profile_adds_nobody(klaviyo: Klaviyo) -> None:
    identifier, known = klaviyo.new_list(), klaviyo.upsert(email=email()).json()["data"]["id"]
    people = [{"type": "profile", "id": each} for each in (known, "nobody")]
    assert klaviyo.call("POST", f"/lists/{identifier}/relationships/profiles", people).status_code == 404
    assert klaviyo.members(identifier) == []


def test_strict_validation_refuses_the_import_and_points_at_every_bad_row(klaviyo: Klaviyo) -> None:
    klaviyo.settings(bulk_validation="batch")
    answer = klaviyo.open_import([profile(email="broken"), profile(email=email()), profile(phone_number="12")])
    wrong = [f"{ROWS}/0/attributes/email", f"{ROWS}/2/attributes/phone_number"]
    assert errors(answer) == [("invalid", where) for where in wrong]


def test_an_import_matches_by_e_mail_in_any_case_and_anothers_phone_is_a_duplicate(klaviyo: Klaviyo) -> None:
    shared, ann, bob = phone(), email(), email()
    klaviyo.upsert(email=ann, phone_number=shared)
    klaviyo.upsert(email=bob)
    job = klaviyo.imported([profile(email=bob.upper(), phone_number=shared)])
    [[error]] = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert (job["attributes"]["failed_count"], error["attributes"]["code"]) == (1, "duplicate_profile")
    klaviyo.settings(conflicts="drop")
    assert klaviyo.imported([profile(email=bob, phone_number=shared)])["attributes"]["failed_count"] == 0
    [found] = klaviyo.call("GET", "/profiles", filter=f'equals(phone_number,"{shared}")').json()["data"]
    assert found["attributes"]["email"] == ann


def test_a_profile_is_patched_by_its_id_and_its_properties_by_their_names(klaviyo: Klaviyo) -> None:
    old, new = email(), email()
    identifier = klaviyo.upsert(email=old, properties={"tags": ["a", "b"], "old": 1}).json()["data"]["id"]
    sent = {**profile(email=new), "id": identifier}
    sent["meta"] = {"patch_properties": {"append": {"tags": "c"}, "unappend": {"tags": "a"}, "unset": "old"}}
    changed = klaviyo.call("PATCH", f"/profiles/{identifier}", sent).json()["data"]["attributes"]
    assert (changed["email"], changed["properties"]) == (new, {"tags": ["b", "c"]})
    assert klaviyo.upsert(email=old).status_code == 201


def test_klaviyos_own_limits_can_be_turned_on(klaviyo: Klaviyo) -> None:
    klaviyo.settings(limit_factor=1)
    data = {**ERASE, "attributes": {"profile": {"data": profile(email="nobody@example.com")}}}
    answers = [klaviyo.call("POST", "/data-privacy-deletion-jobs", data) for _ in range(30)]
    assert answers[0].headers["RateLimit-Limit"] == "3, 3;w=1, 60;w=60"
    refused = [answer for answer in answers if answer.status_code == 429]
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert not [name for name in refused[0].headers if name.lower().startswith("ratelimit")]
    assert klaviyo.upsert(email=email()).status_code == 201, "another endpoint has a limit of its own"


def said(klaviyo: Klaviyo, kind: str, *addresses: str, into: str | None = None, **more: Any) -> requests.Response:
    people = [profile(email=address) for address in addresses]
    data: dict[str, Any] = {"type": kind, "attributes": {"profiles": {"data": people}, **more}}
    if into is not None:
        data["relationships"] = {"list": {"data": {"type": "list", "id": into}}}
    answer = klaviyo.call("POST", f"/{kind}s", data)
    assert answer.status_code == 202, answer.text
    return answer


def marketing(klaviyo: Klaviyo, address: str) -> dict[str, Any]:
    query = {"filter": f'equals(email,"{address}")', "additional-fields[profile]": "subscriptions"}
    [found] = klaviyo.call("GET", "/profiles", **query).json()["data"]
    held: dict[str, Any] = found["attributes"]["subscriptions"]["email"]["marketing"]
    return held


def test_consent_is_withdrawn_given_again_and_untouched_by_lists_and_imports(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    said(klaviyo, UNSUBSCRIBE, address)
    before = klaviyo.server.control("GET", "/klaviyo/consents")
    klaviyo.imported([profile(email=address)], identifier)
    assert klaviyo.server.control("GET", "/klaviyo/consents") == before
    held = marketing(klaviyo, address)
    assert (held["consent"], held["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    assert said(klaviyo, SUBSCRIBE, address).content == b""
    held = marketing(klaviyo, address)
    assert (held["consent"], held["can_receive_email_marketing"], held["suppression"]) == ("SUBSCRIBED", True, [])


def test_subscribing_joins_a_single_opt_in_list_at_once_and_a_double_one_only_historically(klaviyo: Klaviyo) -> None:
    single, double, address = klaviyo.new_list(), klaviyo.new_list(opt_in="double_opt_in"), email()
    for wanted in (single, double):
        said(klaviyo, SUBSCRIBE, address, into=wanted)
    assert (len(klaviyo.members(single)), len(klaviyo.members(double))) == (1, 0)
    said(klaviyo, SUBSCRIBE, address, into=double, historical_import=True)
    assert len(klaviyo.members(double)) == 1


def test_unsubscribing_a_member_is_for_the_list_and_a_stranger_for_everything(klaviyo: Klaviyo) -> None:
    identifier, member, stranger = klaviyo.new_list(), email(), email()
    said(klaviyo, SUBSCRIBE, member, into=identifier)
    said(klaviyo, SUBSCRIBE, stranger)
    said(klaviyo, UNSUBSCRIBE, member, stranger, into=identifier)
    assert klaviyo.members(identifier) == []
    held = marketing(klaviyo, member)
    assert (held["consent"], held["list_suppressions"][0]["list_id"]) == ("SUBSCRIBED", identifier)
    assert marketing(klaviyo, stranger)["consent"] == "UNSUBSCRIBED"


def test_suppressing_is_lifted_by_unsuppressing(klaviyo: Klaviyo) -> None:
    address = email()
    for kind, reasons in (("create", ["USER_SUPPRESSED"]), ("delete", [])):
        said(klaviyo, f"profile-suppression-bulk-{kind}-job", address)
        assert [one["reason"] for one in marketing(klaviyo, address)["suppression"]] == reasons
