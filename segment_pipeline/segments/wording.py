"""Rules in words, for people who ask why someone belongs. Reads like the literal; says nothing about any person."""

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
    SqlRule,
    SumRule,
    TopRule,
    TraitRule,
    UnfollowedRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import (
    NAMED,
    WEEKDAYS,
    Activities,
    Aggregate,
    Ago,
    Arithmetic,
    Constant,
    Dates,
    DaysSince,
    Ended,
    Holidays,
    Hours,
    Mistake,
    Period,
    Rule,
    Scalar,
    Test,
    TraitValue,
    Value,
    Window,
    property_column,
)


def words(rule: Rule) -> str:  # noqa: C901, PLR0912 - one case per kind of rule
    """One line for one rule, those it combines included: `any of (visits_30d == 0; last_seen_on is unknown)`."""
    match rule:
        case AllOf(rules) | AnyOf(rules) | NoneOf(rules):
            return f"{combined(rule)} ({'; '.join(map(words, rules))})"
        case Mistake(text):
            return text
        case TraitRule(name, "unknown"):
            return f"{name} is unknown"
        case TraitRule(name, "in", values):
            return f"{name} in {', '.join(_text(value) for value in values)}"
        case TraitRule(name, "contains", values):
            return f"{name} contains {_text(values[0])}"
        case TraitRule(name, "between", values):
            return f"{name} from {_text(values[0])} to {_text(values[1])}"
        case TraitRule(name, operator, values):
            return f"{name} {operator} {_text(values[0])}"
        case Compared(left, operator, right):
            return f"{_value(left)} {operator} {_value(right)}"
        case YearlyRule(name, past, ahead, month):
            when = "this month" if month else _past_days(past) if past else _days_to_come(ahead)
            return f"{'birthday' if name == 'birth_day' else f'anniversary of {name}'} {when}"
        case CountRule(of, 0, 0):
            return f"did not {_chosen(of)}"
        case CountRule(of, at_least, at_most, same_product):
            often = (
                f"exactly {_counted(at_least, 'time')}"
                if at_least == at_most
                else f"{at_least} to {_counted(at_most, 'time')}"
                if at_most is not None
                else f"at least {_counted(at_least, 'time')}"
                if at_least != 1
                else ""
            )
            return " ".join(
                part for part in ("did", _chosen(of), often, "with one product" if same_product else "") if part
            )
        case SumRule(of, measure, operator, value):
            return f"sum of {measure} of {_chosen(of)} {operator} {value.normalize():f}"
        case ShareRule(dimension, value, lifetime, operator, share):
            return f"share of {'lifetime ' if lifetime else ''}spend on {dimension} {value} {operator} {share.normalize():f}"
        case MemberRule(segment):
            return f"member of {segment}"
        case NearRule(lat, lon, km):
            return f"within {km:g} km of {lat:g}, {lon:g}"
        case NearStoreRule(km, stores):
            return f"within {km:g} km of {f'store {_either(stores)}' if stores else 'a store'}"
        case EmailDomainRule(domains):
            return f"has an e-mail address at {_either(domains)}"
        case InsideRule(corners):
            return f"inside a polygon of {len(corners)} corners"
        case BirthdayRule(days):
            return f"birthday {_days_to_come(days)}"
        case TopRule(trait, n):
            return f"among the {n} highest by {trait}"
        case SequenceRule(steps, within, same_product):
            same = ", all of one product" if same_product else ""
            return f"{', then '.join(_chosen(step) for step in steps)}, within {_counted(within, 'day')}{same}"
        case UnfollowedRule(first, then, within):
            return f"{_chosen(first)}, and for {_counted(within, 'day')} afterwards not {_chosen(then)}"
        case RankRule():
            return _rank(rule)
        case RandomRule(share, salt):
            return f"a random {share.normalize():%} of all people (drawn as {salt})"
        case PastRule():
            return _past(rule)
        case SqlRule(text):
            return text
    return type(rule).__name__


def _rank(rule: RankRule) -> str:
    many = f"{rule.n}" if rule.share is None else f"{rule.share.normalize():%}"
    per = f" of each {rule.per}" if rule.per else ""
    among = f" of those with ({words(rule.among)})" if rule.among is not None else ""
    return f"among the {many} highest by {rule.trait}{per}{among}"


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def _past(rule: PastRule) -> str:
    match rule:
        case PastRule(segment, "member", 1, ago):
            return f"was in {segment} {_ago(ago)}"
        case PastRule(segment, "member", days, _):
            return f"was in {segment} on each of the last {_counted(days, 'day')}"
        case PastRule(segment, "ever", _, _):
            return f"was ever in {segment}"
        case PastRule(segment, kind, days, _):
            return f"{kind} {segment} in the last {_counted(days, 'day')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _ago(days: int) -> str:
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def _days_to_come(days: int) -> str:
    return "today" if days == 1 else f"within {days} days"


