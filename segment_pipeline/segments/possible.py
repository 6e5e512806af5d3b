"""Whether anybody can meet a rule, and whether anybody can fail to, whatever the data: from what its leaves ask of the same thing.

A leaf says in which values something about a person lies: a trait, a count, a sum, a share. Nobody meets a rule whose leaves leave
no value to one of them. What cannot be told so (places, ranks, sequences) is taken as possible: no rule that somebody meets is refused.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final

from segment_pipeline.algebra.nodes import AllOf, AnyOf, CountRule, MemberRule, NoneOf, ShareRule, SumRule, TraitRule
from segment_pipeline.algebra.parts import NAMED, Activities, Aggregate, Rule, Scalar
from segment_pipeline.lake.core_traits import CORE, RANGES, RATIOS, VALUES
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.segments.ranges import (
    HIGHEST,
    LOWEST,
    Range,
    Ranges,
    after,
    anything,
    at,
    before,
    common,
    outside,
    points,
    steps,
)
from segment_pipeline.segments.rules import Segment

# Ways through a rule's alternatives looked at before it is taken as possible.
MOST_WAYS: Final = 2_000
# Steps of one, by type of trait.
_STEPS: Final = {"INTEGER": 1, "BIGINT": 1, "MONEY": 10**4, "RATE": 10**8}
_LIMITS: Final = {"INTEGER": 2**31 - 1, "BIGINT": 2**63 - 1, "MONEY": 10**18 - 1, "RATE": 10**18 - 1}
_NEVER_UNKNOWN: Final = frozenset(trait.name for trait in CORE.traits if not trait.null)
# Traits that are the number of activities: what one says of a person the other does.
_NUMBER_OF: Final[Mapping[str, Activities]] = {
    "visits_7d": Activities("visit", within=7),
    "visits_30d": Activities("visit", within=30),
} | {
    trait.name: trait.quantity.of
    for trait in CORE.traits
    if isinstance(trait.quantity, Aggregate) and trait.quantity.kind == "count"
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a leaf asks: that something about a person is among `met`. `unmet`: all else that it can be."""

    of: Hashable
    met: Ranges
    unmet: Ranges


Held = dict[Hashable, Ranges]
Choice = tuple[AllOf | AnyOf | NoneOf, bool]
# A rule, and whether it is to be met or failed.
Wanted = tuple[Rule, bool]


