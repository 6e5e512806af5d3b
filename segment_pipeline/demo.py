"""The demo: the assets of `definitions.py`, run through Dagster on real receipts against the local sandbox.

There is no second pipeline here: this module prepares a home, asks Dagster for the same jobs a schedule would launch,
and reads the report back from the lake.
"""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import dagster as dg
from dagster._core.instance.runs.run_domain import RunDomain
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from rich.console import Console

from segment_pipeline import clock, forks
from segment_pipeline.audiences.eligibility import REASONS
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.days import Window
from segment_pipeline.defs import audiences
from segment_pipeline.defs.failures import quoted
from segment_pipeline.defs.runs import RunFailed, dagster_instance
from segment_pipeline.errors import ConfigError
from segment_pipeline.init.instance import dagster_yaml
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.profiles.identity.quality import pair_quality
from segment_pipeline.refreshing import refresh_tasks
from segment_pipeline.sandbox.registry import NAMES, environment
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.world.build import build_world
from segment_pipeline.settings import PREFIX, Settings
from segment_pipeline.starter.company import STARTER
from segment_pipeline.tasks import Task, side_by_side
from segment_pipeline.terminal import Stages

HISTORY_DAYS = 14
TIMEZONE = "America/New_York"
YEAR = 365
RECEIPTS_YEAR = 2017
SPACE = 4 * 2**30
COMPANYS_OWN = (
    "LAKE", "RAW", "LEDGER", "SANDBOX", "FILES", "SOURCES", "DESTINATIONS", "BASE_CURRENCY", "COUNTRY",
    "PUBLISH", "PUBLISH_SCHEMA", "PUBLISH_PERSONAL", "ALERT_URL",
)  # fmt: skip


