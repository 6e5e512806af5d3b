"""Amplitude cohorts: user ids added to and taken out of a cohort that was uploaded once.

Changes who is in a cohort, and nothing about a user: no property is set, nobody is made and nobody deleted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from segment_pipeline import redact
from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.delivery.destination import AudienceGone, Batch, Capabilities, Operation, Receipt
from segment_pipeline.delivery.user_ids import fit, user_id
from segment_pipeline.delivery.vendor import NotTaken, Vendor, at, found_or_made, told, variable
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError
from segment_pipeline.http import Response

_IDS: Final = 100_000
_COHORTS: Final = "/api/3/cohorts"
_BROWSER: Final = "analytics.amplitude.com"


@dataclass(frozen=True, kw_only=True)
class AmplitudeCohorts:
    """Cohorts of one Amplitude project; each audience is a published cohort named `prefix` + its name. An EU project's `base_url` is
    https://analytics.eu.amplitude.com.

    `users_of`: the source whose customer ids the project's users have as their user id. Ids that Amplitude has never had an event of
    are rejected as `unknown_user` and sent again each day. Amplitude makes no empty cohort: each is made with
    `AMPLITUDE_SEED_USER`, a test account of yours that has used the product, who is taken out again and is never a member (`seed_user`).
    A cohort is replaced by one upload, so only one that is to hold 100,000 ids at most.
    Not verified against the live API: what wrong parameters of an upload are answered with (400 is taken for any of them), and that 404
    is said of a cohort that is gone or archived. There is no call that renames or deletes a cohort. Who is in it is not read back:
    Amplitude allows 500 readings a month.
    """

    about: ClassVar[About] = About(
        ConnectorKind.DESTINATION,
        "Amplitude",
        "cohorts of user ids (Behavioral Cohorts API 3)",
        oracle="a schema of Amplitude's documents",
    )
    name: str = "amplitude_cohorts"
    users_of: str
    api_key: str = secret("AMPLITUDE_API_KEY", "API key of the project")
    secret_key: str = secret("AMPLITUDE_SECRET_KEY", "secret key of the project")
    app_id: str = address("AMPLITUDE_APP_ID", "", "number of the project")
    owner: str = address("AMPLITUDE_COHORT_OWNER", "", "login e-mail of the member who is to own the cohorts")
    seed_user: str = address("AMPLITUDE_SEED_USER", "", "user id of a test account that has used the product")
    base_url: str = address("AMPLITUDE_BASE_URL", "https://amplitude.com")
    channel: str = "product"
    prefix: str = "segment-pipeline/"
    attempts: int = 6
    _vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vendor = Vendor(self, key=("api_key", "secret_key"), refusal=self._refused, timeout=(5.0, 120.0))
        object.__setattr__(self, "_vendor", vendor)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            channel=self.channel,
            identifiers=(user_id(self.users_of),),
            batch_rows=_IDS,
            batch_bytes=32 * 1024 * 1024,
            every=True,
        )

    @property
    def reasons(self) -> Mapping[str, str]:
        return {
            "unknown_user": "Amplitude has had no event of a user with this id: it is tried again, and taken once there is one",
            "seed_user": "the test account that new cohorts are made with is never a member: set `seed_user` to another",
        }

    def secrets_present(self) -> None:
        require(self, "api_key", "secret_key", "app_id", "owner", "seed_user")
        app_id = value(self, "app_id")
        if not (app_id.isascii() and app_id.isdecimal()):
            raise ConfigError(f"{variable(self, 'app_id')} is no number: copy it from the project's settings")
        if urlsplit(value(self, "base_url")).hostname == _BROWSER:
            raise ConfigError(
                f"{variable(self, 'base_url')} is where browsers go: set https://amplitude.com, or"
                " https://analytics.eu.amplitude.com for a project in the EU"
            )

    def check(self) -> None:
        """The keys work, and a cohort could be made for this owner in this project: Amplitude is asked without saving one."""
        self._upload(f"{self.prefix}check", [self._seed], skip_save=True)

    def ensure_audience(self, name: str) -> str:
        """The cohort of that name, made if there is none. Whatever became of an earlier call, the seed is not in it."""
        wanted = f"{self.prefix}{name}"

        def find() -> Iterator[str]:
            return (identifier for identifier, called in self._cohorts().items() if called == wanted)

        def make() -> str:
            return str(at(self._upload(wanted, [self._seed]), "cohortId", of="Amplitude"))

        cohort = found_or_made(find, make)
        self._change(cohort, "REMOVE", [self._seed])
        return cohort

    def exists(self, remote_id: str) -> bool:
        return remote_id in self._cohorts()

    def apply(self, batch: Batch) -> Receipt:
        """Add or remove the ids; final at once. An id Amplitude does not know cannot be in a cohort: it counts as removed."""
        ids, rejected = self._fit(batch)
        sent = self._vendor.counted()
        adding = batch.operation is Operation.UPSERT
        if ids:
            skipped = self._change(batch.remote_id, "ADD" if adding else "REMOVE", ids)
            rejected |= {ids[one]: "unknown_user" for one in skipped if adding and one in ids}
        return Receipt.final(batch, rejected, requests=sent())

    def replace(self, batches: Sequence[Batch]) -> Iterator[Receipt]:
        """Add each batch, and upload all of them in the cohort's place with the last: an upload alone would not say who was skipped."""
        parts = [self._fit(batch)[0] for batch in batches]
        if (count := sum(map(len, parts))) > _IDS:
            raise ContractError(
                f"{self.name} replaces a cohort by {_IDS} ids at most, not by {count}: archive the cohort and resend the audience"
            )
        wanted = list[str]()
        called = self._cohorts().get(batches[0].remote_id)
        if called is None:
            raise self._gone()
        for batch, part in zip(batches, parts, strict=True):
            added = self.apply(batch)
            wanted += [one for one, key in part.items() if key not in added.rejected]
            if batch is batches[-1]:
                self._upload(called, wanted or [self._seed], existing_cohort_id=batch.remote_id)
                self._change(batch.remote_id, "REMOVE", [self._seed])
            yield added

    def close(self) -> None:
        self._vendor.close()

    @property
    def _seed(self) -> str:
        return value(self, "seed_user")

    def _fit(self, batch: Batch) -> tuple[dict[str, str], dict[str, str]]:
        adding = batch.operation is Operation.UPSERT
        return fit(batch, _IDS, self.name, never={self._seed: "seed_user"} if adding else None)

    def _cohorts(self) -> dict[str, str]:
        """Name by id of the project's cohorts that are in use."""
        listed = at(self._vendor.object("", "GET", _COHORTS), "cohorts", of="Amplitude", kind=list)
        self.secrets_present()
        # The keys are of one project: where a cohort does not say whose it is, it is that one's.
        app_id = int(value(self, "app_id"))
        ours = (one for one in listed if not one.get("archived") and one.get("appId", app_id) == app_id)
        return {str(at(one, "id", of="Amplitude")): str(at(one, "name", of="Amplitude")) for one in ours}

    def _upload(self, name: str, ids: Collection[str], **more: Any) -> dict[str, Any]:
        self.secrets_present()
        body = {"name": name, "app_id": int(value(self, "app_id")), "id_type": "BY_USER_ID", "ids": list(ids)}
        body |= {"owner": value(self, "owner"), "published": True, "skip_invalid_ids": True, **more}
        try:
            return self._vendor.object("", "POST", f"{_COHORTS}/upload", json=body, idempotent=bool(more))
        except NotTaken as error:
            said = str(error)
        asked = ", ".join(variable(self, each) for each in ("app_id", "owner", "seed_user"))
        raise ConfigError(f"{said}: check {asked}")

    def _change(self, cohort: str, operation: str, ids: Collection[str]) -> list[str]:
        """The ids that were skipped, of users who are not in the project."""
        change = {"ids": list(ids), "id_type": "BY_NAME", "operation": operation}
        body = {"cohort_id": cohort, "count_group": "User", "memberships": [change], "skip_invalid_ids": True}
        answer = self._vendor.object("", "POST", f"{_COHORTS}/membership", json=body, idempotent=True)
        skipped: list[str] = at(answer, "memberships_result", 0, "skipped_ids", of="Amplitude", kind=list)
        return skipped

    def _gone(self) -> AudienceGone:
        return AudienceGone(f"{self.name} no longer has the cohort: resend the audience to make it anew")

    def _refused(self, response: Response) -> SegmentPipelineError | None:
        status = response.status_code
        if status in {401, 403}:
            keys = f"{variable(self, 'api_key')} and {variable(self, 'secret_key')}"
            return ConfigError(
                f"{self.name} refused its keys (HTTP {status}): check that {keys} are of one project, and that"
                f" {variable(self, 'base_url')} is of its region"
            )
        if status not in {400, 404} or (error := told(response, "error", dict)) is None:
            return None
        if status == 404:
            return self._gone()
        return NotTaken(f"{self.name} refused a request (HTTP 400): {redact.text(str(error.get('message', '')))}")


CONNECTOR = AmplitudeCohorts
