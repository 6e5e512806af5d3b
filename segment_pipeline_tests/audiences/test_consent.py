"""Which statement about consent holds, from what the sources say to what a tool is sent: by when it was said."""

from typing import Any

import pytest

from segment_pipeline.landing.source import Kind
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline_tests.audiences.told import ANN, EVE, MAILINGS, Told, ann, consented, mail, says
from segment_pipeline_tests.sources import square_records
from segment_pipeline_tests.sources.amplitude_records import AMPLITUDE
from segment_pipeline_tests.sources.shopify_records import SHOPIFY, customer
from segment_pipeline_tests.sources.square_records import SQUARE

UNREADABLE = ("0000-00-00", "9999-12-31", "0001-01-01", "2017-06-31", "2017-13-01", "soon")


def test_a_yes_without_a_time_never_outranks_a_dated_no(told: Told) -> None:
    """mc-woocommerce 591: the record changes for an unrelated reason, which must not grant again what was taken back."""
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", updated="2017-06-05T12:00:00"))
    assert told.mailed() == {ANN}
    told.table([says("denied", "2017-06-10")])
    assert told.mailed() == set()
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", updated="2017-06-20T12:00:00", firstName="Anna"))
    assert told.mailed() == set()


@pytest.mark.parametrize("at", ["2030-01-01T00:00:00Z", "not a time", ""])
def test_a_yes_of_the_future_or_of_no_time_is_the_oldest_statement(told: Told, at: str) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", at, "2017-06-20T12:00:00"))
    told.table([says("denied", "2017-06-10")])
    assert told.mailed() == set()


@pytest.mark.parametrize(
    "at",
    [
        None,
        "1970-01-01T00:00:00Z",
        "1969-12-31T19:00:00-05:00",
        "1900-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2000-01-01T00:00:00Z",
        "2030-01-01T00:00:00Z",
        "2016-04-30T23:59:59Z",  # before the source's first account
    ],
)
def test_a_no_without_a_plausible_time_counts_from_its_arrival(told: Told, at: str | None) -> None:
    told.vendor(SHOPIFY, "customers", ann("UNSUBSCRIBED", at, "2017-06-20T12:00:00"))
    told.table([says("granted", "2017-06-10")])
    assert told.mailed() == set()
    told.table([says("granted", "2017-06-21")], "newer")
    assert told.mailed() == {ANN}


def test_a_no_with_a_plausible_time_counts_from_it(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("UNSUBSCRIBED", "2017-06-02T10:00:00Z", "2017-06-20T12:00:00"))
    told.table([says("granted", "2017-06-10")])
    assert told.mailed() == {ANN}


