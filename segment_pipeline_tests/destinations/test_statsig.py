"""Statsig segments: the contract over real HTTP, and what is Statsig's own about lists of ids."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import requests

from segment_pipeline.delivery.destination import Operation
from segment_pipeline.destinations.statsig.connector import StatsigSegments
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.testing.batches import batch, crowd, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

KEY = "console-sandbox-statsig"
UNSAID = re.compile(r"(400|401|404|409|429) is no answer")


class TestStatsigSegments(SandboxDestinationContract):
    vendor, connector = "statsig", StatsigSegments
    given = {"users_of": "shop", "console_key": KEY}
    created, applied = "/segments$", "/id_list$"
    published = "statsig_console_segments_20240601_trimmed.json"
    no_sdk = "Statsig's clients on PyPI evaluate gates: none of them speaks the console API"

    def wrong(self, recorded: Mapping[str, Any]) -> Iterable[str]:
        """The document lacks half of the refusals, and the body of a DELETE, which an older one requires."""
        return (why for why in super().wrong(recorded) if not UNSAID.search(why))

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request of a test's own, which may be wrong: it is not recorded."""
        self.server.record(on=False)
        url = f"{self.server.base_url}/statsig/console/v1/segments{path}"
        headers = {"STATSIG-API-KEY": KEY, "STATSIG-API-VERSION": "20240601"}
        return requests.request(method, url, json=body, headers=headers, timeout=30)

    @pytest.mark.parametrize("prefix", ["a/b", "", "x" * 37, "a b"])
    def test_a_prefix_no_id_can_have_is_told(self, prefix: str) -> None:
        with pytest.raises(ConfigError, match="`prefix` begins ids"):
            self.remade(prefix=prefix)

    def test_a_list_larger_than_statsig_agreed_to_is_not_split(
        self, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each half would be refused for the same reason, 20,000 requests long at 12 in ten seconds."""
        monkeypatch.setattr("segment_pipeline.destinations.statsig.connector._UNASKED", 50)
        self.set(largest_list=50)
        more = self.remade(max_list_size=100)
        settle(more, batch(more, audience, crowd(40)))
        with pytest.raises(ConfigError, match="only if Statsig has agreed to it"):
            more.apply(batch(more, audience, crowd(20, 40), number=2))

    def test_a_name_another_segment_has_is_a_persons_business(self, destination: StatsigSegments) -> None:
        """409 says here that the name is taken, not that somebody is at it; tried again it would be so for ever."""
        new = {"name": "segment-pipeline-named", "id": "others", "type": "id_list"}
        assert self.call("POST", "", new).status_code == 201
        with pytest.raises(ConfigError, match="another segment named segment-pipeline-named"):
            destination.ensure_audience("named")

    def test_a_removal_is_a_delete_with_its_body(self, destination: StatsigSegments, audience: str) -> None:
        """Much that stands in between drops it: without one Statsig takes nobody out."""
        settle(destination, batch(destination, audience, crowd(3)))
        assert self.call("DELETE", f"/{audience}/id_list").status_code == 400
        self.server.record()
        settle(destination, batch(destination, audience, crowd(1), Operation.REMOVE, number=2))
        (sent,) = [one for one in self.server.recorded("statsig") if one["method"] == "DELETE"]
        assert sent["body"] == '{"ids": ["user-0000"]}'
        assert {one["headers"]["statsig-api-version"] for one in self.server.recorded("statsig")} == {"20240601"}

    def test_the_thirteenth_change_in_ten_seconds_is_refused_and_never_asked_for(
        self, destination: StatsigSegments, audience: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A 429 of Statsig's has no header to go by."""
        self.set(limit_factor=1)
        answers = [self.call("PATCH", f"/{audience}/id_list", {"ids": ["u"]}) for _ in range(13)]
        assert [answer.status_code for answer in answers] == [200] * 12 + [429]
        assert not any("retry" in name.lower() or "limit" in name.lower() for name in answers[-1].headers)
        waits: list[float] = []
        monkeypatch.setattr("segment_pipeline.clock.sleep", waits.append)
        self.set(limit_factor=1000)
        for number in range(13):
            destination.apply(batch(destination, audience, crowd(1), Operation.REMOVE, number=number))
        assert max(waits) > 5

    @pytest.mark.parametrize("operation", list(Operation))
    def test_a_list_that_is_being_replaced_is_neither_changed_nor_read(
        self, destination: StatsigSegments, audience: str, operation: Operation
    ) -> None:
        """A reset by more than 1,000 ids is a mix meanwhile. Ours reset nothing."""
        settle(destination, batch(destination, audience, crowd(5)))
        self.set(polls_to_reset=4)
        assert self.call("POST", f"/{audience}/id_list/reset", {"ids": [f"r{n}" for n in range(1001)]}).ok
        assert destination.count(audience) == 1006
        with pytest.raises(TransientError, match="somebody else changes this list") as refused:
            self.remade(attempts=1).apply(batch(destination, audience, crowd(2), operation))
        assert not refused.value.sent
        with pytest.raises(ContractError, match="is being replaced"):
            list(destination.members(audience))
        for _ in range(3):
            self.call("GET", f"/{audience}/idlist_metadata")
        assert sum(table.num_rows for table in destination.members(audience)) == 1001

    def test_a_list_that_changes_while_it_is_read_is_no_reading(
        self, destination: StatsigSegments, audience: str
    ) -> None:
        settle(destination, batch(destination, audience, crowd(150)))
        reading = destination.members(audience)
        next(reading)
        settle(destination, batch(destination, audience, crowd(1), Operation.REMOVE, number=2))
        with pytest.raises(ContractError, match="changed while it was read"):
            list(reading)

    def test_a_list_too_large_is_said_before_anything_is_sent(self, audience: str) -> None:
        """With what else one can do. Who is on it already does not count twice."""
        small = self.remade(max_list_size=10)
        settle(small, batch(small, audience, crowd(8)))
        assert settle(small, batch(small, audience, crowd(10))).accepted == 10
        assert settle(small, batch(small, audience, crowd(10))).accepted == 10
        with pytest.raises(ConfigError, match="use an attribute of your users instead"):
            small.apply(batch(small, audience, crowd(1, 50)))
        assert self.held(small, audience) == keys_of(small, crowd(10))

    def test_a_segment_of_another_type_is_not_taken_over(self, destination: StatsigSegments, audience: str) -> None:
        other = {"name": "segment-pipeline-theirs", "type": "user_store_id_list"}
        assert self.call("POST", "", other).status_code == 201
        with pytest.raises(ConfigError, match="delete it, or change `prefix`"):
            destination.ensure_audience("theirs")
        self.server.control("POST", f"/statsig/lists/{audience}", {"type": "rule_based"})
        with pytest.raises(ConfigError, match="no longer a list of ids"):
            destination.apply(batch(destination, audience, crowd(2)))

    def test_one_poison_id_is_found_by_halves(self, destination: StatsigSegments, audience: str) -> None:
        """Statsig refuses all of a batch and does not say for which id."""
        self.set(poison=["user-0005"])
        self.server.record()
        for part in (crowd(8), crowd(4, 4), crowd(2, 4), crowd(1, 5)):
            with pytest.raises(RejectedRecords, match="ids is invalid") as refused:
                destination.apply(batch(destination, audience, part))
            assert (dict(refused.value.rows), self.members(audience)) == ({}, [])
        counted = [one for one in self.server.recorded("statsig") if one["method"] == "GET"]
        assert len(counted) == 1

    @pytest.mark.parametrize("name", ["ab", "x" * 101, "no/slash", "no.dot", "é" * 5])
    def test_statsig_takes_few_characters_in_names(self, name: str) -> None:
        """So a name in any others is sent as a slug with a digest, and described by itself."""
        assert self.call("POST", "", {"name": name, "type": "id_list"}).status_code == 400
        made = self.remade().ensure_audience(name)
        assert self.call("GET", f"/{made}").json()["data"]["description"] == name
