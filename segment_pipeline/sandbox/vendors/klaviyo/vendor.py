"""Klaviyo's API as far as lists, profiles and their import go: `/klaviyo/api/...`.

What Klaviyo's documents leave open is a setting, read and changed at `/_control/klaviyo/settings`; beside those of every job:

- `bulk_validation` (`row`: an import error each; `batch`: 400 with a pointer to every bad row, nothing imported).
- `poison` ([]): e-mails whose presence makes Klaviyo refuse a whole import with a pointer to the row.
- `conflicts` (`error`: a row with an identifier of another profile fails as duplicate_profile; `drop`: it is left out).
- `error_pointer` (`/data`, the documented default; `indexed`: the row's own pointer).
- `limit_factor` (1000; 1 gives Klaviyo's own limits), `lists_per_day` (150).
"""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segment_pipeline.sandbox import jobs, lists
from segment_pipeline.sandbox.exchange import Refused, RowErrors, body, either_slash, row_errors
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.limits import Windows
from segment_pipeline.sandbox.lists import Book, Lists, Person
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore, listed
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.klaviyo import jsonapi, profiles
from segment_pipeline.sandbox.vendors.klaviyo.consent import Answer, Consent, subscriptions
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import (
    MEDIA_TYPE,
    Document,
    Page,
    Problem,
    data_of,
    invalid,
    refused,
)
from segment_pipeline.sandbox.vendors.klaviyo.profiles import IDENTIFIERS, fields_of, problem_of

T = TypeVar("T")
Call = Callable[[Request], Answer]
LARGEST_IMPORT, LARGEST_BODY, LARGEST_RELATION = 10_000, 5 * 2**20, 1000
IMPORT = "profile-bulk-import-job"
ROWS = "/data/attributes/profiles/data"
DEFAULTS: Mapping[str, Any] = {
    **jobs.DEFAULTS,
    "bulk_validation": "row",
    "conflicts": "error",
    "error_pointer": "/data",
    "limit_factor": 1000,
    "lists_per_day": 150,
    "poison": [],
}


