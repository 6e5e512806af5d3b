"""The environment as one frozen value, parsed once. Holds the names of secrets, never their values."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from segment_pipeline.errors import ConfigError
from segment_pipeline.zones import zone

PREFIX = "SEGMENT_PIPELINE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable: the reference is made of these."""

    variable: str
    default: str
    meaning: str


SETTINGS = (
    Setting("SEGMENT_PIPELINE_HOME", ".pipeline", "folder of the lake, the ledger, raw pages and the sandbox"),
    Setting(
        "SEGMENT_PIPELINE_LAKE",
        "<home>/lake",
        (
            "folder or s3:// URI of the Delta tables; a bucket needs the extra `s3`, "
            "`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, and where it is not Amazon's `AWS_ENDPOINT_URL`"
        ),
    ),
    Setting("SEGMENT_PIPELINE_RAW", "<home>/raw", "folder of raw pages"),
    Setting(
        "SEGMENT_PIPELINE_LEDGER",
        "sqlite:///<home>/ledger.sqlite",
        "SQLAlchemy URL of the ledger (PostgreSQL: postgresql+psycopg://…)",
    ),
    Setting("SEGMENT_PIPELINE_SANDBOX", "<home>/sandbox", "folder of the sandbox vendors' state and the demo's truth"),
    Setting("SEGMENT_PIPELINE_TIMEZONE", "UTC", "IANA zone of a company day; fixed after the first landing"),
    Setting("SEGMENT_PIPELINE_BASE_CURRENCY", "USD", "currency of spend traits"),
    Setting("SEGMENT_PIPELINE_COUNTRY", "US", "country assumed for a phone whose record names none"),
    Setting("SEGMENT_PIPELINE_START", "2017-01-01", "first day of history"),
    Setting("SEGMENT_PIPELINE_END", "", "last day of history; empty: open"),
    Setting(
        "SEGMENT_PIPELINE_CATALOGUE",
        "",
        "the company's catalogue, as module:name; empty: `[tool.segment-pipeline] catalogue` of the nearest pyproject.toml",
    ),
    Setting("SEGMENT_PIPELINE_FILES", "<home>/files", "folder of the hashed files destination"),
    Setting("SEGMENT_PIPELINE_SOURCES", "", "sources switched on; empty: all the catalogue declares; `none`: none"),
    Setting(
        "SEGMENT_PIPELINE_DESTINATIONS", "", "destinations switched on; empty: all the catalogue declares; `none`: none"
    ),
    Setting(
        "SEGMENT_PIPELINE_SENDING",
        "off",
        "on: audiences are sent to their destinations; off: they are planned and shown, and nothing is sent, denials included",
    ),
    Setting("SEGMENT_PIPELINE_ENGINE", "duckdb", "what runs the SQL: `duckdb` in this process, or `spark`"),
    Setting("SEGMENT_PIPELINE_SPARK_MASTER", "local[2]", "where Spark runs: local[N], spark://…, yarn, k8s://…"),
    Setting("SEGMENT_PIPELINE_SPARK_CONF", "", "more of Spark's configuration: key=value, separated by semicolons"),
    Setting(
        "SEGMENT_PIPELINE_MEMORY", "2GB", "memory an engine may use before it spills to disk (Spark: the driver's)"
    ),
    Setting("SEGMENT_PIPELINE_THREADS", "", "threads of an engine; empty: one per core"),
    Setting("SEGMENT_PIPELINE_CRON", "0 3 * * *", "when the nightly refresh runs, in the company's time zone"),
    Setting(
        "SEGMENT_PIPELINE_FRESH_HOURS", "48", "hours after the end of a day in which its memberships may still be sent"
    ),
    Setting(
        "SEGMENT_PIPELINE_PUBLISH",
        "",
        "SQLAlchemy URL of the database tables are published to (PostgreSQL: postgresql+psycopg://…); empty: off",
    ),
    Setting("SEGMENT_PIPELINE_PUBLISH_SCHEMA", "", "its schema for them; empty: the database's default"),
    Setting("SEGMENT_PIPELINE_PUBLISH_PERSONAL", "", "1 publishes columns that identify a person by themselves, too"),
    Setting("SEGMENT_PIPELINE_ALERT_URL", "", "webhook that receives failures as JSON; empty: log only"),
    Setting("SEGMENT_PIPELINE_CLOCK", "", "pins the time, for the demo and for tests"),
    Setting("SEGMENT_PIPELINE_NO_WAIT", "", "1 turns waiting between retries off, for tests"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How this installation runs. `start` and `end` are company days, both included; `end` None: open.

    `sources`, `destinations`: names of those switched on; None: all the catalogue declares.
    """

    home: Path
    lake: str
    raw: Path
    ledger: str = field(repr=False)
    sandbox: Path
    timezone: str
    base_currency: str
    country: str
    catalogue: str | None
    files: Path
    start: date
    end: date | None
    sources: tuple[str, ...] | None
    destinations: tuple[str, ...] | None
    sending: bool
    engine: str
    spark_master: str
    spark_conf: Mapping[str, str]
    memory: str
    threads: int | None
    cron: str
    fresh_hours: int
    alert_url: str | None
    publish: str | None = field(repr=False)
    publish_schema: str | None
    publish_personal: bool

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Raises ConfigError naming the variable that cannot be read and what it takes."""
        defaults = {setting.variable: setting.default for setting in SETTINGS}

        def get(name: str) -> str:
            return environ.get(PREFIX + name) or defaults[PREFIX + name]

        home = Path(get("HOME")).expanduser().absolute()
        lake = get("LAKE").replace("<home>", str(home))
        made = cls(
            home=home,
            lake=lake if "://" in lake else str(Path(lake).expanduser().absolute()),
            raw=Path(get("RAW").replace("<home>", str(home))).expanduser().absolute(),
            ledger=_database(get("LEDGER").replace("<home>", str(home))),
            sandbox=Path(get("SANDBOX").replace("<home>", str(home))).expanduser().absolute(),
            timezone=_zone(get("TIMEZONE")),
            base_currency=_code("BASE_CURRENCY", get("BASE_CURRENCY"), 3, "an ISO 4217 currency such as EUR"),
            country=_code("COUNTRY", get("COUNTRY"), 2, "an ISO 3166 country such as DE"),
            catalogue=get("CATALOGUE") or None,
            files=Path(get("FILES").replace("<home>", str(home))).expanduser().absolute(),
            start=_day("START", get("START")),
            end=_day("END", get("END")) if get("END") else None,
            sources=_names(get("SOURCES")),
            destinations=_names(get("DESTINATIONS")),
            sending=_switch("SENDING", get("SENDING")),
            engine=_engine(get("ENGINE")),
            spark_master=get("SPARK_MASTER"),
            spark_conf=_pairs("SPARK_CONF", get("SPARK_CONF")),
            memory=_memory(get("MEMORY")),
            threads=_number("THREADS", get("THREADS")) if get("THREADS") else None,
            cron=get("CRON"),
            fresh_hours=_number("FRESH_HOURS", get("FRESH_HOURS")),
            alert_url=get("ALERT_URL") or None,
            publish=_database(get("PUBLISH").replace("<home>", str(home))) or None,
            publish_schema=get("PUBLISH_SCHEMA") or None,
            publish_personal=_flag("PUBLISH_PERSONAL", get("PUBLISH_PERSONAL")),
        )
        if made.end is not None and made.end < made.start:
            raise ConfigError(f"{PREFIX}END is before {PREFIX}START: history would have no day")
        return made


def _names(text: str) -> tuple[str, ...] | None:
    if not text.strip():
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip() and name.strip() != "none")


def _database(url: str) -> str:
    """A SQLite file by its whole path, so that it is the same one for a process in another folder; other URLs as they are."""
    kind, separator, path = url.partition(":///")
    if not separator or not kind.startswith("sqlite") or not path or path.startswith((":memory:", "file:")):
        return url
    return f"{kind}:///{Path(path).expanduser().absolute()}"


def _pairs(name: str, text: str) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in text.split(";") if entry.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ConfigError(f"{PREFIX}{name} is not a list of key=value separated by semicolons")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _engine(name: str) -> str:
    if name not in {"duckdb", "spark"}:
        raise ConfigError(f"{PREFIX}ENGINE names no engine: set it to duckdb or spark")
    return name


def memory_bytes(text: str) -> int:
    """An amount of memory as a setting has it (`2GB`, `800 MiB`) in bytes."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise ConfigError("an amount of memory is not written like 2GB or 800MB")
    power = "KMGT".index(found[2].upper()) + 1
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(i?)B", flags=re.IGNORECASE)


def _memory(text: str) -> str:
    if not _MEMORY.fullmatch(text):
        raise ConfigError(f"{PREFIX}MEMORY is not an amount of memory: set it like 2GB or 800MB")
    return text


def _zone(name: str) -> str:
    try:
        zone(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"{PREFIX}TIMEZONE names no time zone: set an IANA name such as Europe/Berlin") from None
    return name


def _code(name: str, text: str, letters: int, what: str) -> str:
    code = text.strip().upper()
    if len(code) != letters or not (code.isascii() and code.isalpha()):
        raise ConfigError(f"{PREFIX}{name} is no code of {letters} letters: set {what}")
    return code


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{PREFIX}{name} is not a day: set it like 2017-01-01") from None


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ConfigError(f"{PREFIX}{name} is neither on nor off")
    return text.lower() == "on"


def _flag(name: str, text: str) -> bool:
    if text not in ("", "0", "1"):
        raise ConfigError(f"{PREFIX}{name} is neither 1 nor 0")
    return text == "1"


def _number(name: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(f"{PREFIX}{name} is not a positive whole number")
    return number
