"""Whom a source no longer has an address of, and addresses that are nobody's: what links people and what they are sent under differ."""

from typing import Any

import pytest

from segment_pipeline.landing.tabular import Const, each
from segment_pipeline_tests.audiences.told import ANN, EVE, Told, mail, says
from segment_pipeline_tests.sources import square_records
from segment_pipeline_tests.sources.shopify_records import SHOPIFY, customer, order, shop
from segment_pipeline_tests.sources.square_records import SQUARE

PHONE = "+15135550123"
GRANTED = "2017-06-01T10:00:00Z"


def numbered(state: str, number: str | None = PHONE, at: str | None = GRANTED) -> dict[str, Any]:
    return {
        "phoneNumber": number,
        "smsMarketingConsent": {"state": state, "optInLevel": None, "updatedAt": at, "collectedFrom": "SHOPIFY"},
        "whatsAppMarketingConsent": {"state": "NEVER_SUBSCRIBED", "updatedAt": None},
    }  # fmt: skip


def account(updated: str, **more: Any) -> Any:
    return customer(1, f"2017-06-{updated}T12:00:00", **more)


@pytest.mark.parametrize(
    "after",
    [
        {"defaultEmailAddress": None},
        {"defaultEmailAddress": mail("REDACTED", address="")},
        {"defaultEmailAddress": mail("UNSUBSCRIBED", address="")},
        {"defaultEmailAddress": mail("NOT_SUBSCRIBED", address=EVE)},
    ],
)
@pytest.mark.also_on_spark(
    "profiles/identity/person_identifiers", "audiences/known_identifiers", "audiences/person_consent"
)
def test_an_address_an_account_gave_up_is_sent_nothing(told: Told, after: dict[str, Any]) -> None:
    """mc-magento 683: a dated grant, then the address is gone, or empty and redacted."""
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED)))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "customers", account("06", **after))
    assert told.mailed() == set()


def test_a_redaction_is_heard_before_people_are_resolved_anew(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED)))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "customers", account("06", defaultEmailAddress=mail("REDACTED", address="")))
    assert told.sent() == set()


def test_a_number_an_account_gave_up_is_sent_nothing(told: Told) -> None:
    told.vendor(SHOPIFY, "customers", account("05", defaultPhoneNumber=numbered("SUBSCRIBED")))
    assert told.mailed("sms") == {PHONE}
    told.vendor(SHOPIFY, "customers", account("06", defaultPhoneNumber=None))
    assert told.mailed("sms") == set()


def test_a_no_reaches_every_address_its_account_had(told: Told) -> None:
    """The first address is a till customer's as well, and would be current through her."""
    told.vendor(SQUARE, "customers", square_records.customer("C1", email_address=ANN))
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED)))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "customers", account("06", defaultEmailAddress=mail("UNSUBSCRIBED", address=EVE)))
    assert told.mailed() == set()


def test_an_address_that_another_record_has_now_is_still_sent_to(told: Told) -> None:
    told.vendor(SQUARE, "customers", square_records.customer("C1", email_address=ANN))
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED)))
    told.vendor(SHOPIFY, "customers", account("06", defaultEmailAddress=None))
    assert told.mailed() == {ANN}


def test_a_guest_orders_contact_is_one_a_record_has_now(told: Told) -> None:
    told.table([says("granted", "2017-06-02")])
    told.vendor(SHOPIFY, "orders", shop(), order(1, email=ANN))
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "orders", shop(), order(1, "2017-06-07T12:00:00", email=None))
    assert told.mailed() == set()


def test_an_accounts_own_orders_do_not_keep_the_address_it_gave_up(told: Told) -> None:
    """Her order of last year has it still, and so have the messages that went there."""
    ordered = order(1, email=ANN, customer={"id": "gid://shopify/Customer/1", "legacyResourceId": "1"})
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED)))
    told.vendor(SHOPIFY, "orders", shop(), ordered)
    assert told.mailed() == {ANN}
    told.vendor(SHOPIFY, "customers", account("06", defaultEmailAddress=None))
    assert told.mailed() == set()


