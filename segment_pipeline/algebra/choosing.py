"""The words for choosing among activities, and for asking how often something was done."""

from collections.abc import Callable
from inspect import signature
from typing import ParamSpec, TypedDict

from segment_pipeline.algebra.arguments import (
    Amount,
    Clock,
    Coupons,
    Names,
    Place,
    Properties,
    Span,
    Texts,
    Within,
    word,
)
from segment_pipeline.algebra.nodes import CountRule
from segment_pipeline.algebra.parts import WEEKDAYS, Activities, Asked, Mistake, Rule, Term, Test, property_column

Choice = ParamSpec("Choice")


def _itself(mistake: Mistake) -> Rule:
    return mistake


def _none_chosen(mistake: Mistake) -> Activities:
    return Activities("", mistakes=(mistake,))


a_rule, a_choice = word(_itself), word(_none_chosen)


def names_of(value: Texts | None) -> tuple[str, ...]:
    """The names given, one or several; none of what is asked otherwise."""
    # What is asked otherwise than by name is a test.
    if value is None or isinstance(value, Asked):
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _weekday(name: str) -> int:
    # One that is none is judged with the tests.
    return WEEKDAYS.index(name) if name in WEEKDAYS else -1


class Filters(TypedDict, total=False):
    """What a choice among activities may be narrowed by, for choices that are made by code; several names mean any of them."""

    product: Names
    brand: Names
    department: Names
    category: Names
    collection: Names
    campaign: Texts
    channel: Names
    subject: Texts
    text: Texts
    source: Names
    store: Names
    coupon: Coupons
    amount: Amount
    quantity: Amount
    of_order: Place
    markdown: bool
    weekday: Names
    within: Within | None
    local_hour: Clock
    score: Span
    not_followed_by: str
    never: str
    properties: Properties


@a_choice
def activities(
    name: str,
    *,
    product: Names | None = None,
    brand: Names | None = None,
    department: Names | None = None,
    category: Names | None = None,
    collection: Names | None = None,
    campaign: Texts | None = None,
    channel: Names | None = None,
    subject: Texts | None = None,
    text: Texts | None = None,
    source: Names | None = None,
    store: Names | None = None,
    coupon: Coupons | None = None,
    amount: Amount | None = None,
    quantity: Amount | None = None,
    of_order: Place | None = None,
    markdown: bool | None = None,
    weekday: Names | None = None,
    within: Within | None = None,
    local_hour: Clock | None = None,
    score: Span | None = None,
    not_followed_by: str | None = None,
    never: str | None = None,
    properties: Properties | None = None,
) -> Activities:
    """A choice among activities, for `did`, `sum_of` and `sequence`.

    `collection="latest"`: the collections of the newest launch up to as_of among the products that meet `product`,
    `brand`, `department` and `category`. `of_order=1`: of the person's first order, by time. `properties={"plan": "gold"}`: of an event, those its catalogue declares.
    """
    asked = {"campaign": campaign, "subject": subject, "text": text, "amount": amount, "quantity": quantity}
    tests = [Test(field, held.operator, held.values) for field, held in asked.items() if isinstance(held, Asked)]
    if isinstance(coupon, bool):
        tests.append(Test("has_coupon", "==", (coupon,)))
    elif coupon is not None:
        tests.append(Test("coupon_codes", "any", names_of(coupon)))
    if markdown is not None:
        tests.append(Test("is_markdown", "==", (markdown,)))
    if of_order is not None:
        place = of_order if isinstance(of_order, Asked) else Asked("==", (of_order,))
        tests.append(Test("order_number", place.operator, place.values))
    if weekday is not None:
        tests.append(Test("weekday", "in", tuple(_weekday(day) for day in names_of(weekday))))
    if store is not None:
        tests.append(Test("store_key", "in", names_of(store)))
    held = dict(properties or {})
    tests += [
        Test(property_column(key), value.operator, value.values)
        for key, value in sorted(held.items())
        if isinstance(value, Asked)
    ]
    return Activities(
        name,
        item=names_of(product),
        brand=names_of(brand),
        department=names_of(department),
        category=names_of(category),
        collection=names_of(collection),
        campaign=names_of(campaign),
        channel=names_of(channel),
        subject=names_of(subject),
        text=names_of(text),
        source=names_of(source),
        within=None if isinstance(within, Term) else within,
        local_hour=None if local_hour is None else (local_hour[0], local_hour[1]),
        score=None if score is None else (float(score[0]), float(score[1])),
        not_followed_by=not_followed_by,
        never=never,
        properties=tuple(
            (key, tuple(sorted(value if isinstance(value, tuple | list) else (value,), key=repr)))
            for key, value in sorted(held.items())
            if not isinstance(value, Asked)
        ),
        window=within if isinstance(within, Term) else None,
        tests=tuple(tests),
    )


@a_rule
def did(
    name: str,
    *,
    at_least: int = 1,
    at_most: int | None = None,
    same_product: bool = False,
    product: Names | None = None,
    brand: Names | None = None,
    department: Names | None = None,
    category: Names | None = None,
    collection: Names | None = None,
    campaign: Texts | None = None,
    channel: Names | None = None,
    subject: Texts | None = None,
    text: Texts | None = None,
    source: Names | None = None,
    store: Names | None = None,
    coupon: Coupons | None = None,
    amount: Amount | None = None,
    quantity: Amount | None = None,
    of_order: Place | None = None,
    markdown: bool | None = None,
    weekday: Names | None = None,
    within: Within | None = None,
    local_hour: Clock | None = None,
    score: Span | None = None,
    not_followed_by: str | None = None,
    never: str | None = None,
    properties: Properties | None = None,
) -> Rule:
    """Did something `at_least` times; `same_product` counts per product and asks for one that reaches the number.

    Filters as of `activities`.
    """
    return CountRule(
        activities(
            name,
            product=product,
            brand=brand,
            department=department,
            category=category,
            collection=collection,
            campaign=campaign,
            channel=channel,
            subject=subject,
            text=text,
            source=source,
            store=store,
            coupon=coupon,
            amount=amount,
            quantity=quantity,
            of_order=of_order,
            markdown=markdown,
            weekday=weekday,
            within=within,
            local_hour=local_hour,
            score=score,
            not_followed_by=not_followed_by,
            never=never,
            properties=properties,
        ),
        at_least,
        at_most,
        same_product,
    )


def _never(choice: Callable[Choice, Activities]) -> Callable[Choice, Rule]:
    def did_not(*args: Choice.args, **kwargs: Choice.kwargs) -> Rule:
        """Did it not once; true for a person of whom no such activity is known. Filters as of `activities`."""
        return CountRule(choice(*args, **kwargs), at_least=0, at_most=0)

    # What editors and errors show, and what arguments are judged by.
    did_not.__signature__ = signature(choice).replace(return_annotation=Rule)  # type: ignore[attr-defined]
    return a_rule(did_not)


did_not = _never(activities)
