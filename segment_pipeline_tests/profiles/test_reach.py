"""Whom a channel reaches as of a day: by the statements that eligibility goes by, and by addresses that are theirs now."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import at, consent, customer
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.trait_rows import traits

OPENED, SAID, LATER = date(2015, 1, 1), date(2017, 2, 1), date(2017, 3, 1)
ANN, OLD, PHONE = "ann@mail.io", "old@mail.io", "+15135550001"


def reached(lake: Lake, channel: str = "email") -> dict[str, Any]:
    return {key: row[f"{channel}_reachable"] for key, row in traits(lake).items()}


def test_a_later_no_on_any_identifier_of_theirs_takes_all_out(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, phone=PHONE)])
    put("consents", [consent("email", ANN, "email", "granted", SAID)])
    assert reached(lake) == {"ann": True}
    put("consents", [consent("phone", PHONE, "email", "denied", LATER)])
    assert reached(lake) == {"ann": False}


def test_nobody_is_reached_by_an_address_their_account_gave_up(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=OLD)])
    put("consents", [consent("email", OLD, "email", "granted", SAID)])
    assert reached(lake) == {"ann": True}
    put("customers", [customer("shopify", "ann", OPENED, updated=LATER, email=ANN)])
    assert reached(lake) == {"ann": False}


def test_nobody_is_reached_by_a_placeholder(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email="no@no.com")])
    put("consents", [consent("email", "no@no.com", "email", "granted", SAID)])
    assert reached(lake) == {"ann": False}


@pytest.mark.also_on_spark("profiles/traits/reach_facts")
def test_a_yes_of_the_account_reaches_its_addresses_and_numbers(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, phone=PHONE)])
    put("consents", [consent("customer_key", "ann", channel, "granted", SAID) for channel in ("email", "sms", "ads")])
    row = traits(lake)["ann"]
    assert (row["email_reachable"], row["sms_reachable"], row["ads_reachable"]) == (True, True, True)
    put("consents", [consent("phone", PHONE, "email", "denied", LATER)])
    row = traits(lake)["ann"]
    assert (row["email_reachable"], row["sms_reachable"], row["ads_reachable"]) == (False, True, True)


def test_a_later_yes_of_the_account_opens_all_but_what_was_denied_itself(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, phone=PHONE)])
    said = [consent("customer_key", "ann", "email", "granted", LATER), consent("phone", PHONE, "email", "denied", SAID)]
    put("consents", said)
    assert reached(lake) == {"ann": True}
    put("consents", [consent("email", ANN, "email", "denied", SAID)])
    assert reached(lake) == {"ann": False}


def test_a_yes_on_one_address_is_about_that_address_and_in_ads_about_the_person(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, loyalty_id="L1")])
    put("consents", [consent("loyalty_id", "L1", channel, "granted", SAID) for channel in ("email", "ads")])
    assert reached(lake) == {"ann": False}
    assert reached(lake, "ads") == {"ann": True}


@pytest.mark.parametrize(("channel", "reason", "reachable"), [("*", "complaint", False), ("sms", "complaint", True), ("sms", "erased", False)])  # fmt: skip
def test_a_suppression_of_all_channels_takes_out_the_person(
    lake: Lake, put: Put, channel: str, reason: str, reachable: bool
) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, phone=PHONE)])
    put("consents", [consent("email", ANN, "email", "granted", SAID)])
    put("suppressions", [{"source": "mailer", "identifier_type": "phone", "identifier": PHONE, "channel": channel, "reason": reason, "recorded_at": at(SAID), "day": SAID}])  # fmt: skip
    assert reached(lake) == {"ann": reachable}
