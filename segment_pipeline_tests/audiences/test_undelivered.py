"""What a tool did not take is never green: denials above all, by status, exit code and the number that waits."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from segment_pipeline.audiences.sync import plan_only
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.cli import cli
from segment_pipeline.delivery.destination import AudienceGone, Batch, Operation, Receipt
from segment_pipeline.errors import TransientError
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline_tests.audiences.tool import Tool, capabilities
from segment_pipeline_tests.audiences.world import LATER, NOW, Person, World, audience

PEOPLE = [Person(f"p{i}", f"p{i}@shop.test") for i in range(6)]
WITHDRAWN = [replace(PEOPLE[0], consent=False, said=LATER), *PEOPLE[1:]]
SHOPPERS = Segment("shoppers", owner="team:crm", goal="orders", description="d", where=trait("orders_total") > 0)
COMPANY: Catalogue


class Busy(Tool):
    """Answers removals with 503; `arrives`: after having carried them out."""

    arrives = False
    busy = True

    def apply(self, batch: Batch) -> Receipt:
        if not self.busy or batch.operation is Operation.UPSERT:
            return super().apply(batch)
        if self.arrives:
            super().apply(batch)
        raise TransientError("the tool was busy (HTTP 503)", sent=self.arrives)


@pytest.fixture
def busy(tmp_path: Path) -> Busy:
    return Busy(tmp_path / "tool.sqlite")


def test_where_a_source_is_down_the_denials_that_are_known_go_out_and_nothing_else(
    world: World, tmp_path: Path
) -> None:
    """Consents cannot be read as of now: nobody is added by what was known before, and whoever is known to have said no goes."""

    def down() -> None:
        raise TransientError("the shop was busy (HTTP 503)")

    tool = Tool(tmp_path / "tool.sqlite")
    world.people(PEOPLE[:5])
    world.sync(audience(), tool)
    world.people(WITHDRAWN)
    report = world.sync(audience(), tool, refresh_consents=down)
    said = "stale_consents: what people said until now cannot be read: the shop was busy (HTTP 503)"
    assert (report.status, report.removed, report.added, report.reasons) == ("held", 1, 0, (said,))
    assert {email for email, _ in tool.held()} == {f"p{i}@shop.test" for i in range(1, 5)}
    report = world.sync(audience(), tool)
    assert (report.status, report.added, report.removed) == ("synced", 1, 0)


@pytest.mark.also_on_spark("audiences/denials_undelivered", "audiences/denials_waiting")
@pytest.mark.parametrize("arrives", [False, True])
def test_a_withdrawal_the_tool_is_too_busy_for_is_undelivered_until_it_is_out(
    world: World, busy: Busy, arrives: bool
) -> None:
    """A busy vendor and a withdrawal waiting was `partial` and green (keboola 745)."""
    world.people(PEOPLE)
    world.sync(audience(), busy)
    world.people(WITHDRAWN)
    busy.arrives = arrives
    for _ in range(2):
        report = world.sync(audience(), busy)
        assert (report.status, report.denials, report.denied_since) == ("undelivered", 1, LATER)
        assert report.reasons == ("the tool was busy (HTTP 503)",)
        busy.arrives = False
    busy.busy = False
    report = world.sync(audience(), busy)
    assert (report.status, report.denials, report.denied_since, len(busy.held())) == ("synced", 0, None, 5)


def test_every_kind_of_denial_counts_and_who_merely_leaves_does_not(world: World, busy: Busy) -> None:
    world.people(PEOPLE)
    world.sync(audience(), busy)
    world.people(WITHDRAWN)
    world.suppress([("email", "p1@shop.test", "*", "complained"), ("email", "p2@shop.test", "*", "erased")])
    world.members([p.profile_id for p in PEOPLE[:4]])
    report = world.sync(audience(), busy)
    assert (report.status, report.denials, report.uncertain_removals + report.held_removals) == ("undelivered", 3, 5)


@pytest.mark.also_on_spark("audiences/denials_planned")
def test_a_denial_the_tool_refuses_to_carry_out_is_undelivered_every_day(world: World, tool: Tool) -> None:
    """Refused lately, it is not tried again for a week; that is no reason to be silent for a week."""
    tool.smallest = 6
    world.people(PEOPLE)
    world.sync(audience(), tool)
    world.people(WITHDRAWN)
    for requests in (1, 0):
        report = world.sync(audience(), tool)
        assert (report.status, report.requests, report.denials) == ("undelivered", requests, 1)
        assert report.reasons == ("removals_refused",)
    [plan] = plan_only(world.round([audience()], {"tool": tool}))
    assert (plan.status, plan.denials, plan.reasons) == ("undelivered", 1, report.reasons)
    world.settings = replace(world.settings, sending=False)
    assert (world.sync(audience(), tool).denials, world.sync(audience(), tool).denied_since) == (1, LATER)


def test_a_denial_waits_where_the_run_fails_and_where_the_rest_is_held(world: World, tool: Tool) -> None:
    class Gone(Busy):
        def count(self, remote_id: str) -> int:
            raise AudienceGone(f"the tool no longer has list {remote_id}: resend it")

    guarded = audience(guards=replace(audience().guards, allow_empty=False, removal_keys=1, removal_share=0.1))
    world.people(PEOPLE)
    world.sync(guarded, tool)
    world.people(WITHDRAWN)
    world.members([PEOPLE[0].profile_id, PEOPLE[1].profile_id])
    report = world.sync(guarded, Gone(tool.path))
    assert (report.status, report.denials) == ("held", 1)
    report = world.sync(guarded, Busy(tool.path))
    assert (report.status, report.denials, report.reasons[0], len(report.digests)) == ("undelivered", 1, "removals", 2)


def test_who_left_and_is_not_let_go_is_no_synced_audience(world: World, tool: Tool) -> None:
    tool.smallest, tool.given = 6, capabilities(minimum_size=6)
    world.people(PEOPLE)
    world.sync(audience(), tool)
    world.members([p.profile_id for p in PEOPLE[:5]])
    for _ in range(2):
        report = world.sync(audience(), tool)
        assert (report.status, report.remove_rejected, report.denials) == ("refused", 1, 0)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


@pytest.fixture
def company(world: World, busy: Busy, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = Catalogue(sources=(), destinations=(busy,), segments=(SHOPPERS,), audiences=(audience(),))
    monkeypatch.setattr(sys.modules[__name__], "COMPANY", made, raising=False)
    given: dict[str, Any] = {"HOME": world.home, "CATALOGUE": f"{__name__}:COMPANY", "SENDING": "on", "CLOCK": NOW}
    for name, value in given.items():
        monkeypatch.setenv(f"SEGMENT_PIPELINE_{name}", str(value))
    world.definition = made.definition("shoppers")
    world.people(PEOPLE)
    assert run("audiences", "sync", "shoppers").exit_code == 0
    world.people(WITHDRAWN)
    yield world


def test_an_undelivered_denial_has_an_exit_code_of_its_own_and_says_how_long_it_waits(
    company: World, busy: Busy
) -> None:
    sent = run("audiences", "sync", "shoppers")
    assert sent.exit_code == 4
    assert "not delivered: 1 denial waits, the oldest since 2017-06-01 00:00 UTC (30 days)" in sent.stderr
    assert "still in tool: sync again, or take them out there by hand; the tool was busy (HTTP 503)" in sent.stderr
    found = run("status")
    assert (
        "audience shoppers: 1 denial waits, the oldest since 2017-06-01 00:00 UTC (30 days): tool did not take them"
        in (found.stdout + found.stderr)
    )
    assert run("audiences", "plan", "shoppers").exit_code == 0, "a sync would deliver it"
    busy.busy = False
    assert run("audiences", "sync", "shoppers").exit_code == 0
    assert "denial waits" not in run("status").stdout


@pytest.mark.parametrize(
    ("trouble", "said"), [("busy", "1 keys of audience"), ("smallest", "does not let go of 1 keys")]
)
def test_a_sync_in_part_does_not_end_like_a_whole_one(company: World, busy: Busy, trouble: str, said: str) -> None:
    company.people(PEOPLE)
    company.members([p.profile_id for p in PEOPLE[:5]])
    busy.arrives = True
    if trouble == "smallest":
        busy.busy, busy.smallest = False, 6
    sent = run("audiences", "sync", "shoppers")
    assert (sent.exit_code, said in sent.stderr) == (4, True)
    if trouble == "smallest":
        plan = run("audiences", "plan", "shoppers")
        assert (plan.exit_code, said in plan.stderr) == (4, True), "it is not tried again for a week"
