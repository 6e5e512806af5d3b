"""How a SQL database of ours or of the company is opened, and what it may say: never a value, never its URL.

Whatever a database or its driver raises leaves here as one of our errors, named by its kind alone: their texts quote rows.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from segment_pipeline.errors import ConfigError, ContractError, TransientError, of_the_system

WAIT_SECONDS = 60


def open_engine(url: str, *, what: str, setting: str, pragmas: Sequence[str] = (), **options: Any) -> Engine:
    """An engine for a SQLAlchemy URL; nothing is connected yet. `pragmas` are for SQLite, `options` for `create_engine`.

    A SQLite file's folder is made, and its transactions begin as writers. Raises ConfigError naming `what` and `setting`.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True, **options)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True, **options)
    except (SQLAlchemyError, OSError, ImportError) as error:
        if said := of_the_system(error):
            raise ConfigError(f"{what} cannot be opened: {said} ({setting})") from None
        raise ConfigError(f"{what} cannot be opened ({type(error).__name__}): check {setting}") from None

    def connected(connection: Any, _: ConnectionPoolEntry) -> None:
        # The driver must not open transactions by itself: each begins as a writer, or two readers deadlock on upgrade.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (f"busy_timeout = {WAIT_SECONDS * 1000}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


@contextmanager
def transaction(engine: Engine, *, what: str, hint: str) -> Iterator[Connection]:
    """One transaction. Raises TransientError when the database did not answer, ConfigError when its disk is full or read-only or its
    URL opens nothing, ContractError with `hint` when it refused.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        if said := of_the_disk(error):
            raise ConfigError(f"{what} {said}") from None
        if locked_out(error):
            raise ConfigError(
                f"{what} let nobody in ({kind(error)}): see user, password and database of its URL"
            ) from None
        raise TransientError(f"{what} did not answer ({kind(error)}): run again") from None
    except SQLAlchemyError as error:
        raise ContractError(f"{what} refused a statement ({kind(error)}): {hint}") from None


# Drivers file a wrong password and a broken line alike under OperationalError; their words tell them apart.
_LOCKED_OUT = re.compile(
    r"authentication|access denied|password|database \S+ does not exist|unknown database|role \S+ does not exist",
    re.IGNORECASE,
)


def locked_out(error: DBAPIError) -> bool:
    """The database is there, and takes neither this user nor this password, or has no database of this name."""
    return isinstance(error, OperationalError | InterfaceError) and bool(_LOCKED_OUT.search(str(error.orig)))


# By the beginning of SQLite's name for it.
_OF_THE_DISK = {
    "SQLITE_READONLY": "cannot be written to: its file or folder is read-only for this user: change its owner or mode, or name another file",
    "SQLITE_FULL": "cannot be written to, its disk is full: free some space; nothing was committed",
    "SQLITE_CANTOPEN": "cannot be opened: its folder is not there, or this user may not write to it: give the right, or name another file",
    "SQLITE_PERM": "cannot be opened: this user may not use its file: give the right, or name another file",
    "SQLITE_IOERR": "cannot be read or written: its disk is full or broken: check it, then run again",
    "SQLITE_NOTADB": "is no SQLite database: name another file",
    "SQLITE_CORRUPT": "is damaged: put its newest backup back",
}


def of_the_disk(error: Exception) -> str | None:
    """What a SQLite file's disk said, as the rest of a sentence that begins with the database; None: it is about something else."""
    name = getattr(error.orig, "sqlite_errorname", "") if isinstance(error, DBAPIError) else ""
    return next((said for known, said in _OF_THE_DISK.items() if name.startswith(known)), None)


def kind(error: Exception) -> str:
    """What an error is, in one word that quotes nothing: the driver's class where there is one (`InsufficientPrivilege`)."""
    return type(error.orig if isinstance(error, DBAPIError) and error.orig else error).__name__


@contextmanager
def driver_errors(dialect: Dialect) -> Iterator[None]:
    """For what is done on the driver's own connection (COPY): it fails as if it had gone through SQLAlchemy."""
    driver: Any = dialect.loaded_dbapi
    try:
        yield
    except driver.Error as error:
        raise DBAPIError.instance("", None, error, driver.Error, hide_parameters=True, dialect=dialect) from None
