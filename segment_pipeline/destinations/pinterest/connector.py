"""Pinterest: customer lists of one ad account (API v5), members by the hash of an e-mail, and an audience of each list.

Applies changes and knows nothing of segments; names sent to Pinterest are neutral.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from segment_pipeline import paging, redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.names import neutral
from segment_pipeline.delivery.nobody import hashes
from segment_pipeline.delivery.vendor import NotTaken, Vendor, at, found_or_made, oldest, told
from segment_pipeline.errors import RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response
from segment_pipeline.pacing import retry_after

_log = logging.getLogger(__name__)
_PAGE: Final = 250


@dataclass(frozen=True, kw_only=True)
class PinterestLists:
    """Customer lists of one Pinterest ad account; a member is the SHA-256 of an e-mail.

    Pinterest takes records without an answer for each, and tells nobody who is on a list: its counts go up for whoever is there already, so that one
    can be neither counted nor read back. A list is neither renamed, emptied nor deleted by the API: who leaves is taken off by name.
    Pinterest makes no list without a record: ours begin with the hash of an address that cannot exist. `audience`: an audience is made of
    each list, without which no advertisement reaches it; under 100 people with Pinterest accounts it is too small.
    `account`: the number of the ad account. `most`: records of a request. `per_minute`: changes a minute.
    `marker` tells this installation's lists from all others.
    Not verified against the live API: 10,000 records and 1 MB a request, 400 changes a minute, what a list that is gone is
    answered, and which records end among a list's exceptions, of which a warning is logged.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Pinterest",
        "customer lists of Pinterest ads (v5)",
        oracle="pinterest-generated-client 0.1.12 and Pinterest's OpenAPI 5.23.0",
    )
    name: str = "pinterest"
    access_token: str = secret("PINTEREST_ACCESS_TOKEN", "with the scopes ads:read and ads:write")
    account: str = address("PINTEREST_AD_ACCOUNT", "", "number of the ad account")
    base_url: str = address("PINTEREST_BASE_URL", "https://api.pinterest.com/v5")
    audience: bool = True
    marker: str = "segment-pipeline"
    most: int = 10_000
    per_minute: int = 400
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rates = {"changes": ((self.per_minute, 60.0),), "": ((50, 1.0), (1_000, 60.0))}
        object.__setattr__(self, "_vendor", Vendor(self, key="access_token", refusal=self._refused, rates=rates))

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(IdentifierRule("email", "email", "email/sha256/1"),),
            batch_rows=self.most,
            batch_bytes=1_000_000,
            parallel=4,
            minimum_size=100,
            matches_any_key=True,
        )

    def secrets_present(self) -> None:
        require(self)
        require(self, "account")

    def check(self) -> None:
        """The token may see the customer lists of the ad account."""
        self._vendor.object("", "GET", self._path("customer_lists"), params={"page_size": 1})

    def ensure_audience(self, name: str) -> str:
        """The customer list of our label for `name`, with an audience of it; each made if there is none."""
        label = neutral(name, self.marker)
        made = found_or_made(
            lambda: self._ids("customer_lists", name=label),
            lambda: self._make("customer_lists", {"name": label, "records": hashes(1)[0], "list_type": "EMAIL"}),
        )
        if self.audience:
            rule = {"customer_list_id": made}
            given = {
                "ad_account_id": value(self, "account"),
                "audience_type": "CUSTOMER_LIST",
                "name": label,
                "rule": rule,
            }
            found_or_made(lambda: self._ids("audiences", name=label), lambda: self._make("audiences", given))
        return made

    def find(self, name: str) -> str | None:
        return oldest(self._ids("customer_lists", name=neutral(name, self.marker)))

    def exists(self, remote_id: str) -> bool:
        path = self._path(f"customer_lists/{remote_id}")
        return self._vendor.client().request("GET", path, expect=(404,)).status_code != 404

    def close(self) -> None:
        self._vendor.close()

    def apply(self, batch: Batch) -> Receipt:
        """Add records or take them off; whoever is there, or is not, stays so. Final at once, though Pinterest takes its time."""
        bodies.refuse_oversize(batch, self.most, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, "email")
        if not rows.num_rows:
            return Receipt.final(batch, rejected, requests=0)
        sent = self._vendor.counted()
        operation = b"ADD" if batch.operation is Operation.UPSERT else b"REMOVE"
        records = bodies.joined(rows.column("email"))
        try:
            answer = self._vendor.of_audience(
                batch.remote_id,
                "PATCH",
                self._path(f"customer_lists/{batch.remote_id}"),
                purpose="changes",
                data=b"".join((b'{"operation_type":"', operation, b'","records":"', records, b'"}')),
                headers={"Content-Type": "application/json"},
                idempotent=True,
            ).json()
        except NotTaken as refused:
            raise RejectedRecords(str(refused)) from None
        if odd := answer.get("exceptions"):
            said = ", ".join(sorted(redact.code(name) for name in odd))
            _log.warning(
                "%s has exceptions at list %s (%s): look at it in Ads Manager", self.name, batch.remote_id, said
            )
        return Receipt.final(batch, rejected, requests=sent())

    def _ids(self, kind: str, *, name: str) -> Iterator[str]:
        """The ids of the lists, or audiences, of that name."""

        def page(bookmark: str | None) -> Mapping[str, Any]:
            params = {"page_size": _PAGE} | ({"bookmark": bookmark} if bookmark else {})
            return self._vendor.object("", "GET", self._path(kind), params=params)

        listing = paging.pages(page, paging.cursor_field("bookmark"), what=f"the listing of {kind} of {self.name}")
        for one in (each for found in listing for each in at(found, "items", of="Pinterest", kind=list)):
            if one.get("name") == name:
                yield at(one, "id", of="Pinterest")

    def _make(self, kind: str, given: Mapping[str, Any]) -> str:
        return str(at(self._vendor.object("changes", "POST", self._path(kind), json=given), "id", of="Pinterest"))

    def _path(self, rest: str) -> str:
        return f"/ad_accounts/{value(self, 'account')}/{rest}"

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status, code = response.status_code, told(response, "code", int)
        if status == 429:
            wait = retry_after(response.headers) or retry_after(response.headers, "x-ratelimit-reset")
            return TransientError(
                f"{self.name} was over its rate limit (HTTP 429): it is tried again later", retry_after=wait
            )
        if status in {400, 413}:
            said = redact.text(told(response, "message", str) or "")
            return NotTaken(f"{self.name} refused a request (HTTP {status}, code {code}): {said}")
        return None


CONNECTOR = PinterestLists
