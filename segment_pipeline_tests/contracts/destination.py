"""The suite every destination inherits: what audiences rely on, one property per test.

A destination of one's own is tested as it stands with `DestinationContract`; one whose vendor has a module in the sandbox says
where its rows and audiences are and is tested over HTTP, faults included, with `SandboxDestinationContract`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from segment_pipeline.connector import ConnectorKind, fields_of, value
from segment_pipeline.delivery.destination import Asynchronous, Batch, Countable, Destination, Operation, Receipt
from segment_pipeline.errors import (
    ConfigError,
    ContractError,
    RejectedRecords,
    SegmentPipelineError,
    TransientError,
)
from segment_pipeline.identifiers import RULES
from segment_pipeline.sandbox.server import SandboxServer

PLAN = "5ee1" * 16
Key = tuple[str | None, ...]


@dataclass(frozen=True)
class Person:
    """Canonical identifiers of a made-up person."""

    email: str | None = None
    phone: str | None = None
    attributes: str | None = None


def crowd(size: int, first: int = 0) -> list[Person]:
    """Every second person has a phone too."""
    return [Person(f"shopper{i}@quiet.shop", f"+1415555{i:04d}" if i % 2 else None) for i in range(first, first + size)]


def key_of(destination: Destination, person: Person) -> Key:
    """The destination key as sent."""
    return tuple(
        RULES[rule.rule].apply(known) if (known := getattr(person, rule.kind)) is not None else None
        for rule in destination.capabilities.identifiers
    )


def keys_of(destination: Destination, people: Iterable[Person]) -> set[Key]:
    return {key_of(destination, person) for person in people}


def digest(key: Key) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()


def batch(
    destination: Destination,
    remote_id: str,
    people: Sequence[Person],
    operation: Operation = Operation.UPSERT,
    *,
    number: int = 1,
    vendor_ids: Mapping[str, str] | None = None,
) -> Batch:
    keys = [key_of(destination, person) for person in people]
    digests = [digest(key) for key in keys]
    columns = [rule.column for rule in destination.capabilities.identifiers]
    rows = pa.table(
        {
            "key": pa.array(digests, pa.string()),
            **{c: pa.array([key[i] for key in keys], pa.string()) for i, c in enumerate(columns)},
            "vendor_id": pa.array([(vendor_ids or {}).get(d) for d in digests], pa.string()),
            "attributes": pa.array([person.attributes for person in people], pa.string()),
        }
    )
    return Batch(PLAN, number, operation, remote_id, rows)


def settle(destination: Destination, work: Batch) -> Receipt:
    """Apply, and poll until the answer is final."""
    receipt = destination.apply(work)
    for _ in range(30):
        if receipt.handle is None:
            return receipt
        assert isinstance(destination, Asynchronous)
        receipt = destination.poll(receipt.handle, work)
    raise AssertionError("the batch never became final")


def settle_again(destination: Destination, work: Batch, tries: int = 6) -> Receipt:
    """What the push does: the same batch again after a failure that may pass."""
    for last in range(tries):
        try:
            return settle(destination, work)
        except TransientError:
            if last == tries - 1:
                raise
    raise AssertionError


def counts(destination: Destination, remote_id: str) -> int | None:
    """What it says it holds; None where it cannot be asked."""
    return destination.count(remote_id) if isinstance(destination, Countable) else None


class DestinationContract:
    """Properties of every destination. A subclass makes the destination and reads back what the other side holds."""

    @pytest.fixture
    def destination(self) -> Iterator[Destination]:
        raise NotImplementedError

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        """The keys the other side holds, read past the connector."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")

    @pytest.fixture
    def audience(self, destination: Destination, request: pytest.FixtureRequest) -> str:
        return destination.ensure_audience(f"audience of {request.node.name}")

    def test_it_speaks_the_protocol(self, destination: Destination) -> None:
        """It is a Destination whose identifiers all have a rule for their form as sent."""
        assert isinstance(destination, Destination)
        assert destination.about.kind is ConnectorKind.DESTINATION
        assert destination.capabilities.identifiers
        assert {rule.rule for rule in destination.capabilities.identifiers} <= set(RULES)

    def test_it_is_ready(self, destination: Destination) -> None:
        """Where everything is in order its checks pass, offline and online."""
        destination.secrets_present()
        destination.check()

    def test_its_repr_holds_no_secret(self, destination: Destination) -> None:
        """Printing it, as Dagster and debuggers do, shows no credential."""
        secrets = [value(destination, name) for name, held in fields_of(destination).items() if held.secret]
        assert [secret for secret in secrets if secret in repr(destination) + str(destination)] == []

    def test_ensuring_twice_makes_one(self, destination: Destination) -> None:
        """The same name gives the same audience, another name another one."""
        first = destination.ensure_audience("lapsed runners")
        assert destination.ensure_audience("lapsed runners") == first
        assert destination.ensure_audience("lapsed walkers") != first

    @pytest.mark.parametrize(
        "name", ["gift givers 🎁", "a/b\\c", "../up", "quo\"ted's", "näme", "x" * 120, "UPPER", "upper"]
    )
    def test_odd_names_are_found_again(self, destination: Destination, name: str) -> None:
        """A name in any characters makes one audience of its own."""
        plain = destination.ensure_audience("plain")
        assert destination.ensure_audience(name) == destination.ensure_audience(name) != plain

    def test_names_that_differ_in_case_differ(self, destination: Destination) -> None:
        """Two audiences of the catalogue are never one at the tool."""
        assert destination.ensure_audience("VIP") != destination.ensure_audience("vip")

    def test_an_upsert_is_held(self, destination: Destination, audience: str) -> None:
        """What a receipt calls accepted is what the other side holds, and what `count` says."""
        people = crowd(30)
        receipt = settle(destination, batch(destination, audience, people))
        assert (receipt.accepted, dict(receipt.rejected), receipt.handle) == (30, {}, None)
        assert self.held(destination, audience) == keys_of(destination, people)
        assert counts(destination, audience) in (None, 30)

    def test_a_batch_applied_twice_is_applied_once(self, destination: Destination, audience: str) -> None:
        """At-least-once delivery leaves what one delivery leaves."""
        people = crowd(20)
        work = batch(destination, audience, people)
        assert settle(destination, work).accepted == settle(destination, work).accepted == 20
        assert self.held(destination, audience) == keys_of(destination, people)
        assert counts(destination, audience) in (None, 20)

    def test_a_removal_takes_out_those_named_and_no_others(self, destination: Destination, audience: str) -> None:
        """The rest of this audience, and all of another, stays."""
        people = crowd(40)
        other = destination.ensure_audience("bystanders")
        settle(destination, batch(destination, audience, people))
        settle(destination, batch(destination, other, people[:5]))
        receipt = settle(destination, batch(destination, audience, people[:7], Operation.REMOVE, number=2))
        assert (receipt.accepted, dict(receipt.rejected)) == (7, {})
        assert self.held(destination, audience) == keys_of(destination, people[7:])
        assert self.held(destination, other) == keys_of(destination, people[:5])

    def test_a_removal_can_be_repeated(self, destination: Destination, audience: str) -> None:
        """Someone already gone, or never there, is removed without complaint."""
        people = crowd(40)
        settle(destination, batch(destination, audience, people))
        gone = batch(destination, audience, [*people[:3], *crowd(2, first=900)], Operation.REMOVE, number=2)
        assert settle(destination, gone).accepted == settle(destination, gone).accepted == 5
        assert self.held(destination, audience) == keys_of(destination, people[3:])

    def test_vendor_ids_from_a_receipt_are_enough_to_remove(self, destination: Destination, audience: str) -> None:
        """A removal with the vendor's ids does what one without them does."""
        people = crowd(30)
        receipt = settle(destination, batch(destination, audience, people))
        work = batch(destination, audience, people[:4], Operation.REMOVE, number=2, vendor_ids=receipt.vendor_ids)
        assert settle(destination, work).accepted == 4
        assert self.held(destination, audience) == keys_of(destination, people[4:])

    def test_removed_people_can_come_back(self, destination: Destination, audience: str) -> None:
        """Leaving and entering again ends inside."""
        people = crowd(30)
        settle(destination, batch(destination, audience, people))
        settle(destination, batch(destination, audience, people[:2], Operation.REMOVE, number=2))
        settle(destination, batch(destination, audience, people[:2], number=3))
        assert self.held(destination, audience) == keys_of(destination, people)

    def test_an_empty_batch_changes_nothing(self, destination: Destination, audience: str) -> None:
        """No rows is a valid batch, and asks nothing of the vendor."""
        for operation in Operation:
            receipt = settle(destination, batch(destination, audience, [], operation))
            assert (receipt.accepted, dict(receipt.rejected), receipt.requests) == (0, {}, 0)
        assert self.held(destination, audience) == set()

    def test_one_row_too_many_is_refused_before_anything_is_sent(self, destination: Destination, audience: str) -> None:
        """A batch over the stated capability fails whole."""
        most = destination.capabilities.batch_rows
        columns = [rule.column for rule in destination.capabilities.identifiers]
        (row,) = batch(destination, audience, [Person("a@quiet.shop", "+14155550000")]).rows.to_pylist()
        rows = pa.table(
            {
                c: pa.repeat(pa.scalar(row[c], pa.string()), most + 1)
                for c in ("key", *columns, "vendor_id", "attributes")
            }
        )
        with pytest.raises(ContractError, match="split it"):
            destination.apply(Batch(PLAN, 1, Operation.UPSERT, audience, rows))
        assert self.held(destination, audience) == set()

    def test_a_full_batch_arrives_whole(self, destination: Destination, audience: str) -> None:
        """As many rows as the capability states (10,000 where it is more) are all accepted."""
        people = crowd(min(destination.capabilities.batch_rows, 10_000))
        receipt = settle(destination, batch(destination, audience, people))
        assert receipt.accepted == len(people)
        assert len(self.held(destination, audience)) == len(people)

    def test_a_row_without_identifier_is_rejected_alone(self, destination: Destination, audience: str) -> None:
        """One poison row costs nobody else their place, and the numbers add up."""
        people = [*crowd(20), Person()]
        work = batch(destination, audience, people)
        receipt = settle(destination, work)
        assert dict(receipt.rejected) == {digest(key_of(destination, Person())): "no_identifier"}
        assert receipt.accepted + len(receipt.rejected) == work.rows.num_rows
        assert self.held(destination, audience) == keys_of(destination, crowd(20))

    def test_odd_characters_travel_unchanged(self, destination: Destination, audience: str) -> None:
        """Everything an address may hold comes back as it was sent."""
        odd = [
            Person("o'neil+tag/x@quiet.shop"),
            Person("a!#$%&*=?^_`{|}~b@quiet.shop"),
            Person("josé@quiet.shop"),
            Person("информация@quiet.shop"),
            Person("x@xn--bcher-kva.de", "+442071838750"),
        ]
        people = [*odd, *crowd(30)]
        assert settle(destination, batch(destination, audience, people)).accepted == len(people)
        assert self.held(destination, audience) == keys_of(destination, people)
        assert settle(destination, batch(destination, audience, odd, Operation.REMOVE, number=2)).accepted == len(odd)
        assert self.held(destination, audience) == keys_of(destination, crowd(30))

    def test_a_changed_key_replaces_the_old_one(self, destination: Destination, audience: str) -> None:
        """Remove the old key, add the new one: one member before, one after."""
        before, after = Person("old@quiet.shop", "+14155551000"), Person("new@quiet.shop", "+14155551000")
        others = crowd(30)
        settle(destination, batch(destination, audience, [before, *others]))
        settle(destination, batch(destination, audience, [before], Operation.REMOVE, number=2))
        settle(destination, batch(destination, audience, [after], number=3))
        assert self.held(destination, audience) == keys_of(destination, [after, *others])

    def test_an_audience_that_is_gone_is_a_persons_work(self, destination: Destination) -> None:
        """What was deleted over there is not made anew without a word, and not counted as empty."""
        for operation in Operation:
            with pytest.raises((ConfigError, ContractError)):
                settle(destination, batch(destination, "999999999", crowd(2), operation))
        if isinstance(destination, Countable):
            with pytest.raises(ConfigError, match="resend"):
                destination.count("999999999")


