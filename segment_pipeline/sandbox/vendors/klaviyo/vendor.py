"""Klaviyo's API as far as lists, profiles and their import go: `/klaviyo/api/...`. Consent is there to be read: nobody may touch it.
What people say there about being written to comes past the API, as `subscriptions` of somebody (see `sandbox.changes`) in the form they
are shown in: `{"email": {"consent": "UNSUBSCRIBED", "consent_timestamp": …, "suppression": […]}, "sms": {…}}`.

What Klaviyo's documents leave open is a setting, read and changed at `/_control/klaviyo/settings`; beside those of every job:

- `poison` ([]): e-mails whose presence makes Klaviyo refuse a whole import with a pointer to the row.
- `strangers_are_404` (false): a change of a list with an id that is no profile's is 404 on removal too, as it is on adding.
- `lacking` (0): so many of a list's members are missing from its listing, though they count.
- `limit_factor` (1000; 1 gives Klaviyo's own limits), `lists_per_day` (150).
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from segment_pipeline.sandbox import changes, jobs, lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import Windows
from segment_pipeline.sandbox.listing import unseal
from segment_pipeline.sandbox.lists import Lists, Person
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore, listed
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.klaviyo import jsonapi, profiles
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import (
    Document,
    batch,
    collection,
    data_of,
    invalid,
    problem,
    refused,
)
from segment_pipeline.sandbox.vendors.klaviyo.profiles import IDENTIFIERS, fields_of, problem_of

T = TypeVar("T")
LARGEST_IMPORT, LARGEST_BODY, LARGEST_RELATION = 10_000, 5 * 2**20, 1000
IMPORT = "profile-bulk-import-job"
ROWS = "/data/attributes/profiles/data"
DEFAULTS: Mapping[str, Any] = {
    **jobs.SETTINGS,
    "lacking": 0,
    "limit_factor": 1000,
    "lists_per_day": 150,
    "poison": [],
    "strangers_are_404": False,
}


class Klaviyo:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "klaviyo", defaults=DEFAULTS, schema=(lists.SCHEMA, jobs.SCHEMA))
        self.lists = Lists(
            self.store, identify=lambda _: lists.new_id()[-6:], identifiers=IDENTIFIERS, folded=["email"]
        )
        self.jobs = jobs.Jobs(self.store, self.carry_out)
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        jsonapi.authorize(request)
        return request, jsonapi.spend(self.windows, call, int(self.store.setting("limit_factor")))

    def the_list(self, request: Request, identifier: str | None = None) -> sqlite3.Row:
        """The list of that id, or else of the request's path."""
        return _found(self.lists.get(identifier or request.path_params["id"]), "list")

    def shown_list(self, row: sqlite3.Row, request: Request) -> Document:
        shown = {"name": row["name"], "created": row["created_at"], "updated": row["updated_at"]}
        if "profile_count" in request.query_params.get("additional-fields[list]", ""):
            shown["profile_count"] = self.lists.size(row["id"])
        return jsonapi.sparse(request, "list", jsonapi.resource("list", row["id"], shown | json.loads(row["held"])))

    def create_list(self, request: Request) -> Answer:
        given = jsonapi.attributes(data_of(request), "list")
        name, opt_in = _name(given), given.get("opt_in_process") or "double_opt_in"
        if opt_in not in ("double_opt_in", "single_opt_in"):
            raise invalid("'opt_in_process' is not valid.", "/data/attributes/opt_in_process")
        with self.store.writing():
            [today] = self.store.rows("SELECT count(*) FROM lists WHERE created_at LIKE ?", f"{self.store.now[:10]}%")
            if today[0] >= self.store.setting("lists_per_day"):
                raise jsonapi.throttled(3600)
            made = self.lists.create(name, opt_in_process=opt_in)
        return 201, {"data": self.shown_list(made, request)}

    def get_lists(self, request: Request) -> Answer:
        wanted = jsonapi.wanted(request, ("name", "id"))
        where = [f"{wanted[0]} IN (SELECT value FROM json_each(?))", listed(wanted[1])] if wanted else ["1"]
        return collection(
            request,
            lambda *part: self.lists.page(*part, *where),
            lambda row: (row["number"], self.shown_list(row, request)),
            largest=10,
        )

    def get_list(self, request: Request) -> Answer:
        return 200, {"data": self.shown_list(self.the_list(request), request)}

    def rename_list(self, request: Request) -> Answer:
        identifier, name = self.the_list(request)["id"], _name(jsonapi.attributes(data_of(request), "list"))
        self.lists.change(identifier, name=name)
        return self.get_list(request)

    def drop_list(self, request: Request) -> Answer:
        self.lists.drop(self.the_list(request)["id"])
        return 204, None

    def change_members(self, request: Request) -> Answer:
        data = batch(data_of(request, list), LARGEST_RELATION, "/data")
        if not all(isinstance(one, dict) and one.get("type") == "profile" and one.get("id") for one in data):
            raise invalid("Each item needs type 'profile' and an id.")
        identifier, ids = self.the_list(request)["id"], {str(one["id"]) for one in data}
        with self.store.writing():
            numbers = [profile.number for profile in self.lists.people(ids=ids)]
            adding = request.method == "POST"
            if len(numbers) < len(ids) and (adding or self.store.setting("strangers_are_404")):
                raise jsonapi.not_found("profile")
            if not adding:
                self.lists.remove(identifier, numbers)
            else:
                self.lists.add([identifier], numbers)
        return 204, None

    def member_ids(self, request: Request) -> Answer:
        identifier = self.the_list(request)["id"]
        return collection(
            request,
            lambda *part: self.lists.members(identifier, *part),
            lambda each: (each.number, {"type": "profile", "id": each.id}),
        )

    def members(self, request: Request) -> Answer:
        """Those on a list, each with when it came onto it."""
        identifier = self.the_list(request)["id"]
        if request.query_params.get("filter"):
            raise invalid("The sandbox filters no members.", "filter")

        def show(each: Person) -> tuple[int, Document]:
            shown = profiles.shown(each)
            shown["attributes"]["joined_group_at"] = self.lists.joined(identifier, [each.number])[each.number]
            return each.number, jsonapi.sparse(request, "profile", shown)

        hidden = {each.number for each in self.lists.members(identifier, 0, int(self.store.setting("lacking")))}

        def find(after: int, limit: int) -> Sequence[Person]:
            found = self.lists.members(identifier, after, limit + len(hidden))
            return [each for each in found if each.number not in hidden][:limit]

        return collection(request, find, show)

    def profiles(self, request: Request, find: Callable[[int, int], Sequence[Person]]) -> Answer:
        return collection(request, find, lambda each: (each.number, self.shown_profile(each, request)))

    def shown_profile(self, profile: Person, request: Request) -> Document:
        more = request.query_params.get("additional-fields[profile]")
        if more not in (None, "subscriptions"):
            raise invalid("The sandbox has no such additional field.", "additional-fields[profile]")
        return jsonapi.sparse(request, "profile", profiles.shown(profile, subscriptions=more is not None))

    def changed(self, request: Request, bounds: Sequence[tuple[str, str, str]]) -> Answer:
        if request.query_params.get("sort") != "updated":
            raise invalid("The sandbox lists what has changed by 'updated' alone.", "sort")
        return collection(
            request,
            lambda after, limit: changes.changed(self.lists, bounds, after, limit),
            lambda each: (each.place, self.shown_profile(each.person, request)),
            at=lambda cursor: str(unseal(cursor)[0]) if cursor else "",
        )

    def get_profiles(self, request: Request) -> Answer:
        if bounds := jsonapi.compared(request, ("updated", "created")):
            return self.changed(request, bounds)
        wanted = jsonapi.wanted(request, ("id", *IDENTIFIERS))
        chosen: dict[str, Any] = {}
        if wanted is not None:
            held = [fields_of({"attributes": {wanted[0]: value}}) for value in wanted[1]]
            keys = [key for each in held for key in self.lists.keys_of(each)]
            chosen = {"ids": wanted[1]} if wanted[0] == "id" else {"keys": keys}
        return self.profiles(request, lambda *part: self.lists.people(*part, **chosen))

    def upsert(self, request: Request, *, create: bool = False) -> Answer:
        """One profile; `create`: one that is there is in the way."""
        sent = data_of(request)
        if wrong := problem_of(sent):
            raise refused(jsonapi.under("/data", wrong))
        with self.store.writing():
            book = Book(self.lists, [fields := fields_of(sent)])
            known = book.find(fields)
            profile = profiles.upsert(book, sent, create=create)
            if not isinstance(profile, Person):
                raise refused(jsonapi.under("/data", profile))
            book.save()
        return 200 if known else 201, {"data": profiles.shown(profile)}

    def open_import(self, request: Request) -> Answer:
        if len(body(request)) > LARGEST_BODY:
            raise jsonapi.error(413, "payload_too_large", "Payload too large.", "The limit is 5 MB.")
        data = data_of(request)
        sent = (jsonapi.attributes(data, IMPORT).get("profiles") or {}).get("data")
        rows = batch(sent, LARGEST_IMPORT, ROWS)
        if problems := self.refusals(rows):
            raise refused(*problems)
        into = [str(self.the_list(request, str(each["id"]))["id"]) for each in jsonapi.related(data, "lists") or []]
        return 202, {"data": self.shown_job(self.jobs.open(rows, into, row_errors(request)), request)}

    def refusals(self, rows: Sequence[Any]) -> list[Document]:
        """What makes Klaviyo refuse a whole import, each with a pointer to its row."""
        poison = {str(value).lower() for value in self.store.setting("poison")}
        found = []
        for position, sent in enumerate(rows):
            if profiles.unreadable(sent) or str(sent["attributes"].get("email")).lower() in poison:
                wrong = problem_of(sent) or problem("Invalid email address.", "/attributes/email")
                found.append(jsonapi.under(f"{ROWS}/{position}", wrong))
        return found

    def carry_out(self, work: jobs.Work) -> jobs.Outcome:
        book = Book(self.lists, [fields_of(sent) for sent in work.rows])
        people, errors = [], []
        for position, sent in enumerate(work.rows):
            picked = work.fault is not None and work.fault.picks(position)
            wrong = problem("The profile could not be imported.", "") if picked else problem_of(sent)
            outcome = wrong or profiles.upsert(book, sent)
            if isinstance(outcome, Person):
                people.append(outcome.number)
            else:
                told = {name: outcome[name] for name in ("code", "title", "detail")}
                errors.append({**told, "source": {"pointer": "/data"}, "original_payload": sent})
        book.save()
        self.lists.add(work.lists, people)
        return jobs.Outcome(people, errors)

    def shown_job(self, row: sqlite3.Row, request: Request) -> Document:
        """Counts stay 0 until the job is complete."""
        complete, waits = row["completed_at"] is not None, self.jobs.waits(row)
        shown = {
            "status": "complete" if complete else "queued" if waits else "processing",
            "total_count": row["total"],
            "completed_count": row["total"] - row["failed"] if complete else 0,
            "failed_count": row["failed"] if complete else 0,
            "created_at": row["created_at"],
            "started_at": None if waits else row["created_at"],
            "completed_at": row["completed_at"],
            "expires_at": (parse_instant(row["created_at"]) + timedelta(days=7)).isoformat(),
        }
        told = jsonapi.sparse(request, IMPORT, jsonapi.resource(IMPORT, row["id"], shown))
        own = told["links"]["self"]
        into = [{"type": "list", "id": identifier} for identifier in json.loads(row["lists"])]
        errors = {"links": {"related": f"{own}import-errors/"}}
        return {**told, "relationships": {"lists": {"data": into}, "import-errors": errors}}

    def get_import(self, request: Request) -> Answer:
        return 200, {"data": self.shown_job(_found(self.jobs.poll(request.path_params["id"]), IMPORT), request)}

    def finished(self, request: Request) -> str:
        """The id of the job; no job's while it is not complete."""
        job = _found(self.jobs.get(request.path_params["id"]), IMPORT)
        return str(job["id"]) if job["completed_at"] else ""

    def import_errors(self, request: Request) -> Answer:
        job = self.finished(request)

        def show(row: sqlite3.Row) -> tuple[int, Document]:
            number = row["number"]
            shown = {"type": "import-error", "id": f"{job}.{number}", "attributes": json.loads(row["body"])}
            return number, jsonapi.sparse(request, "import-error", shown)

        return collection(request, lambda *part: self.jobs.errors(job, *part), show)

    def import_profiles(self, request: Request) -> Answer:
        job = self.finished(request)
        return self.profiles(request, lambda *part: self.jobs.people(job, *part))

    def erase(self, request: Request) -> Answer:
        job = jsonapi.attributes(data_of(request), "data-privacy-deletion-job")
        profile = (job.get("profile") or {}).get("data") or {}
        given = {"id": profile.get("id"), **(profile.get("attributes") or {})}
        named = {name: str(given[name]) for name in ("id", "email", "phone_number") if given.get(name)}
        if len(named) != 1:
            raise invalid("Exactly one of id, email or phone_number is required.", "/data/attributes/profile")
        with self.store.writing():
            found = Book(self.lists, [fields := fields_of({"attributes": named})]).find(fields)
            self.lists.forget([found.number] if found else [])
        return 202, None

    def unknown(self, request: Request) -> Answer:
        old = request.path_params["rest"].startswith(("api/v1/", "api/v2/"))
        raise jsonapi.retired() if old else jsonapi.not_found("resource")


