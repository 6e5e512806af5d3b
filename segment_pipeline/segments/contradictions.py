"""Says of a rule, each word of which is well said, that nobody can meet it, or that it leaves nobody out: ends of sentences."""

from collections.abc import Iterator
from itertools import combinations, islice
from typing import Final

from segment_pipeline.algebra.nodes import AllOf, AnyOf, NoneOf, TraitRule
from segment_pipeline.algebra.parts import Mistake, Rule
from segment_pipeline.segments.definition import reached
from segment_pipeline.segments.possible import Possible
from segment_pipeline.segments.ranges import HIGHEST
from segment_pipeline.segments.wording import words

MOST_ALTERNATIVES: Final = 100


def contradictions(rule: Rule, possible: Possible) -> Iterator[str]:
    """What of a rule nobody or everybody meets; nothing where it tells people apart. Its parts tell people apart already."""
    if isinstance(rule, Mistake):
        return
    if not possible.by_somebody(rule):
        yield _impossible(rule, possible)
    elif not possible.not_by_everybody(rule):
        yield f"asks for {words(rule)}, which everybody meets: leave it out"
    elif not _asks_what_is_known(rule, possible) and not possible.not_by_all_known(rule):
        known = f": write none_of({text})" if (text := _unknown(rule)) else ""
        yield f"asks for {words(rule)}, which everybody meets of whom it is known{known}"
    elif isinstance(rule, AllOf):
        yield from _dead_ends(rule, possible)


def _impossible(rule: Rule, possible: Possible) -> str:
    """The rule, or those two of its terms that contradict each other."""
    for one, other in combinations(islice(_terms(rule), MOST_ALTERNATIVES), 2):
        if not possible.by_somebody(one, other):
            why = "; ".join(text for term in (one, other) if (text := _stage(term, possible)))
            return f"asks for {words(one)} and {words(other)} together, which nobody meets{why and f': {why}'}"
    return f"asks for {words(rule)}, which nobody meets"


def _terms(rule: Rule) -> Iterator[Rule]:
    if isinstance(rule, AllOf):
        for child in rule.rules:
            yield from _terms(child)
    else:
        yield rule


def _stage(term: Rule, possible: Possible) -> str:
    """Which days a stage has, as an explanation."""
    match term:
        case TraitRule("lifecycle_stage", "==" | "in", (str() as stage,)):
            days = possible.days_of_stages[stage].ranges
            if not days:
                return f"{stage} is without an order"
            ((_, first, _), last), *_ = days
            until = "or more" if last == HIGHEST else f"to {last[1]}"
            return f"{stage} is {first} {until} days_since_last_order"
    return ""


def _asks_what_is_known(rule: Rule, possible: Possible) -> bool:
    found = reached(rule, possible.segments)
    return isinstance(rule, NoneOf) or any(isinstance(leaf, TraitRule) and leaf.operator == "unknown" for leaf in found)


def _unknown(rule: Rule) -> str:
    """How to ask for those of whom what a rule compares is not known, where that is one trait."""
    names = {
        leaf.trait if isinstance(leaf, TraitRule) else ""
        for leaf in (rule.rules if isinstance(rule, AnyOf) else (rule,))
    }
    (name, *others) = sorted(names)
    return f'trait("{name}").is_unknown()' if name and not others else ""


def _dead_ends(rule: AllOf, possible: Possible) -> Iterator[str]:
    """Alternatives that nobody can meet who meets the terms beside them. Of very many, none is looked at."""
    if sum(len(term.rules) for term in rule.rules if isinstance(term, AnyOf)) > MOST_ALTERNATIVES:
        return
    for number, term in enumerate(rule.rules):
        others = rule.rules[:number] + rule.rules[number + 1 :]
        for one in term.rules if isinstance(term, AnyOf) else ():
            if not possible.by_somebody(one, *others):
                yield f"has the alternative {words(one)}, which nobody meets who meets the terms beside it"
