"""What is not understood is refused in one sentence for its literal: names, types, filters nobody fills, words nobody says."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import segment_pipeline
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.events import Event
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.tabular import Const, Tabular, Time, each
from segment_pipeline.profiles.facts.activities import ACTIVITY_FILLS, ACTIVITY_NAMES
from segment_pipeline.segments import rules
from segment_pipeline.segments.library import abandoned_cart, lapsed, prefers, unreceptive
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.segments.rules import Rule, Segment, activities, all_of, any_of, none_of
from segment_pipeline.segments.validation import problems
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline_tests.conftest import Rows
from segment_pipeline_tests.segments.conftest import segment

Put = Callable[[str, Rows], None]
# As somebody writes them who has not read the types.
count: Any = rules.count
birthday_within: Any = rules.birthday_within
days: Any = rules.days
did: Any = rules.did
did_not: Any = rules.did_not
inside: Any = rules.inside
member_of: Any = rules.member_of
near: Any = rules.near
sequence: Any = rules.sequence
share_of_spend: Any = rules.share_of_spend
sum_of: Any = rules.sum_of
top_n: Any = rules.top_n
trait: Any = rules.trait
ORDERS: Any = rules.activities("order")
LINES: Any = rules.activities("product_bought")


def test_a_calendar_of_few_years_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    assert problems([segment("s", did("order", within=rules.holidays("IN", "Diwali")))]) == {}
    assert not recwarn.list


def test_sums_and_shares_are_compared_in_all_the_ways_traits_are() -> None:
    share, amount = share_of_spend(department="Men"), sum_of("amount", ORDERS)
    assert problems([segment("s", any_of(share.between(0.2, 0.3), amount.isin(3, 4)))]) == {}
    assert share.between(0.2, 0.3) == all_of(share >= 0.2, share <= 0.3)
    assert amount.isin(3, 4) == any_of(amount == 3, amount == 4)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (lambda: trait("age").between(3), "writes between without high"),
        (lambda: trait("age").between(3, up_to=4), "writes between(up_to=…), which between does not take; writes between without high"),
        (lambda: count(ORDERS).between(3), "writes between without high"),
        (lambda: trait("city").starts("a", "b"), "gives starts more than it takes without a name: only text has none"),
        (lambda: trait("age").is_unknown(3), "gives is_unknown more than it takes without a name: it takes nothing"),
        (lambda: trait("city").startswith("New"), "writes .startswith of a value, which is no word: did you mean starts?"),
        (lambda: count(ORDERS).isin_(3), "writes .isin_ of a value, which is no word: did you mean isin?"),
        (lambda: -count(ORDERS) < 3, "reckons with a value otherwise than by +, -, * and /: of its negative, write 0 - …"),
        (lambda: count(ORDERS) % 2 == 0, "reckons with a value otherwise than by +, -, * and /"),
        (lambda: abs(trait("age") - 3) < 3, "reckons with a value otherwise than by +, -, * and /"),
        (lambda: 2 ** trait("age") < 3, "reckons with a value otherwise than by +, -, * and /"),
        (lambda: round(count(ORDERS) / 2) < 3, "reckons with a value otherwise than by +, -, * and /"),
        (lambda: trait("age") & trait("city"), "combines values by & or |: compare each"),
        (lambda: did("order") >= 2, 'compares or reckons with a rule, which has no number: write did("order", at_least=2)'),
        (lambda: did("order") < 2, "compares or reckons with a rule, which has no number"),
        (lambda: ORDERS >= 2, "compares or reckons with activities: compare how many there are, count(activities(…))"),
        (lambda: did("order") + did("visit"), "compares or reckons with a rule, which has no number"),
    ],
)  # fmt: skip
def test_a_word_or_an_operator_misused_stops_its_segment_alone(where: Callable[[], Any], text: str) -> None:
    """Raised as Python's own TypeError, one of them would stop every segment of the company."""
    assert said(where()).startswith(text)
    (told,) = problems([segment("s", where()), segment("t", trait("age") > 30)])["s"]
    assert "test_refusals.py:" in told


