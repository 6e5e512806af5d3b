"""What a destination can do beyond adding and removing: properties of each method it has; of those it has not nothing is asked."""

from typing import ClassVar

import pytest

from segment_pipeline.delivery.destination import (
    AudienceGone,
    Deletable,
    Destination,
    Erasing,
    Findable,
    Operation,
    Readable,
    Renameable,
    Replaceable,
)
from segment_pipeline.testing.batches import Key, Person, batch, counts, crowd, digest, key_of, keys_of, read, settle


class Abilities:
    """Part of `DestinationContract`. `adds_first`: a replacement adds everybody, and then takes out whoever was there before."""

    adds_first: ClassVar[bool] = False

    def held(self, destination: Destination, remote_id: str) -> set[Key]:
        """The keys the other side holds, read past the connector."""
        raise NotImplementedError

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

    def test_an_audience_is_found_by_its_name_and_looking_makes_none(self, destination: Destination) -> None:
        """Found is the one that is made under that name; until then there is none, however often it is looked for."""
        if not isinstance(destination, Findable):
            return
        name = "an audience that is looked for"
        assert (destination.find(name), destination.find(name)) == (None, None)
        made = destination.ensure_audience(name)
        assert (destination.find(name), destination.find("another that is looked for")) == (made, None)

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
        """Until the last batch is answered nobody of before has left, and unless it `adds_first` nobody has come. The other audiences stay."""
        if not isinstance(destination, Replaceable):
            return
        before, after = crowd(40), crowd(60, first=20)
        other = destination.ensure_audience("bystanders of a replacement")
        for remote_id in (audience, other):
            settle(destination, batch(destination, remote_id, before))
        parts = [batch(destination, audience, after[n : n + 20], number=n) for n in (0, 20, 40)]
        receipts, there = destination.replace(parts), keys_of(destination, before)
        most = there | keys_of(destination, after) if self.adds_first else there
        for _ in parts[:-1]:
            assert next(receipts).accepted == 20
            assert there <= self.held(destination, audience) <= most
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
