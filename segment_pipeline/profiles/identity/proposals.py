"""Values that seem to be nobody's own: found by the newest build, decided by a person, and remembered.

A proposal changes nothing. What is blocked links nobody from the next build on and is sent nothing from now on; what is allowed
is matched by no pattern and is not proposed again.
"""

from datetime import datetime

import pyarrow as pa

from segment_pipeline import identifiers
from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

KINDS = ("email", "phone", "loyalty_id", "anonymous_id")


def write_proposals(session: Session, as_of: AsOf) -> None:
    """Replace what was proposed by what is found now; decisions stay. Needs the views of `identity.resolve_records`."""
    session.define("proposals_found", statement("profiles/identity", "proposals_found"), materialize=True)
    now = statement("profiles/identity", "proposals_now")
    session.define("proposals_now", now, materialize=True, as_of=as_of.day)
    before, after = "SELECT * FROM identifier_proposals", "SELECT * FROM proposals_now"
    if session.value(f"SELECT count(*) FROM (({after} EXCEPT {before}) UNION ALL ({before} EXCEPT {after}))"):
        session.replace("identifier_proposals", after)


def canonical(value: str, kind: str | None, country: str) -> tuple[str, str]:
    """The type (found out where `kind` is None) and canonical form of a value as a person types it; raises ConfigError."""
    kind = kind or ("email" if "@" in value else "phone")
    found = {"email": lambda: identifiers.email(value), "phone": lambda: identifiers.phone(value, country)}
    usable = found[kind]() if kind in found else value.strip()
    if not usable:
        raise ConfigError(f"this is not a usable {kind}: check its spelling, or say --type")
    return kind, usable


def decide(lake: Lake, kind: str, value: str, state: str, now: datetime) -> None:
    """Keep that a person blocked or allowed a canonical value, whether or not it was proposed."""
    with lake.session() as session:
        session.scan("identifier_proposals")
        session.register("decided", pa.table({"identifier_type": [kind], "identifier": [value]}))
        session.replace(
            "identifier_proposals", statement("profiles/identity", "proposals_decided"), state=state, now=now
        )
