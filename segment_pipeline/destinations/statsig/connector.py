"""Statsig segments that are lists of ids, by the console API.

Changes which ids are on a list. It makes no gate and no experiment, and changes none.
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery.destination import Batch, Capabilities, Operation, Receipt
from segment_pipeline.delivery.names import spellings
from segment_pipeline.delivery.user_ids import COLUMN, fit, user_id
from segment_pipeline.delivery.vendor import Conflict, NotTaken, Vendor, at, found_or_made, told
from segment_pipeline.errors import (
    ConfigError,
    ContractError,
    RejectedRecords,
    SegmentPipelineError,
)
from segment_pipeline.http import Response

_VERSION: Final = "20240601"
_LARGEST: Final = 100_000
_UNASKED: Final = 10_000  # more ids Statsig puts on a list only for those it has agreed it with
_PAGE: Final = 100
_SEGMENTS: Final = "/console/v1/segments"
# Of a project: changes of lists 12 in 10 seconds and 900 in 15 minutes, other changes 100 in 10 seconds. What is said of reading a
# list, "limited to 100", names no time: it is taken for the same 10 seconds.
_RATES: Final = {
    "lists": ((12, 10.0), (900, 900.0)),
    "changes": ((100, 10.0), (900, 900.0)),
    "reads": ((100, 10.0),),
}
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{2,36}")
_TYPE: Final = "id_list"


@dataclass(frozen=True, kw_only=True)
class StatsigSegments:
    """Segments of one Statsig project; each audience is one of type `id_list` whose id is `prefix` + its name, odd names with a digest.

    `users_of`: the source whose customer ids are your users' ids in Statsig, of type `id_type`.
    `max_list_size`: more ids than this are put on no list, and said before they are sent. Each SDK downloads every list whole: Statsig asks
    for 1,000 at most if all servers are to agree, and takes more than 10,000 only of those it has agreed it with.
    A list is changed and read back, never reset: Statsig takes a reset by more than 1,000 ids apart, so that whoever asks meanwhile gets
    a mix of both.
    Not verified against the live API: how many ids of a list it shows at a time, how often it may be asked for them, and that a segment
    whose changes are reviewed takes ours without (Statsig has a header by which we could ask to wait; it is not sent).
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Statsig",
        f"segments that are lists of ids (console API {_VERSION})",
        oracle="Statsig's OpenAPI of 2026-05-20",
    )
    name: str = "statsig"
    users_of: str
    console_key: str = secret("STATSIG_CONSOLE_KEY", "console API key that may write; not a server secret")
    base_url: str = address("STATSIG_BASE_URL", "https://statsigapi.net")
    id_type: str = "userID"
    channel: str = "product"
    prefix: str = "segment-pipeline-"
    max_list_size: int = 10_000
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _at_most: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ConfigError(f"{self.name}: `prefix` begins ids: 2 to 36 letters, digits, hyphens and underscores")
        vendor = Vendor(
            self,
            key="console_key",
            scheme="",
            key_header="STATSIG-API-KEY",
            refusal=self._refused,
            headers={"STATSIG-API-VERSION": _VERSION},
            rates=_RATES,
        )
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=(user_id(self.users_of),),
            batch_rows=min(_LARGEST, self.max_list_size),
            batch_bytes=16 * 1024 * 1024,
            every=True,
        )

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """The key works and may read segments."""
        self._vendor.client("reads").json("GET", _SEGMENTS, params={"limit": 1, "page": 1})

    def ensure_audience(self, name: str) -> str:
        """The segment of that name's id, made if there is none."""
        segment = self.prefix + next(spellings(name))

        def find() -> Iterator[str]:
            if (found := self._segment(segment)) is not None:
                if (found.get("type"), found.get("idType")) != (_TYPE, self.id_type):
                    raise ConfigError(
                        f"{self.name} has segment {segment}, which is no list of {self.id_type}: delete it, or change `prefix`"
                    )
                yield segment

        def make() -> str | None:
            new = {
                "name": segment,
                "id": segment,
                "type": _TYPE,
                "idType": self.id_type,
                "tags": [],
                "description": name[:1000],
            }
            with suppress(Conflict):
                return str(at(self._vendor.object("changes", "POST", _SEGMENTS, json=new), "data", "id", of="Statsig"))
            return None

        taken = f"{self.name} has another segment named {segment}: rename that one there, or change `prefix`"
        return found_or_made(find, make, taken=taken)

    def count(self, remote_id: str) -> int:
        found = self._segment(remote_id)
        if found is None:
            raise self._vendor.gone(remote_id)
        return int(at(found, "count", of="Statsig", kind=int))

    def apply(self, batch: Batch) -> Receipt:
        """Add or remove the ids; final at once. Statsig takes all of a batch or nothing, and does not say which id was wrong."""
        ids, rejected = fit(batch, self.capabilities.batch_rows, self.name)
        sent = self._vendor.counted()
        if not ids:
            return Receipt.final(batch, rejected, requests=0)
        adding = batch.operation is Operation.UPSERT
        if adding:
            self._see_that_they_fit(batch.remote_id, ids)
        # A removal is a DELETE with a body, which says its length like any other.
        body, headers = json.dumps({"ids": list(ids)}), {"Content-Type": "application/json"}
        options: dict[str, Any] = {"data": body.encode(), "headers": headers, "idempotent": True}
        path = f"{_SEGMENTS}/{batch.remote_id}/{_TYPE}"
        try:
            self._vendor.of_audience(batch.remote_id, "PATCH" if adding else "DELETE", path, purpose="lists", **options)
        except NotTaken as error:
            refused = RejectedRecords(str(error))
        else:
            if adding:
                self._at_most[batch.remote_id] += len(ids)
            return Receipt.final(batch, rejected, requests=sent())
        # Halves of too many would be refused too, down to the last id.
        large = adding and self.max_list_size > _UNASKED
        if large and self.count(batch.remote_id) + len(ids) > _UNASKED:
            raise ConfigError(f"{refused}: it may hold more than {_UNASKED} ids only if Statsig has agreed to it")
        raise refused

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """The ids of the list, a page at a time; one that changes while it is read is no reading."""
        before = self._state(remote_id)
        read = 0
        for ids in self._pages(remote_id):
            read += len(ids)
            yield pa.table({COLUMN: pa.array(ids, pa.string()), "vendor_id": pa.nulls(len(ids), pa.string())})
        if self._state(remote_id) != before or read != self.count(remote_id):
            raise ContractError(f"{self.name}: segment {remote_id} was changed while it was read: read it again")

    def delete(self, remote_id: str) -> None:
        self._vendor.client("changes").request("DELETE", f"{_SEGMENTS}/{remote_id}", expect=(404,))

    def close(self) -> None:
        self._vendor.close()

    def _see_that_they_fit(self, segment: str, ids: Collection[str]) -> None:
        """Raises ConfigError where the list would grow past what it may hold.

        It is counted where it may be too long by what was put on it since it was last counted, and read where its count says so.
        """
        most = self.max_list_size
        if self._at_most.get(segment, most) + len(ids) > most:
            self._at_most[segment] = self.count(segment)
        if self._at_most[segment] + len(ids) > most:
            together = {one for page in self._pages(segment) for one in page}.union(ids)
            if len(together) > most:
                raise ConfigError(
                    f"{self.name}: segment {segment} would hold more than {most} ids, which every SDK downloads: make the audience"
                    " smaller, use an attribute of your users instead, or agree a larger list with Statsig and set `max_list_size`"
                )

    def _segment(self, segment: str) -> dict[str, Any] | None:
        answer = self._vendor.client("reads").request("GET", f"{_SEGMENTS}/{segment}", expect=(404,))
        if answer.status_code == 404:
            return None
        found: dict[str, Any] = at(answer.json(), "data", of="Statsig", kind=dict)
        return found

    def _read(self, segment: str, what: str, **params: Any) -> Any:
        path = f"{_SEGMENTS}/{segment}/{what}"
        return self._vendor.of_audience(segment, "GET", path, purpose="reads", params=params).json()

    def _state(self, segment: str) -> object:
        """The version of the list; raises ContractError while it is being replaced."""
        known = at(self._read(segment, "idlist_metadata"), "data", of="Statsig", kind=dict)
        if known.get("isUpdating"):
            raise ContractError(f"{self.name}: segment {segment} is being replaced: read it again")
        return known.get("currentVersion")

    def _pages(self, segment: str) -> Iterator[list[str]]:
        page = 1
        while True:
            told = self._read(segment, _TYPE, limit=_PAGE, page=page)
            ids: list[str] = at(told, "data", "ids", of="Statsig", kind=list)
            yield ids
            if not ids or not at(told, "pagination", of="Statsig", kind=dict).get("nextPage"):
                return
            page += 1

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status = response.status_code
        if status == 409:
            return Conflict(f"{self.name}: somebody else changes this list: it is tried again")
        if status != 400:
            return None
        said = redact.text(told(response, "message", str) or "")
        if "must be of type" in said:
            return ConfigError(
                f"{self.name}: a segment of ours is no longer a list of ids: delete it and resend the audience"
            )
        return NotTaken(f"{self.name} refused a request (HTTP 400): {said}")


CONNECTOR = StatsigSegments
