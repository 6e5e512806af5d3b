"""The starter company on a small world: its sandbox with a clock that moves, its pulls, its lakes, and what tables hold."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import Window
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.demo import prepare, vendor_of
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import land, pull
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.landing.raw import Pulled
from segment_pipeline.profiles import build
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.world.build import build_world
from segment_pipeline.segments.memberships import build_memberships_of
from segment_pipeline.segments.rules import Segment
from segment_pipeline.settings import Settings
from segment_pipeline.starter.company import STARTER

LAST = date(2017, 12, 31)
Held = tuple[str | None, ...]


def night_after(day: date) -> datetime:
    """Late enough that every source has the day's last hours."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1, hours=8)


def fresh_lake(folder: Path) -> Lake:
    return Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill"))


class Company:
    """One sandbox, its settings and the starter's connectors to it."""

    def __init__(self, home: Path, sandbox: SandboxServer, settings: Settings) -> None:
        self.home, self.sandbox, self.settings = home, sandbox, settings
        self.catalogue: Catalogue = STARTER
        self.sources = STARTER.enabled_sources(settings)

    def move(self, instant: datetime) -> None:
        """The vendors' clock and ours."""
        self.sandbox.set_clock(instant)
        os.environ[clock.VARIABLE] = instant.isoformat()

    def pull(self, window: Window, *, first: bool = False) -> list[Pulled]:
        """Every entity of every source once."""
        return [
            pull(source, entity.name, window, self.settings, first=first and entity.dimension)
            for source in self.sources.values()
            for entity in source.entities
        ]

    def land(self, lake: Lake, pulled: Pulled, *, only: Window | None = None) -> dict[str, set[date]]:
        """Land a pull; returns the days that got rows, by table."""
        report = land(lake, self.sources[pulled.source], pulled.entity, pulled, self.settings, "run", only=only)
        return {name: set(days) for name, days in report.by_day.items()}

    @contextmanager
    def tools(self) -> Iterator[dict[str, Destination]]:
        """The starter's destinations, closed at the end as Dagster closes those of a run."""
        tools = self.catalogue.enabled_destinations(self.settings)
        with ExitStack() as stack:
            for tool in tools.values():
                if close := getattr(tool, "close", None):
                    stack.callback(close)
            yield tools

    def rates(self, lake: Lake) -> None:
        land_rates(lake, self.catalogue.rates or {}, base=self.settings.base_currency)

    def derive(self, lake: Lake, days: Sequence[date], segments: Sequence[Segment] | None = None) -> None:
        """Everything derived of some days, as one run that is asked for them."""
        known, chosen = self.catalogue.vocabulary, segments or self.catalogue.segments
        identity = self.catalogue.identity
        for reports in (
            build.identities_of(lake, days, self.settings, identity),
            build.traits_of(lake, days, self.settings, self.catalogue.traits, identity),
            build_memberships_of(lake, days, chosen, self.settings, vocabulary=known),
        ):
            assert len(list(reports)) == len(days)


@contextmanager
def company(home: Path, *, households: int, days: int, as_of: date = LAST) -> Iterator[Company]:
    """A world of its own, served; this process's environment is put back afterwards."""
    before = dict(os.environ)
    build_world(home, households=households, days=days, as_of=as_of)
    try:
        with SandboxServer(home) as sandbox:
            yield Company(home, sandbox, prepare(home, sandbox.base_url, as_of=as_of, days=days))
    finally:
        os.environ.clear()
        os.environ.update(before)


def content(lake: Lake, names: Iterable[str], without: Iterable[str] = ()) -> dict[str, list[str]]:
    """Every row of tables as text, in an order of its own; `without`: columns left out."""
    left_out = set(without)
    found = {}
    for name in names:
        with lake.session() as session:
            session.scan(name)
            found[name] = sorted(
                str({column: value for column, value in row.items() if column not in left_out})
                for row in session.rows(f"SELECT * FROM {name}")
            )
    return found


def rows_of(lake: Lake, name: str) -> list[dict[str, Any]]:
    """Every row of a table."""
    with lake.session() as session:
        session.scan(name)
        return session.rows(f"SELECT * FROM {name}")


