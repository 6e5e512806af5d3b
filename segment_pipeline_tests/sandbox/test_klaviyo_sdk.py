"""Klaviyo's own SDK as the client: its typed models accept every answer, and the state is right afterwards."""

from collections.abc import Iterator

import pytest
from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import ApiException

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, import_of, profile

VENDOR = "klaviyo"


@pytest.fixture
def sdk(server: SandboxServer) -> Iterator[KlaviyoAPI]:
    client = KlaviyoAPI("pk_sandbox", max_delay=5, max_retries=3, test_host=f"{server.base_url}/klaviyo")
    yield client
    client.api_client.rest_client.pool_manager.clear()


def new_list(sdk: KlaviyoAPI, name: str = "sdk") -> str:
    made = sdk.Lists.create_list(
        {"data": {"type": "list", "attributes": {"name": name, "opt_in_process": "single_opt_in"}}}
    )
    identifier: str = made.data.id
    return identifier


def test_it_imports_into_a_list_polls_and_reads_errors(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    identifier = new_list(sdk)
    people = [profile(email=f"shopper{number}@example.com") for number in range(3)] + [profile(email="broken")]
    job = sdk.Profiles.bulk_import_profiles({"data": import_of(people, identifier)}).data
    assert job.attributes.status == "queued"
    seen = [sdk.Profiles.get_bulk_import_profiles_job(job.id).data.attributes for _ in range(2)]
    assert [one.status for one in seen] == ["processing", "complete"]
    assert (seen[1].total_count, seen[1].completed_count, seen[1].failed_count) == (4, 3, 1)
    [error] = sdk.Profiles.get_errors_for_bulk_import_profiles_job(job.id).data
    assert (error.attributes.code, error.attributes.original_payload) == ("invalid", profile(email="broken"))
    made = sdk.Profiles.get_profiles_for_bulk_import_profiles_job(job.id).data
    assert [one.attributes.email for one in made] == [f"shopper{number}@example.com" for number in range(3)]
    assert len(Klaviyo(server).members(identifier)) == 3


def test_it_adds_and_removes_members(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    identifier = new_list(sdk)
    ids = [
        sdk.Profiles.create_or_update_profile({"data": profile(email=f"p{number}@example.com")}).data.id
        for number in range(2)
    ]
    people = {"data": [{"type": "profile", "id": one} for one in ids]}
    sdk.Lists.add_profiles_to_list(identifier, people)
    assert [one.id for one in sdk.Lists.get_profile_ids_for_list(identifier).data] == ids
    sdk.Lists.remove_profiles_from_list(identifier, {"data": people["data"][:1]})
    assert Klaviyo(server).members(identifier) == [{"email": "p1@example.com"}]


def test_it_finds_lists_by_name_and_profiles_by_address(sdk: KlaviyoAPI) -> None:
    identifier = new_list(sdk, "by name")
    new_list(sdk, "another")
    [found] = sdk.Lists.get_lists(filter='equals(name,"by name")').data
    assert found.id == identifier
    sdk.Profiles.create_profile({"data": profile(email="ann@example.com", location={"city": "Oslo"})})
    query = 'any(email,["ann@example.com","bob@example.com"])'
    [ann] = sdk.Profiles.get_profiles(filter=query).data
    assert (ann.attributes.email, ann.attributes.location.city) == ("ann@example.com", "Oslo")


def test_its_cursor_reaches_the_last_page(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    identifier, people = new_list(sdk), [profile(external_id=str(number)) for number in range(23)]
    sdk.Profiles.bulk_import_profiles({"data": import_of(people, identifier)})
    first = sdk.Lists.get_profile_ids_for_list(identifier)
    # The SDK takes the cursor out of a link of https only, and keeps the equals sign before it.
    link = first.links.next.replace("http://", "https://")
    second = sdk.Lists.get_profile_ids_for_list(identifier, page_cursor=link)
    assert (len(first.data), len(second.data), second.links.next) == (20, 3, None)
    held = server.control("GET", f"/klaviyo/lists/{identifier}")["members"]
    assert [one.id for one in [*first.data, *second.data]] == [one["id"] for one in held]


def test_it_renames_reads_and_deletes_a_list(sdk: KlaviyoAPI) -> None:
    identifier = new_list(sdk, "before")
    sdk.Lists.update_list(identifier, {"data": {"type": "list", "id": identifier, "attributes": {"name": "after"}}})
    assert sdk.Lists.get_list(identifier).data.attributes.name == "after"
    sdk.Profiles.bulk_import_profiles({"data": import_of([profile(email="ann@example.com")], identifier)})
    [ann] = sdk.Lists.get_profiles_for_list(identifier).data
    assert ann.attributes.joined_group_at is not None
    # With sparse fields the SDK hands out what came as it is.
    [sparse] = sdk.Lists.get_profiles_for_list(identifier, fields_profile=["email"])["data"]
    assert sparse["attributes"] == {"email": "ann@example.com"}
    sdk.Lists.delete_list(identifier)
    with pytest.raises(ApiException) as refused:
        sdk.Lists.get_list(identifier)
    assert refused.value.status == 404


def test_it_waits_and_tries_again_after_a_429(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    server.clear_requests()
    server.faults([{"vendor": "klaviyo", "kind": "429", "times": 1, "seconds": 1}])
    new_list(sdk)
    assert server.requests()["klaviyo"]["by_route"] == {"POST /api/lists": 2}


def test_it_reads_a_conflict(sdk: KlaviyoAPI) -> None:
    twice = {"data": profile(email=email())}
    made = sdk.Profiles.create_profile(twice).data.id
    with pytest.raises(ApiException) as refused:
        sdk.Profiles.create_profile(twice)
    assert refused.value.status == 409
    assert f'"duplicate_profile_id":"{made}"' in str(refused.value.body)


def test_it_erases_a_profile(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    gone = profile(email=email())
    made = sdk.Profiles.create_profile({"data": gone}).data.id
    job = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": gone}}}
    sdk.Data_Privacy.request_profile_deletion({"data": job})
    assert made not in {one["id"] for one in server.control("GET", "/klaviyo/people")}


def test_it_reads_what_changed_with_what_people_said(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    """In the order of time, between two instants, subscriptions only where they are asked for."""
    said = {"email": {"consent": "UNSUBSCRIBED", "consent_timestamp": "2017-05-02T10:00:00+00:00"}}
    for day in (3, 1, 2, 9):
        body = {"email": f"day{day}@example.com", "subscriptions": said, "updated": f"2016-05-0{day}T10:00:00+00:00"}
        server.control("POST", "/klaviyo/people", body)
    between = "greater-than(updated,2016-05-01T09:59:59Z),less-than(updated,2016-05-03T10:00:01Z)"
    read = sdk.Profiles.get_profiles(additional_fields_profile=["subscriptions"], filter=between, sort="updated").data
    assert [one.attributes.email for one in read] == [f"day{day}@example.com" for day in (1, 2, 3)]
    assert {one.attributes.subscriptions.email.marketing.consent for one in read} == {"UNSUBSCRIBED"}
    plain = sdk.Profiles.get_profiles(filter=between, sort="updated").data
    assert [one.attributes.subscriptions for one in plain] == [None] * 3
