"""From eligible people to a plan: the difference between what a tool should hold and what it holds, in numbered batches.

The unit is the destination key. Two plans come of one comparison: explicit denials, sent first and never held, and the rest,
which a guard can hold. Nothing is sent here; a plan is written to the lake before anything is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from segment_pipeline.audiences.attributes import NOTHING, Told, told
from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.delivery.destination import Capabilities, Operation
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

DENIALS, MAIN, REPLACEMENT = "denials", "main", "replacement"
TRY_REFUSED_AGAIN = timedelta(days=7)
TRY_PASSING_AGAIN = timedelta(hours=20)  # a daily sync is not always at the same minute
REFRESH_AT = 0.8  # share of a membership's life at the platform after which it is sent again
UNDESIRED = frozenset({"leaving", "stuck", "forgotten"})
SETTLED = frozenset({"unchanged", "refused", "forgotten"})  # nothing is sent of these, nor was to be taken out
# Of `all_planned` and `leaving_held`.
PLANNED = {
    "kind": "VARCHAR", "operation": "VARCHAR", "cause": "VARCHAR", "key": "VARCHAR", "identifiers": "VARCHAR", "vendor_id": "VARCHAR",
    "attributes": "VARCHAR", "payload_hash": "VARCHAR", "owners": "VARCHAR[]", "in_place": "BOOLEAN", "remove_first": "BOOLEAN",
}  # fmt: skip
LEAVING = {
    "key": "VARCHAR", "stuck": "BOOLEAN", "identifiers": "VARCHAR", "owners": "VARCHAR[]", "vendor_id": "VARCHAR", "payload_hash": "VARCHAR",
}  # fmt: skip
ENVELOPE = 200  # bytes a row costs in a request beyond its values
EPOCH, FOREVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Rows that go out together. All batches of a phase end before the next phase starts; phase 0 is not sent."""

    number: int
    phase: int
    operation: Operation
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes to one audience at one place, immutable and known by its digest; its rows are in the lake's `plan_rows`.

    `remote_id`: the tool's id of the audience; empty: it is not made yet.
    """

    digest: str
    audience: str
    destination: str
    kind: str
    as_of: date
    fields: tuple[str, ...]
    batches: tuple[PlannedBatch, ...]
    remote_id: str = ""

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Destination keys by what happens to them. held_before = leaving + stuck + the desired ones among the held."""

    desired: int = 0
    held_before: int = 0
    leaving: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    exits: int = 0
    owners_changed: int = 0

    def of(self, *changes: str) -> int:
        return sum(self.changes.get(change, 0) for change in changes)


def compare(
    session: Session,
    audience: Audience,
    shape: Shape,
    now: datetime,
    *,
    known: bool,
    wanted: bool = True,
    everything: bool = False,
    removals_again: bool = False,
) -> Comparison:
    """Define `compared`, `leaving` and `planned` from the view `eligible`.

    `known` False: who should be in it is not known (no fresh memberships), so nothing is desired or leaves but by denial.
    `wanted` False: nobody should be in it any more.
    `removals_again`: removals the tool refused lately are tried once more; `everything`: those, what else it refused, and all it is
    believed to hold.
    """
    define = session.define
    along = told(audience, shape.capabilities) if known and wanted else NOTHING
    _define_desired(session, shape, along, known=known and wanted)
    expires = shape.capabilities.expires_after_days
    define(
        "compared",
        statement("audiences", "compared"),
        materialize=True,
        now=now,
        try_again_before=now if everything else now - TRY_REFUSED_AGAIN,
        passed_before=now if everything else now - TRY_PASSING_AGAIN,
        removals_again_before=now if removals_again or everything else now - TRY_REFUSED_AGAIN,
        refresh_before=FOREVER if everything else now - timedelta(days=expires * REFRESH_AT) if expires else EPOCH,
    )
    counted = session.rows(
        "SELECT change, count(*) AS keys, count(*) FILTER (WHERE held) AS held, "
        "count(*) FILTER (WHERE new_owners) AS new_owners FROM compared GROUP BY change"
    )
    changes = {row["change"]: row["keys"] for row in counted}
    if changes.keys() <= SETTLED:
        _define_nothing(session)
    else:
        _define_changes(session, shape, along, known=known)
    define("planned", "SELECT * FROM all_planned")
    return Comparison(
        desired=sum(keys for change, keys in changes.items() if change not in UNDESIRED),
        held_before=sum(row["held"] for row in counted),
        leaving=session.value("SELECT count(*) FROM leaving"),
        changes=changes,
        exits=session.value("SELECT count(*) FROM removals WHERE kind = 'main' AND cause <> 'rekeyed'"),
        owners_changed=sum(row["new_owners"] for row in counted),
    )


