"""Literal profiles of Klaviyo with what they say about consent, for the tests of the source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segment_pipeline.sources.klaviyo.connector import KlaviyoConsents
from segment_pipeline.testing.source import NOON, PAGE, Records, Vendor
from segment_pipeline_tests.sandbox.source_world import NOW, client
from segment_pipeline_tests.sources.sandboxed import Sandboxed

Said = dict[str, Any]


def profile(number: int, updated: str = NOON, *, visible: Mapping[str, str] | None = None, **more: Any) -> Said:
    seen = (visible or {}).get("seen", updated)
    return {"email": f"person{number}@quiet.shop", "updated": f"{updated}+00:00", "seen": f"{seen}+00:00", **more}


def mail(consent: str = "SUBSCRIBED", at: str | None = NOON, *reasons: str, method: str = "plain") -> dict[str, Any]:
    """E-mail marketing as it is shown; `reasons` of suppressions, of the same instant."""
    told = None if at is None else f"{at}+00:00"
    suppressed = [{"reason": reason, "timestamp": told or "never"} for reason in reasons]
    return {"email": {"consent": consent, "consent_timestamp": told, "method": method, "suppression": suppressed}}


@contextmanager
def serve(folder: Path, records: Sequence[Said]) -> Iterator[Sandboxed]:
    with client(folder, "klaviyo") as http:
        played = Sandboxed(http, "klaviyo")
        played.at(NOW)
        for each in records:
            http.post("/_control/klaviyo/people", json=each).raise_for_status()
        yield played


KLAVIYO = Vendor("klaviyo", lambda url: KlaviyoConsents(base_url=url, api_key="pk_sandbox", page_size=PAGE), serve)
SUBSCRIPTIONS = Records(
    good=lambda n, at, text="plain", **more: profile(n, at, subscriptions=mail(at=at, method=text), **more),
    poison=lambda n, at: profile(n, at, odd={"updated": "soon"}),
    column="consents.evidence",
)
