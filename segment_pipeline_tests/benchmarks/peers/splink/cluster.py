"""Splink's clustering of `nodes.parquet` and `edges.parquet`, into `splink.parquet`. Runs in Splink's own environment.

DuckDB is its fastest backend. The input is put into tables of its connection before the clock starts, as after its own
prediction step; every edge counts as a match, so that nothing is filtered. `materialisation='parquet'` is for results that
do not fit into memory, and slower.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import duckdb


def main(home: Path, memory: str) -> None:
    from splink import DuckDBAPI  # type: ignore[import-not-found]
    from splink.clustering import cluster_pairwise_predictions_at_threshold  # type: ignore[import-not-found]

    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{memory}'; SET temp_directory = '{home / 'splink-spill'}'")
    for name in ("nodes", "edges"):
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_parquet('{home / name}.parquet')")
    began = perf_counter()
    clusters = cluster_pairwise_predictions_at_threshold(
        connection.table("nodes"),
        connection.table("edges"),
        DuckDBAPI(connection),
        node_id_column_name="node",
        edge_id_column_name_left="n_1",
        edge_id_column_name_right="n_2",
    )
    seconds = perf_counter() - began
    connection.execute(f"COPY (SELECT node, cluster_id FROM {clusters.physical_name}) TO '{home / 'splink.parquet'}'")
    print(json.dumps({"work": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
