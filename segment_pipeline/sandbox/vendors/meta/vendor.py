"""Meta's Graph API as far as customer-file audiences go: `/meta/v26.0/...`.

What Meta's documents leave open is a setting, read and changed at `/_control/meta/settings`:

- `minimum_people` (20): a removal is refused (200/1870047) when it would take an audience from this size or more to under it;
  0 turns the rule off. Meta names the error, not the number.
- `samples_form` (`list`): `invalid_entry_samples` as a list of the rows as sent, or a `map` from a running number to them.
- `calls_per_hour` (190,000), `audiences_per_account` (500), `proof_required` (true), `terms_accepted` (true).
- `poison` ([]): values whose presence makes Meta refuse a whole batch without saying which row (100).

Control: `GET /_control/meta/audiences`, `GET|POST /_control/meta/audiences/{id}` (`{"operation": 471}` flags it),
`GET /_control/meta/audiences/{id}/rows`, `GET|PUT /_control/meta/settings`.
"""

import base64
import json
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from segment_pipeline.sandbox.exchange import row_errors
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendors.meta.control import control_routes
from segment_pipeline.sandbox.vendors.meta.graph import (
    ACCOUNT,
    GraphError,
    Usage,
    authorize,
    expired,
    limited,
    parameters,
)
from segment_pipeline.sandbox.vendors.meta.rows import People, read_people
from segment_pipeline.sandbox.vendors.meta.store import MetaStore, replace_error

__all__ = ["WRITE_METHODS", "control_routes", "fault_response", "routes"]

WRITE_METHODS = frozenset({"POST", "DELETE"})
SUBTYPES = frozenset({"CUSTOM"})
FILE_SOURCES = frozenset({"USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"})
KEPT = ("description", "customer_file_source", "retention_days", "usage_restriction", "audience_labels", "opt_out_link")
TERMS = {"custom_audience_tos": 1, "value_based_custom_audience_tos": 1}
TOO_SMALL_TO_SAY = 100

Parameters = dict[str, Any]
Call = Callable[[Request, Parameters], dict[str, Any]]


