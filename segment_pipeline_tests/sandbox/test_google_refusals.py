"""What Google refuses: fields, accounts, tokens and too many calls, each in the form its documents show."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import Google, destination, ingestion, user, violations

VENDOR = "google"
SCOPE = "https://www.googleapis.com/auth/datamanager"
A, B = "a" * 64, "b" * 64
ADDRESS = {"givenName": A, "familyName": B, "regionCode": "US", "postalCode": "94045"}
MANY = [user(emailAddress=A)] * 10_001
NEW = {"displayName": "new", "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]}}
FIRST, MEMBER = "destinations[0]", "audience_members.audience_members[0]"
IDENTIFIERS = f"{MEMBER}.user_data.user_identifiers"


@pytest.fixture
def google(server: SandboxServer) -> Google:
    return Google(server)


def account(name: str, **changes: Any) -> dict[str, Any]:
    return destination("L", **{name: {"accountType": "GOOGLE_ADS", "accountId": "1234567890", **changes}})


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"destinations": []}, "destinations", "REQUIRED_FIELD_MISSING"),
    ({"destinations": [destination("L")] * 11}, "destinations", "TOO_MANY_DESTINATIONS"),
    ({"destinations": [destination("L", reference="x")] * 2}, "destinations", "DUPLICATE_DESTINATION_REFERENCE"),
    ({"destinations": [destination("7")]}, f"{FIRST}.product_destination_id", "INVALID_USER_LIST_ID"),
    ({"destinations": [destination("")]}, f"{FIRST}.product_destination_id", "REQUIRED_FIELD_MISSING"),
    ({"destinations": [account("loginAccount", accountType="DATA_PARTNER")]}, f"{FIRST}.login_account", "INVALID_DESTINATION"),
    ({"destinations": [account("operatingAccount", accountId="1-2")]}, f"{FIRST}.operating_account.account_id", "INVALID_NUMBER_FORMAT"),
    ({"destinations": [account("operatingAccount", accountId="")]}, f"{FIRST}.operating_account", "REQUIRED_FIELD_MISSING"),
    ({"destinations": [account("operatingAccount", product=2)]}, f"{FIRST}.operating_account", "INVALID_DESTINATION"),
    ({"destinations": [account("linkedAccount")]}, f"{FIRST}.linked_account",
     "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT"),
    ({"audienceMembers": []}, "audience_members", "REQUIRED_FIELD_MISSING"),
    ({"audienceMembers": MANY}, "audience_members", "TOO_MANY_AUDIENCE_MEMBERS"),
    ({"audienceMembers": [MANY[0], {"userIdData": {"userId": "7"}}]}, "audience_members", "MULTIPLE_DATA_TYPES_NOT_ALLOWED"),
    ({"audienceMembers": [{"consent": {}}]}, MEMBER, "INVALID_AUDIENCE_MEMBER"),
    ({"audienceMembers": [{"pairData": {}}]}, MEMBER, "NOT_ALLOWLISTED"),
    ({"audienceMembers": [{"userData": {}}]}, IDENTIFIERS, "REQUIRED_FIELD_MISSING"),
    ({"audienceMembers": [user(emailAddress=[A] * 11)]}, IDENTIFIERS, "TOO_MANY_USER_IDENTIFIERS"),
    ({"audienceMembers": [user(phoneNumber=A[:-1])]}, f"{IDENTIFIERS}[0]", "INVALID_HEX_ENCODING"),
    ({"audienceMembers": [user(phoneNumber=f" {A}")]}, f"{IDENTIFIERS}[0]", "INVALID_HEX_ENCODING"),
    ({"audienceMembers": [user(phoneNumber=A[:-2])]}, f"{IDENTIFIERS}[0]", "INVALID_SHA256_FORMAT"),
    ({"audienceMembers": [user(emailAddress="a@b.c")], "encoding": "BASE64"}, f"{IDENTIFIERS}[0]", "INVALID_BASE64_ENCODING"),
    ({"audienceMembers": [user(address=ADDRESS | {"postalCode": ""})]}, f"{IDENTIFIERS}[0].address.postal_code", "REQUIRED_FIELD_MISSING"),
    ({"audienceMembers": [user(address=ADDRESS | {"regionCode": "USA"})]}, f"{IDENTIFIERS}[0].address.region_code", "INVALID_REGION_CODE"),
    ({"audienceMembers": [user(emailAddress=A) | {"destinationReferences": ["x"]}]}, f"{MEMBER}.destination_references[0]", "INVALID_DESTINATION"),
    ({"encoding": None}, "encoding", "REQUIRED_FIELD_MISSING"),
    ({"encryptionInfo": {"gcpWrappedKeyInfo": {}}}, "encryption_info", "NOT_ALLOWLISTED"),
    ({"termsOfService": {}}, "terms_of_service.customer_match_terms_of_service_status", "TERMS_AND_CONDITIONS_NOT_SIGNED"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "reason"), REFUSED)
def test_what_an_ingestion_is_refused_for(google: Google, changes: Any, field: str, reason: str) -> None:
    audience = google.user_list()
    sent = json.loads(json.dumps(ingestion(audience, MANY[:1]) | changes).replace('"L"', f'"{audience}"'))
    assert violations(google.call("POST", "audienceMembers:ingest", sent)) == [(field, reason)]
    assert google.members(audience) == []


@pytest.mark.parametrize(("changes", "field", "reason"), [
    ({"displayName": ""}, "display_name", "REQUIRED_FIELD_MISSING"),
    ({"ingestedUserListInfo": {}}, "ingested_user_list_info.upload_key_types", "REQUIRED_FIELD_MISSING"),
    ({"ingestedUserListInfo": {"uploadKeyTypes": ["PAIR_ID"]}}, "ingested_user_list_info.upload_key_types",
     "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES"),
    ({"membershipDuration": "90000s"}, "membership_duration", "INVALID_FORMAT"),
    ({"membershipDuration": "0s"}, "membership_duration", "INVALID_FORMAT"),
    ({"membershipDuration": f"{541 * 86400}s"}, "membership_duration", "MEMBERSHIP_DURATION_TOO_LONG"),
    ({"displayName": "taken"}, "display_name", "DISPLAY_NAME_ALREADY_USED"),
])  # fmt: skip
def test_what_a_list_is_refused_for(google: Google, changes: Any, field: str, reason: str) -> None:
    if not any(one["name"] == "taken" for one in google.server.control("GET", "/google/lists")):
        google.user_list(displayName="taken")
    assert violations(google.call("POST", google.lists, NEW | changes)) == [(f"user_list.{field}", reason)]


@pytest.mark.parametrize(("setting", "reason"), [
    ("allowlisted", "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA"),
    ("political_declaration", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED")])  # fmt: skip
def test_an_account_may_lack_what_a_list_needs(google: Google, setting: str, reason: str) -> None:
    google.settings(**{setting: False})
    assert violations(google.call("POST", google.lists, NEW)) == [("user_list", reason)]


def test_all_wrong_members_are_told_up_to_a_number_and_poison_is_among_them(google: Google) -> None:
    audience, people = google.user_list(), [user(emailAddress=one) for one in ("x", A, B, "y")]
    google.settings(poison=[B])
    told = violations(google.ingest(audience, people))
    assert [reason for _, reason in told] == ["INVALID_HEX_ENCODING", "INVALID_SHA256_FORMAT", "INVALID_HEX_ENCODING"]
    google.settings(most_violations=2)
    assert violations(google.ingest(audience, people)) == told[:2]


def test_what_other_calls_are_refused_for(google: Google) -> None:
    audience, mobile = google.user_list(), google.user_list("MOBILE_ID")
    future = (NOON + timedelta(seconds=1)).isoformat()
    one = f"{google.lists}/{audience}"
    assert [violations(answer)[0][1] for answer in (
        google.ingest(mobile, MANY[:1]),
        google.remove_all(audience, removeAsOfTime=future),
        google.call("GET", "requestStatus:retrieve", requestId="nobody's"),
        google.call("GET", google.lists, filter="shoeSize = 4"),
        google.call("GET", google.lists, pageToken="no token"),
        google.call("PATCH", one, {"displayName": "b"}, updateMask="shoeSize"),
        google.call("PATCH", one, NEW, updateMask="ingestedUserListInfo"),
    )] == ["INVALID_USER_LIST_TYPE", "INVALID_REMOVE_AS_OF_TIME", "INVALID_REQUEST_ID", "INVALID_FILTER",
           "INVALID_PAGE_TOKEN", "INVALID_UPDATE_MASK", "IMMUTABLE_FIELD_FOR_UPDATE"]  # fmt: skip
    assert google.call("GET", f"{google.lists}/7").status_code == 404
    assert google.call("GET", google.lists, shoes="4").status_code == 400


def test_an_account_without_rights_and_a_token_without_scope_are_denied(google: Google) -> None:
    audience, manager = google.user_list(), {"accountType": "GOOGLE_ADS", "accountId": "9876543210"}
    granted = [destination(audience, loginAccount=manager)]
    assert google.ingest("", MANY[:1], destinations=granted).status_code == 200
    google.settings(login_accounts=["1234567890"])
    assert google.ingest("", MANY[:1], destinations=granted).json()["error"]["status"] == "PERMISSION_DENIED"
    assert google.call("GET", google.lists.replace("123", "321")).status_code == 403
    google.headers["login-account"] = "accountTypes/GOOGLE_ADS/accounts/9876543210"
    assert google.call("GET", google.lists).status_code == 403
    google.settings(granted_scope="https://www.googleapis.com/auth/adwords")
    answer = Google(google.server).call("GET", google.lists)
    assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (
        403,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    )


def test_an_access_token_lasts_an_hour(google: Google) -> None:
    google.server.set_clock(NOON + timedelta(seconds=3599))
    assert google.call("GET", google.lists).status_code == 200
    google.server.set_clock(NOON + timedelta(hours=1))
    answer = google.call("GET", google.lists)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert Google(google.server).call("GET", google.lists).status_code == 200


def test_who_is_revoked_or_somebody_else_is_let_in_by_no_token(google: Google) -> None:
    assert google.token(client_secret="x").json()["error"] == "invalid_client"
    assert google.token(grant_type="password").json()["error"] == "unsupported_grant_type"
    google.settings(revoked=True)
    assert google.call("GET", google.lists).status_code == 401
    assert google.token().json()["error"] == "invalid_grant"


@pytest.mark.parametrize("claims", [{}, {"iss": "them@x.iam"}, {"aud": "x"}, {"iat": 0}])
def test_a_service_accounts_signed_claim_is_worth_a_token(google: Google, claims: dict[str, Any]) -> None:
    ours, theirs = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    public = ours.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    google.settings(service_accounts={"us@x.iam": public.decode()})
    right = signed_in(google, ours, claims)
    assert (right.token is not None, signed_in(google, theirs, claims).token) == (not claims, None)
    if right.token:
        google.headers = {"Authorization": f"Bearer {right.token}"}
        assert google.call("GET", google.lists).status_code == 200


def signed_in(google: Google, key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> Credentials:
    """Google's own library with a service account's key; without a token where it was refused one."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    info = {"client_email": "us@x.iam", "private_key": pem.decode(), "token_uri": f"{google.base}/token"}
    made: Credentials = Credentials.from_service_account_info(info, scopes=[SCOPE], additional_claims=claims)
    with requests.Session() as session, suppress(RefreshError):
        made.refresh(Request(session))
    return made


