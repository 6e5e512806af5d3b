"""Meta's Graph API as far as customer-file audiences go: `/meta/v26.0/...`.

What Meta's documents leave open is a setting, read and changed at `/_control/meta/settings`:

- `minimum_people` (20): a removal is refused (200/1870047) when it would take an audience from this size or more to under it;
  0 turns the rule off. Meta names the error, not the number.
- `samples_form` (`list`): `invalid_entry_samples` as a list of the rows as sent, or a `map` from a running number to them.
- `calls_per_hour` (190,000), `audiences_per_account` (500), `proof_required` (true), `terms_accepted` (true).
- `poison` ([]): values whose presence makes Meta refuse a whole batch without saying which row (100).

`POST /_control/meta/lists/{id} {"operation": 471}` flags an audience.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Refused, either_slash, row_errors
from segment_pipeline.sandbox.faults import wait_of
from segment_pipeline.sandbox.limits import Windows
from segment_pipeline.sandbox.listing import seal, unseal
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.meta import graph, uploads
from segment_pipeline.sandbox.vendors.meta.graph import ACCOUNT, Parameters, refused, whole
from segment_pipeline.sandbox.vendors.meta.rows import IDENTIFYING, People, read_people
from segment_pipeline.sandbox.vendors.meta.uploads import Uploads

FILE_SOURCES = ("USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED")
KEPT = ("description", "customer_file_source", "retention_days", "usage_restriction", "audience_labels", "opt_out_link")
TERMS = {"custom_audience_tos": 1, "value_based_custom_audience_tos": 1}
TOO_SMALL_TO_SAY = 100
FIRST_AUDIENCE = 120_210_000_000_000_000
DEFAULTS: Mapping[str, Any] = {
    "minimum_people": 20,
    "calls_per_hour": 190_000,
    "proof_required": True,
    "terms_accepted": True,
    "samples_form": "list",
    "audiences_per_account": 500,
    "poison": [],
}

Answer = dict[str, Any]
Call = Callable[[Request, Parameters], Answer]


class Meta:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "meta", defaults=DEFAULTS, schema=(lists.SCHEMA, uploads.SCHEMA))
        self.lists = Lists(self.store, identify=lambda number: str(FIRST_AUDIENCE + number), identifiers=IDENTIFYING)
        self.uploads = Uploads(self.lists)
        self.windows = Windows()

    def endpoint(self, calls: Mapping[str, Call]) -> Callable[[Request], Response]:
        """One route; `calls` by HTTP method. `method=DELETE` on a POST is a DELETE."""

        def answer(request: Request) -> Response:
            headers = graph.usage(0)
            try:
                given = graph.parameters(request)
                graph.authorize(request, given, proof_required=self.store.setting("proof_required"))
                headers, limited = graph.spend(self.windows, int(self.store.setting("calls_per_hour")))
                if limited is not None:
                    raise limited
                method = request.method
                if method == "POST":
                    method = str(given.get("method", method)).upper()
                if method not in calls:
                    raise graph.unsupported(f"Unsupported {method.lower()} request.")
                content = calls[method](request, given)
            except Refused as error:
                return error.response(headers)
            return JSONResponse(content, headers=headers)

        return answer

    def account(self, request: Request) -> None:
        if (account := request.path_params["account"]) != ACCOUNT:
            raise graph.missing(f"act_{account}")

    def show_account(self, request: Request, given: Parameters) -> Answer:
        self.account(request)
        terms = TERMS if self.store.setting("terms_accepted") else {}
        shown = {"id": f"act_{ACCOUNT}", "account_id": ACCOUNT, "name": "Sandbox ad account"}
        return _selected(shown | {"account_status": 1, "currency": "USD", "tos_accepted": terms}, given)

    def terms(self, request: Request, _given: Parameters) -> Answer:
        self.account(request)
        names = TERMS if self.store.setting("terms_accepted") else {}
        return {"data": [{"id": name, "content": "Custom Audience Terms"} for name in names], "paging": {}}

    def accept_terms(self, request: Request, _given: Parameters) -> Answer:
        self.account(request)
        self.store.change_settings({"terms_accepted": True})
        return {"success": True}

    def require_terms(self) -> None:
        if not self.store.setting("terms_accepted"):
            message = "The Custom Audience terms have not been accepted for this ad account"
            raise refused(200, message, 1870034)

    def create(self, request: Request, given: Parameters) -> Answer:
        self.account(request)
        self.require_terms()
        if not given.get("name"):
            raise refused(100, "The parameter name is required")
        if given.get("subtype") != "CUSTOM":
            raise refused(100, "The parameter subtype is required, and CUSTOM for a customer file")
        if given.get("customer_file_source") not in FILE_SOURCES:
            raise refused(100, "The parameter customer_file_source is required for a customer file", 1870053)
        kept = {name: given[name] for name in KEPT if name in given}
        with self.store.writing():
            if self.store.rows("SELECT count(*) FROM lists")[0][0] >= self.store.setting("audiences_per_account"):
                raise refused(2654, "The ad account has reached its limit of custom audiences", 1713092)
            return {"id": self.lists.create(str(given["name"]), operation=200, subtype="CUSTOM", **kept)["id"]}

    def list_audiences(self, request: Request, given: Parameters) -> Answer:
        self.account(request)
        limit, after = whole(given.get("limit", 25), "limit"), 0
        if given.get("after"):
            try:
                after = int(str(unseal(str(given["after"]))[0]))
            except ValueError:
                raise refused(100, "Invalid parameter: after is not a cursor of this list") from None
        found = self.lists.page(after, limit + 1)
        answer: Answer = {"data": [_selected(self.shown(row), given) for row in found[:limit]]}
        if found:
            cursors = {"before": seal(found[0]["number"]), "after": seal(found[:limit][-1]["number"])}
            answer["paging"] = {"cursors": cursors}
            if len(found) > limit:
                url = request.url.include_query_params(after=cursors["after"])
                answer["paging"]["next"] = str(url.remove_query_params(["access_token", "appsecret_proof"]))
        return answer

    def audience(self, request: Request) -> sqlite3.Row:
        identifier = str(request.path_params["audience"])
        row = self.lists.get(identifier)
        if row is None:
            raise graph.missing(identifier)
        # One whose time is over ends before anything is asked or changed.
        self.uploads.running_replace(identifier)
        return row

    def shown(self, row: sqlite3.Row) -> Answer:
        size, held = self.lists.size(row["id"]), json.loads(row["held"])
        operation = {"code": held["operation"], "description": "Normal" if held["operation"] == 200 else "Flagged"}
        if self.uploads.running_replace(row["id"]) is not None:
            operation = {"code": 414, "description": "replace_in_progress"}
        delivery = {"code": 200, "description": "This audience is ready for use."}
        if size < int(self.store.setting("minimum_people")):
            delivery = {"code": 300, "description": "This audience is too small."}
        lower, upper = _bounds(size)
        return {
            "id": row["id"],
            "account_id": ACCOUNT,
            "name": row["name"],
            **{name: value for name, value in held.items() if name != "operation"},
            "approximate_count_lower_bound": lower,
            "approximate_count_upper_bound": upper,
            "operation_status": operation,
            "delivery_status": delivery,
            "time_created": uploads.epoch(row["created_at"]),
            "time_updated": uploads.epoch(row["updated_at"]),
            "time_content_updated": uploads.epoch(row["content_at"]),
        }

    def show(self, request: Request, given: Parameters) -> Answer:
        return _selected(self.shown(self.audience(request)), given)

    def rename(self, request: Request, given: Parameters) -> Answer:
        identifier = self.audience(request)["id"]
        if given.get("name"):
            self.lists.change(identifier, name=str(given["name"]))
        return {"success": True}

    def drop(self, request: Request, _given: Parameters) -> Answer:
        identifier = self.audience(request)["id"]
        with self.store.writing():
            self.lists.drop(identifier)
            self.uploads.drop(identifier)
        return {"success": True}

    def people(self, request: Request, given: Parameters) -> People:
        poison = frozenset(self.store.setting("poison"))
        return read_people(given.get("payload"), row_errors(request), poison)

    def editable(self, request: Request) -> str:
        self.require_terms()
        row = self.audience(request)
        if json.loads(row["held"])["operation"] != 200:
            raise refused(100, "The audience has been flagged and cannot be edited", 1713230)
        return str(row["id"])

    def change_users(self, request: Request, given: Parameters, change: Callable[[str, People], None]) -> Answer:
        audience = self.editable(request)
        if self.uploads.running_replace(audience) is not None:
            raise uploads.replace_error(1870145)
        people, session = self.people(request, given), uploads.session_of(given.get("session"))
        counted = people.received, people.invalid
        with self.store.writing():
            change(audience, people)
            self.lists.touch(audience, self.store.now)
            if session is not None:
                upload = self.uploads.count(audience, session, people)
                counted = upload["received"], upload["invalid"]
        return self.receipt(people, *counted, session, audience_id=audience)

    def add_users(self, request: Request, given: Parameters) -> Answer:
        def add(audience: str, people: People) -> None:
            self.lists.keep(people.rows, new=True)
            self.lists.add([audience], [person.number for person in people.rows])

        return self.change_users(request, given, add)

    def remove_users(self, request: Request, given: Parameters) -> Answer:
        """Takes out every row that holds one of the keys, unless too few people would be left."""

        def remove(audience: str, people: People) -> None:
            before = self.lists.size(audience)
            self.lists.remove([audience], self.meant(people))
            left = self.lists.size(audience)
            if before >= int(self.store.setting("minimum_people")) > left and left != before:
                raise refused(200, "This removal would leave too few people in the audience", 1870047)

        return self.change_users(request, given, remove)

    def replace_users(self, request: Request, given: Parameters) -> Answer:
        audience, session = self.editable(request), uploads.session_of(given.get("session"))
        if session is None:
            raise refused(100, "The parameter session is required to replace users")
        people = self.people(request, given)
        with self.store.writing():
            upload = self.uploads.replace(audience, session, people)
        return self.receipt(people, upload["received"], upload["invalid"], session, audience_id=audience)

    def remove_everywhere(self, request: Request, given: Parameters) -> Answer:
        """Takes people out of all of the account's audiences, however few that leaves, and forgets them."""
        self.account(request)
        people = self.people(request, given)
        self.lists.forget(self.meant(people))
        return self.receipt(people, people.received, people.invalid, None)

    def meant(self, people: People) -> list[int]:
        """Whoever has one of the keys; a row without an identifying key can only be named by all it holds."""
        keys = {person.number: self.lists.keys_of(person.held) for person in people.rows}
        whole_rows = [number for number, held in keys.items() if not held]
        return [*self.lists.holders(key for held in keys.values() for key in held), *whole_rows]

    def receipt(
        self, people: People, received: int, invalid: int, session: Parameters | None, **audience: str
    ) -> Answer:
        samples: Any = people.samples
        if self.store.setting("samples_form") == "map":
            samples = {str(number): sample for number, sample in enumerate(people.samples)}
        return {
            **audience,
            "session_id": session["id"] if session else str(time.time_ns()),
            "num_received": received,
            "num_invalid_entries": invalid,
            "invalid_entry_samples": samples or {},
        }

    def sessions(self, request: Request, given: Parameters) -> Answer:
        found, wanted = self.uploads.of(self.audience(request)["id"]), given.get("session_id")
        return {"data": [uploads.shown(row) for row in found if wanted in (None, row["session"])], "paging": {}}

    def refuse_path(self, request: Request, _given: Parameters) -> Answer:
        raise refused(2500, f"Unknown path components: /{request.path_params['rest']}")

    def refuse_ids(self, _request: Request, _given: Parameters) -> Answer:
        raise refused(100, "The ids query parameter is deprecated in v26.0+")


