"""From raw records to persons: identities of one as_of, and what changed since the snapshot before it.

A record is (source, entity, key). Every step is a named statement over the session's views; only records that contradict
each other are looked at one by one. Reads facts, writes `identities`, `identity_events` and `profile_aliases`.

A day costs in proportion to what is known by it, not to what is new. A later version of an order, a value newly over its
limit or an account deleted may take apart what the day before had joined, and older history may move any anchor: a build from
the day before would differ from a backfill. Evidence of merges and splits, and aliases, are gathered for what changed alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.runs import Run, session_of
from segment_pipeline.profiles.identity import aliases, golden, named, proposals
from segment_pipeline.profiles.identity.components import Link, Member, Refusal, components, resolve
from segment_pipeline.profiles.identity.names import Name
from segment_pipeline.profiles.identity.records import define_identifier_values, define_records
from segment_pipeline.profiles.rules import IdentityRules

# Bytes the linking of records may take where no setting says: about 40 million shared identifiers of 10 million records.
DEFAULT_MEMORY = 2 << 30
_GROUPS = ("strong_groups", "weak_records", "weak_devices", "device_links", "devices", "weak_groups")


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """Counts of one as_of. `back_projected`: accounts whose attributes are later than the day.

    `records`: records that belong to a person; `unresolved`: records all of whose identifiers are refused. Orders and carts that
    name nobody at all are no records of a person and are in neither.
    `contradictory`: components that held two values of what is unique to a person, or first names of two people, and were taken apart.
    """

    as_of: date
    newest: bool
    records: int
    unresolved: int
    profiles: int
    back_projected: int
    blocked: int
    contradictory: int
    refused: int
    merges: int
    splits: int
    limits: int
    aliases: int
    inputs: str


def build_identities(
    lake: Lake,
    as_of: AsOf,
    rules: IdentityRules,
    *,
    newest: bool | None = None,
    memory: int = DEFAULT_MEMORY,
    run: Run | None = None,
    coming: date | None = None,
) -> IdentityReport:
    """Resolve the records known by the end of `as_of` and write that day's snapshot, whatever other days exist.

    `newest`: None finds out by itself; the newest day also gets the golden record. The events of the next existing day are written
    again, so that days may be built in any order; two builds at a time may not run. `run`: of whose days this is one; `coming`: the
    one of them that is built right after it, and writes its events itself.
    Raises ContractError and, when another writer keeps winning, ConflictError.
    """
    days = lake.snapshots("identities")
    if newest is None:
        newest = not days or as_of.day >= days[-1]
    before = max((day for day in days if day < as_of.day), default=None)
    after = min((day for day in days if day > as_of.day), default=None)
    with session_of(lake, run) as session:
        # A view of files: they stay readable for days after the snapshot no longer counts them.
        session.scan("identities", partitions={"as_of": [as_of.day]}, alias="identities_replaced")
        contradictory = resolve_records(session, as_of, rules, memory)
        inputs = session.inputs
        written = session.replace(
            "identities", statement("profiles/identity", "identities"), {"as_of": [as_of.day]}, as_of=as_of.day
        )
        session.mark_snapshot("identities", as_of.day, written.rows)
        kinds = _write_events(session, as_of, before)
        aliased = aliases.rebuild(session, as_of)
        if newest:
            golden.write_profiles(session, as_of, rules)
            proposals.write_proposals(session, as_of)
        counts = session.rows(statement("profiles/identity", "identity_counts"))[0]
    if after is not None and after != coming:
        next_one = AsOf(after, as_of.zone)
        with session_of(lake, run) as session:
            resolve_records(session, next_one, rules, memory)
            _write_events(session, next_one, as_of.day)
    return IdentityReport(
        as_of=as_of.day,
        newest=newest,
        contradictory=contradictory,
        blocked=kinds.get("blocked", 0),
        refused=kinds.get("refused", 0),
        merges=kinds.get("merge", 0),
        splits=kinds.get("split", 0),
        limits=kinds.get("limit", 0),
        aliases=aliased,
        inputs=inputs,
        **counts,
    )


def resolve_records(session: Session, as_of: AsOf, rules: IdentityRules, memory: int) -> int:
    """Define, from the facts, the views records, identifiers, identifier_values, devices, person_records, known_people and
    resolved; write nothing. `memory`: bytes the linking of records may take.

    Returns the number of contradictory components.
    """
    define_records(session, as_of, rules)
    define_identifier_values(session, rules)
    count = int(session.value("SELECT count(*) FROM records"))
    firsts = components(count, session.reader(statement("profiles/identity", "edges")), memory)
    _register_components(session, firsts)
    _define(session, "account_facts")
    _group_accounts(session, count, memory)
    named.define_different_names(session)
    _define(session, "contradictory")
    contradictory = int(session.value("SELECT count(*) FROM contradictory"))
    refusals = _take_apart(session, firsts) if contradictory else []
    session.register("refusals", pa.Table.from_pylist([asdict(r) for r in refusals], schema=_REFUSALS))
    for name in (*_GROUPS, "person_records", "known_people"):
        _define(session, name)
    session.define("resolved", statement("profiles/identity", "resolved"))
    for name in ("twice_held", "strong_groups", "weak_groups", "numbered_touches", "numbered_addresses"):
        session.drop(name)
    return contradictory


def _define(session: Session, name: str, **values: Any) -> None:
    session.define(name, statement("profiles/identity", name), materialize=True, **values)


def _register_components(session: Session, firsts: np.ndarray) -> None:
    numbers = np.arange(1, len(firsts) + 1, dtype=firsts.dtype)
    session.register("labels", pa.table({"record_no": numbers, "component": firsts}))
    session.define("components", "SELECT record_no, component FROM labels", materialize=True)


def _group_accounts(session: Session, count: int, memory: int) -> None:
    """View account_groups: accounts of one source that are one person's, by the smallest record number among them."""
    _define(session, "twice_held")
    firsts = components(count, session.reader(statement("profiles/identity", "same_person_accounts")), memory)
    numbers = np.arange(1, count + 1, dtype=firsts.dtype)
    grouped = firsts != numbers
    session.register("account_groups", pa.table({"record_no": numbers[grouped], "group_no": firsts[grouped]}))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REFUSALS = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "value", "because")),
        *((name, pa.int64()) for name in ("first", "second", "records")),
    ]
)


