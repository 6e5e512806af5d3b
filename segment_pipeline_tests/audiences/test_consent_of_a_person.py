"""A person of several addresses: which of them a yes or a no on one of them, or on the account, is about."""

from datetime import UTC, datetime

import pytest

from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import BEFORE, DAY, Person, World, audience, statement_of

FIRST, SECOND, THIRD = (datetime(2017, month, 1, tzinfo=UTC) for month in (1, 2, 3))
ONE, TWO, THREE = "e1@quiet.shop", "e2@quiet.shop", "e3@quiet.shop"
ACCOUNT = "c1"
Said = tuple[str, str, datetime]


def mailed(world: World, tool: Tool, channel: str, said: list[Said]) -> set[str]:
    """Which of a person's three addresses is sent to: the best that may be."""
    kinds = {ACCOUNT: "customer_key"}
    statements = [statement_of(kinds.get(of, "email"), of, word, at, channel=channel) for of, word, at in said]
    world.people([Person("p", email=THREE, consent=None)], channel=channel, extra_consents=statements)
    known = [("customer_key", f"shop:{ACCOUNT}"), ("email", ONE), ("email", TWO), ("email", THREE)]
    world.write(
        "profile_identifiers",
        [
            {"as_of": DAY, "profile_id": "p", "identifier_type": kind, "identifier": value, "last_seen_at": BEFORE,
             "usable": True, "standing": "current"}
            for kind, value in known
        ],
    )  # fmt: skip
    world.sync(audience(channel=channel), tool)
    return {value for row in tool.held() for value in row if value is not None}


@pytest.mark.also_on_spark(
    "audiences/person_consent",
    "audiences/blocked_identifiers",
    "audiences/member_identifiers",
)
@pytest.mark.parametrize(
    "said",
    [
        [(THREE, "granted", FIRST), (ONE, "denied", SECOND), (TWO, "granted", THIRD)],
        [(ACCOUNT, "granted", FIRST), (ONE, "denied", SECOND), (TWO, "granted", THIRD)],
        [(THREE, "granted", FIRST), (ACCOUNT, "denied", SECOND), (TWO, "granted", THIRD)],
        [(THREE, "granted", SECOND), (ACCOUNT, "denied", SECOND), (TWO, "granted", THIRD)],
    ],
)
def test_after_a_no_a_yes_on_one_address_is_about_that_address(world: World, tool: Tool, said: list[Said]) -> None:
    """The golden address is the third; what may be sent is the second alone."""
    assert mailed(world, tool, "email", said) == {TWO}


@pytest.mark.parametrize("channel", ["email", "ads"])
def test_after_a_no_a_later_yes_of_the_account_is_about_all_but_the_denied(
    world: World, tool: Tool, channel: str
) -> None:
    said = [(THREE, "denied", FIRST), (TWO, "denied", FIRST), (ACCOUNT, "granted", SECOND)]
    assert mailed(world, tool, channel, said) == {ONE}


def test_a_no_after_the_yes_of_the_account_takes_all_out(world: World, tool: Tool) -> None:
    assert mailed(world, tool, "email", [(ACCOUNT, "granted", FIRST), (ONE, "denied", SECOND)]) == set()


def test_in_channels_that_are_no_address_a_later_yes_is_the_persons(world: World, tool: Tool) -> None:
    said = [(THREE, "granted", FIRST), (ONE, "denied", SECOND), (TWO, "granted", THIRD)]
    assert mailed(world, tool, "ads", said) == {THREE}
