"""Google: answers as the vendor's documentation and protos have them, requests as its protos read them."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.ads import datamanager_v1 as protos
from google.api_core.client_options import ClientOptions
from google.oauth2.credentials import Credentials
from google.protobuf import json_format

from segment_pipeline.delivery import jobs
from segment_pipeline.delivery.destination import AudienceGone, Destination, Operation
from segment_pipeline.destinations.google import credentials, uploads
from segment_pipeline.destinations.google.connector import GoogleCustomerMatch
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract
from segment_pipeline_tests.sandbox.vendors import destination
from segment_pipeline_tests.scripted_server import ScriptedServer, answer


class TestGoogleCustomerMatch(SandboxDestinationContract):
    vendor, connector, adds_first = "google", GoogleCustomerMatch, True
    given = {
        "client_id": "sandbox-google-client",
        "client_secret": "sandbox-google-secret",
        "refresh_token": "sandbox-google-refresh",
        "customer": "123-456-7890",
    }
    created, applied = "/userLists$", ":(ingest|remove)$"

    def remade(self, **changes: Any) -> Any:
        return super().remade(**{"token_url": f"{self.server.base_url}/google/token", **changes})

    def lapse(self, destination: Destination) -> None:
        """Nothing to wait for: what a replacement that was cut short has added is no more than members."""

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """Through Google's own client, with an access token of ours."""
        signed = Credentials(credentials.signed_in(self.remade()).text)
        made: Any = {
            "credentials": signed,
            "transport": "rest",
            "client_options": ClientOptions(api_endpoint=f"{self.server.base_url}/google"),
        }
        info = {
            "upload_key_types": ["CONTACT_ID"],
            "contact_id_info": {"data_source_type": "DATA_SOURCE_TYPE_FIRST_PARTY"},
        }
        with protos.UserListServiceClient(**made) as lists, protos.IngestionServiceClient(**made) as members:
            new = protos.UserList({"display_name": "by sdk", "ingested_user_list_info": info})
            parent = "accountTypes/GOOGLE_ADS/accounts/1234567890"
            audience = str(lists.create_user_list(parent=parent, user_list=new).id)
            for change, kind, who, more in (
                (members.ingest_audience_members, protos.IngestAudienceMembersRequest, people, uploads.TERMS),
                (members.remove_audience_members, protos.RemoveAudienceMembersRequest, gone, {}),
            ):
                sent = {"destinations": [destination(audience)], "encoding": "HEX", **more}
                sent["audienceMembers"] = [self.as_sent(one, consenting=bool(more)) for one in who]
                job = change(kind.from_json(json.dumps(sent))).request_id
                while (
                    members.retrieve_request_status({"request_id": job})
                    .request_status_per_destination[0]
                    .request_status
                    == 2
                ):
                    pass
        return audience

    def as_sent(self, person: Person, *, consenting: bool) -> dict[str, Any]:
        known = {"emailAddress": person.email, "phoneNumber": person.phone}
        hashed = [{name: sha256(held.encode()).hexdigest()} for name, held in known.items() if held]
        consent = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
        return {"userData": {"userIdentifiers": hashed}} | ({"consent": consent} if consenting else {})

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {
            tuple(next(iter(row.get(name, ())), None) for name in uploads.KEYS.values())
            for row in self.members(remote_id)
        }

    @pytest.fixture(autouse=True)
    def _as_the_protos_have_it(self, _well_behaved: None) -> Iterator[None]:
        """Every request of the suite has the fields and words of Google's own protos, and no others."""
        self.server.record()
        yield
        for sent in self.server.recorded("google"):
            if sent["method"] in {"POST", "PATCH"} and not sent["path"].endswith("/token"):
                as_google_reads(sent["path"], sent["body"])

    def test_a_service_account_signs_in_by_its_key(self, tmp_path: Path) -> None:
        """Offline nothing else is missing then; a file that is no key is a person's work."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        held = {"client_email": "us@project.test", "private_key": private, "token_uri": "https://elsewhere.test"}
        (tmp_path / "key.json").write_text(json.dumps(held))
        self.set(service_accounts={"us@project.test": public})
        tool = self.remade(
            service_account_file=str(tmp_path / "key.json"), client_id="", client_secret="", refresh_token=""
        )
        tool.check()
        self.set(service_accounts={})
        with pytest.raises(ConfigError, match="invalid_grant.*check GOOGLE_SERVICE_ACCOUNT_FILE"):
            self.remade(service_account_file=str(tmp_path / "key.json")).check()
        (tmp_path / "key.json").write_text(json.dumps({**held, "private_key": "no key"}))
        with pytest.raises(ConfigError, match="GOOGLE_SERVICE_ACCOUNT_FILE is no key file"):
            tool = self.remade(service_account_file=str(tmp_path / "key.json"))
            tool.check()

    @pytest.mark.parametrize(
        ("setting", "to_do"),
        [
            ({"revoked": True}, "check GOOGLE_OAUTH_REFRESH_TOKEN"),
            ({"granted_scope": "email"}, "make GOOGLE_OAUTH_REFRESH_TOKEN anew"),
            ({"allowlisted": False}, "not admitted to Customer Match"),
            ({"political_declaration": False}, "declare in Google Ads"),
            ({"login_accounts": []}, "needs GOOGLE_LOGIN_CUSTOMER"),
        ],
    )
    def test_a_check_finds_what_only_a_person_can_mend_and_makes_nothing(
        self, destination: Destination, setting: dict[str, Any], to_do: str
    ) -> None:
        before = self.control("lists")
        destination.check()
        self.set(**setting)
        with pytest.raises(ConfigError, match=to_do):
            self.remade().check()
        assert self.control("lists") == before

    def test_an_account_is_reached_through_its_manager(self, audience: str) -> None:
        """By a header for its lists, by the login account of each destination for its members."""
        self.set(login_accounts=["9998887777"])
        through = self.remade(login_customer="999-888-7777")
        assert settle(through, batch(through, audience, crowd(5))).accepted == 5
        assert through.exists(audience)

    def test_members_google_takes_no_consent_for_are_rejected(self, audience: str) -> None:
        tool = self.remade(ad_personalization=False)
        receipt = settle(tool, batch(tool, audience, crowd(5)))
        assert (receipt.accepted, set(receipt.rejected.values())) == (0, {"denied_consent"})
        assert self.held(tool, audience) == set()

    def test_a_member_google_cannot_read_is_rejected_and_the_rest_goes_on(
        self, destination: GoogleCustomerMatch, audience: str
    ) -> None:
        """Named by its place among those that were sent, and cut out by its place in the batch."""
        people = [Person(), *crowd(5)]
        self.set(poison=[key_of(destination, people[3])[0]])
        receipt = jobs.delivered(destination, batch(destination, audience, people))
        assert dict(receipt.rejected) == {
            digest(key_of(destination, people[0])): "no_identifier",
            digest(key_of(destination, people[3])): "invalid_sha256_format",
        }
        assert self.held(destination, audience) == keys_of(destination, [*people[1:3], *people[4:]])

    @pytest.mark.parametrize("every", [7, 1])
    def test_members_that_fail_in_a_replacement_cost_nobody_else_their_place(
        self, destination: GoogleCustomerMatch, audience: str, every: int
    ) -> None:
        settle(destination, batch(destination, audience, crowd(10, first=90)))
        self.misbehave({"kind": "row_errors", "path_regex": ":ingest$", "every": every, "times": 1})
        receipts = list(destination.replace([batch(destination, audience, crowd(40))]))
        assert [receipt.accepted for receipt in receipts] == [40 if every == 7 else 0]
        assert self.held(destination, audience) == (keys_of(destination, crowd(40)) if every == 7 else set())

    def test_a_list_is_called_by_a_neutral_name(self, destination: Destination) -> None:
        made = destination.ensure_audience("diabetes buyers")
        [name] = [one["name"] for one in self.control("lists") if one["id"] == made]
        assert re.fullmatch(r"Audience [0-9a-f]{8} \(segment-pipeline\)", name)


LIST = {
    "id": "7",
    "integrationCode": "segment-pipeline/0ace",
    "accessReason": "OWNED",
    "membershipDuration": "46656000s",
    "ingestedUserListInfo": {"uploadKeyTypes": ["CONTACT_ID"]},
}
TOKEN = {"access_token": "ya29.made-up", "expires_in": 3599, "token_type": "Bearer"}
MESSAGES: dict[str, Any] = {
    "ingest": protos.IngestAudienceMembersRequest,
    "remove": protos.RemoveAudienceMembersRequest,
    "removeAll": protos.RemoveAllAudienceMembersRequest,
}


def as_google_reads(path: str, body: bytes) -> Any:
    """A request by the vendor's own proto, which knows every field and every word; raises ParseError for any other."""
    kind = MESSAGES.get(path.partition(":")[2].partition("?")[0], protos.UserList)
    return json_format.ParseDict(json.loads(body), kind.pb(kind()))


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
    for method, path, _, body in server.seen:
        if method in {"POST", "PATCH"} and "/token" not in path:
            as_google_reads(path, body)


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


