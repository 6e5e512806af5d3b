"""What Amplitude's export becomes: events, messages, answers and consents, each once."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.sources.amplitude_records import event
from segment_pipeline_tests.sources.conftest import Landed, Served, connector

MESSAGE = {
    "campaign_id": "cj-18", "campaign_name": "Buy Your Loved Ones", "campaign_type": "B", "channel": "email", "message_id": "m1",
    "campaign_starts_on": "2017-06-01", "campaign_ends_on": "2017-06-20", "campaign_cost": 980,
}  # fmt: skip


def test_messages_answers_and_consents_leave_the_event_stream(landed: Landed) -> None:
    told = {"email": "Ada@Quiet.shop"}
    answer = {"survey_id": "s1", "question_id": "nps", "answer": "9", "score": 9}
    consent = {
        "identifier_type": "phone", "identifier": "(513) 555-0123", "channel": "sms", "purpose": "marketing",
        "status": "denied", "evidence": "preference page",
    }  # fmt: skip
    versions = [
        event(1, event_properties={"product_id": "71", "category": "Shoes", "collection": "Summer"}),
        event(
            2,
            event_type="message_clicked",
            event_properties=MESSAGE,
            user_properties=told,
            session_id=-1,
        ),
        event(3, event_type="survey_answered", event_properties=answer, user_properties=told),
        event(4, event_type="consent_updated", event_properties=consent),
    ]
    rows = landed(
        "events",
        versions,
        "SELECT e.name, e.product_key, e.category, e.collection, e.country, m.type, m.campaign_key, m.email, c.name AS campaign,"
        " c.cost, c.starts_on, a.question_key, a.score, a.email AS answered_by, k.identifier, k.channel, k.status, k.evidence"
        " FROM events AS e, messages AS m, campaigns AS c, survey_answers AS a, consents AS k",
    )
    assert [tuple(row.values()) for row in rows] == [
        (
            "product_viewed", "71", "Shoes", "Summer", "US", "clicked", "cj-18", "ada@quiet.shop", "Buy Your Loved Ones",
            Decimal("980.0000"), date(2017, 6, 1), "nps", 9.0, "ada@quiet.shop", "+15135550123", "sms", "denied", "preference page",
        )
    ]  # fmt: skip


def test_an_empty_id_is_nobodys(landed: Landed) -> None:
    """Two devices that say "" are not one, nor do two people whose user id is a blank share it."""
    versions = [
        event(1, user_id="", device_id=" "),
        event(2, user_id="\u00a0", device_id="\u200b", event_properties={"product_id": ""}),
        event(3, user_id=" 7 ", device_id="d"),
    ]
    rows = landed("events", versions, "SELECT customer_key, anonymous_id, product_key FROM events ORDER BY event_key")
    assert [tuple(row.values()) for row in rows] == [(None, None, None), (None, None, None), ("7", "d", None)]


def test_a_repeated_delivery_shares_its_insert_id_with_the_first(landed: Landed) -> None:
    again = event(1, uuid="another", **{"$insert_id": "i-1"}, visible={"seen": "2017-06-06T06:00:00"})
    assert landed("events", [event(1), again], "SELECT event_key, day FROM events") == [
        {"event_key": "i-1/d-1", "day": date(2017, 6, 5)}
    ]


def test_an_insert_id_is_of_its_device_alone(landed: Landed) -> None:
    """amplitude-dev-center 183: counters of two devices give the same ids. Without a device it stands for itself."""
    ids: dict[str, Any] = {"$insert_id": "1"}
    events = [event(n, device_id=device, **ids) for n, device in enumerate(("a", "b", "", None), start=1)]
    rows = landed("events", events, "SELECT DISTINCT event_key FROM events ORDER BY 1")
    assert [row["event_key"] for row in rows] == ["1", "1/a", "1/b"]


def test_an_event_outside_a_session_has_none_and_empty_ids_are_unknown(landed: Landed) -> None:
    odd = event(1, session_id=-1, user_id="", device_id="")
    rows = landed("events", [odd], "SELECT session_key, customer_key, anonymous_id FROM events")
    assert rows == [{"session_key": None, "customer_key": None, "anonymous_id": None}]


def test_a_day_without_events_is_no_error(landed: Landed) -> None:
    assert landed("events", [], "SELECT count(*) AS n FROM events") == [{"n": 0}]


def test_a_late_event_keeps_its_own_time_under_the_day_it_arrived(landed: Landed) -> None:
    late = event(1, "2017-06-01T23:30:00", visible={"seen": "2017-06-05T12:00:00"})
    rows = landed("events", [late], "SELECT occurred_on, day FROM events")
    assert rows == [{"occurred_on": date(2017, 6, 1), "day": date(2017, 6, 5)}]


def test_a_day_is_pulled_with_the_hours_that_hold_its_ends(served: Served, lake: Lake, settings: Settings) -> None:
    """A company day in New York is 04:00 to 04:00 UTC; in Kolkata it begins at half past an hour."""
    times = ["2017-06-04T18:29:00", "2017-06-04T18:31:00", "2017-06-05T18:29:00", "2017-06-05T18:31:00"]
    with served([event(n, at) for n, at in enumerate(times)]) as server:
        source = connector("amplitude", server.base_url, look_back=0)
        in_kolkata = replace(settings, timezone="Asia/Kolkata")
        report = ingest(lake, source, "events", Window.of(date(2017, 6, 5)), in_kolkata, "run")
    assert report.received == 4
    assert report.rows["events"] == 2


def test_consent_of_an_unusable_address_gives_no_row(landed: Landed) -> None:
    said = {"identifier_type": "email", "identifier": "not an address", "channel": "ads", "status": "granted"}
    rows = landed(
        "events", [event(1, event_type="consent_updated", event_properties=said)], "SELECT count(*) AS n FROM consents"
    )
    assert rows == [{"n": 0}]


def test_the_whole_month_is_one_request_per_day_and_a_day_more_for_late_ones(
    served: Served, lake: Lake, settings: Settings
) -> None:
    with served([event(1)]) as server:
        report = ingest(lake, connector("amplitude", server.base_url), "events", JUNE, settings, "run")
    assert report.requests == 31


HOURS = [event(n, f"2017-06-05T{n + 4:02d}:30:00") for n in range(19)]
THE_DAY = Window.of(date(2017, 6, 5))


@pytest.mark.parametrize("setting", ["max_export_bytes", "packed_bytes"])
def test_what_is_too_much_for_one_export_is_asked_for_in_halves(
    served: Served, lake: Lake, settings: Settings, setting: str
) -> None:
    """By the vendor's page 400 is more than 4 GB, and 504 means too much data as well."""
    with served(HOURS) as server:
        server.set(**{setting: 1000})
        report = ingest(lake, connector("amplitude", server.base_url), "events", THE_DAY, settings, "run")
    assert (report.received, report.rows["events"]) == (19, 19)


