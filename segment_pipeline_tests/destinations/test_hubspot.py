"""HubSpot: the contract over real HTTP, failures told of records, ids of records, and HubSpot's SDK as the oracle."""

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from hubspot import HubSpot
from hubspot.crm.contacts import BatchInputSimplePublicObjectBatchInputUpsert as Inputs
from hubspot.crm.lists import ListCreateRequest, MembershipChangeRequest

from segment_pipeline.delivery.destination import Operation
from segment_pipeline.destinations.hubspot.answers import failed
from segment_pipeline.destinations.hubspot.connector import HubSpotLists
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.testing.batches import Person, batch, crowd, digest, key_of, keys_of, read, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract


class TestHubSpotLists(SandboxDestinationContract):
    vendor, connector = "hubspot", HubSpotLists
    # The SDK knows these paths alone; the dated ones have a test of their own.
    given: ClassVar[dict[str, Any]] = {"access_token": "sandbox-hubspot-token", "version": "v3"}
    created, applied = "/lists/?$", "/batch/upsert$|/memberships/add-and-remove$"
    alike = ("PUT",)
    published = "hubspot_v3_lists_contacts_from_sdk_12.0.0.json"
    undescribed = "GET /crm/objects/2031-01/contacts"

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        sdk = HubSpot(access_token="sandbox-hubspot-token")
        sdk.config["host"] = f"{self.server.base_url}/hubspot"
        asked = ListCreateRequest(name="by sdk", object_type_id="0-1", processing_type="MANUAL")
        made: str = sdk.crm.lists.lists_api.create(list_create_request=asked).list.list_id
        inputs = [{"id": p.email, "idProperty": "email", "properties": {"email": p.email}} for p in people]
        told = sdk.crm.contacts.batch_api.upsert(Inputs(inputs=inputs)).results
        ids = {one.properties["email"]: one.id for one in told}
        for adds, removes in ((sorted(ids.values()), []), ([], sorted(ids[p.email] for p in gone))):
            change = MembershipChangeRequest(record_ids_to_add=adds, record_ids_to_remove=removes)
            sdk.crm.lists.memberships_api.add_and_remove(list_id=made, membership_change_request=change)
        return made

    def asked(self, path: str) -> str:
        """Dated paths differ in the place of the version alone; a list's name may hold anything."""
        own = re.sub(r"^/crm/(lists|objects)/202\d-\d\d", r"/crm/v3/\1", super().asked(path))
        return re.sub("/name/.*", "/name/x", own)

    @pytest.mark.parametrize("version", ["2026-09", "2026-03", "2025-09"])
    def test_dated_versions_have_paths_of_their_own(self, version: str) -> None:
        """v3 ends in September 2027. The bodies are the same."""
        dated = self.remade(version=version)
        dated.check()
        self.server.record()
        audience = dated.ensure_audience(f"dated {version}")
        settle(dated, batch(dated, audience, crowd(120)))
        settle(dated, batch(dated, audience, crowd(20), Operation.REMOVE, number=2))
        dated.rename(audience, f"dated {version} anew")
        assert (dated.find(f"dated {version} anew"), dated.exists(audience)) == (audience, True)
        assert set(read(dated, audience, ["email"])) == keys_of(dated, crowd(100, first=20))
        dated.forget(batch(dated, "", crowd(1, first=50)))
        dated.delete(audience)
        paths = {one["path"].removeprefix("/hubspot/crm/") for one in self.server.recorded("hubspot")}
        assert {
            path for path in paths if not path.startswith((f"lists/{version}", f"objects/{version}/contacts"))
        } == set()

    @pytest.mark.parametrize("version", ["", "4", "2026-09/../v3"])
    def test_a_version_in_no_form_of_one_is_told(self, version: str) -> None:
        with pytest.raises(ConfigError, match="`version` is a date"):
            self.remade(version=version)

    def test_a_version_there_is_not_is_a_persons_business(self) -> None:
        with pytest.raises(ConfigError, match="no version 2031-01"):
            self.remade(version="2031-01").check()

    def test_a_hundred_contacts_a_call_and_a_thousand_members(self, destination: HubSpotLists, audience: str) -> None:
        self.server.record()
        settle(destination, batch(destination, audience, crowd(1000)))
        assert [len(one["inputs"]) for one in self.sent("/batch/upsert")] == [100] * 10
        [change] = self.sent("/add-and-remove")
        assert (len(change["recordIdsToAdd"]), change["recordIdsToRemove"]) == (1000, [])

    def test_every_input_names_its_e_mail_twice_and_a_trace_id(self, destination: HubSpotLists, audience: str) -> None:
        """An update by e-mail without `idProperty` changes nothing there and says so to nobody."""
        self.server.record()
        settle(destination, batch(destination, audience, crowd(3)))
        [asked] = self.sent("/batch/upsert")
        for number, one in enumerate(asked["inputs"]):
            assert (one["idProperty"], one["objectWriteTraceId"]) == ("email", f"row-{number}")
            assert one["properties"] == {"email": one["id"]}

    @pytest.mark.parametrize("named_by", ["objectWriteTraceId", "ids", ""])
    @pytest.mark.parametrize("told_apart", [True, False])
    def test_only_the_contact_that_fails_is_rejected_however_it_is_told(
        self, destination: HubSpotLists, audience: str, named_by: str, told_apart: bool
    ) -> None:
        """In a 207 with or without its name, or by a refusal of all hundred: halves are tried until it stands alone."""
        people = crowd(250)
        self.set(poison=[people[137].email], named_by=named_by, told_apart=told_apart)
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, list(receipt.rejected)) == (249, [digest(key_of(destination, people[137]))])
        assert self.held(destination, audience) == keys_of(destination, [*people[:137], *people[138:]])
        assert receipt.requests <= 3 + 1 + (0 if named_by and told_apart else 2 * 7 + 2)

    @pytest.mark.parametrize("told_apart", [True, False])
    def test_a_property_that_does_not_exist_is_named(
        self, destination: HubSpotLists, audience: str, told_apart: bool
    ) -> None:
        self.set(told_apart=told_apart)
        people = [Person("ann@quiet.shop", None, '{"shoe_size": "ann@quiet.shop"}'), *crowd(3)]
        with pytest.raises(ConfigError, match="no contact property shoe_size: create it there") as caught:
            settle(destination, batch(destination, audience, people))
        assert "ann@" not in str(caught.value)

    def test_attributes_become_properties_as_texts(self, destination: HubSpotLists, audience: str) -> None:
        """Several values have semicolons between; one that clears is emptied; the e-mail is the key and no attribute."""
        told = {"value_tier": ["a", "b"], "zip": 1010, "city": "Bath", "company": True, "email": "other@quiet.shop"}
        for number, attributes in enumerate((told, {"city": None, "phone": "x"})):
            person = Person("ann@quiet.shop", None, json.dumps(attributes))
            settle(destination, batch(destination, audience, [person], number=number))
        [ann] = self.members(audience)
        expected = {"value_tier": "a;b", "zip": "1010", "company": "true", "phone": "x", "email": "ann@quiet.shop"}
        assert {name: value for name, value in ann.items() if name != "id"} == expected

    @pytest.mark.parametrize("key", ["recordsIdsAdded", "recordIdsAdded"])
    def test_both_spellings_of_who_was_added_are_read(self, destination: HubSpotLists, audience: str, key: str) -> None:
        """Pages say one, specifications the other; members there already are in neither."""
        self.set(added_key=key)
        for number in (1, 2):
            receipt = settle(destination, batch(destination, audience, crowd(3), number=number))
            assert (receipt.accepted, dict(receipt.rejected)) == (3, {})
        self.server.record()  # the document has one of the spellings

    def test_a_record_that_is_missing_is_no_member(self, destination: HubSpotLists, audience: str) -> None:
        """Deleted or merged between its upsert and the change of the list: the answer's `recordIdsMissing` says so."""
        self.misbehave({"kind": "row_errors", "path_regex": "add-and-remove$", "every": 5, "times": 1})
        receipt = settle(destination, batch(destination, audience, crowd(10)))
        assert (receipt.accepted, set(receipt.rejected.values())) == (8, {"record_missing"})
        inside = {digest(key) for key in self.held(destination, audience)}
        assert set(receipt.vendor_ids) == inside

    def test_a_name_in_other_capitals_is_not_taken_for_ours(self, destination: HubSpotLists) -> None:
        """Where HubSpot tells names apart by more than capitals, the list of one audience would become another's."""
        self.set(names_fold=True)
        destination.ensure_audience("loud")
        with pytest.raises(ConfigError, match="in other capitals"):
            destination.ensure_audience("LOUD")

    def test_a_list_made_meanwhile_is_found_by_its_name(self, destination: HubSpotLists, monkeypatch: Any) -> None:
        """A taken name is 400 ILS.DUPLICATE_LIST_NAMES, which says nothing of the id."""
        other = destination.ensure_audience("raced")
        found = [None, {"listId": other}]
        monkeypatch.setattr(HubSpotLists, "_named", lambda *_: found.pop(0))
        assert destination.ensure_audience("raced") == other

    def test_a_list_that_was_deleted_and_is_still_shown_is_gone(
        self, destination: HubSpotLists, audience: str, request: pytest.FixtureRequest
    ) -> None:
        """It can be restored for 90 days, and its document has a place for when it was deleted."""
        self.server.control("POST", f"/hubspot/lists/{audience}", {"deletedAt": "2026-11-01T00:00:00Z"})
        assert (destination.exists(audience), destination.find(f"audience of {request.node.name}")) == (False, None)

    def test_a_list_that_follows_a_rule_is_not_taken_for_ours(self, destination: HubSpotLists, audience: str) -> None:
        self.server.control(
            "POST", f"/hubspot/lists/{audience}", {"processingType": "DYNAMIC", "name": "segment-pipeline: x"}
        )
        with pytest.raises(ConfigError, match="follows a rule"):
            destination.ensure_audience("x")

    def test_nobody_stays_because_a_look_up_failed(self, destination: HubSpotLists, audience: str) -> None:
        """What a 207 does not show, for another reason than that it is not there, may be on the list."""
        settle(destination, batch(destination, audience, crowd(5)))
        self.set(unread=[crowd(3)[2].email])
        with pytest.raises(TransientError, match="could not read some contacts"):
            destination.apply(batch(destination, audience, crowd(5), Operation.REMOVE, number=2))
        self.set(unread=[])
        destination.apply(batch(destination, audience, crowd(5), Operation.REMOVE, number=2))
        assert self.held(destination, audience) == set()

    @pytest.mark.parametrize("told_apart", [True, False])
    def test_an_admins_rule_costs_those_alone_who_break_it(
        self, destination: HubSpotLists, audience: str, told_apart: bool
    ) -> None:
        """From 2026-09 on they are asked at every write, in words of the account's own."""
        people = crowd(60)
        self.set(rules=[people[7].email], told_apart=told_apart)
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, list(receipt.rejected)) == (59, [digest(key_of(destination, people[7]))])
        self.set(rules=[person.email for person in people], told_apart=False)
        with pytest.raises(ContractError, match="refused each of 60 contacts"):
            settle(destination, batch(destination, audience, people, number=2))

    def test_a_failure_is_laid_to_nobody_whose_place_its_words_happen_to_name(self) -> None:
        """Record ids are numbers, and so are places in a batch."""
        told = {"errors": [{"category": "X", "message": "", "context": {"ids": ["1"], "objectWriteTraceId": "row-2"}}]}
        assert failed("hubspot", told, [f"row-{n}" for n in range(5)]) == {"row-2": "x"}

    def test_a_list_is_not_renamed_to_a_name_that_is_taken(self, destination: HubSpotLists, audience: str) -> None:
        destination.ensure_audience("taken")
        with pytest.raises(ConfigError, match="has another list"):
            destination.rename(audience, "taken")

    def test_a_days_requests_used_up_are_not_waited_for(self, destination: HubSpotLists) -> None:
        self.set(policy="DAILY", limit_factor=0)
        with pytest.raises(TransientError, match="requests of the day") as caught:
            destination.check()
        assert caught.value.retry_after == 3600
        self.server.record()  # of this answer the document lacks what the pages show

    def test_a_refused_body_is_told_without_what_it_held(self, destination: HubSpotLists, audience: str) -> None:
        self.set(most_members=2)
        with pytest.raises(ContractError, match="VALIDATION_ERROR"):
            settle(destination, batch(destination, audience, crowd(3)))

    def test_nobody_is_deleted_or_unsubscribed_by_leaving(self, destination: HubSpotLists, audience: str) -> None:
        settle(destination, batch(destination, audience, crowd(5)))
        self.server.record()
        settle(destination, batch(destination, audience, crowd(5), Operation.REMOVE, number=2))
        paths = {one["path"].rpartition("/crm/v3/")[2] for one in self.server.recorded("hubspot")}
        assert paths == {"objects/contacts/batch/read", f"lists/{audience}/memberships/add-and-remove"}
        assert {p.email for p in crowd(5)} <= {one.get("email") for one in self.control("people")}
