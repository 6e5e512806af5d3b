"""Klaviyo lists: bulk profile import with a list relationship, removal by Klaviyo's own ids.

Puts people on a list and takes them off, and deletes who is to be forgotten. It never subscribes, unsubscribes or suppresses
anyone: consent is another matter, and Klaviyo's subscribe call would lift suppressions.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa

from segment_pipeline import paging, redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import (
    Batch,
    Capabilities,
    IdentifierRule,
    JobLost,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.vendor import Vendor, at, failures, found_or_made, records, told
from segment_pipeline.destinations.klaviyo.profiles import Profiles
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_ROWS: Final = 10_000
_PART_BYTES: Final = 4_700_000  # of 5 MB: room for the envelope and for the last profile of a part
_PAGE: Final = 100
_REMOVALS: Final = 1_000
_JSON_API: Final = "application/vnd.api+json"
# Fixed windows per account: bulk jobs, their errors and list changes 10/s and 150/min, reads 75/s and 750/min (kept a little below), a
# list with its count 1/s and 15/min, erasures 3/s and 60/min.
_RATES: Final = {
    "bulk": ((10, 1.0), (150, 60.0)),
    "reads": ((75, 1.0), (700, 60.0)),
    "counts": ((1, 1.0), (15, 60.0)),
    "erasures": ((3, 1.0), (60, 60.0)),
}
_REVISION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(\.pre)?")
_JOBS: Final = "/api/profile-bulk-import-jobs"
_POINTER: Final = re.compile(r"^/data/attributes/profiles/data/(\d+)(?:/|$)")


@dataclass(frozen=True, kw_only=True)
class KlaviyoLists:
    """Lists of one Klaviyo account; each audience is a list named `list_prefix` + its name.

    A member is known by one identifier, the one its `channel` reaches: e-mail for `email`, the E.164 phone for `sms`.
    A profile is one person per e-mail at Klaviyo and a phone belongs to one profile only, so sending both would reject the
    second member of a household; and a changed phone would look like a new member of the list and start its flows again.
    Klaviyo's external_id is left alone: a shop's own integration usually owns it, and two owners merge profiles. A second connector of
    another channel, `KlaviyoLists(name="klaviyo_sms", channel="sms")`, keeps lists of its own beside the first; where two of their
    audiences go by one `remote_name`, give it another `list_prefix` too.
    Attributes called `first_name`, `last_name`, `organization`, `locale`, `title`, `image` and `location.address1`, `.address2`,
    `.city`, `.country`, `.latitude`, `.longitude`, `.region`, `.zip`, `.timezone`, `.ip` are Klaviyo's own fields, sent as texts; all
    others become custom `properties` of the type they have, and so does `properties.first_name`, as `first_name`. One that `clears` empties its field, or unsets its property.
    `learn_ids`: look up Klaviyo's ids after an import, one read per 100 members.
    Not verified against the live API: the shape of `original_payload` in import errors (searched for the identifier).
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Klaviyo",
        "lists (revision 2026-10-15)",
        oracle="klaviyo-api 25.0.0 and Klaviyo's OpenAPI of 2026-07-15",
    )
    name: str = "klaviyo"
    api_key: str = secret("KLAVIYO_API_KEY", "private key that may read and write lists and profiles")
    base_url: str = address("KLAVIYO_BASE_URL", "https://a.klaviyo.com")
    channel: Literal["email", "sms"] = "email"
    revision: str = "2026-10-15"
    list_prefix: str = "segment-pipeline/"
    learn_ids: bool = True
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _profiles: Profiles = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.revision):
            raise ConfigError(f"{self.name}: `revision` is a date like 2026-10-15")
        headers = {"revision": self.revision, "Accept": _JSON_API}
        scheme = "Klaviyo-API-Key"
        vendor = Vendor(self, key="api_key", scheme=scheme, refusal=self._refused, headers=headers, rates=_RATES)
        object.__setattr__(self, "_vendor", vendor)
        object.__setattr__(self, "_profiles", Profiles.of(self.channel))

    @property
    def capabilities(self) -> Capabilities:
        column = self._profiles.column
        return Capabilities(
            channel=self.channel,
            identifiers=(IdentifierRule(column, column, f"{column}/plain/1"),),
            batch_rows=_ROWS,
            batch_bytes=5_000_000,
            parallel=2,
            attributes=True,
        )

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """The key works and may read lists."""
        self._vendor.client("reads").json("GET", "/api/lists")

    def ensure_audience(self, name: str) -> str:
        """The list of that name, made if there is none. Klaviyo allows 150 new lists a day."""
        wanted = f"{self.list_prefix}{name}"

        def find() -> Iterator[str]:
            named = {"filter": f"equals(name,{json.dumps(wanted, ensure_ascii=False)})"}
            return (str(one["id"]) for one in self._listing("/api/lists", named) if one["attributes"]["name"] == wanted)

        def make() -> str:
            body = {"data": {"type": "list", "attributes": {"name": wanted}}}
            return _id(self._write("POST", "/api/lists", json.dumps(body)).json())

        return found_or_made(find, make)

    def apply(self, batch: Batch) -> Receipt:
        """Upsert: start import jobs, to be polled. Remove: final at once; a member Klaviyo does not know is gone already.

        A removal costs one read per 100 rows and one DELETE per 1,000.
        """
        bodies.refuse_oversize(batch, _ROWS, self.name)
        sent = self._vendor.counted()
        if batch.operation is Operation.REMOVE:
            self._remove(batch)
            return Receipt.final(batch, requests=sent())
        rows, rejected = bodies.refuse_locally(batch, self._profiles.unfit)
        jobs = [
            self._start_import(batch, rows, part) for part in bodies.json_parts(rows, self._profiles.sent, _PART_BYTES)
        ]
        return Receipt(accepted=0, rejected=rejected, handle=",".join(jobs) or None, requests=sent())

    def poll(self, handle: str, batch: Batch) -> Receipt:
        """Once every job of the batch is complete: its errors by our keys, and Klaviyo's ids of those accepted.

        A job that was cancelled or is no longer known raises, since asking again cannot help: the rows may or may not be
        there, so the batch is to be sent again.
        """
        sent = self._vendor.counted()
        jobs = {job_id: self._job(job_id) for job_id in handle.split(",")}
        states = {job["status"] for job in jobs.values()}
        if "cancelled" in states:
            raise JobLost(f"{self.name}: an import job was cancelled over there: send its batch again")
        if states & {"queued", "processing"}:
            return Receipt(accepted=0, handle=handle, requests=sent())
        if states != {"complete"}:
            raise ContractError(f"{self.name}: an import job ended in a state this connector does not know")
        rows, rejected = bodies.refuse_locally(batch, self._profiles.unfit)
        total = sum(at(job, "total_count", of="Klaviyo", kind=int) for job in jobs.values())
        if total != rows.num_rows:
            raise ContractError(
                f"{self.name}: its import jobs hold {total} profiles, the batch {rows.num_rows}: send it again"
            )
        keys = dict(zip(rows.column(self._profiles.column).to_pylist(), rows.column("key").to_pylist(), strict=True))
        if failed := sum(at(job, "failed_count", of="Klaviyo", kind=int) for job in jobs.values()):
            rejected |= self._failures(jobs, keys, failed)
        wanted = [identifier for identifier, key in keys.items() if key not in rejected] if self.learn_ids else []
        ids = {keys[identifier]: found for identifier, found in self._look_up(wanted).items()}
        return Receipt.final(batch, rejected, ids, requests=sent())

    def forget(self, batch: Batch) -> Receipt:
        """Have Klaviyo delete the profiles altogether, consents and history included; one request per row."""
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_locally(batch, self._profiles.unfit)
        for identifier in rows.column(self._profiles.column).to_pylist():
            named = {"data": {"type": "profile", "attributes": {self._profiles.field: identifier}}}
            body = {"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": named}}}
            self._write("POST", "/api/data-privacy-deletion-jobs", json.dumps(body), "erasures", idempotent=True)
        return Receipt.final(batch, rejected, requests=sent())

    def count(self, remote_id: str) -> int:
        """Profiles on the list: Klaviyo's ids are the destination's keys."""
        asked = {"additional-fields[list]": "profile_count"}
        answer = self._vendor.of_audience(remote_id, "GET", f"/api/lists/{remote_id}", purpose="counts", params=asked)
        return int(at(answer.json(), "data", "attributes", "profile_count", of="Klaviyo", kind=int))

    def members(self, remote_id: str) -> Iterator[pa.Table]:
        """Who is on the list; one read per 100 members, compared with Klaviyo's own count of before and after."""
        expected, read = self.count(remote_id), set[str]()
        params = {"fields[profile]": self._profiles.field, "page[size]": _PAGE}
        listed = self._listing(f"/api/lists/{remote_id}/profiles", params)
        full = True
        while full:
            some = list(islice(listed, _ROWS))
            full = len(some) == _ROWS
            ids = [str(at(one, "id", of="Klaviyo")) for one in some]
            known = [at(one, "attributes", of="Klaviyo", kind=dict).get(self._profiles.field) for one in some]
            read.update(ids)
            yield pa.table(
                {
                    self._profiles.column: pa.array([self._profiles.as_sent(one) for one in known], pa.string()),
                    "vendor_id": pa.array(ids, pa.string()),
                }
            )
        # People come and go while a list is read: fewer than there were all along is a reading that missed some.
        if len(read) < min(expected, self.count(remote_id)):
            raise ContractError(
                f"{self.name} showed {len(read)} of {expected} members of list {remote_id}: read it again"
            )

    def rename(self, remote_id: str, name: str) -> None:
        changed = {"type": "list", "id": remote_id, "attributes": {"name": f"{self.list_prefix}{name}"}}
        body = json.dumps({"data": changed})
        if self._write("PATCH", f"/api/lists/{remote_id}", body, idempotent=True, expect=(404,)).status_code == 404:
            raise self._vendor.gone(remote_id)

    def delete(self, remote_id: str) -> None:
        self._vendor.client("bulk").request("DELETE", f"/api/lists/{remote_id}", expect=(404,))

    def close(self) -> None:
        self._vendor.close()

    def _write(self, method: str, path: str, body: str, purpose: str = "bulk", **options: Any) -> Response:
        headers = {"Content-Type": _JSON_API}
        return self._vendor.client(purpose).request(method, path, data=body.encode(), headers=headers, **options)

    def _listing(
        self, path: str, params: Mapping[str, Any] | None = None, purpose: str = "reads"
    ) -> Iterator[Mapping[str, Any]]:
        def fetch(url: str | None) -> Any:
            return self._vendor.client(purpose).json("GET", url or path, params=None if url else params)

        return records(fetch, paging.link_next, of=f"{self.name}: {redact.location(path)}")

    def _start_import(self, batch: Batch, rows: pa.Table, part: tuple[int, int, str]) -> str:
        first, count, profiles = part
        lists = json.dumps({"lists": {"data": [{"type": "list", "id": batch.remote_id}]}})
        body = (
            f'{{"data":{{"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":[{profiles}]}}}},'
            f'"relationships":{lists}}}}}'
        )
        try:
            # Importing the same profiles twice leaves what once leaves, so a lost answer is sent again.
            answer = self._write("POST", _JOBS, body, idempotent=True, expect=(404,))
        except TransientError as error:
            error.sent = error.sent or first > 0  # earlier parts of the batch have arrived
            raise
        except RejectedRecords as error:
            refused = error
        else:
            if answer.status_code == 404:
                raise self._vendor.gone(batch.remote_id)
            return _id(answer.json())
        raise bodies.as_given(refused, batch, rows.slice(first, count))

    def _job(self, job_id: str) -> Mapping[str, Any]:
        answer = self._vendor.client("bulk").request("GET", f"{_JOBS}/{job_id}", expect=(404,))
        if answer.status_code == 404:
            raise ContractError(f"{self.name} no longer knows an import job: its batch is to be sent again")
        attributes: Mapping[str, Any] = at(answer.json(), "data", "attributes", of="Klaviyo", kind=dict)
        at(attributes, "status", of="Klaviyo")
        return attributes

    def _failures(self, jobs: Iterable[str], keys: Mapping[str, str], failed: int) -> dict[str, str]:
        """Key → reason of the rows that failed, by the profile each error quotes."""
        named: dict[str, str] = {}
        for job in jobs:
            for item in self._listing(f"{_JOBS}/{job}/import-errors", {"page[size]": _PAGE}, "bulk"):
                identifier = self._profiles.quoted(item["attributes"].get("original_payload"))
                if identifier is not None and identifier in keys:
                    named[keys[identifier]] = redact.code(item["attributes"].get("code"))
        return failures(named, failed, keys.values(), reason="import_error", of=self.name)

    def _look_up(self, identifiers: Sequence[str]) -> dict[str, str]:
        """Klaviyo's id by identifier, for those it knows."""
        found: dict[str, str] = {}
        for profile in self._profiles_by(self._profiles.field, identifiers):
            if known := self._profiles.as_sent(profile["attributes"].get(self._profiles.field)):
                found[known] = str(profile["id"])
        asked = set(identifiers)
        return {identifier: vendor_id for identifier, vendor_id in found.items() if identifier in asked}

    def _living(self, ids: Sequence[str]) -> list[str]:
        """Those of Klaviyo's ids that are still a profile's."""
        return [str(profile["id"]) for profile in self._profiles_by("id", ids)]

    def _profiles_by(self, field: str, values: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Profiles with one of these values; 100 per request, every page read."""
        for start in range(0, len(values), _PAGE):
            some = ",".join(json.dumps(one, ensure_ascii=False) for one in values[start : start + _PAGE])
            params = {
                "filter": f"any({field},[{some}])",
                "fields[profile]": self._profiles.field,
                "page[size]": _PAGE,
            }
            yield from self._listing("/api/profiles", params)

    def _remove(self, batch: Batch) -> None:
        """Take off the list the profiles we once added (their ids) and whoever has these identifiers now.

        Both, because a profile changes its address, and is merged into another whose id we never saw.
        """
        current = set(self._look_up(batch.rows.column(self._profiles.column).drop_null().to_pylist()).values())
        ids = sorted(current.union(batch.rows.column("vendor_id").drop_null().to_pylist()))
        for start in range(0, len(ids), _REMOVALS):
            some = ids[start : start + _REMOVALS]
            if self._taken_off(batch.remote_id, some):
                continue
            # Of whom the profile is gone nobody is left on the list; all others are.
            living = self._living(some)
            if living and not self._taken_off(batch.remote_id, living):
                raise self._vendor.gone(batch.remote_id)

    def _taken_off(self, list_id: str, ids: Sequence[str]) -> bool:
        """False when Klaviyo answers 404: the list or one of the profiles does not exist."""
        body = json.dumps({"data": [{"type": "profile", "id": vendor_id} for vendor_id in ids]})
        answer = self._write("DELETE", f"/api/lists/{list_id}/relationships/profiles", body, expect=(404,))
        return answer.status_code != 404

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status = response.status_code
        if status == 410:
            return ConfigError(f"{self.name} has retired revision {self.revision}: set a newer `revision`")
        if status not in {400, 409, 422} or (said := told(response, "errors", list)) is None:
            return None
        errors = [error for error in said if isinstance(error, Mapping)]
        rows = {
            int(match[1]): redact.code(error.get("code"))
            for error in errors
            if (match := _POINTER.match(str((error.get("source") or {}).get("pointer", ""))))
        }
        if rows:
            return RejectedRecords(
                f"{self.name} refused {len(rows)} rows of a batch and with them the batch", rows=rows
            )
        codes = ", ".join(sorted({redact.code(error.get("code")) for error in errors})) or "unknown"
        detail = redact.text(str(errors[0].get("detail", ""))) if errors else ""
        return ContractError(f"{self.name} refused a request (HTTP {status}, code {codes}): {detail}")


CONNECTOR = KlaviyoLists


def _id(document: Any) -> str:
    return str(at(document, "data", "id", of="Klaviyo"))