def everybody_consents(lake: Lake) -> None:
    """Newer than anything in the history, so that what changes afterwards is not consent."""
    with lake.session() as session:
        session.scan("profile_identifiers")
        session.append(
            "consents",
            "SELECT DISTINCT 'form' AS source, identifier_type, identifier, channel, 'marketing' AS purpose, 'granted' AS status,"
            " 'asked' AS evidence, CAST($at AS TIMESTAMPTZ) AS recorded_at, CAST($day AS DATE) AS day"
            " FROM profile_identifiers, (SELECT unnest(['email', 'ads']) AS channel)"
            " WHERE identifier_type IN ('email', 'phone')",
            at=night_after(LAST) - timedelta(hours=6),
            day=LAST,
        )


def held_by_tools(made: Company, ledger: Ledger, audiences: Iterable[Audience]) -> dict[str, list[Held]]:
    """What the tools hold, by audience, one entry per row, asked for behind the connectors' back."""
    found: dict[str, list[Held]] = {}
    for audience in audiences:
        remote = ledger.remote_id(audience.name, audience.destination)
        if remote is None:
            found[audience.name] = []
        elif audience.destination == "meta":
            kept = made.sandbox.control("GET", f"/meta/lists/{remote}")["members"]
            found[audience.name] = [(row.get("EMAIL"), row.get("PHONE")) for row in kept]
        elif audience.destination == "google":
            kept = made.sandbox.control("GET", f"/google/lists/{remote}")["members"]
            kinds = ("emailAddress", "phoneNumber")
            found[audience.name] = [tuple(next(iter(row.get(kind, ())), None) for kind in kinds) for row in kept]
        elif audience.destination == "klaviyo":
            kept = made.sandbox.control("GET", f"/klaviyo/lists/{remote}")["members"]
            found[audience.name] = [(profile["email"],) for profile in kept]
        elif audience.destination == "files":
            lines = (made.home / "files" / remote / "members.csv").read_text().splitlines()[1:]
            found[audience.name] = [tuple(cell or None for cell in line.split(",")) for line in lines]
        else:
            vendor = vendor_of(STARTER.enabled_destinations(made.settings)[audience.destination])
            kept = made.sandbox.control("GET", f"/{vendor}/lists/{quote(remote)}")["members"]
            found[audience.name] = [(json.dumps(member, sort_keys=True),) for member in kept]
    return found


def supersede(home: Path, key: tuple[str, str, str], at: datetime, change: Callable[[Any], Any] | None) -> None:
    """From an instant on the vendor shows another version of a record (vendor, entity, key); `change` None: it is gone."""
    seen = f"{at:%Y-%m-%dT%H:%M:%S}.000000Z"
    with closing(sqlite3.connect(home / "sandbox" / "world.sqlite")) as store, store:
        where = "vendor = ? AND entity = ? AND key = ?"
        number, route, created, body = store.execute(
            f"SELECT rowid, route, created_at, body FROM versions WHERE {where} AND visible_from <= ?"
            " AND (visible_until IS NULL OR visible_until > ?) AND body IS NOT NULL",
            (*key, seen, seen),
        ).fetchone()
        store.execute(f"DELETE FROM versions WHERE {where} AND visible_from > ?", (*key, seen))
        store.execute("UPDATE versions SET visible_until = ? WHERE rowid = ?", (seen, number))
        made = None if change is None else json.dumps(change(json.loads(body)))
        store.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)", (*key, route, created, seen, seen, made)
        )


def current_keys(home: Path, vendor: str, entity: str, at: datetime, since: datetime | None = None) -> list[str]:
    """Keys of the records a vendor shows at an instant, in order; of those it shows since another, where that is given."""
    seen, shown = (f"{each:%Y-%m-%dT%H:%M:%S}.000000Z" if each else "" for each in (at, since))
    with closing(sqlite3.connect(home / "sandbox" / "world.sqlite")) as store:
        rows = store.execute(
            "SELECT key FROM versions WHERE vendor = ? AND entity = ? AND visible_from <= ?"
            " AND (visible_until IS NULL OR visible_until > ?) AND visible_from >= ? AND body IS NOT NULL ORDER BY key",
            (vendor, entity, seen, seen, shown),
        )
        return [key for (key,) in rows]
