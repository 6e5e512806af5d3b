"""What is wrong with a company's own traits, sets and events: a sentence each, with the place of the literal."""

from collections.abc import Iterator
from typing import Any

import pytest

from segment_pipeline.events import Event
from segment_pipeline.profiles.traits.sets import forget
from segment_pipeline.segments.rules import activities, count, trait
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.segments.test_own_words import catalogue

ORDERS = activities("order")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    forget()


def _trait(name: str = "x", kind: str = "BIGINT", query: str = "orders_total", owner: str = "team:crm") -> Trait:
    return Trait.sql(name, kind, "in a test", query=query, null="", owner=owner)


def _counted(name: str, quantity: Any) -> Trait:
    return Trait.of(name, "BIGINT", "in a test", quantity=quantity, owner="team:crm")


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ((_trait("orders_total"),), "trait orders_total has the name of a core trait"),
        ((_trait("as_of"),), "trait as_of has the name of a core trait or of a column"),
        ((_trait("Store"),), "trait Store has a name that is not lower case"),
        ((_trait(kind="TEXT"),), "trait x is of the type TEXT: choose among"),
        ((_trait(owner="crm"),), "trait x has no owner"),
        ((_trait(query="SELECT 1"),), "trait x has a query that does not select two columns"),
        ((_trait(), _trait()), "trait x is declared more than once"),
        ((_trait(query="x + 1"),), "trait x reads x, a trait of your own: a query reads core traits and the documented views"),
        ((_trait("n", query="m"), _trait("m", query="n")), "trait n reads m, a trait of your own: a query reads core traits and the documented views, so write in its place what m says"),
        ((_trait(kind="BOOLEAN", query="nope > 3"),), "trait x reads nope, which is no column of profiles"),
        ((_counted("x", trait("x") + 1),), "trait x reads x, a trait of your own: a quantity reads core traits alone"),
        ((_counted("y", count(ORDERS)), _counted("x", trait("y") + 1)), "trait x reads y, a trait of your own: a quantity reads core traits alone, so write in its place what y counts"),
        ((_counted("x", trait("nope") + 1),), "trait x names trait nope, which does not exist"),
        ((Trait("x", "BIGINT", "in a test", owner="team:crm"),), "trait x has neither a quantity, a query nor a function"),
        ((Trait.pandas("x", "BIGINT", "in a test", function=lambda a, b: a, null="", owner="team:crm"),), "trait x has a function that does not take exactly one"),  # type: ignore[misc,arg-type]
    ],
)  # fmt: skip
def test_a_wrong_trait_is_a_sentence_of_validate_with_its_file_and_line(traits: tuple[Trait, ...], said: str) -> None:
    problem = catalogue(trait_sets=(TraitSet("own", traits),)).problems()[0]
    assert said in problem
    assert problem.startswith(__file__)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ((TraitSet("core", (_trait(),)),), "trait set 'core' has no usable name"),
        ((TraitSet("Our own", (_trait(),)),), "trait set 'Our own' has no usable name"),
        ((TraitSet("own", ()),), "trait set own has no traits"),
        ((TraitSet("own", (_trait(),)), TraitSet("own", (_trait("y"),))), "trait set own is declared 2 times"),
    ],
)
def test_a_wrong_set_is_a_sentence_of_validate(sets: tuple[TraitSet, ...], said: str) -> None:
    assert any(said in problem and problem.startswith(__file__) for problem in catalogue(trait_sets=sets).problems())


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((Event("product_returned"),), "event product_returned has a name under which orders, what was given back"),
        ((Event("consent_given"),), "event consent_given has a name under which orders, what was given back"),
        ((Event("order"),), "event order has a name under which orders, what was given back, messages, answers, carts or consents are told"),
        ((Event("message_sent"),), "event message_sent has a name under which"),
        ((Event(" "),), "has no name"),
        ((Event("a" * 201),), "has a name that is longer than 200 letters"),
        ((Event("opened "),), "event opened  has a name that is longer than 200 letters, or has line ends or blanks around it"),
        ((Event("a\nb"),), "has a name that is longer than 200 letters, or has line ends"),
        ((Event("a"), Event("a")), "event a is declared 2 times"),
        ((Event("a", {"x-y": "VARCHAR"}),), "event a has a property 'x-y': rules need letters, digits and underscores, a letter first; name it x_y and write keys={'x_y': 'x-y'}"),
        ((Event("a", {"x": "VARCHAR"}, keys={"y": "a y"}),), "event a has a key for y, which is none of its properties"),
        ((Event("a", {"plan": "VARCHAR"}, keys={"plam": "a b"}),), "none of its properties: did you mean plan?"),
        ((Event("a", {"x": "VARCHAR"}, keys={"x": 'a "b"'}),), """event a has the key 'a "b"' for x: quotes, brackets"""),
        ((Event("a", {"x": "VARCHAR"}, keys={"x": "*"}),), "event a has the key '*' for x: quotes, brackets"),
        (
            (Event("a", {"x": "VARCHAR"}, keys={"x": "an x"}), Event("b", {"x": "VARCHAR"})),
            "property x has the key 'an x' in one event and 'x' in another: give each a name of its own",
        ),
        ((Event("a", {"x": "TEXT"}),), "event a has a property x of the type TEXT"),
        ((Event("a", {"x": "DATE"}), Event("b", {"x": "VARCHAR"})), "property x is DATE in one event and VARCHAR in another"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_a_sentence_of_validate(events: tuple[Event, ...], said: str) -> None:
    assert any(said in problem and problem.startswith(__file__) for problem in catalogue(events=events).problems())
