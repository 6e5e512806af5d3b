"""Who belongs, told one person and one rule at a time in plain Python: the oracle of the compiler's property tests.

Written from the meaning of the rules and not from the compiler's SQL. Slow on purpose; nothing but tests runs it.
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    Compared,
    CountRule,
    EmailDomainRule,
    InsideRule,
    MemberRule,
    NearRule,
    NearStoreRule,
    NoneOf,
    PastRule,
    RandomRule,
    RankRule,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
    TraitRule,
    UnfollowedRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import (
    LATEST,
    Activities,
    Aggregate,
    Ago,
    Arithmetic,
    Constant,
    Dates,
    DaysSince,
    Ended,
    Holidays,
    Hours,
    Period,
    Rule,
    TraitValue,
    Value,
    Window,
)
from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.profiles.facts.activities import SPEND_APART
from segment_pipeline.segments.evaluating import (
    COMPARE,
    FIELDS,
    Row,
    alike,
    are_known,
    days_of_the_calendar,
    days_to_birthday,
    in_hours,
    is_address_at,
    is_inside,
    kilometres,
    meets,
    monday,
    months,
    trait_holds,
    yearly,
)
from segment_pipeline.segments.rules import Segment


@dataclass(frozen=True)
class World:
    """What is known at the end of a day, as rows of `traits`, `trait_shares`, `activities` and `products_as_of`.

    `stores`: those there are, with their places. `identifiers`: rows of `profile_identifiers` of the day. `members`: rows of `memberships` before the day; `changes`: of `membership_changes`.
    """

    as_of: date
    traits: Sequence[Row]
    shares: Sequence[Row] = ()
    activities: Sequence[Row] = ()
    products: Sequence[Row] = ()
    members: Sequence[Row] = ()
    changes: Sequence[Row] = ()
    stores: Sequence[Row] = ()
    identifiers: Sequence[Row] = ()
    zone: str = "UTC"


def members(segments: Sequence[Segment], world: World) -> dict[str, set[str]]:
    """The members of each segment, by its name."""
    evaluator = _Evaluator(world, {segment.name: segment for segment in segments})
    return {
        segment.name: {row["profile_id"] for row in world.traits if evaluator.holds(segment.where, row)}
        for segment in segments
    }


def value_of(value: Value, world: World, person: Row) -> Any:
    """What a value is for a person, exact; None: unknown."""
    return _Evaluator(world, {}).value(value, person)


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
                return trait_holds(rule, person)
            case CountRule():
                return self._counted(rule, person)
            case SumRule(of, measure, operator, value):
                chosen = self._chosen(of, person)
                if measure == "amount" and of.name == "order":
                    chosen += self._chosen(replace(of, name=SPEND_APART), person)
                total = sum((row[measure] for row in chosen if row[measure] is not None), Decimal(0))
                return COMPARE[operator](total, value)
            case ShareRule():
                return self._share_holds(rule, person)
            case NearRule(lat, lon, km):
                return are_known(person, "lat", "lon") and kilometres(person["lat"], person["lon"], lat, lon) <= km
            case NearStoreRule(km, stores):
                return are_known(person, "lat", "lon") and any(
                    kilometres(person["lat"], person["lon"], row["lat"], row["lon"]) <= km
                    for row in self.world.stores
                    if not stores or row["store_key"] in stores
                )
            case EmailDomainRule(domains):
                return any(
                    row["profile_id"] == person["profile_id"] and is_address_at(domains, row)
                    for row in self.world.identifiers
                )
            case InsideRule(corners):
                return are_known(person, "lat", "lon") and is_inside(person["lat"], person["lon"], corners)
            case BirthdayRule(days):
                return (
                    person["birth_day"] is not None and days_to_birthday(person["birth_day"], self.world.as_of) < days
                )
            case YearlyRule():
                return yearly(rule, person[rule.trait], self.world.as_of)
            case Compared(left, operator, right):
                sides = self.value(left, person), self.value(right, person)
                return None not in sides and COMPARE[operator](*alike(*sides))
            case TopRule(trait, n):
                known = [row for row in self.world.traits if row[trait] is not None]
                known.sort(key=lambda row: row["profile_id"])
                known.sort(key=lambda row: row[trait], reverse=True)
                return person["profile_id"] in [row["profile_id"] for row in known[:n]]
            case RankRule():
                return person["profile_id"] in self._ranked(rule, person)
            case RandomRule(share, salt):
                digest = hashlib.sha256(f"{salt}:{person['profile_id']}".encode()).hexdigest()
                return int(digest[:8], 16) < int(share * 2**32)
            case PastRule():
                return self._was(rule, person["profile_id"])
            case UnfollowedRule(first, then, within):
                return self._unfollowed(first, then, timedelta(days=within), person)
            case SequenceRule(steps, within, same_product):
                return any(
                    self._continues(steps[1:], row, row, within, person, same_product=same_product)
                    for row in self._chosen(steps[0], person)
                    if not same_product or row["item_key"] is not None
                )
        raise TypeError(type(rule).__name__)

    def value(self, value: Value, person: Row) -> Any:
        """What a value is for a person, exact; None: unknown."""
        match value:
            case Constant(held):
                return Fraction(str(held)) if isinstance(held, float | Decimal) else held
            case TraitValue(name):
                if name in RATIOS:
                    part, whole = (person[part] for part in RATIOS[name])
                    return Fraction(part) / Fraction(whole) if part is not None and whole else None
                return person[name]
            case Ago(number):
                return self.world.as_of - timedelta(days=number)
            case DaysSince(day):
                since = self.value(day, person)
                return None if since is None else (self.world.as_of - since).days
            case Arithmetic(operator, left, right):
                sides = self.value(left, person), self.value(right, person)
                if None in sides or (operator == "/" and sides[1] <= 0):
                    return None
                one, other = map(Fraction, sides)
                return (
                    {"+": one + other, "-": one - other, "*": one * other}.get(operator)
                    if operator != "/"
                    else one / other
                )
            case Aggregate():
                return self._aggregated(value, person)
        raise TypeError(type(value).__name__)

    def _aggregated(self, aggregate: Aggregate, person: Row) -> Any:
        rows = self._chosen(aggregate.of, person)
        if aggregate.kind in ("sum", "total") and aggregate.field == "amount" and aggregate.of.name == "order":
            rows += self._chosen(replace(aggregate.of, name=SPEND_APART), person)
        held = [(row["occurred_at"], self._field(aggregate.field, row)) for row in rows] if aggregate.field else []
        held = [(at, value) for at, value in held if value is not None]
        values = [value for _, value in held]
        match aggregate.kind:
            case "count":
                return len(held if aggregate.field else rows)
            case "total" if rows and not values:
                return None
            case "sum" | "total":
                return sum((Fraction(str(value)) for value in values), Fraction(0))
            case "distinct":
                return len(set(values))
            case "min":
                return min(values, default=None)
            case "max":
                return max(values, default=None)
            case "most":
                return min(values, key=lambda value: (-values.count(value), value), default=None)
        in_order = [value for _, value in sorted(held)]
        if aggregate.kind == "last":
            return in_order[-1] if in_order else None
        at = aggregate.n - 1 if aggregate.kind == "nth" else 0
        return in_order[at] if at < len(in_order) else None

    def _field(self, field: str, row: Row) -> Any:
        if field == "week":
            return (self.world.as_of - row["occurred_on"]).days // 7
        if field == "month":
            return row["occurred_on"].year * 12 + row["occurred_on"].month
        return row[FIELDS.get(field, f"property_{field}")]

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
        return bool(known) and COMPARE[rule.operator](known.get(rule.value, Fraction(0)), Fraction(rule.share))

    def _ranked(self, rule: RankRule, person: Row) -> list[str]:
        known = [
            row
            for row in self.world.traits
            if row[rule.trait] is not None
            and (rule.per is None or (row[rule.per] is not None and row[rule.per] == person[rule.per]))
            and (rule.among is None or self.holds(rule.among, row))
        ]
        known.sort(key=lambda row: row["profile_id"])
        known.sort(key=lambda row: row[rule.trait], reverse=True)
        n = rule.n if rule.share is None else math.ceil(Fraction(rule.share) * len(known))
        return [row["profile_id"] for row in known[:n]]

    def _was(self, rule: PastRule, profile_id: str) -> bool:
        rows = self.world.members if rule.kind == "member" else self.world.changes
        mine = [row for row in rows if row["profile_id"] == profile_id and row["segment"] == rule.segment]
        back = {(self.world.as_of - row["as_of"]).days for row in mine if rule.kind == "member"}
        if rule.kind == "member":
            return set(range(rule.ago, rule.ago + rule.days)) <= back
        ended = {"entered": "entered", "left": "exited", "ever": "entered"}[rule.kind]
        causes = {"data", "gap", "identity"} | ({"first", "definition"} if rule.kind == "ever" else set())
        before = [
            (self.world.as_of - row["as_of"]).days for row in mine if row["change"] == ended and row["cause"] in causes
        ]
        return any(days >= 1 and (rule.kind == "ever" or days <= rule.days) for days in before)

    def _unfollowed(self, first: Activities, then: Activities, span: timedelta, person: Row) -> bool:
        midnight = datetime.combine(self.world.as_of + timedelta(days=1), time(), ZoneInfo(self.world.zone))
        others = [row["occurred_at"] for row in self._chosen(then, person)]
        return any(
            row["occurred_at"] + span <= midnight.astimezone(UTC)
            and not any(row["occurred_at"] < other <= row["occurred_at"] + span for other in others)
            for row in self._chosen(first, person)
        )

    def _continues(
        self, steps: Sequence[Activities], first: Row, last: Row, within: int, person: Row, *, same_product: bool
    ) -> bool:
        if not steps:
            span: timedelta = last["occurred_at"] - first["occurred_at"]
            return span <= timedelta(days=within)
        later = [row for row in self._chosen(steps[0], person) if row["occurred_at"] > last["occurred_at"]]
        if same_product:
            later = [row for row in later if row["item_key"] == first["item_key"]]
        return any(self._continues(steps[1:], first, row, within, person, same_product=same_product) for row in later)

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
        if not self._is_in_time(of, row) or not all(meets(test, row) for test in of.tests):
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

    def _is_in_time(self, of: Activities, row: Row) -> bool:
        if of.within is not None and row["occurred_on"] <= self.world.as_of - timedelta(days=of.within):
            return False
        if of.local_hour is not None and not in_hours(row["local_at"], of.local_hour):
            return False
        return of.window is None or self._in_window(of.window, row)

    def _in_window(self, window: Window, row: Row) -> bool:
        day, as_of = row["occurred_on"], self.world.as_of
        match window:
            case Ended(number, since):
                return bool(since <= (as_of - day).days < since + number)
            case Hours(number):
                midnight = datetime.combine(as_of + timedelta(days=1), time(), ZoneInfo(self.world.zone))
                return bool(row["occurred_at"] >= midnight.astimezone(UTC) - timedelta(hours=number))
            case Dates(first, last):
                return bool(first <= day <= last)
            case Period("week", back):
                return monday(day) == monday(as_of) - timedelta(days=7 * back)
            case Period("month", back):
                return months(day) == months(as_of) - back
            case Period("quarter", back):
                return months(day) // 3 == months(as_of) // 3 - back
            case Period("year", back):
                return bool(day.year == as_of.year - back)
            case Holidays(country, name, before):
                days = [day + timedelta(days=ahead) for ahead in (range(1, before + 1) if before else (0,))]
                return any(
                    name in (None, held)
                    for each in days
                    for held in days_of_the_calendar(country, each, public=name is None)
                )
        raise TypeError(type(window).__name__)

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
