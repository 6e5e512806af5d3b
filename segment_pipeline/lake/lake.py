"""The lake: all tables under one root, and sessions with them.

    with lake.session() as s:
        s.scan("orders", days=window)                         # a view named orders, its version pinned
        s.define("spend", statement("profiles/traits", "spend"), as_of=day)
        s.replace("traits", "SELECT * FROM spend", {"as_of": [day]})

Knows no table's meaning.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import reach, storage
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.engine import Engine
from segment_pipeline.lake.lease import shared
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.storage import OpenTables
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline.settings import Settings

FIXED = "_fixed"
SCRATCH = "_scratch"


class Lake:
    """All tables under one root: a local folder or an object store's URI."""

    def __init__(self, root: str, engine: Engine, *, storage_options: Mapping[str, str] | None = None) -> None:
        self.root, self.engine, self.storage_options = root.rstrip("/"), engine, dict(storage_options or {})
        if odd := sorted(set(self.root) & set("*?[")):
            # DuckDB takes these in a file's name for patterns.
            raise ConfigError(
                f"the lake's path holds {' and '.join(odd)}: choose a folder without them (SEGMENT_PIPELINE_LAKE)"
            )
        reach.check_root(self.root)
        self.lease = None if "://" in root else Path(self.root) / "lease"
        self.opened = OpenTables(self.root, self.storage_options)

    @classmethod
    def open(cls, settings: Settings) -> "Lake":
        engine: Engine
        if settings.engine == "spark":
            # Imported late: Spark is an extra.
            from segment_pipeline.lake.spark_engine import SparkEngine

            engine = SparkEngine(
                master=settings.spark_master,
                memory=settings.memory,
                scratch=f"{settings.lake}/{SCRATCH}",
                conf=settings.spark_conf,
            )
        else:
            engine = DuckDBEngine(memory=settings.memory, threads=settings.threads, spill=settings.home / "spill")
        return cls(settings.lake, engine)

    def probe(self) -> None:
        """Write, read and delete something of its own where the lake is; raises ConfigError or TransientError saying what to set."""
        reach.probe(self.root, self.storage_options, storage.filesystem(self.root))

    def uri(self, name: str) -> str:
        return f"{self.root}/{name}"

    def version(self, name: str) -> int | None:
        """The newest version of a table; None: nothing was ever written to it."""
        with self.opened.newest(table(name).name) as delta:
            return delta.version() if delta else None

    def identity(self, name: str) -> tuple[str, int] | None:
        """Which table it is (one made anew is another) and its newest version; None: there is none."""
        with self.opened.newest(table(name).name) as delta:
            return (str(delta.metadata().id), delta.version()) if delta else None

    def lost(self, name: str) -> bool:
        """A table was written to and is there no more."""
        return self.opened.lost(table(name).name)

    def begin(self, name: str) -> None:
        """Let a table that is lost begin anew."""
        self.opened.begin(table(name).name)

    def partitions(self, name: str) -> list[dict[str, Any]]:
        """Partition values that hold rows at present, with `rows`, sorted; one entry per combination."""
        declared = table(name)
        totals: dict[tuple[Any, ...], int] = {}
        with self.opened.newest(declared.name) as delta:
            for file in storage.files(delta, declared) if delta else ():
                key = tuple(file.partition[column] for column in declared.partition_by)
                totals[key] = totals.get(key, 0) + file.rows
        return [
            dict(zip(declared.partition_by, key, strict=True)) | {"rows": rows}
            for key, rows in sorted(totals.items())
            if rows
        ]

    def rows(self, name: str) -> int:
        """Rows of a table at present, as the Delta log counts them."""
        declared = table(name)
        with self.opened.newest(declared.name) as delta:
            return sum(file.rows for file in storage.files(delta, declared)) if delta else 0

    def snapshots(self, name: str) -> list[date]:
        """The as_of days of which a snapshot exists, oldest first."""
        return sorted({entry["as_of"] for entry in self.partitions(name)})

    def marked(self, name: str, application: str) -> int | None:
        """The newest marker number an application committed to a table; None: none."""
        with self.opened.newest(table(name).name) as delta:
            return delta.transaction_version(application) if delta else None

    def fix(self, *, timezone: str, base_currency: str) -> None:
        """Hold this lake to one time zone of a company day and one base currency; call before anything is landed.

        The first call writes them down; a later one raises ConfigError when a setting has changed: days and amounts already
        stored would silently mean something else.
        """
        wanted = {"timezone": timezone, "base_currency": base_currency}
        held = storage.fixed(self.uri(FIXED), self.storage_options, wanted)
        for name, value in wanted.items():
            if held[name] != value:
                raise ConfigError(
                    f"SEGMENT_PIPELINE_{name.upper()} is {value}, and this lake was landed with {held[name]}: set it back, "
                    "or land everything again into another lake"
                )

    def complete(self) -> None:
        """Make the tables nothing was written to yet, empty, so that other readers find every table that is declared."""
        for declared in all_tables():
            storage.create(declared, self.uri(declared.name), self.storage_options)

    @contextmanager
    def session(self, pins: Mapping[str, int] | None = None) -> Iterator[Session]:
        """A conversation in which each table has one version: the one in `pins`, or its newest when first read."""
        with shared(self.lease):
            session = Session(self, self.engine.connect(), dict(pins or {}))
            try:
                yield session
            finally:
                session.close()
