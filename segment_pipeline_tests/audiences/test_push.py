"""What becomes of rows on their way: refusals, silence, nonsense, jobs, old plans, and runs that lost their lease."""

import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import ClassVar

import pytest
import sqlalchemy as sa

from segment_pipeline import clock
from segment_pipeline.audiences.eligibility import define_evidence, judge
from segment_pipeline.audiences.lease import acquire, release
from segment_pipeline.audiences.reconcile import reconcile
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.connector import About
from segment_pipeline.delivery.destination import Batch, Receipt
from segment_pipeline.errors import ConflictError, ContractError, RejectedRecords, TransientError
from segment_pipeline_tests.audiences.tool import OpenTool, ReplacingTool, Tool, capabilities
from segment_pipeline_tests.audiences.world import Person, World, audience, statement_of

PEOPLE = [Person(f"p{i}", f"p{i}@shop.test") for i in range(10)]
ALL = {(p.email, None) for p in PEOPLE}
BAD = {("p3@shop.test", None), ("p4@shop.test", None)}


def test_batches_keep_to_the_rows_and_bytes_a_request_takes(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(audience(), tool)
    assert sorted(tool.calls()) == [("upsert", 1), ("upsert", 3), ("upsert", 3), ("upsert", 3)]


def test_bytes_limit_the_rows_of_a_batch(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "t.sqlite", batch_bytes=500)
    world.people(PEOPLE)
    assert world.sync(audience(), tool).requests == 5


@pytest.mark.parametrize("names_rows", [True, False])
def test_a_batch_refused_for_a_bad_row_is_split_until_that_row_alone_is_rejected(
    world: World, tool: Tool, names_rows: bool
) -> None:
    tool.given = capabilities(batch_rows=10)
    tool.poison, tool.names_rows = frozenset({"p3@shop.test", "p4@shop.test"}), names_rows
    world.people(PEOPLE)
    report = world.sync(audience(), tool)
    assert (report.status, report.added, report.rejected, report.remote) == ("synced", 8, 2, 8)
    assert tool.held() == ALL - BAD
    again = world.sync(audience(), tool)
    assert (again.requests, again.rejected, again.unchanged) == (0, 2, 8), "what was refused is not sent every night"
    assert report.rejections == again.rejections == {"poison" if names_rows else "refused": 2}


def test_a_batch_refused_for_nobodys_sake_is_not_split_to_the_last_member(world: World, tool: Tool) -> None:
    """A tool that refuses whatever it is sent would be asked twice for each member, and all would rest for a week."""
    people = [Person(f"q{n}", f"q{n}@shop.test") for n in range(300)]
    tool.given, tool.poison = capabilities(batch_rows=300), frozenset(f"q{n}@shop.test" for n in range(300))
    world.people(people)
    report = world.sync(audience(), tool)
    assert (report.status, report.uncertain, report.rejected, report.remote) == ("partial", 300, 0, 0)
    assert report.requests < 90
    assert any("so was each of 30 members by themselves" in reason for reason in report.reasons)
    tool.poison = frozenset({"q7@shop.test"})
    report = world.sync(audience(), tool)
    assert (report.status, report.rejected, report.remote) == ("synced", 1, 299)


def test_a_few_that_are_refused_again_are_rejected_though_nobody_is_with_them(world: World, tool: Tool) -> None:
    """After a week those that were refused are tried again, by themselves if nobody is new."""
    people = [Person(f"q{n}", f"q{n}@shop.test") for n in range(40)]
    tool.given, tool.poison = capabilities(batch_rows=300), frozenset(f"q{n}@shop.test" for n in range(40))
    world.people(people)
    report = world.sync(audience(), tool)
    assert (report.uncertain, report.rejected, report.rejections) == (0, 40, {"refused": 40})


class NamesMost(Tool):
    """Refuses every batch: of a large one it names all rows but the last 30, of a small one none."""

    def apply(self, batch: Batch) -> Receipt:
        most = batch.rows.num_rows - 30
        raise RejectedRecords("refused", rows=dict.fromkeys(range(most), "odd") if most > 0 else None)


def test_members_that_are_all_refused_by_name_or_by_themselves_are_never_confirmed(
    world: World, tmp_path: Path
) -> None:
    """The last of them is the thirtieth refused by itself, and nothing is left that could have been given up."""
    tool = NamesMost(tmp_path / "t.sqlite", batch_rows=300)
    world.people([Person(f"q{n}", f"q{n}@shop.test") for n in range(300)])
    report = world.sync(audience(), tool)
    assert (report.added, report.remote, report.rejections) == (0, 0, {"odd": 270, "refused": 30})


def test_rows_refused_one_by_one_are_counted_and_tried_again_after_a_week(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool.refuses = frozenset({"p3@shop.test", "p4@shop.test"})
    world.people(PEOPLE)
    report = world.sync(audience(), tool)
    assert (report.added, report.rejected, report.remote, sum(report.rejections.values())) == (8, 2, 8, 2)
    tool.refuses = frozenset()
    assert world.sync(audience(max_age_hours=9999), tool).requests == 0
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-09T06:00:00+00:00")
    report = world.sync(audience(max_age_hours=9999), tool)
    assert (report.remote, report.rejections) == (10, {})


def test_whom_a_tool_may_know_tomorrow_is_tried_again_after_a_day(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who never used the product may have by the next sync: a week would keep them out for six days."""
    tool.refuses, tool.why = frozenset({"p3@shop.test", "p4@shop.test"}), "unknown_user"
    world.people(PEOPLE)
    first, again = (world.sync(audience(max_age_hours=9999), tool) for _ in range(2))
    assert (first.rejected, again.rejected, again.requests) == (2, 2, 0), "not at each sync of a day"
    assert first.rejections == again.rejections == {"unknown_user": 2}
    tool.refuses = frozenset({"p4@shop.test"})
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-03T05:30:00+00:00")
    report = world.sync(audience(max_age_hours=9999), tool)
    assert (report.added, report.rejections, report.remote) == (1, {"unknown_user": 1}, 9)


def test_an_asynchronous_job_is_polled_to_its_end(world: World, tool: Tool) -> None:
    tool.asynchronous, tool.refuses = True, frozenset({"p3@shop.test", "p4@shop.test"})
    world.people(PEOPLE)
    report = world.sync(audience(), tool)
    assert (report.status, report.added, report.rejected, tool.held()) == ("synced", 8, 2, ALL - BAD)


class Meeting(Tool):
    """Ends no job before three are under way, and counts how many requests are in flight at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, jobs=3)
        self.asynchronous = True
        self.three, self.in_flight, self.most = Barrier(3, timeout=20), 0, 0

    def apply(self, batch: Batch) -> Receipt:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        receipt = super().apply(batch)
        self.in_flight -= 1
        return receipt

    def poll(self, handle: str, batch: Batch) -> Receipt:
        if batch.number < 4:
            self.three.wait()
        return super().poll(handle, batch)


def test_jobs_are_under_way_beside_each_other_and_requests_are_not(world: World, tmp_path: Path) -> None:
    """A tool that takes half an hour for a batch would take days for a hundred, one after the other."""
    tool = Meeting(tmp_path / "t.sqlite")
    world.people(PEOPLE)
    assert world.sync(audience(), tool).status == "synced"
    assert (tool.most, len(tool.held())) == (1, 10)


def test_a_job_longer_than_a_lease_keeps_it(world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question renews it; a run that lost it asks no more and records nothing."""
    tool.asynchronous = True
    world.people(PEOPLE[:1])
    taken = []

    def expire(step: str) -> None:
        if step == "poll":
            with world.ledger.transaction() as connection:
                taken.append(connection.execute(sa.text("SELECT expires_at FROM leases")).scalar_one())
                connection.execute(sa.text("UPDATE leases SET expires_at = expires_at - 200"))

    tool.step = expire
    assert world.sync(audience(), tool).status == "synced"
    assert len(taken) == 3
    assert max(taken) - min(taken) < 100


class Silent(Tool):
    """Carries out what it is asked and never says so."""

    sent = True

    def apply(self, batch: Batch) -> Receipt:
        if self.sent:
            super().apply(batch)
        raise TransientError("no answer", sent=self.sent)


def test_what_was_sent_without_an_answer_is_uncertain_and_settled_by_the_next_run(world: World, tmp_path: Path) -> None:
    silent, tool = Silent(tmp_path / "t.sqlite"), Tool(tmp_path / "t.sqlite")
    world.people(PEOPLE)
    report = world.sync(audience(), silent)
    assert (report.status, report.uncertain, report.added, report.remote) == ("partial", 10, 0, 10)
    world.members([p.profile_id for p in PEOPLE[:6]])
    report = world.sync(audience(), tool)
    assert (report.status, report.updated, report.removed, report.remote) == ("synced", 6, 4, 6)
    assert len(tool.held()) == 6


def test_what_never_left_is_added_by_the_next_run(world: World, tmp_path: Path) -> None:
    silent, tool = Silent(tmp_path / "t.sqlite"), Tool(tmp_path / "t.sqlite")
    silent.sent = False
    world.people(PEOPLE)
    report = world.sync(audience(), silent)
    assert (report.status, report.uncertain, world.rows("audience_members")) == ("partial", 10, [])
    assert world.sync(audience(), tool).added == 10


class Miscounting(Tool):
    def apply(self, batch: Batch) -> Receipt:
        super().apply(batch)
        return Receipt(accepted=1)


def test_a_receipt_that_does_not_add_up_settles_nothing(world: World, tmp_path: Path) -> None:
    world.people(PEOPLE)
    report = world.sync(audience(), Miscounting(tmp_path / "t.sqlite"))
    assert (report.status, report.uncertain, report.added) == ("partial", 9, 1), "the last batch has one row"
    assert "does not add up" in report.reasons[0]


@pytest.mark.parametrize("seed", range(3))
def test_one_in_five_requests_failing_still_converges(world: World, tmp_path: Path, seed: int) -> None:
    tool = Tool(tmp_path / "t.sqlite", parallel=2)
    tool.trouble, tool.refuses = 0.2, frozenset({"p3@shop.test", "p4@shop.test"})
    tool.random.seed(seed)
    world.people(PEOPLE)
    reports = [world.sync(audience(), tool) for _ in range(2)]
    assert reports[-1].status == "synced"
    assert tool.held() == ALL - BAD
    assert reports[-1].remote == reports[-1].desired - reports[-1].rejected


def test_only_one_run_at_a_time_and_a_stale_holder_cannot_record(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    mine = acquire(world.ledger, "shoppers")
    report = world.sync(audience(), tool)
    assert (report.status, tool.calls()) == ("failed", [])
    assert "another run" in report.reasons[0]
    release(world.ledger, mine)
    theirs = acquire(world.ledger, "shoppers")
    assert theirs.token == mine.token + 1
    with pytest.raises(ConflictError, match="took over"), world.ledger.transaction() as connection:
        mine.renew(connection)
    release(world.ledger, mine)
    with pytest.raises(ConflictError):
        acquire(world.ledger, "shoppers")


def test_a_lease_that_ran_out_is_taken_over(world: World) -> None:
    mine = acquire(world.ledger, "shoppers", seconds=-1.0)
    assert acquire(world.ledger, "shoppers").token == mine.token + 1


class Overtaken(Tool):
    """Another run takes the lease while this one waits for its answer."""

    world: World

    def apply(self, batch: Batch) -> Receipt:
        receipt = super().apply(batch)
        acquire(self.world.ledger, "shoppers")
        return receipt


def test_a_batch_of_a_holder_that_was_overtaken_stays_without_a_receipt(world: World, tmp_path: Path) -> None:
    tool = Overtaken(tmp_path / "t.sqlite")
    tool.world = world
    world.people(PEOPLE)
    report = world.sync(audience(), tool, lease_seconds=-1.0)
    assert (report.status, tool.calls()) == ("failed", [("upsert", 3)])
    [left] = world.ledger.unfinished("shoppers")
    assert [b.state for b in world.ledger.answers.outcome(left.plan.digest)] == [
        "attempted",
        "planned",
        "planned",
        "planned",
    ]


def test_a_replacement_longer_than_a_lease_keeps_it(world: World, tmp_path: Path) -> None:
    """One tool takes an hour for it: the next scheduled sync would begin another beside it."""
    tool, tried = OpenTool(tmp_path / "t.sqlite"), list[str]()
    world.people(PEOPLE)
    world.sync(audience(), ReplacingTool(tool))
    world.ledger.places.doubt("shoppers", "an older ledger was put back")

    def wait(step: str) -> None:
        if step == "before replace":
            time.sleep(2.5)
            with pytest.raises(ConflictError, match="by another run"):
                acquire(world.ledger, "shoppers")
            tried.append(step)

    tool.step = wait
    round_ = world.round([audience()], {"tool": ReplacingTool(tool)}, lease_seconds=1.5)
    assert [report.status for report in reconcile(round_, "shoppers")] == ["synced"]
    assert (tried, tool.held()) == (["before replace"], ALL)


def last_to_go(world: World, tool: Tool) -> str:
    """The person whose key sorts last, and so goes out in the last batch."""
    with world.lake.session() as session:
        shape = Shape(tool.capabilities)
        define_evidence(session, audience(), shape, {})
        judge(session, audience(), shape, as_of=world.day, claimed=None)
        keyed = session.rows(shape.keyed())
    return str(max(keyed, key=lambda row: row["key"])["profile_id"])


def test_an_old_plan_is_checked_for_consent_again_before_each_batch(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.people(PEOPLE)
    last, start = f"{last_to_go(world, tool)}@shop.test", clock.monotonic()
    pulls: list[str] = []

    def refresh() -> None:
        pulls.append("pulled")
        if len(pulls) == 2:
            said = statement_of("email", last, "denied", datetime(2017, 7, 1, tzinfo=UTC))
            world.write("consents", [*world.rows("consents"), said])

    tool.step = lambda name: monkeypatch.setattr(clock, "monotonic", lambda: start + 16 * 60)
    report = world.sync(audience(), tool, refresh_consents=refresh)
    assert (len(pulls), report.added, report.held, report.remote) == (2, 9, 1, 9)
    assert tool.held() == ALL - {(last, None)}
    after = world.sync(audience(), tool)
    assert (after.ineligible["no_consent"], after.requests, after.unchanged) == (1, 0, 9)


class Unreachable(Tool):
    def ensure_audience(self, name: str) -> str:
        raise ContractError("the tool answered outside its contract")


def test_a_vendor_out_of_reach_fails_the_audience_and_leaves_nothing_half_done(world: World, tmp_path: Path) -> None:
    world.people(PEOPLE)
    report = world.sync(audience(), Unreachable(tmp_path / "t.sqlite"))
    assert (report.status, report.reasons) == ("failed", ("the tool answered outside its contract",))
    assert report.uncertain == 10
    assert world.sync(audience(), Tool(tmp_path / "t.sqlite")).added == 10


def test_the_ledger_holds_no_identifier(world: World, tool: Tool, tmp_path: Path) -> None:
    tool.refuses = frozenset({"p3@shop.test"})
    tool.trouble = 0.3
    world.people([*PEOPLE, Person("ann", "ann@shop.test", "+12025550101")])
    world.sync(audience(), tool)
    world.sync(audience(), tool)
    world.ledger.close()
    text = b"".join(p.read_bytes() for p in tmp_path.glob("ledger.sqlite*"))
    assert b"shoppers" in text
    for secret in (b"@shop.test", b"2025550101"):
        assert secret not in text


def test_the_delta_log_holds_no_identifier(world: World, tool: Tool) -> None:
    world.people([*PEOPLE, Person("ann", "ann@shop.test", "+12025550101")])
    world.sync(audience(), tool)
    world.members(["ann"])
    world.sync(audience(), tool)
    logs = [p.read_bytes() for p in Path(world.lake.root).glob("*/_delta_log/*.json")]
    assert len(logs) > 8
    assert not any(secret in log for log in logs for secret in (b"@shop.test", b"2025550101"))


class Unasked:
    """A tool as a destination that can neither be polled nor counted."""

    about: ClassVar[About] = Tool.about

    def __init__(self, tool: Tool) -> None:
        self.name, self.capabilities = tool.name, tool.capabilities
        self.secrets_present, self.check = tool.secrets_present, tool.check
        self.ensure_audience, self.apply = tool.ensure_audience, tool.apply


def test_a_job_of_a_tool_that_cannot_be_asked_about_it_settles_nothing(world: World, tool: Tool) -> None:
    """A handle without a way to poll is the connector's mistake, not a batch that is done."""
    tool.asynchronous = True
    world.people(PEOPLE)
    report = world.sync(audience(), Unasked(tool))
    assert (report.status, report.uncertain, report.added) == ("partial", 10, 0)
    assert report.reasons == ("tool named a job but has no `poll` to ask for its end",)


def test_what_a_tool_that_cannot_be_counted_holds_is_what_its_receipts_say(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    report = world.sync(audience(), Unasked(tool))
    assert (report.status, report.remote, report.counted) == ("synced", 10, False)
