"""Klaviyo's own SDK as the client: its typed models accept every answer, and the state is right afterwards."""

from collections.abc import Iterator

import pytest
from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import ApiException

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Klaviyo, profile


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("klaviyo"), vendors=["klaviyo"]) as server:
        yield server


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
    people = [profile(email=f"person{number}@example.com") for number in range(3)] + [profile(email="broken")]
    body = {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": people}},
            "relationships": {"lists": {"data": [{"type": "list", "id": identifier}]}},
        }
    }
    job = sdk.Profiles.bulk_import_profiles(body).data
    assert job.attributes.status == "queued"
    seen = [sdk.Profiles.get_bulk_import_profiles_job(job.id).data.attributes for _ in range(2)]
    assert [one.status for one in seen] == ["processing", "complete"]
    assert (seen[1].total_count, seen[1].completed_count, seen[1].failed_count) == (4, 3, 1)
    [error] = sdk.Profiles.get_errors_for_bulk_import_profiles_job(job.id).data
    assert (error.attributes.code, error.attributes.original_payload) == ("invalid", profile(email="broken"))
    made = sdk.Profiles.get_profiles_for_bulk_import_profiles_job(job.id).data
    assert [one.attributes.email for one in made] == [f"person{number}@example.com" for number in range(3)]
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


def test_it_finds_lists_by_name_and_profiles_by_address_with_subscriptions(sdk: KlaviyoAPI) -> None:
    identifier = new_list(sdk, "by name")
    new_list(sdk, "another")
    [found] = sdk.Lists.get_lists(filter='equals(name,"by name")').data
    assert found.id == identifier
    sdk.Profiles.create_profile({"data": profile(email="ann@example.com", location={"city": "Oslo"})})
    query = 'any(email,["ann@example.com","bob@example.com"])'
    [ann] = sdk.Profiles.get_profiles(filter=query, additional_fields_profile=["subscriptions"]).data
    assert ann.attributes.location.city == "Oslo"
    assert ann.attributes.subscriptions.email.marketing.consent == "NEVER_SUBSCRIBED"


def test_its_cursor_reaches_the_last_page(sdk: KlaviyoAPI) -> None:
    for number in range(23):
        sdk.Profiles.create_profile({"data": profile(external_id=str(number))})
    first = sdk.Profiles.get_profiles()
    # The SDK takes the cursor out of a link of https only, and keeps the equals sign before it.
    link = first.links.next.replace("http://", "https://")
    second = sdk.Profiles.get_profiles(page_cursor=link)
    assert len(first.data) == 20
    assert [one.attributes.external_id for one in [*first.data, *second.data]] == [str(number) for number in range(23)]
    assert second.links.next is None


def test_it_waits_and_tries_again_after_a_429(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    server.faults([{"vendor": "klaviyo", "kind": "429", "times": 1, "seconds": 1}])
    new_list(sdk)
    assert server.requests()["klaviyo"]["by_route"] == {"POST /api/lists": 2}


def test_it_reads_a_conflict(sdk: KlaviyoAPI) -> None:
    made = sdk.Profiles.create_profile({"data": profile(email="ann@example.com")}).data.id
    with pytest.raises(ApiException) as refused:
        sdk.Profiles.create_profile({"data": profile(email="ann@example.com")})
    assert refused.value.status == 409
    assert f'"duplicate_profile_id":"{made}"' in str(refused.value.body)


def test_it_erases_a_profile(server: SandboxServer, sdk: KlaviyoAPI) -> None:
    sdk.Profiles.create_profile({"data": profile(email="ann@example.com")})
    job = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": profile(email="ann@example.com")}}}
    sdk.Data_Privacy.request_profile_deletion({"data": job})
    assert server.control("GET", "/klaviyo/people") == []
