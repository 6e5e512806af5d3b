"""Klaviyo lists: bulk profile import with a list relationship, removal by Klaviyo's own ids.

Puts people on a list and takes them off. It never subscribes, unsubscribes, suppresses or deletes anyone: consent is
another matter, and Klaviyo's subscribe call would lift suppressions.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import dagster as dg
import pyarrow as pa
import requests
from pydantic import ConfigDict, Field, PrivateAttr

from segment_pipeline import paging, redact
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, BatchReceipt, Capabilities, IdentifierRule, Operation
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import HttpClient, Response, RetryPolicy
from segment_pipeline.settings import secret

_ROWS: Final = 10_000
_PROFILE_BYTES: Final = 100_000
_PART_BYTES: Final = 4_700_000  # of 5 MB: room for the envelope and for the last profile of a part
_PAGE: Final = 100
_REMOVALS: Final = 1_000
_JSON_API: Final = "application/vnd.api+json"
# Fixed windows per account: bulk jobs and list changes 10/s and 150/min, reads 75/s and 750/min (kept a little below).
_BULK_RATES: Final = ((10, 1.0), (150, 60.0))
_READ_RATES: Final = ((75, 1.0), (700, 60.0))
_WORKING: Final = frozenset({"queued", "processing"})
_POINTER: Final = re.compile(r"^/data/attributes/profiles/data/(\d+)(?:/|$)")
_FIELDS: Final = {"email": "email", "sms": "phone_number"}
_COLUMNS: Final = {"email": "email", "sms": "phone"}


class KlaviyoLists(dg.ConfigurableResource[Any]):
    """Lists of one Klaviyo account; each audience is a list named `list_prefix` + its name.

    A member is known by one identifier, the one its `channel` reaches: e-mail for `email`, the E.164 phone for `sms`.
    A profile is one person per e-mail at Klaviyo and a phone belongs to one profile only, so sending both would reject the
    second member of a household; and a changed phone would look like a new member of the list and start its flows again.
    Klaviyo's external_id is left alone: a shop's own integration usually owns it, and two owners merge profiles.
    Attributes become custom `properties`; a NULL is left out, since null clears a field there.
    Not verified against the live API: the shape of `original_payload` in import errors (searched for the identifier).
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = "klaviyo"
    api_key: str = Field(default="", repr=False, description="Empty: read from `key_variable` when it is used")
    channel: Literal["email", "sms"] = "email"
    base_url: str = "https://a.klaviyo.com"
    revision: str = "2026-10-15"
    list_prefix: str = "segment-pipeline/"
    learn_ids: bool = Field(default=True, description="Look up Klaviyo's ids after an import, one read per 100 members")
    key_variable: str = "KLAVIYO_API_KEY"
    attempts: int = 6
    _clients: dict[str, HttpClient] = PrivateAttr(default_factory=dict)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def capabilities(self) -> Capabilities:
        column = _COLUMNS[self.channel]
        return Capabilities(
            channel=self.channel,
            identifiers=(IdentifierRule(column, column, f"{column}/plain/1"),),
            batch_rows=_ROWS,
            batch_bytes=5_000_000,
            parallel=2,
            attributes=True,
        )

    def credentials(self) -> None:
        """The key is there; raises ConfigError naming what is missing and how to do without."""
        _ = self._key

    @property
    def _key(self) -> str:
        return secret(self.api_key, self.key_variable, self.name, "destination")

    def check(self) -> None:
        """The key works and may read lists."""
        self._reads().json("GET", "/api/lists")

    def ensure_audience(self, name: str) -> str:
        """The list of that name, made if there is none. Klaviyo allows 150 new lists a day."""
        wanted = f"{self.list_prefix}{name}"
        for last in (False, True):
            if (found := self._find(wanted)) is not None:
                return found
            body = {"data": {"type": "list", "attributes": {"name": wanted}}}
            try:
                return _text(
                    self._bulk().json("POST", "/api/lists", json=body, headers={"Content-Type": _JSON_API}),
                    "data",
                    "id",
                )
            except TransientError as error:
                if last or not error.sent:
                    raise
        raise AssertionError("unreachable: the second pass returns or raises")

    def apply(self, batch: Batch) -> BatchReceipt:
        """Upsert: start import jobs, to be polled. Remove: final at once; a member Klaviyo does not know is gone already.

        A removal costs one read per 100 rows and one DELETE per 1,000.
        """
        bodies.refuse_oversize(batch, _ROWS, self.name)
        before = self._requests_of_thread()
        if batch.operation is Operation.REMOVE:
            self._remove(batch)
            return BatchReceipt(accepted=batch.rows.num_rows, requests=self._requests_of_thread() - before)
        rows, rejected = bodies.refuse_locally(batch, self._unfit())
        jobs = [self._start_import(batch, rows, part) for part in bodies.json_parts(rows, self._profile(), _PART_BYTES)]
        return BatchReceipt(
            accepted=0,
            rejected=rejected,
            handle=",".join(jobs) or None,
            requests=self._requests_of_thread() - before,
        )

    def poll(self, handle: str, batch: Batch) -> BatchReceipt:
        """Once every job of the batch is complete: its errors by our keys, and Klaviyo's ids of those accepted.

        A job that was cancelled or is no longer known raises ContractError, since asking again cannot help: the rows may
        or may not be there, so the batch is to be sent again.
        """
        before = self._requests_of_thread()
        jobs = [self._job(job_id) for job_id in handle.split(",")]
        states = [str(job["status"]) for job in jobs]
        if "cancelled" in states:
            raise TransientError(
                f"{self.name}: an import job was cancelled over there: send its batch again", sent=True
            )
        if any(state in _WORKING for state in states):
            return BatchReceipt(accepted=0, handle=handle, requests=self._requests_of_thread() - before)
        if any(state != "complete" for state in states):
            raise ContractError(f"{self.name}: an import job ended in a state this connector does not know")
        rows, rejected = bodies.refuse_locally(batch, self._unfit())
        if (total := sum(job["total_count"] for job in jobs)) != rows.num_rows:
            raise ContractError(
                f"{self.name}: its import jobs hold {total} profiles, the batch {rows.num_rows}: send it again"
            )
        failed = sum(job["failed_count"] for job in jobs)
        if failed:
            rejected |= self._failures(handle.split(","), rows, failed)
        keys = self._keys_by_identifier(rows)
        wanted = [value for value, key in keys.items() if key not in rejected] if self.learn_ids else []
        vendor_ids = {keys[value]: found for value, found in self._look_up(wanted).items()}
        return BatchReceipt(
            accepted=batch.rows.num_rows - len(rejected),
            rejected=rejected,
            vendor_ids=vendor_ids,
            requests=self._requests_of_thread() - before,
        )

    def count(self, remote_id: str) -> int | None:
        """Profiles on the list, counted page by page: Klaviyo's ids are the destination's keys."""
        return sum(
            len(page["data"])
            for page in self._listing(f"/api/lists/{remote_id}/relationships/profiles", {"page[size]": _PAGE})
        )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        self.close()

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, purpose: str, rates: Sequence[tuple[int, float]]) -> HttpClient:
        with self._lock:
            if purpose not in self._clients:
                self._clients[purpose] = HttpClient(
                    self.base_url,
                    name=self.name,
                    auth=self._authorise,
                    headers={"revision": self.revision, "Accept": _JSON_API},
                    rates=rates,
                    retry=RetryPolicy(attempts=self.attempts),
                    classify=self._classify,
                )
            return self._clients[purpose]

    def _bulk(self) -> HttpClient:
        return self._client("bulk", _BULK_RATES)

    def _reads(self) -> HttpClient:
        return self._client("reads", _READ_RATES)

    def _requests_of_thread(self) -> int:
        return self._bulk().requests_of_thread + self._reads().requests_of_thread

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Klaviyo-API-Key {self._key}"
        return request

    def _listing(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Mapping[str, Any]]:
        def fetch(url: str | None) -> Mapping[str, Any]:
            page = self._reads().json("GET", path, params=params) if url is None else self._reads().json("GET", url)
            if not isinstance(page, Mapping) or not isinstance(page.get("data"), list):
                raise ContractError(f"{self.name}: a page of {redact.location(path)} has no data")
            return page

        return paging.pages(fetch, paging.link_next, what=f"{self.name}: {redact.location(path)}")

    def _find(self, wanted: str) -> str | None:
        listed = (one for page in self._listing("/api/lists") for one in page["data"])
        # Of two lists made at once under one name, every run takes the same.
        return min((_text(one, "id") for one in listed if one["attributes"]["name"] == wanted), default=None)

    def _unfit(self) -> str:
        column = _COLUMNS[self.channel]
        return f"""CASE WHEN {column} IS NULL THEN 'no_identifier'
            WHEN strlen({column}) + strlen(coalesce(attributes, '')) > {_PROFILE_BYTES - 200} THEN 'too_large' END"""

    def _profile(self) -> str:
        field, column = _FIELDS[self.channel], _COLUMNS[self.channel]
        return f"""CAST(CASE WHEN attributes IS NULL
            THEN json_object('type', 'profile', 'attributes', json_object('{field}', {column}))
            ELSE json_object('type', 'profile', 'attributes', json_object(
                '{field}', {column}, 'properties', json_strip_nulls(CAST(attributes AS JSON)))) END AS VARCHAR)"""

    def _job(self, job_id: str) -> dict[str, Any]:
        answer = self._bulk().request("GET", f"/api/profile-bulk-import-jobs/{job_id}", expect=(404,))
        if answer.status_code == 404:
            raise ContractError(f"{self.name} no longer knows an import job: its batch is to be sent again")
        body = answer.json()
        attributes = (body.get("data") or {}).get("attributes") if isinstance(body, Mapping) else None
        if not isinstance(attributes, dict) or not isinstance(attributes.get("status"), str):
            raise ContractError(f"{self.name}: an import job came without its status")
        if attributes["status"] == "complete" and any(
            not isinstance(attributes.get(field), int) for field in ("total_count", "failed_count")
        ):
            raise ContractError(f"{self.name}: a complete import job came without its counts")
        return attributes

    def _start_import(self, batch: Batch, rows: pa.Table, part: tuple[int, int, str]) -> str:
        first, count, profiles = part
        lists = json.dumps({"lists": {"data": [{"type": "list", "id": batch.remote_id}]}})
        body = (
            f'{{"data":{{"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":[{profiles}]}}}},'
            f'"relationships":{lists}}}}}'
        )
        try:
            # Importing the same profiles twice leaves what once leaves, so a lost answer is sent again.
            answer = self._bulk().json(
                "POST",
                "/api/profile-bulk-import-jobs",
                data=body.encode(),
                headers={"Content-Type": _JSON_API},
                idempotent=True,
            )
        except RejectedRecords as error:
            sent_keys = rows.column("key").slice(first, count).to_pylist()
            position = {key: i for i, key in enumerate(batch.rows.column("key").to_pylist())}
            placed = {position[sent_keys[i]]: why for i, why in error.rows.items() if i < count}
            text = str(error)
        else:
            return _text(answer, "data", "id")
        raise RejectedRecords(text, rows=placed)

    def _keys_by_identifier(self, rows: pa.Table) -> dict[str, str]:
        return dict(zip(rows.column(_COLUMNS[self.channel]).to_pylist(), rows.column("key").to_pylist(), strict=True))

    def _failures(self, jobs: Sequence[str], rows: pa.Table, failed: int) -> dict[str, str]:
        keys = self._keys_by_identifier(rows)
        named: dict[str, str] = {}
        for job in jobs:
            for page in self._listing(f"/api/profile-bulk-import-jobs/{job}/import-errors", {"page[size]": _PAGE}):
                for item in page["data"]:
                    value = _identifier_in(item["attributes"].get("original_payload"), _FIELDS[self.channel])
                    if value in keys:
                        named[keys[value]] = redact.code(item["attributes"].get("code"))
        if len(named) < failed and rows.num_rows == failed:
            return {**dict.fromkeys(keys.values(), "import_error"), **named}
        if len(named) < failed:
            raise RejectedRecords(
                f"{self.name}: an import job failed {failed} profiles and named {len(named)}: split the batch"
            )
        return named

    def _look_up(self, values: Sequence[str]) -> dict[str, str]:
        """Klaviyo's id by identifier, for those it knows; 100 per request, every page read."""
        field = _FIELDS[self.channel]
        found: dict[str, str] = {}
        for start in range(0, len(values), _PAGE):
            some = ",".join(json.dumps(value, ensure_ascii=False) for value in values[start : start + _PAGE])
            params = {"filter": f"any({field},[{some}])", "fields[profile]": field, "page[size]": _PAGE}
            for page in self._listing("/api/profiles", params):
                found |= {profile["attributes"][field]: str(profile["id"]) for profile in page["data"]}
        asked = set(values)
        return {value: vendor_id for value, vendor_id in found.items() if value in asked}

    def _remove(self, batch: Batch) -> None:
        """Take off the list the profiles we once added (their ids) and whoever has these identifiers now.

        Both, because a profile changes its address, and is merged into another whose id we never saw.
        """
        values = [value for value in batch.rows.column(_COLUMNS[self.channel]).to_pylist() if value is not None]
        current = set(self._look_up(values).values())
        remembered = {vendor_id for vendor_id in batch.rows.column("vendor_id").to_pylist() if vendor_id is not None}
        ids = sorted(current | remembered)
        for start in range(0, len(ids), _REMOVALS):
            some = ids[start : start + _REMOVALS]
            if self._delete_from_list(batch.remote_id, some):
                continue
            living = [vendor_id for vendor_id in some if vendor_id in current]
            if living and not self._delete_from_list(batch.remote_id, living):
                raise ConfigError(f"{self.name}: list {batch.remote_id} is gone: run the audience again to make it")

    def _delete_from_list(self, list_id: str, ids: Sequence[str]) -> bool:
        """False when Klaviyo answers 404: the list or one of the profiles does not exist."""
        body = {"data": [{"type": "profile", "id": vendor_id} for vendor_id in ids]}
        path = f"/api/lists/{list_id}/relationships/profiles"
        answer = self._bulk().request("DELETE", path, json=body, headers={"Content-Type": _JSON_API}, expect=(404,))
        return answer.status_code != 404

    def _classify(self, response: Response) -> SegmentPipelineError | None:
        status = response.status_code
        if status in {401, 403}:
            return ConfigError(
                f"{self.name} refused the API key (HTTP {status}): check {self.key_variable} and its scopes"
            )
        if status == 410:
            return ConfigError(f"{self.name} has retired revision {self.revision}: set a newer `revision`")
        if status not in {400, 409, 422}:
            return None
        try:
            errors = [error for error in response.json().get("errors", ()) if isinstance(error, Mapping)]
        except (ContractError, AttributeError):
            return None
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
        said = redact.text(str(errors[0].get("detail", ""))) if errors else ""
        return ContractError(f"{self.name} refused a request (HTTP {status}, code {codes}): {said}")


def _identifier_in(payload: Any, field: str) -> str | None:
    """The identifier of the profile an import error quotes, however deep it is; None when it quotes none."""
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return None
    if isinstance(payload, Mapping):
        if isinstance(payload.get(field), str):
            return str(payload[field])
        payload = [value for value in payload.values() if isinstance(value, Mapping | list)]
    if isinstance(payload, list):
        return next((value for item in payload if (value := _identifier_in(item, field)) is not None), None)
    return None


def _text(body: Any, *path: str) -> str:
    for part in path:
        body = body.get(part) if isinstance(body, Mapping) else None
    if not isinstance(body, str) or not body:
        raise ContractError(f"an answer of Klaviyo has no {'.'.join(path)}")
    return body
