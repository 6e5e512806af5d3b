"""What has to be found out per person before rules are pure logic: measures, thresholds on them, and one bit for each.

A bit is set only by rows that are there: a person without any row has 0 everywhere. So each condition is phrased such
that 0 is right for such a person, and the rule negates it where the phrase had to be turned round.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from segment_pipeline.algebra.nodes import (
    BirthdayRule,
    Compared,
    Comparison,
    CountRule,
    Dimension,
    EmailDomainRule,
    InsideRule,
    NearRule,
    NearStoreRule,
    PastRule,
    RandomRule,
    RankRule,
    SequenceRule,
    ShareRule,
    SqlRule,
    SumRule,
    TopRule,
    TraitRule,
    UnfollowedRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import NAMED, Activities, Rule
from segment_pipeline.errors import ConfigError
from segment_pipeline.profiles.facts.activities import SPEND_APART

WORD_BITS = 62

Turned = Literal["==", "!=", "<", "<=", ">", ">="]
_INVERSE: dict[Comparison, Turned] = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A number per person: of chosen activities, of those on the one item that has most, or a sum over them."""

    kind: Literal["count", "item_count", "amount", "quantity"]
    of: Activities

    @property
    def parts(self) -> tuple[Activities, ...]:
        """The choices it is of: what is spent on orders is spent without one as well, as by exchanges."""
        return (self.of, *apart(self.kind, self.of))

    @property
    def is_plain(self) -> bool:
        """Counts activities by name and window alone."""
        return self.kind == "count" and self.of == Activities(self.of.name, within=self.of.within)


def apart(kind: str, of: Activities) -> tuple[Activities, ...]:
    """The same choice among what a sum over orders has beside them; none for anything else."""
    return (replace(of, name=SPEND_APART),) if kind == "amount" and of.name == "order" else ()


@dataclass(frozen=True, slots=True)
class CountCondition:
    measure: Measure
    at_least: int
    at_most: int | None

    @property
    def is_met_by_one(self) -> bool:
        """Any one chosen activity is enough: nothing has to be counted."""
        return self.measure.kind == "count" and self.at_least == 1 and self.at_most is None


@dataclass(frozen=True, slots=True)
class SumCondition:
    measure: Measure
    operator: Turned
    value: Decimal


@dataclass(frozen=True, slots=True)
class ShareCondition:
    dimension: Dimension
    value: str
    lifetime: bool
    operator: Turned
    share: Decimal


@dataclass(frozen=True, slots=True)
class KnownShareCondition:
    """Any share of the dimension is known."""

    dimension: Dimension
    lifetime: bool


@dataclass(frozen=True, slots=True)
class TopCondition:
    trait: str
    n: int


@dataclass(frozen=True, slots=True)
class SequenceCondition:
    steps: tuple[Activities, ...]
    within: int
    same_product: bool = False


@dataclass(frozen=True, slots=True)
class UnfollowedCondition:
    first: Activities
    then: Activities
    within: int


@dataclass(frozen=True, slots=True)
class PastCondition:
    rule: PastRule


@dataclass(frozen=True, slots=True)
class StoreCondition:
    rule: NearStoreRule


@dataclass(frozen=True, slots=True)
class DomainCondition:
    rule: EmailDomainRule


@dataclass(frozen=True, slots=True)
class RankCondition:
    """A rank among people whom other conditions tell apart: found after all of those."""

    rule: RankRule


PersonRule = TraitRule | NearRule | InsideRule | BirthdayRule | YearlyRule | Compared | RandomRule | SqlRule


@dataclass(frozen=True, slots=True)
class PersonCondition:
    """A leaf that a person's traits and values decide."""

    rule: PersonRule


Condition = (
    CountCondition
    | SumCondition
    | ShareCondition
    | KnownShareCondition
    | TopCondition
    | SequenceCondition
    | UnfollowedCondition
    | PastCondition
    | StoreCondition
    | DomainCondition
    | RankCondition
    | PersonCondition
)


@dataclass(frozen=True, slots=True)
class Literals:
    """A leaf as logic over conditions: all of `set_`, none of `unset`."""

    set_: tuple[Condition, ...] = ()
    unset: tuple[Condition, ...] = ()


