"""A company's sets of own traits as everybody but their builder sees them: known, judged, ready or not, one view with the core's."""

import hashlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any, Final

from segment_pipeline.lake import tables
from segment_pipeline.lake.core_traits import CORE, MEANINGS, THRESHOLDS
from segment_pipeline.lake.derived import trait_table
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.session import Session
from segment_pipeline.literals import repeated
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.traits import Trait, TraitSet

_SET: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TRAIT: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_OWNER: Final = re.compile(r"team:[\w-]+|[^@\s]+@[^@\s]+")
_TAKEN: Final = frozenset({"as_of", "profile_id", "person_no", "definition_hash"})
TYPES: Final = ("VARCHAR", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE", "MONEY", "RATE", "VARCHAR[]")

# Whoever reads traits without a catalogue in hand finds a company's sets here; loading its catalogue puts them in.
_DECLARED: dict[str, TraitSet] = {}


def declare(own: TraitSet) -> None:
    """Make a set known to this process, and its table to the lake; the newest declaration by its name counts."""
    tables.declare(trait_table(own))
    _DECLARED[own.name] = own


def declared() -> list[TraitSet]:
    """The company's sets this process knows."""
    return list(_DECLARED.values())


def forget() -> None:
    """Make all of a company's sets and their tables unknown again."""
    _DECLARED.clear()
    tables.forget()


def trait_types(sets: Sequence[TraitSet] = ()) -> dict[str, str]:
    """Every trait a rule may name and its type: the core's, and those of these sets."""
    return {name: kind for one in (CORE, *sets) for name, kind in one.types.items()}


def core_meanings(rules: TraitRules) -> dict[str, str]:
    """What the core's traits and `trait_shares` mean where it is not what it was at first or by default, as JSON by name."""
    usual = TraitRules()
    found: dict[str, dict[str, Any]] = {name: {"version": number} for name, number in MEANINGS.items()}
    for name, fields in THRESHOLDS.items():
        for field in fields:
            if (value := getattr(rules, field)) != getattr(usual, field):
                found.setdefault(name, {})[field] = value
    return {name: json.dumps(held, sort_keys=True) for name, held in found.items()}


def core_digest(rules: TraitRules) -> str:
    """Changes whenever a core trait or a share of spend begins to mean something else; 32 hex digits."""
    return hashlib.sha256(json.dumps(core_meanings(rules), sort_keys=True).encode()).hexdigest()[:32]


def outdated(session: Session, day: date, rules: TraitRules) -> str:
    """Why the core traits of a day are not what their names mean today; empty: they are."""
    session.scan("traits", partitions={"as_of": [day]}, alias="core_traits")
    others = "SELECT count(*) FROM core_traits WHERE definition_hash IS DISTINCT FROM $digest"
    if not session.value(others, digest=core_digest(rules)):
        return ""
    return f"the core traits as of {day} were made when some of them meant something else: materialise profiles/traits for that day"


def problems(sets: Sequence[TraitSet]) -> list[str]:
    """What is wrong with a company's sets, one sentence each, a trait's with its file and line; empty: nothing."""
    found = [*repeated(sets, "trait set", "rename one")]
    names = Counter(trait.name for one in sets for trait in one.traits)
    for one in sets:
        if not _SET.fullmatch(one.name) or one.is_core:
            found.append(f"{one.place}: trait set {one.name!r} has no usable name: lower-case letters, digits and _, at most 40, and not core")  # fmt: skip
        if not one.traits:
            found.append(f"{one.place}: trait set {one.name} has no traits: give it some, or drop it")
        for trait in one.traits:
            texts = [*_problems(trait, names)]
            if names[trait.name] > 1:
                texts.append("is declared more than once: rename one")
            found += [f"{trait.place}: trait {trait.name} {text}" for text in dict.fromkeys(texts)]
    return found


def _problems(trait: Trait, own: Collection[str]) -> Iterator[str]:
    if not _TRAIT.fullmatch(trait.name):
        yield "has a name that is not lower case letters, digits and underscores"
    elif trait.name in _TAKEN | CORE.types.keys():
        yield "has the name of a core trait or of a column of the table: choose another"
    if trait.type not in TYPES:
        yield f"is of the type {trait.type}: choose among {', '.join(TYPES)}"
    if not _OWNER.fullmatch(trait.owner):
        yield "has no owner of the form team:name or an e-mail address"
    if not trait.definition.strip():
        yield "has no definition: say in words what it is"
    if [one is None for one in (trait.query, trait.function, trait.quantity)].count(False) != 1:
        yield "has neither a quantity, a query nor a function, or several: give it one"
    elif trait.quantity is not None:
        # In the words of segments, which judge it.
        return
    elif trait.query is not None:
        # Imported late: who only reads traits needs no parser.
        from segment_pipeline.profiles.traits import queries

        yield from queries.problems(trait, own)
    elif not _takes_one(trait):
        yield "has a function that does not take exactly one argument, the profiles"


def _takes_one(trait: Trait) -> bool:
    try:
        inspect.signature(trait.function).bind(None)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def read_by(names: Collection[str], sets: Sequence[TraitSet]) -> list[TraitSet]:
    """Those of the sets that have one of these traits."""
    return [one for one in sets if not one.types.keys().isdisjoint(names)]


def unready(session: Session, day: date, sets: Sequence[TraitSet]) -> dict[str, str]:
    """Why a set's traits of a day cannot be read, by the set's name: nobody computed them, or they are of something else."""
    if not sets:
        return {}
    session.scan("traits", partitions={"as_of": [day]}, alias="core_traits")
    people = session.value("SELECT count(*) FROM core_traits")
    found = {}
    for one in sets:
        session.scan(one.table, partitions={"as_of": [day]}, alias="own_traits")
        held = session.rows(
            "SELECT count(*) AS people, count(*) FILTER (WHERE definition_hash = $digest) AS declared FROM own_traits",
            digest=one.digest,
        )[0]
        do = f"materialise profiles/{one.table} for that day"
        if not held["people"]:
            found[one.name] = f"the traits of the set {one.name} are not there as of {day}: {do}"
        elif held["declared"] < held["people"]:
            found[one.name] = f"the set {one.name} was declared otherwise when its traits as of {day} were made: {do}"
        elif held["people"] != people:
            found[one.name] = f"the set {one.name} is of other people than the core traits as of {day}: {do}"
    return found


def define_traits(session: Session, day: date, sets: Sequence[TraitSet] = ()) -> None:
    """Define the view `traits` of a day, one row per person with core traits: those, and the own traits of these sets."""
    if not sets:
        session.scan("traits", partitions={"as_of": [day]})
        return
    session.scan("traits", partitions={"as_of": [day]}, alias="core_traits")
    columns, joins = "", ""
    for number, one in enumerate(sets):
        session.scan(one.table, partitions={"as_of": [day]}, alias=f"own_traits_{number}")
        columns += "".join(f", s{number}.{quote(trait.name)}" for trait in one.traits)
        joins += f" LEFT JOIN own_traits_{number} AS s{number} ON s{number}.profile_id = c.profile_id"
    session.define("traits", f"SELECT c.*{columns} FROM core_traits AS c{joins}")


def clear(session: Session, day: date) -> None:
    """Take a day's own traits out, because the core traits they were made beside are about to be replaced."""
    for one in declared():
        session.scan(one.table, partitions={"as_of": [day]})
        if session.value(f"SELECT count(*) FROM {quote(one.table)}"):
            session.replace(one.table, f"SELECT * FROM {quote(one.table)} WHERE FALSE", {"as_of": [day]})
