"""Who is reading: sessions share a lock file beside the tables, removal of files takes it alone.

A lock dies with its process, so a killed reader blocks nobody. One host only: object stores have no such lock.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segment_pipeline import clock
from segment_pipeline.errors import ConflictError

PATIENCE_SECONDS = 60.0


@contextmanager
def shared(path: Path | None) -> Iterator[None]:
    """Hold the lock together with other sessions; `path` None: nothing to hold."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def exclusive(path: Path | None, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock alone. Raises ConflictError when sessions are still open after `patience` seconds."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    until = clock.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock.monotonic() >= until:
                    raise ConflictError(
                        "the lake is being read: run the maintenance again when no run is active"
                    ) from None
                clock.sleep(0.2)
        yield
