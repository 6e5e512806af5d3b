"""The suite every destination inherits, yours as ours: what audiences rely on, one property per test.

class TestOurTool(DestinationContract):
    @pytest.fixture
    def destination(self, tmp_path): return OurTool(directory=str(tmp_path))
    def held(self, destination, remote_id): return {…keys as sent, read past the connector…}
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pytest

from segment_pipeline.connector import ConnectorKind, fields_of, value
from segment_pipeline.delivery.destination import (
    Asynchronous,
    AudienceGone,
    Batch,
    Countable,
    Deletable,
    Destination,
    Erasing,
    Operation,
    Readable,
    Receipt,
    Renameable,
    Replaceable,
)
from segment_pipeline.errors import (
    ConfigError,
    ContractError,
    TransientError,
)
from segment_pipeline.identifiers import RULES

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


def read(destination: Readable, remote_id: str, columns: Sequence[str]) -> list[Key]:
    """Everybody it tells of, each as a key as sent."""
    return [tuple(row[c] for c in columns) for table in destination.members(remote_id) for row in table.to_pylist()]


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

    def test_who_is_forgotten_is_in_no_audience_and_nobody_else_is(
        self, destination: Destination, audience: str
    ) -> None:
        """An erasure takes a person out of all the tool holds, can be repeated, and may name people nobody knows."""
        if not isinstance(destination, Erasing):
            return
        people, other = crowd(12), destination.ensure_audience("bystanders of an erasure")
        for remote_id in (audience, other):
            settle(destination, batch(destination, remote_id, people))
        gone = batch(destination, "", [*people[:3], *crowd(1, first=900)], Operation.REMOVE, number=2)
        assert destination.forget(gone).accepted == destination.forget(gone).accepted == 4
        for remote_id in (audience, other):
            assert self.held(destination, remote_id) == keys_of(destination, people[3:])

    def test_an_audience_that_is_gone_is_a_persons_work(self, destination: Destination, audience: str) -> None:
        """What was deleted over there is not made anew without a word, and not counted as empty."""
        settle(destination, batch(destination, audience, crowd(2)))
        for operation in Operation:
            with pytest.raises((ConfigError, ContractError)):
                settle(destination, batch(destination, "999999999", crowd(2), operation))
        if isinstance(destination, Countable):
            with pytest.raises(AudienceGone, match="resend"):
                destination.count("999999999")

    def test_what_is_read_back_is_what_is_held(self, destination: Destination, audience: str) -> None:
        """Everybody, over as many pages as there are, once each and in the form they were sent in; nobody of an empty one."""
        if not isinstance(destination, Readable):
            return
        columns = [rule.column for rule in destination.capabilities.identifiers]
        assert read(destination, audience, columns) == []
        people = crowd(230)
        settle(destination, batch(destination, audience, people))
        settle(
            destination, batch(destination, destination.ensure_audience("bystanders of a reading"), crowd(3, first=900))
        )
        told = read(destination, audience, columns)
        assert len(told) == 230
        assert set(told) == self.held(destination, audience) == keys_of(destination, people)
        for table in destination.members(audience):
            assert table.column_names == [*columns, "vendor_id"]

    def test_vendor_ids_that_were_read_back_are_enough_to_remove(self, destination: Destination, audience: str) -> None:
        """Whoever is found in the tool can be taken out of it."""
        if not isinstance(destination, Readable):
            return
        people, columns = crowd(12), [rule.column for rule in destination.capabilities.identifiers]
        settle(destination, batch(destination, audience, people))
        rows = [row for table in destination.members(audience) for row in table.to_pylist()]
        ids = {digest(tuple(row[c] for c in columns)): row["vendor_id"] for row in rows if row["vendor_id"]}
        settle(destination, batch(destination, audience, people[:5], Operation.REMOVE, number=2, vendor_ids=ids))
        assert self.held(destination, audience) == keys_of(destination, people[5:])

    def test_a_replacement_holds_its_rows_and_nobody_else(self, destination: Destination, audience: str) -> None:
        """In one step: until the last batch is answered the members are those of before. The other audiences stay."""
        if not isinstance(destination, Replaceable):
            return
        before, after = crowd(40), crowd(60, first=20)
        other = destination.ensure_audience("bystanders of a replacement")
        for remote_id in (audience, other):
            settle(destination, batch(destination, remote_id, before))
        parts = [batch(destination, audience, after[n : n + 20], number=n) for n in (0, 20, 40)]
        receipts = destination.replace(parts)
        for _ in parts[:-1]:
            assert next(receipts).accepted == 20
            assert self.held(destination, audience) == keys_of(destination, before)
        assert [receipt.accepted for receipt in receipts] == [20]
        assert self.held(destination, audience) == keys_of(destination, after)
        assert self.held(destination, other) == keys_of(destination, before)
        assert counts(destination, audience) in (None, 60)
        settle(destination, batch(destination, audience, after[:5], Operation.REMOVE, number=2))
        assert self.held(destination, audience) == keys_of(destination, after[5:])

    def test_a_replacement_cut_short_is_made_anew(self, destination: Destination, audience: str) -> None:
        """Called again from its first batch, it ends as if it had never been begun before."""
        if not isinstance(destination, Replaceable):
            return
        settle(destination, batch(destination, audience, crowd(40)))
        parts = [batch(destination, audience, crowd(30, first=n), number=n) for n in (20, 50)]
        receipts = iter(destination.replace(parts))
        assert next(receipts).accepted == 30
        self.lapse(destination)
        assert [receipt.accepted for receipt in destination.replace(parts)] == [30, 30]
        assert self.held(destination, audience) == keys_of(destination, crowd(60, first=20))
        assert [receipt.accepted for receipt in destination.replace(parts)] == [30, 30]
        assert self.held(destination, audience) == keys_of(destination, crowd(60, first=20))

    def lapse(self, destination: Destination) -> None:
        """So much time passes at the tool that what was left unfinished is over."""

    def test_a_row_of_a_replacement_without_identifier_is_rejected_alone(
        self, destination: Destination, audience: str
    ) -> None:
        """It costs nobody else their place, in whichever batch it stands."""
        if not isinstance(destination, Replaceable):
            return
        nobody = digest(key_of(destination, Person()))
        parts = [batch(destination, audience, people, number=n) for n, people in enumerate([crowd(20), [Person()]])]
        assert [dict(receipt.rejected) for receipt in destination.replace(parts)] == [{}, {nobody: "no_identifier"}]
        assert self.held(destination, audience) == keys_of(destination, crowd(20))

    def test_a_renamed_audience_is_the_same_under_its_new_name(self, destination: Destination, audience: str) -> None:
        """Its members stay; its old name is free for another audience, which is empty."""
        if not isinstance(destination, Renameable):
            return
        old = "old name of an audience"
        renamed = destination.ensure_audience(old)
        settle(destination, batch(destination, renamed, crowd(30)))
        for _ in range(2):
            destination.rename(renamed, "new name of it")
            assert destination.ensure_audience("new name of it") == renamed
        assert self.held(destination, renamed) == keys_of(destination, crowd(30))
        another = destination.ensure_audience(old)
        assert another not in (renamed, audience)
        assert self.held(destination, another) == set()
        assert destination.ensure_audience(old) == another
        destination.rename(another, "a third name")
        destination.rename(renamed, old)
        assert destination.ensure_audience(old) == renamed
        assert self.held(destination, renamed) == keys_of(destination, crowd(30))

    def test_a_deleted_audience_is_gone_and_the_others_stay(self, destination: Destination, audience: str) -> None:
        """Deleting it again is no mistake; its name makes an empty one."""
        if not isinstance(destination, Deletable):
            return
        other = destination.ensure_audience("bystanders of a deletion")
        for remote_id in (audience, other):
            settle(destination, batch(destination, remote_id, crowd(30)))
        destination.delete(audience)
        destination.delete(audience)
        with pytest.raises(AudienceGone, match="resend"):
            settle(destination, batch(destination, audience, crowd(2)))
        made = destination.ensure_audience("another audience after a deletion")
        assert self.held(destination, made) == set()
        assert self.held(destination, other) == keys_of(destination, crowd(30))

    def test_an_audience_that_is_gone_is_known_by_every_call(self, destination: Destination) -> None:
        """Reading, replacing and renaming one say that it is gone, and so that it is to be resent."""
        work, gone = [batch(destination, "999999999", crowd(2))], "999999999"
        if isinstance(destination, Readable):
            with pytest.raises(AudienceGone, match="resend"):
                list(destination.members(gone))
        if isinstance(destination, Replaceable):
            with pytest.raises(AudienceGone, match="resend"):
                list(destination.replace(work))
        if isinstance(destination, Renameable):
            with pytest.raises(AudienceGone, match="resend"):
                destination.rename(gone, "another name")
        if isinstance(destination, Deletable):
            destination.delete(gone)
