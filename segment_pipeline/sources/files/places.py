"""Files below a root that `filesystems` opens. Lists and fetches; reads no content."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from segment_pipeline.errors import ConfigError
from segment_pipeline.filesystems import Access, opened, told

# What programs call a file until it is whole.
UNFINISHED = (".part", ".partial", ".tmp", ".filepart", ".crdownload", ".uploading")
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it is listed. `path`: within the root, which is what its rows have as `origin`; `modified_at` None: not said."""

    path: str
    size: int
    modified_at: datetime | None


class Place:
    """A root on a file system of fsspec. Raises ConfigError for one that cannot be opened as declared."""

    def __init__(self, root: str, name: str, access: Access) -> None:
        self._fs, path = opened(root, name, access, setting="`root`")
        self._root, self._name = path.rstrip("/"), name
        self._local = type(self._fs).__name__ == "LocalFileSystem"

    def find(self, pattern: str) -> list[Found]:
        """Files that match, by path. Raises ConfigError when the root is not there or may not be read."""
        with self._told("listing its files"):
            if not self._fs.exists(self._root):
                raise ConfigError(f"{self._name}: its folder is not there: correct `root`, or create it")
            self._fs.invalidate_cache()
            listed = self._fs.glob(f"{self._root}/{pattern}", detail=True)
        found = []
        for path, info in listed.items():
            name = PurePosixPath(path).name
            if info.get("type") == "directory" or name.startswith(".") or name.endswith(UNFINISHED):
                continue
            found.append(Found(path.removeprefix(self._root).lstrip("/"), info.get("size") or 0, _modified(info)))
        return sorted(found, key=lambda each: each.path)

    def look(self, path: str) -> Found:
        """A file as it is now."""
        with self._told(f"looking at {path}"):
            self._fs.invalidate_cache()
            info = self._fs.info(f"{self._root}/{path}")
        return Found(path, info.get("size") or 0, _modified(info))

    @contextmanager
    def local(self, path: str, folder: Path) -> Iterator[tuple[Path, str, int]]:
        """A file on this machine for as long as it is read, the SHA-256 of its content, and how many bytes that is."""
        digest, size = hashlib.sha256(), 0
        here = Path(f"{self._root}/{path}") if self._local else folder / f".fetching-{PurePosixPath(path).name}"
        try:
            with self._told(f"reading {path}"), self._fs.open(f"{self._root}/{path}", "rb") as stream:
                if self._local:
                    while block := stream.read(BLOCK):
                        digest.update(block)
                        size += len(block)
                else:
                    with here.open("wb") as kept:
                        while block := stream.read(BLOCK):
                            digest.update(block)
                            size += len(block)
                            kept.write(block)
            yield here, digest.hexdigest(), size
        finally:
            if not self._local:
                here.unlink(missing_ok=True)

    def close(self) -> None:
        """Connections are closed when nothing refers to the file system any more."""
        self._fs = None

    def _told(self, doing: str) -> AbstractContextManager[None]:
        return told(self._name, doing)


def _modified(info: dict[str, Any]) -> datetime | None:
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        match info.get(name):
            case datetime() as when:
                return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
            case int() | float() as seconds:
                return datetime.fromtimestamp(seconds, UTC)
            case str() as text:
                try:
                    return datetime.fromisoformat(text).astimezone(UTC)
                except ValueError:
                    continue
    return None
