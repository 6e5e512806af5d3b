"""Who may be sent to: the one way from a segment's members to a plan, for every path.

Consent, suppressions and erasures are read as of now, whatever the day of the memberships. Members lose in this order, each
counted: erased, suppressed, no consent, no usable identifier, claimed by a higher audience, holdout, over the limit.

How statements cover people is written in docs/consent.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from segment_pipeline.audiences import memory
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.consents import define_consent_statements

REASONS = ("erased", "suppressed", "no_consent", "no_identifier", "claimed", "holdout", "over_limit")
ADDRESS_CHANNELS = frozenset({"email", "sms"})


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Members of the segment: candidates = sum(ineligible) + eligible. The people themselves are the view `eligible`."""

    candidates: int
    ineligible: Mapping[str, int]
    eligible: int


def define_evidence(
    session: Session, audience: Audience, shape: Shape, key_spaces: Mapping[str, str], place: Place | None = None
) -> None:
    """The views every judgement of an audience rests on, as of now: who is known by what, who said what, and what is held.

    `key_spaces`: sources whose customer keys are another source's. `place`: where; None: at whatever place of the audience.
    """
    for table in ("profiles", "profile_identifiers", "profile_aliases"):
        # Computed, but not here: read as empty they would make everybody a stranger.
        session.scan(table, lost=False)
    session.scan("identifier_proposals")
    # Where denials are lost nobody is sent, which `decide` sees to; those that are left still take people out.
    session.scan("suppressions", lost=True)
    define_consent_statements(session, key_spaces, lost=True)
    if place is None:
        session.scan("audience_members", partitions={"audience": [audience.name]})
    else:
        memory.scan(session, place)
    session.given("destination_kinds", {"kind": "VARCHAR", "bit": "BIGINT"}, shape.kinds)
    define = session.define
    if shape.users_of:
        session.given("users_of", {"source": "VARCHAR"}, [(source,) for source in shape.users_of])
        define("known_contacts", statement("audiences", "known_identifiers"))
        define("known_identifiers", statement("audiences", "known_user_ids"))
    else:
        define("known_identifiers", statement("audiences", "known_identifiers"))
    define(
        "consent_now",
        statement("audiences", "consent_now"),
        materialize=True,
        channel=audience.channel,
        purpose=audience.purpose,
    )
    define("shared_identifiers", statement("audiences", "shared_identifiers"), materialize=True)
    define(
        "person_consent",
        statement("audiences", "person_consent"),
        materialize=True,
        person_level=audience.channel not in ADDRESS_CHANNELS,
    )
    define(
        "blocked_identifiers", statement("audiences", "blocked_identifiers"), materialize=True, channel=audience.channel
    )
    define("suppressed_people", statement("audiences", "suppressed_people"), materialize=True)
    define("blocked_people", statement("audiences", "blocked_people"))


def judge(session: Session, audience: Audience, shape: Shape, *, as_of: date, claimed: pa.Table | None) -> Eligibility:
    """Define the view `eligible` (one row per person who may be sent to, with a value per field) and count who may not.

    `claimed`: profile_ids that audiences of higher priority hold back; None: there are no such audiences. Needs `define_evidence`. Leaves `verdicts` and, with
    a holdout, `drawn` (with the variants to store) behind.
    """
    session.scan("memberships", partitions={"as_of": [as_of]}, lost=False)
    define = session.define
    define("candidates", statement("audiences", "candidates"), segment=audience.segment)
    define("candidate_consent", statement("audiences", "candidate_consent"), materialize=True)
    _define_sendable(session, shape)
    define("candidate_identifiers", shape.candidate_identifiers(), materialize=True)
    define("special_people", statement("audiences", "special_people"), materialize=True)
    # Few as a rule: kept, so that what they are joined to is read past them and not gathered whole.
    define("special_identifiers", statement("audiences", "special_identifiers"), materialize=True)
    columns = {"field": "VARCHAR", "kind": "VARCHAR", "place": "INTEGER", "alone": "BOOLEAN", "is_id": "BOOLEAN"}
    session.given("destination_fields", columns, shape.described)
    person_level = audience.channel not in ADDRESS_CHANNELS
    define(
        "member_identifiers", statement("audiences", "member_identifiers"), materialize=True, person_level=person_level
    )
    weighed = bool(audience.holdout or audience.limit or (claimed and claimed.num_rows))
    define("judged", shape.judged(person_level=person_level), materialize=weighed)
    if weighed:
        _define_verdicts(session, audience, claimed)
        define(
            "eligible",
            "SELECT j.* FROM judged AS j JOIN verdicts AS v ON v.profile_id = j.profile_id WHERE v.reason IS NULL",
        )
    else:
        define("verdicts", "SELECT profile_id, reason FROM judged")
        define("eligible", "SELECT * FROM judged WHERE reason IS NULL")
    counted = {
        row["reason"]: row["people"]
        for row in session.rows("SELECT reason, count(*) AS people FROM verdicts GROUP BY reason")
    }
    ineligible = {reason: counted.get(reason, 0) for reason in REASONS}
    return Eligibility(sum(counted.values()), ineligible, counted.get(None, 0))