@pytest.mark.parametrize(
    ("setting", "kind", "said"),
    [
        ("max_export_bytes", ContractError, "the hour 20170605T04 was refused .HTTP 400.: it is larger"),
        ("packed_bytes", TransientError, "the hour 20170605T04 failed after several attempts, and less than an hour"),
    ],
)
def test_an_hour_that_is_too_much_is_named(
    served: Served, lake: Lake, settings: Settings, setting: str, kind: type[Exception], said: str
) -> None:
    with served(HOURS) as server:
        server.set(**{setting: 10})
        with pytest.raises(kind, match=said):
            ingest(lake, connector("amplitude", server.base_url, parallel=1), "events", THE_DAY, settings, "run")
    assert lake.version("events") is None


def test_a_504_that_passes_costs_no_event(served: Served, lake: Lake, settings: Settings) -> None:
    """Of an hour that cannot be halved it is tried again, as a server's fault is."""
    with served(HOURS) as server:
        server.fault("504", times=4)
        source = connector("amplitude", server.base_url, chunk_hours=1, parallel=1)
        report = ingest(lake, source, "events", THE_DAY, settings, "run")
    assert report.received == 19


def test_keys_the_project_does_not_take_are_told_as_keys_of_one_project_and_region(served: Served) -> None:
    with served([]) as server, pytest.raises(ConfigError, match=r"same project.*of its region"):
        connector("amplitude", server.base_url, secret_key="another project's").check()