def test_a_warning_costs_a_member_its_place_only_where_nothing_of_it_is_left(
    google: Google, tool: GoogleCustomerMatch, caplog: pytest.LogCaptureFixture
) -> None:
    """People 0 and 2 have an e-mail alone, 1 and 3 a phone too; of 2 it is the address that is dropped."""
    fields = [
        "[0].user_data.user_identifiers[0].email_address",
        "[1].user_data.user_identifiers[0].email_address",
        "[2].user_data.user_identifiers[1].address.postal_code",
    ]
    warnings = [
        {"reason": "WARNING_REASON_GENERIC", "field": f"audience_members.audience_members{field}"} for field in fields
    ]
    google.tell(
        ":ingest",
        (200, {"requestId": "r1", "fieldWarnings": warnings}),
        (200, {"requestId": "r2", "fieldWarnings": warnings[1:2]}),
    )
    with pytest.raises(RejectedRecords) as caught:
        tool.apply(batch(tool, "7", crowd(4)))
    assert caught.value.rows == {0: "WARNING_REASON_GENERIC"}
    assert tool.apply(batch(tool, "7", crowd(4))).handle == "r2"
    assert "dropped 1 fields of a batch" in caplog.text


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


def refused(code: int, told: Any) -> SegmentPipelineError | None:
    return OFFLINE._refused(Response(code, {}, json.dumps(told).encode()))


