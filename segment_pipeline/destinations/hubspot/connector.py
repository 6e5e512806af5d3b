"""HubSpot: contacts by e-mail, and lists whose members are put on and taken off by hand.

Contacts are made or updated first, since a list takes record ids alone. Nobody's subscriptions are touched, and nobody is
deleted or archived but who is to be forgotten.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import quote

import pyarrow as pa

from segment_pipeline import paging
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery import attributes, bodies
from segment_pipeline.delivery.destination import (
    Batch,
    Capabilities,
    IdentifierRule,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.vendor import NotTaken, Vendor, at, email_as_sent, found_or_made
from segment_pipeline.destinations.hubspot.answers import all_read, failed, refusal
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords
from segment_pipeline.http import Response

_VERSIONS: Final = re.compile(r"v3|\d{4}-\d{2}(-beta)?")
_ROWS: Final = 1_000
_CONTACTS: Final = 100
_PAGE: Final = 250
_BYTES: Final = 100_000_000  # no limit is known
# HubSpot's checkboxes take several values with semicolons between; "" empties a property.
_VALUE: Final = f"""CASE json_type({attributes.VALUE}) WHEN 'NULL' THEN '""'
    WHEN 'ARRAY' THEN to_json(array_to_string(from_json({attributes.VALUE}, '["VARCHAR"]'), ';')) ELSE {attributes.TEXT} END"""
_PROPERTIES: Final = attributes.members(where=f"NOT {attributes.named(['email'])}", value=_VALUE)
_INPUT: Final = f"""'{{"id":' || to_json(email) || ',"idProperty":"email","objectWriteTraceId":"row-' || (row_number() OVER () - 1) || '","properties":{{"email":'
    || to_json(email) || {attributes.wrapped(_PROPERTIES, ",", "")} || '}}}}'"""


@dataclass(frozen=True, kw_only=True)
class HubSpotLists:
    """Lists of contacts in one HubSpot account; each audience is a list of the type MANUAL named `list_prefix` + its name.

    A member is the contact with an e-mail, made where there is none. Attributes become properties of that internal name, which
    must exist there: numbers and days as texts, several values with semicolons between; one that `clears` empties its property.
    `version`: of HubSpot's API, by date, or `v3`, which ends in September 2027. `per_ten_seconds`: requests the account allows the app
    (100 to 190, by its plan).
    Not verified against the live API: how many members one change takes (1,000 are sent), what a failure is named by where it
    is not the trace id, and that an upsert by e-mail wants the e-mail among the properties too.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "HubSpot",
        "contacts on lists (API 2026-09)",
        oracle="hubspot-api-client 12.0.0 and schemas made of it",
    )
    name: str = "hubspot"
    access_token: str = secret("HUBSPOT_ACCESS_TOKEN", "service key that may read and write contacts and lists")
    base_url: str = address("HUBSPOT_BASE_URL", "https://api.hubapi.com")
    version: str = "2026-09"
    list_prefix: str = "segment-pipeline: "  # part of a path, in which a slash may be taken for one of its own
    per_ten_seconds: int = 100
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _VERSIONS.fullmatch(self.version):
            raise ConfigError(f"{self.name}: `version` is a date like 2026-09, or v3")
        rates = {"": ((self.per_ten_seconds, 10.0),)}
        vendor = Vendor(self, key="access_token", refusal=lambda answer: refusal(self.name, answer), rates=rates)
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="email",
            identifiers=(IdentifierRule("email", "email", "email/plain/1"),),
            batch_rows=_ROWS,
            batch_bytes=5_000_000,
            parallel=2,
            attributes=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        return {
            "invalid_email": "HubSpot does not take the address: correct it where it is made",
            "invalid_option": "a value is none of its property's options: add the option there, or map another trait",
            "record_missing": "the contact was deleted or merged there meanwhile: it is made anew with the next sync that sends it",
        }

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """The key works, may read contacts and lists, and the version is one HubSpot has."""
        contacts = self._vendor.client().request("GET", self._contacts, params={"limit": 1}, expect=(404,))
        if contacts.status_code == 404:
            raise ConfigError(f"{self.name} has no version {self.version} of its API: set another `version`")
        self.find("check")

    def ensure_audience(self, name: str) -> str:
        """The list of that name, made if there is none."""

        def find() -> Iterator[str]:
            if listed := self._named(name):
                if listed.get("processingType") == "DYNAMIC":
                    raise ConfigError(
                        f"{self.name} has a list {self._label(name)} that follows a rule and takes nobody: rename it there"
                    )
                yield _list_id(listed)

        def make() -> str | None:
            body = {"name": self._label(name), "objectTypeId": "0-1", "processingType": "MANUAL"}
            answer = self._vendor.client().request("POST", self._lists, json=body, expect=(400,))
            return None if answer.status_code == 400 else _list_id(_shown(answer))

        taken = (
            f"{self.name} has another list {self._label(name)}, in other capitals: give the audience a `remote_name`"
        )
        return found_or_made(find, make, taken=taken)

    def find(self, name: str) -> str | None:
        listed = self._named(name)
        return _list_id(listed) if listed else None

    def _named(self, name: str) -> Mapping[str, Any] | None:
        path = f"{self._lists}/object-type-id/0-1/name/{quote(self._label(name), safe='')}"
        answer = self._vendor.client().request("GET", path, expect=(404,))
        listed = None if answer.status_code == 404 else _shown(answer)
        return listed if listed and at(listed, "name", of="HubSpot") == self._label(name) and _there(listed) else None

    def exists(self, remote_id: str) -> bool:
        answer = self._vendor.client().request("GET", f"{self._lists}/{remote_id}", expect=(404,))
        return answer.status_code != 404 and _there(_shown(answer))

    def apply(self, batch: Batch) -> Receipt:
        """Upsert: contacts by the hundred, then all of them onto the list. Remove: whoever has these e-mails now, and whom we once added."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, "email")
        if batch.operation is Operation.REMOVE:
            ids = {
                *self._looked_up(rows.column("email").to_pylist()).values(),
                *batch.rows.column("vendor_id").drop_null().to_pylist(),
            }
            self._change(batch.remote_id, "recordIdsToRemove", sorted(ids))
            return Receipt.final(batch, requests=sent())
        ids_of: dict[str, str] = {}
        for start in range(0, rows.num_rows, _CONTACTS):
            some = rows.slice(start, _CONTACTS)
            made, refused = self._upserted(some)
            if some.num_rows > 1 and not made and set(refused.values()) == {"refused"}:
                raise ContractError(
                    f"{self.name} refused each of {some.num_rows} contacts and named no reason: look there"
                )
            ids_of |= made
            rejected |= refused
        if missing := self._change(batch.remote_id, "recordIdsToAdd", sorted(set(ids_of.values()))):
            rejected |= {key: "record_missing" for key, record in ids_of.items() if record in missing}
        vendor_ids = {key: record for key, record in ids_of.items() if key not in rejected}
        return Receipt.final(batch, rejected, vendor_ids, requests=sent())

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """Who is on the list: ids by the page, and their e-mails by the hundred."""

        def fetch(after: str | None) -> Mapping[str, Any]:
            params = {"limit": _PAGE, **({"after": after} if after else {})}
            page: Mapping[str, Any] = self._vendor.of_audience(
                remote_id, "GET", f"{self._lists}/{remote_id}/memberships", params=params
            ).json()
            return page

        def following(page: Mapping[str, Any]) -> str | None:
            return at(page, "paging", "next", "after", of="HubSpot") if (page.get("paging") or {}).get("next") else None

        for page in paging.pages(fetch, following, what=f"the members of a list of {self.name}"):
            ids = [str(at(one, "recordId", of="HubSpot")) for one in at(page, "results", of="HubSpot", kind=list)]
            known = {record: email for email, record in self._looked_up(ids, by="").items()}
            emails = [known.get(record) for record in ids]
            yield pa.table({"email": pa.array(emails, pa.string()), "vendor_id": pa.array(ids, pa.string())})

    def rename(self, remote_id: str, name: str) -> None:
        path, params = f"{self._lists}/{remote_id}/update-list-name", {"listName": self._label(name)}
        if self._vendor.of_audience(remote_id, "PUT", path, params=params, expect=(400,)).status_code == 400:
            raise ConfigError(f"{self.name} has another list {self._label(name)}: rename or delete that one there")

    def delete(self, remote_id: str) -> None:
        """The list goes, which can be undone there for 90 days; its contacts stay."""
        self._vendor.client().request("DELETE", f"{self._lists}/{remote_id}", expect=(404,))

    def forget(self, batch: Batch) -> Receipt:
        """Have HubSpot delete the contacts for good, and never take their addresses again; one request per row."""
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, "email")
        for email in rows.column("email").to_pylist():
            body = {"objectId": email, "idProperty": "email"}
            self._vendor.client().request(
                "POST", f"{self._contacts}/gdpr-delete", json=body, idempotent=True, expect=(404,)
            )
        return Receipt.final(batch, rejected, requests=sent())

    def close(self) -> None:
        self._vendor.close()

    @property
    def _lists(self) -> str:
        return f"/crm/{self.version}/lists" if self.version.startswith("v") else f"/crm/lists/{self.version}"

    @property
    def _contacts(self) -> str:
        dated = f"/crm/objects/{self.version}/contacts"
        return f"/crm/{self.version}/objects/contacts" if self.version.startswith("v") else dated

    def _label(self, name: str) -> str:
        return f"{self.list_prefix}{name}"

    def _upserted(self, rows: pa.Table) -> tuple[dict[str, str], dict[str, str]]:
        """Key → record id of contacts, a hundred at most, and key → reason of those that failed; in halves where none is named."""
        ((_, count, inputs),) = bodies.json_parts(rows, _INPUT, rows.nbytes + _BYTES)
        keys, emails = rows.column("key").to_pylist(), rows.column("email").to_pylist()
        place = {f"row-{n}": n for n in range(count)} | {email: n for n, email in enumerate(emails)}
        try:
            answer = self._post("batch/upsert", f'{{"inputs":[{inputs}]}}')
            made = {}
            for one in at(answer, "results", of="HubSpot", kind=list):
                named = one.get("objectWriteTraceId") or email_as_sent((one.get("properties") or {}).get("email"))
                if named in place:
                    made[keys[place[named]]] = str(at(one, "id", of="HubSpot"))
            lost = {keys[place[named]]: reason for named, reason in failed(self.name, answer, place).items()}
            if unknown := count - len(made.keys() | lost.keys()):
                raise RejectedRecords(f"{self.name} did not say what became of {unknown} of {count} contacts")
        except (RejectedRecords, NotTaken) as refused:
            blamed = refused if isinstance(refused, RejectedRecords) else RejectedRecords(str(refused))
            lost, parts = bodies.apart(rows, blamed)
            made = {}
            for part in parts:
                more, worse = self._upserted(part)
                made, lost = made | more, lost | worse
        return made, lost

    def _change(self, list_id: str, what: str, ids: Sequence[str]) -> set[str]:
        """Put records on a list, or take them off; those HubSpot does not have."""
        missing: set[str] = set()
        for start in range(0, len(ids), _ROWS):
            body = {"recordIdsToAdd": [], "recordIdsToRemove": [], what: list(ids[start : start + _ROWS])}
            path = f"{self._lists}/{list_id}/memberships/add-and-remove"
            answer = self._vendor.of_audience(list_id, "PUT", path, json=body)
            missing.update(at(answer.json(), "recordIdsMissing", of="HubSpot", kind=list))
        return missing

    def _looked_up(self, asked: Sequence[str], by: str = "email") -> dict[str, str]:
        """E-mail, as sent, → record id of the contacts HubSpot has, asked for `by` a property or by their ids."""
        found: dict[str, str] = {}
        for start in range(0, len(asked), _CONTACTS):
            body: dict[str, Any] = {"inputs": [{"id": one} for one in asked[start : start + _CONTACTS]]}
            body |= {"properties": ["email"], "propertiesWithHistory": []} | ({"idProperty": by} if by else {})
            # 207: some are not there.
            answer = self._post("batch/read", json.dumps(body))
            all_read(self.name, answer)
            for one in at(answer, "results", of="HubSpot", kind=list):
                if known := email_as_sent((one.get("properties") or {}).get("email")):
                    found[known] = str(at(one, "id", of="HubSpot"))
        return found

    def _post(self, path: str, body: str) -> Any:
        headers = {"Content-Type": "application/json"}
        url = f"{self._contacts}/{path}"
        return self._vendor.client().json("POST", url, data=body.encode(), headers=headers, idempotent=True)


def _shown(answer: Response) -> Mapping[str, Any]:
    listed: Mapping[str, Any] = at(answer.json(), "list", of="HubSpot", kind=dict)
    return listed


def _list_id(listed: Mapping[str, Any]) -> str:
    return str(at(listed, "listId", of="HubSpot"))


def _there(listed: Mapping[str, Any]) -> bool:
    """One that was deleted can be restored for 90 days, and may be shown until then."""
    return not listed.get("deletedAt")


CONNECTOR = HubSpotLists