def test_google_takes_three_hundred_calls_a_minute_of_each_service(google: Google) -> None:
    google.settings(limit_factor=1)
    answers = [google.call("GET", google.lists) for _ in range(301)]
    taken = [answer.status_code for answer in answers]
    assert taken == [200] * taken.count(200) + [429] * (301 - taken.count(200))
    assert answers[-1].json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert google.call("GET", "requestStatus:retrieve", requestId="x").status_code == 400, "another service"


@pytest.mark.parametrize(("kind", "status", "word"), [
    ("429", 429, "RESOURCE_EXHAUSTED"), ("500", 500, "INTERNAL"), ("503", 503, "UNAVAILABLE"),
    ("504", 504, "DEADLINE_EXCEEDED"), ("expired_token", 401, "UNAUTHENTICATED")])  # fmt: skip
def test_googles_own_errors_for_each_kind(google: Google, kind: str, status: int, word: str) -> None:
    google.server.faults([{"vendor": "google", "kind": kind, "times": 1}])
    answer = google.call("GET", google.lists)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["status"]) == (
        status,
        status,
        word,
    )


def test_a_token_endpoints_errors_are_a_word(google: Google) -> None:
    google.server.faults([{"vendor": "google", "kind": "503", "path_regex": "/token$", "times": 1}])
    answer = google.token()
    assert (answer.status_code, answer.json()) == (503, {"error": "503"})