def test_a_list_is_made_under_a_neutral_name_and_found_by_its_code(google: Google, tool: GoogleCustomerMatch) -> None:
    google.tell("/userLists", (200, {}), (200, {"id": "9"}))
    assert tool.ensure_audience("diabetes buyers") == "9"
    [_, made] = google.asked("/userLists")
    assert "diabetes" not in json.dumps(made)
    assert made["membershipDuration"] == "46656000s"
    google.tell(
        "/userLists",
        (200, {"userLists": [LIST], "nextPageToken": "p"}),
        (200, {"userLists": [LIST | made | {"id": "9"}]}),
    )
    assert tool.ensure_audience("diabetes buyers") == "9"


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
    """Our own clock, here a year ahead, would have Google take out those that were just added."""
    monkeypatch.setenv("SEGMENT_PIPELINE_NOW", "2036-01-01T00:00:00+00:00")
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


@pytest.mark.parametrize(
    ("error", "named"),
    [
        ("invalid_grant", "GOOGLE_OAUTH_REFRESH_TOKEN"),
        ("invalid_client", "GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET"),
    ],
)
def test_a_refused_sign_in_names_its_variable(
    google: Google, tool: GoogleCustomerMatch, error: str, named: str
) -> None:
    google.tell("/token", (400, {"error": error, "error_description": "Token 1//r has been expired or revoked."}))
    with pytest.raises(ConfigError, match=f"{error}.*check {named}") as caught:
        tool.check()
    assert "1//r" not in str(caught.value) + repr(caught.value.__context__)


def test_a_token_that_ends_in_mid_run_is_renewed(google: Google, tool: GoogleCustomerMatch) -> None:
    google.tell("/userLists", (200, {"userLists": [LIST]}), (401, {}), (200, {"userLists": [LIST]}))
    assert (tool.exists("7"), tool.exists("7")) == (True, True)
    assert [path for _, path, _, _ in google.server.seen].count("/token") == 2