def _define_nothing(session: Session) -> None:
    """The same views where nothing changes: most syncs of most audiences find nothing to do."""
    session.given("leaving_held", LEAVING)
    session.given("all_planned", PLANNED)
    for name in ("leaving", "removals"):
        session.define(name, "SELECT * FROM all_planned")
    session.given("leaving_owners", {"key": "VARCHAR", "profile_id": "VARCHAR"})
    session.given("denied_keys", {"key": "VARCHAR", "reason": "INTEGER"})


def _define_changes(session: Session, shape: Shape, along: Told, *, known: bool) -> None:
    """`all_planned`, and what it is made of."""
    define = session.define
    _define_leaving(session, shape, known=known)
    define("upserts", statement("audiences", "upserts"), materialize=True)
    define("told_upserts", shape.told_upserts(along))
    define("all_planned", statement("audiences", "planned"), materialize=True)


def _define_desired(session: Session, shape: Shape, along: Told, *, known: bool) -> None:
    """What the tool should hold: `keyed` by person, `owned` by person and key, `desired` by key."""
    define = session.define
    if not known:
        define("eligible", shape.nobody())
    define("keyed", shape.keyed(along, known=known), materialize=True)
    define("keyed_sent", shape.sent("keyed"))
    define("keyed_json", f"SELECT k.profile_id, k.key, {shape.json('k')} AS identifiers FROM keyed_sent AS k")
    if shape.capabilities.one_record:
        define("keyed_long", shape.long("keyed_sent", "key"))
        define("record_keys", shape.record_keys(), materialize=True)
        define("owned", statement("audiences", "record_owners"), materialize=True)
    else:
        define("owned", "SELECT profile_id, key FROM keyed")
    tuples = "desired_records" if shape.capabilities.one_record else "desired_tuples"
    define("desired_keys", statement("audiences", tuples), materialize=True)
    define("desired_owners", statement("audiences", "desired_owners"), materialize=True)
    define("told_apart", shape.told_apart(along), materialize=True)
    define("desired", statement("audiences", "desired"), nothing=hashlib.sha256(b"").hexdigest()[:32])


def _define_leaving(session: Session, shape: Shape, *, known: bool) -> None:
    """What is to be taken out: `leaving` and why, `removals` as they are sent, and what they take along."""
    define = session.define
    define("leaving_held", statement("audiences", "leaving_held"), materialize=True)
    define("leaving_held_wide", shape.wide("leaving_held"))
    define("leaving_held_long", shape.long("leaving_held_wide", "key"))
    define("leaving_owners", statement("audiences", "leaving_owners"), materialize=True)
    define("blocked_as_sent", shape.blocked())
    define("denied_keys", statement("audiences", "denied_keys"), materialize=True)
    define("moved", statement("audiences", "moved"), materialize=True)
    define("rekeyed", statement("audiences", "rekeyed"), materialize=True)
    define("leaving", statement("audiences", "leaving"), materialize=True, known=known)
    define("leaving_wide", shape.wide("leaving"))
    define("leaving_long", shape.long("leaving_wide", "key"))
    define("keyed_identifiers", shape.keyed_identifiers())
    define("carriers", statement("audiences", "carriers"), materialize=True)
    define(
        "staying_vendor_ids",
        "SELECT DISTINCT vendor_id FROM compared "
        "WHERE change IN ('added', 'resent', 'updated', 'refreshed', 'unchanged') AND vendor_id IS NOT NULL",
    )
    define("removals", shape.removals(), materialize=True)
    define("removal_rows", f"SELECT r.*, {shape.json('r')} AS identifiers FROM removals AS r")
    define("taken_along", statement("audiences", "taken_along"), materialize=True)


