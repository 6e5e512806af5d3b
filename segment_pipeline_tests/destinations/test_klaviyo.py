"""Klaviyo: the contract over real HTTP, jobs and their errors, and Klaviyo's SDK as the oracle."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from klaviyo_api import KlaviyoAPI

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Destination, Operation
from segment_pipeline.destinations.klaviyo import connector as klaviyo
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.contracts.destination import (
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
    with SandboxServer(tmp_path_factory.mktemp("klaviyo"), vendors=["klaviyo"]) as running:
        running.control("PUT", "/klaviyo/settings", {"lists_per_day": 10_000})
        yield running


@pytest.fixture(autouse=True)
def _well_behaved(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    before = server.control("GET", "/klaviyo/settings")
    yield
    server.clear_faults()
    server.record(on=False)
    server.control("PUT", "/klaviyo/settings", before)


def connector(server: SandboxServer, **changes: Any) -> KlaviyoLists:
    return KlaviyoLists(**{"api_key": "pk_sandbox", "base_url": f"{server.base_url}/klaviyo", **changes})


@pytest.fixture
def destination(server: SandboxServer) -> Iterator[KlaviyoLists]:
    made = connector(server)
    yield made
    made.close()


def members(server: SandboxServer, remote_id: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.control("GET", f"/klaviyo/lists/{remote_id}")["profiles"]
    return listed


class TestKlaviyoLists(RemoteDestinationContract):
    credentials = {"api_key": "KLAVIYO_API_KEY"}
    channel, field = "email", "email"

    @pytest.fixture(autouse=True)
    def _server(self, server: SandboxServer) -> Iterator[None]:
        self.server = server
        self.made: list[KlaviyoLists] = []
        yield
        for one in self.made:
            one.close()

    @pytest.fixture
    def destination(self, server: SandboxServer) -> Iterator[Destination]:
        made = connector(server, channel=self.channel)
        yield made
        made.close()

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        return {(member.get(self.field),) for member in members(self.server, remote_id)}

    def remade(self, destination: Destination, **changes: object) -> Destination:
        self.made.append(connector(self.server, channel=self.channel, **changes))
        return self.made[-1]

    def misbehave(self, *rules: Mapping[str, object]) -> None:
        self.server.faults([{"vendor": "klaviyo", **rule} for rule in rules])

    def applied_path(self) -> str:
        return "/profile-bulk-import-jobs$|/relationships/profiles$"

    def created_path(self) -> str:
        return "/lists$"

    def audiences_named(self, destination: Destination, remote_id: str) -> int:
        listed = self.server.control("GET", "/klaviyo/lists")
        (name,) = [one["name"] for one in listed if one["id"] == remote_id]
        return sum(one["name"] == name for one in listed)


def test_a_household_phone_costs_nobody_their_place(server: SandboxServer, destination: KlaviyoLists) -> None:
    """A phone belongs to one profile there: sent along, the second of the two would fail as a duplicate."""
    audience = destination.ensure_audience("household")
    people = [Person("ann@quiet.shop", "+14155557777"), Person("ben@quiet.shop", "+14155557777")]
    receipt = settle(destination, batch(destination, audience, people))
    assert (receipt.accepted, dict(receipt.rejected)) == (2, {})
    assert {member["email"] for member in members(server, audience)} == {"ann@quiet.shop", "ben@quiet.shop"}


def test_members_by_phone_for_the_sms_channel(server: SandboxServer) -> None:
    by_phone = connector(server, channel="sms")
    audience = by_phone.ensure_audience("texts")
    people = [Person(None, f"+1415555{i:04d}") for i in range(8000, 8030)]
    settle(by_phone, batch(by_phone, audience, people))
    settle(by_phone, batch(by_phone, audience, people[:3], Operation.REMOVE, number=2))
    assert {member["phone_number"] for member in members(server, audience)} == {p.phone for p in people[3:]}
    by_phone.close()


def test_attributes_become_properties_and_nulls_clear_nothing(server: SandboxServer, destination: KlaviyoLists) -> None:
    audience = destination.ensure_audience("properties")
    first = Person("ann@quiet.shop", None, '{"tier": "top", "city": "Bath"}')
    later = Person("ann@quiet.shop", None, '{"tier": "mid", "city": null}')
    settle(destination, batch(destination, audience, [first]))
    server.record()
    settle(destination, batch(destination, audience, [later], number=2))
    (sent,) = [one for one in server.recorded("klaviyo") if one["method"] == "POST"]
    assert "null" not in json.dumps(sent["body"])
    (ann,) = [p for p in server.control("GET", "/klaviyo/profiles") if p.get("email") == "ann@quiet.shop"]
    assert ann["properties"] == {"tier": "mid", "city": "Bath"}


def test_consent_is_never_touched(server: SandboxServer, destination: KlaviyoLists) -> None:
    """Adding and removing calls neither subscribe nor unsubscribe nor suppress, and leaves consents as they were."""
    before = server.control("GET", "/klaviyo/consents")
    server.record()
    audience = destination.ensure_audience("no consent")
    settle(destination, batch(destination, audience, crowd(5)))
    settle(destination, batch(destination, audience, crowd(5), Operation.REMOVE, number=2))
    paths = {one["path"] for one in server.recorded("klaviyo")}
    assert not [path for path in paths if "subscription" in path or "suppression" in path or "subscribe" in path]
    assert server.control("GET", "/klaviyo/consents") == before


def test_a_large_batch_is_split_by_bytes(
    server: SandboxServer, destination: KlaviyoLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(klaviyo, "_PART_BYTES", 2_000)
    audience = destination.ensure_audience("parts")
    work = batch(destination, audience, crowd(100))
    started = destination.apply(work)
    assert len((started.handle or "").split(",")) == started.requests > 3
    receipt = settle(destination, work)
    assert (receipt.accepted, len(receipt.vendor_ids)) == (100, 100)
    assert len(members(server, audience)) == 100


def test_parts_hold_every_row_once_and_in_order() -> None:
    people = crowd(50)
    destination = KlaviyoLists(api_key="x")
    rows = batch(destination, "L", people).rows
    parts = bodies.json_parts(rows, destination._profile(), 700)
    sent = [profile for _, _, text in parts for profile in json.loads(f"[{text}]")]
    assert [profile["attributes"]["email"] for profile in sent] == [person.email for person in people]
    assert [first for first, _, _ in parts] == [sum(n for _, n, _ in parts[:i]) for i in range(len(parts))]
    assert all(len(text) <= 700 + 100 for _, _, text in parts)


def test_a_profile_over_the_limit_is_rejected_alone(server: SandboxServer, destination: KlaviyoLists) -> None:
    audience = destination.ensure_audience("large profile")
    large = Person("large@quiet.shop", None, json.dumps({"note": "x" * 100_001}))
    receipt = settle(destination, batch(destination, audience, [*crowd(3), large]))
    assert (receipt.accepted, dict(receipt.rejected)) == (3, {digest(key_of(destination, large)): "too_large"})


@pytest.mark.parametrize("pointer", ["/data", "indexed"])
def test_import_errors_are_read_to_the_last_page(
    server: SandboxServer, destination: KlaviyoLists, pointer: str
) -> None:
    """150 of 300 rows fail: two pages of errors, each mapped to our key by the profile it quotes."""
    server.control("PUT", "/klaviyo/settings", {"error_pointer": pointer})
    server.faults([{"vendor": "klaviyo", "kind": "row_errors", "path_regex": "import-jobs$", "every": 2, "times": 1}])
    audience = destination.ensure_audience(f"errors {pointer}")
    receipt = settle(destination, batch(destination, audience, crowd(300)))
    assert (receipt.accepted, len(receipt.rejected)) == (150, 150)
    held = {digest((member["email"],)) for member in members(server, audience)}
    assert held == {digest(key) for key in keys_of(destination, crowd(300))} - set(receipt.rejected)
    assert set(receipt.vendor_ids) == held


def test_a_batch_refused_for_one_row_names_its_position(server: SandboxServer, destination: KlaviyoLists) -> None:
    """Positions are those of the batch we were given, rows we held back ourselves included."""
    audience = destination.ensure_audience("refused whole")
    people = [Person(), *crowd(5)]
    server.control("PUT", "/klaviyo/settings", {"poison": [people[3].email]})
    with pytest.raises(RejectedRecords) as caught:
        destination.apply(batch(destination, audience, people))
    assert list(caught.value.rows) == [3]
    assert members(server, audience) == []


def test_removals_past_a_page_are_not_lost(server: SandboxServer, destination: KlaviyoLists) -> None:
    """Looking ids up 20 at a time, Klaviyo's default, is how other connectors lose them."""
    audience = destination.ensure_audience("many removals")
    people = crowd(1_250)
    settle(destination, batch(destination, audience, people))
    settle(destination, batch(destination, audience, people[:1_230], Operation.REMOVE, number=2))
    assert {member["email"] for member in members(server, audience)} == {p.email for p in people[1_230:]}


