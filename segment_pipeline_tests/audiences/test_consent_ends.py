"""A yes ends with the account that gave it, and where its source says it no more; a no does not."""

import pytest

from segment_pipeline_tests.audiences.told import ANN, EVE, Told, ann, mail, says
from segment_pipeline_tests.sources.shopify_records import SHOPIFY, customer, gid, order

MAY = "2017-05-05T12:00:00"


@pytest.mark.also_on_spark("profiles/facts/ended_accounts", "profiles/facts/consent_statements")
def test_a_yes_ends_with_the_account_that_gave_it(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z", MAY))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "deletions")
    assert told.mailed() == set()


def test_a_yes_to_somebody_else_outlives_the_account(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z", MAY))
    told.table([says("granted", "2017-04-10", changed="2017-06-01")])
    told.vendor(SHOPIFY, "deletions")
    assert told.mailed() == {ANN}


def test_a_no_outlives_the_account(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", ann("UNSUBSCRIBED", "2017-05-02T10:00:00Z", MAY))
    told.table([says("granted", "2017-05-01", changed="2017-06-01")])
    told.vendor(SHOPIFY, "deletions")
    assert told.mailed() == set()


def test_a_yes_of_a_merged_account_counts_no_more_and_the_survivors_own_does(told: Told) -> None:
    """The account it went into says for itself what it may be sent, and to which address."""
    eve = customer(2, MAY, defaultEmailAddress=mail("SUBSCRIBED", "2017-05-01T10:00:00Z", EVE))
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-02T10:00:00Z", MAY), eve)
    told.vendor(SHOPIFY, "orders", order(1, customer=gid("Customer", 1)))
    assert told.mailed() == {ANN, EVE}
    told.vendor(SHOPIFY, "deletions", eve, order(1, customer=gid("Customer", 2)))
    assert told.mailed() == {EVE}


def test_a_yes_on_an_address_that_another_account_has_stays(told: Told) -> None:
    twin = customer(2, MAY, defaultEmailAddress=mail("NOT_SUBSCRIBED"))
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-02T10:00:00Z", MAY), twin)
    told.vendor(SHOPIFY, "deletions", twin)
    assert told.mailed() == {ANN}


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("NOT_SUBSCRIBED", marks=pytest.mark.also_on_spark("profiles/facts/consent_statements")),
        *("PENDING", "INVALID", "REDACTED", "UNSUBSCRIBED"),
    ],
)
def test_a_yes_ends_where_its_source_says_it_no_more(told: Told, state: str) -> None:
    """The account was subscribed once; whatever it is now, it is not that."""
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z", MAY))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "customers", ann(state, None, "2017-06-05T12:00:00"))
    assert told.mailed() == set()
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-06-06T10:00:00Z", "2017-06-07T12:00:00"))
    assert told.mailed() == {ANN}, "and said again it counts again"


@pytest.mark.parametrize("state", ["NOT_SUBSCRIBED", "PENDING"])
def test_neither_yes_nor_no_leaves_what_others_were_told(told: Told, state: str) -> None:
    told.table([says("granted", "2017-05-01")])
    told.vendor(SHOPIFY, "customers", ann(state, "2017-06-04T10:00:00Z", "2017-06-05T12:00:00"))
    assert told.mailed() == {ANN}


@pytest.mark.also_on_spark("profiles/facts/ended_accounts")
@pytest.mark.parametrize("made", ["2017-06-29T10:00:00Z", "2017-07-01T03:00:00Z"])
def test_a_yes_that_ended_stays_ended_when_an_account_is_made_with_the_address(told: Told, made: str) -> None:
    """A deletion is noticed up to a week late: an account made in between has not carried the address on."""
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z", MAY))
    told.vendor(SHOPIFY, "deletions")
    assert told.mailed() == set()
    later = customer(2, "2017-06-29T12:00:00", createdAt=made, defaultEmailAddress=mail("NOT_SUBSCRIBED"))
    told.vendor(SHOPIFY, "customers", later)
    assert told.mailed() == set()


def test_a_yes_that_ended_stays_ended_when_an_account_takes_over_the_address(told: Told) -> None:
    eve = customer(2, MAY, defaultEmailAddress=mail("NOT_SUBSCRIBED", address=EVE))
    told.vendor(SHOPIFY, "customers", ann("SUBSCRIBED", "2017-05-01T10:00:00Z", MAY), eve)
    told.vendor(SHOPIFY, "deletions", eve)
    told.vendor(SHOPIFY, "customers", customer(2, "2017-06-30T12:00:00", defaultEmailAddress=mail("NOT_SUBSCRIBED")))
    assert told.mailed() == set()
