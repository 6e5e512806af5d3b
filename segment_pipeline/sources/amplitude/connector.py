"""Amplitude: events, messages, survey answers, consents and campaigns, all from the raw export of one project.

Holds the download of hours; what the records mean is in `mapping`. Hours are of the server's upload, so a day is
complete once and then never changes; each hour can be exported two hours after its end.
"""

import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfileobj
from typing import ClassVar

from segment_pipeline.connector import About, ConnectorKind, address, require, secret, value
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.http import HttpClient, Response, basic, header
from segment_pipeline.lake.duckdb_engine import RECORD_BYTES
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.sources.amplitude.mapping import entities
from segment_pipeline.texts import json_text

HOUR = timedelta(hours=1)
DELAY = timedelta(hours=2)
# More than one export can hold: over 4 GB it is 400, and what takes the vendor too long to pack is 504.
TOO_MUCH = frozenset({400, 413, 504})
# What may be in a line that no engine reads: other bytes than those of ASCII, control characters, escapes of surrogates, NUL.
SUSPECT = re.compile(rb"[^\x20-\x7e\r\n]|\r(?!\n)|\\u(?:[dD]|0000)")


@dataclass(frozen=True, kw_only=True)
class Amplitude:
    """One Amplitude project. `base_url` of an EU project is https://analytics.eu.amplitude.com.

    `chunk_hours`: hours of one export; what is too much for one is asked for in halves, down to an hour. `look_back`: days exported again before a window.
    `names`: event types and what they are called here, besides and before `mapping.NAMES`.
    """

    about: ClassVar[About] = About(
        ConnectorKind.SOURCE, "Amplitude", "events, messages, survey answers, consents and campaigns of the raw export"
    )

    name: str = "amplitude"
    api_key: str = secret("AMPLITUDE_API_KEY", "API key of the project")
    secret_key: str = secret("AMPLITUDE_SECRET_KEY", "secret key of the project")
    base_url: str = address("AMPLITUDE_BASE_URL", "https://amplitude.com")
    chunk_hours: int = 24
    look_back: int = 1
    parallel: int = 3
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return entities(self.look_back, self.names)

    def secrets_present(self) -> None:
        require(self)

    def check(self) -> None:
        with self._client() as client:
            # An hour nobody has events of: keys that may export are answered that there are none.
            client.request("GET", "/api/2/export", params={"start": "20120101T00", "end": "20120101T00"}, expect={404})

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
        if first == last:
            answer = self._hour(client, archive, hours)
        else:
            answer = client.download("/api/2/export", archive, params=hours, expect={404, *TOO_MUCH})
        if answer.status_code == 404:
            return
        if answer.status_code in TOO_MUCH:
            middle = first + int((last - first) / HOUR) // 2 * HOUR
            self._export(client, first, middle, into)
            self._export(client, middle + HOUR, last, into)
            return
        try:
            self._unpack(archive, span, into)
        finally:
            archive.unlink(missing_ok=True)

    @staticmethod
    def _hour(client: HttpClient, archive: Path, hours: Mapping[str, str]) -> Response:
        """The export of one hour, the smallest there is; a 504 may be a server's passing fault then, and is tried again."""
        where = f"amplitude: the export of the hour {hours['start']}"
        try:
            answer = client.download("/api/2/export", archive, params=hours, expect={400, 404, 413})
        except TransientError as error:
            raise TransientError(
                f"{where} failed after several attempts, and less than an hour cannot be asked for: {error}"
            ) from None
        if answer.status_code in TOO_MUCH:
            raise ContractError(
                f"{where} was refused (HTTP {answer.status_code}): it is larger than an export may be, and less than an hour"
                " cannot be asked for: have the vendor export it"
            )
        return answer

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
                    into.count("events", _lines(path, into))
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error):
            raise ContractError(f"amplitude: the export {span} is cut short: pull the window again") from None

    def _client(self) -> HttpClient:
        auth = header("Authorization", basic(value(self, "api_key"), value(self, "secret_key")))
        return HttpClient(
            value(self, "base_url"), name=self.name, auth=auth, timeout=(5.0, 600.0), classify=_not_allowed
        )


def _not_allowed(response: Response) -> ConfigError | None:
    """Keys are of one project, and a project is of one region: the other region answers as it does to wrong keys."""
    if response.status_code not in {401, 403}:
        return None
    return ConfigError(
        f"amplitude: the export was not allowed (HTTP {response.status_code}): check that API key and secret key are of the same"
        " project, and that the base URL is of its region (EU: https://analytics.eu.amplitude.com)"
    )


def _lines(path: Path, into: RawPages) -> int:
    """Lines that are not empty; reading to the end also checks the file's own sum. What no engine reads is mended in its line."""
    with gzip.open(path, "rb") as lines:
        count, odd = 0, 0
        for line in lines:
            count += bool(line.strip())
            odd += bool(len(line) > RECORD_BYTES or SUSPECT.search(line)) and _readable(line) != line
    if odd:
        received = path.replace(path.with_suffix(".received"))
        with gzip.open(received, "rb") as lines, gzip.open(path, "wb") as target:
            target.writelines(map(_readable, lines))
        into.mended(odd)
    return count


def _readable(line: bytes) -> bytes:
    """A line of JSON as an engine reads it; one that is longer than a record may be is a text that says so."""
    if len(line) > RECORD_BYTES:
        return json.dumps(f"a record of {len(line)} bytes").encode() + b"\n"
    body = line.rstrip(b"\r\n")
    return json_text(body).replace("\r", " ").encode() + line[len(body) :]


CONNECTOR = Amplitude
