"""The daemon, really running: the schedule launches the refresh, and the sensor then launches the sync, once."""

import shutil
import time
from pathlib import Path

import pytest

from segment_pipeline_tests.defs.dagster_process import DagsterProcess


# Most of it is waiting for the minutes of a schedule and a sensor.
@pytest.mark.timeout(600)
def test_the_schedule_refreshes_the_newest_day_and_the_sensor_then_syncs_once(demo_copy: Path) -> None:
    shutil.rmtree(demo_copy / "dagster")
    environ = {"SEGMENT_PIPELINE_CRON": "* * * * *"}
    with DagsterProcess(demo_copy, environ) as dagster:

        def ended(job: str) -> list[str] | None:
            states = [run["status"] for run in dagster.runs(job)]
            return states if any(state in ("SUCCESS", "FAILURE", "CANCELED") for state in states) else None

        assert "SUCCESS" in dagster.until("a scheduled refresh ended", lambda: ended("refresh"), 240)
        assert dagster.until("a sync ended", lambda: ended("sync"), 180) == ["SUCCESS"]
        tags = {tag["key"]: tag["value"] for tag in dagster.runs("refresh")[-1]["tags"]}
        assert tags["dagster/schedule_name"] == "nightly"
        assert tags["dagster/partition"] == "2017-12-31"
        # Two more ticks of the sensor, and at least one more of the schedule, launch no second sync.
        time.sleep(65)
        assert len(dagster.runs("refresh")) >= 2
        assert [run["status"] for run in dagster.runs("sync")] == ["SUCCESS"]
