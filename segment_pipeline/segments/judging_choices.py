"""Judges choices among activities: names, windows, filters by what an activity fills, and properties of events."""

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from segment_pipeline.algebra.arguments import MOST_DAYS, is_day, is_number, is_text, kind_of, shown
from segment_pipeline.algebra.parts import (
    COLUMNS,
    LATEST,
    NAMED,
    WEEKDAYS,
    Activities,
    Dates,
    Ended,
    Holidays,
    Hours,
    Mistake,
    Period,
    Test,
    Window,
    property_column,
)
from segment_pipeline.algebra.spelling import meant, one_of
from segment_pipeline.algebra.windows import holiday_names
from segment_pipeline.profiles.compiler.kinds import NUMBERS
from segment_pipeline.profiles.facts.activities import ACTIVITY_COLUMNS, CHANNELS, tellers
from segment_pipeline.segments.vocabulary import FILTERS_OF_RULES, Vocabulary, by_name

Held = TypeVar("Held", bound=Hashable)

# Numbers of events are compared as floating-point numbers.
LARGEST_OF_EVENTS: Final = 2**53
MOST_PERIODS: Final = 1200
# As many as fit beside an amount into the decimals of both engines.
MOST_DIGITS: Final = 18
# What the language calls a column that is asked otherwise than by name.
WORDS: Final = {
    "coupon_codes": "coupon",
    "has_coupon": "coupon",
    "is_markdown": "markdown",
    "store_key": "store",
    "order_number": "of_order",
}


def source_of(column: str) -> str:
    """The column of activities that what is asked is made of."""
    return "coupon_codes" if column == "has_coupon" else column


def digits(value: object) -> int:
    """Digits a number is written with, before and after the point."""
    number = Decimal(str(value))
    return max(number.adjusted() + 1, 0) + max(0, -int(number.as_tuple().exponent))


def unlike(test: Test, kind: str) -> str:
    """Whom a test could be asked of, where it cannot be asked of what it is asked of; empty: it can."""
    numeric = kind in NUMBERS or kind.startswith("DECIMAL")
    if test.operator in ("starts", "ends", "has"):
        return "" if kind == "VARCHAR" else "texts have"
    if test.operator in ("any", "all", "none"):
        return "" if kind == "VARCHAR[]" else "lists have"
    if test.operator in (">=", "<=", "between"):
        return "" if numeric else "numbers have"
    return ""


def wrong_window(window: Window) -> Iterator[str]:  # noqa: C901 - one case per kind of window
    """What is wrong with a window, as ends of sentences."""
    match window:
        case Ended(number, back):
            if number < 1 or back < 0:
                yield f"of {number} days, {back} days ago: at least 1, and not in the future"
        case Hours(number):
            if not 1 <= number <= 24 * MOST_DAYS:
                yield f"of {number} hours: at least 1, and at most {24 * MOST_DAYS}"
        case Dates(first, last):
            if last < first:
                yield f"from {first} to {last}, which ends before it begins"
        case Period(_, back):
            if not 0 <= back <= MOST_PERIODS:
                yield f"{back} periods back: 0 is the present one, 1 the one before"
        case Holidays(country, name, before):
            names = holiday_names(country)
            if not names:
                yield f"of holidays of {country}, whose calendar is not known: write the two letters of ISO 3166"
            elif name is not None and name not in names:
                yield f"of {name}, which is no day of the calendar of {country}{meant(name, names)}"
            if not 0 <= before <= 366:
                yield f"of {before} days before a holiday: 0 to 366"