def test_rows_of_a_table_give_up_addresses_as_well(told: Told) -> None:
    accounts: dict[str, Any] = {"at": "changed", "fills": (each("customers", customer_key="id", email="mail"),)}
    told.table([says("granted", "2017-06-02")])
    told.table([{"id": "7", "mail": ANN, "changed": "2017-06-05"}], "shop", **accounts)
    assert told.mailed() == {ANN}
    told.table([{"id": "7", "mail": "", "changed": "2017-06-06"}], "shop", **accounts)
    assert told.mailed() == set()


def test_in_ads_a_yes_on_an_address_given_up_covers_nothing_else(told: Told) -> None:
    fill = each("consents", identifier="mail", identifier_type=Const("email"), channel=Const("ads"), status="said")
    told.table([{"mail": ANN, "said": "granted", "changed": "2017-06-02"}], at="changed", fills=(fill,))
    phone = numbered("NOT_SUBSCRIBED")
    told.vendor(SHOPIFY, "customers", account("05", defaultPhoneNumber=phone, defaultEmailAddress=mail("NOT_SUBSCRIBED")))  # fmt: skip
    assert told.mailed("ads") == {ANN, PHONE}
    told.vendor(SHOPIFY, "customers", account("06", defaultPhoneNumber=phone))
    assert told.mailed("ads") == set()


OFFICES = ["a@firma.de", "x@firma.de", "guest@firma.de", "info@firma.de", "kasse@firma.de", "guest+7@firma.de"]
NOBODYS = [
    "no@no.com", "fake@fake.com", "test@test.com", "No+1@No.com", "NONE@shop.de", "none+7@shop.de", "noreply@shop.de", "no@email.com",
    "guest@gmail.com", "a@gmail.com", "ann@fake.com", "ann@example.com", "test1@shop.de", "asdf@asdf.de", "noemail@quiet.shop",
]  # fmt: skip


@pytest.mark.parametrize("address", OFFICES)
def test_an_offices_address_is_sent_to_with_consent_and_links_nobody(told: Told, address: str) -> None:
    people = [
        customer(n, firstName=name, lastName=None, defaultEmailAddress=mail("SUBSCRIBED", GRANTED, address))
        for n, name in enumerate(("Ada", "Bo"), start=1)
    ]
    told.vendor(SHOPIFY, "customers", *people)
    assert told.mailed() == {address}
    assert len(told.world.rows("profiles")) == 2


@pytest.mark.parametrize("address", NOBODYS)
def test_a_placeholder_is_nobodys_to_be_sent_to(told: Told, address: str) -> None:
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED, address)))
    assert told.mailed() == set()


@pytest.mark.parametrize(
    "address", ["b@firma.de", "nora@no-name.de", "fakename@shop.de", "anna@testdomain.de", "max.test@firma.de"]
)
def test_what_only_looks_like_a_placeholder_is_an_address(told: Told, address: str) -> None:
    told.vendor(SHOPIFY, "customers", account("05", defaultEmailAddress=mail("SUBSCRIBED", GRANTED, address)))
    assert told.mailed() == {address}


def test_an_address_of_too_many_is_sent_to_by_its_own_consent_alone(told: Told) -> None:
    """A dozen accounts under the address of their firm: it is nobody's in particular, and it said yes itself."""
    desk = "team@firma.de"
    many = [customer(n, defaultEmailAddress=mail("NOT_SUBSCRIBED", address=desk)) for n in range(1, 13)]
    told.vendor(SHOPIFY, "customers", *many)
    assert told.mailed() == set()
    key = each(
        "consents", identifier="id", identifier_type=Const("customer_key"), channel=Const("email"), status="said"
    )
    told.table([{"id": "shopify:1", "said": "granted", "changed": "2017-06-05"}], at="changed", fills=(key,))
    assert told.mailed() == set(), "the account's consent is not the firm's"
    told.table([says("granted", "2017-06-06", desk)], "newsletter")
    assert told.mailed() == {desk}
    told.table([says("denied", "2017-06-07", desk)], "newsletter")
    assert told.mailed() == set()
