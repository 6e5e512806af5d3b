"""LaunchDarkly segments of one project and environment: context keys included in a big segment, or in a standard one.

Changes whom a segment includes. It excludes nobody, and touches no rule and no flag.
"""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import jobs
from segment_pipeline.delivery.destination import Batch, Capabilities, Operation, Receipt
from segment_pipeline.delivery.names import spellings
from segment_pipeline.delivery.user_ids import fit, user_id
from segment_pipeline.delivery.vendor import Conflict, NotTaken, Vendor, at, found_or_made, told, variable
from segment_pipeline.errors import (
    ConfigError,
    ContractError,
    RejectedRecords,
    SegmentPipelineError,
    TransientError,
)
from segment_pipeline.http import Response
from segment_pipeline.pacing import reset_in, retry_after

_VERSION: Final = "20240415"  # the others end with 2026
_SEMANTIC: Final = "application/json; domain-model=launchdarkly.semanticpatch"
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")
_OPERATIONS, _TARGETS = 1_500, 15_000


@dataclass(frozen=True, kw_only=True)
class LaunchDarklySegments:
    """Segments of one environment; each audience is a segment whose key is `prefix` + its name, odd names with a digest. `base_url` of the
    EU is https://app.eu.launchdarkly.com.

    `users_of`: the source whose customer ids are the keys of your contexts, which are of `context_kind`.
    `kind`: `big` segments hold any number; they are of some plans, and your SDKs need a store for them or the Relay Proxy. `standard`
    ones hold 15,000 keys and are changed 1,500 at a time.
    The token needs the actions createSegment, updateIncluded and deleteSegment; of a service account, it outlives people.
    Not verified against the live API: how many keys a change of a big segment may have (`keys_per_call`), how soon its count follows,
    what a change that needs an approval is answered with, and the limits of requests, which are not published and told in headers.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "LaunchDarkly",
        f"big and standard segments (API {_VERSION})",
        oracle="launchdarkly-api 25.0.1 and LaunchDarkly's OpenAPI",
    )
    name: str = "launchdarkly"
    users_of: str
    access_token: str = secret("LAUNCHDARKLY_ACCESS_TOKEN", "access token that may create and change segments")
    project: str = address("LAUNCHDARKLY_PROJECT", "", "key of the project")
    environment: str = address("LAUNCHDARKLY_ENVIRONMENT", "", "key of the environment")
    base_url: str = address("LAUNCHDARKLY_BASE_URL", "https://app.launchdarkly.com")
    kind: Literal["big", "standard"] = "big"
    context_kind: str = "user"
    channel: str = "product"
    prefix: str = "segment-pipeline-"
    keys_per_call: int = 1000
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ConfigError(
                f"{self.name}: `prefix` begins keys: letters, digits, full stops, hyphens and underscores, 100 at most, the first a letter or digit"
            )
        headers = {"LD-API-Version": _VERSION}
        vendor = Vendor(
            self, key="access_token", scheme="", refusal=self._refused, headers=headers, timeout=(5.0, 120.0)
        )
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=(user_id(self.users_of),),
            batch_rows=self.keys_per_call if self._big else _OPERATIONS,
            batch_bytes=4 * 1024 * 1024,
            every=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        said = "LaunchDarkly took the change and does not show the key among those included: look the segment up there"
        kept = "LaunchDarkly took the change and still includes the key: look the segment up there"
        return {"not_included": said, "still_included": kept}

    def secrets_present(self) -> None:
        require(self, "access_token", "project", "environment")

    def check(self) -> None:
        """The token works, and may read the segments of this environment."""
        answer = self._vendor.client().request("GET", self._path(), params={"limit": 1}, expect=(404,))
        if answer.status_code == 404:
            where = f"{variable(self, 'project')} and {variable(self, 'environment')}"
            raise ConfigError(f"{self.name} has no such project or environment: check {where}")

    def ensure_audience(self, name: str) -> str:
        """The segment of that name's key, made if there is none."""
        key = self.prefix + next(spellings(name))

        def find() -> Iterator[str]:
            if (segment := self._segment(key)) is not None:
                if bool(segment.get("unbounded")) is not self._big:
                    raise ConfigError(
                        f"{self.name} has segment {key}, which is no {self.kind} one: delete it, or change `kind`"
                    )
                yield key

        def make() -> str | None:
            new: dict[str, Any] = {"name": f"{self.prefix}{name}", "key": key, "tags": ["segment-pipeline"]}
            new |= {"unbounded": True, "unboundedContextKind": self.context_kind} if self._big else {}
            with suppress(Conflict):
                return str(at(self._vendor.object("", "POST", self._path(), json=new), "key", of="LaunchDarkly"))
            return None

        taken = (
            f"{self.name} shows no segment {key} and makes none of that key: restore that one there, or change `prefix`"
        )
        return found_or_made(find, make, taken=taken)

    def count(self, remote_id: str) -> int:
        """Keys included, as LaunchDarkly counts them."""
        segment = self._segment(remote_id)
        if segment is None:
            raise self._vendor.gone(remote_id)
        if not self._big:
            return len(self._included(segment))
        return int(at(segment, "_unboundedMetadata", "includedCount", of="LaunchDarkly", kind=int))

    def apply(self, batch: Batch) -> Receipt:
        """Include the keys, or no longer; final at once. LaunchDarkly takes all of a batch or nothing, and does not say which key was wrong."""
        ids, rejected = fit(batch, self.capabilities.batch_rows, self.name)
        if not ids:
            return Receipt.final(batch, rejected, requests=0)
        sent, adding = self._vendor.counted(), batch.operation is Operation.UPSERT
        try:
            if self._big:
                self._contexts(batch.remote_id, {"add" if adding else "remove": list(ids)})
            else:
                held = self._instructed(
                    batch.remote_id, "addIncludedTargets" if adding else "removeIncludedTargets", ids
                )
                told = "not_included" if adding else "still_included"
                rejected |= {key: told for one, key in ids.items() if (one in held) is not adding}
        except NotTaken as error:
            refused = RejectedRecords(str(error))
        else:
            return Receipt.final(batch, rejected, requests=sent())
        if adding and not self._big and self.count(batch.remote_id) + len(ids) > _TARGETS:
            raise self._full()
        raise refused

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Everything at once with the last batch, by one patch; of a big segment by the file of an import that replaces, once the batches are
        added and their keys known to be taken: an import would not say which was wrong.
        """
        if self._big:
            yield from self._imported(batches)
            return
        parts = [fit(batch, self.capabilities.batch_rows, self.name) for batch in batches]
        ids = [one for part, _ in parts for one in part]
        for number, (batch, (_, rejected)) in enumerate(zip(batches, parts, strict=True), 1):
            sent = self._vendor.counted()
            if number == len(parts):
                self._patch(batch.remote_id, ids)
            yield Receipt.final(batch, rejected, requests=sent())

    def _imported(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        wanted, sent = list[str](), self._vendor.counted()
        for batch in batches:
            ids, _ = fit(batch, self.capabilities.batch_rows, self.name)
            before, receipt = sent(), jobs.delivered(self, batch)
            wanted += [one for one, key in ids.items() if key not in receipt.rejected]
            if batch is batches[-1]:
                self._import(batch.remote_id, wanted)
            yield dataclasses.replace(receipt, requests=sent() - before)

    def delete(self, remote_id: str) -> None:
        self._vendor.client().request("DELETE", self._path(remote_id), expect=(404,))

    def close(self) -> None:
        self._vendor.close()

    @property
    def _big(self) -> bool:
        return self.kind == "big"

    def _path(self, *below: str) -> str:
        named = (value(self, "project"), value(self, "environment"), *below)
        return "/".join(["/api/v2/segments", *(quote(each, safe="") for each in named)])

    def _segment(self, key: str) -> dict[str, Any] | None:
        answer = self._vendor.client().request("GET", self._path(key), expect=(404,))
        if answer.status_code == 404:
            self.check()
            return None
        found: dict[str, Any] = answer.json()
        return None if found.get("deleted") else found

    def _changed(self, method: str, key: str, *below: str, **options: Any) -> Response:
        """What a change of a segment is answered with; each may be made twice."""
        path = self._path(key, *below)
        answer = self._vendor.client().request(method, path, idempotent=True, expect=(404,), **options)
        if answer.status_code == 404:
            self.check()
            raise self._vendor.gone(key)
        return answer

    def _contexts(self, key: str, included: dict[str, list[str]]) -> None:
        self._changed("POST", key, "contexts", json={"included": included})

    def _instructed(self, key: str, kind: str, ids: Collection[str]) -> set[str]:
        """The keys the segment then includes: that a patch is taken does not say that it was carried out."""
        instruction = {"kind": kind, "contextKind": self.context_kind, "values": list(ids)}
        patch = {"environmentKey": value(self, "environment"), "instructions": [instruction]}
        # As JSON without the vendor's own type it would be read as a JSON patch.
        answer = self._changed("PATCH", key, data=json.dumps(patch), headers={"Content-Type": _SEMANTIC})
        return self._included(answer.json())

    def _included(self, segment: Any) -> set[str]:
        held = list(at(segment, "included", of="LaunchDarkly", kind=list)) if self.context_kind == "user" else []
        for target in segment.get("includedContexts") or []:
            held += target["values"] if target.get("contextKind") == self.context_kind else []
        return set(held)

    def _patch(self, key: str, ids: Sequence[str]) -> None:
        if len(ids) > _TARGETS:
            raise self._full()
        user = self.context_kind == "user"
        keys: Any = list(ids) if user else [{"contextKind": self.context_kind, "values": list(ids)}]
        patch = {"op": "add", "path": "/included" if user else "/includedContexts", "value": keys}
        self._changed("PATCH", key, json={"patch": [patch]})

    def _import(self, key: str, ids: Sequence[str]) -> None:
        """Put a file in the place of whatever a big segment includes, and wait until that is done."""
        from urllib3.filepost import encode_multipart_formdata

        file = io.StringIO(newline="")
        csv.writer(file).writerows([one] for one in ids)
        body, form = encode_multipart_formdata(
            {"mode": "replace", "file": ("keys.csv", file.getvalue().encode(), "text/csv")}
        )
        answer = self._changed("POST", key, "imports", data=body, headers={"Content-Type": form})
        number = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if not number:
            raise ContractError(f"{self.name} did not say where its import is: see whether the API changed")

        def ask() -> str | None:
            known = self._vendor.object("", "GET", self._path(key, "imports", number))
            status = str(at(known, "status", of="LaunchDarkly"))
            return status if status in {"complete", "stopped", "pending_approval"} else None

        ended = jobs.ended(ask, self.capabilities.job_seconds, of=self.name)
        if ended == "pending_approval":
            raise ConfigError(
                f"{self.name}: the import of segment {key} waits for an approval: have it approved, then sync again"
            )
        if ended != "complete":
            raise TransientError(f"{self.name} stopped the import of segment {key}: it is made anew", sent=True)

    def _full(self) -> ConfigError:
        return ConfigError(
            f"{self.name}: a standard segment holds {_TARGETS} keys at most: set kind='big', delete the segment there and resend the audience"
        )

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status, headers = response.status_code, response.headers
        if status == 429:
            wait = retry_after(headers)
            wait = reset_in(headers, "x-ratelimit-reset", per_second=1000) if wait is None else wait
            return TransientError(f"{self.name} was over its rate limit: it is tried again later", retry_after=wait)
        if status == 409:
            return Conflict(f"{self.name}: somebody else changes this segment: it is tried again")
        if status in {400, 422}:
            said = (
                f"code {redact.code(told(response, 'code', str))}): {redact.text(told(response, 'message', str) or '')}"
            )
            return NotTaken(f"{self.name} refused a request (HTTP {status}, {said}")
        return None


CONNECTOR = LaunchDarklySegments
