"""One audience under another name: here and at its tool, killed half-way, and where memory is older than the renaming."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.audiences import memory
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.ledger_tables import renames
from segment_pipeline.audiences.rename import rename
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import migrations
from segment_pipeline_tests.audiences.shoppers import PEOPLE, again, denied, ended, left
from segment_pipeline_tests.audiences.tool import OpenTool, Tool
from segment_pipeline_tests.audiences.world import World, audience


@pytest.fixture
def tool(tmp_path: Path) -> OpenTool:
    return OpenTool(tmp_path / "tool.sqlite")


class TestRename:
    def named(self, world: World, tool: Destination, new: str = "buyers", **options: Any) -> int:
        after = [audience(name=new, **options)]
        return rename(world.lake, world.ledger, "shoppers", new, declared=after, destinations={"tool": tool})

    @pytest.mark.parametrize("renameable", [True, False])
    def test_one_audience_under_its_new_name_and_nobody_left_behind(
        self, world: World, tmp_path: Path, renameable: bool
    ) -> None:
        """grouparoo 274: a second list was made, and the old one kept everybody, the withdrawn included."""
        tool = (OpenTool if renameable else Tool)(tmp_path / "tool.sqlite")
        world.people(PEOPLE)
        world.sync(audience(), tool)
        denied(world, "p0")
        world.members([p.profile_id for p in PEOPLE[:10]])
        assert self.named(world, tool) > 0
        assert tool.lists() == {"1": "buyers" if renameable else "shoppers"}
        report = world.sync(audience(name="buyers"), tool)
        assert (report.status, report.removed, report.unchanged, report.remote) == ("synced", 3, 9, 9)
        assert tool.held() == {(p.email, p.phone) for p in PEOPLE[1:10]}
        assert len(tool.lists()) == 1
        assert left(world, audience(name="buyers"), tools={"tool": tool}) == []

    def test_a_name_of_its_own_stays_the_tools(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        world.sync(audience(remote_name="Our buyers"), tool)
        self.named(world, tool, remote_name="Our buyers")
        assert tool.lists() == {"1": "Our buyers"}

    def test_killed_anywhere_the_same_call_finishes_and_nothing_is_sent_until_then(
        self, world: World, tool: OpenTool
    ) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)

        def stop(name: str) -> None:
            raise KeyboardInterrupt

        tool.step = stop
        with pytest.raises(KeyboardInterrupt):
            self.named(world, tool)
        tool.step = lambda name: None
        for name in ("shoppers", "buyers"):
            report = world.sync(audience(name=name), tool)
            assert report.status == "failed"
            assert "`segment-pipeline rename audience shoppers buyers`" in report.reasons[0]
        with pytest.raises(ConfigError, match="half renamed"):
            self.named(world, tool, "others")
        self.named(world, tool)
        assert tool.lists() == {"1": "buyers"}
        report = world.sync(audience(name="buyers"), tool)
        assert (report.status, report.unchanged, report.requests) == ("synced", 12, 0)

    def test_what_was_left_is_seen_to_before_a_killed_one_is_finished(self, world: World, tool: OpenTool) -> None:
        """The lake knew the new name already, and its place was written down a second time."""
        world.people(PEOPLE)
        world.sync(audience(), tool)
        with world.ledger.transaction() as connection:
            connection.execute(renames.insert().values(old="shoppers", new="buyers"))
        number = memory.epoch(world.lake, "shoppers")
        migrations.rename(world.lake, "audience", "shoppers", "buyers", marker=(memory.application("buyers"), number))
        left(world, audience(name="buyers"), tools={"tool": tool})
        self.named(world, tool)
        report = world.sync(audience(name="buyers"), tool)
        assert (report.status, report.unchanged, report.requests) == ("synced", 12, 0)

    def test_the_old_name_is_free_for_another_audience(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        world.sync(audience(), tool)
        self.named(world, tool)
        report = world.sync(audience(), tool)
        assert (report.status, report.added, tool.lists()) == ("synced", 12, {"1": "buyers", "2": "shoppers"})
        ended(world, tool, "delete", audience(name="buyers"))
        assert world.sync(audience(), tool).added == 12

    def test_a_name_somebody_has_is_not_taken(self, world: World, tool: OpenTool) -> None:
        world.people(PEOPLE)
        for name in ("shoppers", "buyers"):
            world.sync(audience(name=name), tool)
        with pytest.raises(ConfigError, match="buyers is kept somewhere already"):
            self.named(world, tool)
        with pytest.raises(ConfigError, match="no tool holds it"):
            rename(world.lake, world.ledger, "nobody", "else")

    def test_an_older_ledger_learns_of_it_from_the_lake(self, world: World, tool: OpenTool) -> None:
        """The list was two audiences' in its eyes: retiring the old name would have deleted that of the new one."""
        world.people(PEOPLE)
        world.sync(audience(), tool)
        world.ledger.close()
        shutil.copy(world.home / "ledger.sqlite", world.home / "older.sqlite")
        world.ledger = Ledger.open(f"sqlite:///{world.home / 'ledger.sqlite'}")
        self.named(world, tool)
        world.ledger.close()
        for path in world.home.glob("ledger.sqlite*"):
            path.unlink()
        shutil.copy(world.home / "older.sqlite", world.home / "ledger.sqlite")
        fresh, buyers = world.opened(), audience(name="buyers")
        report = fresh.sync(buyers, tool)
        assert (report.status, report.reasons[0][:12]) == ("held", "unverified: ")
        assert left(fresh, buyers, tools={"tool": tool}) == []
        [done] = again(fresh, buyers, tool)
        assert (done.status, done.requests) == ("synced", 0)
        fresh.ledger.close()
