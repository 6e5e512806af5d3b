"""Amplitude: events, messages, survey answers, consents and campaigns, all from the raw export of one project.

Holds the download of hours; what the records mean is in sql/*.sql. Hours are of the server's upload, so a day is
complete once and then never changes; each hour can be exported two hours after its end.
"""

import gzip
import zipfile
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from pathlib import Path
from shutil import copyfileobj
from typing import ClassVar

import dagster as dg
from pydantic import Field
from requests.auth import HTTPBasicAuth

from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError
from segment_pipeline.http import HttpClient
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import INTEGER, JSON, NUMBER, Fill, Record, text
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind, Part, secret
from segment_pipeline.landing.standard import CONSENTS

_sql = partial(statement, "sources/amplitude")

KEY, SECRET = "AMPLITUDE_API_KEY", "AMPLITUDE_SECRET_KEY"
HOUR = timedelta(hours=1)
DELAY = timedelta(hours=2)
# What the vendor's own tracking calls things.
NAMES = {"session_start": "visit", "Product Viewed": "product_viewed", "Product Added": "cart_added"}


class Amplitude(dg.ConfigurableResource[None]):
    """One Amplitude project. Keys empty: read from AMPLITUDE_API_KEY and AMPLITUDE_SECRET_KEY when they are used.

    `base_url` of an EU project is https://analytics.eu.amplitude.com. `chunk_hours`: hours of one export, at most what
    stays below the vendor's 4 GB. `look_back`: days exported again before a window.
    `names`: event types and what they are called here, beside and before NAMES.
    """

    name: ClassVar[str] = "amplitude"

    base_url: str = "https://amplitude.com"
    api_key: str = Field(default="", repr=False)
    secret_key: str = Field(default="", repr=False)
    chunk_hours: int = Field(default=24, ge=1, le=8760)
    look_back: int = Field(default=1, ge=0)
    parallel: int = Field(default=3, ge=1)
    names: dict[str, str] = Field(default_factory=dict)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return (
            Entity(
                "events",
                Kind.LOG,
                (Part("events"),),
                Record(
                    # A repeated delivery shares its insert id with the first.
                    key=("$insert_id", "uuid"),
                    needs=("event_type",),
                    updated="server_upload_time",
                    business="event_time",
                    event="event_type",
                    names={**NAMES, **self.names},
                    email=_consent_of("email", otherwise="r.user_properties.email"),
                    phone=_consent_of("phone"),
                    fields={
                        **text("user_id device_id user_properties.email country platform"),
                        "session_id": INTEGER,
                        "event_properties": JSON,
                        "location_lat": NUMBER,
                        "location_lng": NUMBER,
                    },
                    columns={
                        "anonymous_id": "nullif(r.device_id, '')",
                        "customer_key": "nullif(r.user_id, '')",
                    },
                    reasons={
                        "a message without channel": f"starts_with(event, 'message_') AND {_property('channel')} IS NULL",
                        "an answer without survey or question": "event = 'survey_answered'"
                        f" AND ({_property('survey_id')} IS NULL OR {_property('question_id')} IS NULL)",
                        "a consent without identifier, channel or status": "event = 'consent_updated'"
                        f" AND (coalesce({_property('status')}, '') NOT IN ('granted', 'denied')"
                        f" OR {_property('channel')} IS NULL OR {_property('identifier')} IS NULL)",
                    },
                ),
                (
                    Fill("events", _sql("events"), absent="local_at", key="event_key"),
                    Fill("messages", _sql("messages"), absent="anonymous_id", key="message_key"),
                    Fill("campaigns", _sql("campaigns")),
                    Fill("survey_answers", _sql("survey_answers"), key="answer_key"),
                    Fill("consents", CONSENTS),
                ),
                prepare=(_sql("said"),),
                look_back=self.look_back,
                dictionaries={"countries": _countries()},
                description="what people and devices did, were sent, answered and consented to",
            ),
        )

    def check(self) -> None:
        secret(self.api_key, KEY, self.name)
        secret(self.secret_key, SECRET, self.name)

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:  # noqa: ARG002 - it has one
        start, end = window.instants(timezone)
        start = start.replace(minute=0, second=0, microsecond=0)
        # The hour that holds `end`, if it does not begin with it, belongs to the window in part.
        last = (end - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)
        there = (into.pulled_at.astimezone(UTC) - DELAY).replace(minute=0, second=0, microsecond=0) - HOUR
        last = min(last, there)
        chunks = []
        while start <= last:
            upto = min(start + (self.chunk_hours - 1) * HOUR, last)
            chunks.append((start, upto))
            start = upto + HOUR
        with self._client() as client, ThreadPoolExecutor(self.parallel, thread_name_prefix="amplitude") as pool:
            list(pool.map(lambda hours: self._export(client, hours[0], hours[1], into), chunks))
            return into.finish(requests=client.requests, until=last + HOUR)

    def _export(self, client: HttpClient, first: datetime, last: datetime, into: RawPages) -> None:
        span = f"{first:%Y%m%dT%H}-{last:%Y%m%dT%H}"
        archive = into.folder / f"{span}.zip"
        hours = {"start": f"{first:%Y%m%dT%H}", "end": f"{last:%Y%m%dT%H}"}
        answer = client.download("/api/2/export", archive, params=hours, expect={400, 404})
        if answer.status_code == 404:
            return
        if answer.status_code == 400:
            # More than one export can hold: the same hours in two.
            if first == last:
                raise ContractError(
                    f"amplitude: the export of the hour {hours['start']} was refused: it is larger than an export may be"
                )
            middle = first + int((last - first) / HOUR) // 2 * HOUR
            self._export(client, first, middle, into)
            self._export(client, middle + HOUR, last, into)
            return
        try:
            self._unpack(archive, span, into)
        finally:
            archive.unlink(missing_ok=True)

    @staticmethod
    def _unpack(archive: Path, span: str, into: RawPages) -> None:
        """The archive's members as they are: gzip files of JSON lines. Reading a member to its end checks its sum."""
        try:
            with zipfile.ZipFile(archive) as packed:
                for member in sorted(packed.namelist()):
                    if member.endswith("/"):
                        continue
                    if not member.endswith(".gz"):
                        raise ContractError(
                            f"amplitude: the export {span} holds a file that is not gzip: see whether the API changed"
                        )
                    path = into.path("events", ".json.gz", at=span)
                    with packed.open(member) as source, path.open("wb") as target:
                        copyfileobj(source, target, 1 << 20)
                    into.count("events", _lines(path))
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error):
            raise ContractError(f"amplitude: the export {span} is cut short: pull the window again") from None

    def _client(self) -> HttpClient:
        auth = HTTPBasicAuth(secret(self.api_key, KEY, self.name), secret(self.secret_key, SECRET, self.name))
        return HttpClient(self.base_url, name=self.name, auth=auth, timeout=(5.0, 600.0))


def _property(name: str) -> str:
    return f"json_extract_string(r.event_properties, '$.{name}')"


def _consent_of(kind: str, otherwise: str = "NULL") -> str:
    """The identifier of a statement about consent that is of this type."""
    said = (
        f"r.event_type = 'consent_updated' AND json_extract_string(r.event_properties, '$.identifier_type') = '{kind}'"
    )
    return f"CASE WHEN {said} THEN json_extract_string(r.event_properties, '$.identifier') ELSE {otherwise} END"


def _lines(path: Path) -> int:
    """Lines that are not empty; reading to the end also checks the file's own sum."""
    with gzip.open(path, "rb") as lines:
        return sum(1 for line in lines if line.strip())


def _countries() -> Mapping[str, str]:
    """ISO 3166 alpha-2 codes by country name, in lower case, from the time zone database's table."""
    lines = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    # The table's short names where the vendor spells them out.
    spelled = {
        "united kingdom": "GB",
        "south korea": "KR",
        "north korea": "KP",
        "bosnia and herzegovina": "BA",
        "czechia": "CZ",
    }
    return {name.lower(): code for code, name in pairs} | spelled
