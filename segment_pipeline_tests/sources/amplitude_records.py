"""Literal records of Amplitude, as its API gives them, for the tests of the source and of the sandbox alike."""

from collections.abc import Mapping
from typing import Any

from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.testing.source import NOON, Records, Vendor
from segment_pipeline_tests.sandbox.source_world import Version, version
from segment_pipeline_tests.sources.sandboxed import serve

Visible = Mapping[str, str] | None


def event(number: int, uploaded: str = NOON, *, visible: Visible = None, **more: Any) -> Version:
    """An event uploaded at an instant; one that arrives late has a later `seen`, which is the vendor's upload time."""
    seen = (visible or {}).get("seen", uploaded)
    text = seen.replace("T", " ") + ".000000"
    body = {
        "uuid": f"u-{number}-{seen}", "$insert_id": f"i-{number}", "event_id": number, "event_type": "product_viewed",
        "event_time": uploaded.replace("T", " ") + ".000000", "server_upload_time": text, "user_id": None,
        "device_id": f"d-{number}", "session_id": 1512345678000, "event_properties": {}, "user_properties": {},
        "country": "United States", "platform": "Web", **more,
    }  # fmt: skip
    return version(
        "amplitude",
        "events",
        str(body["uuid"]),
        body,
        updated=seen,
        created=uploaded,
        seen=seen,
        route=seen.replace("-", "")[:11],
    )


AMPLITUDE = Vendor(
    "amplitude",
    lambda url: Amplitude(base_url=url, api_key="sandbox-amplitude-key", secret_key="sandbox-amplitude-secret"),
    serve("amplitude"),
)
EVENTS = Records(
    good=lambda n, at, text="plain", **more: event(n, at, event_properties={"category": text}, **more),
    poison=lambda n, at: event(n, at, event_time="yesterday"),
    column="events.category",
)