def test_a_profile_whose_email_changed_there_is_removed_by_its_id(
    server: SandboxServer, destination: KlaviyoLists
) -> None:
    audience = destination.ensure_audience("renamed there")
    work = batch(destination, audience, crowd(3))
    receipt = settle(destination, work)
    renamed = receipt.vendor_ids[digest(key_of(destination, crowd(1)[0]))]
    was = Person("was-once@quiet.shop")
    vendor_ids = {digest(key_of(destination, was)): renamed}
    stale = batch(destination, audience, [was], Operation.REMOVE, number=2, vendor_ids=vendor_ids)
    assert destination.apply(stale).accepted == 1
    assert {member["email"] for member in members(server, audience)} == {p.email for p in crowd(3)[1:]}


def test_an_id_that_is_gone_falls_back_to_the_email(server: SandboxServer, destination: KlaviyoLists) -> None:
    audience = destination.ensure_audience("merged there")
    people = crowd(3)
    settle(destination, batch(destination, audience, people))
    gone = {digest(key_of(destination, people[0])): "01NEVERWASAPROFILE00000000"}
    destination.apply(batch(destination, audience, people[:2], Operation.REMOVE, number=2, vendor_ids=gone))
    assert {member["email"] for member in members(server, audience)} == {people[2].email}


