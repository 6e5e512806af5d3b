"""Meta's Graph API as far as customer-file audiences go: `/meta/v27.0/...`.

What Meta's documents leave open is a setting, read and changed at `/_control/meta/settings`:

- `minimum_people` (20): a removal is refused (200/1870047) when it would take an audience from this size or more to under it;
  0 turns the rule off. Meta names the error, not the number.
- `samples_form` (`list`): `invalid_entry_samples` as a list of the rows as sent, or a `map` from a running number to them.
- `calls_per_hour` (190,000), `audiences_per_account` (500), `terms_accepted` (true), `user_terms_accepted` (true; null: the map
  has no entry), `terms_error` (2663; 2655 too has been seen): the code of a call while terms are not accepted.
- `poison` ([]): values whose presence makes Meta refuse a whole batch without saying which row (100).

`POST /_control/meta/lists/{id} {"operation": 471}` flags an audience.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.limits import Windows
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.meta import graph, uploads
from segment_pipeline.sandbox.vendors.meta.graph import ACCOUNT, Parameters, refused, selected
from segment_pipeline.sandbox.vendors.meta.rows import IDENTIFYING, People, read_people
from segment_pipeline.sandbox.vendors.meta.uploads import Uploads

FILE_SOURCES = ("USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED")
KEPT = ("description", "customer_file_source", "retention_days", "usage_restriction", "audience_labels", "opt_out_link")
TERMS = ("custom_audience_tos", "value_based_custom_audience_tos")
FIRST_AUDIENCE = 120_210_000_000_000_000
DEFAULTS: Mapping[str, Any] = {
    "minimum_people": 20,
    "calls_per_hour": 190_000,
    "terms_accepted": True,
    "user_terms_accepted": True,
    "terms_error": 2663,
    "samples_form": "list",
    "audiences_per_account": 500,
    "poison": [],
}


class Asked(NamedTuple):
    """One call: its request, and its parameters from wherever they came."""

    request: Request
    given: Parameters


class Meta:
    """The endpoints over one store."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "meta", defaults=DEFAULTS, schema=(lists.SCHEMA, uploads.SCHEMA))
        self.lists = Lists(self.store, identify=lambda number: str(FIRST_AUDIENCE + number), identifiers=IDENTIFYING)
        self.uploads = Uploads(self.lists)
        self.windows = Windows()

    def admit(self, request: Request, _call: str) -> tuple[Asked, Mapping[str, str]]:
        given = graph.parameters(request)
        graph.authorize(request, given)
        spent = graph.spend(self.windows, int(self.store.setting("calls_per_hour")))
        return Asked(request, given), spent | graph.upgraded(request)

    def show_account(self, asked: Asked) -> Answer:
        shown: dict[str, Any] = {"id": f"act_{ACCOUNT}", "account_id": ACCOUNT, "name": "Sandbox ad account"}
        shown |= {"account_status": 1, "currency": "USD"}
        for field, setting in (("tos_accepted", "terms_accepted"), ("user_tos_accepted", "user_terms_accepted")):
            accepted = self.store.setting(setting)
            shown[field] = {} if accepted is None else dict.fromkeys(TERMS, int(accepted))
        return 200, selected(shown, asked.given)

    def require_terms(self) -> None:
        if False in (self.store.setting("terms_accepted"), self.store.setting("user_terms_accepted")):
            where = f"https://business.facebook.com/ads/manage/customaudiences/tos/?act={ACCOUNT}"
            message = f"Terms of service has not been accepted. To accept, go to {where}"
            raise refused(int(self.store.setting("terms_error")), message)

    def create(self, asked: Asked) -> Answer:
        given = asked.given
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
            return 200, {"id": self.lists.create(str(given["name"]), operation=200, subtype="CUSTOM", **kept)["id"]}

    def list_audiences(self, asked: Asked) -> Answer:
        return graph.collection(*asked, self.lists.page, lambda row: selected(self.shown(row), asked.given, KEPT))

    def audience(self, asked: Asked) -> sqlite3.Row:
        identifier = str(asked.request.path_params["audience"])
        row = self.lists.found(identifier, graph.missing(identifier))
        # One whose time is over ends before anything is asked or changed.
        self.uploads.running_replace(identifier)
        return row

    def shown(self, row: sqlite3.Row) -> dict[str, Any]:
        size, held = self.lists.size(row["id"]), json.loads(row["held"])
        operation = {"code": held["operation"], "description": "Normal" if held["operation"] == 200 else "Flagged"}
        if self.uploads.running_replace(row["id"]):
            operation = {"code": 414, "description": "replace_in_progress"}
        delivery = {"code": 200, "description": "This audience is ready for use."}
        if size < int(self.store.setting("minimum_people")):
            delivery = {"code": 300, "description": "This audience is too small."}
        return {
            "id": row["id"],
            "account_id": ACCOUNT,
            "name": row["name"],
            **{name: value for name, value in held.items() if name != "operation"},
            "operation_status": operation,
            "delivery_status": delivery,
            "time_created": uploads.epoch(row["created_at"]),
            "time_updated": uploads.epoch(row["updated_at"]),
            "time_content_updated": uploads.epoch(row["content_at"]),
        }

    def show(self, asked: Asked) -> Answer:
        return 200, selected(self.shown(self.audience(asked)), asked.given, KEPT)

    def rename(self, asked: Asked) -> Answer:
        changed = {name: asked.given[name] for name in ("name", *KEPT) if name in asked.given}
        self.lists.change(self.audience(asked)["id"], **changed)
        return 200, {"success": True}

    def drop(self, asked: Asked) -> Answer:
        identifier = self.audience(asked)["id"]
        with self.store.writing():
            self.lists.drop(identifier)
            self.uploads.drop(identifier)
        return 200, {"success": True}

    def people(self, asked: Asked) -> People:
        poison = frozenset(self.store.setting("poison"))
        return read_people(asked.given.get("payload"), row_errors(asked.request), poison)

    def upload(self, asked: Asked, *, removes: bool = False, replaces: bool = False) -> Answer:
        self.require_terms()
        row = self.audience(asked)
        if json.loads(row["held"])["operation"] != 200:
            raise refused(100, "The audience has been flagged and cannot be edited", 1713230)
        people, session = self.people(asked), uploads.session_of(asked.given.get("session"))
        counted = people.received, people.invalid
        with self.store.writing():
            changed = self.uploads.admit(row["id"], session, replaces=replaces)
            if removes:
                self.remove(changed, people)
            else:
                self.lists.keep(people.rows)
                self.lists.add([changed], [person.number for person in people.rows])
            if not replaces:
                self.lists.touch(row["id"], self.store.now)
            if session is not None:
                counted = self.uploads.count(row["id"], session, people, replaces=replaces)
        return self.receipt(people, *counted, session, audience_id=row["id"])

    def remove(self, audience: str, people: People) -> None:
        """Takes out every row that holds one of the keys, unless too few people would be left."""
        before, least = self.lists.size(audience), int(self.store.setting("minimum_people"))
        gone = self.lists.remove(audience, self.meant(people))
        if gone and before >= least > before - gone:
            raise refused(200, "This removal would leave too few people in the audience", 1870047)

    def remove_everywhere(self, asked: Asked) -> Answer:
        """Takes people out of all of the account's audiences, however few that leaves, and forgets them."""
        people = self.people(asked)
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
        return 200, {
            **audience,
            "session_id": session["id"] if session else str(time.time_ns()),
            "num_received": received,
            "num_invalid_entries": invalid,
            "invalid_entry_samples": samples or {},
        }

    def sessions(self, asked: Asked) -> Answer:
        found, wanted = self.uploads.of(self.audience(asked)["id"]), asked.given.get("session_id")
        return 200, {"data": [uploads.shown(row) for row in found if wanted in (None, row["session"])], "paging": {}}

    def unknown(self, asked: Asked) -> Answer:
        raise refused(2500, f"Unknown path components: /{asked.request.path_params['rest']}")


