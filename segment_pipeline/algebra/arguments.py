"""How the words of the language take their arguments: each by name and by type, and what does not fit becomes a `Mistake`.

A mistake is a value and no exception, so that it stops the segment it stands in and no other; `segments.validation` tells it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, Final, NewType, ParamSpec, TypeVar

from segment_pipeline.algebra.parts import (
    Activities,
    Asked,
    Dates,
    Ended,
    Holidays,
    Hours,
    Mistake,
    Period,
    Rule,
    Scalar,
    Unit,
    Window,
    here,
)
from segment_pipeline.algebra.spelling import meant
from segment_pipeline.literals import is_ours, short, with_article

Taken = ParamSpec("Taken")
Made = TypeVar("Made")
Other = TypeVar("Other")

Names = str | tuple[str, ...]
Days = NewType("Days", int)
Within = Days | Window
Clock = tuple[int, int]
Span = tuple[float, float]
Texts = Names | Asked
Amount = Asked
Place = int | Asked
Number = int | float | Decimal
Coupons = bool | Names
Properties = Mapping[str, Scalar | tuple[Scalar, ...] | Asked]

# A hundred years; an engine's calendar ends somewhere.
MOST_DAYS: Final = 36_525
# Arguments of `did` that choose no activities: they say how often, and no other word takes them.
COUNTS: Final = ("at_least", "at_most", "same_product")


def word(otherwise: Callable[[Mistake], Other]) -> Callable[[Callable[Taken, Made]], Callable[Taken, Made | Other]]:
    """Judge a word's arguments before it sees them; `otherwise` makes what it gives instead of a mistake."""

    def judged(function: Callable[Taken, Made]) -> Callable[Taken, Made | Other]:
        known = signature(function)

        @wraps(function)
        def told(*args: Taken.args, **kwargs: Taken.kwargs) -> Made | Other:
            texts = list(unfit(function.__name__, known, args, kwargs))
            return otherwise(Mistake("; ".join(texts), here())) if texts else function(*args, **kwargs)

        return told

    return judged


def asked_of_a_value(method: Callable[Concatenate[Any, Taken], Rule]) -> Callable[Concatenate[Any, Taken], Rule]:
    """The same of a method of what is compared: how many values it is given and by which names. Their types it judges itself."""
    _, *parameters = signature(method).parameters.values()
    known = Signature([parameter.replace(annotation=Any) for parameter in parameters])

    @wraps(method)
    def told(value: Any, /, *args: Taken.args, **kwargs: Taken.kwargs) -> Rule:
        texts = list(unfit(method.__name__, known, args, kwargs))
        return Mistake("; ".join(texts), here()) if texts else method(value, *args, **kwargs)

    return told


