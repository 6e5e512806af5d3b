"""What was landed last of each file, query or function: its content's digest, its columns and its days. Kept in the lake.

By it a file is read once, a changed one replaces its own rows, and a column that vanished or changed its type is noticed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import table

Days = tuple[tuple[date, date], ...]
# The type of a column without a value: whatever others give it.
NOTHING = "NULL"
FAMILIES = {"BIGINT": "number", "DOUBLE": "number", "TIMESTAMP": "time", "TIMESTAMPTZ": "time", "DATE": "time"}


@dataclass(frozen=True, slots=True)
class Extract:
    """One file as it was read, or all that a query or function gave (`origin` empty).

    `file`: its raw file's name in the pull's folder; empty: its content is that of the last landing, or in several files.
    `columns`: SQL types by name. `days`: the company days the rows last landed of it are stored under.
    """

    origin: str
    columns: Mapping[str, str]
    rows: int
    file: str = ""
    digest: str = ""
    size: int = 0
    modified_at: datetime | None = None
    pulled_at: datetime | None = None
    days: Days = field(default=())

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "modified_at": _text(self.modified_at), "pulled_at": None, "days": []}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> "Extract":
        when = kept["modified_at"] and datetime.fromisoformat(kept["modified_at"])
        return cls(**{**kept, "modified_at": when, "pulled_at": None, "days": ()})


def held(lake: Lake, source: str, entity: str) -> dict[str, Extract]:
    """What is on record of an entity, by origin."""
    with lake.session() as session:
        return held_in(session, source, entity)


def held_in(session: Session, source: str, entity: str) -> dict[str, Extract]:
    session.scan("extracts", partitions={"source": [source]})
    return {
        row["origin"]: Extract(
            origin=row["origin"],
            columns=json.loads(row["columns"]),
            rows=row["rows"],
            digest=row["digest"],
            size=row["size"],
            modified_at=row["modified_at"],
            pulled_at=row["pulled_at"],
            days=tuple(
                (date.fromisoformat(first), date.fromisoformat(last)) for first, last in json.loads(row["days"])
            ),
        )
        for row in session.rows("SELECT * FROM extracts WHERE entity = $entity", entity=entity)
    }


def check_columns(
    where: str, read: Sequence[Extract], before: Mapping[str, Extract], *, may_go: frozenset[str]
) -> None:
    """Raises ContractError for a column that the last landing had and this has not, or has as another kind of value.

    A file is compared with its own last content, a new one with the file landed last.
    """
    newest = max(before.values(), key=lambda each: (each.modified_at or each.pulled_at, each.origin), default=None)
    for each in read:
        last = before.get(each.origin, newest)
        if last is None:
            continue
        had, has = (f"{where}: {one.origin}" if one.origin else where for one in (last, each))
        now = "has it no more" if each.origin == last.origin else f"{each.origin} has it not"
        if gone := sorted(last.columns.keys() - each.columns.keys() - may_go):
            raise ContractError(
                f"{had} had the column {', '.join(gone)} at the last landing and {now}: nothing was written;"
                " bring it back, or name it as `optional`"
            )
        for name, kind in each.columns.items():
            was = family(last.columns.get(name, kind))
            unknown = NOTHING in {kind, last.columns.get(name)}
            if family(kind) != was and not unknown and name not in may_go:
                raise ContractError(
                    f"{has}: the column {name} held {was}s at the last landing and holds {family(kind)}s now: nothing was"
                    " written; make it what it was, or name it as `optional`"
                )


def family(kind: str) -> str:
    """Number, time, flag, list or text: what may not change into another without a word."""
    if kind.endswith("[]"):
        return "list"
    return FAMILIES.get(kind, "number" if kind.startswith("DECIMAL") else "flag" if kind == "BOOLEAN" else "text")


def ranges(days: Sequence[date]) -> Days:
    """Days as runs without gaps: a file of a year is one entry."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and (day - found[-1][1]).days == 1:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return tuple(found)


def overlap(one: Days, other: Days) -> bool:
    return any(a <= d and c <= b for a, b in one for c, d in other)


def record(session: Session, source: str, entity: str, landed: Sequence[Extract], pulled_at: datetime) -> None:
    """Keep these in place of what was on record of the same origins."""
    declared = table("extracts")
    rows = [
        {
            "source": source,
            "entity": entity,
            "origin": each.origin,
            "digest": each.digest,
            "size": each.size,
            "modified_at": each.modified_at,
            "rows": each.rows,
            "columns": json.dumps(dict(each.columns), ensure_ascii=False),
            "days": json.dumps([[first.isoformat(), last.isoformat()] for first, last in each.days]),
            "pulled_at": pulled_at,
        }
        for each in landed
    ]
    if not rows:
        return
    session.register("_extracts", pa.Table.from_pylist(rows, schema=declared.arrow))

    def attempt() -> None:
        session.scan("extracts", partitions={"source": [source]}, alias="_known")
        session.replace(
            "extracts",
            "SELECT k.* FROM _known AS k WHERE NOT EXISTS"
            " (SELECT 1 FROM _extracts AS e WHERE e.entity = k.entity AND e.origin = k.origin)"
            " UNION ALL SELECT * FROM _extracts",
            {"source": [source]},
        )

    session.again("extracts", attempt)


def current(read: Sequence[Extract], before: Mapping[str, Extract], pulled_at: datetime) -> list[Extract]:
    """What no later pull has landed since, with the days of its former content.

    An old pull landed again must not bring a file's former content back.
    """
    kept = []
    for each in read:
        last = before.get(each.origin)
        if last is not None and last.pulled_at is not None and last.pulled_at > pulled_at:
            continue
        if last is not None:
            # A column without a value this time is what it was.
            kinds = {n: last.columns.get(n, k) if k == NOTHING else k for n, k in each.columns.items()}
            each = replace(each, days=last.days, columns=kinds)  # noqa: PLW2901
        kept.append(each)
    return kept


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