def said(where: Rule, known: Vocabulary | None = None) -> str:
    """The one sentence about a rule, without its place."""
    (text,) = problems([segment("s", where)], known).get("s", ["nothing"])
    return re.sub(r" \((line |/)[^)]*\)$", "", text.partition(": segment s ")[2])


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (did("order", withn=days(7)), "writes did(withn=…), which did does not take: did you mean within?"),
        (did("product_bought", categroy="Boots"), "writes did(categroy=…), which did does not take: did you mean category?"),
        (did_not("order", chanel="web"), "writes did_not(chanel=…), which did_not does not take: did you mean channel?"),
        (sum_of("amount", activities("order", Within=days(3))) > 3, "writes activities(Within=…), which activities does not take: did you mean within?"),  # type: ignore[call-arg]
        (sequence(activities("visit"), activities("order", withn=3), within=days(3)), "writes activities(withn=…), which activities does not take: did you mean within?"),  # type: ignore[call-arg]
        (share_of_spend(departmnt="Men") > 0.1, "writes share_of_spend(departmnt=…), which share_of_spend does not take: did you mean department?"),
        (lapsed(atmost=3), "writes lapsed(atmost=…), which lapsed does not take: did you mean at_most?; writes lapsed without at_most"),  # type: ignore[call-arg]
        (near(lat=1, lng=2, km=3), "writes near(lng=…), which near does not take: did you mean lon?; writes near without lon"),
        (did("order", 3), "gives did more than it takes without a name: only name has none"),
        (did(), "writes did without name"),
        (all_of(segment("other", did("order"))), "writes all_of(a Segment): rules takes rules, such as did(…) or a comparison of a trait"),  # type: ignore[arg-type]
        (sequence(ORDERS, ORDERS), "writes sequence without within"),
    ],
)  # fmt: skip
def test_an_argument_a_word_does_not_take_is_refused(where: Rule, text: str) -> None:
    assert said(where) == text


