"""Raw pages: what a vendor answered, character for character, one folder per pull, kept for thirty days.

One record may hold a text that no engine reads, such as half a pair of surrogates: the page then stands there as it came
(`.received`), and beside it with that character replaced.

A page is a Parquet file with one column, `content`: compressed, and parsed by an engine thirty times faster than JSON files.

Knows no vendor. A pull without its manifest was cut short and does not count.
"""

import json
import shutil
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
from pyarrow import parquet

from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.landing.columns import Written
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.holdable import Odd
from segment_pipeline.texts import json_text, plain

RETENTION = timedelta(days=30)
MANIFEST = "manifest.json"
PAGE_BYTES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pulled:
    """One finished pull. `window`: the days asked for, look-back included. `until`: how far the source could answer.

    `files`: pages by part. `records`: how many records the pages of a part hold, counted when they were received; a part
    that is not in it was not counted. `said`: how many distinct records the source says the first part has; None: it does
    not say. `extracts`: the files, or the one query, that columns came from. `notes`: what a person should know of it.
    """

    source: str
    entity: str
    window: Window
    pulled_at: datetime
    until: datetime
    files: Mapping[str, tuple[Path, ...]]
    records: Mapping[str, int]
    said: int | None
    requests: int
    extracts: tuple[Extract, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "Pulled":
        """The pull kept in a folder. Raises ContractError when it has no readable manifest or a page is gone."""
        try:
            kept = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            pulled = cls(
                source=kept["source"],
                entity=kept["entity"],
                window=Window(date.fromisoformat(kept["first"]), date.fromisoformat(kept["last"])),
                pulled_at=datetime.fromisoformat(kept["pulled_at"]),
                until=datetime.fromisoformat(kept["until"]),
                files={part: tuple(folder / name for name in names) for part, names in kept["files"].items()},
                records=kept["records"],
                said=kept["said"],
                requests=kept["requests"],
                extracts=tuple(Extract.of_json(each) for each in kept.get("extracts", ())),
                notes=tuple(kept.get("notes", ())),
            )
        except (OSError, ValueError, KeyError):
            raise ContractError(f"{folder.name} is not a finished pull: pull its window again") from None
        if any(not path.exists() for paths in pulled.files.values() for path in paths):
            raise ContractError(f"pages of {folder.name} are gone: pull its window again")
        return pulled

    def without(self, names: Collection[str], extracts: Sequence[Extract]) -> "Pulled":
        """The pull without files of these names, and with these extracts."""
        named = {name for name in names if name}
        if not named:
            return replace(self, extracts=tuple(extracts))
        files = {part: tuple(path for path in paths if path.name not in named) for part, paths in self.files.items()}
        return replace(self, files=files, records={}, extracts=tuple(extracts))


@dataclass(frozen=True, slots=True)
class Known:
    """A record the lake holds as there. `order_key`: one of a customer's orders, None without any."""

    key: str
    order_key: str | None = None


class RawPages:
    """The folder one pull writes to. Safe to share between threads; `finish` makes the pull count.

    `held`: what was landed last of each file or query, for sources that read what is new only. `known`: what is to be asked after.
    """

    def __init__(  # noqa: PLR0917 - whose, what and when, in the order they are said
        self,
        root: Path,
        source: str,
        entity: str,
        window: Window,
        pulled_at: datetime,
        held: Mapping[str, Extract] | None = None,
        known: Sequence[Known] = (),
    ) -> None:
        self.held: Mapping[str, Extract] = held or {}
        self.known = known
        self.source, self.entity, self.window, self.pulled_at = source, entity, window, pulled_at
        parent = root / source / entity
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stem = f"{window.first:%Y%m%d}-{window.last:%Y%m%d}-{pulled_at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
        for attempt in range(1000):
            self.folder = parent / (f"{stem}.{attempt}" if attempt else stem)
            try:
                self.folder.mkdir(mode=0o700)
            except FileExistsError:
                continue
            break
        else:
            raise ContractError(f"{source}/{entity} was pulled a thousand times in one instant: is the clock pinned?")
        self._envelopes = Envelopes()
        self._lock = threading.Lock()
        self._files: dict[str, list[Path]] = {}
        self._records: dict[str, int] = {}
        self._mended, self._odd = 0, Odd()

    def add(self, part: str, content: bytes, *, records: int, at: str = "") -> None:
        """Keep one page as received. `at` orders pages fetched at the same time; `records` is what its envelope holds."""
        if len(content) > PAGE_BYTES:
            raise ContractError(
                f"a page of {self.source}/{self.entity} has {len(content)} bytes: make the source's pages smaller"
            )
        path = self.path(part, ".parquet", at=at)
        text = self._kept(path, content)
        page = pa.table({"content": pa.array([text], pa.large_string())})
        parquet.write_table(
            page, path, compression="zstd", compression_level=1, use_dictionary=False, write_statistics=False
        )
        self.count(part, records)

    def keep(self, part: str, content: bytes, records: str, fields: Sequence[str], *, at: str = "") -> dict[str, Any]:
        """Keep one JSON page whose list is its field `records`, and return these fields of what surrounds the list.

        Raises ContractError as `Envelopes.read` does.
        """
        envelope, count = self._envelopes.read(content, records, fields)
        self.add(part, content, records=count, at=at)
        return envelope

    def _kept(self, path: Path, content: bytes) -> str:
        """A page as text that engines read. Where that is not what came, what came stands beside it."""
        with suppress(UnicodeDecodeError):
            text = content.decode()
            if "\\u0000" not in text and self._envelopes.valid(text):
                return text
        mended = json_text(content)
        if mended.encode() != content:
            path.with_suffix(".received").write_bytes(content)
            self.mended(1)
        return mended

    def mended(self, pages: int) -> None:
        """Pages, or lines, whose text was no Unicode; said once the pull is finished."""
        with self._lock:
            self._mended += pages

    def written(self, part: str, written: Written) -> None:
        """A file of columns: its records, and those of its values that could not be held."""
        self.count(part, written.rows)
        with self._lock:
            self._odd.add(written.odd)

    def count(self, part: str, records: int) -> None:
        """Records received in addition to those counted before."""
        with self._lock:
            self._records[part] = self._records.get(part, 0) + records

    def add_line(self, part: str, answer: Any) -> None:
        """Keep a small answer that is no listing: one JSON line, a record of its own."""
        line = plain(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))
        self.path(part, ".jsonl").write_text(f"{line}\n", encoding="utf-8")

    def path(self, part: str, suffix: str, *, at: str = "") -> Path:
        """A new file of a part, for content that is streamed to disk as it comes."""
        with self._lock:
            files = self._files.setdefault(part, [])
            path = self.folder / f"{part}-{at}{'-' if at else ''}{len(files):05d}{suffix}"
            files.append(path)
        return path

    def refer(self, part: str, path: Path) -> None:
        """Make a file of somebody else's part of the pull: it is read where it is, and as long as it is there."""
        with self._lock:
            self._files.setdefault(part, []).append(path)

    def finish(
        self,
        *,
        requests: int,
        said: int | None = None,
        until: datetime | None = None,
        extracts: Sequence[Extract] = (),
        notes: Sequence[str] = (),
    ) -> Pulled:
        """Write the manifest, last of all, and return what it says."""
        if self._mended:
            notes = [*notes, f"{self._mended} pages or lines held characters that are no Unicode: each is a \ufffd now"]
        notes = [*notes, *self._odd.notes()]
        pulled = Pulled(
            source=self.source,
            entity=self.entity,
            window=self.window,
            pulled_at=self.pulled_at,
            until=until or self.pulled_at,
            files={part: tuple(sorted(paths)) for part, paths in self._files.items()},
            records=dict(self._records),
            said=said,
            requests=requests,
            extracts=tuple(extracts),
            notes=tuple(notes),
        )
        text = json.dumps(
            {
                "source": pulled.source,
                "entity": pulled.entity,
                "first": pulled.window.first.isoformat(),
                "last": pulled.window.last.isoformat(),
                "pulled_at": pulled.pulled_at.isoformat(),
                "until": pulled.until.isoformat(),
                "files": {
                    part: [path.name if path.parent == self.folder else str(path) for path in paths]
                    for part, paths in pulled.files.items()
                },
                "records": pulled.records,
                "said": said,
                "requests": requests,
                "extracts": [each.as_json() for each in extracts],
                "notes": list(notes),
            },
            indent=1,
        )
        partial = self.folder / f"{MANIFEST}.part"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.folder / MANIFEST)
        return pulled


