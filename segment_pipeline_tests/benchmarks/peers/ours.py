"""Our side of each comparison, as a process of its own: `python -m segment_pipeline_tests.benchmarks.peers.ours ACTION HOME …`.

Prints one JSON object.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(action: str, home: str, *rest: str) -> None:
    print(json.dumps(_done(action, Path(home), rest)))


def _done(action: str, home: Path, rest: tuple[str, ...]) -> dict[str, Any]:
    # Imported by action: a command pays for the packages it uses, and for no other's.
    if action == "land":
        from segment_pipeline_tests.benchmarks.peers.span import shop

        return shop.land(home, Path(rest[0]))
    if action in {"build", "identities"}:
        from segment_pipeline_tests.benchmarks.peers.span import build

        return build.build(home) if action == "build" else build.identities(home)
    if action in {"resolve", "cluster"}:
        from segment_pipeline_tests.benchmarks.peers.splink import graph

        return graph.resolve(home) if action == "resolve" else graph.cluster(home)
    if action == "sync":
        from segment_pipeline_tests.benchmarks.peers.drt import members

        base_url, batch_rows = rest
        return members.sync_members(home, base_url, int(batch_rows))
    raise ValueError(f"there is no action {action}")


if __name__ == "__main__":
    main(*sys.argv[1:])
