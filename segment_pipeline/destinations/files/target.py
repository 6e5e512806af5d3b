"""Where files are delivered to beside the folder they are kept in: a bucket, an SFTP server, or another folder.

A file appears there whole or not at all: an object is put at once, anything else is uploaded under another name and renamed.
"""

import threading
from pathlib import Path, PurePosixPath
from typing import Any, Final

from segment_pipeline.errors import TransientError
from segment_pipeline.filesystems import Access, opened, told

_OF_OBJECTS: Final = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}


class Target:
    """A root on a file system of fsspec, opened when it is first used; safe to use from any thread."""

    def __init__(self, root: str, name: str, access: Access, *, setting: str) -> None:
        self._root, self._name, self._access, self._setting = root, name, access, setting
        self._lock = threading.Lock()
        self._opened: tuple[Any, str] | None = None

    def put(self, file: Path, path: str) -> None:
        """Deliver a file under a path below the root, in the place of the one that is there. What failed may have arrived all the same."""
        doing = f"delivering {PurePosixPath(path).name}"
        with told(self._name, doing):
            fs, whole = self._at(path)
        try:
            with told(self._name, doing):
                self._put(fs, file, whole)
        except TransientError as error:
            error.sent = True
            raise

    def _put(self, fs: Any, file: Path, whole: str) -> None:
        said = fs.protocol
        if not _OF_OBJECTS.isdisjoint((said,) if isinstance(said, str) else said):
            fs.put_file(str(file), whole)
            return
        folder, name = whole.rpartition("/")[::2]
        partial = f"{folder}/.{name}.part"
        fs.makedirs(folder, exist_ok=True)
        fs.put_file(str(file), partial)
        fs.mv(partial, whole)

    def remove(self, path: str) -> None:
        """One that is gone already counts as removed."""
        with told(self._name, f"removing {PurePosixPath(path).name}"):
            fs, whole = self._at(path)
            fs.invalidate_cache()
            if fs.exists(whole):
                fs.rm_file(whole)

    def close(self) -> None:
        """Connections are closed when nothing refers to the file system any more."""
        with self._lock:
            self._opened = None

    def _at(self, path: str) -> tuple[Any, str]:
        with self._lock:
            if self._opened is None:
                self._opened = opened(self._root, self._name, self._access, setting=self._setting)
            fs, root = self._opened
        return fs, f"{root.rstrip('/')}/{path}"
