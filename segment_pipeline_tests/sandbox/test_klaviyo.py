"""Klaviyo's lists and imports as its documents describe them, and the frame of every call: key, revision, limits."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from segment_pipeline.sandbox.exchange import Refused
from segment_pipeline.sandbox.limits import Windows
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import spend
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, errors, profile

NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)


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


def test_an_unknown_path_is_an_error_of_the_api(klaviyo: Klaviyo) -> None:
    answer = klaviyo.call("GET", "/pigeons")
    assert (answer.status_code, errors(answer)[0][0]) == (404, "not_found")


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
    windows = Windows(lambda: now)
    assert spend(windows, "x", "S", 1) == {
        "RateLimit-Limit": "3, 3;w=1, 60;w=60",
        "RateLimit-Remaining": "2",
        "RateLimit-Reset": "1",
    }
    accepted = 1
    for second in range(1000, 1030):
        now = float(second)
        for _ in range(5):
            try:
                spend(windows, "x", "S", 1)
            except Refused as error:
                assert error.status == 429
                last = error.headers
            else:
                accepted += 1
    assert accepted == 60
    assert last == {"Retry-After": "31"}
