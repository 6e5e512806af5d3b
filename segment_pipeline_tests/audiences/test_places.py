"""The declaration, what we remember, and what the tool holds: whichever of the three changes alone is seen, and nothing is `synced`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.audiences import places
from segment_pipeline.audiences.audience import Guards
from segment_pipeline.audiences.retire import retire
from segment_pipeline.audiences.standing import standing
from segment_pipeline.audiences.sync import plan_only, resend, sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.audiences.shoppers import OWN, PEOPLE, WANTED, again, denied, ended, left
from segment_pipeline_tests.audiences.tool import BlindTool, FindingTool, MuteTool, OpenTool, Tool
from segment_pipeline_tests.audiences.world import World, audience


@pytest.fixture
def tool(tmp_path: Path) -> OpenTool:
    return OpenTool(tmp_path / "tool.sqlite")


class Away(OpenTool):
    """The same tool while it has no audience."""

    def lists(self) -> dict[str, str]:
        return {}


class TestDeclaration:
    """It changes, and the tool still holds what it was told before."""

    def test_who_denies_leaves_an_audience_that_left_the_catalogue_and_it_is_held(
        self, world: World, tool: OpenTool
    ) -> None:
        """A withdrawn and a suppressed person stayed for good."""
        world.people(PEOPLE)
        world.sync(audience(), tool)
        denied(world, "p0", "p1")
        world.suppress([("email", "p2@shop.test", "ads", "complained")])
        [report] = left(world, tools={"tool": tool})
        assert (report.audience, report.status, report.removed, report.remote) == ("shoppers", "held", 3, 9)
        assert report.reasons[0].startswith("left_behind: nobody declares audience shoppers at tool any more")
        assert "`segment-pipeline audiences retire shoppers --destination tool`" in report.reasons[0]
        assert tool.held() == {(p.email, p.phone) for p in PEOPLE[3:]}
        [again] = left(world, tools={"tool": tool})
        assert (again.status, again.removed, again.requests) == ("held", 0, 0)
        assert [(s.state, s.keys) for s in standing(world.lake, world.ledger, [])] == [("left_behind", 9)]

    def test_what_left_is_held_too_where_its_tool_is_switched_off(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        [report] = left(world, tools={})
        assert report.status == "failed"
        assert "which is not switched on" in report.reasons[-1]
        assert left(world, audience(), tools={}) == []

    @pytest.mark.parametrize(
        ("how", "held", "removed"), [("empty", set[Any](), 12), ("delete", set[Any](), 12), ("hand_over", WANTED, 0)]
    )
    def test_a_retired_audience_is_emptied_deleted_or_handed_over(
        self, world: World, tool: OpenTool, how: str, held: set[Any], removed: int
    ) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        calls = tool.calls()
        [shown] = ended(world, tool, how, show=True)
        assert (tool.calls(), tool.held()) == (calls, WANTED)
        assert (shown.status, shown.removed, shown.leaving) == ("planned", removed, removed)
        [report] = ended(world, tool, how)
        assert (report.status, report.removed, report.leaving) == ("retired", removed, removed)
        assert tool.held() == held
        assert tool.lists() == ({} if how == "delete" else {"1": "shoppers"})
        assert (shown.reasons, left(world, tools={"tool": tool}), world.rows("audience_members")) == (
            report.reasons,
            [],
            [],
        )
        assert len({row["hash"] for row in world.rows("sent_keys")}) == 18, "each identifier ever sent, kept"
        with pytest.raises(ConfigError, match="nothing is left of an audience shoppers"):
            ended(world, tool, how)

    @pytest.mark.parametrize(("how", "status", "kept"), [("empty", "held", 12), ("delete", "retired", 0)])
    def test_only_what_is_to_be_emptied_has_to_be_known(
        self, world: World, tool: OpenTool, how: str, status: str, kept: int
    ) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        world.ledger.places.doubt("shoppers", "the ledger was lost")
        [shown] = ended(world, tool, how, show=True)
        [report] = ended(world, tool, how)
        assert (report.status, len(tool.held())) == (status, kept)
        assert (shown.status, shown.reasons) == ("held" if how == "empty" else "planned", report.reasons)

    def test_a_tool_that_deletes_no_audience_says_so_before_it_is_asked(self, world: World, tmp_path: Path) -> None:
        keeping = Tool(tmp_path / "tool.sqlite")
        world.people(PEOPLE)
        world.sync(audience(), keeping)
        for show in (True, False):
            [report] = ended(world, keeping, "delete", show=show)
            assert (report.status, len(keeping.held())) == ("failed", 12)
            assert "tool deletes no audience by itself" in report.reasons[0]

    def test_what_was_put_in_by_others_stays_when_an_audience_is_emptied(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        tool.put("1", email="theirs@shop.test")
        assert [report.status for report in ended(world, tool, "empty")] == ["retired"]
        assert tool.held() == {("theirs@shop.test", None)}

    def test_a_declared_audience_is_not_retired(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        with pytest.raises(ConfigError, match="shoppers is declared"):
            ended(world, tool, "empty", audience())

    def test_an_audience_that_goes_to_another_tool_is_filled_there_from_nothing(
        self, world: World, tool: OpenTool, tmp_path: Path
    ) -> None:
        """grouparoo 2706: memory was keyed by the audience alone, and 2 of 98 were never written."""
        other = OpenTool(tmp_path / "other.sqlite", "other")
        tools: dict[str, Destination] = {"tool": tool, "other": other}
        world.people(PEOPLE)
        world.sync(audience(), tool)
        denied(world, "p0")
        moved = audience(destination="other")
        [report] = sync(world.round([moved], tools))
        assert (report.status, report.added, report.removed, report.remote) == ("synced", 11, 0, 11)
        assert other.held() == {(p.email, p.phone) for p in PEOPLE[1:]}
        [behind] = left(world, moved, tools=tools)
        assert (behind.destination, behind.status, behind.removed) == ("tool", "held", 1)
        assert tool.held() == other.held()
        report, *_ = sync(world.round([moved], tools))
        assert (report.unchanged, report.requests) == (11, 0)
        retire(world.round([moved], tools), "shoppers", "empty", destination="tool")
        assert (tool.held(), len(other.held()), left(world, moved, tools=tools)) == (set(), 11, [])
        back = world.sync(audience(), tool)
        assert (back.status, back.added, len(tool.held())) == ("synced", 11, 11)

    def test_validate_names_two_audiences_of_one_name_at_a_tool(self) -> None:
        named = [
            audience(remote_name="Our  Buyers"),
            audience(name="other", remote_name="our buyers"),
            audience(name="our_buyers", destination="elsewhere"),
            audience(name="ours", destination="elsewhere", remote_name="OUR_BUYERS"),
            audience(name="third", remote_name="our buyers 3"),
        ]
        said = [p for p in Catalogue((), (), (), named).problems() if "remote_name" in p]
        assert said == [
            "audiences shoppers and other are both called our buyers at tool: give one another `remote_name`",
            "audiences our_buyers and ours are both called OUR_BUYERS at elsewhere: give one another `remote_name`",
        ]

    def test_two_audiences_are_not_kept_in_one(self, world: World, tool: OpenTool) -> None:
        """drt 686: each took out the other's people, and both were `synced`."""
        world.people(PEOPLE)
        world.sync(audience(), tool)
        world.members([p.profile_id for p in PEOPLE[:4]], segment="few")
        other = audience(name="few", segment="few", remote_name="shoppers")
        report = world.sync(other, tool)
        assert report.status == "failed"
        assert "audience few would be sent where tool holds audience shoppers" in report.reasons[0]
        assert tool.held() == WANTED


