"""Mailchimp: members of one list, with a tag for each audience.

A tag is a static segment. Who is on the list keeps their status whatever comes or goes: nobody is subscribed, unsubscribed or
archived, and tags of others are left alone.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import attributes, bodies
from segment_pipeline.delivery.destination import (
    Batch,
    Capabilities,
    IdentifierRule,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.vendor import Vendor, at, email_as_sent, found_or_made, told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_ROWS: Final = 500
_PAGE: Final = 1_000
_BYTES: Final = 100_000_000  # no limit is known
# Ten connections of a user, whichever key they come with: two are left to others.
_AT_ONCE: Final = 8
# Mailchimp ends a call after 120 seconds, which may go on there all the same.
_TIMEOUT: Final = (5.0, 130.0)
_EVERYBODY: Final = {f"include_{state}": "true" for state in ("cleaned", "transactional", "unsubscribed")}
_POSITION: Final = re.compile(r"^members\.(?:item:)?(\d+)\b")
# Fields hold a text or a number, an address is an object; "" empties one.
_VALUE: Final = f"""CASE json_type({attributes.VALUE}) WHEN 'NULL' THEN '""' WHEN 'BOOLEAN' THEN {attributes.TEXT}
    WHEN 'ARRAY' THEN to_json(array_to_string(from_json({attributes.VALUE}, '["VARCHAR"]'), ', ')) ELSE {attributes.VALUE} END"""
_FIELDS: Final = attributes.wrapped(attributes.members(value=_VALUE), ',"merge_fields":{')


@dataclass(frozen=True, kw_only=True)
class MailchimpTags:
    """Tags of one Mailchimp list ("audience" in its pages); each audience is the tag `tag_prefix` + its name.

    Whoever is not on the list is put there with the status `status_if_new`: `transactional`, who is sent no campaigns, `subscribed`
    where the consent here is one Mailchimp may rely on, `pending` for a list with double opt-in. Whoever is on it keeps the status they have. Attributes
    become merge fields, by their tag (`FNAME`), which the list must have, since Mailchimp passes over others in silence; one that `clears` empties it.
    An account is of one data centre: `MAILCHIMP_BASE_URL` is https://us21.api.mailchimp.com for a key that ends in `-us21` where the address for all does not
    know it. Whom `forget` deletes can never be put on the list again.
    Not verified against the live API: which positions a refusal of a whole batch names, and that the number of those with a tag is told with everybody in it.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Mailchimp",
        "tags of a list (Marketing API 3.0)",
        oracle="mailchimp-marketing 3.0.80 and Mailchimp's OpenAPI 3.0.55",
    )
    name: str = "mailchimp"
    api_key: str = secret("MAILCHIMP_API_KEY", "key of the account")
    list_id: str = address("MAILCHIMP_LIST_ID", "", "id of the list")
    base_url: str = address("MAILCHIMP_BASE_URL", "https://api.mailchimp.com")
    status_if_new: Literal["transactional", "subscribed", "pending"] = "transactional"
    tag_prefix: str = "segment-pipeline/"
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _tags: set[str] = field(init=False, repr=False, compare=False, default_factory=set)

    def __post_init__(self) -> None:
        vendor = Vendor(self, key="api_key", refusal=self._refused, at_once=_AT_ONCE, timeout=_TIMEOUT)
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="email",
            identifiers=(IdentifierRule("email", "email", "email/plain/1"),),
            batch_rows=_ROWS,
            batch_bytes=5_000_000,
            parallel=4,
            attributes=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        return {
            "error_generic": "Mailchimp does not take the address: it looks made up, or was deleted there for good, and only its owner can come back",
            "not_tagged": "it came onto the list and not onto the tag: it is tried again",
            "still_tagged": "it kept the tag that was to be taken off: it is tried again",
        }

    def secrets_present(self) -> None:
        require(self, "api_key", "list_id")

    def check(self) -> None:
        """The key works, and may read the list, which is there."""
        self._asked("GET", "", params={"fields": "id"})

    def ensure_audience(self, name: str) -> str:
        """The tag of that name, made if there is none."""
        wanted = self._label(name)

        def find() -> Iterator[str]:
            listed = self._listed(
                self._asked, "/segments", "segments", {"type": "static", "fields": "segments.id,segments.name"}
            )
            return (str(one["id"]) for page in listed for one in page if one.get("name") == wanted)

        def make() -> str | None:
            body = {"name": wanted, "static_segment": []}
            answer = self._asked("POST", "/segments", json=body, expect=(400,))
            return None if answer.status_code == 400 else str(at(answer.json(), "id", of="Mailchimp", kind=int))

        return found_or_made(find, make, taken=self._taken(wanted))

    def apply(self, batch: Batch) -> Receipt:
        """Upsert: members of the list first, since a tag takes no others. Remove: off the tag, and nothing else."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, "email")
        keys = dict(zip(rows.column("email").to_pylist(), rows.column("key").to_pylist(), strict=True))
        if batch.operation is Operation.REMOVE:
            rejected = {
                keys[email]: "still_tagged" for email in self._change(batch.remote_id, "members_to_remove", [*keys])
            }
            return Receipt.final(batch, rejected, requests=sent())
        self._require_fields(rows)
        members: dict[str, str] = {}
        for _, _, written in bodies.json_parts(rows, self._member(), _BYTES):
            try:
                members, failed = self._upserted(keys, written)
            except RejectedRecords as refused:
                raise bodies.as_given(refused, batch, rows) from None
            rejected |= {keys[email]: reason for email, reason in failed.items()}
        for email in self._change(batch.remote_id, "members_to_add", [*members]):
            rejected[keys[email]] = "not_tagged"
        ids = {keys[email]: member for email, member in members.items() if keys[email] not in rejected}
        return Receipt.final(batch, rejected, ids, requests=sent())

    def count(self, remote_id: str) -> int:
        """Everybody with the tag, whatever their status."""
        params = {**_EVERYBODY, "fields": "member_count"}
        answer = self._of(remote_id, "GET", params=params)
        return int(at(answer.json(), "member_count", of="Mailchimp", kind=int))

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """Who has the tag, whatever their status; compared with Mailchimp's own count of before and after."""
        expected, read = self.count(remote_id), set[str]()
        params = {**_EVERYBODY, "fields": "members.id,members.email_address"}
        for page in self._listed(partial(self._of, remote_id), "/members", "members", params):
            ids = [str(at(one, "id", of="Mailchimp")) for one in page]
            read.update(ids)
            emails = [email_as_sent(one.get("email_address")) for one in page]
            yield pa.table({"email": pa.array(emails, pa.string()), "vendor_id": pa.array(ids, pa.string())})
        if len(read) < min(expected, self.count(remote_id)):
            raise ContractError(f"{self.name} showed {len(read)} of {expected} with tag {remote_id}: read it again")

    def rename(self, remote_id: str, name: str) -> None:
        # Without `static_segment`, whose absence leaves everybody in it.
        wanted = self._label(name)
        answer = self._of(remote_id, "PATCH", json={"name": wanted}, idempotent=True, expect=(400,))
        if answer.status_code == 400:
            raise ConfigError(self._taken(wanted))

    def delete(self, remote_id: str) -> None:
        """The tag goes, its members stay on the list."""
        self._asked("DELETE", f"/segments/{remote_id}", expect=(404,))

    def forget(self, batch: Batch) -> Receipt:
        """Have Mailchimp delete the members for good; one request per row."""
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, "email")
        for email in rows.column("email").to_pylist():
            path = f"/members/{_member_id(email)}/actions/delete-permanent"
            self._asked("POST", path, idempotent=True, expect=(404,))
        return Receipt.final(batch, rejected, requests=sent())

    def close(self) -> None:
        self._vendor.close()

    def _label(self, name: str) -> str:
        return f"{self.tag_prefix}{name}"

    def _taken(self, label: str) -> str:
        return f"{self.name} has another tag {label}, in other capitals: give the audience a `remote_name`"

    def _asked(self, method: str, path: str, *, expect: Collection[int] = (), **options: Any) -> Response:
        """A request about the list; where that is not there, 404 is said of whatever is asked for."""
        answer = self._vendor.client().request(method, self._path(path), expect=(*expect, 404), **options)
        if answer.status_code == 404 and 404 not in expect:
            raise ConfigError(f"{self.name} has no list of that id: check MAILCHIMP_LIST_ID")
        return answer

    def _of(self, tag: str, method: str, path: str = "", **options: Any) -> Response:
        return self._vendor.of_audience(tag, method, self._path(f"/segments/{tag}{path}"), **options)

    def _path(self, path: str) -> str:
        return f"/3.0/lists/{value(self, 'list_id')}{path}"

    def _listed(
        self, ask: Callable[..., Response], path: str, name: str, params: Mapping[str, str]
    ) -> Iterator[list[Mapping[str, Any]]]:
        """Pages of a listing, to its last."""
        params = {**params, "fields": f"{params['fields']},total_items", "count": str(_PAGE)}
        read, total = 0, 1
        while read < total:
            answer = ask("GET", path, params={**params, "offset": read}).json()
            page = at(answer, name, of="Mailchimp", kind=list)
            total = at(answer, "total_items", of="Mailchimp", kind=int)
            if not page and read < total:
                raise ContractError(f"{self.name} showed {read} of {total} of a listing: read it again")
            read += len(page)
            yield page

    def _require_fields(self, rows: pa.Table) -> None:
        """Raises ConfigError for an attribute the list has no merge field for; the list is asked where one is not known yet."""
        named = {*attributes.carried(rows)}
        if named <= self._tags:
            return
        params = {"fields": "merge_fields.tag"}
        for page in self._listed(self._asked, "/merge-fields", "merge_fields", params):
            self._tags.update(str(one.get("tag")) for one in page)
        if absent := ", ".join(sorted(named - self._tags)):
            raise ConfigError(
                f"{self.name}'s list has no merge field {absent}: add it there, or map its trait to another"
            )

    def _member(self) -> str:
        return f"""'{{"email_address":' || to_json(email) || ',"status_if_new":"{self.status_if_new}"' || {_FIELDS} || '}}'"""

    def _upserted(self, keys: Mapping[str, str], written: str) -> tuple[dict[str, str], dict[str, str]]:
        """E-mail → id of those who are on the list now, and e-mail → reason of those who are not."""
        # Not `sync_tags`, which takes off a member every tag that is not sent along; `status` would overwrite a choice of theirs.
        body, headers = f'{{"members":[{written}],"update_existing":true}}', {"Content-Type": "application/json"}
        params = {"skip_merge_validation": "true"}
        answer = self._asked("POST", "", data=body.encode(), headers=headers, params=params, idempotent=True).json()
        told = [
            *at(answer, "new_members", of="Mailchimp", kind=list),
            *at(answer, "updated_members", of="Mailchimp", kind=list),
        ]
        members = {_email(one.get("email_address")): str(one.get("id")) for one in told}
        failed = {
            _email(one.get("email_address")): redact.code(one.get("error_code")).lower()
            for one in at(answer, "errors", of="Mailchimp", kind=list)
        }
        if unknown := keys.keys() - members.keys() - failed.keys():
            if len(keys) > 1:
                raise RejectedRecords(
                    f"{self.name} did not say what became of {len(unknown)} of {len(keys)} members: split the batch"
                )
            failed = dict.fromkeys(keys, "unknown")
        return (
            {email: member for email, member in members.items() if email in keys},
            {email: reason for email, reason in failed.items() if email in keys and email not in members},
        )

    def _change(self, tag: str, what: str, emails: Sequence[str]) -> set[str]:
        """Put members on a tag or take it off them; those for whom that did not come about."""
        if not emails:
            return set()
        answer = self._of(tag, "POST", json={what: emails}, idempotent=True)
        named = {
            _email(email)
            for error in at(answer.json(), "errors", of="Mailchimp", kind=list)
            for email in error.get("email_addresses") or ()
        }
        # Somebody who has no such tag to be taken off is an error there as well.
        wanted = what == "members_to_add"
        return {email for email in named.intersection(emails) if self._has(tag, email) is not wanted}

    def _has(self, tag: str, email: str) -> bool:
        answer = self._asked("GET", f"/members/{_member_id(email)}", params={"fields": "tags"}, expect=(404,))
        if answer.status_code == 404:
            return False
        return tag in {str(one.get("id")) for one in at(answer.json(), "tags", of="Mailchimp", kind=list)}

    def _refused(self, answer: Response) -> SegmentPipelineError | None:
        status = answer.status_code
        if status in {403, 429} and told(answer, "title", str) is None:
            # What is in front of the API says so, without JSON; a key that may not is told in JSON.
            return TransientError(f"{self.name} was called too often at once (HTTP {status}): it is tried again later")
        if status != 400:
            return None
        detail = told(answer, "detail", str) or ""
        if "already exists" in detail:
            return None
        errors = [error for error in told(answer, "errors", list) or [] if isinstance(error, Mapping)]
        places = [match for error in errors if (match := _POSITION.match(str(error.get("field", ""))))]
        if places:
            rows = {int(match[1]): "invalid_resource" for match in places}
            return RejectedRecords(
                f"{self.name} refused {len(rows)} rows of a batch and with them the batch", rows=rows
            )
        return ContractError(f"{self.name} refused a request (HTTP 400): {redact.text(detail)}")


def _email(shown: str | None) -> str:
    return email_as_sent(shown) or ""


def _member_id(email: str) -> str:
    """What Mailchimp calls a member: it is no secret and no signature."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


CONNECTOR = MailchimpTags
