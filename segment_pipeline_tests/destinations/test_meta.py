"""Meta: the contract over real HTTP, its own refusals, and Meta's SDK as the oracle."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.meta import connector as meta
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.testing.destination import Key, Person, batch, crowd, digest, key_of, keys_of, settle
from segment_pipeline_tests.contracts.destination import SandboxDestinationContract

NEW = {"name": "a", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}


class TestMetaAudiences(SandboxDestinationContract):
    vendor, connector = "meta", MetaAudiences
    given = {"access_token": "sandbox-meta-token", "app_secret": "sandbox-meta-secret", "ad_account": "1001"}
    created, applied = "/customaudiences$", "/users$"

    def by_sdk(self, people: Sequence[Person], gone: Sequence[Person]) -> str:
        """It normalises and hashes; and it puts a removal's payload in the URL, as we do not."""
        secrets = (self.given["app_secret"], self.given["access_token"])
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(FacebookSession, "GRAPH", f"{self.server.base_url}/meta")
            api = FacebookAdsApi.init("app", *secrets, api_version="v26.0", crash_log=False)
            made = AdAccount("act_1001", api=api).create_custom_audience(params=NEW)
            schema = [CustomAudience.Schema.MultiKeySchema.email, CustomAudience.Schema.MultiKeySchema.phone]
            theirs = CustomAudience(made["id"], api=api)
            for change, rows in ((theirs.add_users, people), (theirs.remove_users, gone)):
                change(schema, [[str(one.email).title(), f" {one.phone} "] for one in rows], is_raw=True)
            # requests keeps the SDK's sockets in a session that nobody closes.
            api._session.requests.close()
        return str(made["id"])

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(row.get("EMAIL"), row.get("PHONE")) for row in self.members(remote_id)}

    def test_names_sent_are_neutral(self, destination: MetaAudiences) -> None:
        self.server.record()
        destination.ensure_audience("diabetes buyers in debt")
        text = json.dumps(self.server.recorded("meta"))
        assert "customaudiences" in text
        assert "diabetes" not in text
        assert "debt" not in text

    def test_an_audience_is_found_behind_many_others(self, destination: MetaAudiences) -> None:
        first = destination.ensure_audience("the first of many")
        for _ in range(101):
            destination._call("POST", "act_1001/customaudiences", body=NEW)
        assert destination.ensure_audience("the first of many") == first

    def test_terms_that_are_not_accepted_are_a_persons_work(self, destination: MetaAudiences, audience: str) -> None:
        self.set(terms_accepted=False)
        with pytest.raises(ConfigError, match="accept them at facebook.com/ads/manage/customaudiences/tos"):
            destination.check()
        with pytest.raises(ConfigError, match="accept them at"):
            destination.apply(batch(destination, audience, crowd(3)))

    def test_a_removal_that_would_leave_too_few_is_final_and_tried_once(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """Meta refuses it for good (1870047): a retry would go on for ever."""
        self.set(minimum_people=20)
        people = crowd(21)
        settle(destination, batch(destination, audience, people))
        receipt = destination.apply(batch(destination, audience, people[:5], Operation.REMOVE, number=2))
        assert (receipt.accepted, set(receipt.rejected.values()), receipt.requests) == (0, {"too_few_left"}, 1)
        assert set(receipt.rejected) == {digest(key_of(destination, person)) for person in people[:5]}
        assert self.held(destination, audience) == keys_of(destination, people)

    def test_a_flagged_audience_is_a_persons_work(self, destination: MetaAudiences) -> None:
        audience = destination.ensure_audience("flagged")
        self.server.control("POST", f"/meta/lists/{audience}", {"operation": 471})
        with pytest.raises(ConfigError, match="review its name in Ads Manager"):
            destination.ensure_audience("flagged")
        with pytest.raises(ConfigError, match="review its name in Ads Manager"):
            destination.apply(batch(destination, audience, crowd(3)))

    def test_a_row_refused_without_being_named_is_found_by_splitting(
        self, destination: MetaAudiences, audience: str
    ) -> None:
        """The batch is refused for splitting, down to the row alone, which is then rejected."""
        people = crowd(4)
        self.set(poison=[key_of(destination, people[2])[0]])
        with pytest.raises(RejectedRecords) as caught:
            destination.apply(batch(destination, audience, people))
        assert caught.value.rows == {}
        receipt = destination.apply(batch(destination, audience, people[2:3]))
        assert (receipt.accepted, set(receipt.rejected.values())) == (0, {"invalid_parameter"})

    @pytest.mark.parametrize("form", ["list", "map"])
    def test_rows_called_invalid_are_rejected_by_key(
        self, destination: MetaAudiences, audience: str, form: str
    ) -> None:
        self.set(samples_form=form)
        self.misbehave({"kind": "row_errors", "path_regex": "/users$", "every": 10, "times": 1})
        receipt = destination.apply(batch(destination, audience, crowd(30)))
        assert (receipt.accepted, set(receipt.rejected.values()), len(receipt.rejected)) == (27, {"invalid_entry"}, 3)
        inside = {digest(key) for key in self.held(destination, audience)}
        assert inside.isdisjoint(receipt.rejected)

    def test_an_ended_version_names_the_setting(self) -> None:
        with pytest.raises(ConfigError, match="set a newer `version`"):
            self.remade(version="v19.0", attempts=1).check()

    def test_the_limit_of_the_account_waits_as_long_as_meta_says(self, audience: str) -> None:
        """Meta has no Retry-After: the business-use-case header counts minutes."""
        once = self.remade(attempts=1)
        self.misbehave({"kind": "429", "times": 1, "seconds": 120})
        with pytest.raises(TransientError) as caught:
            once.apply(batch(once, audience, crowd(2)))
        assert caught.value.retry_after == 120


OFFLINE = MetaAudiences(ad_account="1")


@pytest.mark.parametrize(
    ("body", "error"),
    [({"num_received": "2"}, TransientError), ({}, ContractError), ({"num_received": "x"}, ContractError)],
)
def test_an_answer_that_counts_fewer_rows_is_no_success(body: dict[str, Any], error: type[Exception]) -> None:
    rows = batch(OFFLINE, "1", crowd(3)).rows
    with pytest.raises(error):
        OFFLINE._invalid(body, rows)
    assert OFFLINE._invalid({"num_received": 3, "num_invalid_entries": 0}, rows) == {}


def test_a_session_is_the_batchs_own() -> None:
    first, second = (batch(OFFLINE, "7", crowd(2), number=n) for n in (1, 2))
    sessions = [json.loads(meta._users_body(b.rows, meta._session(b)))["session"] for b in (first, first, second)]
    assert sessions[0] == sessions[1]
    session, another = sessions[0].pop("session_id"), sessions[2]["session_id"]
    assert session != another
    assert 0 < session < 2**63
    assert sessions[0] == {"batch_seq": 1, "last_batch_flag": True, "estimated_num_total": 2}
