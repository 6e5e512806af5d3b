"""Why a lake is out of reach: what stores and disks say, as one sentence that names the setting; and trying it beforehand.

Their texts hold addresses and may quote values: nothing of them leaves this module but what is looked for here.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from segment_pipeline.errors import ConfigError, SegmentPipelineError, TransientError

EXTRA: Final = "pip install 'segment-pipeline[s3]'"
KEYS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

# The first that is found counts: to have no credentials shows as a metadata service out of reach.
_SAID: Final[tuple[tuple[str, type[SegmentPipelineError], str], ...]] = (
    (
        r"NoSuchBucket|specified bucket does not exist",
        ConfigError,
        "the bucket of the lake does not exist: make it, name another in SEGMENT_PIPELINE_LAKE, or set AWS_ENDPOINT_URL",
    ),
    (
        r"URL scheme is not allowed",
        ConfigError,
        "the lake's endpoint is http://: set AWS_ENDPOINT_URL to an https:// address, or allow it by AWS_ALLOW_HTTP=true",
    ),
    (
        r"/latest/api/token|/latest/meta-data|[Uu]nable to locate credentials|NoCredentials",
        ConfigError,
        f"there are no credentials for the lake's bucket: set {KEYS}, or run where a role gives them",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|incorrectly configured region",
        ConfigError,
        "the lake's bucket is in another region: set AWS_REGION and AWS_DEFAULT_REGION to it",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|Access Key Id you provided|signature we calculated",
        ConfigError,
        f"the lake's bucket does not know these credentials: check {KEYS} (and AWS_SESSION_TOKEN, if they have one)",
    ),
    (
        r"AccessDenied|Access Denied|\b40[13] (Forbidden|Unauthorized)|\bForbidden\b",
        ConfigError,
        "the lake's bucket refuses these credentials: allow them to list it and to read, write and delete its objects",
    ),
    (
        r"tcp connect error|dns error|client error \(Connect\)|Could not connect to the endpoint|Connection refused",
        TransientError,
        "the lake's store cannot be reached: check AWS_ENDPOINT_URL and the network, or try again later",
    ),
    (
        r"SlowDown|ServiceUnavailable|InternalError|\b50[0234] |timed out|Timeout",
        TransientError,
        "the lake's store is busy or broken: try again later",
    ),
    (
        r"No space left on device|os error 28\b|Disk quota exceeded",
        ConfigError,
        "a disk is full, that of the lake or of SEGMENT_PIPELINE_HOME, where work spills: free some space; nothing was committed",
    ),
    (
        r"Permission denied|os error 13\b|Read-only file system|os error 30\b",
        ConfigError,
        "the lake's folder may not be read or written by this user: change its owner or mode, or SEGMENT_PIPELINE_LAKE",
    ),
)


def reason(error: Exception) -> SegmentPipelineError | None:
    """The error of ours that says why, for one whose text tells; None: it is about something else."""
    text = f"{type(error).__name__} {error}"
    return next((kind(sentence) for pattern, kind, sentence in _SAID if re.search(pattern, text)), None)


def check_root(root: str) -> None:
    """Raises ConfigError for a lake that is neither in a folder nor in a bucket, or in a bucket without the extra for it."""
    scheme, separator, _ = root.partition("://")
    if not separator:
        if Path(root).exists() and not Path(root).is_dir():
            raise ConfigError(
                f"{root} is a file where the lake's folder should be: name another in SEGMENT_PIPELINE_LAKE"
            )
        return
    if scheme != "s3":
        raise ConfigError(
            f"SEGMENT_PIPELINE_LAKE begins with {scheme}://, and a lake is in a folder or an s3:// bucket: name one of"
            " them (a store that speaks S3 is reached by AWS_ENDPOINT_URL)"
        )
    try:
        import s3fs  # noqa: F401
    except ImportError:
        raise ConfigError(f"a lake in an s3:// bucket needs the extra s3: {EXTRA}") from None


@contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever these libraries raise, its text may quote an address
        said = reason(error)
        kind = type(error).__name__
        raise said or ConfigError(f"{doing} the lake failed ({kind}): check SEGMENT_PIPELINE_LAKE") from None


def probe(root: str, options: Mapping[str, str], filesystem: tuple[Any, str]) -> None:
    """Write a table and a file of its own below `root`, by delta-rs and by the file system, read them and delete them.

    Raises ConfigError or TransientError that says what cannot be done and what to set.
    """
    name = f"_probe-{uuid.uuid4().hex}"
    fs, home = filesystem
    with _told("writing to"):
        DeltaTable.create(
            f"{root}/{name}", schema=pa.schema([("nothing", pa.string())]), storage_options=dict(options) or None
        )
        fs.pipe_file(f"{home}/{name}/file", b"probe")
    try:
        with _told("reading"):
            DeltaTable(f"{root}/{name}", storage_options=dict(options) or None)
            fs.invalidate_cache()
            fs.cat_file(f"{home}/{name}/file")
    finally:
        with _told("deleting from"):
            fs.rm(f"{home}/{name}", recursive=True)
            fs.invalidate_cache()
            # To be refused one of many deletions is no error to s3fs.
            if fs.exists(f"{home}/{name}/file"):
                raise PermissionError("Access Denied")


def from_store(error: Exception) -> bool:
    """Whether an exception is of the kinds in which delta-rs passes on what a store or disk said."""
    return isinstance(error, OSError | DeltaError)
