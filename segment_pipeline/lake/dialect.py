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

# Functions sqlglot does not know by a class of their own, allowed by name because they carry over or have a rule.
ALLOWED_FUNCTIONS = frozenset(
    """
    bool_and bool_or bit_count list_sort list_distinct list_contains list_transform list_filter list_has_any
    json_extract_string json_array_length json_keys json_object json_serialize_sql from_json_strict epoch epoch_ms
    regexp_full_match strip_accents list_aggregate unnest generate_subscripts make_date even to_json json_type
    json_valid try_strptime list_value isfinite md5 sha256 dayname monthname timezone nullif list_concat list_reduce
    json_group_array json_merge_patch json_extract json_exists format printf hamming levenshtein
    """.split()
)

# Each was seen to change meaning, or to be passed through untranslated, on another engine.
BANNED: dict[type[exp.Expr], str] = {
    exp.Command: "a statement sqlglot cannot read",
}


def quote(identifier: str) -> str:
    """A table or column name as a quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: Value) -> str:
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
            scale = max(0, -int(value.as_tuple().exponent))
            return f"CAST('{value:f}' AS DECIMAL(38,{scale}))"
        case str():
            if "\x00" in value:
                raise ContractError("a value bound into SQL holds a NUL character: clean the input")
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            if value.tzinfo is None:
                return f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'"
            return f"TIMESTAMPTZ '{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
        case date():
            return f"DATE '{value:%Y-%m-%d}'"
        case Sequence():
            return "[" + ", ".join(literal(item) for item in value) + "]"
    raise ContractError(f"a value of type {type(value).__name__} cannot be bound into SQL")


@lru_cache(maxsize=1024)
def _parameters(text: str) -> tuple[tuple[int, int, str], ...]:
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


def parse(text: str, *, name: str) -> exp.Expr:
    """The statement's tree, checked against the allow-list; raises ContractError naming statement and construct."""
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError:
        raise ContractError(f"{name} cannot be parsed as one statement of DuckDB's dialect") from None
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


def _refusal(node: exp.Expr) -> str | None:
    match node:
        case exp.Anonymous() if node.name.lower() not in ALLOWED_FUNCTIONS:
            return f"the function {node.name.lower()}()"
        case exp.ArrayAgg() if node.find(exp.Order) is not None:
            return "list(x ORDER BY y)"
        case exp.Select() if node.args.get("qualify") is not None and node.is_star:
            return "SELECT * … QUALIFY"
        case exp.Join() if str(node.args.get("method") or "").upper() == "ASOF":
            return "ASOF JOIN"
    return None
