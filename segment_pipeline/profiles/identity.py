"""From raw records to persons: identities of one as_of, and what changed since the snapshot before it.

A record is (source, entity, key). Every step is a named statement over the session's views; only records that contradict
each other are looked at one by one. Reads facts, writes `identities`, `identity_events` and `profile_aliases`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from segment_pipeline.lake.lake import Lake, Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles import aliases, golden
from segment_pipeline.profiles.components import Link, Member, Refusal, components, resolve
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.runs import Run, once, session_of
from segment_pipeline.records import Window

_NOTHING = r"[^\s\S]"  # A pattern no text matches.


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """Counts of one as_of. `back_projected`: accounts whose attributes are later than the day.

    `records`: records that belong to a person; `unresolved`: records all of whose identifiers are refused. Orders and carts that
    name nobody at all are no records of a person and are in neither.
    `contradictory`: components that held two values of what is unique to a person and were taken apart.
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
    as_of: date,
    rules: IdentityRules,
    *,
    timezone: str = "UTC",
    newest: bool | None = None,
    run: Run | None = None,
) -> IdentityReport:
    """Resolve the records known by the end of `as_of` and write that day's snapshot, whatever other days exist.

    `timezone`: of company days. `newest`: None finds out by itself; the newest day also gets the golden record. The events
    of the next existing day are written again, so that days may be built in any order; two builds at a time may not run. `run`: of whose days this is one.
    Raises ContractError and, when another writer keeps winning, ConflictError.
    """
    days = lake.snapshots("identities")
    if newest is None:
        newest = not days or as_of >= days[-1]
    before = max((day for day in days if day < as_of), default=None)
    after = min((day for day in days if day > as_of), default=None)
    with session_of(lake, run) as session:
        session.scan("identities", partitions={"as_of": [as_of]}, alias="identities_old")
        session.define("identities_replaced", "SELECT * FROM identities_old", materialize=True)
        contradictory = resolve_records(session, as_of, rules, timezone)
        inputs = session.inputs
        session.replace("identities", statement("profiles", "identities"), {"as_of": [as_of]}, as_of=as_of)
        kinds = _write_events(session, as_of, before)
        aliased = aliases.rebuild(session, as_of)
        if newest:
            golden.write_profiles(session, as_of, rules, timezone)
        counts = session.rows(statement("profiles", "identity_counts"))[0]
    if after is not None:
        with session_of(lake, run) as session:
            resolve_records(session, after, rules, timezone)
            _write_events(session, after, as_of)
    return IdentityReport(
        as_of=as_of,
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


def resolve_records(session: Session, as_of: date, rules: IdentityRules, timezone: str) -> int:
    """Define, from the facts, the views records, identifiers, identifier_values, devices and resolved; write nothing.

    Returns the number of contradictory components.
    """
    define_records(session, as_of, rules, timezone)
    define_identifier_values(session, rules)
    edges = session.table(statement("profiles", "edges"))
    count = session.value("SELECT count(*) FROM records")
    labels = components(count, edges)
    _register_components(session, labels)
    _define(session, "account_facts")
    _group_accounts(session, count)
    _define(session, "contradictory")
    contradictory = int(session.value("SELECT count(*) FROM contradictory"))
    refusals = _take_apart(session, labels) if contradictory else []
    session.register("refusals", pa.Table.from_pylist([asdict(r) for r in refusals], schema=_REFUSALS))
    for name in ("strong_groups", "weak_records", "device_links", "devices", "resolved"):
        _define(session, name)
    return contradictory


def define_orders(session: Session, as_of: date, *, numbered: bool = True) -> None:
    """Define the view orders_as_of. `numbered`: with order_no, by which lines are joined; numbering sorts every order held."""
    versions = "order_versions" if numbered else "unnumbered_orders"
    once(session, "order_versions", statement("profiles", versions), scans=("orders",), copy=numbered)
    once(session, "revised_orders", statement("profiles", "revised_orders"), scans=())
    session.define("orders_as_of", statement("profiles", "orders_as_of"), as_of=as_of)


def define_records(
    session: Session, as_of: date, rules: IdentityRules, timezone: str, *, sessions: bool = False
) -> None:
    """Define the views of facts as of a day: accounts, orders_as_of, carts_as_of, event_days, records and identifiers.

    `sessions`: event_days tells sessions apart.
    """
    end = Window.of(as_of).instants(timezone)[1]
    for name in ("carts", "messages", "survey_answers"):
        session.scan(name)
    register_rules(session, rules)
    define_accounts(session, as_of, timezone)
    define_orders(session, as_of)
    once(session, "event_days", statement("profiles", "event_days"), scans=("events",), sessions=sessions)
    _define(session, "carts_as_of", as_of=as_of, end=end)
    _define(session, "touches")
    _define(session, "visits_by_contact", as_of=as_of)
    _define(session, "contacts", as_of=as_of)
    _define(session, "records")
    _define(session, "identifiers", as_of=as_of)


def define_accounts(session: Session, as_of: date, timezone: str) -> None:
    """Define accounts, one row per account known by the end of a day."""
    session.scan("customers")
    _define(session, "accounts", as_of=as_of, end=Window.of(as_of).instants(timezone)[1])


def define_identifier_values(session: Session, rules: IdentityRules) -> None:
    """Define identifier_values: which values may link records, and why the others may not."""
    patterns = {f"{kind}_patterns": _any_of(rules, kind) for kind in ("email", "phone", "anonymous_id")}
    _define(session, "blocked_identifiers", **patterns)
    _define(session, "identifier_values", guest_limit=rules.guest_limit)


def _any_of(rules: IdentityRules, kind: str) -> str:
    patterns = rules.blocked_patterns.get(kind, {}).values()
    return "|".join(f"(?:{pattern})" for pattern in patterns) or _NOTHING


def _define(session: Session, name: str, **values: Any) -> None:
    session.define(name, statement("profiles", name), materialize=True, **values)


def register_rules(session: Session, rules: IdentityRules) -> None:
    """Make the rules views: key_spaces, people_limits, blocked."""
    spaces = {"source": list(rules.key_spaces), "owner": list(rules.key_spaces.values())}
    session.register("key_spaces", _texts(spaces))
    limits = pa.table(
        {
            "identifier_type": pa.array(rules.limits.keys(), pa.string()),
            "people": pa.array(rules.limits.values(), pa.int64()),
        }
    )
    session.register("people_limits", limits)
    rows: list[tuple[str, str, str | None, str | None]] = [
        (kind, "listed", value, None) for kind, values in rules.blocked_values.items() for value in values
    ]
    rows += [
        (kind, reason, None, pattern)
        for kind, found in rules.blocked_patterns.items()
        for reason, pattern in found.items()
    ]
    columns = ("identifier_type", "reason", "identifier", "pattern")
    session.register("blocked", _texts({name: [row[at] for row in rows] for at, name in enumerate(columns)}))


def _texts(columns: Mapping[str, list[str | None]] | Mapping[str, list[str]]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _register_components(session: Session, labels: np.ndarray) -> None:
    numbers = np.arange(1, len(labels) + 1, dtype=np.int64)
    session.register("components", pa.table({"record_no": numbers, "component": labels.astype(np.int64)}))


def _group_accounts(session: Session, count: int) -> None:
    """View account_groups: accounts of one source that are one person's, by the smallest record number among them."""
    session.register(
        "account_groups", pa.table({"record_no": pa.array([], pa.int64()), "group_no": pa.array([], pa.int64())})
    )
    pairs = session.table(statement("profiles", "same_person_accounts"))
    if not pairs.num_rows:
        return
    labels = components(count, pairs)
    members = np.unique(np.concatenate([pairs.column(0).to_numpy(), pairs.column(1).to_numpy()]))
    own = labels[members - 1]
    _, first, inverse = np.unique(own, return_index=True, return_inverse=True)
    session.register("account_groups", pa.table({"record_no": members, "group_no": members[first][inverse]}))


_REFUSALS = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "value", "because")),
        *((name, pa.int64()) for name in ("first", "second", "records")),
    ]
)