@pytest.mark.parametrize(
    "where",
    [
        share_of_spend(department=("Men", "Boys")) >= 0.4, share_of_spend(department=3) >= 0.4, share_of_spend(department="Men", lifetime=1) >= 0.4,
        share_of_spend() > 0.1, share_of_spend(department="Men", category="Shirts") > 0.1,
        share_of_spend(department="Men") >= "0.4", share_of_spend(department="Men") >= None, share_of_spend(department="Men") >= float("nan"),
        share_of_spend(department="Men") >= True, share_of_spend(department="Men") >= Decimal("0.1") ** 19, share_of_spend(department="Men") != 0.4,
        share_of_spend(department="Men").between(0.2, "0.3"), share_of_spend(department="Men").isin(), share_of_spend(department="Men").is_unknown(),
        trait("spend_365d") >= Decimal("sNaN"), trait("sources").contains("till", "web"),
        share_of_spend(department="Men") >= 40, share_of_spend(department="Men") >= -0.1,
        birthday_within(days(3.5)), birthday_within(3.5), birthday_within(None), birthday_within("14"), birthday_within(days(True)), birthday_within(-1),
        did("order", within=(30, 60)), did("order", within=days(None)), did("order", within="30"), did("order", within=7.0), did("order", within=days(10**9)),
        did("order", within=days(float("nan"))), did("order", within=days(-7)), did("order", within=date(2017, 1, 1)),
        did("order", at_least=None), did("order", at_least="3"), did("order", at_least=2.5), did("order", at_least=True), did("order", at_least=-1),
        did("order", at_most=1.5), did("order", at_least=10**30), did("product_viewed", same_product="yes"),
        did(None), did(3), did(("visit", "order")), did(""), did("order\0"), did("order", channel=3), did("order", channel=()), did("order", channel=("web", 3)),
        did("order", channel={"web"}), did("product_bought", category=""), did("product_bought", category=["Boots", ""]),
        did("order", local_hour=22), did("order", local_hour=(22,)), did("order", local_hour=(22, 4, 5)), did("order", local_hour=("22", "4")), did("order", local_hour=(22.5, 4)),
        did("order", local_hour=(-1, 4)), did("order", local_hour=(22, 25)), did("order", local_hour=(24, 4)),
        did("survey_answered", score=3), did("survey_answered", score=(1, None)), did("survey_answered", score=(5, 1)), did("survey_answered", score=(1, float("inf"))),
        did("product_viewed", never=True), did("product_viewed", not_followed_by=("order", "visit")),
        did("visit", properties="plan"), did("visit", properties=("plan", "gold")), did("visit", properties={"plan": None}), did("visit", properties={"plan": datetime(2017, 1, 1, tzinfo=UTC)}),
        sum_of("amount", "order") > 3, sum_of("ammount", ORDERS) > 3, sum_of("amount", ORDERS) > None, sum_of("amount", ORDERS) > "3", sum_of("amount", ORDERS) > float("inf"),
        sum_of("amount", ORDERS) > True, sum_of(ORDERS, "amount") > 3,
        trait(None) > 3, trait(3) > 3, trait("age") > None, trait("age") == None, trait("age") > "18", trait("age") > float("nan"), trait("age") == [1, 2],  # noqa: E711
        trait("age").isin([1, 2]), trait("age").between(1, None), trait("email_reachable") == 1, trait("age") == True,  # noqa: E712
        trait("last_order_on") > datetime(2017, 1, 1), trait("last_order_on") > "2017-01-01", trait("last_order_on") > datetime(2017, 1, 1, tzinfo=UTC),  # noqa: DTZ001
        trait("interests").contains(None), trait("interests").contains(("a", "b")), trait("city") == "", trait("city") == "a\0",
        top_n("spend_365d", 1.5), top_n("spend_365d", "10"), top_n("spend_365d", True), top_n(trait("spend_365d"), 3),
        near("1", 2, 3), near(1, 2, float("nan")), near(1, 2, -3), near(1, 200, 3), near(None, 1, 1), inside((0, 0), (1, 1), 2), inside((0, 0), (1, 1), (2, "2")), inside(),
        all_of(trait("age")), all_of([did("order")]), any_of(did), none_of(None), all_of("order"), member_of(None), member_of(3),  # type: ignore[arg-type]
        sequence("visit", "order", within=days(3)), sequence(ORDERS, LINES, within=3.5),
        did("order") | did("visit"), did("order") & did("visit"), ~did("order"), True | did("order"),
        lapsed(at_most="365"), abandoned_cart((3, 4)), prefers(("Men", "Boys")), unreceptive(3, None),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_an_argument_of_another_type_is_one_sentence_for_that_literal(where: Rule) -> None:
    (text,) = problems([segment("s", where)])["s"]
    file, line, _ = text.split(":", 2)
    assert Path(file).exists()
    assert int(line) > 0
    assert "\n" not in text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (did_not("order", at_least=3), "writes did_not(at_least=…), which did_not does not take: did takes it"),
        (did_not("order", at_most=3), "writes did_not(at_most=…), which did_not does not take: did takes it"),
        (did_not("product_viewed", same_product=True), "writes did_not(same_product=…), which did_not does not take: did takes it"),
        (sum_of("amount", activities("order", at_least=2)) > 3, "writes activities(at_least=…), which activities does not take: did takes it"),  # type: ignore[call-arg]
        (did_not("visit", plan="gold"), 'writes did_not(plan=…), which did_not does not take: a property of the event is asked for by properties={"plan": …}'),
    ],
)  # fmt: skip
def test_how_often_is_said_of_did_alone(where: Rule, text: str) -> None:
    assert said(where) == text


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (share_of_spend(collection="latest") >= 0.2, 'asks for the share of spend on collection "latest", which only activities know: name the collection'),
        (share_of_spend(department="Latest") >= 0.2, 'asks for the share of spend on department "Latest", which only activities know: name the department'),
        (did("product_bought", collection="Latest"), 'filters collection by "Latest": write "latest" for that of the newest launch'),
        (did_not("product_viewed", collection=("Spring", "LATEST ")), 'filters collection by "LATEST ": write "latest" for that of the newest launch'),
        (share_of_spend(department="Men") > 1, "asks for a share of spend > 1, which none is: a share lies between 0 and 1"),
        (share_of_spend(department="Men") < 0, "asks for a share of spend < 0, which none is: a share lies between 0 and 1"),
        (trait("markdown_share") > 1, "compares trait markdown_share by > 1: it lies between 0 and 1"),
        (trait("rfm_r") < 1, "compares trait rfm_r by < 1: it lies between 1 and 5"),
        (trait("age") < 0, "compares trait age by < 0: it is 0 or more"),
        (trait("orders_365d") >= -1, "compares trait orders_365d with -1: it is 0 or more"),
        (trait("visits_30d").between(-2, 3), "compares trait visits_30d with -2: it is 0 or more"),
        (did("product_bought", never="product_bought"), "has never=product_bought on product_bought, and each is one itself: name another activity"),
        (did("product_viewed", not_followed_by="product_viewed"), "has not_followed_by=product_viewed on product_viewed, and each is one itself: name another activity"),
        (lapsed(at_most=days(181)), "asks for lifecycle_stage == churned and days_since_last_order < 181 together, which nobody meets: churned is 181 or more days_since_last_order"),
        (all_of(trait("days_since_last_order") <= 180, did("visit"), trait("lifecycle_stage") == "churned"), "asks for days_since_last_order <= 180 and lifecycle_stage == churned together, which nobody meets: churned is 181"),
    ],
)  # fmt: skip
def test_what_holds_for_nobody_is_refused_and_not_evaluated_in_silence(where: Rule, text: str) -> None:
    assert said(where).startswith(text)


