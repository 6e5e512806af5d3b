"""A regular guest and an address that many share: what tells them apart is what else comes with it, not how often it comes."""

from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build, events, people, rows, together

Rows = list[dict[str, Any]]
MAIL, PHONE = "ann.lee@mail.io", "+15135550001"


def guests(number: int, **columns: Any) -> Rows:
    """Guests' orders; a column given as a function is asked for each."""
    made = []
    for n in range(number):
        told = {name: value(n) if callable(value) else value for name, value in columns.items()}
        made.append(order("shopify", f"O{n}", jan(1 + n % 28), **told))
    return made


REGULAR: list[tuple[str, Rows]] = [
    ("one phone", guests(26, email=MAIL, phone=PHONE)),
    ("one phone, mostly", guests(40, email=MAIL, phone=lambda n: PHONE if n > 10 else f"+1513555000{n % 3 + 2}")),
    ("one browser", guests(60, email=MAIL, anonymous_id="browser")),
    ("one name", guests(60, email=MAIL, first_name="Ann", last_name="Lee")),
    (
        "one name in all spellings",
        guests(30, email=MAIL, first_name=lambda n: ("Zoe\u0308", "Zo\u00eb", "ZO\u00cb")[n % 3]),
    ),
    ("few orders, nothing else", guests(25, email=MAIL)),
    ("another phone each time, one name", guests(10, email=MAIL, first_name="Ann", phone=lambda n: f"+1513555010{n}")),
    ("a family's gifts", guests(12, email=MAIL, phone=PHONE, first_name=lambda n: ("Ann", "Tom", "Sue")[n % 3])),
]
SHARED: list[tuple[str, Rows]] = [
    ("ten phones", guests(10, email="no@email.com", phone=lambda n: f"+1513555010{n}")),
    ("six phones on twelve", guests(12, email="till@mail.io", phone=lambda n: f"+1513555010{n // 2}")),
    ("nothing else", guests(150, email="desk@mail.io")),
    ("nothing else, by phone", guests(150, phone=PHONE)),
    ("another name each time", guests(12, email="desk@mail.io", first_name=lambda n: f"Person {'abcdefghijkl'[n]}")),
    (
        "one phone, another name each time",
        guests(12, email="desk@mail.io", phone=PHONE, first_name=lambda n: f"Person {'abcdefghijkl'[n]}"),
    ),
]


@pytest.mark.parametrize("orders", [orders for _, orders in REGULAR], ids=[name for name, _ in REGULAR])
def test_a_guest_whose_orders_agree_is_one_person_however_many(lake: Lake, put: Put, orders: Rows) -> None:
    """mc-woocommerce 250: the best customer never made an account, and was nobody from the 26th order on."""
    put("orders", orders)
    report = build(lake)
    assert (report.profiles, report.unresolved, report.blocked) == (1, 0, 0)
    (profile,) = rows(lake, "profiles")
    assert profile["email"] == MAIL


@pytest.mark.parametrize("orders", [orders for _, orders in SHARED], ids=[name for name, _ in SHARED])
def test_an_address_whose_orders_do_not_agree_links_nobody(lake: Lake, put: Put, orders: Rows) -> None:
    put("orders", orders)
    build(lake)
    assert all(len(group) <= 2 for group in people(lake))
    assert events(lake, "blocked")


def test_where_a_source_tells_names_orders_without_any_do_not_agree(lake: Lake, put: Put) -> None:
    """A tablet in the shop: its own e-mail and phone on every order, and nobody's name."""
    put(
        "orders",
        [
            *guests(26, email="tablet@shop.io", phone=PHONE),
            order("shopify", "other", first_name="Sue", email="sue@mail.io"),
        ],
    )
    report = build(lake)
    assert people(lake) == {together("order:other")}
    assert report.unresolved == 26
    assert {row["rule"] for row in events(lake, "blocked")} == {"email:limit_guests", "phone:limit_guests"}


def test_guests_on_one_phone_are_two_people_by_their_names(lake: Lake, put: Put) -> None:
    """The rule of accounts holds for what orders say as well."""
    phone: dict[str, Any] = {"phone": PHONE}
    put("customers", [customer("square", "eva", email="eva@mail.io", first_name="Eva", **phone)])
    put(
        "orders",
        [
            order("shopify", "tom", email="tom@mail.io", first_name="Tom", last_name="Lee", **phone),
            order("shopify", "slip", email="eva@mial.io", first_name="Eva", last_name="Lee", **phone),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:eva", "order:slip"), together("order:tom")}
