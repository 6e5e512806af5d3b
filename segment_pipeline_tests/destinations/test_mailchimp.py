"""Mailchimp: the contract over real HTTP, statuses nobody touches, ten connections, and Mailchimp's SDK as the oracle."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mailchimp_marketing
import pytest

from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.mailchimp.connector import MailchimpTags
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.testing.batches import Key, Person, batch, counts, crowd, digest, key_of, keys_of, read, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

LIST = "a1b2c3d4e5"


class TestMailchimpTags(SandboxDestinationContract):
    vendor, connector = "mailchimp", MailchimpTags
    given = {"api_key": "sandbox-mailchimp-us1", "list_id": LIST}
    created, applied = "/segments$", rf"/lists/{LIST}$|/segments/\d+$"
    alike = ("POST",)
    published = "mailchimp_marketing_openapi_3.0.55_trimmed.json.gz"
    undescribed = r"DELETE /lists/[^/]+/segments/\d+"
    # The document is older than the pages.
    besides = {"members": {"status_if_new": {"type": "string"}}}
    # One sandbox for all tests, of which some forget people.
    settings = {"erased_for_ever": False}

    def asked(self, path: str) -> str:
        return super().asked(path).removeprefix("/3.0")

    def sdk(self) -> Any:
        client = mailchimp_marketing.Client()
        client.set_config({"api_key": "sandbox-mailchimp-us1"})
        client.api_client.host = f"{self.server.base_url}/mailchimp/3.0"
        return client

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        sdk = self.sdk()
        made = sdk.lists.create_segment(LIST, {"name": "by sdk", "static_segment": []})["id"]
        rows = [{"email_address": p.email, "status_if_new": "transactional"} for p in people]
        sdk.lists.batch_list_members(LIST, {"members": rows, "update_existing": True})
        sdk.lists.batch_segment_members({"members_to_add": [p.email for p in people]}, LIST, made)
        sdk.lists.batch_segment_members({"members_to_remove": [p.email for p in gone]}, LIST, made)
        return str(made)

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(member["email_address"],) for member in self.members(remote_id)}

    def put(self, email: str, **more: Any) -> None:
        """A member as somebody else made them, or made of them."""
        row = {"email_address": email, **more}
        self.sdk().lists.batch_list_members(LIST, {"members": [row], "update_existing": True})

    def test_whoever_is_new_is_no_subscriber_unless_that_is_asked_for(
        self, destination: MailchimpTags, audience: str
    ) -> None:
        settle(destination, batch(destination, audience, [Person("new1@quiet.shop")]))
        asking = self.remade(status_if_new="pending")
        settle(asking, batch(asking, audience, [Person("new2@quiet.shop")], number=2))
        assert {one["email_address"]: one["status"] for one in self.members(audience)} == {
            "new1@quiet.shop": "transactional", "new2@quiet.shop": "pending"
        }  # fmt: skip

    @pytest.mark.parametrize("status", ["subscribed", "unsubscribed", "cleaned", "pending"])
    def test_nobodys_status_is_changed_by_coming_or_going(
        self, destination: MailchimpTags, audience: str, status: str
    ) -> None:
        """`status` beside a row, or an unsubscribe in place of a removal, would overwrite what people said there."""
        email = f"{status}@quiet.shop"
        self.put(email, status=status)
        ann = Person(email, None, '{"FNAME": "Ann"}')
        self.server.record()
        settle(destination, batch(destination, audience, [ann]))
        [held] = self.members(audience)
        assert (held["status"], held["merge_fields"]) == (status, {"FNAME": "Ann"})
        settle(destination, batch(destination, audience, [ann], Operation.REMOVE, number=2))
        assert self.members(audience) == []
        assert {one["email_address"]: one["status"] for one in self.control("people")}[email] == status
        for body in self.sent(f"/lists/{LIST}"):
            assert body.keys() == {"members", "update_existing"}
            assert all("status" not in row and "tags" not in row for row in body["members"])

    def test_tags_of_others_stay(self, destination: MailchimpTags, audience: str) -> None:
        """`sync_tags` would take them off everybody who is sent."""
        other = self.sdk().lists.create_segment(LIST, {"name": "theirs", "static_segment": []})["id"]
        people = crowd(5)
        settle(destination, batch(destination, audience, people))
        self.sdk().lists.batch_segment_members({"members_to_add": [p.email for p in people]}, LIST, other)
        settle(destination, batch(destination, audience, people, number=2))
        settle(destination, batch(destination, audience, people[:2], Operation.REMOVE, number=3))
        assert self.held(destination, str(other)) == keys_of(destination, people)

    def test_everybody_with_the_tag_is_counted_and_read(self, destination: MailchimpTags, audience: str) -> None:
        """By themselves Mailchimp's numbers and listings leave out who is no subscriber: here everybody."""
        settle(destination, batch(destination, audience, crowd(12)))
        assert counts(destination, audience) == 12
        assert set(read(destination, audience, ["email"])) == keys_of(destination, crowd(12))

    def test_renaming_a_tag_keeps_those_who_have_it(self, destination: MailchimpTags, audience: str) -> None:
        """A PATCH with `static_segment: []` takes it off everybody."""
        settle(destination, batch(destination, audience, crowd(3)))
        self.server.record()
        destination.rename(audience, "another")
        [patched] = self.sent()
        assert patched == {"name": "segment-pipeline/another"}
        assert self.held(destination, audience) == keys_of(destination, crowd(3))

    def test_members_go_onto_the_list_before_they_get_the_tag(self, destination: MailchimpTags, audience: str) -> None:
        """Whoever is not on it is passed over by the tag."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(500)))
        paths = [one["path"].rpartition("/3.0")[2] for one in self.server.recorded("mailchimp")]
        assert paths == [f"/lists/{LIST}", f"/lists/{LIST}/segments/{audience}"]

    @pytest.mark.parametrize("told", [True, False])
    def test_taking_off_a_tag_nobody_had_is_no_failure(
        self, destination: MailchimpTags, audience: str, told: bool
    ) -> None:
        self.set(absent_removals=told)
        settle(destination, batch(destination, audience, crowd(3)))
        gone = batch(destination, audience, crowd(4), Operation.REMOVE, number=2)
        assert (settle(destination, gone).accepted, settle(destination, gone).accepted) == (4, 4)

    def test_a_removal_that_failed_is_told(self, destination: MailchimpTags, audience: str) -> None:
        """Named among the errors like somebody who never had the tag: it is looked who still has it."""
        people = crowd(10)
        settle(destination, batch(destination, audience, people))
        self.misbehave({"kind": "row_errors", "path_regex": r"/segments/\d+$", "every": 5, "times": 1})
        receipt = settle(destination, batch(destination, audience, people, Operation.REMOVE, number=2))
        assert (receipt.accepted, set(receipt.rejected.values())) == (8, {"still_tagged"})
        assert {digest(key) for key in self.held(destination, audience)} == set(receipt.rejected)

    def test_who_was_deleted_for_good_is_rejected_alone(self, destination: MailchimpTags, audience: str) -> None:
        """It is impossible to put them on the list again, and 200 says so in its `errors`."""
        self.set(erased_for_ever=True)
        people = [Person(f"erased{n}@quiet.shop") for n in range(10)]
        settle(destination, batch(destination, audience, people))
        destination.forget(batch(destination, "", people[:1]))
        receipt = settle(destination, batch(destination, audience, people, number=2))
        assert dict(receipt.rejected) == {digest(key_of(destination, people[0])): "error_generic"}
        assert self.held(destination, audience) == keys_of(destination, people[1:])

    def test_a_members_id_is_the_digest_of_the_address(self, destination: MailchimpTags, audience: str) -> None:
        receipt = settle(destination, batch(destination, audience, [Person("ann@quiet.shop")]))
        assert list(receipt.vendor_ids.values()) == [hashlib.md5(b"ann@quiet.shop").hexdigest()]

    def test_attributes_become_merge_fields(self, destination: MailchimpTags, audience: str) -> None:
        told = {"FNAME": "Ann", "TIER": ["a", "b"], "SPENT": 12.5, "VIP": True, "LNAME": "Lee"}
        for number, attributes in enumerate((told, {"LNAME": None, "CITY": "Bath"})):
            person = Person("fields@quiet.shop", None, json.dumps(attributes))
            settle(destination, batch(destination, audience, [person], number=number))
        [ann] = self.members(audience)
        expected = {"FNAME": "Ann", "TIER": "a, b", "SPENT": 12.5, "VIP": "true", "LNAME": "", "CITY": "Bath"}
        assert ann["merge_fields"] == expected

    def test_a_merge_field_the_list_lacks_is_named(self, destination: MailchimpTags, audience: str) -> None:
        """Mailchimp would take the member and drop the value without a word; what is there is asked for once."""
        people = [Person(f"lacks{n}@quiet.shop", None, '{"FNAME": "Ann", "SHOE": 4}') for n in range(3)]
        with pytest.raises(ConfigError, match="no merge field SHOE: add it there"):
            destination.apply(batch(destination, audience, people))
        self.set(merge_fields=["FNAME", "SHOE"])
        self.server.record()
        for number in range(2):
            settle(destination, batch(destination, audience, people, number=number))
        paths = [one["path"] for one in self.server.recorded("mailchimp")]
        assert len([path for path in paths if path.endswith("/merge-fields")]) == 1
        assert {one["merge_fields"]["SHOE"] for one in self.members(audience)} == {4}

    @pytest.mark.parametrize("html", [429, 403])
    def test_no_more_than_eight_calls_are_under_way(self, destination: MailchimpTags, audience: str, html: int) -> None:
        """The eleventh at once is refused, with a page in place of JSON; a user's other tools have connections too."""
        self.set(connections=8, hold_seconds=0.05, html=html)
        works = [batch(destination, audience, crowd(2, first=n), number=n) for n in range(0, 64, 2)]
        self.server.record()
        with ThreadPoolExecutor(16) as pool:
            assert [receipt.accepted for receipt in pool.map(destination.apply, works)] == [2] * 32
        assert len(self.server.recorded("mailchimp")) == 64
        self.set(connections=0)
        with pytest.raises(TransientError, match=f"too often at once .HTTP {html}") as caught:
            self.remade(attempts=2).check()
        assert caught.value.sent is False
        self.server.record()  # a page is no answer of the API's

    def test_a_name_that_is_taken_unseen_is_a_persons_business(
        self, destination: MailchimpTags, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        destination.ensure_audience("taken")
        with pytest.raises(ConfigError, match="remote_name"):
            destination.rename(audience, "taken")
        monkeypatch.setattr(MailchimpTags, "_listed", lambda *_: iter([]))
        with pytest.raises(ConfigError, match="remote_name"):
            destination.ensure_audience("taken")

    def test_a_list_that_is_not_there_names_its_variable(self) -> None:
        with pytest.raises(ConfigError, match="MAILCHIMP_LIST_ID"):
            self.remade(list_id="none").check()
        with pytest.raises(ConfigError, match="MAILCHIMP_LIST_ID"):
            self.remade(list_id="none").ensure_audience("any")

    def test_a_listing_that_ends_early_is_no_reading(
        self, destination: MailchimpTags, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settle(destination, batch(destination, audience, crowd(3)))
        monkeypatch.setattr(MailchimpTags, "_listed", lambda *_: iter([[{"id": "x", "email_address": "a@b.shop"}]]))
        with pytest.raises(ContractError, match="showed 1 of 3"):
            list(destination.members(audience))
