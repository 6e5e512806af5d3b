"""Companies of any size for the benchmarks: the fact tables of a lake, made by SQL from a seed and never held in memory.

    company = make_company(Path("/data/1M"), 1_000_000)

Made are a till, a shop and their analytics over one year. The same arguments give the same rows. Days are made in ranges, so
that each (source, day) partition is written once, as the lake's own write leaves it. Holds no measurement.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from os import environ
from pathlib import Path
from typing import Final

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import storage
from segment_pipeline.lake.duckdb_engine import DuckDBConnection, DuckDBEngine
from segment_pipeline.lake.engine import WriteTarget
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings

START: Final = date(2025, 1, 1)
YEAR: Final = 365
COMPLETE: Final = "complete"
MEMORY: Final = "2GB"
# Rows of a table that are made and sorted at once.
AT_ONCE: Final = 2_500_000
CROWD: Final = 1000
# By name: people, events of each, days of history. Three million have a hundred million events; `tiny` is for tests.
# Without events there are no facts at all, but the people as identity would leave them.
SIZES: Final[Mapping[str, tuple[int, float, int]]] = {
    "tiny": (300, 30, 21),
    "100k": (100_000, 30, YEAR),
    "1M": (1_000_000, 30, YEAR),
    "3M": (3_000_000, 34, YEAR),
    "10M": (10_000_000, 0, YEAR),
}
# The analytics names the shop's customers.
IDENTITY: Final = IdentityRules(key_spaces={"amplitude": "shopify"})
VOCABULARY: Final = Vocabulary(identity=IDENTITY, events_have_local_time=True)
SQL: Final = Path(__file__).parent / "company_sql"

# What is proposed for each row that is kept: a person picked may not be there yet, or no longer, or not use the channel.
_PROPOSED: Final[Mapping[str, float]] = {"orders": 1.3, "events": 1.56, "carts": 1.9, "messages": 1.54}
_ONCE: Final = ("products", "stores", "campaigns", "rates")
_BY_PERSON: Final = ("customers", "consents", "suppressions", "survey_answers")


@dataclass(frozen=True)
class Company:
    """A company on disk. `profiles`: people asked for, near to what identity finds. `rows`: rows by table of facts."""

    root: Path
    profiles: int
    as_of: date
    rows: Mapping[str, int]

    @property
    def settings(self) -> Settings:
        """The environment's settings with this company's home and its history."""
        return Settings.from_env(
            {
                **environ,
                "SEGMENT_PIPELINE_HOME": str(self.root),
                "SEGMENT_PIPELINE_SENDING": "on",
                "SEGMENT_PIPELINE_START": START.isoformat(),
                "SEGMENT_PIPELINE_END": self.as_of.isoformat(),
            }
        )

    @cached_property
    def lake(self) -> Lake:
        """The company's lake, on the engine the environment chooses when it is first asked for."""
        return Lake.open(self.settings)

    def borrowed(self, home: Path) -> "Company":
        """The same company under another home: its tables are links, what is made of them is written there."""
        (home / "lake").mkdir(parents=True)
        for name in (*self.rows, "_fixed"):
            # By its whole path: a link's own is looked up from where the link is.
            if (held := (self.root / "lake" / name).absolute()).exists():
                (home / "lake" / name).symlink_to(held)
        shutil.copy(self.root / COMPLETE, home / COMPLETE)
        return replace(self, root=home)


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is per person over all days, on average."""

    orders: float
    events: float
    days: int
    carts: float = 0.5
    messages: float = 3


def open_company(root: Path) -> Company | None:
    """The company that lies complete under a folder; None: there is none, or its making was cut short.

    Raises ConfigError for one whose files lack columns that landing would give them now.
    """
    mark = root / COMPLETE
    if not mark.exists():
        return None
    said = json.loads(mark.read_text(encoding="utf-8"))
    if said.get("columns") != {name: list(table(name).names) for name in said["rows"]}:
        raise ConfigError(
            f"the company under {root} was made with other columns: remove the folder, so that it is made again"
        )
    return Company(root, said["profiles"], START + timedelta(days=said["days"] - 1), said["rows"])


def company_of(root: Path, size: str) -> Company:
    """The company of one of SIZES under `root`, made unless it lies there complete."""
    profiles, events, days = SIZES[size]
    if not events:
        return make_members(root, profiles)
    return make_company(root, profiles, events=events, days=days)


def make_company(
    root: Path,
    profiles: int,
    *,
    orders: float = 10,
    events: float = 30,
    days: int = YEAR,
    seed: int = 7,
    memory: str = MEMORY,
) -> Company:
    """Make the facts of a company of so many people under `root`, or take the one that lies there complete.

    `orders`, `events`: per person over all `days`, on average; lines are about three per order.
    """
    shape = Shape(orders=orders, events=events, days=days)
    return open_company(root) or _made(root, profiles, shape, seed, memory, _write_facts)


def make_members(root: Path, profiles: int, *, seed: int = 7, memory: str = MEMORY) -> Company:
    """Make no facts but what is known of people in the end: profiles, their identifiers, consents and suppressions.

    For audiences larger than a company whose every event fits on a disk. Memberships are the stages' to choose.
    """
    shape = Shape(orders=0, events=0, days=YEAR)
    return open_company(root) or _made(root, profiles, shape, seed, memory, _write_members)


def _made(
    root: Path,
    profiles: int,
    shape: Shape,
    seed: int,
    memory: str,
    write_all: Callable[["_Writer", int, Shape], None],
) -> Company:
    # What a making that was cut short has left would be added to.
    shutil.rmtree(root / "lake", ignore_errors=True)
    lake = Lake(str(root / "lake"), DuckDBEngine(memory=memory, spill=root / "spill"))
    connection = lake.engine.connect()
    assert isinstance(connection, DuckDBConnection)
    writer = _Writer(lake, connection)
    try:
        _prepare(connection, profiles, shape, seed)
        write_all(writer, profiles, shape)
    finally:
        connection.close()
    lake.fix(timezone="UTC", base_currency="USD")
    columns = {name: list(table(name).names) for name in writer.rows}
    said = {"profiles": profiles, **asdict(shape), "seed": seed, "rows": writer.rows, "columns": columns}
    (root / COMPLETE).write_text(json.dumps(said), encoding="utf-8")
    company = open_company(root)
    assert company is not None
    return company


def _prepare(connection: DuckDBConnection, profiles: int, shape: Shape, seed: int) -> None:
    crowd = min(CROWD, profiles)
    start = datetime(START.year, START.month, START.day, tzinfo=UTC)
    values: dict[str, int | float] = {
        "seed": seed,
        "people": profiles,
        "crowd": crowd,
        "crowds": -(-profiles // crowd),
        "days": shape.days,
        "start_us": int(start.timestamp()) * 1_000_000,
        "orders_a_day": shape.orders * _PROPOSED["orders"] * profiles / shape.days,
        "sessions_a_day": shape.events / 5 * _PROPOSED["events"] * profiles / shape.days,
        "carts_a_day": shape.carts * _PROPOSED["carts"] * profiles / shape.days,
        "messages_a_day": shape.messages * _PROPOSED["messages"] * profiles / shape.days,
    }
    for name, value in values.items():
        connection.raw.execute(f"SET VARIABLE {name} = {value}")
    connection.raw.execute(f"SET VARIABLE start = DATE '{START}'")
    connection.raw.execute(_sql("macros"))


class _Writer:
    def __init__(self, lake: Lake, connection: DuckDBConnection) -> None:
        self.lake, self.raw, self.rows = lake, connection.raw, dict[str, int]()
        self._connection = connection

    def write(self, name: str) -> None:
        """Append what the statement gives for the range that is set."""
        delta = storage.create(table(name), self.lake.uri(name), {})
        target = WriteTarget(table(name), self.lake.uri(name), delta, append=True)
        columns = ", ".join(
            f"{c.derived or f'CAST(NULL AS {c.sql})'} AS {c.name}" if c.derived or c.implied else c.name
            for c in table(name).columns
        )
        written, _ = self._connection.write(f"SELECT {columns} FROM ({_sql(name)})", target, name=f"company/{name}")
        self.rows[name] = self.rows.get(name, 0) + written

    def ranges(self, of: str, whole: int, rows: float) -> Iterator[None]:
        """Set `from_<of>` and `to_<of>`, range after range, so that each has about AT_ONCE of so many rows."""
        step = max(1, min(whole, int(whole * AT_ONCE / max(rows, 1))))
        for first in range(0, whole, step):
            self.raw.execute(f"SET VARIABLE from_{of} = {first}")
            self.raw.execute(f"SET VARIABLE to_{of} = {min(first + step, whole)}")
            yield


def _write_facts(writer: _Writer, profiles: int, shape: Shape) -> None:
    for name in _ONCE:
        writer.write(name)
    for name in _BY_PERSON:
        for _ in writer.ranges("day", shape.days, profiles * 2):
            writer.write(name)
    for _ in writer.ranges("day", shape.days, profiles * shape.orders * 3):
        writer.raw.execute(_sql("made_lines"))
        for name in ("orders", "order_lines", "refunds"):
            writer.write(name)
    writer.raw.execute("DROP TABLE made_lines")
    for name, each in (("events", shape.events), ("carts", shape.carts), ("messages", shape.messages)):
        for _ in writer.ranges("day", shape.days, profiles * each):
            writer.write(name)


def _write_members(writer: _Writer, profiles: int, shape: Shape) -> None:
    for name in ("profiles", "profile_identifiers"):
        for _ in writer.ranges("person", profiles, profiles * 2):
            writer.write(name)
    for name in ("consents", "suppressions"):
        for _ in writer.ranges("day", shape.days, profiles * 3):
            writer.write(name)


def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text(encoding="utf-8")
