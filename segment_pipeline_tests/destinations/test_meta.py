"""Meta: the contract over real HTTP, its own refusals, and Meta's SDK as the oracle."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Destination, Operation
from segment_pipeline.destinations.meta import connector as meta
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.contracts.destination import (
    PLAN,
    Key,
    Person,
    RemoteDestinationContract,
    batch,
    crowd,
    digest,
    key_of,
    keys_of,
    settle,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("meta"), vendors=["meta"]) as running:
        yield running


@pytest.fixture(autouse=True)
def _well_behaved(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    before = server.control("GET", "/meta/settings")
    yield
    server.clear_faults()
    server.control("PUT", "/meta/settings", before)


def connector(server: SandboxServer, **changes: Any) -> MetaAudiences:
    settings: dict[str, Any] = {
        "access_token": "sandbox-meta-token",
        "app_secret": "sandbox-meta-secret",
        "ad_account": "1001",
        "base_url": f"{server.base_url}/meta",
    }
    return MetaAudiences(**{**settings, **changes})


@pytest.fixture
def destination(server: SandboxServer) -> Iterator[MetaAudiences]:
    made = connector(server)
    yield made
    made.close()


def rows_of(server: SandboxServer, remote_id: str) -> set[Key]:
    rows = server.control("GET", f"/meta/audiences/{remote_id}/rows")
    return {(row["keys"].get("EMAIL"), row["keys"].get("PHONE")) for row in rows}


class TestMetaAudiences(RemoteDestinationContract):
    credentials = {"access_token": "META_ACCESS_TOKEN", "app_secret": "META_APP_SECRET"}

    @pytest.fixture(autouse=True)
    def _server(self, server: SandboxServer) -> Iterator[None]:
        self.server = server
        self.made: list[MetaAudiences] = []
        yield
        for one in self.made:
            one.close()

    @pytest.fixture
    def destination(self, server: SandboxServer) -> Iterator[Destination]:
        made = connector(server)
        yield made
        made.close()

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return rows_of(self.server, remote_id)

    def remade(self, destination: Destination, **changes: object) -> Destination:
        self.made.append(connector(self.server, **changes))
        return self.made[-1]

    def misbehave(self, *rules: Mapping[str, object]) -> None:
        self.server.faults([{"vendor": "meta", **rule} for rule in rules])

    def applied_path(self) -> str:
        return "/users$"

    def created_path(self) -> str:
        return "/customaudiences$"

    def audiences_named(self, destination: Destination, remote_id: str) -> int:
        listed = self.server.control("GET", "/meta/audiences")
        (name,) = [one["name"] for one in listed if one["id"] == remote_id]
        return sum(one["name"] == name for one in listed)


def test_names_sent_are_neutral(server: SandboxServer, destination: MetaAudiences) -> None:
    server.record()
    destination.ensure_audience("diabetes buyers in debt")
    text = json.dumps(server.recorded("meta"))
    server.record(on=False)
    assert "customaudiences" in text
    assert "diabetes" not in text
    assert "debt" not in text


def test_an_audience_is_found_behind_many_others(server: SandboxServer, destination: MetaAudiences) -> None:
    first = destination.ensure_audience("the first of many")
    for number in range(130):
        destination.ensure_audience(f"filler {number}")
    assert destination.ensure_audience("the first of many") == first


def test_terms_that_are_not_accepted_are_a_persons_work(server: SandboxServer, destination: MetaAudiences) -> None:
    audience = destination.ensure_audience("terms")
    server.control("PUT", "/meta/settings", {"terms_accepted": False})
    with pytest.raises(ConfigError, match="accept them at facebook.com/ads/manage/customaudiences/tos"):
        destination.check()
    with pytest.raises(ConfigError, match="accept them at"):
        destination.apply(batch(destination, audience, crowd(3)))


def test_a_removal_that_would_leave_too_few_is_final_and_tried_once(
    server: SandboxServer, destination: MetaAudiences
) -> None:
    """Meta refuses it for good (1870047): a retry would go on for ever."""
    server.control("PUT", "/meta/settings", {"minimum_people": 20})
    audience = destination.ensure_audience("too few")
    people = crowd(21)
    settle(destination, batch(destination, audience, people))
    receipt = destination.apply(batch(destination, audience, people[:5], Operation.REMOVE, number=2))
    assert (receipt.accepted, set(receipt.rejected.values()), receipt.requests) == (0, {"too_few_left"}, 1)
    assert set(receipt.rejected) == {digest(key_of(destination, person)) for person in people[:5]}
    assert rows_of(server, audience) == keys_of(destination, people)


def test_a_flagged_audience_is_a_persons_work(server: SandboxServer, destination: MetaAudiences) -> None:
    audience = destination.ensure_audience("flagged")
    server.control("POST", f"/meta/audiences/{audience}", {"operation": 471})
    with pytest.raises(ConfigError, match="review its name in Ads Manager"):
        destination.ensure_audience("flagged")
    with pytest.raises(ConfigError, match="review its name in Ads Manager"):
        destination.apply(batch(destination, audience, crowd(3)))


def test_a_row_meta_refuses_without_naming_it_is_found_by_splitting(
    server: SandboxServer, destination: MetaAudiences
) -> None:
    """The batch is refused for splitting, down to the row alone, which is then rejected."""
    audience = destination.ensure_audience("poison")
    people = crowd(4)
    poison = key_of(destination, people[2])[0]
    server.control("PUT", "/meta/settings", {"poison": [poison]})
    with pytest.raises(RejectedRecords) as caught:
        destination.apply(batch(destination, audience, people))
    assert caught.value.rows == {}
    receipt = destination.apply(batch(destination, audience, people[2:3]))
    assert (receipt.accepted, set(receipt.rejected.values())) == (0, {"invalid_parameter"})


@pytest.mark.parametrize("form", ["list", "map"])
def test_rows_meta_calls_invalid_are_rejected_by_key(
    server: SandboxServer, destination: MetaAudiences, form: str
) -> None:
    server.control("PUT", "/meta/settings", {"samples_form": form})
    server.faults([{"vendor": "meta", "kind": "row_errors", "path_regex": "/users$", "every": 10, "times": 1}])
    audience = destination.ensure_audience(f"invalid {form}")
    receipt = destination.apply(batch(destination, audience, crowd(30)))
    assert (receipt.accepted, set(receipt.rejected.values()), len(receipt.rejected)) == (27, {"invalid_entry"}, 3)
    assert rows_of(server, audience).isdisjoint(
        {key for key in keys_of(destination, crowd(30)) if digest(key) in receipt.rejected}
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"num_received": "2"}, TransientError),
        ({}, ContractError),
        ([], ContractError),
        ({"num_received": "x"}, ContractError),
    ],
)
def test_an_answer_that_counts_fewer_rows_is_no_success(
    destination: MetaAudiences, body: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        destination._invalid(body, batch(destination, "1", crowd(3)).rows)
    assert (
        destination._invalid({"num_received": 3, "num_invalid_entries": 0}, batch(destination, "1", crowd(3)).rows)
        == {}
    )


def test_an_ended_version_names_the_setting(server: SandboxServer) -> None:
    old = connector(server, version="v19.0", attempts=1)
    with pytest.raises(ConfigError, match="set a newer `version`"):
        old.check()
    old.close()


def test_the_limit_of_the_account_waits_as_long_as_meta_says(server: SandboxServer) -> None:
    """Meta has no Retry-After: the business-use-case header counts minutes."""
    once = connector(server, attempts=1)
    audience = once.ensure_audience("limited")
    server.faults([{"vendor": "meta", "kind": "429", "times": 1, "seconds": 120}])
    with pytest.raises(TransientError) as caught:
        once.apply(batch(once, audience, crowd(2)))
    assert caught.value.retry_after == 120
    once.close()


def test_metas_own_sdk_leaves_the_same_state(
    server: SandboxServer, destination: MetaAudiences, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same people through facebook-business and through us; it puts a removal's payload in the URL, we do not."""
    monkeypatch.setattr(FacebookSession, "GRAPH", f"{server.base_url}/meta")
    api = FacebookAdsApi.init("app", "sandbox-meta-secret", "sandbox-meta-token", api_version="v26.0", crash_log=False)
    theirs = AdAccount("act_1001", api=api).create_custom_audience(
        params={"name": "by sdk", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    )
    people = [Person(f"Shopper{i}@Quiet.shop", f"+1 415 555-{i:04d}") for i in range(40)]
    schema = [CustomAudience.Schema.MultiKeySchema.email, CustomAudience.Schema.MultiKeySchema.phone]
    audience = CustomAudience(theirs["id"], api=api)
    audience.add_users(schema, [[p.email, p.phone] for p in people], is_raw=True)
    audience.remove_users(schema, [[p.email, p.phone] for p in people[:5]], is_raw=True)

    canonical = [Person(f"shopper{i}@quiet.shop", f"+1415555{i:04d}") for i in range(40)]
    ours = destination.ensure_audience("by connector")
    settle(destination, batch(destination, ours, canonical))
    settle(destination, batch(destination, ours, canonical[:5], Operation.REMOVE, number=2))
    assert rows_of(server, ours) == rows_of(server, theirs["id"]) == keys_of(destination, canonical[5:])
    # requests keeps the SDK's sockets in a session that nobody closes.
    api._session.requests.close()


def test_a_body_is_written_without_python_per_row(destination: MetaAudiences) -> None:
    """Well under the 0.3M rows a second that the audience is promised; the benchmark has the figure."""
    rows = pa.table(
        {
            "key": pa.array([str(i) for i in range(10_000)]),
            "email": pa.array(["ab" * 32] * 10_000),
            "phone": pa.array([None, "cd" * 32] * 5_000, pa.string()),
            "vendor_id": pa.nulls(10_000, pa.string()),
            "attributes": pa.nulls(10_000, pa.string()),
        }
    )
    work = Batch(PLAN, 1, Operation.UPSERT, "1", rows)
    meta._users_body(work, rows)
    started = time.perf_counter()
    kept, refused = bodies.refuse_unhashed(work, "email", "phone")
    body = meta._users_body(work, kept)
    assert time.perf_counter() - started < 1
    assert refused == {}
    sent = json.loads(body)["payload"]
    assert sent["schema"] == ["EMAIL", "PHONE"]
    assert sent["data"][:2] == [["ab" * 32, ""], ["ab" * 32, "cd" * 32]]
    assert len(sent["data"]) == 10_000


def test_a_session_is_the_batchs_own(destination: MetaAudiences) -> None:
    first, second = (batch(destination, "7", crowd(2), number=n) for n in (1, 2))
    sessions = [json.loads(meta._users_body(b, b.rows))["session"] for b in (first, first, second)]
    assert sessions[0] == sessions[1]
    assert sessions[0]["session_id"] != sessions[2]["session_id"]
    assert 0 < sessions[0]["session_id"] < 2**63
    assert {k: v for k, v in sessions[0].items() if k != "session_id"} == {
        "batch_seq": 1,
        "last_batch_flag": True,
        "estimated_num_total": 2,
    }
