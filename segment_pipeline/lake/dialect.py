"""SQL as text, made safe: identifiers are quoted here, values are bound here, and constructs outside the allow-list stop here.

Statements are written in DuckDB's dialect. A construct is on the list once it is known to mean the same on every engine.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from segment_pipeline.errors import ContractError

Value = None | bool | int | float | str | Decimal | date | datetime | Sequence["Value"]

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


def quote(identifier: str) -> str:
    """A table or column name as a quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def decimal_of(value: Decimal) -> str:
    """The type of a number as wide as it is written: beside a wider one Spark drops digits of what it is compared with."""
    scale = max(0, -int(value.as_tuple().exponent))
    return f"DECIMAL({max(value.adjusted() + 1, 1) + scale},{scale})"


def literal(value: Value) -> str:  # noqa: C901 - one case per kind of value
    """A Python value as a SQL literal. Raises ContractError for types and numbers that have none."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise ContractError("a value bound into SQL is not a finite number: pass None for unknown")
            return f"CAST({value!r} AS DOUBLE)"
        case Decimal():
            return f"CAST('{value:f}' AS {decimal_of(value)})"
        case str():
            if "\x00" in value:
                raise ContractError("a value bound into SQL holds a NUL character: clean the input")
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            if value.tzinfo is None:
                return f"TIMESTAMP '{value.isoformat(' ', 'microseconds')}'"
            return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat(' ', 'microseconds')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case Sequence():
            return "[" + ", ".join(literal(item) for item in value) + "]"
    raise ContractError(f"a value of type {type(value).__name__} cannot be bound into SQL")


@lru_cache(maxsize=1024)
def _parameters(text: str) -> tuple[tuple[int, int, str], ...]:
    if "$" not in text:
        # Statements made by code bind nothing, and are long.
        return ()
    tokens = sqlglot.tokenize(text, read="duckdb")
    found = []
    for mark, name in itertools.pairwise(tokens):
        if mark.token_type == TokenType.PARAMETER and mark.text == "$" and name.start == mark.end + 1:
            found.append((mark.start, name.end + 1, name.text))
    return tuple(found)


def bind(text: str, values: Mapping[str, Value], *, name: str = "statement") -> str:
    """`text` with each `$parameter` replaced by its literal.

    Raises ContractError when a parameter has no value or a value no parameter.
    """
    wanted = _parameters(text)
    missing = {parameter for _, _, parameter in wanted} - values.keys()
    surplus = values.keys() - {parameter for _, _, parameter in wanted}
    if missing or surplus:
        raise ContractError(
            f"{name}: parameters without a value {sorted(missing)}, values without a parameter {sorted(surplus)}"
        )
    parts, at = [], 0
    for start, end, parameter in wanted:
        parts += [text[at:start], literal(values[parameter])]
        at = end
    return "".join([*parts, text[at:]])


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


def check(tree: exp.Expr, *, name: str) -> None:
    """Raises ContractError for the first construct that does not mean the same on every engine."""
    for node in tree.walk():
        reason = BANNED.get(type(node)) or _refusal(node)
        if reason:
            raise ContractError(
                f"{name} uses {reason}, which does not carry over to every engine: write it another way"
            )


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