@pytest.mark.parametrize(
    "where",
    [
        lapsed(at_most=days(182)), any_of(trait("lifecycle_stage") == "churned", trait("days_since_last_order") < 30),
        all_of(trait("days_since_last_order") <= 181, trait("lifecycle_stage") == "churned"),
        share_of_spend(department="Men") >= 1, share_of_spend(department="Men") <= 0, share_of_spend(department="Latest looks") > 0,
        trait("age") <= 0, trait("rfm_r") > 1, trait("spend_total") < 0, trait("loyalty_balance") < -5, did("product_bought", collection=("latest", "Spring")),
    ],
)  # fmt: skip
def test_what_somebody_can_meet_at_an_edge_is_not_refused(where: Rule) -> None:
    assert problems([segment("s", where)]) == {}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (did("order", department="Shoes"), "asks for department of order, which has none: write it of product_bought, product_returned, product_viewed, cart_added or cart_abandoned"),
        (did_not("order", department="Shoes"), "asks for department of order, which has none: write it of product_bought, product_returned, product_viewed, cart_added or cart_abandoned"),
        (did("order", category="Boots"), "asks for category of order, which has none: write it of product_bought,"),
        (did("order", product="RUN-1"), "has product, and order is about no product: write it of product_bought,"),
        (did("order", collection="latest"), "asks for collection of order, which has none"),
        (did("login", category="Boots"), "asks for category of login, which has none"),
        (did("visit", brand="Acme"), "asks for brand of visit, which has none"),
        (did("message_opened", department="Shoes"), "asks for department of message_opened, which has none"),
        (did("survey_answered", channel="web"), "asks for channel of survey_answered, which has none"),
        (did("cart_abandoned", channel="web"), "asks for channel of cart_abandoned, which has none"),
        (did("visit", score=(1, 2)), "asks for score of visit, which has none: write it of survey_answered"),
        (did("product_bought", text="boots"), "asks for text of product_bought, which has none"),
        (did("visit", local_hour=(22, 4)), "asks for the hour of visit, whose local time no source tells: write it of order or product_bought"),
        (did("message_opened", local_hour=(22, 4)), "asks for the hour of message_opened, whose local time no source tells"),
        (did("cart_abandoned", local_hour=(22, 4)), "asks for the hour of cart_abandoned, whose local time no source tells"),
        (did("visit", of_order=1), "asks for of_order of visit, which has none: write it of order, product_bought, product_returned or order_refunded"),
        (did("order", of_order=0), "asks for order 0 of order: the first is 1"),
        (did("order", same_product=True), "has same_product, and order is about no product"),
        (did("order", not_followed_by="product_bought"), "has not_followed_by, and order is about no product"),
        (did("product_viewed", never="order"), "has never, and order is about no product"),
        (sum_of("amount", activities("visit")) > 3, "asks for amount of visit, which has none: write it of order, product_bought, product_returned or order_refunded"),
        (sum_of("quantity", activities("order")) > 3, "asks for quantity of order, which has none: write it of product_bought"),
        (sequence(activities("visit"), activities("order", category="Boots"), within=days(3)), "asks for category of order, which has none"),
    ],
)  # fmt: skip
def test_a_filter_the_activity_does_not_fill_is_refused_with_what_to_write(where: Rule, text: str) -> None:
    assert said(where).startswith(text)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (trait("lifecycle_stage") == "lapsed", "compares trait lifecycle_stage with 'lapsed', which it never is: write one of prospect, new, active, at_risk, churned"),
        (trait("lifecycle_stage") != "at-risk", "compares trait lifecycle_stage with 'at-risk', which it never is: did you mean at_risk?"),
        (trait("lifecycle_stage").isin("new", "Active"), "compares trait lifecycle_stage with 'Active', which it never is: did you mean active?"),
        (trait("loyalty_stage") == "VIP", "compares trait loyalty_stage with 'VIP', which it never is: did you mean vip?"),
        (trait("activity_stage") == "powr", "compares trait activity_stage with 'powr', which it never is: did you mean power?"),
        (trait("value_tier") == "high", "compares trait value_tier with 'high', which it never is: write one of top, mid, low, none"),
        (trait("gender") == "f", "compares trait gender with 'f', which it never is: write one of female, male, other"),
        (trait("rfm_f") == 0, "compares trait rfm_f with 0, which it never is: write one of 1, 2, 3, 4, 5"),
        (trait("rfm_f") >= 6, "compares trait rfm_f with 6: it lies between 1 and 5"),
        (trait("spend_percentile") >= 90, "compares trait spend_percentile with 90: it lies between 0 and 1"),
        (trait("country") == "Canada", "compares trait country with 'Canada': write the two letters of ISO 3166"),
        (trait("country").isin("US", "ca"), "compares trait country with 'ca': write 'CA'"),
        (trait("country") == "UK", "compares trait country with 'UK': write the two letters of ISO 3166"),
        (trait("birth_day") == "7-31", "compares trait birth_day with '7-31': write month and day"),
        (trait("birth_day") == "02-30", "compares trait birth_day with '02-30': write month and day"),
        (did("order", channel="Web"), "filters order by the channel Web, which it never is: did you mean web?"),
        (did("order", channel=("web", "email")), "filters order by the channel email, which it never is: write one of app, store, web"),
        (did("message_clicked", channel="e-mail"), "filters message_clicked by the channel e-mail, which it never is: did you mean email?"),
        (did("message_clicked", channel="web"), "filters message_clicked by the channel web, which it never is: write one of email, mail, push, sms"),
    ],
)  # fmt: skip
def test_a_word_outside_a_closed_vocabulary_is_refused_with_the_words_there_are(where: Rule, text: str) -> None:
    assert said(where).startswith(text)


