"""What may stand in SQL: constructs outside the allow-list stop here.

A construct is on the list once it is known to mean the same on every engine. Imports a parser, which costs more than many a
command: what only binds and quotes has no need of it.
"""

from collections.abc import Collection

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from segment_pipeline.errors import ContractError

# Functions sqlglot passes on as they are, because the other engines have them by the same name.
ALLOWED_FUNCTIONS = frozenset({"bit_count", "json_array_length", "printf"})

# Passed on as they are too, and there by another name: an engine that is not DuckDB brings a rule for each.
NEEDS_RULE = frozenset(
    """
    timezone to_json json_type json_valid json_merge_patch json_group_array json_exists from_json_strict list_aggregate
    list_reduce try_strptime strip_accents isfinite even key_number
    """.split()
)

# Each was seen to change meaning, to be passed through untranslated, or to give another answer at another time.
BANNED: dict[type[exp.Expr], str] = {
    exp.Command: "a statement sqlglot cannot read",
    exp.Pivot: "PIVOT",
    exp.TableSample: "TABLESAMPLE",
    exp.Columns: "COLUMNS()",
    exp.Glob: "GLOB",
    exp.SimilarTo: "SIMILAR TO",
    exp.Slice: "a slice of a list",
    exp.ArrayOverlaps: "list_has_any()",
    exp.DayOfWeek: "dayofweek(), which counts from another day elsewhere,",
    exp.DayOfWeekIso: "isodow()",
    exp.TimeToUnix: "epoch(), which loses fractions elsewhere,",
    exp.Rand: "random()",
    exp.Uuid: "uuid()",
    exp.CurrentDate: "the time of the query instead of a bound value",
    exp.CurrentTime: "the time of the query instead of a bound value",
    exp.CurrentTimestamp: "the time of the query instead of a bound value",
    exp.Mode: "mode(), which breaks ties by chance,",
    exp.First: "first(), which depends on the order of reading,",
    exp.Last: "last(), which depends on the order of reading,",
    exp.ReadCSV: "a file by name",
    exp.ReadParquet: "a file by name",
}


def parse(text: str, *, name: str) -> exp.Query:
    """The statement's tree, checked against the allow-list; raises ContractError naming statement and construct."""
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError:
        raise ContractError(f"{name} cannot be parsed as one statement of DuckDB's dialect") from None
    if not isinstance(tree, exp.Query):
        raise ContractError(f"{name} is no SELECT: statements only read, the lake writes")
    check(tree, name=name)
    return tree


def tables(tree: exp.Query) -> tuple[str, ...]:
    """The tables and views a statement reads, as they follow each other in it."""
    own = {each.alias for each in tree.find_all(exp.CTE)}
    found = (each.name for each in tree.find_all(exp.Table, bfs=False))
    return tuple(name for name in dict.fromkeys(found) if name not in own)


def narrowed(tree: exp.Query, columns: Collection[str], lookups: Collection[str]) -> exp.Query:
    """A statement with these of its columns, and without the joins with `lookups` that nothing is read of then."""
    tree = tree.copy()
    tree.set("expressions", [each for each in tree.selects if each.alias_or_name in columns])
    for join in [*(tree.args.get("joins") or [])]:
        if join.this.name in lookups and not any(
            each.table == join.alias_or_name and each.find_ancestor(exp.Join) is not join
            for each in tree.find_all(exp.Column)
        ):
            join.pop()
    return tree


def check(tree: exp.Expr, *, name: str, instead: str = "it another way") -> None:
    """Raises ContractError for the first construct that does not mean the same on every engine. `instead`: what to write."""
    for node in tree.walk():
        reason = BANNED.get(type(node)) or _refusal(node)
        if reason:
            raise ContractError(f"{name} uses {reason}, which does not carry over to every engine: write {instead}")


def _refusal(node: exp.Expr) -> str | None:  # noqa: C901 - one case per kind of construct
    match node:
        case exp.Anonymous() if node.name.lower() not in ALLOWED_FUNCTIONS | NEEDS_RULE:
            return f"the function {node.name.lower()}()"
        case exp.SetOperation() if node.args.get("by_name"):
            return "UNION BY NAME"
        case exp.ArrayAgg() if node.find(exp.Order) is not None:
            return "list(x ORDER BY y)"
        case exp.Select() if node.args.get("qualify") is not None and node.is_star:
            return "SELECT * … QUALIFY"
        case exp.Join() if str(node.args.get("method") or "").upper() in {"ASOF", "POSITIONAL"}:
            return f"{str(node.args['method']).upper()} JOIN"
        case exp.Extract() if node.name.upper() in {"DOW", "ISODOW", "DAYOFWEEK", "EPOCH"}:
            return f"extract({node.name.lower()} …)"
        case exp.RegexpReplace() if "g" not in node.text("modifiers"):
            return "regexp_replace() without 'g', which replaces all elsewhere,"
        case exp.Max() | exp.Min() if node.args.get("expressions") or node.args.get("count"):
            return "the n greatest or least as a list"
        case exp.Bracket() if any(index.is_number and index.to_py() < 0 for index in node.expressions):
            return "a list index counted from the end"
        case exp.Cast() if node.is_type("json"):
            return "a cast to JSON, which quotes text elsewhere,"
        case exp.Table() if isinstance(node.this, exp.Func) or "." in node.name or "/" in node.name:
            return "a file or a function as a table"
    return None
