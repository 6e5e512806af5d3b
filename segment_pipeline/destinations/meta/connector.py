"""Meta custom audiences (Marketing API): hashed e-mail and phone in, positional rows, sessions of one batch each.

Applies changes and knows nothing of segments; names and labels sent to Meta are neutral, because it flags audiences whose
names hint at health or money.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import pyarrow as pa

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.vendor import Vendor, at, failures, found_or_made, records, told, variable
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_ROWS: Final = 10_000

# Error codes of the Marketing API, as its error reference and custom-audience guide list them.
_BUSY: Final = frozenset({4, 17, 32, 341, 368, 613, 80003, 80004, 803})
_BROKEN: Final = frozenset({1, 2})
_CREDENTIALS: Final = frozenset({10, 102, 104, 190, 194, 200, 294})
_UPDATE_RUNNING: Final = (2650, 1870145)
_TOO_FEW_LEFT: Final = 1870047
_NO_SUCH_OBJECT: Final = (100, 33)
_FLAGGED_STATUS: Final = 471


class _TooFewLeft(RejectedRecords):
    """Meta refuses a removal that would leave too few people to keep them anonymous."""


class _InvalidParameter(ContractError):
    """Code 100: in a call that carries rows, one of them may be to blame, and Meta does not say which."""


@dataclass(frozen=True, kw_only=True)
class MetaAudiences:
    """Custom audiences of one ad account. A row is [EMAIL, PHONE], SHA-256 in hex; "" where a member has none.

    A removal that would leave too few people (subcode 1870047) is final, not an error: the receipt rejects every row with
    `too_few_left`, and the members stay until the audience grows or is deleted.
    Meta answers with counts, never with the rows it matched, and publishes estimates only: what it holds cannot be counted.
    `marker` tells this installation's audiences from all others.
    Not verified against the live API, therefore fields: `terms_key`, the entry of the account's `tos_accepted` map.
    """

    about: ClassVar[About] = About(ConnectorKind.DESTINATION, "Meta", "custom audiences (Graph v26.0)")
    name: str = "meta"
    access_token: str = secret("META_ACCESS_TOKEN", "token of a system user with the permission ads_management")
    app_secret: str = secret("META_APP_SECRET", "the app's secret, where the app asks for proofs", optional=True)
    ad_account: str = address("META_AD_ACCOUNT", "", "number of the ad account")
    base_url: str = address("META_BASE_URL", "https://graph.facebook.com")
    version: str = "v26.0"
    marker: str = "segment-pipeline"
    terms_key: str = "custom_audience_tos"
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vendor = Vendor(self, key="access_token", refusal=self._refused, timeout=(5.0, 120.0))
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(
                IdentifierRule("email", "email", "email/sha256/1"),
                IdentifierRule("phone", "phone", "phone/digits-sha256/1"),
            ),
            batch_rows=_ROWS,
            batch_bytes=4 * 1024 * 1024,
            parallel=4,
            minimum_size=100,
            matches_any_key=True,
        )

    def secrets_present(self) -> None:
        require(self, "access_token", "ad_account")

    def check(self) -> None:
        """The token works on this ad account and the custom-audience terms are accepted."""
        self.secrets_present()
        account = self._call("GET", f"act_{self._account}", fields="id,tos_accepted")
        if not (account.get("tos_accepted") or {}).get(self.terms_key):
            raise ConfigError(f"{self.name}: {self._terms_text()}")

    def ensure_audience(self, name: str) -> str:
        """The audience whose description carries our marker for `name`; made under a neutral name if there is none."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        mark = f"{self.marker} {digest}"
        form = {
            "name": f"Audience {digest[:8]}",
            "subtype": "CUSTOM",
            "description": mark,
            "customer_file_source": "USER_PROVIDED_ONLY",
        }

        status: dict[str, Any] = {}

        def find() -> Iterator[str]:
            for one in records(self._page, _after, of=self.name):
                if one.get("description") == mark:
                    identifier = str(at(one, "id", of="Meta"))
                    status[identifier] = (one.get("operation_status") or {}).get("code")
                    yield identifier

        def make() -> str:
            return str(at(self._call("POST", f"act_{self._account}/customaudiences", body=form), "id", of="Meta"))

        audience = found_or_made(find, make)
        if status.get(audience) == _FLAGGED_STATUS:
            raise ConfigError(f"{self.name} flagged audience {audience}: review its name in Ads Manager")
        return audience

    def apply(self, batch: Batch) -> Receipt:
        """Add or remove the rows. Safe to repeat: Meta keeps sets of people."""
        method = "POST" if batch.operation is Operation.UPSERT else "DELETE"
        return self._people(batch, method, f"{batch.remote_id}/users", _session(batch))

    def forget(self, batch: Batch) -> Receipt:
        """Take people out of every audience of the account, however few that leaves in one."""
        return self._people(batch, "DELETE", f"act_{self._account}/usersofanyaudience", None)

    def _people(self, batch: Batch, method: str, path: str, session: Mapping[str, Any] | None) -> Receipt:
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, "email", "phone")
        if rows.num_rows == 0:
            return Receipt.final(batch, rejected, requests=0)
        keys, sent = rows.column("key").to_pylist(), self._vendor.counted()
        try:
            rejected |= self._invalid(self._call(method, path, body=_users_body(rows, session)), rows)
        except _TooFewLeft:
            rejected |= dict.fromkeys(keys, "too_few_left")
        except _InvalidParameter as error:
            if rows.num_rows > 1:
                raise RejectedRecords(str(error)) from None
            rejected |= dict.fromkeys(keys, "invalid_parameter")
        return Receipt.final(batch, rejected, requests=sent())

    def close(self) -> None:
        self._vendor.close()

    @property
    def _account(self) -> str:
        return value(self, "ad_account").removeprefix("act_")

    def _call(self, method: str, path: str, *, body: Any = None, **params: str) -> dict[str, Any]:
        if key := value(self, "app_secret"):
            proof = hmac.new(key.encode(), value(self, "access_token").encode(), hashlib.sha256)
            params["appsecret_proof"] = proof.hexdigest()
        rows = isinstance(body, bytes)
        answer = self._vendor.client().json(
            method,
            f"{self.version}/{path}",
            params=params,
            data=body,
            headers={"Content-Type": "application/json"} if rows else None,
            idempotent=True if rows else None,
        )
        if not isinstance(answer, dict):
            raise ContractError(f"{self.name} answered with no object: check the base URL and version")
        return answer

    def _page(self, after: str | None) -> dict[str, Any]:
        page = {"after": after} if after else {}
        asked = "id,name,description,operation_status"
        return self._call("GET", f"act_{self._account}/customaudiences", fields=asked, limit="100", **page)

    def _invalid(self, answer: Mapping[str, Any], rows: pa.Table) -> dict[str, str]:
        """Key → reason of the rows that Meta called invalid; a 200 with counts only when it did not say which.

        Its number is not exact, and its samples stop at 100: unless the samples name all of them, the caller must split.
        """
        if not str(answer.get("num_received", "")).isdigit():
            raise ContractError(f"{self.name} did not say how many rows it received: the batch may not be applied")
        if int(answer["num_received"]) < rows.num_rows:
            raise TransientError(f"{self.name} received fewer rows than the batch holds: it is sent again", sent=True)
        invalid = int(answer.get("num_invalid_entries") or 0)
        if invalid == 0:
            return {}
        samples = json.dumps(answer.get("invalid_entry_samples") or [])
        named = {
            row["key"]: "invalid_entry"
            for row in rows.select(["key", "email", "phone"]).to_pylist()
            if any(hashed and hashed in samples for hashed in (row["email"], row["phone"]))
        }
        return failures(named, invalid, rows.column("key").to_pylist(), reason="invalid_entry", of=self.name)

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        if response.status_code < 400 and b'"error"' not in response.content[:512]:
            return None
        if (error := told(response, "error", dict)) is None:
            return None
        code, sub = error.get("code"), error.get("error_subcode")
        said = f"{self.name} refused a request (code {_number(code)}, subcode {_number(sub)})"
        if sub == _TOO_FEW_LEFT:
            return _TooFewLeft(f"{said}: the removal would leave too few people in the audience")
        if (act := self._to_do(code, sub, str(error.get("message")))) is not None:
            return ConfigError(f"{said}: {act}")
        busy = code in _BUSY or (code, sub) == _UPDATE_RUNNING or response.status_code == 429
        if busy or code in _BROKEN or error.get("is_transient") is True or response.status_code >= 500:
            return TransientError(
                f"{said}: it is tried again later", retry_after=_regain_access(response), sent=not busy
            )
        kind = _InvalidParameter if code == _NO_SUCH_OBJECT[0] else ContractError
        return kind(f"{said}: {redact.text(str(error.get('message', '')))}")

    def _to_do(self, code: Any, sub: Any, message: str) -> str | None:
        """What a person has to do about it; None: nothing."""
        token, terms = variable(self, "access_token"), self._terms_text()
        acts = {
            1870034: terms,
            1870090: terms,
            1870050: f"link ad account {self._account} to a business",
            1713230: "the audience is flagged, review its name in Ads Manager",
            2635: f"API version {self.version} has ended, set a newer `version`",
        }
        if known := acts.get(sub) or acts.get(code):
            return known
        if (code, sub) == _NO_SUCH_OBJECT:
            return f"the audience or account is gone, or {token} may not use it"
        # A wrong proof is 104 by the reference, and in practice an invalid parameter (100) that names itself.
        if code in _CREDENTIALS or "appsecret_proof" in message:
            return f"renew {token} and check {variable(self, 'app_secret')} and the permission ads_management"
        return None

    def _terms_text(self) -> str:
        terms = f"the custom-audience terms of ad account {self._account} are not accepted"
        return f"{terms}: accept them at facebook.com/ads/manage/customaudiences/tos"


