"""The suite every destination inherits, yours as ours: what audiences rely on, one property per test.

class TestOurTool(DestinationContract):
    @pytest.fixture
    def destination(self, tmp_path): return OurTool(directory=str(tmp_path))
    def held(self, destination, remote_id): return {…keys as sent, read past the connector…}
"""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from segment_pipeline.connector import ConnectorKind, fields_of, value
from segment_pipeline.delivery.destination import AudienceGone, Batch, Countable, Destination, Operation
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.identifiers import RULES
from segment_pipeline.testing.abilities import Abilities
from segment_pipeline.testing.batches import PLAN, Person, batch, counts, crowd, digest, key_of, keys_of, settle


class DestinationContract(Abilities):
    """Properties of every destination. A subclass makes the destination and reads back what the other side holds."""

    @pytest.fixture
    def destination(self) -> Iterator[Destination]:
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
        assert [secret for secret in secrets if secret and secret in repr(destination) + str(destination)] == []

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
        (row,) = batch(destination, audience, [Person("a@quiet.shop", "+14155550000", user_id="a")]).rows.to_pylist()
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
            Person("o'neil+tag/x@quiet.shop", user_id="o'neil+tag/x"),
            Person("a!#$%&*=?^_`{|}~b@quiet.shop", user_id="a!#$%&*=?^_`{|}~b"),
            Person("josé@quiet.shop", user_id="josé"),
            Person("информация@quiet.shop", user_id="информация"),
            Person("x@xn--bcher-kva.de", "+442071838750", user_id='"x", {y}: [z]'),
        ]
        people = [*odd, *crowd(30)]
        assert settle(destination, batch(destination, audience, people)).accepted == len(people)
        assert self.held(destination, audience) == keys_of(destination, people)
        assert settle(destination, batch(destination, audience, odd, Operation.REMOVE, number=2)).accepted == len(odd)
        assert self.held(destination, audience) == keys_of(destination, crowd(30))

    def test_a_changed_key_replaces_the_old_one(self, destination: Destination, audience: str) -> None:
        """Remove the old key, add the new one: one member before, one after."""
        before = Person("old@quiet.shop", "+14155551000", user_id="old")
        after = Person("new@quiet.shop", "+14155551000", user_id="new")
        others = crowd(30)
        settle(destination, batch(destination, audience, [before, *others]))
        settle(destination, batch(destination, audience, [before], Operation.REMOVE, number=2))
        settle(destination, batch(destination, audience, [after], number=3))
        assert self.held(destination, audience) == keys_of(destination, [after, *others])

    def test_an_audience_that_is_gone_is_a_persons_work(self, destination: Destination, audience: str) -> None:
        """What was deleted over there is not made anew without a word, and not counted as empty."""
        settle(destination, batch(destination, audience, crowd(2)))
        for operation in Operation:
            with pytest.raises((ConfigError, ContractError)):
                settle(destination, batch(destination, "999999999", crowd(2), operation))
        if isinstance(destination, Countable):
            with pytest.raises(AudienceGone, match="resend"):
                destination.count("999999999")