class Meta:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.store = MetaStore(state)
        self.usage = Usage()

    def endpoint(self, **calls: Call) -> Callable[[Request], Response]:
        """One route; `calls` by HTTP method. `method=DELETE` on a POST is a DELETE."""

        def answer(request: Request) -> Response:
            limit = int(self.store.setting("calls_per_hour"))
            try:
                given = parameters(request)
                authorize(request, given, proof_required=bool(self.store.setting("proof_required")))
                self.usage.spend(limit)
                method = (
                    str(given.get("method", request.method)).upper() if request.method == "POST" else request.method
                )
                if method not in calls:
                    raise GraphError(
                        100, f"Unsupported {method.lower()} request.", subcode=33, kind="GraphMethodException"
                    )
                content = calls[method](request, given)
            except GraphError as error:
                return error.response(self.usage.header(limit))
            return JSONResponse(content, headers=self.usage.header(limit))

        return answer

    def account(self, request: Request) -> str:
        account: str = request.path_params["account"]
        if account != ACCOUNT:
            message = f"Unsupported request. Object with ID 'act_{account}' does not exist, cannot be loaded due to missing permissions"
            raise GraphError(100, message, subcode=33, kind="GraphMethodException")
        return account

    def show_account(self, request: Request, given: Parameters) -> dict[str, Any]:
        account = self.account(request)
        shown = {
            "id": f"act_{account}",
            "account_id": account,
            "name": "Sandbox ad account",
            "account_status": 1,
            "currency": "USD",
            "tos_accepted": TERMS if self.store.setting("terms_accepted") else {},
        }
        return _selected(shown, given)

    def terms(self, request: Request, _given: Parameters) -> dict[str, Any]:
        self.account(request)
        names = TERMS if self.store.setting("terms_accepted") else {}
        return {"data": [{"id": name, "content": "Custom Audience Terms"} for name in names], "paging": {}}

    def accept_terms(self, request: Request, _given: Parameters) -> dict[str, Any]:
        self.account(request)
        self.store.change_settings({"terms_accepted": True})
        return {"success": True}

    def require_terms(self) -> None:
        if not self.store.setting("terms_accepted"):
            raise GraphError(
                200, "The Custom Audience terms have not been accepted for this ad account", subcode=1870034
            )

    def create(self, request: Request, given: Parameters) -> dict[str, Any]:
        account = self.account(request)
        self.require_terms()
        if not given.get("name"):
            raise GraphError(100, "The parameter name is required")
        if given.get("subtype") not in SUBTYPES:
            raise GraphError(100, "The parameter subtype is required, and CUSTOM for a customer file")
        if given.get("customer_file_source") not in FILE_SOURCES:
            raise GraphError(100, "The parameter customer_file_source is required for a customer file", subcode=1870053)
        kept = {name: given[name] for name in KEPT if name in given}
        return {"id": str(self.store.create(account, str(given["name"]), str(given["subtype"]), kept))}

    def list_audiences(self, request: Request, given: Parameters) -> dict[str, Any]:
        account = self.account(request)
        limit = _whole(given.get("limit", 25), "limit")
        after = _cursor(given["after"]) if given.get("after") else 0
        found = self.store.audiences(account, after=after, limit=limit + 1)
        page, more = found[:limit], len(found) > limit
        answer: dict[str, Any] = {"data": [_selected(self.shown(row), given) for row in page]}
        if page:
            cursors = {"before": _token(page[0]["id"]), "after": _token(page[-1]["id"])}
            answer["paging"] = {"cursors": cursors}
            if more:
                query = request.url.include_query_params(after=cursors["after"]).remove_query_params(
                    ["access_token", "appsecret_proof"]
                )
                answer["paging"]["next"] = str(query)
        return answer

    def audience(self, request: Request) -> sqlite3.Row:
        return self.store.audience(int(request.path_params["audience"]))

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        size = self.store.size(str(row["id"]))
        running = self.store.running_replace(row["id"])
        operation = {"code": row["operation"], "description": "Normal" if row["operation"] == 200 else "Flagged"}
        if running is not None:
            operation = {"code": 414, "description": "replace_in_progress"}
        too_small = size < int(self.store.setting("minimum_people"))
        lower, upper = _bounds(size)
        return {
            "id": str(row["id"]),
            "account_id": row["account"],
            "name": row["name"],
            "subtype": row["subtype"],
            **json.loads(row["attributes"]),
            "approximate_count_lower_bound": lower,
            "approximate_count_upper_bound": upper,
            "operation_status": operation,
            "delivery_status": {
                "code": 300 if too_small else 200,
                "description": "This audience is too small." if too_small else "This audience is ready for use.",
            },
            "time_created": _epoch(row["created_at"]),
            "time_updated": _epoch(row["updated_at"]),
            "time_content_updated": _epoch(row["content_at"]),
        }

    def show(self, request: Request, given: Parameters) -> dict[str, Any]:
        return _selected(self.shown(self.audience(request)), given)

    def rename(self, request: Request, given: Parameters) -> dict[str, Any]:
        row = self.audience(request)
        if given.get("name"):
            self.store.update(row["id"], {"name": str(given["name"])})
        return {"success": True}

    def drop(self, request: Request, _given: Parameters) -> dict[str, Any]:
        self.store.drop(self.audience(request)["id"])
        return {"success": True}

    def people(self, request: Request, given: Parameters) -> People:
        return read_people(given.get("payload"), row_errors(request), frozenset(self.store.setting("poison")))

    def editable(self, request: Request) -> int:
        self.require_terms()
        row = self.audience(request)
        if row["operation"] != 200:
            raise GraphError(100, "The audience has been flagged and cannot be edited", subcode=1713230)
        return int(row["id"])

    def add_users(self, request: Request, given: Parameters) -> dict[str, Any]:
        return self.change_users(request, given, self.store.add)

    def remove_users(self, request: Request, given: Parameters) -> dict[str, Any]:
        return self.change_users(request, given, self.store.remove)

    def change_users(
        self, request: Request, given: Parameters, change: Callable[[int, People], None]
    ) -> dict[str, Any]:
        audience = self.editable(request)
        if self.store.running_replace(audience) is not None:
            raise replace_error(1870145)
        people = self.people(request, given)
        session = _session(given.get("session"))
        change(audience, people)
        received, invalid = people.received, people.invalid
        if session is not None:
            received, invalid = self.store.note_upload(audience, session["id"], people, last=session["last"])
        return self.receipt(people, received, invalid, audience, session["id"] if session else None)

    def replace_users(self, request: Request, given: Parameters) -> dict[str, Any]:
        audience = self.editable(request)
        session = _session(given.get("session"))
        if session is None:
            raise GraphError(100, "The parameter session is required to replace users")
        people = self.people(request, given)
        received, invalid = self.store.replace(
            audience, session["id"], session["sequence"], people, last=session["last"]
        )
        return self.receipt(people, received, invalid, audience, session["id"])

    def remove_everywhere(self, request: Request, given: Parameters) -> dict[str, Any]:
        account = self.account(request)
        people = self.people(request, given)
        self.store.remove_everywhere(account, people)
        return self.receipt(people, people.received, people.invalid, None, None)

    def receipt(
        self, people: People, received: int, invalid: int, audience: int | None, session: str | None
    ) -> dict[str, Any]:
        samples: Any = people.samples
        if self.store.setting("samples_form") == "map":
            samples = {str(number): sample for number, sample in enumerate(people.samples)}
        answer = {
            "session_id": session or str(time.time_ns()),
            "num_received": received,
            "num_invalid_entries": invalid,
            "invalid_entry_samples": samples or {},
        }
        return answer if audience is None else {"audience_id": str(audience), **answer}

    def sessions(self, request: Request, given: Parameters) -> dict[str, Any]:
        audience = self.audience(request)["id"]
        wanted = given.get("session_id")
        rows = [row for row in self.store.uploads(audience) if wanted in (None, row["session"])]
        return {"data": [_upload(row) for row in rows], "paging": {}}

    def refuse_path(self, request: Request, _given: Parameters) -> dict[str, Any]:
        raise GraphError(2500, f"Unknown path components: /{request.path_params['rest']}")

    def refuse_ids(self, _request: Request, _given: Parameters) -> dict[str, Any]:
        raise GraphError(100, "The ids query parameter is deprecated in v26.0+")