def test_sources_are_those_the_catalogue_declares() -> None:
    known = Catalogue(sources=(Amplitude(),), destinations=(), segments=()).vocabulary
    assert "which nobody declares: did you mean amplitude?" in said(did("visit", source="amplitde"), known)
    assert "which it never is: did you mean amplitude?" in said(trait("sources").contains("amplitud"), known)
    assert problems([segment("s", did("visit", source="amplitude"))], known) == {}


def events_of(zone: str) -> Catalogue:
    files = Files(
        root="/nowhere", name="clicks",
        tables=(
            FileTable(
                "clicks", pattern="*.csv", at="when", types={"when": Time("%Y-%m-%d %H:%M", zone=zone)},
                fills=(each("events", event_key="id", name="what", anonymous_id="browser"),),
            ),
        ),
    )  # fmt: skip
    return Catalogue(
        sources=(files,),
        destinations=(),
        segments=(),
        events=(Event("plan_chosen"), Event("visit", fills=("product",))),
    )


def test_a_source_that_knows_the_time_zone_makes_hours_of_events_a_filter() -> None:
    at_night = did("visit", local_hour=(22, 4))
    assert problems([segment("s", at_night)], events_of("Europe/Berlin").vocabulary) == {}
    assert "whose local time no source tells" in said(at_night, events_of("").vocabulary)
    assert "whose local time no source tells" in said(
        at_night, Catalogue(sources=(Amplitude(),), destinations=(), segments=()).vocabulary
    )


