"""What a sync says of itself beyond its numbers: how far behind the day its rows were taken, and what refusals mean."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from segment_pipeline.audiences.report import SyncReport, hours_behind
from segment_pipeline.defs.audiences import metadata
from segment_pipeline_tests.audiences.test_keys import ANN, BOB
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import World, audience

END = datetime(2017, 7, 1, tzinfo=UTC)


def at(hours: float) -> datetime:
    return END + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ([], {}),
        ([(at(2), 10)], {"p50": 2.0, "p95": 2.0}),
        ([(at(1), 50), (at(3), 45), (at(9), 5)], {"p50": 1.0, "p95": 3.0}),
        ([(at(1), 49), (at(3), 45), (at(9), 6)], {"p50": 3.0, "p95": 9.0}),
        ([(at(-1), 0), (at(5), 1)], {"p50": 5.0, "p95": 5.0}),
    ],
)
def test_how_far_behind_the_day_is_of_the_rows_not_of_the_batches(
    answered: list[tuple[datetime, int]], told: dict[str, float]
) -> None:
    assert hours_behind(END, answered) == told


def test_a_sync_tells_how_long_after_its_day_the_tool_had_answered(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "t.sqlite")
    world.people([ANN, BOB])
    assert world.sync(audience(), tool).hours_behind == {"p50": 6.0, "p95": 6.0}
    assert world.sync(audience(), tool).hours_behind == {}, "nothing was sent"


class Explained(Tool):
    reasons = {"odd": "its own words"}


def test_what_refusals_mean_stands_beside_their_number(tmp_path: Path) -> None:
    report = SyncReport("vip", "tool", "synced", None, rejections={"no_identifier": 7, "odd": 2, "xyz": 1})
    told = metadata(report, Explained(tmp_path / "t.sqlite"))
    assert (told["rejected_no_identifier"], told["rejected_odd"], told["rejected_xyz"]) == (7, 2, 1)
    table = told["rejections"]
    assert isinstance(table, dg.MarkdownMetadataValue)
    assert "| `no_identifier` | 7 | nothing by which" in str(table.value)
    assert "| `odd` | 2 | its own words |" in str(table.value)
    assert "| `xyz` | 1 | a code of the tool's own" in str(table.value)
    assert "rejections" not in metadata(SyncReport("vip", "tool", "synced", None), Tool(tmp_path / "t.sqlite"))
