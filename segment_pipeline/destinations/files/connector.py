"""Hashed CSV files for tools that are fed by hand or by an SFTP job: the current members, and each change as a file.

One folder per audience: `members.csv` is who is in now; `changes-<plan>-<number>-add.csv` and `-remove.csv` are what one batch
did, each ready to upload as it is. Every file appears whole or not at all.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Final

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
_NAME: Final = ".name"
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
        """The audience's folder; a name unfit for a folder, or whose folder another audience keeps, gets a slug with a digest."""
        with self._as_config():
            folder = self._folder_of(name)
            path = self._root / folder
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(path):
                if not (path / _MEMBERS).exists():
                    _write(path / _MEMBERS, _empty())
        return folder

    def _folder_of(self, name: str) -> str:
        """A renamed audience keeps its folder, which says the name it has now."""
        for said in self._root.glob(f"*/{_NAME}"):
            if said.read_text("utf-8") == name:
                return said.parent.name
        return next(folder for folder in _folders(name) if not (self._root / folder / _NAME).exists())

    def apply(self, batch: Batch) -> Receipt:
        """Write the change, then the members. The same batch again writes the same files."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, *_COLUMNS)
        changes = rows.select(list(_COLUMNS)).cast(_empty().schema)
        upsert = batch.operation is Operation.UPSERT
        if changes.num_rows:
            with self._changing(batch.remote_id) as folder:
                members = _read(folder / _MEMBERS)
                _write(folder / _change_name(batch, "add" if upsert else "remove"), _sorted(changes))
                _write(folder / _MEMBERS, _with(members, changes) if upsert else _without(members, changes))
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

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        held = _read(self._folder(remote_id) / _MEMBERS)
        yield held.append_column("vendor_id", pa.nulls(held.num_rows, pa.string()))

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Write what changes as one addition and one removal, then the members; with the last batch."""
        for batch in batches:
            bodies.refuse_oversize(batch, _ROWS, self.name)
        fit = [bodies.refuse_unhashed(batch, *_COLUMNS) for batch in batches]
        for number, (batch, (_, rejected)) in enumerate(zip(batches, fit, strict=True), 1):
            if number == len(fit):
                wanted = pa.concat_tables([rows.select(list(_COLUMNS)).cast(_empty().schema) for rows, _ in fit])
                with self._changing(batch.remote_id) as folder:
                    held = _read(folder / _MEMBERS)
                    for kind, changes in (("add", _without(wanted, held)), ("remove", _without(held, wanted))):
                        if changes.num_rows:
                            _write(folder / _change_name(batch, kind), changes)
                    _write(folder / _MEMBERS, _sorted(wanted))
            yield Receipt.final(batch, rejected, requests=0)

    def rename(self, remote_id: str, name: str) -> None:
        """The folder stays where it is, so that whatever picks its files up goes on."""
        with self._changing(remote_id) as folder, _whole(folder / _NAME) as file:
            file.write(name.encode())

    def delete(self, remote_id: str) -> None:
        """Delete our files, and the folder unless somebody keeps something else in it."""
        with suppress(AudienceGone), self._changing(remote_id) as folder:
            for path in (*folder.glob("changes-*.csv"), folder / _NAME, folder / ".lock", folder / _MEMBERS):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()

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
    def _changing(self, remote_id: str) -> Iterator[Path]:
        """The folder, locked; what the disk does not take may be taken later."""
        folder = self._folder(remote_id)
        try:
            with _locked(folder):
                yield folder
        except OSError as error:
            raise TransientError(f"{self.name}: audience {remote_id} could not be written ({_errno(error)})") from None

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


def _folders(name: str) -> Iterator[str]:
    """Folders an audience of this name may have, the first that no other one keeps; of equal names the same ones."""
    if _SAFE.fullmatch(name):
        yield name
    slug = _slug(name)
    for more in ("", *map(str, range(1, 1_000))):
        yield f"{slug}-{hashlib.sha256((name + more).encode()).hexdigest()[:12]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40] or "audience"


def _change_name(batch: Batch, kind: str) -> str:
    plan = (
        batch.plan[:16]
        if re.fullmatch(r"[0-9a-f]{16,}", batch.plan)
        else hashlib.sha256(batch.plan.encode()).hexdigest()[:16]
    )
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
    with _whole(path) as file:
        file.write(b"email,phone\n")  # pyarrow would quote the header, and not every upload form reads that
        options = csv.WriteOptions(include_header=False, quoting_style="none")
        csv.write_csv(table.select(list(_COLUMNS)), file, options)


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the path's place once it is written; for its owner only."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
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
