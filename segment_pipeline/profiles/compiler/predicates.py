"""Predicates in SQL: read, held to the core traits of one person, and never pasted."""

from collections.abc import Iterator, Mapping

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import constructs, dialect
from segment_pipeline.lake.schema import SQL_TYPES
from segment_pipeline.profiles.compiler import portable
from segment_pipeline.profiles.compiler.held import OTHER_TYPES, Refused


def parsed(text: str) -> exp.Expr:
    """The predicate as a tree; raises SqlglotError for what is no single expression."""
    tree, *others = sqlglot.parse(text, read="duckdb")
    if others or not isinstance(tree, exp.Condition) or isinstance(tree, exp.Query):
        raise SqlglotError
    return tree


def compiled(text: str, traits: Mapping[str, str]) -> exp.Expr:
    """The predicate over `traits`, aliased `t`, whose lake types are given; unknown where a part of it has no value."""
    try:
        return portable.condition(parsed(text), traits)
    except Refused as refused:
        raise ConfigError(f"a segment {refused}") from None


def columns_of(text: str) -> list[str]:
    """The columns a predicate reads, in order; none of one that cannot be read."""
    try:
        return list(dict.fromkeys(each.name for each in parsed(text).find_all(exp.Column)))
    except SqlglotError:
        return []


def problems(text: str, traits: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with a predicate over these traits, lake types by name, as ends of sentences."""
    try:
        tree = parsed(text)
        asked = exp.select(exp.alias_(tree, "holds")).from_("traits")
        constructs.check(asked, name="its predicate", instead=f"it with {portable.KNOWN}")
    except SqlglotError:
        yield "has a predicate that is not one expression of DuckDB's dialect"
        return
    except ContractError as error:
        yield f"is refused: {error}"
        return
    found = [
        *(
            f"names trait {name}, which does not exist{meant(name, traits)}"
            for name in columns_of(text)
            if name not in traits
        ),
        *_beyond_one_person(tree),
    ]
    if found:
        yield from found
        return
    try:
        made = portable.condition(tree, traits)
    except Refused as refused:
        yield str(refused)
        return
    yield from _unreadable(made, traits)


def _beyond_one_person(tree: exp.Expr) -> Iterator[str]:
    """What asks for more than the row of a person's traits, or for less."""
    if any(tree.find_all(exp.Query)):
        yield "has a predicate with a SELECT in it: only the traits of the person can be asked"
    elif any(tree.find_all(exp.AggFunc, exp.Window)):
        yield "has a predicate with an aggregate: only the traits of the person can be asked"
    elif any(tree.find_all(exp.Placeholder)) or any(each.table for each in tree.find_all(exp.Column)):
        yield "has a predicate with a parameter or a table's name: write the names of traits alone"
    elif any(tree.find_all(exp.Star, exp.UDTF, exp.Explode, exp.Collate)):
        yield "has a predicate with *, unnest() or COLLATE: it is one yes or no of a person, alike on every engine"
    elif not any(tree.find_all(exp.Column)):
        yield "has a predicate without a trait, which all or none meet: name one"


def _unreadable(tree: exp.Expr, traits: Mapping[str, str]) -> Iterator[str]:
    """What DuckDB says of it, asked of one row of nothing."""
    row = ", ".join(
        f"CAST(NULL AS {SQL_TYPES.get(kind, kind)}) AS {dialect.quote(name)}" for name, kind in traits.items()
    )
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.execute(f"CREATE TABLE traits AS SELECT {row}")
        try:
            connection.execute(f"SELECT {tree.sql('duckdb')} FROM traits AS t").fetchall()
        except duckdb.Error:
            yield OTHER_TYPES
