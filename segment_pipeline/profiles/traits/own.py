"""A company's own traits of one day: computed set by set from the day's core traits and the documented views.

Everything a set says is computed and checked before its table is touched, so that a mistake leaves no row of the day behind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.derived import trait_table
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Column, Table
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement
from segment_pipeline.profiles.facts.runs import Run, session_of
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits.queries import query_of
from segment_pipeline.profiles.traits.views import define_views
from segment_pipeline.traits import Trait, TraitSet

# Makes `trait_quantities` a table of one row per person of the day's core traits: profile_id, and each trait under its name.
Quantities = Callable[[Session, AsOf, Sequence[Trait]], None]


@dataclass(frozen=True, slots=True)
class OwnTraitsReport:
    """Counts of one as_of. `known`: people of whom each trait is known."""

    as_of: date
    traits: str
    profiles: int
    known: Mapping[str, int]


def build_own_traits(
    lake: Lake,
    as_of: AsOf,
    traits: TraitSet,
    *,
    rules: IdentityRules | None = None,
    quantities: Quantities | None = None,
    run: Run | None = None,
) -> OwnTraitsReport:
    """Compute one set of own traits for the people of the day's core traits, and replace the set's snapshot of the day.

    `quantities`: computes those that are quantities, for a set that has any. `run`: of whose days this is one. Raises ContractError when the day has no core traits, and ConfigError, which names the
    trait with its file and line, for what the set says wrongly; nothing is replaced then.
    """
    _check_columns(lake, traits)
    queries = {trait.name: query_of(trait) for trait in traits.traits if trait.query is not None}
    measured = [trait for trait in traits.traits if trait.quantity is not None]
    if measured and quantities is None:
        raise ConfigError(f"the set {traits.name} has quantities, which nobody computes here: materialise its asset")
    views = {"profiles"}.union(*(query.views for query in queries.values()))
    with session_of(lake, run) as session:
        if measured and quantities is not None:
            quantities(session, as_of, measured)
        define_views(session, as_of, views, rules or IdentityRules())
        people = int(session.value("SELECT count(*) FROM trait_profiles"))
        if not people and not session.is_empty_snapshot("traits", as_of.day):
            raise ContractError(f"there are no traits as of {as_of.day}: materialise them for that day first")
        frame = None
        for number, trait in enumerate(traits.traits):
            if trait.function is not None:
                # Imported late: pandas, which takes longer than many a command that knows of own traits.
                from segment_pipeline.profiles.traits.frames import called, frame_of

                frame = frame_of(session.table("SELECT * FROM trait_profiles")) if frame is None else frame
                session.register(f"trait_value_{number}", called(trait, frame))
                continue
            if trait.quantity is not None:
                held = f"SELECT profile_id, {quote(trait.name)} AS value FROM trait_quantities"
                session.define(f"trait_value_{number}", held)
                continue
            query = Statement(f"{trait.place}: the query of trait {trait.name}", queries[trait.name].sql(as_of))
            _define_value(session, number, trait, query)
        written = session.replace(traits.table, _joined(traits, as_of), {"as_of": [as_of.day]})
        session.scan(traits.table, partitions={"as_of": [as_of.day]}, alias="own_written")
        counts = ", ".join(f"count({quote(trait.name)}) AS {quote(trait.name)}" for trait in traits.traits)
        known = session.rows(f"SELECT {counts} FROM own_written")[0]
    return OwnTraitsReport(as_of.day, traits.name, written.rows, known)


def _define_value(session: Session, number: int, trait: Trait, query: Statement) -> None:
    """Make trait_value_<number> a table of profile_id and value, and hold it to one typed value for a person of the day."""
    name, said = f"trait_value_{number}", f"trait_said_{number}"
    try:
        session.define(said, query, materialize=True)
    except ContractError as error:
        raise ConfigError(str(error).replace(f" as {said}", "")) from None
    profile, value = session.table(f"SELECT * FROM {said} LIMIT 0").schema.names
    session.define(name, f"SELECT {quote(profile)} AS profile_id, {quote(value)} AS value FROM {said}")
    column = Column("value", trait.type, trait.definition)
    try:
        storage.check_schema(
            session.table(f"SELECT value FROM {name} LIMIT 0").schema, Table(name, "", (column,), key=("value",))
        )
    except ContractError:
        got = session.table(f"SELECT value FROM {name} LIMIT 0").schema.field("value").type
        raise ConfigError(
            f"{trait.place}: trait {trait.name} is {trait.type} and its query gives {got}: write CAST(… AS {column.sql})"
        ) from None
    nan = (
        f"count(*) FILTER (WHERE isnan({name}.value) OR NOT isfinite({name}.value))" if trait.type == "DOUBLE" else "0"
    )
    found = session.rows(
        f"SELECT count(*) AS rows, count(DISTINCT {name}.profile_id) AS people, count(p.profile_id) AS known, {nan} AS nan"
        f" FROM {name} LEFT JOIN trait_profiles AS p ON p.profile_id = {name}.profile_id"
    )[0]
    wrong = (
        "has more rows than one for a person: group by profile_id"
        if found["people"] < found["known"]
        else "has rows of somebody who is no person of the day: take profile_id from a documented view"
        if found["known"] < found["rows"]
        else "gives NaN or an infinite number, which are no values: write nullif(…, 0) under a division"
        if found["nan"]
        else ""
    )
    if wrong:
        raise ConfigError(f"{trait.place}: the query of trait {trait.name} {wrong}")


def _joined(traits: TraitSet, as_of: AsOf) -> str:
    values = "".join(f", v{n}.value AS {quote(trait.name)}" for n, trait in enumerate(traits.traits))
    joins = "".join(
        f" LEFT JOIN trait_value_{n} AS v{n} ON v{n}.profile_id = p.profile_id" for n in range(len(traits.traits))
    )
    return (
        f"SELECT {literal(as_of.day)} AS as_of, p.profile_id{values}, {literal(traits.digest)} AS definition_hash"
        f" FROM trait_profiles AS p{joins}"
    )


def _check_columns(lake: Lake, traits: TraitSet) -> None:
    """A trait that is dropped or gets another type would leave days of both in one table."""
    declared = trait_table(traits)
    with lake.opened.newest(traits.table) as delta:
        if delta is None:
            return
        held = pa.schema(delta.schema())
        try:
            storage.check_types(delta, declared)
        except ContractError:
            other = True
        else:
            other = False
    if gone := sorted(set(held.names) - set(declared.names)) or other:
        what = f"{', '.join(gone)}, which the set no longer declares" if isinstance(gone, list) else "other types"
        raise ConfigError(
            f"table {traits.table} holds days with {what}: give the set {traits.name} another name, or take the table's folder "
            "out of the lake and backfill the set"
        )
