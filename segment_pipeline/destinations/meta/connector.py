"""Meta custom audiences (Marketing API): hashed e-mail and phone in, positional rows, sessions of one batch each.

Applies changes and knows nothing of segments; names and labels sent to Meta are neutral, because it flags audiences whose
names hint at health or money.
"""

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Mapping
from typing import Any, Final

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

# Error codes of the Marketing API, as its error reference and custom-audience guide list them.
_BUSY: Final = frozenset({4, 17, 32, 341, 368, 613, 80003, 80004, 803})
_BROKEN: Final = frozenset({1, 2})
_CREDENTIALS: Final = frozenset({10, 102, 104, 190, 194, 200, 294})
_UPDATE_RUNNING: Final = (2650, 1870145)
_TOO_FEW_LEFT: Final = 1870047
_TERMS: Final = frozenset({1870034, 1870090})
_NOT_LINKED: Final = 1870050
_NO_SUCH_OBJECT: Final = (100, 33)
_FLAGGED: Final = 1713230
_VERSION_DEAD: Final = 2635
_FLAGGED_STATUS: Final = 471


class _TooFewLeft(RejectedRecords):
    """Meta refuses a removal that would leave too few people to keep them anonymous."""


class _InvalidParameter(ContractError):
    """Code 100: in a call that carries rows, one of them may be to blame, and Meta does not say which."""


