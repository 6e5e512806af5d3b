"""Google's service of ingestion: members put into lists and taken out of them, and what became of each request."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer, row_errors
from segment_pipeline.sandbox.jobs import Jobs, Outcome, Work
from segment_pipeline.sandbox.lists import Lists, Person, digest
from segment_pipeline.sandbox.state import parse_instant
from segment_pipeline.sandbox.vendors.google import forms, messages, rpc
from segment_pipeline.sandbox.vendors.google.messages import Document
from segment_pipeline.sandbox.vendors.google.rows import Batch, Reading
from segment_pipeline.sandbox.vendors.google.rpc import ACCOUNT, Violations

MOST_DESTINATIONS = 10
REASON = "PROCESSING_ERROR_REASON_"
# The type of list each kind of data goes into, and the count of what it is.
KEYS = {"userData": ("CONTACT_ID", "userIdentifierCount"), "mobileData": ("MOBILE_ID", "mobileIdCount"),
        "userIdData": ("USER_ID", "userIdCount")}  # fmt: skip
VERBS = {
    "ingest": ("audienceMembersIngestionStatus", "Ingestion"),
    "remove": ("audienceMembersRemovalStatus", "Removal"),
}
RANGES = (
    (20, "LESS_THAN_20"),
    (31, "20_TO_30"),
    *((11 + 10 * n, f"{1 + 10 * n}_TO_{10 + 10 * n}") for n in range(3, 10)),
)


class Ingestion:
    """The service over the lists of one store."""

    def __init__(self, lists: Lists) -> None:
        self.store, self.lists = lists.store, lists
        self.jobs = Jobs(self.store, self.carry_out)

    def ingest(self, request: Request) -> Answer:
        return self.members(request, "ingest", messages.body(forms.INGEST, request))

    def remove(self, request: Request) -> Answer:
        return self.members(request, "remove", messages.body(forms.REMOVE, request))

    def members(self, request: Request, verb: str, given: Document) -> Answer:
        wrong, poison = self.violations(), frozenset(self.store.setting("poison"))
        references = [each.get("reference", "") for each in given.get("destinations") or []]
        batch = Reading(given, wrong, poison).members(references)
        lists = self.destinations(given, wrong, batch.kind)
        if given.get("encryptionInfo"):
            wrong.add("encryption_info", "NOT_ALLOWLISTED")
        if verb == "ingest":
            self.terms(given, batch, wrong)
        wrong.refuse()
        told = {"fieldWarnings": batch.warnings} if batch.warnings and verb == "ingest" else {}
        return self.take(request, verb, given, lists, batch, **told)

    def remove_all(self, request: Request) -> Answer:
        given, wrong = messages.body(forms.REMOVE_ALL, request), self.violations()
        lists, before = self.destinations(given, wrong), given.get("removeAsOfTime")
        if before is not None and before > self.store.state.now():
            wrong.add("remove_as_of_time", "INVALID_REMOVE_AS_OF_TIME")
        wrong.refuse()
        given["removeAsOfTime"] = before and before.astimezone(UTC).isoformat()
        return self.take(request, "removeAll", given, lists, Batch())

    def take(
        self, request: Request, verb: str, given: Document, lists: Sequence[sqlite3.Row], batch: Batch, **told: Any
    ) -> Answer:
        """What is only to be validated leaves no trace."""
        if given.get("validateOnly"):
            return 200, told
        sent = [[row for row in batch.rows if place in row["to"]] for place in range(len(lists))]
        job = self.jobs.open(
            batch.rows,
            [one["id"] for one in lists],
            row_errors(request),
            verb=verb,
            kind=batch.kind,
            destinations=given["destinations"],
            before=given.get("removeAsOfTime"),
            counts=[(len(rows), sum(row["number"] for row in rows)) for rows in sent],
        )
        return 200, {"requestId": job["id"], **told}

    def violations(self) -> Violations:
        return Violations(int(self.store.setting("most_violations")))

    def terms(self, given: Document, batch: Batch, wrong: Violations) -> None:
        accepted = (given.get("termsOfService") or {}).get("customerMatchTermsOfServiceStatus") == "ACCEPTED"
        if batch.kind in ("userData", "mobileData") and not accepted:
            field = "terms_of_service.customer_match_terms_of_service_status"
            wrong.add(field, "TERMS_AND_CONDITIONS_NOT_SIGNED")

    def destinations(self, given: Document, wrong: Violations, kind: str = "") -> list[sqlite3.Row]:
        """The lists meant. Refuses (403) an account that the caller may not use."""
        sent = given.get("destinations") or []
        if not sent:
            wrong.add("destinations")
        if len(sent) > MOST_DESTINATIONS:
            wrong.add("destinations", "TOO_MANY_DESTINATIONS")
        references = [each["reference"] for each in sent if each.get("reference")]
        if len(set(references)) < len(references):
            wrong.add("destinations", "DUPLICATE_DESTINATION_REFERENCE")
        found = [self.destination(each, f"destinations[{place}]", wrong, kind) for place, each in enumerate(sent)]
        return [one for one in found if one is not None]

    def destination(self, sent: Document, path: str, wrong: Violations, kind: str) -> sqlite3.Row | None:
        self.accounts(sent, path, wrong)
        at = f"{path}.product_destination_id"
        if not (identifier := sent.get("productDestinationId")):
            wrong.add(at)
            return None
        if (found := self.lists.get(identifier)) is None:
            wrong.add(at, "INVALID_USER_LIST_ID")
        elif kind in KEYS and KEYS[kind][0] not in json.loads(found["held"])["ingestedUserListInfo"]["uploadKeyTypes"]:
            wrong.add(at, "INVALID_USER_LIST_TYPE")
        return found

    def accounts(self, sent: Document, path: str, wrong: Violations) -> None:
        """Refuses (403) accounts that are not the caller's. Without a login account the operating one is it."""
        operating: Document = sent.get("operatingAccount", {})
        right = self.account(operating, f"{path}.operating_account", wrong)
        if right and operating["accountId"] != ACCOUNT:
            raise rpc.denied()
        login: Document = sent.get("loginAccount", operating)
        right = self.account(login, f"{path}.login_account", wrong) if "loginAccount" in sent else right
        if right and login["accountId"] not in self.store.setting("login_accounts"):
            raise rpc.denied()
        if sent.get("linkedAccount"):
            wrong.add(f"{path}.linked_account", "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT")

    def account(self, sent: Document, path: str, wrong: Violations) -> bool:
        """Whether it is one that can be."""
        kind = sent.get("accountType") or sent.get("product")
        if not kind or not sent.get("accountId"):
            wrong.add(path)
        elif not sent["accountId"].isdecimal():
            wrong.add(f"{path}.account_id", "INVALID_NUMBER_FORMAT")
        elif kind != "GOOGLE_ADS" or sent.get("product") not in (None, "", kind):
            wrong.add(path, "INVALID_DESTINATION")
        else:
            return True
        return False

    def carry_out(self, work: Work) -> Outcome:
        errors: list[Mapping[str, Any]] = []
        for place, identifier in enumerate(work.lists):
            if self.lists.get(identifier) is None:
                continue
            if work.note["verb"] == "removeAll":
                self.lists.remove_joined_before(identifier, work.note["before"])
                continue
            reasons = {number: self.failure(number, work) for number, row in enumerate(work.rows) if place in row["to"]}
            errors += [{"destination": place, "reason": REASON + why} for why in reasons.values() if why]
            people = [_person(work.rows[number]["held"]) for number, why in reasons.items() if not why]
            if work.note["verb"] == "remove":
                self.lists.remove(identifier, self.meant(people))
            else:
                self.lists.keep(people, new=True)
                self.lists.add([identifier], {person.number for person in people}, renewed=work.since)
        return Outcome((), errors)

    def failure(self, number: int, work: Work) -> str:
        """Why Google does not take a row in, if it does not."""
        if work.fault is not None and work.fault.picks(number):
            return "INVALID_FORMAT"
        if work.note["verb"] == "remove" or not self.store.setting("consent_region"):
            return ""
        said = [work.rows[number]["consent"].get(name) for name in ("adUserData", "adPersonalization")]
        if "CONSENT_DENIED" in said:
            return "DENIED_CONSENT"
        return "" if said == ["CONSENT_GRANTED"] * 2 else str(self.store.setting("unsaid_consent"))

    def meant(self, people: Sequence[Person]) -> list[int]:
        """Who is to be removed: whoever has one of the identifiers, or who has exactly those."""
        if self.store.setting("removal_matches") == "exact":
            return [person.number for person in people]
        return self.lists.holders(key for person in people for key in self.lists.keys_of(person.held))

    def status(self, request: Request) -> Answer:
        identifier = messages.query(forms.STATUS, request).get("requestId")
        job, wrong = self.jobs.poll(identifier or ""), self.violations()
        days = timedelta(days=self.store.setting("status_days"))
        if not identifier:
            wrong.add("request_id")
        elif job is None:
            wrong.add("request_id", "INVALID_REQUEST_ID")
        elif self.store.state.now() - parse_instant(job["created_at"]) > days:
            wrong.add("request_id", "REQUEST_TOO_OLD")
        wrong.refuse()
        assert job is not None
        errors = [json.loads(row["body"]) for row in self.jobs.errors(job["id"], 0, -1)]
        note = json.loads(job["note"])
        shown = [self.shown(job, note, place, errors) for place in range(len(note["destinations"]))]
        return 200, {"requestStatusPerDestination": shown}

    def shown(self, job: sqlite3.Row, note: Document, place: int, errors: Sequence[Document]) -> Document:
        (records, identifiers), complete = note["counts"][place], job["completed_at"] is not None
        counts = Counter(error["reason"] for error in errors if error["destination"] == place)
        state = "FAILED" if records and counts.total() == records else "PARTIAL_SUCCESS" if counts else "SUCCESS"
        told = {"destination": note["destinations"][place], "requestStatus": state if complete else "PROCESSING"}
        if counts and complete:
            listed = [{"recordCount": str(number), "reason": reason} for reason, number in counts.items()]
            told["errorInfo"] = {"errorCounts": listed}
        if note["verb"] == "removeAll":
            return {**told, "removeAllAudienceMembersStatus": {}}
        status, noun = VERBS[note["verb"]]
        inner: Document = {"recordCount": str(records), KEYS[note["kind"]][1]: str(identifiers)}
        if complete and (note["verb"], note["kind"]) == ("ingest", "userData"):
            inner["uploadMatchRateRange"] = match_rate_range(int(self.store.setting("match_rate")))
        return {**told, status: {f"{note['kind']}{noun}Status": inner}}


def match_rate_range(percent: int) -> str:
    return "MATCH_RATE_RANGE_" + next(name for below, name in RANGES if percent < below)


def _person(held: Document) -> Person:
    """A member is its identifiers, all together."""
    return Person(digest(json.dumps(held, sort_keys=True)), "", held, "", "")