def _define_verdicts(session: Session, audience: Audience, claimed: pa.Table | None) -> None:
    """What nothing speaks against in the person is weighed against: other audiences' claims, the holdout, the limit."""
    experiment = audience.holdout.experiment if audience.holdout else ""
    session.scan("assignments", partitions={"experiment": [experiment]})
    if claimed is None:
        session.given("claimed", {"profile_id": "VARCHAR"})
    else:
        session.register("claimed", claimed)
    define = session.define
    define("variants", statement("audiences", "variants"))
    threshold = threshold_of(audience.holdout.share) if audience.holdout else ""
    define("drawn", statement("audiences", "drawn"), materialize=True, experiment=experiment, threshold=threshold)
    define("holders", statement("audiences", "holders"))
    define(
        "verdicts", statement("audiences", "verdicts"), materialize=True, most=audience.limit, audience=audience.name
    )


def _define_sendable(session: Session, shape: Shape) -> None:
    """The view `sendable_identifiers`: the known ones and, for tools that key on our id, one per candidate of ours."""
    sendable = statement("audiences", "sendable_identifiers")
    if not shape.wants_external_ids:
        session.define("sendable_identifiers", sendable)
        return
    column = next(i.column for i in shape.capabilities.identifiers if i.kind == "external_id")
    session.define(
        "sent_external_ids",
        "SELECT json_extract_string(identifiers, '$.' || $column) AS sent FROM audience_members WHERE state <> 'rejected'",
        column=column,
    )
    session.define("external_ids", statement("audiences", "external_ids"), materialize=True)
    session.define("sendable_contacts", sendable)
    session.define(
        "sendable_identifiers",
        "SELECT profile_id, identifier_type, identifier, last_seen_at FROM sendable_contacts"
        " UNION ALL SELECT profile_id, identifier_type, identifier, last_seen_at FROM external_ids",
    )


def threshold_of(share: float) -> str:
    """Eight hex digits: a digest below them, as text, falls into the share. 'g' is above every digit: all of them."""
    return "g" if share >= 1 else f"{int(share * 2**32):08x}"


def store_assignments(session: Session, audience: Audience, as_of: date, now: datetime) -> int:
    """Keep the variants drawn for the first time, for ever; returns how many."""
    if audience.holdout is None or not session.value("SELECT count(*) FROM drawn WHERE is_new"):
        return 0
    return session.append(
        "assignments",
        "SELECT CAST($experiment AS VARCHAR) AS experiment, profile_id, variant, CAST($day AS DATE) AS assigned_on, "
        "CAST($now AS TIMESTAMPTZ) AS assigned_at, CAST($audience AS VARCHAR) AS audience FROM drawn WHERE is_new",
        experiment=audience.holdout.experiment,
        day=as_of,
        now=now,
        audience=audience.name,
    ).rows


def claims_now(session: Session) -> pa.Table:
    """Who this audience holds back from those after it: all it may send to, its holdout included. Needs `judge`."""
    return session.table("SELECT profile_id FROM verdicts WHERE reason IS NULL OR reason = 'holdout'")


def claims_stored(session: Session, audience: Audience) -> pa.Table:
    """Who it held back when it was last synced, under the ids that stand for them now."""
    session.scan("claims", partitions={"audience": [audience.name]})
    session.scan("profile_aliases")
    return session.table(statement("audiences", "claimed"))


def store_claims(session: Session, audience: Audience, as_of: date) -> None:
    """Keep who this audience holds back, for a day on which it is held."""
    if audience.priority is None:
        return
    session.scan("claims", partitions={"audience": [audience.name]}, alias="_own_claims")
    session.register("_wanted_claims", claims_now(session))
    different = session.value(
        "SELECT count(*) FROM _wanted_claims AS w FULL JOIN _own_claims AS o ON o.profile_id = w.profile_id "
        "WHERE w.profile_id IS NULL OR o.profile_id IS NULL"
    )
    if different:
        session.replace(
            "claims",
            "SELECT CAST($audience AS VARCHAR) AS audience, profile_id, CAST($day AS DATE) AS as_of FROM _wanted_claims",
            {"audience": [audience.name]},
            audience=audience.name,
            day=as_of,
        )
