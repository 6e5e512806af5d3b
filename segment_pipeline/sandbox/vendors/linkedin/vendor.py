"""LinkedIn's DMP segments (REST, versions by month): `/linkedin/dmpSegments`, their users, and nothing that tells who they are.

What LinkedIn's documents leave open is a setting, read and changed at `/_control/linkedin/settings`:

- `versions`: those alive; any other is answered 426. `most` (5000): elements of a request. `most_segments` (1000): of the account.
- `unready` (1): how many requests about the users of a new segment are answered 404.
- `refused`, `failing` ([]): hashes whose element alone is refused, fails at LinkedIn. `throttled` (0): how many elements are over a limit
  from now on. `fatal` ([]): hashes that have a whole request refused.
- `limit_factor` (1000; 1 gives LinkedIn's own limit).
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, RowErrors, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN, ACCOUNT = "sandbox-linkedin-token", "500000001"
FORMS = {"SHA256_EMAIL": "[0-9a-f]{64}", "SHA512_EMAIL": "[0-9a-f]{128}", "GOOGLE_AID": "[0-9a-f-]{36}"}
REQUIRED = "name account accessPolicy type destinations sourcePlatform".split()
LEFT_OPEN: Mapping[str, Any] = {
    "versions": [f"2026{month:02}" for month in range(1, 9)],
    "most": 5000,
    "most_segments": 1000,
    "unready": 1,
    "refused": [],
    "failing": [],
    "throttled": 0,
    "fatal": [],
    "limit_factor": 1000,
}


def refused(status: int, code: str, message: str) -> Refused:
    return Refused(status, {"status": status, "code": code, "message": message})


def missing() -> Refused:
    return refused(404, "RESOURCE_NOT_FOUND", "The DMP segment is not found")


class LinkedIn:
    """The endpoints over one store, for one sponsored account. A member is a hash."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "linkedin", defaults=LEFT_OPEN, schema=(lists.SCHEMA,))
        self.lists = IdLists(self.store, identify=lambda n: str(9_000_000 + n), identifiers=["user_id"])
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        del call
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise refused(401, "INVALID_ACCESS_TOKEN", "Invalid access token")
        version = request.headers.get("linkedin-version", "")
        if not version:
            raise refused(
                400,
                "VERSION_MISSING",
                "A version must be present. Please specify a version by adding the LinkedIn-Version header.",
            )
        if version not in self.store.setting("versions"):
            raise refused(426, "NONEXISTENT_VERSION", f"Requested version {version} is not active")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            raise refused(400, "PROTOCOL_VERSION", "X-RestLi-Protocol-Version 2.0.0 is needed")
        try:
            self.windows.spend("", (600 * self.store.setting("limit_factor"), 60.0))
        except LimitReached:
            raise refused(429, "TOO_MANY_REQUESTS", "Resource level throttle limit for calls is reached.") from None
        return request, {}

    def create(self, request: Request) -> Answer:
        """A segment, by an id in a header; of one `sourceSegmentId` there may be several."""
        given = sent(request)
        if missing := [name for name in REQUIRED if not given.get(name)]:
            raise refused(400, "MISSING_FIELD", f"Field {missing[0]} is required")
        if given["type"] not in {"USER", "COMPANY"} or given["destinations"] != [{"destination": "LINKEDIN"}]:
            raise refused(400, "INVALID_VALUE", "The type or the destinations are none")
        self.account(given["account"])
        if len(self.lists.page(0, -1)) >= self.store.setting("most_segments"):
            raise refused(429, "SEGMENT_LIMIT_EXCEEDED", "The account has as many DMP segments as it may have.")
        with self.store.writing():
            held = {name: given[name] for name in ("type", "accessPolicy", "sourcePlatform")}
            made = self.lists.create(given["name"], **held, sourceSegmentId=given.get("sourceSegmentId", ""), asked=0)
        return 201, Response(status_code=201, headers={"x-restli-id": made["id"]})

    def find(self, request: Request) -> Answer:
        asked = request.query_params
        if asked.get("q") != "account":
            raise refused(400, "ILLEGAL_ARGUMENT", "No such finder")
        self.account(asked.get("account", ""))
        start, count = int(asked.get("start", 0)), int(asked.get("count", 10))
        wanted = {name: asked[name] for name in ("sourcePlatform", "sourceSegmentId") if name in asked}
        like = [f"json_extract(held, '$.{name}') = ?" for name in wanted]
        found = self.lists.page(0, -1, " AND ".join(["1", *like]), *wanted.values())
        page = [self.shown(row) for row in found[start : start + count]]
        return 200, {"elements": page, "paging": {"start": start, "count": count, "links": []}}

    def get(self, request: Request) -> Answer:
        return 200, self.shown(self.known(request))

    def delete(self, request: Request) -> Answer:
        self.lists.drop(self.known(request)["id"])
        return 204, None

    def users(self, request: Request) -> Answer:
        """One status an element, in their order; adding and removing may mix, and again is no mistake."""
        row, most = self.known(request), self.store.setting("most")
        if request.headers.get("x-restli-method", "").upper() != "BATCH_CREATE":
            raise refused(400, "ILLEGAL_ARGUMENT", "X-RestLi-Method BATCH_CREATE is needed")
        asked = json.loads(row["held"]).get("asked", 0)
        if asked < self.store.setting("unready"):
            with self.store.writing():
                self.lists.change(row["id"], asked=asked + 1)
            raise missing()
        elements = sent(request).get("elements")
        if not isinstance(elements, list) or not 1 <= len(elements) <= most:
            raise refused(400, "ILLEGAL_ARGUMENT", f"From 1 to {most} elements")
        if {value for one in elements for value in ids(one)} & {*self.store.setting("fatal")}:
            raise refused(400, "INVALID_REQUEST", "The request cannot be processed")
        told, fault, left = [], row_errors(request), self.store.setting("throttled")
        actions: dict[str, str] = {}
        for position, one in enumerate(elements):
            status, message = self.status(one, position, fault)
            if status == 201 and left:
                left, status, message = left - 1, 429, "Too many requests"
            if status == 201:
                actions |= dict.fromkeys(ids(one), one["action"])
            told.append(
                {"status": status} | ({} if status == 201 else {"error": {"status": status, "message": message}})
            )
        if left != self.store.setting("throttled"):
            self.store.change_settings({"throttled": left})
        with self.store.writing():
            self.lists.put(row["id"], [one for one, action in actions.items() if action == "ADD"])
            self.lists.take(row["id"], [one for one, action in actions.items() if action == "REMOVE"])
            self.lists.touch(row["id"], self.store.now)
        return 200, {"elements": told}

    def status(self, element: Mapping[str, Any], position: int, fault: RowErrors | None) -> tuple[int, str]:
        named = element.get("userIds") or []
        formed = all(re.fullmatch(FORMS.get(one.get("idType"), "(?!)"), str(one.get("idValue"))) for one in named)
        if element.get("action") not in {"ADD", "REMOVE"} or not named or not formed:
            return 400, "The element names nobody, or in no form there is"
        if {*ids(element)} & {*self.store.setting("refused")} or (fault and fault.picks(position)):
            return 422, f"The user cannot be processed: {ids(element)[0]}"
        return (500, "Internal server error") if {*ids(element)} & {*self.store.setting("failing")} else (201, "")

    def account(self, urn: str) -> None:
        if urn != f"urn:li:sponsoredAccount:{ACCOUNT}":
            raise refused(403, "ACCESS_DENIED", "Not enough permissions to access the account")

    def known(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["id"], missing())

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        held = json.loads(row["held"])
        named = ("type", "accessPolicy", "sourcePlatform", "sourceSegmentId")
        status = held.get("status") or ("READY" if self.lists.size(row["id"]) >= 300 else "BUILDING")
        return {
            "id": int(row["id"]),
            "name": row["name"],
            "account": f"urn:li:sponsoredAccount:{ACCOUNT}",
            **{name: held[name] for name in named},
            "destinations": [{"destination": "LINKEDIN", "status": status, "audienceSize": 0, "matchedCount": 0}],
        }


def ids(element: Mapping[str, Any]) -> list[str]:
    return [str(one.get("idValue")) for one in element.get("userIds") or []]


def sent(request: Request) -> dict[str, Any]:
    return json_object(request, refused(400, "ILLEGAL_ARGUMENT", "The body is no JSON object"))


def serve(state: SandboxState) -> Served:
    linkedin = LinkedIn(state)
    calls: Calls[Request] = {
        "/dmpSegments": {"POST": linkedin.create, "GET": linkedin.find},
        "/dmpSegments/{id}": {"GET": linkedin.get, "DELETE": linkedin.delete},
        "/dmpSegments/{id}/users": {"POST": linkedin.users},
    }
    return Served(endpoints(calls, linkedin.admit), linkedin.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": refused(429, "TOO_MANY_REQUESTS", "Resource level throttle limit for calls is reached."),
        "500": refused(500, "INTERNAL_SERVER_ERROR", "Internal server error"),
        "expired_token": refused(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "DELETE"}),
    secrets={"LINKEDIN_ACCESS_TOKEN": TOKEN},
    account={"LINKEDIN_ACCOUNT": ACCOUNT},
)
