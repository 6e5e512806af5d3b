"""Which first names may be one person's."""

import pytest
from hypothesis import example, given, strategies as st

from segment_pipeline import identifiers
from segment_pipeline.profiles.identity.names import Name, differ, strangers

ONE = [
    *(("Eva", "eva"), ("Zoë", "Zoe\u0308"), ("Zoë", "ZOE"), ("Jörg", "Joerg"), ("Jörg", "Jorg"), ("Łukasz", "Lukasz")),
    *(("Eva", "Eva Maria"), ("Eva-Maria", "Eva Maria"), ("Maria Eva", "Eva Maria"), ("Annemarie", "Anne-Marie")),
    *(("E.", "Eva"), ("E. M.", "Eva Maria"), ("Bob", "Robert"), ("Bill", "William"), ("Steve", "Stephen")),
    *(("Tom", "Thomas"), ("Tomas", "Tom"), ("Alex", "Alexandra"), ("Dr. Tom", "Tom"), ("D'Arcy", "Darcy")),
    *(
        ("Tomas", "Thomas"),
        ("Katherine", "Catherine"),
        ("Lisbeth", "Elisabeth"),
        ("Nico", "Nicolas"),
        ("Uli", "Ulrike"),
    ),
    *(("Alex", "Alexander"), ("Rob", "Bob"), ("Katie", "Kate"), ("Chris", "Christian"), ("Maria", "Mary")),
    *(("Eva & Tom", "Tom"), ("Guest", "Tom"), ("n/a", "Tom"), ("-", "Tom"), ("Анна", "Anna"), ("Mr", "Tom")),
]
TWO = [("Eva", "Tom"), ("Eva", "Anna"), ("Eva Maria", "Tom Maria"), ("E.", "Tom"), ("Анна", "Ольга"), ("Jo", "Al")]
# Couples and siblings: the names of the two sexes, and names of their own that begin alike or were short for one another once.
COUPLES = [
    *(
        ("Martin", "Martina"),
        ("Paul", "Paula"),
        ("Paul", "Pauline"),
        ("Jan", "Jana"),
        ("Jan", "Janine"),
        ("Nico", "Nicole"),
    ),
    *(
        ("Daniel", "Daniela"),
        ("Daniel", "Danielle"),
        ("Alexander", "Alexandra"),
        ("Gabriel", "Gabriele"),
        ("Ulrich", "Ulrike"),
    ),
    *(
        ("Andreas", "Andrea"),
        ("Christian", "Christiane"),
        ("Christian", "Christine"),
        ("Julian", "Julia"),
        ("Simon", "Simone"),
    ),
    *(
        ("Samuel", "Samantha"),
        ("Patrick", "Patricia"),
        ("Nicolas", "Nicola"),
        ("Stefan", "Stefanie"),
        ("Bernd", "Bernadette"),
    ),
    *(
        ("Franz", "Franziska"),
        ("Francesco", "Francesca"),
        ("Michael", "Michaela"),
        ("Michel", "Michelle"),
        ("Josef", "Josefine"),
    ),
    *(
        ("Maria", "Mia"),
        ("Maria", "Marianne"),
        ("Lisa", "Isabel"),
        ("Johannes", "Jack"),
        ("Johannes", "Johanna"),
        ("Eva", "Evan"),
    ),
    *(
        ("Jakob", "James"),
        ("Karl", "Karla"),
        ("Charles", "Carl"),
        ("Anna", "Annabelle"),
        ("Ann", "Andrew"),
        ("Peter", "Petra"),
    ),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_spellings_short_forms_and_more_or_fewer_names_are_one_persons(one: str, other: str) -> None:
    a, b = (identifiers.name(name) or "" for name in (one, other))
    assert (differ(a, b), differ(b, a)) == (False, False)


@pytest.mark.parametrize(("one", "other"), [*TWO, *COUPLES])
def test_other_names_are_two_peoples(one: str, other: str) -> None:
    a, b = (identifiers.name(name) or "" for name in (one, other))
    assert (differ(a, b), differ(b, a)) == (True, True)


def test_an_account_without_a_first_name_is_nobody_elses() -> None:
    assert not strangers(Name(None, "lee"), Name("tom", "lee"))
    assert strangers(Name("eva", "lee"), Name("tom", "lee"))


def test_first_and_last_the_other_way_round_are_one_person() -> None:
    assert not strangers(Name("lee", "eva"), Name("eva", "lee"))


@example("A A", "A B")
@example("E. Eva", "Eva Maria")
@given(st.text(max_size=12), st.text(max_size=12))
def test_the_order_of_two_names_does_not_show_and_nobody_differs_from_themselves(one: str, other: str) -> None:
    assert differ(one, other) == differ(other, one)
    assert not differ(one, one)
