"""A webhook of the company's own: audiences as signed JSON batches, to any HTTPS address that answers them.

What is sent and how it is to be answered is in `docs/operating.md`, "A webhook of your own"; this module knows no receiver.
"""

import hashlib
import ipaddress
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import (
    AudienceGone,
    Batch,
    Capabilities,
    IdentifierRule,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.identified import Form, every, identified
from segment_pipeline.delivery.vendor import Vendor, variable
from segment_pipeline.destinations.webhook.signing import Signed
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError
from segment_pipeline.http import Response

_BYTES: Final = 5_000_000
_WHOLE: Final = 1 << 40


@dataclass(frozen=True, kw_only=True)
class SignedWebhook:
    """Audiences kept by a receiver of your own, told by signed POSTs of JSON; an audience's id there is its name.

    Each request is signed as Standard Webhooks says: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, `v1,` and the
    HMAC-SHA256 in base64 of id, timestamp and body, joined by full stops. A batch has the same id whenever it is sent again.
    `next_secret`: signs beside it while the receiver changes from one to the other. `header`: what a gateway before the
    receiver asks for, as `Name: value`.
    `identifiers`: some of `email`, `phone`, `external_id` (ours) and `user_id:<source>` (what a customer of that source is called
    there), strongest first; `form`: of e-mail and phone, `plain` or `sha256` in hex.
    A member is all of these together, known by `key`; whoever changes one of them leaves under the old key and comes under a new one.
    `batch_rows`: the most members of a batch; a receiver that answers 413 or 422 gets it in halves. `parallel`: batches at once.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Webhook",
        "signed JSON batches to an address of your own",
        oracle="standardwebhooks 1.1.0, which verifies each signature",
    )
    name: str = "webhook"
    signing_secret: str = secret("WEBHOOK_SECRET", "signs requests: `whsec_` and 24 to 64 bytes in base64")
    next_secret: str = secret("WEBHOOK_NEXT_SECRET", "signs beside it while secrets change", optional=True)
    header: str = secret("WEBHOOK_HEADER", "a header of each request, as `Name: value`", optional=True)
    base_url: str = address("WEBHOOK_URL", "", "where batches are posted to, by HTTPS")
    channel: str = "email"
    identifiers: Sequence[str] = ("email", "phone")
    form: Form = "plain"
    batch_rows: int = 1_000
    parallel: int = 2
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _signed: Signed = field(init=False, repr=False, compare=False)
    _rules: tuple[IdentifierRule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch_rows < 1 or self.parallel < 1:
            raise ConfigError(f"{self.name}: `batch_rows` and `parallel` are at least 1")
        object.__setattr__(self, "_rules", identified(self.identifiers, self.form, of=self.name))
        object.__setattr__(self, "_signed", Signed(self))
        object.__setattr__(
            self, "_vendor", Vendor(self, key="signing_secret", auth=self._signed, refusal=self._refused)
        )

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=self._rules,
            batch_rows=self.batch_rows,
            batch_bytes=_BYTES,
            parallel=self.parallel,
            every=every(self._rules),
            attributes=True,
        )

    def secrets_present(self) -> None:
        require(self)
        self._signed.keys()
        self._signed.header()
        self._url()

    def check(self) -> None:
        """The receiver takes a signed request that asks for nothing."""
        self.secrets_present()
        self._say(operation="ping")

    def ensure_audience(self, name: str) -> str:
        """Says that the audience is to be there; its id is its name, so that no answer can be lost."""
        self._say(operation="open", audience=name)
        return name

    def apply(self, batch: Batch) -> Receipt:
        """One POST, that may be repeated; its answer may name members that were not taken."""
        bodies.refuse_oversize(batch, self.batch_rows, self.name)
        about = {"audience": batch.remote_id, "plan": batch.plan, "batch": batch.number}
        return self._send(batch, {"operation": batch.operation.value, **about})

    def forget(self, batch: Batch) -> Receipt:
        """Ask the receiver to erase whoever has one of the identifiers, in all audiences and elsewhere."""
        return self._send(batch, {"operation": "forget"})

    def close(self) -> None:
        self._vendor.close()

    @property
    def _columns(self) -> list[str]:
        return [rule.column for rule in self._rules]

    def _send(self, batch: Batch, envelope: Mapping[str, Any]) -> Receipt:
        rows, refused = bodies.refuse_nobody(batch, *self._columns)
        keys = rows.column("key").to_pylist()
        if not keys:
            return Receipt.final(batch, refused, requests=0)
        sent, adds = self._vendor.counted(), envelope["operation"] == Operation.UPSERT
        [(_, _, members)] = bodies.json_parts(rows, self._member(attributes=adds), _WHOLE)
        content = f'{json.dumps(envelope, ensure_ascii=False)[:-1]}, "members": [{members}]}}'.encode()
        # Of its content, so that a part of the batch is another message. An erasure is carried out each time it is asked for.
        identifier = hashlib.sha256(content).hexdigest()[:32] if "plan" in envelope else uuid.uuid4().hex
        answer = self._post(identifier, content, expect=(400, 410, 413, 422))
        if answer.status_code == 410:
            raise AudienceGone(
                f"{self.name} no longer has audience {envelope.get('audience')}: resend it to make it anew"
            )
        rejected = self._rejected(answer, keys)
        if answer.status_code >= 400:
            raise self._refusal(answer.status_code, rejected, batch, rows)
        return Receipt.final(batch, refused | rejected, requests=sent())

    def _member(self, *, attributes: bool) -> str:
        """SQL: one member as JSON text, without what it has not."""
        parts = [f"""coalesce(',"{name}":' || CAST(to_json({name}) AS VARCHAR), '')""" for name in self._columns]
        told = """ || ',"attributes":' || coalesce(attributes, '{}')""" if attributes else ""
        return f"""'{{"key":' || CAST(to_json(key) AS VARCHAR) || {" || ".join(parts)}{told} || '}}'"""

    def _post(self, identifier: str, content: bytes, *, expect: Sequence[int] = ()) -> Response:
        headers = {"Content-Type": "application/json", "webhook-id": f"msg_{identifier}"}
        client = self._vendor.client()
        return client.request("POST", self._url(), data=content, headers=headers, idempotent=True, expect=expect)

    def _say(self, **message: str) -> None:
        self._post(uuid.uuid4().hex, json.dumps(message, ensure_ascii=False).encode())

    def _url(self) -> str:
        """Raises ConfigError where what is sent could be read on its way."""
        url = value(self, "base_url")
        parts = urlsplit(url)
        if parts.scheme != "https" and not _is_here(parts.hostname or ""):
            raise ConfigError(
                f"{self.name}: {variable(self, 'base_url')} is no https address: set it like https://host/path"
            )
        return url

    def _rejected(self, answer: Response, keys: Sequence[str]) -> dict[str, str]:
        """Key → reason of the members an answer names. An answer in other words than JSON names none."""
        is_json = "json" in answer.headers.get("content-type", "") and answer.content
        said = answer.json() if is_json else None
        told = said if isinstance(said, dict) else {}
        named = told.get("rejected", None if answer.status_code == 207 else {})
        if not isinstance(named, dict) or not named.keys() <= set(keys):
            raise ContractError(f"{self.name} answered with a `rejected` that is no object of keys of the batch")
        return {key: redact.code(reason) for key, reason in named.items()}

    def _refusal(self, status: int, rejected: Mapping[str, str], batch: Batch, rows: pa.Table) -> SegmentPipelineError:
        """Of a batch of which nobody was taken."""
        keys = rows.column("key").to_pylist()
        if not rejected and status == 400:
            return ContractError(f"{self.name} refused a batch and named no member (HTTP 400): look into its receiver")
        if not rejected and status == 413 and len(keys) == 1:
            rejected = {keys[0]: "too_large"}
        why = {position: rejected[key] for position, key in enumerate(keys) if key in rejected}
        refused = RejectedRecords(f"{self.name} refused a batch (HTTP {status})", rows=why)
        return bodies.as_given(refused, batch, rows)

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status, where = response.status_code, variable(self, "base_url")
        if 300 <= status < 400 or status in {404, 405}:
            return ConfigError(f"{self.name} takes no POST there (HTTP {status}): check {where}")
        if status not in {401, 403}:
            return None
        given = [variable(self, name) for name in ("signing_secret", "next_secret", "header") if value(self, name)]
        return ConfigError(
            f"{self.name} does not believe a request (HTTP {status}): check {', '.join(given)} and both clocks"
        )


CONNECTOR = SignedWebhook


def _is_here(host: str) -> bool:
    """An address of this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