class Possible:
    """Tells what rules can be met with a company's types of traits and its thresholds of stages.

    `segments`: those whose rules stand for membership of them; of others, membership is as it may be.
    """

    def __init__(
        self, traits: Mapping[str, str], rules: TraitRules, segments: Mapping[str, Segment] | None = None
    ) -> None:
        self.traits, self.segments = traits, segments or {}
        self.days_of_stages: dict[str, Ranges] = {
            "prospect": Ranges((), unknown=True),
            "new": _days(0, rules.new_days),
            "active": _days(0, rules.active_days),
            "at_risk": _days(rules.active_days + 1, rules.at_risk_days),
            "churned": _days(rules.at_risk_days + 1),
        }

    def by_somebody(self, *rules: Rule) -> bool:
        """Whether somebody can meet all the rules."""
        return self._some([(rule, True) for rule in rules])

    def not_by_everybody(self, rule: Rule) -> bool:
        """Whether somebody can fail to meet the rule."""
        return self._some([(rule, False)])

    def not_by_all_known(self, rule: Rule) -> bool:
        """The same among people of whom all it asks for is known."""
        return self._some([(rule, False)], known=True)

    def _some(self, asked: Sequence[Wanted], *, known: bool = False) -> bool:
        """Whether one person can meet these rules, and fail those that are not wanted."""
        ways: list[tuple[Sequence[Wanted], Held]] = [(asked, {})]
        for _ in range(MOST_WAYS):
            if not ways:
                return False
            todo, before = ways.pop()
            held = dict(before)
            choices = self._narrowed(todo, held, known=known)
            if choices is None or not self._agree(held):
                continue
            if not choices:
                return True
            (rule, wanted), *others = choices
            ways += [([one, *others], held) for one in reversed(_below(rule, wanted))]
        return True

    def _narrowed(self, asked: Sequence[Wanted], held: Held, *, known: bool) -> list[Choice] | None:
        """Leave in `held`, the values each thing can have, those that the rules leave it; None: one has none left.

        Gives the rules of which one part is enough.
        """
        todo, choices = list(asked), []
        found: dict[Hashable, list[Ranges]] = {}
        while todo:
            rule, wanted = todo.pop()
            if isinstance(rule, AllOf | AnyOf | NoneOf):
                if wanted == isinstance(rule, AnyOf):
                    choices.append((rule, wanted))
                else:
                    todo += _below(rule, wanted)
                continue
            leaf = self.asked(rule)
            if (
                isinstance(rule, MemberRule)
                and rule.segment in self.segments
                and rule not in held
                and rule not in found
            ):
                todo.append((self.segments[rule.segment].where, wanted))
            found.setdefault(leaf.of, [held[leaf.of]] if leaf.of in held else []).append(
                leaf.met if wanted else leaf.unmet
            )
        for of, sets in found.items():
            values = common(sets)
            held[of] = Ranges(values.ranges) if known else values
            if not held[of]:
                return None
        return choices

    def asked(self, leaf: Rule) -> Asked:
        """What a leaf asks of what."""
        match leaf:
            case TraitRule():
                return self._trait(leaf)
            case CountRule(of, at_least, at_most, same_product):
                counts = Ranges(((at(0), HIGHEST),))
                met = Ranges(((at(at_least), HIGHEST if at_most is None else at(at_most)),)) & counts
                unmet = Ranges(steps(counts.less(met).ranges))
                return Asked(("one product", of) if same_product else of, met, unmet)
            case SumRule(of, measure, operator, value):
                return _compared((of, measure), anything(unknown=False), operator, (value,))
            case ShareRule(dimension, value, lifetime, operator, share):
                shares = Ranges(((at(Fraction(0)), at(Fraction(1))),), unknown=True)
                return _compared((dimension, value, lifetime), shares, operator, (share,))
        return Asked(leaf, Ranges(((at(1), at(1)),)), Ranges(((at(0), at(0)),)))

    def has_steps(self, trait: str, value: Scalar) -> bool:
        """Whether a number is one of those a trait can have between its ends: whole, or of so many digits."""
        step = self._step(trait)
        return step is None or Fraction(str(value)) * step % 1 == 0

    def _step(self, trait: str) -> int | None:
        return None if trait in RATIOS else _STEPS.get(self.traits[trait])

    def _trait(self, rule: TraitRule) -> Asked:
        kind, unknown = self.traits[rule.trait], rule.trait not in _NEVER_UNKNOWN
        if rule.operator in ("contains", "starts", "ends", "has"):
            return Asked(rule, Ranges(((at(1), at(1)),)), Ranges(((at(0), at(0)),)))
        step = self._step(rule.trait)
        all_of_it = anything(unknown=unknown)
        if words := (0, 1) if kind == "BOOLEAN" else VALUES.get(rule.trait):
            all_of_it = Ranges(points(words), unknown)
        elif step is not None:
            low, high = RANGES.get(rule.trait, (None, None))
            limit = _LIMITS[kind]
            all_of_it = Ranges(
                ((at(-limit if low is None else low * step), at(limit if high is None else high * step)),), unknown
            )
        elif rule.trait in RANGES:
            low, high = RANGES[rule.trait]
            all_of_it = Ranges(((at(low), HIGHEST if high is None else at(high)),), unknown)
        whole = kind == "DATE" or step is not None
        return _compared(rule.trait, all_of_it, rule.operator, rule.values, step=step or 1, whole=whole)

    def _agree(self, held: Mapping[Hashable, Ranges]) -> bool:
        """Whether what is asked of different things can be so of one person."""
        counts = [(of, *_between(values)) for of, values in self._counts(held) if values.ranges]
        most_of = [(of, most) for of, _, most in counts if most < math.inf]
        return not any(
            least > most and _is_part(one, other) for one, least, _ in counts if least > 0 for other, most in most_of
        )

    def _counts(self, held: Mapping[Hashable, Ranges]) -> Iterator[tuple[Activities, Ranges]]:
        """Of choices of activities, how many there can be, as far as what is held says."""
        yield from ((of, values) for of, values in held.items() if isinstance(of, Activities))
        for trait, of in _NUMBER_OF.items():
            if trait in held and not held[trait].unknown:
                yield of, held[trait]
        days = held.get("days_since_last_order", Ranges(((at(0), HIGHEST),), unknown=True))
        stage = held.get("lifecycle_stage")
        if stage is not None and not stage.unknown:
            found = [self.days_of_stages[low[1]] for low, _ in stage.ranges if low[1] in self.days_of_stages]
            either = Ranges(tuple(r for each in found for r in each.ranges), any(each.unknown for each in found))
            days &= either
            if not days:
                # No number of days is left: as many orders as there cannot be.
                yield Activities("order"), Ranges(((at(1), HIGHEST),))
                yield Activities("order"), Ranges(((at(0), at(0)),))
            elif not days.ranges:
                yield Activities("order"), Ranges(((at(0), at(0)),))
        if not days.unknown and days.ranges:
            least = min(low[1] for low, _ in days.ranges)
            yield Activities("order"), Ranges(((at(1), HIGHEST),))
            if least > 0:
                yield Activities("order", within=least), Ranges(((at(0), at(0)),))
            if (most := max(high for _, high in days.ranges)) != HIGHEST:
                yield Activities("order", within=most[1] + 1), Ranges(((at(1), HIGHEST),))


