"""Numbers of keys, by which facts are joined: two keys that have one are found here, and never taken for one.

A number is 63 bits of a digest, so that this is not to be expected of any company; it is asked all the same.
"""

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.session import Session


def refuse_shared(session: Session, view: str, number: str, what: str) -> None:
    """Raises ContractError where rows of a view, one per key, with a `source`, have one number."""
    if session.value(f"SELECT count(*) > count(DISTINCT {quote(number)}) FROM {quote(view)}"):
        shared = f"SELECT min(source) AS source, {quote(number)} AS number FROM {quote(view)}"
        refuse(session, f"{shared} GROUP BY {quote(number)} HAVING count(*) > 1", what)


def refuse(session: Session, shared: str, what: str) -> None:
    """Raises ContractError naming what a query of (source, number) finds: numbers that several keys have."""
    found = session.rows(f"SELECT source, number FROM ({shared}) ORDER BY source, number LIMIT 3")
    if found:
        said = ", ".join(f"{row['number']} (source {row['source']})" for row in found)
        raise ContractError(
            f"different {what} have one number, {said}: nothing was computed; keep one of each out of the lake, and report it"
        )
