"""Errors of code that is not ours: a company's own source, a function that returns a frame. Told by where they were raised.

Their own words are withheld, since they may quote a row; what can pass by itself is a TransientError, so that it is tried again.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from segment_pipeline.errors import ConfigError, SegmentPipelineError, TransientError, place_of, stops

# Libraries a company's code may use and ours need not: known by name, so that none is imported for it.
PASSING: Final = frozenset(
    {
        "builtins.ConnectionError",
        "builtins.TimeoutError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "requests.exceptions.ChunkedEncodingError",
        "urllib3.exceptions.HTTPError",
        "httpx.TransportError",
        "aiohttp.client_exceptions.ClientConnectionError",
        "botocore.exceptions.HTTPClientError",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.DisconnectionError",
    }
)


@contextmanager
def of_theirs(doing: str, whose: Any) -> Iterator[None]:
    """Any error that is not one of ours becomes one, naming the place in the code of `whose`, an object or a function.

    Raises TransientError for what can pass by itself (a connection, a time-out, a server's 429 or 5xx), otherwise ConfigError.
    """
    try:
        yield
    except SegmentPipelineError:
        raise
    except BaseException as error:
        if stops(error):
            raise
        place = place_of(error, own=_folder(whose))
        said = f"{doing} failed with {type(error).__name__} at {place}, its message withheld since it may quote a person's data"
        if _passes(error):
            raise TransientError(f"{said}: try again later") from error
        raise ConfigError(f"{said}: nothing was written; correct it there") from error


def _passes(error: BaseException) -> bool:
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    return bool(names & PASSING) or (isinstance(status, int) and (status == 429 or status >= 500))


def _folder(whose: Any) -> Path | None:
    """Where the code of an object, its class or a function is; None: typed by hand."""
    try:
        return Path(inspect.getfile(whose if callable(whose) else type(whose))).parent
    except (TypeError, OSError):
        return None
