"""One person as the lake holds them: for the privacy officer's question and the engineer's. Reads; changes nothing."""

from datetime import date
from typing import Any

from segment_pipeline import identifiers
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.traits.sets import declared, define_traits, unready


def find_profile(
    lake: Lake, *, profile_id: str | None = None, email: str | None = None, phone: str | None = None, country: str
) -> str:
    """The current id of the person with this id (old ids count), e-mail or phone. `country`: of a phone without a prefix.

    Raises ConfigError when nobody has it, or several people do: then their ids are in the message, never the value.
    """
    with lake.session() as session:
        session.scan("profile_identifiers")
        session.scan("profile_aliases")
        session.scan("profiles")
        if profile_id is not None:
            found = session.rows(statement("profiles", "view_by_id"), profile_id=profile_id)
        else:
            kind = "email" if email is not None else "phone"
            value = identifiers.email(email) if email is not None else identifiers.phone(phone, country)
            if value is None:
                raise ConfigError(f"this is not a usable {kind}: check its spelling")
            found = session.rows(statement("profiles", "view_by_identifier"), identifier_type=kind, identifier=value)
    if not found:
        raise ConfigError(
            "nobody in the lake has this id, e-mail or phone: is the newest day's identities asset materialised?"
        )
    if len(found) > 1:
        ids = ", ".join(row["profile_id"] for row in found)
        raise ConfigError(f"{len(found)} people share it: choose one with --id: {ids}")
    return str(found[0]["profile_id"])


def profile_view(lake: Lake, profile_id: str) -> dict[str, Any]:
    """Golden record, identifiers, records, traits, segments with since when, consents, and what each tool holds.

    Fields: profile, identifiers, records, traits, segments, consents, audiences; lists are sorted.
    """
    with lake.session() as session:
        session.define("person", "SELECT $profile_id AS profile_id", profile_id=profile_id)
        for name in (
            "profiles",
            "profile_identifiers",
            "consents",
            "audience_members",
            "plan_rows",
            "membership_changes",
        ):
            session.scan(name)
        newest = {name: _newest(lake, name) for name in ("identities", "traits", "memberships")}
        for name, day in newest.items():
            session.scan(name, partitions={"as_of": [day] if day else []})
        if day := newest["traits"]:
            why = unready(session, day, declared())
            define_traits(session, day, [own for own in declared() if own.name not in why])
        profile = _one(session, "view_profile")
        traits = _one(session, "view_traits")
        return {
            "profile": profile,
            "traits": traits,
            **{
                part: session.rows(statement("profiles", f"view_{part}"))
                for part in ("identifiers", "records", "segments", "consents", "audiences")
            },
        }


def _newest(lake: Lake, name: str) -> date | None:
    return max(lake.snapshots(name), default=None)


def _one(session: Session, name: str) -> dict[str, Any]:
    rows = session.rows(statement("profiles", name))
    return rows[0] if rows else {}
