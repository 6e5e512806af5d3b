"""What every sandbox vendor shares: the sandbox's own clock, and one SQLite file each.

Everything lives under `<home>/sandbox/` and survives a restart of the server.
"""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from segment_pipeline import clock
from segment_pipeline.errors import ConfigError


class SandboxState:
    """The state of one sandbox. `home` is the pipeline's home; files are under `home/sandbox`. Safe to use from any thread."""

    def __init__(self, home: Path) -> None:
        self.home = Path(home)
        self.directory = self.home / "sandbox"
        self.directory.mkdir(parents=True, exist_ok=True)
        self._clock_file = self.directory / "clock"
        self._clock: tuple[int, datetime] | None = None
        self._local = threading.local()

    def now(self) -> datetime:
        """The sandbox's instant, aware, in UTC; the pipeline's clock until somebody sets it."""
        try:
            changed = self._clock_file.stat().st_mtime_ns
        except FileNotFoundError:
            return clock.now()
        cached = self._clock
        if cached is not None and cached[0] == changed:
            return cached[1]
        instant = parse_instant(self._clock_file.read_text(encoding="ascii").strip())
        self._clock = (changed, instant)
        return instant

    def set_now(self, instant: datetime) -> None:
        """Move the clock, forwards or backwards. Raises ConfigError for an instant without an offset."""
        if instant.tzinfo is None:
            raise ConfigError(
                "the sandbox clock takes an instant with an offset from UTC, like 2018-01-01T03:00:00+00:00"
            )
        partial = self._clock_file.with_suffix(".partial")
        partial.write_text(instant.astimezone(UTC).isoformat(), encoding="ascii")
        partial.replace(self._clock_file)
        self._clock = None

    def database(self, vendor: str) -> sqlite3.Connection:
        """This thread's connection to `<vendor>.sqlite`, in autocommit: a writer opens its own `BEGIN IMMEDIATE`."""
        connections: dict[str, sqlite3.Connection] | None = getattr(self._local, "connections", None)
        if connections is None:
            connections = self._local.connections = {}
        connection = connections.get(vendor)
        if connection is None:
            connection = sqlite3.connect(self.directory / f"{vendor}.sqlite", timeout=30, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            # A killed server loses nothing by this, only a crash of the machine would.
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA wal_autocheckpoint=10000")
            connection.execute("PRAGMA cache_size=-65536")
            connection.execute("PRAGMA foreign_keys=ON")
            connections[vendor] = connection
        return connection


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant with an offset, in UTC. Raises ConfigError otherwise."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("the sandbox clock takes an ISO 8601 instant like 2018-01-01T03:00:00+00:00") from None
    if instant.tzinfo is None:
        raise ConfigError("the sandbox clock takes an instant with an offset from UTC, like 2018-01-01T03:00:00+00:00")
    return instant.astimezone(UTC)
