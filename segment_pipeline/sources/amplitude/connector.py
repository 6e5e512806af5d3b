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
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity, Kind, Part, TableMapping, secret

_sql = partial(statement, "sources/amplitude")

KEY, SECRET = "AMPLITUDE_API_KEY", "AMPLITUDE_SECRET_KEY"
HOUR = timedelta(hours=1)
DELAY = timedelta(hours=2)


class Amplitude(dg.ConfigurableResource[None]):
    """One Amplitude project. Keys empty: read from AMPLITUDE_API_KEY and AMPLITUDE_SECRET_KEY when they are used.

    `base_url` of an EU project is https://analytics.eu.amplitude.com. `chunk_hours`: hours of one export, at most what
    stays below the vendor's 4 GB. `look_back`: days exported again before a window.
    """

    name: ClassVar[str] = "amplitude"

    base_url: str = "https://amplitude.com"
    api_key: str = Field(default="", repr=False)
    secret_key: str = Field(default="", repr=False)
    chunk_hours: int = Field(default=24, ge=1, le=8760)
    look_back: int = Field(default=1, ge=0)
    parallel: int = Field(default=3, ge=1)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return (
            Entity(
                "events",
                Kind.LOG,
                (Part("events"),),
                _sql("events"),
                (
                    TableMapping("events", _sql("events_rows"), key="event_key"),
                    TableMapping("messages", _sql("messages_rows"), key="message_key"),
                    TableMapping("campaigns", _sql("campaigns_rows")),
                    TableMapping("survey_answers", _sql("survey_answers_rows"), key="answer_key"),
                    TableMapping("consents", _sql("consents_rows")),
                ),
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
