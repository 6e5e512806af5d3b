"""The newest snapshot of a table that is published, and what changed since the one that was: told apart by their files.

Files of a Delta table never change, so the digest of their names stands for the rows: a version number alone would mean
something else in a lake that was built again or restored from a copy.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.engine import Partitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import generated, statement
from segment_pipeline.publishing.shape import Shape


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One as-of day of a table in one version of it. `files`: digest of the names of the files that hold its rows."""

    as_of: date
    version: int
    files: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows of one table that differ between two snapshots, by what happened to their key."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


def newest(session: Session, shape: Shape, segments: Sequence[str]) -> Snapshot:
    """The newest snapshot, at the version the session reads; for memberships the newest day all `segments` were evaluated on.

    A segment never evaluated at all holds nothing up. Raises ConfigError when there is no such day.
    """
    lake, name = session.lake, shape.name
    if name == "memberships":
        session.scan("segment_sizes")
        query = statement("publishing", "newest_memberships")
        as_of = session.value(query, segments=list(segments)) if segments else None
    elif "as_of" in shape.source.partition_by:
        as_of = max(lake.snapshots(name), default=None)
    else:
        session.scan(name)
        as_of = session.value(f"SELECT max(as_of) FROM {quote(name)}")
    version = lake.version(name)
    if as_of is None or version is None:
        raise ConfigError(f"there is no day with all {name} yet: run the refresh job, then publish")
    session.pins.setdefault(name, version)
    return Snapshot(as_of, session.pins[name], _digest(lake, shape, as_of, session.pins[name]))


def readable(lake: Lake, shape: Shape, then: Snapshot) -> bool:
    """The lake still has that snapshot: its version's log, and the log names the very files."""
    try:
        return _digest(lake, shape, then.as_of, then.version) == then.files
    except ContractError:
        return False


def define_changes(session: Session, shape: Shape, then: Snapshot, now: Snapshot) -> Changes | None:
    """The view `changes`, one row per person or membership that differs between two snapshots, and how many there are.

    `_change` is inserted, updated or deleted; columns that are no key hold the new values. None: files of `then` are gone.
    """
    session.pins[shape.name] = then.version
    try:
        session.scan(shape.name, partitions=_partitions(shape, then.as_of), alias="published")
        # Opens every file, so that one the maintenance removed is noticed here and not half-way.
        session.value("SELECT count(*) FROM published")
    except ContractError:
        return None
    finally:
        session.pins[shape.name] = now.version
    define_rows(session, shape, now)
    session.define("changes", generated(f"changes of {shape.name}", _difference(shape)), materialize=True)
    counted = session.rows("SELECT _change, count(*) AS n FROM changes GROUP BY _change")
    return Changes(**{row["_change"]: row["n"] for row in counted})


def define_rows(session: Session, shape: Shape, now: Snapshot) -> None:
    """The view `newest`: the rows of a snapshot, with the published columns among others."""
    session.scan(shape.name, partitions=_partitions(shape, now.as_of), alias="newest")


def _difference(shape: Shape) -> str:
    first = quote(shape.key[0])
    same = " AND ".join(f"n.{quote(k)} = p.{quote(k)}" for k in shape.key)
    others = [quote(c) for c in shape.names if c not in shape.key]
    differs = "".join(f" OR n.{c} IS DISTINCT FROM p.{c}" for c in others)
    columns = ", ".join(
        f"coalesce(n.{quote(c)}, p.{quote(c)}) AS {quote(c)}" if c in shape.key else f"n.{quote(c)}"
        for c in shape.names
    )
    change = f"CASE WHEN p.{first} IS NULL THEN 'inserted' WHEN n.{first} IS NULL THEN 'deleted' ELSE 'updated' END"
    return (
        f"SELECT {change} AS _change, {columns} FROM newest AS n FULL JOIN published AS p ON {same}"
        f" WHERE p.{first} IS NULL OR n.{first} IS NULL{differs}"
    )


def _partitions(shape: Shape, as_of: date) -> Partitions | None:
    return {"as_of": [as_of]} if "as_of" in shape.source.partition_by else None


def _digest(lake: Lake, shape: Shape, as_of: date, version: int) -> str:
    delta = storage.open_table(lake.uri(shape.name), lake.storage_options, version=version)
    held = storage.files(delta, shape.source, _partitions(shape, as_of)) if delta else []
    names = sorted(file.path.rpartition("/")[2] for file in held)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
