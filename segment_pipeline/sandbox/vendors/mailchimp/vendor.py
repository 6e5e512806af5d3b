"""Mailchimp's Marketing API as far as members of one list and its tags go: `/mailchimp/3.0/lists/{list_id}/...`.

A tag is a static segment. What Mailchimp's documents leave open is a setting, read and changed at `/_control/mailchimp/settings`:

- `merge_fields` (FNAME, LNAME, …): tags of the fields the list has; values of others are passed over in silence. `poison` ([]): e-mails that fail. `erased_for_ever` (true): who was deleted for good never comes back. `absent_removals` (true): taking somebody off a tag they do not have is an error of that row.
- `connections` (10), `hold_seconds` (0): so many calls at once, and how long each takes.
- `html` (`429`; `403`): what is answered, without JSON, where that is exceeded, and to a `429` that is asked for.
"""

import base64
import hashlib
import re
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segment_pipeline.sandbox import changes, lists
from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, Calls, Refused, endpoints, json_object, row_errors
from segment_pipeline.sandbox.faults import answered
from segment_pipeline.sandbox.listing import instant_of
from segment_pipeline.sandbox.lists import Lists, Person
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor

KEY, LIST = "sandbox-mailchimp-us1", "a1b2c3d4e5"
STATES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
EMAIL = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s]+\.[^@\s.]+")
LARGEST_BATCH, LARGEST_PAGE, FIRST_SEGMENT = 500, 1000, 7_000_000
ERASED = "CREATE TABLE IF NOT EXISTS erased (email TEXT PRIMARY KEY) WITHOUT ROWID;"
LEFT_OPEN: Mapping[str, Any] = {
    "merge_fields": ["FNAME", "LNAME", "PHONE", "TIER", "SPENT", "VIP", "CITY"],
    "poison": [],
    "erased_for_ever": True,
    "absent_removals": True,
    "connections": 10,
    "hold_seconds": 0,
    "html": 429,
}
Document = dict[str, Any]


class Bare(Refused):
    """Refused in front of the API, with a page and no JSON."""

    def __init__(self, status: int) -> None:
        super().__init__(status, "<html>Too many requests</html>")

    def response(self, headers: Mapping[str, str] | None = None, media_type: str | None = None) -> Response:  # noqa: ARG002
        return Response(self.content, self.status, media_type="text/html")


def problem(status: int, title: str, detail: str, *errors: tuple[str, str]) -> Refused:
    told = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status}
    listed = {"errors": [{"field": field, "message": said} for field, said in errors]} if errors else {}
    return Refused(status, told | {"detail": detail, "instance": "0f3c"} | listed)


def invalid(detail: str, *errors: tuple[str, str]) -> Refused:
    return problem(400, "Invalid Resource", detail, *errors)


def not_found() -> Refused:
    return problem(404, "Resource Not Found", "The requested resource could not be found.")


def unauthorized() -> Refused:
    return problem(
        401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."
    )


def member_id(email: str) -> str:
    return hashlib.md5(email.lower().encode()).hexdigest()


