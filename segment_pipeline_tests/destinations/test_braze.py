"""Braze: the contract over real HTTP, and an audience that is an attribute nobody can read back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from segment_pipeline.delivery.destination import Countable, Destination, Findable, Operation, Readable, Traceable
from segment_pipeline.destinations.braze.connector import BrazeAttributes
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract


class TestBrazeAttributes(SandboxDestinationContract):
    vendor, connector = "braze", BrazeAttributes
    given = {"api_key": "sandbox-braze-key"}
    created, applied = "/nothing$", "/users/track$"
    published = "braze_written_from_docs.json"
    no_sdk = "Braze has none for its REST API"
    # There are no lists over there: nothing is made, found, renamed or deleted, and no answer to that is lost.
    test_an_audience_renamed_over_there_is_still_ours = None  # type: ignore[assignment]
    test_an_audience_deleted_over_there_is_told = None  # type: ignore[assignment]
    test_one_of_many_audiences_is_found = None  # type: ignore[assignment]
    test_a_lost_answer_to_a_creation_makes_no_second_audience = None  # type: ignore[assignment]

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        column = destination.capabilities.identifiers[0].column
        name = remote_id.removeprefix("segment_pipeline_audiences/")
        listed = [one for one in self.control("people") if name in one.get("segment_pipeline_audiences", [])]
        flagged = [one for one in self.control("people") if one.get(remote_id) is True]
        return {(one[column],) for one in (*listed, *flagged)}

    def user(self, **named: str) -> dict[str, Any]:
        """What Braze holds of the one user with this identifier."""
        (found,) = [one for one in self.control("people") if named.items() <= one.items()]
        return {name: value for name, value in found.items() if name not in ("id", *named)}

    def test_it_promises_no_more_than_the_vendor_tells(self, destination: BrazeAttributes) -> None:
        """Without a read-back nothing is counted, found or traced; making an audience asks nothing."""
        for ability in (Countable, Readable, Traceable, Findable):
            assert not isinstance(destination, ability)
        self.server.record()
        assert destination.ensure_audience("vip") == "segment_pipeline_vip"
        assert self.recorded() == []

    def test_seventy_five_objects_or_as_many_as_the_contract_has(self, audience: str) -> None:
        """Over it the whole request is refused, and a person is told what to set."""
        assert self.remade().capabilities.batch_rows == 75
        fifty = self.remade(most=50)
        self.set(most=50)
        assert settle(fifty, batch(fifty, audience, crowd(50))).accepted == 50
        with pytest.raises(ConfigError, match="set `most` to 50"):
            settle(self.remade(), batch(self.remade(), audience, crowd(75)))

    def test_a_success_may_have_errors(self, destination: BrazeAttributes, audience: str) -> None:
        """201 `success`, with the position of what was passed over."""
        people = crowd(75)
        self.set(poison=[people[40].email])
        receipt = settle(destination, batch(destination, audience, [Person(), *people[:74]]))
        rejected = {digest(key_of(destination, Person())): "no_identifier"}
        assert dict(receipt.rejected) == rejected | {digest(key_of(destination, people[40])): "not_processed"}
        assert self.held(destination, audience) == keys_of(destination, people[:74]) - {key_of(destination, people[40])}

    @pytest.mark.parametrize("named", [True, False])
    def test_a_request_that_is_refused_names_its_rows_or_is_split(
        self, destination: BrazeAttributes, audience: str, named: bool
    ) -> None:
        people = [Person(), *crowd(5)]
        self.set(fatal=[people[3].email], fatal_named=named)
        with pytest.raises(RejectedRecords) as caught:
            settle(destination, batch(destination, audience, people))
        assert list(caught.value.rows) == ([3] if named else [])
        assert self.held(destination, audience) == set()

    def test_what_is_queued_in_maintenance_is_taken(self, destination: BrazeAttributes, audience: str) -> None:
        self.set(queued=True)
        assert settle(destination, batch(destination, audience, crowd(3))).accepted == 3

    def test_a_limit_names_the_second_it_ends(self) -> None:
        """The vendor's clock and ours need not agree: it is counted from the answer's own date."""
        self.server.set_clock(datetime(2017, 12, 31, 23, 59, 51, tzinfo=UTC))
        self.misbehave({"kind": "429"})
        with pytest.raises(TransientError) as caught:
            self.remade(attempts=1).check()
        assert (caught.value.retry_after, caught.value.sent) == (10.0, False)

    def test_leaving_makes_nobody_and_touches_no_subscription(
        self, destination: BrazeAttributes, audience: str
    ) -> None:
        settle(destination, batch(destination, audience, crowd(2)))
        self.server.record()
        gone = batch(destination, audience, [*crowd(2), Person("nobody@quiet.shop")], Operation.REMOVE, number=2)
        assert settle(destination, gone).accepted == 3
        [body] = self.sent()
        assert {frozenset(one) for one in body["attributes"]} == {
            frozenset({"email", audience, "_update_existing_only"})
        }
        assert "nobody@quiet.shop" not in {one["email"] for one in self.control("people")}
        assert audience not in self.user(email="shopper0@quiet.shop")

    def test_only_users_there_are_get_the_attribute_where_that_is_set(self, audience: str) -> None:
        known = self.remade(update_existing_only=True)
        settle(known, batch(known, audience, [Person("never-seen@quiet.shop")]))
        assert self.held(known, audience) == set()

    def test_one_list_may_hold_the_names_of_all_audiences(self) -> None:
        listing = self.remade(mode="list")
        first, second = listing.ensure_audience("first"), listing.ensure_audience("second")
        people = [Person(f"listed{n}@quiet.shop") for n in range(6)]
        for number in range(2):
            settle(listing, batch(listing, first, people, number=number))
        settle(listing, batch(listing, second, people[:3]))
        settle(listing, batch(listing, first, people[:1], Operation.REMOVE, number=3))
        assert self.held(listing, first) == keys_of(listing, people[1:])
        assert self.user(email="listed0@quiet.shop") == {"segment_pipeline_audiences": ["second"]}
        assert self.user(email="listed1@quiet.shop") == {"segment_pipeline_audiences": ["first", "second"]}
        # One of the other mode is another audience, and can be emptied by whoever finds it left behind.
        flagging = self.remade()
        assert flagging.ensure_audience("first") != first
        settle(flagging, batch(flagging, first, people, Operation.REMOVE, number=4))
        assert self.held(flagging, first) == set()

    @pytest.mark.parametrize(("key", "known"), [("user_id:shop", "user_id"), ("external_id", "external_id")])
    def test_users_may_be_known_by_an_id(self, key: str, known: str) -> None:
        """The company's own, which is what most give Braze, or ours; erased by it too."""
        by_id = self.remade(key=key)
        people = [Person(f"mail{n}@quiet.shop", user_id=f"u-{n}", external_id=f"p-{n}") for n in range(5)]
        audience = by_id.ensure_audience(f"by {known}")
        settle(by_id, batch(by_id, audience, people))
        settle(by_id, batch(by_id, audience, people[:1], Operation.REMOVE, number=2))
        assert self.held(by_id, audience) == {(getattr(person, known),) for person in people[1:]}
        by_id.forget(batch(by_id, "", people[1:2]))
        assert self.held(by_id, audience) == {(getattr(person, known),) for person in people[2:]}
        with pytest.raises(ConfigError, match="`key` is"):
            self.remade(key="phone")

    def test_attributes_go_along_and_who_somebody_is_does_not(
        self, destination: BrazeAttributes, audience: str
    ) -> None:
        told = {"first_name": "Ann", "tier": "top", "items": ["a", 2], "note": "x"}
        for number, attributes in enumerate((told, {"tier": None, "note": "y"})):
            person = Person("along@quiet.shop", None, json.dumps(attributes))
            settle(destination, batch(destination, audience, [person], number=number))
        expected = {"first_name": "Ann", "items": ["a", 2], "note": "y", audience: True}
        assert self.user(email="along@quiet.shop") == expected

    @pytest.mark.parametrize("name", ["email_subscribe", "external_id", "subscription_groups", "segment_pipeline_vip"])
    def test_no_trait_becomes_a_subscription_or_an_identifier(
        self, destination: BrazeAttributes, audience: str, name: str
    ) -> None:
        person = Person("ann@quiet.shop", None, json.dumps({name: "unsubscribed"}))
        with pytest.raises(ConfigError, match=f"takes no attribute {name}"):
            settle(destination, batch(destination, audience, [person]))

    def test_a_success_of_another_name_is_none(
        self, destination: BrazeAttributes, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(BrazeAttributes, "_track", lambda *_: {"message": "odd"})
        with pytest.raises(ContractError, match="no success"):
            settle(destination, batch(destination, audience, crowd(2)))
        monkeypatch.setattr(BrazeAttributes, "_track", lambda *_: {"message": "success", "attributes_processed": 1})
        with pytest.raises(RejectedRecords, match="passed over 1 of 2 objects and named 0"):
            settle(destination, batch(destination, audience, crowd(2)))
