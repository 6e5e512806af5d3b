"""TikTok's API for Business v1.3 as far as audiences of customer files go: `/tiktok/open_api/v1.3/dmp/custom_audience/…`.

A file is uploaded, and an audience made of files, or changed by them: work that is asked for, audience by audience. A member is a hash
of a file. Errors come with HTTP 200 and a code. What TikTok's documents leave open is a setting, read and changed at
`/_control/tiktok/settings`, besides those of `jobs`:

- `least` (1000): entries an audience has to have after a change; else the change is not made, and the audience has an error.
- `busy` (true): an audience that is calculated takes no files. `duplicates` (false): files an audience has had are a duplicate request.
- `limit_factor` (1000; 1 gives the basic tier's limits).
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox import jobs, lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, form, json_object
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.jobs import Jobs, Outcome, Work
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore, listed
from segment_pipeline.sandbox.vendor import Served, Vendor

TOKEN, ADVERTISER = "sandbox-tiktok-token", "7000000000000000001"
ROOT = "/open_api/v1.3/dmp/custom_audience"
LARGEST_FILE, UNUSED = 50 * 2**20, timedelta(days=365)
TYPES = (
    "EMAIL_SHA256 FIRST_MD5 FIRST_SHA256 GAID_MD5 GAID_SHA256 IDFA_MD5 IDFA_SHA256 MULTIPLE_TYPES PHONE_SHA256".split()
)
FILES = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, type TEXT NOT NULL, ids TEXT NOT NULL, used TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_lists ON jobs (lists, number);
"""
LEFT_OPEN: Mapping[str, Any] = {**jobs.SETTINGS, "least": 1000, "busy": True, "duplicates": False, "limit_factor": 1000}


def refused(code: int, message: str) -> Refused:
    return Refused(200, {"code": code, "message": message, "request_id": secrets.token_hex(16), "data": {}})


def ok(**data: Any) -> Answer:
    return 200, {"code": 0, "message": "OK", "request_id": secrets.token_hex(16), "data": data}


