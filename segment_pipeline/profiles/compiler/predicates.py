"""Predicates in SQL: read, held to the core traits of one person, and never pasted."""

from collections.abc import Iterator, Mapping

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.errors import ContractError
from segment_pipeline.lake import constructs, dialect
from segment_pipeline.lake.schema import SQL_TYPES


def parsed(text: str) -> exp.Expr:
    """The predicate as a tree, a quotient by 0 unknown in it; raises SqlglotError for what is no single expression."""
    tree, *others = sqlglot.parse(text, read="duckdb")
    if others or not isinstance(tree, exp.Condition) or isinstance(tree, exp.Query):
        raise SqlglotError
    return tree.transform(_by_zero)


def _by_zero(node: exp.Expr) -> exp.Expr:
    # Infinite in DuckDB, and 0 by 0 is above every number there.
    if isinstance(node, exp.Div | exp.IntDiv | exp.Mod):
        by = node.expression
        if not (isinstance(by, exp.Literal) and by.to_py()):
            node.set("expression", exp.Nullif(this=by, expression=exp.Literal.number(0)))
    return node


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
        constructs.check(exp.select(exp.alias_(tree, "holds")).from_("traits"), name="its predicate")
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
    yield from found or [*_unlike(tree, traits)] or _unreadable(tree, traits)


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


def _unlike(tree: exp.Expr, traits: Mapping[str, str]) -> Iterator[str]:
    """What would fail on a row, or is neither true nor false: told by types, as far as they are known."""
    of_traits = tree.transform(lambda node: exp.column(node.name, table="t") if isinstance(node, exp.Column) else node)
    query = exp.select(exp.alias_(of_traits, "holds")).from_(exp.to_table("traits").as_("t"))
    schema: dict[str, object] = {"traits": {name: SQL_TYPES.get(kind, kind) for name, kind in traits.items()}}
    holds = annotate_types(query, schema=schema, dialect="duckdb").selects[0].this
    answers = [holds, *(side for each in holds.find_all(exp.Connector) for side in (each.left, each.right))]
    answers += [each.this for each in holds.find_all(exp.Not)]
    for each in answers:
        if not each.is_type("boolean", "unknown", "null"):
            yield f"has a predicate in which {_written(each)} is neither true nor false: compare it with something"
            return
    for each in holds.find_all(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE):
        if _is_text(each.left) != _is_text(each.right) and (_is_number(each.left) or _is_number(each.right)):
            yield f"has a predicate that compares text with a number: {_written(each)}"
    for each in holds.find_all(exp.Cast):
        if not isinstance(each, exp.TryCast) and _is_text(each.this) and not isinstance(each.this, exp.Literal):
            yield f"has a predicate that fails where a text is something else: write TRY_{_written(each)}"


def _unreadable(tree: exp.Expr, traits: Mapping[str, str]) -> Iterator[str]:
    """What DuckDB says of it, asked of one row of nothing."""
    row = ", ".join(
        f"CAST(NULL AS {SQL_TYPES.get(kind, kind)}) AS {dialect.quote(name)}" for name, kind in traits.items()
    )
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.execute(f"CREATE TABLE traits AS SELECT {row}")
        try:
            connection.execute(f"SELECT {tree.sql('duckdb')} FROM traits").fetchall()
        except duckdb.Error:
            yield "has a predicate whose parts are of types that do not go together, as a day and a text that is none"


def _written(node: exp.Expr) -> str:
    return node.transform(lambda one: exp.column(one.name) if isinstance(one, exp.Column) else one).sql(
        dialect="duckdb"
    )


def _is_text(node: exp.Expr) -> bool:
    return bool(node.type) and node.is_type(*exp.DataType.TEXT_TYPES)


def _is_number(node: exp.Expr) -> bool:
    return bool(node.type) and node.is_type(*exp.DataType.NUMERIC_TYPES)
