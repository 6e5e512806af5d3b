"""A tool that lost what it was sent: noticed at the next sync and in the plan, and sent again by one command."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.sync import approve, plan_only, resend
from segment_pipeline.delivery.destination import Batch, Destination, Receipt
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.errors import TransientError
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.audiences.shoppers import PEOPLE, WANTED
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import BEFORE, World, audience, statement_of


def planned(world: World, who: Audience, tool: Destination, **options: Any) -> SyncReport:
    [report] = plan_only(world.round([who], {who.destination: tool}), **options)
    return report


def resent(world: World, who: Audience, tool: Destination) -> SyncReport:
    return resend(world.round([who], {who.destination: tool}), who.name)


def test_what_a_tool_lost_is_noticed_and_sent_again(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    assert world.sync(audience(), tool).status == "synced"
    tool.drop("1", 5)
    for report in (planned(world, audience(), tool), world.sync(audience(), tool)):
        assert (report.status, report.unchanged, report.remote, report.counted) == ("differs", 12, 7, True)
        assert report.reasons == (
            "count_differs: tool holds 7 keys where 12 were sent: `segment-pipeline audiences resend shoppers` sends them all again",
        )
    shown, calls = planned(world, audience(), tool, everything=True), tool.calls()
    assert (shown.status, shown.updated, shown.requests) == ("planned", 12, 0)
    sent = resent(world, audience(), tool)
    assert (sent.status, sent.updated, sent.unchanged, sent.remote) == ("synced", 12, 0, 12)
    assert tool.held() == WANTED
    assert len(tool.calls()) == len(calls) + sent.requests == len(calls) + 4
    assert (world.sync(audience(), tool).requests, resent(world, audience(), tool).remote) == (0, 12)
    assert tool.held() == WANTED


def test_somebody_elses_members_are_no_difference_unless_the_audience_is_ours_alone(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(audience(), tool)
    tool.put("1", email="theirs@shop.test")
    assert (world.sync(audience(), tool).status, world.sync(audience(), tool).remote) == ("synced", 13)
    assert world.sync(audience(owned=True), tool).status == "differs"


def test_what_a_tool_lost_is_noticed_though_changes_are_sent(world: World, tool: Tool) -> None:
    """Counted before, since what is sent now would fill the gap in the number."""
    world.people(PEOPLE[:10])
    world.sync(audience(), tool)
    tool.drop("1", 2)
    world.people(PEOPLE)
    plan, sent = planned(world, audience(), tool), world.sync(audience(), tool)
    assert (plan.status, plan.added, plan.remote) == ("differs", 2, 8)
    assert (sent.status, sent.added, sent.remote, sent.reasons) == ("differs", 2, 10, plan.reasons)


def test_what_is_uncertain_is_no_difference(world: World, tool: Tool) -> None:
    """Neither the tool nor we know: those of an unanswered batch who leave in the next run may never have been there."""
    world.people(PEOPLE[:10])
    world.sync(audience(), tool)

    class Silent(Tool):
        def apply(self, batch: Batch) -> Receipt:
            raise TransientError("no answer", sent=True)

    world.people(PEOPLE)
    assert world.sync(audience(), Silent(tool.path)).status == "partial"
    world.members([p.profile_id for p in PEOPLE[:10]])
    assert (planned(world, audience(), tool).status, world.sync(audience(), tool).status) == ("planned", "synced")


def test_what_may_not_be_sent_is_not_resent(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    world.sync(audience(), tool)
    tool.drop("1", 12)
    denied = [replace(p, consent=False) for p in PEOPLE[:3]]
    world.people([*denied, *PEOPLE[3:]])
    world.members([p.profile_id for p in PEOPLE[:10]])
    report = resent(world, audience(), tool)
    assert (report.status, report.updated, report.removed, report.remote) == ("synced", 7, 5, 7)
    assert tool.held() == {(p.email, p.phone) for p in PEOPLE[3:10]}


def test_a_guard_holds_a_resending_and_its_approval_sends_all_of_it(world: World, tool: Tool) -> None:
    guarded = audience(guards=Guards(removal_keys=1, minimum=0))
    world.people(PEOPLE)
    world.sync(guarded, tool)
    tool.drop("1", 12)
    world.members([p.profile_id for p in PEOPLE[:8]])
    report = resent(world, guarded, tool)
    assert (report.status, report.reasons[0], report.held, report.remote) == ("held", "removals", 8, 0)
    assert tool.held() == set()
    sent = approve(world.round([guarded], {"tool": tool}), report.digests[-1])
    assert (sent.status, sent.updated, sent.removed, sent.remote) == ("synced", 8, 4, 8)
    assert tool.held() == {(p.email, p.phone) for p in PEOPLE[:8]}


@pytest.mark.also_on_spark("audiences/not_landed_since")
def test_a_plan_is_held_where_the_sync_would_be_and_says_which_source_is_how_old(
    world: World, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.people(PEOPLE)
    world.sync(audience(), tool)
    said = statement_of("email", "p0@shop.test", "denied")
    world.write("consents", [*world.rows("consents"), said])
    loaded = {
        "run_id": "r", "table_name": "orders", "rows_landed": 1, "rows_total": 1, "rows_quarantined": 0,
        "rows_back_projected": 0, "requests": 1, "finished_at": BEFORE,
    }  # fmt: skip
    days = {"till/orders": world.day, "shop/orders": date(2017, 7, 2)}
    world.write("loads", [{**loaded, "source": a.partition("/")[0], "asset": a, "day": day} for a, day in days.items()])
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-05T06:00:00+00:00")
    plan, calls = planned(world, audience(), tool), tool.calls()
    [why] = plan.reasons
    assert why.startswith(
        "stale_source: the newest day of segment shoppers is 2017-06-30, to be sent until 54 hours ago;"
    )
    assert why.endswith("; nothing newer landed from till/orders")
    assert (plan.status, plan.removed, plan.held_removals, tool.calls()) == ("held", 1, 11, calls)
    sent = world.sync(audience(), tool)
    assert (sent.status, sent.reasons, sent.removed, sent.held_removals) == ("held", plan.reasons, 1, 11)


def test_a_plan_trips_the_guards_of_the_sync(world: World, tool: Tool) -> None:
    guarded = audience(guards=Guards(removal_keys=10, removal_share=1))
    world.people(PEOPLE)
    world.sync(guarded, tool)
    world.members([])
    plan, sent = planned(world, guarded, tool), world.sync(guarded, tool)
    assert (plan.status, plan.reasons, plan.removed, plan.held_removals) == ("held", ("empty_result",), 0, 12)
    assert (sent.status, sent.reasons, sent.removed, sent.held_removals) == ("held", ("empty_result",), 0, 12)
    assert sent.digests == plan.digests


def test_a_destination_that_is_not_switched_on_fails_the_plan_as_it_fails_the_sync(world: World, tool: Tool) -> None:
    world.people(PEOPLE)
    elsewhere = [audience(destination="elsewhere")]
    [plan] = plan_only(world.round(elsewhere, {"tool": tool}))
    assert plan.status == "failed"
    assert "which is not switched on" in plan.reasons[0]


class TestGone:
    """The audience itself was deleted at the tool: a folder, a list."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
        with SandboxServer(tmp_path_factory.mktemp("gone"), vendors=["klaviyo"]) as running:
            yield running

    def gone_and_back(self, world: World, who: Audience, tool: Destination, remote_id: str) -> str:
        """Asserts what happens; returns the id the audience has after it was resent."""
        for report in (planned(world, who, tool), world.sync(who, tool)):
            assert (report.status, report.unchanged) == ("held", 12)
            assert f"no longer has {remote_id}" in report.reasons[0]
            assert "(`segment-pipeline audiences resend shoppers`)" in report.reasons[0]
        back = resent(world, who, tool)
        assert (back.status, back.updated, back.remote, back.counted) == ("synced", 12, 12, True)
        assert (world.sync(who, tool).status, planned(world, who, tool).status) == ("synced", "planned")
        return str(world.ledger.remote_id(who.name, who.destination))

    def test_a_folder(self, world: World, tmp_path: Path) -> None:
        world.people(PEOPLE)
        files, who = HashedFiles(directory=str(tmp_path / "out")), audience(destination="files")
        assert world.sync(who, files).remote == 12
        before = (tmp_path / "out" / "shoppers" / "members.csv").read_bytes()
        shutil.rmtree(tmp_path / "out")
        assert self.gone_and_back(world, who, files, "the folder of audience shoppers") == "shoppers"
        assert (tmp_path / "out" / "shoppers" / "members.csv").read_bytes() == before

    def test_members_cut_from_a_file(self, world: World, tmp_path: Path) -> None:
        world.people(PEOPLE)
        files, who = HashedFiles(directory=str(tmp_path / "out")), audience(destination="files")
        world.sync(who, files)
        members = tmp_path / "out" / "shoppers" / "members.csv"
        members.write_text("".join(members.read_text().splitlines(keepends=True)[:4]))
        assert (world.sync(who, files).status, world.sync(who, files).remote) == ("differs", 3)
        assert resent(world, who, files).remote == 12

    def test_a_list(self, world: World, server: SandboxServer) -> None:
        world.people(
            PEOPLE, extra_consents=[statement_of("email", str(p.email), "granted", channel="email") for p in PEOPLE]
        )
        klaviyo = KlaviyoLists(api_key="pk_sandbox", base_url=f"{server.base_url}/klaviyo")
        who = audience(destination="klaviyo", channel="email")
        with closing(klaviyo):
            assert world.sync(who, klaviyo).remote == 12
            list_id = str(world.ledger.remote_id("shoppers", "klaviyo"))
            klaviyo._vendor.client("bulk").request("DELETE", f"/api/lists/{list_id}")
            made = self.gone_and_back(world, who, klaviyo, f"audience {list_id}")
            assert made != list_id
            assert len(server.control("GET", f"/klaviyo/lists/{made}")["members"]) == 12