def _take_apart(session: Session, labels: np.ndarray) -> list[Refusal]:
    """Resolve contradictory components link by link and register the components anew."""
    members = [
        Member(row["record_no"], _unique(row), row["full_name"])
        for row in session.rows(statement("profiles", "contested_records"))
    ]
    links = [
        Link(row["record_no"], row["strength"], row["identifier_type"], row["evidence"])
        for row in session.rows(statement("profiles", "contested_links"))
    ]
    clusters, refusals = resolve(members, links)
    separate = labels.astype(np.int64)
    apart = len(labels)  # Labels of the whole are below the number of records: these cannot meet them.
    for record, cluster in clusters.items():
        separate[record - 1] = apart + cluster
    _register_components(session, separate)
    return list({(refusal.kind, refusal.value): refusal for refusal in refusals}.values())


def _unique(row: Mapping[str, Any]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    if row["customer_of"] is not None:
        unique[f"two_customers_of_{row['customer_of']}"] = row["group_no"]
    if row["loyalty_id"] is not None:
        unique["two_loyalty_ids"] = row["loyalty_id"]
    if row["birth_date"] is not None:
        unique["two_birth_dates"] = row["birth_date"]
    return unique


def _write_events(session: Session, as_of: date, before: date | None) -> dict[str, int]:
    """Replace the events of `as_of`, compared with the snapshot `before` (None: there is none); counts by kind."""
    session.define(
        "states",
        f"{statement('profiles', 'blocked_values').text}\nUNION ALL\n{statement('profiles', 'refused_links').text}",
        materialize=True,
    )
    if before is None:
        session.define("changes", "SELECT * FROM states WHERE FALSE")
    else:
        for view, day in (("identities_now", as_of), ("identities_before", before)):
            session.scan("identities", partitions={"as_of": [day]}, alias=view)
        session.scan("identity_events", partitions={"as_of": [before]}, alias="states_before")
        _define(session, "moves")
        _define(session, "record_moves")
        _define(session, "changes")
    session.define("written_events", statement("profiles", "identity_events"), materialize=True, as_of=as_of)
    session.replace("identity_events", "SELECT * FROM written_events", {"as_of": [as_of]})
    counts = session.rows("SELECT kind, count(*) AS events FROM written_events GROUP BY kind")
    return {row["kind"]: row["events"] for row in counts}
