"""Pinterest's API v5 as far as customer lists and the audiences of them go: `/pinterest/ad_accounts/{id}/customer_lists`, `…/audiences`.

What Pinterest's documents leave open is a setting, read and changed at `/_control/pinterest/settings`:

- `most` (10,000) and `most_bytes` (1,000,000): records, and bytes, of one request; over either it is refused whole.
- `limit_factor` (1000; 1 gives Pinterest's own limits: 100 a second, 1,000 reads and 400 changes a minute).
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, body, endpoints, json_object
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.listing import seal
from segment_pipeline.sandbox.lists import behind
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN, ACCOUNT = "sandbox-pinterest-token", "549755885175"
TYPES = ("EMAIL", "IDFA", "MAID", "LR_ID", "DLX_ID", "HASHED_PINNER_ID")
# Hashed by MD5, SHA-1 or SHA-256, or an e-mail in small letters.
RECORD = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[^\s@A-Z]+@[^\s@A-Z]+")
AUDIENCES = "CREATE TABLE IF NOT EXISTS audiences (number INTEGER PRIMARY KEY AUTOINCREMENT, held TEXT NOT NULL);"
LEFT_OPEN: Mapping[str, Any] = {"most": 10_000, "most_bytes": 1_000_000, "limit_factor": 1000}


def refused(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(status, {"code": code, "message": message}, headers)


class Pinterest:
    """The endpoints over one store, for one ad account. A member is a record as it was sent."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "pinterest", defaults=LEFT_OPEN, schema=(lists.SCHEMA, AUDIENCES))
        self.lists = IdLists(self.store, identify=lambda n: str(643_000_000_000 + n), identifiers=["user_id"])
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise refused(401, 2, "Authentication failed.")
        if request.path_params["account"] != ACCOUNT:
            raise refused(403, 29, "You are not permitted to access that resource.")
        factor, reads = self.store.setting("limit_factor"), call.startswith("GET")
        most = (1000 if reads else 400) * factor
        try:
            self.windows.spend("universal", (100 * factor, 1.0))
            [left] = self.windows.spend("ads_read" if reads else "ads_write", (most, 60.0))
        except LimitReached as full:
            raise limited(full.seconds) from None
        return request, {"x-ratelimit-limit": str(most), "x-ratelimit-remaining": str(left), "x-ratelimit-reset": "60"}

    def create(self, request: Request) -> Answer:
        """A list, which is never without records; of one name there may be several."""
        given = sent(request)
        if not isinstance(given.get("name"), str) or not given["name"] or given.get("list_type", "EMAIL") not in TYPES:
            raise refused(400, 1, "Invalid request: name or list_type")
        records = self.records(given)
        with self.store.writing():
            made = self.lists.create(given["name"], type=given.get("list_type", "EMAIL"), added=0, removed=0, batches=0)
            self.change(made, "ADD", records)
        return 200, self.shown(made["id"])

    def update(self, request: Request) -> Answer:
        row, given = self.known(request), sent(request)
        if given.get("operation_type") not in {"ADD", "REMOVE"}:
            raise refused(400, 1, "Invalid request: operation_type")
        records = self.records(given)
        with self.store.writing():
            self.change(row, given["operation_type"], records)
        return 200, self.shown(row["id"])

    def change(self, row: sqlite3.Row, operation: str, records: list[str]) -> None:
        """Counts go up for whoever is there already, or is not found; a record in no form there is goes to the exceptions."""
        held, counted = json.loads(row["held"]), "added" if operation == "ADD" else "removed"
        fit = [one for one in records if RECORD.fullmatch(one)]
        lost = len(records) - len(fit)
        more = {"exceptions": {"invalid_records": lost}} if lost else {}
        self.lists.change(
            row["id"], **{counted: held.get(counted, 0) + len(fit), "batches": held.get("batches", 0) + 1, **more}
        )
        (self.lists.put if operation == "ADD" else self.lists.take)(row["id"], fit)

    def records(self, given: Mapping[str, Any]) -> list[str]:
        text = given.get("records")
        if not isinstance(text, str) or not text:
            raise refused(400, 1, "Invalid request: records is a string of records with commas between them")
        found = text.split(",")
        if len(found) > self.store.setting("most") or len(text) > self.store.setting("most_bytes"):
            raise refused(400, 1, "Invalid request: too many records")
        return found

    def page(self, request: Request) -> Answer:
        size, after = asked(request)
        rows = self.lists.page(after, size + 1)
        more = seal(rows[size - 1]["number"]) if len(rows) > size else None
        return 200, {"items": [self.shown(row["id"]) for row in rows[:size]], "bookmark": more}

    def get(self, request: Request) -> Answer:
        return 200, self.shown(self.known(request)["id"])

    def target(self, request: Request) -> Answer:
        """An audience of a list: what advertisements are shown to."""
        given = sent(request)
        listed = str((given.get("rule") or {}).get("customer_list_id", ""))
        if given.get("audience_type") != "CUSTOMER_LIST" or not given.get("name") or self.lists.get(listed) is None:
            raise refused(400, 1, "Invalid ad account audience parameters.")
        with self.store.writing():
            self.store.database.execute("INSERT INTO audiences (held) VALUES (?)", (json.dumps(given),))
        return 200, self.audiences(0, -1)[-1]

    def targets(self, request: Request) -> Answer:
        size, after = asked(request)
        found = self.audiences(after, size + 1)
        more = seal(int(found[size - 1]["id"])) if len(found) > size else None
        return 200, {"items": found[:size], "bookmark": more}

    def audiences(self, after: int, limit: int) -> list[dict[str, Any]]:
        rows = self.store.rows("SELECT * FROM audiences WHERE number > ? ORDER BY number LIMIT ?", after, limit)
        return [
            {"id": str(row["number"]), "type": "audience", "status": "INITIALIZING", **json.loads(row["held"])}
            for row in rows
        ]

    def known(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["id"], refused(404, 4169, "Customer list not found."))

    def shown(self, identifier: str) -> dict[str, Any]:
        row = self.lists.get(identifier)
        assert row is not None
        held = json.loads(row["held"])
        return {
            "id": row["id"],
            "ad_account_id": ACCOUNT,
            "name": row["name"],
            "status": "TOO_SMALL" if self.lists.size(row["id"]) < 100 else "READY",
            "num_batches": held.get("batches", 0),
            "num_uploaded_user_records": held.get("added", 0),
            "num_removed_user_records": held.get("removed", 0),
            "exceptions": held.get("exceptions", {}),
            "created_time": int(datetime.fromisoformat(row["created_at"]).timestamp()),
            "updated_time": int(datetime.fromisoformat(row["updated_at"]).timestamp()),
            "type": "customerlist",
        }