def test_own_events_have_every_filter_of_events_and_ours_those_the_catalogue_adds() -> None:
    known = events_of("").vocabulary
    assert problems([segment("s", did("plan_chosen", product="A", category="B", subject="C", text="D"))], known) == {}
    assert problems([segment("s", did("visit", product="A"))], known) == {}
    assert said(did("plan_chosen", channel="web"), known).startswith("asks for channel of plan_chosen, which has none")
    assert said(did("visit", brand="Acme"), known).startswith("asks for brand of visit, which has none")
    wrong = Catalogue(sources=(), destinations=(), segments=(), events=(Event("visit", fills=("catgory",)),))
    (problem,) = wrong.problems()
    assert problem.endswith(": event visit fills catgory, which is no filter of events: did you mean category?")


def test_the_place_of_a_word_that_stands_elsewhere_is_told_beside_the_literals() -> None:
    wrong = did("order", withn=days(7))
    line = test_the_place_of_a_word_that_stands_elsewhere_is_told_beside_the_literals.__code__.co_firstlineno + 1
    (text,) = problems(
        [Segment("s", owner="team:crm", goal="orders", description="d", where=all_of(did("order"), wrong))]
    )["s"]
    assert text.startswith(f"{__file__}:{line + 3}: segment s writes did(withn=…)")
    assert text.endswith(f"(line {line})")


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"ownr": "team:crm"}, "writes Segment(ownr=…), which a segment does not have: did you mean owner?"),
        ({"owner": None}, "has the owner None: owner takes text"),
        ({"where": "order"}, "has the where 'order': where takes a rule"),
        ({"where": did}, "has the where a function: where takes a rule"),
        ({"where": trait("age")}, "has the where a Trait: where takes a rule"),
        ({"review_on": "2027-01-31"}, "has the review_on '2027-01-31': review_on takes a date, date(2027, 1, 31)"),
        ({"minimum_size": "20"}, "has the minimum_size '20': minimum_size takes a whole number"),
        ({"persona": "yes"}, "has the persona 'yes': persona takes True or False"),
        ({"message": {"template": 3}}, "has the message {'template': 3}: message takes texts by name"),
    ],
)  # fmt: skip
def test_a_field_of_a_segment_is_judged_as_its_rule_is(declared: dict[str, Any], text: str) -> None:
    fields: dict[str, Any] = {
        "owner": "team:crm",
        "goal": "orders",
        "description": "d",
        "where": did("order"),
    } | declared
    found = problems([Segment("s", **fields)])["s"]
    assert len(found) == 1
    assert text in found[0]


