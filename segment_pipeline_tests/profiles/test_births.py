"""Dates of birth that are none: what programs fill in where nobody said, and what cannot be."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer
from segment_pipeline_tests.profiles.snapshots import Put, build, people, rows, together
from segment_pipeline_tests.profiles.trait_rows import traits

NO_DATES = [
    *(date(1900, 1, 1), date(1899, 12, 30), date(1899, 12, 31), date(1904, 1, 1), date(1970, 1, 1), date(1969, 12, 31)),
    *(date(1, 1, 1), date(1753, 1, 1), date(1896, 5, 1), date(2018, 5, 1), date(2071, 5, 1), date(9999, 12, 31)),
]
ANN: dict[str, Any] = {"first_name": "Ann", "last_name": "Lee", "email": "ann.lee@mail.io"}


@pytest.mark.parametrize("filled_in", NO_DATES, ids=str)
def test_a_date_nobody_was_born_on_does_not_tell_two_people_apart(lake: Lake, put: Put, filled_in: date) -> None:
    """The till's default against the day she told the web shop."""
    put(
        "customers",
        [
            customer("square", "till", birth_date=filled_in, **ANN),
            customer("shopify", "web", birth_date=date(1985, 3, 2), **ANN),
        ],
    )
    build(lake)
    assert people(lake) == {together("customer:till", "customer:web")}
    assert [(row["birth_date"], row["birth_day"]) for row in rows(lake, "profiles")] == [(date(1985, 3, 2), "03-02")]


@pytest.mark.parametrize("filled_in", NO_DATES, ids=str)
def test_it_makes_no_age_and_no_birthday_either(lake: Lake, put: Put, filled_in: date) -> None:
    """Ages of -1, -54 and 2016 that were in `age < 18` and `65+`."""
    day = filled_in.strftime("%m-%d")
    put("customers", [customer("square", "till", birth_date=filled_in, birth_day=day, **ANN)])
    (ann,) = traits(lake).values()
    assert (ann["age"], ann["birth_day"]) == (None, None)


def test_a_birthday_without_its_year_stays_one(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "till", birth_day="05-01", **ANN)])
    (ann,) = traits(lake).values()
    assert (ann["age"], ann["birth_day"]) == (None, "05-01")


@pytest.mark.parametrize(("born", "age"), [(date(1897, 1, 1), 120), (date(2017, 1, 31), 0), (date(1970, 1, 2), 47)])
def test_a_day_somebody_can_be_born_on_is_believed(lake: Lake, put: Put, born: date, age: int) -> None:
    put("customers", [customer("square", "till", birth_date=born, **ANN)])
    (ann,) = traits(lake).values()
    assert ann["age"] == age