def serve(state: SandboxState) -> Served:
    meta = Meta(state)
    account, audience, rest = "/{version}/act_{account}", "/{version}/{audience:int}", meta.refuse_path
    endpoints: Mapping[str, Mapping[str, Call]] = {
        "/{version}": {"GET": meta.refuse_ids},
        f"{account}/customaudiences": {"GET": meta.list_audiences, "POST": meta.create},
        f"{account}/customaudiencestos": {"GET": meta.terms, "POST": meta.accept_terms},
        f"{account}/usersofanyaudience": {"DELETE": meta.remove_everywhere},
        account: {"GET": meta.show_account},
        f"{audience}/users": {"POST": meta.add_users, "DELETE": meta.remove_users},
        f"{audience}/usersreplace": {"POST": meta.replace_users},
        f"{audience}/sessions": {"GET": meta.sessions},
        audience: {"GET": meta.show, "POST": meta.rename, "DELETE": meta.drop},
        "/{version}/{rest:path}": {"GET": rest, "POST": rest, "DELETE": rest},
    }
    routes: list[BaseRoute] = []
    for path, calls in endpoints.items():
        methods = {*calls, "POST"} if "DELETE" in calls else set(calls)
        routes += either_slash(path, meta.endpoint(calls), methods)
    return Served(routes, meta.lists.control())


