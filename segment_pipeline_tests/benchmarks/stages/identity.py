"""Identity of the newest day: the whole of it, and the linking of records alone against the same by hand.

The whole has no twin by hand: contradictions are taken apart record by record, which no query does.
"""

import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segment_pipeline.days import AsOf
from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles import build
from segment_pipeline.profiles.identity.components import components
from segment_pipeline.profiles.identity.records import define_identifier_values, define_records
from segment_pipeline.settings import memory_bytes
from segment_pipeline_tests.benchmarks.company import IDENTITY, Company
from segment_pipeline_tests.benchmarks.stage import Stage

# What edges.sql reads, as files.
READ = {
    "identifiers": "SELECT record_no, value_no FROM identifiers",
    "identifier_values": "SELECT value_no, hub, records, refusal FROM identifier_values",
    "records": "SELECT record_no FROM records",
}


def cleared(company: Company) -> None:
    shutil.rmtree(company.root / "people", ignore_errors=True)


def resolved(company: Company) -> int:
    """In a home of its own: the first snapshot of a lake, with its profiles and their identifiers."""
    own = company.borrowed(company.root / "people")
    report = build.identities(own.lake, own.as_of, own.settings, IDENTITY)
    assert report.records > report.profiles > 0, report
    return report.records


def with_identifiers(company: Company) -> None:
    if _file(company, "records").exists():
        return
    settings = company.settings
    with company.lake.session() as session:
        define_records(session, AsOf(company.as_of, settings.timezone), IDENTITY)
        define_identifier_values(session, IDENTITY)
        for name, query in READ.items():
            reader = session.reader(query)
            with pq.ParquetWriter(_file(company, name), reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)


def linked(company: Company) -> int:
    """From the identifiers of each record to the smallest record number of its component."""
    with company.lake.session() as session:
        for name in READ:
            session.register(name, pq.read_table(_file(company, name)))
        count = int(session.value("SELECT count(*) FROM records"))
        edges = session.reader(statement("profiles/identity", "edges"))
        firsts = components(count, edges, memory_bytes(company.settings.memory))
        return int(np.count_nonzero(firsts == np.arange(1, count + 1)))


def linked_by_hand(company: Company) -> int:
    """The same edges, read at once, in scipy's plainest form; one label for each component."""
    hand = duckdb.connect(config={"memory_limit": company.settings.memory, "preserve_insertion_order": "false"})
    for name in READ:
        hand.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({literal(str(_file(company, name)))})")
    edges = hand.sql(
        "SELECT CAST(record_no AS INTEGER) - 1 AS a, CAST(hub AS INTEGER) - 1 AS b"
        " FROM identifiers JOIN identifier_values USING (value_no)"
        " WHERE refusal IS NULL AND records > 1 AND record_no <> hub"
    ).fetchnumpy()
    (count,) = hand.execute("SELECT count(*) FROM records").fetchone() or (0,)
    ones = np.ones(len(edges["a"]), dtype=np.bool_)
    graph = coo_array((ones, (edges["a"], edges["b"])), shape=(count, count))
    found: int = connected_components(graph, directed=False)[0]
    return int(found)


def _file(company: Company, name: str) -> Path:
    return company.root / f"linking-{name}.parquet"


STAGES = (
    Stage("identity", cleared, resolved),
    Stage("identity-linking", with_identifiers, linked, linked_by_hand),
)
