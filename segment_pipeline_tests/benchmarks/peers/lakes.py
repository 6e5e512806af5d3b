"""A lake for a comparison, written by queries: columns a query does not give are NULL, types are the declared ones."""

from pathlib import Path

from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.engine import Partitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import table
from segment_pipeline.settings import Settings


def lake_of(home: Path) -> Lake:
    """With the package's own settings, so that both sides run as they are installed."""
    return Lake.open(settings_of(home))


def settings_of(home: Path) -> Settings:
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(home), "SEGMENT_PIPELINE_SENDING": "on"})


def fill(session: Session, name: str, query: str, partitions: Partitions | None = None) -> int:
    """Make these the rows of a table, or of some of its partitions; returns how many."""
    given = set(session.table(f"SELECT * FROM ({query}) AS q WHERE FALSE").schema.names)
    declared = table(name)
    if unknown := given - set(declared.names):
        raise ValueError(f"table {name} has no columns {sorted(unknown)}")
    columns = (
        f"CAST({quote(c.name) if c.name in given else 'NULL'} AS {c.sql}) AS {quote(c.name)}" for c in declared.columns
    )
    return session.replace(name, f"SELECT {', '.join(columns)} FROM ({query}) AS q", partitions).rows
