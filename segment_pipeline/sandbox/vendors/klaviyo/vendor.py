"""Klaviyo's API as far as lists, profiles and their import go: `/klaviyo/api/...`.

What Klaviyo's documents leave open is a setting, read and changed at `/_control/klaviyo/settings`:

- `polls_to_complete` (2) and `job_seconds` (300, sandbox clock): when an import job is complete, whichever comes first.
- `apply_jobs` (`at_once`, or `when_complete`): when its profiles appear.
- `bulk_validation` (`row`: an import error each; `batch`: 400 with a pointer to every bad row, nothing imported).
- `poison` ([]): e-mails whose presence makes Klaviyo refuse a whole import with a pointer to the row.
- `conflicts` (`error`: a row with an identifier of another profile fails as duplicate_profile; `drop`: it is left out).
- `error_pointer` (`/data`, the documented default; `indexed`: the row's own pointer).
- `limit_factor` (1000; 1 gives Klaviyo's own limits), `lists_per_day` (150).

Control: `GET /_control/klaviyo/lists`, `/lists/{id}`, `/profiles`, `/consents`, `GET|PUT /settings`.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from segment_pipeline.sandbox.exchange import body, json_body, row_errors
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.vendors.klaviyo import api
from segment_pipeline.sandbox.vendors.klaviyo.api import KlaviyoError, Limits, Problem, attributes, document, invalid
from segment_pipeline.sandbox.vendors.klaviyo.consent import Consent
from segment_pipeline.sandbox.vendors.klaviyo.control import control_routes
from segment_pipeline.sandbox.vendors.klaviyo.profiles import Profile, find_problem, from_row
from segment_pipeline.sandbox.vendors.klaviyo.store import KlaviyoStore

__all__ = ["WRITE_METHODS", "control_routes", "fault_response", "routes"]

WRITE_METHODS = frozenset({"POST", "DELETE", "PATCH"})
LARGEST_IMPORT = 10_000
LARGEST_BODY = 5 * 2**20
LARGEST_RELATION = 1000
OPT_IN = frozenset({"double_opt_in", "single_opt_in"})
IMPORT = "profile-bulk-import-job"

Answer = dict[str, Any] | None
Call = Callable[[Request], tuple[int, Answer]]


class Klaviyo:
    """The endpoints over one store. Each returns a status and a document; None is an empty answer."""

    def __init__(self, state: SandboxState) -> None:
        self.store = KlaviyoStore(state)
        self.consent = Consent(self.store)
        self.limits = Limits()

    def endpoint(self, path: str, **calls: tuple[str, Call]) -> Callable[[Request], Response]:
        """One route; `calls` gives the tier and the call of each HTTP method."""

        def answer(request: Request) -> Response:
            headers: dict[str, str] = {}
            tier, call = calls[request.method]
            try:
                api.authorize(request)
                headers = self.limits.spend(f"{request.method} {path}", tier, int(self.store.setting("limit_factor")))
                status, content = call(request)
            except KlaviyoError as error:
                return error.response(headers)
            if content is None:
                return Response(status_code=status, headers=headers)
            return JSONResponse(content, status, headers=headers, media_type=api.MEDIA_TYPE)

        return answer

    def shown_list(self, row: sqlite3.Row, request: Request) -> dict[str, Any]:
        shown = {
            "name": row["name"],
            "created": row["created_at"],
            "updated": row["updated_at"],
            "opt_in_process": row["opt_in_process"],
        }
        if "profile_count" in request.query_params.get("additional-fields[list]", ""):
            shown["profile_count"] = self.store.size(row["id"])
        links = {"self": f"https://a.klaviyo.com/api/lists/{row['id']}/"}
        return {"type": "list", "id": row["id"], "attributes": shown, "links": links}

    def create_list(self, request: Request) -> tuple[int, Answer]:
        given = attributes(document(request), "list")
        if not given.get("name") or not isinstance(given["name"], str):
            raise invalid("'name' is a required field.", pointer="/data/attributes/name")
        opt_in = given.get("opt_in_process") or "double_opt_in"
        if opt_in not in OPT_IN:
            raise invalid("'opt_in_process' is not valid.", pointer="/data/attributes/opt_in_process")
        return 201, {"data": self.shown_list(self.store.create_list(given["name"], opt_in), request)}

    def get_lists(self, request: Request) -> tuple[int, Answer]:
        wanted = api.parse_filter(request.query_params.get("filter"), ("name", "id"))
        size = api.page_size(request, default=10, largest=10)
        rows = self.store.lists(wanted, after=api.cursor(request), limit=size + 1)
        last = rows[size - 1]["number"] if len(rows) > size else None
        return 200, api.page(request, [self.shown_list(row, request) for row in rows[:size]], last)

    def get_list(self, request: Request) -> tuple[int, Answer]:
        return 200, {"data": self.shown_list(self.store.list_of(request.path_params["id"]), request)}

    def rename_list(self, request: Request) -> tuple[int, Answer]:
        name = attributes(document(request), "list").get("name")
        if not name:
            raise invalid("'name' is a required field.", pointer="/data/attributes/name")
        return 200, {"data": self.shown_list(self.store.rename_list(request.path_params["id"], str(name)), request)}

    def drop_list(self, request: Request) -> tuple[int, Answer]:
        self.store.drop_list(request.path_params["id"])
        return 204, None

    def change_members(self, request: Request, *, add: bool) -> tuple[int, Answer]:
        try:
            content = json_body(request)
        except ValueError:
            raise invalid("The body is not valid JSON.", pointer="/") from None
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, list) or not 1 <= len(data) <= LARGEST_RELATION:
            raise invalid(f"'data' takes from 1 to {LARGEST_RELATION} profiles.", pointer="/data")
        if not all(isinstance(one, dict) and one.get("type") == "profile" and one.get("id") for one in data):
            raise invalid("Each item needs type 'profile' and an id.", pointer="/data")
        self.store.change_members(request.path_params["id"], [str(one["id"]) for one in data], add=add)
        return 204, None

    def add_members(self, request: Request) -> tuple[int, Answer]:
        return self.change_members(request, add=True)

    def remove_members(self, request: Request) -> tuple[int, Answer]:
        return self.change_members(request, add=False)

    def member_ids(self, request: Request) -> tuple[int, Answer]:
        return self.members(request, lambda profile: {"type": "profile", "id": profile.id})

    def member_profiles(self, request: Request) -> tuple[int, Answer]:
        return self.members(request, lambda profile: self.shown(profile, request))

    def members(self, request: Request, show: Callable[[Profile], dict[str, Any]]) -> tuple[int, Answer]:
        identifier = self.store.list_of(request.path_params["id"])["id"]
        size = api.page_size(request)
        rows = self.store.members(identifier, after=api.cursor(request), limit=size + 1)
        return self.profile_page(request, [from_row(row) for row in rows], size, show)

    def profile_page(
        self, request: Request, found: list[Profile], size: int, show: Callable[[Profile], dict[str, Any]]
    ) -> tuple[int, Answer]:
        """`found` holds one more than the page when there is a next one."""
        last = found[size - 1].number if len(found) > size else None
        return 200, api.page(request, [show(profile) for profile in found[:size]], last)

    def shown(self, profile: Profile, request: Request) -> dict[str, Any]:
        resource = profile.resource()
        if "subscriptions" in request.query_params.get("additional-fields[profile]", ""):
            resource["attributes"]["subscriptions"] = self.consent.of(profile)
        return resource

    def get_profiles(self, request: Request) -> tuple[int, Answer]:
        wanted = api.parse_filter(request.query_params.get("filter"), ("id", "email", "phone_number", "external_id"))
        size = api.page_size(request)
        found = self.store.profiles(wanted, after=api.cursor(request), limit=size + 1)
        return self.profile_page(request, found, size, lambda profile: self.shown(profile, request))

    def get_profile(self, request: Request) -> tuple[int, Answer]:
        return 200, {"data": self.shown(self.store.profile(request.path_params["id"]), request)}

    def one(self, request: Request, identifier: str | None = None) -> dict[str, Any]:
        sent = document(request)
        if identifier is not None:
            sent = {**sent, "id": identifier}
        problem = find_problem(sent)
        if problem is not None:
            raise invalid(problem.detail, pointer=f"/data{problem.pointer}")
        return sent

    def create_profile(self, request: Request) -> tuple[int, Answer]:
        sent = {name: value for name, value in self.one(request).items() if name != "id"}
        return 201, {"data": self.shown(self.store.upsert_one(sent, create=True)[0], request)}

    def update_profile(self, request: Request) -> tuple[int, Answer]:
        profile, _ = self.store.upsert_one(self.one(request, request.path_params["id"]))
        return 200, {"data": self.shown(profile, request)}

    def import_profile(self, request: Request) -> tuple[int, Answer]:
        profile, new = self.store.upsert_one(self.one(request))
        return 201 if new else 200, {"data": self.shown(profile, request)}

    def open_import(self, request: Request) -> tuple[int, Answer]:
        if len(body(request)) > LARGEST_BODY:
            raise KlaviyoError(413, Problem("payload_too_large", "Payload too large.", "The limit is 5 MB."))
        data = document(request)
        profiles = (attributes(data, IMPORT).get("profiles") or {}).get("data")
        where = "/data/attributes/profiles/data"
        if not isinstance(profiles, list) or not 1 <= len(profiles) <= LARGEST_IMPORT:
            raise invalid(f"'profiles' takes from 1 to {LARGEST_IMPORT} profiles.", pointer=where)
        problems = _whole_batch_problems(profiles, self.store)
        if problems:
            raise KlaviyoError(400, *problems)
        related = ((data.get("relationships") or {}).get("lists") or {}).get("data") or []
        lists = [str(item["id"]) for item in related]
        return 202, {"data": _job(self.store.open_job(profiles, lists, row_errors(request)))}

    def get_import(self, request: Request) -> tuple[int, Answer]:
        job = self.store.poll(request.path_params["id"])
        return 200, {"data": _job(job, waiting=job["polls"] < int(self.store.setting("polls_to_complete")) - 1)}

    def import_errors(self, request: Request) -> tuple[int, Answer]:
        job, size = self.store.job(request.path_params["id"]), api.page_size(request)
        found = (
            self.store.import_errors(job["id"], after=api.cursor(request), limit=size + 1)
            if job["completed_at"]
            else []
        )
        last = found[size - 1]["number"] if len(found) > size else None
        shown = [
            {
                "type": "import-error",
                "id": f"{job['id']}.{row['number']}",
                "attributes": json.loads(row["body"]),
                "links": {},
            }
            for row in found[:size]
        ]
        return 200, api.page(request, shown, last)

    def import_profiles(self, request: Request) -> tuple[int, Answer]:
        job, size = self.store.job(request.path_params["id"]), api.page_size(request)
        found = (
            self.store.job_profiles(job["id"], after=api.cursor(request), limit=size + 1) if job["completed_at"] else []
        )
        return self.profile_page(request, found, size, lambda profile: self.shown(profile, request))

    def erase(self, request: Request) -> tuple[int, Answer]:
        profile = (attributes(document(request), "data-privacy-deletion-job").get("profile") or {}).get("data") or {}
        given = {"id": profile.get("id"), **(profile.get("attributes") or {})}
        named = [(name, str(given[name])) for name in ("id", "email", "phone_number") if given.get(name)]
        if len(named) != 1:
            raise invalid("Exactly one of id, email or phone_number is required.", pointer="/data/attributes/profile")
        self.store.erase(named[0])
        return 202, None

    def subscribe(self, request: Request) -> tuple[int, Answer]:
        self.consent.subscribe(request)
        return 202, None

    def unsubscribe(self, request: Request) -> tuple[int, Answer]:
        self.consent.unsubscribe(request)
        return 202, None

    def suppress(self, request: Request) -> tuple[int, Answer]:
        return 202, {"data": self.consent.suppress(request, lift=False)}

    def unsuppress(self, request: Request) -> tuple[int, Answer]:
        return 202, {"data": self.consent.suppress(request, lift=True)}


def routes(state: SandboxState) -> list[BaseRoute]:
    klaviyo = Klaviyo(state)

    def route(path: str, **calls: tuple[str, Call]) -> list[BaseRoute]:
        """With and without a slash at the end: Klaviyo takes both."""
        endpoint = klaviyo.endpoint(path, **calls)
        return [Route(each, endpoint, methods=sorted(calls)) for each in (path, f"{path}/")]

    def old(request: Request) -> Response:
        return api.retired().response()

    def unknown(request: Request) -> Response:
        return api.not_found("resource").response()

    job, member = "/api/profile-bulk-import-jobs/{id}", "/api/lists/{id}/relationships/profiles"
    return [
        *route("/api/lists", GET=("L", klaviyo.get_lists), POST=("M", klaviyo.create_list)),
        *route(
            "/api/lists/{id}",
            GET=("L", klaviyo.get_list),
            PATCH=("M", klaviyo.rename_list),
            DELETE=("M", klaviyo.drop_list),
        ),
        *route(
            member, GET=("L", klaviyo.member_ids), POST=("M", klaviyo.add_members), DELETE=("M", klaviyo.remove_members)
        ),
        *route("/api/lists/{id}/profiles", GET=("L", klaviyo.member_profiles)),
        *route("/api/profiles", GET=("L", klaviyo.get_profiles), POST=("L", klaviyo.create_profile)),
        *route("/api/profiles/{id}", GET=("L", klaviyo.get_profile), PATCH=("L", klaviyo.update_profile)),
        *route("/api/profile-import", POST=("L", klaviyo.import_profile)),
        *route("/api/profile-bulk-import-jobs", POST=("M", klaviyo.open_import)),
        *route(job, GET=("M", klaviyo.get_import)),
        *route(f"{job}/import-errors", GET=("M", klaviyo.import_errors)),
        *route(f"{job}/profiles", GET=("M", klaviyo.import_profiles)),
        *route("/api/data-privacy-deletion-jobs", POST=("S", klaviyo.erase)),
        *route("/api/profile-subscription-bulk-create-jobs", POST=("L", klaviyo.subscribe)),
        *route("/api/profile-subscription-bulk-delete-jobs", POST=("L", klaviyo.unsubscribe)),
        *route("/api/profile-suppression-bulk-create-jobs", POST=("L", klaviyo.suppress)),
        *route("/api/profile-suppression-bulk-delete-jobs", POST=("L", klaviyo.unsuppress)),
        Route("/api/v1/{rest:path}", old, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/api/v2/{rest:path}", old, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/{rest:path}", unknown, methods=["GET", "POST", "PATCH", "PUT", "DELETE"]),
    ]


def fault_response(kind: str, request: Request) -> Response | None:
    """Klaviyo's errors; a 429 has Retry-After in whole seconds and no RateLimit-*."""
    if kind == "429":
        return api.throttled(max(0, round(wait_of(request, 1)))).response()
    if kind == "expired_token":
        return api.unauthorized("Missing or invalid private key.").response()
    title = "Service unavailable." if kind == "503" else "Internal server error."
    return KlaviyoError(int(kind), Problem("error", title, title)).response()


