"""Hashed CSV files for tools that are fed by hand or by an SFTP job: the current members, and each change as a file.

One folder per audience: `members.csv` is who is in now; `changes-<plan>-<number>-add.csv` and `-remove.csv` are what one batch
did, each ready to upload as it is. Every file appears whole or not at all.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from segment_pipeline.connector import About, ConnectorKind, address, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.vendor import variable
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.settings import Settings

_ROWS: Final = 1_000_000
_COLUMNS: Final = ("email", "phone")
_MEMBERS: Final = "members.csv"
_SAFE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class HashedFiles:
    """Audiences as CSV files under `directory`, columns email and phone, SHA-256 in hex, empty where a member has none.

    The phone is hashed as E.164 with its `+` unless `phone_rule` says otherwise (`phone/digits-sha256/1`: digits only).
    Files are readable by their owner only: hashes are still personal data.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION, "Hashed files", "CSV of SHA-256 identifiers, current members and changes per plan"
    )
    name: str = "files"
    directory: str = address("SEGMENT_PIPELINE_FILES", "<home>/files", "folder of the hashed files destination")
    channel: str = "ads"
    email_rule: str = "email/sha256/1"
    phone_rule: str = "phone/sha256/1"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=(
                IdentifierRule("email", "email", self.email_rule),
                IdentifierRule("phone", "phone", self.phone_rule),
            ),
            batch_rows=_ROWS,
            batch_bytes=1 << 30,
        )

    def secrets_present(self) -> None:
        """There are none."""

    def check(self) -> None:
        """The directory exists, or can be made, and takes files."""
        with self._as_config():
            root = self._root
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = root / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()

    def ensure_audience(self, name: str) -> str:
        """The audience's folder; a name unfit for a folder gets a slug with a digest of the whole name."""
        folder = name if _SAFE.fullmatch(name) else f"{_slug(name)}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        with self._as_config():
            path = self._root / folder
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(path):
                if not (path / _MEMBERS).exists():
                    _write(path / _MEMBERS, _empty())
        return folder

    def apply(self, batch: Batch) -> Receipt:
        """Write the change, then the members. The same batch again writes the same files."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, *_COLUMNS)
        changes = rows.select(list(_COLUMNS)).cast(_empty().schema)
        upsert = batch.operation is Operation.UPSERT
        if changes.num_rows:
            folder = self._folder(batch.remote_id)
            try:
                with _locked(folder):
                    members = _read(folder / _MEMBERS)
                    _write(folder / _change_name(batch), _sorted(changes))
                    _write(folder / _MEMBERS, _with(members, changes) if upsert else _without(members, changes))
            except OSError as error:
                raise TransientError(
                    f"{self.name}: audience {batch.remote_id} could not be written ({_errno(error)})"
                ) from None
        return Receipt.final(batch, rejected, requests=0)

    def forget(self, batch: Batch) -> Receipt:
        """Rewrite every file of every audience, past changes included, without the rows whose strongest identifier is given."""
        rows, rejected = bodies.refuse_unhashed(batch, *_COLUMNS)
        given = pa.concat_arrays([chunk for column in _COLUMNS for chunk in rows.column(column).chunks])
        with self._as_config():
            for members in self._root.glob(f"*/{_MEMBERS}"):
                with _locked(members.parent):
                    for path in (members, *members.parent.glob("changes-*.csv")):
                        held = _read(path)
                        theirs = pc.is_in(pc.coalesce(held.column("email"), held.column("phone")), given)
                        if pc.any(theirs).as_py():
                            _write(path, _sorted(held.filter(pc.invert(theirs))))
        return Receipt.final(batch, rejected, requests=0)

    def count(self, remote_id: str) -> int:
        """Rows of `members.csv`."""
        return int(_read(self._folder(remote_id) / _MEMBERS).num_rows)

    @property
    def _root(self) -> Path:
        said = value(self, "directory")
        return Path(said).expanduser().absolute() if "<home>" not in said else Settings.from_env().files

    def _folder(self, remote_id: str) -> Path:
        folder = self._root / remote_id
        if not _SAFE.fullmatch(remote_id) or not (folder / _MEMBERS).exists():
            raise AudienceGone(
                f"{self.name} no longer has the folder of audience {remote_id}: resend it to make it anew"
            )
        return folder

    @contextmanager
    def _as_config(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            setting = variable(self, "directory")
            raise ConfigError(
                f"{self.name} cannot write to its directory ({_errno(error)}): set {setting} to one it may use"
            ) from None


CONNECTOR = HashedFiles


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40] or "audience"


def _change_name(batch: Batch) -> str:
    plan = (
        batch.plan[:16]
        if re.fullmatch(r"[0-9a-f]{16,}", batch.plan)
        else hashlib.sha256(batch.plan.encode()).hexdigest()[:16]
    )
    kind = "add" if batch.operation is Operation.UPSERT else "remove"
    return f"changes-{plan}-{batch.number:05d}-{kind}.csv"


def _empty() -> pa.Table:
    return pa.table({column: pa.array([], pa.string()) for column in _COLUMNS})


def _read(path: Path) -> pa.Table:
    """(email, phone), NULL where the cell is empty. ContractError when the file was edited into something else."""
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(_COLUMNS, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=True,
    )
    try:
        table = csv.read_csv(path, convert_options=options)
    except pa.ArrowInvalid:
        table = None
    if table is None or tuple(table.column_names) != _COLUMNS:
        raise ContractError(
            f"{path.name} of {path.parent.name} is not a file of members: restore it, or remove it and sync again"
        )
    return table


def _with(members: pa.Table, added: pa.Table) -> pa.Table:
    return _sorted(pa.concat_tables([members, added]))


def _without(members: pa.Table, removed: pa.Table) -> pa.Table:
    marked = removed.group_by(list(_COLUMNS)).aggregate([])
    return _sorted(_filled(members).join(_filled(marked), keys=list(_COLUMNS), join_type="left anti"))


def _filled(table: pa.Table) -> pa.Table:
    """The empty text for NULL, as in the file: joins do not match NULL with NULL."""
    return pa.table({column: table.column(column).fill_null("") for column in _COLUMNS})


def _sorted(table: pa.Table) -> pa.Table:
    """Distinct and in order, so that equal members are equal files."""
    distinct = _filled(table).group_by(list(_COLUMNS)).aggregate([])
    return distinct.sort_by([(column, "ascending") for column in _COLUMNS])


def _write(path: Path, table: pa.Table) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"email,phone\n")  # pyarrow would quote the header, and not every upload form reads that
            csv.write_csv(
                table.select(list(_COLUMNS)), file, csv.WriteOptions(include_header=False, quoting_style="none")
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_directory(path.parent)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer per audience on this host; the lock goes with its process."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _errno(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
