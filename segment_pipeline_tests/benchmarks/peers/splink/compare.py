"""Clustering 3 million records by 5 million identifiers: the edges of our identity stage, given to both."""

import sys
from pathlib import Path
from typing import Final

import duckdb

from segment_pipeline_tests.benchmarks.peers.command import run
from segment_pipeline_tests.benchmarks.peers.comparison import Comparison, Finding, Place, Work
from segment_pipeline_tests.benchmarks.peers.splink.graph import prepare

RECORDS: Final = 3_000_000
MEMORY: Final = "6GB"  # of Splink's engine; ours is not limited beyond what it takes
OURS: Final = [sys.executable, "-m", "segment_pipeline_tests.benchmarks.peers.ours"]


def compare(place: Place) -> Comparison:
    home = place.folder("graph")
    prepare(home, max(300, round(RECORDS * place.share) // 3 * 3))
    stage = run([*OURS, "resolve", str(home)])
    ours = run([*OURS, "cluster", str(home)])
    script = str(Path(__file__).parent / "cluster.py")
    peer = run([place.program("splink", "python"), script, str(home), MEMORY])
    different = _different(home)
    edges, nodes = stage.said["edges"], stage.said["nodes"]
    return Comparison(
        "splink 5.0.0",
        [
            Work(f"clustering alone, {nodes:,} records, {edges:,} edges", ours, peer, alone=True, target=8.0),
            Work("our whole identity stage, their clustering alone", stage, peer, alone=True),
        ],
        [
            Finding("records whose cluster is not the other's", different, different),
            # Their clusters are ours, so what contradicts itself in ours before it is taken apart does so in theirs.
            Finding("persons with two accounts of one system", stage.said["mixed"], stage.said["contradictory"]),
        ],
    )


def _different(home: Path) -> int:
    query = f"""
    SELECT count(*) FROM read_parquet('{home / "ours.parquet"}') AS o
    FULL JOIN read_parquet('{home / "splink.parquet"}') AS s ON s.node = o.node
    WHERE s.cluster_id IS DISTINCT FROM o.cluster_id
    """
    return int(duckdb.execute(query).fetchall()[0][0])