class Mailchimp:
    """The endpoints over one store. A person is a member of the one list, a list of ours is a tag of it."""

    def __init__(self, state: SandboxState) -> None:
        self.store = VendorStore(state, "mailchimp", defaults=LEFT_OPEN, schema=(lists.SCHEMA, ERASED))
        self.lists = Lists(
            self.store,
            identify=lambda number: str(FIRST_SEGMENT + number),
            identifiers=["email_address"],
            folded=["email_address"],
        )
        self.lock, self.busy, self.busiest = threading.Lock(), 0, 0

    def admit(self, request: Request, _: str) -> tuple[Request, Mapping[str, str]]:
        scheme, given = [*request.headers.get("authorization", "").split(" ", 1), ""][:2]
        if (given if scheme == "Bearer" else base64.b64decode(given).decode().partition(":")[2]) != KEY:
            raise unauthorized()
        if request.path_params.get("list_id") != LIST:
            raise not_found()
        with self.lock:
            if self.busy >= self.store.setting("connections"):
                raise Bare(self.store.setting("html"))
            self.busy += 1
        try:
            time.sleep(self.store.setting("hold_seconds"))
        finally:
            with self.lock:
                self.busy -= 1
        return request, {}

    def the_list(self, _: Request) -> Answer:
        return 200, {"id": LIST, "name": "Everybody", "stats": {"member_count": len(self.lists.people())}}

    # Members.

    def merge_fields(self, request: Request) -> Answer:
        (count, offset), tags = page_of(request), self.store.setting("merge_fields")
        told = [{"tag": tag, "name": tag.title(), "type": "text"} for tag in tags[offset : offset + count]]
        return 200, {"merge_fields": told, "list_id": LIST, "total_items": len(tags)}

    def upsert(self, request: Request) -> Answer:
        given = sent(request)
        rows = listed(given, "members")
        known_fields = {"members", "update_existing", "sync_tags"}
        if unknown := sorted(given.keys() - known_fields):
            raise invalid(
                "The resource submitted could not be validated.", (unknown[0], "This field was not expected.")
            )
        fault, errors = row_errors(request), []
        new: list[Document] = []
        updated: list[Document] = []
        with self.store.writing():
            book = Book(self.lists, rows, identify=str)
            for position, row in enumerate(rows):
                found = book.find(row)
                wrong = self.wrong(row, found, update=bool(given.get("update_existing")))
                if fault and fault.picks(position):
                    wrong = ("ERROR_GENERIC", "The contact could not be written.")
                if wrong:
                    told = {"email_address": row.get("email_address"), "error_code": wrong[0], "error": wrong[1]}
                    errors.append({**told, "field": "", "field_message": ""})
                    continue
                status = row.get("status") or (found.held["status"] if found else row["status_if_new"])
                held = {name: value for name, value in row.items() if name not in ("status_if_new", "tags")}
                if "merge_fields" in held:
                    known = self.store.setting("merge_fields")
                    held["merge_fields"] = {tag: value for tag, value in held["merge_fields"].items() if tag in known}
                person = book.upsert(held | {"status": status}, found)
                person.id = member_id(row["email_address"])
                if given.get("sync_tags"):
                    self.store.database.execute("DELETE FROM members WHERE person = ?", (person.number,))
                (updated if found else new).append(self.shown(person))
            book.save()
        counts = {"total_created": len(new), "total_updated": len(updated), "error_count": len(errors)}
        return 200, {"new_members": new, "updated_members": updated, "errors": errors, **counts}

    def wrong(self, row: Mapping[str, Any], found: Person | None, *, update: bool) -> tuple[str, str] | None:
        email = str(row.get("email_address"))
        if not EMAIL.fullmatch(email) or email in self.store.setting("poison"):
            return "ERROR_GENERIC", f"{email} looks fake or invalid, please enter a real email address."
        if found and not update:
            return "ERROR_CONTACT_EXISTS", f"{email} is already a list member, do you want to update?"
        erased = self.store.row("SELECT 1 FROM erased WHERE email = ?", email.lower())
        if erased and self.store.setting("erased_for_ever"):
            return "ERROR_GENERIC", f"{email} was permanently deleted and cannot be re-imported."
        states = [row[name] for name in ("status", "status_if_new") if row.get(name)]
        if not found and not states:
            return "ERROR_GENERIC", "A status is required."
        if any(state not in STATES for state in states):
            raise invalid("The resource submitted could not be validated.", ("members.status", "No such status."))
        return None

    def shown(self, person: Person) -> Document:
        held = {name: value for name, value in person.held.items() if name not in ("seen", "odd")}
        told: Document = {"id": person.id, "list_id": LIST, "last_changed": person.updated_at, "merge_fields": {}}
        return {**told, **held, **person.held.get("odd", {})}

    def changed(self, request: Request) -> Answer:
        """The list's members, by when they were changed last."""
        query, bounds = request.query_params, []
        if (query.get("sort_field"), query.get("sort_dir")) != ("last_changed", "ASC"):
            raise invalid("The sandbox lists members by 'last_changed' alone, oldest first.")
        for name, sign in (("since", ">"), ("before", "<")):
            if instant := query.get(f"{name}_last_changed"):
                bounds.append(("updated", sign, instant_of(instant).isoformat()))
        count, offset = page_of(request)
        found = changes.changed(self.lists, bounds)
        told = [self.shown(each.person) for each in found[offset : offset + count]]
        return 200, {"members": told, "list_id": LIST, "total_items": len(found)}

    def the_member(self, request: Request) -> Person:
        if not (found := self.lists.people(ids=[request.path_params["hash"]])):
            raise not_found()
        return found[0]

    def member(self, request: Request) -> Answer:
        person = self.the_member(request)
        query = "SELECT l.id, l.name FROM members m JOIN lists l ON l.id = m.list WHERE m.person = ? ORDER BY l.number"
        tags = [{"id": int(row["id"]), "name": row["name"]} for row in self.store.rows(query, person.number)]
        return 200, self.shown(person) | {"tags": tags, "tags_count": len(tags)}

    def erase(self, request: Request) -> Answer:
        person = self.the_member(request)
        with self.store.writing():
            self.store.database.execute(
                "INSERT OR IGNORE INTO erased VALUES (?)", (person.held["email_address"].lower(),)
            )
            self.lists.forget([person.number])
        return 204, None

    # Tags.

    def the_tag(self, request: Request) -> sqlite3.Row:
        return self.lists.found(request.path_params["id"], not_found())

    def inside(self, row: sqlite3.Row, request: Request) -> list[Person]:
        """Who is shown of those that have a tag: who is subscribed, and who else is asked for."""
        shown = {"subscribed"} | {
            state
            for state in ("cleaned", "transactional", "unsubscribed")
            if request.query_params.get(f"include_{state}") == "true"
        }
        return [each for each in self.lists.members(row["id"]) if each.held["status"] in shown]

    def tag(self, row: sqlite3.Row, request: Request) -> Document:
        told = {"id": int(row["id"]), "name": row["name"], "type": "static", "list_id": LIST}
        times = {"created_at": row["created_at"], "updated_at": row["updated_at"]}
        return told | times | {"member_count": len(self.inside(row, request))}

    def create_tag(self, request: Request) -> Answer:
        given = sent(request)
        if not given.get("name") or "static_segment" not in given:
            raise invalid("The sandbox makes static segments alone, each with a name.")
        with self.store.writing():
            self.free(given["name"])
            made = self.lists.create(given["name"])
            self.change(made["id"], given["static_segment"], [])
        return 200, self.tag(made, request)

    def free(self, name: str, own: str = "") -> None:
        """Refuses a name another tag has."""
        if self.lists.page(0, 1, "name = ? AND id <> ?", name, own):
            raise problem(400, "Bad Request", "Sorry, that tag already exists.")

    def tags(self, request: Request) -> Answer:
        count, offset = page_of(request)
        found = self.lists.page(0, -1)
        told = [self.tag(row, request) for row in found[offset : offset + count]]
        return 200, {"segments": told, "list_id": LIST, "total_items": len(found)}

    def get_tag(self, request: Request) -> Answer:
        return 200, self.tag(self.the_tag(request), request)

    def patch_tag(self, request: Request) -> Answer:
        """`static_segment`, even an empty one, is who has the tag from now on."""
        row, given = self.the_tag(request), sent(request)
        if not given.get("name"):
            raise invalid("The resource submitted could not be validated.", ("name", "This value should not be blank."))
        with self.store.writing():
            self.free(given["name"], row["id"])
            self.lists.change(row["id"], name=given["name"])
            if "static_segment" in given:
                self.lists.remove_joined_before(row["id"], None)
                self.change(row["id"], given["static_segment"], [])
        return self.get_tag(request)

    def drop_tag(self, request: Request) -> Answer:
        self.lists.drop(self.the_tag(request)["id"])
        return 204, None

    def change(self, tag: str, adds: Sequence[str], removes: Sequence[str]) -> tuple[list[Person], list[Person]]:
        """Put those on a tag who are on the list, and take off it those who have it; who was put on it, and who taken off."""
        added, known = self.named(adds), self.named(removes)
        had = self.lists.joined(tag, [each.number for each in known])
        removed = [each for each in known if each.number in had]
        self.lists.add([tag], [each.number for each in added])
        self.lists.remove(tag, [each.number for each in removed])
        return added, removed

    def named(self, emails: Sequence[str]) -> list[Person]:
        return self.lists.people(keys=[key for one in emails for key in self.lists.keys_of({"email_address": one})])

    def change_members(self, request: Request) -> Answer:
        given, tag = sent(request), self.the_tag(request)["id"]
        asked = {name: listed(given, name) if name in given else [] for name in ("members_to_add", "members_to_remove")}
        fault = row_errors(request)
        kept = {name: [e for n, e in enumerate(each) if not (fault and fault.picks(n))] for name, each in asked.items()}
        with self.store.writing():
            changed = self.change(tag, kept["members_to_add"], kept["members_to_remove"])
        added, removed = ([self.shown(each) for each in each_way] for each_way in changed)
        right = {each["email_address"].lower() for each in (*added, *removed)}
        absent, failed = (
            self.store.setting("absent_removals"),
            {*asked["members_to_remove"]} - {*kept["members_to_remove"]},
        )
        wanted = [*asked["members_to_add"], *(each for each in asked["members_to_remove"] if absent or each in failed)]
        lost = [email for email in wanted if email.lower() not in right]
        told = {"email_addresses": lost, "error": "Email addresses are not on the list or the segment."}
        counts = {"total_added": len(added), "total_removed": len(removed), "error_count": len(lost)}
        return 200, {"members_added": added, "members_removed": removed, "errors": [told] if lost else []} | counts

    def members(self, request: Request) -> Answer:
        count, offset = page_of(request)
        found = self.inside(self.the_tag(request), request)
        told = [self.shown(each) for each in found[offset : offset + count]]
        return 200, {"members": told, "total_items": len(found)}