class Choices:
    """Tells what is wrong with choices among activities, as ends of sentences."""

    def __init__(self, known: Vocabulary) -> None:
        self.known, self.events = known, by_name(known.events)

    def properties_of(self, name: str) -> Mapping[str, str]:
        """Types of the properties the catalogue declares of an activity, by name."""
        return self.events[name].properties if name in self.events else {}

    def activities(self, of: Activities) -> Iterator[str | Mistake]:
        """What is wrong with a choice among activities."""
        yield from of.mistakes
        if of.mistakes:
            return
        for name in (of.name, of.not_followed_by, of.never):
            if name is not None and name not in self.events:
                yield f"names event {name}, which no source delivers{meant(name, self.events)}"
        yield from self._times(of)
        yield from self._latest(of)
        yield from self._filters(of)
        yield from self._properties(of)
        for test in of.tests:
            yield from self._test(of, test)

    def _times(self, of: Activities) -> Iterator[str]:
        if of.within is not None and of.within < 1:
            yield f"has a window of {of.within} days on {of.name}: at least 1, the as-of day itself"
        if of.window is not None:
            yield from (f"has a window on {of.name} {text}" for text in wrong_window(of.window))
        if of.local_hour is not None:
            first, last = of.local_hour
            if not (0 <= first <= 23 and 0 <= last <= 24 and first != last):
                yield f"has local hours on {of.name} outside 0 to 24, or none at all"
            elif (last - first) % 24 == 0:
                yield f"has local hours on {of.name} that are the whole day: leave local_hour out"
        if of.score is not None and of.score[0] > of.score[1]:
            yield f"has a range of scores on {of.name} that ends before it begins"

    def _latest(self, of: Activities) -> Iterator[str]:
        for field in NAMED:
            if LATEST in getattr(of, field) and field != "collection":
                yield f'filters {field} by "latest", which only collection knows'
            for name in twice(getattr(of, field)):
                yield f"filters {of.name} by {name} twice in one {argument(field)}: once says it"
        for name in of.collection:
            if name != LATEST and is_latest(name):
                yield f'filters collection by "{name}": write "{LATEST}" for that of the newest launch'

    def _filters(self, of: Activities) -> Iterator[str]:
        """Filters by what the activity never has, or never is."""
        asked = {argument(field): column for field, column in COLUMNS.items() if getattr(of, field)}
        asked |= {"local_hour": "local_at"} if of.local_hour is not None else {}
        asked |= {"score": "score"} if of.score is not None else {}
        for field, column in asked.items():
            yield from self.filled(of.name, column, field)
        for field, other in (("not_followed_by", of.not_followed_by), ("never", of.never)):
            if other is not None:
                yield from self.filled(of.name, "item_key", field)
                yield from self.filled(other, "item_key", field)
            if other == of.name:
                yield f"has {field}={other} on {of.name}, and each is one itself: name another activity"
        channels = {c for kind in tellers([of.name]) for c in CHANNELS.get(kind, ())}
        for name in of.channel:
            if channels and name not in channels:
                yield f"filters {of.name} by the channel {name}, which it never is{one_of(name, sorted(channels))}"
        for name in of.source:
            if self.known.sources is not None and name not in self.known.sources:
                yield f"filters {of.name} by the source {name}, which nobody declares{meant(name, self.known.sources)}"

    def _test(self, of: Activities, test: Test) -> Iterator[str]:
        """What a field is asked by another way than by name: whether the activity has it, and whether it can be met."""
        word = WORDS.get(test.column, test.column)
        for again in twice(test.values) if test.operator in ("in", "any", "all", "none") else ():
            name = WEEKDAYS[again] if test.column == "weekday" and isinstance(again, int) else again
            yield f"filters {of.name} by {name} twice in one {word.removeprefix(property_column(''))}: once says it"
        if test.column.startswith(property_column("")):
            word = test.column.removeprefix(property_column(""))
            declared = self.properties_of(of.name)
            if word not in declared:
                yield f"filters {of.name} by the property {word}, which the catalogue does not declare of it{meant(word, declared)}"
                return
            kind = declared[word]
        elif test.column == "weekday":
            if -1 in test.values:
                yield f"filters {of.name} by a weekday that is none: write {listed(WEEKDAYS)}"
            return
        else:
            kind = ACTIVITY_COLUMNS[source_of(test.column)][0]
            yield from self.filled(of.name, source_of(test.column), word)
        if wanted := unlike(test, kind):
            yield f"asks {word} of {of.name}, which is {kind}, by what only {wanted}"
        elif long := [each for each in test.values if is_number(each) and digits(each) > MOST_DIGITS]:
            yield f"compares {word} of {of.name} with {shown(long[0])}: a number of up to {MOST_DIGITS} digits is compared exactly"
        elif test.column == "order_number" and test.operator != ">=" and test.values[-1] < 1:  # type: ignore[operator]
            yield f"asks for order {shown(test.values[-1])} of {of.name}: the first is 1"
        elif test.operator == "between" and test.values[1] < test.values[0]:  # type: ignore[operator]
            yield f"has a range of {word} on {of.name} that ends before it begins"

    def filled(self, name: str, column: str, field: str) -> Iterator[str]:
        """Whether some activity by a name has a column; `field`: what the language calls it."""
        if column == "source" or name not in self.events or column in self.known.filled(name):
            return
        others = [other for other in self.events if column in self.known.filled(other)]
        what = {
            "local_at": f"asks for the hour of {name}, whose local time no source tells",
            "item_key": f"has {field}, and {name} is about no product",
        }.get(column, f"asks for {field} of {name}, which has none")
        yield f"{what}: write it of {listed(others)}"

    def _properties(self, of: Activities) -> Iterator[str]:
        declared = self.properties_of(of.name)
        for name, values in of.properties:
            if name not in declared:
                other = f": write {name}=… for the filter" if name in FILTERS_OF_RULES else meant(name, declared)
                yield f"filters {of.name} by the property {name}, which the catalogue does not declare of it{other}"
            elif big := [value for value in values if is_number(value) and abs(value) > LARGEST_OF_EVENTS]:  # type: ignore[arg-type,operator]
                yield f"compares {name} with {shown(big[0])}: numbers of events are told apart up to {LARGEST_OF_EVENTS}"
            elif wrong := [value for value in values if not _is_property(value, declared[name])]:
                yield (
                    f"filters {of.name} by {name}, which is {declared[name]}, with {kind_of(wrong[0])}: write"
                    f" {instead(declared[name])}"
                )
            elif any(isinstance(value, str) and not is_text(value) for value in values):
                yield f"compares {name} with text that is empty or holds a NUL character"
            elif again := twice(values):
                yield f"compares {name} with {shown(again[0])} twice: once says it"
            elif declared[name] == "BOOLEAN" and len(values) > 1:
                yield f"filters {of.name} by {name} of True and of False: name one of them"


def is_latest(name: str) -> bool:
    return name.strip().casefold() == LATEST


def twice(values: Sequence[Held]) -> list[Held]:
    """Those that stand among the values more than once."""
    return [value for value, number in Counter(values).items() if number > 1]


def argument(field: str) -> str:
    """What those who write segments call a field of a choice."""
    return "product" if field == "item" else field


def instead(kind: str) -> str:
    """What a value of a type is written as."""
    texts = {"BOOLEAN": "True or False", "DATE": "a day, date(2027, 1, 31)", "BIGINT": "a whole number"}
    return 'text, "…"' if kind.startswith("VARCHAR") else texts.get(kind, "a number")


def listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def fits(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "BOOLEAN"
    if is_number(value):
        return kind in NUMBERS
    if isinstance(value, str):
        return kind in ("VARCHAR", "VARCHAR[]")
    return is_day(value) and kind == "DATE"


def _is_property(value: object, kind: str) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return kind in ("BIGINT", "DOUBLE")
    if isinstance(value, float | Decimal):
        return kind == "DOUBLE" and math.isfinite(value)
    return fits(value, kind)
