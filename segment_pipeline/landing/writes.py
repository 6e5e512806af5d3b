"""The landing writes that are more than `Session.land`: snapshots that close keys, logs without repeats, quarantine, loads.

Each is a function of the set of rows ever landed, so the order of landing cannot matter.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.report import IngestReport

REPEAT_DAYS = 7


def close_absent(session: Session, name: str, rows: str, source: str, day: date) -> int:
    """Write a snapshot and one closing row, with `deleted_on`, for each key the snapshot before it had and it has not.

    Closing rows of the next snapshot held are made again too: a day landed later, or again, changes what was absent after it.
    Returns how many rows were left out since they share their key with others that differ. Raises ContractError for an empty snapshot after one with rows.
    """
    declared = table(name)
    identity = [column for column in declared.key if column not in {"source", "day", "updated_at"}]
    columns = ", ".join(quote(column) for column in declared.given)
    order = ", ".join(f"{quote(column)} DESC NULLS LAST" for column in declared.given)
    keys = ", ".join(quote(column) for column in identity)
    latest = quote(declared.latest_by) if declared.latest_by else "CAST(NULL AS TIMESTAMPTZ)"
    empty = not session.value(f"SELECT count(*) FROM {quote(rows)}")

    def closing(previous: date, current: date) -> str:
        values = ", ".join(
            f"{literal(current)} AS {quote(column)}" if column in {"deleted_on", "day"} else f"p.{quote(column)}"
            for column in declared.given
        )
        same = " AND ".join(f"c.{quote(column)} = p.{quote(column)}" for column in identity)
        return (
            f" UNION ALL SELECT {values} FROM _present AS p WHERE p.day = {literal(previous)} AND NOT EXISTS"
            f" (SELECT 1 FROM _present AS c WHERE c.day = {literal(current)} AND {same})"
        )

    def attempt() -> None:
        held = sorted(entry["day"] for entry in session.lake.partitions(name) if entry["source"] == source)
        before = max((each for each in held if each < day), default=None)
        after = min((each for each in held if each > day), default=None)
        if before is not None and empty:
            raise ContractError(
                f"source {source}: the snapshot of {name} is empty and the one before it was not: nothing was written"
            )
        around = [each for each in (before, day, after) if each is not None]
        session.scan(name, partitions={"source": [source], "day": around}, alias="_held")
        session.define(
            "_present",
            # Of two snapshots of one day the one pulled later is that day's, and what it has not is absent.
            f"SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY day, {keys} ORDER BY {latest} DESC NULLS LAST,"
            f" {order}) AS _rank, max({latest}) OVER (PARTITION BY day) AS _latest FROM"
            f" (SELECT {columns} FROM _held WHERE deleted_on IS NULL UNION ALL SELECT {columns} FROM {quote(rows)}))"
            f" WHERE _rank = 1 AND {latest} IS NOT DISTINCT FROM _latest",
            materialize=True,
        )
        written = [day] + ([after] if after else [])
        days = ", ".join(literal(each) for each in written)
        sql = f"SELECT {columns} FROM _present WHERE day IN ({days})"
        sql += closing(before, day) if before else ""
        sql += closing(day, after) if after else ""
        session.replace(name, sql, {"source": [source], "day": written})

    session.again(name, attempt)
    return session.differing(f"SELECT * FROM {quote(rows)}", identity)


def land_log(session: Session, name: str, rows: str, source: str, key: str) -> None:
    """Land rows of a log, leaving out each delivery of a key that follows another within REPEAT_DAYS.

    A vendor may deliver one record twice under two ids; `received_at` (or, without it, the day) and then the row itself decide.
    """
    declared = table(name)
    reach = session.rows(f"SELECT min(day) AS first, max(day) AS last FROM {quote(rows)}")[0]
    if reach["first"] is None:
        return
    first, last = reach["first"] - timedelta(days=REPEAT_DAYS), reach["last"] + timedelta(days=REPEAT_DAYS)
    columns = ", ".join(quote(column) for column in declared.given)
    ahead = ["day", *(["received_at"] if "received_at" in declared.names else [])]
    order = ", ".join([*ahead, *(f"{quote(c)} NULLS LAST" for c in declared.given if c not in {*ahead, "source", key})])

    def attempt() -> None:
        session.scan(name, partitions={"source": [source]}, days=Window(first, last), alias="_held")
        session.define(
            "_kept",
            f"SELECT {columns} FROM (SELECT *,"
            f" date_diff('day', lag(day) OVER (PARTITION BY {quote(key)} ORDER BY {order}), day) AS _after"
            f" FROM (SELECT {columns} FROM {quote(rows)} UNION SELECT {columns} FROM _held))"
            f" WHERE coalesce(_after > {REPEAT_DAYS}, TRUE)",
            materialize=True,
        )
        news = (
            f"(SELECT {columns} FROM _kept EXCEPT SELECT {columns} FROM _held)"
            f" UNION ALL (SELECT {columns} FROM _held EXCEPT SELECT {columns} FROM _kept)"
        )
        # Comparing whole rows is the dearest step here, and a first landing has nothing to compare with.
        found = "_kept" if not session.value("SELECT count(*) FROM _held") else f"({news})"
        changed = session.rows(f"SELECT DISTINCT day FROM {found} ORDER BY day")
        if not changed:
            return
        days = [row["day"] for row in changed]
        listed = ", ".join(literal(day) for day in days)
        session.replace(name, f"SELECT * FROM _kept WHERE day IN ({listed})", {"source": [source], "day": days})

    session.again(name, attempt)
    session.drop("_kept")


def land_of_origins(  # noqa: PLR0917 - what, whose and when, in the order they are said
    session: Session, name: str, rows: str, source: str, changed: Sequence[Extract], days: Collection[date]
) -> tuple[int, int]:
    """Put rows of files in place of all that were landed of the same files, whatever the days of either; other files' rows stay.

    `days`: those of the rows. Of rows with one key that differ, that of the file changed last stays. Returns how many did not for
    that, and how many because they are equal to one that did.
    """
    declared = table(name)
    days = {*days} | {day for each in changed for first, last in each.days for day in Window(first, last).days()}
    if not days:
        return 0, 0
    columns = ", ".join(quote(column) for column in declared.given)
    key = ", ".join(quote(column) for column in declared.key)
    rest = [quote(c) for c in declared.given if c not in {*declared.key, "origin"}]
    newest = pa.table(
        {
            "origin": pa.array([each.origin for each in changed], pa.string()),
            "_at": pa.array([each.modified_at for each in changed], pa.timestamp("us", tz="UTC")),
        }
    )
    session.register("_changed", newest)
    left_out = (0, 0)

    def attempt() -> None:
        nonlocal left_out
        held = sorted(e["day"] for e in session.lake.partitions(name) if e["source"] == source and e["day"] in days)
        concerned = sorted({*days})
        merged = f"SELECT {columns} FROM {quote(rows)}"
        session.scan(name, partitions={"source": [source], "day": held}, alias="_held")
        if held:
            merged += (
                f" UNION ALL SELECT {columns} FROM _held AS h"
                " WHERE NOT EXISTS (SELECT 1 FROM _changed AS c WHERE c.origin = h.origin)"
            )
        session.define("_merged", merged)
        left_out = (0, 0)
        if session.repeats("SELECT * FROM _merged", declared.key):
            repeated = f"SELECT {key} FROM _merged GROUP BY {key} HAVING count(*) > 1"
            session.define("_repeated", repeated, materialize=True)
            same = " AND ".join(f"r.{quote(column)} IS NOT DISTINCT FROM m.{quote(column)}" for column in declared.key)
            order = ", ".join(["_at DESC NULLS LAST", *(f"{column} DESC NULLS LAST" for column in rest), "origin DESC"])
            session.scan("extracts", partitions={"source": [source]}, alias="_known")
            session.define(
                "_ranked",
                f"SELECT m.*, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS _rank FROM (SELECT m.*,"
                " coalesce(c._at, k._at) AS _at FROM _merged AS m LEFT JOIN _changed AS c ON c.origin = m.origin"
                " LEFT JOIN (SELECT origin, max(modified_at) AS _at FROM _known GROUP BY origin) AS k ON k.origin = m.origin"
                f" WHERE EXISTS (SELECT 1 FROM _repeated AS r WHERE {same})) AS m",
                materialize=True,
            )
            listed = ", ".join(rest)
            [counted] = session.rows(
                f"SELECT (SELECT count(*) FROM _repeated) AS keys, (SELECT count(*) FROM _ranked) AS rows, count(*) AS contents"
                f" FROM (SELECT DISTINCT {key}, {listed} FROM _ranked)"
            )
            left_out = (counted["contents"] - counted["keys"], counted["rows"] - counted["contents"])
            merged = (
                f"SELECT {columns} FROM _merged AS m WHERE NOT EXISTS (SELECT 1 FROM _repeated AS r WHERE {same})"
                f" UNION ALL SELECT {columns} FROM _ranked WHERE _rank = 1"
            )
        session.replace(name, merged, {"source": [source], "day": concerned})

    session.again(name, attempt)
    for view in ("_merged", "_repeated", "_ranked"):
        session.drop(view)
    return left_out


def release(
    session: Session, source: str, entity: str, origins: Collection[str], refused: Sequence[Mapping[str, Any]]
) -> None:
    """Take records out of quarantine that stood in the former content of these files and are not refused any more."""
    still = pa.table(
        {
            "key": pa.array([row["key"] for row in refused], pa.string()),
            "reason": pa.array([row["reason"] for row in refused], pa.string()),
        }
    )
    session.register("_still", still)
    session.register("_origins", pa.table({"origin": pa.array(list(origins), pa.string())}))
    gone = (
        "h.entity = $entity AND EXISTS (SELECT 1 FROM _origins AS o WHERE o.origin = json_extract_string(h.raw, '$._file'))"
        " AND NOT EXISTS (SELECT 1 FROM _still AS s WHERE s.key = h.key AND s.reason = h.reason)"
    )

    def attempt() -> None:
        session.scan("quarantine", partitions={"source": [source]}, alias="_held")
        days = [r["day"] for r in session.rows(f"SELECT DISTINCT day FROM _held AS h WHERE {gone}", entity=entity)]
        if days:
            session.scan("quarantine", partitions={"source": [source], "day": days}, alias="_held")
            session.replace(
                "quarantine",
                f"SELECT h.* FROM _held AS h WHERE NOT ({gone})",
                {"source": [source], "day": sorted(days)},
                entity=entity,
            )

    session.again("quarantine", attempt)


def release_landed(session: Session, source: str, entity: str, day: date, refused: Sequence[Mapping[str, Any]]) -> None:
    """Take records out of a day's quarantine whose keys are among the usable records of `parsed` and not refused any more."""
    if not any(e["source"] == source and e["day"] == day for e in session.lake.partitions("quarantine")):
        return
    session.register("_still", pa.table({"key": pa.array([row["key"] for row in refused], pa.string())}))
    gone = (
        "h.entity = $entity AND h.key IN (SELECT key FROM parsed WHERE reason IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM _still AS s WHERE s.key = h.key)"
    )

    def attempt() -> None:
        session.scan("quarantine", partitions={"source": [source], "day": [day]}, alias="_held")
        # The records of a pull are gone through only where somebody waits for one of them.
        waiting = session.value("SELECT count(*) FROM _held WHERE entity = $entity", entity=entity)
        if waiting and session.value(f"SELECT count(*) FROM _held AS h WHERE {gone}", entity=entity):
            session.replace(
                "quarantine",
                f"SELECT h.* FROM _held AS h WHERE NOT ({gone})",
                {"source": [source], "day": [day]},
                entity=entity,
            )

    session.again("quarantine", attempt)