def test_at_the_same_instant_the_no_of_any_source_wins(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-10T10:00:00Z"))
    told.table([says("denied", "2017-06-10T12:00:00+02:00")])
    assert told.mailed() == set()


def test_times_in_other_zones_are_the_instants_they_are(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-10T10:00:01Z", "2017-06-20T12:00:00"))
    told.table([says("denied", "2017-06-10T12:00:00+02:00")])
    assert told.mailed() == {ANN}


@pytest.mark.also_on_spark("profiles/facts/consent_statements", "profiles/facts/first_records", "audiences/consent_now")
def test_a_yes_counts_from_its_arrival_where_that_is_earlier(told: Told) -> None:
    """c15t 862: a grant dated 2019 that was uploaded in 2018 beat a later withdrawal."""
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    told.vendor(
        AMPLITUDE,
        "events",
        consented(1, "granted", "2019-06-05T12:00:00", "2017-06-05T12:00:00"),
        consented(2, "denied", "2017-06-10T12:00:00"),
    )
    assert told.mailed() == set()
    told.vendor(AMPLITUDE, "events", consented(3, "granted", "2017-06-12T12:05:00", "2017-06-12T12:00:00"))
    assert told.mailed() == {ANN}, "a clock five minutes ahead says yes all the same"


def test_a_no_of_the_future_counts_from_its_upload(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-12T10:00:00Z", "2017-06-20T12:00:00"))
    told.vendor(AMPLITUDE, "events", consented(1, "denied", "2031-01-01T00:00:00", "2017-06-10T12:00:00"))
    assert told.mailed() == {ANN}
    told.vendor(AMPLITUDE, "events", consented(2, "denied", "2031-01-01T00:00:00", "2017-06-13T12:00:00"))
    assert told.mailed() == set()


def test_a_no_the_till_keeps_without_a_time_is_as_old_as_the_version_that_has_it(told: Told) -> None:
    told.vendor(
        SQUARE,
        "customers",
        square_records.customer(
            "C1", "2017-06-15T12:00:00", email_address=ANN, preferences={"email_unsubscribed": True}
        ),
    )
    told.table([says("granted", "2017-06-10")])
    assert told.mailed() == set()
    told.table([says("granted", "2017-06-16")], "newer")
    assert told.mailed() == {ANN}


def test_in_a_table_too_a_missing_time_is_the_oldest_yes_and_the_newest_no(told: Told) -> None:
    told.vendor(
        SHOPIFY,
        "customers",
        ann("NOT_SUBSCRIBED"),
        customer(2, defaultEmailAddress=mail("NOT_SUBSCRIBED", address=EVE)),
    )
    told.table([says("granted", None), says("granted", "2017-06-10", EVE)])
    assert told.mailed() == {ANN, EVE}
    told.table([says("denied", "2016-01-01"), says("denied", None, EVE)], "complaints")
    assert told.mailed() == set()


@pytest.mark.parametrize(
    "said",
    [{"identifier": None, "identifier_type": None}, {"identifier": "1", "identifier_type": "customer_key"}, {"identifier": "not an address"}],
)  # fmt: skip
def test_a_no_of_a_user_reaches_the_users_address(told: Told, said: dict[str, Any]) -> None:
    """By the account's key, without an identifier, or with one nobody can use."""
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-01T10:00:00Z"))
    assert told.mailed() == {ANN}
    told.vendor(AMPLITUDE, "events", consented(1, "denied", "2017-06-10T12:00:00", said=said, user_id="1"))
    assert told.sent() == set(), "by last night's identities, as a sync finds them"
    assert told.mailed() == set()


def test_a_log_of_statements_knows_when_they_arrived(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    log: dict[str, Any] = {
        **MAILINGS,
        "kind": Kind.LOG,
        "at": "said_at",
        "updated": "changed",
        "key": ("mail", "changed"),
    }
    told.table([says("granted", "2017-06-28", changed="2017-06-05"), says("denied", "2017-06-10", changed="2017-06-10")], **log)  # fmt: skip
    assert told.mailed() == set()


def test_a_day_without_an_hour_is_late_for_a_no_and_early_for_a_yes(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-10T15:00:00Z", "2017-06-20T12:00:00"))
    told.table([says("denied", "2017-06-10")])
    assert told.mailed() == set()
    told.table([says("granted", "2017-06-11")], "newer")
    assert told.mailed() == {ANN}


def test_an_account_without_its_address_says_no_all_the_same(told: Told) -> None:
    """A table of accounts with an opt-in: the address is taken out in the row that takes it back."""
    accounts: dict[str, Any] = {
        "at": "changed",
        "fills": (
            each("customers", customer_key="id", email="mail"),
            each("consents", identifier="mail", identifier_type=Const("email"), channel=Const("email"), status="said"),
        ),
    }
    told.table([{"id": "7", "mail": ANN, "said": "granted", "changed": "2017-06-05"}], "shop", **accounts)
    assert told.mailed() == {ANN}
    told.table([{"id": "7", "mail": None, "said": "denied", "changed": "2017-06-06"}], "shop", **accounts)
    assert told.sent() == set()
    assert told.mailed() == set()


@pytest.mark.parametrize("at", UNREADABLE)
def test_a_no_whose_time_cannot_be_read_counts_from_its_arrival(told: Told, at: str) -> None:
    """MySQL's zero date, a database's last day, a day no calendar has."""
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    assert told.mailed() == {ANN}
    told.table([says("denied", at)])
    assert told.mailed() == set()
    told.table([says("granted", "2017-06-30", changed="2017-06-30")], "newer")
    assert told.mailed() == {ANN}


@pytest.mark.parametrize("at", [*UNREADABLE, "", "2030-01-01"])
@pytest.mark.parametrize("columns", [{"at": "said_at"}, {"kind": Kind.LOG, "at": "said_at", "updated": "changed"}])
def test_a_no_whose_row_has_no_other_time_counts_all_the_same(told: Told, at: str, columns: dict[str, Any]) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    told.table([says("unsubscribed", at)], **{**MAILINGS, **columns})
    assert told.mailed() == set()


@pytest.mark.parametrize("at", UNREADABLE)
def test_a_yes_whose_time_cannot_be_read_lets_nobody_be_written_to(told: Told, at: str) -> None:
    told.vendor(SHOPIFY, "customers", ann("UNSUBSCRIBED", "2017-05-01T10:00:00Z"))
    told.table([says("granted", at)])
    assert told.mailed() == set()
    assert [row["reason"] for row in told.world.rows("quarantine", "reason")] == ["said_at is no time"]


@pytest.mark.parametrize("at", [*UNREADABLE, "", "2030-01-01"])
def test_a_suppression_counts_whatever_its_time(told: Told, at: str) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    suppressed: dict[str, Any] = {
        "at": "changed",
        "key": ("mail",),
        "fills": (each("suppressions", identifier="mail", identifier_type=Const("email"), reason="said", recorded_at="said_at"),),
    }  # fmt: skip
    told.table([says("complaint", at)], **suppressed)
    assert told.mailed() == set()


@pytest.mark.parametrize("at", UNREADABLE)
def test_an_account_says_no_whatever_the_time_it_tells(told: Told, at: str) -> None:
    accounts: dict[str, Any] = {
        "at": "changed",
        "fills": (
            each("customers", customer_key="id", email="mail"),
            each("consents", identifier="mail", identifier_type=Const("email"), channel=Const("email"), status="said", recorded_at="said_at"),
        ),
    }  # fmt: skip
    told.table([{"id": "7", **says("granted", "2017-06-01", changed="2017-06-02")}], "shop", **accounts)
    assert told.mailed() == {ANN}
    told.table([{"id": "7", **says("denied", at, changed="2017-06-12")}], "shop", **accounts)
    assert told.mailed() == set()
