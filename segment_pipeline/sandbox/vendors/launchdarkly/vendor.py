"""LaunchDarkly's API as far as segments go, standard and big: `/launchdarkly/api/v2/segments/shop/production/...`.

What LaunchDarkly's documents leave open is a setting of `/_control/launchdarkly/settings`, beside those of every job, which imports are:

- `keys_per_call` (1,000): more keys in one change of a big segment are 400.
- `calls_per_window` (100,000): more calls in 10 seconds are 429, with when to come again in milliseconds and no Retry-After.
- `conflicts` (0): so many of the next changes are 409, as if somebody else were at it.
- `poison` ([]): context keys that get a whole request refused. So does a fault of rows: there is no partial failure.
- `deaf` ([]): context keys that a patch passes over in silence, `kept` ([]): those it takes out as little.
- `imports` (`complete`): how an import ends, also `stopped`, or `pending_approval`, which has no end.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline import clock
from segment_pipeline.sandbox import jobs, lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.limits import LimitReached, Windows
from segment_pipeline.sandbox.state import SandboxState, parse_instant
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.launchdarkly import patches
from segment_pipeline.sandbox.vendors.launchdarkly.patches import Targets, imported, json_of, refused, wrong

TOKEN, PROJECT, ENVIRONMENT = "api-sandbox-launchdarkly", "shop", "production"
ROOT: Final = f"/api/v2/segments/{PROJECT}/{ENVIRONMENT}"
VERSION: Final = "20240415"
WINDOW: Final = 10.0
EXCLUDED: Final = "/excluded"
NEW: Mapping[str, Any] = {"tags": [], "unbounded": False, "kind": "user", "version": 1}
SETTINGS: Mapping[str, Any] = {
    **jobs.SETTINGS,
    "apply_jobs": "when_complete",
    "keys_per_call": 1000,
    "calls_per_window": 100_000,
    "conflicts": 0,
    "poison": [],
    "deaf": [],
    "kept": [],
    "imports": "complete",
}


class LaunchDarkly:
    """The endpoints over one store. A segment's list has its included keys, another beside it the excluded ones."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "launchdarkly", defaults=SETTINGS, schema=(lists.SCHEMA, jobs.SCHEMA))
        self.lists = IdLists(self.store, identify="segment-{}".format, identifiers=("user_id",))
        self.jobs = jobs.Jobs(self.store, self.carry_out)
        self.windows = Windows()

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("Authorization") != TOKEN:
            raise refused(401, "unauthorized", "invalid access token")
        if request.headers.get("LD-API-Version", VERSION) != VERSION:
            raise wrong("unknown API version")
        if (request.path_params["project"], request.path_params["environment"]) != (PROJECT, ENVIRONMENT):
            raise refused(404, "not_found", "unknown project or environment")
        now = self.store.state.now()
        try:
            (left,) = self.windows.spend("all", (int(self.store.setting("calls_per_window")), WINDOW))
        except LimitReached as reached:
            raise throttled(reached.seconds, now) from None
        return request, limits(left, WINDOW, now)

    def segment(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["segment"], refused(404, "not_found", "Unknown segment key"))

    def held(self, row: sqlite3.Row) -> dict[str, Any]:
        return {**NEW, **json.loads(row["held"])}

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        held, key = self.held(row), row["id"]
        made, changed = (round(parse_instant(row[at]).timestamp() * 1000) for at in ("created_at", "content_at"))
        shown = {
            "key": key,
            "name": row["name"],
            "tags": held["tags"],
            "deleted": bool(held.get("deleted")),
            "generation": 1,
            "rules": [],
        }
        shown |= {"creationDate": made, "lastModifiedDate": changed, "version": held["version"]}
        shown |= {"unbounded": held["unbounded"], "_links": {"self": {"href": f"{ROOT}/{key}"}}}
        if held["unbounded"]:
            counted = {"includedCount": self.lists.size(key), "excludedCount": self.lists.size(key + EXCLUDED)}
            shown |= {"unboundedContextKind": held["kind"], "_unboundedMetadata": counted}
            return shown | {"_importInProgress": self.importing(key) is not None}
        for side, ids in self.targets(row).sides.items():
            by_kind = [{"contextKind": held["kind"], "values": sorted(ids)}] if held["kind"] != "user" and ids else []
            shown |= {side: sorted(ids) if held["kind"] == "user" else [], f"{side}Contexts": by_kind}
        return shown

    def targets(self, row: sqlite3.Row) -> Targets:
        key = row["id"]
        sides = {"included": set(self.lists.ids(key)), "excluded": set(self.lists.ids(key + EXCLUDED))}
        return Targets(sides, self.held(row)["kind"])

    def listing(self, request: Request) -> Answer:
        after, limit = int(request.query_params.get("offset", 0)), int(request.query_params.get("limit", 20))
        rows = self.lists.page(0, -1)
        shown = [self.shown(row) for row in rows[after : after + limit]]
        return 200, {"items": shown, "totalCount": len(rows), "_links": {"self": {"href": ROOT}}}

    def create(self, request: Request) -> Answer:
        given = json_of(request)
        key, name = given.get("key"), given.get("name")
        if not name or not isinstance(key, str) or not patches.KEY.fullmatch(key):
            raise wrong("name and a valid key are required")
        held = {"tags": given.get("tags") or [], "unbounded": bool(given.get("unbounded"))}
        with self.store.writing():
            if self.lists.get(key):
                raise refused(409, "conflict", "A segment with this key already exists")
            kind = given.get("unboundedContextKind") or "user"
            return 201, self.shown(self.lists.create(name, known_as=key, **held, kind=kind))

    def show(self, request: Request) -> Answer:
        return 200, self.shown(self.segment(request))

    def drop(self, request: Request) -> Answer:
        key = self.segment(request)["id"]
        for each in (key, key + EXCLUDED):
            self.lists.drop(each)
        return 204, None

    def undisturbed(self, request: Request, *, big: bool) -> sqlite3.Row:
        """The segment, which is big or not, while nobody else changes it."""
        row = self.segment(request)
        if self.held(row)["unbounded"] is not big:
            raise wrong("this is no call for a segment of this kind")
        self.jobs.settle()
        if awaited := self.store.setting("conflicts"):
            self.store.change_settings({"conflicts": awaited - 1})
            raise refused(409, "optimistic_locking_error", "Somebody else has changed this segment")
        if self.importing(row["id"]):
            raise refused(409, "conflict", "conflicting process")
        return row

    def patch(self, request: Request) -> Answer:
        row = self.undisturbed(request, big=False)
        semantic = "domain-model=launchdarkly.semanticpatch" in request.headers.get("Content-Type", "")
        given, key = json_of(request), row["id"]
        if semantic and given.get("environmentKey") != ENVIRONMENT:
            raise wrong("environmentKey is required")
        sides, kind = (patches.instructed if semantic else patches.pointed)(given, self.targets(row))
        self.wholesome(request, [*sides["included"]])
        with self.store.writing():
            kept = set(self.store.setting("kept")) & set(self.lists.ids(key))
            self.lists.exchange(key, sides["included"] - set(self.store.setting("deaf")) | kept)
            self.lists.exchange(key + EXCLUDED, sides["excluded"])
            self.lists.change(key, kind=kind, version=self.held(row)["version"] + 1)
        return 200, self.shown(self.segment(request))

    def contexts(self, request: Request) -> Answer:
        """Changes of a big segment. Fields it does not know are passed over in silence."""
        key, given, changes = self.undisturbed(request, big=True)["id"], json_of(request), []
        for side, identifier in (("included", key), ("excluded", key + EXCLUDED)):
            for verb, change in (("add", self.lists.put), ("remove", self.lists.take)):
                changes.append((change, identifier, (given.get(side) or {}).get(verb) or []))
        self.wholesome(request, [one for *_, ids in changes for one in ids], int(self.store.setting("keys_per_call")))
        with self.store.writing():
            for change, identifier, ids in changes:
                change(identifier, ids)
        return 204, None

    def wholesome(self, request: Request, ids: Sequence[Any], most: int | None = None) -> None:
        poison = set(self.store.setting("poison"))
        if most is not None and len(ids) > most:
            raise wrong(f"At most {most} keys may be changed at once")
        if row_errors(request) or not all(isinstance(one, str) and one and one not in poison for one in ids):
            raise wrong("A context key is invalid")

    def importing(self, key: str) -> sqlite3.Row | None:
        return self.store.row("SELECT * FROM jobs WHERE completed_at IS NULL AND lists = ?", json.dumps([key]))

    def open_import(self, request: Request) -> Answer:
        key = self.undisturbed(request, big=True)["id"]
        mode, ids = imported(request)
        self.wholesome(request, ids)
        job = self.jobs.open(ids, [key], None, mode=mode)
        return 204, Response(status_code=204, headers={"Location": f"{ROOT}/{key}/imports/{job['id']}"})

    def carry_out(self, work: jobs.Work) -> jobs.Outcome:
        if self.store.setting("imports") == "complete":
            (self.lists.exchange if work.note["mode"] == "replace" else self.lists.put)(work.lists[0], work.rows)
        return jobs.Outcome([], [])

    def show_import(self, request: Request) -> Answer:
        ends = self.store.setting("imports")
        job = (self.jobs.get if ends == "pending_approval" else self.jobs.poll)(request.path_params["id"])
        if job is None:
            raise refused(404, "not_found", "Unknown import")
        over = job["completed_at"] or ends == "pending_approval"
        status = ends if over else "preparing" if self.jobs.waits(job) else "in_progress"
        key, mode = self.segment(request)["id"], json.loads(job["note"])["mode"]
        made = round(parse_instant(job["created_at"]).timestamp() * 1000)
        shown = {"id": job["id"], "segmentKey": key, "status": status, "mode": mode, "creationTime": made}
        return 200, {**shown, "_links": {"self": {"href": f"{ROOT}/{key}/imports/{job['id']}"}}}