def serve(state: SandboxState) -> Served:
    meta = Meta(state)
    account, audience = "/{version}/act_{account}", "/{version}/{audience:int}"
    calls: Calls[Asked] = {
        f"{account}/customaudiences": {"GET": meta.list_audiences, "POST": meta.create},
        f"{account}/usersofanyaudience": {"DELETE": meta.remove_everywhere},
        account: {"GET": meta.show_account},
        f"{audience}/users": {"POST": meta.upload, "DELETE": partial(meta.upload, removes=True)},
        f"{audience}/usersreplace": {"POST": partial(meta.upload, replaces=True)},
        f"{audience}/sessions": {"GET": meta.sessions},
        audience: {"GET": meta.show, "POST": meta.rename, "DELETE": meta.drop},
        "/{version}/{rest:path}": dict.fromkeys(("GET", "POST", "DELETE"), meta.unknown),
    }
    return Served(endpoints(calls, meta.admit), meta.lists.control())


def errors(seconds: float) -> Mapping[str, Refused]:
    return {
        "429": graph.limited(seconds),
        "expired_token": refused(190, "Error validating access token: Session has expired", 463, status=401),
        "500": refused(1, "An unknown error has occurred.", transient=True, status=500),
        "503": refused(2, "Service temporarily unavailable", transient=True, status=503),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=60),
    writes=frozenset({"POST", "DELETE"}),
    secrets={"META_ACCESS_TOKEN": graph.TOKEN, "META_APP_SECRET": graph.SECRET},
    account={"META_AD_ACCOUNT": ACCOUNT},
)