def _past_days(days: int) -> str:
    return "yesterday" if days == 1 else f"on one of the {days} days before"


_KINDS = {
    "sum": "sum of",
    "total": "known sum of",
    "min": "least",
    "max": "greatest",
    "first": "first",
    "last": "last",
    "most": "most frequent",
}


def in_lines(rule: Rule) -> str:
    """A rule as Markdown, a line for each term of an all_of."""
    if not isinstance(rule, AllOf):
        return words(rule)
    return "all of\n\n" + "\n".join(f"- {words(term)}" for term in rule.rules)


def combined(rule: AllOf | AnyOf | NoneOf) -> str:
    """How a rule combines others."""
    return {AllOf: "all of", AnyOf: "any of", NoneOf: "none of"}[type(rule)]


def _chosen(of: Activities) -> str:
    parts = [of.name]
    parts += [f"{field} {' or '.join(held)}" for field in NAMED if (held := getattr(of, field))]
    parts += [f"{name} {' or '.join(_text(value) for value in values)}" for name, values in of.properties]
    if of.local_hour is not None:
        parts.append(f"from {of.local_hour[0]}:00 to {of.local_hour[1]}:00")
    if of.score is not None:
        parts.append(f"score {of.score[0]:g} to {of.score[1]:g}")
    if of.not_followed_by is not None:
        parts.append(f"not followed by {of.not_followed_by} of it")
    if of.never is not None:
        parts.append(f"never {of.never} of it")
    parts += map(_test, of.tests)
    text = ", ".join(parts)
    if of.window is not None:
        return f"{text} {_window(of.window)}"
    return text if of.within is None else f"{text} in {_counted(of.within, 'day')}"


def _test(test: Test) -> str:
    name = test.column.removeprefix(property_column(""))
    match test:
        case Test("weekday", _, values):
            return f"on {' or '.join(WEEKDAYS[int(day)] for day in values)}"  # type: ignore[arg-type]
        case Test("has_coupon", _, (held,)):
            return "with a coupon" if held else "without a coupon"
        case Test("is_markdown", _, (held,)):
            return "marked down" if held else "at full price"
        case Test("coupon_codes", _, values):
            return f"with coupon {' or '.join(map(_text, values))}"
        case Test("order_number", "==", (number,)):
            return f"of order number {number}"
        case Test("order_number", operator, values):
            return f"of order number {operator} {' to '.join(map(_text, values))}"
        case Test("store_key", _, values):
            return f"in store {' or '.join(map(_text, values))}"
        case Test(_, "between", (low, high)):
            return f"{name} {_text(low)} to {_text(high)}"
        case Test(_, "any" | "all" | "none" as operator, values):
            return f"{name} with {operator} of {', '.join(map(_text, values))}"
    return f"{name} {test.operator} {', '.join(map(_text, test.values))}"


def _window(window: Window) -> str:
    match window:
        case Ended(number, back):
            return f"in the {_counted(number, 'day')} that ended {_ago(back)}"
        case Hours(number):
            return f"in {_counted(number, 'hour')}"
        case Dates(first, last):
            return f"from {first} to {last}"
        case Period(unit, 0):
            return f"this {unit}"
        case Period(unit, 1):
            return f"last {unit}"
        case Period(unit, back):
            return f"in the {unit} {back} {unit}s ago"
        case Holidays(country, name, before):
            day = name or "a public holiday"
            return f"in the {_counted(before, 'day')} before {day} ({country})" if before else f"on {day} ({country})"


def _value(value: Value) -> str:
    match value:
        case Constant(held):
            return _text(held)
        case TraitValue(name):
            return name
        case Ago(number):
            return f"the day {_ago(number)}" if number > 1 else _ago(number)
        case DaysSince(day):
            return f"days since {_value(day)}"
        case Arithmetic(operator, left, right):
            return f"{_part(left, operator)} {operator} {_part(right, operator, is_right=True)}"
        case Aggregate("count", of, _):
            return f"number of {_chosen(of)}"
        case Aggregate("distinct", of, field):
            return f"number of different {_several(field)} of {_chosen(of)}"
        case Aggregate("nth", of, field, n):
            return f"{field} of number {n} of {_chosen(of)}"
        case Aggregate(kind, of, field):
            return f"{_KINDS[kind]} {field} of {_chosen(of)}"


def _several(field: str) -> str:
    return f"{field[:-1]}ies" if field.endswith(("ry", "ty")) else f"{field}s"


def _part(value: Value, operator: str, *, is_right: bool = False) -> str:
    """A part of what is reckoned, in brackets where it is reckoned first."""
    match value:
        case Arithmetic("+" | "-"):
            first = operator in "*/" or is_right
        case Arithmetic():
            first = is_right and operator != "+"
        case Aggregate(_, of, _):
            # Filters and windows are not what is multiplied.
            first = _chosen(of) != of.name
        case _:
            first = False
    return f"({_value(value)})" if first else _value(value)


def _text(value: Scalar) -> str:
    return str(value)
