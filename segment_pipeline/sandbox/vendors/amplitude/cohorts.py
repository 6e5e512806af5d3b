"""Amplitude's cohorts: uploaded, added to, removed from and listed, keyed by the user ids of the project.

What Amplitude's page leaves open is a setting of `/_control/amplitude/settings`:

- `strangers` ([]): user ids that nobody in the project has; everybody else has used the product.
- `unmatched` (`refused`): an upload of which no id is somebody's is refused with 400, or `made` with nobody in it.
- `tells_project` (true): a listed cohort says of which project it is.
- `largest_cohort` (2,000,000): a change that would put more into a cohort is refused.
- `work_seconds` (0): for so long a change holds its cohort, in real time; whoever else comes meanwhile is answered 429.

`POST /_control/amplitude/lists/{id} {"archived": true}` archives a cohort, as people do in Amplitude: it is listed as archived and takes
no change.
"""

import json
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, json_body, row_errors
from segment_pipeline.sandbox.idlists import IdLists
from segment_pipeline.sandbox.state import parse_instant
from segment_pipeline.sandbox.store import VendorStore

LARGEST_REQUEST: Final = 100_000
# The two calls have words of their own for the same two kinds of id.
UPLOADED_BY, MEMBERS_BY = ("BY_AMP_ID", "BY_USER_ID"), ("BY_ID", "BY_NAME")
USER_IDS: Final = ("BY_USER_ID", "BY_NAME")
UPLOAD: Final[Mapping[str, type]] = {
    "name": str,
    "app_id": int,
    "id_type": str,
    "ids": list,
    "owner": str,
    "published": bool,
}
UPLOAD_MORE: Final[Mapping[str, type]] = {
    "cg": str,
    "skip_save": bool,
    "skip_invalid_ids": bool,
    "existing_cohort_id": str,
}
MEMBERSHIP: Final[Mapping[str, type]] = {"cohort_id": str, "memberships": list}
MEMBERSHIP_MORE: Final[Mapping[str, type]] = {"count_group": str, "skip_invalid_ids": bool}
CHANGE: Final[Mapping[str, type]] = {"ids": list, "id_type": str, "operation": str}
SETTINGS: Mapping[str, Any] = {
    "strangers": [],
    "unmatched": "refused",
    "largest_cohort": 2_000_000,
    "work_seconds": 0,
    "tells_project": True,
}
SCHEMA = lists.SCHEMA


