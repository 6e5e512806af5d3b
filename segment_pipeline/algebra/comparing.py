"""What the language compares: a trait, or a value of a person, that its comparisons turn into a rule.

Holds operators only; `segments.rules` gives them to those who write segments. What cannot be compared becomes a `Mistake`.
"""

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, cast

from segment_pipeline.algebra.arguments import asked_of_a_value, beyond, is_number, is_scalar, is_whole, shown
from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    Compare,
    Compared,
    CountRule,
    NoneOf,
    Operator,
    ShareRule,
    SumRule,
    TraitRule,
)
from segment_pipeline.algebra.parts import (
    Aggregate,
    Arithmetic,
    Constant,
    Mistake,
    Rule,
    Scalar,
    TraitValue,
    Value,
    here,
)
from segment_pipeline.algebra.spelling import meant


class Comparable(ABC):
    """Gives comparisons and arithmetic to what has a `value`."""

    __hash__ = None  # type: ignore[assignment]

    @property
    @abstractmethod
    def value(self) -> Value | Mistake:
        """What is compared; a mistake where it cannot be."""

    @abstractmethod
    def _compared(self, operator: Compare, other: object) -> Rule: ...

    def __bool__(self) -> bool:
        return bool(self == True)  # noqa: E712  a rule says what is wrong with that

    def __eq__(self, other: object) -> Rule:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Rule:  # type: ignore[override]
        return self._compared("!=", other)

    def __lt__(self, other: "Scalar | Comparable") -> Rule:
        return self._compared("<", other)

    def __le__(self, other: "Scalar | Comparable") -> Rule:
        return self._compared("<=", other)

    def __gt__(self, other: "Scalar | Comparable") -> Rule:
        return self._compared(">", other)

    def __ge__(self, other: "Scalar | Comparable") -> Rule:
        return self._compared(">=", other)

    def __add__(self, other: object) -> "Quantity":
        return _reckoned("+", self.value, value_of(other))

    def __sub__(self, other: object) -> "Quantity":
        return _reckoned("-", self.value, value_of(other))

    def __mul__(self, other: object) -> "Quantity":
        return _reckoned("*", self.value, value_of(other))

    def __truediv__(self, other: object) -> "Quantity":
        return _reckoned("/", self.value, value_of(other))

    def __radd__(self, other: object) -> "Quantity":
        return _reckoned("+", value_of(other), self.value)

    def __rsub__(self, other: object) -> "Quantity":
        return _reckoned("-", value_of(other), self.value)

    def __rmul__(self, other: object) -> "Quantity":
        return _reckoned("*", value_of(other), self.value)

    def __rtruediv__(self, other: object) -> "Quantity":
        return _reckoned("/", value_of(other), self.value)

    def _not_reckoned(self, *_: object) -> "Quantity":
        text = "reckons with a value otherwise than by +, -, * and /: of its negative, write 0 - …"
        return Quantity(Mistake(text, here()))

    __neg__ = __pos__ = __abs__ = __invert__ = __round__ = __floor__ = __ceil__ = __trunc__ = _not_reckoned
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = _not_reckoned
    __matmul__ = __rmatmul__ = __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __xor__ = __rxor__ = _not_reckoned

    def __and__(self, other: object) -> Rule:
        return Mistake(
            "combines values by & or |: compare each, and combine rules with all_of, any_of and none_of", here()
        )

    __or__ = __rand__ = __ror__ = __and__

    if not TYPE_CHECKING:  # an editor is to say that there is no such word

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            words = [each for each in dir(type(self)) if not each.startswith("_")]
            text = f"writes .{name} of a value, which is no word{meant(name, words)}"
            return lambda *_, **__: Mistake(text, here())


def value_of(other: object) -> Value | Mistake:
    """A value to compare or reckon with: another of the person's, or a constant."""
    if isinstance(other, Comparable):
        return other.value
    if is_scalar(other):
        return Constant(cast("Scalar", other))
    if large := beyond(other):
        return Mistake(f"compares a value with {shown(other)}{large}", here())
    return Mistake(f"compares a value with {shown(other)}: write a number, a day, text, a trait or a quantity", here())


def _reckoned(operator: Literal["+", "-", "*", "/"], left: Value | Mistake, right: Value | Mistake) -> "Quantity":
    for side in (left, right):
        if isinstance(side, Mistake):
            return Quantity(side)
    return Quantity(Arithmetic(operator, cast("Value", left), cast("Value", right)))


def _rule(left: Value | Mistake, operator: Compare, right: Value | Mistake) -> Rule:
    for side in (left, right):
        if isinstance(side, Mistake):
            return side
    return Compared(cast("Value", left), operator, cast("Value", right))


