"""Iterable lists: people put on a static list and taken off it, by e-mail or by the company's own user id.

Leaving a list is nothing more: each request says `channelUnsubscribe: false`, for what is not said may unsubscribe the person from
the list's whole channel. Nobody is unsubscribed, forgotten or deleted.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.user_ids import user_id
from segment_pipeline.delivery.vendor import NotTaken, Rates, Vendor, at, failures, found_or_made, told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError
from segment_pipeline.http import Response

_ROWS: Final = 1_000
_PART_BYTES: Final = 3_500_000  # of 4 MB: room for the envelope and for the last row of a part
_ROW_BYTES: Final = 400_000
# Who is on a list and how many are may be asked five times a minute, for all lists of a project together.
_READS: Final[Rates] = ((5, 60.0),)
_TAKEN_OFF: Final = {"channelUnsubscribe": False, "campaignId": None}
# What a removal need not mind: whoever Iterable does not know, or has forgotten, is on no list.
_GONE: Final = frozenset({"notFound", "forgotten"})


@dataclass(frozen=True, kw_only=True)
class IterableLists:
    """Static lists of one Iterable project; each audience is the list named `list_prefix` + its name. `base_url` of the EU is
    https://api.eu.iterable.com.

    `by`: what people are known by, as your project has it: `email`, or `user_id`, which are then the customer ids of the source `users_of`.
    Attributes become `dataFields`; null, which only one that clears has, empties the field. A field must be of the type it first had in your project.
    `existing_only`: people Iterable does not know are rejected as `unknown`; otherwise it makes them as they come onto a list.
    Not verified against the live API: how many people a request may hold (1,000, 4 MB) and how many requests a second it takes
    (`per_second`), and what a list that is gone is answered with (it is looked for among all lists then).
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Iterable",
        "static lists",
        oracle="schemas of @iterable/api, Iterable's client for Node",
    )
    name: str = "iterable"
    api_key: str = secret("ITERABLE_API_KEY", "server-side API key of the project")
    base_url: str = address("ITERABLE_BASE_URL", "https://api.iterable.com")
    channel: str = "email"
    by: Literal["email", "user_id"] = "email"
    users_of: str = ""
    list_prefix: str = "segment-pipeline/"
    existing_only: bool = False
    per_second: int = 5
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.by == "user_id") is not bool(self.users_of):
            raise ConfigError(
                f"{self.name}: people are known by user_id if `users_of` names the source of the ids: give both or neither"
            )
        rates: Mapping[str, Rates] = {"reads": _READS, "changes": ((self.per_second, 1.0),)}
        vendor = Vendor(self, key="api_key", scheme="", key_header="Api-Key", refusal=self._refused, rates=rates)
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        by_id = self.by == "user_id"
        return Capabilities(
            channel=self.channel,
            identifiers=(user_id(self.users_of) if by_id else IdentifierRule("email", "email", "email/plain/1"),),
            batch_rows=_ROWS,
            batch_bytes=4_000_000,
            every=by_id,
            attributes=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        return {
            "forgotten": "Iterable was asked to forget the person and takes them no more: nothing to do",
            "conflict": "e-mail and user id are of two users there: merge them at Iterable",
            "invalid": "Iterable takes no such identifier: correct it where it is made",
            "invalid_data": "a data field is not of the type it first had there: map another field, or correct the type",
            "unknown": "Iterable does not know the person, and may not make them (`existing_only`)",
        }

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """The key works and may read lists."""
        self._lists()

    def ensure_audience(self, name: str) -> str:
        """The static list of that name, made if there is none."""
        wanted = f"{self.list_prefix}{name}"

        def find() -> Iterator[str]:
            return (identifier for identifier, called in self._lists().items() if called == wanted)

        def make() -> str:
            return str(
                at(
                    self._vendor.object("changes", "POST", "/api/lists", json={"name": wanted}),
                    "listId",
                    of="Iterable",
                    kind=int,
                )
            )

        return found_or_made(find, make)

    def exists(self, remote_id: str) -> bool:
        return remote_id in self._lists()

    def apply(self, batch: Batch) -> Receipt:
        """Put people on the list or take them off; final at once."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        column, adding = self.by, batch.operation is Operation.UPSERT
        rows, rejected = bodies.refuse_large(batch, column, _ROW_BYTES)
        sent = self._vendor.counted()
        envelope: dict[str, Any] = {"updateExistingUsersOnly": self.existing_only} if adding else _TAKEN_OFF

        def send(part: pa.Table, people: str) -> dict[str, str]:
            head = json.dumps({"listId": self._number(batch.remote_id), **envelope})
            answer = self._changed(batch.remote_id, "subscribe" if adding else "unsubscribe", head, people)
            keys = dict(zip(part.column(column).to_pylist(), part.column("key").to_pylist(), strict=True))
            return self._failed(answer, keys, spared=frozenset() if adding else _GONE)

        rejected |= bodies.in_parts(batch, rows, self._person(adding=adding), _PART_BYTES, send)
        return Receipt.final(batch, rejected, requests=sent())

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """Who is on the list: one reading of all, compared with Iterable's own count of before."""
        if not self.exists(remote_id):
            raise self._vendor.gone(remote_id)
        expected = int(self._read(f"/api/lists/{remote_id}/size") or 0)
        by_id = str(self.by == "user_id").lower()
        read = self._read("/api/lists/getUsers", listId=remote_id, preferUserId=by_id).splitlines()
        if len(read) < expected:
            raise ContractError(
                f"{self.name} showed {len(read)} of {expected} members of list {remote_id}: read it again"
            )
        yield pa.table({self.by: pa.array(read, pa.string()), "vendor_id": pa.nulls(len(read), pa.string())})

    def delete(self, remote_id: str) -> None:
        if self.exists(remote_id):
            answer = self._vendor.client("changes").request("DELETE", f"/api/lists/{remote_id}", expect=(409,))
            if answer.status_code == 409:
                raise ConfigError(
                    f"{self.name}: list {remote_id} is used over there: take it out of its campaigns and journeys first"
                )

    def close(self) -> None:
        self._vendor.close()

    def _lists(self) -> dict[str, str]:
        """Name by id of the static lists."""
        listed = at(self._vendor.object("", "GET", "/api/lists"), "lists", of="Iterable", kind=list)
        return {str(one["id"]): str(one["name"]) for one in listed if one.get("listType") == "Standard"}

    def _read(self, path: str, **params: str) -> str:
        return self._vendor.client("reads").request("GET", path, params=params).content.decode("utf-8").strip()

    def _person(self, *, adding: bool) -> str:
        known = "'email', email" if self.by == "email" else "'userId', user_id"
        if not adding:
            return f"json_object({known})"
        known += "" if self.by == "email" else ", 'preferUserId', true"
        fields = "CAST(attributes AS JSON)"
        return f"CASE WHEN attributes IS NULL THEN json_object({known}) ELSE json_object({known}, 'dataFields', {fields}) END"

    def _changed(self, remote_id: str, verb: str, head: str, people: str) -> dict[str, Any]:
        body = f'{head[:-1]}, "subscribers": [{people}]}}'.encode()
        headers = {"Content-Type": "application/json"}
        try:
            return self._vendor.object(
                "changes", "POST", f"/api/lists/{verb}", data=body, headers=headers, idempotent=True
            )
        except NotTaken as error:
            refused = error
        if not self.exists(remote_id):
            raise self._vendor.gone(remote_id)
        raise refused

    def _failed(self, answer: Mapping[str, Any], keys: Mapping[str, str], spared: frozenset[str]) -> dict[str, str]:
        """Key → reason of the rows that failed, by the list of the answer each is in; those in a list that is spared did not."""
        count = at(answer, "failCount", of="Iterable", kind=int)
        named, forgiven = dict[str, str](), set[str]()
        for word, ids in (answer.get("failedUpdates") or {}).items():
            why = word.removesuffix("Emails").removesuffix("UserIds")
            for one in ids:
                key = keys.get(one) or keys.get(str(one).lower())
                if key and why in spared:
                    forgiven.add(key)
                elif key:
                    named[key] = {"notFound": "unknown", "invalidData": "invalid_data"}.get(why, redact.code(why))
        left = {key for key in keys.values() if key not in forgiven}
        return (
            failures(named, count - len(forgiven), left, reason="refused", of=self.name)
            if count > len(forgiven)
            else {}
        )

    def _number(self, remote_id: str) -> int:
        if not remote_id.isdecimal():
            raise self._vendor.gone(remote_id)
        return int(remote_id)

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        if response.status_code not in {400, 404, 413}:
            return None
        code = redact.code(told(response, "code", str))
        said = f"{self.name} refused a request (HTTP {response.status_code}, code {code}): {redact.text(told(response, 'msg', str) or '')}"
        if response.status_code == 413 or code in {
            "BatchTooLarge",
            "InvalidEmailAddressError",
            "InvalidUserIdError",
            "RequestFieldsTypesMismatched",
        }:
            return RejectedRecords(said)
        return NotTaken(said)


CONNECTOR = IterableLists
