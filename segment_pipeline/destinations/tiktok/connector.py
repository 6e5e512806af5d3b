"""TikTok: audiences of customer files (API for Business v1.3). Hashes go in files, and audiences are made of and changed by them.

Applies changes and knows nothing of segments; names sent to TikTok are neutral.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import cache
from typing import Any, ClassVar, Final, Literal

import pyarrow as pa

from segment_pipeline import clock, paging, redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies, jobs
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.names import neutral
from segment_pipeline.delivery.nobody import hashes
from segment_pipeline.delivery.vendor import Vendor, at, found_or_made, oldest, told, variable
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_ROOT: Final = "/open_api/v1.3/dmp/custom_audience/"
_FILE_BYTES: Final = 50_000_000
_LEAST: Final = 1_000
_JOB_SECONDS: Final = 4 * 3600.0
_HEADERS: Final = {"email": "Email_SHA256", "phone": "Phone_SHA256"}
# Too many a second, a minute; a day's are over until the next begins (UTC).
_WAITS: Final = {40016: 1.0, 40100: 1.0, 40132: 300.0}
_DAY_OVER: Final = 40133
_CREDENTIALS: Final = frozenset({40001, 40101, 40102, 40104, 40105, 40118})
_INVALID, _SEEN_BEFORE = 40002, 40050


class _Busy(ContractError):
    """The audience is worked on, and takes no files meanwhile."""


class _SeenBefore(ContractError):
    """TikTok has had the very same request."""


@dataclass(frozen=True, kw_only=True)
class TikTokAudiences:
    """Customer-file audiences of one TikTok ad account; a member is the SHA-256 of an e-mail or a phone.

    A change is worked on for hours, one at a time, and is whole or not at all; TikTok names no row, and tells nobody who is inside, so that an audience can be
    replaced, not counted or read back. One that nobody changed or advertised to for 365 days expires there, and is to be resent.
    TikTok makes no audience without a file, and takes none below 1,000 entries: ours begin with 1,000 hashes of addresses that
    cannot exist, which match nobody and let everybody else leave. They do not make a small audience fit for advertising.
    `identifiers`: `email`, `phone`, or both, then in columns of one file. E-mails are hashed as they are, trimmed and in small letters;
    phones by their digits alone, or with the `+` (`phone_plus`). `most`: rows of a file. `per_second`: requests, and sixty
    times as many a minute: 10 is the basic tier. `marker` tells this installation's audiences from all others.
    Not verified against the live API: files of two columns, that entries count and not people who were found, which code says
    which limit is reached, that an audience which TikTok calls valid has been changed, and the time zone it expires in.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "TikTok",
        "customer-file audiences of TikTok Ads (v1.3)",
        oracle="tiktok-business-api-sdk-official 1.1.3 and the vendor's OpenAPI",
    )
    name: str = "tiktok"
    access_token: str = secret("TIKTOK_ACCESS_TOKEN", "of an app that may manage the ad account's audiences")
    advertiser_id: str = address("TIKTOK_ADVERTISER_ID", "", "number of the ad account")
    base_url: str = address("TIKTOK_BASE_URL", "https://business-api.tiktok.com")
    identifiers: tuple[Literal["email", "phone"], ...] = ("email",)
    phone_plus: bool = False
    marker: str = "segment-pipeline"
    most: int = 300_000
    per_second: int = 10
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.identifiers or len({*self.identifiers} & {*_HEADERS}) < len(self.identifiers):
            raise ConfigError(f"{self.name}: `identifiers` are email, phone, or both, each once")
        limits = ((self.per_second, 1.0), (60 * self.per_second, 60.0))
        vendor = Vendor(
            self,
            key="access_token",
            scheme="",
            key_header="Access-Token",
            refusal=self._refused,
            rates={"": limits},
            timeout=(5.0, 120.0),
        )
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        rules = {"email": "email/sha256/1", "phone": "phone/sha256/1" if self.phone_plus else "phone/digits-sha256/1"}
        return Capabilities(
            channel="ads",
            identifiers=tuple(IdentifierRule(kind, kind, rules[kind]) for kind in self.identifiers),
            batch_rows=self.most,
            batch_bytes=_FILE_BYTES,
            job_seconds=_JOB_SECONDS,
            minimum_size=_LEAST,
            matches_any_key=True,
        )

    def secrets_present(self) -> None:
        require(self)
        require(self, "advertiser_id")

    def check(self) -> None:
        """The token may see the audiences of the ad account."""
        self._page(1, 1)

    def ensure_audience(self, name: str) -> str:
        label = neutral(name, self.marker)

        def make() -> str:
            files = [self._upload(_nobody(self.identifiers))]
            given = {"custom_audience_name": label, "calculate_type": self._type, "file_paths": files}
            return str(at(self._post("create", given, again=False), "custom_audience_id", of="TikTok"))

        return found_or_made(lambda: self._labelled(label), make)

    def find(self, name: str) -> str | None:
        return oldest(self._labelled(neutral(name, self.marker)))

    def exists(self, remote_id: str) -> bool:
        with suppress(AudienceGone):
            self._usable(remote_id)
            return True
        return False

    def rename(self, remote_id: str, name: str) -> None:
        self._audience(remote_id)
        self._post("update", {"custom_audience_id": remote_id, "custom_audience_name": neutral(name, self.marker)})

    def delete(self, remote_id: str) -> None:
        with suppress(AudienceGone):
            self._audience(remote_id)
            self._post("delete", {"custom_audience_ids": [remote_id]})

    def close(self) -> None:
        self._vendor.close()

    def apply(self, batch: Batch) -> Receipt:
        """Have the audience grow by the rows, or shrink. Safe to repeat: TikTok keeps sets of hashes."""
        rows, rejected = self._fit(batch)
        if not rows.num_rows:
            return Receipt.final(batch, rejected, requests=0)
        sent = self._vendor.counted()
        self._usable(batch.remote_id)
        file = self._upload(_lines(rows, self.identifiers))
        self._change(batch.remote_id, [file], "APPEND" if batch.operation is Operation.UPSERT else "REMOVE")
        return Receipt(accepted=0, rejected=rejected, handle=file, requests=sent())

    def poll(self, handle: str, batch: Batch) -> Receipt:
        sent = self._vendor.counted()
        if not self._done(batch.remote_id):
            return Receipt(accepted=0, handle=handle, requests=sent())
        _, rejected = self._fit(batch)
        return Receipt.final(batch, rejected, requests=sent())

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """By one change to all the files; until then nobody comes or leaves. Raises ContractError for no batches."""
        if not batches:
            raise ContractError(f"{self.name} replaces no audience by nothing at all: delete it instead")
        remote_id, sent = batches[0].remote_id, self._vendor.counted()
        self._usable(remote_id)
        files = [self._upload(_nobody(self.identifiers))]
        for batch in batches:
            rows, rejected = self._fit(batch)
            if rows.num_rows:
                files.append(self._upload(_lines(rows, self.identifiers)))
            if batch is batches[-1]:
                self._change(remote_id, files, "REPLACE")
                jobs.ended(lambda: self._done(remote_id) or None, _JOB_SECONDS, of=self.name)
            yield Receipt.final(batch, rejected, requests=sent())
            sent = self._vendor.counted()

    def _fit(self, batch: Batch) -> tuple[pa.Table, dict[str, str]]:
        bodies.refuse_oversize(batch, self.most, self.name)
        return bodies.refuse_unhashed(batch, *self.identifiers)

    def _labelled(self, label: str) -> Iterator[str]:
        """The ids of our own audiences of that name that have not expired; others' are listed where they are shared."""
        seen, most = 0, 0
        following = paging.pages(
            lambda number: self._page(int(number or 1), 100),
            lambda page: str(page["page"] + 1) if page["page"] < page["total_page"] else None,
            what=f"the listing of audiences of {self.name}",
        )
        for page in following:
            seen, most = seen + len(page["list"]), max(most, page["total_number"])
            for one in page["list"]:
                if one.get("name") == label and one.get("is_creator") is not False and not _expired(one):
                    yield at(one, "audience_id", of="TikTok")
        if seen < most:
            raise TransientError(f"{self.name} listed {seen} of {most} audiences, while some were deleted: try again")

    def _page(self, number: int, size: int) -> dict[str, Any]:
        found = self._get("list", page=number, page_size=size)
        counts = ("page", "total_page", "total_number")
        told_of = {name: at(found, "page_info", name, of="TikTok", kind=int) for name in counts}
        return {"list": at(found, "list", of="TikTok", kind=list), **told_of}

    def _audience(self, remote_id: str) -> Mapping[str, Any]:
        """What TikTok tells of an audience; raises AudienceGone."""
        found = at(self._get("get", custom_audience_ids=json.dumps([remote_id])), "list", of="TikTok", kind=list)
        if not found:
            raise self._vendor.gone(remote_id)
        details: Mapping[str, Any] = at(found, 0, "audience_details", of="TikTok", kind=dict)
        return details

    def _usable(self, remote_id: str) -> Mapping[str, Any]:
        """Raises AudienceGone, for an expired one too, and ConfigError for one of other identifiers than are set."""
        found = self._audience(remote_id)
        if _expired(found):
            raise AudienceGone(f"{self.name} let audience {remote_id} expire: resend it to make it anew")
        if (made_of := found.get("calculate_type", self._type)) != self._type:
            raise ConfigError(
                f"{self.name} keeps audience {remote_id} by {redact.code(made_of)}: set `identifiers` to that, or retire it first"
            )
        return found

    def _done(self, remote_id: str) -> bool:
        """Whether the last change is made; raises ConfigError where TikTok could not make it."""
        found = self._usable(remote_id)
        if found.get("is_valid") is not True and (wrong := found.get("error_msg")):
            raise ConfigError(
                f"{self.name} did not change audience {remote_id}: {redact.text(str(wrong))}: look at it in TikTok Ads Manager"
            )
        return found.get("is_valid") is True

    def _change(self, remote_id: str, files: Sequence[str], action: str) -> None:
        """Waits for a change that is under way; what came of that one is not looked at."""
        given = {"custom_audience_id": remote_id, "file_paths": files, "action": action}
        sent = self._vendor.counted()

        def idle() -> bool | None:
            found = self._audience(remote_id)
            return bool(found.get("is_valid") is True or found.get("error_msg")) or None

        for last in (False, True):
            try:
                self._post("update", given)
            except _SeenBefore:
                # Nobody else has these files, so it is our own request of a moment ago, if there was one.
                if sent() > 1:
                    return
                raise TransientError(f"{self.name} took a request for another: it is sent again", sent=True) from None
            except _Busy:
                if last:
                    raise TransientError(
                        f"{self.name} still works on audience {remote_id}: it is tried again later", sent=True
                    ) from None
            else:
                return
            jobs.ended(idle, _JOB_SECONDS, of=self.name)

    def _upload(self, content: bytes) -> str:
        from urllib3.filepost import encode_multipart_formdata

        signature = hashlib.md5(content).hexdigest()  # noqa: S324 - TikTok's choice
        body, form = encode_multipart_formdata(
            {
                "advertiser_id": value(self, "advertiser_id"),
                "calculate_type": self._type,
                "file_signature": signature,
                "file": ("audience.csv", content, "text/csv"),
            },
            # The same file is the same request.
            boundary=f"segment-pipeline-{signature}",
        )
        answer = self._asked("POST", "file/upload", data=body, headers={"Content-Type": form}, idempotent=True)
        return str(at(answer, "file_path", of="TikTok"))

    def _get(self, call: str, **asked: Any) -> dict[str, Any]:
        return self._asked("GET", call, params={"advertiser_id": value(self, "advertiser_id"), **asked})

    def _post(self, call: str, given: Mapping[str, Any], *, again: bool = True) -> dict[str, Any]:
        return self._asked(
            "POST", call, json={"advertiser_id": value(self, "advertiser_id"), **given}, idempotent=again
        )

    def _asked(self, method: str, call: str, **options: Any) -> dict[str, Any]:
        # Without the slash at its end a path is none.
        return self._vendor.object("", method, f"{_ROOT}{call}/", **options).get("data") or {}

    @property
    def _type(self) -> str:
        return _HEADERS[self.identifiers[0]].upper() if len(self.identifiers) == 1 else "MULTIPLE_TYPES"

    def _refused(self, answer: Response) -> SegmentPipelineError | None:
        """Errors come as a success (HTTP 200) with a code."""
        if answer.status_code != 200:
            return None
        code, said = told(answer, "code", int), redact.text(told(answer, "message", str) or "")
        if code == 0:
            return None
        if code in _WAITS or code == _DAY_OVER:
            now = clock.now().astimezone(UTC)
            rest = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now
            wait = _WAITS.get(code, rest.total_seconds())
            return TransientError(
                f"{self.name} was over its rate limit (code {code}): it is tried again later", retry_after=wait
            )
        if code is not None and 50_000 <= code < 60_000:
            return TransientError(f"{self.name} failed at TikTok (code {code}): it is tried again later", sent=True)
        if code in _CREDENTIALS:
            check = " and ".join(variable(self, name) for name in ("access_token", "advertiser_id"))
            return ConfigError(
                f"{self.name} refused its credentials (code {code}): check {check}, and that the app may manage audiences"
            )
        if code == _SEEN_BEFORE:
            return _SeenBefore(f"{self.name} took a request for one it has had (code {code}): try again later")
        if code == _INVALID and "not editable" in said:
            return _Busy(f"{self.name} works on the audience: try again later")
        return ContractError(f"{self.name} refused a request (code {code}): {said}")


def _expired(audience: Mapping[str, Any]) -> bool:
    until = audience.get("expired_time")
    return bool(until) and str(until) <= f"{clock.now().astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _lines(rows: pa.Table, columns: Sequence[str]) -> bytes:
    """A file of rows: what its columns are, and a line for each."""
    cells = [piece for column in columns for piece in (",", rows.column(column))][1:]
    return (
        ",".join(_HEADERS[column] for column in columns).encode() + b"\n" + bytes(bodies.joined(*cells, between="\n"))
    )


@cache
def _nobody(columns: tuple[str, ...]) -> bytes:
    """The file an audience begins with."""
    known = {column: pa.chunked_array([hashes(_LEAST)]) for column in columns[:1]}
    nothing = pa.chunked_array([pa.nulls(_LEAST, pa.string())])
    return _lines(pa.table({column: known.get(column, nothing) for column in columns}), columns)


CONNECTOR = TikTokAudiences
