"""The language segments are written in: typed literals that say who belongs, and nothing about how that is found out.

    Segment("night_owls", owner="team:crm", goal="app_orders", description="…",
            where=all_of(trait("orders_365d") >= 3, did("order", local_hour=(22, 4), within=days(30))))

Every leaf is total: what is unknown is false, also under `!=`; `none_of` negates that; `is_unknown()` asks for it.
Declares only: `segments.validation` judges a rule, `segments.compiler` turns it into SQL.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from inspect import signature
from typing import Literal, NewType, ParamSpec, TypedDict

from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.comparing import Quantity, Trait
from segment_pipeline.segments.nodes import (
    Activities,
    AllOf,
    AnyOf,
    BirthdayRule,
    CountRule,
    Dimension,
    InsideRule,
    MemberRule,
    NearRule,
    NoneOf,
    Rule,
    Scalar,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
)

__all__ = [
    "Activities",
    "Days",
    "Filters",
    "Names",
    "Quantity",
    "Rule",
    "Scalar",
    "Segment",
    "Trait",
    "activities",
    "all_of",
    "any_of",
    "birthday_within",
    "days",
    "did",
    "did_not",
    "inside",
    "member_of",
    "near",
    "none_of",
    "sequence",
    "share_of_spend",
    "sum_of",
    "top_n",
    "trait",
]

Names = str | tuple[str, ...]
Days = NewType("Days", int)
Choice = ParamSpec("Choice")

DEFAULT_MINIMUM_SIZE = 20


def days(number: int) -> Days:
    """That many company days, the as-of day included."""
    return Days(number)


def _names(value: Names | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def trait(name: str) -> Trait:
    """A trait of `segment-pipeline traits`, to compare: `trait("orders_90d") >= 2`."""
    return Trait(name)


class Filters(TypedDict, total=False):
    """What a choice among activities may be narrowed by, for choices that are made by code; several names mean any of them."""

    product: Names
    brand: Names
    department: Names
    category: Names
    collection: Names
    campaign: Names
    channel: Names
    subject: Names
    text: Names
    source: Names
    within: Days | None
    local_hour: tuple[int, int]
    score: tuple[float, float]
    not_followed_by: str
    never: str


def activities(
    name: str,
    *,
    product: Names | None = None,
    brand: Names | None = None,
    department: Names | None = None,
    category: Names | None = None,
    collection: Names | None = None,
    campaign: Names | None = None,
    channel: Names | None = None,
    subject: Names | None = None,
    text: Names | None = None,
    source: Names | None = None,
    within: Days | None = None,
    local_hour: tuple[int, int] | None = None,
    score: tuple[float, float] | None = None,
    not_followed_by: str | None = None,
    never: str | None = None,
    **properties: Scalar | tuple[Scalar, ...],
) -> Activities:
    """A choice among activities, for `did`, `sum_of` and `sequence`.

    `collection="latest"`: the collections of the newest launch up to as_of among the products that meet `product`,
    `brand`, `department` and `category`. `properties`: of an event of the company's own, those its catalogue declares.
    """
    return Activities(
        name,
        item=_names(product),
        brand=_names(brand),
        department=_names(department),
        category=_names(category),
        collection=_names(collection),
        campaign=_names(campaign),
        channel=_names(channel),
        subject=_names(subject),
        text=_names(text),
        source=_names(source),
        within=within,
        local_hour=local_hour,
        score=None if score is None else (float(score[0]), float(score[1])),
        not_followed_by=not_followed_by,
        never=never,
        properties=tuple(
            (key, tuple(sorted(held if isinstance(held, tuple) else (held,), key=repr)))
            for key, held in sorted(properties.items())
        ),
    )


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
    campaign: Names | None = None,
    channel: Names | None = None,
    subject: Names | None = None,
    text: Names | None = None,
    source: Names | None = None,
    within: Days | None = None,
    local_hour: tuple[int, int] | None = None,
    score: tuple[float, float] | None = None,
    not_followed_by: str | None = None,
    never: str | None = None,
    **properties: Scalar | tuple[Scalar, ...],
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
            within=within,
            local_hour=local_hour,
            score=score,
            not_followed_by=not_followed_by,
            never=never,
            **properties,
        ),
        at_least,
        at_most,
        same_product,
    )


def _never(choice: Callable[Choice, Activities]) -> Callable[Choice, Rule]:
    def did_not(*args: Choice.args, **kwargs: Choice.kwargs) -> Rule:
        """Did it not once; true for a person of whom no such activity is known. Filters as of `activities`."""
        return CountRule(choice(*args, **kwargs), at_least=0, at_most=0)

    did_not.__signature__ = signature(choice).replace(return_annotation=Rule)  # type: ignore[attr-defined]  # what editors and errors show
    return did_not


did_not = _never(activities)


def sum_of(measure: Literal["amount", "quantity"], of: Activities) -> Quantity:
    """The sum over chosen activities, to compare: `sum_of("amount", activities("order", within=days(30))) >= 100`."""
    return Quantity(SumRule(of, measure, ">=", Decimal(0)))


def share_of_spend(
    *, department: str | None = None, category: str | None = None, collection: str | None = None, lifetime: bool = False
) -> Quantity:
    """The share of spend in the 365 days to as_of (`lifetime`: of all time) that went to one value of one dimension."""
    given: list[tuple[Dimension, str]] = []
    if department is not None:
        given.append(("department", department))
    if category is not None:
        given.append(("category", category))
    if collection is not None:
        given.append(("collection", collection))
    if len(given) != 1:
        raise ConfigError("share_of_spend takes exactly one of department, category and collection")
    return Quantity(ShareRule(given[0][0], given[0][1], lifetime, ">=", 0.0))


def member_of(segment: "Segment | str") -> Rule:
    """Belongs to another segment, as it is computed for the same day."""
    return MemberRule(segment if isinstance(segment, str) else segment.name)


def near(lat: float, lon: float, km: float) -> Rule:
    return NearRule(float(lat), float(lon), float(km))


def inside(*corners: tuple[float, float]) -> Rule:
    return InsideRule(tuple((float(lat), float(lon)) for lat, lon in corners))


def birthday_within(number: Days) -> Rule:
    return BirthdayRule(number)


def top_n(trait: str, n: int) -> Rule:
    return TopRule(trait, n)


def sequence(*steps: Activities, within: Days) -> Rule:
    return SequenceRule(steps, within)


def all_of(*rules: Rule) -> Rule:
    return AllOf(rules)


def any_of(*rules: Rule) -> Rule:
    return AnyOf(rules)


def none_of(*rules: Rule) -> Rule:
    return NoneOf(rules)


def _place() -> tuple[str, int]:
    frame = sys._getframe(2)  # noqa: SLF001
    while frame.f_back is not None and (
        frame.f_code.co_filename == __file__ or frame.f_code.co_filename.startswith("<")
    ):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


@dataclass(frozen=True)
class Segment:
    """A named group of people, who answers for it, and what it is to move.

    `owner`: `team:x` or an e-mail address. `goal`: the name of the measure it is judged by (`Catalogue.goals`).
    `minimum_size`: below it the segment is flagged. `message`: attributes tools receive for its members (message
    segments). `review_on`: when to look at it again.
    """

    name: str
    owner: str
    goal: str
    description: str
    where: Rule
    review_on: date | None = None
    minimum_size: int = DEFAULT_MINIMUM_SIZE
    persona: bool = False
    message: Mapping[str, str] = field(default_factory=dict, hash=False)
    file: str = field(init=False, repr=False, compare=False, default="")
    line: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        file, line = _place()
        object.__setattr__(self, "file", file)
        object.__setattr__(self, "line", line)

    @property
    def place(self) -> str:
        """File and line of the literal."""
        return f"{self.file}:{self.line}"
