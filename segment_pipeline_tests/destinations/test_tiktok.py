"""TikTok: the contract over real HTTP, files, changes that are worked on one at a time, and TikTok's SDK as the oracle."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import business_api_client as sdk
import pytest

from segment_pipeline.delivery.destination import AudienceGone, Countable, Destination, Operation, Readable
from segment_pipeline.delivery.nobody import hashes
from segment_pipeline.destinations.tiktok.connector import TikTokAudiences
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.http import Response
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Key, Person, batch, crowd, keys_of, settle, settle_again
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

TOKEN, ADVERTISER = "sandbox-tiktok-token", "7000000000000000001"
NOBODY = hashes(1000)


class TestTikTokAudiences(SandboxDestinationContract):
    vendor, connector = "tiktok", TikTokAudiences
    given = {"access_token": TOKEN, "advertiser_id": ADVERTISER}
    created, applied = "/create/$", "/update/$"
    published = "tiktok_custom_audience_openapi_v1.3_trimmed.json"
    # The document says of no answer what its data are.
    besides = {
        "data": {
            "file_path": {"type": "string", "minLength": 16, "maxLength": 16},
            "calculate_type": {"type": "string"},
            "custom_audience_id": {"type": "string"},
            "list": {"type": "array"},
            "page_info": {"type": "object"},
        }
    }
    undescribed = r"\w+ .*[^/]"
    # TikTok tells of no row: a file is taken whole, or its audience has an error.
    test_a_partial_failure_is_told_row_by_row_or_not_at_all = None  # type: ignore[assignment]

    def asked(self, path: str) -> str:
        return super().asked(path).removeprefix("/open_api/v1.3")

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        settings = sdk.Configuration()
        settings.host = f"{self.server.base_url}/tiktok"
        api, kind, given = sdk.AudienceApi(sdk.ApiClient(settings)), "EMAIL_SHA256", {"advertiser_id": ADVERTISER}

        def file(lines: Sequence[str]) -> str:
            text = "\n".join(["Email_SHA256", *lines])
            with TemporaryDirectory() as folder:
                path = Path(folder, "people.csv")
                path.write_text(text)
                signed = hashlib.md5(text.encode()).hexdigest()
                answer = api.dmp_custom_audience_file_upload(
                    TOKEN, **given, calculate_type=kind, file=str(path), file_signature=signed
                )
            return str(answer["data"]["file_path"])

        def calculated() -> None:
            for _ in range(2):
                [told] = api.dmp_custom_audience_get(ADVERTISER, [made], TOKEN)["data"]["list"]
            assert told["audience_details"]["is_valid"]

        def change(action: str, some: Sequence[Person]) -> None:
            files = [file([str(RULES["email/sha256/1"].apply(str(one.email))) for one in some])]
            body = sdk.CustomAudienceUpdateBody(**given, custom_audience_id=made, file_paths=files, action=action)
            api.dmp_custom_audience_update(TOKEN, body=body)
            calculated()

        body = sdk.CustomAudienceCreateBody(
            **given, custom_audience_name="by sdk", calculate_type=kind, file_paths=[file(NOBODY)]
        )
        made = str(api.dmp_custom_audience_create(TOKEN, body=body)["data"]["custom_audience_id"])
        calculated()
        change("APPEND", people)
        change("REMOVE", gone)
        return made

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(one["user_id"],) for one in self.members(remote_id) if one["user_id"] not in NOBODY}

    def test_what_tiktok_does_not_tell_is_not_promised(self, destination: TikTokAudiences) -> None:
        assert not isinstance(destination, Countable | Readable)

    def test_an_audience_begins_with_hashes_of_nobody(self, destination: TikTokAudiences) -> None:
        """There is none without a file, and none below 1,000 entries; its name says nothing of its people."""
        self.server.record()
        made = destination.ensure_audience("lapsed buyers of trusses")
        [file], [body] = self.recorded("/file/upload/"), self.sent("/create/")
        assert {one["user_id"] for one in self.members(made)} == {*NOBODY}
        assert "Email_SHA256\n" + "\n".join(NOBODY) + "\r\n" in file["body"]
        assert body["custom_audience_name"].startswith("Audience ")
        assert "truss" not in body["custom_audience_name"]

    def test_everybody_may_leave_a_small_audience(self, destination: TikTokAudiences, audience: str) -> None:
        """A removal that leaves fewer than 1,000 fails at TikTok: without the hashes of nobody no withdrawal would arrive."""
        settle(destination, batch(destination, audience, crowd(3)))
        assert settle(destination, batch(destination, audience, crowd(3), Operation.REMOVE, number=2)).accepted == 3
        assert self.held(destination, audience) == set()

    def test_a_change_tiktok_could_not_make_is_a_persons_work(
        self, destination: TikTokAudiences, audience: str
    ) -> None:
        """It comes as an error of the audience, hours after the success; the next change is made all the same."""
        self.set(least=5000)
        with pytest.raises(ConfigError, match=r"size is less than 1,000 .* look at it in TikTok Ads Manager"):
            settle(destination, batch(destination, audience, crowd(3)))
        assert self.held(destination, audience) == set()
        self.set(least=1000)
        assert settle(destination, batch(destination, audience, crowd(3), number=2)).accepted == 3

    def test_a_change_waits_for_the_one_before(self, destination: TikTokAudiences, audience: str) -> None:
        """An audience that is worked on is not editable."""
        self.set(polls_to_complete=5)
        first = destination.apply(batch(destination, audience, crowd(3)))
        assert first.handle
        assert settle(destination, batch(destination, audience, crowd(3, first=3), number=2)).accepted == 3
        assert self.held(destination, audience) == keys_of(destination, crowd(6))

    def test_adding_is_appending(self, destination: TikTokAudiences, audience: str) -> None:
        """`action` left out would replace everybody."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(3)))
        settle(destination, batch(destination, audience, crowd(1), Operation.REMOVE, number=2))
        # The first while the audience was still being made.
        assert [body["action"] for body in self.sent("/update/")] == ["APPEND", "APPEND", "REMOVE"]

    def test_a_path_without_its_slash_is_none(self, destination: TikTokAudiences) -> None:
        self.server.record()
        destination.check()
        [asked] = self.server.recorded("tiktok")
        assert asked["path"].endswith("/list/")
        with pytest.raises(ContractError, match="404"):
            destination._vendor.client().request("GET", asked["path"].removeprefix("/tiktok").rstrip("/"))

    def test_a_request_had_before_is_our_own_unheard(self, destination: TikTokAudiences, audience: str) -> None:
        self.set(duplicates=True)
        self.misbehave({"kind": "lost_response", "path_regex": "/update/$", "times": 1})
        assert settle_again(destination, batch(destination, audience, crowd(3))).accepted == 3
        assert self.held(destination, audience) == keys_of(destination, crowd(3))

    @pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost_response", "truncated"])
    def test_a_file_that_was_not_heard_of_is_uploaded_again(
        self, destination: TikTokAudiences, audience: str, kind: str
    ) -> None:
        self.misbehave({"kind": kind, "path_regex": "/file/upload/$", "times": 1})
        assert settle(destination, batch(destination, audience, crowd(3))).accepted == 3

    @pytest.mark.parametrize(("limit", "least"), [(40100, 1), (40016, 1), (40132, 300), (40133, 1)])
    def test_limits_come_as_a_success_with_a_code(self, limit: int, least: float) -> None:
        told = self.refusal(limit)
        assert isinstance(told, TransientError)
        assert (told.sent, least <= (told.retry_after or 0) <= 86_400) == (False, True)

    @pytest.mark.parametrize(
        ("code", "kind"), [(50002, TransientError), (40102, ConfigError), (40118, ConfigError), (40007, ContractError)]
    )
    def test_a_success_with_a_code_is_none(self, code: int, kind: type[Exception]) -> None:
        assert isinstance(self.refusal(code), kind)

    def refusal(self, code: int) -> Exception | None:
        answer = Response(200, {}, json.dumps({"code": code, "message": "said", "data": {}}).encode())
        error: Exception | None = self.remade()._refused(answer)
        return error

    def test_another_ad_account_is_told_with_its_variable(self) -> None:
        with pytest.raises(ConfigError, match="TIKTOK_ADVERTISER_ID"):
            self.remade(advertiser_id="7").check()

    def test_an_expired_audience_is_made_anew(self, destination: TikTokAudiences) -> None:
        """TikTok still lists it, and would take it for calculating for ever."""
        old = destination.ensure_audience("a year old")
        self.server.control("POST", f"/tiktok/lists/{old}", {"expired_time": "2020-01-01 00:00:00"})
        with pytest.raises(AudienceGone, match="resend"):
            settle(destination, batch(destination, old, crowd(3)))
        assert not destination.exists(old)
        assert destination.ensure_audience("a year old") != old

    def test_an_audience_shared_by_others_is_not_ours(self, destination: TikTokAudiences) -> None:
        theirs = destination.ensure_audience("shared with us")
        self.server.control("POST", f"/tiktok/lists/{theirs}", {"is_creator": False})
        assert destination.find("shared with us") is None

    def test_a_member_may_have_two_columns(self) -> None:
        """Then either finds somebody, and both leave; phones are hashed by their digits unless the `+` is asked for."""
        both = self.remade(identifiers=("email", "phone"), marker="two columns")
        made = both.ensure_audience("by both")
        people = [Person("janedoe@gmail.com", "+37493828222"), Person(None, "+14155550101")]
        assert settle(both, batch(both, made, people)).accepted == 2
        inside = {one["user_id"] for one in self.members(made)} - {*NOBODY}
        assert inside == {cell for key in keys_of(both, people) for cell in key if cell}
        # TikTok Ads help: its published hashes of an e-mail and of a phone.
        assert "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69" in inside
        assert any(one.startswith("65b7e6dc") for one in inside)
        settle(both, batch(both, made, people, Operation.REMOVE, number=2))
        assert {one["user_id"] for one in self.members(made)} == {*NOBODY}
        plus = self.remade(identifiers=("phone",), phone_plus=True).capabilities.identifiers
        assert [rule.rule for rule in plus] == ["phone/sha256/1"]

    def test_an_audience_of_other_identifiers_is_told(self, destination: TikTokAudiences, audience: str) -> None:
        """All files of an audience are of one type."""
        phones = self.remade(identifiers=("phone",))
        with pytest.raises(ConfigError, match="EMAIL_SHA256: set `identifiers`"):
            phones.apply(batch(phones, audience, crowd(3)))
        with pytest.raises(ConfigError, match="each once"):
            self.remade(identifiers=("email", "email"))
