"""What a profile is to Klaviyo: which are valid, how one is read, kept and shown.

An id, an e-mail, a phone and an external id each belong to one profile. An upsert finds its profile by id, then e-mail, then
phone, then external id; an identifier that is another profile's is a conflict. Null clears a field, absence leaves it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.lists import Person
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import Document, problem, resource

IDENTIFIERS = ("email", "phone_number", "external_id")
FIELDS = ("first_name", "last_name", "organization", "locale", "title", "image")
GROUPS = ("location", "properties")
UNKEPT = ("_kx", "anonymous_id", "subscriptions")
DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = re.compile(rf"[^@\s\"(),:;<>\[\]\\]+@{DOMAIN}(?:\.{DOMAIN})+")
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
LARGEST_PROFILE = 100 * 1024


def unreadable(sent: Any) -> bool:
    return not isinstance(sent, dict) or sent.get("type") != "profile" or not isinstance(sent.get("attributes"), dict)


def problem_of(sent: Any) -> Document | None:
    """What is wrong with one profile as sent; the pointer is relative to the profile."""
    if unreadable(sent):
        return problem("A profile needs type and attributes.", "")
    given = sent["attributes"]
    if len(json.dumps(sent)) > LARGEST_PROFILE:
        return problem("A profile must not exceed 100 KB.", "")
    for name in given:
        if name not in (*IDENTIFIERS, *FIELDS, *GROUPS, *UNKEPT):
            return problem(f"'{name}' is not a valid field.", f"/attributes/{name}")
    if (patch := sent.get("meta")) and not (
        patch.keys() == {"patch_properties"} and patch["patch_properties"].keys() == {"unset"}
    ):
        return problem("The sandbox patches properties by 'unset' alone.", "/meta")
    if not sent.get("id") and not any(given.get(name) for name in IDENTIFIERS):
        return problem("One of email, phone_number, external_id or id is required.", "/attributes")
    email, phone = given.get("email"), given.get("phone_number")
    if email is not None and (not isinstance(email, str) or not EMAIL.fullmatch(email.strip())):
        return problem("Invalid email address.", "/attributes/email")
    if phone is not None and (not isinstance(phone, str) or not PHONE.fullmatch(phone)):
        detail = "Invalid phone number format (Example of a valid format: +12345678901)"
        return problem(detail, "/attributes/phone_number")
    return None


def fields_of(sent: Mapping[str, Any]) -> Document:
    """A profile as sent, as what is kept of it."""
    held = {name: value for name, value in sent["attributes"].items() if name not in UNKEPT}
    for name in IDENTIFIERS:
        if name in held:
            text = str(held[name] or "")
            held[name] = (text.strip() if name == "email" else text) or None
    return held | ({"id": sent["id"]} if sent.get("id") else {})


def upsert(book: Book, sent: Mapping[str, Any], *, create: bool = False) -> Person | Document:
    """One valid profile; `create`: one that is there is in the way. The pointer is relative to the profile."""
    fields = fields_of(sent)
    found = None if create else book.find(fields)
    if "id" in fields and found is None:
        return problem("A profile with this id does not exist.", "/id", "not_found", "Not found.", 404)
    if taken := book.conflict(fields, found):
        detail, holder = "A profile already exists with one of these identifiers.", taken[1].id
        return problem(detail, "/attributes", "duplicate_profile", "Conflict.", 409, duplicate_profile_id=holder)
    person = book.upsert(fields, found)
    unset = ((sent.get("meta") or {}).get("patch_properties") or {}).get("unset") or []
    for name in [unset] if isinstance(unset, str) else unset:
        person.held.get("properties", {}).pop(name, None)
    return person


def shown(profile: Person, *, subscriptions: bool = False) -> Document:
    held = {name: profile.held.get(name) for name in (*IDENTIFIERS, *FIELDS)}
    times = {"created": profile.created_at, "updated": profile.updated_at, "last_event_date": None}
    groups = {name: profile.held.get(name, {}) for name in GROUPS}
    more = {"subscriptions": _subscriptions(profile)} if subscriptions else {}
    return resource("profile", profile.id, {**held, **times, **groups, **more, **profile.held.get("odd", {})})


def _subscriptions(profile: Person) -> Document:
    """What somebody said in each channel: what is known of it, and that they said nothing of the rest."""
    said = profile.held.get("subscriptions", {})
    never: Document = {"consent": "NEVER_SUBSCRIBED", "consent_timestamp": None, "last_updated": None}
    never |= {"method": None, "method_detail": ""}
    more: Document = {"custom_method_detail": None, "double_optin": None, "suppression": [], "list_suppressions": []}
    email, sms = never | more | said.get("email", {}), never | said.get("sms", {})
    return {
        "email": {"marketing": {"can_receive_email_marketing": not email["suppression"], **email}},
        "sms": {"marketing": {"can_receive_sms_marketing": sms["consent"] == "SUBSCRIBED", **sms}},
        "mobile_push": None,
        "whatsapp": None,
    }
