"""HubSpot's CRM API as far as contacts and lists with members by hand go: `/hubspot/crm/v3/...`, and the same under each dated version.

What HubSpot's documents leave open is a setting, read and changed at `/_control/hubspot/settings`:

- `properties`: the names a contact's properties may have. `poison` ([]): e-mails that fail.
- `told_apart` (true): with a trace id on every input a failure is told of its record, in a 207; without, the whole batch is refused.
- `named_by` (`objectWriteTraceId`; `ids`; empty: nothing): what the context of a record's failure names it by.
- `added_key` (`recordsIdsAdded`): how the answer to a change of members spells who was added.
- `unread` ([]): e-mails and record ids of which a reading of many says that it failed. `rules` ([]): e-mails a rule of the account's admin
  refuses, in words nobody has published; where they are not told apart, with the whole batch.
- `most_members` (1000): ids in one change. `names_fold` (false): two lists cannot have names that differ in capitals alone.
- `limit_factor` (1000; 1 gives HubSpot's own limit), `policy` (`TEN_SECONDLY_ROLLING`; `DAILY`): what a 429 is about.

A list that `POST /_control/hubspot/lists/{id}` gives `deletedAt` is deleted and still shown; one with the `processingType` DYNAMIC takes
nobody by hand.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, json_body, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.lists import Lists, Person
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN = "sandbox-hubspot-token"
VERSIONS = ("v3", "2025-09", "2026-03", "2026-09")
EMAIL = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s]+\.[^@\s.]+")
LARGEST_BATCH, LARGEST_PAGE = 100, 250
FIRST_LIST, FIRST_RECORD = 31_000_000, 7_000_000
RATE = (100, 10.0)
LEFT_OPEN: Mapping[str, Any] = {
    "properties": ["email", "firstname", "lastname", "company", "phone", "city", "zip", "country", "value_tier"],
    "poison": [],
    "rules": [],
    "unread": [],
    "told_apart": True,
    "named_by": "objectWriteTraceId",
    "added_key": "recordsIdsAdded",
    "most_members": 1000,
    "names_fold": False,
    "limit_factor": 1000,
    "policy": "TEN_SECONDLY_ROLLING",
}
Document = dict[str, Any]


def refused(code: int, category: str, message: str, **more: Any) -> Refused:
    told = {"message": message, "correlationId": str(uuid.uuid4()), "category": category}
    return Refused(code, told | more)


def invalid(message: str, **more: Any) -> Refused:
    return refused(400, "VALIDATION_ERROR", message, **more)


def no_list(identifier: str) -> Refused:
    return refused(
        404, "OBJECT_NOT_FOUND", f"List does not exist with ID {identifier}.", subCategory="ILS.LIST_NOT_FOUND"
    )


def limited(policy: str) -> Refused:
    """Has no Retry-After."""
    told: Document = {"status": "error", "errorType": "RATE_LIMIT", "policyName": policy}
    return refused(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", **told)


def unauthorized() -> Refused:
    return refused(401, "INVALID_AUTHENTICATION", "Authentication credentials not found, or they have expired.")


class HubSpot:
    """The endpoints over one store. A contact is a record known by its e-mail, in whatever case."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "hubspot", defaults=LEFT_OPEN, schema=(lists.SCHEMA,))
        self.lists = Lists(self.store, identify=lambda n: str(FIRST_LIST + n), identifiers=["email"], folded=["email"])
        self.windows = Windows()

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise unauthorized()
        most, seconds = RATE[0] * self.store.setting("limit_factor"), RATE[1]
        try:
            [left] = self.windows.spend("app", (most, seconds))
        except LimitReached:
            raise limited(self.store.setting("policy")) from None
        told = {"Interval-Milliseconds": "10000", "Max": str(most), "Remaining": str(left)}
        return request, {f"X-HubSpot-RateLimit-{name}": value for name, value in told.items()}

    def create_list(self, request: Request) -> Answer:
        given = sent(request)
        for name in ("name", "objectTypeId", "processingType"):
            if not given.get(name):
                raise invalid(f"Some required fields were not set: [{name}]")
        if given["objectTypeId"] != "0-1" or given["processingType"] not in ("MANUAL", "SNAPSHOT"):
            raise invalid("The sandbox has lists of contacts with members by hand alone.")
        with self.store.writing():
            self.free(given["name"])
            made = self.lists.create(given["name"], processingType=given["processingType"])
        return 200, {"list": self.shown(made["id"])}

    def free(self, name: str, own: str = "") -> None:
        """Refuses a name another list has."""
        collation = "COLLATE NOCASE" if self.store.setting("names_fold") else ""
        if self.lists.page(0, 1, f"name = ? {collation} AND id <> ?", name, own):
            raise invalid("A list with this name already exists.", subCategory="ILS.DUPLICATE_LIST_NAMES")

    def shown(self, identifier: str) -> Document:
        row = self.lists.found(identifier, no_list(identifier))
        told = {"processingType": "MANUAL", "processingStatus": "COMPLETE", "objectTypeId": "0-1", "listVersion": 1}
        times = {"createdAt": row["created_at"], "updatedAt": row["updated_at"]}
        held: Document = json.loads(row["held"])
        return told | held | times | {"listId": row["id"], "name": row["name"]}

    def by_hand(self, identifier: str) -> None:
        """Refuses a change of the members of a list that is deleted, or follows a rule."""
        told = self.shown(identifier)
        if told.get("deletedAt"):
            raise no_list(identifier)
        if told["processingType"] == "DYNAMIC":
            raise invalid("List memberships can only be changed for lists of the type MANUAL or SNAPSHOT.")

    def get_list(self, request: Request) -> Answer:
        return 200, {"list": self.shown(request.path_params["id"])}

    def named_list(self, request: Request) -> Answer:
        collation = "COLLATE NOCASE" if self.store.setting("names_fold") else ""
        found = self.lists.page(0, 1, f"name = ? {collation}", request.path_params["name"])
        if not found:
            raise refused(404, "OBJECT_NOT_FOUND", "List does not exist with the given name and object type ID.")
        return 200, {"list": self.shown(found[0]["id"])}

    def rename_list(self, request: Request) -> Answer:
        identifier, name = request.path_params["id"], request.query_params.get("listName")
        if not name:
            raise invalid("listName is required.")
        with self.store.writing():
            self.shown(identifier)
            self.free(name, identifier)
            self.lists.change(identifier, name=name)
        return 200, {"updatedList": self.shown(identifier)}

    def drop_list(self, request: Request) -> Answer:
        self.shown(request.path_params["id"])
        self.lists.drop(request.path_params["id"])
        return 204, None

    def members(self, request: Request) -> Answer:
        identifier = request.path_params["id"]
        self.shown(identifier)
        limit, after = int(request.query_params.get("limit", 100)), request.query_params.get("after", "0")
        if not 1 <= limit <= LARGEST_PAGE or not after.isdigit():
            raise invalid(f"limit is from 1 to {LARGEST_PAGE}, and after a number.")
        found = self.lists.members(identifier, int(after), limit + 1)
        joined = self.lists.joined(identifier, [each.number for each in found])
        page = found[:limit]
        told = [{"recordId": each.id, "membershipTimestamp": joined[each.number]} for each in page]
        more = {"paging": {"next": {"after": str(page[-1].number)}}} if len(found) > limit else {}
        return 200, {"results": told, "total": self.lists.size(identifier)} | more

    def change_members(self, request: Request) -> Answer:
        given = sent(request)
        asked: list[Any] = [given.get(name) for name in ("recordIdsToAdd", "recordIdsToRemove")]
        for ids in asked:
            if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
                raise invalid("recordIdsToAdd and recordIdsToRemove are lists of record ids, which are texts.")
        adds, removes = asked
        if len(adds) + len(removes) > (most := self.store.setting("most_members")):
            raise invalid(f"At most {most} records are taken.")
        fault, identifier = row_errors(request), request.path_params["id"]
        with self.store.writing():
            self.by_hand(identifier)
            kept = [one for n, one in enumerate([*adds, *removes]) if not (fault and fault.picks(n))]
            people = {each.id: each.number for each in self.lists.people(ids=kept)}
            inside = self.lists.joined(identifier, people.values()).keys()
            self.lists.add([identifier], [people[one] for one in adds if one in people])
            self.lists.remove(identifier, [people[one] for one in removes if one in people])
        return 200, {
            self.store.setting("added_key"): [one for one in adds if one in people and people[one] not in inside],
            "recordIdsRemoved": [one for one in removes if people.get(one) in inside],
            "recordIdsMissing": [one for one in (*adds, *removes) if one not in people],
        }

    def contact(self, each: Person, names: Sequence[str] = ()) -> Document:
        held = {name: value for name, value in each.held.items() if not names or name in names}
        times = {"createdAt": each.created_at, "updatedAt": each.updated_at}
        return {"id": each.id, "properties": held, "archived": False} | times

    def contacts(self, request: Request) -> Answer:
        people = self.lists.people(0, min(100, int(request.query_params.get("limit", 10))))
        return 200, {"results": [self.contact(each) for each in people]}

    def upsert(self, request: Request) -> Answer:
        inputs = batch(request)
        traces = [one.get("objectWriteTraceId") for one in inputs]
        if len({one.get("id") for one in inputs}) < len(inputs) or len(set(traces) - {None}) < len(
            traces
        ) - traces.count(None):
            raise invalid("Duplicate IDs found in batch input.")
        fault, apart = row_errors(request), None not in traces and self.store.setting("told_apart")
        results, errors = [], []
        with self.store.writing():
            fields = [{"email": one.get("id"), **(one.get("properties") or {})} for one in inputs]
            book = Book(self.lists, fields, identify=lambda n: str(FIRST_RECORD + n))
            for position, (one, held) in enumerate(zip(inputs, fields, strict=True)):
                wrong = "The record could not be written." if fault and fault.picks(position) else self.problem(one)
                if wrong:
                    errors.append((one, wrong))
                    continue
                known = book.find({"email": one["id"]})
                person = book.upsert({name: value or None for name, value in held.items()}, known)
                trace = {"objectWriteTraceId": one["objectWriteTraceId"]} if apart else {}
                results.append(self.contact(person) | {"new": known is None} | trace)
            if errors and not apart:
                raise invalid(errors[0][1])
            book.save()
        return self.told(results, [self.failure(one, wrong) for one, wrong in errors])

    def problem(self, one: Mapping[str, Any]) -> str | None:
        """What is wrong with one input, in HubSpot's words."""
        properties = one.get("properties")
        if not isinstance(one.get("id"), str) or not isinstance(properties, dict):
            raise invalid("Invalid input JSON: an input has an id and properties.")
        if not all(isinstance(value, str) for value in properties.values()):
            raise invalid("Invalid input JSON: values of properties are texts.")
        if one.get("idProperty") != "email" or str(properties.get("email")).lower() != one["id"].lower():
            return "An upsert by e-mail names it as idProperty, and among the properties."
        if not EMAIL.fullmatch(one["id"]) or one["id"] in self.store.setting("poison"):
            return not_valid("Email address is invalid", "INVALID_EMAIL", "email")
        if one["id"] in self.store.setting("rules"):
            return "A validation rule of this account is not met."
        for name in properties:
            if name not in self.store.setting("properties"):
                return not_valid(f'Property \\"{name}\\" does not exist', "PROPERTY_DOESNT_EXIST", name)
        return None

    def failure(self, one: Mapping[str, Any], wrong: str) -> Document:
        by = self.store.setting("named_by")
        context = {by: [one["id" if by == "ids" else by]]} if by else {}
        told = {"status": "error", "category": "VALIDATION_ERROR", "message": wrong}
        return told | {"context": context, "errors": [], "links": {}}

    def told(self, results: Sequence[Document], errors: Sequence[Document]) -> Answer:
        answer = {"status": "COMPLETE", "results": results, "startedAt": self.store.now, "completedAt": self.store.now}
        return (207, answer | {"numErrors": len(errors), "errors": errors}) if errors else (200, answer)

    def read(self, request: Request) -> Answer:
        inputs, given = batch(request), json_body(request)
        if not isinstance(given.get("properties"), list) or not isinstance(given.get("propertiesWithHistory"), list):
            raise invalid("properties and propertiesWithHistory are required.")
        asked = [str(one.get("id")) for one in inputs]
        if given.get("idProperty") == "email":
            people = self.lists.people(keys=[key for one in asked for key in self.lists.keys_of({"email": one})])
            missing = sorted({one.lower() for one in asked} - {str(each.held["email"]).lower() for each in people})
        else:
            people = self.lists.people(ids=asked)
            missing = sorted(set(asked) - {each.id for each in people})
        unread = set(self.store.setting("unread"))
        people = [each for each in people if unread.isdisjoint({each.id, each.held.get("email")})]
        lost = {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "context": {"ids": missing},
            "errors": [],
            "links": {},
        }
        lost["message"] = (
            "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
        )
        failed = {**lost, "category": "INTERNAL_ERROR", "context": {}, "message": "internal error"}
        errors = [*([lost] if missing else []), *([failed] if not unread.isdisjoint(asked) else [])]
        return self.told([self.contact(each, given["properties"]) for each in people], errors)

    def erase(self, request: Request) -> Answer:
        given = sent(request)
        by = {"email": given.get("objectId")} if given.get("idProperty") == "email" else {"id": given.get("objectId")}
        with self.store.writing():
            found = Book(self.lists, [by]).find(by)
            self.lists.forget([found.number] if found else [])
        return 204, None


