"""Which value survives into the golden record, and what each person is known by."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import consent, customer, event, jan, loyalty, order
from segment_pipeline_tests.profiles.snapshots import Put, build, rows

MAIL: dict[str, Any] = {"email": "ann.lee@mail.io"}


def test_each_field_is_the_newest_that_anybody_knows(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer(
                "square",
                "T1",
                jan(1),
                first_name="Ann",
                last_name="Lee",
                gender="female",
                birth_date=date(1980, 2, 29),
                **MAIL,
            ),
            customer("shopify", "S1", jan(2), first_name="Annie", last_name="Lee-Wu", **MAIL),
            loyalty("square", "L1", "T1", jan(3)),
        ],
    )
    build(lake)
    (found,) = rows(lake, "profiles")
    assert {name: found[name] for name in ("first_name", "last_name", "gender", "birth_date", "birth_day", "loyalty_id", "records", "sources")} == {
        "first_name": "Annie", "last_name": "Lee-Wu", "gender": "female", "birth_date": date(1980, 2, 29),
        "birth_day": "02-29", "loyalty_id": "L1", "records": 3, "sources": ["shopify", "square"],
    }  # fmt: skip


def test_the_companys_trust_comes_before_newness_and_living_accounts_before_deleted(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), city="Till", **MAIL),
            customer("shopify", "S1", jan(2), city="Web", **MAIL),
        ],
    )
    build(lake, trust=("square", "shopify"))
    assert rows(lake, "profiles")[0]["city"] == "Till"
    put("customers", [customer("square", "T1", jan(1), updated=jan(3), city="Till", deleted_on=jan(3), **MAIL)])
    build(lake, trust=("square", "shopify"))
    assert rows(lake, "profiles")[0]["city"] == "Web"


def test_an_address_is_never_put_together_from_two_accounts(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), street="1 Elm St", city="Dayton", postcode="45402", **MAIL),
            customer("shopify", "S1", jan(2), city="Columbus", **MAIL),
        ],
    )
    build(lake)
    (found,) = rows(lake, "profiles")
    assert (found["street"], found["city"], found["postcode"]) == (None, "Columbus", None)


@pytest.mark.parametrize(
    ("accounts", "expected"),
    [
        pytest.param([{"country": "US"}], (None, None, None, "US"), id="country alone, as tills and web shops hold it"),
        pytest.param([{"region": "OH"}], (None, "OH", None, None), id="region alone"),
        pytest.param(
            [{"country": "US", "region": "OH"}, {"city": "Dayton", "postcode": "45402"}],
            ("Dayton", None, "45402", "US"),
            id="the country of an address that has none",
        ),
        pytest.param(
            [{"country": "DE", "city": "Berlin"}, {"city": "Dayton", "postcode": "45402"}],
            ("Dayton", None, "45402", None),
            id="not the country of another address",
        ),
        pytest.param(
            [{"city": "Dayton", "country": "US"}, {"country": "DE"}],
            ("Dayton", None, None, "US"),
            id="a country alone does not hide an address",
        ),
    ],
)
def test_each_part_of_an_address_counts(
    lake: Lake, put: Put, accounts: list[dict[str, Any]], expected: tuple[str | None, ...]
) -> None:
    """What is known of where a person lives is kept, however little; accounts are given oldest first."""
    put(
        "customers",
        [
            customer(source, "C", jan(1 + n), **parts, **MAIL)
            for n, (source, parts) in enumerate(zip(("square", "shopify"), accounts, strict=False))
        ],
    )
    build(lake)
    (found,) = rows(lake, "profiles")
    assert tuple(found[part] for part in ("city", "region", "postcode", "country")) == expected


def test_a_given_name_alone_is_kept_and_a_full_name_comes_before_it(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "T1", jan(2), first_name="Ann", **MAIL)])
    build(lake)
    assert [(r["first_name"], r["last_name"]) for r in rows(lake, "profiles")] == [("Ann", None)]
    put("customers", [customer("shopify", "S1", jan(1), first_name="Anna", last_name="Lee", **MAIL)])
    build(lake)
    assert [(r["first_name"], r["last_name"]) for r in rows(lake, "profiles")] == [("Anna", "Lee")]


def test_a_consented_address_comes_before_a_newer_one_and_a_denied_one_last(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), email="old@mail.io", phone="+15135550001"),
            customer("shopify", "S1", jan(2), email="new@mail.io", phone="+15135550001"),
        ],
    )
    build(lake)
    assert rows(lake, "profiles")[0]["email"] == "new@mail.io"
    put("consents", [consent("email", "old@mail.io", "email", "granted", jan(3))])
    build(lake)
    assert rows(lake, "profiles")[0]["email"] == "old@mail.io"
    put("consents", [consent("email", "old@mail.io", "email", "denied", jan(4))])
    build(lake)
    assert rows(lake, "profiles")[0]["email"] == "new@mail.io"


def test_identifiers_say_when_they_were_seen_last_and_whether_they_are_usable(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", jan(1), **MAIL)])
    put("orders", [order("shopify", "O1", jan(7), customer_key="S1", email="noreply@shop.io", phone="+15135550001")])
    put("events", [event("1", "login", jan(9), anonymous_id="d1", customer_key="S1")])
    build(lake)
    found = {
        (r["identifier_type"], r["identifier"]): (r["last_seen_at"].date(), r["usable"])
        for r in rows(lake, "profile_identifiers")
    }
    assert found == {
        ("customer_key", "shopify:S1"): (jan(1), True),
        ("email", "ann.lee@mail.io"): (jan(1), True),
        ("email", "noreply@shop.io"): (jan(7), False),
        ("phone", "+15135550001"): (jan(7), True),
        ("anonymous_id", "d1"): (jan(9), True),
    }
    (profile,) = rows(lake, "profiles")
    assert (profile["email"], profile["phone"]) == ("ann.lee@mail.io", "+15135550001")