def run_demo(
    home: Path,
    *,
    households: int | None = None,
    days: int | None = None,
    as_of: date = date(2017, 12, 31),
    quiet: bool = False,
) -> dict[str, Any]:
    """Build the world if it is not there, run every stage, and write `<home>/report.json`; returns the report.

    Running it again on the same home pulls and computes everything again and sends nothing. `troubles` of the report are the
    audiences that were held or failed, each in one sentence; they cost the others nothing.
    """
    if as_of.year != RECEIPTS_YEAR:
        raise ConfigError(f"the demo's receipts are of {RECEIPTS_YEAR}: choose --as-of within that year")
    home.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    stages = Stages(seconds, quiet=quiet)
    forks.loading()
    with alone(home, "demo"), stages:
        with stages.stage("world"):
            build_world(home, households=households, days=days, as_of=as_of)
        with SandboxServer(home) as sandbox:
            sandbox.clear_requests()
            settings = prepare(home, sandbox.base_url, as_of=as_of, days=days or YEAR)
            with _in_memory(home / "dagster"), _brisk_bookkeeping():
                troubles = _run(stages, settings, as_of)
                report = _report(settings, as_of, seconds, sandbox) | {"troubles": troubles}
    (home / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    return report


def prepare(home: Path, base_url: str, *, as_of: date, days: int) -> Settings:
    """Write the home's `settings.env` and Dagster's folder, and take them into this process's environment."""
    # The night after as_of: late enough that every source has its last hours, early enough that the day is fresh.
    now = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) + timedelta(days=1, hours=8)
    values = {
        # Whatever company this process was started in: the demo has nothing of it, its ledger and its tools least of all.
        **{PREFIX + name: "" for name in COMPANYS_OWN},
        "SEGMENT_PIPELINE_CATALOGUE": "segment_pipeline.starter.company:STARTER",
        "SEGMENT_PIPELINE_HOME": str(home),
        "SEGMENT_PIPELINE_TIMEZONE": TIMEZONE,
        "SEGMENT_PIPELINE_SENDING": "on",  # to the sandbox
        "SEGMENT_PIPELINE_START": (as_of - timedelta(days=days - 1)).isoformat(),
        "SEGMENT_PIPELINE_END": as_of.isoformat(),
        clock.VARIABLE: now.isoformat(),
        "DAGSTER_HOME": str(home / "dagster"),
        **environment(base_url),
    }
    (home / "settings.env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    os.environ.update(values)
    (home / "dagster").mkdir(exist_ok=True)
    shutil.copyfile(dagster_yaml(), home / "dagster" / "dagster.yaml")
    return Settings.from_env()


@contextmanager
def _in_memory(storage: Path) -> Iterator[None]:
    """Dagster's storage in memory-backed `/dev/shm` for a while, where there is one, and back in its folder afterwards.

    A year of daily partitions is some ten thousand events, each with two commits: on a slow disk minutes of waiting.
    """
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < SPACE:
        yield
        return
    with TemporaryDirectory(prefix="segment-pipeline-", dir=memory) as folder:
        copy = Path(folder) / "dagster"
        shutil.copytree(storage, copy)
        os.environ["DAGSTER_HOME"] = str(copy)
        try:
            yield
        finally:
            os.environ["DAGSTER_HOME"] = str(storage)
            shutil.rmtree(storage)
            shutil.copytree(copy, storage)


@contextmanager
def _brisk_bookkeeping() -> Iterator[None]:
    """Dagster's SQLite event log at a quarter of its cost, while the demo records a year of days at once.

    Dagster makes a SQLAlchemy engine per event, so that every statement is compiled anew, and writes one `planned` event per
    asset and day before it begins: one engine per file serves as well, and nobody watches the demo's runs being planned.
    Only speed hangs on it: it can go when Dagster keeps its engines and plans a range as one event (1.13 does neither).
    """
    make = vars(sqlite_event_log)["create_engine"]
    engines: dict[str, Any] = {}

    def kept(url: str, **options: Any) -> Any:
        if url not in engines:
            engines[url] = make(url, **options)
        return engines[url]

    with (
        patch.object(sqlite_event_log, "create_engine", kept),
        patch.object(RunDomain, "_log_asset_planned_events", lambda *_: None),
    ):
        yield


@contextmanager
def alone(home: Path, what: str) -> Iterator[None]:
    """One demo or UI per home: Dagster's daemons disturb each other. Raises ConfigError for the second."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "running").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"a demo or UI is already running on {home}: end it before starting the {what}") from None
        yield


def _run(stages: Stages, settings: Settings, as_of: date) -> list[str]:
    """Every stage; returns what stopped single audiences."""
    history = min(HISTORY_DAYS, (as_of - settings.start).days + 1)
    tasks = refresh_tasks(
        STARTER,
        settings,
        landed=Window(settings.start, as_of),
        derived=Window(as_of - timedelta(days=history - 1), as_of),
        at_once=forks.processors(),
    )
    side_by_side(tasks, stages.stage, at_once=forks.processors(), around=_brisk_bookkeeping)
    syncs = _sync_tasks(settings)
    try:
        side_by_side(syncs, stages.stage, at_once=forks.processors(), around=_brisk_bookkeeping)
    except RunFailed:
        with dagster_instance() as instance:
            troubles = [f"{name}: {failed.said}" for name, failed in _failed(instance, len(syncs)).items()]
        if not troubles:
            raise
        return troubles
    return []


def _sync_tasks(settings: Settings) -> list[Task]:
    """As many runs as there are processors, each with all audiences of some tools: a tool has one run at a time."""
    audiences_of: dict[str, list[dg.AssetKey]] = {}
    for audience in STARTER.enabled_audiences(settings):
        audiences_of.setdefault(audience.destination, []).append(audiences.audience_key(audience.name))
    runs: list[list[dg.AssetKey]] = [[] for _ in range(min(forks.processors(), len(audiences_of)))]
    for keys in sorted(audiences_of.values(), key=len, reverse=True):
        min(runs, key=len).extend(keys)
    return [Task("sync", "sync", tuple(keys)) for keys in runs]


def _report(settings: Settings, as_of: date, seconds: dict[str, float], sandbox: SandboxServer) -> dict[str, Any]:
    lake = Lake.open(settings)
    lake.complete()
    requests = {vendor: counts["read"] + counts["write"] for vendor, counts in sandbox.requests().items()}
    with lake.session() as session:
        session.scan("profiles")
        session.scan("segment_sizes", partitions={"as_of": [as_of]})
        profiles = session.value("SELECT count(*) FROM profiles")
        sizes = session.rows("SELECT segment, size FROM segment_sizes ORDER BY segment")
    return {
        "as_of": as_of.isoformat(),
        "seconds": {stage: round(took, 1) for stage, took in seconds.items()},
        "requests": requests,
        "tables": {table.name: lake.rows(table.name) for table in all_tables()},
        "profiles": profiles,
        "identity": pair_quality(lake, settings.sandbox / "truth" / "records.parquet", settings.timezone),
        "segments": {row["segment"]: row["size"] for row in sizes},
        "audiences": _audience_numbers(settings, sandbox),
    }


@dataclass(frozen=True, slots=True)
class Failed:
    """What an audience's step said as it failed, and its numbers."""

    said: str
    numbers: dict[str, Any]


def _failed(instance: dg.DagsterInstance, runs: int) -> dict[str, Failed]:
    """The audiences that failed in the newest runs, so many of them."""
    found = {}
    for record in (
        record
        for newest in instance.get_runs(dg.RunsFilter(job_name="sync"), limit=runs)
        for record in instance.get_records_for_run(newest.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    ):
        event = record.event_log_entry.get_dagster_event()
        told = event.step_failure_data.user_failure_data
        numbers = {name: value.value for name, value in told.metadata.items()} if told else {}
        found[str(event.step_key).removeprefix("sync_")] = Failed(quoted(event.step_failure_data), numbers)
    return found


def _audience_numbers(settings: Settings, sandbox: SandboxServer) -> dict[str, dict[str, Any]]:
    """The last sync's numbers per audience, from Dagster's own record of them, and what the tool really holds."""
    found: dict[str, dict[str, Any]] = {}
    destinations = STARTER.enabled_destinations(settings)
    with dagster_instance() as instance, closing(Ledger.open(settings.ledger)) as ledger:
        failed = _failed(instance, len(_sync_tasks(settings)))
        for audience in STARTER.enabled_audiences(settings):
            if audience.name in failed:
                metadata = failed[audience.name].numbers
            else:
                event = instance.get_latest_materialization_event(audiences.audience_key(audience.name))
                if event is None or event.asset_materialization is None:
                    continue
                metadata = {name: value.value for name, value in event.asset_materialization.metadata.items()}
            reasons = {reason: metadata.get(f"ineligible_{reason}", 0) for reason in sorted(REASONS)}
            remote = metadata.get("remote")
            vendor = vendor_of(destinations[audience.destination])
            if vendor in NAMES:
                # A tool that publishes estimates only has a sync count receipts; the sandbox is asked what it really holds.
                remote_id = ledger.remote_id(audience.name, audience.destination)
                remote = sandbox.control("GET", f"/{vendor}/lists/{quote(remote_id)}")["size"] if remote_id else 0
            numbers = {name: metadata.get(name, 0) for name in audiences.NUMBERS}
            found[audience.name] = {
                "destination": audience.destination,
                "ineligible": reasons,
                **numbers,
                "remote": remote,
            }
    return found


def vendor_of(destination: Any) -> str:
    """A connector's folder and that of the vendor the sandbox plays have one name, whatever a company calls the connector."""
    return type(destination).__module__.split(".")[-2]


def free(port: int) -> None:
    """Raises ConfigError for a port that something listens on, before anything is started that would need it."""
    with socket.socket() as trial:
        # As servers do: what a connection of minutes ago still holds is free to them.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            raise ConfigError(
                f"port {port} of 127.0.0.1 cannot be listened on: end what uses it, or choose another with --port"
            ) from None


def serve_ui(home: Path, *, port: int) -> int:
    """Dagster's webserver and daemon on a home the demo made, until interrupted; returns their exit code."""
    if not (home / "settings.env").exists():
        raise ConfigError(f"there is no demo in {home}: run `segment-pipeline demo --home {home}` first")
    free(port)
    with alone(home, "UI"), SandboxServer(home) as sandbox:
        held = dict(
            line.split("=", 1)
            for line in (home / "settings.env").read_text(encoding="utf-8").splitlines()
            if "=" in line
        )
        start, end = (date.fromisoformat(held[f"SEGMENT_PIPELINE_{name}"]) for name in ("START", "END"))
        prepare(home, sandbox.base_url, as_of=end, days=(end - start).days + 1)
        Console().print(f"Dagster: http://127.0.0.1:{port}/asset-groups   sandbox: {sandbox.base_url}")
        command = [
            sys.executable, "-m", "dagster", "dev", "--module-name", "segment_pipeline.definitions",
            "--host", "127.0.0.1", "--port", str(port),
        ]  # fmt: skip
        # From the home, so that Dagster reads no `.env` of the folder it was started in.
        process = subprocess.Popen(command, cwd=home)  # noqa: S603  our own interpreter and module
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait()
