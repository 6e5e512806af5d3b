"""What Klaviyo's profiles say about consent becomes, and that nothing read back there lets anybody be written to who must not be."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.profiles.facts.consents import define_consent_statements
from segment_pipeline.settings import Settings
from segment_pipeline.sources.klaviyo.connector import KlaviyoConsents
from segment_pipeline.testing import source_contract
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.contracts.published import Published
from segment_pipeline_tests.sandbox.test_klaviyo_schema import FILE, MORE_OF_ERRORS
from segment_pipeline_tests.sources.klaviyo_records import KLAVIYO, SUBSCRIPTIONS, Said, mail, profile, serve

BY = "klaviyo email marketing consent by "


class TestKlaviyoSubscriptions(source_contract(KLAVIYO, entity="subscriptions", records=SUBSCRIPTIONS)):  # type: ignore[misc]
    def landed(self, lake: Lake) -> list[Any]:
        return [evidence.removeprefix(BY) for evidence in super().landed(lake)]


def landed(folder: Path, lake: Lake, settings: Settings, records: Sequence[Said], query: str) -> list[tuple[Any, ...]]:
    with serve(folder, records) as server:
        source = KlaviyoConsents(base_url=server.base_url, api_key="pk_sandbox")
        ingest(lake, source, "subscriptions", JUNE, settings, "run")
    with lake.session() as session:
        session.scan("consents")
        session.scan("suppressions")
        return [tuple(row.values()) for row in session.rows(query)]


SECOND = "2017-06-02T12:00:00"
SMS = {"sms": {"consent": "UNSUBSCRIBED", "consent_timestamp": "2017-06-03T12:00:00+00:00"}}
# What a profile says; status, day and channel of its statements; reasons of its suppressions.
MEAN: list[tuple[dict[str, Any], list[tuple[str, str | None, str]], list[str]]] = [
    (mail(), [("granted", "06-05", "email")], []),
    (mail("UNSUBSCRIBED"), [("denied", "06-05", "email")], []),
    (mail("UNSUBSCRIBED", SECOND, "UNSUBSCRIBE"), [("denied", "06-02", "email")], []),
    # Neither a yes nor a no, and from its arrival on no more the yes it may have been.
    (mail("NEVER_SUBSCRIBED", None), [("unsaid", "06-05", "email")], []),
    # What speaks against a yes makes it none, whatever their times.
    (mail("SUBSCRIBED", SECOND, "UNSUBSCRIBE"), [("denied", "06-02", "email")], []),
    (mail("SUBSCRIBED", SECOND, "SPAM_COMPLAINT"), [("denied", "06-02", "email")], ["complained"]),
    (mail("SUBSCRIBED", SECOND, "HARD_BOUNCE"), [("granted", "06-02", "email")], ["bounced"]),
    (mail("NEVER_SUBSCRIBED", None, "USER_SUPPRESSED"), [("unsaid", "06-05", "email")], ["suppressed"]),
    (
        mail("SUBSCRIBED", SECOND, "INVALID_EMAIL", "A_NEW_ONE"),
        [("granted", "06-02", "email")],
        ["a_new_one", "invalid"],
    ),
    # A yes without a time is the oldest there is, a no without one is as new as its arrival.
    (mail("SUBSCRIBED", None), [("granted", "01-01", "email")], []),
    (mail("UNSUBSCRIBED", None), [("denied", "06-05", "email")], []),
    (mail() | SMS, [("denied", "06-03", "sms"), ("granted", "06-05", "email")], []),
]


@pytest.mark.also_on_spark("sources/klaviyo/said", "sources/klaviyo/suppressions")
def test_profiles_become_statements_and_suppressions(tmp_path: Path, lake: Lake, settings: Settings) -> None:
    people = [profile(n, phone_number=f"+1415555{n:04d}", subscriptions=said) for n, (said, *_) in enumerate(MEAN)]
    statements = (
        "SELECT coalesce(regexp_extract(identifier, '[0-9]+', 0), ''), status, strftime(timezone('UTC', recorded_at), '%m-%d'), channel"
        " FROM consents WHERE NOT (channel = 'sms' AND status = 'unsaid') ORDER BY ALL"
    )
    found = landed(tmp_path, lake, settings, people, statements)
    expected = [
        (f"1415555{n:04d}" if one[2] == "sms" else str(n), *one) for n, (_, said, _) in enumerate(MEAN) for one in said
    ]
    assert found == sorted(expected)
    with lake.session() as session:
        session.scan("suppressions")
        rows = session.rows("SELECT identifier, channel, reason FROM suppressions ORDER BY ALL")
    assert [tuple(row.values()) for row in rows] == sorted(
        (f"person{n}@quiet.shop", "email", reason) for n, (*_, reasons) in enumerate(MEAN) for reason in reasons
    )


@pytest.mark.parametrize(("own", "holds"), [("2017-06-10T12:00:00", "denied"), ("2017-06-01T12:00:00", "granted")])
def test_a_yes_read_back_is_no_newer_than_when_it_was_said(
    tmp_path: Path, lake: Lake, settings: Settings, put: Callable[..., None], own: str, holds: str
) -> None:
    """Our own import moves `updated` long after the yes: a no that a shop was told meanwhile is not undone by it."""
    said_on_the_fifth = profile(1, "2017-06-20T12:00:00", subscriptions=mail())
    landed(tmp_path, lake, settings, [said_on_the_fifth], "SELECT 1 FROM consents")
    at = datetime.fromisoformat(f"{own}+00:00")
    no = {"source": "shop", "identifier_type": "email", "identifier": "person1@quiet.shop", "channel": "email"}
    no |= {"purpose": "marketing", "status": "denied", "evidence": "shop"}
    put("consents", [{**no, "recorded_at": at, "arrived_at": at, "day": at.date()}])
    with lake.session() as session:
        define_consent_statements(session, {})
        query = "SELECT arg_max(status, recorded_at) AS status FROM consent_statements WHERE channel = 'email' AND ended_on IS NULL"
        [row] = session.rows(query)
    assert row["status"] == holds


def test_what_is_asked_and_answered_is_what_the_vendor_describes(
    tmp_path: Path, lake: Lake, settings: Settings
) -> None:
    described = Published(FILE, MORE_OF_ERRORS)
    with serve(tmp_path, [profile(n, subscriptions=mail()) for n in range(7)]) as server:
        server.http.put("/_control/recording", json={"on": True}).raise_for_status()
        source: Any = KLAVIYO.source(server.base_url)
        source.check()
        ingest(lake, source, "subscriptions", JUNE, settings, "run")
        recorded = server.http.get("/_control/recorded").json()["requests"]
    assert len(recorded) == 4
    assert [why for one in recorded for why in described.wrong(one, one["path"].removeprefix("/klaviyo"))] == []
