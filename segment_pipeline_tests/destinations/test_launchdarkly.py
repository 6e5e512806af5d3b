"""LaunchDarkly segments, big and standard: the contract over real HTTP, LaunchDarkly's SDK as the oracle, and what is LaunchDarkly's own."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
import requests
from launchdarkly_api import (
    ApiClient,
    Configuration,
    PatchOperation,
    PatchWithComment,
    SegmentBody,
    SegmentsApi,
    SegmentUserList,
    SegmentUserState,
)

from segment_pipeline import clock
from segment_pipeline.delivery.destination import AudienceGone, Operation
from segment_pipeline.destinations.launchdarkly.connector import LaunchDarklySegments
from segment_pipeline.errors import ConfigError, RejectedRecords, TransientError
from segment_pipeline.testing.batches import Person, batch, crowd, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

TOKEN = "api-sandbox-launchdarkly"
SEMANTIC = "application/json; domain-model=launchdarkly.semanticpatch"
UNSAID = "409 is no answer"  # of a change of a big segment: the vendor's pages have it


class Segments(SandboxDestinationContract):
    vendor, connector = "launchdarkly", LaunchDarklySegments
    created = "/production$"
    published = "launchdarkly_segments_openapi_v22_trimmed.json"

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """The document has one body for all kinds of patches, that of a JSON patch."""
        semantic = "semanticpatch" in recorded["headers"].get("content-type", "")
        return (why for why in super().wrong(recorded) if not (semantic and "requestBody" in why) and UNSAID not in why)

    def sdk(self) -> SegmentsApi:
        to = Configuration(host=f"{self.server.base_url}/launchdarkly")
        to.api_key["ApiKey"] = TOKEN
        return SegmentsApi(ApiClient(to))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """A request of a test's own, which may be wrong: it is not recorded."""
        self.server.record(on=False)
        url = f"{self.server.base_url}/launchdarkly/api/v2/segments/shop/production{path}"
        data = body if isinstance(body, bytes) else json.dumps(body)
        return requests.request(method, url, data=data, headers={"Authorization": TOKEN, **headers}, timeout=30)

    def test_a_segment_of_the_other_kind_is_not_taken_over(self, destination: LaunchDarklySegments) -> None:
        self.call("POST", "", {"name": "n", "key": "segment-pipeline-theirs", "unbounded": destination.kind != "big"})
        with pytest.raises(ConfigError, match="delete it, or change `kind`"):
            destination.ensure_audience("theirs")

    def test_a_project_that_is_not_there_is_no_audience_that_is_gone(self, audience: str) -> None:
        """Both are 404; taken for gone everybody would be sent anew."""
        for wrong in ({"project": "other"}, {"environment": "other"}):
            with pytest.raises(ConfigError, match="LAUNCHDARKLY_PROJECT and LAUNCHDARKLY_ENVIRONMENT"):
                settle(self.remade(**wrong), batch(self.remade(), audience, crowd(2)))

    @pytest.mark.parametrize("prefix", ["a/b", "-x", "x" * 101, "a b"])
    def test_a_prefix_no_key_can_have_is_told(self, prefix: str) -> None:
        with pytest.raises(ConfigError, match="`prefix` begins keys"):
            self.remade(prefix=prefix)

    def test_a_segment_that_says_it_is_deleted_is_gone(self, destination: LaunchDarklySegments, audience: str) -> None:
        self.server.control("POST", f"/launchdarkly/lists/{audience}", {"deleted": True})
        with pytest.raises(AudienceGone, match="resend"):
            destination.count(audience)
        with pytest.raises(ConfigError, match="restore that one there"):
            destination.ensure_audience(str(audience).removeprefix("segment-pipeline-"))

    def test_an_odd_project_is_not_found_and_leads_nowhere_else(self) -> None:
        with pytest.raises(ConfigError, match="no such project"):
            self.remade(environment="production?x=1").check()

    def test_each_request_says_its_version(self, destination: LaunchDarklySegments, audience: str) -> None:
        """A token without one speaks the version it was made with."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(2)))
        assert {one["headers"]["ld-api-version"] for one in self.server.recorded("launchdarkly")} == {"20240415"}

    def test_a_conflict_is_waited_for(self, destination: LaunchDarklySegments, audience: str) -> None:
        self.set(conflicts=2)
        assert settle(destination, batch(destination, audience, crowd(5))).accepted == 5

    def test_a_limit_says_in_milliseconds_when_it_ends(self, audience: str) -> None:
        """There is no Retry-After: taken for seconds, or not read, we would be back at once or never."""
        once = self.remade(attempts=1)
        self.server.set_clock(clock.now())  # what is answered is dated, and ends, by it
        self.misbehave({"kind": "429", "path_regex": self.applied, "times": 1, "seconds": 7})
        with pytest.raises(TransientError) as limited:
            once.apply(batch(once, audience, crowd(2)))
        assert limited.value.retry_after == pytest.approx(7, abs=2)

    def test_one_poison_key_is_found_by_halves(self, destination: LaunchDarklySegments, audience: str) -> None:
        """LaunchDarkly refuses all of a batch and does not say for which key."""
        self.set(poison=[key_of(destination, crowd(8)[5])[0]])
        with pytest.raises(RejectedRecords, match="A context key is invalid") as refused:
            destination.apply(batch(destination, audience, crowd(8)))
        assert dict(refused.value.rows) == {}
        assert self.members(audience) == []

    def test_keys_of_another_kind_of_context(self) -> None:
        accounts = self.remade(context_kind="account")
        segment = accounts.ensure_audience("accounts")
        settle(accounts, batch(accounts, segment, crowd(9)))
        settle(accounts, batch(accounts, segment, crowd(2), Operation.REMOVE, number=2))
        assert accounts.count(segment) == 7
        assert [receipt.accepted for receipt in accounts.replace([batch(accounts, segment, crowd(4))])] == [4]
        shown = self.call("GET", f"/{segment}").json()
        kind = shown.get("unboundedContextKind") or shown["includedContexts"][0]["contextKind"]
        assert kind == "account"
        assert accounts.count(segment) == 4


class TestBigSegments(Segments):
    given = {"users_of": "shop", "access_token": TOKEN, "project": "shop", "environment": "production"}
    applied, alike = "/contexts$", ("POST",)
    adds_first = True

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        sdk, at = self.sdk(), ("shop", "production", "by-sdk")
        new = SegmentBody(name="by sdk", key="by-sdk", unbounded=True, unboundedContextKind="user")
        sdk.post_segment(*at[:2], new)
        self.server.record()
        for verb, some in (("add", people), ("remove", gone)):
            targets = SegmentUserList.from_dict({verb: [person.user_id for person in some]})
            sdk.update_big_segment_context_targets(*at, SegmentUserState(included=targets))
        return "by-sdk"

    def test_an_import_is_waited_for_and_a_change_meanwhile_is_a_conflict(
        self, destination: LaunchDarklySegments, audience: str
    ) -> None:
        """Members of before are there until it is complete."""
        settle(destination, batch(destination, audience, crowd(5)))
        self.set(polls_to_complete=10_000)
        form = b'--b\r\nContent-Disposition: form-data; name="mode"\r\n\r\nreplace\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="k.csv"\r\n\r\nu1\r\n--b--\r\n'
        typed = {"Content-Type": "multipart/form-data; boundary=b"}
        opened = self.call("POST", f"/{audience}/imports", form, **typed)
        assert (opened.status_code, opened.content, destination.count(audience)) == (204, b"", 5)
        assert self.call("POST", f"/{audience}/imports", form, **typed).json()["message"] == "conflicting process"
        with pytest.raises(TransientError, match="somebody else changes this segment"):
            self.remade(attempts=2).apply(batch(destination, audience, crowd(2)))
        self.lapse(destination)
        assert settle(destination, batch(destination, audience, crowd(2))).accepted == 2
        assert destination.count(audience) == 3

    @pytest.mark.parametrize(
        ("ends", "error", "words"),
        [("stopped", TransientError, "made anew"), ("pending_approval", ConfigError, "have it approved")],
    )
    def test_an_import_that_does_not_complete_says_why(
        self, destination: LaunchDarklySegments, audience: str, ends: str, error: type[Exception], words: str
    ) -> None:
        settle(destination, batch(destination, audience, crowd(3)))
        self.set(imports=ends)
        with pytest.raises(error, match=words):
            list(destination.replace([batch(destination, audience, crowd(2, 9))]))
        assert self.held(destination, audience) == keys_of(destination, [*crowd(3), *crowd(2, 9)])

    def test_a_key_that_is_refused_keeps_no_replacement_from_the_others(
        self, destination: LaunchDarklySegments, audience: str
    ) -> None:
        """An import is refused whole, and would be at each sync: whom it would be for is found before, by adding."""
        settle(destination, batch(destination, audience, crowd(3)))
        people = crowd(20, 10)
        self.set(poison=[people[4].user_id])
        receipts = list(
            destination.replace([batch(destination, audience, people[n : n + 10], number=n) for n in (0, 10)])
        )
        assert [(receipt.accepted, len(receipt.rejected)) for receipt in receipts] == [(9, 1), (10, 0)]
        assert self.held(destination, audience) == keys_of(destination, [*people[:4], *people[5:]])

    def test_odd_keys_survive_the_file_of_an_import(self, destination: LaunchDarklySegments, audience: str) -> None:
        odd = [Person(user_id=one) for one in ("a,b", 'say "hi"', " spaced ", "ünï", "line\nbreak", "=1+1")]
        assert [receipt.accepted for receipt in destination.replace([batch(destination, audience, odd)])] == [6]
        assert self.held(destination, audience) == keys_of(destination, odd)

    def test_a_field_it_does_not_know_is_passed_over_in_silence(
        self, destination: LaunchDarklySegments, audience: str
    ) -> None:
        """204 is no proof: the count of each sync is."""
        assert self.call("POST", f"/{audience}/contexts", {"include": {"add": ["u1"]}}).status_code == 204
        assert destination.count(audience) == 0


class TestStandardSegments(Segments):
    given = {**TestBigSegments.given, "kind": "standard"}
    applied = "/production/segment-pipeline-[^/]+$"

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """The SDK sends no semantic patch: its typed model demands `patch`."""
        sdk, at = self.sdk(), ("shop", "production", "by-sdk")
        sdk.post_segment(*at[:2], SegmentBody(name="by sdk", key="by-sdk"))
        for some in (people, people[len(gone) :]):
            whole = PatchOperation(op="replace", path="/included", value=[person.user_id for person in some])
            sdk.patch_segment(*at, PatchWithComment(patch=[whole]))
        return "by-sdk"

    def test_instructions_without_their_content_type_are_a_json_patch(self, audience: str) -> None:
        body = {"environmentKey": "production", "instructions": []}
        assert self.call("PATCH", f"/{audience}", body, **{"Content-Type": "application/json"}).status_code == 400
        assert self.call("PATCH", f"/{audience}", body, **{"Content-Type": SEMANTIC}).status_code == 200

    @pytest.mark.parametrize(
        ("instructions", "words"),
        [
            ([{"kind": "addIncludedTargets", "contextKind": "user", "values": [str(n) for n in range(1501)]}], "1500"),
            (
                [
                    {"kind": f"add{side}Targets", "contextKind": "user", "values": ["u"]}
                    for side in ("Included", "Excluded")
                ],
                "both",
            ),
            ([{"kind": "addIncludedTargets", "contextKind": "user", "values": ["u"]}, {"kind": "noSuchKind"}], "kind"),
        ],
    )
    def test_one_bad_instruction_fails_them_all(self, audience: str, instructions: Any, words: str) -> None:
        body = {"environmentKey": "production", "instructions": instructions}
        answer = self.call("PATCH", f"/{audience}", body, **{"Content-Type": SEMANTIC})
        assert (answer.status_code, words in answer.json()["message"]) == (400, True)
        assert self.members(audience) == []

    def test_a_full_segment_says_so_before_it_is_split(self, destination: LaunchDarklySegments, audience: str) -> None:
        """Halves would be refused too, down to the last key."""
        assert list(destination.replace([batch(destination, audience, crowd(1500, n)) for n in range(0, 15_000, 1500)]))
        with pytest.raises(ConfigError, match="set kind='big'"):
            destination.apply(batch(destination, audience, crowd(1, 20_000)))
        assert destination.count(audience) == 15_000

    def test_what_the_answer_does_not_include_is_rejected(
        self, destination: LaunchDarklySegments, audience: str
    ) -> None:
        """200 is no proof either, and the answer shows it."""
        people = crowd(3)
        self.set(deaf=[people[0].user_id])
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, list(receipt.rejected.values())) == (2, ["not_included"])

    def test_whom_the_answer_still_includes_has_not_left(
        self, destination: LaunchDarklySegments, audience: str
    ) -> None:
        people = crowd(3)
        settle(destination, batch(destination, audience, people))
        self.set(kept=[people[0].user_id])
        receipt = settle(destination, batch(destination, audience, people, Operation.REMOVE, number=2))
        assert (receipt.accepted, list(receipt.rejected.values())) == (2, ["still_included"])
