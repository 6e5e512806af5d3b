"""Google: single answers, as the vendor's documentation and protos have them, and what is made of them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl

import pytest

from segment_pipeline import clock
from segment_pipeline.delivery import jobs
from segment_pipeline.delivery.destination import AudienceGone, Operation
from segment_pipeline.destinations.google.connector import GoogleCustomerMatch
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Person, batch, crowd, digest, key_of
from segment_pipeline_tests.sandbox import google_schema
from segment_pipeline_tests.scripted_server import ScriptedServer, answer

LIST = {
    "id": "7",
    "integrationCode": "segment-pipeline/0ace",
    "accessReason": "OWNED",
    "membershipDuration": "46656000s",
    "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]},
}
TOKEN = {"access_token": "ya29.made-up", "expires_in": 3599, "token_type": "Bearer"}


class Google:
    """Plays Google: a token for whoever asks, and for each other path the answers told for it in order, the last for ever."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server, self.told = server, dict[str, list[Any]]()
        self.lock = threading.Lock()
        self.tell("/token", (200, TOKEN))
        self.tell("/userLists", (200, {"userLists": [LIST]}))
        server.play(self._answer)

    def tell(self, path: str, *answers: Any) -> None:
        self.told[path] = list(answers)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self.lock:
            told = next(told for path, told in reversed(self.told.items()) if path in handler.path)
            now = told.pop(0) if len(told) > 1 else told[0]
            status, body = now() if callable(now) else now
        answer(status, json.dumps(body).encode())(handler)

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body or b"{}") for _, where, _, body in self.server.seen if path in where]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    server = ScriptedServer()
    yield Google(server)
    server.stop()
    seen = [(method, *path.partition("?")[::2], body) for method, path, _, body in server.seen if path != "/token"]
    asked = [{"method": m, "path": p, "query": parse_qsl(query), "body": body.decode()} for m, p, query, body in seen]
    assert google_schema.sent(asked) == []


@pytest.fixture
def tool(google: Google) -> Iterator[GoogleCustomerMatch]:
    made = remade(google)
    yield made
    made.close()


def remade(google: Google, **changes: Any) -> GoogleCustomerMatch:
    given = {"client_id": "id", "client_secret": "hush", "refresh_token": "1//r", "customer": "123-456-7890"}
    url = google.server.url
    return GoogleCustomerMatch(**{"base_url": url, "token_url": f"{url}/token", "attempts": 2, **given, **changes})


def status(state: str, rows: int, failed: int = 0, reason: str = "INVALID_FORMAT", kind: str = "Ingestion") -> Any:
    """Google's word on a request: numbers as texts, as JSON has those of 64 bits."""
    told: dict[str, Any] = {
        "requestStatus": state,
        f"audienceMembers{kind}Status": {f"userData{kind}Status": {"recordCount": str(rows)}},
    }
    if failed:
        told["errorInfo"] = {
            "errorCounts": [{"recordCount": str(failed), "reason": f"PROCESSING_ERROR_REASON_{reason}"}]
        }
    return {"requestStatusPerDestination": [told]}


def refusal(reason: str, *fields: str, code: int = 400, state: str = "INVALID_ARGUMENT") -> Any:
    violations = [{"field": field, "description": "no", "reason": reason} for field in fields]
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "datamanager.googleapis.com"}
    ]
    if violations:
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]
    return {"error": {"code": code, "message": "There was a problem", "status": state, "details": details}}


