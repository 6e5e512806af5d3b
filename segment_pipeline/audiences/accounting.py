"""Every key of a run under exactly one heading, and the sums that must agree."""

from dataclasses import replace
from typing import Any

from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

NO_RESULTS = (
    "SELECT CAST(NULL AS INTEGER) AS batch, CAST(NULL AS VARCHAR) AS operation, CAST(NULL AS VARCHAR) AS key, "
    "CAST(NULL AS VARCHAR) AS result WHERE FALSE"
)
DESIRED = ("unchanged", "added", "updated", "rejected", "held", "uncertain")
LEAVING = ("removed", "remove_rejected", "held_removals", "uncertain_removals")


def account(session: Session, report: SyncReport) -> SyncReport:
    """The report with each heading's number; raises ContractError when the sums of the design do not agree.

    Needs the views `compared`, `all_results` and `audience_members_now`.
    """
    session.define("accounted", statement("audiences", "accounted"))
    counted = {
        row["heading"]: int(row["keys"])
        for row in session.rows("SELECT heading, count(*) AS keys FROM accounted GROUP BY heading")
    }
    numbers: dict[str, Any] = {heading: counted.pop(heading, 0) for heading in (*DESIRED, *LEAVING)}
    full = replace(report, **numbers)
    check(full)
    if counted:
        raise ContractError(f"audience {report.audience}: keys under unknown headings {sorted(counted)}")
    return full


def check(report: SyncReport) -> None:
    """The identities every report obeys; raises ContractError naming the audience and the side that does not add up."""
    if report.candidates != sum(report.ineligible.values()) + report.eligible:
        raise ContractError(f"audience {report.audience}: people who may and may not be sent to do not add up")
    if report.desired != sum(getattr(report, heading) for heading in DESIRED):
        raise ContractError(f"audience {report.audience}: desired keys do not add up")
    if report.leaving != sum(getattr(report, heading) for heading in LEAVING):
        raise ContractError(f"audience {report.audience}: keys to take out do not add up")


def pretend(session: Session, *, held: bool) -> None:
    """Results as if all that a sync would send of `planned` had been sent and accepted; of a held plan that is the denials."""
    session.define(
        "all_results",
        "SELECT CASE WHEN in_place THEN 0 ELSE 1 END AS batch, operation, key, 'done' AS result FROM planned "
        "WHERE NOT $held OR kind = 'denials'",
        held=held,
    )
    session.define(
        "audience_members_now",
        "SELECT m.key FROM audience_members AS m LEFT JOIN all_results AS r ON r.key = m.key AND r.operation = 'remove' "
        "WHERE $held AND r.key IS NULL",
        held=held,
    )
