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
ROWS = "/data/attributes/profiles/data"

Answer = tuple[int, Document | None]


class Consent:
    """The four endpoints over one vendor's lists; all answer 202."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists

    def subscribe(self, request: Request) -> Answer:
        """Lifts suppressions, and joins the list unless it wants a double opt-in that was not given before."""
        wanted = _list_of(request)
        found = self.lists.get(wanted)
        if wanted and found is None:
            raise not_found("list")
        waits = found is not None and json.loads(found["held"])["opt_in_process"] == "double_opt_in"
        joins = not waits or (data_of(request).get("attributes") or {}).get("historical_import")

        def grant(profile: Person, one: Document) -> None:
            self._say(profile, one, "SUBSCRIBED")
            kept = {what: each for what, each in _suppressions(profile).items() if each["reason"] not in LIFTED}
            profile.consent["suppressions"] = kept
            self.lists.add([wanted] if wanted and joins else [], [profile.number])

        self._for_each(request, "profile-subscription-bulk-create-job", 1000, grant)
        return 202, None

    def unsubscribe(self, request: Request) -> Answer:
        """A member leaves the list and is suppressed for it; anybody else is unsubscribed globally."""
        wanted = _list_of(request)

        def withdraw(profile: Person, one: Document) -> None:
            query = "DELETE FROM members WHERE list = ? AND person = ?"
            if self.lists.store.database.execute(query, (wanted, profile.number)).rowcount:
                self._suppress(profile, "UNSUBSCRIBE", wanted)
            else:
                self._say(profile, one, "UNSUBSCRIBED")
                self._suppress(profile, "UNSUBSCRIBE")

        self._for_each(request, "profile-subscription-bulk-delete-job", 100, withdraw)
        return 202, None

    def suppress(self, request: Request) -> Answer:
        kind = "profile-suppression-bulk-create-job"
        return self._job(kind, self._for_each(request, kind, 100, lambda p, _: self._suppress(p, "USER_SUPPRESSED")))

    def unsuppress(self, request: Request) -> Answer:
        """Nothing is done for the unknown."""

        def lift(profile: Person, _: Document) -> None:
            _suppressions(profile).pop("USER_SUPPRESSED ", None)

        kind = "profile-suppression-bulk-delete-job"
        return self._job(kind, self._for_each(request, kind, 100, lift, known=True))

    def _for_each(
        self,
        request: Request,
        kind: str,
        most: int,
        act: Callable[[Person, Document], None],
        *,
        known: bool = False,
    ) -> int:
        """How many profiles were meant, each in order; an unknown one is created, unless only the `known` are meant."""
        sent = (attributes(data_of(request), kind).get("profiles") or {}).get("data")
        if not isinstance(sent, list) or not 1 <= len(sent) <= most:
            raise invalid(f"'profiles' takes from 1 to {most} profiles.", ROWS)
        for position, one in enumerate(sent):
            if problem := problem_of(one):
                raise invalid(problem.detail, f"{ROWS}/{position}{problem.pointer}")
        with self.lists.store.writing():
            book = Book(self.lists, [fields_of(one) for one in sent])
            for one in sent:
                profile = book.find(fields_of(one)) or (None if known else book.upsert(fields_of(one), None))
                if profile is not None:
                    act(profile, one)
                    book.changed(profile)
            book.save()
        return len(sent)

    def _say(self, profile: Person, one: Document, consent: str) -> None:
        given = one["attributes"]
        asked = given.get("subscriptions", [channel for channel, name in CHANNELS.items() if given.get(name)])
        for channel in CHANNELS:
            if channel in asked:
                profile.consent[channel] = {"consent": consent, "at": self.lists.store.now}

    def _suppress(self, profile: Person, reason: str, where: str = "") -> None:
        entry = {"reason": reason, "list": where, "at": self.lists.store.now}
        profile.consent["suppressions"] = {**_suppressions(profile), f"{reason} {where}": entry}

    def _job(self, kind: str, rows: int) -> Answer:
        now = self.lists.store.now
        counts = {"total_count": rows, "completed_count": rows, "skipped_count": 0}
        shown = {"status": "complete", "created_at": now, "completed_at": now, **counts}
        return 202, {"data": {"type": kind, "id": new_id(), "attributes": shown}}


def subscriptions(profile: Person) -> Document:
    """The `subscriptions` attribute of a profile."""
    found: Document = {}
    for channel in CHANNELS:
        said = profile.consent.get(channel, {})
        times = {"consent_timestamp": said.get("at"), "last_updated": said.get("at")}
        found[channel] = {"marketing": {"consent": said.get("consent", "NEVER_SUBSCRIBED"), **times}}
    mail, text = found["email"]["marketing"], found["sms"]["marketing"]
    held = sorted(_suppressions(profile).values(), key=lambda each: str(each["at"]))
    told = [{"list_id": each["list"], "reason": each["reason"], "timestamp": each["at"]} for each in held]
    mail["list_suppressions"] = [each for each in told if each["list_id"]]
    mail["suppression"] = [{"reason": e["reason"], "timestamp": e["timestamp"]} for e in told if not e["list_id"]]
    mail["can_receive_email_marketing"] = not mail["suppression"] and mail["consent"] != "UNSUBSCRIBED"
    text["can_receive_sms_marketing"] = text["consent"] == "SUBSCRIBED"
    return found


def _suppressions(profile: Person) -> dict[str, Any]:
    """By reason and list, `""` for everywhere."""
    found: dict[str, Any] = profile.consent.setdefault("suppressions", {})
    return found


def _list_of(request: Request) -> str:
    """The id of the list that is named; empty for none."""
    return str((related(data_of(request), "list") or {}).get("id", ""))