def unfit(name: str, known: Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments of a word, as ends of sentences: names first, then types."""
    for given in [key for key in kwargs if key not in known.parameters]:
        way_out = ": did takes it" if given in COUNTS else meant(given, known.parameters)
        if not way_out and "properties" in known.parameters:
            way_out = f': a property of the event is asked for by properties={{"{given}": …}}'
        yield f"writes {name}({given}=…), which {name} does not take{way_out}"
    usable = {key: value for key, value in kwargs.items() if key in known.parameters}
    try:
        bound = known.bind_partial(*args, **usable)
    except TypeError:
        free = [p.name for p in known.parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        taken = f"only {', '.join(free)} has none" if free else "it takes nothing"
        yield f"gives {name} more than it takes without a name: {taken}"
        return
    for parameter in known.parameters.values():
        if parameter.name not in bound.arguments:
            if parameter.default is Parameter.empty and parameter.kind is not Parameter.VAR_POSITIONAL:
                yield f"writes {name} without {parameter.name}"
            continue
        value = bound.arguments[parameter.name]
        if parameter.default is not Parameter.empty and value is parameter.default:
            continue
        values = value if parameter.kind is Parameter.VAR_POSITIONAL else (value,)
        yield from _unlike(name, parameter, values)


def _unlike(name: str, parameter: Parameter, values: tuple[Any, ...]) -> Iterator[str]:
    # Annotations are written as they are; those of the language are few, and each has one way to be met.
    fits, wanted = KINDS[parameter.annotation]
    for value in values:
        if isinstance(value, Mistake) and parameter.annotation is not Rule:
            yield value.text
        elif not fits(value):
            where = f"{name}({parameter.name}={shown(value)})"
            if parameter.kind is Parameter.VAR_POSITIONAL:
                where = f"{name}({shown(value)})"
            yield f"writes {where}{beyond(value) or f': {parameter.name} takes {wanted}'}"


def shown(value: object) -> str:
    """A value as somebody may have written it, cut short."""
    if is_ours(value) or callable(value):
        return kind_of(value)
    if isinstance(value, list | tuple) and any(isinstance(each, Rule | Activities) for each in value):
        return f"{kind_of(value)} of rules"
    return short(value)


def kind_of(value: object) -> str:
    """What a value is to Python, as a sentence says it: an int, a str."""
    return with_article(type(value))


def beyond(value: object) -> str:
    """The end of a sentence about a whole number that is larger than any is kept; empty for all else."""
    is_large = isinstance(value, int) and not isinstance(value, bool) and not is_whole(value)
    return ", which is larger than any number is kept: whole numbers lie between -2^63 and 2^63" if is_large else ""


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\x00" not in value


def is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: object) -> bool:
    if isinstance(value, Decimal):
        return value.is_finite()
    return (isinstance(value, float) and math.isfinite(value)) or is_whole(value)


def is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def is_scalar(value: object) -> bool:
    """A value of a trait or property; which one it takes is judged later."""
    return isinstance(value, bool | str) or is_number(value) or is_day(value)


def _is_days(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_DAYS


def _are(fits: Callable[[object], bool], number: int | None = None) -> Callable[[object], bool]:
    def all_fit(value: object) -> bool:
        if not isinstance(value, tuple | list):
            return False
        return bool(value) and number in {None, len(value)} and all(map(fits, value))

    return all_fit


def _are_properties(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            is_text(name) and (is_scalar(held) or isinstance(held, Asked) or _are(is_scalar)(held))
            for name, held in value.items()
        )
    )


def _or(*kinds: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: any(fits(value) for fits in kinds)


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


# How an argument is met, by its annotation: the test, and what to write instead of what fails it. None fits where it is the
# default, and nowhere else.
_KINDS: Final[dict[Any, tuple[Callable[[object], bool], str]]] = {
    Names: (_or(is_text, _are(is_text)), 'a name or a tuple of names, ("Boots", "Shoes")'),
    Days: (_is_days, f"a whole number of days up to {MOST_DAYS}, days(30)"),
    Within: (
        _or(_is_days, lambda value: isinstance(value, Ended | Hours | Dates | Period | Holidays)),
        f"days(30), of up to {MOST_DAYS}, ended(…), hours(…), dates(…), period(…) or holidays(…)",
    ),
    Texts: (_or(is_text, _are(is_text), _is(Asked)), "a name, a tuple of names, or starts(…), ends(…), has(…)"),
    Coupons: (
        _or(_is(bool), is_text, _are(is_text)),
        "True for any, False for none, or the names of coupons",
    ),
    Amount: (_is(Asked), "at_least(100), at_most(20) or between(20, 50)"),
    Place: (_or(is_whole, _is(Asked)), "the number of an order, 1 for the first, or at_most(3)"),
    date: (is_day, "a day, date(2026, 12, 24)"),
    Unit: (lambda value: value in ("week", "month", "quarter", "year"), '"week", "month", "quarter" or "year"'),
    int: (is_whole, "a whole number"),
    str: (is_text, "one name as text"),
    bool: (_is(bool), "True or False"),
    float: (is_number, "a number"),
    Number: (is_number, "a number"),
    Span: (_are(is_number, 2), "two numbers, (1, 2)"),
    Clock: (_are(is_whole, 2), "two full hours, (22, 4)"),
    Properties: (
        _are_properties,
        'properties by name, {"plan": "gold"}, {"plan": ("gold", "silver")} or {"seats": at_least(5)}',
    ),
    Any: (lambda _: True, ""),
    Rule: (_is(Rule), "rules, such as did(…) or a comparison of a trait"),
    Activities: (_is(Activities), 'activities("order", …)'),
    # By name: a segment is declared with rules, so rules cannot know its class; nor do arguments what is compared.
    "Quantity | Trait": (lambda value: hasattr(value, "value"), "a trait or a quantity that is a day"),
    "Rule | Segment | str | None": (
        lambda value: isinstance(value, Rule) or is_text(getattr(value, "name", value)),
        "a segment, its name, or a rule",
    ),
    "Segment | str": (lambda value: is_text(getattr(value, "name", value)), "a segment or its name"),
}
KINDS: Final = _KINDS | {kind | None: met for kind, met in _KINDS.items() if not isinstance(kind, str)}
