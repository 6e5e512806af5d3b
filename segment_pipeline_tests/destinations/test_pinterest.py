"""Pinterest: the contract over real HTTP, lists that are never empty, audiences of them, and Pinterest's client as the oracle."""

import json
from collections.abc import Sequence

import pytest
from openapi_generated import pinterest_client
from openapi_generated.pinterest_client import models
from openapi_generated.pinterest_client.api.customer_lists_api import CustomerListsApi

from segment_pipeline.delivery.destination import Countable, Deletable, Destination, Operation, Readable, Renameable
from segment_pipeline.delivery.nobody import hashes
from segment_pipeline.destinations.pinterest.connector import PinterestLists
from segment_pipeline.errors import ConfigError, RejectedRecords, TransientError
from segment_pipeline.http import Response
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.batches import Key, Person, batch, crowd, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

TOKEN, ACCOUNT = "sandbox-pinterest-token", "549755885175"


class TestPinterestLists(SandboxDestinationContract):
    vendor, connector = "pinterest", PinterestLists
    given = {"access_token": TOKEN, "account": ACCOUNT}
    created, applied = "/customer_lists$", r"/customer_lists/\d+$"
    alike = ("PATCH",)
    published = "pinterest_openapi_v5.23.0_trimmed.json"
    # Pinterest tells of no record.
    test_a_partial_failure_is_told_row_by_row_or_not_at_all = None  # type: ignore[assignment]

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        settings = pinterest_client.Configuration(host=f"{self.server.base_url}/pinterest", access_token=TOKEN)
        client = pinterest_client.ApiClient(settings)
        api = CustomerListsApi(client)
        entity = models.CustomerListRequest(name="by sdk", records=hashes(1)[0], list_type="EMAIL")
        made = str(api.customer_lists_create(ACCOUNT, entity)["id"])
        for operation, some in (("ADD", people), ("REMOVE", gone)):
            records = ",".join(str(RULES["email/sha256/1"].apply(str(one.email))) for one in some)
            change = models.CustomerListUpdateRequest(operation_type=operation, records=records)
            assert api.customer_lists_update(ACCOUNT, made, change)["id"] == made
        return made

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(one["user_id"],) for one in self.members(remote_id) if one["user_id"] not in hashes(1)}

    def test_what_pinterest_cannot_do_is_not_promised(self, destination: PinterestLists, audience: str) -> None:
        """Its counts go up for whoever is there already; a list keeps its name, and is there for ever."""
        assert not isinstance(destination, Countable | Readable | Renameable | Deletable)
        for number in range(2):
            settle(destination, batch(destination, audience, crowd(3), number=number))
        told = destination._vendor.object("", "GET", f"/ad_accounts/{ACCOUNT}/customer_lists/{audience}")
        assert told["num_uploaded_user_records"] == 7
        assert self.held(destination, audience) == keys_of(destination, crowd(3))

    def test_a_list_begins_with_nobody_and_says_nothing_of_its_people(self, destination: PinterestLists) -> None:
        """Pinterest makes none without records, and no advertisement reaches a list without an audience of it."""
        self.server.record()
        made = destination.ensure_audience("lapsed buyers of trusses")
        [listed], [targeted] = self.sent("/customer_lists"), self.sent("/audiences")
        assert listed == {"name": targeted["name"], "records": hashes(1)[0], "list_type": "EMAIL"}
        assert listed["name"].startswith("Audience ")
        assert "truss" not in json.dumps([listed, targeted])
        assert (targeted["audience_type"], targeted["rule"]) == ("CUSTOMER_LIST", {"customer_list_id": made})

    def test_an_audience_whose_making_failed_is_made_the_next_time(self, destination: PinterestLists) -> None:
        """And one whose making was not heard of is not made again."""
        self.misbehave({"kind": "reset", "method": "POST", "path_regex": "/audiences$"})
        with pytest.raises(TransientError):
            destination.ensure_audience("without an audience")
        self.server.clear_faults()
        self.misbehave({"kind": "lost_response", "method": "POST", "path_regex": "/audiences$", "times": 1})
        self.server.record()
        made = [destination.ensure_audience("without an audience") for _ in range(2)]
        assert (len({*made}), len(self.sent("/audiences"))) == (1, 1)

    def test_a_list_may_be_left_without_an_audience(self) -> None:
        self.server.record()
        self.remade(audience=False, marker="lists alone").ensure_audience("no audience")
        assert self.sent("/audiences") == []

    def test_records_are_one_text(self, destination: PinterestLists, audience: str) -> None:
        self.server.record()
        settle(destination, batch(destination, audience, crowd(2)))
        settle(destination, batch(destination, audience, crowd(1), Operation.REMOVE, number=2))
        added, removed = self.sent(f"/{audience}")
        assert {tuple(added["records"].split(","))} == {tuple(str(key) for [key] in self.in_order(destination, 2))}
        assert (added["operation_type"], removed["operation_type"]) == ("ADD", "REMOVE")

    def in_order(self, destination: Destination, size: int) -> list[Key]:
        return [key for one in crowd(size) for key in keys_of(destination, [one])]

    def test_a_request_refused_whole_is_split(self, destination: PinterestLists, audience: str) -> None:
        self.set(most=5)
        with pytest.raises(RejectedRecords) as told:
            destination.apply(batch(destination, audience, crowd(6)))
        assert told.value.rows == {}
        few = self.remade(most=5)
        assert settle(few, batch(few, audience, crowd(5))).accepted == 5

    def test_exceptions_of_a_list_are_logged(
        self, destination: PinterestLists, audience: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """They may be of before, and name no record."""
        self.server.control("POST", f"/pinterest/lists/{audience}", {"exceptions": {"invalid_records": 2}})
        assert settle(destination, batch(destination, audience, crowd(3))).accepted == 3
        assert f"exceptions at list {audience} (invalid_records)" in caplog.text

    @pytest.mark.parametrize(
        ("headers", "wait"), [({"x-ratelimit-reset": "7"}, 7), ({"retry-after": "3"}, 3), ({}, None)]
    )
    def test_a_limit_says_when_it_is_lifted(self, headers: dict[str, str], wait: float | None) -> None:
        told = self.remade()._refused(Response(429, headers, b'{"code": 8, "message": "Try again later."}'))
        assert isinstance(told, TransientError)
        assert (told.retry_after, told.sent) == (wait, False)

    def test_another_ad_account_is_a_persons_work(self) -> None:
        with pytest.raises(ConfigError, match="PINTEREST_ACCESS_TOKEN and its scopes"):
            self.remade(account="7").check()
