"""Traits of a company's own that are quantities: judged as rules are, and all of a set computed in one pass over the activities."""

from collections.abc import Iterator, Sequence

from segment_pipeline.algebra.parts import Mistake, Value
from segment_pipeline.days import AsOf
from segment_pipeline.lake.session import Session
from segment_pipeline.profiles.compiler.compilation import compile_segments
from segment_pipeline.profiles.compiler.kinds import INTEGERS, NUMBERS
from segment_pipeline.profiles.traits.own import Quantities
from segment_pipeline.profiles.traits.sets import trait_types
from segment_pipeline.segments.judging_choices import Choices
from segment_pipeline.segments.judging_values import Comparisons
from segment_pipeline.segments.memberships import define_asked_activities, open_people
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.traits import Trait, TraitSet


def quantities(known: Vocabulary) -> Quantities:
    """How traits that are quantities are computed, by what this vocabulary knows."""

    def define(session: Session, as_of: AsOf, traits: Sequence[Trait]) -> None:
        open_people(session, as_of.day)
        asked = {one.name: (one.quantity, one.type) for one in traits if isinstance(one.quantity, Value)}
        values = [value for value, _ in asked.values()]
        compilation = compile_segments([], as_of, traits=trait_types(), properties=known.properties, values=values)
        define_asked_activities(session, compilation, known)
        compilation.define(session)
        session.define("trait_quantities", compilation.of_people(asked), materialize=True)
        compilation.extracts.forget(session)

    return define


def quantity_problems(sets: Sequence[TraitSet], known: Vocabulary) -> Iterator[str]:
    """What is wrong with traits that are quantities, one sentence each with file and line."""
    # Core traits alone: a set's own are not there yet when it is computed.
    own = {trait.name for one in sets for trait in one.traits}
    comparisons = Comparisons(trait_types(), Choices(known), own - trait_types().keys())
    for trait in (trait for one in sets for trait in one.traits if trait.quantity is not None):
        for text in dict.fromkeys(_wrong(trait, comparisons)):
            yield f"{trait.place}: trait {trait.name} {text}"


def _wrong(trait: Trait, comparisons: Comparisons) -> Iterator[str]:
    value = trait.quantity
    if isinstance(value, Mistake) or not isinstance(value, Value):
        yield value.text if isinstance(value, Mistake) else "has no quantity: write count(…), sum_of(…) and the like"
        return
    found = [text.text if isinstance(text, Mistake) else text for text in comparisons.value(value)]
    yield from found
    kind = comparisons.kinds.of(value)
    if not found and kind != trait.type and not (kind in NUMBERS and trait.type in _fitting(kind)):
        yield f"is {trait.type} and its quantity {kind or 'nothing of a type'}: declare it as {kind or 'another'}"


def _fitting(kind: str) -> tuple[str, ...]:
    # Whole numbers fit everywhere, others not into whole ones.
    return tuple(other for other in NUMBERS if kind in INTEGERS or other not in INTEGERS)
