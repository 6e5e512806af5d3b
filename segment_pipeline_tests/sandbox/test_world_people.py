"""The synthetic persons: the mix of kinds holds, and the examples of the segments have their people."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from segment_pipeline.sandbox.world.people import HOUSEHOLD, WEB_ONLY, Seat, people_table
from segment_pipeline.sandbox.world.plants import EXAMPLES, Garden, plant_seats
from segment_pipeline.sandbox.world.proportions import Proportions
from segment_pipeline.sandbox.world.webshop import CATEGORIES, web_products

AS_OF = date(2017, 12, 31)
MIX = Proportions()


def households(count: int = 2469) -> list[dict[str, object]]:
    seats = [Seat(f"H{n:04d}", HOUSEHOLD, n, household_id=n, city=n % 10) for n in range(1, count + 1)]
    return list(people_table(seats, 7, AS_OF, MIX).to_pylist())


def test_the_kinds_of_web_households_are_mixed_as_declared() -> None:
    rows = households()
    kinds = Counter(row["web_kind"] for row in rows)
    shoppers = len(rows) - kinds[None]
    assert shoppers / len(rows) == pytest.approx(MIX.web_households, abs=0.03)
    for kind in ("same_email", "phone_only", "guest_known_email", "mistyped_email_known_phone", "nothing_shared"):
        assert kinds[kind] / shoppers == pytest.approx(getattr(MIX, kind), abs=0.03)


def test_each_kind_shares_with_the_till_what_its_name_says() -> None:
    for row in households():
        kind, mail = row["web_kind"], row["web_email"] == row["till_email"]
        phone = row["web_phone"] is not None and row["web_phone"] == row["till_phone"]
        if kind in ("same_email", "guest_known_email"):
            assert mail
        elif kind in ("phone_only", "mistyped_email_known_phone"):
            assert phone and not mail
        elif kind == "nothing_shared":
            assert not phone and not mail


def test_three_per_cent_of_households_share_a_phone_with_one_other() -> None:
    phones = Counter(row["till_phone"] for row in households() if row["till_phone"])
    assert set(phones.values()) == {1, 2}
    shared = sum(count for count in phones.values() if count == 2)
    assert shared / sum(phones.values()) == pytest.approx(MIX.shared_phone, abs=0.012)


def test_a_person_is_the_same_in_a_smaller_world_and_another_with_another_seed() -> None:
    seats = [Seat(f"W{n}", WEB_ONLY, 3000 + n) for n in range(20)]
    whole = people_table(seats, 7, AS_OF, MIX).to_pylist()
    assert people_table(seats[5:8], 7, AS_OF, MIX).to_pylist() == whole[5:8]
    assert people_table(seats, 8, AS_OF, MIX).to_pylist() != whole


def test_an_age_band_bounds_the_birth_date() -> None:
    seat = Seat("H1", HOUSEHOLD, 1, household_id=1, city=0, age_band="45-54")
    born = people_table([seat], 7, AS_OF, MIX).to_pylist()[0]["birth_date"]
    assert 45 <= (AS_OF - born).days / 365.25 < 56


def test_each_worked_example_gets_its_people() -> None:
    seats = plant_seats(3)
    assert Counter(seat.planted for seat in seats) == dict.fromkeys(EXAMPLES, 3)
    assert len({seat.ordinal for seat in seats}) == len(seats)
    assert {seat.gender for seat in seats if seat.planted == "gift_givers"} == {"female"}


def test_each_fashion_category_has_a_collection_launched_in_the_last_month_and_older_ones() -> None:
    products = web_products(AS_OF, []).to_pylist()
    for category in CATEGORIES:
        ages = {(AS_OF - p["launched_on"]).days for p in products if p["category"] == category.name}
        assert 0 <= min(ages) <= 30
        assert sum(age > 30 for age in ages) >= 4


def test_churned_runners_left_half_a_year_ago_and_came_back_to_look_at_the_newest_shoes() -> None:
    products = web_products(AS_OF, [("BAG SNACKS", n, 300) for n in range(20)]).to_pylist()
    garden = Garden(AS_OF, products)
    garden.grow([seat for seat in plant_seats(1) if seat.planted == "churned_runners"])
    orders: list[dict[str, Any]] = garden.orders
    sessions: list[dict[str, Any]] = garden.sessions
    by_number = {p["product_no"]: p for p in products}
    last = max(order["ts"].date() for order in orders)
    assert 180 < (AS_OF - last).days <= 365
    seen = [by_number[deed["product_no"]] for deed in garden.deeds if deed["what"] == "product_viewed"]
    newest = max(p["launched_on"] for p in products if p["category"] == "Running Shoes")
    assert {(p["category"], p["launched_on"]) for p in seen} == {("Running Shoes", newest)}
    assert any((AS_OF - session["start_ts"].date()).days <= 6 for session in sessions)


def test_a_mix_whose_kinds_do_not_add_up_is_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        Proportions(same_email=0.9)
