"""LinkedIn: DMP segments of one sponsored account, members by the hash of an e-mail.

Applies changes and knows nothing of segments; names sent to LinkedIn are neutral.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Final

import pyarrow as pa

from segment_pipeline import clock, redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.names import digest, neutral
from segment_pipeline.delivery.vendor import NotTaken, Vendor, at, found_or_made, oldest, told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_log = logging.getLogger(__name__)
_UNTIL_READY: Final = 5.0
_WARNED_BEFORE: Final = 60
_STATUSES: Final = (400, 403, 404, 409, 422)
# LinkedIn neither advertises to these nor makes them anew.
_OVER: Final = frozenset({"EXPIRED", "FAILED", "ERROR"})


@dataclass(frozen=True, kw_only=True)
class LinkedInSegments:
    """DMP segments of users in one LinkedIn ad account; a member is the SHA-256 of an e-mail.

    LinkedIn answers each member, and tells nobody who is inside: a segment can neither be counted nor read back, nor replaced.
    `account`: the number of the sponsored account. `version`: of the API, one a month, alive for a year; 60 days before its end a warning is
    logged. One that nobody changes or advertises to expires after a time LinkedIn does not tell: members are sent anew in half of
    `renewed_days` (0: never). `most`: members of a request. `marker` tells this installation's segments from all others.
    Under 300 members who were found LinkedIn shows no advertisement, and an account has room for 1,000 segments.
    Not verified against the live API: 5,000 members a request, `per_minute` beside a limit a day that LinkedIn does not tell,
    whether `source_platform` may be any word, and the day of the month a version ends on.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "LinkedIn",
        "DMP segments of users (REST)",
        oracle="linkedin-api-client 0.3.0 and a schema of LinkedIn's pages",
    )
    name: str = "linkedin"
    access_token: str = secret("LINKEDIN_ACCESS_TOKEN", "with the scope rw_dmp_segments")
    account: str = address("LINKEDIN_ACCOUNT", "", "number of the sponsored account")
    base_url: str = address("LINKEDIN_BASE_URL", "https://api.linkedin.com/rest")
    version: str = "202607"
    source_platform: str = "SEGMENT_PIPELINE"
    marker: str = "segment-pipeline"
    renewed_days: int = field(default=60, metadata={"least": 0})
    most: int = 5_000
    per_minute: int = 600
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (len(self.version) == 6 and self.version.isdecimal() and 1 <= int(self.version[4:]) <= 12):
            raise ConfigError(f"{self.name}: `version` is a year and a month, like 202607")
        headers = {"LinkedIn-Version": self.version, "X-Restli-Protocol-Version": "2.0.0"}
        rates = {"": ((self.per_minute, 60.0),)}
        vendor = Vendor(self, key="access_token", refusal=self._refused, headers=headers, rates=rates)
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(IdentifierRule("email", "email", "email/sha256/1"),),
            batch_rows=self.most,
            batch_bytes=4_000_000,
            parallel=4,
            minimum_size=300,
            matches_any_key=True,
            expires_after_days=self.renewed_days or None,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        said = (
            "LinkedIn answered the member with this HTTP status, and took the others: its documents say what it means"
        )
        return dict.fromkeys((f"status_{status}" for status in _STATUSES), said)

    def secrets_present(self) -> None:
        require(self)
        require(self, "account")

    def check(self) -> None:
        """The token may see segments of the account, and the version is alive."""
        self.find("")
        self._warn_early()

    def ensure_audience(self, name: str) -> str:
        return found_or_made(lambda: self._marked(name), lambda: self._make(name))

    def find(self, name: str) -> str | None:
        return oldest(self._marked(name))

    def exists(self, remote_id: str) -> bool:
        self._warn_early()
        with suppress(AudienceGone):
            self._there(remote_id)
            return True
        return False

    def delete(self, remote_id: str) -> None:
        with suppress(AudienceGone):
            self._vendor.of_audience(remote_id, "DELETE", f"/dmpSegments/{remote_id}")

    def close(self) -> None:
        self._vendor.close()

    def apply(self, batch: Batch) -> Receipt:
        """Add members or take them out; final at once. Safe to repeat. Whom LinkedIn could not take just now is sent again."""
        bodies.refuse_oversize(batch, self.most, self.name)
        left, rejected = bodies.refuse_unhashed(batch, "email")
        sent = self._vendor.counted()
        for again in range(self.attempts):
            if not left.num_rows:
                return Receipt.final(batch, rejected, requests=sent())
            clock.sleep(2.0**again if again else 0)
            statuses = self._answered(batch, left)
            keys = left.column("key").to_pylist()
            passing = [n for n, status in enumerate(statuses) if status == 429 or status >= 500]
            failed = {n: status for n, status in enumerate(statuses) if 300 <= status < 500 and status != 429}
            rejected |= {keys[n]: f"status_{status}" for n, status in failed.items()}
            left = left.take(pa.array(passing, pa.int64()))
        if left.num_rows:
            raise TransientError(f"{self.name} did not take {left.num_rows} members: they are sent again", sent=True)
        return Receipt.final(batch, rejected, requests=sent())

    def _answered(self, batch: Batch, rows: pa.Table) -> list[int]:
        """The status of each row. A segment that was just made has no users yet, and says 404 like one that is gone."""
        action = "ADD" if batch.operation is Operation.UPSERT else "REMOVE"
        # Nothing to escape: hashes in hex.
        head = f'{{"action":"{action}","userIds":[{{"idType":"SHA256_EMAIL","idValue":"'
        body = b"".join((b'{"elements":[', bodies.joined(head, rows.column("email"), '"}]}'), b"]}"))
        path, headers = f"/dmpSegments/{batch.remote_id}/users", {"X-RestLi-Method": "BATCH_CREATE"}
        for _ in range(self.attempts):
            try:
                answer = self._vendor.client().request(
                    "POST",
                    path,
                    data=body,
                    headers={"Content-Type": "application/json", **headers},
                    idempotent=True,
                    expect=(404,),
                )
            except NotTaken as refused:
                raise RejectedRecords(str(refused)) from None
            if answer.status_code != 404:
                elements = at(answer.json(), "elements", of="LinkedIn", kind=list)
                if len(elements) != rows.num_rows:
                    raise ContractError(
                        f"{self.name} answered {len(elements)} of {rows.num_rows} members: send them again"
                    )
                return [at(one, "status", of="LinkedIn", kind=int) for one in elements]
            self._there(batch.remote_id)
            clock.sleep(_UNTIL_READY)
        raise TransientError(f"{self.name} is not done with making segment {batch.remote_id}: it is tried again later")

    def _warn_early(self) -> None:
        ends = date(int(self.version[:4]) + 1, int(self.version[4:]), 15)
        left = (ends - clock.now().date()).days
        if left <= _WARNED_BEFORE:
            _log.warning("%s: version %s ends on %s: set a newer `version`", self.name, self.version, ends)

    def _there(self, remote_id: str) -> None:
        """Raises AudienceGone, for a segment that is over too."""
        found = self._vendor.of_audience(remote_id, "GET", f"/dmpSegments/{remote_id}").json()
        if status := _over(found):
            raise AudienceGone(f"{self.name} calls audience {remote_id} {status}: resend it to make it anew")

    def _make(self, name: str) -> str:
        body = {
            "name": neutral(name, self.marker),
            "account": self._urn,
            "accessPolicy": "PRIVATE",
            "type": "USER",
            "destinations": [{"destination": "LINKEDIN"}],
            "sourcePlatform": self.source_platform,
            "sourceSegmentId": self._mark(name),
        }
        made = self._vendor.client().request("POST", "/dmpSegments", json=body).headers.get("x-restli-id")
        if not made:
            raise ContractError(f"{self.name} made a segment and did not tell its id: try again")
        clock.sleep(_UNTIL_READY)
        return made

    def _marked(self, name: str) -> Iterator[str]:
        """The ids of segments that bear our mark for a name, and are not over."""
        asked = {
            "q": "account",
            "account": self._urn,
            "sourcePlatform": self.source_platform,
            "sourceSegmentId": self._mark(name),
        }
        found = self._vendor.object("", "GET", "/dmpSegments", params={**asked, "start": 0, "count": 100})
        for one in at(found, "elements", of="LinkedIn", kind=list):
            if one.get("sourceSegmentId") == asked["sourceSegmentId"] and not _over(one):
                yield str(at(one, "id", of="LinkedIn", kind=int))

    def _mark(self, name: str) -> str:
        return f"{self.marker}/{digest(name)}"

    @property
    def _urn(self) -> str:
        return f"urn:li:sponsoredAccount:{value(self, 'account')}"

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status, code = response.status_code, redact.code(told(response, "code", str))
        if status == 426:
            return ConfigError(f"{self.name}: LinkedIn no longer answers version {self.version}: set a newer `version`")
        if status == 429 and code == "SEGMENT_LIMIT_EXCEEDED":
            return ConfigError(
                f"{self.name}: the account has as many segments as it may have: delete some in Campaign Manager"
            )
        if status in {400, 413}:
            said = redact.text(told(response, "message", str) or "")
            return NotTaken(f"{self.name} refused a request (HTTP {status}, {code}): {said}")
        return None


def _over(segment: Mapping[str, Any]) -> str:
    """The state of a segment nobody can be advertised to in any more; '' of any other."""
    told_of = (str(one.get("status")) for one in segment.get("destinations") or [])
    return next((status for status in told_of if status in _OVER), "")


CONNECTOR = LinkedInSegments
