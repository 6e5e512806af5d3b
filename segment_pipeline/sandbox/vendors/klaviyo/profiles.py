"""What a profile is to Klaviyo: which are valid, how one is read and shown, and what `patch_properties` does.

An id, an e-mail, a phone and an external id each belong to one profile. An upsert finds its profile by id, then e-mail, then
phone, then external id; an identifier that is another profile's is a conflict. Null clears a field, absence leaves it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from segment_pipeline.sandbox.lists import Book, Person
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import Document, Problem

IDENTIFIERS = ("email", "phone_number", "external_id")
FIELDS = ("first_name", "last_name", "organization", "locale", "title", "image")
GROUPS = ("location", "properties")
UNKEPT = ("_kx", "anonymous_id", "subscriptions")
EMAIL = re.compile(
    r"[^@\s\"(),:;<>\[\]\\]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
LARGEST_PROFILE = 100 * 1024


def problem_of(sent: Any) -> Problem | None:
    """What is wrong with one profile as sent; the pointer is relative to the profile."""

    def wrong(detail: str, where: str = "") -> Problem:
        return Problem("invalid", "Invalid input.", detail, where)

    if not isinstance(sent, dict) or sent.get("type") != "profile" or not isinstance(sent.get("attributes"), dict):
        return wrong("A profile needs type and attributes.")
    given = sent["attributes"]
    if len(json.dumps(sent)) > LARGEST_PROFILE:
        return wrong("A profile must not exceed 100 KB.")
    for name in given:
        if name not in (*IDENTIFIERS, *FIELDS, *GROUPS, *UNKEPT):
            return wrong(f"'{name}' is not a valid field.", f"/attributes/{name}")
    if not sent.get("id") and not any(given.get(name) for name in IDENTIFIERS):
        return wrong("One of email, phone_number, external_id or id is required.", "/attributes")
    email, phone = given.get("email"), given.get("phone_number")
    if email is not None and (not isinstance(email, str) or not EMAIL.fullmatch(email.strip())):
        return wrong("Invalid email address.", "/attributes/email")
    if phone is not None and (not isinstance(phone, str) or not PHONE.fullmatch(phone)):
        detail = "Invalid phone number format (Example of a valid format: +12345678901)"
        return wrong(detail, "/attributes/phone_number")
    return None


def fields_of(sent: Mapping[str, Any]) -> Document:
    """A profile as sent, as what is kept of it; e-mail addresses are compared without regard to case."""
    held = {name: value for name, value in sent["attributes"].items() if name not in UNKEPT}
    for name in IDENTIFIERS:
        if name in held:
            text = str(held[name] or "")
            held[name] = (text.strip().lower() if name == "email" else text) or None
    return held | ({"id": sent["id"]} if sent.get("id") else {})


def upsert(book: Book, fields: Document, sent: Mapping[str, Any], found: Person | None) -> Person:
    profile = book.upsert(fields, found)
    if patch := (sent.get("meta") or {}).get("patch_properties"):
        _patch(profile.held.setdefault("properties", {}), patch)
    return profile


def import_one(book: Book, sent: Mapping[str, Any], *, share: bool) -> Person | Problem:
    """`share`: leave an identifier that another profile holds where it is, instead of refusing the row."""
    fields = fields_of(sent)
    found = book.find(fields)
    if "id" in fields and found is None:
        return Problem("not_found", "Not found.", "A profile with this id does not exist.", "/id")
    while taken := book.conflict(fields, found):
        if not share:
            return duplicate(taken[1])
        del fields[taken[0]]
    return upsert(book, fields, sent, found)


def duplicate(holder: Person) -> Problem:
    detail = "A profile already exists with one of these identifiers."
    meta = {"duplicate_profile_id": holder.id}
    return Problem("duplicate_profile", "Conflict.", detail, "/data/attributes", meta=meta)


def resource(profile: Person) -> Document:
    shown = {name: profile.held.get(name) for name in (*IDENTIFIERS, *FIELDS)}
    times = {"created": profile.created_at, "updated": profile.updated_at, "last_event_date": None}
    groups = {name: profile.held.get(name, {}) for name in GROUPS}
    links = {"self": f"https://a.klaviyo.com/api/profiles/{profile.id}/"}
    attributes = {**shown, "anonymous_id": None, **times, **groups}
    return {"type": "profile", "id": profile.id, "attributes": attributes, "links": links}


def _patch(properties: dict[str, Any], patch: Mapping[str, Any]) -> None:
    for name, value in (patch.get("append") or {}).items():
        properties[name] = [*_listed(properties.get(name, [])), *_listed(value)]
    for name, value in (patch.get("unappend") or {}).items():
        gone = _listed(value)
        properties[name] = [item for item in _listed(properties.get(name, [])) if item not in gone]
    for name in _listed(patch.get("unset") or []):
        properties.pop(name, None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
