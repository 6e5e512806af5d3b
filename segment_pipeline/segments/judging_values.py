"""Judges comparisons of a person's values (whether each has a type, both can be compared, and anybody can meet it), and domains."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from segment_pipeline import identifiers
from segment_pipeline.algebra.arguments import is_number, is_text
from segment_pipeline.algebra.nodes import Compared
from segment_pipeline.algebra.parts import Aggregate, Ago, Arithmetic, Constant, DaysSince, Mistake, TraitValue, Value
from segment_pipeline.algebra.spelling import meant, one_of
from segment_pipeline.profiles.compiler.kinds import FIELDS, MOST_RECKONED, NUMBERS, SUMS, Kinds, source_column
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.segments.judging_choices import MOST_DIGITS, Choices, digits

# Digits after the point a factor may have: a product is exact then.
FACTOR_DIGITS: Final = 4
_WORDS: Final = {"min": "min_of", "max": "max_of", "sum": "sum_of", "total": "total_of", "most": "most_frequent"}


class Comparisons:
    """What is wrong with values and their comparisons, as ends of sentences. `traits`: lake types by name; `out_of_reach`: names of
    others there are, which are not there yet when the values are computed.
    """

    def __init__(self, traits: Mapping[str, str], choices: Choices, out_of_reach: Collection[str] = ()) -> None:
        self.out_of_reach = out_of_reach
        self.traits, self.choices, self.kinds = traits, choices, Kinds(traits, choices.known.properties)

    def compared(self, rule: Compared) -> Iterator[str | Mistake]:
        found = [*self.value(rule.left), *self.value(rule.right)]
        yield from found
        if found:
            return
        left, right = self.kinds.of(rule.left), self.kinds.of(rule.right)
        if left != right and not {left, right} <= set(NUMBERS):
            yield f"compares a value that is {left} with one that is {right}"
        elif rule.operator not in ("==", "!=") and left not in (*NUMBERS, "DATE"):
            yield f"orders values that are {left}: only numbers and days have an order"
        elif rule.left == rule.right:
            yield "compares a value with itself"
        elif not _reads(rule.left) and not _reads(rule.right):
            yield "compares two values of which neither is a person's"
        elif _is_number_of(rule.left) and isinstance(rule.right, Constant):
            yield from _met_by_nobody_or_all(rule.operator, rule.right.value)

    def value(self, value: Value) -> Iterator[str | Mistake]:  # noqa: C901 - one case per kind of value
        """What is wrong with a value."""
        match value:
            case Aggregate():
                yield from self._aggregate(value)
            case TraitValue(name):
                if name in self.out_of_reach:
                    yield f"reads {name}, a trait of your own: a quantity reads core traits alone, so write in its place what {name} counts"
                elif name not in self.traits:
                    yield f"names trait {name}, which does not exist{meant(name, self.traits)}"
            case DaysSince(day):
                yield from self.value(day)
                if (kind := self.kinds.of(day)) != "DATE":
                    yield f"asks for the days since a value that is {kind or 'none'}: write a day"
            case Ago(number):
                if number < 0:
                    yield f"asks for the day {number} days ago: 0 is as_of"
            case Arithmetic():
                yield from self._arithmetic(value)
            case Constant(held):
                if is_number(held) and digits(held) > MOST_DIGITS:
                    yield f"compares with {held}: a number of up to {MOST_DIGITS} digits is compared exactly"
                elif isinstance(held, str) and not is_text(held):
                    yield "compares with text that is empty or holds a NUL character"

    def _aggregate(self, value: Aggregate) -> Iterator[str | Mistake]:
        of, word = value.of, _WORDS.get(value.kind, value.kind)
        wrong = [*self.choices.activities(of)]
        yield from wrong
        if wrong:
            return
        if of.not_followed_by or of.never:
            yield f"takes {word} of activities with not_followed_by or never: say it in a rule of its own"
        if value.kind == "nth" and value.n < 1:
            yield f"asks for the activity number {value.n}: the first has the number 1"
        if value.field:
            yield from self._field(value, word)

    def _field(self, value: Aggregate, word: str) -> Iterator[str]:
        """What is wrong with the field an aggregate takes."""
        of, kind = value.of, self.kinds.field(value.field)
        if value.field in FIELDS and value.field in self.choices.properties_of(of.name):
            yield (
                f"takes {word} of {value.field}, which is a field of activities and a property of {of.name}: declare the"
                f' property by another name, keys={{"{value.field}_told": "{value.field}"}}'
            )
        elif kind is None:
            known = (*FIELDS, *self.choices.properties_of(of.name))
            yield f"takes {word} of {value.field}, which is no field of activities{one_of(value.field, known)}"
        elif value.field not in FIELDS and value.field not in self.choices.properties_of(of.name):
            yield f"takes {word} of the property {value.field}, which the catalogue does not declare of {of.name}"
        elif value.field in FIELDS and source_column(value.field) != "occurred_on":
            yield from self.choices.filled(of.name, source_column(value.field), value.field)
        if kind is not None and value.kind in SUMS and kind not in NUMBERS:
            yield f"takes {word} of {value.field}, which is {kind} and no number"
        if kind is not None and value.kind in ("min", "max") and kind not in (*NUMBERS, "DATE"):
            yield f"takes {word} of {value.field}, which is {kind}: only numbers and days have a least and a greatest"

    def _arithmetic(self, value: Arithmetic) -> Iterator[str | Mistake]:
        for side in (value.left, value.right):
            yield from self.value(side)
            kind = self.kinds.of(side)
            if kind is not None and kind not in NUMBERS:
                yield f"reckons with a value that is {kind}: only numbers are added, subtracted, multiplied and divided"
            if isinstance(side, Arithmetic) and side.operator == "/":
                yield "reckons with a quotient: compare it as it is"
        if value.operator == "/" and isinstance(value.right, Constant) and not value.right.value > 0:  # type: ignore[operator]
            yield f"divides by {value.right.value}: what is divided by 0 or less is unknown of everybody"
        if value.operator == "*":
            factors = [side.value for side in (value.left, value.right) if isinstance(side, Constant)]
            if len(factors) != 1:
                yield "multiplies two values of a person: only a number times a value is exact"
            elif int(Decimal(str(factors[0])).as_tuple().exponent) < -FACTOR_DIGITS:
                yield f"multiplies by {factors[0]}: a factor has up to {FACTOR_DIGITS} digits after the point"
        if (room := self.kinds.room(value)) is not None and sum(room) > MOST_RECKONED:
            yield f"reckons with numbers that make more than {MOST_RECKONED} digits together: write rounder ones"


def _reads(value: Value) -> bool:
    match value:
        case Aggregate() | TraitValue():
            return True
        case DaysSince(day):
            return _reads(day)
        case Arithmetic(_, left, right):
            return _reads(left) or _reads(right)
    return False


def _is_number_of(value: Value) -> bool:
    return isinstance(value, Aggregate) and value.kind in ("count", "distinct")


def _met_by_nobody_or_all(operator: str, number: object) -> Iterator[str]:
    if not isinstance(number, int | float | Decimal):
        return
    if (number < 0 and operator in ("<", "<=", "==")) or (number == 0 and operator == "<"):
        yield f"counts {operator} {number}, which no count is"
    elif (number <= 0 and operator == ">=") or (number < 0 and operator in (">", "!=")):
        yield f"counts {operator} {number}, which every count is"


def of_domains(domains: Sequence[str], rules: IdentityRules) -> Iterator[str]:
    """What is wrong with the domains of e-mail addresses a rule asks for. One with an @ is not said again: it may be somebody's address."""
    if not domains:
        yield 'asks for an e-mail address at no domain: name one, like "gmail.com"'
    for domain in domains:
        address = None if "@" in domain else identifiers.email(f"x@{domain}")
        if "@" in domain:
            yield 'asks for an e-mail domain with an @ in it: write what stands behind it, like "gmail.com"'
        elif "." not in domain:
            yield f'asks for the e-mail domain "{domain}", which has no dot: write all that stands behind the @, like "gmail.com"'
        elif address is None:
            yield f'asks for the e-mail domain "{domain}", which no address has: write what stands behind the @, of each subdomain by itself'
        elif address != f"x@{domain}":
            yield f'asks for the e-mail domain "{domain}": write it as addresses have it here, "{address.removeprefix("x@")}"'
        elif any(re.search(pattern, address) for pattern in rules.unreachable.values()):
            yield f'asks for the e-mail domain "{domain}", at which nobody is reached: no address at it is one that people have'
