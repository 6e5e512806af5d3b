"""Iterable's API as far as lists go: `/iterable/api/lists...`.

What Iterable's documents leave open, or say in two ways, is a setting of `/_control/iterable/settings`:

- `channel_by_default` (true): leaving a list without a word about `channelUnsubscribe` leaves the whole channel. One page says so, another
  says the contrary; `/_control/iterable/people` shows whom it has happened to (`unsubscribed`).
- `project` (`email`): which of e-mail and user id tells people apart: `email`, `userID`, or `hybrid`, where each does.
- `missing_list` (400): what a list that is not there is answered with; its code is BadParams, or NotFound for 404.
- `forgotten`, `conflicting`, `invalid`, `invalid_data` ([]): identifiers whose rows fail, each in a list of its own.
- `largest_call` (1,000), `calls_per_second` (5,000; of changes), `reads_per_minute` (5,000; of sizes and of who is on a list. Iterable's is 5).
- `in_use` ([]): numbers of lists that a campaign uses, and that are not deleted.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.lists import Lists, Person
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

KEY: Final = "sandbox-iterable-key"
LARGEST_BODY: Final = 4 * 2**20
FAILURES: Final = {
    "forgotten": "forgotten",
    "conflicting": "conflict",
    "invalid": "invalid",
    "invalid_data": "invalidData",
}
SUBSCRIBER: Final = {"email", "userId", "dataFields", "preferUserId", "mergeNestedObjects"}
SETTINGS: Mapping[str, Any] = {
    "channel_by_default": True,
    "project": "email",
    "missing_list": 400,
    "largest_call": 1000,
    "calls_per_second": 5000,
    "reads_per_minute": 5000,
    "in_use": [],
    **{setting: [] for setting in FAILURES},
}


class Iterable:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "iterable", defaults=SETTINGS, schema=(lists.SCHEMA,))
        self.lists = Lists(
            self.store,
            identify=lambda number: str(7_000_000 + number),
            identifiers=("email", "userId"),
            folded=["email"],
        )
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("Api-Key") != KEY:
            raise refused(401, "BadApiKey", "Invalid API key")
        reads = call.endswith(("/getUsers", "/size"))
        most = self.store.setting("reads_per_minute" if reads else "calls_per_second")
        try:
            self.windows.spend("reads" if reads else "calls", (int(most), 60.0 if reads else 1.0))
        except LimitReached:
            raise refused(429, "RateLimitExceeded", "Too many requests") from None
        return request, {}

    def listing(self, _: Request) -> Answer:
        return 200, {"lists": [self.shown(row) for row in self.lists.page(0, -1)]}

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        made = round(parse_instant(row["created_at"]).timestamp() * 1000)
        return {
            "id": int(row["id"]),
            "name": row["name"],
            "listType": json.loads(row["held"]).get("kind", "Standard"),
            "createdAt": made,
        }

    def create(self, request: Request) -> Answer:
        given = json_of(request)
        if not isinstance(given.get("name"), str) or not given["name"]:
            raise refused(400, "BadParams", "name is required")
        with self.store.writing():
            return 200, {"listId": int(self.lists.create(given["name"], kind="Standard")["id"])}

    def the_list(self, identifier: object) -> str:
        row = self.lists.get(str(identifier))
        if row is None:
            status = int(self.store.setting("missing_list"))
            raise refused(status, "NotFound" if status == 404 else "BadParams", "There is no list with this id")
        if self.shown(row)["listType"] != "Standard":
            raise refused(400, "BadParams", "The list is not static")
        return str(row["id"])

    def drop(self, request: Request) -> Answer:
        identifier = self.the_list(request.path_params["id"])
        if int(identifier) in self.store.setting("in_use"):
            raise refused(409, "GenericError", "The list is used by a campaign")
        self.lists.drop(identifier)
        return 200, {"msg": "List deleted", "code": "Success", "params": None}

    def size(self, request: Request) -> Answer:
        return 200, PlainTextResponse(str(self.lists.size(self.the_list(request.path_params["id"]))))

    def users(self, request: Request) -> Answer:
        found = self.lists.members(self.the_list(request.query_params.get("listId")))
        names = ("userId", "email") if request.query_params.get("preferUserId") == "true" else ("email", "userId")
        lines = (person.held.get(names[0]) or person.held.get(names[1]) for person in found)
        return 200, PlainTextResponse("".join(f"{line}\n" for line in lines))

    def subscribe(self, request: Request) -> Answer:
        given, sent = self.rows(request)
        identifier, only = self.the_list(given["listId"]), bool(given.get("updateExistingUsersOnly"))
        failed: dict[str, list[str]] = {}
        with self.store.writing():
            book, people = Book(self.lists, sent), list[Person]()
            for position, row in enumerate(sent):
                found, why = book.find(row), self.failure(request, position, row)
                unknown = found is None and (only or ("userId" in row and not self.may_be_made(row)))
                if why or unknown:
                    fail(failed, why or "notFound", row)
                    continue
                row.pop("preferUserId", None)
                people.append(book.upsert(row, found))
            book.save()
            self.lists.add([identifier], [person.number for person in people])
        return 200, told(len(people), failed)

    def may_be_made(self, row: Mapping[str, Any]) -> bool:
        return self.store.setting("project") != "email" or bool(row.get("preferUserId"))

    def unsubscribe(self, request: Request) -> Answer:
        """Off the list, and off its whole channel if that is asked for, or not declined."""
        given, sent = self.rows(request)
        identifier = self.the_list(given["listId"])
        everything = given.get("channelUnsubscribe", self.store.setting("channel_by_default"))
        failed: dict[str, list[str]] = {}
        with self.store.writing():
            book, people = Book(self.lists, sent), list[Person]()
            for row in sent:
                if (found := book.find(row)) is None:
                    fail(failed, "notFound", row)
                    continue
                people.append(book.upsert({"unsubscribed": True}, found) if everything else found)
            book.save()
            self.lists.remove(identifier, [person.number for person in people])
        return 200, told(len(people), failed)

    def rows(self, request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What was asked, and its rows, each of one identifier."""
        given = json_of(request)
        sent = given.get("subscribers")
        if len(body(request)) > LARGEST_BODY or (
            isinstance(sent, list) and len(sent) > self.store.setting("largest_call")
        ):
            raise refused(400, "BatchTooLarge", "The batch is too large")
        if not isinstance(given.get("listId"), int) or not isinstance(sent, list) or not sent:
            raise refused(400, "BadParams", "listId and subscribers are required")
        for row in sent:
            if not isinstance(row, dict) or row.keys() - SUBSCRIBER or not (row.get("email") or row.get("userId")):
                raise refused(400, "BadParams", "A subscriber has an email or a userId")
            if row.get("email") and row.get("userId") and self.store.setting("project") != "hybrid":
                raise refused(400, "BadParams", "email and userId cannot both be given")
        return given, [{name: value for name, value in row.items() if name != "mergeNestedObjects"} for row in sent]

    def failure(self, request: Request, position: int, row: Mapping[str, Any]) -> str | None:
        fault, known = row_errors(request), row.get("email") or row.get("userId")
        found = next((word for setting, word in FAILURES.items() if known in self.store.setting(setting)), None)
        return found or ("invalid" if fault and fault.picks(position) else None)


