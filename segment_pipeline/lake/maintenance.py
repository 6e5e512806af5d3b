"""Keeping the lake small: old snapshots dropped, small files joined, unreferenced files and old log entries removed.

Removes nothing a reader may need: every session holds a shared lock, and files are removed under the exclusive one.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from deltalake import DeltaTable

from segment_pipeline import clock
from segment_pipeline.lake import storage
from segment_pipeline.lake.completion import complete_files
from segment_pipeline.lake.lake import SCRATCH, Lake
from segment_pipeline.lake.lease import exclusive
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.tables import all_tables

KEEP_DAYS = 35
KEEP_MONTHS = 25
SAFE_HOURS = 168
"""Unreferenced files younger than this stay where no lock can tell whether somebody reads them: in object stores."""


@dataclass(frozen=True, slots=True)
class TableUpkeep:
    """What maintenance did to one table. `snapshots`: as-of days dropped; `completed`: files that lacked derived columns, written
    again with them; `compacted`, `removed`: files.
    """

    table: str
    snapshots: int
    completed: int
    compacted: int
    removed: int


def maintain(lake: Lake, today: date, *, progress: Callable[[str], None] = lambda _: None) -> list[TableUpkeep]:
    """Bring every table to its retention and compact it. Raises ConflictError while a session is open elsewhere."""
    done = []
    for declared in all_tables():
        delta = storage.open_table(lake.uri(declared.name), lake.storage_options)
        if delta is None:
            continue
        progress(declared.name)
        dropped = _drop_snapshots(lake, declared, delta, today)
        completed = complete_files(lake, declared)
        with storage.delta_errors(declared.name, "compacting it"):
            delta.update_incremental()
            compacted = int(delta.optimize.compact()["numFilesRemoved"])
        done.append(TableUpkeep(declared.name, dropped, completed, compacted, vacuum(lake, declared.name)))
    if lake.lease:
        with exclusive(lake.lease):
            # A killed job of Spark leaves its temporary tables there; under this lock nobody reads one.
            shutil.rmtree(Path(lake.root) / SCRATCH, ignore_errors=True)
    return done


def vacuum(lake: Lake, name: str) -> int:
    """Remove a table's unreferenced files and expired log entries; returns the number of files.

    On a local disk under the exclusive lock, so that no running session loses a file; elsewhere only what is a week old.
    """
    delta = DeltaTable(lake.uri(name), storage_options=lake.storage_options or None)
    with exclusive(lake.lease), storage.delta_errors(name, "vacuuming it"):
        hours = 0 if lake.lease else SAFE_HOURS
        removed = delta.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False, full=True)
        # The log is cut at a checkpoint, and opening a table reads no further back than to one.
        delta.create_checkpoint()
        delta.cleanup_metadata()
    return len(removed)


def kept_snapshots(days: list[date], today: date, retention: str) -> set[date]:
    """Which of the existing as-of days a retention keeps: always the newest, so that nobody is left without a state.

    Days are counted back from today, or from the newest where that is longer ago: a clock that is ahead drops no history.
    """
    if not days:
        return set()
    newest = max(days)
    today = min(today, newest)
    if retention == "newest":
        return {newest}
    months = {
        day for day in days if (day + timedelta(days=1)).day == 1 and day > today - timedelta(days=31 * KEEP_MONTHS)
    }
    return {newest} | months | {day for day in days if day > today - timedelta(days=KEEP_DAYS)}


def _drop_snapshots(lake: Lake, declared: Table, delta: DeltaTable, today: date) -> int:
    kind, _, number = declared.retention.partition(":")
    if kind == "days":
        return _drop_old_partitions(declared, delta, int(number))
    if kind == "forever" or "as_of" not in declared.partition_by:
        return 0
    days = lake.snapshots(declared.name)
    gone = sorted(set(days) - kept_snapshots(days, today, kind))
    if gone:
        with storage.delta_errors(declared.name, "dropping old snapshots"):
            # Days only: a literal predicate stays in the log, and a day identifies nobody.
            delta.delete(storage.predicate({"as_of": gone}))
    return len(gone)


def _drop_old_partitions(declared: Table, delta: DeltaTable, days: int) -> int:
    before = (clock.now() - timedelta(days=days)).timestamp() * 1000
    newest: dict[tuple[str, ...], int] = {}
    for file in storage.files(delta, declared):
        key = tuple(str(file.partition[column]) for column in declared.partition_by)
        newest[key] = max(newest.get(key, 0), file.modified)
    gone = [key for key, modified in newest.items() if modified < before]
    for key in gone:
        with storage.delta_errors(declared.name, "dropping old partitions"):
            delta.delete(storage.predicate({c: [v] for c, v in zip(declared.partition_by, key, strict=True)}))
    return len(gone)
