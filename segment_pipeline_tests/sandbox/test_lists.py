"""What every tool of the sandbox is made of: lists and people, jobs, windows of calls, settings. Over a literal store."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox import jobs, lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import RowErrors
from segment_pipeline.sandbox.jobs import Jobs, Outcome, Work
from segment_pipeline.sandbox.limits import Bucket, LimitReached, Windows
from segment_pipeline.sandbox.lists import Lists, Person
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore

NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> VendorStore:
    state = SandboxState(tmp_path)
    state.set_now(NOON)
    return VendorStore(state, "post", defaults=jobs.SETTINGS, schema=(lists.SCHEMA, jobs.SCHEMA))


@pytest.fixture
def held(store: VendorStore) -> Lists:
    return Lists(store, identify=lambda number: f"L{number}", identifiers=("email", "phone"))


def upsert(held: Lists, **sent: Any) -> Person:
    with held.store.writing():
        book = Book(held, [sent])
        person = book.upsert(sent, book.find(sent))
        book.save()
    return person


def test_somebody_is_found_by_id_then_by_the_strongest_identifier(held: Lists) -> None:
    ann = upsert(held, email="ann@x.com", phone="+1")
    assert upsert(held, phone="+1", city="Bath").number == ann.number
    assert upsert(held, id=ann.id, email="ann@y.com").held == {"email": "ann@y.com", "phone": "+1", "city": "Bath"}
    assert upsert(held, email="bob@x.com", phone="+2").number != ann.number


def test_null_clears_a_field_absence_leaves_it_and_objects_are_merged(held: Lists) -> None:
    upsert(held, email="a@x.com", first="Ann", last="Lee", more={"tier": "gold", "size": 4})
    assert upsert(held, email="a@x.com", first=None, more={"tier": "top", "size": None}).held == {
        "email": "a@x.com",
        "last": "Lee",
        "more": {"tier": "top"},
    }


def test_an_identifier_of_somebody_else_is_a_conflict_and_one_given_up_is_free(held: Lists) -> None:
    ann = upsert(held, email="ann@x.com", phone="+1")
    bob = {"email": "bob@x.com", "phone": "+1"}
    with held.store.writing():
        book = Book(held, [bob])
        taken = book.conflict(bob, None)
        assert taken is not None
        assert (taken[0], taken[1].number) == ("phone", ann.number)
    upsert(held, id=ann.id, email="new@x.com")
    assert upsert(held, email="ann@x.com").number != ann.number


def test_two_rows_of_one_batch_about_one_person_make_one_person(held: Lists) -> None:
    sent = [{"email": "a@x.com", "first": "A"}, {"email": "a@x.com", "phone": "+1"}]
    with held.store.writing():
        book = Book(held, sent)
        for row in sent:
            book.upsert(row, book.find(row))
        book.save()
    assert [person.held for person in held.people()] == [{"email": "a@x.com", "first": "A", "phone": "+1"}]


def test_members_come_in_pages_and_leave_by_number_replacement_or_oblivion(held: Lists) -> None:
    people = [upsert(held, email=f"p{number}@x.com").number for number in range(5)]
    with held.store.writing():
        first, other = held.create("first")["id"], held.create("other")["id"]
        held.add([first, other], people)
        assert held.remove(first, people[:2]) == 2
        held.add([first], people[1:2])
        held.add(["staged"], people[3:])
        held.replace(other, "staged")
    assert [person.number for person in held.members(first, after=people[1], limit=2)] == people[2:4]
    assert [person.number for person in held.members(other)] == people[3:]
    with held.store.writing():
        held.forget(people[3:])
    assert (held.size(first), held.size(other), len(held.people())) == (2, 0, 3)


def test_a_write_that_fails_leaves_nothing(held: Lists) -> None:
    with pytest.raises(ZeroDivisionError), held.store.writing():
        held.create("half")
        _ = 1 // 0
    assert held.page(0, -1) == []


def test_a_file_of_another_layout_is_refused_in_words(tmp_path: Path) -> None:
    state = SandboxState(tmp_path)
    with sqlite3.connect(state.directory / "post.sqlite") as before:
        before.execute("CREATE TABLE lists (id TEXT)")
    before.close()
    with pytest.raises(ConfigError, match="make it anew"):
        VendorStore(state, "post", defaults={}, schema=(lists.SCHEMA,))


class Recorded:
    """What a job carried out; every second row fails under a fault."""

    def __init__(self, store: VendorStore) -> None:
        self.rows: list[Any] = []
        self.jobs = Jobs(store, self.apply)

    def apply(self, work: Work) -> Outcome:
        self.rows += work.rows
        picked = [row for place, row in enumerate(work.rows) if work.fault and work.fault.picks(place)]
        return Outcome([], [{"row": row} for row in picked])

    def poll(self, job: str) -> tuple[bool, bool]:
        """(waits, complete)."""
        row = self.jobs.poll(job)
        assert row is not None
        return self.jobs.waits(row), row["completed_at"] is not None


def test_a_job_waits_is_worked_at_and_completes_at_its_last_poll(store: VendorStore) -> None:
    store.change_settings({"polls_to_complete": 3})
    made = Recorded(store)
    job = made.jobs.open(["a", "b"], ["L1"], RowErrors(2))
    assert (made.jobs.waits(job), made.rows) == (True, ["a", "b"])
    assert [made.poll(job["id"]) for _ in range(3)] == [(True, False), (False, False), (False, True)]
    assert [json.loads(row["body"]) for row in made.jobs.errors(job["id"], 0, -1)] == [{"row": "a"}]


def test_a_job_that_nobody_polls_completes_by_the_sandboxs_clock(store: VendorStore) -> None:
    store.change_settings({"polls_to_complete": 100})
    made = Recorded(store)
    job = made.jobs.open(["a"], [], None)["id"]
    store.state.set_now(NOON + timedelta(seconds=299))
    assert made.poll(job) == (True, False)
    store.state.set_now(NOON + timedelta(seconds=300))
    assert made.poll(job) == (False, True)


def test_what_a_job_does_may_show_only_when_it_is_complete(store: VendorStore) -> None:
    store.change_settings({"apply_jobs": "when_complete"})
    made = Recorded(store)
    job = made.jobs.open(["late"], [], None)["id"]
    made.poll(job)
    assert made.rows == []
    made.poll(job)
    assert made.rows == ["late"]


def test_jobs_are_carried_out_in_the_order_they_came_in_and_with_what_was_noted(store: VendorStore) -> None:
    store.change_settings({"apply_jobs": "when_complete"})
    seen: list[Work] = []

    def apply(work: Work) -> Outcome:
        seen.append(work)
        return Outcome([], [])

    made = Jobs(store, apply)
    made.open(["first"], ["L1"], None, kind="in")
    last = made.open(["last"], ["L1"], None, kind="out")["id"]
    for _ in range(2):
        made.poll(last)
    assert [(work.rows, work.note, work.since) for work in seen] == [
        (["first"], {"kind": "in"}, NOON.isoformat()),
        (["last"], {"kind": "out"}, NOON.isoformat()),
    ]


def test_what_is_due_by_the_clock_is_done_before_anybody_reads_a_list(store: VendorStore) -> None:
    store.change_settings({"apply_jobs": "when_complete"})

    known = Lists(store, identify=str, identifiers=("email",), settle=lambda _: made.settle())

    def apply(work: Work) -> Outcome:
        known.keep([Person(1, "", {"email": "a@x.com"}, "", "")])
        known.add(work.lists, [1])
        return Outcome([], [])

    made, identifier = Jobs(store, apply), known.create("a")["id"]
    made.open(["row"], [identifier], None)
    store.state.set_now(NOON + timedelta(seconds=299))
    assert (known.size(identifier), known.members(identifier)) == (0, [])
    store.state.set_now(NOON + timedelta(seconds=300))
    assert [known.size(identifier), len(known.members(identifier))] == [1, 1]


def test_a_member_is_there_since_it_came_or_since_it_was_renewed(held: Lists) -> None:
    people = [upsert(held, email=f"p{number}@x.com").number for number in range(3)]
    with held.store.writing():
        identifier = held.create("a")["id"]
        held.add([identifier], people)
    held.store.state.set_now(NOON + timedelta(days=1))
    with held.store.writing():
        held.add([identifier], people[1:2])
        held.add([identifier], people[2:], renewed=held.store.now)
        held.remove_joined_before(identifier, held.store.now)
    assert [person.number for person in held.members(identifier)] == people[2:]


def test_somebody_is_found_by_any_of_several_values(held: Lists) -> None:
    ann = upsert(held, email=["a@x.com", "b@x.com"])
    assert [held.holders(held.keys_of({"email": one})) for one in ("a@x.com", "b@x.com", "c@x.com")] == [
        [ann.number],
        [ann.number],
        [],
    ]


def test_windows_end_now_and_say_how_long_until_there_is_room() -> None:
    now = 1000.0
    windows = Windows(lambda: now)
    assert windows.spend("x", (3, 1), (60, 60)) == [2, 59]
    accepted, waits = 1, set()
    for second in range(1000, 1030):
        now = float(second)
        for _ in range(5):
            try:
                windows.spend("x", (3, 1), (60, 60))
            except LimitReached as full:
                waits.add(full.seconds)
            else:
                accepted += 1
    assert (accepted, waits) == (60, {1.0, *(float(1060 - second) for second in range(1020, 1030))})
    assert windows.spend("y", (3, 1), (60, 60)) == [2, 59]


def test_a_bucket_gives_back_and_never_holds_more_than_its_size() -> None:
    bucket = Bucket(20, 0)
    assert [bucket.take(15), bucket.take(6), bucket.take(-100), bucket.available] == [True, False, True, 20]
