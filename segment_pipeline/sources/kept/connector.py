"""Tables somebody else keeps, as dlt, Fivetran, Airbyte and dbt do: Parquet files or a Delta table, read where they are.

Nothing is copied that can be read in place: local Parquet, and local Delta tables whose files tell all. A schema in a database or
warehouse is `Database`'s, with the same `upstream`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pyarrow.fs import LocalFileSystem

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.landing import columns, fitting
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.landing.tabular import Tabular
from segment_pipeline.landing.tabular_rows import ROWS
from segment_pipeline.sources.kept import files

LOG = "_delta_log"


@dataclass(frozen=True, kw_only=True)
class KeptTable(Tabular):
    """`place`: a folder of Parquet files (below it, too), one file, or a Delta table; local or a URL. `upstream`: the Dagster
    asset that writes it, so that lineage is one graph.
    """

    place: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """`options`: what fsspec and Delta are told of an object store, such as `{"AWS_ENDPOINT_URL": …}`."""

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE,
        "Kept",
        "Parquet and Delta tables that dlt, Fivetran, Airbyte or dbt keep, read in place",
        untested="object stores",
    )

    name: str = "kept"
    tables: tuple[KeptTable, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(fitting.entity(table, self.name) for table in self.tables)

    def secrets_present(self) -> None:
        """An object store's are those of its library."""

    def check(self) -> None:
        for table in self.tables:
            self._opened(table)

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:  # noqa: ARG002
        """All the table holds, whatever the window: landing takes the window's rows."""
        table = next(each for each in self.tables if each.name == entity.name)
        where, opened = f"{self.name}/{table.name}", self._opened(table)
        if opened.whole is None:
            for each in opened.pieces:
                files.refer(where, each, into)
            found = columns.together(where, [each.extract for each in opened.pieces], grown=True)
        else:
            rows = files.batches(where, opened.whole)
            written = columns.write(into.path(ROWS, ".parquet"), opened.whole.schema, rows)
            into.written(ROWS, written)
            found = Extract("", written.columns, written.rows)
        return into.finish(requests=0, extracts=[found], notes=opened.notes)

    def _opened(self, table: KeptTable) -> "_Opened":
        """The files that are the table, where they can be read as they are; otherwise a data set to be copied."""
        where, mapped = f"{self.name}/{table.name}", table.used - set(table.optional)
        local = "://" not in table.place
        place = Path(table.place).expanduser().absolute()
        nothing = f"correct `place`, or run {table.upstream or 'what writes it'}"
        if local and not place.exists():
            raise ConfigError(f"{where}: there is nothing at its place: {nothing}")
        if (place / LOG).is_dir() or (not local and self._is_delta(where, table.place)):
            return self._delta(where, table.place, mapped, local=local)
        path, store = (str(place), LocalFileSystem()) if local else self._remote(where, table.place)
        paths = files.listed(where, path, store)
        if not paths:
            raise ConfigError(f"{where}: there is no Parquet file at its place: {nothing}")
        held = files.pieces(where, paths, store)
        notes = files.check_grown(where, held, mapped)
        if not local or any("=" in part for each in paths for part in Path(each).relative_to(path).parts[:-1]):
            return _Opened(held, files.as_one(where, held, store, path), notes)
        return _Opened(held, None, notes)

    def _is_delta(self, where: str, place: str) -> bool:
        from deltalake import DeltaTable

        with files.reached(where):
            return bool(DeltaTable.is_deltatable(place, dict(self.options) or None))

    def _delta(self, where: str, place: str, mapped: Collection[str], *, local: bool) -> "_Opened":
        from deltalake import DeltaTable

        with files.reached(where):
            table = DeltaTable(place, storage_options=dict(self.options) or None)
            features = set(table.protocol().reader_features or ())
            plain = not table.metadata().partition_columns and not features & {"deletionVectors", "columnMapping"}
            if not (local and plain):
                return _Opened((), table.to_pyarrow_dataset(), [])
            paths = [uri.removeprefix("file://") for uri in table.file_uris()]
        held = files.pieces(where, paths, LocalFileSystem())
        return _Opened(held, None, files.check_grown(where, held, mapped, declared=True))

    def _remote(self, where: str, place: str) -> tuple[str, Any]:
        import fsspec
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        try:
            fs, path = fsspec.core.url_to_fs(place, **self.options)
        except (ImportError, ValueError):
            raise ConfigError(f"{where}: its place cannot be opened: install what fsspec needs for it") from None
        return path, PyFileSystem(FSSpecHandler(fs))


@dataclass(frozen=True, slots=True)
class _Opened:
    """A table's files, or all of it as one data set (`whole`) where they cannot be read as they are."""

    pieces: Sequence[files.Piece]
    whole: Any
    notes: Sequence[str]


CONNECTOR = Kept
