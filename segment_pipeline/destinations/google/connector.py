"""Google Customer Match (Data Manager API v1): hashed e-mail and phone in, lists of one ad account, requests that are jobs.

Applies changes and knows nothing of segments; names sent to Google are neutral, because it freezes lists it takes for sensitive.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import ClassVar, Final

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, IdentifierRule, Operation, Receipt
from segment_pipeline.delivery.jobs import all_delivered
from segment_pipeline.delivery.oauth import Bearer
from segment_pipeline.delivery.vendor import Vendor, at, found_or_made, oldest, variable
from segment_pipeline.destinations.google import credentials
from segment_pipeline.destinations.google.jobs import MEMBERS, SECONDS, Jobs
from segment_pipeline.destinations.google.lists import LISTS, UserLists, digits
from segment_pipeline.destinations.google.refusals import NameTaken, Refusals
from segment_pipeline.destinations.google.uploads import ALONG
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError
from segment_pipeline.http import Response

_ROWS: Final = 10_000
_AT_ONCE: Final = 10  # lists one request may be about
_UNSURE: Final = 5.0  # seconds by which what Google tells of its clock may be behind it
_LONGEST_MEMBERSHIP: Final = 540
# Per Google Cloud project and service, with some room left; what asks for requests is of the service that takes them.
_RATES: Final = dict.fromkeys((MEMBERS, LISTS), ((290, 60.0),))


@dataclass(frozen=True, kw_only=True)
class GoogleCustomerMatch:
    """Customer Match lists of one Google Ads account. A member is e-mail and phone, SHA-256 in hex; either alone is enough.

    Each request is a job at Google, which takes half an hour and more and tells counts, never members: where some of a batch failed
    it is to be sent in halves. Sizes of lists are estimates, so what a list holds can be replaced, not counted or read back.
    `customer`, and `login_customer`, the manager account through which it is reached: their numbers, with or without hyphens.
    `membership_days`: how long Google keeps a member it is not told of again, which happens in time; 540 at most.
    `ad_user_data`, `ad_personalization`: what a consent to advertising, as your company asks for it, covers at Google: sending data
    there, and personalising by it. Members without such a consent are not sent; of one that is not covered Google is told that
    it is denied, and leaves the member out where the law asks for it.
    `match_keys`: name, country and postcode go along, so that Google finds more people. To Google an address is a person like an
    e-mail is: whom it finds by that alone a removal, which goes by e-mail and phone, may not take out again, though consent was
    withdrawn; only the end of a membership, or a replacement, does.
    Sending says that you accept Google's Customer Match policy. `marker` tells this installation's lists from all others.
    Not verified against the live API: from when on a request is known by its id (until then it counts as worked on), and how the
    paths of fields name members (a refusal that names none is looked into in halves).
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Google",
        "Customer Match lists of Google Ads (Data Manager API v1)",
        oracle="google-ads-datamanager 0.9.4 and its protos",
    )
    name: str = "google"
    client_id: str = address("GOOGLE_OAUTH_CLIENT_ID", "", "id of the OAuth client")
    client_secret: str = secret("GOOGLE_OAUTH_CLIENT_SECRET", "secret of the OAuth client")
    refresh_token: str = secret("GOOGLE_OAUTH_REFRESH_TOKEN", "of somebody who may use the ad account")
    service_account_file: str = address(
        "GOOGLE_SERVICE_ACCOUNT_FILE", "", "key of a service account, in place of the three above", optional=True
    )
    customer: str = address("GOOGLE_ADS_CUSTOMER", "", "number of the ad account")
    login_customer: str = address("GOOGLE_LOGIN_CUSTOMER", "", "number of the manager account", optional=True)
    base_url: str = address("GOOGLE_BASE_URL", "https://datamanager.googleapis.com")
    token_url: str = address("GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token", "where access tokens are had")
    marker: str = "segment-pipeline"
    membership_days: int = _LONGEST_MEMBERSHIP
    ad_user_data: bool = True
    ad_personalization: bool = True
    match_keys: bool = False
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)
    _lists: UserLists = field(init=False, repr=False, compare=False)
    _jobs: Jobs = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.membership_days <= _LONGEST_MEMBERSHIP:
            raise ConfigError(
                f"{self.name}: `membership_days` is {self.membership_days}, and Google keeps members for 1 to 540 days"
            )
        vendor = Vendor(
            self,
            key=partial(credentials.signs_in_by, self),
            auth=Bearer(partial(credentials.signed_in, self)),
            refusal=self._refused,
            rates=_RATES,
            timeout=(5.0, 120.0),
        )
        object.__setattr__(self, "_vendor", vendor)
        object.__setattr__(self, "_lists", UserLists(self, vendor, self.membership_days))
        object.__setattr__(self, "_jobs", Jobs(self, vendor))

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel="ads",
            identifiers=(
                IdentifierRule("email", "email", "email/gmail-sha256/1"),
                IdentifierRule("phone", "phone", "phone/sha256/1"),
            ),
            batch_rows=_ROWS,
            batch_bytes=8 * 1024 * 1024,
            parallel=8,
            jobs=64,
            job_seconds=SECONDS,
            minimum_size=100,
            matches_any_key=True,
            along=ALONG if self.match_keys else (),
            expires_after_days=self.membership_days,
        )

    def secrets_present(self) -> None:
        credentials.present(self)
        require(self, "customer")

    def check(self) -> None:
        """The credentials may make lists in the ad account, and nothing is left to accept: Google says so without making one."""
        self.secrets_present()
        # The label of no audience: a name that is taken would be refused.
        self._lists.may_make(self._label(""))

    def ensure_audience(self, name: str) -> str:
        """The list whose integration code is our mark for `name`; made under a neutral name if there is none."""
        label = self._label(name)

        def make() -> str:
            try:
                return self._lists.make(label)
            except NameTaken:
                # By another run, a moment ago; or by somebody else.
                if found := self.find(name):
                    return found
                raise

        return found_or_made(lambda: self._lists.labelled(label), make)

    def find(self, name: str) -> str | None:
        return oldest(self._lists.labelled(self._label(name)))

    def exists(self, remote_id: str) -> bool:
        """Raises ConfigError for a list that is closed, or keeps members for a shorter time than is counted on."""
        found, _ = self._lists.look_up(remote_id)
        if found is not None:
            self._lists.usable(found)
        return found is not None

    def rename(self, remote_id: str, name: str) -> None:
        self._lists.relabel(remote_id, self._label(name))

    def delete(self, remote_id: str) -> None:
        with suppress(AudienceGone):
            self._lists.delete(remote_id)

    def close(self) -> None:
        self._vendor.close()

    def apply(self, batch: Batch) -> Receipt:
        """Hand the rows over, to be asked for. Safe to repeat: Google keeps sets of people."""
        rows, rejected = self._fit(batch)
        if not rows.num_rows:
            return Receipt.final(batch, rejected, requests=0)
        sent, adding = self._vendor.counted(), batch.operation is Operation.UPSERT
        verb, consent = ("ingest", self._consent) if adding else ("remove", None)
        with self._lists.there(batch.remote_id):
            job = self._jobs.start(verb, batch, rows, [self._lists.destination(batch.remote_id)], consent)
        return Receipt(accepted=0, rejected=rejected, handle=job, requests=sent())

    def poll(self, handle: str, batch: Batch) -> Receipt:
        """Once Google has ended the request: everybody accepted, or everybody rejected.

        Raises RejectedRecords where some failed, whom Google does not name, and JobLost where it failed by itself.
        """
        sent = self._vendor.counted()
        [outcome] = self._jobs.outcomes(handle, 1)
        if not outcome.ended:
            return Receipt(accepted=0, handle=handle, requests=sent())
        rows, rejected = self._fit(batch)
        return Receipt.final(batch, rejected | self._jobs.failed(outcome, rows), requests=sent())

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Add everybody, then take out whoever was added before, by Google's clock. Raises ContractError for no batches."""
        if not batches:
            raise ContractError(f"{self.name} replaces no list by nothing at all: delete it instead")
        remote_id = batches[0].remote_id
        began = self._before_now(remote_id)
        receipts = all_delivered(self, batches)
        yield from islice(receipts, len(batches) - 1)
        last = next(receipts)
        sent = self._vendor.counted()
        with self._lists.there(remote_id):
            self._jobs.done(self._jobs.clear([self._lists.destination(remote_id)], began), 1)
        yield dataclasses.replace(last, requests=last.requests + sent())

    def forget(self, batch: Batch) -> Receipt:
        """Take people out of every list of the account, ours or not, and wait for it: Google has no other erasure of them."""
        rows, rejected = self._fit(batch)
        if not rows.num_rows:
            return Receipt.final(batch, rejected, requests=0)
        sent = self._vendor.counted()
        every = [self._lists.destination(at(one, "id", of="Google")) for one in self._lists.every()]
        parts = [every[first : first + _AT_ONCE] for first in range(0, len(every), _AT_ONCE)]
        for job, lists in [(self._jobs.start("remove", batch, rows, part), len(part)) for part in parts]:
            self._jobs.done(job, lists)
        return Receipt.final(batch, rejected, requests=sent())

    def _label(self, name: str) -> dict[str, str]:
        """What a list is called at Google, where each name is taken once, and what it is found again by."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return {
            "displayName": f"Audience {digest[:8]} ({self.marker})",
            "integrationCode": f"{self.marker}/{digest}",
        }

    @property
    def _consent(self) -> dict[str, str]:
        covered = {"adUserData": self.ad_user_data, "adPersonalization": self.ad_personalization}
        return {name: "CONSENT_GRANTED" if granted else "CONSENT_DENIED" for name, granted in covered.items()}

    def _fit(self, batch: Batch) -> tuple[pa.Table, dict[str, str]]:
        bodies.refuse_oversize(batch, _ROWS, self.name)
        return bodies.refuse_unhashed(batch, "email", "phone")

    def _before_now(self, remote_id: str) -> datetime:
        """An instant after all that was added to a list, and before all that will be, by Google's clock and not by ours."""
        found, told = self._lists.look_up(remote_id)
        if found is None:
            raise self._lists.gone(remote_id)
        # It tells seconds, and not always the newest: in between our clock decides, and what is added is added after that.
        instant = min(max(clock.now(), told), told + timedelta(seconds=_UNSURE))
        clock.sleep(_UNSURE)
        return instant

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        credential, login = variable(self, credentials.signs_in_by(self)), variable(self, "login_customer")
        return Refusals(self.name, digits(value(self, "customer")), credential, login).error(response)


CONNECTOR = GoogleCustomerMatch
