"""Amplitude cohorts: the contract over real HTTP, and what is Amplitude's own about them."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from segment_pipeline.delivery.destination import AudienceGone, Operation
from segment_pipeline.destinations.amplitude.connector import AmplitudeCohorts
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.testing.batches import batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

SEED = "seed-of-cohorts"
UNSAID = re.compile(r"(403|404) is no answer")


class TestAmplitudeCohorts(SandboxDestinationContract):
    vendor, connector = "amplitude", AmplitudeCohorts
    given = {
        "users_of": "shop",
        "api_key": "sandbox-amplitude-key",
        "secret_key": "sandbox-amplitude-secret",
        "app_id": "100001",
        "owner": "owner@shop.example",
        "seed_user": SEED,
    }
    created, applied = "/cohorts/upload$", "/cohorts/membership$"
    published = "amplitude_cohorts_written_from_docs.json"
    no_sdk = "Amplitude's clients on PyPI send events: none of them knows cohorts"
    adds_first = True

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """The page says nothing of wrong keys, nor of an upload into a cohort that is gone."""
        return (why for why in super().wrong(recorded) if not UNSAID.search(why))

    def test_a_new_cohort_is_empty_though_amplitude_makes_no_empty_one(self, destination: AmplitudeCohorts) -> None:
        """An upload without ids is refused: the cohort is made with the seed, who is taken out again."""
        self.server.record()
        cohort = destination.ensure_audience("made with the seed")
        assert f'"ids": ["{SEED}"]' in self.recorded("/upload")[0]["body"]
        assert self.members(cohort) == []

    def test_a_seed_left_behind_is_taken_out_when_the_cohort_is_found(self, destination: AmplitudeCohorts) -> None:
        self.misbehave({"kind": "500", "path_regex": self.applied, "times": 1})
        with pytest.raises(TransientError):
            self.remade(attempts=1).ensure_audience("left with the seed")
        assert self.members(destination.ensure_audience("left with the seed")) == []

    def test_the_seed_is_never_a_member(self, destination: AmplitudeCohorts, audience: str) -> None:
        """It could not be told from a seed left behind."""
        seeded = self.remade(seed_user=key_of(destination, crowd(1)[0])[0])
        receipt = settle(seeded, batch(seeded, audience, crowd(3)))
        assert dict(receipt.rejected) == {digest(key_of(destination, crowd(1)[0])): "seed_user"}

    def test_the_seed_can_be_taken_out_like_anybody(self, destination: AmplitudeCohorts, audience: str) -> None:
        """Somebody who was a member before they were made the seed would never leave."""
        settle(destination, batch(destination, audience, crowd(3)))
        seeded = self.remade(seed_user=key_of(destination, crowd(1)[0])[0])
        assert settle(seeded, batch(seeded, audience, crowd(2), Operation.REMOVE, number=2)).accepted == 2
        assert self.held(destination, audience) == keys_of(destination, crowd(1, 2))

    @pytest.mark.parametrize(("app_id", "told"), [("100001", False), ("0100001", True)])
    def test_a_cohort_is_found_however_its_project_is_told(
        self, destination: AmplitudeCohorts, audience: str, app_id: str, told: bool
    ) -> None:
        """The page does not say that each cohort names it; taken for another's it would be made anew each time."""
        self.set(tells_project=told)
        ours = self.remade(app_id=app_id)
        assert ours.exists(audience)
        assert ours.ensure_audience("found anew") == ours.ensure_audience("found anew")

    @pytest.mark.parametrize("wrong", [{"app_id": "7"}, {"owner": "nobody@shop.example"}, {"seed_user": "stranger"}])
    def test_what_an_upload_needs_is_checked_without_making_one(self, wrong: dict[str, str]) -> None:
        self.set(strangers=["stranger"])
        (name,) = wrong
        variables = {
            "app_id": "AMPLITUDE_APP_ID",
            "owner": "AMPLITUDE_COHORT_OWNER",
            "seed_user": "AMPLITUDE_SEED_USER",
        }
        before = self.control("lists")
        with pytest.raises(ConfigError, match=variables[name]):
            self.remade(**wrong).check()
        assert self.control("lists") == before

    def test_the_address_of_the_browser_is_named_offline(self) -> None:
        with pytest.raises(ConfigError, match=r"browsers go: set https://amplitude\.com"):
            self.remade(base_url="https://analytics.amplitude.com").secrets_present()

    def test_ids_nobody_has_are_rejected_and_the_others_added(
        self, destination: AmplitudeCohorts, audience: str
    ) -> None:
        """Amplitude skips them and says so. Removed they are gone already."""
        people = crowd(10)
        self.set(strangers=[key_of(destination, person)[0] for person in people[:2]])
        receipt = settle(destination, batch(destination, audience, people))
        unknown = {digest(key_of(destination, person)): "unknown_user" for person in people[:2]}
        assert (receipt.accepted, dict(receipt.rejected)) == (8, unknown)
        parts = [batch(destination, audience, people[n : n + 5], number=n) for n in (0, 5)]
        assert [dict(receipt.rejected) for receipt in destination.replace(parts)] == [unknown, {}]
        assert self.held(destination, audience) == keys_of(destination, people[2:])
        gone = settle(destination, batch(destination, audience, people, Operation.REMOVE, number=2))
        assert (gone.accepted, self.members(audience)) == (10, [])

    def test_each_call_has_its_own_word_for_user_ids(self, destination: AmplitudeCohorts, audience: str) -> None:
        """BY_USER_ID is refused by the one, BY_NAME by the other, and an upload of nobody altogether."""
        assert list(destination.replace([batch(destination, audience, crowd(2))]))
        assert all('"id_type": "BY_USER_ID"' in one["body"] for one in self.recorded("/upload"))
        assert all('"id_type": "BY_NAME"' in one["body"] for one in self.recorded("/membership"))
        upload, change = (self.sent(path)[-1] for path in ("/upload", "/membership"))
        self.server.record(on=False)
        [member] = change["memberships"]
        for path, body in (
            ("upload", {**upload, "id_type": "BY_NAME"}),
            ("upload", {**upload, "ids": []}),
            ("membership", {**change, "memberships": [{**member, "id_type": "BY_USER_ID"}]}),
        ):
            url, keys = (
                f"{destination.base_url}/api/3/cohorts/{path}",
                (self.given["api_key"], self.given["secret_key"]),
            )
            assert requests.post(url, json=body, auth=keys, timeout=30).status_code == 400

    def test_two_changes_of_one_cohort_at_a_time_are_429_and_tried_again(
        self, destination: AmplitudeCohorts, audience: str
    ) -> None:
        """We never have two under way; somebody else's is waited for."""
        assert destination.capabilities.under_way == 1
        self.set(work_seconds=0.3)
        impatient, work = self.remade(attempts=1), [batch(destination, audience, crowd(5, n)) for n in (0, 5)]
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(impatient.apply, one) for one in work]
        failed = [one.exception() for one in both if one.exception()]
        assert [(type(error), getattr(error, "sent", None)) for error in failed] == [(TransientError, False)]

    def test_a_replacement_by_nobody_leaves_nobody(self, destination: AmplitudeCohorts, audience: str) -> None:
        settle(destination, batch(destination, audience, crowd(5)))
        assert [receipt.accepted for receipt in destination.replace([batch(destination, audience, [])])] == [0]
        assert self.members(audience) == []

    def test_more_than_one_upload_takes_replace_nothing(
        self, destination: AmplitudeCohorts, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second upload would replace the first: said before anything is sent, with the way out."""
        monkeypatch.setattr("segment_pipeline.destinations.amplitude.connector._IDS", 8)
        parts = [batch(destination, audience, crowd(5, n)) for n in (0, 5)]
        with pytest.raises(ContractError, match="archive the cohort and resend"):
            list(destination.replace(parts))
        assert self.members(audience) == []

    def test_a_cohort_archived_there_is_gone(self, destination: AmplitudeCohorts) -> None:
        """It is listed on, and found by its name no more: the name makes a new one."""
        cohort = destination.ensure_audience("to be archived")
        assert destination.exists(cohort)
        self.server.control("POST", f"/amplitude/lists/{cohort}", {"archived": True})
        assert not destination.exists(cohort)
        with pytest.raises(AudienceGone, match="resend"):
            destination.apply(batch(destination, cohort, crowd(2)))
        assert destination.ensure_audience("to be archived") != cohort

    def test_a_refusal_says_amplitudes_words_and_nobodys_id(self, destination: AmplitudeCohorts, audience: str) -> None:
        self.set(largest_cohort=2)
        with pytest.raises(ContractError, match="refused a request .HTTP 400.: The cohort would hold too many users"):
            destination.apply(batch(destination, audience, crowd(3)))