class TestTool:
    """What the tool holds changes by somebody's hand."""

    @pytest.mark.also_on_spark(
        "audiences/own",
        "audiences/recalled",
        "audiences/recalled_numbers",
        "audiences/recognised",
        "audiences/sent",
        "audiences/told",
    )
    def test_members_taken_out_by_hand_come_back_where_nobody_else_writes(self, world: World, tool: OpenTool) -> None:
        """drt 825"""
        world.people(PEOPLE)
        assert world.sync(OWN, tool).reasons == ()
        tool.drop("1", 10)
        [plan] = plan_only(world.round([OWN], {"tool": tool}))
        assert (plan.status, plan.added, len(tool.held())) == ("differs", 10, 2)
        report = world.sync(OWN, tool)
        assert (report.status, report.added, report.remote) == ("differs", 10, 12)
        assert report.reasons == (
            "members_differ: tool lacks 10 keys that were sent and holds 0 that we did not know of: this plan makes it right",
        )
        assert tool.held() == WANTED
        assert (world.sync(OWN, tool).status, world.sync(OWN, tool).requests) == ("synced", 0)

    def test_an_exchange_that_leaves_the_number_is_found_within_a_week(
        self, world: World, tool: OpenTool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weekly = audience(owned=True, max_age_hours=1000)
        world.people(PEOPLE)
        world.sync(weekly, tool)
        tool.drop("1", 1)
        tool.put("1", email="stranger@shop.test")
        assert world.sync(weekly, tool).status == "synced"
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-09T06:00:00+00:00")
        report = world.sync(weekly, tool)
        assert (report.status, report.added, report.removed) == ("differs", 1, 1)
        assert tool.held() == WANTED

    def test_members_of_others_are_left_and_ours_taken_out_by_hand_are_reported(
        self, world: World, tool: OpenTool
    ) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        tool.put("1", email="theirs@shop.test")
        tool.drop("1", 3)
        for _ in range(2):
            report = world.sync(audience(), tool)
            assert (report.status, report.unchanged, report.requests) == ("differs", 12, 0)
            assert "`segment-pipeline audiences reconcile shoppers`" in report.reasons[0]
        [done] = again(world, audience(), tool)
        assert (done.status, done.added, done.remote) == ("synced", 3, 13)
        assert tool.held() == WANTED | {("theirs@shop.test", None)}

    @pytest.mark.also_on_spark("audiences/moved_members")
    def test_a_deleted_list_is_seen_though_nothing_changes_and_is_made_anew_by_one_command(
        self, world: World, tool: OpenTool
    ) -> None:
        """segment-docs 6043"""
        world.people(PEOPLE)
        world.sync(audience(), tool)
        tool.lose("1")
        for _ in range(2):
            report = world.sync(audience(), tool)
            assert (report.status, report.unchanged) == ("held", 12)
            assert "(`segment-pipeline audiences resend shoppers`)" in report.reasons[0]
            [stands] = standing(world.lake, world.ledger, [audience()])
            assert stands.state == "gone"
            assert stands.why == "tool no longer has it: segment-pipeline audiences resend shoppers"
        world.members([p.profile_id for p in PEOPLE[:9]])
        sent = resend(world.round([audience()], {"tool": tool}), "shoppers")
        assert (sent.status, sent.remote, tool.lists()) == ("synced", 9, {"2": "shoppers"})
        assert tool.held("2") == {(p.email, p.phone) for p in PEOPLE[:9]}
        assert (world.sync(audience(), tool).status, left(world, audience(), tools={"tool": tool})) == ("synced", [])
        assert [s.state for s in standing(world.lake, world.ledger, [audience()])] == ["kept"]

    @pytest.mark.parametrize("asked", [lambda tool: tool, BlindTool])
    def test_a_list_that_comes_back_by_itself_is_kept_again(
        self, world: World, tmp_path: Path, asked: Callable[[OpenTool], Destination]
    ) -> None:
        """A folder that was not mounted for a night; that the audience is held for something else takes nothing from it."""
        held, path = audience(guards=Guards(minimum=100)), tmp_path / "tool.sqlite"
        world.people(PEOPLE)
        states = []
        for who, tool in ((audience(), OpenTool(path)), (audience(), Away(path)), (held, OpenTool(path))):
            world.sync(who, asked(tool))
            states += [s.state for s in standing(world.lake, world.ledger, [who])]
        assert states == ["kept", "gone", "kept"]

    def test_a_tool_that_tells_nothing_is_known_to_have_an_audience_once_it_has_taken_it(
        self, world: World, tmp_path: Path
    ) -> None:
        path = tmp_path / "tool.sqlite"
        world.people(PEOPLE[:6])
        world.sync(audience(), MuteTool(OpenTool(path)))
        world.people(PEOPLE)
        states = []
        for tool in (Away(path), OpenTool(path)):
            world.sync(audience(), MuteTool(tool))
            states += [s.state for s in standing(world.lake, world.ledger, [audience()])]
        assert states == ["gone", "kept"]

    def test_a_list_that_was_there_already_is_not_taken_for_an_empty_one(self, world: World, tool: OpenTool) -> None:
        """The ledger and the lake are new, and the list is not: a new list with 1 of 101 people."""
        tool.ensure_audience("shoppers")
        tool.put("1", email="p0@shop.test")
        tool.put("1", email="gone@shop.test")
        world.people(PEOPLE)
        for _ in range(2):
            report = world.sync(OWN, tool)
            assert (report.status, len(tool.held())) == ("held", 2)
            assert report.reasons[0].startswith("unverified: tool already held 2 keys in it")
        [done] = again(world, OWN, tool)
        assert (done.status, done.unchanged, done.removed, done.remote) == ("synced", 0, 1, 12)
        assert tool.held() == WANTED

    def test_a_list_that_was_there_already_and_cannot_be_counted_is_replaced_and_not_added_to(
        self, world: World, tool: OpenTool
    ) -> None:
        """A new installation over an old account: whoever was in it stayed for good, and it was `synced`."""

        class Killed(FindingTool):
            killed = True

            def ensure_audience(self, name: str) -> str:
                remote_id = super().ensure_audience(name)
                if self.killed:
                    raise KeyboardInterrupt
                return remote_id

        finding = Killed(tool)
        world.people(PEOPLE)
        with pytest.raises(KeyboardInterrupt):
            world.sync(audience(name="others"), finding)
        finding.killed = False
        assert world.sync(audience(name="others"), finding).status == "synced", "the one that was made before the kill"
        there = tool.ensure_audience("shoppers")
        tool.put(there, email="gone@shop.test")
        for _ in range(2):
            report = world.sync(audience(), finding)
            assert (report.status, len(tool.held(there))) == ("held", 1)
            assert report.reasons[0].startswith("unverified: tool already had it when it was first looked up")
        [done] = again(world, audience(), finding)
        assert (done.status, tool.held(there)) == ("synced", WANTED)


def test_an_audience_stands_on_the_memberships_it_was_made_from(world: World, tool: OpenTool) -> None:
    world.people(PEOPLE)
    first, second = audience(), audience(name="others")
    world.sync(first, tool)
    world.members([p.profile_id for p in PEOPLE[:10]])
    world.sync(second, tool)
    one, other = standing(world.lake, world.ledger, [first, second])
    assert one.memberships is not None
    assert other.memberships is not None
    assert one.memberships < other.memberships
    assert "others at tool stands on" in one.why
    [recorded] = world.ledger.plans_of("others")
    assert recorded.plan.remote_id == "2"


def test_places_come_back_as_written(world: World) -> None:
    place = places.Place("a", "tool", "1", name="A", channel="ads", purpose="marketing")
    noted = world.ledger.places.note(place)
    assert world.ledger.places.all() == [noted]
    world.ledger.places.doubt("a", "lost")
    [doubted] = world.ledger.places.all("a")
    assert doubted.doubt == "lost"
    world.ledger.places.end(doubted, "gone")
    assert (world.ledger.places.all(), world.ledger.places.ever("a", "tool")) == ([], ["1"])
