"""A company's own receiver of signed webhooks: `POST /webhook/audiences`, signed as Standard Webhooks says (standardwebhooks.com).

What receivers differ in is a setting, read and changed at `/_control/webhook/settings`:

- `header` ({}): headers a gateway before it insists on, by name. `largest_rows` (1,000): more members than that are too large.
- `poison` ([]): e-mails it cannot work with; `poison_form`: it says so of the `row` and takes the others (207), `refuses` the whole
  naming the row (400), or refuses the whole without a word about why (`unnamed`, 422).
- `answers` ("json"): what it says when all is well: an object, the text `OK` (`text`), or `nothing` (204).
- `previous` (false): it still goes by the secret of before, as while a new one is brought out.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox import lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Refused, body, endpoints, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.lists import Lists
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

SECRET = "whsec_c2FuZGJveC1zZWNyZXQtb2YtdGhlLXdlYmhvb2s="
PREVIOUS = "whsec_c2FuZGJveC1zZWNyZXQtb2YtbGFzdC15ZWFyIQ=="
TOLERANCE = 5 * 60
IDENTIFIERS = ("email", "phone", "external_id", "user_id")
FIELDS = {
    "ping": {"operation"},
    "open": {"operation", "audience"},
    "upsert": {"operation", "audience", "plan", "batch", "members"},
    "remove": {"operation", "audience", "plan", "batch", "members"},
    "forget": {"operation", "members"},
}
LEFT_OPEN: Mapping[str, Any] = {
    "answers": "json",
    "header": {},
    "largest_rows": 1000,
    "poison": [],
    "poison_form": "row",
    "previous": False,
}
# What was done under which id: a message that comes again is answered as before, and does nothing.
SCHEMA = "CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID;"


class Receiver:
    """The endpoint over one store. A person is whoever has a `key`."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "webhook", defaults=LEFT_OPEN, schema=(lists.SCHEMA, SCHEMA))
        self.lists = Lists(self.store, identify=str, identifiers=["key"])

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        for name, wanted in self.store.setting("header").items():
            if request.headers.get(name) != wanted:
                raise Refused(403, {"error": "forbidden"})
        secret = PREVIOUS if self.store.setting("previous") else SECRET
        if wrong := unsigned(request, secret, self.store.state.now().timestamp()):
            raise Refused(401, {"error": wrong})
        return request, {}

    def receive(self, request: Request) -> Answer:
        sent, identifier = read(body(request)), request.headers["webhook-id"]
        if len(sent.get("members", ())) > self.store.setting("largest_rows"):
            raise Refused(413, {"error": "too many members"})
        with self.store.writing():
            done = self.store.row("SELECT answer FROM done WHERE id = ?", identifier)
            if done is None:
                rejected = self.carry_out(sent, self.rejections(sent, request))
                self.store.database.execute("INSERT INTO done VALUES (?, ?)", (identifier, json.dumps(rejected)))
            else:
                rejected = json.loads(done["answer"])
        if rejected:
            return 207, {"rejected": rejected}
        return {"json": (200, {"rejected": {}}), "text": (200, "OK"), "nothing": (204, None)}[
            self.store.setting("answers")
        ]

    def rejections(self, sent: Mapping[str, Any], request: Request) -> dict[str, str]:
        """Key → reason of the members it does not take; raises Refused where it therefore takes nobody."""
        fault, poison = row_errors(request), set(self.store.setting("poison"))
        members, form = sent.get("members", ()), self.store.setting("poison_form")
        poisoned = {one["key"]: "bad_email" for one in members if one.get("email") in poison}
        if poisoned and form != "row":
            raise Refused(*((422, {}) if form == "unnamed" else (400, {"rejected": poisoned})))
        picked = {one["key"]: "failed" for n, one in enumerate(members) if fault and fault.picks(n)}
        return poisoned | picked

    def carry_out(self, sent: Mapping[str, Any], rejected: dict[str, str]) -> dict[str, str]:
        members = [one for one in sent.get("members", ()) if one["key"] not in rejected]
        match sent["operation"]:
            case "open":
                if self.lists.get(sent["audience"]) is None:
                    self.lists.create(sent["audience"], known_as=sent["audience"])
            case "upsert":
                self.upsert(self.audience(sent), members)
            case "remove":
                keys = [key for one in members for key in self.lists.keys_of(one)]
                self.lists.remove(self.audience(sent), self.lists.holders(keys))
            case "forget":
                self.forget(members)
        return rejected

    def audience(self, sent: Mapping[str, Any]) -> str:
        if self.lists.get(sent["audience"]) is None:
            raise Refused(410, {"error": "no such audience"})
        return str(sent["audience"])

    def upsert(self, audience: str, members: Sequence[Mapping[str, Any]]) -> None:
        book = Book(self.lists, members)
        people = [book.upsert(one, book.find(one)).number for one in members]
        book.save()
        self.lists.add([audience], people)

    def forget(self, members: Sequence[Mapping[str, Any]]) -> None:
        """Whoever has one of the identifiers, whatever else they have."""
        for one in members:
            for name in IDENTIFIERS:
                query = f"SELECT number FROM people WHERE json_extract(held, '$.{name}') = ?"
                self.lists.forget([row[0] for row in self.store.rows(query, one.get(name))])


