"""LinkedIn: the contract over real HTTP, one answer a member, versions that end, and LinkedIn's own client as the oracle."""

import json
from collections.abc import Sequence

import pytest
from linkedin_api.clients.restli.client import RestliClient
from linkedin_api.common import constants

from segment_pipeline.delivery.destination import Countable, Destination, Operation, Readable, Renameable
from segment_pipeline.destinations.linkedin.connector import LinkedInSegments
from segment_pipeline.errors import ConfigError, RejectedRecords, TransientError
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

TOKEN, ACCOUNT = "sandbox-linkedin-token", "urn:li:sponsoredAccount:500000001"


class TestLinkedInSegments(SandboxDestinationContract):
    vendor, connector = "linkedin", LinkedInSegments
    given = {"access_token": TOKEN, "account": "500000001"}
    created, applied = "/dmpSegments$", "/users$"
    alike = ("POST",)
    published = "linkedin_dmp_written_from_docs.json"
    # There is room for 1,000 segments; the suite finds one among more, and its faults are of requests that carry members.
    settings = {"most_segments": 1_000_000, "unready": 0}

    @pytest.fixture(autouse=True)
    def _sdk(self, _well_behaved: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "VERSIONED_BASE_URL", f"{self.server.base_url}/linkedin")
        self.client = RestliClient()

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        with_token = {"access_token": TOKEN, "version_string": "202607"}
        entity = {
            "name": "by sdk", "account": ACCOUNT, "accessPolicy": "PRIVATE", "type": "USER",
            "destinations": [{"destination": "LINKEDIN"}], "sourcePlatform": "SDK", "sourceSegmentId": "by/sdk",
        }  # fmt: skip
        made = self.client.create(resource_path="/dmpSegments", entity=entity, **with_token).entity_id
        asked = {"account": ACCOUNT, "sourcePlatform": "SDK", "sourceSegmentId": "by/sdk"}
        found = self.client.finder(
            resource_path="/dmpSegments", finder_name="account", query_params=asked, **with_token
        ).elements
        assert [str(one["id"]) for one in found] == [made]
        for action, some in (("ADD", people), ("REMOVE", gone)):
            rows = [
                {
                    "action": action,
                    "userIds": [{"idType": "SHA256_EMAIL", "idValue": RULES["email/sha256/1"].apply(str(one.email))}],
                }
                for one in some
            ]
            answer = self.client.batch_create(resource_path=f"/dmpSegments/{made}/users", entities=rows, **with_token)
            assert [one.status for one in answer.elements] == [201] * len(some)
        return str(made)

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(one["user_id"],) for one in self.members(remote_id)}

    def test_what_linkedin_does_not_tell_is_not_promised(self, destination: LinkedInSegments) -> None:
        assert not isinstance(destination, Countable | Readable | Renameable)

    def test_a_name_says_nothing_of_its_people(self, destination: LinkedInSegments) -> None:
        self.server.record()
        destination.ensure_audience("lapsed buyers of trusses")
        [body] = self.sent("/dmpSegments")
        assert body["name"].startswith("Audience ")
        assert "truss" not in json.dumps(body)
        assert body["accessPolicy"] == "PRIVATE"

    def test_a_new_segment_is_not_gone(self, destination: LinkedInSegments) -> None:
        """Its users are answered 404 for some seconds; that is waited for, and for longer it is tried another time."""
        self.set(unready=3)
        made = destination.ensure_audience("just made")
        assert settle(destination, batch(destination, made, crowd(3))).accepted == 3
        self.set(unready=99)
        slow = destination.ensure_audience("made slowly")
        with pytest.raises(TransientError, match="not done with making"):
            destination.apply(batch(destination, slow, crowd(3)))

    def test_each_member_has_an_answer_of_its_own(self, destination: LinkedInSegments, audience: str) -> None:
        """In a success: whoever is refused is rejected, whoever LinkedIn fails just now is sent again with them alone."""
        people = crowd(20)
        [refused], *_ = [key_of(destination, one) for one in people]
        self.set(refused=[refused], throttled=4)
        self.server.record()
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, dict(receipt.rejected)) == (19, {digest((refused,)): "status_422"})
        assert [len(body["elements"]) for body in self.sent("/users")][-2:] == [20, 4]
        assert self.held(destination, audience) == keys_of(destination, people[1:])
        assert "422" not in destination.reasons["status_422"]

    def test_members_that_fail_for_long_are_sent_another_time(
        self, destination: LinkedInSegments, audience: str
    ) -> None:
        [failing] = key_of(destination, crowd(1)[0])
        self.set(failing=[failing])
        with pytest.raises(TransientError, match="did not take 1 members") as told:
            destination.apply(batch(destination, audience, crowd(5)))
        assert told.value.sent
        self.set(failing=[])
        assert settle(destination, batch(destination, audience, crowd(5))).accepted == 5

    def test_a_request_refused_whole_is_split(self, destination: LinkedInSegments, audience: str) -> None:
        [fatal] = key_of(destination, crowd(1)[0])
        self.set(fatal=[fatal])
        with pytest.raises(RejectedRecords) as told:
            destination.apply(batch(destination, audience, crowd(5)))
        assert told.value.rows == {}

    def test_a_full_account_is_no_limit_to_wait_for(self, destination: LinkedInSegments) -> None:
        """A 429 like a rate's, with a code of its own: no attempt would help."""
        self.set(most_segments=len(self.control("lists")))
        self.server.record()
        with pytest.raises(ConfigError, match="delete some in Campaign Manager"):
            destination.ensure_audience("one too many")
        assert len(self.sent("/dmpSegments")) == 1

    @pytest.mark.parametrize("version", ["202511", "202512"])
    def test_a_version_that_is_over_is_named(self, version: str) -> None:
        with pytest.raises(ConfigError, match=f"no longer answers version {version}: set a newer `version`"):
            self.remade(version=version).check()

    @pytest.mark.parametrize(("now", "said"), [("2027-05-10T00:00:00+00:00", 0), ("2027-05-20T00:00:00+00:00", 1)])
    def test_the_end_of_a_version_is_told_60_days_before(
        self,
        destination: LinkedInSegments,
        now: str,
        said: int,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", now)
        destination.check()
        assert caplog.text.count("version 202607 ends on 2027-07-15") == said

    @pytest.mark.parametrize("version", ["2026-7", "202613", ""])
    def test_a_version_is_a_month(self, version: str) -> None:
        with pytest.raises(ConfigError, match="a year and a month"):
            self.remade(version=version)

    @pytest.mark.parametrize("status", ["EXPIRED", "FAILED", "ERROR"])
    def test_a_segment_that_is_over_is_made_anew(self, destination: LinkedInSegments, status: str) -> None:
        """Nobody can be advertised to by it any more; one that is ARCHIVED can."""
        old = destination.ensure_audience(f"a segment {status}")
        self.server.control("POST", f"/linkedin/lists/{old}", {"status": "ARCHIVED"})
        assert destination.exists(old)
        self.server.control("POST", f"/linkedin/lists/{old}", {"status": status})
        assert not destination.exists(old)
        assert destination.ensure_audience(f"a segment {status}") != old

    def test_members_are_sent_anew_before_a_segment_expires(self) -> None:
        assert self.remade().capabilities.expires_after_days == 60
        assert self.remade(renewed_days=0).capabilities.expires_after_days is None

    def test_leaving_is_a_removal_of_one_segment(self, destination: LinkedInSegments, audience: str) -> None:
        self.server.record()
        settle(destination, batch(destination, audience, crowd(1), Operation.REMOVE))
        [element] = self.sent("/users")[-1]["elements"]
        assert (element["action"], element["userIds"][0]["idType"]) == ("REMOVE", "SHA256_EMAIL")