class Cohorts:
    """The endpoints over the vendor's store. `account`: the project's number and the login of a member of it."""

    def __init__(self, store: VendorStore, authorization: str, account: tuple[int, str]) -> None:
        self.store = store
        self.lists = IdLists(store, identify=lambda _: lists.new_id()[-8:].lower(), identifiers=("user_id",))
        self._authorization, (self._project, self._member) = authorization, account
        self._at_work: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def routes(self) -> list[BaseRoute]:
        calls: Calls[Request] = {
            "/api/3/cohorts": {"GET": self.listing},
            "/api/3/cohorts/upload": {"POST": self.upload},
            "/api/3/cohorts/membership": {"POST": self.membership},
        }
        return endpoints(calls, self.admit)

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        if request.headers.get("Authorization") != self._authorization:
            raise refused(403, "Forbidden")
        return request, {}

    def listing(self, _: Request) -> Answer:
        """Those that are published: what is not, nobody discovers."""
        shown = [self.shown(row, json.loads(row["held"])) for row in self.lists.page(0, -1)]
        return 200, {"cohorts": [one for one in shown if one["published"]]}

    def shown(self, row: sqlite3.Row, held: Mapping[str, Any]) -> dict[str, Any]:
        changed = {"lastMod": row["updated_at"], "createdAt": row["created_at"], "lastComputed": row["content_at"]}
        shown = {name: int(parse_instant(at).timestamp()) for name, at in changed.items()}
        shown |= {"id": row["id"], "name": row["name"], "appId": self._project, "size": self.lists.size(row["id"])}
        shown |= {"archived": held.get("archived", False), "published": held.get("published", True)}
        if not self.store.setting("tells_project"):
            del shown["appId"]
        return shown | {"owners": [held.get("owner", self._member)]}

    def upload(self, request: Request) -> Answer:
        given = fields(json_of(request), UPLOAD, UPLOAD_MORE)
        ids = self.ids_of(given["ids"], given["id_type"], UPLOADED_BY)
        if given["app_id"] != self._project:
            raise refused(400, "app_id is not the project of these keys")
        if given["owner"] != self._member:
            raise refused(400, "owner must be the login e-mail of a member of the organization")
        known, strangers = self.known(request, ids)
        if strangers and given.get("skip_invalid_ids") is False:
            raise refused(400, "Some ids are invalid", invalid_ids_sample=strangers[:10])
        if not known and self.store.setting("unmatched") == "refused":
            raise refused(400, "None of the ids is known in the project")
        self.fits(len(known))
        told: dict[str, Any] = {"matched": len(known), "totals": len(ids), "invalid_ids_sample": strangers[:10]}
        if given.get("skip_save"):
            return 200, {"metadata": told}
        existing = given.get("existing_cohort_id")
        with self.store.writing():
            cohort = (
                existing or self.lists.create(given["name"], owner=given["owner"], published=given["published"])["id"]
            )
        with self.at_work(cohort), self.store.writing():
            if existing:
                self.lists.change(cohort, name=given["name"], owner=given["owner"], published=given["published"])
            self.lists.exchange(cohort, known)
        return 200, {"cohortId": cohort, "metadata": told}

    def membership(self, request: Request) -> Answer:
        given = fields(json_of(request), MEMBERSHIP, MEMBERSHIP_MORE)
        if given.get("count_group", "User") != "User":
            raise refused(400, "count_group must be User")
        changes = [fields(one, CHANGE, {}) for one in given["memberships"]]
        if not changes or sum(len(one["ids"]) for one in changes) > LARGEST_REQUEST:
            raise refused(400, f"memberships must hold between 1 and {LARGEST_REQUEST} ids")
        cohort, results = given["cohort_id"], []
        with self.at_work(cohort), self.store.writing():
            for one in changes:
                known, strangers = self.known(request, self.ids_of(one["ids"], one["id_type"], MEMBERS_BY))
                if one["operation"] not in ("ADD", "REMOVE"):
                    raise refused(400, "operation must be ADD or REMOVE")
                if strangers and given.get("skip_invalid_ids") is False:
                    raise refused(400, "Some ids are invalid")
                (self.lists.put if one["operation"] == "ADD" else self.lists.take)(cohort, known)
                results.append({"skipped_ids": strangers, "id_type": one["id_type"], "operation": one["operation"]})
            self.fits(self.lists.size(cohort))
        return 200, {"cohort_id": cohort, "memberships_result": results}

    @contextmanager
    def at_work(self, cohort: str) -> Iterator[None]:
        """One change of a cohort at a time."""
        lock = self._at_work[cohort]
        if not lock.acquire(blocking=False):
            raise refused(429, "Too many concurrent requests for this cohort")
        try:
            row = self.lists.get(cohort)
            if row is None or json.loads(row["held"]).get("archived"):
                raise refused(404, "Cohort not found")
            time.sleep(self.store.setting("work_seconds"))
            yield
        finally:
            lock.release()

    def known(self, request: Request, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Ids of people who have used the product, and all others."""
        fault, strangers = row_errors(request), set(self.store.setting("strangers"))
        skipped = {one for at, one in enumerate(ids) if one in strangers or (fault and fault.picks(at))}
        return [one for one in ids if one not in skipped], [one for one in ids if one in skipped]

    def ids_of(self, ids: Sequence[Any], id_type: str, words: Sequence[str]) -> list[str]:
        if id_type not in words:
            raise refused(400, f"id_type must be one of {', '.join(words)}")
        if not ids or len(ids) > LARGEST_REQUEST:
            raise refused(400, f"ids must hold between 1 and {LARGEST_REQUEST} ids")
        if id_type not in USER_IDS:
            raise refused(400, "The sandbox knows nobody by an Amplitude ID")
        if not all(isinstance(one, str) and one for one in ids):
            raise refused(400, "ids must be texts")
        return list(ids)

    def fits(self, size: int) -> None:
        if size > self.store.setting("largest_cohort"):
            raise refused(400, "The cohort would hold too many users")


def refused(status: int, message: str, **metadata: Any) -> Refused:
    kind = {403: "forbidden", 404: "not_found", 429: "too_many_requests"}.get(status, "invalid_request")
    said = {"http_code": status, "type": kind, "message": message, "metadata": metadata}
    return Refused(status, {"error": said})


def json_of(request: Request) -> Any:
    try:
        return json_body(request)
    except ValueError:
        raise refused(400, "The body is not JSON") from None


def fields(given: Any, needed: Mapping[str, type], more: Mapping[str, type]) -> dict[str, Any]:
    """An object of these fields, each of its type: all that are needed, and no others."""
    if not isinstance(given, dict):
        raise refused(400, "An object is required")
    if missing := sorted(needed.keys() - given.keys()):
        raise refused(400, f"{missing[0]} is required")
    kinds = {**needed, **more}
    for name, value in given.items():
        kind = kinds.get(name)
        if kind is None:
            raise refused(400, f"{name} is no parameter of this call")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise refused(400, f"{name} must be of the type {kind.__name__}")
    return given