def land_quarantine(session: Session, rows: Sequence[Mapping[str, Any]], source: str) -> None:
    """Keep refused records; `first_seen` stays the earliest pull's, whichever is landed first."""
    declared = table("quarantine")
    session.register("_refused", pa.Table.from_pylist([dict(row) for row in rows], schema=declared.arrow))
    days = sorted({row["day"] for row in rows})

    def attempt() -> None:
        session.scan("quarantine", partitions={"source": [source], "day": days}, alias="_held")
        session.replace(
            "quarantine",
            "SELECT source, entity, key, reason, min(raw) AS raw, min(first_seen) AS first_seen, day"
            " FROM (SELECT * FROM _held UNION ALL SELECT * FROM _refused) GROUP BY source, entity, key, reason, day",
            {"source": [source], "day": days},
        )

    session.again("quarantine", attempt)


def record_loads(session: Session, report: IngestReport, run_id: str, refused: Mapping[date, int]) -> None:
    """One row per table and day: the window's days, and any other day the pull put rows under. Appended, never replaced.

    Records refused under another day, or under none, count with the window's last: nothing was landed of theirs.
    """
    finished = clock.now()
    rows: list[dict[str, Any]] = []
    for name, landed in report.by_day.items():
        days = {*report.window.days(), *landed}
        elsewhere = sum(count for day, count in refused.items() if day not in days)
        totals = {e["day"]: e["rows"] for e in session.lake.partitions(name) if e["source"] == report.source}
        rows.extend(
            {
                "source": report.source,
                "asset": f"{report.source}/{report.entity}",
                "run_id": run_id,
                "table_name": name,
                "rows_landed": landed.get(day, 0),
                "rows_total": totals.get(day, 0),
                "rows_said": report.said,
                "rows_quarantined": refused.get(day, 0) + (elsewhere if day == report.window.last else 0),
                "rows_back_projected": 0,
                "requests": report.requests,
                "finished_at": finished,
                "day": day,
            }
            for day in sorted(days)
        )
    session.register("_loads", pa.Table.from_pylist(rows, schema=table("loads").arrow))
    session.append("loads", "SELECT * FROM _loads")
