"""What we remember is lost, or older than it was: that is seen, and nothing is sent until it is known again what the tools hold."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from segment_pipeline.audiences import trust
from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.places import CURRENT, LEFT, Place
from segment_pipeline.audiences.standing import standing
from segment_pipeline.audiences.sync import approve
from segment_pipeline.lake.storage import LostTable
from segment_pipeline_tests.audiences.shoppers import OWN, PEOPLE, again, denied, ended, left
from segment_pipeline_tests.audiences.tool import BlindTool, DeletingTool, OpenTool, ReplacingTool
from segment_pipeline_tests.audiences.world import World, audience


@pytest.fixture
def tool(tmp_path: Path) -> OpenTool:
    return OpenTool(tmp_path / "tool.sqlite")


def ledger_lost(world: World, before: Path) -> None:
    for path in world.home.glob("ledger.sqlite*"):
        path.unlink()


def ledger_older(world: World, before: Path) -> None:
    ledger_lost(world, before)
    shutil.copy(before / "ledger.sqlite", world.home / "ledger.sqlite")


def lake_older(world: World, before: Path) -> None:
    for name in ("audience_members", "plan_rows", "sent_keys"):
        world.lose(name)
        shutil.copytree(before / "lake" / name, world.home / "lake" / name)


def members_lost(world: World, before: Path) -> None:
    world.lose("audience_members")


def activation_lost(world: World, before: Path) -> None:
    for name in ("audience_members", "plan_rows", "sent_keys", "_tables"):
        world.lose(name)


LOSSES: dict[str, Callable[[World, Path], None]] = {
    "the ledger": ledger_lost,
    "the ledger, an older one put back": ledger_older,
    "the lake, an older one put back": lake_older,
    "what was sent": members_lost,
    "all of activation": activation_lost,
}


def restored(world: World, tool: OpenTool, loss: str, who: Audience) -> World:
    """Twelve people were sent, and one of the files of memory is no longer what it was; then some left and one denied."""
    before = world.home / "before"
    world.people(PEOPLE[:6])
    world.sync(who, tool)
    world.ledger.close()
    before.mkdir()
    shutil.copytree(world.home / "lake", before / "lake")
    shutil.copy(world.home / "ledger.sqlite", before / "ledger.sqlite")
    world.ledger = Ledger.open(f"sqlite:///{world.home / 'ledger.sqlite'}")
    world.people(PEOPLE)
    world.sync(who, tool)
    world.ledger.close()
    LOSSES[loss](world, before)
    fresh = world.opened()
    denied(fresh, "p0")
    fresh.members([p.profile_id for p in PEOPLE[:10]])
    world.ledger = fresh.ledger
    return fresh


class TestMemory:
    """What we remember is lost, or older than it was."""

    @pytest.fixture
    def restored(self, world: World, tool: OpenTool, request: pytest.FixtureRequest) -> World:
        return restored(world, tool, request.param, OWN)

    @pytest.mark.parametrize("restored", LOSSES, indirect=True)
    def test_it_is_held_until_it_is_reconciled_with_the_tool(self, restored: World, tool: OpenTool) -> None:
        """drt 688; after a kill in mid-push 50 were lost and 50 extra for good."""
        for _ in range(2):
            report = restored.sync(OWN, tool)
            assert (report.status, report.added) == ("held", 0)
            assert report.reasons[0].startswith("unverified: ")
            assert "segment-pipeline audiences reconcile shoppers --destination tool" in report.reasons[0]
        assert [s.state for s in standing(restored.lake, restored.ledger, [OWN])] == ["unverified"]
        calls = tool.calls()
        [shown] = again(restored, OWN, tool, show=True)
        assert (shown.status, tool.calls()) == ("planned", calls)
        [done] = again(restored, OWN, tool)
        assert (done.status, done.remote) == ("synced", 9)
        assert tool.held() == {(p.email, p.phone) for p in PEOPLE[1:10]}
        assert (restored.sync(OWN, tool).status, restored.sync(OWN, tool).requests) == ("synced", 0)

    @pytest.mark.parametrize("restored", LOSSES, indirect=True)
    @pytest.mark.parametrize("kind", [ReplacingTool, DeletingTool])
    def test_a_tool_that_cannot_be_read_is_given_all_of_it(
        self, restored: World, tool: OpenTool, kind: type[BlindTool]
    ) -> None:
        blind = kind(tool)
        assert restored.sync(OWN, blind).status == "held"
        first, *_ = again(restored, OWN, blind)
        assert first.status == "synced"
        assert len(tool.lists()) == 1, "the old one is gone"
        assert tool.held(next(iter(tool.lists()))) == {(p.email, p.phone) for p in PEOPLE[1:10]}
        assert restored.sync(OWN, blind).requests == 0


class TestShared:
    """Others write to the audience too: ours are known there by what is remembered and by what is on record of having been sent."""

    RIGHT: ClassVar = {(p.email, p.phone) for p in PEOPLE[1:10]}
    THEIRS: ClassVar = ("theirs@else.test", None)
    FORGOTTEN: ClassVar = ["the lake, an older one put back", "all of activation"]

    @pytest.mark.parametrize("loss", sorted(LOSSES.keys() - FORGOTTEN))
    def test_members_of_others_are_left_where_records_tell_who_is_ours(
        self, world: World, tool: OpenTool, loss: str
    ) -> None:
        fresh = restored(world, tool, loss, audience())
        tool.put("1", email="theirs@else.test")
        assert fresh.sync(audience(), tool).status == "held"
        [done] = again(fresh, audience(), tool)
        assert (done.status, tool.held()) == ("synced", self.RIGHT | {self.THEIRS})

    @pytest.mark.parametrize("loss", FORGOTTEN)
    def test_whose_they_are_is_asked_where_no_record_is_left_of_what_was_sent(
        self, world: World, tool: OpenTool, loss: str
    ) -> None:
        """Who was sent after the copy was made and left since was taken for a member of others, and the audience was `synced`."""
        fresh = restored(world, tool, loss, audience())
        tool.put("1", email="theirs@else.test")
        held = tool.held()
        for show in (False, True, False):
            [asked] = again(fresh, audience(), tool, show=show)
            assert (asked.status, asked.added) == ("held", 0)
            assert asked.reasons[0].startswith("unverified: no record is left of the keys of ")
            assert (
                "`segment-pipeline audiences reconcile shoppers --destination tool --strangers ours`"
                in asked.reasons[0]
            )
            assert tool.held() <= held
        assert fresh.sync(audience(), tool).status == "held"
        [theirs] = again(fresh, audience(), tool, strangers="theirs")
        assert theirs.status == "synced"
        assert tool.held() > self.RIGHT
        assert self.THEIRS in tool.held()

    @pytest.mark.parametrize("loss", FORGOTTEN)
    def test_all_of_them_are_ours_where_somebody_says_so(self, world: World, tool: OpenTool, loss: str) -> None:
        fresh = restored(world, tool, loss, audience())
        [ours] = again(fresh, audience(), tool, strangers="ours")
        assert (ours.status, tool.held()) == ("synced", self.RIGHT)
        assert (fresh.sync(audience(), tool).status, fresh.sync(audience(), tool).requests) == ("synced", 0)


class TestForgottenPlaces:
    """The lake remembers a place of an audience that an older ledger, or a new one, knows nothing of."""

    @pytest.fixture
    def moved(self, world: World, tool: OpenTool) -> World:
        """The audience went on in another list of the tool, and a copy of the ledger is from before that."""
        blind = DeletingTool(tool)
        world.people(PEOPLE)
        world.sync(audience(), blind)
        world.ledger.close()
        shutil.copy(world.home / "ledger.sqlite", world.home / "older.sqlite")
        world.ledger = Ledger.open(f"sqlite:///{world.home / 'ledger.sqlite'}")
        world.ledger.places.doubt("shoppers", "a table was lost")
        assert again(world, audience(), blind)[0].status == "synced"
        world.ledger.close()
        assert list(tool.lists()) == ["2"]
        for path in world.home.glob("ledger.sqlite*"):
            path.unlink()
        return world

    def older(self, world: World) -> World:
        shutil.copy(world.home / "older.sqlite", world.home / "ledger.sqlite")
        world.ledger = world.opened().ledger
        return world

    def test_one_nobody_declares_is_held_and_retired(self, moved: World, tool: OpenTool) -> None:
        """The place the older ledger knew was gone, so all was `retired`, and twelve people stayed where the lake said they were."""
        world, blind = self.older(moved), DeletingTool(tool)
        found = {report.status: report for report in left(world, tools={"tool": blind})}
        assert set(found) == {"retired", "held"}
        assert "audiences retire shoppers --destination tool" in "; ".join(found["held"].reasons)
        ended(world, blind, "delete")
        assert (tool.lists(), left(world, tools={"tool": blind})) == ({}, [])

    @pytest.mark.parametrize("older", [True, False])
    def test_one_that_is_declared_is_unverified_and_goes_on_under_a_name_nobody_gave(
        self, moved: World, tool: OpenTool, older: bool
    ) -> None:
        """A list made under a number of the ledger's was the one that was there already, and not empty."""
        world, blind = self.older(moved) if older else moved.opened(), DeletingTool(tool)
        world.members([p.profile_id for p in PEOPLE[:6]])
        report = world.sync(audience(), blind)
        assert (report.status, report.reasons[0][:12]) == ("held", "unverified: ")
        assert again(world, audience(), blind)[0].status == "synced"
        assert list(tool.lists()) == ["3"]
        assert tool.held("3") == {(p.email, p.phone) for p in PEOPLE[:6]}
        assert (world.sync(audience(), blind).requests, left(world, audience(), tools={"tool": blind})) == (0, [])

    def test_of_two_at_one_tool_the_audience_is_kept_at_one(self, moved: World, tool: OpenTool) -> None:
        """Both were `current`: the next sync saw to one of them, and nobody to the other."""
        world = moved.opened()
        twice = [row | {"remote_id": "1"} for row in world.rows("audience_members")]
        world.write("audience_members", [*world.rows("audience_members"), *twice], {"audience": ["shoppers"]})
        trust.adopted(world.lake, world.ledger, "shoppers", "tool")
        assert [(p.remote_id, p.state) for p in world.ledger.places.all()] == [("1", LEFT), ("2", CURRENT)]

    def test_a_tool_the_ledger_may_have_forgotten_is_in_doubt_too(self, world: World, tool: OpenTool) -> None:
        """A push to it of which the ledger knows nothing any more left its plan in the lake, and no members yet."""
        other = OpenTool(world.home / "other.sqlite", "other")
        blind, moving = DeletingTool(other), audience(destination="other")
        world.people(PEOPLE)
        world.sync(audience(), tool)
        world.ledger.close()
        shutil.copy(world.home / "ledger.sqlite", world.home / "older.sqlite")
        world.ledger = Ledger.open(f"sqlite:///{world.home / 'ledger.sqlite'}")

        def stop(name: str) -> None:
            if name == "after apply":
                raise KeyboardInterrupt

        other.step = stop
        with pytest.raises(KeyboardInterrupt):
            world.sync(moving, blind)
        other.step = lambda name: None
        world.ledger.close()
        for path in world.home.glob("ledger.sqlite*"):
            path.unlink()
        fresh = self.older(world)
        fresh.members([p.profile_id for p in PEOPLE[6:]])
        report = fresh.sync(moving, blind)
        assert (report.status, report.reasons[0][:12]) == ("held", "unverified: ")
        assert again(fresh, moving, blind)[0].status == "synced"
        [remote_id] = other.lists()
        assert other.held(remote_id) == {(p.email, p.phone) for p in PEOPLE[6:]}