def limits(left: int, seconds: float, now: datetime) -> dict[str, str]:
    reset = round((now.timestamp() + seconds) * 1000)
    return {"X-Ratelimit-Route-Remaining": str(left), "X-Ratelimit-Reset": str(reset)}


def throttled(seconds: float, now: datetime) -> Refused:
    return refused(429, "rate_limited", "You've exceeded the API rate limit.", limits(0, seconds, now))


def serve(state: SandboxState) -> Served:
    tool, under = LaunchDarkly(state), "/api/v2/segments/{project}/{environment}"
    calls: Calls[Request] = {
        under: {"GET": tool.listing, "POST": tool.create},
        f"{under}/{{segment}}": {"GET": tool.show, "PATCH": tool.patch, "DELETE": tool.drop},
        f"{under}/{{segment}}/contexts": {"POST": tool.contexts},
        f"{under}/{{segment}}/imports": {"POST": tool.open_import},
        f"{under}/{{segment}}/imports/{{id}}": {"GET": tool.show_import},
    }
    return Served(endpoints(calls, tool.admit), tool.lists.control())


def errors(seconds: float) -> Mapping[str, Refused]:
    return {
        "429": throttled(seconds, clock.now()),
        "expired_token": refused(401, "unauthorized", "invalid access token"),
        "500": refused(500, "internal_service_error", "unexpected error"),
        "503": refused(503, "service_unavailable", "try again later"),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "PATCH", "DELETE"}),
    secrets={"LAUNCHDARKLY_ACCESS_TOKEN": TOKEN},
    account={"LAUNCHDARKLY_PROJECT": PROJECT, "LAUNCHDARKLY_ENVIRONMENT": ENVIRONMENT},
)
