"""When people said yes and no to marketing, as activities: statements in, changes of mind out."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import Row, at, consent, customer, event, jan
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.test_activities import activities

OPENED = date(2016, 1, 1)
ANN, PHONE = "ann.lee@mail.io", "+15135550001"
GIVEN, WITHDRAWN = "consent_given", "consent_withdrawn"


def told(lake: Lake, day: int = 31) -> list[tuple[Any, ...]]:
    found = activities(lake, jan(day), names={GIVEN, WITHDRAWN})
    return [(row["name"], row["channel"], row["occurred_on"]) for row in found]


def said(status: str, day: int, kind: str = "email", who: str = ANN, channel: str = "email", **more: Any) -> Row:
    return consent(kind, who, channel, status, jan(day), arrived_at=at(jan(day)), **more)


@pytest.mark.also_on_spark(
    "profiles/facts/consent_persons", "profiles/facts/consent_changes", "profiles/facts/activities_consents"
)
def test_what_is_said_of_a_persons_account_and_addresses_is_theirs_as_of_the_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", OPENED, email=ANN, phone=PHONE)])
    rows = [said("granted", 2), said("denied", 5, "phone", PHONE), said("granted", 9, "customer_key", "A", "sms")]
    put("consents", rows)
    assert told(lake, 4) == [(GIVEN, "email", jan(2))]
    assert told(lake) == [(GIVEN, "email", jan(2)), (WITHDRAWN, "email", jan(5)), (GIVEN, "sms", jan(9))]


def test_what_says_the_same_again_is_not_said_again_and_of_one_instant_the_no_counts(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", OPENED, email=ANN)])
    again = [said("denied", 3), said("denied", 4), said("denied", 4, "customer_key", "A"), said("granted", 6)]
    put("consents", [*again, said("granted", 8), said("denied", 8), said("denied", 9, purpose="service")])
    assert told(lake) == [(WITHDRAWN, "email", jan(3)), (GIVEN, "email", jan(6)), (WITHDRAWN, "email", jan(8))]


def test_a_yes_without_a_time_is_of_long_ago_and_a_no_of_its_arrival(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", OPENED, email=ANN)])
    timeless = consent("email", ANN, "email", "granted", date(1970, 1, 1), day=jan(3), arrived_at=at(jan(3)))
    placeholder = consent("email", ANN, "email", "denied", date(1980, 1, 1), day=jan(7), arrived_at=at(jan(7)))
    put("consents", [timeless, placeholder])
    assert told(lake) == [(GIVEN, "email", date(1970, 1, 1)), (WITHDRAWN, "email", jan(7))]


def test_what_several_people_have_tells_of_nobody_and_an_address_of_behaviour_of_its_own(lake: Lake, put: Put) -> None:
    mail = "bob.ray@mail.io"
    accounts = [customer("shopify", key, OPENED, phone=PHONE, first_name=key, last_name=key) for key in "ABCDEFGH"]
    put("customers", accounts)
    put("events", [event("1", "visit", jan(1), email=mail)])
    put("consents", [said("granted", 2, "phone", PHONE, "sms"), said("granted", 3, who=mail, source="amplitude")])
    assert told(lake) == [(GIVEN, "email", jan(3))]


def test_a_no_everywhere_is_a_no_in_each_channel(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", OPENED, email=ANN)])
    put("consents", [said("denied", 2, channel="*")])
    assert {(name, channel) for name, channel, _ in told(lake)} == {
        (WITHDRAWN, channel) for channel in ("email", "sms", "ads", "mail", "push")
    }


def test_a_day_of_consent_is_the_companys(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", OPENED, email=ANN)])
    late = at(jan(3)).replace(hour=2)
    put("consents", [consent("email", ANN, "email", "granted", late, arrived_at=late)])
    (row,) = activities(lake, names={GIVEN}, timezone="America/New_York")
    assert (row["occurred_at"], row["occurred_on"]) == (late, jan(2))
