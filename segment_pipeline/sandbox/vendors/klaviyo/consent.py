"""Klaviyo's consent: subscribe, unsubscribe, suppress and unsuppress. Audience syncs must call none of these.

Kept stateful so that a test can show that consent is what it was: `GET /_control/klaviyo/consents`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.vendors.klaviyo.api import attributes, document, invalid
from segment_pipeline.sandbox.vendors.klaviyo.profiles import Profile, ProfileBook, find_problem, new_id
from segment_pipeline.sandbox.vendors.klaviyo.store import KlaviyoStore

LIFTED = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")
CHANNELS = ("email", "sms")


class Consent:
    """The four endpoints over one store; all answer 202."""

    def __init__(self, store: KlaviyoStore) -> None:
        self.store = store

    def subscribe(self, request: Request) -> None:
        """Lifts suppressions, and joins the list unless it wants a double opt-in that was not given before."""
        given, sent = _profiles(request, "profile-subscription-bulk-create-job", 1000)
        wanted = _list_of(document(request))
        joins = wanted is not None
        if wanted is not None:
            double = self.store.list_of(wanted)["opt_in_process"] == "double_opt_in"
            joins = not double or bool(given.get("historical_import"))
        with self.store.writing() as database:
            profiles = self._known(database, sent)
            for profile, one in zip(profiles, sent, strict=True):
                for channel in _channels(one):
                    self._consent(database, profile, channel, "SUBSCRIBED")
                    database.execute(
                        f"DELETE FROM suppressions WHERE profile = ? AND reason IN ({','.join('?' * len(LIFTED))})",
                        (profile.number, *LIFTED),
                    )
            if wanted is not None and joins:
                self.store.join(database, [wanted], [profile.number for profile in profiles])

    def unsubscribe(self, request: Request) -> None:
        """A member leaves the list and is suppressed for it; anybody else is unsubscribed globally."""
        _, sent = _profiles(request, "profile-subscription-bulk-delete-job", 100)
        wanted = _list_of(document(request))
        with self.store.writing() as database:
            for profile, one in zip(self._known(database, sent), sent, strict=True):
                cursor = database.execute(
                    "DELETE FROM members WHERE list = ? AND profile = ?", (wanted, profile.number)
                )
                if wanted is not None and cursor.rowcount:
                    self._suppress(database, profile, "UNSUBSCRIBE", wanted)
                    continue
                for channel in _channels(one):
                    self._consent(database, profile, channel, "UNSUBSCRIBED")
                self._suppress(database, profile, "UNSUBSCRIBE", "")

    def suppress(self, request: Request, *, lift: bool) -> dict[str, Any]:
        """The job. `lift`: take USER_SUPPRESSED away, and do nothing for the unknown."""
        kind = f"profile-suppression-bulk-{'delete' if lift else 'create'}-job"
        _, sent = _profiles(request, kind, 100)
        with self.store.writing() as database:
            if lift:
                book = ProfileBook(database, self.store.now, sent)
                for profile in filter(None, (book.find(one) for one in sent)):
                    database.execute(
                        "DELETE FROM suppressions WHERE profile = ? AND reason = 'USER_SUPPRESSED'", (profile.number,)
                    )
            else:
                for profile in self._known(database, sent):
                    self._suppress(database, profile, "USER_SUPPRESSED", "")
        now = self.store.now
        shown = {"status": "complete", "created_at": now, "completed_at": now, "total_count": len(sent)}
        return {"type": kind, "id": new_id(), "attributes": {**shown, "completed_count": len(sent), "skipped_count": 0}}

    def of(self, profile: Profile) -> dict[str, Any]:
        """The `subscriptions` attribute of a profile."""
        database = self.store.database
        held = {
            row["channel"]: row
            for row in database.execute("SELECT * FROM consents WHERE profile = ?", (profile.number,))
        }
        rows = database.execute(
            "SELECT * FROM suppressions WHERE profile = ? ORDER BY at", (profile.number,)
        ).fetchall()
        everywhere = [{"reason": row["reason"], "timestamp": row["at"]} for row in rows if not row["list"]]
        lists = [{"list_id": r["list"], "reason": r["reason"], "timestamp": r["at"]} for r in rows if r["list"]]
        email, sms = held.get("email"), held.get("sms")
        withdrawn = email is not None and email["consent"] == "UNSUBSCRIBED"
        return {
            "email": {
                "marketing": {
                    "can_receive_email_marketing": not everywhere and not withdrawn,
                    "consent": email["consent"] if email else "NEVER_SUBSCRIBED",
                    "consent_timestamp": email["at"] if email else None,
                    "last_updated": email["at"] if email else None,
                    "suppression": everywhere,
                    "list_suppressions": lists,
                }
            },
            "sms": {
                "marketing": {
                    "can_receive_sms_marketing": sms is not None and sms["consent"] == "SUBSCRIBED",
                    "consent": sms["consent"] if sms else "NEVER_SUBSCRIBED",
                    "consent_timestamp": sms["at"] if sms else None,
                    "last_updated": sms["at"] if sms else None,
                }
            },
        }

    def _known(self, database: sqlite3.Connection, sent: Sequence[dict[str, Any]]) -> list[Profile]:
        """The profiles meant, in order; an unknown one is created."""
        book = ProfileBook(database, self.store.now, sent)
        profiles = [book.find(one) or book.upsert(one, None) for one in sent]
        book.save()
        return profiles

    def _consent(self, database: sqlite3.Connection, profile: Profile, channel: str, consent: str) -> None:
        row = (profile.number, channel, consent, self.store.now)
        database.execute("INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?)", row)

    def _suppress(self, database: sqlite3.Connection, profile: Profile, reason: str, where: str) -> None:
        row = (profile.number, reason, where, self.store.now)
        database.execute("INSERT OR REPLACE INTO suppressions VALUES (?, ?, ?, ?)", row)


def _profiles(request: Request, kind: str, most: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    given = attributes(document(request), kind)
    sent = (given.get("profiles") or {}).get("data")
    if not isinstance(sent, list) or not 1 <= len(sent) <= most:
        raise invalid(f"'profiles' takes from 1 to {most} profiles.", pointer="/data/attributes/profiles/data")
    for position, one in enumerate(sent):
        problem = find_problem(one)
        if problem is not None:
            raise invalid(problem.detail, pointer=f"/data/attributes/profiles/data/{position}{problem.pointer}")
    return given, sent


def _channels(one: dict[str, Any]) -> list[str]:
    asked = one["attributes"].get("subscriptions")
    if asked is None:
        return [c for c, name in zip(CHANNELS, ("email", "phone_number"), strict=True) if one["attributes"].get(name)]
    return [channel for channel in CHANNELS if channel in asked]


def _list_of(data: dict[str, Any]) -> str | None:
    related = ((data.get("relationships") or {}).get("list") or {}).get("data") or {}
    identifier: str | None = related.get("id")
    return identifier
