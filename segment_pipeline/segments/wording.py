"""Rules in words, for people who ask why someone belongs. Reads like the literal; says nothing about any person."""

from segment_pipeline.segments.nodes import (
    NAMED,
    Activities,
    AllOf,
    AnyOf,
    BirthdayRule,
    CountRule,
    InsideRule,
    MemberRule,
    Mistake,
    NearRule,
    NoneOf,
    Rule,
    Scalar,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
    TraitRule,
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
        case CountRule(of, 0, 0):
            return f"did not {_chosen(of)}"
        case CountRule(of, at_least, at_most, same_product):
            often = (
                f"{at_least} to {at_most} times"
                if at_most is not None
                else f"at least {at_least} times"
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
        case InsideRule(corners):
            return f"inside a polygon of {len(corners)} corners"
        case BirthdayRule(days):
            return f"birthday within {days} days"
        case TopRule(trait, n):
            return f"among the {n} highest by {trait}"
        case SequenceRule(steps, within):
            return f"{', then '.join(_chosen(step) for step in steps)}, within {within} days"
    return type(rule).__name__


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
    text = ", ".join(parts)
    return text if of.within is None else f"{text} in {of.within} days"


def _text(value: Scalar) -> str:
    return str(value)
