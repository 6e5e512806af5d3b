"""Customer.io manual segments: people identified by the company's own user id, put into a segment and taken out of it.

Leaving a segment is nothing more: nobody is unsubscribed, suppressed (which deletes the profile) or deleted.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Final

import pyarrow as pa

from segment_pipeline import paging, redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Capabilities, Operation, Receipt
from segment_pipeline.delivery.user_ids import COLUMN, user_id
from segment_pipeline.delivery.vendor import NotTaken, Vendor, at, failures, found_or_made, told, variable
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError
from segment_pipeline.http import Response

_ROWS: Final = 1_000
_PERSON_BYTES: Final = 31_000  # of 32 KB: room for what stands around the attributes
_PART_BYTES: Final = 460_000  # of 500 KB: room for the envelope and for the last person of a part
_SEGMENTS: Final = "/v1/segments"
# Track asks to stay below 100 requests a second, App refuses more than 10.
_TRACK: Final = {"": ((100, 1.0),)}
_APP: Final = {"": ((10, 1.0),)}


@dataclass(frozen=True, kw_only=True)
class CustomerIoSegments:
    """Manual segments of one Customer.io workspace; each audience is the one named `prefix` + its name. Addresses of the EU are
    https://track-eu.customer.io and https://api-eu.customer.io.

    `users_of`: the source whose customer ids are the `id` of your people. By e-mail nobody could be taken out of a segment again: that
    needs people with an `id`, and passes others over in silence.
    A segment takes those alone who have been identified: each is, before, with the audience's attributes, and made if Customer.io does
    not know them. `existing_only`: nobody is made; whoever is unknown is passed over in silence, so that fewer are there than were sent.
    Attributes with the names Customer.io reserves (`email`, `unsubscribed`, …) mean what they mean there; null, which only one
    that clears has, removes one.
    Not verified against the live API: what a change of a segment that is gone is answered with (it is looked for then), and the App
    API's answers, which are read from its pages.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Customer.io",
        "manual segments (Track API v1 and v2, App API v1)",
        oracle="Customer.io's OpenAPI of the Track API",
    )
    name: str = "customerio"
    users_of: str
    site_id: str = secret("CUSTOMERIO_SITE_ID", "site id of the workspace's Track API credentials")
    track_key: str = secret("CUSTOMERIO_TRACK_KEY", "API key that belongs to the site id")
    app_key: str = secret("CUSTOMERIO_APP_KEY", "key of the App API, which makes segments and counts them")
    base_url: str = address("CUSTOMERIO_BASE_URL", "https://track.customer.io", "address of the Track API")
    app_url: str = address("CUSTOMERIO_APP_URL", "https://api.customer.io", "address of the App API")
    channel: str = "email"
    prefix: str = "segment-pipeline/"
    existing_only: bool = False
    attempts: int = 6
    _track: Vendor = field(init=False, repr=False, compare=False)
    _app: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        track = Vendor(self, key=("site_id", "track_key"), refusal=self._refused, rates=_TRACK)
        object.__setattr__(self, "_track", track)
        # What is not there is an ordinary answer of the App API.
        refusal = partial(self._refused, statuses=(400,))
        app = Vendor(self, key="app_key", refusal=refusal, rates=_APP, address="app_url")
        object.__setattr__(self, "_app", app)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=(user_id(self.users_of),),
            batch_rows=_ROWS,
            batch_bytes=32_000_000,
            every=True,
            attributes=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        return {"invalid": "Customer.io does not take the id or an attribute: look at what is mapped along"}

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """Both keys work, and the addresses are those of the workspace's region."""
        self._track.object("", "GET", "/api/v1/accounts/region")
        self._segments()

    def ensure_audience(self, name: str) -> str:
        """The manual segment of that name, made if there is none."""
        wanted = f"{self.prefix}{name}"

        def find() -> Iterator[str]:
            return (segment for segment, called in self._segments().items() if called == wanted)

        def make() -> str:
            new = {"segment": {"name": wanted, "description": "kept by segment-pipeline"}}
            made = self._app.object("", "POST", _SEGMENTS, json=new)
            return str(at(made, "segment", "id", of="Customer.io", kind=int))

        return found_or_made(find, make)

    def count(self, remote_id: str) -> int:
        return int(at(self._asked(remote_id, "customer_count"), "count", of="Customer.io", kind=int))

    def apply(self, batch: Batch) -> Receipt:
        """Identify people and put them into the segment, or take them out of it; final at once."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_large(batch, COLUMN, _PERSON_BYTES)
        before = (self._track.counted(), self._app.counted())
        if rows.num_rows:
            adding = batch.operation is Operation.UPSERT
            if adding and not (self.existing_only and rows.column("attributes").null_count == rows.num_rows):
                rejected |= self._identified(batch, rows)
            known = zip(rows.column(COLUMN).to_pylist(), rows.column("key").to_pylist(), strict=True)
            self._changed(
                batch.remote_id, "add" if adding else "remove", [one for one, key in known if key not in rejected]
            )
        return Receipt.final(batch, rejected, requests=sum(sent() for sent in before))

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """Who is in the segment, a page at a time, compared with Customer.io's own count of before."""
        expected, read = self.count(remote_id), 0

        def fetch(start: str | None) -> Mapping[str, Any]:
            return self._asked(remote_id, "membership", **({"start": start} if start else {}))

        for page in paging.pages(
            fetch, paging.cursor_field("next"), what=f"{self.name}: who is in segment {remote_id}"
        ):
            people = at(page, "identifiers", of="Customer.io", kind=list)
            read += len(people)
            ids = pa.array([one.get("id") or None for one in people], pa.string())
            yield pa.table({COLUMN: ids, "vendor_id": pa.nulls(len(people), pa.string())})
        if read < expected:
            raise ContractError(f"{self.name} showed {read} of {expected} people of segment {remote_id}: read it again")

    def delete(self, remote_id: str) -> None:
        self._app.client().request("DELETE", f"{_SEGMENTS}/{remote_id}", expect=(404,))

    def close(self) -> None:
        self._track.close()
        self._app.close()

    def _segments(self) -> dict[str, str]:
        """Name by id of the manual segments."""
        listed = at(self._app.object("", "GET", _SEGMENTS), "segments", of="Customer.io", kind=list)
        return {str(one["id"]): str(one["name"]) for one in listed if one.get("type") == "manual"}

    def _asked(self, segment: str, what: str, **params: str) -> dict[str, Any]:
        answer = self._app.of_audience(segment, "GET", f"{_SEGMENTS}/{segment}/{what}", params=params)
        found: dict[str, Any] = answer.json()
        return found

    def _person(self) -> str:
        only = """'{"_update": true}'""" if self.existing_only else "'{}'"
        who = f"'type', 'person', 'action', 'identify', 'identifiers', json_object('id', {COLUMN})"
        told = f"json_merge_patch(CAST(coalesce(attributes, '{{}}') AS JSON), {only})"
        return f"json_object({who}, 'attributes', {told})"

    def _identified(self, batch: Batch, rows: pa.Table) -> dict[str, str]:
        """Key → reason of the people Customer.io did not take, each told by its position."""

        def send(part: pa.Table, people: str) -> dict[str, str]:
            try:
                answer = self._post("/api/v2/batch", f'{{"batch": [{people}]}}')
            except NotTaken as refused:
                raise RejectedRecords(str(refused)) from None
            told_of = at(answer.json(), "errors", of="Customer.io", kind=list) if answer.status_code == 207 else []
            return self._failed(told_of, part)

        return bodies.in_parts(batch, rows, self._person(), _PART_BYTES, send)

    def _failed(self, errors: list[Any], part: pa.Table) -> dict[str, str]:
        keys = part.column("key").to_pylist()
        named = {
            keys[one["batch_index"]]: redact.code(one.get("reason"))
            for one in errors
            if isinstance(one.get("batch_index"), int) and 0 <= one["batch_index"] < len(keys)
        }
        nameless = sum(not isinstance(one.get("batch_index"), int) for one in errors)
        return failures(named, len(named) + nameless, keys, reason="refused", of=self.name)

    def _changed(self, segment: str, verb: str, ids: Collection[str]) -> None:
        if not ids:
            return
        try:
            # Ids of another type than is said are passed over in silence.
            self._post(f"/api/v1/segments/{segment}/{verb}_customers", json.dumps({"ids": list(ids)}), id_type="id")
        except NotTaken as error:
            refused = error
        else:
            return
        if segment not in self._segments():
            raise self._app.gone(segment)
        raise refused

    def _post(self, path: str, body: str, **params: str) -> Response:
        """A change that leaves twice what it leaves once."""
        headers = {"Content-Type": "application/json"}
        return self._track.client().request(
            "POST", path, params=params, data=body.encode(), headers=headers, idempotent=True
        )

    def _refused(self, response: Response, statuses: Collection[int] = (400, 404)) -> SegmentPipelineError | None:
        status = response.status_code
        if 300 <= status < 400:
            both = f"{variable(self, 'base_url')} and {variable(self, 'app_url')}"
            return ConfigError(
                f"{self.name}: the workspace is of the other region: set {both} to https://track-eu.customer.io and"
                " https://api-eu.customer.io, or the other way round"
            )
        if status not in statuses:
            return None
        said = told(response, "meta", dict) or {"errors": told(response, "errors", list)}
        listed = [said.get("error"), *(said.get("errors") or [])]
        words = [" ".join(map(str, one.values())) if isinstance(one, Mapping) else str(one) for one in listed if one]
        return NotTaken(f"{self.name} refused a request (HTTP {status}): {redact.text('; '.join(words))}")


CONNECTOR = CustomerIoSegments