def _whole_batch_problems(profiles: list[Any], store: KlaviyoStore) -> list[Problem]:
    """What makes Klaviyo refuse a whole import, each with a pointer to its row."""
    poison = {str(value).lower() for value in store.setting("poison")}
    strict = store.setting("bulk_validation") == "batch"
    problems: list[Problem] = []
    for position, sent in enumerate(profiles):
        where = f"/data/attributes/profiles/data/{position}"
        if not isinstance(sent, dict) or sent.get("type") != "profile" or not isinstance(sent.get("attributes"), dict):
            problems.append(Problem("invalid", "Invalid input.", "A profile needs type and attributes.", where))
        elif poison and str(sent["attributes"].get("email")).lower() in poison:
            problems.append(Problem("invalid", "Invalid input.", "Invalid email address.", f"{where}/attributes/email"))
        elif strict and (problem := find_problem(sent)) is not None:
            problems.append(replace(problem, pointer=f"{where}{problem.pointer}"))
    return problems


def _job(row: sqlite3.Row, *, waiting: bool = True) -> dict[str, Any]:
    """Counts stay 0 until the job is complete. `waiting`: not started yet."""
    complete = row["completed_at"] is not None
    status = "complete" if complete else "queued" if waiting else "processing"
    expires = parse_instant(row["created_at"]) + timedelta(days=7)
    shown = {
        "status": status,
        "created_at": row["created_at"],
        "total_count": row["total"],
        "completed_count": row["total"] - row["failed"] if complete else 0,
        "failed_count": row["failed"] if complete else 0,
        "completed_at": row["completed_at"],
        "expires_at": expires.isoformat(),
        "started_at": None if waiting and not complete else row["created_at"],
    }
    links = {"self": f"https://a.klaviyo.com/api/profile-bulk-import-jobs/{row['id']}/"}
    return {"type": IMPORT, "id": row["id"], "attributes": shown, "links": links}
