"""Statsig's console API as far as segments that are lists of ids go: `/statsig/console/v1/segments/...`.

What Statsig's documents leave open is a setting of `/_control/statsig/settings`:

- `limit_factor` (1000; 1 gives Statsig's own limits): a 429 has no header that says when to come again.
- `largest_list` (10,000): more than this a list holds only if Statsig has been asked.
- `largest_page` (100): more ids of a list than this are not shown at a time.
- `polls_to_reset` (2): a reset by more than 1,000 ids first adds them, and takes the others out when its metadata has been asked for so
  many times. Until then whatever is read is a mix, and any other change is 409.
- `poison` ([]): ids that get a whole request refused. So does a fault of rows: there is no partial failure.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

KEY, VERSION = "console-sandbox-statsig", "20240601"
NAME: Final = re.compile(r"[A-Za-z0-9_\- ]{3,100}")
ID: Final = re.compile(r"[A-Za-z0-9_-]{3,100}")
TYPES: Final = ("id_list", "rule_based", "analysis_list", "user_store_id_list")
LARGEST_CHANGE, LARGEST_ATOMIC = 100_000, 1_000
# Of a project; the two changes of a list have a narrower window of their own.
MUTATIONS: Final = ((100, 10.0), (900, 900.0))
CHANGES: Final = ((12, 10.0), (900, 900.0))
SETTINGS: Mapping[str, Any] = {
    "limit_factor": 1000,
    "largest_list": 10_000,
    "largest_page": 100,
    "polls_to_reset": 2,
    "poison": [],
}


class Statsig:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "statsig", defaults=SETTINGS, schema=(lists.SCHEMA,))
        self.lists = IdLists(self.store, identify="segment-{}".format, identifiers=("user_id",))
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("STATSIG-API-KEY") != KEY:
            raise refused(401, "Invalid console API key")
        if request.headers.get("STATSIG-API-VERSION") != VERSION:
            raise refused(400, "Unknown API version")
        if request.method != "GET":
            narrow = call.endswith("/id_list")
            factor = int(self.store.setting("limit_factor"))
            windows = [(most * factor, seconds) for most, seconds in (CHANGES if narrow else MUTATIONS)]
            try:
                self.windows.spend(f"{'changes' if narrow else 'mutations'} {factor}", *windows)
            except LimitReached:
                raise refused(429, "Too many requests") from None
        return request, {}

    def segment(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["id"], refused(404, "Segment not found"))

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        held = {"type": "id_list", "idType": "userID", "tags": [], "description": "", **json.loads(row["held"])}
        made, changed = (round(parse_instant(row[at]).timestamp() * 1000) for at in ("created_at", "content_at"))
        shown = {"id": row["id"], "name": row["name"], "type": held["type"], "idType": held["idType"], "rules": []}
        shown |= {"tags": held["tags"], "description": held["description"], "isEnabled": not held.get("archived")}
        shown |= {f"lastModifier{one}": None for one in ("ID", "Email", "Name")} | {"creatorID": None}
        shown |= {"creatorName": "Sandbox", "creatorEmail": None, "createdTime": made, "lastModifiedTime": changed}
        return shown | {"count": self.lists.size(row["id"])}

    def create(self, request: Request) -> Answer:
        given = json_of(request)
        name, identifier = given.get("name"), given.get("id") or given.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name) or not ID.fullmatch(str(identifier)):
            raise refused(400, "name and id are 3 to 100 letters, digits, hyphens and underscores")
        if given.get("type") not in TYPES:
            raise refused(400, "type is required")
        held = {"type": given["type"], "idType": given.get("idType") or "userID", "tags": given.get("tags") or []}
        with self.store.writing():
            if self.store.row("SELECT 1 FROM lists WHERE id = ? OR name = ?", identifier, name):
                raise refused(409, "A segment with this name already exists")
            made = self.lists.create(name, known_as=identifier, **held, description=given.get("description") or "")
        return 201, {"message": "Segment created successfully.", "data": self.shown(made)}

    def listing(self, request: Request) -> Answer:
        return 200, self.paged(request, [self.shown(row) for row in self.lists.page(0, -1)], 100)

    def paged(self, request: Request, found: list[Any], most: int) -> dict[str, Any]:
        size = max(1, min(most, int(request.query_params.get("limit", most))))
        page = int(request.query_params.get("page", 1))
        more = f"{request.url.path}?limit={size}&page={page + 1}" if page * size < len(found) else None
        shown = {"itemsPerPage": size, "pageNumber": page, "nextPage": more, "previousPage": None}
        here = found[(page - 1) * size : page * size]
        return {"message": "Listed successfully.", "data": here, "pagination": {**shown, "totalItems": len(found)}}

    def show(self, request: Request) -> Answer:
        return 200, {"message": "Segment read successfully.", "data": self.shown(self.segment(request))}

    def drop(self, request: Request) -> Answer:
        self.lists.drop(self.segment(request)["id"])
        return 200, {"message": "Segment deleted successfully."}

    def archive(self, request: Request) -> Answer:
        self.lists.change(self.segment(request)["id"], archived=True)
        return self.show(request)

    def of_ids(self, request: Request) -> str:
        """The id of a segment that is a list of ids."""
        row = self.segment(request)
        if self.shown(row)["type"] != "id_list":
            raise refused(400, "Segment must be of type 'id_list'")
        return str(row["id"])

    def ids(self, request: Request) -> Answer:
        found = self.lists.ids(segment := self.of_ids(request))
        page = self.paged(request, found, int(self.store.setting("largest_page")))
        return 200, page | {"data": {"name": segment, "count": len(found), "ids": page["data"]}}

    def change(self, request: Request) -> Answer:
        """Adds, or removes on DELETE: what is there already, or is not there, is no mistake."""
        segment, given = self.of_ids(request), json_of(request).get("ids")
        if not isinstance(given, list) or len(given) > LARGEST_CHANGE:
            raise refused(400, f"ids is required and holds {LARGEST_CHANGE} at most")
        poison = set(self.store.setting("poison"))
        if row_errors(request) or not all(isinstance(one, str) and one and one not in poison for one in given):
            raise refused(400, "ids is invalid")
        if self.held(segment).get("pending"):
            raise refused(409, "Another update of this list is running")
        with self.store.writing():
            if request.method == "DELETE":
                self.lists.take(segment, given)
            else:
                self.lists.put(segment, given)
            if request.method == "POST":
                self.reset(segment, given)
            self.lists.change(segment, version=self.held(segment).get("version", 1) + 1)
            if self.lists.size(segment) > self.store.setting("largest_list") and request.method != "DELETE":
                raise refused(400, "The list would be too large: contact support")
        return 200, {"message": "List updated successfully."}

    def reset(self, segment: str, ids: list[str]) -> None:
        if len(ids) <= LARGEST_ATOMIC:
            self.lists.exchange(segment, ids)
        else:
            self.lists.change(segment, pending={"ids": ids, "polls": 0})

    def held(self, segment: str) -> dict[str, Any]:
        row = self.lists.get(segment)
        assert row is not None
        held: dict[str, Any] = json.loads(row["held"])
        return held

    def metadata(self, request: Request) -> Answer:
        segment = self.of_ids(request)
        with self.store.writing():
            if pending := self.held(segment).get("pending"):
                polls = pending["polls"] + 1
                if polls >= self.store.setting("polls_to_reset"):
                    self.lists.exchange(segment, pending["ids"])
                    self.lists.change(segment, pending=None)
                else:
                    self.lists.change(segment, pending={**pending, "polls": polls})
        held = self.held(segment)
        told = {"currentVersion": held.get("version", 1), "isUpdating": "pending" in held}
        return 200, {"message": "Metadata read successfully.", "data": told}


def refused(status: int, message: str) -> Refused:
    return Refused(status, {"status": status, "message": message})


def json_of(request: Request) -> dict[str, Any]:
    """The body, which a DELETE needs as well."""
    return json_object(request, refused(400, "A body is required"))


def serve(state: SandboxState) -> Served:
    tool, root = Statsig(state), "/console/v1/segments"
    calls: Calls[Request] = {
        root: {"GET": tool.listing, "POST": tool.create},
        f"{root}/{{id}}": {"GET": tool.show, "DELETE": tool.drop},
        f"{root}/{{id}}/archive": {"PUT": tool.archive},
        f"{root}/{{id}}/id_list": {"GET": tool.ids, "PATCH": tool.change, "DELETE": tool.change},
        f"{root}/{{id}}/id_list/reset": {"POST": tool.change},
        f"{root}/{{id}}/idlist_metadata": {"GET": tool.metadata},
    }
    return Served(endpoints(calls, tool.admit), tool.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    said = {"429": (429, "Too many requests"), "expired_token": (401, "Invalid console API key")}
    said |= {"500": (500, "Internal server error"), "503": (503, "Service unavailable")}
    return {kind: refused(*each) for kind, each in said.items()}


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "PUT", "PATCH", "DELETE"}),
    secrets={"STATSIG_CONSOLE_KEY": KEY},
)
