"""Files somebody puts somewhere: CSV, fixed places, JSON lines, Excel, Parquet; in a folder, an object store, on an SFTP server.

Each file is read once, by the digest of its content. One that changed replaces the rows it gave before, and no other's; one that
is gone keeps its rows. What a row means is the mapping's (`landing.tabular`); how a file is read is `formats`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from segment_pipeline import clock
from segment_pipeline.connector import About, ConnectorKind, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.filesystems import Access
from segment_pipeline.landing import columns, extracts, fitting
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind
from segment_pipeline.landing.tabular import Tabular
from segment_pipeline.landing.tabular_rows import RAGGED, ROWS
from segment_pipeline.sources.files.formats import Csv, Format
from segment_pipeline.sources.files.lines import Refused
from segment_pipeline.sources.files.places import Found, Place

SETTLED = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class FileTable(Tabular):
    """Files that hold the same columns. `pattern`: which, below the root (`till/sales-*.csv`, `**/*.parquet`).

    `settled`: a file changed since less than this is left for the next time: it may still be written.
    `newest`: of a snapshot, only the file changed last says what there is; otherwise all of them together do.
    In `sql(…)`, and as `at` or `updated`, `_file` is the file's path and `_modified` when it was changed.
    """

    pattern: str
    format: Format = field(default_factory=Csv)
    settled: timedelta = SETTLED
    newest: bool = False


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files below `root`: a folder, or a URL that fsspec opens (`s3://bucket/exports`, `sftp://user@host/exports`).

    `options`: what fsspec is told besides, such as `{"endpoint_url": …}`. For SFTP: `password` or `key_file`, and `host_keys`, a
    file of known host keys.
    """

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE,
        "Files",
        "CSV, Excel, JSON lines, Parquet, fixed-width text from a folder, S3, SFTP or what else fsspec opens",
        untested="object stores other than S3",
    )

    name: str = "files"
    root: str
    tables: tuple[FileTable, ...]
    password: str = secret("FILES_PASSWORD", "password of the SFTP user", optional=True)
    key_file: str = ""
    host_keys: str = "~/.ssh/known_hosts"
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(
            fitting.entity(table, self.name, decimal=table.format.decimal, files=True) for table in self.tables
        )

    def secrets_present(self) -> None:
        """Which of the secrets are needed is for the root to say: a folder needs none."""

    def check(self) -> None:
        place = self._place()
        try:
            for table in self.tables:
                if not place.find(table.pattern):
                    raise ConfigError(f"{self.name}/{table.name}: no file is called {table.pattern}: correct `pattern`")
        finally:
            place.close()

    def waiting(self, entity: str, held: Mapping[str, Extract]) -> list[Found]:
        """The files a landing would read: new, or changed since they were landed, and not being written any more."""
        table, place = self._table(entity), self._place()
        try:
            found = place.find(table.pattern)
        finally:
            place.close()
        return [
            each for each in found if each.size and not _young(table, each) and not _same(each, held.get(each.path))
        ]

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:  # noqa: ARG002
        """Whatever the window: a file says itself of which days its rows are."""
        table, place = self._table(entity.name), self._place()
        try:
            return _Pull(self.name, table, place, into).run()
        finally:
            place.close()

    def _table(self, name: str) -> FileTable:
        return next(table for table in self.tables if table.name == name)

    def _place(self) -> Place:
        access = Access(value(self, "password"), self.key_file, self.host_keys, self.options)
        return Place(self.root, self.name, access)


class _Pull:
    """One look at the files of an entity."""

    def __init__(self, name: str, table: FileTable, place: Place, into: RawPages) -> None:
        self._name, self._table, self._place, self._into = name, table, place, into
        self._extracts: list[Extract] = []
        self._notes: list[str] = []

    def run(self) -> Pulled:
        held, found = self._into.held, self._settled()
        if self._table.kind is Kind.SNAPSHOT:
            found = sorted(found, key=_age)[-1:] if self._table.newest else found
            # What is absent is gone, so all that is there must be read once anything of it changed.
            wanted = found if any(not _same(each, held.get(each.path)) for each in found) else []
        else:
            wanted = [each for each in found if not _same(each, held.get(each.path))]
        for each in wanted:
            self._read(each, anyway=self._table.kind is Kind.SNAPSHOT)
        changed = [held[e.origin].days for e in self._extracts if e.file and e.origin in held]
        if changed and self._table.kind is not Kind.SNAPSHOT:
            # A row two files had is stored once; where the file it was stored of has it no more, the other's comes back.
            for each in found:
                known = held.get(each.path)
                if known and each not in wanted and any(extracts.overlap(known.days, days) for days in changed):
                    self._read(each, anyway=True)
        return self._into.finish(requests=len(found), extracts=self._extracts, notes=self._notes)

    def _settled(self) -> list[Found]:
        found = self._place.find(self._table.pattern)
        for said, left in (
            ("are empty", [each for each in found if not each.size]),
            ("changed a moment ago", [each for each in found if each.size and _young(self._table, each)]),
        ):
            if left:
                self._notes.append(f"{len(left)} files {said} and are left for the next time: {_names(left)}")
            found = [each for each in found if each not in left]
        return found

    def _read(self, found: Found, *, anyway: bool) -> None:
        where, before = f"{self._name}/{self._table.name}, {found.path}", self._into.held.get(found.path)
        with self._place.local(found.path, self._into.folder) as (file, digest, size):
            if size != found.size or self._place.look(found.path) != found:
                self._notes.append(f"1 file changed while it was read and is left for the next time: {found.path}")
                return
            if before and before.digest == digest and not anyway:
                unchanged = replace(before, file="", modified_at=found.modified_at)
                self._extracts.append(unchanged)
                return
            refused, target = Refused(), self._into.path(ROWS, ".parquet")
            try:
                written = self._table.format.convert(file, target, refused)
            except ContractError as error:
                raise ContractError(f"{where}: {error}: nothing was written") from None
            if self._place.look(found.path) != found:
                raise TransientError(f"{where} changed while it was read: try again when it is whole")
        self._into.written(ROWS, written)
        self._extracts.append(
            Extract(
                found.path,
                written.columns,
                written.rows,
                file=target.name,
                digest=digest,
                size=size,
                modified_at=found.modified_at,
            )
        )
        if refused.texts:
            path = self._into.path(RAGGED, ".parquet")
            columns.write_texts(
                path, {"text": refused.texts, "reason": refused.reasons, "origin": [found.path] * len(refused.texts)}
            )
            self._into.count(RAGGED, len(refused.texts))


def _same(found: Found, held: Extract | None) -> bool:
    """Whether a file is, by all that a listing says, the one that was landed."""
    return (
        held is not None
        and (held.size, held.modified_at) == (found.size, found.modified_at)
        and held.modified_at is not None
    )


def _young(table: FileTable, found: Found) -> bool:
    return found.modified_at is not None and abs(clock.now() - found.modified_at) < table.settled


def _age(found: Found) -> tuple[datetime, str]:
    return found.modified_at or datetime.min.replace(tzinfo=UTC), found.path


def _names(found: Sequence[Found]) -> str:
    named = ", ".join(each.path for each in found[:5])
    return named if len(found) <= 5 else f"{named} and {len(found) - 5} more"


CONNECTOR = Files