def test_members_carry_hashes_in_hex_and_a_consent_for_each_purpose(google: Google, tool: GoogleCustomerMatch) -> None:
    google.tell(":ingest", (200, {"requestId": "r1"}))
    [ann, bob] = people = [Person("a.b+c@gmail.com", "+18005550100"), Person(None, "+14155551234")]
    assert tool.apply(batch(tool, "7", people)).handle == "r1"
    [sent] = google.asked(":ingest")
    consent = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
    assert sent == {
        "destinations": [
            {"operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}, "productDestinationId": "7"}
        ],
        "encoding": "HEX",
        "termsOfService": {"customerMatchTermsOfServiceStatus": "ACCEPTED"},
        "audienceMembers": [
            {
                "userData": {
                    "userIdentifiers": [
                        {"emailAddress": RULES["email/sha256/1"].apply("ab@gmail.com")},
                        {"phoneNumber": key_of(tool, ann)[1]},
                    ]
                },
                "consent": consent,
            },
            {"userData": {"userIdentifiers": [{"phoneNumber": key_of(tool, bob)[1]}]}, "consent": consent},
        ],
    }


def test_an_address_goes_along_whole_or_not_at_all(google: Google) -> None:
    google.tell(":ingest", (200, {"requestId": "r1"}))
    tool = remade(google, match_keys=True)
    name = RULES["name/lower-sha256/1"].apply("Mary")
    whole = {"givenName": name, "familyName": name, "regionCode": "US", "postalCode": "94035"}
    people = [
        Person("a@quiet.shop", None, json.dumps(whole)),
        Person("b@quiet.shop", None, json.dumps({**whole, "givenName": "Mary"})),
        Person("c@quiet.shop", None, json.dumps({name: held for name, held in whole.items() if name != "regionCode"})),
        Person("d@quiet.shop"),
    ]  # fmt: skip
    tool.apply(batch(tool, "7", people))
    tool.close()
    sent = [one["userData"]["userIdentifiers"] for one in google.asked(":ingest")[0]["audienceMembers"]]
    assert [each[1:] for each in sent] == [[{"address": whole}], [], [], []]
    assert [rule.column for rule in tool.capabilities.along] == list(whole)
    assert remade(google).capabilities.along == ()


@pytest.mark.parametrize(
    ("state", "failed", "reason", "rejected"),
    [("SUCCESS", 0, "", 0), ("FAILED", 40, "NO_CONSENT", 40), ("FAILED", 0, "", 40)],
)
def test_a_request_that_ended_for_all_alike_is_final(
    google: Google, tool: GoogleCustomerMatch, state: str, failed: int, reason: str, rejected: int
) -> None:
    google.tell("requestStatus", (200, status(state, 40, failed, reason)))
    receipt = tool.poll("r1", batch(tool, "7", crowd(40)))
    assert (receipt.accepted, len(receipt.rejected), receipt.handle) == (40 - rejected, rejected, None)
    assert set(receipt.rejected.values()) <= {reason.lower() or "failed"}


@pytest.mark.parametrize("failed", [0, 1, 40, 99])
def test_a_partial_success_is_no_success_whatever_it_counts(
    google: Google, tool: GoogleCustomerMatch, failed: int
) -> None:
    """Counts may be missing or, one member having two faults, too high: some were taken, and nobody is named."""
    google.tell("requestStatus", (200, status("PARTIAL_SUCCESS", 40, failed)))
    with pytest.raises(RejectedRecords, match="split the batch") as caught:
        tool.poll("r1", batch(tool, "7", crowd(40)))
    assert caught.value.rows == {}


def test_what_google_failed_by_itself_and_what_it_counts_otherwise_is_sent_again(
    google: Google, tool: GoogleCustomerMatch
) -> None:
    work = batch(tool, "7", crowd(40))
    google.tell(
        "requestStatus",
        (200, status("FAILED", 40, 40, "INTERNAL_ERROR")),
        (200, status("SUCCESS", 39)),
        (200, {"requestStatusPerDestination": []}),
    )
    with pytest.raises(TransientError, match="sent again"):
        tool.poll("r1", work)
    with pytest.raises(ContractError, match="39 members, 40 were sent"):
        tool.poll("r1", work)
    with pytest.raises(ContractError, match="told of 0 lists"):
        tool.poll("r1", work)


@pytest.mark.parametrize(
    "told",
    [(404, refusal("INVALID_REQUEST_ID", code=404, state="NOT_FOUND")), (200, status("REQUEST_STATUS_UNKNOWN", 1))],
)
def test_a_request_that_is_not_known_yet_is_waited_for(google: Google, tool: GoogleCustomerMatch, told: Any) -> None:
    google.tell("requestStatus", told)
    assert tool.poll("r1", batch(tool, "7", crowd(40))).handle == "r1"


def test_one_bad_member_of_many_is_found_in_a_few_requests(google: Google, tool: GoogleCustomerMatch) -> None:
    """One of 256 fails and nobody is named: two requests for each time the batch is halved, one for the whole."""
    people = crowd(256)
    bad = str(key_of(tool, people[100])[0])

    def judged() -> tuple[int, Any]:
        sent = google.asked(":ingest")[-1]["audienceMembers"]
        spoilt = bad in json.dumps(sent)
        return 200, status(
            "SUCCESS" if not spoilt else "FAILED" if len(sent) == 1 else "PARTIAL_SUCCESS", len(sent), spoilt
        )

    google.tell(":ingest", (200, {"requestId": "r1"}))
    google.tell("requestStatus", judged)
    receipt = jobs.delivered(tool, batch(tool, "7", people))
    assert (receipt.accepted, dict(receipt.rejected)) == (255, {digest(key_of(tool, people[100])): "invalid_format"})
    assert len(google.asked(":ingest")) <= 2 * 8 + 2


def test_warnings_cost_a_member_its_place_only_where_nothing_of_it_is_left(
    google: Google, tool: GoogleCustomerMatch, caplog: pytest.LogCaptureFixture
) -> None:
    """People 0 and 2 have an e-mail alone, 1 and 3 a phone too: of 1 the e-mail is dropped, of 2 an address, of 3 both."""
    email, phone, postcode = (
        ".user_identifiers[0].email_address",
        ".user_identifiers[1].phone_number",
        ".address.postal_code",
    )
    fields = [(0, email), (1, email), (2, postcode), (3, email), (3, phone), (9, email)]
    warnings = [
        {"reason": "WARNING_REASON_GENERIC", "field": f"audience_members.audience_members[{n}]{field}"}
        for n, field in fields
    ]
    google.tell(
        ":ingest",
        (200, {"requestId": "r1", "fieldWarnings": warnings}),
        (200, {"requestId": "r2", "fieldWarnings": warnings[1:2]}),
    )
    with pytest.raises(RejectedRecords) as caught:
        tool.apply(batch(tool, "7", crowd(4)))
    assert caught.value.rows == dict.fromkeys((0, 3), "warning_reason_generic")
    assert tool.apply(batch(tool, "7", crowd(4))).handle == "r2"
    assert "dropped 1 fields of a batch" in caplog.text


@pytest.mark.parametrize(
    ("code", "told", "to_check"),
    [
        (400, {"error": "invalid_grant"}, r"\(invalid_grant\): check GOOGLE_OAUTH_REFRESH_TOKEN"),
        (401, {"error": "invalid_client"}, "check GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET"),
        (403, "a proxy's page", r"\(HTTP 403\): check GOOGLE_TOKEN_URL"),
        (404, "no page", r"\(HTTP 404\): check GOOGLE_TOKEN_URL"),
        (200, {"said": "hello"}, r"\(HTTP 200\): check GOOGLE_TOKEN_URL"),
    ],
)
def test_who_cannot_sign_in_is_told_what_to_check(
    google: Google, tool: GoogleCustomerMatch, code: int, told: Any, to_check: str
) -> None:
    google.tell("/token", (code, told))
    with pytest.raises(ConfigError, match=to_check):
        tool.exists("7")


def test_an_address_of_tokens_that_is_none_is_told_from_googles_own(google: Google) -> None:
    with pytest.raises(ConfigError, match="the base URL of google's sign-in is not"):
        remade(google, token_url="nowhere").exists("7")


OFFLINE = GoogleCustomerMatch(customer="1")


@pytest.mark.parametrize(
    ("reason", "code", "to_do"),
    [
        ("ADVERTISER_TOS_NOT_ACCEPTED", 400, "accept the customer data terms"),
        ("TERMS_AND_CONDITIONS_NOT_SIGNED", 400, "accept the customer data terms"),
        ("EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED", 400, "declare in Google Ads"),
        ("DISPLAY_NAME_ALREADY_USED", 400, "rename that one in Google Ads"),
        ("MEMBERSHIP_DURATION_TOO_LONG", 400, "set a smaller `membership_days`"),
        ("NOT_ALLOWLISTED", 403, "not admitted to Customer Match"),
        ("SERVICE_DISABLED", 403, "switch the Data Manager API on"),
        ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", 403, "make GOOGLE_OAUTH_REFRESH_TOKEN anew"),
        ("PERMISSION_DENIED", 403, "may not use it; an account under a manager needs GOOGLE_LOGIN_CUSTOMER"),
        ("UNAUTHENTICATED", 401, "check GOOGLE_OAUTH_REFRESH_TOKEN"),
    ],
)
def test_what_only_a_person_can_mend_says_how(reason: str, code: int, to_do: str) -> None:
    error = refused(code, refusal(reason, code=code, state="FAILED_PRECONDITION"))
    assert isinstance(error, ConfigError)
    assert to_do in str(error)
    assert reason in str(error)


@pytest.mark.parametrize(
    ("code", "told", "kind", "sent"),
    [
        (429, refusal("RESOURCE_EXHAUSTED", code=429, state="RESOURCE_EXHAUSTED"), TransientError, False),
        (503, refusal("", code=503, state="UNAVAILABLE"), TransientError, True),
        (400, refusal("TOO_MANY_AUDIENCE_MEMBERS"), ContractError, None),
        (400, refusal("REQUIRED_FIELD_MISSING", "encoding"), ContractError, None),
        (400, refusal("INVALID_AUDIENCE_MEMBER"), RejectedRecords, None),
    ],
)
def test_a_refusal_is_of_its_kind(code: int, told: Any, kind: type[Exception], sent: bool | None) -> None:
    error = refused(code, told)
    assert type(error) is kind
    assert getattr(error, "sent", None) is sent


@pytest.mark.parametrize(
    ("file", "variable"),
    [("", "GOOGLE_OAUTH_REFRESH_TOKEN"), ("key.json", "GOOGLE_SERVICE_ACCOUNT_FILE")],
)
@pytest.mark.parametrize("code", [401, 403])
def test_a_refusal_without_a_word_names_what_signs_in(file: str, variable: str, code: int) -> None:
    tool = GoogleCustomerMatch(customer="1", service_account_file=file)
    error = tool._vendor._error(Response(code, {}, b"<html>"))
    assert str(error) == f"google refused its credentials (HTTP {code}): check {variable} and its scopes"


def refused(code: int, told: Any) -> SegmentPipelineError | None:
    return OFFLINE._refused(Response(code, {}, json.dumps(told).encode()))


def test_a_name_that_is_taken_is_ours_if_another_run_took_it(google: Google, tool: GoogleCustomerMatch) -> None:
    taken, code = (400, refusal("DISPLAY_NAME_ALREADY_USED")), tool._label("vip")["integrationCode"]
    google.tell("/userLists", (200, {}), taken, (200, {"userLists": [LIST | {"integrationCode": code}]}))
    assert tool.ensure_audience("vip") == "7"
    google.tell("/userLists", (200, {}), taken, (200, {}))
    with pytest.raises(ConfigError, match="rename that one"):
        tool.ensure_audience("vip")


@pytest.mark.parametrize(
    ("held", "to_do"),
    [
        ({"membershipStatus": "CLOSED"}, "open it in Google Ads"),
        ({"membershipDuration": "2592000s"}, "for 30 days only"),
    ],
)
def test_a_list_that_would_lose_people_is_a_persons_work(
    google: Google, tool: GoogleCustomerMatch, held: dict[str, str], to_do: str
) -> None:
    google.tell("/userLists", (200, {"userLists": [LIST | held]}))
    with pytest.raises(ConfigError, match=to_do):
        tool.exists("7")


def test_a_list_others_share_is_not_ours(google: Google, tool: GoogleCustomerMatch) -> None:
    google.tell("/userLists", (200, {"userLists": [LIST | {"accessReason": "SHARED"}]}))
    assert not tool.exists("7")


def test_no_permission_is_no_list_that_is_gone(google: Google, tool: GoogleCustomerMatch) -> None:
    """Google says the same of both; whether the account has the list decides."""
    google.tell(":ingest", (403, refusal("PERMISSION_DENIED", code=403, state="PERMISSION_DENIED")))
    with pytest.raises(ConfigError, match="may not use it") as caught:
        tool.apply(batch(tool, "7", crowd(1)))
    assert not isinstance(caught.value, AudienceGone)
    with pytest.raises(AudienceGone, match="resend"):
        tool.apply(batch(tool, "8", crowd(1)))


def test_a_replacement_removes_what_was_there_before_by_googles_clock(
    google: Google, tool: GoogleCustomerMatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own clock, here years ahead, would have Google take out those that were just added."""
    monkeypatch.setenv(clock.VARIABLE, "2036-01-01T00:00:00+00:00")
    for verb in (":ingest", ":removeAll"):
        google.tell(verb, (200, {"requestId": verb}))
    google.tell("=%3Aingest", (200, status("SUCCESS", 3)))
    google.tell(
        "=%3AremoveAll",
        (200, done("SUCCESS")),
    )
    receipts = list(tool.replace([batch(tool, "7", crowd(3), number=n) for n in (1, 2)]))
    assert [receipt.accepted for receipt in receipts] == [3, 3]
    [asked] = google.asked("/v1/audienceMembers:removeAll")
    assert asked["removeAsOfTime"] < "2036"
    paths = [path for _, path, _, _ in google.server.seen]
    assert paths.index("/v1/audienceMembers:removeAll") > paths.index("/v1/requestStatus:retrieve?requestId=%3Aingest")


def test_a_replacement_has_as_many_jobs_under_way_as_a_sync(google: Google, tool: GoogleCustomerMatch) -> None:
    """As many as requests in flight would take hours for a million members, half an hour each."""

    def once_all_are_there() -> tuple[int, Any]:
        return 200, status("SUCCESS" if len(google.asked(":ingest")) == 20 else "PROCESSING", 1)

    google.tell(":ingest", (200, {"requestId": "in"}))
    google.tell(":removeAll", (200, {"requestId": "out"}))
    google.tell("=in", once_all_are_there)
    google.tell("=out", (200, done("SUCCESS")))
    receipts = tool.replace([batch(tool, "7", crowd(1, first=n), number=n) for n in range(20)])
    assert [receipt.accepted for receipt in receipts] == [1] * 20


def test_an_erasure_reaches_every_list_ten_at_a_time_and_is_waited_for(
    google: Google, tool: GoogleCustomerMatch
) -> None:
    google.tell("/userLists", (200, {"userLists": [LIST | {"id": str(n)} for n in range(12)]}))
    google.tell(":remove", (200, {"requestId": "a"}), (200, {"requestId": "b"}))
    google.tell("=a", (200, done(*["SUCCESS"] * 9, "PROCESSING")), (200, done(*["SUCCESS"] * 10)))
    google.tell("=b", (200, done("SUCCESS", "SUCCESS")))
    work = batch(tool, "", crowd(3), Operation.REMOVE)
    assert tool.forget(work).accepted == 3
    assert [len(sent["destinations"]) for sent in google.asked(":remove")] == [10, 2]
    google.tell("/userLists", (200, {"userLists": [LIST]}))
    google.tell("=b", (200, done("FAILED")))
    with pytest.raises(TransientError, match="to be done again"):
        tool.forget(work)


def done(*states: str) -> Any:
    return {"requestStatusPerDestination": [{"requestStatus": state} for state in states]}