def asked(request: Request) -> tuple[int, int]:
    """The size of a page, and the number behind which it begins."""
    size = int(request.query_params.get("page_size", 25))
    try:
        after = behind(request.query_params.get("bookmark"))
    except ValueError:
        size = 0
    if not 1 <= size <= 250:
        raise refused(400, 1, "Invalid request: page_size or bookmark")
    return size, after


def sent(request: Request) -> dict[str, Any]:
    return json_object(request, refused(400, 1, f"Invalid request: {len(body(request))} bytes are no JSON object"))


def limited(seconds: float) -> Refused:
    """There is no Retry-After."""
    told = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{seconds:.0f}"}
    return refused(429, 8, "You have exceeded your rate limit. Try again later.", told)


def serve(state: SandboxState) -> Served:
    pinterest, root = Pinterest(state), "/ad_accounts/{account}"
    calls: Calls[Request] = {
        f"{root}/customer_lists": {"POST": pinterest.create, "GET": pinterest.page},
        f"{root}/customer_lists/{{id}}": {"GET": pinterest.get, "PATCH": pinterest.update},
        f"{root}/audiences": {"POST": pinterest.target, "GET": pinterest.targets},
    }
    return Served(endpoints(calls, pinterest.admit), pinterest.lists.control())


def errors(seconds: float) -> Mapping[str, Refused]:
    return {
        "429": limited(seconds),
        "500": refused(500, 0, "Internal server error."),
        "expired_token": refused(401, 2, "Authentication failed."),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "PATCH"}),
    secrets={"PINTEREST_ACCESS_TOKEN": TOKEN},
    account={"PINTEREST_AD_ACCOUNT": ACCOUNT},
)
