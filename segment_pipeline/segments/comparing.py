"""What the language compares: a trait, or a number about a person, that its comparisons turn into a rule.

Holds operators only; `segments.rules` gives them to those who write segments.
"""

from datetime import date
from decimal import Decimal

from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.nodes import Comparison, Rule, Scalar, ShareRule, SumRule, TraitRule


class Trait:
    """A trait to compare; each comparison gives a Rule."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> Rule:  # type: ignore[override]
        return TraitRule(self.name, "==", (_scalar(other),))

    def __ne__(self, other: object) -> Rule:  # type: ignore[override]
        return TraitRule(self.name, "!=", (_scalar(other),))

    def __lt__(self, other: Scalar) -> Rule:
        return TraitRule(self.name, "<", (other,))

    def __le__(self, other: Scalar) -> Rule:
        return TraitRule(self.name, "<=", (other,))

    def __gt__(self, other: Scalar) -> Rule:
        return TraitRule(self.name, ">", (other,))

    def __ge__(self, other: Scalar) -> Rule:
        return TraitRule(self.name, ">=", (other,))

    def isin(self, *values: Scalar) -> Rule:
        return TraitRule(self.name, "in", values)

    def contains(self, value: str) -> Rule:
        """The list holds the value."""
        return TraitRule(self.name, "contains", (value,))

    def between(self, low: Scalar, high: Scalar) -> Rule:
        """From `low` to `high`, both included."""
        return TraitRule(self.name, "between", (low, high))

    def is_unknown(self) -> Rule:
        return TraitRule(self.name, "unknown")

    def is_true(self) -> Rule:
        return TraitRule(self.name, "==", (True,))

    def is_false(self) -> Rule:
        """Known to be false; not the same as not known to be true."""
        return TraitRule(self.name, "==", (False,))


class Quantity:
    """A number about a person to compare; each comparison gives a Rule."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, rule: "SumRule | ShareRule") -> None:
        self._rule = rule

    def _compared(self, operator: Comparison, value: float | Decimal) -> Rule:
        match self._rule:
            case SumRule(of, measure):
                return SumRule(of, measure, operator, _decimal(value))
            case ShareRule(dimension, name, lifetime):
                return ShareRule(dimension, name, lifetime, operator, float(value))

    def __eq__(self, other: object) -> Rule:  # type: ignore[override]
        if not isinstance(other, int | float | Decimal):
            raise ConfigError("a sum or share compares with a number")
        return self._compared("==", other)

    def __ne__(self, other: object) -> Rule:  # type: ignore[override]
        raise ConfigError("a sum or share has no !=: use none_of(… == …)")

    def __lt__(self, other: float | Decimal) -> Rule:
        return self._compared("<", other)

    def __le__(self, other: float | Decimal) -> Rule:
        return self._compared("<=", other)

    def __gt__(self, other: float | Decimal) -> Rule:
        return self._compared(">", other)

    def __ge__(self, other: float | Decimal) -> Rule:
        return self._compared(">=", other)


def _scalar(value: object) -> Scalar:
    if not isinstance(value, bool | int | float | Decimal | str | date):
        raise ConfigError(
            f"a trait cannot be compared with a {type(value).__name__}: use is_unknown() for None, isin() for several"
        )
    return value


def _decimal(value: float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))
