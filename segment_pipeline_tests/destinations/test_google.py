"""Google: the contract over real HTTP, what only a person can mend, and Google's SDK and protos as the oracles."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.ads import datamanager_v1 as protos
from google.api_core.client_options import ClientOptions
from google.oauth2.credentials import Credentials

from segment_pipeline.delivery import jobs
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.destinations.google import credentials, uploads
from segment_pipeline.destinations.google.connector import GoogleCustomerMatch
from segment_pipeline.errors import ConfigError
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract
from segment_pipeline_tests.sandbox import google_schema
from segment_pipeline_tests.sandbox.vendors import destination


class TestGoogleCustomerMatch(SandboxDestinationContract):
    vendor, connector, adds_first = "google", GoogleCustomerMatch, True
    given = {
        "client_id": "sandbox-google-client",
        "client_secret": "sandbox-google-secret",
        "refresh_token": "sandbox-google-refresh",
        "customer": "123-456-7890",
    }
    created, applied = "/userLists$", ":(ingest|remove)$"
    unpublished = "its protos, in the SDK, are the description"

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        return google_schema.sent([recorded])

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

    def test_a_check_asks_for_no_name_an_audience_has(self, destination: Destination) -> None:
        destination.ensure_audience("check")
        destination.check()

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
