"""Customer.io as far as people and manual segments go: its Track API (`/customerio/api/...`) and its App API (`/customerio/v1/...`).

What Customer.io's documents leave open is a setting of `/_control/customerio/settings`:

- `region` (`us`): an account of `eu` is sent elsewhere (301) by the Track API's host.
- `missing_segment` (404): what a change of a segment that is not there is answered with; 200 if in silence.
- `poison` ([]): ids whose entries in a batch fail (207), each by its position. So do those of a fault of rows.
- `calls_per_second` (5,000; Customer.io asks for 100 on Track, and refuses more than 10 on App, which is `reads_per_second`, 5,000).
"""

import base64
import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.listing import seal
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

SITE, TRACK_KEY, APP_KEY = "sandbox-customerio-site", "sandbox-customerio-track", "sandbox-customerio-app"
BASIC: Final = "Basic " + base64.b64encode(f"{SITE}:{TRACK_KEY}".encode()).decode()
LARGEST_BATCH, LARGEST_ITEM, LARGEST_CHANGE = 500_000, 32_000, 1_000
TYPES: Final = ("id", "email", "cio_id")
SETTINGS: Mapping[str, Any] = {
    "region": "us",
    "missing_segment": 404,
    "poison": [],
    "calls_per_second": 5000,
    "reads_per_second": 5000,
}


class CustomerIo:
    """The endpoints over one store. A person's own id is `id` there, and `user_id` in what is held here."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "customerio", defaults=SETTINGS, schema=(lists.SCHEMA,))
        self.lists = Lists(self.store, identify=str, identifiers=("user_id", "email"), folded=["email"])
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        app = call.partition(" ")[2].startswith("/v1/")
        if request.headers.get("Authorization") != (f"Bearer {APP_KEY}" if app else BASIC):
            raise refused(401, "unauthorized")
        try:
            most = int(self.store.setting("reads_per_second" if app else "calls_per_second"))
            self.windows.spend("app" if app else "track", (most, 1.0))
        except LimitReached:
            raise refused(429, "too many requests") from None
        if not app and self.store.setting("region") == "eu":
            raise Refused(301, None, {"Location": "https://track-eu.customer.io"})
        return request, {}

    def region(self, _: Request) -> Answer:
        return 200, {"url": "https://track.customer.io", "region": "us", "environment_id": 1}

    def batch(self, request: Request) -> Answer:
        """People identified, one by one: those that cannot be are told by their position, and the others taken."""
        sent = json_of(request).get("batch")
        if not isinstance(sent, list) or not sent or len(body(request)) > LARGEST_BATCH:
            raise Refused(
                400, {"errors": [{"reason": "invalid", "field": "batch", "message": "malformed or too large"}]}
            )
        errors, fault, poison = [], row_errors(request), self.store.setting("poison")
        rows = [person for one in sent if (person := identified(one)) is not None]
        with self.store.writing():
            book = Book(self.lists, rows)
            for position, one in enumerate(sent):
                person = identified(one)
                if person is None or (fault and fault.picks(position)) or person["user_id"] in poison:
                    errors.append(
                        {"batch_index": position, "reason": "invalid", "field": "identifiers", "message": "is invalid"}
                    )
                    continue
                attributes = dict(one.get("attributes") or {})
                found = book.find(person)
                if found is not None or not attributes.pop("_update", False):
                    attributes.pop("_update", None)
                    book.upsert({**person, "attributes": attributes}, found)
            book.save()
        return (207, {"errors": errors}) if errors else (200, {})

    def change(self, request: Request) -> Answer:
        """Adds, or removes. What is not of the type that is said, or nobody's, is passed over in silence."""
        ids, kind = json_of(request).get("ids"), request.query_params.get("id_type", "id")
        if not isinstance(ids, list) or not 1 <= len(ids) <= LARGEST_CHANGE or kind not in TYPES:
            raise refused(400, "ids must hold between 1 and 1000 values of one type")
        row = self.lists.get(request.path_params["id"])
        if row is None:
            if self.store.setting("missing_segment") == 200:
                return 200, {}
            raise refused(int(self.store.setting("missing_segment")), "segment not found")
        if json.loads(row["held"]).get("type", "manual") != "manual":
            raise refused(400, "segment is not manual")
        field = {"id": "user_id", "email": "email"}.get(kind, "")
        with self.store.writing():
            keys = [key for one in ids if field for key in self.lists.keys_of({field: str(one)})]
            found = self.lists.holders(keys)
            if request.url.path.rstrip("/").endswith("/add_customers"):
                self.lists.add([row["id"]], found)
            else:
                self.lists.remove(row["id"], found)
        return 200, {}

    def segment(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["id"], refused(404, "not found"))

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        at = round(parse_instant(row["created_at"]).timestamp())
        shown = {"id": int(row["id"]), "name": row["name"], "description": "", "state": "finished", "progress": None}
        kind = json.loads(row["held"]).get("type", "manual")
        return shown | {"type": kind, "tags": None, "created_at": at, "updated_at": at}

    def listing(self, _: Request) -> Answer:
        return 200, {"segments": [self.shown(row) for row in self.lists.page(0, -1)]}

    def create(self, request: Request) -> Answer:
        name = (json_of(request).get("segment") or {}).get("name")
        if not isinstance(name, str) or not name:
            raise Refused(400, {"errors": [{"detail": "name is required", "status": "400"}]})
        with self.store.writing():
            return 200, {"segment": self.shown(self.lists.create(name, type="manual"))}

    def drop(self, request: Request) -> Answer:
        self.lists.drop(self.segment(request)["id"])
        return 204, None

    def count(self, request: Request) -> Answer:
        return 200, {"count": self.lists.size(self.segment(request)["id"])}

    def membership(self, request: Request) -> Answer:
        """Pages behind a cursor, which is empty on the last."""
        identifier, after = self.segment(request)["id"], lists.behind(request.query_params.get("start"))
        limit = min(30_000, int(request.query_params.get("limit", 30_000)))
        found = self.lists.members(identifier, after, limit + 1)
        here = found[:limit]
        told = [
            {"email": each.held.get("email"), "id": each.held.get("user_id"), "cio_id": each.id[-12:]} for each in here
        ]
        cursor = seal(here[-1].number) if len(found) > limit else ""
        return 200, {"ids": [one["id"] for one in told], "identifiers": told, "next": cursor}


