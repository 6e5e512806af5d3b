"""Tools that know people by the company's own user ids: whose they are, each of somebody's, and consent, which is of the person."""

from dataclasses import replace
from pathlib import Path

import pytest

from segment_pipeline.audiences.shape import Shape
from segment_pipeline.delivery.destination import IdentifierRule
from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.audiences.shoppers import ended
from segment_pipeline_tests.audiences.test_keys import ANN, BOB
from segment_pipeline_tests.audiences.tool import PLAIN, Tool, capabilities
from segment_pipeline_tests.audiences.world import BEFORE, LATER, Person, World, audience

USERS = (IdentifierRule("user", "user_id:shop", "user_id/plain/1"),)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path / "users.sqlite", identifiers=USERS, every=True, matches_any_key=False)


def known(world: World, profile_id: str, *keys: str, standing: str = "current") -> None:
    """More keys of a customer, `source:key`, that are somebody's."""
    rows = world.rows("profile_identifiers")
    more = [
        {
            "as_of": world.day, "profile_id": profile_id, "identifier_type": "customer_key", "identifier": key,
            "last_seen_at": BEFORE, "usable": standing == "current", "standing": standing,
        }
        for key in keys
    ]  # fmt: skip
    world.write("profile_identifiers", [*rows, *more])


@pytest.mark.also_on_spark("audiences/known_user_ids")
def test_members_are_the_ids_that_customers_of_one_source_have_there(world: World, tool: Tool) -> None:
    world.people([ANN, BOB, Person("eve", consent=False)])
    known(world, "bob", "shop2:other", "sho:p:odd")
    report = world.sync(audience(), tool)
    assert tool.held() == {("c-ann",), ("c-bob",)}
    assert (report.eligible, report.desired, report.ineligible["no_consent"]) == (2, 2, 1)
    assert world.sync(audience(), tool).requests == 0


def test_each_id_of_somebody_is_a_member_until_they_leave(world: World, tool: Tool) -> None:
    world.people([ANN, BOB])
    known(world, "ann", "shop:second", "shop:a:colon")
    known(world, "ann", "shop:given-up", standing="former")
    report = world.sync(audience(), tool)
    assert tool.held() == {("c-ann",), ("second",), ("a:colon",), ("c-bob",)}
    assert (report.eligible, report.desired, report.added) == (2, 4, 4)
    world.members(["bob"])
    report = world.sync(audience(), tool)
    assert (report.removed, tool.held()) == (3, {("c-bob",)})


def test_an_id_that_is_closed_leaves_and_the_others_stay(world: World, tool: Tool) -> None:
    world.people([ANN])
    known(world, "ann", "shop:second")
    world.sync(audience(), tool)
    world.people([ANN])
    assert world.sync(audience(), tool).removed == 1
    assert tool.held() == {("c-ann",)}


def test_who_says_no_or_is_erased_leaves_with_every_id(world: World, tool: Tool) -> None:
    world.people([ANN, BOB, Person("cat", "cat@shop.test")])
    known(world, "ann", "shop:second")
    world.sync(audience(), tool)
    world.people([replace(ANN, consent=False), BOB, Person("cat", "cat@shop.test")])
    known(world, "ann", "shop:second")
    world.suppress([("email", "bob@shop.test", "*", "erased")])
    world.sync(audience(), tool)
    assert tool.held() == {("c-cat",)}


def test_who_says_no_leaves_while_who_should_be_in_it_is_not_known(world: World, tool: Tool) -> None:
    """Held for another reason, an audience still lets go of whoever withdraws; retired, of everybody."""
    world.people([ANN, BOB])
    known(world, "ann", "shop:second")
    world.sync(audience(), tool)
    world.people([replace(ANN, consent=False, said=LATER), BOB])
    known(world, "ann", "shop:second")
    world.write("memberships", [], {"as_of": [world.day]})
    world.write("segment_sizes", [], {"as_of": [world.day]})
    report = world.sync(audience(), tool)
    assert (report.status, report.removed, tool.held()) == ("held", 2, {("c-bob",)})
    assert [report.status for report in ended(world, tool, "empty")] == ["retired"]
    assert tool.held() == set()


def test_without_every_id_the_best_of_them_stands_for_the_person(world: World, tmp_path: Path) -> None:
    tool = Tool(tmp_path / "one.sqlite", identifiers=USERS)
    world.people([ANN])
    known(world, "ann", "shop:second")
    report = world.sync(audience(), tool)
    assert (report.eligible, report.desired, len(tool.held())) == (1, 1, 1)


@pytest.mark.parametrize("identifiers", [PLAIN, (PLAIN[0],), (*USERS, PLAIN[0])])
def test_only_ids_alone_can_each_be_a_member(identifiers: tuple[IdentifierRule, ...]) -> None:
    """Which address somebody is reached under is chosen by consent and standing: all of them would be too many."""
    with pytest.raises(ConfigError, match="only where ids of one kind"):
        Shape(capabilities(identifiers=identifiers, every=True))
