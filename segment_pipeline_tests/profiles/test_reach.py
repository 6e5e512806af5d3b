"""Whom a channel reaches as of a day: by the statements that eligibility goes by, and by addresses that are theirs now."""

from datetime import date
from typing import Any

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import consent, customer
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.trait_rows import traits

OPENED, SAID, LATER = date(2015, 1, 1), date(2017, 2, 1), date(2017, 3, 1)
ANN, OLD = "ann@mail.io", "old@mail.io"


def reached(lake: Lake) -> dict[str, Any]:
    return {key: row["email_reachable"] for key, row in traits(lake).items()}


def test_a_later_no_on_any_identifier_of_theirs_takes_all_out(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN, phone="+15135550001")])
    put("consents", [consent("email", ANN, "email", "granted", SAID)])
    assert reached(lake) == {"ann": True}
    put("consents", [consent("phone", "+15135550001", "email", "denied", LATER)])
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
