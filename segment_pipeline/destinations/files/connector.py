"""Files for tools that are fed by hand or by a job: the current members, and each change as a file.

One folder per audience: `members.csv` is who is in now; `changes-<plan>-<number>-add.csv` and `-remove.csv` are what one batch
did, each ready to upload as it is. Every file appears whole or not at all, here and where it is delivered to.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline.connector import About, ConnectorKind, address, misset, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.identified import PERSONAL, Form, every, identified
from segment_pipeline.delivery.names import SAFE, spellings
from segment_pipeline.delivery.replacing import with_the_last
from segment_pipeline.delivery.vendor import variable
from segment_pipeline.destinations.files import tables
from segment_pipeline.destinations.files.layouts import LAYOUTS, Layout
from segment_pipeline.destinations.files.tables import Delivered, Sheet
from segment_pipeline.destinations.files.target import Target
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.filesystems import Access
from segment_pipeline.settings import Settings

_ROWS: Final = 1_000_000
_FORMATS: Final = ("csv", "parquet")
_NAME: Final = ".name"


@dataclass(frozen=True, kw_only=True)
class HashedFiles:
    """Audiences as files under `directory`, e-mail and phone as SHA-256 in hex, a cell empty where a member has none.

    `platform`: whose upload form the files are for, which decides the form of what is hashed and the columns' names. `plain` is
    nobody's: the identifiers (a phone is E.164 with its `+`), then one column per attribute. `snapchat` takes one kind of identifier per
    file: upload `….email.csv` and `….phone.csv`. `mail` is for letters: our id, name and postal address as the profile has them, of
    people who have a street and a city or postcode; whoever has not is rejected as `no_address`. It asks for consent to `mail`.
    `email_rule`, `phone_rule`: another form than the platform's. Of nobody's files `form`: `plain` leaves e-mail and phone as they are;
    `identifiers`: some of `email`, `phone`, `external_id` (ours) and `user_id:<source>` (what a customer of that source is called there).
    `format`: `parquet`, for nobody's files and letters, has texts in the columns that `csv` has.
    A file of removals names nobody who is still in: identifiers that a member shares are left out, and with them rows that have
    no other, since platforms match on any one of them.
    `target`: where each file is delivered to besides, under the audience's folder: a URL of a bucket (`s3://bucket/exports`, credentials as
    AWS tools find them) or of an SFTP server (`sftp://user@host/in`), which must be able to rename a file over another, as OpenSSH is. Its
    host key must be in `host_keys`. What is there is whoever's who fetches it: the folder is what is gone by. `options`: what fsspec is told.
    Files are readable by their owner only: hashes are still personal data.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Hashed files",
        "CSV or Parquet, hashed or as it is, current members and changes per plan, in a folder, a bucket or on an SFTP server",
        untested="object stores other than S3",
        oracle="an S3 of moto's and an SFTP server of asyncssh's",
    )
    name: str = "files"
    directory: str = address("SEGMENT_PIPELINE_FILES", "<home>/files", "folder of the hashed files destination")
    channel: str = ""
    platform: Literal["plain", "meta", "snapchat", "tiktok", "google", "mail"] = "plain"
    format: Literal["csv", "parquet"] = "csv"
    form: Form = "sha256"
    identifiers: Sequence[str] = PERSONAL
    email_rule: str | None = None
    phone_rule: str | None = None
    target: str = ""
    password: str = secret("FILES_TARGET_PASSWORD", "password of the SFTP user", optional=True)
    key_file: str = ""
    host_keys: str = "~/.ssh/known_hosts"
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    _rules: tuple[IdentifierRule, ...] = field(init=False, repr=False, compare=False)
    _sheet: Sheet = field(init=False, repr=False, compare=False)
    _targets: dict[str, Target] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for mistake in misset(self):
            raise ConfigError(mistake)
        layout, nobodys = self._layout, not self._layout.rules
        if self.format == "parquet" and not (nobodys or layout.along):
            raise ConfigError(f"{self.name}: {self.platform} uploads CSV: leave `format` out")
        if not nobodys and (self.form != "sha256" or tuple(self.identifiers) != PERSONAL):
            raise ConfigError(
                f"{self.name}: {self.platform} says itself what it takes: leave `form` and `identifiers` out"
            )
        given = {"email": self.email_rule, "phone": self.phone_rule}
        rules = tuple(
            replace(rule, rule=given.get(rule.kind) or rule.rule)
            for rule in layout.rules or identified(self.identifiers, self.form, of=self.name)
        )
        columns = tuple(rule.column for rule in rules)
        sheet = Sheet(
            columns,
            layout.header or columns,
            # Written for another platform it holds the same columns: the next change writes it in this one's form.
            others=[PERSONAL, *(other.header for other in LAYOUTS.values())] if columns == PERSONAL else (),
            columns=layout.columns,
            bare=columns == PERSONAL,
        )
        object.__setattr__(self, "_rules", rules)
        object.__setattr__(self, "_sheet", sheet)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel or self._layout.channel,
            identifiers=self._rules,
            batch_rows=_ROWS,
            batch_bytes=1 << 30,
            every=every(self._rules),
            attributes=self._layout.attributes,
            along=self._layout.along,
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
            if target := self._target():
                target.put(probe, probe.name)
                target.remove(probe.name)
            probe.unlink()

    def ensure_audience(self, name: str) -> str:
        """The audience's folder; a name unfit for a folder, or whose folder another audience keeps, gets a slug with a digest."""
        with self._as_config():
            folder = self._folder_of(name)
            path = self._root / folder
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(path):
                if _members(path) is None:
                    self._keep(path, self._sheet.empty())
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
        rows, rejected = self._fit(batch)
        if rows.num_rows:
            with self._changing(batch.remote_id) as folder:
                members = self._held(folder)
                if batch.operation is Operation.UPSERT:
                    added = self._sheet.of_batch(rows)
                    self._write(folder / self._change_name(batch, "add"), self._sheet.ordered(added))
                    self._keep(folder, self._sheet.merged(members, added))
                else:
                    staying = self._sheet.without(members, rows)
                    removed = self._sheet.not_carried(rows, staying)
                    self._write(folder / self._change_name(batch, "remove"), removed)
                    self._keep(folder, staying)
        return Receipt.final(batch, rejected, requests=0)

    def forget(self, batch: Batch) -> Receipt:
        """Rewrite every file of every audience, past changes included, without the rows whose strongest identifier is given."""
        rows, rejected = self._fit(batch, removes=True)
        given = pa.concat_arrays([chunk for column in self._sheet.key for chunk in rows.column(column).chunks])
        with self._as_config():
            for folder in sorted({path.parent for path in self._root.glob("*/members.*")}):
                with _locked(folder):
                    for path in _ours(folder):
                        held = self._sheet.read(path)
                        theirs = pc.is_in(self._sheet.strongest(held), given)
                        if pc.any(theirs).as_py():
                            self._write(path, self._sheet.ordered(held.filter(pc.invert(theirs))))
        return Receipt.final(batch, rejected, requests=0)

    def count(self, remote_id: str) -> int:
        """Rows of the file of members."""
        return int(self._held(self._folder(remote_id)).num_rows)

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        held = self._held(self._folder(remote_id)).select(list(self._sheet.key))
        yield held.append_column("vendor_id", pa.nulls(held.num_rows, pa.string()))

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Write what changes as one addition and one removal, then the members; with the last batch."""
        return with_the_last(batches, self._fit, self._put, most=_ROWS, name=self.name, requests=0)

    def _put(self, batch: Batch, parts: Sequence[pa.Table]) -> None:
        wanted = self._sheet.empty()
        for rows in parts:
            wanted = self._sheet.merged(wanted, self._sheet.of_batch(rows))
        with self._changing(batch.remote_id) as folder:
            held = self._held(folder)
            removed = self._sheet.not_carried(self._sheet.without(held, wanted), wanted)
            for kind, changes in (("add", self._sheet.without(wanted, held)), ("remove", removed)):
                if changes.num_rows:
                    self._write(folder / self._change_name(batch, kind), changes)
            self._keep(folder, wanted)

    def rename(self, remote_id: str, name: str) -> None:
        """The folder stays where it is, so that whatever picks its files up goes on."""
        with self._changing(remote_id) as folder, tables.whole(folder / _NAME) as file:
            file.write(name.encode())

    def delete(self, remote_id: str) -> None:
        """Delete our files, and the folder unless somebody keeps something else in it."""
        with suppress(AudienceGone), self._changing(remote_id) as folder:
            for path in _with_lists(folder):
                self._gone(path)
            for path in (folder / _NAME, folder / ".lock"):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()

    def close(self) -> None:
        while self._targets:
            self._targets.popitem()[1].close()

    @property
    def _layout(self) -> Layout:
        return LAYOUTS[self.platform]

    def _fit(self, batch: Batch, *, removes: bool = False) -> tuple[pa.Table, dict[str, str]]:
        """The rows that may be written, and key → reason of the others."""
        hashed = [rule.column for rule in self._rules if "sha256" in rule.rule]
        if hashed and len(hashed) == len(self._rules):
            return bodies.refuse_unhashed(batch, *hashed)
        rows, rejected = bodies.refuse_nobody(batch, *self._sheet.key)
        needs = self._layout.needs
        if removes or not needs or batch.operation is Operation.REMOVE:
            return rows, rejected
        rows, more = bodies.refuse_locally(replace(batch, rows=rows), needs)
        return rows, rejected | more

    def _held(self, folder: Path) -> pa.Table:
        """The members there are, in whichever format they were kept last."""
        path = _members(folder)
        return self._sheet.read(path) if path else self._sheet.empty()

    def _keep(self, folder: Path, members: pa.Table) -> None:
        path, before = folder / f"members.{self.format}", _members(folder)
        self._write(path, members)
        if before and before != path:
            self._gone(before)

    def _write(self, path: Path, table: pa.Table) -> None:
        """A table and, for a platform that takes one kind of identifier per file, such files before it; each delivered first."""
        deliver = self._delivered(path.parent)
        for column in self._sheet.key if self._layout.lists else ():
            tables.write_list(path.with_suffix(f".{column}.csv"), table.column(column), deliver)
        self._sheet.write(path, table, deliver)

    def _gone(self, path: Path) -> None:
        if target := self._target():
            target.remove(f"{path.parent.name}/{path.name}")
        path.unlink(missing_ok=True)

    def _delivered(self, folder: Path) -> Delivered | None:
        target = self._target()
        return None if target is None else lambda file, name: target.put(file, f"{folder.name}/{name}")

    def _target(self) -> Target | None:
        root = self.target
        if root and root not in self._targets:
            access = Access(value(self, "password"), self.key_file, self.host_keys, self.options)
            self._targets[root] = Target(root, self.name, access, setting="`target`")
        return self._targets[root] if root else None

    def _change_name(self, batch: Batch, kind: str) -> str:
        digest = hashlib.sha256(batch.plan.encode()).hexdigest()
        plan = batch.plan if re.fullmatch(r"[0-9a-f]{16,}", batch.plan) else digest
        return f"changes-{plan[:16]}-{batch.number:05d}-{kind}.{self.format}"

    @property
    def _root(self) -> Path:
        said = value(self, "directory")
        return Path(said).expanduser().absolute() if "<home>" not in said else Settings.from_env().files

    def _folder(self, remote_id: str) -> Path:
        folder = self._root / remote_id
        if not SAFE.fullmatch(remote_id) or _members(folder) is None:
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
            said = f"{self.name}: audience {remote_id} could not be written ({_errno(error)})"
            raise TransientError(said, sent=bool(self.target)) from None

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


def _members(folder: Path) -> Path | None:
    return next((path for ending in _FORMATS if (path := folder / f"members.{ending}").exists()), None)


def _ours(folder: Path) -> list[Path]:
    """The files of members and of changes, without the lists that stand beside some."""
    names = ("members", "changes-*-add", "changes-*-remove")
    return [path for name in names for ending in _FORMATS for path in sorted(folder.glob(f"{name}.{ending}"))]


def _with_lists(folder: Path) -> list[Path]:
    """The same, and those."""
    return [*_ours(folder), *folder.glob("changes-*.*.csv"), *folder.glob("members.*.csv")]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer per audience on this host; the lock goes with its process."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _errno(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
