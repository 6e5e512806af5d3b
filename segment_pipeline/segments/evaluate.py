"""Who belongs, told one person and one rule at a time in plain Python: the oracle of the compiler's property tests.

Written from the meaning of the rules and not from the compiler's SQL. Slow on purpose; nothing but tests runs it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
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
    Activities,
    Aggregate,
    Ago,
    Arithmetic,
    Constant,
    DaysSince,
    Rule,
    TraitValue,
    Value,
)
from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.profiles.facts.activities import SPEND_APART
from segment_pipeline.segments.evaluating import (
    COMPARE,
    FIELDS,
    Row,
    alike,
    are_known,
    days_to_birthday,
    is_address_at,
    is_inside,
    kilometres,
    trait_holds,
    yearly,
)
from segment_pipeline.segments.evaluating_choices import Choosing, World
from segment_pipeline.segments.rules import Segment

__all__ = ["World", "members", "value_of"]


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
        self.choosing = Choosing(world)

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
                chosen = self.choosing.rows(of, person)
                if measure == "amount" and of.name == "order":
                    chosen += self.choosing.rows(replace(of, name=SPEND_APART), person)
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
                    for row in self.choosing.rows(steps[0], person)
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
        rows = self.choosing.rows(aggregate.of, person)
        if aggregate.kind in ("sum", "total") and aggregate.field == "amount" and aggregate.of.name == "order":
            rows += self.choosing.rows(replace(aggregate.of, name=SPEND_APART), person)
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
        chosen = self.choosing.rows(rule.of, person)
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
        others = [row["occurred_at"] for row in self.choosing.rows(then, person)]
        return any(
            row["occurred_at"] + span <= midnight.astimezone(UTC)
            and not any(row["occurred_at"] < other <= row["occurred_at"] + span for other in others)
            for row in self.choosing.rows(first, person)
        )

    def _continues(
        self, steps: Sequence[Activities], first: Row, last: Row, within: int, person: Row, *, same_product: bool
    ) -> bool:
        if not steps:
            span: timedelta = last["occurred_at"] - first["occurred_at"]
            return span <= timedelta(days=within)
        later = [row for row in self.choosing.rows(steps[0], person) if row["occurred_at"] > last["occurred_at"]]
        if same_product:
            later = [row for row in later if row["item_key"] == first["item_key"]]
        return any(self._continues(steps[1:], first, row, within, person, same_product=same_product) for row in later)
