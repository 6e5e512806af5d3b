"""Braze's REST API as far as attributes of users and their deletion go: `/braze/users/track`, `/braze/users/delete`. Nothing can be read.

What Braze's documents leave open is a setting, read and changed at `/_control/braze/settings`:

- `most` (75): objects in one request, all arrays together. `poison` ([]): identifiers whose object is passed over.
- `fatal` ([]): identifiers whose object has a whole request refused; `fatal_named` (true): with its position.
- `queued` (false): maintenance, in which everything is taken and answered 202.
- `limit_factor` (1000; 1 gives Braze's own limit).
"""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

KEY = "sandbox-braze-key"
LARGEST_BODY, MOST_DELETED = 4 * 2**20, 50
ARRAYS = ("attributes", "events", "purchases")
IDENTIFIERS = ("external_id", "email")
STATES = ("opted_in", "subscribed", "unsubscribed")
LEFT_OPEN: Mapping[str, Any] = {
    "most": 75,
    "poison": [],
    "fatal": [],
    "fatal_named": True,
    "queued": False,
    "limit_factor": 1000,
}


def refused(status: int, message: str, **more: Any) -> Refused:
    return Refused(status, {"message": message, **more})


class Braze:
    """The endpoints over one store. A user is known by an external id, or by an e-mail alone."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "braze", defaults=LEFT_OPEN, schema=(lists.SCHEMA,))
        self.lists = Lists(self.store, identify=str, identifiers=IDENTIFIERS, folded=["email"])
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise refused(401, "Invalid API Key")
        if len(body(request)) > LARGEST_BODY:
            raise refused(413, "Request Entity Too Large")
        most = 3000 * self.store.setting("limit_factor")
        try:
            [left] = self.windows.spend(call, (most, 3.0))
        except LimitReached as full:
            raise self.limited(full.seconds) from None
        return request, {"X-RateLimit-Limit": str(most), "X-RateLimit-Remaining": str(left)}

    def limited(self, seconds: float) -> Refused:
        """Tells by the sandbox's time when there is room again; there is no Retry-After."""
        until = self.store.state.now().timestamp() + seconds
        told = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{until:.0f}"}
        return Refused(429, {"message": "Rate limit exceeded"}, told)

    def track(self, request: Request) -> Answer:
        given = sent(request)
        arrays = {name: given.get(name) or [] for name in ARRAYS}
        if unknown := given.keys() - {*ARRAYS, "partner"}:
            raise refused(400, f"Unknown parameters: {sorted(unknown)}")
        if not any(arrays.values()):
            raise refused(400, "No attributes, events or purchases were given.")
        if sum(map(len, arrays.values())) > self.store.setting("most"):
            raise refused(400, "Max Input Length Exceeded")
        rows, fault = arrays["attributes"], row_errors(request)
        if fatal := [n for n, row in enumerate(rows) if self.named(row, "fatal")]:
            told = [{"type": "Invalid attributes", "input_array": "attributes", "index": n} for n in fatal]
            raise refused(400, "Valid data must be provided", errors=told if self.store.setting("fatal_named") else [])
        errors, done = [], 0
        with self.store.writing():
            book = Book(self.lists, rows)
            for position, row in enumerate(rows):
                wrong = self.problem(row) or ("The value is invalid" if fault and fault.picks(position) else "")
                if wrong:
                    errors.append({"type": wrong, "input_array": "attributes", "index": position})
                    continue
                done += 1
                found = book.find(row)
                if found or not row.get("_update_existing_only"):
                    held = found.held if found else {}
                    book.upsert(
                        {name: changed(held.get(name), value) for name, value in row.items() if name[0] != "_"}, found
                    )
            book.save()
        if self.store.setting("queued"):
            return 202, {"message": "queued"}
        return 201, {"message": "success", "attributes_processed": done} | ({"errors": errors} if errors else {})

    def named(self, row: Mapping[str, Any], setting: str) -> bool:
        return bool({row.get(name) for name in IDENTIFIERS} & {*self.store.setting(setting)})

    def problem(self, row: Mapping[str, Any]) -> str:
        if not any(row.get(name) for name in (*IDENTIFIERS, "user_alias", "braze_id", "phone")):
            return "An identifier is required"
        if self.named(row, "poison") or any(
            row.get(f"{each}_subscribe", "subscribed") not in STATES for each in ("email", "push")
        ):
            return "The value is invalid"
        return ""

    def erase(self, request: Request) -> Answer:
        given = sent(request)
        ids = [{"external_id": one} for one in given.get("external_ids") or []]
        mails = [{"email": one.get("email")} for one in given.get("email_addresses") or [] if one.get("prioritization")]
        if not 1 <= len(ids) + len(mails) <= MOST_DELETED or len(mails) < len(given.get("email_addresses") or []):
            raise refused(400, "From 1 to 50 users, an e-mail with its prioritization.")
        with self.store.writing():
            book = Book(self.lists, [*ids, *mails])
            found = [person.number for one in (*ids, *mails) if (person := book.find(one))]
            self.lists.forget(found)
        return 201, {"message": "success"}


def changed(held: Any, value: Any) -> Any:
    """A value as it becomes: of a list what is added to it and removed from it, by the words for both."""
    if not isinstance(value, dict) or not value.keys() <= {"add", "remove"}:
        return value
    kept = [one for one in held or [] if one not in value.get("remove", [])]
    return kept + [one for one in value.get("add", []) if one not in kept]


def sent(request: Request) -> dict[str, Any]:
    return json_object(request, refused(400, "The body is not valid JSON."))


def serve(state: SandboxState) -> Served:
    braze = Braze(state)
    calls: Calls[Request] = {"/users/track": {"POST": braze.track}, "/users/delete": {"POST": braze.erase}}
    return Served(endpoints(calls, braze.admit), braze.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": Refused(
            429, {"message": "Rate limit exceeded"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1514764801"}
        ),
        "expired_token": refused(401, "Invalid API Key"),
        "500": refused(500, "Internal Server Error"),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST"}),
    secrets={"BRAZE_API_KEY": KEY},
)