def test_a_list_that_is_gone_is_a_persons_work(destination: KlaviyoLists) -> None:
    with pytest.raises((ConfigError, ContractError)):
        destination.apply(batch(destination, "NoSuch", crowd(2), vendor_ids={}))
    with pytest.raises((ConfigError, ContractError)):
        destination.count("NoSuch")


def test_a_job_that_is_forgotten_is_not_asked_for_again(destination: KlaviyoLists) -> None:
    """A time-out of our own making would keep the sync polling a job that will never be known again."""
    with pytest.raises(ContractError, match="its batch is to be sent again"):
        destination.poll("01NEVERWASAJOB", batch(destination, "L", crowd(2)))


def test_a_job_of_another_batch_is_not_taken_for_this_one(destination: KlaviyoLists) -> None:
    audience = destination.ensure_audience("mixed up")
    handle = destination.apply(batch(destination, audience, crowd(3))).handle
    assert handle is not None
    other = batch(destination, audience, crowd(4))
    with pytest.raises(ContractError, match="hold 3 profiles, the batch 4"):
        for _ in range(5):
            destination.poll(handle, other)


def test_klaviyos_own_sdk_leaves_the_same_state(server: SandboxServer, destination: KlaviyoLists) -> None:
    """The same people through klaviyo-api and through us: same list, and the same request for the same work."""
    sdk = KlaviyoAPI("pk_sandbox", max_delay=1, max_retries=1, test_host=f"{server.base_url}/klaviyo")
    people = crowd(30)
    ours = destination.ensure_audience("by connector")
    theirs = sdk.Lists.create_list({"data": {"type": "list", "attributes": {"name": "by sdk"}}})
    theirs_id = theirs["data"]["id"] if isinstance(theirs, dict) else theirs.data.id
    server.record()
    sdk.Profiles.bulk_import_profiles(
        {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {
                    "profiles": {"data": [{"type": "profile", "attributes": {"email": p.email}} for p in people]}
                },
                "relationships": {"lists": {"data": [{"type": "list", "id": theirs_id}]}},
            }
        }
    )
    receipt = settle(destination, batch(destination, ours, people))
    ids = sorted(receipt.vendor_ids.values())[:4]
    sdk.Lists.remove_profiles_from_list(theirs_id, {"data": [{"type": "profile", "id": i} for i in ids]})
    gone = [p for p in people if receipt.vendor_ids[digest(key_of(destination, p))] in ids]
    destination.apply(batch(destination, ours, gone, Operation.REMOVE, number=2, vendor_ids=receipt.vendor_ids))

    assert members(server, ours) == members(server, theirs_id)
    recorded = [one for one in server.recorded("klaviyo") if one["method"] in {"POST", "DELETE"}]
    assert [one["method"] for one in recorded] == ["POST", "POST", "DELETE", "DELETE"]
    for sdk_request, our_request in (recorded[:2], recorded[2:]):
        assert sdk_request["path"].replace(theirs_id, "L") == our_request["path"].replace(ours, "L")
        assert _body(sdk_request, theirs_id) == _body(our_request, ours)
        assert sdk_request["headers"]["revision"] == our_request["headers"]["revision"]
        assert sdk_request["headers"]["content-type"] == our_request["headers"]["content-type"]


def _body(recorded: Mapping[str, Any], list_id: str) -> Any:
    body = recorded["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return json.loads(text.replace(list_id, "L"))