class TikTok:
    """The endpoints over one store, for one advertiser."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "tiktok", defaults=LEFT_OPEN, schema=(lists.SCHEMA, jobs.SCHEMA, FILES))
        self.lists = IdLists(self.store, identify=lambda n: f"{7 * 10**18 + n}", identifiers=["user_id"])
        self.jobs = Jobs(self.store, self.carry_out)
        self.windows = Windows()

    def admit(self, request: Request, call: str) -> tuple[Request, Mapping[str, str]]:
        del call
        if not request.url.path.endswith("/"):
            raise Refused(404, {"code": 40401, "message": "404 page not found"})
        if request.headers.get("access-token") != TOKEN:
            raise refused(40105, "Access token is incorrect or has been revoked.")
        factor = self.store.setting("limit_factor")
        try:
            self.windows.spend("", (10 * factor, 1.0), (600 * factor, 60.0))
        except LimitReached as full:
            code = 40100 if full.seconds <= 1 else 40132
            raise refused(code, "Too many requests. Please retry in some time.") from None
        return request, {}

    def upload(self, request: Request) -> Answer:
        """A file that is whole by its signature, under a path of sixteen characters that this advertiser alone may use."""
        given = form(request)
        if not given:
            raise refused(40002, "The body is no form of several parts")
        name, content = given.get("file", ("", b""))
        fields = {field: value.decode() for field, (_, value) in given.items() if field != "file"}
        advertised(fields)
        if fields.get("calculate_type") not in {*TYPES, "MAID_MD5", "MAID_SHA256"}:
            raise refused(40002, "calculate_type: Field must be one of the encryption types")
        if not name.endswith((".csv", ".txt")) or len(content) > LARGEST_FILE:
            raise refused(40002, "file: Only CSV and TXT files of up to 50 MB are supported")
        if fields.get("file_signature") != hashlib.md5(content).hexdigest():
            raise refused(40002, "file_signature: The signature does not match the file")
        kind, path = fields["calculate_type"], secrets.token_hex(8)
        with self.store.writing():
            row = (path, kind, json.dumps(entries(content.decode(), kind)))
            self.store.database.execute("INSERT INTO files (path, type, ids) VALUES (?, ?, ?)", row)
        return ok(file_path=path, calculate_type=kind)

    def create(self, request: Request) -> Answer:
        given = advertised(sent(request))
        paths, kind = self.files(given)
        name, days = given.get("custom_audience_name"), given.get("retention_in_days")
        if not isinstance(name, str) or not 1 <= len(name) <= 128:
            raise refused(40002, "custom_audience_name: Length must be between 1 and 128")
        if given.get("audience_sub_type", "NORMAL") not in {"NORMAL", "REACH_FREQUENCY"}:
            raise refused(40002, "audience_sub_type: Field must be NORMAL or REACH_FREQUENCY")
        if days is not None and not 1 <= days <= 365:
            raise refused(40002, "retention_in_days: Value must be between 1 and 365")
        with self.store.writing():
            made = self.lists.create(name, calculate_type=kind)
            self.jobs.open(paths, [made["id"]], None, action="REPLACE")
        return ok(custom_audience_id=made["id"])

    def update(self, request: Request) -> Answer:
        given = advertised(sent(request))
        found, name = self.known(given.get("custom_audience_id")), given.get("custom_audience_name")
        action = given.get("action", "REPLACE")
        if name is not None:
            with self.store.writing():
                self.lists.change(found["id"], name=name)
            return ok()
        paths, kind = self.files(given)
        if action not in {"APPEND", "REMOVE", "REPLACE"} or kind != json.loads(found["held"])["calculate_type"]:
            raise refused(40002, "file_paths: The encryption type or the action is not that of the audience")
        use, job = f"{action} {found['id']}", self.newest(found["id"])
        if self.store.setting("duplicates") and self.store.row(
            "SELECT 1 FROM files WHERE path = ? AND used = ?", paths[0], use
        ):
            raise refused(40050, "Duplicate request")
        if self.store.setting("busy") and job is not None and job["completed_at"] is None:
            raise refused(40002, "The audience is being processed and is not editable.")
        with self.store.writing():
            self.store.database.executemany("UPDATE files SET used = ? WHERE path = ?", [(use, path) for path in paths])
            self.jobs.open(paths, [found["id"]], None, action=action)
        return ok()

    def carry_out(self, work: Work) -> Outcome:
        """The change whole, or an error of the audience; a hash that is none is left out without a word."""
        [identifier], action = work.lists, work.note["action"]
        placed = listed(work.rows)
        found = self.store.rows("SELECT ids FROM files WHERE path IN (SELECT value FROM json_each(?))", placed)
        given = {one for row in found for one in json.loads(row["ids"])}
        there = set(self.lists.ids(identifier))
        after = {"APPEND": there | given, "REMOVE": there - given, "REPLACE": given}[action]
        if len(after) < self.store.setting("least"):
            return Outcome([], [{"message": "The audience size is less than 1,000 after the operation."}])
        if action == "REMOVE":
            self.lists.take(identifier, given)
        elif action == "APPEND":
            self.lists.put(identifier, given)
        else:
            self.lists.exchange(identifier, given)
        self.lists.touch(identifier, self.store.now)
        return Outcome([], [])

    def get(self, request: Request) -> Answer:
        """The audiences there are of those that are asked for, as their last change left them."""
        asked = self.asked(request)
        for identifier in asked:
            if job := self.newest(identifier):
                self.jobs.poll(job["id"])
        found = [row for identifier in asked if (row := self.lists.get(identifier))]
        return ok(list=[{"audience_details": self.shown(row), "audience_history": []} for row in found])

    def page(self, request: Request) -> Answer:
        query = request.query_params
        advertised(query)
        number, size = int(query.get("page", 1)), int(query.get("page_size", 10))
        if number < 1 or not 1 <= size <= 100:
            raise refused(40002, "page_size: Value must be between 1 and 100")
        total = self.store.rows("SELECT count(*) FROM lists")[0][0]
        rows = self.store.rows("SELECT * FROM lists ORDER BY number DESC LIMIT ? OFFSET ?", size, (number - 1) * size)
        told = {"page": number, "page_size": size, "total_number": total, "total_page": -(-total // size)}
        return ok(list=[self.shown(row) for row in rows], page_info=told)

    def delete(self, request: Request) -> Answer:
        for identifier in advertised(sent(request)).get("custom_audience_ids") or []:
            self.lists.drop(self.known(identifier)["id"])
        return ok()

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        held, job = json.loads(row["held"]), self.newest(row["id"])
        lapses = datetime.fromisoformat(row["content_at"]) + UNUSED
        errors = self.jobs.errors(job["id"], 0, 1) if job and job["completed_at"] else []
        done = (job is None or job["completed_at"] is not None) and lapses > self.store.state.now()
        return {
            "audience_id": row["id"],
            "name": row["name"],
            "is_creator": held.get("is_creator", True),
            "calculate_type": held["calculate_type"],
            "is_valid": done and not errors,
            "error_msg": json.loads(errors[0]["body"])["message"] if errors else "",
            "expired_time": held.get("expired_time", f"{lapses:%Y-%m-%d %H:%M:%S}"),
        }

    def newest(self, identifier: str) -> sqlite3.Row | None:
        query = "SELECT * FROM jobs WHERE lists = ? ORDER BY number DESC LIMIT 1"
        return self.store.row(query, json.dumps([identifier]))

    def files(self, given: Mapping[str, Any]) -> tuple[list[str], str]:
        """The files a request names, all of one type."""
        paths = given.get("file_paths") or []
        if not 1 <= len(paths) <= 500:
            raise refused(40002, "file_paths: Length must be between 1 and 500")
        query = "SELECT type FROM files WHERE path IN (SELECT value FROM json_each(?))"
        types = [row["type"] for row in self.store.rows(query, listed(paths))]
        if len(types) < len({*paths}) or len({*types, given.get("calculate_type", types[0])}) > 1:
            raise refused(40002, "file_paths: There is no such file, or of another encryption type")
        return paths, types[0]

    def known(self, identifier: object) -> sqlite3.Row:
        return self.lists.found(str(identifier), refused(40002, "custom_audience_id: The audience does not exist"))

    def asked(self, request: Request) -> Sequence[str]:
        advertised(request.query_params)
        try:
            ids = json.loads(request.query_params.get("custom_audience_ids", ""))
        except ValueError:
            ids = None
        if not isinstance(ids, list) or not 1 <= len(ids) <= 100:
            raise refused(40002, "custom_audience_ids: Not a list of 1 to 100 ids in JSON")
        return ids


def entries(text: str, kind: str) -> list[str]:
    """The hashes of a file's lines; its first says what they are. Of several types each stands in a column of its own."""
    head, *lines = text.split()
    width = head.count(",") + 1
    if kind != "MULTIPLE_TYPES" and width > 1:
        raise refused(40002, "file: A file of one encryption type has one column")
    return [cell for line in lines for cell in line.split(",") if len(cell) in {32, 64}]


def sent(request: Request) -> dict[str, Any]:
    return json_object(request, refused(40002, "The body is no JSON object"))


def advertised(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("advertiser_id") != ADVERTISER:
        raise refused(40001, "No permission to operate the advertiser")
    return dict(given)


def serve(state: SandboxState) -> Served:
    tiktok = TikTok(state)
    calls: Calls[Request] = {
        f"{ROOT}/file/upload": {"POST": tiktok.upload},
        f"{ROOT}/create": {"POST": tiktok.create},
        f"{ROOT}/update": {"POST": tiktok.update},
        f"{ROOT}/delete": {"POST": tiktok.delete},
        f"{ROOT}/get": {"GET": tiktok.get},
        f"{ROOT}/list": {"GET": tiktok.page},
    }
    return Served(endpoints(calls, tiktok.admit), tiktok.lists.control())


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": refused(40100, "Too many requests. Please retry in some time."),
        "500": refused(50000, "System error"),
        "expired_token": refused(40105, "Access token is incorrect or has been revoked."),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST"}),
    secrets={"TIKTOK_ACCESS_TOKEN": TOKEN},
    account={"TIKTOK_ADVERTISER_ID": ADVERTISER},
)
