"""Statements about consent in whatever words, channels and types a source has: what is not understood is a no."""

from typing import Any

import pytest

from segment_pipeline.landing.tabular import Const, each
from segment_pipeline_tests.audiences.told import ANN, MAILINGS, Told, ann, consented, says
from segment_pipeline_tests.sources.amplitude_records import AMPLITUDE
from segment_pipeline_tests.sources.shopify_records import SHOPIFY

CHANNEL: dict[str, Any] = {**MAILINGS, "fills": (each("consents", identifier="mail", identifier_type=Const("email"), channel="by", status="said", recorded_at="said_at"),)}  # fmt: skip


@pytest.mark.parametrize(("word", "held"), [("Granted", {ANN}), (" GRANTED ", {ANN}), ("Denied", set()), ("unsubscribed", set()), ("yes", set())])  # fmt: skip
def test_any_word_but_granted_is_a_no(told: Told, word: str, held: set[str]) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED" if not held else "NOT_SUBSCRIBED", "2017-06-01T10:00:00Z"))
    told.table([says(word, "2017-06-10")])
    assert told.mailed() == held


def test_addresses_channels_and_kinds_are_the_same_in_capitals(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-01T10:00:00Z"))
    loud = {"identifier_type": "Email", "identifier": "ANN@Quiet.Shop", "channel": "EMAIL", "status": "Denied", "purpose": "Marketing"}  # fmt: skip
    told.vendor(AMPLITUDE, "events", consented(1, "", "2017-06-10T12:00:00", said=loud))
    assert told.mailed() == set()


def test_a_company_may_call_statements_about_consent_as_it_likes(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    renamed = consented(1, "granted", "2017-06-10T12:00:00")
    told.vendor(AMPLITUDE, "events", renamed)
    assert told.mailed() == {ANN}


@pytest.mark.parametrize("word", ["unsubscribed", "opted_out", "revoked", "no", "Denied ", "", None])
@pytest.mark.parametrize("of", [{}, {"identifier": None, "identifier_type": None}])
def test_any_word_but_granted_is_a_no_in_analytics_too(told: Told, word: str, of: dict[str, Any]) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-01T10:00:00Z"))
    told.vendor(AMPLITUDE, "events", consented(1, word, "2017-06-10T12:00:00", said=of, user_id="1"))
    assert told.mailed() == set()
    assert told.world.rows("quarantine") == []


@pytest.mark.parametrize("kind", ["email_address", "E-Mail", "contact", None])
@pytest.mark.parametrize("of", [{"user_id": "1"}, {}])
def test_a_no_counts_whatever_its_type_of_identifier_is_called(told: Told, kind: str, of: dict[str, str]) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-01T10:00:00Z"))
    told.vendor(
        AMPLITUDE, "events", consented(1, "denied", "2017-06-10T12:00:00", said={"identifier_type": kind}, **of)
    )
    assert told.mailed() == set()


def test_a_no_of_an_unusable_identifier_of_an_unknown_type_is_the_users(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-01T10:00:00Z"))
    said = {"identifier_type": "cookie", "identifier": "c-17"}
    told.vendor(AMPLITUDE, "events", consented(1, "revoked", "2017-06-10T12:00:00", said=said, user_id="1"))
    assert told.mailed() == set()


def test_a_yes_of_an_unknown_type_of_identifier_is_none(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    told.vendor(
        AMPLITUDE,
        "events",
        consented(1, "granted", "2017-06-10T12:00:00", said={"identifier_type": "contact"}, user_id="1"),
    )
    assert told.mailed() == set()
    assert [r["reason"] for r in told.world.rows("quarantine", "reason")] == [
        "a consent of an unknown type of identifier"
    ]


@pytest.mark.also_on_spark("profiles/facts/consent_statements")
@pytest.mark.parametrize("by", ["E-Mail", "mail", "all", "*", "", None, "carrier pigeon"])
def test_a_no_in_any_spelling_of_a_channel_or_in_none_counts(told: Told, by: str | None) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    told.table([{**says("denied", "2017-06-10"), "by": by}], **CHANNEL)
    assert told.mailed() == set()
    assert told.world.rows("quarantine") == []


@pytest.mark.parametrize("by", ["e-mail", "mail", "all", None, "carrier pigeon"])
def test_a_no_of_analytics_in_any_spelling_of_a_channel_or_in_none_counts(told: Told, by: str | None) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    told.vendor(AMPLITUDE, "events", consented(1, "denied", "2017-06-10T12:00:00", said={"channel": by}))
    assert told.mailed() == set()


def test_a_no_in_another_channel_is_none_in_this(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z"))
    told.table([{**says("denied", "2017-06-10"), "by": "Text"}], **CHANNEL)
    assert told.mailed() == {ANN}


def test_a_yes_in_a_spelling_of_a_channel_counts_there(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    told.table([{**says("granted", "2017-06-10"), "by": " E-Mail "}], **CHANNEL)
    assert told.mailed() == {ANN}


@pytest.mark.parametrize("by", ["mail", "all", "*", None, "carrier pigeon"])
def test_a_yes_in_every_channel_or_an_unknown_one_is_none_and_says_so(told: Told, by: str | None) -> None:
    told.vendor(SHOPIFY, "customers", ann("NOT_SUBSCRIBED"))
    told.table([{**says("granted", "2017-06-10"), "by": by}], **CHANNEL)
    told.vendor(AMPLITUDE, "events", consented(1, "granted", "2017-06-10T12:00:00", said={"channel": by}))
    assert told.mailed() == set()
    assert len(told.world.rows("quarantine")) == (0 if by == "mail" else 2)
