"""Every wish of the reference on people of whom it is plain who is meant, near misses among them, by compiler and evaluator."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.algebra.nodes import SqlRule
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.evaluate import World, members
from segment_pipeline.segments.examples import EXAMPLES, STAY, Example
from segment_pipeline.segments.rules import trait
from segment_pipeline.segments.validation import validate
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.segments.wording import words
from segment_pipeline_tests.segments.conftest import (
    ACTIVITY_SCHEMA,
    DAY,
    act,
    address,
    compiled_members,
    person,
    segment,
)


def who(profile_id: str, **traits: Any) -> dict[str, Any]:
    return dict.fromkeys(["as_of", *CORE.types]) | person(profile_id, **traits)


def did(profile_id: str, name: str, days_ago: float, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(ACTIVITY_SCHEMA.names) | act(profile_id, name, days_ago, **more)


def order(profile_id: str, days_ago: float, amount: int, channel: str, **more: Any) -> dict[str, Any]:
    return did(profile_id, "order", days_ago, amount=Decimal(amount), channel=channel, **more)


def line(profile_id: str, days_ago: float, item: str, category: str, **more: Any) -> dict[str, Any]:
    return did(profile_id, "product_bought", days_ago, item_key=item, category=category, quantity=Decimal(1), **more)


def stay(profile_id: str, days_ago: float, place: str, minutes: float | None, meters: float | None) -> dict[str, Any]:
    properties = {"property_place": place, "property_minutes": minutes, "property_meters_from_store": meters}
    return did(profile_id, "place_left", days_ago, **properties)


# DAY is Sunday, the 31st of December 2017.
PEOPLE = [
    who("ann", has_email=True, has_phone=True, has_loyalty_card=True, language="en", city="New York", birth_day="12-31", interests=["running", "yoga"], first_order_on=date(2017, 12, 11),
        last_order_on=date(2017, 12, 30), spend_90d=Decimal(60), spend_365d=Decimal(100), lat=40.71, lon=-74.01),
    who("bob", has_email=False, has_phone=True, has_loyalty_card=False, city="Nashville", birth_day="01-10", interests=["running"], first_order_on=date(2016, 11, 26),
        last_order_on=date(2017, 11, 20), spend_90d=Decimal(50), spend_365d=Decimal(100), lat=36.16, lon=-86.78),
    who("cat", has_email=True, has_phone=False, language="de", birth_day="12-26", interests=[]),
    who("dan"),
    who("eve", last_order_on=date(2017, 9, 22), spend_365d=Decimal(30)),
    who("fay", first_order_on=date(2015, 1, 4), city="Nashville", spend_365d=Decimal(50)),
    who("gus", first_order_on=date(2017, 12, 31), birth_day="01-14"),
]  # fmt: skip
ACTIVITIES = [
    order("ann", 1, 120, "web", order_number=3, coupon_codes=["WELCOME10"], local_at=act("", "", 0.5)["occurred_at"].replace(tzinfo=None, hour=23)),
    order("ann", 10, 20, "web", order_number=2, coupon_codes=[]),
    order("ann", 20, 30, "store", order_number=1, store_key="till:7"),
    order("bob", 41, 60, "web", order_number=2),
    order("bob", 400, 150, "store", order_number=1, store_key="till:8"),
    order("cat", 6, 10, "store", order_number=2, coupon_codes=["OTHER"]),
    order("cat", 200, 30, "store", order_number=1),
    order("eve", 100, 99, "web", order_number=1),
    order("gus", 300, 5, "web", order_number=1),
    order("gus", 299, 100, "web", order_number=2),
    line("ann", 1, "x", "Shoes", order_number=3, is_markdown=True, brand="Acme", department="Outdoor", amount=Decimal(30)),
    line("ann", 1, "y", "Shoes", order_number=3, is_markdown=False, brand="Else", department="Home", amount=Decimal(30)),
    line("bob", 41, "z", "Hats", order_number=2, is_markdown=False, department="Home", amount=Decimal(60)),
    line("bob", 400, "z", "Hats", order_number=1, is_markdown=False, brand="Else", department="Home", amount=Decimal(150)),
    line("cat", 6, "c1", "Shoes", order_number=2, department="Sport", amount=Decimal(9)),
    line("cat", 200, "c2", "Hats", order_number=1, department="Home", amount=Decimal(10)),
    did("ann", "product_returned", 15, item_key="x", quantity=Decimal(1)),
    did("bob", "product_returned", 100, item_key="z", quantity=Decimal(2)),
    did("eve", "product_returned", 101, item_key="e", quantity=Decimal(1)),
    did("ann", "order_refunded", 15, amount=Decimal(30)),
    *(did("bob", "order_refunded", days_ago, amount=Decimal(25)) for days_ago in (100, 200)),
    did("eve", "order_refunded", 400, amount=Decimal(60)),
    did("ann", "consent_given", 5, channel="email"),
    did("bob", "consent_given", 5, channel="sms"),
    did("bob", "consent_withdrawn", 38, channel="email"),
    did("cat", "consent_withdrawn", 100, channel="email"),
    did("cat", "consent_given", 50, channel="email"),
    did("dan", "consent_given", 30, channel="email"),
    did("eve", "consent_withdrawn", 80, channel="email"),
    *(did("ann", "visit", days_ago) for days_ago in (1, 5, 9)),
    *(did("bob", "visit", 2) for _ in range(3)),
    did("cat", "visit", 7),
    did("ann", "survey_answered", 3, text="Very good", score=10.0),
    did("ann", "survey_answered", 4, score=8.0),
    did("bob", "survey_answered", 3, text="not very", score=9.0),
    did("bob", "survey_answered", 4, score=8.0),
    did("ann", "product_viewed", 3, item_key="x"),
    did("cat", "product_viewed", 8, item_key="c2"),
    did("bob", "search", 1, text="Winter BOOTS"),
    did("cat", "search", 1, text="shoes"),
    did("cat", "message_responded", 5, campaign="Winter Sale"),
    did("eve", "message_responded", 5, campaign="Summer Sale"),
    stay("ann", 3, "Central Station", 20, 900),
    # Twice ten minutes are no twenty of one stay; so long, and so near, of two stays are of none.
    *(stay("bob", days_ago, "Central Station", 10, 150) for days_ago in (3, 4)),
    stay("bob", 5, "Central Station", 19.5, 0),
    stay("bob", 6, "Harbour", 300, 201),
    stay("cat", 31, "Central Station", 45, 200),
    stay("eve", 2, "Harbour", 60, None),
    stay("eve", 1, "Central Station", None, 10),
]  # fmt: skip


def was(profile_id: str, days_ago: int, change: str | None = None, cause: str | None = None) -> dict[str, Any]:
    """A row of memberships of `vip`, or of its changes."""
    row = {"as_of": DAY - timedelta(days=days_ago), "segment": "vip", "definition_hash": "h", "profile_id": profile_id}
    return row if change is None else row | {"change": change, "cause": cause, "previous_as_of": None}


MEMBERS = [was("ann", 1), was("ann", 2), was("bob", 1)]
CHANGES = [
    was("ann", 5, "entered", "first"), was("bob", 1, "entered", "data"), was("cat", 30, "entered", "definition"),
    was("cat", 3, "exited", "data"), was("eve", 20, "entered", "data"), was("eve", 2, "exited", "definition"),
]  # fmt: skip
STORES = [{"store_key": "till:7", "lat": 40.72, "lon": -74.0}, {"store_key": "till:8", "lat": 36.5, "lon": -86.78}]
ADDRESSES = [
    address("ann", "ann@mail.io"), address("bob", "bob@acme.de", "former"), address("bob", "bob@post.mail.io"), address("cat", "cat@acme.de"),
    address("cat", "cat@gmail.com"), address("dan", "dan@acme.de", "shared"), address("eve", "mail.io@acme.org"), address("fay", "fay@notmail.io"),
    address("gus", "x@acme.de", "blocked"),
]  # fmt: skip
WORLD = World(
    DAY, PEOPLE, stores=STORES, identifiers=ADDRESSES, activities=ACTIVITIES, members=MEMBERS, changes=CHANGES
)
MEANT = {
    "on days between two dates": "bob",
    "in the month before the last one, counted in days": "bob",
    "in the last hours": "ann",
    "this calendar month": "ann cat",
    "last calendar month": "bob",
    "this week, from Monday": "ann bob",
    "in the same quarter last year": "bob",
    "on a public holiday": "cat",
    "in the days before a gift day": "ann",
    "a day of a trait relative to today": "eve",
    "birthday today": "ann",
    "birthday in the days to come": "ann bob",
    "birthday just past": "cat",
    "birthday this month": "ann cat",
    "anniversary of the first order": "fay",
    "customer for a year": "bob fay",
    "has a phone, and no e-mail": "bob",
    "has an e-mail address at one of these domains": "ann cat",
    "has no loyalty card": "bob",
    "speaks one of these languages": "cat",
    "an order of at least an amount": "ann bob gus",
    "orders worth more than so much on average": "ann bob eve gus",
    "the largest order of all": "ann bob",
    "marked down": "ann",
    "never anything marked down": "bob cat",
    "with any coupon": "ann cat",
    "with one of these coupons": "ann",
    "in a store": "ann",
    "on a weekday": "ann bob",
    "by the hour on their own clock": "ann",
    "the first order ever, long ago": "bob",
    "for the first time lately": "ann",
    "had it in the first order ever": "bob cat",
    "had it among the first orders": "cat",
    "the first order was in a store, the second online": "ann bob",
    "the second order was large": "gus",
    "regularly: in n of the last m weeks": "ann",
    "stopped": "eve gus",
    "started again": "cat",
    "gave something back lately": "ann",
    "never gave anything back": "cat",
    "gives back as much as they keep": "bob",
    "gives back half of what they buy, or more": "bob eve",
    "was given back so much money": "bob",
    "ordered again after giving something back": "ann eve",
    "on so many different days": "ann",
    "so many different products": "ann cat",
    "so many different categories": "cat",
    "mostly one category": "ann",
    "what they bought last": "ann cat",
    "an answer that begins so": "ann",
    "a search with a word in it": "bob",
    "a trait that begins so": "ann",
    "a trait that ends so": "bob fay",
    "one of several in a list": "ann bob",
    "all of several in a list": "ann",
    "none of several in a list": "cat",
    "said yes to e-mail lately": "ann",
    "said no soon after an order": "bob",
    "said yes again": "cat",
    "more orders than in the time before": "ann bob cat",
    "two traits compared": "ann",
    "what was spent, where any of it is known": "bob cat dan eve fay gus",
    "a sum between two numbers": "bob eve gus",
    "share of several departments": "ann",
    "share of a brand": "ann",
    "share of a channel": "eve gus",
    "one share above another": "ann eve gus",
    "campaign responses": "cat",
    "a survey score": "ann",
    "one thing, then another in time": "bob",
    "one thing, then not the other in time": "ann",
    "the same product through a sequence": "ann",
    "the top n": "ann",
    "the top n per cent": "ann bob",
    "the top n among others": "bob",
    "at most n of each": "ann bob",
    "a share by chance that stays": "bob cat fay",
    "near a place": "ann",
    "near a store": "ann",
    "near any store there is": "ann bob",
    "inside an area": "bob",
    "stayed at a place, so long or longer": "ann",
    "stayed near a store, so long or longer": "cat",
    "in a segment yesterday": "ann bob",
    "in a segment for n days": "ann",
    "came into a segment lately": "bob",
    "went out of a segment lately": "cat",
    "never in a segment": "dan fay gus",
    "a predicate in SQL": "ann",
}


def test_every_wish_is_tried_and_none_twice() -> None:
    assert [example.wish for example in EXAMPLES] == list(MEANT)


def test_every_wish_is_valid_and_said_in_words() -> None:
    segments = [segment(f"s{n}", example.rule) for n, example in enumerate(EXAMPLES)]
    known = Vocabulary.of([], [STAY])
    assert validate([*segments, segment("vip", trait("orders_total") > 3)], known) == []
    assert len({words(one.where) for one in segments}) == len(segments)


@pytest.mark.also_on_spark("profiles/compiler/past")
def test_the_compiler_and_the_evaluator_find_who_is_meant(lake: Lake) -> None:
    segments = [segment(f"s{n}", example.rule) for n, example in enumerate(EXAMPLES)]
    meant = {f"s{n}": set(MEANT[example.wish].split()) for n, example in enumerate(EXAMPLES)}
    in_python = [one for one in segments if not isinstance(one.where, SqlRule)]
    assert members(in_python, WORLD) == {one.name: meant[one.name] for one in in_python}
    assert compiled_members(lake, segments, WORLD) == meant


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.wish)
def test_each_alone_finds_the_same(lake: Lake, example: Example) -> None:
    """What is read for one rule alone is enough for it."""
    alone = compiled_members(lake, [segment("one", example.rule)], WORLD)["one"]
    assert alone == set(MEANT[example.wish].split())
