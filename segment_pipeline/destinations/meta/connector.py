"""Meta custom audiences (Marketing API): hashed e-mail and phone in, positional rows, sessions of one batch each.

Applies changes and knows nothing of segments; names and labels sent to Meta are neutral, because it flags audiences whose
names hint at health or money.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import pyarrow as pa

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.vendor import Vendor, at, failures, found_or_made, oldest, records, variable
from segment_pipeline.destinations.meta import answers
from segment_pipeline.destinations.meta.refusals import (
    InvalidParameter,
    Missing,
    Refusals,
    SessionOver,
    TooFewLeft,
    version_warning,
)
from segment_pipeline.destinations.meta.uploads import (
    ALONG,
    EXTERN_ID,
    STATE,
    Replacement,
    body_of,
    in_samples,
    session_of,
)
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, SegmentPipelineError, TransientError
from segment_pipeline.http import Response

_ROWS: Final = 10_000
_FLAGGED_STATUS: Final = 471
_VERSION: Final = re.compile(r"v\d+\.\d+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MetaAudiences:
    """Custom audiences of one ad account. A row is EMAIL, PHONE and match keys, SHA-256 in hex; "" where a member has none.

    A removal that would leave too few people (subcode 1870047) is final, not an error: the receipt rejects every row with
    `too_few_left`, and the members stay until the audience grows or is deleted.
    Meta answers with counts, never with the rows it matched, and publishes estimates only: what it holds cannot be counted or read
    back, only replaced.
    `match_keys`: name, city, state, postcode, country, birthday and gender go along with a row, each hashed, since Meta matches
    more people with them; nobody is found by them alone, and a removal goes without.
    `external_ids`: the id a person has here goes with the e-mail and phone, as it is: a digest that says nothing elsewhere. It is part
    of what a member is known by, so switching it on or off sends everybody anew. Meta forgets after 90 days whose an id is.
    `limited_data_use`: people of California are sent under Meta's Limited Data Use, as are those whose state is not known, whose
    state Meta then finds out; for customer lists Meta offers it for no other state.
    `marker` tells this installation's audiences from all others.
    Not verified against the live API: the entry of the account's `tos_accepted` map, `terms_key`.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION, "Meta", "custom audiences (Graph v27.0)", oracle="facebook-business 26.0.3"
    )
    name: str = "meta"
    access_token: str = secret("META_ACCESS_TOKEN", "token of a system user with the permission ads_management")
    app_secret: str = secret("META_APP_SECRET", "the app's secret, where the app asks for proofs", optional=True)
    ad_account: str = address("META_AD_ACCOUNT", "", "number of the ad account")
    base_url: str = address("META_BASE_URL", "https://graph.facebook.com")
    version: str = "v27.0"
    marker: str = "segment-pipeline"
    terms_key: str = "custom_audience_tos"
    match_keys: bool = True
    external_ids: bool = False
    limited_data_use: bool = False
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _warnings: list[str] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise ConfigError(f"{self.name}: `version` is one like v27.0")
        vendor = Vendor(self, key="access_token", refusal=self._refused, timeout=(5.0, 120.0))
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(
                IdentifierRule("email", "email", "email/sha256/1"),
                IdentifierRule("phone", "phone", "phone/digits-sha256/1"),
                *((EXTERN_ID,) if self.external_ids else ()),
            ),
            batch_rows=_ROWS,
            batch_bytes=4 * 1024 * 1024,
            parallel=4,
            minimum_size=100,
            matches_any_key=True,
            along=(*(ALONG if self.match_keys else ()), *((STATE,) if self.limited_data_use else ())),
        )

    def secrets_present(self) -> None:
        require(self, "access_token", "ad_account")

    def check(self) -> str | None:
        """The token works on this ad account, and both lists of accepted terms, the account's and the user's, hold ours.

        A list without the entry is said and stops nothing: those of accounts shared between businesses lack some.
        """
        self.secrets_present()
        lists = ("tos_accepted", "user_tos_accepted")
        account = self._call("GET", f"act_{self._account}", fields=f"id,{','.join(lists)}")
        accepted = {name: (account.get(name) or {}).get(self.terms_key) for name in lists}
        if any(entry is not None and not entry for entry in accepted.values()):
            raise ConfigError(f"{self.name}: {self._refusals.terms}")
        silent = [name for name, entry in accepted.items() if entry is None]
        said = [f"{' and '.join(silent)} do not say whether its terms are accepted"] if silent else []
        return "; ".join([*said, *self._warnings]) or None

    def ensure_audience(self, name: str) -> str:
        """The audience whose description carries our marker for `name`; made under a neutral name if there is none."""
        label = self._label(name)
        form = {**label, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
        status: dict[str, Any] = {}

        def find() -> Iterator[str]:
            for identifier, one in self._labelled(label):
                status[identifier] = (one.get("operation_status") or {}).get("code")
                yield identifier

        def make() -> str:
            return str(at(self._call("POST", f"act_{self._account}/customaudiences", body=form), "id", of="Meta"))

        audience = found_or_made(find, make)
        if status.get(audience) == _FLAGGED_STATUS:
            raise ConfigError(f"{self.name} flagged audience {audience}: review its name in Ads Manager")
        return audience

    def find(self, name: str) -> str | None:
        return oldest(identifier for identifier, _ in self._labelled(self._label(name)))

    def apply(self, batch: Batch) -> Receipt:
        """Add or remove the rows. Safe to repeat: Meta keeps sets of people."""
        method = "POST" if batch.operation is Operation.UPSERT else "DELETE"
        with self._of_audience(batch.remote_id):
            return self._people(batch, method, f"{batch.remote_id}/users", session_of(batch))

    def forget(self, batch: Batch) -> Receipt:
        """Take people out of every audience of the account, however few that leaves in one."""
        return self._people(batch, "DELETE", f"act_{self._account}/usersofanyaudience", None)

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """One session of as many batches, which takes the audience's place with the last.

        Meta closes a session 90 minutes after its first batch, and then what came is the audience: one that was cut short must
        be done anew, which Meta refuses (TransientError) until then. It takes no empty one (ContractError): delete the audience.
        Raises RejectedRecords at the end where Meta called rows invalid and did not say which: smaller batches find them.
        """
        fit = [self._fit(batch) for batch in batches]
        waiting = sum(rows.num_rows > 0 for rows, _ in fit)
        if not waiting:
            raise ContractError(f"{self.name} replaces no audience by nobody: delete the audience instead")
        session = Replacement(batches[0].remote_id, sum(rows.num_rows for rows, _ in fit))
        for batch, (rows, refused) in zip(batches, fit, strict=True):
            sent, invalid = self._vendor.counted(), dict[str, str]()
            if rows.num_rows:
                waiting -= 1
                invalid = self._replaced(session, rows, last=not waiting)
            yield Receipt.final(batch, refused | invalid, requests=sent())
        if session.unnamed:
            raise RejectedRecords(
                f"{self.name} called {session.unnamed} rows of a replacement invalid and did not say which: make it anew in smaller batches"
            )

    def rename(self, remote_id: str, name: str) -> None:
        with self._of_audience(remote_id):
            self._call("POST", remote_id, body=self._label(name), idempotent=True)

    def delete(self, remote_id: str) -> None:
        with suppress(AudienceGone), self._of_audience(remote_id):
            self._call("DELETE", remote_id)

    def exists(self, remote_id: str) -> bool:
        try:
            with self._of_audience(remote_id):
                self._call("GET", remote_id, fields="id")
        except AudienceGone:
            return False
        return True

    @contextmanager
    def _of_audience(self, remote_id: str) -> Iterator[None]:
        """AudienceGone for what Meta does not find while the account itself answers."""
        try:
            yield
        except Missing:
            self._call("GET", f"act_{self._account}", fields="id")
            raise AudienceGone(f"{self.name} no longer has audience {remote_id}: resend it to make it anew") from None

    def _labelled(self, label: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The audiences of the account that carry a label, each with its id."""
        for one in records(self._page, answers.after, of=self.name):
            if one.get("description") == label["description"]:
                yield str(at(one, "id", of="Meta")), one

    def _label(self, name: str) -> dict[str, str]:
        """What an audience is called at Meta, and what it is found again by."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return {"name": f"Audience {digest[:8]}", "description": f"{self.marker} {digest}"}

    def _fit(self, batch: Batch) -> tuple[pa.Table, dict[str, str]]:
        bodies.refuse_oversize(batch, _ROWS, self.name)
        return bodies.refuse_unhashed(batch, "email", "phone", plain=["external_id"] if self.external_ids else [])

    def _replaced(self, session: Replacement, rows: pa.Table, *, last: bool) -> dict[str, str]:
        """Send the next batch of a replacement; key → reason of the rows that Meta called invalid and named."""
        session.sequence += 1
        session.received += rows.num_rows
        told, first = session.told(last=last), session.sequence == 1
        body = body_of(rows, told, limited=self.limited_data_use)
        answer: Mapping[str, Any] | None
        try:
            with self._of_audience(session.audience):
                # Batch 1 must not come twice.
                answer = self._call("POST", f"{session.audience}/usersreplace", body=body, idempotent=not first)
        except (TransientError, SessionOver) as error:
            lost = last if isinstance(error, SessionOver) else first and error.sent
            if not lost or (answer := self._session(session)) is None:
                raise
        received, invalid = answers.received(answer, of=self.name)
        if received < session.received:
            raise TransientError(
                f"{self.name} received fewer rows than were sent: replace the audience anew", sent=True
            )
        return session.named(answers.samples(answer), invalid, rows)

    def _session(self, session: Replacement) -> dict[str, Any] | None:
        """A replacement's session as Meta lists it; None where it has none of that id, or ended it by itself."""
        listed = self._call("GET", f"{session.audience}/sessions", session_id=str(session.id)).get("data") or []
        return next((one for one in listed if isinstance(one, dict) and one.get("stage") != "timeout"), None)

    def _people(self, batch: Batch, method: str, path: str, session: Mapping[str, Any] | None) -> Receipt:
        rows, rejected = self._fit(batch)
        if rows.num_rows == 0:
            return Receipt.final(batch, rejected, requests=0)
        keys, sent = rows.column("key").to_pylist(), self._vendor.counted()
        body = body_of(rows, session, limited=self.limited_data_use and method == "POST")
        try:
            rejected |= self._invalid(self._call(method, path, body=body), rows)
        except TooFewLeft:
            rejected |= dict.fromkeys(keys, "too_few_left")
        except InvalidParameter as error:
            if rows.num_rows > 1:
                raise RejectedRecords(str(error)) from None
            rejected |= dict.fromkeys(keys, "invalid_parameter")
        return Receipt.final(batch, rejected, requests=sent())

    def close(self) -> None:
        self._vendor.close()

    @property
    def _account(self) -> str:
        return value(self, "ad_account").removeprefix("act_")

    def _call(
        self, method: str, path: str, *, body: Any = None, idempotent: bool | None = None, **params: Any
    ) -> dict[str, Any]:
        if key := value(self, "app_secret"):
            proof = hmac.new(key.encode(), value(self, "access_token").encode(), hashlib.sha256)
            params["appsecret_proof"] = proof.hexdigest()
        rows = isinstance(body, bytes)
        return self._vendor.object(
            "",
            method,
            f"{self.version}/{path}",
            params=params,
            data=body,
            headers={"Content-Type": "application/json"} if rows else None,
            idempotent=(rows or None) if idempotent is None else idempotent,
        )

    def _page(self, after: str | None) -> dict[str, Any]:
        asked: dict[str, Any] = {"fields": "id,name,description,operation_status", "limit": "100"}
        asked |= {"after": after} if after else {}
        return self._call("GET", f"act_{self._account}/customaudiences", **asked)

    def _invalid(self, answer: Mapping[str, Any], rows: pa.Table) -> dict[str, str]:
        """Key → reason of the rows that Meta called invalid; a 200 with counts only when it did not say which.

        Its number is not exact, and its samples stop at 100: unless the samples name all of them, the caller must split.
        """
        received, invalid = answers.received(answer, of=self.name)
        if received < rows.num_rows:
            raise TransientError(f"{self.name} received fewer rows than the batch holds: it is sent again", sent=True)
        if invalid == 0:
            return {}
        named = in_samples(rows, answers.samples(answer))
        return failures(named, invalid, rows.column("key").to_pylist(), reason="invalid_entry", of=self.name)

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        if (warning := version_warning(response.headers)) and warning not in self._warnings:
            self._warnings.append(warning)
            _log.warning("%s was asked in %s and says: %s (set a newer `version`)", self.name, self.version, warning)
        return self._refusals.error(response)

    @property
    def _refusals(self) -> Refusals:
        token, secret_name = variable(self, "access_token"), variable(self, "app_secret")
        return Refusals(self.name, self.version, self._account, token, secret_name)


CONNECTOR = MetaAudiences
