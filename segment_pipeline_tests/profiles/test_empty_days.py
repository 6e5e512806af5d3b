"""A day before the first record: nobody is there, which is known, and no reason to stop."""

from datetime import date

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts.persons import define_persons
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline.segments.memberships import open_people
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build, rows

BEFORE, DAY = jan(-30), jan(31)


def day(at: date) -> AsOf:
    return AsOf(at, "UTC")


def people(lake: Lake, at: date) -> int:
    with lake.session() as session:
        open_people(session, at)
        return int(session.value("SELECT count(*) FROM people"))


def test_a_backfill_goes_on_over_days_on_which_nobody_was_there(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", jan(5))])
    put("orders", [order("square", "O", jan(6), customer_key="A")])
    for at, traits in ((BEFORE, 0), (DAY, 1)):
        build(lake, at)
        assert build_traits(lake, day(at)).profiles == traits
        assert people(lake, at) == traits
    assert [row["as_of"] for row in rows(lake, "traits")] == [DAY]


def test_a_day_that_nobody_materialised_is_missing_and_not_empty(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", jan(5))])
    with pytest.raises(ContractError, match="there are no identities as of 2016-12-01"):
        build_traits(lake, day(BEFORE))
    build(lake, BEFORE)
    with pytest.raises(ContractError, match="there are no traits as of 2016-12-01"):
        people(lake, BEFORE)
    with pytest.raises(ContractError, match="there are no identities as of 2017-01-31"):
        build_traits(lake, day(DAY))


def test_an_empty_day_that_older_history_fills_is_empty_no_more(lake: Lake, put: Put) -> None:
    """Once its snapshot has expired, it is missing as any other."""
    put("customers", [customer("square", "A", jan(5))])
    build(lake, BEFORE)
    put("customers", [customer("square", "B", jan(-40))])
    build(lake, BEFORE)
    with lake.session() as session:
        define_persons(session, day(BEFORE))
        assert session.value("SELECT count(*) FROM persons") == 1
        assert not session.is_empty_snapshot("identities", BEFORE)
