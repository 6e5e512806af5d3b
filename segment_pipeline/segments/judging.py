"""Judges rules against what there is: traits, activities, what each activity fills, and the words a closed vocabulary has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import phonenumbers

from segment_pipeline.algebra.arguments import is_number, is_text, kind_of, shown
from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    Compared,
    CountRule,
    EmailDomainRule,
    InsideRule,
    NearRule,
    NearStoreRule,
    NoneOf,
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
from segment_pipeline.algebra.parts import Mistake, Rule, Scalar
from segment_pipeline.algebra.spelling import meant, one_of
from segment_pipeline.algebra.trees import asides, children
from segment_pipeline.lake.core_traits import RANGES, RATIOS, VALUES
from segment_pipeline.profiles.compiler import predicates
from segment_pipeline.segments.contradictions import contradictions
from segment_pipeline.segments.definition import reached
from segment_pipeline.segments.judging_choices import MOST_DIGITS, Choices, digits, fits, instead, is_latest, twice
from segment_pipeline.segments.judging_values import Comparisons, of_domains
from segment_pipeline.segments.possible import Possible
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.segments.wording import words

# ISO 3166: the regions that have phone numbers, and the places nobody calls.
COUNTRIES: Final = phonenumbers.SUPPORTED_REGIONS | {"AQ", "BV", "GS", "HM", "PN", "TF", "UM"}
# Half of the Earth's circumference, of its mean radius.
HALF_ROUND_KM: Final = 20_015
NUMBERS = ("INTEGER", "BIGINT", "MONEY", "RATE", "DOUBLE")


class Judge:
    """Tells what is wrong with rules, as ends of sentences about their segment. `sound`: segments whose rules are not wrong, by name."""

    def __init__(self, known: Vocabulary, sound: Mapping[str, Segment] | None = None) -> None:
        self.known, self.traits, self.choices, self.sound = known, known.traits, Choices(known), sound or {}
        self.possible = Possible(known.traits, known.rules, sound)

    def told(self, segment: Segment) -> Iterator[str]:
        """What is wrong with a segment's rule. A word written elsewhere than the segment's first line is told with its place."""
        file, _, _ = segment.place.rpartition(":")
        for text in self.rule(segment.where):
            if isinstance(text, str):
                yield text
            elif text.place and text.place != segment.place:
                where = text.place.removeprefix(f"{file}:")
                yield f"{text.text} ({f'line {where}' if where != text.place else where})"
            elif text.text:
                yield text.text

    def rule(self, rule: Rule) -> Iterator[str | Mistake]:
        """What is wrong with a rule and its parts; of one that is well said, that it tells nobody apart from anybody."""
        found = list(self._parts(rule))
        yield from found or contradictions(rule, self.possible)

    def _parts(self, rule: Rule) -> Iterator[str | Mistake]:  # noqa: C901, PLR0912 - one case per kind of rule
        match rule:
            case Mistake():
                yield rule
            case AllOf() | AnyOf() | NoneOf():
                if not rule.rules:
                    yield f"holds an empty {_function(rule)}: give it rules"
                for child in dict.fromkeys(children(rule)):
                    yield from self.rule(child)
                for child in twice(children(rule)):
                    yield f"holds {words(child)} twice in one {_function(rule)}: once says it"
            case TraitRule():
                yield from self._trait(rule)
            case CountRule():
                yield from self._count(rule)
            case SumRule():
                yield from self._sum(rule)
            case ShareRule():
                yield from self._share(rule)
            case NearRule(lat, lon, km):
                yield from self._points(((lat, lon),))
                yield from _radius(km)
            case NearStoreRule(km):
                yield from _radius(km)
            case EmailDomainRule(domains):
                yield from of_domains(domains, self.known.identity)
            case InsideRule():
                yield from self._area(rule)
            case BirthdayRule():
                yield from self._birthday(rule)
            case YearlyRule():
                yield from self._yearly(rule)
            case Compared():
                yield from Comparisons(self.traits, self.choices).compared(rule)
            case TopRule():
                yield from self._top(rule)
            case SequenceRule():
                yield from self._sequence(rule)
            case UnfollowedRule(first, then, within):
                yield from self._sequence(SequenceRule((first, then), within))
            case RankRule():
                yield from self._rank(rule)
            case RandomRule(share):
                if not (2**32 * share >= 1 and share < 1):
                    yield f"draws a share of {share:f}: a share of people lies between 0 and 1, and is not below 1 / 2^32"
            case PastRule(_, kind, number, ago):
                if kind != "ever" and (number < 1 or ago < 1):
                    yield "asks what was on fewer than one day, or on as_of itself: days before as_of are 1 and more"
            case SqlRule(text):
                yield from predicates.problems(text, self.traits)

    def _share(self, rule: ShareRule) -> Iterator[str]:
        if is_latest(rule.value):
            yield f'asks for the share of spend on {rule.dimension} "{rule.value}", which only activities know: name the {rule.dimension}'
        if not 0 <= rule.share <= 1:
            yield f"compares a share of spend with {rule.share:f}: a share lies between 0 and 1"
        elif _is_beyond(rule.operator, rule.share, 0, 1):
            yield f"asks for a share of spend {rule.operator} {rule.share:f}, which none is: a share lies between 0 and 1"
        elif digits(rule.share) > MOST_DIGITS:
            yield f"compares a share of spend with {shown(rule.share)}: a number of up to {MOST_DIGITS} digits is compared exactly"

    def _area(self, rule: InsideRule) -> Iterator[str]:
        yield from self._points(rule.corners)
        if len(rule.corners) < 3:
            yield "has a polygon of fewer than three corners"
            return
        edges = list(zip(rule.corners, (*rule.corners[1:], rule.corners[0]), strict=True))
        if any(abs(lon - other_lon) > 180 for (_, lon), (_, other_lon) in edges):
            yield "has a polygon with an edge of more than 180 degrees of longitude: split one that crosses the date line in two, in an any_of"
        elif not sum(lat * other_lon - other_lat * lon for (lat, lon), (other_lat, other_lon) in edges):
            yield "has a polygon whose corners lie in one line, so that nobody is inside: name the corners one after the other"

    def _birthday(self, rule: BirthdayRule) -> Iterator[str]:
        if "birth_day" not in self.traits:
            yield "asks for birthdays, but there is no trait birth_day"
        if not 1 <= rule.days <= 364:
            yield (
                "has a birthday window outside 1 to 364 days, today included: of a whole year, write"
                ' none_of(trait("birth_day").is_unknown())'
            )

    def _yearly(self, rule: YearlyRule) -> Iterator[str]:
        kind = self.traits.get(rule.trait)
        if kind is None:
            yield f"names trait {rule.trait}, which does not exist{meant(rule.trait, self.traits)}"
        elif kind != "DATE" and rule.trait != "birth_day":
            yield f"asks for anniversaries of trait {rule.trait}, which is {kind} and no day"
        if not rule.month and not 1 <= rule.past + rule.ahead <= 364:
            yield "has a window of anniversaries outside 1 to 364 days"

    def _top(self, rule: TopRule) -> Iterator[str]:
        if rule.trait not in self.traits:
            yield f"names trait {rule.trait}, which does not exist{meant(rule.trait, self.traits)}"
        elif self.traits[rule.trait] not in (*NUMBERS, "DATE"):
            yield f"ranks by trait {rule.trait}, which is {self.traits[rule.trait]} and has no highest value"
        if rule.n < 1:
            yield "asks for the top of fewer than one"

    def _rank(self, rule: RankRule) -> Iterator[str | Mistake]:
        yield from self._top(TopRule(rule.trait, 1 if rule.n is None else rule.n))
        if (rule.n is None) == (rule.share is None):
            yield "asks for the top without exactly one of n and share"
        elif rule.share is not None and not 0 < rule.share < 1:
            yield f"asks for the top {rule.share:f} of people: a share of people lies between 0 and 1"
        elif rule.share is not None and digits(rule.share) > MOST_DIGITS:
            yield f"asks for the top {rule.share:f} of people: a number of up to {MOST_DIGITS} digits is compared exactly"
        if rule.trait in RATIOS:
            yield f"ranks by trait {rule.trait}, which is a quotient: rank by {RATIOS[rule.trait][0]}"
        if rule.per is not None and rule.per not in self.traits:
            yield f"names trait {rule.per}, which does not exist{meant(rule.per, self.traits)}"
        elif rule.per is not None and self.traits[rule.per] not in ("VARCHAR", "BOOLEAN", "DATE", "INTEGER", "BIGINT"):
            yield f"asks for the top of each {rule.per}, which is {self.traits[rule.per]} and no group"
        for aside in asides(rule):
            if any(isinstance(leaf, RankRule) for leaf in reached(aside, self.sound)):
                yield "asks for the top among a top: one rank at a time"
            yield from self.rule(aside)

    def _trait(self, rule: TraitRule) -> Iterator[str]:  # noqa: C901 - one mistake after the other
        kind = self.traits.get(rule.trait)
        if kind is None:
            yield f"names trait {rule.trait}, which does not exist{meant(rule.trait, self.traits)}"
            return
        if rule.operator == "unknown":
            return
        if rule.operator == "contains" and kind != "VARCHAR[]":
            yield f"asks what trait {rule.trait} contains, but it is {kind} and not a list"
        elif rule.operator != "contains" and kind == "VARCHAR[]":
            yield f"compares trait {rule.trait}, which is a list: use contains()"
        elif rule.operator in ("starts", "ends", "has") and kind != "VARCHAR":
            yield f"asks how trait {rule.trait} is written, but it is {kind} and no text"
        elif rule.operator in ("<", "<=", ">", ">=", "between") and kind not in (*NUMBERS, "DATE"):
            yield f"orders trait {rule.trait}, which is {kind}: only numbers and days have an order"
        elif wrong := [value for value in rule.values if not fits(value, kind)]:
            yield f"compares trait {rule.trait}, which is {kind}, with {kind_of(wrong[0])}: write {instead(kind)}"
        elif rule.operator == "in" and not rule.values:
            yield f"asks whether trait {rule.trait} is in an empty list"
        elif rule.operator == "between" and rule.values[1] < rule.values[0]:  # type: ignore[operator]
            yield f"has a range of trait {rule.trait} that ends before it begins: write the lower end first"
        elif any(isinstance(value, str) and not is_text(value) for value in rule.values):
            yield f"compares trait {rule.trait} with text that is empty or holds a NUL character"
        else:
            yield from self._values(rule)

    def _values(self, rule: TraitRule) -> Iterator[str]:
        """Values of the right type that the trait never has, or that stand there twice."""
        known = VALUES.get(rule.trait)
        if rule.trait == "sources" and self.known.sources is not None:
            known = tuple(self.known.sources)
        for value in twice(rule.values) if rule.operator == "in" else ():
            yield f"compares trait {rule.trait} with {shown(value)} twice: once says it"
        for value in dict.fromkeys(rule.values):
            if known and rule.operator in ("==", "!=", "in", "contains") and value not in known:
                yield f"compares trait {rule.trait} with {shown(value)}, which it never is{one_of(value, map(str, known))}"
            elif (held := RANGES.get(rule.trait)) and _is_beyond(rule.operator, value, *held):
                lies = f"is {held[0]} or more" if held[1] is None else f"lies between {held[0]} and {held[1]}"
                how = f"with {value}" if value not in held else f"by {rule.operator} {value}"
                yield f"compares trait {rule.trait} {how}: it {lies}"
            elif self._is_too_long(rule.trait, value):
                yield f"compares trait {rule.trait} with {shown(value)}: a number of up to {MOST_DIGITS} digits is compared exactly"
            elif rule.operator in ("==", "!=", "in") and not self.possible.has_steps(rule.trait, value):
                what = "has 4 digits after the point" if self.traits[rule.trait] == "MONEY" else "is a whole number"
                yield f"compares trait {rule.trait} with {shown(value)}, which it never is: it {what}"
            elif (form := _FORMS.get(rule.trait)) and isinstance(value, str) and not form[0](value):
                like = value.strip().upper()
                yield f"compares trait {rule.trait} with {shown(value)}: write {repr(like) if form[0](like) else form[1]}"

    def _is_too_long(self, trait: str, value: Scalar) -> bool:
        """Whether a number has more digits than fit into decimals; of one that is far too large it is said that nobody has it."""
        if trait in RATIOS:
            return digits(value) > MOST_DIGITS
        is_exact = self.traits[trait] in ("MONEY", "RATE") and is_number(value)
        return is_exact and int(Decimal(str(value)).as_tuple().exponent) < -MOST_DIGITS

    def _count(self, rule: CountRule) -> Iterator[str | Mistake]:
        yield from self.choices.activities(rule.of)
        if rule.of.mistakes:
            return
        if rule.at_least < 0 or (rule.at_most is not None and rule.at_most < rule.at_least):
            yield f"counts {rule.of.name} between numbers that no count can lie between: at_least is 0 or more, at_most no less"
        if rule.at_least == 0 and rule.at_most is None:
            yield f"counts {rule.of.name} with at_least=0, which is true for everyone: write at_least=1, or at_most beside it"
        if rule.same_product and (rule.at_least < 1 or rule.at_most is not None):
            yield f"counts {rule.of.name} by product: same_product takes at_least of 1 or more and no at_most"
        if rule.same_product:
            yield from self.choices.filled(rule.of.name, "item_key", "same_product")

    def _sum(self, rule: SumRule) -> Iterator[str | Mistake]:
        yield from self.choices.activities(rule.of)
        if not rule.of.mistakes:
            yield from self.choices.filled(rule.of.name, rule.measure, rule.measure)
        if abs(rule.value) >= Decimal(10) ** 29 or rule.value != round(rule.value, 8):
            yield f"compares a sum with {rule.value:f}: sums have up to 8 digits after the point, and 29 before it"

    def _sequence(self, rule: SequenceRule) -> Iterator[str | Mistake]:
        if len(rule.steps) < 2:
            yield "has a sequence of fewer than two steps"
        if rule.within < 1:
            yield "has a sequence within fewer than one day"
        for step in rule.steps if rule.same_product else ():
            yield from self.choices.filled(step.name, "item_key", "same_product")
        for step in rule.steps:
            yield from self.choices.activities(step)
            if step.not_followed_by or step.never:
                yield "has a sequence with not_followed_by or never in a step: say it in a rule of its own"

    def _points(self, points: Sequence[tuple[float, float]]) -> Iterator[str]:
        if not {"lat", "lon"} <= self.traits.keys():
            yield "asks for a place, but there are no traits lat and lon"
        if not all(-90 <= lat <= 90 and -180 <= lon <= 180 for lat, lon in points):
            yield "has a point outside latitude -90 to 90, longitude -180 to 180"


def _is_beyond(operator: str, value: Any, low: int, high: int | None) -> bool:
    """Whether a comparison of what lies between two numbers can only hold for nobody, or for everybody."""
    if value < low or (high is not None and value > high):
        return True
    return (operator == "<" and value == low) or (operator == ">" and value == high)


def _is_birthday(text: str) -> bool:
    try:
        # A year that has a 29th of February.
        return date.fromisoformat(f"2000-{text}").strftime("%m-%d") == text
    except ValueError:
        return False


# Traits that are written in one way: whether a text is, and what to write instead.
_FORMS: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "country": (COUNTRIES.__contains__, 'the two letters of ISO 3166, "CA" or "GB"'),
    "birth_day": (_is_birthday, 'month and day, "07-31"'),
}


def _function(rule: Rule) -> str:
    return {AllOf: "all_of", AnyOf: "any_of", NoneOf: "none_of"}[type(rule)]


def _radius(km: float) -> Iterator[str]:
    if not km > 0:
        yield "has a radius that is not a positive number of kilometres"
    elif km >= HALF_ROUND_KM:
        yield f"has a radius of {km:g} km, within which everything lies: half way round is {HALF_ROUND_KM} km"
