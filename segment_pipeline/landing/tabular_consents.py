"""What rows with columns say about consent: yes or no, in which channel, when it was said and when it had arrived at the latest.

Holds SQL over a row `u` of `landing.tabular_tables`; which statement holds in the end is not decided here (docs/consent.md).
"""

from collections.abc import Mapping

from segment_pipeline.lake.dialect import quote
from segment_pipeline.landing.channels import EVERY, heard, known
from segment_pipeline.landing.source import Kind
from segment_pipeline.landing.tabular import MODIFIED, Tabular, To
from segment_pipeline.landing.tabular_rows import SHAPES, identifies_by, says_no
from segment_pipeline.landing.tabular_values import mapped

PULLED = "CAST($pulled_at AS TIMESTAMPTZ)"
# Of a yes that does not say when: the oldest there is.
OLDEST = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"
DENIED = "u._no"


def account(tabular: Tabular, fill: To) -> To | None:
    """The fill that says whose account a row about consent is: what an account denies it denies whatever address it has."""
    if fill.table != "consents" or fill.grouped or identifies_by(fill) not in SHAPES:
        return None
    return next((f for f in tabular.fills if f.table == "customers" and not f.grouped), None)


def more(tabular: Tabular, fill: To) -> dict[str, str]:
    """Columns of `u` beside those of every table, over the rows `p` of `parsed`."""
    if fill.table != "consents":
        return {}
    whose = account(tabular, fill)
    key = f"p.{quote(mapped(whose, 'customer_key'))}" if whose else "CAST(NULL AS VARCHAR)"
    no = says_no(fill)
    return {"_account": key, "_no": f"bool_or({no})" if fill.grouped else no}


def columns(tabular: Tabular, said: Mapping[str, str], zones: Mapping[str, str]) -> dict[str, str]:
    """The columns of consents and suppressions that are more than what the mapping `said`: any word but `granted` is a no.

    `zones`: the zone of the times of `recorded_at` and of the row's version, as SQL. A no of a day counts from its end, a yes from
    its beginning.
    """
    early, late = (f"least({each}, {PULLED})" for each in ("u._updated_at", _end("u._updated_at", zones["version"])))
    if "status" not in said:
        # A suppression is a no: one from the future is known since its arrival.
        return {
            "recorded_at": f"least(coalesce({_end(said['recorded_at'], zones['recorded_at'])}, {late}), {late})",
            "channel": f"CASE WHEN {known(said['channel'])} THEN {heard(said['channel'])} ELSE '{EVERY}' END",
        }
    # When a file was written is no time at which anybody said anything.
    own = "NULL" if tabular.at == MODIFIED and said["recorded_at"] == "u._business_at" else said["recorded_at"]
    yes, no = (own, "NULL") if own == "NULL" else (own, _end(own, zones["recorded_at"]))
    if tabular.kind is Kind.LOG and own != "NULL":
        # A log tells when it received a statement; a row that changes, only when it was changed last.
        yes, no = f"least({yes}, {early})", f"least({no}, {late})"
    return {
        "status": f"CASE WHEN {DENIED} THEN 'denied' ELSE 'granted' END",
        "recorded_at": f"CASE WHEN {DENIED} THEN coalesce({no}, {late}) ELSE coalesce({yes}, {OLDEST}) END",
        "arrived_at": f"CASE WHEN {DENIED} THEN {late} ELSE {early} END",
        "channel": heard(said["channel"]),
        "purpose": f"lower(trim({said['purpose']}))",
    }


def _end(time: str, zone: str) -> str:
    """A time, or of one that is a day without an hour the end of that day."""
    local = f"timezone({zone}, {time})"
    ended = f"{time} + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND"
    return f"CASE WHEN {local} = CAST(CAST({local} AS DATE) AS TIMESTAMP) THEN {ended} ELSE {time} END"