def sent(request: Request) -> Document:
    return json_object(request, problem(400, "JSON Parse Error", "We encountered an unspecified JSON parsing error."))


def listed(given: Mapping[str, Any], name: str) -> list[Any]:
    rows = given.get(name)
    if not isinstance(rows, list) or len(rows) > LARGEST_BATCH:
        raise invalid("The resource submitted could not be validated.", (name, f"At most {LARGEST_BATCH} are taken."))
    return rows


def page_of(request: Request) -> tuple[int, int]:
    count, offset = (request.query_params.get(name, default) for name, default in (("count", "10"), ("offset", "0")))
    if not count.isdigit() or int(count) > LARGEST_PAGE or not offset.isdigit():
        raise invalid("The resource submitted could not be validated.", ("count", f"At most {LARGEST_PAGE}."))
    return int(count), int(offset)


def serve(state: SandboxState) -> Served:
    mailchimp = Mailchimp(state)
    own = "/3.0/lists/{list_id}"
    calls: Calls[Request] = {
        own: {"GET": mailchimp.the_list, "POST": mailchimp.upsert},
        f"{own}/merge-fields": {"GET": mailchimp.merge_fields},
        f"{own}/members": {"GET": mailchimp.changed},
        f"{own}/members/{{hash}}": {"GET": mailchimp.member},
        f"{own}/members/{{hash}}/actions/delete-permanent": {"POST": mailchimp.erase},
        f"{own}/segments": {"GET": mailchimp.tags, "POST": mailchimp.create_tag},
        f"{own}/segments/{{id}}": {
            "GET": mailchimp.get_tag,
            "POST": mailchimp.change_members,
            "PATCH": mailchimp.patch_tag,
            "DELETE": mailchimp.drop_tag,
        },
        f"{own}/segments/{{id}}/members": {"GET": mailchimp.members},
    }
    said = changes.people(mailchimp.lists, lambda given: member_id(given["email_address"]))
    return Served(endpoints(calls, mailchimp.admit), [*mailchimp.lists.control(), said])


def errors(_: float) -> Mapping[str, Refused]:
    return {
        "429": Bare(429),
        "expired_token": unauthorized(),
        "500": problem(500, "Internal Server Error", "An unexpected internal error has occurred."),
    }


VENDOR = Vendor(
    serve=serve,
    fault_response=answered(errors, seconds=1),
    writes=frozenset({"POST", "PATCH", "DELETE"}),
    secrets={"MAILCHIMP_API_KEY": KEY},
    account={"MAILCHIMP_LIST_ID": LIST},
)
