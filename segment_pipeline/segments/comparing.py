"""What the language compares: a trait, or a number about a person, that its comparisons turn into a rule.

Holds operators only; `segments.rules` gives them to those who write segments. What cannot be compared becomes a `Mistake`.
"""

from decimal import Decimal

from segment_pipeline.segments.arguments import is_number, is_scalar, shown
from segment_pipeline.segments.nodes import (
    AllOf,
    AnyOf,
    Comparison,
    Mistake,
    Operator,
    Rule,
    Scalar,
    ShareRule,
    SumRule,
    TraitRule,
    here,
)


class Trait:
    """A trait to compare; each comparison gives a Rule. `mistake`: what is wrong with how it was named."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str, mistake: Mistake | None = None) -> None:
        self.name, self._mistake = name, mistake

    def _compared(self, operator: Operator, *values: object) -> Rule:
        if self._mistake is not None:
            return self._mistake
        for value in values:
            if not is_scalar(value):
                return Mistake(
                    f"compares trait {self.name} with {shown(value)}: a value is text, a number, a day, True or False;"
                    " is_unknown() asks for None, isin() for several",
                    here(),
                )
        return TraitRule(self.name, operator, values)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        return bool(self == True)  # noqa: E712  a rule says what is wrong with that

    def __eq__(self, other: object) -> Rule:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Rule:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: Scalar) -> Rule:
        return self._compared("<", other)

    def __le__(self, other: Scalar) -> Rule:
        return self._compared("<=", other)

    def __gt__(self, other: Scalar) -> Rule:
        return self._compared(">", other)

    def __ge__(self, other: Scalar) -> Rule:
        return self._compared(">=", other)

    def isin(self, *values: Scalar) -> Rule:
        return self._compared("in", *values)

    def contains(self, *values: str) -> Rule:
        """The list holds the value."""
        if len(values) != 1:
            return Mistake(
                f"asks whether trait {self.name} contains {len(values)} values: any_of() or all_of() for several",
                here(),
            )
        return self._compared("contains", *values)

    def between(self, low: Scalar, high: Scalar) -> Rule:
        """From `low` to `high`, both included."""
        return self._compared("between", low, high)

    def is_unknown(self) -> Rule:
        return self._compared("unknown")

    def is_true(self) -> Rule:
        return self._compared("==", True)

    def is_false(self) -> Rule:
        """Known to be false; not the same as not known to be true."""
        return self._compared("==", False)


class Quantity:
    """A number about a person to compare; each comparison gives a Rule."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, rule: "SumRule | ShareRule | Mistake") -> None:
        self._rule = rule

    def _compared(self, operator: Comparison, value: object) -> Rule:
        if isinstance(self._rule, Mistake):
            return self._rule
        if not is_number(value):
            return Mistake(f"compares a sum or share with {shown(value)}: write a number", here())
        # As it is written: 0.4 is four tenths.
        number = Decimal(str(value))
        match self._rule:
            case SumRule(of, measure):
                return SumRule(of, measure, operator, number)
            case ShareRule(dimension, name, lifetime):
                return ShareRule(dimension, name, lifetime, operator, number)

    def __bool__(self) -> bool:
        return bool(self > 0)

    def __eq__(self, other: object) -> Rule:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Rule:  # type: ignore[override]
        return Mistake("compares a sum or share by !=: use none_of(… == …)", here())

    def __lt__(self, other: float | Decimal) -> Rule:
        return self._compared("<", other)

    def __le__(self, other: float | Decimal) -> Rule:
        return self._compared("<=", other)

    def __gt__(self, other: float | Decimal) -> Rule:
        return self._compared(">", other)

    def __ge__(self, other: float | Decimal) -> Rule:
        return self._compared(">=", other)

    def between(self, low: float | Decimal, high: float | Decimal) -> Rule:
        """From `low` to `high`, both included."""
        return AllOf((self >= low, self <= high))

    def isin(self, *values: float | Decimal) -> Rule:
        if not values:
            return Mistake("compares a sum or share with none of many: name at least one", here())
        return AnyOf(tuple(self == value for value in values))

    def is_unknown(self) -> Rule:
        return Mistake("asks whether a sum or share is unknown: compare it with a number", here())