def unsigned(request: Request, secret: str, now: float) -> str:
    """Why a request is not to be believed; empty: one of its signatures is by the secret, and it is of these minutes."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    identifier, stamp, signatures = (request.headers.get(name, "") for name in names)
    if not identifier or not stamp.isdigit():
        return "unsigned"
    if abs(now - int(stamp)) > TOLERANCE:
        return "not of these five minutes"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{identifier}.{stamp}.".encode() + body(request)
    wanted = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return "" if any(hmac.compare_digest(wanted, each) for each in signatures.split(" ")) else "wrong signature"


def read(content: bytes) -> dict[str, Any]:
    """A message of the form the documents give; raises Refused for any other, keys nobody knows included."""
    try:
        sent = json.loads(content)
        fields = FIELDS[sent["operation"]]
    except (ValueError, KeyError, TypeError):
        raise wrong("operation") from None
    if set(sent) != fields:
        raise wrong("fields")
    if "audience" in fields and not (isinstance(sent["audience"], str) and sent["audience"]):
        raise wrong("audience")
    if "plan" in fields and not (isinstance(sent["plan"], str) and isinstance(sent["batch"], int)):
        raise wrong("plan")
    members = sent.get("members", [])
    if not isinstance(members, list) or ("members" in fields and not members):
        raise wrong("members")
    for one in members:
        if not isinstance(one, dict) or not is_member(one, sent["operation"]):
            raise wrong("member")
    if len({one["key"] for one in members}) < len(members):
        raise wrong("key")
    return dict(sent)


def is_member(one: Mapping[str, Any], operation: str) -> bool:
    given = [one[name] for name in IDENTIFIERS if name in one]
    texts: Collection[Any] = [one.get("key"), *given]
    known = {"key", "attributes", *IDENTIFIERS} if operation == "upsert" else {"key", *IDENTIFIERS}
    attributes = isinstance(one.get("attributes"), dict) or operation != "upsert"
    return attributes and bool(given) and set(one) <= known and all(isinstance(text, str) and text for text in texts)


def wrong(what: str) -> Refused:
    return Refused(400, {"error": f"wrong {what}"})


def serve(state: SandboxState) -> Served:
    receiver = Receiver(state)
    calls = {"/audiences": {"POST": receiver.receive}}
    return Served(endpoints(calls, receiver.admit), receiver.lists.control())


def errors(seconds: float) -> Mapping[str, Refused]:
    wait = {"Retry-After": f"{seconds:g}"}
    return {"429": Refused(429, {"error": "slower"}, wait), "503": Refused(503, {"error": "closed"}, wait)}


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST"}),
    secrets={"WEBHOOK_SECRET": SECRET},
    addresses={"WEBHOOK_URL": "/audiences"},
)
