"""Phones that households share and values an account holds no more: evidence that gives way to any other."""

from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build, events, people, together

PHONE = "+4930123456"


def till(**columns: Any) -> dict[str, Any]:
    return customer("square", "till", **columns)


def web(**columns: Any) -> dict[str, Any]:
    return customer("shopify", "web", **columns)


EVA: dict[str, Any] = {"email": "eva@mail.io", "phone": PHONE, "first_name": "Eva", "last_name": "Lee"}


@pytest.mark.parametrize(
    ("other", "persons"),
    [
        ({"email": "tom@mail.io", "first_name": "Tom"}, 2),
        ({"email": "tom@mail.io", "first_name": "Tom", "last_name": "Lee"}, 2),
        ({"email": "evan@mail.io", "first_name": "Evan", "last_name": "Lee"}, 2),
        ({"email": "em@mail.io", "first_name": "EVA MARIA"}, 1),
        ({"email": "em@mail.io", "first_name": "E."}, 1),
        ({"email": "em@mail.io", "first_name": "Lee", "last_name": "Eva"}, 1),
        ({"email": "em@mail.io", "first_name": ""}, 1),
        ({"email": "em@mail.io"}, 1),
        ({"first_name": "Tom"}, 1),
        ({"email": "eva@mail.io", "first_name": "Tom"}, 1),
    ],
)
def test_a_shared_phone_joins_nobody_of_another_address_and_another_first_name(
    lake: Lake, put: Put, other: dict[str, Any], persons: int
) -> None:
    """contrack 53: Eva at the till and Tom on the web, in one house with one landline."""
    put("customers", [till(**EVA), web(phone=PHONE, **other)])
    report = build(lake)
    assert len(people(lake)) == persons
    assert report.contradictory == (persons == 2)
    assert [row["rule"] for row in events(lake, "refused")] == ["phone:two_first_names"] * (persons - 1)


def test_a_phone_on_an_order_is_no_stronger(lake: Lake, put: Put) -> None:
    put("customers", [till(**EVA), web(email="tom@mail.io", first_name="Tom")])
    put("orders", [order("shopify", "O1", email="tom@mail.io", phone=PHONE)])
    build(lake)
    assert people(lake) == {together("customer:till"), together("customer:web", "order:O1")}


def test_of_a_household_those_who_are_called_alike_are_joined_all_the_same(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            till(**EVA),
            web(email="tom@mail.io", phone=PHONE, first_name="Tom"),
            customer("crm", "eva", email="em@mail.io", phone=PHONE, first_name="Eva Maria"),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:till", "customer:eva"), together("customer:web")}


@pytest.mark.parametrize("number", range(12))
def test_a_corrected_address_goes_with_whoever_has_the_new_one(lake: Lake, put: Put, number: int) -> None:
    """bluedot 2987: the till first had Bob's address; which of the two she was hung on the digest of an address."""
    bob, anna = f"bob{number}@mail.io", f"anna{number}@mail.io"
    put(
        "customers",
        [
            till(email=bob),
            till(updated=jan(5), email=anna),
            customer("shopify", "bob", email=bob),
            customer("shopify", "anna", email=anna),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:till", "customer:anna"), together("customer:bob")}


def test_what_an_account_held_once_does_not_join_people_of_other_names(lake: Lake, put: Put) -> None:
    """The till's slip is not Bob's for ever: Anna has no web account, and he is another."""
    put(
        "customers",
        [
            till(email="bob@mail.io", first_name="Anna"),
            till(updated=jan(5), email="anna@mail.io", first_name="Anna"),
            web(email="bob@mail.io", first_name="Bob"),
        ],
    )
    build(lake, jan(4))
    build(lake, jan(31))
    assert people(lake, jan(4)) == {together("customer:till", "customer:web")}
    assert people(lake) == {together("customer:till"), together("customer:web")}
    assert [row["rule"] for row in events(lake, "refused")] == ["email:two_first_names"]


@pytest.mark.parametrize("names", [("Anna", "Anna"), ("Anna", None), (None, None)])
def test_an_old_address_still_finds_its_person_where_nothing_speaks_against_it(
    lake: Lake, put: Put, names: tuple[str | None, str | None]
) -> None:
    put(
        "customers",
        [
            till(email="maiden@mail.io", first_name=names[0]),
            till(updated=jan(5), email="married@mail.io", first_name=names[0]),
            web(email="maiden@mail.io", first_name=names[1]),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:till", "customer:web")}


@pytest.mark.parametrize("number", range(6))
def test_of_two_orders_of_one_customer_the_newer_says_who_it_is(lake: Lake, put: Put, number: int) -> None:
    old, new = f"old{number}@mail.io", f"new{number}@mail.io"
    put("customers", [till(), customer("shopify", "old", email=old), customer("shopify", "new", email=new)])
    put(
        "orders",
        [
            order("square", "O1", jan(3), customer_key="till", email=old),
            order("square", "O2", jan(9), customer_key="till", email=new),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:till", "customer:new"), together("customer:old")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoe\u0308", "Zo\u00eb"),
        ("O\u2019Neil", "O'Neil"),
        ("Anne-Marie", "anne  marie"),
        (" ZO\u00cb", "zo\u00eb"),
        ("Zo\u00eb\u00a0Ann", "Zo\u00eb Ann"),
    ],
)
def test_two_accounts_of_one_shop_are_one_person_however_the_name_is_written(
    lake: Lake, put: Put, one: str, other: str
) -> None:
    """openfoodfacts 8225: one name composed and decomposed, and her guest order a third person."""
    shared: dict[str, Any] = {"email": "zoe@mail.io", "last_name": "Lee"}
    put(
        "customers",
        [customer("shopify", "S1", first_name=one, **shared), customer("shopify", "S2", first_name=other, **shared)],
    )
    put("orders", [order("shopify", "O1", email="zoe@mail.io")])
    build(lake)
    assert people(lake) == {together("customer:S1", "customer:S2", "order:O1")}
