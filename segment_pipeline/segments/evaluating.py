"""What the plain evaluator asks of one row or one pair of values: comparisons, texts, hours, calendars, places."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import holidays

from segment_pipeline.algebra.nodes import TraitRule, YearlyRule
from segment_pipeline.algebra.parts import Test
from segment_pipeline.lake.core_traits import RATIOS

Row = Mapping[str, Any]


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


# Fields of aggregates that are columns by another name, or by their own.
FIELDS = {"day": "occurred_on", "product": "item_key", "store": "store_key", "order": "order_key"} | {
    name: name
    for name in (
        *("amount", "quantity", "score", "brand", "department", "category", "collection"),
        *("campaign", "channel", "subject", "text", "source"),
    )
}


def is_address_at(domains: Sequence[str], row: Row) -> bool:
    """Whether a row of `profile_identifiers` is an e-mail address the person has now, at one of the domains."""
    if (row["identifier_type"], row["standing"]) != ("email", "current"):
        return False
    return row["identifier"].partition("@")[2] in domains


def meets(test: Test, row: Row) -> bool:
    held = (
        row["occurred_on"].weekday()
        if test.column == "weekday"
        else row[test.column.replace("has_coupon", "coupon_codes")]
    )
    if held is None:
        return False
    if test.column == "has_coupon":
        held = bool(held)
    match test.operator:
        case "any":
            return any(value in held for value in test.values)
        case "all":
            return all(value in held for value in test.values)
        case "none":
            return not any(value in held for value in test.values)
    return asked(test.operator, held, test.values)


def asked(operator: str, held: Any, values: Sequence[Any]) -> bool:
    match operator:
        case "in":
            return held in values
        case "between":
            return bool(like(held, values[0]) <= held <= like(held, values[1]))
        case "starts":
            return bool(held.lower().startswith(values[0].lower()))
        case "ends":
            return bool(held.lower().endswith(values[0].lower()))
        case "has":
            return values[0].lower() in held.lower()
    return COMPARE[operator](held, like(held, values[0]))


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    # A floating-point number makes the other one too; everything else is exact.
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    return left, right


def yearly(rule: YearlyRule, held: Any, as_of: date) -> bool:
    if held is None:
        return False
    first = as_of.replace(day=1) if rule.month else as_of - timedelta(days=rule.past)
    if isinstance(held, date) and held >= first:
        return False
    text = f"{held:%m-%d}" if isinstance(held, date) else held
    ahead = days_to_birthday(text, first)
    return (
        (first + timedelta(days=ahead)).month == as_of.month and ahead < 31
        if rule.month
        else ahead < rule.past + rule.ahead
    )


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def months(day: date) -> int:
    return day.year * 12 + day.month - 1


def days_of_the_calendar(country: str, day: date, *, public: bool) -> list[str]:
    """What holidays of a country a day is."""
    every = holidays.country_holidays(country).supported_categories
    known = holidays.country_holidays(country, years=day.year, language="en_US", categories=None if public else every)
    return known.get_list(day)


def trait_holds(rule: TraitRule, person: Row) -> bool:
    held = person[rule.trait]
    if rule.operator == "unknown":
        return held is None
    if rule.trait in RATIOS:
        part, whole = (person[name] for name in RATIOS[rule.trait])
        held = Fraction(part) / Fraction(whole) if whole else None
    if held is None:
        return False
    match rule.operator:
        case "in":
            return any(held == like(held, value) for value in rule.values)
        case "contains":
            return bool(rule.values[0] in held)
        case "between":
            low, high = (like(held, value) for value in rule.values)
            return bool(low <= held <= high)
        case "starts" | "ends" | "has":
            return asked(rule.operator, held, rule.values)
    return COMPARE[rule.operator](held, like(held, rule.values[0]))


def like(held: Any, value: Any) -> Any:
    if isinstance(held, Fraction):
        return Fraction(str(value))
    # Money compares with 0.1 as the decimal it was written as, a DOUBLE as the binary number.
    if isinstance(held, Decimal) and isinstance(value, float):
        return Decimal(repr(value))
    return float(value) if isinstance(held, float) and isinstance(value, Decimal) else value


def are_known(person: Row, *names: str) -> bool:
    return all(person[name] is not None for name in names)


def in_hours(local_at: Any, hours: tuple[int, int]) -> bool:
    if local_at is None:
        return False
    first, last = hours
    hour: int = local_at.hour
    return first <= hour < last if first < last else hour >= first or hour < last


def kilometres(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance by the haversine formula on a sphere of 6371.0088 km."""
    half_lat, half_lon = math.radians(lat_a - lat_b) / 2, math.radians(lon_a - lon_b) / 2
    inner = (
        math.sin(half_lat) ** 2
        + math.cos(math.radians(lat_a)) * math.cos(math.radians(lat_b)) * math.sin(half_lon) ** 2
    )
    return 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, inner)))


def is_inside(lat: float, lon: float, corners: Sequence[tuple[float, float]]) -> bool:
    inside = False
    for (lat_a, lon_a), (lat_b, lon_b) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (lat_a <= lat < lat_b or lat_b <= lat < lat_a) and lon < (lat - lat_a) * (
            (lon_b - lon_a) / (lat_b - lat_a)
        ) + lon_a:
            inside = not inside
    return inside


def days_to_birthday(birth_day: str, as_of: date) -> int:
    """Days from as_of to the next birthday, 0 when it is today; 29 February is kept on the 28th where there is no 29th."""
    month, day = int(birth_day[:2]), int(birth_day[3:])
    for year in (as_of.year, as_of.year + 1):
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        kept = date(year, month, 28) if (month, day) == (2, 29) and not leap else date(year, month, day)
        if kept >= as_of:
            return (kept - as_of).days
    raise ValueError(birth_day)
