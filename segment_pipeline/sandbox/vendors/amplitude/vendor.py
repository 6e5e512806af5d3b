"""Amplitude's Export API: a zip of gzipped JSON lines by the hour in which the server took the events in.

An hour H shows once the sandbox's clock is past H + 3 h (it ends an hour later and is exportable about two hours after that):
a reader that comes earlier gets a smaller archive, or 404, and no warning. Chosen here because the vendor's page does not say:
the 4 GB limit counts bytes before compression; files hold at most `FILE_LINES` lines.
"""

import base64
import binascii
import gzip
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from segment_pipeline.sandbox import exchange
from segment_pipeline.sandbox.listing import Condition, Listing, Records
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.vendor import Served, Vendor

KEY, SECRET = "sandbox-amplitude-key", "sandbox-amplitude-secret"
PROJECT = "100001"
HOUR = "%Y%m%dT%H"
LONGEST = timedelta(days=365)
EXPORTABLE_AFTER = timedelta(hours=3)
FILE_LINES = 50_000


@dataclass(slots=True)
class Limits:
    """What `PUT /_control/amplitude/limits` can change; back to these at a restart."""

    max_export_bytes: int = 4 * 1024**3


class _Sink(io.RawIOBase):
    """A file that can be written and not sought, whose content is taken away piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        piece = bytes(content)  # type: ignore[call-overload]
        self._parts.append(piece)
        return len(piece)

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


class Amplitude:
    """The export endpoint over the world's events."""

    def __init__(self, state: SandboxState, limits: Limits) -> None:
        self.state = state
        self.limits = limits
        self.records = Records(state.directory / "world.sqlite")

    def export(self, request: Request) -> Response:
        if not _authorized(request.headers.get("Authorization", "")):
            return PlainTextResponse("Forbidden", status_code=403)
        try:
            start = datetime.strptime(request.query_params.get("start", ""), HOUR).replace(tzinfo=UTC)
            end = datetime.strptime(request.query_params.get("end", ""), HOUR).replace(tzinfo=UTC)
        except ValueError:
            return PlainTextResponse("start and end must be given as YYYYMMDDTHH", status_code=400)
        if end < start or end + timedelta(hours=1) - start > LONGEST:
            return PlainTextResponse("The time range must be positive and at most 365 days", status_code=400)
        now = self.state.now()
        last = min(end, now - EXPORTABLE_AFTER)
        listing = _events(start.strftime(HOUR), last.strftime(HOUR))
        if self.records.total_bytes(listing, now) > self.limits.max_export_bytes:
            return PlainTextResponse("The exported data is larger than 4GB: use a smaller time range", status_code=400)
        hours = self.records.routes(listing, now)
        if not hours:
            return PlainTextResponse("Raw data files were not found for the given time range", status_code=404)
        headers = {"Content-Disposition": 'attachment; filename="export.zip"'}
        return StreamingResponse(self._archive(hours, now), media_type="application/zip", headers=headers)

    def _archive(self, hours: list[str], now: datetime) -> Iterator[bytes]:
        sink = _Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for hour in hours:
                lines = self.records.bodies(_events(hour, hour), now)
                for part, offset in enumerate(range(0, len(lines), FILE_LINES)):
                    content = b"\n".join(lines[offset : offset + FILE_LINES]) + b"\n"
                    archive.writestr(_member(hour, part), gzip.compress(content, compresslevel=1, mtime=0))
                    yield sink.take()
        yield sink.take()


def serve(state: SandboxState) -> Served:
    """Control: `PUT /_control/amplitude/limits {"max_export_bytes": n}`."""
    amplitude = Amplitude(state, Limits())

    def limits(request: Request) -> Response:
        asked = exchange.json_body(request)
        amplitude.limits.max_export_bytes = int(asked["max_export_bytes"])
        return JSONResponse({"max_export_bytes": amplitude.limits.max_export_bytes})

    return Served(
        [Route("/api/2/export", amplitude.export, methods=["GET"])], [Route("/limits", limits, methods=["PUT"])]
    )


def fault_response(kind: str, request: Request) -> Response | None:
    """Amplitude's own form of a rate limit and of credentials it no longer takes."""
    if kind == "429":
        return PlainTextResponse("Too many requests", status_code=429)
    if kind == "expired_token":
        return PlainTextResponse("Forbidden", status_code=403)
    return None


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
    secrets={"AMPLITUDE_API_KEY": KEY, "AMPLITUDE_SECRET_KEY": SECRET},
)


def _member(hour: str, part: int) -> str:
    moment = datetime.strptime(hour, HOUR)  # noqa: DTZ007 - it becomes a file's name
    return f"{PROJECT}/{PROJECT}_{moment:%Y-%m-%d}_{moment.hour}#{part}.json.gz"


def _events(first: str, last: str) -> Listing:
    return Listing("amplitude", "events", (Condition("route BETWEEN ? AND ?", (first, last)),), order="updated_at")


def _authorized(header: str) -> bool:
    scheme, _, credentials = header.partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(credentials).decode() == f"{KEY}:{SECRET}"
    except (binascii.Error, UnicodeDecodeError):
        return False