class MetaAudiences(dg.ConfigurableResource[Any]):
    """Custom audiences of one ad account. A row is [EMAIL, PHONE], SHA-256 in hex; "" where a member has none.

    A removal that would leave too few people (subcode 1870047) is final, not an error: the receipt rejects every row with
    `too_few_left`, and the members stay until the audience grows or is deleted.
    Meta answers with counts, never with the rows it matched; `count` is None because it publishes estimates only.
    Not verified against the live API, therefore fields: `terms_key`, the entry of the account's `tos_accepted` map.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = "meta"
    access_token: str = Field(default="", repr=False, description="Empty: read from `token_variable` when it is used")
    app_secret: str | None = Field(
        default=None, repr=False, description="None: read from `secret_variable`, if that is set"
    )
    ad_account: str = Field(default="", description="Number of the ad account; empty: read from `account_variable`")
    base_url: str = "https://graph.facebook.com"
    version: str = "v26.0"
    marker: str = Field(default="segment-pipeline", description="Tells this installation's audiences from all others")
    terms_key: str = "custom_audience_tos"
    token_variable: str = "META_ACCESS_TOKEN"  # noqa: S105 - a name, for messages
    secret_variable: str = "META_APP_SECRET"  # noqa: S105
    account_variable: str = "META_AD_ACCOUNT"
    attempts: int = 6
    _client: HttpClient | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

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

    def credentials(self) -> None:
        """Token and account are there; raises ConfigError naming what is missing and how to do without."""
        _ = (self._token, self._account)

    def check(self) -> None:
        """The token works on this ad account and the custom-audience terms are accepted."""
        self.credentials()
        account = self._get(f"act_{self._account}", fields="id,tos_accepted")
        if not (account.get("tos_accepted") or {}).get(self.terms_key):
            raise ConfigError(self._terms_text())

    def ensure_audience(self, name: str) -> str:
        """The audience whose description carries our marker for `name`; made under a neutral name if there is none."""
        mark = f"{self.marker} {hashlib.sha256(name.encode()).hexdigest()[:16]}"
        for last in (False, True):
            if (found := self._find(mark)) is not None:
                return found
            form = {
                "name": f"Audience {mark.rsplit(' ', 1)[1][:8]}",
                "subtype": "CUSTOM",
                "description": mark,
                "customer_file_source": "USER_PROVIDED_ONLY",
            }
            try:
                made = self._http().json(
                    "POST", self._path(f"act_{self._account}/customaudiences"), params=self._proof(), data=form
                )
                return _text(made, "id")
            except TransientError as error:
                if last or not error.sent:
                    raise
        raise AssertionError("unreachable: the second pass returns or raises")

    def apply(self, batch: Batch) -> BatchReceipt:
        """Add or remove the rows. Safe to repeat: Meta keeps sets of people."""
        bodies.refuse_oversize(batch, _ROWS, self.name)
        rows, rejected = bodies.refuse_unhashed(batch, "email", "phone")
        if rows.num_rows == 0:
            return BatchReceipt(accepted=0, rejected=rejected, requests=0)
        before = self._http().requests_of_thread
        method = "POST" if batch.operation is Operation.UPSERT else "DELETE"
        try:
            answer = self._http().json(
                method,
                self._path(f"{batch.remote_id}/users"),
                params=self._proof(),
                data=_users_body(batch, rows),
                headers={"Content-Type": "application/json"},
                idempotent=True,
            )
        except _TooFewLeft:
            rejected |= dict.fromkeys(rows.column("key").to_pylist(), "too_few_left")
        except _InvalidParameter as error:
            if rows.num_rows > 1:
                raise RejectedRecords(str(error)) from None
            rejected |= dict.fromkeys(rows.column("key").to_pylist(), "invalid_parameter")
        else:
            rejected |= self._invalid(answer, rows)
        sent = self._http().requests_of_thread - before
        return BatchReceipt(accepted=batch.rows.num_rows - len(rejected), rejected=rejected, requests=sent)

    def poll(self, handle: str, batch: Batch) -> BatchReceipt:  # noqa: ARG002 - the protocol's signature
        raise ContractError(f"{self.name} answers at once and has no jobs to poll")

    def count(self, remote_id: str) -> int | None:  # noqa: ARG002 - the protocol's signature
        """None: Meta publishes lower and upper estimates, not a count."""
        return None

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    @property
    def _account(self) -> str:
        return secret(self.ad_account, self.account_variable, self.name, "destination").removeprefix("act_")

    @property
    def _token(self) -> str:
        return secret(self.access_token, self.token_variable, self.name, "destination")

    def _path(self, tail: str) -> str:
        return f"{self.version}/{tail}"

    def _http(self) -> HttpClient:
        with self._lock:
            if self._client is None:
                self._client = HttpClient(
                    self.base_url,
                    name=self.name,
                    auth=self._authorise,
                    timeout=(5.0, 120.0),
                    retry=RetryPolicy(attempts=self.attempts),
                    classify=self._classify,
                )
            return self._client

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _proof(self) -> dict[str, str]:
        key = self.app_secret or os.environ.get(self.secret_variable)
        if not key:
            return {}
        proof = hmac.new(key.encode(), self._token.encode(), hashlib.sha256)
        return {"appsecret_proof": proof.hexdigest()}

    def _get(self, tail: str, **params: str) -> dict[str, Any]:
        body = self._http().json("GET", self._path(tail), params={**params, **self._proof()})
        if not isinstance(body, dict):
            raise ContractError(
                f"{self.name} answered with something that is not an object: check the base URL and version"
            )
        return body

    def _find(self, mark: str) -> str | None:
        def fetch(after: str | None) -> dict[str, Any]:
            fields = "id,name,description,operation_status"
            page = {"after": after} if after else {}
            return self._get(f"act_{self._account}/customaudiences", fields=fields, limit="100", **page)

        listed = paging.pages(fetch, _after, what=f"{self.name}'s list of audiences")
        ours = [one for page in listed for one in page.get("data", ()) if one.get("description") == mark]
        if not ours:
            return None
        oldest = min(ours, key=lambda one: int(_text(one, "id")))  # of two made at once, every run takes the same
        if (oldest.get("operation_status") or {}).get("code") == _FLAGGED_STATUS:
            raise ConfigError(f"{self.name} flagged audience {oldest['id']}: review its name in Ads Manager")
        return _text(oldest, "id")

    def _invalid(self, answer: Any, rows: pa.Table) -> dict[str, str]:
        """Key → reason of the rows that Meta called invalid; a 200 with counts only when it did not say which.

        Its number is not exact, and its samples stop at 100: unless the samples name all of them, the caller must split.
        """
        if not isinstance(answer, dict) or not str(answer.get("num_received", "")).isdigit():
            raise ContractError(
                f"{self.name} did not say how many rows it received: the batch cannot be counted as applied"
            )
        if int(answer["num_received"]) < rows.num_rows:
            raise TransientError(f"{self.name} received fewer rows than the batch holds: it is sent again", sent=True)
        invalid = int(answer.get("num_invalid_entries") or 0)
        if invalid == 0:
            return {}
        keys = rows.column("key").to_pylist()
        if invalid >= rows.num_rows:
            return dict.fromkeys(keys, "invalid_entry")
        samples = json.dumps(answer.get("invalid_entry_samples") or [])
        columns = zip(keys, rows.column("email").to_pylist(), rows.column("phone").to_pylist(), strict=True)
        named = {
            key: "invalid_entry" for key, email, phone in columns if any(v and v in samples for v in (email, phone))
        }
        if len(named) < invalid:
            raise RejectedRecords(
                f"{self.name} called {invalid} rows of a batch invalid without naming them: split the batch"
            )
        return named

    def _classify(self, response: Response) -> SegmentPipelineError | None:
        if response.status_code < 400 and b'"error"' not in response.content[:512]:
            return None
        try:
            error = response.json().get("error")
        except (ContractError, AttributeError):
            return None
        return self._refusal(error, response) if isinstance(error, Mapping) else None

    def _refusal(self, error: Mapping[str, Any], response: Response) -> SegmentPipelineError:
        code, sub = _number(error.get("code")), _number(error.get("error_subcode"))
        said = f"{self.name} refused a request (code {code}, subcode {sub})"
        if sub == _TOO_FEW_LEFT:
            return _TooFewLeft(f"{said}: the removal would leave too few people in the audience")
        if sub in _TERMS:
            return ConfigError(self._terms_text())
        if sub == _NOT_LINKED:
            return ConfigError(f"{said}: link ad account {self._account} to a business")
        if sub == _FLAGGED:
            return ConfigError(f"{said}: the audience is flagged, review its name in Ads Manager")
        if (code, sub) == _NO_SUCH_OBJECT:
            return ConfigError(f"{said}: the audience or account is gone, or {self.token_variable} may not use it")
        if code == _VERSION_DEAD:
            return ConfigError(f"{said}: API version {self.version} has ended, set a newer `version`")
        # A wrong proof is 104 by the reference, and in practice an invalid parameter (100) that names itself.
        if code in _CREDENTIALS or "appsecret_proof" in str(error.get("message")):
            return ConfigError(
                f"{said}: renew {self.token_variable} and check {self.secret_variable} and the permission ads_management"
            )
        busy = code in _BUSY or (code, sub) == _UPDATE_RUNNING or response.status_code == 429
        if busy or code in _BROKEN or error.get("is_transient") is True or response.status_code >= 500:
            return TransientError(
                f"{said}: it is tried again later", retry_after=_regain_access(response), sent=not busy
            )
        kind = _InvalidParameter if code == _NO_SUCH_OBJECT[0] else ContractError
        return kind(f"{said}: {redact.text(str(error.get('message', '')))}")

    def _terms_text(self) -> str:
        return (
            f"{self.name}: the custom-audience terms of ad account {self._account} are not accepted:"
            f" accept them at facebook.com/ads/manage/customaudiences/tos"
        )


def _users_body(batch: Batch, rows: pa.Table) -> bytes:
    session = int.from_bytes(hashlib.sha256(f"{batch.plan}/{batch.number}/{batch.remote_id}".encode()).digest()[:7])
    head = {"session_id": session, "batch_seq": 1, "last_batch_flag": True, "estimated_num_total": rows.num_rows}
    # Nothing to escape: hashes in hex, or nothing.
    data = bodies.joined('["', rows.column("email"), '","', rows.column("phone"), '"]')
    texts = (
        b'{"payload":{"schema":["EMAIL","PHONE"],"data":[',
        data,
        b']},"session":',
        json.dumps(head).encode(),
        b"}",
    )
    return b"".join(texts)


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


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _text(body: Any, field: str) -> str:
    if not isinstance(body, Mapping) or not isinstance(body.get(field), str | int):
        raise ContractError(f"an answer of Meta has no {field}")
    return str(body[field])
