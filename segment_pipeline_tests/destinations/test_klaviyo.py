"""Klaviyo: the contract over real HTTP, jobs and their errors, and Klaviyo's SDK as the oracle."""

import json
from collections.abc import Sequence

import pytest
from klaviyo_api import KlaviyoAPI

from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.klaviyo import connector as klaviyo
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.testing.batches import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract
from segment_pipeline_tests.sandbox.test_klaviyo_schema import FILE, MORE_OF_ERRORS
from segment_pipeline_tests.sandbox.vendors import import_of, profile


class TestKlaviyoLists(SandboxDestinationContract):
    vendor, connector = "klaviyo", KlaviyoLists
    given = {"api_key": "pk_sandbox"}
    settings = {"lists_per_day": 100_000}
    created, applied = "/lists$", "/profile-bulk-import-jobs$|/relationships/profiles$"
    published, besides, undescribed = FILE, MORE_OF_ERRORS, "(PATCH|DELETE) /api/lists/[^/]+"

    alike = ("POST", "DELETE")

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        sdk = KlaviyoAPI("pk_sandbox", max_delay=1, max_retries=1, test_host=f"{self.server.base_url}/klaviyo")
        made: str = sdk.Lists.create_list({"data": {"type": "list", "attributes": {"name": "by sdk"}}}).data.id
        profiles = [profile(email=person.email) for person in people]
        sdk.Profiles.bulk_import_profiles({"data": import_of(profiles, made)})
        leaving = {person.email for person in gone}
        ids = sorted(member["id"] for member in self.members(made) if member["email"] in leaving)
        sdk.Lists.remove_profiles_from_list(made, {"data": [{"type": "profile", "id": i} for i in ids]})
        return made

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        field = "email" if destination.capabilities.channel == "email" else "phone_number"
        return {(member.get(field),) for member in self.members(remote_id)}

    def test_a_household_phone_costs_nobody_their_place(self, destination: KlaviyoLists, audience: str) -> None:
        """A phone belongs to one profile there: sent along, the second of the two would fail as a duplicate."""
        people = [Person("ann@quiet.shop", "+14155557777"), Person("ben@quiet.shop", "+14155557777")]
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, dict(receipt.rejected)) == (2, {})
        assert self.held(destination, audience) == {("ann@quiet.shop",), ("ben@quiet.shop",)}

    def test_members_by_phone_for_the_sms_channel(self, audience: str) -> None:
        by_phone = self.remade(channel="sms")
        people = [Person(None, f"+1415555{i:04d}") for i in range(8000, 8030)]
        settle(by_phone, batch(by_phone, audience, people))
        settle(by_phone, batch(by_phone, audience, people[:3], Operation.REMOVE, number=2))
        assert self.held(by_phone, audience) == {(p.phone,) for p in people[3:]}

    def test_two_channels_of_one_account_keep_to_their_own_lists(self, destination: KlaviyoLists) -> None:
        """Beside each other in one company: what one takes off its list stays on the other's, be it one profile or two there."""
        by_phone = self.remade(name="klaviyo_sms", channel="sms")
        both = profile(email="both@quiet.shop", phone_number="+14155559000")
        self.server.control("POST", "/klaviyo/people", both["attributes"])
        people = [Person(f"each{i}@quiet.shop", f"+1415555{9001 + i}") for i in range(20)]
        people.append(Person("both@quiet.shop", "+14155559000"))
        mail, sms = destination.ensure_audience("vip_mail"), by_phone.ensure_audience("vip_sms")
        for tool, audience in ((destination, mail), (by_phone, sms)):
            assert settle(tool, batch(tool, audience, people)).accepted == 21
        settle(destination, batch(destination, mail, people[10:], Operation.REMOVE, number=2))
        assert self.held(destination, mail) == keys_of(destination, people[:10])
        assert self.held(by_phone, sms) == keys_of(by_phone, people)
        settle(by_phone, batch(by_phone, sms, people[:15], Operation.REMOVE, number=2))
        assert self.held(by_phone, sms) == keys_of(by_phone, people[15:])
        assert self.held(destination, mail) == keys_of(destination, people[:10])

    def test_attributes_become_properties_and_those_not_told_stay(
        self, destination: KlaviyoLists, audience: str
    ) -> None:
        first = Person("ann@quiet.shop", None, '{"tier": "top", "city": "Bath", "items": ["a", 2]}')
        later = Person("ann@quiet.shop", None, '{"tier": "mid"}')
        settle(destination, batch(destination, audience, [first]))
        settle(destination, batch(destination, audience, [later], number=2))
        (ann,) = self.members(audience)
        assert ann["properties"] == {"tier": "mid", "city": "Bath", "items": ["a", 2]}

    def test_klaviyos_own_fields_are_filled_and_a_property_may_have_the_name_of_one(
        self, destination: KlaviyoLists, audience: str
    ) -> None:
        """As texts, which they are; the explicit spelling, and whatever only looks like one of them, is a property."""
        told = {
            "first_name": "Ann", "title": 4, "location.city": "Bath", "location.zip": 1010, "location.latitude": 51.4,
            "properties.first_name": "Annie", "properties.properties.x": 1, "city": "York", "location": "here", "location.moon": 2,
        }  # fmt: skip
        settle(destination, batch(destination, audience, [Person("fields@quiet.shop", None, json.dumps(told))]))
        (ann,) = self.members(audience)
        assert (ann["first_name"], ann["title"]) == ("Ann", "4")
        assert ann["location"] == {"city": "Bath", "zip": "1010", "latitude": "51.4"}
        properties = {"first_name": "Annie", "properties.x": 1, "city": "York", "location": "here", "location.moon": 2}
        assert ann["properties"] == properties

    def test_an_attribute_that_clears_empties_what_it_is_called(self, destination: KlaviyoLists, audience: str) -> None:
        """Null empties a field there; of a property it would be the value, so that one is unset."""
        told = {"tier": "top", "note": "x", "first_name": "Ann", "last_name": "Lee", "location.city": "Bath"}
        cleared = dict.fromkeys(["tier", "last_name", "location.city"])
        settle(destination, batch(destination, audience, [Person("cleared@quiet.shop", None, json.dumps(told))]))
        settle(
            destination,
            batch(destination, audience, [Person("cleared@quiet.shop", None, json.dumps(cleared))], number=2),
        )
        (ann,) = self.members(audience)
        assert (ann["properties"], ann["first_name"]) == ({"note": "x"}, "Ann")
        assert ("last_name" in ann, ann["location"]) == (False, {})

    def test_nothing_is_asked_that_touches_consent(self, destination: KlaviyoLists, audience: str) -> None:
        """Adding and removing import, look up and take off the list: they neither subscribe nor unsubscribe nor suppress."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(5)))
        settle(destination, batch(destination, audience, crowd(5), Operation.REMOVE, number=2))
        sent = {one["path"].split("/")[3] for one in self.server.recorded("klaviyo") if one["method"] == "POST"}
        assert sent == {"profile-bulk-import-jobs"}
        sent = {one["path"] for one in self.server.recorded("klaviyo") if one["method"] not in {"GET", "POST"}}
        assert sent == {f"/klaviyo/api/lists/{audience}/relationships/profiles"}

    def test_a_listing_that_lacks_members_is_no_reading(self, destination: KlaviyoLists, audience: str) -> None:
        """Klaviyo's own count of the list says that some are missing: a part is never handed out as the whole."""
        settle(destination, batch(destination, audience, crowd(130)))
        self.set(lacking=2)
        with pytest.raises(ContractError, match="showed 128 of 130 members"):
            list(destination.members(audience))

    def test_addresses_are_read_back_and_removed_in_whatever_case_the_tool_keeps_them(
        self, destination: KlaviyoLists, audience: str
    ) -> None:
        """A profile made by hand keeps the case it was typed in; to us it is the same address."""
        typed = import_of([profile(email="Ann@Quiet.Shop")], audience)
        sdk = KlaviyoAPI("pk_sandbox", max_delay=1, max_retries=1, test_host=f"{self.server.base_url}/klaviyo")
        sdk.Profiles.bulk_import_profiles({"data": typed})
        people = [Person("ann@quiet.shop"), *crowd(3)]
        receipt = settle(destination, batch(destination, audience, people[1:]))
        (table,) = destination.members(audience)
        assert set(table.column("email").to_pylist()) == {person.email for person in people}
        assert len(receipt.vendor_ids) == 3
        settle(destination, batch(destination, audience, people[:1], Operation.REMOVE, number=2))
        assert self.held(destination, audience) == keys_of(destination, people[1:])

    def test_a_large_batch_is_split_by_bytes(
        self, destination: KlaviyoLists, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(klaviyo, "_PART_BYTES", 2_000)
        work = batch(destination, audience, crowd(100))
        started = destination.apply(work)
        assert len((started.handle or "").split(",")) == started.requests > 3
        receipt = settle(destination, work)
        assert (receipt.accepted, len(receipt.vendor_ids)) == (100, 100)
        assert len(self.members(audience)) == 100

    @pytest.mark.parametrize(("earlier", "sent"), [(0, False), (1, True)])
    def test_a_batch_of_which_a_part_has_arrived_may_have_arrived(
        self, destination: KlaviyoLists, audience: str, earlier: int, sent: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Taken for unsent its members would be on the list unknown to us, and nothing would take them off."""
        monkeypatch.setattr(klaviyo, "_PART_BYTES", 2_000)
        once = self.remade(attempts=1)
        self.misbehave({"kind": "429", "path_regex": "import-jobs$", "after": earlier, "times": 1})
        with pytest.raises(TransientError) as caught:
            once.apply(batch(once, audience, crowd(100)))
        assert caught.value.sent is sent

    def test_a_profile_over_the_limit_is_rejected_alone(self, destination: KlaviyoLists, audience: str) -> None:
        large = Person("large@quiet.shop", None, json.dumps({"note": "x" * 100_001}))
        receipt = settle(destination, batch(destination, audience, [*crowd(3), large]))
        assert (receipt.accepted, dict(receipt.rejected)) == (3, {digest(key_of(destination, large)): "too_large"})

    def test_import_errors_are_read_to_the_last_page(self, destination: KlaviyoLists, audience: str) -> None:
        """150 of 300 rows fail: two pages of errors, each mapped to our key by the profile it quotes."""
        self.misbehave({"kind": "row_errors", "path_regex": "import-jobs$", "every": 2, "times": 1})
        receipt = settle(destination, batch(destination, audience, crowd(300)))
        assert (receipt.accepted, len(receipt.rejected)) == (150, 150)
        held = {digest(key) for key in self.held(destination, audience)}
        assert held == {digest(key) for key in keys_of(destination, crowd(300))} - set(receipt.rejected)
        assert set(receipt.vendor_ids) == held

    @pytest.mark.parametrize("part_bytes", [4_700_000, 100])
    def test_a_batch_refused_for_one_row_names_its_position(
        self, destination: KlaviyoLists, audience: str, part_bytes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Positions are those of the batch we were given, rows we held back ourselves and earlier parts included."""
        monkeypatch.setattr(klaviyo, "_PART_BYTES", part_bytes)
        people = [Person(), *crowd(5)]
        self.set(poison=[people[3].email])
        with pytest.raises(RejectedRecords) as caught:
            destination.apply(batch(destination, audience, people))
        assert list(caught.value.rows) == [3]
        assert key_of(destination, people[3]) not in self.held(destination, audience)

    def test_removals_past_a_page_are_not_lost(self, destination: KlaviyoLists, audience: str) -> None:
        """Looking ids up 20 at a time, Klaviyo's default, is how other connectors lose them."""
        people = crowd(1_250)
        settle(destination, batch(destination, audience, people))
        settle(destination, batch(destination, audience, people[:1_230], Operation.REMOVE, number=2))
        assert self.held(destination, audience) == keys_of(destination, people[1_230:])

    def test_a_profile_whose_email_changed_there_is_removed_by_its_id(
        self, destination: KlaviyoLists, audience: str
    ) -> None:
        receipt = settle(destination, batch(destination, audience, crowd(3)))
        was = Person("was-once@quiet.shop")
        ids = {digest(key_of(destination, was)): receipt.vendor_ids[digest(key_of(destination, crowd(1)[0]))]}
        stale = batch(destination, audience, [was], Operation.REMOVE, number=2, vendor_ids=ids)
        assert destination.apply(stale).accepted == 1
        assert self.held(destination, audience) == keys_of(destination, crowd(3)[1:])

    def test_an_id_that_is_gone_falls_back_to_the_email(self, destination: KlaviyoLists, audience: str) -> None:
        people = crowd(3)
        settle(destination, batch(destination, audience, people))
        gone = {digest(key_of(destination, people[0])): "01NEVERWASAPROFILE00000000"}
        destination.apply(batch(destination, audience, people[:2], Operation.REMOVE, number=2, vendor_ids=gone))
        assert self.held(destination, audience) == keys_of(destination, people[2:])

    def test_an_id_that_is_gone_keeps_nobody_else_on_the_list(self, destination: KlaviyoLists, audience: str) -> None:
        """One whose address changed is known by id alone; where another id of the request is gone, that one still counts."""
        self.set(strangers_are_404=True)
        receipt, was = settle(destination, batch(destination, audience, crowd(3))), Person("was-once@quiet.shop")
        ids = {digest(key_of(destination, was)): receipt.vendor_ids[digest(key_of(destination, crowd(1)[0]))]}
        ids |= {digest(key_of(destination, crowd(2)[1])): "01NEVERWASAPROFILE00000000"}
        stale = batch(destination, audience, [was, crowd(2)[1]], Operation.REMOVE, number=2, vendor_ids=ids)
        assert destination.apply(stale).accepted == 2
        assert self.held(destination, audience) == keys_of(destination, crowd(3)[2:])

    @pytest.mark.parametrize("revision", ["", "2026-10-15\n", "v3"])
    def test_a_revision_in_no_form_of_one_is_told(self, revision: str) -> None:
        """It is a header, which Python refuses in the middle of a sync."""
        with pytest.raises(ConfigError, match="`revision` is a date"):
            self.remade(revision=revision)

    def test_a_job_that_is_forgotten_is_not_asked_for_again(self, destination: KlaviyoLists) -> None:
        """A time-out of our own making would keep the sync polling a job that will never be known again."""
        with pytest.raises(ContractError, match="its batch is to be sent again"):
            destination.poll("01NEVERWASAJOB", batch(destination, "L", crowd(2)))

    def test_a_job_of_another_batch_is_not_taken_for_this_one(self, destination: KlaviyoLists, audience: str) -> None:
        handle = destination.apply(batch(destination, audience, crowd(3))).handle
        assert handle is not None
        other = batch(destination, audience, crowd(4))
        with pytest.raises(ContractError, match="hold 3 profiles, the batch 4"):
            for _ in range(5):
                destination.poll(handle, other)