def fail(failed: dict[str, list[str]], why: str, row: Mapping[str, Any]) -> None:
    kind = "Emails" if row.get("email") else "UserIds"
    failed.setdefault(f"{why}{kind}", []).append(str(row.get("email") or row["userId"]))


def told(done: int, failed: Mapping[str, list[str]]) -> dict[str, Any]:
    counted = {"successCount": done, "failCount": sum(map(len, failed.values()))}
    deprecated = {name: failed.get(name, []) for name in ("invalidEmails", "invalidUserIds")}
    return {**counted, "createdFields": [], "filteredOutFields": [], "failedUpdates": failed, **deprecated}


def refused(status: int, code: str, message: str) -> Refused:
    return Refused(status, {"msg": message, "code": code, "params": None})


def json_of(request: Request) -> dict[str, Any]:
    return json_object(request, refused(400, "BadJsonBody", "Invalid JSON"))


def serve(state: SandboxState) -> Served:
    tool, root = Iterable(state), "/api/lists"
    calls: Calls[Request] = {
        root: {"GET": tool.listing, "POST": tool.create},
        f"{root}/subscribe": {"POST": tool.subscribe},
        f"{root}/unsubscribe": {"POST": tool.unsubscribe},
        f"{root}/getUsers": {"GET": tool.users},
        f"{root}/{{id}}/size": {"GET": tool.size},
        f"{root}/{{id}}": {"DELETE": tool.drop},
    }
    return Served(endpoints(calls, tool.admit), tool.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": refused(429, "RateLimitExceeded", "Too many requests"),
        "expired_token": refused(401, "BadApiKey", "Invalid API key"),
        "500": refused(500, "GenericError", "An error occurred"),
        "503": refused(503, "GenericError", "Timed out: try again later"),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "DELETE"}),
    secrets={"ITERABLE_API_KEY": KEY},
)