def test_a_segment_without_its_fields_says_which() -> None:
    made: Any = Segment
    assert [text.partition("segment s ")[2] for text in problems([made("s")])["s"]] == [
        "has no owner", "has no goal", "has no description", "has no where",
    ]  # fmt: skip


def test_a_mistake_stops_its_segment_and_no_other(lake: Lake, put: Put) -> None:
    day = date(2017, 12, 31)
    put("traits", [{"as_of": day, "profile_id": "ann", "orders_total": 1}])
    put(
        "identities", [{"as_of": day, "source": "till", "entity": "customer", "record_key": "ann", "profile_id": "ann"}]
    )
    mistaken = [
        did("order", withn=days(7)), share_of_spend(department=("Men", "Boys")) >= 0.4, birthday_within(days(3.5)),
        did("order", within=(30, 60)), did_not("order", department="Shoes"), trait("lifecycle_stage") == "lapsed",
    ]  # fmt: skip
    segments = [segment(f"wrong_{n}", where) for n, where in enumerate(mistaken)]
    segments += [segment("leans", member_of("wrong_0")), segment("right", trait("orders_total") >= 1)]
    report = build_memberships(lake, day, segments, Settings.from_env({}))
    assert report.sizes == {"right": 1}
    assert list(report.failed) == [*(f"wrong_{n}" for n in range(len(mistaken))), "leans"]
    assert all(text.startswith(f"{Path(__file__).parent}") for text in report.failed.values())


def test_a_catalogue_with_a_wrong_segment_loads_and_has_no_definition_for_it() -> None:
    right, wrong = segment("right", did("order")), segment("wrong", did("order", withn=3))
    catalogue = Catalogue(sources=(), destinations=(), segments=(right, wrong))
    catalogue.validate()
    assert list(catalogue.segment_problems()) == ["wrong"]
    assert len(catalogue.problems()) == 1
    assert (catalogue.definition("wrong"), len(catalogue.definition("right"))) == ("", 32)


def test_a_constant_outside_a_columns_vocabulary_is_refused_where_it_is_mapped() -> None:
    def mistake(name: str, **columns: Any) -> str:
        with pytest.raises(Exception, match="entity sales") as error:
            Tabular("sales", at="when", currency=Const("GBP"), types={"when": Time()}, fills=(each(name, **columns),))
        return str(error.value)

    sold: dict[str, Any] = {"order_key": "id", "net": "price"}
    assert "Const('till') for channel of orders, which is one of store, web, app" in mistake(
        "orders", channel=Const("till"), **sold
    )
    assert "did you mean completed?" in mistake("orders", channel=Const("web"), status=Const("complete"), **sold)
    assert "Const('buy') for kind of orders" in mistake("orders", channel=Const("web"), kind=Const("buy"), **sold)
    sent: dict[str, Any] = {"message_key": "id"}
    assert "Const('letter') for channel of messages" in mistake(
        "messages", channel=Const("letter"), type=Const("sent"), **sent
    )
    assert "did you mean clicked?" in mistake("messages", channel=Const("email"), type=Const("click"), **sent)


def test_the_page_on_rules_shows_the_filters_of_every_activity() -> None:
    page = (Path(segment_pipeline.__file__).parent / "docs/segments.md").read_text(encoding="utf-8")
    shown: dict[str, set[str]] = {}
    for names, filters in re.findall(r"^\| (`[^|]*) \| (`[^|]*) \|$", page, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            shown[name] = set(re.findall(r"`(\w+)`", filters))
    words = {
        "item_key": "product",
        "local_at": "local_hour",
        "store_key": "store",
        "coupon_codes": "coupon",
        "is_markdown": "markdown",
        "order_number": "of_order",
    }
    # The order's key is no filter: different ones are counted.
    assert shown == {
        name: {words.get(column, column) for column in columns - {"order_key"}}
        for name, columns in ACTIVITY_FILLS.items()
    }
    assert set(ACTIVITY_FILLS) == set(ACTIVITY_NAMES)
