"""From raw pages to canonical rows: one pull per window, one landing, and nothing dropped or missing without a word.

Knows no vendor. The same pulled responses landed in any order, grouping or repetition leave the same lake.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from segment_pipeline import clock, zones
from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.canonical import EVENT_NAMES
from segment_pipeline.lake.dialect import Value, literal
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement
from segment_pipeline.lake.tables import table
from segment_pipeline.landing import extracts, lookups, writes
from segment_pipeline.landing.deletions import asked_after
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.foreign import of_theirs
from segment_pipeline.landing.judgement import blanks, judge
from segment_pipeline.landing.mapping import Fill, Record, usable, view_of
from segment_pipeline.landing.raw import Known, Pulled, RawPages, columns_absent
from segment_pipeline.landing.report import IngestReport, strays
from segment_pipeline.landing.source import Entity, Kind, Part, Source, entity_of
from segment_pipeline.settings import Settings

BEGINNING = date(1970, 1, 2)
UNDATED = date(1970, 1, 1)
EVER = Window(date.min, date.max)
ONE_OF_EACH = (
    "one of each is kept, the same whatever their order; give them keys, or an `updated`, that tell them apart"
)


def pull(
    source: Source,
    entity: str,
    window: Window,
    settings: Settings,
    *,
    first: bool = False,
    held: Mapping[str, Extract] | None = None,
    known: Sequence[Known] = (),
) -> Pulled:
    """Fetch an entity's window, widened by its look-back, into raw pages; nothing is written to the lake.

    `first`: nothing of the entity was ever landed, so a dimension is fetched from the beginning. `held`: what was landed last of
    each of its files. `known`: what it is asked after.
    """
    declared = entity_of(source, entity)
    widened = Window(BEGINNING, window.last) if first and declared.dimension else window.widened(declared.look_back)
    pages = RawPages(settings.raw, source.name, entity, widened, clock.now(), held, known)
    with of_theirs(f"{source.name}/{entity}: pulling it", source):
        return source.pull(declared, widened, settings.timezone, pages)


def ingest(  # noqa: PLR0917 - what, when and where, in the order they are said
    lake: Lake, source: Source, entity: str, window: Window, settings: Settings, run_id: str
) -> IngestReport:
    """Pull a contiguous window once and land every row under its own day.

    Raises what `Source.pull` raises, and ContractError, before anything is replaced, when more than 5 % of the entity's
    records (and more than one) are malformed, or when fewer records arrived than the source says there are.
    """
    declared = entity_of(source, entity)
    first = declared.dimension and not landed_before(lake, source.name, entity)
    held = extracts.held(lake, source.name, entity) if declared.fit else None
    of = declared.asks_after
    known = asked_after(lake, source.name, of, window, settings) if of else ()
    pulled = pull(source, entity, window, settings, first=first, held=held, known=known)
    return land(lake, source, entity, pulled, settings, run_id, window=window)


def landed_before(lake: Lake, source: str, entity: str) -> bool:
    """Whether any landing of an entity is on record."""
    with lake.session() as session:
        session.scan("loads", partitions={"source": [source]})
        return bool(session.value("SELECT count(*) > 0 FROM loads WHERE asset = $asset", asset=f"{source}/{entity}"))


def land(  # noqa: PLR0917 - as `ingest`
    lake: Lake,
    source: Source,
    entity: str,
    pulled: Pulled,
    settings: Settings,
    run_id: str,
    *,
    window: Window | None = None,
    only: Window | None = None,
) -> IngestReport:
    """Land a finished pull. `window`: the days it was made for (default: all it asked for). `only`: leave out rows of other days."""
    declared = entity_of(source, entity)
    if (pulled.source, pulled.entity) != (source.name, entity):
        raise ContractError(f"a pull of {pulled.source}/{pulled.entity} cannot be landed as {source.name}/{entity}")
    began = clock.monotonic()
    lake.fix(timezone=settings.timezone, base_currency=settings.base_currency)
    window = window or pulled.window
    with lake.session() as session:
        if declared.fit:
            declared, pulled = _fitted(session, source.name, declared, pulled, declared.fit)
        landing = _Landing(session, source.name, declared, pulled, settings=settings, only=only)
        received = landing.read()
        with landing.making():
            landing.check(received)
            landing.look_up()
            mapped = [landing.map(fill, statement) for fill, statement in declared.fills()]
        strangers = landing.unknown_events()
        with landing.making():
            for fill in declared.tables:
                landing.write(fill)
        quarantined = landing.quarantine()
        landing.remember()
        by_day = dict(zip(declared.table_names, mapped, strict=True))
        report = IngestReport(
            source=source.name,
            entity=entity,
            window=window,
            pulled=pulled.window,
            received=received,
            said=pulled.said,
            rows={name: sum(days.values()) for name, days in by_day.items()},
            by_day=by_day,
            quarantined=dict(sorted(Counter(reason for _, reason in quarantined).items())),
            unknown_events=strangers,
            requests=pulled.requests,
            notes=(*pulled.notes, *declared.notes, *landing.notes),
            seconds=clock.monotonic() - began,
        )
        refused = Counter(day for day, _ in quarantined)
        writes.record_loads(session, report, run_id, refused)
    return report


def _fitted(
    session: Session, source: str, declared: Entity, pulled: Pulled, fit: Callable[[Pulled], Entity]
) -> tuple[Entity, Pulled]:
    """The entity for the columns this pull has, and the pull without files that a later one has landed since.

    Raises ContractError, before anything is written, for a column that is needed, or was there at the last landing, and is gone.
    """
    before = extracts.held_in(session, source, declared.name)
    read = extracts.current(pulled.extracts, before, pulled.pulled_at)
    kept = pulled.without({each.file for each in pulled.extracts} - {each.file for each in read}, read)
    extracts.check_columns(f"{source}/{declared.name}", read, before, may_go=declared.may_go)
    return fit(kept), kept


def snapshot_day(pulled: Pulled, timezone: str) -> date:
    """The last company day that was over when the pull was made: what a nightly pull describes the end of."""
    return pulled.pulled_at.astimezone(zones.zone(timezone)).date() - timedelta(days=1)


class _Landing:
    """One pull on its way into the lake: views in the session, in the order landing needs them."""

    def __init__(
        self, session: Session, source: str, entity: Entity, pulled: Pulled, *, settings: Settings, only: Window | None
    ) -> None:
        self._session, self._source, self._entity, self._pulled = session, source, entity, pulled
        self._settings = settings
        self._snapshot_day = snapshot_day(pulled, settings.timezone)
        # The days whose rows are wanted; None: none of this pull's. A file's rows land together, whatever their days.
        reach = Window.of(self._snapshot_day) if entity.kind is Kind.SNAPSHOT else pulled.window
        reach = EVER if entity.by_origin else reach
        self._reach, self._days = reach, reach if only is None or entity.by_origin else _overlap(reach, only)
        # Rows of these origins were read, and their former rows go; days of their rows once they are mapped.
        self._origins = {each.origin: set[date]() for each in pulled.extracts if each.file}
        self.notes: list[str] = []
        self._values: dict[str, Value] = {
            "source": source,
            "timezone": settings.timezone,
            "pulled_at": pulled.pulled_at,
            "snapshot_day": self._snapshot_day,
            **entity.values,
        }

    def making(self) -> AbstractContextManager[None]:
        """Around what reads all rows: each is made once, and not once more for each condition on it."""
        return self._session.connection.filtering_last() if self._entity.streamed else nullcontext()

    def read(self) -> int:
        """Type the records; returns how many were received, repeats and what is no record included."""
        for part in self._entity.parts:
            files = self._pulled.files.get(part.name, ())
            if part.columns:
                if not part.optional and (absent := columns_absent(files, part.columns)):
                    raise ContractError(
                        f"{self._source}/{self._entity.name}: a file of {part.name} has no column {', '.join(absent)}: nothing"
                        " was written; see whether the source changed its format"
                    )
                self._session.parquet(part.view, files, part.columns, file=part.file)
                continue
            if part.path:
                self._session.records(part.view, files, part.path)
                continue
            lines = f"{part.view}_lines"
            self._session.records(lines, files, part.path)
            # A line that is no JSON goes on as a JSON text, which no statement takes for a record.
            valid = "CASE WHEN json_valid(record) THEN record ELSE CAST(to_json(record) AS VARCHAR) END"
            self._session.define(part.view, f"SELECT {valid} AS record FROM {lines}")
        lookups.dictionaries(self._session, self._entity.dictionaries)
        lookups.known_zones(self._session)
        refused = 0
        for part in self._entity.parts[1:]:
            if part.path or part.columns:
                counted = self._count(part)
                refused += counted if part.refused else 0
        if isinstance(self._entity.parse, Record):
            for each in self._entity.parse.joins:
                self._session.define(view_of(each), self._bound(each), materialize=True)
        parsing = self._entity.parsing(f"{self._source}/{self._entity.name}/parse")
        self._session.define("parsed", self._bound(parsing), materialize=not self._entity.streamed)
        received = self._count(self._entity.parts[0])
        self._columns = tuple(
            name for name, _ in self._session.connection.columns("SELECT * FROM parsed", name="parsed")
        )
        return received + refused

    def _count(self, part: Part) -> int:
        # Lines are read once, by the statement that gives one row for each: reading them again costs as much as all the rest.
        view = part.view if part.path or part.columns else "parsed"
        found = int(self._session.value(f"SELECT count(*) FROM {view}"))
        kept = self._pulled.records.get(part.name)
        if kept is not None and kept != found:
            raise ContractError(
                f"{self._source}/{self._entity.name}: the pages of {part.name} held {kept} records when they were received"
                f" and hold {found} now: pull the window again"
            )
        return found

    def check(self, received: int) -> None:
        """Before anything is replaced: enough records arrived, and few enough are malformed."""
        judged = judge(self._session, f"{self._source}/{self._entity.name}", self._entity, self._pulled.said, received)
        self._refused = sum(row["bad"] for row in judged)
        self._usable = [row for row in judged if row["n"]]
        self.notes += strays(judged, self._reach) if self._entity.fit else []
        self.notes += blanks(self._session, self._entity)

    def look_up(self) -> None:
        """Views of canonical e-mails, phones and currency rates for the values in the records."""
        lookups.contacts(self._session, self._columns, self._settings.country)
        lookups.rates(self._session, self._columns, self._settings.base_currency)
        self._session.define("usable", usable(self._columns))
        for name in self._entity.held:
            self._session.scan(name, partitions={"source": [self._source]}, alias=f"held_{name}")
        for each in self._entity.prepare:
            self._session.define(view_of(each), self._bound(each), materialize=True)

    def map(self, fill: Fill, statement: Statement) -> dict[date, int]:
        """Make the rows of one table a temporary table; returns rows by day."""
        kept = "day BETWEEN $first AND $last" if self._days else "FALSE"
        bounds: dict[str, Value] = {"first": self._days.first, "last": self._days.last} if self._days else {}
        rows = f"mapped_{fill.table}"
        self._session.define(f"{rows}_all", self._bound(statement))
        # `Session.land` keeps the rows it lands in memory; a second copy of a year of order lines would not fit beside it.
        twice_read = self._entity.kind is not Kind.MUTABLE and not self._entity.by_origin
        self._session.define(rows, f"SELECT * FROM {rows}_all WHERE {kept}", materialize=twice_read, **bounds)
        counted = self._counted(fill, rows)
        if fill.one_per_record:
            wanted = self._session.value(f"SELECT count(*) FROM parsed WHERE reason IS NULL AND {kept}", **bounds)
            made = sum(row["n"] for row in counted)
            if wanted != made:
                raise ContractError(
                    f"{self._source}/{self._entity.name}: {wanted} usable records became {made} rows of {fill.table}:"
                    " nothing was written"
                )
        by_day = Counter[date]()
        for row in counted:
            by_day[row["day"]] += row["n"]
            if self._entity.by_origin:
                self._origins[row["origin"]].add(row["day"])
        return dict(by_day)

    def _counted(self, fill: Fill, rows: str) -> list[dict[str, Any]]:
        """How many rows of a table there are by day, and by origin where they have one."""
        if fill.row_for_row:
            return [row for row in self._usable if self._days and row["day"] in self._days]
        by = "day, origin" if self._entity.by_origin else "day"
        return self._session.rows(f"SELECT {by}, count(*) AS n FROM {rows} GROUP BY {by} ORDER BY {by}")

    def unknown_events(self) -> dict[str, int]:
        """How many of the mapped events have which name that is not ours: kept, and said aloud."""
        if "events" not in self._entity.table_names:
            return {}
        query = (
            f"SELECT name, count(*) AS n FROM mapped_events WHERE name NOT IN ({', '.join(map(literal, EVENT_NAMES))})"
        )
        return {row["name"]: row["n"] for row in self._session.rows(f"{query} GROUP BY name ORDER BY name")}

    def write(self, fill: Fill) -> None:
        """Put the mapped rows of one table where they belong."""
        rows = f"mapped_{fill.table}"
        match self._entity.kind:
            case _ if self._entity.by_origin:
                changed = [each for each in self._pulled.extracts if each.file]
                days = {day for found in self._origins.values() for day in found}
                differ, equal = writes.land_of_origins(self._session, fill.table, rows, self._source, changed, days)
                self._note_overruled(fill, differ, "of two files the one changed last counts")
                if equal:
                    said = "are equal to others with their key: one of each is kept"
                    self.notes.append(f"{equal} rows of {fill.table} {said}")
            case Kind.SNAPSHOT:
                # A snapshot in files that nobody changed says what the one before it said.
                if self._days and (self._pulled.files or not self._entity.fit):
                    overruled = writes.close_absent(self._session, fill.table, rows, self._source, self._snapshot_day)
                    self._note_overruled(fill, overruled, ONE_OF_EACH)
            case Kind.LOG if fill.key:
                overruled = self._session.differing(f"SELECT * FROM {rows}", [fill.key]) if self._entity.fit else 0
                writes.land_log(self._session, fill.table, rows, self._source, fill.key)
                self._note_overruled(fill, overruled, ONE_OF_EACH)
            case _:
                written = self._session.land(
                    fill.table, f"SELECT * FROM {rows}", self._source, wholes=self._wholes(fill)
                )
                self._note_overruled(fill, written.overruled, ONE_OF_EACH)
        if not self._is_whole(fill):
            self._session.drop(rows)

    def _wholes(self, fill: Fill) -> tuple[str, str] | None:
        """The table whose rows a fill's are part of, where one record gives both; and the view of them."""
        subject = table(fill.table).subject
        whole = subject.through if subject else ""
        if self._entity.fit or whole not in self._entity.table_names:
            return None
        return whole, f"mapped_{whole}"

    def _is_whole(self, fill: Fill) -> bool:
        """Whether other rows of the same records are part of a fill's."""
        return any(whole[0] == fill.table for whole in map(self._wholes, self._entity.tables) if whole)

    def _note_overruled(self, fill: Fill, rows: int, which: str) -> None:
        if rows and self._entity.fit:
            self.notes.append(f"{rows} rows of {fill.table} share their key with others that differ: {which}")

    def quarantine(self) -> list[tuple[date, str]]:
        """Keep what could not be mapped; returns (day, reason) of each record refused."""
        wanted = "SELECT key, reason, raw, day FROM parsed WHERE reason IS NOT NULL"
        refused = []
        for row in self._session.rows(wanted) if self._refused else []:
            day = row["day"] or UNDATED
            if row["day"] is not None and (self._days is None or day not in self._days):
                continue
            refused.append(
                {
                    "source": self._source,
                    "entity": self._entity.name,
                    "key": row["key"],
                    "reason": row["reason"],
                    "raw": row["raw"] or "null",
                    "first_seen": self._pulled.pulled_at,
                    "day": day,
                }
            )
        if refused:
            writes.land_quarantine(self._session, refused, self._source)
        if self._entity.by_origin:
            writes.release(self._session, self._source, self._entity.name, self._origins, refused)
        elif self._entity.keyed:
            writes.release_landed(self._session, self._source, self._entity.name, UNDATED, refused)
        return [(row["day"], row["reason"]) for row in refused]

    def remember(self) -> None:
        """Keep what was landed of each file or query, last of all: what fails before is read again."""
        if self._entity.fit is None:
            return
        landed = [
            replace(each, days=extracts.ranges(list(self._origins[each.origin]))) if each.file else each
            for each in self._pulled.extracts
        ]
        extracts.record(self._session, self._source, self._entity.name, landed, self._pulled.pulled_at)

    def _bound(self, given: Statement) -> Statement:
        wanted = set(re.findall(r"\$([a-z_]+)", given.text))
        return replace(given, text=given.bound(**{name: self._values[name] for name in wanted & self._values.keys()}))


def _overlap(one: Window, other: Window) -> Window | None:
    first, last = max(one.first, other.first), min(one.last, other.last)
    return Window(first, last) if first <= last else None
