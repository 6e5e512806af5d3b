"""Sessions of a run over several days: what does not depend on the day is read and prepared once, and each day sees the same facts.

    with days_of(lake, several=True) as run:
        for day in days:
            session = run.day()          # as fresh as lake.session(), but for what was prepared

Facts keep the versions the first day read; tables that days write are read anew by each.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Final

from segment_pipeline.days import Window
from segment_pipeline.lake.dialect import Value, quote
from segment_pipeline.lake.engine import Partitions
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement
from segment_pipeline.lake.tables import table

# Facts a run copies into its session, without the columns named: none of the statements over them reads those.
HELD: Final[Mapping[str, frozenset[str]]] = {
    "customers": frozenset(),
    "carts": frozenset({"currency"}),
    "order_lines": frozenset({"gross", "discount", "ordered_on"}),
    "events": frozenset({"received_at", "day"}),
    "messages": frozenset({"received_at", "day"}),
    "survey_answers": frozenset({"day"}),
    "campaigns": frozenset(),
    "consents": frozenset({"evidence"}),
    "suppressions": frozenset(),
    "stores": frozenset(),
}
# So few rows of a table are copied for one day too: opening a year's files again costs more.
FEW: Final = 500_000


class Run:
    """The days of one run. `several`: more than one is to come, so that copies of the facts pay."""

    def __init__(self, session: Session, *, several: bool) -> None:
        self.session, self.several = session, several
        self.prepared: dict[str, dict[str, int]] = {}

    def day(self) -> "DaySession":
        return DaySession(self)


class DaySession(Session):
    """A session of one day of a run."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.session.lake, run.session.connection, {}, run.session.in_hand)
        self.run = run

    def scan(
        self,
        name: str,
        *,
        days: Window | None = None,
        until: date | None = None,
        partitions: Partitions | None = None,
        alias: str | None = None,
        lost: bool | None = None,
    ) -> None:
        whole = days is None and until is None and partitions is None and alias is None
        held = whole and name in HELD and (name in self.run.prepared or self._copied(name))
        if not held:
            super().scan(name, days=days, until=until, partitions=partitions, alias=alias, lost=lost)
            return
        if name not in self.run.prepared:
            super().scan(name, alias=f"{name}_read")
            columns = ", ".join(quote(column) for column in table(name).names if column not in HELD[name])
            self.define(name, f"SELECT {columns} FROM {quote(f'{name}_read')}", materialize=True)
            self.run.prepared[name] = self._pins_of((name,))
        self.pins |= self.run.prepared[name]

    def prepare(
        self, name: str, query: Statement | str, scans: Sequence[str], *, copy: bool, values: Mapping[str, Value]
    ) -> None:
        if name not in self.run.prepared:
            for read in scans:
                if read in self.run.prepared:
                    self.pins |= self.run.prepared[read]
                else:
                    super().scan(read)
            self.define(name, query, materialize=copy or self._copied(*scans), **values)
            self.run.prepared[name] = self._pins_of(scans)
        self.pins |= self.run.prepared[name]

    def _copied(self, *names: str) -> bool:
        return self.run.several or sum(map(self.lake.rows, names)) <= FEW

    def _pins_of(self, names: Sequence[str]) -> dict[str, int]:
        return {name: self.pins[name] for name in names if name in self.pins}


@contextmanager
def days_of(lake: Lake, *, several: bool) -> Iterator[Run]:
    """Open a run; its sessions are used one after the other and end with it."""
    with lake.session() as session:
        yield Run(session, several=several)


@contextmanager
def session_of(lake: Lake, run: Run | None) -> Iterator[Session]:
    """The run's session of one day; without a run, that of a run of this day alone."""
    if run is not None:
        yield run.day()
        return
    with days_of(lake, several=False) as alone:
        yield alone.day()


def once(
    session: Session, name: str, query: Statement | str, scans: Sequence[str], *, copy: bool = True, **values: Value
) -> None:
    """Make a query over whole tables of facts, which does not depend on the day, a temporary table: once per run.

    `copy` False: a view where only one day is to come and its rows are not FEW, for what is large and read few times.
    """
    if isinstance(session, DaySession):
        session.prepare(name, query, scans, copy=copy, values=values)
        return
    for read in scans:
        session.scan(read)
    session.define(name, query, materialize=copy, **values)


def several(session: Session) -> bool:
    """Whether more days are to come in this session's run, so that what does not depend on the day is worth preparing."""
    return isinstance(session, DaySession) and session.run.several
