"""What a profile is to Klaviyo: four identifiers, attributes, and the rules of an upsert.

An id, an e-mail, a phone and an external id each belong to one profile. An upsert finds its profile by id, then e-mail, then
phone, then external id; an identifier that is another profile's is a conflict. Null clears a field, absence leaves it.
"""

import base64
import json
import re
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from segment_pipeline.sandbox.vendors.klaviyo.api import Problem

IDENTIFIERS = ("email", "phone_number", "external_id")
FIELDS = ("first_name", "last_name", "organization", "locale", "title", "image")
KNOWN = frozenset({*IDENTIFIERS, *FIELDS, "location", "properties", "_kx", "anonymous_id", "subscriptions"})
EMAIL = re.compile(
    r"[^@\s\"(),:;<>\[\]\\]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
LARGEST_PROFILE = 100 * 1024


@dataclass(slots=True)
class Profile:
    """One profile. `number` orders profiles by creation; `held` are its fields other than the identifiers."""

    number: int
    id: str
    created_at: str
    updated_at: str
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    held: dict[str, Any] = field(default_factory=dict)

    def identifier(self, name: str) -> str | None:
        value: str | None = getattr(self, name)
        return value

    def resource(self) -> dict[str, Any]:
        return {
            "type": "profile",
            "id": self.id,
            "attributes": {
                "email": self.email,
                "phone_number": self.phone_number,
                "external_id": self.external_id,
                "anonymous_id": None,
                **{name: self.held.get(name) for name in FIELDS},
                "created": self.created_at,
                "updated": self.updated_at,
                "last_event_date": None,
                "location": self.held.get("location", {}),
                "properties": self.held.get("properties", {}),
            },
            "links": {"self": f"https://a.klaviyo.com/api/profiles/{self.id}/"},
        }


def new_id() -> str:
    return "01" + base64.b32encode(secrets.token_bytes(15)).decode("ascii")


def from_row(row: sqlite3.Row) -> Profile:
    return Profile(
        row["number"],
        row["id"],
        row["created_at"],
        row["updated_at"],
        row["email"],
        row["phone_number"],
        row["external_id"],
        json.loads(row["held"]),
    )


def find_problem(sent: Any) -> Problem | None:
    """What is wrong with one profile as sent; the pointer is relative to the profile."""
    if not isinstance(sent, dict) or sent.get("type") != "profile" or not isinstance(sent.get("attributes"), dict):
        return Problem("invalid", "Invalid input.", "A profile needs type and attributes.", "")
    given = sent["attributes"]
    if len(json.dumps(sent)) > LARGEST_PROFILE:
        return Problem("invalid", "Invalid input.", "A profile must not exceed 100 KB.", "")
    unknown = [name for name in given if name not in KNOWN]
    if unknown:
        return Problem(
            "invalid", "Invalid input.", f"'{unknown[0]}' is not a valid field.", f"/attributes/{unknown[0]}"
        )
    if not sent.get("id") and not any(given.get(name) for name in IDENTIFIERS):
        detail = "One of email, phone_number, external_id or id is required."
        return Problem("invalid", "Invalid input.", detail, "/attributes")
    email = given.get("email")
    if email is not None and (not isinstance(email, str) or not EMAIL.fullmatch(email.strip())):
        return Problem("invalid", "Invalid input.", "Invalid email address.", "/attributes/email")
    phone = given.get("phone_number")
    if phone is not None and (not isinstance(phone, str) or not PHONE.fullmatch(phone)):
        detail = "Invalid phone number format (Example of a valid format: +12345678901)"
        return Problem("invalid", "Invalid input.", detail, "/attributes/phone_number")
    return None


def normal(name: str, value: Any) -> str | None:
    """An identifier as it is compared: e-mail addresses without regard to case."""
    if value is None or value == "":
        return None
    return str(value).strip().lower() if name == "email" else str(value)


class ProfileBook:
    """The stored profiles that a batch of profiles may touch, loaded once, changed in memory, saved once.

    Use within one write transaction.
    """

    def __init__(self, database: sqlite3.Connection, now: str, sent: Iterable[Mapping[str, Any]]) -> None:
        self._database = database
        self._now = now
        self._next = database.execute("SELECT coalesce(max(number), 0) + 1 FROM profiles").fetchone()[0]
        self._by: dict[str, dict[str, Profile]] = {name: {} for name in ("id", *IDENTIFIERS)}
        self._changed: dict[str, Profile] = {}
        wanted: dict[str, set[str]] = {name: set() for name in self._by}
        for profile in sent:
            if profile.get("id"):
                wanted["id"].add(str(profile["id"]))
            for name in IDENTIFIERS:
                value = normal(name, profile.get("attributes", {}).get(name))
                if value is not None:
                    wanted[name].add(value)
        for name, values in wanted.items():
            query = f"SELECT * FROM profiles WHERE {name} IN (SELECT value FROM json_each(?))"
            for row in database.execute(query, (json.dumps(sorted(values)),)):
                self._index(self._by["id"].get(row["id"]) or from_row(row))

    def _index(self, profile: Profile) -> None:
        self._by["id"][profile.id] = profile
        for name in IDENTIFIERS:
            value = profile.identifier(name)
            if value is not None:
                self._by[name][value] = profile

    def find(self, sent: Mapping[str, Any]) -> Profile | None:
        """The profile an upsert of `sent` is about."""
        if sent.get("id"):
            return self._by["id"].get(str(sent["id"]))
        given = sent["attributes"]
        values = ((name, normal(name, given.get(name))) for name in IDENTIFIERS)
        return next(
            (self._by[name][value] for name, value in values if value is not None and value in self._by[name]), None
        )

    def conflict(self, sent: Mapping[str, Any], found: Profile | None) -> tuple[str, Profile] | None:
        """An identifier of `sent` that belongs to another profile, and that profile."""
        for name in IDENTIFIERS:
            value = normal(name, sent["attributes"].get(name))
            holder = self._by[name].get(value) if value is not None else None
            if holder is not None and holder is not found:
                return name, holder
        return None

    def upsert(self, sent: Mapping[str, Any], found: Profile | None) -> Profile:
        """Apply a profile without problem or conflict."""
        profile = found
        if profile is None:
            profile = Profile(self._next, new_id(), self._now, self._now)
            self._next += 1
        given = sent["attributes"]
        for name in IDENTIFIERS:
            if name in given:
                old, new = profile.identifier(name), normal(name, given[name])
                if old is not None and old != new:
                    self._by[name].pop(old, None)
                setattr(profile, name, new)
        for name in FIELDS:
            if name in given:
                _set_or_clear(profile.held, name, given[name])
        for group in ("location", "properties"):
            if isinstance(given.get(group), dict):
                held = profile.held.setdefault(group, {})
                for name, value in given[group].items():
                    _set_or_clear(held, name, value)
            elif group in given and given[group] is None:
                profile.held.pop(group, None)
        _patch(profile.held, (sent.get("meta") or {}).get("patch_properties") or {})
        profile.updated_at = self._now
        self._index(profile)
        self._changed[profile.id] = profile
        return profile

    def save(self) -> None:
        self._database.executemany(
            "INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (p.number, p.id, p.email, p.phone_number, p.external_id, json.dumps(p.held), p.created_at, p.updated_at)
                for p in self._changed.values()
            ),
        )
        self._changed.clear()


def _set_or_clear(held: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        held.pop(name, None)
    else:
        held[name] = value


def _patch(held: dict[str, Any], patch: Mapping[str, Any]) -> None:
    properties = held.setdefault("properties", {}) if patch else {}
    for name, value in (patch.get("append") or {}).items():
        current = properties.get(name, [])
        properties[name] = [*(current if isinstance(current, list) else [current]), *_listed(value)]
    for name, value in (patch.get("unappend") or {}).items():
        gone = _listed(value)
        properties[name] = [item for item in _listed(properties.get(name, [])) if item not in gone]
    for name in _listed(patch.get("unset") or []):
        properties.pop(name, None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