def fault_response(kind: str, request: Request) -> Response:
    if kind == "429":
        minutes = max(1, round(wait_of(request, 60) / 60))
        return graph.limited().response(graph.usage(100, minutes=minutes))
    if kind == "expired_token":
        return refused(190, "Error validating access token: Session has expired", 463, status=401).response()
    if kind == "500":
        return refused(1, "An unknown error has occurred.", transient=True, status=500).response()
    return refused(2, "Service temporarily unavailable", transient=True, status=503).response()


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
    writes=frozenset({"POST", "DELETE"}),
    secrets={"META_ACCESS_TOKEN": graph.TOKEN, "META_APP_SECRET": graph.SECRET},
    account={"META_AD_ACCOUNT": ACCOUNT},
)


def _selected(shown: Answer, given: Parameters) -> Answer:
    fields = given.get("fields", "id")
    names = [str(name).strip() for name in (fields if isinstance(fields, list) else str(fields).split(","))]
    for name in names:
        if name not in shown and name not in KEPT:
            raise refused(100, f"Tried accessing nonexisting field ({name})")
    return {name: shown[name] for name in dict.fromkeys([*names, "id"]) if name in shown}


def _bounds(size: int) -> tuple[int, int]:
    """Seven in ten rows find an account; both bounds in two figures, and −1 while there are too few to say."""
    if size < TOO_SMALL_TO_SAY:
        return -1, -1
    lower, upper = size * 65 // 100, size * 75 // 100
    step = 10 ** (len(str(lower)) - 2) if lower >= TOO_SMALL_TO_SAY else 1
    return lower // step * step, -(-upper // step) * step
