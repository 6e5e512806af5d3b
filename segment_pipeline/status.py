"""What a person on call wants to know in the morning, from the lake and the ledger. Reads; changes nothing; holds no row of a person."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from segment_pipeline.audiences.ledger import Ledger, there
from segment_pipeline.audiences.plan import DENIALS
from segment_pipeline.audiences.snapshot import fresh_until
from segment_pipeline.audiences.standing import Standing, standing
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.settings import Settings

SNAPSHOTS = {"people": "identities", "traits": "traits", "segments": "segment_sizes"}

NEWEST_LOADS = "SELECT asset, max(day) AS newest, max(finished_at) AS finished_at FROM loads GROUP BY asset"

QUARANTINED = """
SELECT source, entity, reason, CAST(count(*) AS BIGINT) AS records,
    CAST(count(*) FILTER (WHERE first_seen >= $since) AS BIGINT) AS of_last_day
FROM quarantine GROUP BY source, entity, reason ORDER BY source, entity, reason
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """`newest`: the newest company day it holds, None: none. `behind`: days it lacks of those it should hold; None: not known."""

    stage: str
    newest: date | None
    behind: int | None


@dataclass(frozen=True, slots=True)
class Load:
    """The newest load of an entity. A load that is short of what its source says it has fails, and is late for that reason."""

    asset: str
    newest: date | None
    behind: int | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Records that could not be mapped, for one reason. `of_last_day`: seen first within 24 hours."""

    source: str
    entity: str
    reason: str
    records: int
    of_last_day: int


@dataclass(frozen=True, slots=True)
class Held:
    """A plan a guard held, that may still be approved. `changes`: keys of each operation."""

    audience: str
    digest: str
    as_of: date
    changes: dict[str, int]
    expires_at: datetime

    @property
    def command(self) -> str:
        return f"segment-pipeline audiences approve {self.digest}"


@dataclass(frozen=True, slots=True)
class Status:
    """`expected`: the company day that should be there by now; None: none yet. `attention`: one sentence for each thing to act on."""

    at: datetime
    expected: date | None
    stages: list[Stage]
    loads: list[Load]
    quarantine: list[Quarantined]
    held: list[Held]
    audiences: list[Standing]
    attention: list[str] = field(default_factory=list)


def status(catalogue: Catalogue, settings: Settings, *, now: datetime, expected: date | None) -> Status:
    """What lake and ledger say about a company's sources, people, segments and audiences."""
    lake = Lake.open(settings)
    declared = [f"{s.name}/{e.name}" for s in catalogue.enabled_sources(settings).values() for e in s.entities]
    with lake.session() as session:
        loads = _loads(session, declared, expected)
        quarantine = _quarantined(session, now)
    stages = [_stage("sources", _least([load.newest for load in loads]), expected)]
    own = {f"own traits {one.name}": one.table for one in catalogue.trait_sets}
    for name, table in (SNAPSHOTS | own).items():
        stages.append(_stage(name, max(lake.snapshots(table), default=None), expected))
    found = Status(
        now, expected, stages, loads, quarantine, _held(catalogue, settings, now), stand(lake, catalogue, settings)
    )
    found.attention.extend(_attention(found))
    return found


def stand(lake: Lake, catalogue: Catalogue, settings: Settings) -> list[Standing]:
    """Where every audience of the catalogue stands, and what is left of others."""
    if not there(settings.ledger) and not lake.partitions("audience_members"):
        return [Standing(a.name, a.segment, a.destination, a.channel, a.purpose) for a in catalogue.audiences]
    with closing(Ledger.open(settings.ledger)) as ledger:
        return standing(lake, ledger, catalogue.audiences)


def _attention(found: Status) -> list[str]:
    late = [load for load in found.loads if load.behind is None or load.behind > 0] if found.expected else []
    said = [
        f"{asset} {'was never landed' if newest is None else f'ends at {newest}'}, and {found.expected} should be there:"
        " segment-pipeline refresh"
        for asset, newest in _by_source(late)
    ]
    if not late and found.expected:
        # A late source makes all that follows late: then it is the source that is to be looked at.
        said += [
            f"{stage.stage} end at {stage.newest or 'no day'} although the sources are there: segment-pipeline refresh"
            for stage in found.stages[1:]
            if stage.behind is None or stage.behind > 0
        ]
    said += [
        f"audience {held.audience} is held until {held.expires_at:%Y-%m-%d %H:%M} UTC: look at `segment-pipeline audiences"
        f" plan {held.audience}`, then `{held.command}`"
        for held in found.held
    ]
    said += [
        f"audience {each.audience} at {each.destination} is {each.state}: {each.why}"
        for each in found.audiences
        if each.why
    ]
    return said


def _by_source(loads: Sequence[Load]) -> list[tuple[str, date | None]]:
    """Loads that stand alike, of one source, in one line: `till/orders, customers`."""
    groups: dict[tuple[str, date | None], list[str]] = {}
    for load in loads:
        source, _, entity = load.asset.partition("/")
        groups.setdefault((source, load.newest), []).append(entity)
    return [(f"{source}/{', '.join(entities)}", newest) for (source, newest), entities in groups.items()]


def _loads(session: Session, declared: Sequence[str], expected: date | None) -> list[Load]:
    session.scan("loads")
    held = {row["asset"]: row for row in session.rows(NEWEST_LOADS)}
    found = []
    for asset in declared:
        row = held.get(asset, {"newest": None, "finished_at": None})
        found.append(Load(asset, row["newest"], _behind(row["newest"], expected), row["finished_at"]))
    return found


def _quarantined(session: Session, now: datetime) -> list[Quarantined]:
    session.scan("quarantine")
    return [Quarantined(**row) for row in session.rows(QUARANTINED, since=now - timedelta(days=1))]


def _held(catalogue: Catalogue, settings: Settings, now: datetime) -> list[Held]:
    """The newest held plan of each audience that nothing overtook and that has not expired."""
    if not there(settings.ledger):
        return []
    found = []
    with closing(Ledger.open(settings.ledger)) as ledger:
        for audience in catalogue.enabled_audiences(settings):
            plans = [plan for plan in ledger.plans_of(audience.name) if plan.plan.kind != DENIALS]
            if not plans or plans[-1].status != "held":
                continue
            plan = plans[-1].plan
            expires = fresh_until(audience, plan.as_of, settings)
            if now > expires:
                continue
            changes: dict[str, int] = {}
            for batch in plan.batches:
                changes[batch.operation.value] = changes.get(batch.operation.value, 0) + batch.rows
            found.append(Held(audience.name, plan.digest, plan.as_of, changes, expires))
    return found


def not_taken(settings: Settings, audiences: Sequence[str]) -> list[str]:
    """Of these audiences those whose tool did not take all of the newest denials it was sent."""
    if not there(settings.ledger):
        return []
    with closing(Ledger.open(settings.ledger)) as ledger:
        newest = {
            name: [plan for plan in ledger.plans_of(name) if plan.plan.kind == DENIALS][-1:] for name in audiences
        }
        return [
            name
            for name, plans in newest.items()
            for plan in plans
            if any(b.state != "final" or b.rejected for b in ledger.answers.outcome(plan.plan.digest) if b.batch.phase)
        ]


def _stage(name: str, newest: date | None, expected: date | None) -> Stage:
    return Stage(name, newest, _behind(newest, expected))


def _behind(newest: date | None, expected: date | None) -> int | None:
    return max((expected - newest).days, 0) if newest and expected else None


def _least(days: Sequence[date | None]) -> date | None:
    known = [day for day in days if day is not None]
    return min(known) if known and len(known) == len(days) else None