class Envelopes:
    """Reads what surrounds the records of a JSON page without building the records; safe to share between threads."""

    def __init__(self) -> None:
        self._local = threading.local()

    def valid(self, text: str) -> bool:
        """Whether a text is JSON to an engine."""
        found = self._connection.execute("SELECT json_valid($text)", {"text": text}).fetchone()
        return found is not None and bool(found[0])

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._local, "connection"):
            # One thread's parser; DuckDB walks a page in a fifth of the time Python needs, without holding the interpreter.
            self._local.connection = duckdb.connect(config={"threads": 1})
        return cast("duckdb.DuckDBPyConnection", self._local.connection)

    def read(self, content: bytes, records: str, fields: Sequence[str]) -> tuple[dict[str, Any], int]:
        """Top-level fields of a page (None where absent) and how many records its list holds (an absent list: none).

        Raises ContractError when the page is cut short or no JSON object, or `records` is something else than a list.
        """
        try:
            row = self._read(content.decode(), records, fields)
        except (duckdb.Error, UnicodeDecodeError):
            try:
                row = self._read(json_text(content), records, fields)
            except duckdb.Error:
                row = None
        if row is None or row[0] != "OBJECT":
            raise ContractError(f"a page of {len(content)} bytes is no whole JSON object: pull the window again")
        if row[1] not in {None, "NULL", "ARRAY"}:
            raise ContractError(
                f"{records} of a page is not a list: pull the window again, and see whether the API changed"
            )
        values = [None if text is None else json.loads(text) for text in row[3]]
        return dict(zip(fields, values, strict=True)), row[2] or 0

    def _read(self, page: str, records: str, fields: Sequence[str]) -> Any:
        return self._connection.execute(
            "SELECT json_type(page), json_type(page, $records), json_array_length(page, $records), json_extract(page, $paths)"
            " FROM (SELECT CAST($page AS VARCHAR) AS page)",
            {"page": page, "records": f"$.{records}", "paths": [f"$.{name}" for name in fields]},
        ).fetchone()


def pulls(root: Path, source: str, entity: str) -> list[Pulled]:
    """The finished pulls that are kept of an entity, oldest first."""
    found = [Pulled.load(folder) for folder in _folders(root / source / entity) if (folder / MANIFEST).exists()]
    return sorted(found, key=lambda pulled: (pulled.pulled_at, pulled.window.first))


def columns_absent(files: Sequence[Path], columns: Iterable[str]) -> list[str]:
    """Which of these columns the first Parquet file that lacks one lacks."""
    for file in files:
        held = set(parquet.read_schema(file).names)
        if absent := [column for column in columns if column not in held]:
            return absent
    return []


def trim(root: Path, before: datetime) -> int:
    """Remove pulls, finished or not, last written to before an instant; returns how many."""
    gone = 0
    for source in _folders(root):
        for entity in _folders(source):
            for folder in _folders(entity):
                if datetime.fromtimestamp(folder.stat().st_mtime, UTC) < before:
                    shutil.rmtree(folder)
                    gone += 1
    return gone


def _folders(parent: Path) -> Iterator[Path]:
    if parent.is_dir():
        yield from sorted(path for path in parent.iterdir() if path.is_dir())