class Klaviyo:
    """The endpoints over one store. Each returns a status and a document; None is an empty answer."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "klaviyo", defaults=DEFAULTS, schema=(lists.SCHEMA, jobs.SCHEMA))
        self.lists = Lists(self.store, identify=lambda _: lists.new_id()[-6:], identifiers=IDENTIFIERS)
        self.jobs = jobs.Jobs(self.store, self.carry_out)
        self.consent = Consent(self.lists)
        self.windows = Windows()

    def endpoint(self, path: str, calls: Mapping[str, tuple[str, Call]]) -> Callable[[Request], Response]:
        """One route; `calls` gives the tier and the call of each HTTP method."""

        def answer(request: Request) -> Response:
            headers: dict[str, str] = {}
            tier, call = calls[request.method]
            try:
                jsonapi.authorize(request)
                factor = int(self.store.setting("limit_factor"))
                headers = jsonapi.spend(self.windows, f"{request.method} {path}", tier, factor)
                status, content = call(request)
            except Refused as error:
                return error.response(headers, MEDIA_TYPE)
            if content is None:
                return Response(status_code=status, headers=headers)
            return JSONResponse(content, status, headers, MEDIA_TYPE)

        return answer

    def the_list(self, request: Request, identifier: str | None = None) -> sqlite3.Row:
        """The list of that id, or else of the request's path."""
        return _found(self.lists.get(identifier or request.path_params["id"]), "list")

    def shown_list(self, row: sqlite3.Row, request: Request) -> Document:
        shown = {"name": row["name"], "created": row["created_at"], "updated": row["updated_at"]}
        if "profile_count" in request.query_params.get("additional-fields[list]", ""):
            shown["profile_count"] = self.lists.size(row["id"])
        links = {"self": f"https://a.klaviyo.com/api/lists/{row['id']}/"}
        return {"type": "list", "id": row["id"], "attributes": shown | json.loads(row["held"]), "links": links}

    def create_list(self, request: Request) -> Answer:
        given = jsonapi.attributes(data_of(request), "list")
        name = _name(given)
        opt_in = given.get("opt_in_process") or "double_opt_in"
        if opt_in not in ("double_opt_in", "single_opt_in"):
            raise invalid("'opt_in_process' is not valid.", "/data/attributes/opt_in_process")
        with self.store.writing():
            [today] = self.store.rows("SELECT count(*) FROM lists WHERE created_at LIKE ?", f"{self.store.now[:10]}%")
            if today[0] >= self.store.setting("lists_per_day"):
                raise jsonapi.throttled(3600)
            made = self.lists.create(name, opt_in_process=opt_in)
        return 201, {"data": self.shown_list(made, request)}

    def get_lists(self, request: Request) -> Answer:
        page, wanted = Page.asked(request, default=10, largest=10), jsonapi.wanted(request, ("name", "id"))
        where = f"{wanted[0]} IN (SELECT value FROM json_each(?))" if wanted else "1"
        rows = self.lists.page(page.after, page.size + 1, where, *([listed(wanted[1])] if wanted else []))
        return 200, page.collection([(row["number"], self.shown_list(row, request)) for row in rows])

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
        data = data_of(request, list)
        if not 1 <= len(data) <= LARGEST_RELATION:
            raise invalid(f"'data' takes from 1 to {LARGEST_RELATION} profiles.")
        if not all(isinstance(one, dict) and one.get("type") == "profile" and one.get("id") for one in data):
            raise invalid("Each item needs type 'profile' and an id.")
        identifier, ids = self.the_list(request)["id"], {str(one["id"]) for one in data}
        with self.store.writing():
            numbers = [profile.number for profile in self.lists.people(ids=ids)]
            if request.method == "DELETE":
                self.lists.remove([identifier], numbers)
            elif len(numbers) < len(ids):
                raise jsonapi.not_found("profile")
            else:
                self.lists.add([identifier], numbers)
        return 204, None

    def member_ids(self, request: Request) -> Answer:
        page = Page.asked(request)
        found = self.lists.members(self.the_list(request)["id"], page.after, page.size + 1)
        return 200, page.collection([(each.number, {"type": "profile", "id": each.id}) for each in found])

    def members(self, request: Request) -> Answer:
        page = Page.asked(request)
        return self.profiles(page, self.lists.members(self.the_list(request)["id"], page.after, page.size + 1))

    def profiles(self, page: Page, found: Sequence[Person]) -> Answer:
        return 200, page.collection([(profile.number, self.shown(profile, page.request)) for profile in found])

    def shown(self, profile: Person, request: Request) -> Document:
        shown = profiles.resource(profile)
        if "subscriptions" in request.query_params.get("additional-fields[profile]", ""):
            shown["attributes"]["subscriptions"] = subscriptions(profile)
        return shown

    def get_profiles(self, request: Request) -> Answer:
        page, wanted = Page.asked(request), jsonapi.wanted(request, ("id", *IDENTIFIERS))
        chosen: dict[str, Any] = {}
        if wanted is not None:
            held = [fields_of({"attributes": {wanted[0]: value}}) for value in wanted[1]]
            keys = [key for each in held for key in self.lists.keys_of(each)]
            chosen = {"ids": wanted[1]} if wanted[0] == "id" else {"keys": keys}
        return self.profiles(page, self.lists.people(page.after, page.size + 1, **chosen))

    def get_profile(self, request: Request) -> Answer:
        found = next(iter(self.lists.people(ids=[request.path_params["id"]])), None)
        return 200, {"data": self.shown(_found(found, "profile"), request)}

    def upsert(self, request: Request, *, create: bool = False) -> Answer:
        """One profile, created, updated by the id of the path, or whichever it is; `create`: one that is there is in the way."""
        sent = data_of(request)
        if "id" in request.path_params:
            sent = {**sent, "id": request.path_params["id"]}
        if problem := problem_of(sent):
            raise invalid(problem.detail, f"/data{problem.pointer}")
        with self.store.writing():
            fields = fields_of(sent)
            book = Book(self.lists, [fields])
            found = None if create else book.find(fields)
            if not create and "id" in fields:
                _found(found, "profile")
            if taken := book.conflict(fields, found):
                raise refused(409, profiles.duplicate(taken[1]))
            profile = profiles.upsert(book, fields, sent, found)
            book.save()
        created = found is None and "id" not in request.path_params
        return 201 if created else 200, {"data": self.shown(profile, request)}

    def open_import(self, request: Request) -> Answer:
        if len(body(request)) > LARGEST_BODY:
            raise refused(413, Problem("payload_too_large", "Payload too large.", "The limit is 5 MB."))
        data = data_of(request)
        rows = (jsonapi.attributes(data, IMPORT).get("profiles") or {}).get("data")
        if not isinstance(rows, list) or not 1 <= len(rows) <= LARGEST_IMPORT:
            raise invalid(f"'profiles' takes from 1 to {LARGEST_IMPORT} profiles.", ROWS)
        if problems := self.refusals(rows):
            raise refused(400, *problems)
        into = [str(self.the_list(request, str(each["id"]))["id"]) for each in jsonapi.related(data, "lists") or []]
        return 202, {"data": self.shown_job(self.jobs.open(rows, into, row_errors(request)))}

    def refusals(self, rows: Sequence[Any]) -> list[Problem]:
        """What makes Klaviyo refuse a whole import, each with a pointer to its row."""
        poison = {str(value).lower() for value in self.store.setting("poison")}
        strict = self.store.setting("bulk_validation") == "batch"
        found = []
        for position, sent in enumerate(rows):
            readable = (
                isinstance(sent, dict) and sent.get("type") == "profile" and isinstance(sent.get("attributes"), dict)
            )
            problem = problem_of(sent) if strict or not readable else None
            if readable and str(sent["attributes"].get("email")).lower() in poison:
                problem = Problem("invalid", "Invalid input.", "Invalid email address.", "/attributes/email")
            if problem is not None:
                found.append(problem._replace(pointer=f"{ROWS}/{position}{problem.pointer}"))
        return found

    def carry_out(self, rows: Sequence[Any], into: Sequence[str], fault: RowErrors | None) -> jobs.Outcome:
        share = self.store.setting("conflicts") == "drop"
        pointed = self.store.setting("error_pointer") == "indexed"
        book = Book(self.lists, [fields_of(sent) for sent in rows])
        people, errors = [], []
        for position, sent in enumerate(rows):
            outcome: Person | Problem | None = problem_of(sent)
            if fault is not None and fault.picks(position):
                outcome = Problem("invalid", "Invalid input.", "The profile could not be imported.", "")
            if outcome is None:
                outcome = profiles.import_one(book, sent, share=share)
            if isinstance(outcome, Person):
                people.append(outcome.number)
                continue
            source = {"pointer": f"{ROWS}/{position}{outcome.pointer}" if pointed else "/data"}
            told = {"code": outcome.code, "title": outcome.title, "detail": outcome.detail}
            errors.append({**told, "source": source, "original_payload": sent})
        book.save()
        self.lists.add(into, people)
        return jobs.Outcome(people, errors)

    def shown_job(self, row: sqlite3.Row) -> Document:
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
        links = {"self": f"https://a.klaviyo.com/api/{IMPORT}s/{row['id']}/"}
        return {"type": IMPORT, "id": row["id"], "attributes": shown, "links": links}

    def get_import(self, request: Request) -> Answer:
        return 200, {"data": self.shown_job(_found(self.jobs.poll(request.path_params["id"]), IMPORT))}

    def finished(self, request: Request) -> str:
        """The id of the job; no job's while it is not complete."""
        job = _found(self.jobs.get(request.path_params["id"]), IMPORT)
        return str(job["id"]) if job["completed_at"] else ""

    def import_errors(self, request: Request) -> Answer:
        page, job = Page.asked(request), self.finished(request)
        rows = self.jobs.errors(job, page.after, page.size + 1)
        shown = [
            {"type": "import-error", "id": f"{job}.{row['number']}", "attributes": json.loads(row["body"]), "links": {}}
            for row in rows
        ]
        return 200, page.collection([(row["number"], each) for row, each in zip(rows, shown, strict=True)])

    def import_profiles(self, request: Request) -> Answer:
        page = Page.asked(request)
        return self.profiles(page, self.jobs.people(self.finished(request), page.after, page.size + 1))

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

    def consents(self, _: Request) -> Response:
        return JSONResponse({profile.id: subscriptions(profile) for profile in self.lists.people()})


