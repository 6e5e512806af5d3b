"""Every error an operator can meet, sorted by what there is to do about it.

    SegmentPipelineError
    ├── ConfigError        a person must act: a setting, a secret, a declaration
    ├── TransientError     try again later: the network, a limit, a server fault
    ├── RejectedRecords    some records were refused: they are reported, the rest goes on
    ├── GuardTripped       nothing was sent: approve the plan or fix what it shows
    ├── Undelivered        not all of a plan is known to have arrived: sync again, or act by hand
    ├── ContractError      a vendor, or one of our own tables, answered outside its contract
    └── ConflictError      another writer or holder was there first

A message is one sentence: what happened, to what, and what to do. It never holds a record's value or a secret.
"""

import errno
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path


class SegmentPipelineError(Exception):
    """Base of all errors raised on purpose; `str(error)` is safe to log and to show."""


class ConfigError(SegmentPipelineError):
    """A setting, secret or declaration is missing or wrong; retrying cannot help."""


class TransientError(SegmentPipelineError):
    """The other side was busy, broken or out of reach; the same call may succeed later.

    `retry_after`: seconds the other side asked us to wait; None when it did not say.
    `sent`: True when the request may have been carried out although no answer came back.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, sent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.sent = sent


class RejectedRecords(SegmentPipelineError):
    """A vendor refused a request because of some of its rows.

    `rows` maps the position of a row in the batch to the vendor's reason code (never a value of the row).
    Empty when the vendor did not say which: the caller then splits the batch.
    """

    def __init__(self, message: str, *, rows: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.rows = dict(rows or {})


class GuardTripped(SegmentPipelineError):
    """A guard held a plan back: nothing was sent. `digest` is what `segment-pipeline approve` takes."""

    def __init__(self, message: str, *, digest: str | None = None) -> None:
        super().__init__(message)
        self.digest = digest


class Undelivered(SegmentPipelineError):
    """A sync went to its end and the tool did not take all of it; the message names denials among what is missing."""


class ContractError(SegmentPipelineError):
    """An answer or a table was not what its contract says: a page without a cursor, counts that disagree."""


class ConflictError(SegmentPipelineError):
    """Another writer changed the same partitions, or another run holds the lease."""


_OF_THE_SYSTEM = {
    errno.ENOSPC: "its disk is full: free some space; nothing half written is used",
    errno.EDQUOT: "its owner's quota of disk space is used up: free some space, or raise it",
    errno.EROFS: "its file system is read-only: mount it for writing, or name another place",
    errno.EACCES: "this user may not use it: change its owner or mode, or name another place",
    errno.EPERM: "this user may not use it: change its owner or mode, or name another place",
    errno.ENOTDIR: "part of its path is a file: name another place",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.EIO: "its disk cannot be read or written: check the disk",
}


def of_the_system(error: BaseException) -> str | None:
    """What a disk said, as one sentence with the file it is about; None for what is no error of the system's.

    Nothing of the error's own text is quoted but the file's name.
    """
    if not isinstance(error, OSError) or error.errno not in _OF_THE_SYSTEM:
        return None
    place = error.filename if isinstance(error.filename, str) else "a file"
    return f"{place} cannot be used, {_OF_THE_SYSTEM[error.errno]}"


def stops(error: BaseException) -> bool:
    """Whether somebody ended the process or the run by it: Ctrl-C, Dagster's termination, a generator that is closed.

    `sys.exit()` in a company's function is a failure like any other, and its text may quote a person.
    """
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return True
    return any(kind.__name__ == "DagsterExecutionInterruptedError" for kind in type(error).__mro__)


def place_of(error: BaseException, *, own: Path | None = None, whole: bool = False) -> str:
    """File and line of the last place that is somebody's own code: a company's rather than ours, and both before a library's.

    `own`: a folder whose code is the company's, wherever it is installed. `whole`: with the file's folder.
    """
    frames = list(reversed(traceback.extract_tb(error.__traceback__)))
    here = Path(__file__).parent
    theirs = [
        f
        for f in frames
        if own is not None and own != here and here not in own.parents and own in Path(f.filename).parents
    ]
    known = [f for f in frames if not _is_library(f.filename)]
    outside = [f for f in known if here not in Path(f.filename).parents]
    place = next(iter([*theirs, *outside, *known, *frames]))
    return f"{place.filename if whole else Path(place.filename).name}:{place.lineno}"


def _is_library(file: str) -> bool:
    """Code of Python or an installed package, ours apart."""
    if Path(__file__).parent in Path(file).parents:
        return False
    paths = sysconfig.get_paths()
    return file.startswith(("<", paths["stdlib"], paths["purelib"], paths["platlib"]))
