"""Publishing: the newest profiles, traits and memberships as tables of a company's own database, for its BI tools.

Each table changes in one transaction, its row of the bookkeeping included: a reader sees the day before or the day, and
a process killed anywhere leaves one of the two. What is sent is the difference to what was published before, found in the
engine between two versions of the lake's table; where that is not possible the rows are all sent again.

All rows again means: deleted and inserted in the same transaction, in the table as it stands, so that readers are not
locked out, and its grants and the views on it stay. Only a table whose columns must change is made anew; a transaction that
began before with `REPEATABLE READ` sees that new one empty.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from segment_pipeline import clock
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.publishing import bulk
from segment_pipeline.publishing.shape import PUBLISHED, Shape, published
from segment_pipeline.publishing.snapshots import Changes, Snapshot, define_changes, define_rows, newest, readable
from segment_pipeline.publishing.target import Record, Target

Progress = Callable[[str, int, int], None]
"""Hears, of a table, how many rows were just sent, of how many."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing one table did. `how`: incremental, or full with the reason in `why`; `rows`: what the table holds now.

    A full load counts what was in the table as deleted, and every row as inserted.
    """

    table: str
    as_of: date
    how: str
    why: str
    inserted: int
    updated: int
    deleted: int
    rows: int
    seconds: float


GONE = "the lake no longer holds the version that was published"
DRIFTED = "its rows are not the ones published"


class _Drifted(Exception):
    """The table holds other rows than its bookkeeping says: somebody else wrote to it."""


def publish(
    lake: Lake,
    target: Target,
    segments: Sequence[str],
    *,
    tables: Sequence[str] = PUBLISHED,
    personal: bool = False,
    progress: Progress = lambda *_: None,
) -> list[Publication]:
    """Make these tables of the database equal to the lake's newest snapshots, one transaction each.

    `segments`: names of all segments there are; `personal`: with the columns that identify a person by themselves.
    Raises ConfigError, TransientError or ContractError; the tables before the one that failed stay published.
    """
    shapes = [published(name, personal=personal) for name in tables]
    return [_publish(lake, target, shape, segments, progress) for shape in shapes]


def _publish(lake: Lake, target: Target, shape: Shape, segments: Sequence[str], progress: Progress) -> Publication:
    began = clock.monotonic()
    try:
        done = _attempt(lake, target, shape, segments, progress)
    except _Drifted:
        done = _attempt(lake, target, shape, segments, progress, drifted=True)
    return replace(done, seconds=round(clock.monotonic() - began, 3))


def _attempt(
    lake: Lake, target: Target, shape: Shape, segments: Sequence[str], progress: Progress, *, drifted: bool = False
) -> Publication:
    # The lock first, and then the lake's newest version: or the slower of two publishers would go back to an older one.
    with target.transaction() as connection, lake.session() as session:
        now = newest(session, shape, segments)
        work = _Work(session, connection, target, shape, now, lambda *rows: progress(shape.name, *rows))
        before = target.record(connection, shape.name)
        altered = target.altered(connection, shape)
        held = 0 if altered else target.rows(connection, shape)
        why = altered or (DRIFTED if drifted else "")
        if before is None:
            why = "it was never published"
        elif not why:
            if held != before.rows:
                why = DRIFTED
            elif (before.snapshot.as_of, before.snapshot.files) == (now.as_of, now.files):
                return work.done("incremental", Changes(), held)
            elif (changes := work.changes(before.snapshot)) is not None:
                work.send(changes)
                rows = held + changes.inserted - changes.deleted
                target.note(connection, shape.name, Record(now, rows), clock.now())
                return work.done("incremental", changes, rows)
            else:
                why = GONE
        rows = work.load(ours=before is not None, fresh=bool(altered) or before is None)
        target.note(connection, shape.name, Record(now, rows), clock.now())
        return work.done("full", Changes(inserted=rows, deleted=held), rows, why)


@dataclass(frozen=True, slots=True)
class _Work:
    """One table's way from the lake's newest snapshot into the database, within one transaction."""

    session: Session
    connection: Connection
    target: Target
    shape: Shape
    now: Snapshot
    progress: Callable[[int, int], None]

    def done(self, how: str, changes: Changes, rows: int, why: str = "") -> Publication:
        return Publication(self.shape.name, self.now.as_of, how, why, **asdict(changes), rows=rows, seconds=0.0)

    def changes(self, then: Snapshot) -> Changes | None:
        """What happened since `then`; None: the lake cannot tell any more."""
        if not readable(self.session.lake, self.shape, then):
            return None
        return define_changes(self.session, self.shape, then, self.now)

    def send(self, changes: Changes) -> None:
        """Bring the changes into the table. Raises _Drifted when they do not fit what it holds."""
        gone, come = changes.updated + changes.deleted, changes.inserted + changes.updated
        table = self.shape.target(self.target.schema)

        def after_batch(rows: int) -> None:
            self.progress(rows, gone + come)

        try:
            if gone:
                keys = self.session.reader(_select(self.shape.key, "changes WHERE _change <> 'inserted'"))
                if bulk.delete(self.connection, table, self.shape, keys, after_batch) != gone:
                    raise _Drifted
            if come:
                rows = self.session.reader(_select(self.shape.names, "changes WHERE _change <> 'deleted'"))
                bulk.insert(self.connection, table, self.shape, rows, after_batch)
        except IntegrityError:
            raise _Drifted from None

    def load(self, *, ours: bool, fresh: bool) -> int:
        """Put the whole snapshot into the table, in the place of whatever it held, or into a `fresh` one; returns its rows."""
        define_rows(self.session, self.shape, self.now)
        total = self.session.value("SELECT count(*) FROM newest")
        if fresh:
            table = self.target.make(self.connection, self.shape, ours=ours)
        else:
            table = self.shape.target(self.target.schema)
            self.connection.execute(table.delete())
        rows = self.session.reader(_select(self.shape.names, "newest"))
        sent = bulk.insert(self.connection, table, self.shape, rows, lambda sent: self.progress(sent, total))
        if fresh:
            self.target.complete(self.connection, self.shape, table)
        return sent


def _select(columns: Sequence[str], source: str) -> str:
    return f"SELECT {', '.join(map(quote, columns))} FROM {source}"
