"""Klaviyo's lists, profiles and imports as its documents describe them, and consent that they leave alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from segment_pipeline.sandbox.klaviyo_api import KlaviyoError, Limits
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Klaviyo, profile

NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)
numbers = iter(range(1, 10_000_000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("klaviyo"), vendors=["klaviyo"]) as server:
        yield server


@pytest.fixture
def klaviyo(server: SandboxServer) -> Iterator[Klaviyo]:
    server.set_clock(NOON)
    defaults = server.control("GET", "/klaviyo/settings")
    yield Klaviyo(server)
    server.control("PUT", "/klaviyo/settings", defaults)


def email() -> str:
    """An address no other test has used."""
    return f"person{next(numbers)}@example.com"


def phone() -> str:
    return f"+1555{next(numbers):07}"


def errors(answer: requests.Response) -> list[tuple[str, str | None]]:
    """(code, pointer) of each error."""
    return [(one["code"], one["source"].get("pointer")) for one in answer.json()["errors"]]


def subscriptions(klaviyo: Klaviyo, address: str) -> dict[str, Any]:
    query = {"filter": f'equals(email,"{address}")', "additional-fields[profile]": "subscriptions"}
    [found] = klaviyo.call("GET", "/profiles", **query).json()["data"]
    held: dict[str, Any] = found["attributes"]["subscriptions"]
    return held


# Lists


def test_a_list_is_found_by_its_exact_name(klaviyo: Klaviyo) -> None:
    identifier = klaviyo.new_list('Winter "sale", 2018')
    klaviyo.new_list("Winter")
    found = klaviyo.call("GET", "/lists", filter='equals(name,"Winter \\"sale\\", 2018")').json()["data"]
    assert [(one["id"], one["attributes"]["name"]) for one in found] == [(identifier, 'Winter "sale", 2018')]


def test_lists_come_in_pages_of_ten_with_a_next_link(klaviyo: Klaviyo) -> None:
    created = [klaviyo.new_list(f"paged {number}") for number in range(25)]
    pages = klaviyo.pages("/lists")
    assert {len(page) for page in pages[:-1]} == {10}
    assert [one["id"] for page in pages for one in page if one["attributes"]["name"].startswith("paged")] == created


def test_a_list_needs_a_name(klaviyo: Klaviyo) -> None:
    answer = klaviyo.call("POST", "/lists", {"type": "list", "attributes": {}})
    assert (answer.status_code, errors(answer)) == (400, [("invalid", "/data/attributes/name")])


def test_new_lists_are_limited_per_day_of_the_sandbox(klaviyo: Klaviyo) -> None:
    klaviyo.server.set_clock(NOON + timedelta(days=400))
    klaviyo.settings(lists_per_day=1)
    klaviyo.new_list()
    data = {"type": "list", "attributes": {"name": "one too many"}}
    assert klaviyo.call("POST", "/lists", data).status_code == 429
    klaviyo.server.set_clock(NOON + timedelta(days=401))
    assert klaviyo.call("POST", "/lists", data).status_code == 201


def test_membership_by_profile_id_is_added_read_back_in_pages_and_removed(klaviyo: Klaviyo) -> None:
    identifier, path = klaviyo.new_list(), "/lists/{}/relationships/profiles"
    path = path.format(identifier)
    people = [{"type": "profile", "id": klaviyo.upsert(email=email()).json()["data"]["id"]} for _ in range(5)]
    assert klaviyo.call("POST", path, people).status_code == 204
    assert klaviyo.call("POST", path, people[:1]).status_code == 204
    pages = klaviyo.pages(path, **{"page[size]": 2})
    assert pages == [people[:2], people[2:4], people[4:]]
    gone = klaviyo.call("DELETE", path, people[1:])
    assert (gone.status_code, gone.content) == (204, b"")
    assert klaviyo.pages(path) == [people[:1]]
    assert klaviyo.call("DELETE", path, people).status_code == 204
    assert klaviyo.members(identifier) == []


def test_a_membership_call_takes_a_thousand_profiles_and_no_more(klaviyo: Klaviyo) -> None:
    identifier = klaviyo.new_list()
    klaviyo.imported([profile(external_id=f"many{number}") for number in range(1001)], identifier)
    people = [
        one
        for page in klaviyo.pages(f"/lists/{identifier}/relationships/profiles", **{"page[size]": 100})
        for one in page
    ]
    assert len(people) == 1001
    path = f"/lists/{identifier}/relationships/profiles"
    assert klaviyo.call("DELETE", path, people).status_code == 400
    assert klaviyo.call("DELETE", path, people[:1000]).status_code == 204
    assert klaviyo.members(identifier) == [{"external_id": "many1000"}]


def test_adding_an_unknown_profile_is_refused_and_adds_nobody(klaviyo: Klaviyo) -> None:
    identifier = klaviyo.new_list()
    known = {"type": "profile", "id": klaviyo.upsert(email=email()).json()["data"]["id"]}
    answer = klaviyo.call(
        "POST", f"/lists/{identifier}/relationships/profiles", [known, {"type": "profile", "id": "nobody"}]
    )
    assert answer.status_code == 404
    assert klaviyo.members(identifier) == []


# Imports


def test_an_import_is_queued_then_processing_then_complete_and_joins_the_list(klaviyo: Klaviyo) -> None:
    klaviyo.settings(polls_to_complete=3)
    identifier, address = klaviyo.new_list(), email()
    opened = klaviyo.open_import([profile(email=address, properties={"tier": "gold"})], identifier)
    job = opened.json()["data"]
    seen = [job["attributes"]["status"]]
    for _ in range(3):
        job = klaviyo.call("GET", f"/profile-bulk-import-jobs/{job['id']}").json()["data"]
        seen.append(job["attributes"]["status"])
    assert opened.status_code == 202
    assert seen == ["queued", "queued", "processing", "complete"]
    assert (
        job["attributes"]["total_count"],
        job["attributes"]["completed_count"],
        job["attributes"]["failed_count"],
    ) == (1, 1, 0)
    assert klaviyo.members(identifier) == [{"email": address, "properties": {"tier": "gold"}}]


def test_a_job_that_nobody_polls_completes_by_the_sandboxs_clock(klaviyo: Klaviyo) -> None:
    klaviyo.settings(polls_to_complete=100)
    path = f"/profile-bulk-import-jobs/{klaviyo.open_import([profile(email=email())]).json()['data']['id']}"
    klaviyo.server.set_clock(NOON + timedelta(seconds=299))
    assert klaviyo.call("GET", path).json()["data"]["attributes"]["status"] == "queued"
    klaviyo.server.set_clock(NOON + timedelta(seconds=300))
    assert klaviyo.call("GET", path).json()["data"]["attributes"]["status"] == "complete"


def test_profiles_may_appear_only_when_the_job_is_complete(klaviyo: Klaviyo) -> None:
    klaviyo.settings(apply_jobs="when_complete")
    identifier = klaviyo.new_list()
    path = f"/profile-bulk-import-jobs/{klaviyo.open_import([profile(external_id='late')], identifier).json()['data']['id']}"
    klaviyo.call("GET", path)
    assert klaviyo.members(identifier) == []
    klaviyo.call("GET", path)
    assert klaviyo.members(identifier) == [{"external_id": "late"}]


def test_bad_rows_fail_alone_and_are_paged_with_what_was_sent(klaviyo: Klaviyo) -> None:
    identifier = klaviyo.new_list()
    good = email()
    bad = [profile(email=f"broken{number}") for number in range(22)]
    job = klaviyo.imported([*bad, profile(email=good), profile(phone_number="0171 555")], identifier)
    assert (
        job["attributes"]["total_count"],
        job["attributes"]["completed_count"],
        job["attributes"]["failed_count"],
    ) == (24, 1, 23)
    assert klaviyo.members(identifier) == [{"email": good}]
    pages = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert [len(page) for page in pages] == [20, 3]
    sent = [error["attributes"]["original_payload"] for page in pages for error in page]
    assert sent == [*bad, profile(phone_number="0171 555")]
    assert {error["attributes"]["source"]["pointer"] for page in pages for error in page} == {"/data"}


def test_an_error_may_point_at_its_row(klaviyo: Klaviyo) -> None:
    klaviyo.settings(error_pointer="indexed")
    job = klaviyo.imported([profile(email=email()), profile(email="broken")])
    [[error]] = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert error["attributes"]["source"]["pointer"] == "/data/attributes/profiles/data/1/attributes/email"


def test_the_profiles_of_a_job_are_paged(klaviyo: Klaviyo) -> None:
    addresses = [email() for _ in range(25)]
    job = klaviyo.imported([profile(email=address) for address in addresses])
    pages = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/profiles")
    assert [len(page) for page in pages] == [20, 5]
    assert [one["attributes"]["email"] for page in pages for one in page] == addresses


@pytest.mark.parametrize("rows", [0, 10_001])
def test_an_import_takes_from_one_to_ten_thousand_profiles(klaviyo: Klaviyo, rows: int) -> None:
    answer = klaviyo.open_import([profile(external_id=f"cap{number}") for number in range(rows)])
    assert (answer.status_code, errors(answer)) == (400, [("invalid", "/data/attributes/profiles/data")])


def test_an_import_over_five_megabytes_is_refused(klaviyo: Klaviyo) -> None:
    wide = "x" * 90_000
    assert (
        klaviyo.open_import(
            [profile(external_id=f"w{number}", properties={"p": wide}) for number in range(60)]
        ).status_code
        == 413
    )


def test_a_profile_over_a_hundred_kilobytes_fails_alone(klaviyo: Klaviyo) -> None:
    job = klaviyo.imported([profile(email=email(), properties={"p": "x" * 103_000}), profile(email=email())])
    assert (job["attributes"]["completed_count"], job["attributes"]["failed_count"]) == (1, 1)


def test_a_poison_row_refuses_the_whole_import_with_a_pointer_to_it(klaviyo: Klaviyo) -> None:
    identifier, poison, good = klaviyo.new_list(), email(), email()
    klaviyo.settings(poison=[poison])
    answer = klaviyo.open_import([profile(email=good), profile(email=poison)], identifier)
    assert (answer.status_code, errors(answer)) == (
        400,
        [("invalid", "/data/attributes/profiles/data/1/attributes/email")],
    )
    assert klaviyo.members(identifier) == []


def test_strict_validation_refuses_the_import_and_points_at_every_bad_row(klaviyo: Klaviyo) -> None:
    klaviyo.settings(bulk_validation="batch")
    where = "/data/attributes/profiles/data"
    answer = klaviyo.open_import([profile(email="broken"), profile(email=email()), profile(phone_number="12")])
    assert errors(answer) == [
        ("invalid", f"{where}/0/attributes/email"),
        ("invalid", f"{where}/2/attributes/phone_number"),
    ]


def test_an_import_into_an_unknown_list_is_refused(klaviyo: Klaviyo) -> None:
    assert klaviyo.open_import([profile(email=email())], "NOLIST").status_code == 404


# Profiles


@pytest.mark.parametrize("name", ["email", "phone_number", "external_id"])
def test_an_upsert_finds_its_profile_by_any_identifier(klaviyo: Klaviyo, name: str) -> None:
    value = {"email": email, "phone_number": phone, "external_id": email}[name]()
    first, second = klaviyo.upsert(**{name: value}), klaviyo.upsert(**{name: value, "first_name": "Ann"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["data"]["id"] == second.json()["data"]["id"]


def test_e_mail_addresses_are_compared_without_case(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address)
    assert klaviyo.upsert(email=address.upper()).status_code == 200


def test_null_clears_a_field_and_absence_leaves_it(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address, first_name="Ann", last_name="Lee", properties={"tier": "gold", "size": 4})
    changed = klaviyo.upsert(email=address, first_name=None, properties={"tier": "silver"}).json()["data"]["attributes"]
    assert (changed["first_name"], changed["last_name"]) == (None, "Lee")
    assert changed["properties"] == {"tier": "silver", "size": 4}


def test_patch_properties_append_unappend_and_unset(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.upsert(email=address, properties={"tags": ["a", "b"], "old": 1})
    sent = profile(email=address)
    sent["meta"] = {"patch_properties": {"append": {"tags": "c"}, "unappend": {"tags": "a"}, "unset": "old"}}
    changed = klaviyo.call("POST", "/profile-import", sent).json()["data"]["attributes"]
    assert changed["properties"] == {"tags": ["b", "c"]}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"email": "broken"}, "/data/attributes/email"),
        ({"email": "a b@example.com"}, "/data/attributes/email"),
        ({"phone_number": "5551234567"}, "/data/attributes/phone_number"),
        ({"first_name": "Ann"}, "/data/attributes"),
        ({"external_id": "1", "shoe_size": 44}, "/data/attributes/shoe_size"),
    ],
)
def test_a_bad_profile_is_refused_at_once_with_a_pointer(
    klaviyo: Klaviyo, attributes: dict[str, Any], pointer: str
) -> None:
    answer = klaviyo.upsert(**attributes)
    assert (answer.status_code, errors(answer)) == (400, [("invalid", pointer)])


def test_creating_an_existing_profile_is_a_conflict_that_names_it(klaviyo: Klaviyo) -> None:
    address = email()
    existing = klaviyo.upsert(email=address).json()["data"]["id"]
    answer = klaviyo.call("POST", "/profiles", profile(email=address))
    assert (answer.status_code, errors(answer)) == (409, [("duplicate_profile", "/data/attributes")])
    assert answer.json()["errors"][0]["meta"]["duplicate_profile_id"] == existing


def test_an_import_matches_by_e_mail_first_and_anothers_phone_is_a_duplicate(klaviyo: Klaviyo) -> None:
    shared, ann, bob = phone(), email(), email()
    klaviyo.upsert(email=ann, phone_number=shared)
    klaviyo.upsert(email=bob)
    job = klaviyo.imported([profile(email=bob, phone_number=shared)])
    [[error]] = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert (job["attributes"]["failed_count"], error["attributes"]["code"]) == (1, "duplicate_profile")
    klaviyo.settings(conflicts="drop")
    assert klaviyo.imported([profile(email=bob, phone_number=shared)])["attributes"]["failed_count"] == 0
    [found] = klaviyo.call("GET", "/profiles", filter=f'equals(phone_number,"{shared}")').json()["data"]
    assert found["attributes"]["email"] == ann


def test_two_rows_of_one_import_about_one_person_make_one_profile(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.imported(
        [profile(email=address, first_name="A"), profile(email=address, external_id=f"x-{address}")], identifier
    )
    assert klaviyo.members(identifier) == [{"email": address, "external_id": f"x-{address}", "first_name": "A"}]


def test_a_profile_gives_up_an_old_address_when_it_gets_a_new_one(klaviyo: Klaviyo) -> None:
    old, new = email(), email()
    identifier = klaviyo.upsert(email=old).json()["data"]["id"]
    klaviyo.call("PATCH", f"/profiles/{identifier}", {**profile(email=new), "id": identifier})
    assert klaviyo.call("GET", "/profiles", filter=f'equals(email,"{old}")').json()["data"] == []
    assert klaviyo.upsert(email=old).status_code == 201


def test_profiles_are_looked_up_by_many_values_over_pages(klaviyo: Klaviyo) -> None:
    addresses = [email() for _ in range(50)]
    klaviyo.imported([profile(email=address) for address in addresses])
    query = 'any(email,["' + '","'.join(addresses) + '"])'
    pages = klaviyo.pages("/profiles", filter=query)
    assert [len(page) for page in pages] == [20, 20, 10]
    assert [one["attributes"]["email"] for page in pages for one in page] == addresses
    assert len(klaviyo.pages("/profiles", filter=query, **{"page[size]": 100})) == 1


@pytest.mark.parametrize("query", [{"filter": 'contains(email,"x")'}, {"filter": "any(email,x)"}, {"page[size]": 101}])
def test_a_wrong_query_is_a_400_that_names_the_parameter(klaviyo: Klaviyo, query: dict[str, Any]) -> None:
    answer = klaviyo.call("GET", "/profiles", **query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["parameter"] == next(iter(query))


def test_erasure_forgets_the_profile_and_its_memberships(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.imported([profile(email=address)], identifier)
    data: dict[str, Any] = {
        "type": "data-privacy-deletion-job",
        "attributes": {"profile": {"data": profile(email=address)}},
    }
    assert klaviyo.call("POST", "/data-privacy-deletion-jobs", data).status_code == 202
    assert klaviyo.members(identifier) == []
    assert klaviyo.call("GET", "/profiles", filter=f'equals(email,"{address}")').json()["data"] == []
    data["attributes"]["profile"]["data"]["attributes"]["phone_number"] = phone()
    assert klaviyo.call("POST", "/data-privacy-deletion-jobs", data).status_code == 400


# Consent


def consent_job(kind: str, *addresses: str, wanted: str | None = None, **more: Any) -> dict[str, Any]:
    people = [profile(email=address) for address in addresses]
    data: dict[str, Any] = {"type": kind, "attributes": {"profiles": {"data": people}, **more}}
    if wanted is not None:
        data["relationships"] = {"list": {"data": {"type": "list", "id": wanted}}}
    return data


SUBSCRIBE, UNSUBSCRIBE = "profile-subscription-bulk-create-job", "profile-subscription-bulk-delete-job"


def test_joining_and_leaving_a_list_never_changes_consent(klaviyo: Klaviyo) -> None:
    identifier, address = klaviyo.new_list(), email()
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, address))
    before = klaviyo.server.control("GET", "/klaviyo/consents")
    job = klaviyo.imported([profile(email=address)], identifier)
    people = [
        {"type": "profile", "id": one["id"]}
        for one in klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/profiles")[0]
    ]
    klaviyo.call("DELETE", f"/lists/{identifier}/relationships/profiles", people)
    assert klaviyo.server.control("GET", "/klaviyo/consents") == before
    assert subscriptions(klaviyo, address)["email"]["marketing"]["consent"] == "UNSUBSCRIBED"


def test_subscribing_answers_nothing_and_lifts_an_unsubscription(klaviyo: Klaviyo) -> None:
    address = email()
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, address))
    assert subscriptions(klaviyo, address)["email"]["marketing"]["can_receive_email_marketing"] is False
    answer = klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address))
    assert (answer.status_code, answer.content) == (202, b"")
    marketing = subscriptions(klaviyo, address)["email"]["marketing"]
    assert (marketing["consent"], marketing["can_receive_email_marketing"], marketing["suppression"]) == (
        "SUBSCRIBED",
        True,
        [],
    )


def test_subscribing_joins_a_single_opt_in_list_at_once_and_a_double_one_only_historically(klaviyo: Klaviyo) -> None:
    single, double, address = klaviyo.new_list(), klaviyo.new_list(opt_in="double_opt_in"), email()
    for wanted in (single, double):
        klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address, wanted=wanted))
    assert (len(klaviyo.members(single)), len(klaviyo.members(double))) == (1, 0)
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, address, wanted=double, historical_import=True))
    assert len(klaviyo.members(double)) == 1


def test_unsubscribing_a_member_is_for_the_list_and_a_stranger_for_everything(klaviyo: Klaviyo) -> None:
    identifier, member, stranger = klaviyo.new_list(), email(), email()
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, member, wanted=identifier))
    klaviyo.call("POST", f"/{SUBSCRIBE}s", consent_job(SUBSCRIBE, stranger))
    klaviyo.call("POST", f"/{UNSUBSCRIBE}s", consent_job(UNSUBSCRIBE, member, stranger, wanted=identifier))
    assert klaviyo.members(identifier) == []
    assert subscriptions(klaviyo, member)["email"]["marketing"]["consent"] == "SUBSCRIBED"
    assert subscriptions(klaviyo, member)["email"]["marketing"]["list_suppressions"][0]["list_id"] == identifier
    assert subscriptions(klaviyo, stranger)["email"]["marketing"]["consent"] == "UNSUBSCRIBED"


def test_suppressing_is_lifted_by_unsuppressing(klaviyo: Klaviyo) -> None:
    address = email()
    for kind, reasons in (("create", ["USER_SUPPRESSED"]), ("delete", [])):
        name = f"profile-suppression-bulk-{kind}-job"
        assert klaviyo.call("POST", f"/{name}s", consent_job(name, address)).status_code == 202
        found = subscriptions(klaviyo, address)["email"]["marketing"]["suppression"]
        assert [one["reason"] for one in found] == reasons


# The frame of every call


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"revision": "2026-10-15"}, 401),
        ({"Authorization": "Bearer pk_sandbox", "revision": "2026-10-15"}, 401),
        ({"Authorization": "Klaviyo-API-Key pk_other", "revision": "2026-10-15"}, 401),
        ({"Authorization": "Klaviyo-API-Key pk_sandbox"}, 400),
        ({"Authorization": "Klaviyo-API-Key pk_sandbox", "revision": "latest"}, 400),
        ({"Authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2023-02-22"}, 410),
        ({"Authorization": "Klaviyo-API-Key pk_sandbox", "revision": "2025-01-15"}, 200),
    ],
)
def test_key_and_revision_are_checked(klaviyo: Klaviyo, headers: dict[str, str], status: int) -> None:
    assert requests.get(f"{klaviyo.base}/lists", headers=headers, timeout=10).status_code == status


def test_the_old_api_is_gone(klaviyo: Klaviyo) -> None:
    assert klaviyo.call("GET", "/v2/lists").status_code == 410


def test_a_slash_at_the_end_is_the_same_endpoint(klaviyo: Klaviyo) -> None:
    assert klaviyo.call("GET", "/lists/").status_code == 200


def test_klaviyos_own_limits_can_be_turned_on(klaviyo: Klaviyo) -> None:
    klaviyo.settings(limit_factor=1)
    data = {
        "type": "data-privacy-deletion-job",
        "attributes": {"profile": {"data": profile(email="nobody@example.com")}},
    }
    answers = [klaviyo.call("POST", "/data-privacy-deletion-jobs", data) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert not [name for name in refused[0].headers if name.lower().startswith("ratelimit")]
    assert klaviyo.upsert(email=email()).status_code == 201, "another endpoint has a limit of its own"


def test_limits_are_windows_of_a_second_and_a_minute() -> None:
    now = 1000.0
    limits = Limits(lambda: now)
    assert limits.spend("x", "S", 1) == {
        "RateLimit-Limit": "3, 3;w=1, 60;w=60",
        "RateLimit-Remaining": "2",
        "RateLimit-Reset": "1",
    }
    accepted = 1
    for second in range(1000, 1030):
        now = float(second)
        for _ in range(5):
            try:
                limits.spend("x", "S", 1)
            except KlaviyoError as error:
                assert error.status == 429
                last = error.headers
            else:
                accepted += 1
    assert accepted == 60
    assert last == {"Retry-After": "31"}
