"""Amplitude's Export API: a zip of gzipped JSON lines by the hour in which the server took the events in. `cohorts` stands beside it.

An hour H shows once the sandbox's clock is past H + 3 h (it ends an hour later and is exportable about two hours after that):
a reader that comes earlier gets a smaller archive, or 404, and no warning. Chosen here because the vendor's page does not say:
size limits count bytes before compression. Settings at `/_control/amplitude/settings`: `max_export_bytes` (4 GB), above which
an export is 400; `packed_bytes` (as much), above which packing takes too long and it is 504, which the vendor calls too much data
as well; and `file_lines` (50,000), how many lines a file of the archive holds at most.
"""

import base64
import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from segment_pipeline.sandbox.listing import Condition, Listing, Records
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendor import Served, Vendor
from segment_pipeline.sandbox.vendors.amplitude import cohorts

KEY, SECRET = "sandbox-amplitude-key", "sandbox-amplitude-secret"
AUTHORIZATION = "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
PROJECT, OWNER = "100001", "owner@shop.example"
HOUR = "%Y%m%dT%H"
LONGEST = timedelta(days=365)
EXPORTABLE_AFTER = timedelta(hours=3)
EXPORT: Mapping[str, Any] = {"max_export_bytes": 4 * 1024**3, "packed_bytes": 4 * 1024**3, "file_lines": 50_000}


class _Sink(io.BytesIO):
    """What an archive is written to without being sought in, so that it can be taken away piece by piece."""

    def tell(self) -> int:
        raise io.UnsupportedOperation

    def take(self) -> bytes:
        content = self.getvalue()
        self.seek(0)
        self.truncate()
        return content


class Amplitude:
    """The export endpoint over the world's events."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.store = VendorStore(state, "amplitude", defaults={**EXPORT, **cohorts.SETTINGS}, schema=(cohorts.SCHEMA,))
        self.records = Records(state.directory / "world.sqlite")

    def export(self, request: Request) -> Response:
        if request.headers.get("Authorization") != AUTHORIZATION:
            return PlainTextResponse("Forbidden", 403)
        try:
            start, end = (
                datetime.strptime(request.query_params.get(name, ""), HOUR).replace(tzinfo=UTC)
                for name in ("start", "end")
            )
        except ValueError:
            return PlainTextResponse("start and end must be given as YYYYMMDDTHH", 400)
        if end < start or end + timedelta(hours=1) - start > LONGEST:
            return PlainTextResponse("The time range must be positive and at most 365 days", 400)
        now = self.state.now()
        listing = _events(start.strftime(HOUR), min(end, now - EXPORTABLE_AFTER).strftime(HOUR))
        size = self.records.total_bytes(listing, now)
        if size > self.store.setting("max_export_bytes"):
            return PlainTextResponse("The exported data is larger than 4GB: use a smaller time range", 400)
        if size > self.store.setting("packed_bytes"):
            return PlainTextResponse("Gateway Timeout", 504)
        hours = self.records.routes(listing, now)
        if not hours:
            return PlainTextResponse("Raw data files were not found for the given time range", 404)
        headers = {"Content-Disposition": 'attachment; filename="export.zip"'}
        return StreamingResponse(self._archive(hours, now), media_type="application/zip", headers=headers)

    def _archive(self, hours: list[str], now: datetime) -> Iterator[bytes]:
        sink, most = _Sink(), self.store.setting("file_lines")
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for hour in hours:
                moment = datetime.strptime(hour, HOUR).replace(tzinfo=UTC)
                lines = self.records.bodies(_events(hour, hour), now)
                for part, offset in enumerate(range(0, len(lines), most)):
                    content = b"\n".join(lines[offset : offset + most]) + b"\n"
                    member = f"{PROJECT}/{PROJECT}_{moment:%Y-%m-%d}_{moment.hour}#{part}.json.gz"
                    archive.writestr(member, gzip.compress(content, compresslevel=1, mtime=0))
                    yield sink.take()
        yield sink.take()


def serve(state: SandboxState) -> Served:
    amplitude = Amplitude(state)
    held = cohorts.Cohorts(amplitude.store, AUTHORIZATION, (int(PROJECT), OWNER))
    return Served([Route("/api/2/export", amplitude.export, methods=["GET"]), *held.routes()], held.lists.control())


def fault_response(kind: str, request: Request) -> Response | None:
    """Amplitude's own form of a rate limit and of credentials it no longer takes."""
    if kind == "429":
        return PlainTextResponse("Too many requests", 429)
    if kind == "504":
        return PlainTextResponse("Gateway Timeout", 504)
    return PlainTextResponse("Forbidden", 403) if kind == "expired_token" else None


VENDOR = Vendor(
    serve=serve,
    fault_response=fault_response,
    writes=frozenset({"POST"}),
    secrets={"AMPLITUDE_API_KEY": KEY, "AMPLITUDE_SECRET_KEY": SECRET},
    account={"AMPLITUDE_APP_ID": PROJECT, "AMPLITUDE_COHORT_OWNER": OWNER, "AMPLITUDE_SEED_USER": "seed-of-cohorts"},
)


def _events(first: str, last: str) -> Listing:
    return Listing("amplitude", "events", (Condition("route BETWEEN ? AND ?", (first, last)),), order="updated_at")
