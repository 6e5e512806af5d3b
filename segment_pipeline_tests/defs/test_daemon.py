"""The daemon, really running: the schedule launches the refresh, and the sensor then launches the sync, once."""

import shutil
from pathlib import Path

import pytest

from segment_pipeline_tests.defs.dagster_process import DagsterProcess


@pytest.mark.dagster
def test_the_schedule_refreshes_the_newest_day_and_the_sensor_then_syncs_once(demo_copy: Path) -> None:
    shutil.rmtree(demo_copy / "dagster")
    with DagsterProcess(demo_copy, {"SEGMENT_PIPELINE_CRON": "* * * * *"}) as dagster:

        def states(job: str) -> list[str]:
            return [run["status"] for run in dagster.runs(job)]

        def ended(job: str) -> bool:
            return any(state in ("SUCCESS", "FAILURE", "CANCELED") for state in states(job))

        dagster.until("a scheduled refresh ended", lambda: ended("refresh"))
        # Ticks every minute, and yet no second refresh of a day while the first was at work.
        refreshes = dagster.runs("refresh")
        assert refreshes[-1]["status"] == "SUCCESS"
        assert "SUCCESS" not in [run["status"] for run in refreshes[:-1]]
        assert len(refreshes) <= 2
        tags = {tag["key"]: tag["value"] for tag in refreshes[-1]["tags"]}
        assert tags["dagster/schedule_name"] == "nightly"
        assert tags["dagster/partition"] == "2017-12-31"
        dagster.until("a sync ended", lambda: ended("sync"))
        dagster.until("the schedule launched again", lambda: len(states("refresh")) >= 2)

        def handled() -> int:
            return dagster.log.read_text().count("Sensor new_day skipped: 2017-12-31 is already handled")

        before = handled()
        dagster.until("the sensor looked twice more", lambda: handled() >= before + 2)
        assert states("sync") == ["SUCCESS"]