def _take_apart(session: Session, firsts: np.ndarray) -> list[Refusal]:
    """Resolve contradictory components link by link and register the components anew."""
    members = [
        Member(row["record_no"], _unique(row), row["full_name"], Name(row["first_name"], row["last_name"]))
        for row in session.rows(statement("profiles/identity", "contested_records"))
    ]
    links = [
        Link(row["record_no"], row["strength"], row["identifier_type"], row["evidence"], seen=_micros(row["seen_at"]))
        for row in session.rows(statement("profiles/identity", "contested_links"))
    ]
    clusters, refusals = resolve(members, links)
    separate = firsts.copy()
    for record, cluster in clusters.items():
        separate[record - 1] = cluster
    _register_components(session, separate)
    return list({(refusal.kind, refusal.value): refusal for refusal in refusals}.values())


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _unique(row: Mapping[str, Any]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    if row["customer_of"] is not None:
        unique[f"two_customers_of_{row['customer_of']}"] = row["group_no"]
    if row["loyalty_id"] is not None:
        unique["two_loyalty_ids"] = row["loyalty_id"]
    if row["birth_date"] is not None:
        unique["two_birth_dates"] = row["birth_date"]
    return unique


def _write_events(session: Session, as_of: AsOf, before: date | None) -> dict[str, int]:
    """Replace the events of `as_of`, compared with the snapshot `before` (None: there is none); counts by kind."""
    for name in ("blocked_values", "refused_links"):
        session.define(name, statement("profiles/identity", name))
    session.define("states", "SELECT * FROM blocked_values UNION ALL SELECT * FROM refused_links", materialize=True)
    if before is None:
        session.define("changes", "SELECT * FROM states WHERE FALSE")
    else:
        for view, day in (("identities_now", as_of.day), ("identities_before", before)):
            session.scan("identities", partitions={"as_of": [day]}, alias=view)
        session.scan("identity_events", partitions={"as_of": [before]}, alias="states_before")
        for name in ("moved", "concerned", "moves", "record_moves", "changes"):
            _define(session, name)
    session.define(
        "written_events", statement("profiles/identity", "identity_events"), materialize=True, as_of=as_of.day
    )
    session.replace("identity_events", "SELECT * FROM written_events", {"as_of": [as_of.day]})
    counts = session.rows("SELECT kind, count(*) AS events FROM written_events GROUP BY kind")
    return {row["kind"]: row["events"] for row in counts}