@pytest.mark.parametrize("kind", [ReplacingTool, DeletingTool])
def test_a_guard_that_holds_a_reconciliation_holds_no_denial_and_makes_nothing_at_the_tool(
    world: World, tool: OpenTool, kind: type[BlindTool]
) -> None:
    """Each try of a held one left another empty list behind, and those who had said no in the audience."""
    guarded, blind = audience(guards=Guards(removal_keys=1, minimum=0)), kind(tool)
    world.people(PEOPLE)
    world.sync(guarded, blind)
    world.ledger.places.doubt("shoppers", "an older ledger was put back")
    denied(world, "p0")
    world.members([p.profile_id for p in PEOPLE[:8]])
    [shown] = again(world, guarded, blind, show=True)
    assert (shown.status, shown.reasons, shown.removed, shown.held_removals, shown.held) == (
        "held",
        ("removals",),
        1,
        4,
        7,
    )
    for removed in (1, 0):
        [report] = again(world, guarded, blind)
        assert (report.status, report.removed, report.held_removals, report.held) == ("held", removed, 4, 7)
        assert (tool.lists(), tool.held()) == ({"1": "shoppers"}, {(p.email, p.phone) for p in PEOPLE[1:]})
    sent = approve(world.round([guarded], {"tool": blind}), report.digests[-1])
    assert sent.status == "synced"
    [here] = [p for p in world.ledger.places.all() if p.state == CURRENT]
    assert tool.held(here.remote_id) == {(p.email, p.phone) for p in PEOPLE[1:8]}
    assert here.doubt is None


