"""An expression of DuckDB's dialect over traits, made anew of parts that mean the same on every engine and fail on no row.

Exact numbers are reckoned as decimals with room for every digit; what has no value (a quotient by 0, a root of less than 0, a number
too large for floating point) is unknown. What is not written down here is refused, told with what to write instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from sqlglot import exp

from segment_pipeline.profiles.compiler.held import (
    EXACT,
    OTHER_TYPES,
    Held,
    Refused,
    around,
    constant,
    day_in,
    day_of,
    days_between,
    double,
    figure_of,
    firm,
    instead,
    is_day_format,
    joined,
    numbers_alike,
    of_all,
    shown,
    tried,
    whole_number,
)
from segment_pipeline.profiles.compiler.reckoning import divided, figure, power, reckoned, turned

# Whose parts stand in what is made of them more than once.
REPEATED: Final = (
    exp.Div, exp.Pow, exp.Sqrt, exp.Ln, exp.Exp, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Nullif, exp.Lower, exp.Upper, exp.Case,
    exp.Coalesce, exp.Greatest, exp.Least, exp.DateDiff,
)  # fmt: skip
MOST_NESTED: Final = 6
DAY_PARTS: Final = {exp.Year: "YEAR", exp.Month: "MONTH", exp.Day: "DAY", exp.Quarter: "QUARTER"}
MONTHS: Final = {"MONTH": 12, "YEAR": 1}
KNOWN: Final = (
    "AND, OR, NOT, comparisons, BETWEEN, IN, IS NULL, LIKE, CASE, coalesce(), nullif(), + - * / // %, abs(), round(), floor(), ceil(),"
    " sqrt(), ln(), exp(), power(), greatest(), least(), lower(), upper(), trim(), length(), substr(), left(), right(), ||,"
    " contains(), starts_with(), ends_with(), list_contains(), len(), year(), month(), day(), date_diff() and strftime()"
)


def condition(tree: exp.Expr, traits: Mapping[str, str]) -> exp.Expr:
    """The expression as a condition over the traits, aliased `t`, whose types are given; raises Refused."""
    try:
        nested = max((_nesting(node) for node in tree.find_all(*REPEATED)), default=0)
        if nested <= MOST_NESTED:
            return Portable(traits).truth(tree).sql
    except RecursionError:
        pass
    raise Refused("has a predicate that is nested too deeply: write it as several rules")


class Portable:
    """Makes expressions anew, given the lake types of traits by name."""

    def __init__(self, traits: Mapping[str, str]) -> None:
        self.traits = traits

    def truth(self, node: exp.Expr) -> Held:
        held = self.of(node)
        if held.kind not in ("BOOLEAN", "NULL"):
            raise Refused(
                f"has a predicate in which {shown(node)} is neither true nor false: compare it with something"
            )
        return held

    def of(self, node: exp.Expr) -> Held:  # noqa: C901, PLR0912 - one case per kind of construct
        match node:
            case exp.Paren():
                return around(self.of(node.this))
            case exp.Column():
                return self._trait(node)
            case exp.Literal() | exp.Boolean() | exp.Null():
                return constant(node)
            case exp.Neg() if isinstance(node.this, exp.Literal) and not node.this.is_string:
                return figure_of(f"-{node.this.name}")
            case exp.Neg():
                held = turned(self._number(node.this))
                return replace(held, sql=exp.Neg(this=exp.Paren(this=held.sql)))
            case exp.And() | exp.Or():
                parts = [self.truth(part).sql for part in node.flatten(unnest=False)]
                return Held(joined(type(node), parts), "BOOLEAN")
            case exp.Not():
                return Held(exp.Not(this=exp.Paren(this=self.truth(node.this).sql)), "BOOLEAN")
            case (
                exp.EQ()
                | exp.NEQ()
                | exp.LT()
                | exp.LTE()
                | exp.GT()
                | exp.GTE()
                | exp.NullSafeEQ()
                | exp.NullSafeNEQ()
            ):
                left, right = self._alike([node.left, node.right], node)
                return Held(type(node)(this=left.sql, expression=right.sql), "BOOLEAN")
            case exp.Between() if not node.args.get("symmetric"):
                held, low, high = self._alike([node.this, node.args["low"], node.args["high"]], node)
                return Held(exp.Between(this=held.sql, low=low.sql, high=high.sql), "BOOLEAN")
            case exp.In() if node.expressions:
                held, *among = self._alike([node.this, *node.expressions], node)
                return Held(exp.In(this=held.sql, expressions=[each.sql for each in among]), "BOOLEAN")
            case exp.Is(expression=exp.Null()):
                return Held(exp.Is(this=exp.Paren(this=firm(self.of(node.this)).sql), expression=exp.null()), "BOOLEAN")
            case exp.Is(expression=exp.Boolean()):
                return Held(
                    exp.Is(this=exp.Paren(this=self.truth(node.this).sql), expression=node.expression.copy()), "BOOLEAN"
                )
            case exp.Case() | exp.If():
                return self._case(node)
            case exp.Coalesce():
                parts_ = self._alike([node.this, *node.expressions], node)
                made = exp.Coalesce(this=parts_[0].sql, expressions=[each.sql for each in parts_[1:]])
                return of_all(made, parts_)
            case exp.Greatest() | exp.Least():
                parts_ = self._alike([node.this, *node.expressions], node)
                made_ = type(node)(this=parts_[0].sql, expressions=[each.sql for each in parts_[1:]], ignore_nulls=True)
                return of_all(made_, parts_)
            case exp.Nullif():
                left, right = self._alike([node.this, node.expression], node)
                same = exp.EQ(this=left.sql, expression=right.sql)
                return of_all(exp.Case(ifs=[exp.If(this=same, true=exp.null())], default=left.sql.copy()), [left])
            case exp.Cast():
                return self._cast(node)
            case exp.Add() | exp.Sub() | exp.Mul():
                return reckoned(node, self.of(node.left), self.of(node.right))
            case exp.Div() | exp.IntDiv() | exp.Mod():
                return divided(node, self._number(node.left), self._number(node.right))
            case exp.Pow():
                return power(self._number(node.this), self._number(node.expression))
            case exp.Sqrt() | exp.Ln() | exp.Exp() | exp.Abs() | exp.Round() | exp.Floor() | exp.Ceil():
                return figure(node, self._number(node.this))
            case exp.Log():
                raise Refused(
                    f"is refused: its predicate uses {shown(node)}, which is of base 10 on one engine and of e on another: write ln()"
                )
        return self._of_text_or_day(node)

    def _of_text_or_day(self, node: exp.Expr) -> Held:  # noqa: C901, PLR0912 - one case per function
        match node:
            case exp.Lower() | exp.Upper():
                return Held(type(node)(this=self._text(node.this)), "VARCHAR")
            case exp.Trim() if node.expression is None:
                position = node.args.get("position")
                return Held(exp.Trim(this=self._text(node.this), position=position), "VARCHAR")
            case exp.DPipe():
                return Held(
                    exp.DPipe(this=self._text(node.left), expression=self._text(node.right), safe=True), "VARCHAR"
                )
            case exp.Concat():
                texts: list[exp.Expr] = [
                    exp.Coalesce(this=self._text(each), expressions=[exp.Literal.string("")])
                    for each in node.expressions
                ]
                return Held(
                    reduce(lambda one, other: exp.DPipe(this=one, expression=other, safe=True), texts), "VARCHAR"
                )
            case exp.Length():
                held = self.of(node.this)
                if held.kind == "VARCHAR[]":
                    return Held(exp.ArraySize(this=held.sql), "EXACT", EXACT["BIGINT"])
                return Held(exp.Length(this=self._text(node.this)), "EXACT", EXACT["BIGINT"])
            case exp.ArraySize() if node.expression is None:
                return Held(exp.ArraySize(this=self._kind(node.this, "VARCHAR[]")), "EXACT", EXACT["BIGINT"])
            case exp.ArrayContains():
                return Held(
                    exp.ArrayContains(this=self._kind(node.this, "VARCHAR[]"), expression=self._text(node.expression)),
                    "BOOLEAN",
                )
            case exp.Substring():
                start = whole_number(node.args.get("start"), 1, node, "a start of 1 or more")
                size = node.args.get("length")
                length = None if size is None else whole_number(size, 0, node, "a length of 0 or more")
                return Held(exp.Substring(this=self._text(node.this), start=start, length=length), "VARCHAR")
            case exp.Left() | exp.Right():
                some = whole_number(node.expression, 0, node, "a length of 0 or more")
                return Held(type(node)(this=self._text(node.this), expression=some), "VARCHAR")
            case exp.Contains() | exp.StartsWith() | exp.EndsWith():
                return Held(type(node)(this=self._text(node.this), expression=self._text(node.expression)), "BOOLEAN")
            case exp.Like() | exp.ILike():
                return self._like(node)
            case exp.DateDiff():
                return self._apart(node)
            case exp.Year() | exp.Month() | exp.Day() | exp.Quarter():
                return self._part(DAY_PARTS[type(node)], node.this)
            case exp.Extract() if node.name.upper() in DAY_PARTS.values():
                return self._part(node.name.upper(), node.expression)
            case exp.TimeToStr():
                form = node.args["format"]
                if not isinstance(form, exp.Literal) or not is_day_format(form.name):
                    raise instead(node, "strftime() of a day with %Y, %m and %d, as '%m-%d'")
                return Held(exp.TimeToStr(this=self._kind(node.this, "DATE"), format=form.copy()), "VARCHAR")
            case exp.RegexpLike() | exp.RegexpFullMatch() | exp.RegexpExtract() | exp.RegexpReplace():
                raise instead(node, "LIKE, contains(), starts_with() or ends_with()")
        raise instead(node, f"it with {KNOWN}")

    def _trait(self, node: exp.Column) -> Held:
        kind = self.traits[node.name]
        sql = exp.column(node.name, table="t", quoted=True)
        return Held(sql, "EXACT", EXACT[kind]) if kind in EXACT else Held(sql, kind)

    def _kind(self, node: exp.Expr, kind: str) -> exp.Expr:
        held = self.of(node)
        if kind == "DATE" and isinstance(held.written, str):
            held = day_of(held.written)
        if held.kind not in (kind, "NULL"):
            raise Refused(OTHER_TYPES)
        return held.sql

    def _text(self, node: exp.Expr) -> exp.Expr:
        return self._kind(node, "VARCHAR")

    def _number(self, node: exp.Expr) -> Held:
        held = self.of(node)
        if not held.is_number:
            raise Refused(OTHER_TYPES)
        return held

    def _alike(self, nodes: Sequence[exp.Expr], whole: exp.Expr) -> list[Held]:
        """Parts that are compared with each other or stand for each other, of one kind; none is NaN or infinite."""
        found = [self.of(node) for node in nodes]
        kinds = {each.kind for each in found} - {"NULL"}
        if kinds == {"DATE", "VARCHAR"}:
            found = [day_of(each.written) if isinstance(each.written, str) else each for each in found]
            kinds = {each.kind for each in found} - {"NULL"}
        if "VARCHAR" in kinds and kinds & {"EXACT", "DOUBLE"} and len(kinds - {"EXACT", "DOUBLE"}) == 1:
            raise Refused(f"has a predicate that compares text with a number: {shown(whole)}")
        if kinds <= {"EXACT", "DOUBLE"}:
            return numbers_alike(found, whole)
        if len(kinds) > 1:
            raise Refused(OTHER_TYPES)
        if "VARCHAR[]" in kinds:
            raise instead(whole, "list_contains(…) or len(…) of the list")
        return [around(each) if each.kind == "BOOLEAN" else each for each in found]

    def _case(self, node: exp.Case | exp.If) -> Held:
        ifs = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        otherwise = node.args.get("default" if isinstance(node, exp.Case) else "false") or exp.null()
        subject = node.this if isinstance(node, exp.Case) else None
        asked = [
            self.truth(each.this if subject is None else exp.EQ(this=subject.copy(), expression=each.this.copy())).sql
            for each in ifs
        ]
        *values, default = self._alike([*(each.args["true"] for each in ifs), otherwise], node)
        made = [exp.If(this=test, true=each.sql) for test, each in zip(asked, values, strict=True)]
        return of_all(exp.Case(ifs=made, default=default.sql), [*values, default])

    def _like(self, node: exp.Like | exp.ILike) -> Held:
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string):
            raise instead(node, "LIKE with a text as its pattern, without ESCAPE")
        text, form = self._text(node.this), pattern.name
        if isinstance(node, exp.ILike):
            text, form = exp.Lower(this=text), form.lower()
        met: exp.Expr = exp.Like(this=text, expression=exp.Literal.string(form))
        return Held(exp.Not(this=exp.Paren(this=met)) if node.args.get("negate") else met, "BOOLEAN")

    def _part(self, unit: str, node: exp.Expr) -> Held:
        return Held(exp.Extract(this=exp.var(unit), expression=self._kind(node, "DATE")), "EXACT", EXACT["INTEGER"])

    def _apart(self, node: exp.DateDiff) -> Held:
        unit = node.text("unit").upper()
        until, since = self._kind(node.this, "DATE"), self._kind(node.expression, "DATE")
        if unit == "DAY":
            return days_between(since, until)
        if unit not in MONTHS:
            raise instead(node, "date_diff('day', …), or of 'month' or 'year'")

        # As DuckDB counts: by the calendar, not by whole months gone by.
        def number(day: exp.Expr) -> exp.Expr:
            year = exp.Extract(this=exp.var("YEAR"), expression=day)
            if unit == "YEAR":
                return year
            months = exp.Mul(this=exp.Paren(this=year), expression=exp.Literal.number(12))
            return exp.Add(this=months, expression=exp.Extract(this=exp.var("MONTH"), expression=day.copy()))

        made = exp.Sub(this=exp.Paren(this=number(until)), expression=exp.Paren(this=number(since)))
        return Held(exp.cast(exp.Paren(this=made), "BIGINT"), "EXACT", EXACT["BIGINT"])

    def _cast(self, node: exp.Cast) -> Held:
        held, kind = self.of(node.this), node.to.this
        is_text = held.kind == "VARCHAR"
        if kind == exp.DType.DATE and isinstance(held.written, str):
            return day_of(held.written)
        if (
            is_text
            and held.written is None
            and not isinstance(node, exp.TryCast)
            and kind not in exp.DataType.TEXT_TYPES
        ):
            raise Refused(f"has a predicate that fails where a text is something else: write TRY_{shown(node)}")
        if kind == exp.DType.DATE and (is_text or held.kind in ("DATE", "NULL")):
            return Held(day_in(held.sql) if is_text else held.sql, "DATE")
        if kind in exp.DataType.TEXT_TYPES and held.kind in ("VARCHAR", "DATE", "BOOLEAN", "NULL"):
            return Held(exp.cast(held.sql, "VARCHAR"), "VARCHAR")
        if kind in exp.DataType.TEXT_TYPES and held.kind == "EXACT" and not held.room[1]:
            return Held(exp.cast(held.sql, "VARCHAR"), "VARCHAR")
        if held.is_number or is_text:
            if kind == exp.DType.DOUBLE:
                return Held(tried(held.sql, "DOUBLE"), "DOUBLE", loose=True) if is_text else double(held)
            if kind == exp.DType.DECIMAL:
                width, digits = (int(each.name) for each in node.to.expressions)
                return Held(tried(firm(held).sql, f"DECIMAL({width},{digits})"), "EXACT", (width - digits, digits))
            if kind in (exp.DType.INT, exp.DType.BIGINT) and held.kind != "DOUBLE":
                name = "INTEGER" if kind == exp.DType.INT else "BIGINT"
                exact = tried(held.sql, "DECIMAL(38,8)") if is_text else held.sql
                return Held(tried(exact, name), "EXACT", EXACT[name])
        raise instead(
            node,
            "a cast of whole numbers, days or texts to VARCHAR, of texts to DATE, or of numbers to BIGINT, DECIMAL(18,4) or DOUBLE"
            " (of a floating-point number: round(…))",
        )


def _nesting(node: exp.Expr) -> int:
    depth = 0
    while isinstance(node := node.parent, exp.Expr):  # type: ignore[assignment]
        depth += isinstance(node, REPEATED)
    return depth
