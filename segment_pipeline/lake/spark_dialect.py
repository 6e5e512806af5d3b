"""DuckDB's SQL as Spark's, with the same answers: sqlglot renders, and a rule here mends each construct it would let change.

The rules assume what `spark_engine` sets: ANSI mode, UTC, and the functions of `spark_functions` under their names. What has no
rule stops here, naming statement and construct.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.spark_functions import JSON_TYPE, JSON_VALID, from_json_of

# What DuckDB takes for a time, a day or a number; Spark takes more ("2017" is a day, "1d" a number), and other texts.
A_TIME = r"^\s*\d{4,}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{1,2}(:\d{1,2}([.]\d*)?)?\s*(Z|UTC|[+-]\d{1,2}(:?\d{2}){0,2}|[A-Za-z]+/[A-Za-z_]+)?)?\s*$"
NOT_FINITE = r"^\s*[+-]?(?i:nan|inf|infinity)\s*$"
A_NUMBER = r"^\s*[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?\s*$"


class House(DuckDB):
    """DuckDB's dialect with our habit: `len` counts the elements of a list, `length` the characters of a text."""

    class Parser(DuckDBParser):
        FUNCTIONS: ClassVar = {**DuckDBParser.FUNCTIONS, "LEN": exp.ArraySize.from_arg_list}


@lru_cache(maxsize=512)
def render(text: str, name: str) -> str:
    """The statement in Spark's SQL. Raises ContractError naming `name` and the construct that does not carry over."""
    try:
        tree = sqlglot.parse_one(text, read=House)
    except SqlglotError:
        raise ContractError(f"{name} cannot be parsed as one statement of DuckDB's dialect") from None
    # From the leaves to the root: a rule finds its parts mended.
    for node in reversed(list(tree.walk(bfs=True))):
        mended = _mended(node, name)
        if mended is not node:
            node.replace(mended)
    try:
        rendered: str = tree.sql("spark", unsupported_level=sqlglot.ErrorLevel.RAISE, copy=False)
    except SqlglotError as error:
        raise ContractError(f"{name} does not carry over to Spark: {error}") from None
    return rendered


def spark(template: str, **parts: exp.Expr) -> exp.Expr:
    """An expression of Spark's SQL in which `:name` stands for a part."""
    tree = exp.replace_placeholders(sqlglot.parse_one(template, read="spark"), **parts)
    # A part named twice stands there as one node; a copy gives each place its own.
    whole: exp.Expr = tree.copy()
    return whole


def _mended(node: exp.Expr, name: str) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        rule = FUNCTIONS.get(node.name.lower())
        if rule is None:
            raise ContractError(f"{name} uses {node.name.lower()}(), for which Spark has no rule: write it another way")
        return rule(node)
    if isinstance(node, exp.Star) and node.args.get("replace"):
        raise ContractError(f"{name} uses * REPLACE, which Spark does not know: name the columns")
    mend = CONSTRUCTS.get(type(node))
    return mend(node) if mend is not None else node


def _div(node: exp.Div) -> exp.Expr:
    # DuckDB divides as doubles, decimals too, and by zero as IEEE 754 says; Spark keeps decimals and raises.
    if isinstance(node.expression, exp.Literal) and node.expression.to_py():
        return spark("CAST(:a AS DOUBLE) / CAST(:b AS DOUBLE)", a=node.this, b=node.expression)
    return spark(
        "CASE WHEN :b <> 0 THEN CAST(:a AS DOUBLE) / CAST(:b AS DOUBLE)"
        " WHEN :b = 0 AND :a > 0 THEN DOUBLE('Infinity') WHEN :b = 0 AND :a < 0 THEN DOUBLE('-Infinity')"
        " WHEN :b = 0 AND :a = 0 THEN DOUBLE('NaN') END",
        a=node.this,
        b=node.expression,
    )


def _collected(node: exp.ArrayAgg) -> exp.Expr:
    # collect_list leaves NULLs out and makes an empty list of no rows; DuckDB keeps them, and gives NULL.
    distinct = isinstance(node.this, exp.Distinct)
    value = node.this.expressions[0] if distinct else node.this
    gathered = spark(f"{'collect_set' if distinct else 'collect_list'}(STRUCT(:v AS v))", v=value)
    return spark("CASE WHEN size(:g) > 0 THEN transform(:g, s -> s.v) END", g=gathered)