def serve(state: SandboxState) -> Served:
    klaviyo = Klaviyo(state)
    job, change = "/api/profile-bulk-import-jobs", klaviyo.change_members
    calls: Calls[Request] = {
        "/api/lists": {"GET": klaviyo.get_lists, "POST": klaviyo.create_list},
        "/api/lists/{id}": {"GET": klaviyo.get_list, "PATCH": klaviyo.rename_list, "DELETE": klaviyo.drop_list},
        "/api/lists/{id}/profiles": {"GET": klaviyo.members},
        "/api/lists/{id}/relationships/profiles": {"GET": klaviyo.member_ids, "POST": change, "DELETE": change},
        "/api/profiles": {"GET": klaviyo.get_profiles, "POST": partial(klaviyo.upsert, create=True)},
        "/api/profile-import": {"POST": klaviyo.upsert},
        job: {"POST": klaviyo.open_import},
        f"{job}/{{id}}": {"GET": klaviyo.get_import},
        f"{job}/{{id}}/import-errors": {"GET": klaviyo.import_errors},
        f"{job}/{{id}}/profiles": {"GET": klaviyo.import_profiles},
        "/api/data-privacy-deletion-jobs": {"POST": klaviyo.erase},
        "/{rest:path}": dict.fromkeys(("GET", "POST", "PATCH", "PUT", "DELETE"), klaviyo.unknown),
    }
    said = changes.people(klaviyo.lists)
    return Served(endpoints(calls, klaviyo.admit, jsonapi.MEDIA_TYPE), [*klaviyo.lists.control(), said])


def errors(seconds: float) -> Mapping[str, Refused]:
    return {
        "429": jsonapi.throttled(seconds),
        "expired_token": jsonapi.unauthorized("Missing or invalid private key."),
        "500": jsonapi.error(500, "error", "Internal server error."),
        "503": jsonapi.error(503, "error", "Service unavailable."),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1, media_type=jsonapi.MEDIA_TYPE),
    writes=frozenset({"POST", "DELETE", "PATCH"}),
    secrets={"KLAVIYO_API_KEY": jsonapi.KEY},
)


def _found(held: T | None, what: str) -> T:
    if not held:
        raise jsonapi.not_found(what)
    return held


def _name(given: Document) -> str:
    if not given.get("name") or not isinstance(given["name"], str):
        raise invalid("'name' is a required field.", "/data/attributes/name")
    return given["name"]
