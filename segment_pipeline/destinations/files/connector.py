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
from typing import ClassVar, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline.connector import About, ConnectorKind, address, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.names import SAFE, spellings
from segment_pipeline.delivery.vendor import variable
from segment_pipeline.destinations.files import tables
from segment_pipeline.destinations.files.layouts import LAYOUTS, Layout
from segment_pipeline.destinations.files.tables import KEY
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.settings import Settings

_ROWS: Final = 1_000_000
_MEMBERS: Final = "members.csv"
_NAME: Final = ".name"


@dataclass(frozen=True, kw_only=True)
class HashedFiles:
    """Audiences as CSV files under `directory`, SHA-256 in hex, a cell empty where a member has none.

    `platform`: whose upload form the files are for, which decides the form of what is hashed and the columns' names. `plain` is
    nobody's: columns email and phone (E.164 with its `+`), then one per attribute. `snapchat` takes one kind of identifier per
    file: upload `….email.csv` and `….phone.csv`. `email_rule`, `phone_rule`: another form than the platform's.
    A file of removals names nobody who is still in: identifiers that a member shares are left out, and with them rows that have
    no other, since platforms match on any one of them.
    Files are readable by their owner only: hashes are still personal data.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION, "Hashed files", "CSV of SHA-256 identifiers, current members and changes per plan"
    )
    name: str = "files"
    directory: str = address("SEGMENT_PIPELINE_FILES", "<home>/files", "folder of the hashed files destination")
    channel: str = "ads"
    platform: Literal["plain", "meta", "snapchat", "tiktok", "google"] = "plain"
    email_rule: str | None = None
    phone_rule: str | None = None

    @property
    def capabilities(self) -> Capabilities:
        layout = self._layout
        return Capabilities(
            channel=self.channel,
            identifiers=(
                IdentifierRule("email", "email", self.email_rule or layout.email),
                IdentifierRule("phone", "phone", self.phone_rule or layout.phone),
            ),
            batch_rows=_ROWS,
            batch_bytes=1 << 30,
            attributes=layout.attributes,
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
                    self._write(path / _MEMBERS, tables.empty())
        return folder

    def _folder_of(self, name: str) -> str:
        """A renamed audience keeps its folder, which says the name it has now."""
        for said in self._root.glob(f"*/{_NAME}"):
            if said.read_text("utf-8") == name:
                return said.parent.name
        return next(folder for folder in spellings(name) if not (self._root / folder / _NAME).exists())

    def apply(self, batch: Batch) -> Receipt:
        """Write the change, then the members. The same batch again writes the same files."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, *KEY)
        if rows.num_rows:
            with self._changing(batch.remote_id) as folder:
                members = self._read(folder / _MEMBERS)
                if batch.operation is Operation.UPSERT:
                    added = tables.of_batch(rows)
                    self._write(folder / _change_name(batch, "add"), tables.ordered(added))
                    self._write(folder / _MEMBERS, tables.merged(members, added))
                else:
                    removed = rows.select(list(KEY)).cast(tables.empty().schema)
                    staying = tables.without(members, removed)
                    self._write(folder / _change_name(batch, "remove"), tables.not_carried(removed, staying))
                    self._write(folder / _MEMBERS, staying)
        return Receipt.final(batch, rejected, requests=0)

    def forget(self, batch: Batch) -> Receipt:
        """Rewrite every file of every audience, past changes included, without the rows whose strongest identifier is given."""
        rows, rejected = bodies.refuse_unhashed(batch, *KEY)
        given = pa.concat_arrays([chunk for column in KEY for chunk in rows.column(column).chunks])
        with self._as_config():
            for members in self._root.glob(f"*/{_MEMBERS}"):
                with _locked(members.parent):
                    for path in (members, *_changes(members.parent)):
                        held = self._read(path)
                        theirs = pc.is_in(pc.coalesce(held.column("email"), held.column("phone")), given)
                        if pc.any(theirs).as_py():
                            self._write(path, tables.ordered(held.filter(pc.invert(theirs))))
        return Receipt.final(batch, rejected, requests=0)

    def count(self, remote_id: str) -> int:
        """Rows of `members.csv`."""
        return int(self._read(self._folder(remote_id) / _MEMBERS).num_rows)

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        held = self._read(self._folder(remote_id) / _MEMBERS).select(list(KEY))
        yield held.append_column("vendor_id", pa.nulls(held.num_rows, pa.string()))

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Write what changes as one addition and one removal, then the members; with the last batch."""
        for batch in batches:
            bodies.refuse_oversize(batch, _ROWS, self.name)
        fit = [bodies.refuse_unhashed(batch, *KEY) for batch in batches]
        for number, (batch, (_, rejected)) in enumerate(zip(batches, fit, strict=True), 1):
            if number == len(fit):
                wanted = tables.empty()
                for rows, _ in fit:
                    wanted = tables.merged(wanted, tables.of_batch(rows))
                self._put(batch, wanted)
            yield Receipt.final(batch, rejected, requests=0)

    def _put(self, batch: Batch, wanted: pa.Table) -> None:
        with self._changing(batch.remote_id) as folder:
            held = self._read(folder / _MEMBERS)
            removed = tables.not_carried(tables.without(held, wanted).select(list(KEY)), wanted)
            for kind, changes in (("add", tables.without(wanted, held)), ("remove", removed)):
                if changes.num_rows:
                    self._write(folder / _change_name(batch, kind), changes)
            self._write(folder / _MEMBERS, wanted)

    def rename(self, remote_id: str, name: str) -> None:
        """The folder stays where it is, so that whatever picks its files up goes on."""
        with self._changing(remote_id) as folder, tables.whole(folder / _NAME) as file:
            file.write(name.encode())

    def delete(self, remote_id: str) -> None:
        """Delete our files, and the folder unless somebody keeps something else in it."""
        with suppress(AudienceGone), self._changing(remote_id) as folder:
            ours = (*folder.glob("changes-*.csv"), *folder.glob("members.*csv"))
            for path in (*ours, folder / _NAME, folder / ".lock"):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()

    @property
    def _layout(self) -> Layout:
        return LAYOUTS[self.platform]

    def _read(self, path: Path) -> pa.Table:
        # Written for another platform it holds the same two columns: the next change writes it in this one's form.
        return tables.read(path, {layout.header for layout in LAYOUTS.values()})

    def _write(self, path: Path, table: pa.Table) -> None:
        """A table and, for a platform that takes one kind of identifier per file, such files before it."""
        for column in KEY if self._layout.lists else ():
            listed = pa.table({column: table.column(column).unique().drop_null()}).sort_by(column)
            tables.write(path.with_suffix(f".{column}.csv"), listed, None)
        tables.write(path, table, self._layout.header)

    @property
    def _root(self) -> Path:
        said = value(self, "directory")
        return Path(said).expanduser().absolute() if "<home>" not in said else Settings.from_env().files

    def _folder(self, remote_id: str) -> Path:
        folder = self._root / remote_id
        if not SAFE.fullmatch(remote_id) or not (folder / _MEMBERS).exists():
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


def _change_name(batch: Batch, kind: str) -> str:
    plan = (
        batch.plan[:16]
        if re.fullmatch(r"[0-9a-f]{16,}", batch.plan)
        else hashlib.sha256(batch.plan.encode()).hexdigest()[:16]
    )
    return f"changes-{plan}-{batch.number:05d}-{kind}.csv"


def _changes(folder: Path) -> list[Path]:
    """The files of changes, without the lists that stand beside some."""
    return sorted(folder.glob("changes-*-add.csv")) + sorted(folder.glob("changes-*-remove.csv"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer per audience on this host; the lock goes with its process."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _errno(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