def test_a_list_that_was_forgotten_is_not_looked_up_where_nothing_may_be_sent(world: World, tool: OpenTool) -> None:
    """Looking it up makes it where it is not there."""
    world.people(PEOPLE)
    world.ledger.places.note(Place("shoppers", "tool", doubt="the ledger was lost"))
    guarded = audience(guards=Guards(minimum=100))
    assert ([r.status for r in again(world, guarded, tool)], tool.lists()) == (["held"], {})
    assert ([r.status for r in again(world, audience(), tool)], tool.lists()) == (["synced"], {"1": "shoppers"})


@pytest.mark.parametrize("name", ["suppressions", "consents"])
def test_nobody_is_sent_where_a_table_of_denials_is_lost(world: World, tool: OpenTool, name: str) -> None:
    """drt 688: ten complainers were written to again."""
    world.people(PEOPLE[:6])
    world.suppress([("email", "p1@shop.test", "*", "complained")])
    world.sync(audience(), tool)
    world.people(PEOPLE)
    world.lose(name)
    fresh = world.opened()
    for _ in range(2):
        report = fresh.sync(audience(), tool)
        assert (report.status, report.added) == ("held", 0)
        assert f"lost_denials: table {name} is lost" in report.reasons[0]
        assert f"`segment-pipeline accept {name}`" in report.reasons[0]
    assert len(tool.held()) == 5
    trust.accept(fresh.lake, fresh.ledger, name)
    fresh.people(PEOPLE)
    fresh.suppress([("email", "p1@shop.test", "*", "complained")])
    trust.accept(fresh.lake, fresh.ledger, name)
    assert (fresh.sync(audience(), tool).status, len(tool.held())) == ("synced", 11)
    fresh.ledger.close()


