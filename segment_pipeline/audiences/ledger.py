"""The ledger: what was attempted, what came of it, and who may attempt. Transactions in SQLite (one host) or PostgreSQL.

    plan      planned -> pushing -> pushed -> folded      held -> approved | (left to expire)
    batch     planned -> attempted -> final | uncertain | unsent

`attempted` is committed before a batch leaves, a receipt and its row outcomes are one transaction, and both only by the
holder of the audience's lease. Opening migrates. Errors of the database leave as ours, without a value.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, RowMapping
from sqlalchemy.exc import SQLAlchemyError

from segment_pipeline import clock
from segment_pipeline.audiences.answers import Answers, batch_of
from segment_pipeline.audiences.ledger_tables import (
    approvals,
    batches,
    epochs,
    lake_tables,
    plans,
    row_outcomes,
    secrets,
)
from segment_pipeline.audiences.places import Place, Places
from segment_pipeline.audiences.plan import Plan
from segment_pipeline.databases import of_the_disk, open_engine, transaction
from segment_pipeline.delivery.destination import Operation, Receipt
from segment_pipeline.errors import ConfigError, ContractError

HEAD = "0002"
UNFINISHED = ("planned", "pushing", "pushed")
LOST = "lost"  # in the lake, and never seen by this ledger


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """A plan as the ledger knows it. `sequence` numbers the plans of one audience."""

    plan: Plan
    sequence: int
    status: str
    created_at: datetime


class Ledger:
    """Plans, batches, outcomes, places and epochs of all audiences. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.places = Places(self.transaction)
        self.answers = Answers(self.transaction)

    @classmethod
    def open(cls, url: str) -> "Ledger":
        """Connect and migrate; raises ConfigError for a URL or database that cannot be opened."""
        from segment_pipeline.audiences.migrate import migrate

        engine = open_engine(
            url,
            what="the ledger",
            setting="SEGMENT_PIPELINE_LEDGER",
            pragmas=("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"),
        )
        ledger = cls(engine)
        try:
            migrate(engine, HEAD)
        except (SQLAlchemyError, OSError) as error:
            ledger.close()
            if said := of_the_disk(error):
                raise ConfigError(f"the ledger {said} (SEGMENT_PIPELINE_LEDGER)") from None
            raise ConfigError(
                f"the ledger cannot be reached ({type(error).__name__}): check SEGMENT_PIPELINE_LEDGER"
            ) from None
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction; nothing of the database's message, which quotes values, leaves it."""
        with transaction(self.engine, what="the ledger", hint="is it this version's schema?") as connection:
            yield connection

    def record(self, plan: Plan, *, held: bool, inputs: str, floor: int = 0) -> RecordedPlan:
        """Write the plan and its batches down under the next number above `floor` and those the audience used.

        A plan that was written down before and not sent gets a new number; raises ContractError for one that was sent.
        """
        now, status = clock.now(), "held" if held else "planned"
        with self.transaction() as c:
            existing = c.execute(sa.select(plans.c.status).where(plans.c.digest == plan.digest)).scalar()
            if existing not in (None, "planned", "held", "approved"):
                raise ContractError(f"plan {plan.digest} was already sent: plan again")
            used = c.execute(sa.select(sa.func.max(plans.c.sequence)).where(plans.c.audience == plan.audience)).scalar()
            sequence = 1 + max(used or 0, floor)
            if existing is None:
                c.execute(
                    plans.insert().values(
                        digest=plan.digest,
                        audience=plan.audience,
                        destination=plan.destination,
                        remote_id=plan.remote_id,
                        sequence=sequence,
                        kind=plan.kind,
                        status=status,
                        as_of=plan.as_of.isoformat(),
                        fields=json.dumps(plan.fields),
                        inputs=inputs,
                        memberships=json.loads(inputs).get("memberships"),
                        created_at=now,
                        changed_at=now,
                    )
                )
                made = [
                    {
                        "plan": plan.digest,
                        "number": b.number,
                        "phase": b.phase,
                        "operation": b.operation.value,
                        "rows": b.rows,
                        "state": "planned",
                        "token": 0,
                        "attempts": 0,
                        "requests": 0,
                    }
                    for b in plan.batches
                ]
                if made:
                    c.execute(batches.insert(), made)
            else:
                c.execute(
                    plans.update()
                    .where(plans.c.digest == plan.digest)
                    .values(sequence=sequence, status=status, remote_id=plan.remote_id, changed_at=now)
                )
            return RecordedPlan(plan, sequence, status, now)

    def advance(self, digest: str, status: str) -> None:
        with self.transaction() as c:
            c.execute(plans.update().where(plans.c.digest == digest).values(status=status, changed_at=clock.now()))

    def plan(self, digest: str) -> RecordedPlan | None:
        """A plan by its digest; None: there is none."""
        found = self._plans(plans.c.digest == digest)
        return found[0] if found else None

    def unfinished(self, audience: str) -> list[RecordedPlan]:
        """Plans of an audience that were begun and not folded, oldest first: what a killed run left."""
        return self._plans((plans.c.audience == audience) & plans.c.status.in_(UNFINISHED))

    def plans_of(self, audience: str) -> list[RecordedPlan]:
        """Every plan of an audience that is on record, oldest first."""
        return self._plans(plans.c.audience == audience)

    def _plans(self, condition: sa.ColumnElement[bool]) -> list[RecordedPlan]:
        with self.transaction() as c:
            found = c.execute(sa.select(plans).where(condition).order_by(plans.c.sequence)).mappings().all()
            return [
                RecordedPlan(self._plan(c, row), row["sequence"], row["status"], row["created_at"]) for row in found
            ]

    def _plan(self, c: Connection, row: RowMapping) -> Plan:
        rows = c.execute(
            sa.select(batches).where(batches.c.plan == row["digest"]).order_by(batches.c.number)
        ).mappings()
        return Plan(
            digest=row["digest"],
            audience=row["audience"],
            destination=row["destination"],
            remote_id=row["remote_id"] or "",
            kind=row["kind"],
            as_of=date.fromisoformat(row["as_of"]),
            fields=tuple(json.loads(row["fields"])),
            batches=tuple(batch_of(b) for b in rows),
        )

    def last_folded(self, audience: str) -> int:
        """Number of the last plan folded into the lake; 0: none."""
        query = sa.select(sa.func.max(plans.c.sequence)).where(
            (plans.c.audience == audience) & (plans.c.status == "folded")
        )
        with self.transaction() as c:
            return int(c.execute(query).scalar() or 0)

    def attempt(self, c: Connection, digest: str, number: int, token: int) -> None:
        c.execute(
            batches.update()
            .where((batches.c.plan == digest) & (batches.c.number == number))
            .values(state="attempted", token=token, attempts=batches.c.attempts + 1, attempted_at=clock.now())
        )

    def note_handle(self, c: Connection, digest: str, number: int, handle: str | None) -> None:
        c.execute(
            batches.update().where((batches.c.plan == digest) & (batches.c.number == number)).values(handle=handle)
        )

    def receive(self, c: Connection, digest: str, number: int, state: str, receipt: Receipt) -> None:
        """The end of a batch and the outcomes of its rows."""
        here = (batches.c.plan == digest) & (batches.c.number == number)
        c.execute(
            batches.update()
            .where(here)
            .values(state=state, handle=receipt.handle, requests=receipt.requests, ended_at=clock.now())
        )
        c.execute(row_outcomes.delete().where((row_outcomes.c.plan == digest) & (row_outcomes.c.batch == number)))
        told = [
            {
                "plan": digest,
                "batch": number,
                "key": key,
                "outcome": "rejected",
                "reason": reason[:120],
                "vendor_id": None,
            }
            for key, reason in sorted(receipt.rejected.items())
        ]
        told += [
            {"plan": digest, "batch": number, "key": key, "outcome": "accepted", "reason": None, "vendor_id": vendor_id}
            for key, vendor_id in sorted(receipt.vendor_ids.items())
            if key not in receipt.rejected
        ]
        if told:
            c.execute(row_outcomes.insert(), told)

    def give_up(self, digest: str) -> None:
        """Batches of a killed run: what was attempted and never answered is uncertain for good."""
        with self.transaction() as c:
            c.execute(
                batches.update()
                .where((batches.c.plan == digest) & (batches.c.state == "attempted"))
                .values(state="uncertain", ended_at=clock.now())
            )

    def folded(self, digest: str, epoch: int | None = None) -> None:
        """The lake holds the outcome, and carries the number `epoch`: vendor ids and the like need not be kept any longer."""
        with self.transaction() as c:
            c.execute(
                row_outcomes.delete().where((row_outcomes.c.plan == digest) & (row_outcomes.c.outcome == "accepted"))
            )
            c.execute(plans.update().where(plans.c.digest == digest).values(status="folded", changed_at=clock.now()))
            if epoch is None:
                return
            audience = c.execute(sa.select(plans.c.audience).where(plans.c.digest == digest)).scalar_one()
            _note_epoch(c, audience, epoch)

    def epoch(self, audience: str) -> int | None:
        """The number the lake carried after the last fold; None: there was none since epochs are kept."""
        with self.transaction() as c:
            return c.execute(sa.select(epochs.c.epoch).where(epochs.c.audience == audience)).scalar()

    def digests(self, audience: str) -> set[str]:
        """The plans of an audience that are on record."""
        with self.transaction() as c:
            return set(c.execute(sa.select(plans.c.digest).where(plans.c.audience == audience)).scalars())

    def sent_to(self, place: Place) -> list[str]:
        """Digests of the plans that put keys into a place, or may have: those this ledger never saw could have gone there too."""
        b = batches.c
        left = (b.operation == Operation.UPSERT.value) & (b.number != 0) & b.state.not_in(("planned", "unsent"))
        here = (plans.c.destination == place.destination) & (plans.c.remote_id == place.remote_id) & left
        query = sa.select(plans.c.digest).distinct().outerjoin(batches, b.plan == plans.c.digest)
        query = query.where((plans.c.audience == place.audience) & (here | (plans.c.status == LOST)))
        with self.transaction() as c:
            return list(c.execute(query.order_by(plans.c.digest)).scalars())

    def unused(self) -> bool:
        """Nothing was ever sent by this ledger."""
        with self.transaction() as c:
            return c.execute(sa.select(plans.c.digest).limit(1)).first() is None

    def acknowledge(self, audience: str, digests: Iterable[str], epoch: int) -> None:
        """Put plans on record that the lake has and this ledger never saw, and the number the lake carries: what came of them was
        found out otherwise.
        """
        now = clock.now()
        rows = [
            {"digest": digest, "audience": audience, "destination": "", "sequence": 0, "kind": "unknown", "status": LOST,
             "as_of": now.date().isoformat(), "fields": "[]", "inputs": "{}", "created_at": now, "changed_at": now}
            for digest in sorted(digests)
        ]  # fmt: skip
        with self.transaction() as c:
            for row in rows:
                # An older ledger has some of them under the name the audience had then.
                here = plans.c.digest == row["digest"]
                if not c.execute(plans.update().where(here).values(audience=audience)).rowcount:
                    c.execute(plans.insert().values(row))
            _note_epoch(c, audience, epoch)

    def seen(self, name: str) -> tuple[str, int, str | None] | None:
        """A table of the lake as it was when last read: its identity, version, and why it is in doubt; None: never read."""
        with self.transaction() as c:
            row = c.execute(sa.select(lake_tables).where(lake_tables.c.name == name)).mappings().first()
        return (row["identity"], row["version"], row["doubt"]) if row else None

    def note_seen(self, name: str, identity: str, version: int, doubt: str | None = None) -> None:
        here, values = lake_tables.c.name == name, {"identity": identity, "version": version, "doubt": doubt}
        with self.transaction() as c:
            if not c.execute(lake_tables.update().where(here).values(values)).rowcount:
                c.execute(lake_tables.insert().values(name=name, **values))

    def secret(self, name: str) -> str:
        """A random value made with the ledger."""
        with self.transaction() as c:
            return str(c.execute(sa.select(secrets.c.value).where(secrets.c.name == name)).scalar_one())

    def remote_id(self, audience: str, destination: str) -> str | None:
        """The tool's id of an audience; None: not made yet."""
        place = self.places.current(audience, destination)
        return place.remote_id or None if place else None

    def note_approval(self, digest: str, audience: str, expires_at: datetime) -> None:
        with self.transaction() as c:
            c.execute(approvals.delete().where(approvals.c.digest == digest))
            c.execute(
                approvals.insert().values(
                    digest=digest, audience=audience, approved_at=clock.now(), expires_at=expires_at
                )
            )


def _note_epoch(c: Connection, audience: str, epoch: int) -> None:
    if not c.execute(epochs.update().where(epochs.c.audience == audience).values(epoch=epoch)).rowcount:
        c.execute(epochs.insert().values(audience=audience, epoch=epoch))


def there(url: str) -> bool:
    """Whether there is a ledger to look into: opening a SQLite one would make it."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError(
            "SEGMENT_PIPELINE_LEDGER is not a SQLAlchemy URL: set it like postgresql+psycopg://…"
        ) from None
    return parsed.get_backend_name() != "sqlite" or not parsed.database or Path(parsed.database).exists()
