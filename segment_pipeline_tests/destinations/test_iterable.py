"""Iterable lists: the contract over real HTTP, by e-mail and by user id, and what is Iterable's own about leaving one."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import requests

from segment_pipeline.delivery.destination import AudienceGone, Operation
from segment_pipeline.destinations.iterable import connector as iterable
from segment_pipeline.destinations.iterable.connector import IterableLists
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords
from segment_pipeline.testing.batches import Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract


class TestIterableLists(SandboxDestinationContract):
    vendor, connector = "iterable", IterableLists
    given = {"api_key": "sandbox-iterable-key"}
    created, applied = "/api/lists$", "/lists/(un)?subscribe$"
    published = "iterable_openapi_from_sdk_0.13.0.json"
    no_sdk = "Iterable's own client is for Node; the one on PyPI is not Iterable's and under the GPL"

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """The document does not say what a list that is gone is answered with."""
        return (why for why in super().wrong(recorded) if "404 is no answer" not in why)

    def test_leaving_a_list_never_leaves_its_channel(self, destination: IterableLists, audience: str) -> None:
        """Unsaid, `channelUnsubscribe` may be taken for true: a silent opt-out of everything, for everybody who leaves a segment."""
        self.set(channel_by_default=True)
        settle(destination, batch(destination, audience, crowd(3)))
        self.server.record()
        settle(destination, batch(destination, audience, crowd(3), Operation.REMOVE, number=2))
        (sent,) = self.sent("/unsubscribe")
        assert (sent["channelUnsubscribe"], sent["campaignId"]) == (False, None)
        assert [one for one in self.control("people") if one.get("unsubscribed")] == []
        self.server.record(on=False)
        del sent["channelUnsubscribe"]
        url = f"{destination.base_url}/api/lists/unsubscribe"
        assert requests.post(url, json=sent, headers={"Api-Key": self.given["api_key"]}, timeout=30).ok
        assert len([one for one in self.control("people") if one.get("unsubscribed")]) == 3

    @pytest.mark.parametrize(
        ("setting", "reason"),
        [
            ("forgotten", "forgotten"),
            ("conflicting", "conflict"),
            ("invalid", "invalid"),
            ("invalid_data", "invalid_data"),
        ],
    )
    def test_who_fails_is_told_in_a_list_of_its_own(
        self, destination: IterableLists, audience: str, setting: str, reason: str
    ) -> None:
        """The answer is 200."""
        people = crowd(5)
        self.set(**{setting: [key_of(destination, people[2])[0]]})
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, dict(receipt.rejected)) == (4, {digest(key_of(destination, people[2])): reason})
        assert self.held(destination, audience) == keys_of(destination, people) - {key_of(destination, people[2])}

    def test_people_it_does_not_know_are_made_unless_that_is_declined(
        self, destination: IterableLists, audience: str
    ) -> None:
        only = self.remade(existing_only=True)
        receipt = settle(only, batch(only, audience, crowd(2, 20_000)))
        assert (receipt.accepted, set(receipt.rejected.values())) == (0, {"unknown"})
        assert settle(destination, batch(destination, audience, crowd(2, 20_000))).accepted == 2
        assert settle(only, batch(only, audience, crowd(2, 20_000))).accepted == 2

    def test_attributes_become_data_fields_and_null_empties_one(
        self, destination: IterableLists, audience: str
    ) -> None:
        for tier in ('{"tier": "top", "city": "Bath"}', '{"tier": "mid", "city": null}'):
            [person] = crowd(1)
            given = Person(person.email, None, tier, user_id=person.user_id)
            settle(destination, batch(destination, audience, [given]))
        (held,) = self.members(audience)
        assert held["dataFields"] == {"tier": "mid"}

    @pytest.mark.parametrize("status", [400, 404])
    def test_a_list_that_is_gone_is_told_from_a_request_that_is_wrong(
        self, destination: IterableLists, status: int
    ) -> None:
        """What Iterable says of it is not documented: it is looked for among all lists."""
        self.set(missing_list=status)
        gone = destination.ensure_audience("to be gone")
        destination.delete(gone)
        assert not destination.exists(gone)
        with pytest.raises(AudienceGone, match="resend"):
            destination.apply(batch(destination, gone, crowd(2)))

    def test_a_list_in_use_is_not_deleted(self, destination: IterableLists, audience: str) -> None:
        self.set(in_use=[int(audience)])
        with pytest.raises(ConfigError, match="take it out of its campaigns"):
            destination.delete(audience)

    def test_lists_of_other_kinds_are_not_taken_over(self, destination: IterableLists) -> None:
        """A suppression list of our name would silence whoever is put on it."""
        other = destination.ensure_audience("silenced")
        self.server.control("POST", f"/iterable/lists/{other}", {"kind": "Suppression"})
        assert destination.ensure_audience("silenced") != other

    def test_a_listing_that_lacks_members_is_no_reading(
        self, destination: IterableLists, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settle(destination, batch(destination, audience, crowd(5)))
        read = IterableLists._read  # noqa: SLF001 - cut short as on the way
        monkeypatch.setattr(IterableLists, "_read", lambda *a, **k: read(*a, **k)[:-25] if k else read(*a, **k))
        with pytest.raises(ContractError, match=r"showed \d of 5 members"):
            list(destination.members(audience))

    def test_a_batch_too_large_is_split(
        self, destination: IterableLists, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By bytes before it is sent, and by halves where Iterable takes less than it says."""
        monkeypatch.setattr(iterable, "_PART_BYTES", 300)
        assert settle(destination, batch(destination, audience, crowd(40))).requests > 3
        self.set(largest_call=3)
        with pytest.raises(RejectedRecords, match="BatchTooLarge"):
            destination.apply(batch(destination, audience, crowd(40)))

    def test_people_may_be_known_by_user_id(self, audience: str) -> None:
        """A project that knows people by e-mail makes them too, if `preferUserId` asks for it."""
        by_id = self.remade(by="user_id", users_of="shop")
        assert by_id.capabilities.every
        settle(by_id, batch(by_id, audience, crowd(230)))
        settle(by_id, batch(by_id, audience, crowd(5), Operation.REMOVE, number=2))
        assert {(member["userId"],) for member in self.members(audience)} == keys_of(by_id, crowd(225, 5))
        assert sum(table.num_rows for table in by_id.members(audience)) == 225
        assert all(one["preferUserId"] for one in self.sent("/subscribe")[0]["subscribers"])
        self.set(forgotten=["user-0007"])
        receipt = settle(by_id, batch(by_id, audience, crowd(3, 6)))
        assert dict(receipt.rejected) == {digest(("user-0007",)): "forgotten"}

    def test_whose_ids_they_are_has_to_be_said(self) -> None:
        for half in ({"by": "user_id"}, {"users_of": "shop"}):
            with pytest.raises(ConfigError, match="give both or neither"):
                self.remade(**half)