def not_valid(message: str, code: str, name: str) -> str:
    detail = f'{{"isValid":false,"message":"{message}","error":"{code}","name":"{name}"}}'
    return f"Property values were not valid: [{detail}]"


def sent(request: Request) -> Document:
    return json_object(request, invalid("Invalid input JSON."))


def batch(request: Request) -> list[Document]:
    inputs = sent(request).get("inputs")
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= LARGEST_BATCH:
        raise invalid(f"The batch is of 1 to {LARGEST_BATCH} inputs.")
    return inputs


def serve(state: SandboxState) -> Served:
    hubspot = HubSpot(state)
    calls: dict[str, Any] = {}
    for version in VERSIONS:
        own = f"/crm/{version}/lists" if version == "v3" else f"/crm/lists/{version}"
        contacts = f"/crm/{version}/objects/contacts" if version == "v3" else f"/crm/objects/{version}/contacts"
        calls |= {
            own: {"POST": hubspot.create_list},
            f"{own}/object-type-id/0-1/name/{{name:path}}": {"GET": hubspot.named_list},
            f"{own}/{{id}}": {"GET": hubspot.get_list, "DELETE": hubspot.drop_list},
            f"{own}/{{id}}/update-list-name": {"PUT": hubspot.rename_list},
            f"{own}/{{id}}/memberships": {"GET": hubspot.members},
            f"{own}/{{id}}/memberships/add-and-remove": {"PUT": hubspot.change_members},
            contacts: {"GET": hubspot.contacts},
            f"{contacts}/batch/upsert": {"POST": hubspot.upsert},
            f"{contacts}/batch/read": {"POST": hubspot.read},
            f"{contacts}/gdpr-delete": {"POST": hubspot.erase},
        }
    typed: Calls[Request] = calls
    return Served(endpoints(typed, hubspot.admit), hubspot.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": limited("TEN_SECONDLY_ROLLING"),
        "expired_token": unauthorized(),
        "500": refused(500, "INTERNAL_ERROR", "internal error"),
        "503": refused(503, "SERVICE_UNAVAILABLE", "Service is unavailable."),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=10),
    writes=frozenset({"POST", "PUT", "DELETE"}),
    secrets={"HUBSPOT_ACCESS_TOKEN": TOKEN},
)
