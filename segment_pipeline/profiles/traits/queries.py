"""The query of a company's own trait: read, held to the documented views, and made one SELECT of profile_id and value."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import constructs
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.schema import SQL_TYPES
from segment_pipeline.profiles.traits.views import VIEWS, view_in_session
from segment_pipeline.traits import Trait

_NO_COLUMN: Final = re.compile(
    r'Referenced column "([^"]+)" (?:not found|was not found)|does not have a column named "([^"]+)"'
)


@dataclass(frozen=True, slots=True)
class TraitQuery:
    """A trait's query as a tree. `views`: the documented views it reads."""

    tree: exp.Query
    views: frozenset[str]

    def sql(self, as_of: AsOf) -> str:
        """The SELECT as the session understands it, the day bound."""

        def bound(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Placeholder):
                return exp.cast(exp.Literal.string(as_of.day.isoformat()), "DATE")
            if isinstance(node, exp.Table):
                read = exp.to_table(view_in_session(node.name), quoted=True) if node.name in self.views else node
                return read if read is node else read.as_(node.alias_or_name, quoted=True)
            return node

        return self.tree.copy().transform(bound).sql(dialect="duckdb")


def query_of(trait: Trait) -> TraitQuery:
    """The trait's query; raises ConfigError with its file and line for one that cannot be read or reads anything else."""
    if wrong := next(problems(trait), None):
        raise ConfigError(f"{trait.place}: trait {trait.name} {wrong}")
    tree = _parsed(trait.query or "")
    return TraitQuery(tree, frozenset(table.name for table in tree.find_all(exp.Table) if table.name in VIEWS))


def problems(trait: Trait, own: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with a trait's query, as the rest of a sentence that begins with the trait. `own`: the company's traits."""
    try:
        tree = _parsed(trait.query or "")
        constructs.check(tree, name="its query")
    except SqlglotError:
        yield "has a query that is neither one expression nor one SELECT of DuckDB's dialect"
        return
    except ContractError as error:
        yield f"is refused: {error}"
        return
    found = [*_beyond_the_views(tree)]
    yield from found or _unknown_column(tree, own)


def _beyond_the_views(tree: exp.Query) -> Iterator[str]:
    if len(tree.selects) != 2 or any(isinstance(select, exp.Star) for select in tree.selects):
        yield "has a query that does not select two columns by name, profile_id and the value"
    elif tree.selects[0].alias_or_name != "profile_id":
        yield "has a query whose first column is not profile_id: select profile_id, then the value"
    own = {each.alias for each in tree.find_all(exp.CTE)}
    for name in sorted(own & VIEWS.keys()):
        yield f"has a query that names a part of its own {name}, as a documented view: choose another name"
    for table in tree.find_all(exp.Table):
        plain = isinstance(table.this, exp.Identifier) and not table.db
        if not plain or table.name not in own | VIEWS.keys():
            yield f"reads {table.sql(dialect='duckdb')!r}, which is no documented view: {', '.join(VIEWS)}"
    for parameter in tree.find_all(exp.Placeholder):
        if parameter.name != "as_of":
            yield f"names the parameter ${parameter.name}: only $as_of, the day, is known"


def _unknown_column(tree: exp.Query, own: Collection[str]) -> Iterator[str]:
    """The first column the documented views do not have, asked of DuckDB over views of nothing."""
    names = frozenset(table.name for table in tree.find_all(exp.Table) if table.name in VIEWS)
    query = TraitQuery(tree, names).sql(AsOf(date(2000, 1, 1), "UTC"))
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        for name in names:
            columns = ", ".join(
                f"{quote(column)} {SQL_TYPES.get(kind, kind)}" for column, (kind, _) in VIEWS[name].columns.items()
            )
            connection.execute(f"CREATE TABLE {quote(view_in_session(name))} ({columns})")
        try:
            connection.execute(f"EXPLAIN {query}")
        except duckdb.Error as error:
            if (missing := _NO_COLUMN.search(str(error))) is None:
                # A function of the session's, or what only rows show: building it tells.
                return
            column = missing[1] or missing[2]
            if column in own:
                yield f"reads {column}, a trait of your own: a query reads core traits and the documented views, so write in its place what {column} says"
            else:
                known = {each for name in names for each in VIEWS[name].columns}
                yield f"reads {column}, which is no column of {', '.join(sorted(names))}{meant(column, known)}"


def _parsed(text: str) -> exp.Query:
    """A SELECT as it is; an expression as a SELECT of it over `profiles`. Raises SqlglotError."""
    tree, *others = sqlglot.parse(text, read="duckdb")
    if isinstance(tree, exp.Query) and not isinstance(tree, exp.Subquery) and not others:
        return tree
    if others or not isinstance(tree, exp.Condition | exp.Subquery):
        raise SqlglotError
    profile = exp.column("profile_id", quoted=True)
    return exp.select(profile, exp.alias_(exp.Paren(this=tree), "value")).from_(exp.to_table("profiles"))