def literals(leaf: Rule) -> Literals | None:  # noqa: C901, PLR0912 - one case per kind of rule
    """The conditions behind a leaf; None for what is no leaf of its own."""
    match leaf:
        case (
            TraitRule()
            | NearRule()
            | InsideRule()
            | BirthdayRule()
            | YearlyRule()
            | Compared()
            | RandomRule()
            | SqlRule()
        ):
            return Literals((PersonCondition(leaf),))
        case CountRule(of, at_least, at_most, same_product):
            measure = Measure("item_count" if same_product else "count", _normal(of))
            if at_least > 0:
                return Literals((CountCondition(measure, at_least, at_most),))
            if at_most is None:
                raise ConfigError(f"a rule counts {of.name} with at_least=0 and no at_most: give it one of them")
            return Literals(unset=(CountCondition(measure, at_most + 1, None),))
        case SumRule(of, field, operator, value):
            measure = Measure(field, _normal(of))
            if _holds(Decimal(0), operator, value):
                return Literals(unset=(SumCondition(measure, _INVERSE[operator], value),))
            return Literals((SumCondition(measure, operator, value),))
        case ShareRule(dimension, name, lifetime, operator, share):
            if _holds(Decimal(0), operator, share):
                turned = ShareCondition(dimension, name, lifetime, _INVERSE[operator], share)
                return Literals((KnownShareCondition(dimension, lifetime),), (turned,))
            return Literals((ShareCondition(dimension, name, lifetime, operator, share),))
        case TopRule(trait, n):
            return Literals((TopCondition(trait, n),))
        case SequenceRule(steps, within, same_product):
            return Literals((SequenceCondition(tuple(_normal(step) for step in steps), within, same_product),))
        case UnfollowedRule(first, then, within):
            return Literals((UnfollowedCondition(_normal(first), _normal(then), within),))
        case PastRule():
            return Literals((PastCondition(leaf),))
        case NearStoreRule():
            return Literals((StoreCondition(leaf),))
        case EmailDomainRule():
            return Literals((DomainCondition(leaf),))
        case RankRule():
            return Literals((RankCondition(leaf),))
    return None


def _normal(of: Activities) -> Activities:
    # The same choice in another order of names is measured once.
    names = {field: tuple(sorted(set(getattr(of, field)))) for field in NAMED}
    return replace(of, **names)  # type: ignore[arg-type]


def _holds(left: Decimal, operator: Comparison, right: Decimal) -> bool:
    match operator:
        case "==":
            return left == right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right


@dataclass(frozen=True, slots=True)
class Bit:
    """Where a condition's answer stands: `mask` of the 62-bit word numbered `word`."""

    word: int
    mask: int


class Bits:
    """Gives every distinct condition a bit, each kind in words of its own, in this order:

    `plain`: on activities' names alone, sorted by name, so that a name's share words; `others`: on other activities, shares
    and ranks; `personal`: on traits and values; `late`: on ranks among people whom the others tell apart.
    """

    def __init__(self, conditions: Iterable[Condition]) -> None:
        distinct = list(dict.fromkeys(conditions))
        plain = [c for c in distinct if isinstance(c, CountCondition) and c.measure.is_plain]
        plain.sort(key=lambda c: c.measure.of.name)
        personal = [c for c in distinct if isinstance(c, PersonCondition)]
        late = [c for c in distinct if isinstance(c, RankCondition)]
        apart: set[Condition] = {*plain, *personal, *late}
        others = [c for c in distinct if c not in apart]
        self.plain_words = _words(0, len(plain))
        self.other_words = _words(self.plain_words.stop, len(others))
        self.personal_words = _words(self.other_words.stop, len(personal))
        self.late_words = _words(self.personal_words.stop, len(late))
        self.plain: dict[CountCondition, Bit] = {c: _bit(i, self.plain_words) for i, c in enumerate(plain)}
        self.others: dict[Condition, Bit] = {c: _bit(i, self.other_words) for i, c in enumerate(others)}
        self.personal: dict[PersonCondition, Bit] = {c: _bit(i, self.personal_words) for i, c in enumerate(personal)}
        self.late: dict[RankCondition, Bit] = {c: _bit(i, self.late_words) for i, c in enumerate(late)}

    def of(self, condition: Condition) -> Bit:
        if isinstance(condition, PersonCondition):
            return self.personal[condition]
        if isinstance(condition, RankCondition):
            return self.late[condition]
        if isinstance(condition, CountCondition) and condition in self.plain:
            return self.plain[condition]
        return self.others[condition]


def _words(first: int, conditions: int) -> range:
    return range(first, first + -(-conditions // WORD_BITS))


def _bit(index: int, words: range) -> Bit:
    return Bit(words.start + index // WORD_BITS, 1 << index % WORD_BITS)