def _filter(node: exp.Filter) -> exp.Expr:
    # An aggregate that became an expression around aggregates: the condition is theirs.
    if isinstance(node.this, exp.AggFunc):
        return node
    around: exp.Expr = node.this
    for aggregate in list(around.find_all(exp.AggFunc)):
        aggregate.replace(exp.Filter(this=aggregate.copy(), expression=node.expression.copy()))
    return around


def _extreme(function: str) -> Callable[[exp.Func], exp.Expr]:
    # DuckDB passes over rows whose argument is NULL.
    def rule(node: exp.Func) -> exp.Expr:
        return spark(f"{function}(:a, CASE WHEN NOT :a IS NULL THEN :b END)", a=node.this, b=node.expression)

    return rule


def _try_cast(node: exp.TryCast) -> exp.Expr:
    kind = node.to.this
    if kind == exp.DType.TIMESTAMPTZ:
        return spark(f"CASE WHEN :a RLIKE '{_escaped(A_TIME)}' THEN try_cast(:a AS TIMESTAMP) END", a=node.this)
    if kind == exp.DType.DATE:
        return spark(
            f"CASE WHEN :a RLIKE '{_escaped(A_TIME)}' AND NOT try_cast(:a AS TIMESTAMP) IS NULL THEN try_cast(:a AS DATE) END",
            a=node.this,
        )
    if kind in {exp.DType.DECIMAL, exp.DType.DOUBLE}:
        number = f"try_cast(:a AS {node.to.sql('spark')})"
        pattern = A_NUMBER if kind == exp.DType.DECIMAL else f"({A_NUMBER})|{NOT_FINITE}"
        return spark(f"CASE WHEN :a RLIKE '{_escaped(pattern)}' THEN {number} END", a=node.this)
    if kind in {exp.DType.INT, exp.DType.BIGINT}:
        # DuckDB rounds what is between two whole numbers, Spark cuts it off.
        whole = f"try_cast(round(try_cast(:a AS DECIMAL(38, 8)), 0) AS {node.to.sql('spark')})"
        return spark(f"CASE WHEN :a RLIKE '{_escaped(A_NUMBER)}' THEN {whole} END", a=node.this)
    raise ContractError(f"TRY_CAST to {node.to.sql('duckdb')} has no rule for Spark: write it another way")


def _like(node: exp.Like) -> exp.Expr:
    # Spark takes a backslash for an escape, DuckDB for itself.
    if not isinstance(node.expression, exp.Literal):
        raise ContractError("LIKE with a computed pattern has no rule for Spark: write it another way")
    node.set("expression", exp.Literal.string(node.expression.name.replace("\\", "\\\\")))
    return node


def _escaped(pattern: str) -> str:
    return pattern.replace("\\", "\\\\")


def _lower(node: exp.Lower) -> exp.Expr:
    # Java's mapping knows word ends and grows some letters; DuckDB's goes letter by letter.
    return spark(
        "CASE WHEN :a RLIKE '^[\\x00-\\x7F]*$' THEN lower(:a)"
        " ELSE array_join(transform(split(:a, ''), c -> CASE c WHEN 'İ' THEN 'i' ELSE lower(c) END), '') END",
        a=node.this,
    )


def _upper(node: exp.Upper) -> exp.Expr:
    return spark(
        "CASE WHEN :a RLIKE '^[\\x00-\\x7F]*$' THEN upper(:a) ELSE array_join(transform(split(:a, ''),"
        " c -> CASE WHEN c = 'ß' THEN 'ẞ' WHEN length(upper(c)) > 1 THEN CASE WHEN length(initcap(c)) = 1 THEN initcap(c) ELSE c END"
        " ELSE upper(c) END), '') END",
        a=node.this,
    )


def _element(node: exp.Bracket) -> exp.Expr:
    # Beyond the end there is NULL, and no error. sqlglot counts from 0 here.
    return spark("get(:a, :i)", a=node.this, i=node.expressions[0])


