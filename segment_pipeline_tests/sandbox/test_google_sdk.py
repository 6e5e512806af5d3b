"""Google's own SDK as the client: it signs in, what it sends is understood, it reads every answer, and the state is right."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from google.ads import datamanager_v1 as dm
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth import exceptions as auth_exceptions
from google.oauth2.credentials import Credentials

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import Google, destination, ingestion, numbers, user

VENDOR = "google"
A, B, C = "a" * 64, "b" * 64, "c" * 64
PARENT = "accountTypes/GOOGLE_ADS/accounts/1234567890"
ADDRESS = {"givenName": A, "familyName": B, "regionCode": "US", "postalCode": "94045"}
States = dm.RequestStatusPerDestination.RequestStatus
INFO = {"upload_key_types": ["CONTACT_ID"], "contact_id_info": {"data_source_type": "DATA_SOURCE_TYPE_FIRST_PARTY"}}


class Sdk:
    """The SDK's two clients, signed in by a refresh token."""

    def __init__(self, server: SandboxServer, stack: ExitStack, refresh: str = "sandbox-google-refresh") -> None:
        who = {"client_id": "sandbox-google-client", "client_secret": "sandbox-google-secret"}
        token = Credentials(None, refresh_token=refresh, token_uri=f"{server.base_url}/google/token", **who)
        options = ClientOptions(api_endpoint=f"{server.base_url}/google")
        made: Any = {"credentials": token, "transport": "rest", "client_options": options}
        self.lists = stack.enter_context(dm.UserListServiceClient(**made))
        self.members = stack.enter_context(dm.IngestionServiceClient(**made))

    def user_list(self, **more: Any) -> Any:
        new = {"display_name": f"sdk {next(numbers)}", "ingested_user_list_info": INFO}
        return self.lists.create_user_list(parent=PARENT, user_list=dm.UserList({**new, **more}))

    def ingest(self, into: Any, members: list[Any], **more: Any) -> Any:
        body = json.dumps(ingestion(str(into.id), members, **more))
        return self.members.ingest_audience_members(dm.IngestAudienceMembersRequest.from_json(body))

    def done(self, taken: Any) -> Any:
        for _ in range(5):
            [told] = self.members.retrieve_request_status(
                {"request_id": taken.request_id}
            ).request_status_per_destination
            if told.request_status != States.PROCESSING:
                return told
        raise AssertionError("the request is never processed")


@pytest.fixture
def sdk(server: SandboxServer) -> Iterator[Sdk]:
    with ExitStack() as stack:
        yield Sdk(server, stack)


def test_it_puts_members_in_and_takes_them_out(server: SandboxServer, sdk: Sdk) -> None:
    made, google = sdk.user_list(), Google(server)
    people = [user(emailAddress=[A, B], phoneNumber=C, address=ADDRESS), user(emailAddress=C)]
    told = sdk.done(sdk.ingest(made, people))
    counted = told.audience_members_ingestion_status.user_data_ingestion_status
    assert (told.request_status, counted.record_count, counted.user_identifier_count) == (States.SUCCESS, 2, 5)
    assert counted.upload_match_rate_range == dm.MatchRateRange.MATCH_RATE_RANGE_61_TO_70
    first = {"emailAddress": [A, B], "phoneNumber": [C], "address": [ADDRESS]}
    assert google.members(str(made.id)) == [first, {"emailAddress": [C]}]
    body = json.dumps({"destinations": [destination(str(made.id))], "audienceMembers": people[:1], "encoding": "HEX"})
    told = sdk.done(sdk.members.remove_audience_members(dm.RemoveAudienceMembersRequest.from_json(body)))
    assert told.audience_members_removal_status.user_data_removal_status.user_identifier_count == 4
    assert google.members(str(made.id)) == [{"emailAddress": [C]}]


def test_it_replaces_by_removing_whom_a_new_ingestion_did_not_renew(server: SandboxServer, sdk: Sdk) -> None:
    made = sdk.user_list()
    sdk.done(sdk.ingest(made, [user(emailAddress=A), user(emailAddress=B)]))
    server.set_clock(NOON + timedelta(hours=1))
    sdk.done(sdk.ingest(made, [user(emailAddress=B), user(emailAddress=C)]))
    before = {"destinations": [json_destination(made)], "remove_as_of_time": NOON + timedelta(hours=1)}
    told = sdk.done(sdk.members.remove_all_audience_members(before))
    assert (told.request_status, "remove_all_audience_members_status" in told) == (States.SUCCESS, True)
    assert Google(server).members(str(made.id)) == [{"emailAddress": [B]}, {"emailAddress": [C]}]


def json_destination(made: Any) -> Any:
    return dm.Destination.from_json(json.dumps(destination(str(made.id))))


def test_it_creates_finds_changes_and_deletes_lists(sdk: Sdk) -> None:
    made = [sdk.user_list(description="of pages", membership_duration=timedelta(days=30)) for _ in range(3)]
    asked = {"parent": PARENT, "page_size": 2, "filter": 'description = "of pages"'}
    assert [one.id for one in sdk.lists.list_user_lists(asked)] == [one.id for one in made]
    changed = dm.UserList(name=made[0].name, display_name="another name", membership_duration=timedelta(days=60))
    shown = sdk.lists.update_user_list(user_list=changed, update_mask={"paths": ["display_name"]})
    assert (shown.display_name, shown.membership_duration, shown.id) == ("another name", timedelta(days=30), made[0].id)
    assert sdk.lists.get_user_list(name=shown.name) == shown
    sdk.lists.delete_user_list(name=shown.name)
    with pytest.raises(exceptions.NotFound):
        sdk.lists.get_user_list(name=shown.name)


def test_it_reads_which_fields_are_wrong(sdk: Sdk) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        sdk.ingest(sdk.user_list(), [user(emailAddress=A), user(emailAddress=[A, "no hex"])])
    info, asked, bad = refused.value.details
    assert (info["reason"], info["domain"]) == ("INVALID_ARGUMENT", "datamanager.googleapis.com")
    assert info["metadata"]["requestId"] == asked["requestId"]
    [violation] = bad["fieldViolations"]
    assert violation["field"] == "audience_members.audience_members[1].user_data.user_identifiers[1]"
    assert violation["reason"] == "INVALID_HEX_ENCODING"


def test_it_tries_again_while_the_service_is_unavailable_and_signs_in_anew(server: SandboxServer, sdk: Sdk) -> None:
    made = sdk.user_list()
    server.clear_requests()
    server.faults([{"vendor": "google", "kind": "503", "path_regex": "ingest", "times": 1}])
    assert sdk.ingest(made, [user(emailAddress=A)]).request_id
    server.set_clock(NOON + timedelta(seconds=3600))
    assert sdk.lists.get_user_list(name=made.name).id == made.id
    counts = server.requests()["google"]["by_route"]
    assert (counts["POST /v1/audienceMembers:ingest"], counts["POST /token"]) == (2, 1)
    server.faults([{"vendor": "google", "kind": "429", "path_regex": "ingest", "times": 1}])
    with pytest.raises(exceptions.TooManyRequests):
        sdk.ingest(made, [user(emailAddress=A)])


def test_a_refresh_token_that_is_not_the_users_does_not_sign_in(server: SandboxServer) -> None:
    with ExitStack() as stack, pytest.raises(auth_exceptions.RefreshError, match="invalid_grant"):
        Sdk(server, stack, "another").user_list()
