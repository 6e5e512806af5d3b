"""The core traits that are quantities: what their literals say, compiled as a rule's values are, in one pass over each kind of fact."""

from collections.abc import Mapping
from functools import cache
from typing import Final

from segment_pipeline.algebra.parts import Arithmetic, DaysSince, TraitValue, Value
from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.core_traits import BESIDE, CORE
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.schema import SQL_TYPES
from segment_pipeline.lake.session import Session
from segment_pipeline.profiles.compiler.compilation import Compilation, compile_segments
from segment_pipeline.profiles.compiler.kinds import aggregates_in
from segment_pipeline.profiles.facts.activities import define_view, tellers

# The table that has to have landed for what is counted of it to be known, by kind of fact.
_TABLES: Final = {"orders": "orders", "exchanges": "orders", "loose": "orders"}


def define_measured(session: Session, as_of: AsOf, landed: Mapping[str, bool]) -> None:
    """Define `measured`: one row per person in `people`, person_no and each such trait by its name; unknown where its facts have not landed.

    Needs paid_orders and loose_returns.
    """
    plan, asked = _plan(as_of), quantities()
    define_view(session, as_of, tellers(plan.names), plan.columns)
    plan.define(session)
    session.define("measured_landed", plan.of_everybody(asked))
    columns = (
        quote(name) if _is_known(value, landed) else f"CAST(NULL AS {SQL_TYPES.get(kind, kind)}) AS {quote(name)}"
        for name, (value, kind) in asked.items()
    )
    session.define("measured", f"SELECT person_no, {', '.join(columns)} FROM measured_landed", materialize=True)


@cache
def quantities() -> Mapping[str, tuple[Value, str]]:
    """What is measured and its type, by trait; what reads another trait says what that one is."""
    traits = {one.name: one for one in (*CORE.traits, *BESIDE) if isinstance(one.quantity, Value)}
    values = {name: one.quantity for name, one in traits.items() if isinstance(one.quantity, Value)}
    return {name: (resolved(value, values, (name,)), traits[name].type) for name, value in values.items()}


def resolved(value: Value, known: Mapping[str, Value], path: tuple[str, ...]) -> Value:
    """A value with each trait of `known` it reads in its place. Raises ConfigError for a circle; `path`: how it was come to."""
    match value:
        case TraitValue(name) if name in path:
            raise ConfigError(f"traits read each other in a circle ({' -> '.join((*path, name))}): take one out")
        case TraitValue(name) if name in known:
            return resolved(known[name], known, (*path, name))
        case DaysSince(day):
            return DaysSince(resolved(day, known, path))
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, resolved(left, known, path), resolved(right, known, path))
    return value


def _plan(as_of: AsOf) -> Compilation:
    return compile_segments([], as_of, traits={}, values=[value for value, _ in quantities().values()])


def _is_known(value: Value, landed: Mapping[str, bool]) -> bool:
    kinds = {kind for aggregate in aggregates_in(value) for kind in tellers([aggregate.of.name])}
    return all(landed[_TABLES[kind]] for kind in kinds)
