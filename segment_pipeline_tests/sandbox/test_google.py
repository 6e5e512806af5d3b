"""Google's Customer Match as its documents describe it, as far as its SDK and its protos do not ask it."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.vendors.google.ingestion import match_rate_range
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import Google, destination, user, violations

VENDOR = "google"
A, B, C = "a" * 64, "b" * 64, "c" * 64
PHONE = "38400000-8cf0-11bd-b23e-10b96e4ef00d"

NEW = {"displayName": "new", "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]}}


@pytest.fixture
def google(server: SandboxServer) -> Google:
    return Google(server)


def test_members_are_seen_once_their_request_is_processed_which_time_alone_does(google: Google) -> None:
    audience = google.user_list()
    taken = google.ingest(audience, [user(emailAddress=A)] * 2)
    asked = google.call("GET", "requestStatus:retrieve", requestId=taken.json()["requestId"]).json()
    assert asked["requestStatusPerDestination"][0]["requestStatus"] == "PROCESSING"
    assert google.members(audience) == []
    google.server.set_clock(NOON + timedelta(seconds=300))
    assert google.members(audience) == [{"emailAddress": [A]}]
    assert google.done(taken)["requestStatus"] == "SUCCESS"
    google.server.set_clock(NOON + timedelta(days=51))
    again = Google(google.server).call("GET", "requestStatus:retrieve", requestId=taken.json()["requestId"])
    assert violations(again) == [("request_id", "REQUEST_TOO_OLD")]


def test_the_same_identifiers_are_one_member_in_any_order_and_encoding(google: Google) -> None:
    audience = google.user_list()
    google.ingest(audience, [user(emailAddress=[A, B]), user(emailAddress=[B, A.upper(), A])])
    coded = [base64.b64encode(bytes.fromhex(one)).decode() for one in (B, A)]
    google.done(google.ingest(audience, [user(emailAddress=coded)], encoding=2))
    assert google.members(audience) == [{"emailAddress": [A, B]}]


@pytest.mark.parametrize(("matches", "left"), [("any", [C]), ("exact", [B, C])])
def test_a_removal_is_by_any_one_identifier_or_by_exactly_those(google: Google, matches: str, left: list[str]) -> None:
    google.settings(removal_matches=matches)
    audience = google.user_list()
    google.ingest(audience, [user(emailAddress=A), user(emailAddress=[A, B]), user(emailAddress=C)])
    google.done(google.remove(audience, [user(emailAddress=A)]))
    assert [member["emailAddress"][-1] for member in google.members(audience)] == left


def test_all_are_removed_who_were_added_before_and_nobody_who_came_later(google: Google) -> None:
    audience = google.user_list()
    google.ingest(audience, [user(emailAddress=A)])
    emptied = google.remove_all(audience)
    google.ingest(audience, [user(emailAddress=B)])
    assert google.done(emptied)["requestStatus"] == "SUCCESS"
    assert google.members(audience) == []
    google.done(google.remove_all(audience, removeAsOfTime=NOON.isoformat()))
    assert google.members(audience) == [{"emailAddress": [B]}]


@pytest.mark.parametrize(("percent", "told"), [
    (0, "LESS_THAN_20"), (19, "LESS_THAN_20"), (20, "20_TO_30"), (30, "20_TO_30"), (31, "31_TO_40"), (90, "81_TO_90"),
    (91, "91_TO_100"), (100, "91_TO_100")])  # fmt: skip
def test_a_match_rate_is_told_as_a_range(percent: int, told: str) -> None:
    assert match_rate_range(percent) == f"MATCH_RATE_RANGE_{told}"


def test_a_member_leaves_when_its_time_is_over_unless_it_was_renewed(google: Google) -> None:
    audience = google.user_list(membershipDuration="86400s")
    google.done(google.ingest(audience, [user(emailAddress=A), user(emailAddress=B)]))
    google.server.set_clock(NOON + timedelta(hours=23))
    later = Google(google.server)
    later.done(later.ingest(audience, [user(emailAddress=B)]))
    google.server.set_clock(NOON + timedelta(hours=25))
    assert google.members(audience) == [{"emailAddress": [B]}]


def test_members_without_consent_fail_where_it_is_asked_for(google: Google) -> None:
    granted, denied = "CONSENT_GRANTED", "CONSENT_DENIED"
    said: tuple[Any, ...] = (None, {"adUserData": granted}, {"adUserData": granted, "adPersonalization": denied}, {})
    people = [user(emailAddress=f"{number}" * 64) | {"consent": one} for number, one in enumerate(said)]
    audience = google.user_list()
    status = google.done(google.ingest(audience, people))
    assert (status["requestStatus"], status["errorInfo"]["errorCounts"]) == (
        "PARTIAL_SUCCESS",
        [
            {"recordCount": "2", "reason": "PROCESSING_ERROR_REASON_NO_CONSENT"},
            {"recordCount": "1", "reason": "PROCESSING_ERROR_REASON_DENIED_CONSENT"},
        ],
    )
    assert google.members(audience) == [{"emailAddress": ["0" * 64]}]
    assert google.done(google.ingest(audience, people, consent=None))["requestStatus"] == "FAILED"
    google.settings(consent_region=False)
    assert google.done(google.ingest(audience, people, consent=None))["requestStatus"] == "SUCCESS"


def test_each_destination_has_its_members_and_its_status(google: Google) -> None:
    lists = [google.user_list() for _ in range(2)]
    people = [user(emailAddress=A), user(emailAddress=B) | {"destinationReferences": ["1"]}]
    named = [destination(one, reference=str(number)) for number, one in enumerate(lists)]
    taken = google.ingest("", people, destinations=named)
    google.done(taken)
    told = google.call("GET", "requestStatus:retrieve", requestId=taken.json()["requestId"]).json()
    counts = [one["audienceMembersIngestionStatus"]["userDataIngestionStatus"]["recordCount"]
              for one in told["requestStatusPerDestination"]]  # fmt: skip
    assert (counts, [len(google.members(one)) for one in lists]) == (["1", "2"], [1, 2])


def test_phones_and_own_ids_have_lists_of_their_own(google: Google) -> None:
    mobile, own = google.user_list("MOBILE_ID"), google.user_list("USER_ID")
    assert violations(google.ingest(mobile, [{"mobileData": {"mobileIds": ["7"]}}]))[0][1] == "INVALID_MOBILE_ID_FORMAT"
    twice = [{"mobileData": {"mobileIds": [one]}} for one in (PHONE, PHONE.upper())]
    google.done(google.ingest(mobile, twice, encoding=None))
    google.done(google.ingest(own, [{"userIdData": {"userId": "7"}}], encoding=None, termsOfService=None))
    assert (google.members(mobile), google.members(own)) == ([{"mobileIds": [PHONE]}], [{"userId": ["7"]}])


def test_what_is_only_validated_leaves_no_trace(google: Google) -> None:
    audience = google.user_list()
    assert google.ingest(audience, [user(emailAddress=A)], validateOnly=True).json() == {}
    assert violations(google.ingest(audience, [user(emailAddress="x")], validateOnly=True))
    before = google.server.control("GET", "/google/lists")
    assert google.call("POST", google.lists, NEW, validateOnly="true").json() == {}
    assert google.call("DELETE", f"{google.lists}/{audience}", validateOnly="true").json() == {}
    changed = {"displayName": "another"}
    answer = google.call("PATCH", f"{google.lists}/{audience}", changed, updateMask="displayName", validateOnly="true")
    assert answer.json() == {}
    assert google.server.control("GET", "/google/lists") == before


def test_a_share_of_rows_fails_and_the_numbers_add_up(google: Google) -> None:
    audience = google.user_list()
    google.server.faults([{"vendor": "google", "kind": "row_errors", "path_regex": "ingest", "every": 2, "times": 1}])
    status = google.done(google.ingest(audience, [user(emailAddress=f"{number}" * 64) for number in range(5)]))
    assert status["errorInfo"]["errorCounts"] == [
        {"recordCount": "3", "reason": "PROCESSING_ERROR_REASON_INVALID_FORMAT"}
    ]
    assert (status["requestStatus"], len(google.members(audience))) == ("PARTIAL_SUCCESS", 2)


@pytest.mark.parametrize(("condition", "found"), [
    (r'displayName = "Soap AND \"salt\""', 1), (r'display_name="Soap AND \"salt\"" AND membershipStatus = OPEN', 1),
    (r'IN(displayName, "x, y", "Soap AND \"salt\"")', 1), ('description = shop AND displayName != "x"', 2),
    ("description = shop AND id = 7", 0)])  # fmt: skip
def test_lists_are_found_by_a_condition(google: Google, condition: str, found: int) -> None:
    for name in ('Soap AND "salt"', "Pepper"):
        google.call("POST", google.lists, NEW | {"displayName": name, "description": "shop"})
    answer = google.call("GET", google.lists, filter=condition)
    assert len(answer.json()["userLists"]) == found


def test_a_page_has_fifty_lists_unless_another_number_is_asked_for(google: Google) -> None:
    made = [google.user_list(description="many") for _ in range(51)]
    condition = "description = many"
    first = google.call("GET", google.lists, filter=condition).json()
    last = google.call("GET", google.lists, filter=condition, pageToken=first["nextPageToken"]).json()
    assert [[one["id"] for one in page["userLists"]] for page in (first, last)] == [made[:50], made[50:]]
    assert google.call("GET", google.lists, filter=condition, pageSize=-1).json()["userLists"] == first["userLists"]
    whole = google.call("GET", google.lists, filter=condition, pageSize=2000).json()
    assert (len(whole["userLists"]), "nextPageToken" in whole) == (51, False)


def test_members_stay_as_long_as_is_usual_where_a_list_no_longer_says(google: Google) -> None:
    one = f"{google.lists}/{google.user_list(membershipDuration='86400s')}"
    changed = google.call("PATCH", one, {}, updateMask="membershipDuration").json()
    assert changed["membershipDuration"] == f"{540 * 86_400}s"


def test_a_list_shows_how_many_of_it_google_knows(google: Google) -> None:
    audience = google.user_list()
    google.done(google.ingest(audience, [user(emailAddress=f"{number:064}") for number in range(200)]))
    shown = google.call("GET", f"{google.lists}/{audience}").json()
    assert set(shown["sizeInfo"].values()) == {"128"}
    assert shown["targetNetworkInfo"] == {"eligibleForDisplay": True, "eligibleForSearch": True}
    sent = {"targetNetworkInfo": {"eligibleForDisplay": False, "eligibleForSearch": False}}
    kept = google.call("PATCH", f"{google.lists}/{audience}", sent, updateMask="targetNetworkInfo").json()
    assert kept["targetNetworkInfo"] == {"eligibleForDisplay": True, "eligibleForSearch": False}
    assert shown["ingestedUserListInfo"]["contactIdInfo"] == {"matchRatePercentage": 64}