def test_denials_of_the_other_table_still_go_out(world: World, tool: OpenTool) -> None:
    world.people(PEOPLE)
    world.suppress([("email", "p1@shop.test", "*", "complained")])
    world.sync(audience(), tool)
    denied(world, "p0")
    world.lose("suppressions")
    report = world.opened().sync(audience(), tool)
    assert (report.status, report.removed, report.remote) == ("held", 1, 10)


def test_a_table_that_was_written_and_is_missing_is_not_an_empty_one(world: World) -> None:
    world.people(PEOPLE)
    world.lose("consents")
    lake = world.opened().lake
    with lake.session() as session, pytest.raises(LostTable, match="consents was written to and is missing"):
        session.scan("consents")
    with pytest.raises(LostTable):
        world.people(PEOPLE)
    lake.begin("consents")
    with lake.session() as session:
        session.scan("consents")
        session.scan("orders")


@pytest.mark.parametrize("name", ["memberships", "profile_identifiers", "profile_aliases"])
def test_what_can_be_computed_again_is_not_empty_for_an_audience(world: World, tool: OpenTool, name: str) -> None:
    world.people(PEOPLE)
    world.alias([("old", "p0")])
    world.sync(audience(), tool)
    world.lose(name)
    lake = world.opened().lake
    report = world.sync(audience(), tool)
    assert (report.status, len(tool.held())) == ("failed", 12)
    assert f"table {name} was written to and is missing" in report.reasons[0]
    with lake.session() as session:
        session.scan(name)


def test_hashes_of_what_was_sent_tell_nothing_without_the_ledger(world: World, tool: OpenTool) -> None:
    world.people(PEOPLE)
    world.sync(audience(), tool)
    rows = world.rows("sent_keys")
    assert len(rows) == 18
    assert "shop.test" not in json.dumps(rows, default=str)
    assert {row["destination"] for row in rows} == {"tool"}