CONNECTOR = MetaAudiences


def _session(batch: Batch) -> dict[str, Any]:
    """A session of this batch alone: the same batch again is the same session."""
    session = int.from_bytes(hashlib.sha256(f"{batch.plan}/{batch.number}/{batch.remote_id}".encode()).digest()[:7])
    return {"session_id": session, "batch_seq": 1, "last_batch_flag": True}


def _users_body(rows: pa.Table, session: Mapping[str, Any] | None) -> bytes:
    told = json.dumps({**session, "estimated_num_total": rows.num_rows}).encode() if session else b""
    # Nothing to escape: hashes in hex, or nothing.
    data = bodies.joined('["', rows.column("email"), '","', rows.column("phone"), '"]')
    opening = b'{"payload":{"schema":["EMAIL","PHONE"],"data":['
    return b"".join((opening, data, b"]}", b',"session":' if told else b"", told, b"}"))


def _after(page: Mapping[str, Any]) -> str | None:
    listing = page.get("paging") or {}
    if not listing.get("next"):
        return None
    after = (listing.get("cursors") or {}).get("after")
    if not after:
        raise ContractError("a page of Meta's list says there is more but gives no cursor")
    return str(after)


def _regain_access(response: Response) -> float | None:
    """Seconds until access is regained, by X-Business-Use-Case-Usage, which counts minutes; None when it does not say."""
    try:
        usage = json.loads(response.headers.get("x-business-use-case-usage", ""))
        minutes = max(use["estimated_time_to_regain_access"] for uses in usage.values() for use in uses)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return float(minutes) * 60 or None


def _number(code: Any) -> int | None:
    return code if isinstance(code, int) else None
