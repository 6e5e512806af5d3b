"""What a person has now to be reached by, and what language they speak, as traits."""

from datetime import date
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer, loyalty
from segment_pipeline_tests.profiles.snapshots import Put
from segment_pipeline_tests.profiles.trait_rows import traits

OPENED, LATER = date(2015, 1, 1), date(2017, 3, 1)
ANN, PHONE = "ann@mail.io", "+15135550001"


def known(lake: Lake, key: str = "ann") -> tuple[Any, ...]:
    row = traits(lake)[key]
    return tuple(row[f"has_{name}"] for name in ("email", "phone", "loyalty_card"))


@pytest.mark.also_on_spark(
    "profiles/traits/known_by", "profiles/traits/declared_facts", "profiles/identity/golden_fields"
)
def test_address_number_and_card_are_known_and_what_is_not_there_is_no(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "ann", OPENED, email=ANN), customer("shopify", "bob", OPENED, phone=PHONE)])
    assert known(lake) == (True, False, False)
    assert known(lake, "bob") == (False, True, False)
    put("customers", [loyalty("shopify", "L1", "bob", OPENED)])
    assert known(lake, "bob") == (False, True, True)


def test_what_an_account_gave_up_and_a_placeholder_are_nothing_they_have(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [customer("shopify", "ann", OPENED, email=ANN), customer("shopify", "bob", OPENED, email="no@no.com")],
    )
    assert known(lake, "bob") == (False, False, False)
    put("customers", [customer("shopify", "ann", OPENED, updated=LATER, phone=PHONE)])
    assert known(lake) == (False, True, False)


@pytest.mark.parametrize(
    ("attributes", "language"),
    [
        ('{"locale": "de-CH"}', "de"),
        ('{"locale": "EN"}', "en"),
        ('{"locale": "de_AT", "language": "fr"}', "fr"),
        ('{"locale": "gsw"}', "gsw"),
        ('{"locale": "German"}', None),
        ('{"locale": ""}', None),
        ("{}", None),
        (None, None),
    ],
)
def test_a_language_is_a_code_and_nothing_else(
    lake: Lake, put: Put, attributes: str | None, language: str | None
) -> None:
    put("customers", [customer("shopify", "ann", OPENED, attributes=attributes)])
    assert traits(lake)["ann"]["language"] == language


def test_the_most_trusted_account_that_knows_a_language_tells_it(lake: Lake, put: Put) -> None:
    accounts = [
        customer("shopify", "ann", OPENED, email=ANN, attributes="{}"),
        customer("square", "till", OPENED, email=ANN, attributes='{"language": "it"}'),
    ]
    put("customers", accounts)
    assert [row["language"] for row in traits(lake).values()] == ["it"]