def guard_reasons(guards: Guards, capabilities: Capabilities, comparison: Comparison) -> list[str]:
    """Names of the guards a comparison trips; re-keys and explicit denials are not exits."""
    reasons = []
    exits, held = comparison.exits, comparison.held_before
    if (exits > guards.removal_keys and exits > guards.removal_share * held) or (
        exits > guards.large_removal_keys and exits > guards.large_removal_share * held
    ):
        reasons.append("removals")
    minimum = capabilities.minimum_size if guards.minimum is None else guards.minimum
    if comparison.desired == 0:
        # So few may leave on any day, all of them too.
        if held > guards.removal_keys and not guards.allow_empty:
            reasons.append("empty_result")
    elif comparison.desired < minimum:
        reasons.append("under_minimum")
    return reasons


def draw(session: Session, place: Place, shape: Shape, kind: str, *, as_of: date, base: int) -> Plan | None:
    """The plan of one kind from `planned`, its rows left in the view `batched`; None when there is nothing to change.

    `base`: number of the last plan folded, so that the same change after another one is another plan. A replacement is the
    plan of all that `planned` adds.
    """
    capabilities, whole = shape.capabilities, kind == REPLACEMENT
    session.define("phased", statement("audiences", "phased"), kind=MAIN if whole else kind, whole=whole)
    sizes = session.rows(
        "SELECT phase, count(*) AS rows, max(length(identifiers) + coalesce(length(attributes), 0)) AS widest "
        "FROM phased GROUP BY phase ORDER BY phase"
    )
    if not sizes:
        return None
    phases, first = [], 1
    for size in sizes:
        if size["phase"] == 0:
            phases.append({"phase": 0, "first": 0, "most": 1})
            continue
        most = max(1, min(capabilities.batch_rows, capabilities.batch_bytes // (int(size["widest"]) + ENVELOPE)))
        phases.append({"phase": size["phase"], "first": first, "most": most})
        first += -(-size["rows"] // most)
    columns = dict.fromkeys(("phase", "first", "most"), "INTEGER")
    session.given("phases", columns, [[phase[column] for column in columns] for phase in phases])
    session.define("batched", statement("audiences", "batched"), materialize=True)
    batches, digests = [], []
    for row in session.rows(statement("audiences", "batch_digests")):
        number = row["batch"]
        phase = max((p for p in phases if p["first"] <= number), key=lambda p: p["first"])["phase"] if number else 0
        batches.append(PlannedBatch(number, phase, Operation(row["operation"]), row["rows"]))
        digests.append(row["digest"])
    where = [place.audience, place.destination, place.remote_id]
    header = json.dumps([*where, kind, as_of.isoformat(), base, shape.fields])
    digest = hashlib.sha256("\n".join([header, *digests]).encode()).hexdigest()[:32]
    return Plan(
        digest, place.audience, place.destination, kind, as_of, tuple(shape.fields), tuple(batches), place.remote_id
    )


def write(session: Session, plan: Plan) -> None:
    """Store the plan's rows, from the view `batched`; storing the same plan twice leaves one."""
    written = session.replace(
        "plan_rows",
        "SELECT CAST($audience AS VARCHAR) AS audience, CAST($digest AS VARCHAR) AS digest, * FROM batched",
        {"audience": [plan.audience], "digest": [plan.digest]},
        audience=plan.audience,
        digest=plan.digest,
    )
    if written.rows != plan.rows:
        raise ContractError(f"plan {plan.digest} counted {plan.rows} rows and stored {written.rows}: plan it again")


def keep_approved(session: Session, audience: str, digest: str) -> None:
    """Drop from `planned` what the approved plan does not hold: approval may only shrink what is sent."""
    session.scan("plan_rows", partitions={"audience": [audience], "digest": [digest]}, alias="approved_rows")
    session.define(
        "planned",
        "SELECT p.* FROM (SELECT * FROM all_planned) AS p JOIN approved_rows AS a "
        "ON a.key = p.key AND a.operation = p.operation WHERE p.kind = 'main' "
        "UNION ALL SELECT * FROM all_planned WHERE kind <> 'main'",
        materialize=True,
    )


def batch_numbers(batches: Sequence[PlannedBatch]) -> dict[int, list[PlannedBatch]]:
    """Batches by phase, in the order phases are sent; what is not sent is left out."""
    phases: dict[int, list[PlannedBatch]] = {}
    for batch in batches:
        if batch.phase:
            phases.setdefault(batch.phase, []).append(batch)
    return dict(sorted(phases.items()))
