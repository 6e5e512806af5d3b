"""Braze: an audience is a custom attribute of its members, since a cohort can be made by Braze's partners alone.

Sets and unsets that attribute. Nobody's subscription is touched, and nobody is deleted but who is to be forgotten.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret
from segment_pipeline.delivery import attributes, bodies
from segment_pipeline.delivery.destination import (
    AudienceGone,
    Batch,
    Capabilities,
    IdentifierRule,
    Operation,
    Receipt,
)
from segment_pipeline.delivery.vendor import Vendor, at, told
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response
from segment_pipeline.lake.dialect import literal
from segment_pipeline.pacing import retry_after

_RATES: Final = {"": ((3_000, 3.0),), "erasures": ((20_000, 60.0),)}
_DELETED: Final = 50
_BYTES: Final = 4_000_000
# Who somebody is, what they subscribed to, and how the rest is to be taken: no company's trait.
_RESERVED: Final = frozenset(
    "external_id email phone braze_id user_alias email_subscribe push_subscribe subscription_groups push_token_import"
    " push_tokens _update_existing_only _merge_objects".split()
)


@dataclass(frozen=True, kw_only=True)
class BrazeAttributes:
    """Custom attributes of users in one Braze workspace; the attribute of an audience is `attribute_prefix` + its name.

    `channel`: whose consent its audiences need; `sms` and `push` want a key that is no address. `mode`: `flag`, a yes or no for each audience, unset for whoever leaves, or `list`, one attribute, `attribute_prefix` + `audiences`, that lists the names of
    those somebody is in. `key`: what a user is found by: `email`, `external_id`, the id people have here, or `user_id:<source>`, what that source calls its customers.
    `update_existing_only`: whoever Braze does not know is passed over, and counts as sent. Whoever is known by an e-mail is the user that was
    updated last of those who have it; a removal makes nobody. Attributes become attributes of that name, Braze's own (`first_name`, `home_city`, …) among
    them; one that `clears` unsets it. `most`: objects of a request by the contract: 75, or 50.
    Braze tells nobody who has an attribute: what others do to one is not seen, and an attribute is neither renamed nor taken off everybody.
    Not verified against the live API: adding to a list and removing from it, what an empty request is answered (it is how the key is checked), and which errors name a position.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Braze",
        "custom attributes of users (users/track)",
        oracle="a schema of Braze's documents",
    )
    name: str = "braze"
    api_key: str = secret("BRAZE_API_KEY", "REST key that may track and delete users")
    base_url: str = address(
        "BRAZE_BASE_URL", "https://rest.iad-01.braze.com", "address of the workspace's REST endpoint"
    )
    channel: Literal["email", "sms", "push"] = "email"
    key: str = "email"
    mode: Literal["flag", "list"] = "flag"
    attribute_prefix: str = "segment_pipeline_"
    update_existing_only: bool = False
    most: int = 75
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.key not in {"email", "external_id"} and not self.key.startswith("user_id:"):
            raise ConfigError(f"{self.name}: `key` is email, external_id or user_id:<source>")
        vendor = Vendor(self, key="api_key", refusal=self._refused, rates=_RATES)
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        kind = self.key.partition(":")[0]
        return Capabilities(
            channel=self.channel,
            identifiers=(IdentifierRule(self._column, self.key, f"{kind}/plain/1"),),
            batch_rows=self.most,
            batch_bytes=_BYTES,
            parallel=8,
            every=self.key.startswith("user_id:"),
            attributes=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        said = "Braze passed over the user, for an identifier or a value it does not take: look at what is mapped along"
        return dict.fromkeys(("not_processed", "invalid"), said)

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        """The key works: a request that holds nothing is refused for that alone."""
        with suppress(RejectedRecords):
            self._vendor.client().request("POST", "/users/track", json={"attributes": []}, idempotent=True)

    def ensure_audience(self, name: str) -> str:
        """The name of the attribute, and in a list of names its own: there is nothing to be made."""
        return f"{self._listing if self.mode == 'list' else self.attribute_prefix}{name}"

    def apply(self, batch: Batch) -> Receipt:
        bodies.refuse_oversize(batch, self.most, self.name)
        if not batch.remote_id.startswith(self.attribute_prefix):
            raise AudienceGone(f"{self.name} keeps no audience as attribute {batch.remote_id}: resend the audience")
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, self._column)
        self._refuse_reserved(batch)

        def send(part: pa.Table, written: str) -> dict[str, str]:
            keys = part.column("key").to_pylist()
            named = self._failed(self._track(f'{{"attributes":[{written}]}}'), len(keys))
            return {keys[n]: reason for n, reason in named.items()}

        rejected |= bodies.in_parts(batch, rows, self._object(batch), _BYTES - 200_000, send)
        return Receipt.final(batch, rejected, requests=sent())

    def forget(self, batch: Batch) -> Receipt:
        """Have Braze delete the users; fifty in a request. Of several with one e-mail it takes one, whoever is not identified first."""
        sent = self._vendor.counted()
        rows, rejected = bodies.refuse_nobody(batch, self._column)
        known = rows.column(self._column).to_pylist()
        for start in range(0, len(known), _DELETED):
            some = known[start : start + _DELETED]
            first = ["unidentified", "most_recently_updated"]
            body: dict[str, Any] = {"external_ids": some}
            if self.key == "email":
                body = {"email_addresses": [{"email": email, "prioritization": first} for email in some]}
            self._vendor.client("erasures").request("POST", "/users/delete", json=body, idempotent=True)
        return Receipt.final(batch, rejected, requests=sent())

    def close(self) -> None:
        self._vendor.close()

    @property
    def _column(self) -> str:
        return "email" if self.key == "email" else "external_id"

    @property
    def _listing(self) -> str:
        return f"{self.attribute_prefix}audiences/"

    def _object(self, batch: Batch) -> str:
        """SQL: what is sent of a row."""
        there = batch.operation is Operation.UPSERT
        name, own = batch.remote_id, "true" if there else "null"
        # By the audience's id and not by the mode of today: one of another mode is to be emptied all the same.
        if name.startswith(self._listing):
            listed = json.dumps(name.removeprefix(self._listing), ensure_ascii=False)
            name, own = self._listing[:-1], f'{{"{"add" if there else "remove"}":[{listed}]}}'
        more = attributes.wrapped(attributes.members(), ",", "") if there else "''"
        only = ',"_update_existing_only":true' if self.update_existing_only or not there else ""
        said = literal(f",{json.dumps(name, ensure_ascii=False)}:{own}{only}")
        return f"""'{{"{self._column}":' || to_json({self._column}) || {said} || {more} || '}}'"""

    def _refuse_reserved(self, batch: Batch) -> None:
        for name in attributes.carried(batch.rows):
            if name in _RESERVED or name.startswith(self.attribute_prefix):
                raise ConfigError(f"{self.name} takes no attribute {name}: map its trait to another field")

    def _track(self, body: str) -> Mapping[str, Any]:
        # Setting an attribute twice leaves what once leaves, so a lost answer is sent again.
        headers = {"Content-Type": "application/json"}
        return self._vendor.object("", "POST", "/users/track", data=body.encode(), headers=headers, idempotent=True)

    def _failed(self, answer: Mapping[str, Any], count: int) -> dict[int, str]:
        """Position → reason of the objects that were passed over; the answer is a success all the same."""
        if answer.get("message") == "queued":
            return {}
        if answer.get("message") != "success":
            raise ContractError(f"{self.name} answered {redact.text(str(answer.get('message')))} and no success")
        named = dict.fromkeys(_positions(answer.get("errors")), "not_processed")
        done = at(answer, "attributes_processed", of="Braze", kind=int)
        if done + len(named) < count:
            if count > 1:
                raise RejectedRecords(
                    f"{self.name} passed over {count - done} of {count} objects and named {len(named)}: split the batch"
                )
            return {0: "not_processed"}
        return named

    def _refused(self, answer: Response) -> SegmentPipelineError | None:
        status = answer.status_code
        if status == 429:
            wait = retry_after(answer.headers, "x-ratelimit-reset")
            return TransientError(
                f"{self.name} was over its rate limit (HTTP 429): it is tried again later", retry_after=wait
            )
        if status == 413:
            return RejectedRecords(f"{self.name} found a batch too large: split it")
        message = told(answer, "message", str) or ""
        if status != 400:
            return None
        if "Max Input Length" in message:
            return ConfigError(f"{self.name} takes fewer objects in a request: set `most` to 50")
        named = dict.fromkeys(_positions(told(answer, "errors", list)), "invalid")
        return RejectedRecords(f"{self.name} refused a batch (HTTP 400): {redact.text(message)}", rows=named)


def _positions(errors: Any) -> list[int]:
    named = (error for error in errors or () if isinstance(error, Mapping) and error.get("input_array") == "attributes")
    return [error["index"] for error in named if isinstance(error.get("index"), int)]


CONNECTOR = BrazeAttributes