def identified(one: Any) -> dict[str, Any] | None:
    """Who an entry of a batch identifies; None for one that is no identification of a person by one identifier."""
    if not isinstance(one, dict) or (one.get("type"), one.get("action")) != ("person", "identify"):
        return None
    who = one.get("identifiers")
    if not isinstance(who, dict) or len(who) != 1 or not who.get("id") or len(json.dumps(one)) > LARGEST_ITEM:
        return None
    return {"user_id": str(who["id"])}


def refused(status: int, message: str) -> Refused:
    return Refused(status, {"meta": {"errors": [message]} if status == 400 else {"error": message}})


def json_of(request: Request) -> dict[str, Any]:
    return json_object(request, refused(400, "the body is no JSON object"))


def serve(state: SandboxState) -> Served:
    tool, track, app = CustomerIo(state), "/api/v1/segments/{id}", "/v1/segments"
    calls: Calls[Request] = {
        "/api/v1/accounts/region": {"GET": tool.region},
        "/api/v2/batch": {"POST": tool.batch},
        f"{track}/add_customers": {"POST": tool.change},
        f"{track}/remove_customers": {"POST": tool.change},
        app: {"GET": tool.listing, "POST": tool.create},
        f"{app}/{{id}}": {"DELETE": tool.drop},
        f"{app}/{{id}}/customer_count": {"GET": tool.count},
        f"{app}/{{id}}/membership": {"GET": tool.membership},
    }
    return Served(endpoints(calls, tool.admit), tool.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    said = {"429": (429, "too many requests"), "expired_token": (401, "unauthorized")}
    said |= {"500": (500, "internal error"), "503": (503, "unavailable")}
    return {kind: refused(*each) for kind, each in said.items()}


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "DELETE"}),
    secrets={"CUSTOMERIO_SITE_ID": SITE, "CUSTOMERIO_TRACK_KEY": TRACK_KEY, "CUSTOMERIO_APP_KEY": APP_KEY},
    addresses={"CUSTOMERIO_APP_URL": ""},
)
