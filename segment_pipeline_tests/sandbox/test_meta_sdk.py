"""Meta's own SDK as the client: what it sends is understood, what it gets back it understands, and the state is right."""

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Meta

VENDOR = "meta"
MARY = "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"
NEW = {"name": "sdk", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}


@pytest.fixture(autouse=True)
def _there(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FacebookSession, "GRAPH", f"{server.base_url}/meta")
    monkeypatch.setattr(FacebookAdsApi, "_default_api", None)
    connect()


def connect(token: str = "sandbox-meta-token") -> None:
    session = FacebookSession(app_secret="sandbox-meta-secret", access_token=token, timeout=30)
    FacebookAdsApi.set_default_api(FacebookAdsApi(session, api_version="v27.0"))
    session.requests.close()


def audience() -> CustomAudience:
    return CustomAudience(AdAccount("act_1001").create_custom_audience(params=NEW)["id"])


def test_a_removal_of_ten_thousand_rows_in_the_url_is_read(server: SandboxServer) -> None:
    made = audience()
    Meta(server).settings(minimum_people=0)
    people = [f"person{number}@example.com" for number in range(10_000)]
    made.add_users(CustomAudience.Schema.email_hash, people)
    made.remove_users(CustomAudience.Schema.email_hash, people[1:])
    assert len(Meta(server).rows(made["id"])) == 1


def test_it_replaces_in_a_session(server: SandboxServer) -> None:
    made = audience()
    made.add_users(CustomAudience.Schema.email_hash, ["old@example.com"])
    session = {"session_id": 9, "batch_seq": 1, "last_batch_flag": True, "estimated_num_total": 1}
    payload = {"schema": ["EMAIL"], "data": [[MARY]]}
    made.create_users_replace(params={"payload": payload, "session": session})
    assert Meta(server).rows(made["id"]) == [{"EMAIL": MARY}]
    [shown] = made.get_sessions(params={"session_id": 9})
    assert (shown["num_received"], shown["progress"]) == ("1", "100")


def test_it_lists_and_reads_audiences_over_pages() -> None:
    made = [audience()["id"] for _ in range(5)]
    found = AdAccount("act_1001").get_custom_audiences(fields=["id", "name"], params={"limit": 2})
    assert [one["id"] for one in found][-5:] == made
    shown = CustomAudience(made[0]).api_get(fields=["name", "operation_status", "delivery_status"])
    assert (shown["name"], shown["operation_status"]["code"], shown["delivery_status"]["code"]) == ("sdk", 200, 300)


def test_it_reads_our_errors(server: SandboxServer) -> None:
    made = audience()
    server.faults([{"vendor": "meta", "kind": "429", "times": 1}])
    with pytest.raises(FacebookRequestError) as limited:
        made.add_users(CustomAudience.Schema.email_hash, ["mary@example.com"])
    assert (limited.value.http_status(), limited.value.api_error_code()) == (400, 80003)
    connect("another token")
    with pytest.raises(FacebookRequestError) as refused:
        CustomAudience(made["id"]).add_users(CustomAudience.Schema.email_hash, ["mary@example.com"])
    assert (refused.value.api_error_code(), refused.value.api_error_subcode()) == (190, 467)


def test_it_deletes_an_audience(server: SandboxServer) -> None:
    made = audience()
    made.api_delete()
    assert made["id"] not in {one["id"] for one in server.control("GET", "/meta/lists")}