class Trait(Comparable):
    """A trait to compare; each comparison gives a Rule. `mistake`: what is wrong with how it was named."""

    def __init__(self, name: str, mistake: Mistake | None = None) -> None:
        self.name, self._mistake = name, mistake

    @property
    def value(self) -> Value | Mistake:
        return self._mistake or TraitValue(self.name)

    def _compared(self, operator: Compare, other: object) -> Rule:
        if isinstance(other, Comparable):
            return _rule(self.value, operator, other.value)
        return self._asked(operator, other)

    def _asked(self, operator: Operator, *values: object) -> Rule:
        if self._mistake is not None:
            return self._mistake
        for value in values:
            if large := beyond(value):
                return Mistake(f"compares trait {self.name} with {shown(value)}{large}", here())
            if not is_scalar(value):
                return Mistake(
                    f"compares trait {self.name} with {shown(value)}: a value is text, a number, a day, True or False;"
                    " is_unknown() asks for None, isin() for several",
                    here(),
                )
        return TraitRule(self.name, operator, values)  # type: ignore[arg-type]

    @asked_of_a_value
    def isin(self, *values: Scalar) -> Rule:
        return self._asked("in", *values)

    @asked_of_a_value
    def contains(self, *values: str) -> Rule:
        """The list holds the value."""
        if not values:
            return self._none_named("contains")
        if len(values) != 1:
            return Mistake(
                f"asks whether trait {self.name} contains {len(values)} values: contains_any() or contains_all() for several",
                here(),
            )
        return self._asked("contains", *values)

    @asked_of_a_value
    def contains_any(self, *values: str) -> Rule:
        """The list holds one of the values."""
        return AnyOf(self._each(values)) if values else self._none_named("contains_any")

    @asked_of_a_value
    def contains_all(self, *values: str) -> Rule:
        """The list holds every one of the values."""
        return AllOf(self._each(values)) if values else self._none_named("contains_all")

    @asked_of_a_value
    def contains_none(self, *values: str) -> Rule:
        """The list is known and holds none of the values."""
        return NoneOf((self.is_unknown(), *self._each(values))) if values else self._none_named("contains_none")

    def _none_named(self, word: str) -> Rule:
        return self._mistake or Mistake(f"asks {word} of trait {self.name} without a value: name at least one", here())

    def _each(self, values: tuple[str, ...]) -> tuple[Rule, ...]:
        return tuple(self._asked("contains", value) for value in values)

    @asked_of_a_value
    def starts(self, text: str) -> Rule:
        """The text begins so, in capitals or not."""
        return self._asked("starts", text)

    @asked_of_a_value
    def ends(self, text: str) -> Rule:
        """The text ends so, in capitals or not."""
        return self._asked("ends", text)

    @asked_of_a_value
    def has(self, text: str) -> Rule:
        """The text has it somewhere, in capitals or not."""
        return self._asked("has", text)

    @asked_of_a_value
    def between(self, low: Scalar, high: Scalar) -> Rule:
        """From `low` to `high`, both included."""
        return self._asked("between", low, high)

    @asked_of_a_value
    def is_unknown(self) -> Rule:
        return self._asked("unknown")

    @asked_of_a_value
    def is_true(self) -> Rule:
        return self._compared("==", True)

    @asked_of_a_value
    def is_false(self) -> Rule:
        """Known to be false; not the same as not known to be true."""
        return self._compared("==", False)


class Quantity(Comparable):
    """A value of a person to compare; each comparison gives a Rule."""

    def __init__(self, value: "Value | ShareRule | Mistake") -> None:
        self._value = value

    @property
    def value(self) -> Value | Mistake:
        if isinstance(self._value, ShareRule):
            return Mistake("compares share_of_spend with another value: write share(…) of two choices", here())
        return self._value

    def _compared(self, operator: Compare, other: object) -> Rule:
        if isinstance(self._value, ShareRule) and not isinstance(other, Comparable):
            return self._share(self._value, operator, other)
        alone = None if isinstance(other, Comparable) or not is_number(other) else _counted(self.value, operator, other)
        return _rule(self.value, operator, value_of(other)) if alone is None else alone

    def _share(self, share: ShareRule, operator: Compare, other: object) -> Rule:
        if not is_number(other):
            return Mistake(f"compares a share with {shown(other)}: write a number", here())
        if operator == "!=":
            return Mistake("compares a share by !=: use none_of(… == …)", here())
        # As it is written: 0.4 is four tenths.
        return ShareRule(share.dimension, share.value, share.lifetime, operator, Decimal(str(other)))

    @asked_of_a_value
    def between(self, low: Any, high: Any) -> Rule:
        """From `low` to `high`, both included."""
        match self._value:
            case Aggregate("count", of, "") if is_whole(low) and is_whole(high):
                # 0 is a number of activities like any other.
                return CountRule(of, low, high)
        return AllOf((self >= low, self <= high))

    @asked_of_a_value
    def isin(self, *values: Any) -> Rule:
        if not values:
            return Mistake("compares a value with none of many: name at least one", here())
        return AnyOf(tuple(self == value for value in values))

    @asked_of_a_value
    def is_unknown(self) -> Rule:
        return Mistake("asks whether a value is unknown: compare it, and say none_of(…) for the others", here())


def _counted(value: Value | Mistake, operator: Compare, number: Any) -> Rule | None:
    """A sum or a number of activities against a number, as the rule that asks for just that; None: it is another value."""
    match value:
        case Aggregate("sum", of, "amount" | "quantity" as measure) if operator != "!=":
            return SumRule(of, measure, operator, Decimal(str(number)))
        case Aggregate("count", of, "") if isinstance(number, int):
            least, most = {
                ">=": (number, None), ">": (number + 1, None), "==": (number, number),
                "<=": (0, number), "<": (0, number - 1), "!=": (0, None),
            }[operator]  # fmt: skip
            if operator != "!=" and (least > 0 or (most is not None and most >= 0)):
                return CountRule(of, least, most)
    return None
