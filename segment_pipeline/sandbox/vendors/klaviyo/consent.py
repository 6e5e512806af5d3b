"""Klaviyo's consent: subscribe, unsubscribe, suppress and unsuppress. Audience syncs must call none of these.

Kept apart from what a profile holds, so that a test can show that it is what it was: `GET /_control/klaviyo/consents`.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.lists import Book, Lists, Person, new_id
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import Document, attributes, data_of, invalid, not_found, related
from segment_pipeline.sandbox.vendors.klaviyo.profiles import fields_of, problem_of

LIFTED = frozenset({"UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED"})
CHANNELS = {"email": "email", "sms": "phone_number"}

Answer = tuple[int, Document | None]


class Consent:
    """The four endpoints over one vendor's lists; all answer 202."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists

    def subscribe(self, request: Request) -> Answer:
        """Lifts suppressions, and joins the list unless it wants a double opt-in that was not given before."""
        given, sent = _profiles(request, "profile-subscription-bulk-create-job", 1000)
        joins = self._list(request)
        if joins is not None and json.loads(joins["held"])["opt_in_process"] == "double_opt_in":
            joins = joins if given.get("historical_import") else None

        def grant(profile: Person, one: Document) -> None:
            self._say(profile, one, "SUBSCRIBED")
            kept = {what: each for what, each in _suppressions(profile).items() if each["reason"] not in LIFTED}
            profile.consent["suppressions"] = kept
            if joins is not None:
                self.lists.add([joins["id"]], [profile.number])

        self._for_each(sent, grant)
        return 202, None

    def unsubscribe(self, request: Request) -> Answer:
        """A member leaves the list and is suppressed for it; anybody else is unsubscribed globally."""
        _, sent = _profiles(request, "profile-subscription-bulk-delete-job", 100)
        where = str((related(data_of(request), "list") or {}).get("id", ""))

        def withdraw(profile: Person, one: Document) -> None:
            query = "DELETE FROM members WHERE list = ? AND person = ?"
            if self.lists.store.database.execute(query, (where, profile.number)).rowcount:
                self._suppress(profile, "UNSUBSCRIBE", where)
            else:
                self._say(profile, one, "UNSUBSCRIBED")
                self._suppress(profile, "UNSUBSCRIBE")

        self._for_each(sent, withdraw)
        return 202, None

    def suppress(self, request: Request) -> Answer:
        kind = "profile-suppression-bulk-create-job"
        _, sent = _profiles(request, kind, 100)
        self._for_each(sent, lambda profile, _: self._suppress(profile, "USER_SUPPRESSED"))
        return 202, {"data": self._job(kind, len(sent))}

    def unsuppress(self, request: Request) -> Answer:
        """Nothing is done for the unknown."""
        kind = "profile-suppression-bulk-delete-job"
        _, sent = _profiles(request, kind, 100)
        self._for_each(sent, lambda profile, _: _suppressions(profile).pop("USER_SUPPRESSED ", None), known=True)
        return 202, {"data": self._job(kind, len(sent))}

    def _list(self, request: Request) -> Any:
        identifier = (related(data_of(request), "list") or {}).get("id")
        if identifier is None:
            return None
        found = self.lists.get(identifier)
        if found is None:
            raise not_found("list")
        return found

    def _for_each(
        self, sent: list[Document], act: Callable[[Person, Document], object], *, known: bool = False
    ) -> None:
        """Each profile meant, in order; an unknown one is created, unless only the `known` are meant."""
        with self.lists.store.writing():
            book = Book(self.lists, [fields_of(one) for one in sent])
            for one in sent:
                profile = book.find(fields_of(one)) or (None if known else book.upsert(fields_of(one), None))
                if profile is not None:
                    act(profile, one)
                    book.changed(profile)
            book.save()

    def _say(self, profile: Person, one: Document, consent: str) -> None:
        given = one["attributes"]
        asked = given.get("subscriptions", [channel for channel, name in CHANNELS.items() if given.get(name)])
        for channel in CHANNELS:
            if channel in asked:
                profile.consent[channel] = {"consent": consent, "at": self.lists.store.now}

    def _suppress(self, profile: Person, reason: str, where: str = "") -> None:
        entry = {"reason": reason, "list": where, "at": self.lists.store.now}
        profile.consent["suppressions"] = {**_suppressions(profile), f"{reason} {where}": entry}

    def _job(self, kind: str, rows: int) -> Document:
        now = self.lists.store.now
        counts = {"total_count": rows, "completed_count": rows, "skipped_count": 0}
        shown = {"status": "complete", "created_at": now, "completed_at": now, **counts}
        return {"type": kind, "id": new_id(), "attributes": shown}


def subscriptions(profile: Person) -> Document:
    """The `subscriptions` attribute of a profile."""
    held = sorted(_suppressions(profile).values(), key=lambda each: str(each["at"]))
    everywhere = [{"reason": each["reason"], "timestamp": each["at"]} for each in held if not each["list"]]
    lists = [
        {"list_id": each["list"], "reason": each["reason"], "timestamp": each["at"]} for each in held if each["list"]
    ]
    said = {channel: profile.consent.get(channel, {}) for channel in CHANNELS}
    marketing = {
        channel: {
            "consent": each.get("consent", "NEVER_SUBSCRIBED"),
            "consent_timestamp": each.get("at"),
            "last_updated": each.get("at"),
        }
        for channel, each in said.items()
    }
    mailable = not everywhere and said["email"].get("consent") != "UNSUBSCRIBED"
    suppressed = {"suppression": everywhere, "list_suppressions": lists}
    return {
        "email": {"marketing": {"can_receive_email_marketing": mailable, **marketing["email"], **suppressed}},
        "sms": {
            "marketing": {
                "can_receive_sms_marketing": said["sms"].get("consent") == "SUBSCRIBED",
                **marketing["sms"],
            }
        },
    }


def _suppressions(profile: Person) -> dict[str, Document]:
    """By reason and list, `""` for everywhere."""
    found: dict[str, Document] = profile.consent.setdefault("suppressions", {})
    return found


def _profiles(request: Request, kind: str, most: int) -> tuple[Document, list[Document]]:
    given = attributes(data_of(request), kind)
    sent = (given.get("profiles") or {}).get("data")
    where = "/data/attributes/profiles/data"
    if not isinstance(sent, list) or not 1 <= len(sent) <= most:
        raise invalid(f"'profiles' takes from 1 to {most} profiles.", where)
    for position, one in enumerate(sent):
        if problem := problem_of(one):
            raise invalid(problem.detail, f"{where}/{position}{problem.pointer}")
    return given, sent
