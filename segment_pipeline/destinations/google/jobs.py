"""Requests about members, each a job at Google: handed over, asked for, and what came of it. Knows the lists by name only."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, JobLost
from segment_pipeline.delivery.jobs import ended
from segment_pipeline.delivery.vendor import Remote, Vendor, at, failures
from segment_pipeline.destinations.google.refusals import Unknown
from segment_pipeline.destinations.google.uploads import Outcome, body_of, outcomes, spoilt
from segment_pipeline.errors import ContractError, RejectedRecords

MEMBERS: Final = "members"
SECONDS: Final = 4 * 3600.0
_log = logging.getLogger(__name__)
Lists = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one connector."""

    of: Remote
    vendor: Vendor

    def start(
        self, verb: str, batch: Batch, rows: pa.Table, lists: Lists, consent: Mapping[str, str] | None = None
    ) -> str:
        """Hand rows over; raises RejectedRecords, by their place in the batch, for those Google refuses or has nothing left of."""
        try:
            answer = self._asked(verb, body_of(rows, lists, consent))
            warnings = answer.get("fieldWarnings") or []
            if lost := spoilt(warnings, rows):
                raise RejectedRecords(f"{self.of.name} dropped all it was told of {len(lost)} members", rows=lost)
        except RejectedRecords as refused:
            raise bodies.as_given(refused, batch, rows) from None
        if warnings:
            _log.warning("%s dropped %s fields of a batch: its members stand without", self.of.name, len(warnings))
        return _id(answer)

    def clear(self, lists: Lists, before: datetime) -> str:
        """Take out whoever was added last before an instant."""
        body = {"destinations": lists, "removeAsOfTime": before.isoformat()}
        return _id(self._asked("removeAll", json.dumps(body).encode()))

    def outcomes(self, job: str, lists: int) -> list[Outcome]:
        """What came of a job at each of its lists so far."""
        try:
            answer = self.vendor.client(MEMBERS).json("GET", "/v1/requestStatus:retrieve", params={"requestId": job})
        except Unknown:
            # Not yet, a moment after it was taken; one that is forgotten is given up with our patience.
            return [Outcome()] * lists
        return outcomes(answer, lists)

    def done(self, job: str, lists: int) -> None:
        """Wait until a job is done at all its lists; raises JobLost where it failed at one."""

        def ask() -> list[Outcome] | None:
            told = self.outcomes(job, lists)
            return told if all(one.ended for one in told) else None

        if failed := [one.reason for one in ended(ask, SECONDS, of=self.of.name) if one.state != "SUCCESS"]:
            raise JobLost(f"{self.of.name} failed a removal ({failed[0]}): it is to be done again")

    def failed(self, outcome: Outcome, rows: pa.Table) -> dict[str, str]:
        """Key → reason of the members that failed; RejectedRecords where Google took some of them, and does not say whom."""
        if outcome.members not in {None, rows.num_rows}:
            told = f"{self.of.name} tells of {outcome.members} members, {rows.num_rows} were sent"
            raise ContractError(f"{told}: they are to be sent again")
        if outcome.state == "SUCCESS":
            return {}
        keys = rows.column("key").to_pylist()
        if outcome.state == "PARTIAL_SUCCESS":
            # Its counts may be missing, or count a member twice.
            failed = min(max(1, outcome.failed), max(1, len(keys) - 1))
        elif outcome.state != "FAILED":
            raise ContractError(f"{self.of.name} ended a request in a state this connector does not know")
        elif outcome.reason == "internal_error":
            raise JobLost(f"{self.of.name} failed a request by itself: it is sent again")
        else:
            failed = len(keys)
        return failures({}, failed, keys, reason=outcome.reason, of=self.of.name)

    def _asked(self, verb: str, body: bytes) -> dict[str, Any]:
        path, headers = f"/v1/audienceMembers:{verb}", {"Content-Type": "application/json"}
        return self.vendor.object(MEMBERS, "POST", path, data=body, headers=headers, idempotent=True)


def _id(answer: Mapping[str, Any]) -> str:
    return str(at(answer, "requestId", of="Google"))
