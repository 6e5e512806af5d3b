"""One sync per audience at a time: a lease with a fencing token, by the database's clock.

A holder that was killed on this host gives way at once; one on another host when its time is up, which is never later than a
lease lasts: where the database's clock was set back, it counts from when that is noticed.
"""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.ledger_tables import leases
from segment_pipeline.errors import ConflictError, SegmentPipelineError

SECONDS = 300.0  # more than three request time-outs


class Lease:
    """The right to send to one audience; `renew` raises ConflictError once another run has it."""

    def __init__(self, audience: str, holder: str, token: int, seconds: float) -> None:
        self.audience, self.holder, self.token, self.seconds = audience, holder, token, seconds

    def renew(self, connection: Connection) -> None:
        """Inside the transaction it guards: the lease is still ours, and lasts on from now."""
        changed = connection.execute(
            leases.update()
            .where(
                (leases.c.audience == self.audience) & (leases.c.token == self.token) & (leases.c.holder == self.holder)
            )
            .values(expires_at=_now(connection) + self.seconds)
        ).rowcount
        if not changed:
            raise ConflictError(f"another run took over audience {self.audience}: nothing more is sent by this one")


@contextmanager
def kept(ledger: Ledger, lease: Lease) -> Iterator[None]:
    """The lease renewed by itself, for what takes longer than it lasts. Whoever lost it all the same hears so when he renews it next."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(max(0.5, lease.seconds / 3)):
            # What the ledger says here it says again where the answer is recorded.
            with suppress(SegmentPipelineError), ledger.transaction() as connection:
                lease.renew(connection)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def acquire(ledger: Ledger, audience: str, *, seconds: float = SECONDS) -> Lease:
    """Raises ConflictError while another live run holds the audience."""
    holder = _me()
    with ledger.transaction() as connection:
        query = sa.select(leases).where(leases.c.audience == audience).with_for_update()
        held = connection.execute(query).mappings().first()
        now = _now(connection)
        if held is None:
            connection.execute(
                leases.insert().values(audience=audience, holder=holder, token=1, expires_at=now + seconds)
            )
            return Lease(audience, holder, 1, seconds)
        theirs = leases.update().where((leases.c.audience == audience) & (leases.c.token == held["token"]))
        if not held["holder"] or held["expires_at"] <= now or _dead(str(held["holder"])):
            token = int(held["token"]) + 1
            if connection.execute(theirs.values(holder=holder, token=token, expires_at=now + seconds)).rowcount:
                return Lease(audience, holder, token, seconds)
        elif held["expires_at"] > (latest := now + max(seconds, SECONDS)):
            connection.execute(theirs.values(expires_at=latest))
    raise ConflictError(f"audience {audience} is being synced by another run: wait for it to end")


def release(ledger: Ledger, lease: Lease) -> None:
    """Give it back; the token stays, so that what this holder still had under way cannot be recorded."""
    with ledger.transaction() as connection:
        connection.execute(
            leases.update()
            .where((leases.c.audience == lease.audience) & (leases.c.token == lease.token))
            .values(holder="", expires_at=0.0)
        )


def _now(connection: Connection) -> float:
    sqlite = connection.dialect.name == "sqlite"
    clock = (
        "SELECT (julianday('now') - 2440587.5) * 86400.0" if sqlite else "SELECT extract(epoch FROM clock_timestamp())"
    )
    return float(connection.execute(sa.text(clock)).scalar_one())


def _me() -> str:
    return f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}|{uuid.uuid4().hex}"


def _started(process: int) -> str:
    """When a process of this host began, in ticks since boot, so that a number used again is not taken for it; '' if it is gone."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _dead(holder: str) -> bool:
    """The holder ran on this host and is no more."""
    host, process, started, _ = holder.split("|")
    if host != socket.gethostname() or not started:
        return False
    return _started(int(process)) != started
