"""Customer.io manual segments: the contract over real HTTP, and what is Customer.io's own about who is in one."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from segment_pipeline.delivery.destination import AudienceGone, Operation
from segment_pipeline.destinations.customerio import connector as customerio
from segment_pipeline.destinations.customerio.connector import CustomerIoSegments
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.testing.batches import Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract


class TestCustomerIoSegments(SandboxDestinationContract):
    vendor, connector = "customerio", CustomerIoSegments
    given = {
        "users_of": "shop",
        "site_id": "sandbox-customerio-site",
        "track_key": "sandbox-customerio-track",
        "app_key": "sandbox-customerio-app",
    }
    created, applied = "/v1/segments$", "/api/v2/batch$|/(add|remove)_customers$"
    published = "customerio_track_openapi_trimmed.json"
    no_sdk = "customerio 3.2.0 on PyPI identifies people, and knows no segments"

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """The document is the Track API's, and lacks what a segment that is gone is answered with."""
        if recorded["path"].startswith("/customerio/v1/"):
            return ()
        return (why for why in super().wrong(recorded) if "404 is no answer" not in why)

    def remade(self, **changes: Any) -> Any:
        return super().remade(**{"app_url": f"{self.server.base_url}/customerio", **changes})

    def test_people_are_identified_before_they_are_put_in(self, destination: CustomerIoSegments, audience: str) -> None:
        """A segment passes over in silence whoever it does not know."""
        settle(destination, batch(destination, audience, crowd(3, 30_000)))
        identified = self.sent("/api/v2/batch")[0]["batch"]
        assert identified[0] == {
            "type": "person", "action": "identify", "identifiers": {"id": "user-30000"}, "attributes": {}
        }  # fmt: skip
        assert (destination.count(audience), self.recorded("/add_customers")[0]["query"]) == (3, [["id_type", "id"]])

    def test_nobody_is_made_where_that_is_declined(self, audience: str) -> None:
        """Then fewer are there than were sent: the count of each sync says so."""
        only = self.remade(existing_only=True)
        given = [Person(user_id=f"never-seen-{n}", attributes='{"tier": "top"}') for n in range(2)]
        assert settle(only, batch(only, audience, [*given, *crowd(1)])).accepted == 3
        assert all(one["attributes"]["_update"] for one in self.sent("/batch")[0]["batch"])
        assert not any(one["user_id"].startswith("never-seen") for one in self.control("people"))
        assert only.count(audience) < 3
        plain = batch(only, audience, crowd(2))
        assert only.apply(plain).requests == 1

    def test_a_person_who_is_not_taken_is_told_by_position(
        self, destination: CustomerIoSegments, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """207, however many requests the batch took; whoever is not taken is put into no segment."""
        monkeypatch.setattr(customerio, "_PART_BYTES", 400)
        people = [Person(), *crowd(12)]
        self.set(poison=[people[9].user_id])
        receipt = settle(destination, batch(destination, audience, people))
        refused = {
            digest(key_of(destination, people[0])): "no_identifier",
            digest(key_of(destination, people[9])): "invalid",
        }
        assert (receipt.accepted, dict(receipt.rejected)) == (11, refused)
        assert len(self.recorded("/api/v2/batch")) > 2
        assert self.held(destination, audience) == keys_of(destination, people[1:]) - {key_of(destination, people[9])}

    def test_attributes_are_set_and_null_removes_one(self, destination: CustomerIoSegments, audience: str) -> None:
        for told in ('{"tier": "top", "city": "Bath"}', '{"tier": "mid", "city": null}'):
            settle(destination, batch(destination, audience, [Person(user_id="attributed", attributes=told)]))
        (held,) = self.members(audience)
        assert held["attributes"] == {"tier": "mid"}
        large = Person(user_id="large", attributes=json.dumps({"note": "x" * 32_000}))
        receipt = settle(destination, batch(destination, audience, [large]))
        assert list(receipt.rejected.values()) == ["too_large"]

    def test_leaving_a_segment_is_nothing_more(self, destination: CustomerIoSegments, audience: str) -> None:
        """Suppressing would delete the profile and bar it for good."""
        settle(destination, batch(destination, audience, crowd(3)))
        self.server.record()
        settle(destination, batch(destination, audience, crowd(3), Operation.REMOVE, number=2))
        assert {one["path"] for one in self.server.recorded("customerio")} == {
            f"/customerio/api/v1/segments/{audience}/remove_customers"
        }

    @pytest.mark.parametrize("status", [400, 404])
    def test_a_segment_that_is_gone_is_told_from_a_request_that_is_wrong(
        self, destination: CustomerIoSegments, status: int
    ) -> None:
        self.set(missing_segment=status)
        gone = destination.ensure_audience("to be gone")
        destination.delete(gone)
        with pytest.raises(AudienceGone, match="resend"):
            destination.apply(batch(destination, gone, crowd(2)))

    def test_a_data_driven_segment_of_our_name_is_not_taken_over(self, destination: CustomerIoSegments) -> None:
        """Nobody can be put into one."""
        theirs = destination.ensure_audience("data-driven")
        self.server.control("POST", f"/customerio/lists/{theirs}", {"type": "dynamic"})
        assert destination.ensure_audience("data-driven") != theirs

    def test_a_workspace_of_the_other_region_says_which_addresses_to_set(self, destination: CustomerIoSegments) -> None:
        """The host of one region sends the other's elsewhere; credentials are sent nowhere else."""
        self.set(region="eu")
        self.server.record(on=False)
        with pytest.raises(ConfigError, match="CUSTOMERIO_BASE_URL and CUSTOMERIO_APP_URL to https://track-eu"):
            destination.check()

    def test_a_page_that_lacks_people_is_no_reading(
        self, destination: CustomerIoSegments, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settle(destination, batch(destination, audience, crowd(5)))
        asked = CustomerIoSegments._asked  # noqa: SLF001 - one more was there when it was counted

        def one_more(self: CustomerIoSegments, segment: str, what: str, **params: str) -> dict[str, Any]:
            told = asked(self, segment, what, **params)
            return {"count": told["count"] + 1} if what == "customer_count" else told

        monkeypatch.setattr(CustomerIoSegments, "_asked", one_more)
        with pytest.raises(ContractError, match="showed 5 of 6 people"):
            list(destination.members(audience))