def routes(state: SandboxState) -> list[BaseRoute]:
    meta = Meta(state)
    account, audience = "/{version}/act_{account}", "/{version}/{audience:int}"

    def route(path: str, **calls: Call) -> list[BaseRoute]:
        """With and without a slash at the end: Graph takes both, and its SDK sends both."""
        endpoint = meta.endpoint(**calls)
        methods = sorted({*calls, "POST"} if "DELETE" in calls else calls)
        return [Route(each, endpoint, methods=methods) for each in (path, f"{path}/")]

    return [
        *route("/{version}", GET=meta.refuse_ids),
        *route(f"{account}/customaudiences", GET=meta.list_audiences, POST=meta.create),
        *route(f"{account}/customaudiencestos", GET=meta.terms, POST=meta.accept_terms),
        *route(f"{account}/usersofanyaudience", DELETE=meta.remove_everywhere),
        *route(account, GET=meta.show_account),
        *route(f"{audience}/users", POST=meta.add_users, DELETE=meta.remove_users),
        *route(f"{audience}/usersreplace", POST=meta.replace_users),
        *route(f"{audience}/sessions", GET=meta.sessions),
        *route(audience, GET=meta.show, POST=meta.rename, DELETE=meta.drop),
        *route("/{version}/{rest:path}", GET=meta.refuse_path, POST=meta.refuse_path, DELETE=meta.refuse_path),
    ]


def fault_response(kind: str, request: Request) -> Response | None:
    """429 is HTTP 400 with code 80003 and the minutes in the usage header; Meta never sends Retry-After."""
    if kind == "429":
        return limited().response(Usage().header(1, minutes=max(1, round(wait_of(request, 60) / 60))))
    if kind == "expired_token":
        return expired().response()
    if kind == "500":
        return GraphError(1, "An unknown error has occurred.", transient=True, status=500).response()
    return GraphError(2, "Service temporarily unavailable", transient=True, status=503).response()


def _selected(shown: dict[str, Any], given: Parameters) -> dict[str, Any]:
    fields = given.get("fields", "id")
    names = [str(name).strip() for name in (fields if isinstance(fields, list) else str(fields).split(","))]
    optional = set(KEPT)
    for name in names:
        if name not in shown and name not in optional:
            raise GraphError(100, f"Tried accessing nonexisting field ({name})")
    return {name: shown[name] for name in dict.fromkeys([*names, "id"]) if name in shown}


def _session(given: Any) -> dict[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or "session_id" not in given:
        raise GraphError(100, "Invalid parameter: session needs session_id and batch_seq")
    sequence = _whole(given.get("batch_seq"), "batch_seq")
    last = given.get("last_batch_flag", False)
    return {
        "id": str(_whole(given["session_id"], "session_id")),
        "sequence": sequence,
        "last": last is True or str(last).lower() == "true",
    }


def _upload(row: sqlite3.Row) -> dict[str, str]:
    valid = row["received"] - row["invalid"]
    return {
        "session_id": row["session"],
        "start_time": str(_epoch(row["started_at"])),
        "end_time": str(_epoch(row["ended_at"])) if row["ended_at"] else "0",
        "num_received": str(row["received"]),
        "num_matched": str(valid * 7 // 10) if row["ended_at"] else "-1",
        "num_invalid_entries": str(row["invalid"]),
        "progress": "100" if row["ended_at"] else "50",
        "stage": row["stage"],
    }


def _bounds(size: int) -> tuple[int, int]:
    """Seven in ten rows find an account; both bounds in two figures, and −1 while there are too few to say."""
    if size < TOO_SMALL_TO_SAY:
        return -1, -1
    lower, upper = size * 65 // 100, size * 75 // 100
    step = 10 ** (len(str(lower)) - 2) if lower >= TOO_SMALL_TO_SAY else 1
    return lower // step * step, -(-upper // step) * step


def _epoch(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def _whole(value: Any, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise GraphError(100, f"Invalid parameter: {name} must be a whole number") from None
    if number < 1:
        raise GraphError(100, f"Invalid parameter: {name} must be 1 or more")
    return number


def _token(identifier: int) -> str:
    return base64.urlsafe_b64encode(str(identifier).encode()).decode()


def _cursor(token: Any) -> int:
    try:
        return int(base64.urlsafe_b64decode(str(token)))
    except ValueError:
        raise GraphError(100, "Invalid parameter: after is not a cursor of this list") from None
