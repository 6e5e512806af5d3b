"""What is to be said of the records of a pull before anything is replaced: too few, too many that are malformed, what is left empty.

Reads `parsed` and writes nothing.
"""

from typing import Any, Final

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.session import Session
from segment_pipeline.landing.mapping import Record
from segment_pipeline.landing.source import Entity

MALFORMED_SHARE: Final = 0.05


def judge(session: Session, where: str, entity: Entity, said: int | None, received: int) -> list[dict[str, Any]]:
    """How many usable (`n`) and refused records (`bad`) there are by `day`, and `origin` where records have one.

    `said`: how many the source says there are; None: it does not say. Raises ContractError where the pull must not be landed.
    """
    by = "day, origin" if entity.by_origin else "day"
    counted = session.rows(
        "SELECT count(*) FILTER (reason IS NULL) AS n, count(*) FILTER (reason IS NOT NULL) AS bad,"
        f" {by} FROM parsed GROUP BY {by} ORDER BY {by}"
    )
    good, bad = sum(row["n"] for row in counted), sum(row["bad"] for row in counted)
    undated = sum(row["n"] for row in counted if row["day"] is None)
    if undated:
        raise ContractError(
            f"{where}: {undated} usable records have no day: nothing was written; let the statement that parses them give a reason"
        )
    if bad > 1 and bad > MALFORMED_SHARE * (good + bad):
        raise ContractError(
            f"{where}: {bad} of {good + bad} records are malformed, more than {MALFORMED_SHARE:.0%} ({_reasons(session, entity)}):"
            " nothing was written; see whether the source changed its format"
        )
    # Telling keys apart costs as much as the rest, and is asked for only where the source says how many there are.
    if said is not None:
        distinct = session.value("SELECT count(DISTINCT key) FROM parsed")
        if distinct < said:
            raise ContractError(
                f"{where}: {distinct} records arrived and the source says it has {said}: nothing was written;"
                " pull the window again"
            )
    if received and not good + bad:
        raise ContractError(f"{where}: {received} records arrived and none was read: nothing was written")
    return counted


def blanks(session: Session, entity: Entity) -> list[str]:
    """What is left empty of the usable records, and of how many."""
    blanked = entity.parse.blanked if isinstance(entity.parse, Record) else {}
    if not blanked:
        return []
    held = ", ".join(f"count(*) FILTER ({held}) AS n{n}" for n, held in enumerate(blanked.values()))
    [counted] = session.rows(f"SELECT {held} FROM parsed WHERE reason IS NULL")
    return [f"{n} records have {what}" for what, n in zip(blanked, counted.values(), strict=True) if n]


def _reasons(session: Session, entity: Entity) -> str:
    """The reasons given most often, with the file where there is one."""
    of = "coalesce(' in ' || origin, '')" if entity.by_origin else "''"
    found = session.rows(
        f"SELECT reason, {of} AS place, count(*) AS n FROM parsed WHERE reason IS NOT NULL GROUP BY 1, 2"
        " ORDER BY n DESC, reason, place LIMIT 3"
    )
    return ", ".join(f"{row['n']}: {row['reason']}{row['place']}" for row in found)
