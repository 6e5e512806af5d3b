"""One day of the starter company as a process of its own: people, traits, segments and the plan of an audience, for a home's lake.

Prints a line of JSON when each stage begins, with Spark's executors as they are then, and one with the plan's numbers at the end.
"""

import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import plan_only
from segment_pipeline.company import settings_here
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.settings import Settings
from segment_pipeline.starter.company import STARTER

# The files take who bought lately: of so few households nobody is in the segment they are fed from otherwise.
COMPANY = replace(
    STARTER, audiences=[replace(a, segment="recent_buyers") for a in STARTER.audiences if a.destination == "files"]
)
NUMBERS = ("candidates", "eligible", "desired", "unchanged", "added", "updated", "removed")


def planned(lake: Lake, settings: Settings) -> dict[str, int]:
    """The numbers of the plan of the audience that goes to files."""
    settings = replace(settings, destinations=("files",))
    tools = COMPANY.enabled_destinations(settings)
    of = Round(lake, Ledger.open(settings.ledger), COMPANY.enabled_audiences(settings), tools, settings)
    [report] = plan_only(of)
    return {name: asdict(report)[name] for name in NUMBERS}


def executors() -> dict[str, dict[str, int]]:
    """Each executor Spark ever had: whether it lives, and the tasks it has done."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None:
        return {}
    known = context._jsc.sc().statusStore().executorList(False)
    each = [known.apply(number) for number in range(known.size())]
    return {e.id(): {"alive": int(e.isActive()), "done": e.completedTasks()} for e in each if e.id() != "driver"}


def main(home: Path) -> None:
    os.environ["SEGMENT_PIPELINE_HOME"] = str(home)
    settings = settings_here()
    lake, day = Lake.open(settings), settings.end
    assert day is not None

    def begin(stage: str) -> None:
        print(json.dumps({"stage": stage, "executors": executors()}), flush=True)

    begin("identities")
    build.identities(lake, day, settings, COMPANY.identity)
    begin("traits")
    build.traits(lake, day, settings, identity_rules=COMPANY.identity)
    begin("segments")
    report = build_memberships(lake, day, COMPANY.segments, settings, vocabulary=COMPANY.vocabulary)
    assert not report.failed, report.failed
    begin("audiences")
    plan = planned(lake, settings)
    begin("end")
    print(json.dumps(plan), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
