"""One day of the starter company as a process of its own: people, traits, segments and the plan of an audience, for a home's lake.

Prints a line when each begins, and the plan's numbers as JSON at the end. The engine is what the environment says.
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.sync import plan_only
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.settings import Settings, adopt
from segment_pipeline.starter.company import STARTER

NUMBERS = ("candidates", "eligible", "desired", "unchanged", "added", "updated", "removed")


def main(home: Path) -> None:
    adopt(home)
    settings = replace(Settings.from_env(), destinations=("files",))
    lake, day = Lake.open(settings), settings.end
    assert day is not None
    for stage in ("identities", "traits"):
        print(stage, flush=True)
        getattr(build, stage)(lake, day, settings)
    print("segments", flush=True)
    report = build_memberships(lake, day, STARTER.segments, settings)
    assert not report.failed, report.failed
    print("audiences", flush=True)
    audiences = STARTER.enabled_audiences(settings)
    [planned] = plan_only(
        lake, Ledger.open(settings.ledger), audiences, STARTER.enabled_destinations(settings), settings
    )
    print(json.dumps({name: asdict(planned)[name] for name in NUMBERS}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