def _aggregated(node: exp.Anonymous) -> exp.Expr:
    values, kind = node.expressions
    match kind.name:
        case "last":
            return spark("try_element_at(:a, -1)", a=values)
        case "sum":
            return spark(
                "aggregate(:a, CAST(NULL AS DECIMAL(38,4)), (s, x) ->"
                " CASE WHEN x IS NULL THEN s ELSE CAST(coalesce(s, 0) + x AS DECIMAL(38,4)) END)",
                a=values,
            )
    raise ContractError(f"list_aggregate(…, '{kind.name}') has no rule for Spark: write it another way")


def _key_number(node: exp.Anonymous) -> exp.Expr:
    # DuckDB takes the digest's first eight bytes for a number that begins with its least significant one.
    kind, source, key = node.expressions
    upwards = ", ".join(f"substr(:d, {2 * byte + 1}, 2)" for byte in reversed(range(8)))
    digest = spark("md5(concat(:kind, ':', :source, ':', :key))", kind=kind, source=source, key=key)
    return spark(f"shiftrightunsigned(CAST(conv(concat({upwards}), 16, -10) AS BIGINT), 1)", d=digest)


def _typed_json(node: exp.FromJson) -> exp.Expr:
    return exp.Anonymous(this=from_json_of(node.expression.name), expressions=[node.this.copy()])


def _json_type(node: exp.JSONType) -> exp.Expr:
    path = node.expression.copy() if node.expression else exp.Literal.string("$")
    return exp.Anonymous(this=JSON_TYPE, expressions=[node.this.copy(), path])


# Of nodes sqlglot knows, those it would render with another meaning.
CONSTRUCTS: dict[type[exp.Expr], Callable[..., exp.Expr]] = {
    exp.Div: _div,
    exp.ArrayAgg: _collected,
    exp.Filter: _filter,
    exp.ArgMax: _extreme("max_by"),
    exp.ArgMin: _extreme("min_by"),
    exp.TryCast: _try_cast,
    exp.Like: _like,
    exp.Lower: _lower,
    exp.Upper: _upper,
    exp.Bracket: _element,
    exp.FromJson: _typed_json,
    exp.JSONType: _json_type,
    exp.ArrayDistinct: lambda node: spark("array_distinct(array_compact(:a))", a=node.this),
    exp.ArrayContains: lambda node: spark(
        "CASE WHEN NOT :a IS NULL THEN coalesce(array_contains(:a, :b), FALSE) END", a=node.this, b=node.expression
    ),
    exp.ArrayConcat: lambda node: spark(
        "concat(" + ", ".join(f"coalesce(:p{i}, ARRAY())" for i in range(1 + len(node.expressions))) + ")",
        **{f"p{i}": part for i, part in enumerate([node.this, *node.expressions])},
    ),
    exp.Flatten: lambda node: spark("flatten(array_compact(:a))", a=node.this),
    exp.RegexpFullMatch: lambda node: spark(
        "regexp_like(:a, concat('^(?:', :b, ')$'))", a=node.this, b=node.expression
    ),
}

# Of functions sqlglot passes on by name.
FUNCTIONS: dict[str, Callable[[exp.Anonymous], exp.Expr]] = {
    "bit_count": lambda node: node,
    "printf": lambda node: node,
    "json_array_length": lambda node: node,
    "timezone": lambda node: spark(
        "CAST(from_utc_timestamp(:t, :z) AS TIMESTAMP_NTZ)", z=node.expressions[0], t=node.expressions[1]
    ),
    "to_json": lambda node: spark(
        "CASE WHEN NOT :a IS NULL"
        " THEN regexp_extract(to_json(ARRAY(:a), MAP('ignoreNullFields', 'false')), '(?s)^.(.*).$', 1) END",
        a=node.expressions[0],
    ),
    "json_valid": lambda node: exp.Anonymous(this=JSON_VALID, expressions=[node.expressions[0].copy()]),
    "key_number": _key_number,
    "hash": lambda node: exp.Anonymous(this="xxhash64", expressions=[each.copy() for each in node.expressions]),
    "list_aggregate": _aggregated,
    "isfinite": lambda node: spark("NOT (isnan(:a) OR abs(:a) = DOUBLE('Infinity'))", a=node.expressions[0]),
}
