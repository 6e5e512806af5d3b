"""Tables somebody else keeps, as dlt, Fivetran, Airbyte and dbt do: Parquet files or a Delta table, read where they are.

Nothing is copied that can be read in place: local Parquet, and local Delta tables whose files tell all. A schema in a database or
warehouse is `Database`'s, with the same `upstream`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pyarrow import dataset, parquet

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.landing import columns, fitting
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.landing.tabular import Tabular
from segment_pipeline.landing.tabular_rows import ROWS

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
        if isinstance(opened, list):
            pieces = [_refer(where, file, into) for file in opened]
        else:
            written = columns.write(into.path(ROWS, ".parquet"), opened.schema, opened.to_batches())
            into.count(ROWS, written.rows)
            pieces = [Extract("", written.columns, written.rows)]
        return into.finish(requests=0, extracts=[columns.together(where, pieces, grown=True)])

    def _opened(self, table: KeptTable) -> "list[Path] | dataset.Dataset":
        """The files that are the table, where they can be read as they are; otherwise a data set to be copied."""
        where = f"{self.name}/{table.name}"
        local = "://" not in table.place
        place = Path(table.place).expanduser()
        if local and not place.exists():
            raise ConfigError(
                f"{where}: there is nothing at its place: correct `place`, or run {table.upstream or 'what writes it'}"
            )
        if (place / LOG).is_dir() or (not local and self._is_delta(table.place)):
            return self._delta(where, table.place, local=local)
        if not local:
            return dataset.dataset(*self._remote(where, table.place), partitioning="hive")
        files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
        # Tools that partition put values into names of folders, and hide what is not finished behind a _ or a dot.
        files = [
            file for file in files if not any(part.startswith(("_", ".")) for part in file.relative_to(place).parts)
        ]
        if not files:
            raise ConfigError(
                f"{where}: there is no Parquet file at its place: correct `place`, or run {table.upstream or 'what writes it'}"
            )
        if any("=" in part for file in files for part in file.relative_to(place).parts[:-1]):
            return dataset.dataset([str(file) for file in files], partitioning="hive", partition_base_dir=str(place))
        return files

    def _is_delta(self, place: str) -> bool:
        from deltalake import DeltaTable

        return bool(DeltaTable.is_deltatable(place, dict(self.options) or None))

    def _delta(self, where: str, place: str, *, local: bool) -> "list[Path] | dataset.Dataset":
        from deltalake import DeltaTable

        try:
            table = DeltaTable(place, storage_options=dict(self.options) or None)
            features = set(table.protocol().reader_features or ())
            plain = not table.metadata().partition_columns and not features & {"deletionVectors", "columnMapping"}
            if local and plain:
                return [Path(uri.removeprefix("file://")) for uri in table.file_uris()]
            return table.to_pyarrow_dataset()
        except (OSError, pa.ArrowException) as error:
            raise TransientError(
                f"{where}: the table cannot be reached ({type(error).__name__}): try again later"
            ) from None
        except Exception as error:  # noqa: BLE001 - delta-rs has exceptions of its own, whose text may quote a value
            raise ContractError(f"{where}: its Delta table cannot be read ({type(error).__name__})") from None

    def _remote(self, where: str, place: str) -> tuple[str, Any]:
        import fsspec
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        try:
            fs, path = fsspec.core.url_to_fs(place, **self.options)
        except (ImportError, ValueError):
            raise ConfigError(f"{where}: its place cannot be opened: install what fsspec needs for it") from None
        return path, PyFileSystem(FSSpecHandler(fs))


def _refer(where: str, file: Path, into: RawPages) -> Extract:
    """A file that is read where it is."""
    try:
        with parquet.ParquetFile(file) as held:
            found, rows = columns.types_of(held.schema_arrow), held.metadata.num_rows
    except (OSError, pa.ArrowException):
        raise TransientError(f"{where}: one of its files cannot be read, it may be being written: try again") from None
    into.refer(ROWS, file.absolute())
    into.count(ROWS, rows)
    return Extract("", found, rows)


CONNECTOR = Kept
