"""Records of people in a till and a web shop, to be clustered: our identity stage, its clustering alone, and the edges of both."""

from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from segment_pipeline import clock
from segment_pipeline.profiles import build
from segment_pipeline.profiles.identity import resolution
from segment_pipeline.profiles.identity.components import components
from segment_pipeline.settings import memory_bytes
from segment_pipeline_tests.benchmarks.peers.lakes import fill, lake_of, settings_of

# One row per customer record: two thirds are a person's account at the till, one third the same people's in the web shop,
# where one in ten mistypes the e-mail. Nineteen in twenty give an e-mail and seven in ten a phone: 5 million of both on 3
# million records. Three in a hundred share their phone with the next person.
RECORDS: Final = """
SELECT
    CASE WHEN i < {people} THEN 'till' ELSE 'shop' END AS source,
    'customer' AS entity,
    CAST(i AS VARCHAR) AS customer_key,
    CASE
        WHEN i % 20 = 7 THEN NULL
        WHEN i >= {people} AND i % 10 = 3 THEN 'mistyped' || CAST(i AS VARCHAR) || '@mail.example'
        ELSE 'person' || CAST(i % {people} AS VARCHAR) || '@mail.example'
    END AS email,
    CASE WHEN (i // 7) % 10 < 7 THEN '+1212' || lpad(CAST(CASE
        WHEN i % {people} % 100 IN (1, 3, 5) THEN i % {people} - 1 ELSE i % {people}
    END AS VARCHAR), 7, '0') END AS phone,
    CAST(CAST('{first}' AS DATE) + CAST(i % 60 AS INTEGER) AS TIMESTAMPTZ) AS updated_at,
    CAST(CAST('{first}' AS DATE) + CAST(i % 60 AS INTEGER) AS TIMESTAMPTZ) AS created_at,
    TRUE AS contactable,
    CAST('{first}' AS DATE) + CAST(i % 60 AS INTEGER) AS day
FROM range({records}) AS t(i)
"""

MIXED: Final = """
SELECT count(DISTINCT profile_id)
FROM (SELECT profile_id FROM identities WHERE entity = 'customer' GROUP BY profile_id, source HAVING count(*) > 1) AS mixed
"""


def prepare(home: Path, records: int) -> None:
    """A lake that holds so many customer records and nothing else."""
    people = records // 3 * 2
    with lake_of(home).session() as session:
        fill(session, "customers", RECORDS.format(records=records, people=people, first=as_of() - timedelta(days=60)))


def as_of() -> date:
    return (clock.now() - timedelta(days=1)).date()


def resolve(home: Path) -> dict[str, Any]:
    """Our whole identity stage, and what it clusters: the edges go to `edges.parquet`, the nodes to `nodes.parquet`."""
    given: list[tuple[int, pa.Table]] = []

    def recorded(nodes: int, edges: pa.RecordBatchReader, memory: int) -> np.ndarray:
        given.append((nodes, edges.read_all()))
        return components(nodes, given[-1][1].to_reader(), memory)

    resolution.components = recorded  # type: ignore[attr-defined]
    lake, settings = lake_of(home), settings_of(home)
    began = perf_counter()
    report = build.identities(lake, as_of(), settings)
    seconds = perf_counter() - began
    resolution.components = components  # type: ignore[attr-defined]
    nodes, edges = given[0]
    with lake.session() as session:
        session.scan("identities", partitions={"as_of": [as_of()]})
        mixed = session.value(MIXED)
    pq.write_table(edges.rename_columns(["n_1", "n_2"]), home / "edges.parquet")
    pq.write_table(pa.table({"node": np.arange(1, nodes + 1)}), home / "nodes.parquet")
    return {
        "work": seconds,
        "nodes": nodes,
        "edges": edges.num_rows,
        "profiles": report.profiles,
        "contradictory": report.contradictory,
        "mixed": int(mixed),
    }


def cluster(home: Path) -> dict[str, Any]:
    """Our clustering alone, of the same edges; the smallest node of each node's component goes to `ours.parquet`."""
    edges = pq.read_table(home / "edges.parquet")
    nodes = pq.read_metadata(home / "nodes.parquet").num_rows
    began = perf_counter()
    smallest = components(nodes, edges.to_reader(), memory_bytes(settings_of(home).memory))
    seconds = perf_counter() - began
    pq.write_table(pa.table({"node": np.arange(1, nodes + 1), "cluster_id": smallest}), home / "ours.parquet")
    return {"work": seconds}
