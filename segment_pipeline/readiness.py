"""Whether a company can run: every mistake that can be known offline, and what each system says when it is asked.

`mistakes` connects to nothing; `checks` asks the lake, the ledger, the database to publish to and every connector switched on.
Nothing of what a foreign library says leaves here but its kind: it may quote a URL with a password.
"""

import difflib
import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from segment_pipeline import clock, zones
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import fields_of, opened, source_of
from segment_pipeline.environment import company_folder, variables_of
from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.lake import storage
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import PREFIX, SETTINGS, Settings

# Read by tests and by Dagster's own parts, not by us.
ELSEWHERE: Final = frozenset({"SEGMENT_PIPELINE_VENDOR_SPECS"})
# A minute and an hour of every day: a schedule without a doubt.
DAILY: Final = re.compile(r"[1-5]?[0-9] (1?[0-9]|2[0-3]) \* \* \*")
# How alike names must be to be asked about: after our prefix little is needed, anything else may be anybody's.
ALIKE_OURS: Final = 0.7
ALIKE: Final = 0.85


@dataclass(frozen=True, slots=True)
class Check:
    """What one system said. `said`: one sentence, empty where all is well and there is nothing to add."""

    what: str
    ok: bool
    said: str = ""


def mistakes(catalogue: Catalogue, settings: Settings, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Everything wrong that can be known without asking anybody, one sentence each; empty when there is nothing."""
    found = [*catalogue.problems(), *_of_connectors(catalogue, settings), *_misspelt(catalogue, settings, environ)]
    found += _of_the_schedule(settings)
    found += places(settings)
    if settings.alert_url and urlsplit(settings.alert_url).scheme not in ("http", "https"):
        found.append(f"{PREFIX}ALERT_URL is not an http address: set it to the webhook's URL, or leave it empty")
    for path in (catalogue.rates,):
        if isinstance(path, Path) and not os.access(path, os.R_OK):
            found.append(f"the file of rates {path} cannot be read: the catalogue names it")
    return list(dict.fromkeys(found))


def _of_connectors(catalogue: Catalogue, settings: Settings) -> Iterator[str]:
    for switched_on in (catalogue.enabled_sources, catalogue.enabled_destinations):
        try:
            connectors = switched_on(settings)
        except ConfigError as error:
            yield str(error)
            continue
        for connector in connectors.values():
            # Statements of a company's own are read and parsed when the entities are asked for.
            for asked in ("secrets_present", "entities", "capabilities"):
                try:
                    found = getattr(connector, asked, None)
                    if callable(found):
                        found()
                except SegmentPipelineError as error:
                    yield str(error)


def _misspelt(catalogue: Catalogue, settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """Variables that nobody reads and that look like one somebody does."""
    ours = {setting.variable for setting in SETTINGS} | ELSEWHERE
    theirs: set[str] = set()
    for connector in catalogue.connectors():
        theirs |= {source_of(connector, name) or "" for name in _fields(connector)}
    known = ours | theirs - {""}
    folder, _ = company_folder()
    written = {
        name: path.name for path in (settings.home / "settings.env", folder / ".env") for name in variables_of(path)
    }
    for name in sorted({*environ, *written} - known):
        where = f" (in {written[name]})" if name in written else ""
        # What they share says nothing about how alike they are.
        start = PREFIX if name.startswith(PREFIX) else ""
        candidates = {k.removeprefix(start) for k in known - environ.keys() if k.startswith(start)}
        near = [
            start + k
            for k in difflib.get_close_matches(
                name.removeprefix(start), candidates, n=1, cutoff=ALIKE_OURS if start else ALIKE
            )
        ]
        if near:
            yield f"{name}{where} is read by nobody: did you mean {near[0]}?"
        elif name.startswith(PREFIX):
            yield f"{name}{where} is read by nobody: it is no setting of this version"


def _fields(connector: Any) -> Mapping[str, Any]:
    return fields_of(connector) if is_dataclass(connector) else {}


def _of_the_schedule(settings: Settings) -> Iterator[str]:
    if DAILY.fullmatch(settings.cron):
        return
    # Imported late: Dagster, which any other schedule is asked of, takes longer than all the rest.
    from segment_pipeline.defs.automation import check_cron

    try:
        check_cron(settings)
    except ConfigError as error:
        yield str(error)


def places(settings: Settings) -> Iterator[str]:
    """Places that cannot be written to, or are not what they should be."""
    needed = {"HOME": settings.home, "RAW": settings.raw}
    if "://" not in settings.lake:
        needed["LAKE"] = Path(settings.lake)
    for name, place in needed.items():
        if problem := _unusable(place, folder=True):
            yield f"{PREFIX}{name} is {place}, {problem}"
    for name, url in (("LEDGER", settings.ledger), ("PUBLISH", settings.publish)):
        yield from (_of_a_database(name, url) if url else ())


def _of_a_database(name: str, url: str) -> Iterator[str]:
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect().import_dbapi()
    except (SQLAlchemyError, ImportError) as error:
        yield f"{PREFIX}{name} is no URL of a database that can be opened here ({type(error).__name__}): check it, and its driver"
        return
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return
    path = Path(parsed.database)
    if problem := _unusable(path, folder=False):
        yield f"{PREFIX}{name} is {path}, {problem}"
    elif path.exists() and path.stat().st_size:
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError:
            yield f"{PREFIX}{name} is {path}, which is no SQLite database: name another file"


def _unusable(place: Path, *, folder: bool) -> str | None:
    """Why a file or folder cannot be written to or made; None where it can."""
    there = next(p for p in (place, *place.parents) if p.exists())
    if there == place and there.is_dir() is not folder:
        return f"which is a {'file' if folder else 'folder'}: name a {'folder' if folder else 'file'}"
    if there != place and not there.is_dir():
        return f"but {there} is a file: name a place whose folders can be made"
    if not os.access(there, os.W_OK):
        return f"and {there} cannot be written to: give the right, or name another place"
    return None


def checks(catalogue: Catalogue, settings: Settings) -> Iterator[Check]:
    """Ask everything that is switched on, all at once, and say what each answered, in a fixed order."""
    from segment_pipeline.audiences.ledger import Ledger
    from segment_pipeline.publishing.target import Target

    def ledger() -> None:
        with closing(Ledger.open(settings.ledger)) as opened_ledger, opened_ledger.transaction():
            pass

    def target() -> None:
        with closing(Target.open(settings)) as opened_target, opened_target.transaction():
            pass

    asked: list[tuple[str, Callable[[], str | None]]] = [
        ("lake", lambda: check_lake(settings)),
        ("ledger", ledger),
        ("clock", lambda: check_clock(settings)),
    ]
    if settings.publish:
        asked.append(("database to publish to", target))
    sources, destinations = catalogue.enabled_sources(settings), catalogue.enabled_destinations(settings)
    with opened(sources) as tills, opened(destinations) as tools, ThreadPoolExecutor(8) as pool:
        asked += [(f"source {name}", connector.check) for name, connector in tills.items()]
        asked += [(f"destination {name}", connector.check) for name, connector in tools.items()]
        yield from pool.map(lambda one: _answer(*one), asked)
    yield Check("sending", ok=True, said="on" if settings.sending else "off: audiences are planned and shown, not sent")


def _answer(what: str, ask: Callable[[], str | None]) -> Check:
    try:
        return Check(what, ok=True, said=ask() or "")
    except SegmentPipelineError as error:
        return Check(what, ok=False, said=str(error))
    except Exception as error:  # noqa: BLE001  a connector's own mistake must not hide what the others say
        return Check(
            what, ok=False, said=f"failed with {type(error).__name__}, whose text is withheld: it may quote a secret"
        )


def check_lake(settings: Settings) -> None:
    """Write, read and delete a file of a byte, and look for a table; raises ConfigError saying which of them failed and what to set."""
    uri, doing = settings.lake, "be opened"
    try:
        files, root = storage.filesystem(uri)
        if "://" not in uri:
            files.makedirs(root, exist_ok=True)
        probe = f"{root}/_probe-{uuid.uuid4().hex}"
        doing = "be written to"
        with files.open(probe, "wb") as file:
            file.write(b"1")
        doing = "be read"
        files.cat_file(probe)
        doing = "have files deleted"
        files.rm_file(probe)
    except Exception as error:  # noqa: BLE001  whatever a file system raises, its text may quote a key
        raise ConfigError(f"the lake at {uri} cannot {doing}: {_why(uri, error)}") from None
    try:
        storage.open_table(f"{uri}/_probe", {})
    except SegmentPipelineError as error:
        raise ConfigError(
            f"the lake at {uri} takes files and its tables cannot be opened ({error}): delta-rs reads AWS_ENDPOINT_URL,"
            " AWS_REGION and, for http, AWS_ALLOW_HTTP=true"
        ) from None


def _why(uri: str, error: Exception) -> str:
    scheme, name = uri.partition("://")[0], type(error).__name__
    match error:
        case ImportError():
            extra = (
                "pip install 'segment-pipeline[s3]'" if scheme == "s3" else f"install fsspec's package for {scheme}://"
            )
            return f"the library for {scheme}:// is not installed: {extra}"
        case FileNotFoundError():
            return "the bucket or folder is not there: make it, or name another with SEGMENT_PIPELINE_LAKE"
        case PermissionError():
            return "it is not allowed: give the right, or other credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        case ValueError() if "://" in uri and "protocol" in str(error).lower():
            return f"nothing is known of {scheme}://: name a folder or an s3:// address"
    if "Credential" in name:
        return "no credentials are there: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role"
    if "Connect" in name or "Endpoint" in name or "Timeout" in name:
        return "the address does not answer: check AWS_ENDPOINT_URL"
    return f"{name}: check SEGMENT_PIPELINE_LAKE"


def check_clock(settings: Settings) -> str | None:
    """What differs about the time, now and through a year: the system's zone data from the rules that days follow, a pinned clock.

    Raises ConfigError where the engine has other rules than `zones`: a record near midnight would be of two days.
    """
    zone, system, now = zones.zone(settings.timezone), ZoneInfo(settings.timezone), clock.now()
    instants = pa.array([now + timedelta(days=5 * n) for n in range(73)], pa.timestamp("us", "UTC"))
    with Lake.open(settings).session() as session:
        session.register("instants", pa.table({"instant": instants}))
        rows = session.rows("SELECT instant, timezone($zone, instant) AS local FROM instants", zone=settings.timezone)
    for row in rows:
        if row["local"] != row["instant"].astimezone(zone).replace(tzinfo=None):
            raise ConfigError(
                f"DuckDB and the engine disagree about the time in {settings.timezone} on {row['instant']:%Y-%m-%d}: bring both,"
                " and Java's zone data, up to date"
            )
    said = [f"pinned to {now:%Y-%m-%d %H:%M} UTC by {clock.VARIABLE}"] if os.environ.get(clock.VARIABLE) else []
    other = [
        each
        for each in instants.to_pylist()
        if each.astimezone(system).utcoffset() != each.astimezone(zone).utcoffset()
    ]
    if other:
        said.append(
            f"the system's zone data has another time in {settings.timezone} from {other[0]:%Y-%m-%d} on; days follow DuckDB's:"
            " bring the older of both up to date"
        )
    return "; ".join(said) or None
