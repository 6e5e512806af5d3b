"""A real MariaDB server for as long as a block lasts, and empty databases on it; from Debian's package, without root's files."""

import itertools
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

DRIVER = "mysql+pymysql"
_numbers = itertools.count()


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start one whose files are in `folder`; its SQLAlchemy URL. It listens on a socket in there, and nowhere else."""
    held, socket = folder / "data", folder / "s"
    # Its own user names it where root runs the tests, and the settings of the machine are not read.
    common = ["--no-defaults", f"--datadir={held}", f"--user={_user()}"]
    subprocess.run(
        ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    quick = [
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--skip-log-bin",
        "--default-time-zone=+00:00",
    ]
    command = ["mariadbd", *common, f"--socket={socket}", "--skip-networking", f"--pid-file={folder}/pid", *quick]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _answers(socket, process)
            yield f"{DRIVER}://root@localhost/?unix_socket={socket}&charset=utf8mb4"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()


def new_database(url: str) -> str:
    """The URL of an empty database on the same server."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    engine.dispose()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _answers(socket: Path, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the MariaDB server ended while it started")
        if socket.exists():
            return
        time.sleep(0.2)
    raise RuntimeError("the MariaDB server did not start in two minutes")


def _user() -> str:
    import getpass

    return getpass.getuser()
