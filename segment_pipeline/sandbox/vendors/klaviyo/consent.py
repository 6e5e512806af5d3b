"""Klaviyo's consent: subscribe and unsubscribe. Audience syncs must call neither.

Kept apart from what a profile holds, so that a test can show that it is what it was: `GET /_control/klaviyo/consents`.
"""

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer
from segment_pipeline.sandbox.lists import Book, Lists, Person
from segment_pipeline.sandbox.vendors.klaviyo import jsonapi
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import Document, refused
from segment_pipeline.sandbox.vendors.klaviyo.profiles import fields_of, problem_of, upsert

CHANNELS = {"email": "email", "sms": "phone_number"}
ROWS = "/data/attributes/profiles/data"


class Consent:
    """Both endpoints over one vendor's lists: 202 with nothing to poll, and whoever is unknown is created.

    `suppressed` of a profile is by list, "" for everywhere.
    """

    def __init__(self, lists: Lists) -> None:
        self.lists = lists

    def subscribe(self, request: Request) -> Answer:
        """Lifts suppressions, and joins a list unless it waits for a second opt-in."""

        def grant(profile: Person, sent: Document, into: str) -> None:
            self._say(profile, sent, "SUBSCRIBED")
            profile.consent["suppressed"] = {}
            found = self.lists.get(into)
            if found is not None and json.loads(found["held"])["opt_in_process"] == "single_opt_in":
                self.lists.add([into], [profile.number])

        return self._for_each(request, "profile-subscription-bulk-create-job", 1000, grant)

    def unsubscribe(self, request: Request) -> Answer:
        """A member leaves the list and is suppressed for it; anybody else is unsubscribed globally."""

        def withdraw(profile: Person, sent: Document, where: str) -> None:
            if not self.lists.remove(where, [profile.number]):
                self._say(profile, sent, "UNSUBSCRIBED")
                where = ""
            profile.consent.setdefault("suppressed", {})[where] = self.lists.store.now

        return self._for_each(request, "profile-subscription-bulk-delete-job", 100, withdraw)

    def _for_each(self, request: Request, kind: str, most: int, act: Callable[[Person, Document, str], None]) -> Answer:
        data = jsonapi.data_of(request)
        named = str((jsonapi.related(data, "list") or {}).get("id", ""))
        if named and self.lists.get(named) is None:
            raise jsonapi.not_found("list")
        sent = jsonapi.batch((jsonapi.attributes(data, kind).get("profiles") or {}).get("data"), most, ROWS)
        if wrong := [problem.under(f"{ROWS}/{i}") for i, one in enumerate(sent) if (problem := problem_of(one))]:
            raise refused(*wrong)
        with self.lists.store.writing():
            book = Book(self.lists, [fields_of(one) for one in sent])
            for one in sent:
                profile = book.find(fields_of(one)) or upsert(book, one)
                if isinstance(profile, Person):
                    act(profile, one, named)
                    book.changed(profile)
            book.save()
        return 202, None

    def _say(self, profile: Person, sent: Document, consent: str) -> None:
        given = sent["attributes"]
        asked = given.get("subscriptions", [channel for channel, name in CHANNELS.items() if given.get(name)])
        profile.consent |= {channel: {"consent": consent, "at": self.lists.store.now} for channel in asked}


def subscriptions(profile: Person) -> Document:
    """The `subscriptions` attribute of a profile."""
    found: dict[str, Any] = {}
    for channel in CHANNELS:
        said = profile.consent.get(channel, {"consent": "NEVER_SUBSCRIBED", "at": None})
        times = {"consent_timestamp": said["at"], "last_updated": said["at"]}
        found[channel] = {"marketing": {"consent": said["consent"], **times}}
    mail, text = found["email"]["marketing"], found["sms"]["marketing"]
    told = [
        {"list_id": where, "reason": "UNSUBSCRIBE", "timestamp": at}
        for where, at in profile.consent.get("suppressed", {}).items()
    ]
    mail["list_suppressions"] = [each for each in told if each["list_id"]]
    mail["suppression"] = [{"reason": e["reason"], "timestamp": e["timestamp"]} for e in told if not e["list_id"]]
    mail["can_receive_email_marketing"] = not mail["suppression"] and mail["consent"] != "UNSUBSCRIBED"
    text["can_receive_sms_marketing"] = text["consent"] == "SUBSCRIBED"
    return found
