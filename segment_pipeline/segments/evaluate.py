"""Who belongs, told one person and one rule at a time in plain Python: the oracle of the compiler's property tests.

Written from the meaning of the rules and not from the compiler's SQL. Slow on purpose; nothing but tests runs it.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.profiles.facts.activities import SPEND_APART
from segment_pipeline.segments.nodes import (
    LATEST,
    Activities,
    AllOf,
    AnyOf,
    BirthdayRule,
    CountRule,
    InsideRule,
    MemberRule,
    NearRule,
    NoneOf,
    Rule,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
    TraitRule,
)
from segment_pipeline.segments.rules import Segment

Row = Mapping[str, Any]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class World:
    """What is known at the end of a day, as rows of `traits`, `trait_shares`, `activities` and `products_as_of`."""

    as_of: date
    traits: Sequence[Row]
    shares: Sequence[Row] = ()
    activities: Sequence[Row] = ()
    products: Sequence[Row] = ()


def members(segments: Sequence[Segment], world: World) -> dict[str, set[str]]:
    """The members of each segment, by its name."""
    evaluator = _Evaluator(world, {segment.name: segment for segment in segments})
    return {
        segment.name: {row["profile_id"] for row in world.traits if evaluator.holds(segment.where, row)}
        for segment in segments
    }


class _Evaluator:
    def __init__(self, world: World, segments: Mapping[str, Segment]) -> None:
        self.world, self.segments = world, segments
        self.by_person: dict[str, list[Row]] = {}
        self.skus: dict[str, set[str]] = {}
        for row in world.products:
            self.skus.setdefault(row["item_key"], set()).update(row["skus"] or ())
        for row in world.activities:
            if row["occurred_on"] <= world.as_of:
                self.by_person.setdefault(row["profile_id"], []).append(row)

    def holds(self, rule: Rule, person: Row) -> bool:  # noqa: C901, PLR0912 - one case per kind of rule
        match rule:
            case AllOf(rules):
                return all(self.holds(child, person) for child in rules)
            case AnyOf(rules):
                return any(self.holds(child, person) for child in rules)
            case NoneOf(rules):
                return not any(self.holds(child, person) for child in rules)
            case MemberRule(name):
                return self.holds(self.segments[name].where, person)
            case TraitRule():
                return _trait_holds(rule, person)
            case CountRule():
                return self._counted(rule, person)
            case SumRule(of, measure, operator, value):
                chosen = self._chosen(of, person)
                if measure == "amount" and of.name == "order":
                    chosen += self._chosen(replace(of, name=SPEND_APART), person)
                total = sum((row[measure] for row in chosen if row[measure] is not None), Decimal(0))
                return _COMPARE[operator](total, value)
            case ShareRule():
                return self._share_holds(rule, person)
            case NearRule(lat, lon, km):
                return _known(person, "lat", "lon") and kilometres(person["lat"], person["lon"], lat, lon) <= km
            case InsideRule(corners):
                return _known(person, "lat", "lon") and _is_inside(person["lat"], person["lon"], corners)
            case BirthdayRule(days):
                return (
                    person["birth_day"] is not None and days_to_birthday(person["birth_day"], self.world.as_of) < days
                )
            case TopRule(trait, n):
                known = [row for row in self.world.traits if row[trait] is not None]
                known.sort(key=lambda row: row["profile_id"])
                known.sort(key=lambda row: row[trait], reverse=True)
                return person["profile_id"] in [row["profile_id"] for row in known[:n]]
            case SequenceRule(steps, within):
                return any(
                    self._continues(steps[1:], row, row, within, person) for row in self._chosen(steps[0], person)
                )
        raise TypeError(type(rule).__name__)

    def _counted(self, rule: CountRule, person: Row) -> bool:
        chosen = self._chosen(rule.of, person)
        if not rule.same_product:
            return rule.at_least <= len(chosen) <= (math.inf if rule.at_most is None else rule.at_most)
        items = [row["item_key"] for row in chosen if row["item_key"] is not None]
        return any(items.count(item) >= rule.at_least for item in set(items))

    def _share_holds(self, rule: ShareRule, person: Row) -> bool:
        spend, whole = ("spend_total", "known_total") if rule.lifetime else ("spend_365d", "known_365d")
        rows = [
            r for r in self.world.shares if r["profile_id"] == person["profile_id"] and r["dimension"] == rule.dimension
        ]
        known = {row["value"]: Fraction(row[spend]) / Fraction(row[whole]) for row in rows if row[whole]}
        return bool(known) and _COMPARE[rule.operator](known.get(rule.value, Fraction(0)), Fraction(rule.share))

    def _continues(self, steps: Sequence[Activities], first: Row, last: Row, within: int, person: Row) -> bool:
        if not steps:
            span: timedelta = last["occurred_at"] - first["occurred_at"]
            return span <= timedelta(days=within)
        later = [row for row in self._chosen(steps[0], person) if row["occurred_at"] > last["occurred_at"]]
        return any(self._continues(steps[1:], first, row, within, person) for row in later)

    def _chosen(self, of: Activities, person: Row) -> list[Row]:
        return [row for row in self.by_person.get(person["profile_id"], ()) if self._is_chosen(of, row)]

    def _is_chosen(self, of: Activities, row: Row) -> bool:
        filters = (
            (of.brand, "brand"), (of.department, "department"), (of.category, "category"),
            (self._collections(of), "collection"), (of.campaign, "campaign"), (of.channel, "channel"),
            (of.subject, "subject"), (of.text, "text"), (of.source, "source"),
        )  # fmt: skip
        if row["name"] != of.name or any(wanted and row[column] not in wanted for wanted, column in filters):
            return False
        if of.item and not self._has_sku(row["item_key"], of.item):
            return False
        if any(row[f"property_{name}"] not in wanted for name, wanted in of.properties):
            return False
        if LATEST in of.collection and row["collection"] not in self._collections(of):
            return False
        if of.within is not None and row["occurred_on"] <= self.world.as_of - timedelta(days=of.within):
            return False
        if of.local_hour is not None and not _in_hours(row["local_at"], of.local_hour):
            return False
        if of.score is not None and not (row["score"] is not None and of.score[0] <= row["score"] <= of.score[1]):
            return False
        others = [
            other
            for other in self.by_person[row["profile_id"]]
            if self._same_article(other["item_key"], row["item_key"])
        ]
        if (of.never or of.not_followed_by) and row["item_key"] is None:
            return False
        if of.never is not None and any(other["name"] == of.never for other in others):
            return False
        return of.not_followed_by is None or not any(
            other["name"] == of.not_followed_by and other["occurred_at"] >= row["occurred_at"] for other in others
        )

    def _has_sku(self, item: str | None, asked: Collection[str]) -> bool:
        return item is not None and (item in asked or not self.skus.get(item, set()).isdisjoint(asked))

    def _same_article(self, one: str | None, other: str | None) -> bool:
        if one is None or other is None:
            return False
        return one == other or not self.skus.get(one, set()).isdisjoint(self.skus.get(other, set()))

    def _collections(self, of: Activities) -> tuple[str, ...]:
        if LATEST not in of.collection:
            return of.collection
        launched = [
            row
            for row in self.world.products
            if row["collection"] is not None
            and row["launched_on"] is not None
            and row["launched_on"] <= self.world.as_of
            and (not of.item or self._has_sku(row["item_key"], of.item))
            and (not of.brand or row["brand"] in of.brand)
            and (not of.department or row["department"] in of.department)
            and (not of.category or row["category"] in of.category)
        ]
        newest = max((row["launched_on"] for row in launched), default=None)
        named = {name for name in of.collection if name != LATEST}
        return tuple(named | {row["collection"] for row in launched if row["launched_on"] == newest})


def _trait_holds(rule: TraitRule, person: Row) -> bool:
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
            return any(held == _like(held, value) for value in rule.values)
        case "contains":
            return bool(rule.values[0] in held)
        case "between":
            low, high = (_like(held, value) for value in rule.values)
            return bool(low <= held <= high)
    return _COMPARE[rule.operator](held, _like(held, rule.values[0]))


def _like(held: Any, value: Any) -> Any:
    if isinstance(held, Fraction):
        return Fraction(str(value))
    # Money compares with 0.1 as the decimal it was written as, a DOUBLE as the binary number.
    if isinstance(held, Decimal) and isinstance(value, float):
        return Decimal(repr(value))
    return float(value) if isinstance(held, float) and isinstance(value, Decimal) else value


def _known(person: Row, *names: str) -> bool:
    return all(person[name] is not None for name in names)


def _in_hours(local_at: Any, hours: tuple[int, int]) -> bool:
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


def _is_inside(lat: float, lon: float, corners: Sequence[tuple[float, float]]) -> bool:
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