def serve(state: SandboxState) -> Served:
    klaviyo = Klaviyo(state)
    consent = klaviyo.consent
    member, job = "/api/lists/{id}/relationships/profiles", "/api/profile-bulk-import-jobs"
    change = ("M", klaviyo.change_members)
    endpoints: Mapping[str, Mapping[str, tuple[str, Call]]] = {
        "/api/lists": {"GET": ("L", klaviyo.get_lists), "POST": ("M", klaviyo.create_list)},
        "/api/lists/{id}": {
            "GET": ("L", klaviyo.get_list),
            "PATCH": ("M", klaviyo.rename_list),
            "DELETE": ("M", klaviyo.drop_list),
        },
        member: {"GET": ("L", klaviyo.member_ids), "POST": change, "DELETE": change},
        "/api/lists/{id}/profiles": {"GET": ("L", klaviyo.members)},
        "/api/profiles": {
            "GET": ("L", klaviyo.get_profiles),
            "POST": ("L", lambda request: klaviyo.upsert(request, create=True)),
        },
        "/api/profiles/{id}": {"GET": ("L", klaviyo.get_profile), "PATCH": ("L", klaviyo.upsert)},
        "/api/profile-import": {"POST": ("L", klaviyo.upsert)},
        job: {"POST": ("M", klaviyo.open_import)},
        f"{job}/{{id}}": {"GET": ("M", klaviyo.get_import)},
        f"{job}/{{id}}/import-errors": {"GET": ("M", klaviyo.import_errors)},
        f"{job}/{{id}}/profiles": {"GET": ("M", klaviyo.import_profiles)},
        "/api/data-privacy-deletion-jobs": {"POST": ("S", klaviyo.erase)},
        "/api/profile-subscription-bulk-create-jobs": {"POST": ("L", consent.subscribe)},
        "/api/profile-subscription-bulk-delete-jobs": {"POST": ("L", consent.unsubscribe)},
        "/api/profile-suppression-bulk-create-jobs": {"POST": ("L", consent.suppress)},
        "/api/profile-suppression-bulk-delete-jobs": {"POST": ("L", consent.unsuppress)},
    }
    every = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    return Served(
        routes=[
            *(r for path, calls in endpoints.items() for r in either_slash(path, klaviyo.endpoint(path, calls), calls)),
            Route("/api/v1/{rest:path}", lambda _: jsonapi.retired().response(), methods=every),
            Route("/api/v2/{rest:path}", lambda _: jsonapi.retired().response(), methods=every),
            Route("/{rest:path}", lambda _: jsonapi.not_found("resource").response(), methods=every),
        ],
        control=[*klaviyo.lists.control(), Route("/consents", klaviyo.consents, methods=["GET"])],
    )


def fault_response(kind: str, request: Request) -> Response:
    if kind == "429":
        return jsonapi.throttled(max(0, round(wait_of(request, 1)))).response(media_type=MEDIA_TYPE)
    if kind == "expired_token":
        error = jsonapi.unauthorized("Missing or invalid private key.")
        return error.response(media_type=MEDIA_TYPE)
    title = "Service unavailable." if kind == "503" else "Internal server error."
    return refused(int(kind), Problem("error", title, title)).response(media_type=MEDIA_TYPE)


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
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
