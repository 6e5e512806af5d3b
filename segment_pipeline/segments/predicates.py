"""Predicates in SQL: read, held to the core traits of one person, and never pasted."""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from segment_pipeline.errors import ContractError
from segment_pipeline.lake import dialect


def parsed(text: str) -> exp.Expr:
    """The predicate as a tree; raises SqlglotError for what is no single expression."""
    tree, *others = sqlglot.parse(text, read="duckdb")
    if others or not isinstance(tree, exp.Condition) or isinstance(tree, exp.Query):
        raise SqlglotError
    return tree


def columns_of(text: str) -> list[str]:
    """The columns a predicate reads, in order; none of one that cannot be read."""
    try:
        return list(dict.fromkeys(each.name for each in parsed(text).find_all(exp.Column)))
    except SqlglotError:
        return []


def problems(text: str) -> Iterator[str]:
    """What is wrong with a predicate, as ends of sentences; whether there are such traits is for others to say."""
    try:
        tree = parsed(text)
        dialect.check(exp.select(exp.alias_(tree, "holds")).from_("traits"), name="its predicate")
    except SqlglotError:
        yield "has a predicate that is not one expression of DuckDB's dialect"
        return
    except ContractError as error:
        yield f"is refused: {error}"
        return
    if any(tree.find_all(exp.Query)):
        yield "has a predicate with a SELECT in it: only the traits of the person can be asked"
    if any(tree.find_all(exp.AggFunc, exp.Window)):
        yield "has a predicate with an aggregate: only the traits of the person can be asked"
    if any(tree.find_all(exp.Placeholder)) or any(each.table for each in tree.find_all(exp.Column)):
        yield "has a predicate with a parameter or a table's name: write the names of traits alone"