def _compared(
    of: Hashable, can_be: Ranges, operator: str, values: tuple[Scalar, ...], *, step: int = 1, whole: bool = False
) -> Asked:
    """A comparison of what has these values. `step`: so many whole steps make one; `whole`: nothing lies between two of them."""
    edges = [at(_in_order(value, step)) for value in values]
    ranges: tuple[Range, ...]
    match operator:
        case "unknown":
            met = Ranges((), can_be.unknown)
            return Asked(of, met, can_be.less(met))
        case "==" | "!=" | "in":
            ranges = tuple((edge, edge) for edge in sorted(set(edges)))
        case "<" | "<=":
            ranges = ((LOWEST, edges[0] if operator == "<=" else before(edges[0])),)
        case ">" | ">=":
            ranges = ((edges[0] if operator == ">=" else after(edges[0]), HIGHEST),)
        case _:
            ranges = ((edges[0], edges[1]),)
    if operator == "!=":
        ranges = outside(ranges)
    met = Ranges(steps(ranges) if whole else ranges) & can_be
    rest = can_be.less(met)
    return Asked(of, met, Ranges(steps(rest.ranges), rest.unknown) if whole else rest)


def _below(rule: AllOf | AnyOf | NoneOf, wanted: bool) -> list[Wanted]:  # noqa: FBT001
    return [(child, wanted != isinstance(rule, NoneOf)) for child in rule.rules]


def _is_part(one: Activities, other: Activities) -> bool:
    """Whether each activity of one choice is one of the other as well."""
    if one.name != other.name or (other.within is not None and (one.within is None or one.within > other.within)):
        return False
    for field in NAMED:
        asked, allowed = getattr(one, field), getattr(other, field)
        # What `latest` is depends on what else is asked of products.
        if allowed and (not asked or not set(asked) <= set(allowed)) and asked != allowed:
            return False
    rest = ("local_hour", "score", "not_followed_by", "never", "properties", "window", "tests")
    alike = all(getattr(other, field) in (None, (), getattr(one, field)) for field in rest)
    return alike and ("latest" not in one.collection + other.collection or _same_products(one, other))


def _same_products(one: Activities, other: Activities) -> bool:
    return all(set(getattr(one, f)) == set(getattr(other, f)) for f in ("item", "brand", "department", "category"))


def _between(values: Ranges) -> tuple[int, float]:
    low, high = values.ranges[0][0], values.ranges[-1][1]
    return int(low[1]), math.inf if high == HIGHEST else int(high[1])


def _days(first: int, last: int | None = None) -> Ranges:
    return Ranges(((at(first), HIGHEST if last is None else at(last)),))


def _in_order(value: Scalar, step: int) -> Any:
    match value:
        case bool():
            return int(value)
        case str():
            return value
        case date():
            return value.toordinal()
    return Fraction(str(value)) * step