class SandboxDestinationContract(DestinationContract):
    """Properties of a destination across a network, whose vendor the sandbox plays."""

    vendor: ClassVar[str]
    """The vendor's name in the sandbox."""
    connector: ClassVar[type[Any]]
    given: ClassVar[Mapping[str, Any]]
    """Fields the sandbox takes; its address is added."""
    created: ClassVar[str]
    applied: ClassVar[str]
    """Regular expressions of the paths that make an audience, and that carry rows."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """The sandbox vendor's own settings."""
    server: SandboxServer

    @pytest.fixture(scope="class")
    @classmethod
    def _running(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
        with SandboxServer(tmp_path_factory.mktemp(cls.vendor), vendors=[cls.vendor]) as running:
            running.control("PUT", f"/{cls.vendor}/settings", dict(cls.settings))
            yield running

    @pytest.fixture(autouse=True)
    def _well_behaved(self, _running: SandboxServer) -> Iterator[None]:
        self.server = _running
        before = self.control("settings")
        self.open = ExitStack()
        with self.open:
            yield
        _running.clear_faults()
        _running.record(on=False)
        self.set(**before)

    @pytest.fixture
    def destination(self, _well_behaved: None) -> Destination:
        made: Destination = self.remade()
        return made

    def remade(self, **changes: Any) -> Any:
        """The destination with other fields."""
        made = self.connector(**{"base_url": f"{self.server.base_url}/{self.vendor}", **self.given, **changes})
        self.open.callback(made.close)
        return made

    def control(self, path: str) -> Any:
        return self.server.control("GET", f"/{self.vendor}/{path}")

    def members(self, remote_id: str) -> list[dict[str, Any]]:
        """What the other side holds of everybody in the audience, their ids there included."""
        listed: list[dict[str, Any]] = self.control(f"lists/{remote_id}")["members"]
        return listed

    def set(self, **settings: Any) -> None:
        """Settings of the sandbox's vendor, in force until the test ends."""
        self.server.control("PUT", f"/{self.vendor}/settings", settings)

    def misbehave(self, *rules: Mapping[str, object]) -> None:
        """Faults of the other side, in force until the test ends."""
        self.server.faults([{"vendor": self.vendor, **rule} for rule in rules])

    @pytest.mark.parametrize("given", ["wrong", ""])
    def test_wrong_credentials_name_their_variable(self, destination: Destination, given: str) -> None:
        """A person must act, and the message says on what."""
        for name, variable in fields_of(destination).items():
            if variable.secret and (given or not variable.optional):
                with pytest.raises(ConfigError, match=variable.name):
                    self.remade(**{name: given}).check()

    def test_a_missing_secret_is_seen_offline(self) -> None:
        """Without an address that answers, the first missing variable is named."""
        names = [
            name for name, variable in fields_of(self.connector).items() if variable.secret and not variable.optional
        ]
        for name in names:
            with pytest.raises(ConfigError, match=f"{fields_of(self.connector)[name].name} is not set"):
                self.remade(base_url="http://127.0.0.1:9", **{name: ""}).secrets_present()

    def test_a_lost_answer_to_a_creation_makes_no_second_audience(self, destination: Destination) -> None:
        """What was made without our hearing of it is found, not made again."""
        self.misbehave({"kind": "lost_response", "method": "POST", "path_regex": self.created, "times": 1})
        first = destination.ensure_audience("made unheard")
        assert destination.ensure_audience("made unheard") == first
        names = {one["id"]: one["name"] for one in self.control("lists")}
        assert list(names.values()).count(names[first]) == 1

    @pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost_response", "truncated"])
    @pytest.mark.parametrize("operation", list(Operation))
    def test_a_passing_fault_is_survived(
        self, destination: Destination, audience: str, kind: str, operation: Operation
    ) -> None:
        """Each kind of fault, once, on the call that carries rows: the end is as without it."""
        people = crowd(40)
        if operation is Operation.REMOVE:
            settle(destination, batch(destination, audience, people))
        self.misbehave({"kind": kind, "path_regex": self.applied, "times": 1})
        work = batch(
            destination, audience, people[:10] if operation is Operation.REMOVE else people, operation, number=2
        )
        assert settle_again(destination, work).accepted == work.rows.num_rows
        left = people[10:] if operation is Operation.REMOVE else people
        assert self.held(destination, audience) == keys_of(destination, left)

    def test_mixed_faults_on_a_fifth_of_all_requests_change_nothing(
        self, destination: Destination, audience: str
    ) -> None:
        """Limits, server errors, dead connections and cut answers at random: batches end right, in any order of pain."""
        people = crowd(300)
        kinds = ("429", "500", "503", "reset", "lost_response", "truncated")
        self.misbehave(*({"kind": kind, "rate": 0.2 / len(kinds), "seed": n} for n, kind in enumerate(kinds)))
        for number in range(10):
            part = people[number * 30 : number * 30 + 30]
            assert settle_again(destination, batch(destination, audience, part, number=number)).accepted == 30
        for number in range(5):
            part = people[number * 20 : number * 20 + 20]
            gone = batch(destination, audience, part, Operation.REMOVE, number=10 + number)
            assert settle_again(destination, gone).accepted == 20
        assert self.held(destination, audience) == keys_of(destination, people[100:])

    def test_a_lasting_fault_says_whether_rows_may_have_arrived(self, destination: Destination, audience: str) -> None:
        """A connection that dies after the work is `sent`; a limit that lets nothing in is not."""
        once = self.remade(attempts=1)
        work = batch(once, audience, crowd(5))
        self.misbehave({"kind": "429", "path_regex": self.applied, "times": 1})
        with pytest.raises(TransientError) as limited:
            once.apply(work)
        self.misbehave({"kind": "lost_response", "path_regex": self.applied, "times": 1})
        with pytest.raises(TransientError) as lost:
            once.apply(work)
        assert (limited.value.sent, lost.value.sent) == (False, True)
        assert settle(destination, work).accepted == 5

    def test_a_partial_failure_is_told_row_by_row_or_not_at_all(self, destination: Destination, audience: str) -> None:
        """Rows the vendor fails are rejected by key, or the batch is refused for splitting; never counted as accepted."""
        people = crowd(40)
        self.misbehave({"kind": "row_errors", "path_regex": self.applied, "every": 10, "times": 1})
        work = batch(destination, audience, people)
        try:
            receipt = settle(destination, work)
        except RejectedRecords as error:
            assert all(0 <= position < 40 for position in error.rows)
            return
        assert receipt.accepted + len(receipt.rejected) == 40
        assert receipt.rejected
        inside = {digest(key) for key in self.held(destination, audience)}
        assert inside.isdisjoint(receipt.rejected)
        assert len(inside) == receipt.accepted

    @pytest.mark.parametrize(
        "kind", ["429", "500", "503", "reset", "lost_response", "truncated", "expired_token", "row_errors"]
    )
    def test_no_error_or_log_holds_a_person_or_a_secret(
        self, destination: Destination, audience: str, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Failures injected on purpose, at the most talkative log level: no identifier as sent, no credential."""
        caplog.set_level("DEBUG")
        once = self.remade(attempts=1)
        people = crowd(12)
        self.misbehave({"kind": kind})
        said = [repr(once)]
        for call in (
            lambda: once.check(),
            lambda: once.ensure_audience("nobody"),
            lambda: settle(once, batch(once, audience, people)),
            lambda: settle(once, batch(once, audience, people, Operation.REMOVE)),
            lambda: counts(once, audience),
        ):
            try:
                said.append(repr(call()))
            except SegmentPipelineError as error:
                said += [str(error), repr(error.__cause__), repr(error.__context__)]
        text = " ".join(said) + caplog.text
        private = [part for key in keys_of(once, people) for part in key if part]
        private += [value(once, name) for name, variable in fields_of(once).items() if variable.secret]
        assert [word for word in private if word in text] == []
