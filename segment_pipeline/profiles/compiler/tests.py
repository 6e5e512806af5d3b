"""What one activity is asked, as SQL: TRUE where its column meets a `Test`, FALSE where it does not or is unknown."""

from datetime import datetime

from sqlglot import exp

from segment_pipeline.algebra.parts import Scalar, Test
from segment_pipeline.profiles.compiler.expressions import COMPARE, IN_TEXT, column, known, typed, value

WEEKDAY, HAS_COUPON = "weekday", "has_coupon"
# A Monday; days are counted from it, since engines do not agree where a week begins.
_MONDAY = "date_diff('day', DATE '1970-01-05', a.occurred_on)"
_WEEKDAY = exp.condition(f"({_MONDAY} % 7 + 7) % 7", dialect="duckdb")
_HAS_COUPON = exp.Paren(
    this=exp.GT(this=exp.ArraySize(this=column("coupon_codes", "a")), expression=exp.Literal.number(0))
)


def source_of(test: Test) -> str:
    """The column of activities a test reads, where it is of something made of one."""
    return {WEEKDAY: "occurred_on", HAS_COUPON: "coupon_codes"}.get(test.column, test.column)


def tested(test: Test) -> exp.Expr:
    """A test of activities aliased `a`."""
    made = {WEEKDAY: _WEEKDAY, HAS_COUPON: _HAS_COUPON}.get(test.column)
    held = column(test.column, "a") if made is None else made.copy()
    values = [_literal(test.column, each) for each in test.values]
    match test.operator:
        case "in":
            met: exp.Expr = exp.In(this=held, expressions=values)
        case "between":
            met = exp.Between(this=held, low=values[0], high=values[1])
        case "any":
            met = exp.or_(*(exp.ArrayContains(this=held.copy(), expression=each) for each in values))
        case "all":
            met = exp.and_(*(exp.ArrayContains(this=held.copy(), expression=each) for each in values))
        case "none":
            some = exp.or_(*(exp.ArrayContains(this=held.copy(), expression=each) for each in values))
            met = exp.Not(this=exp.Paren(this=some))
        case "starts" | "ends" | "has":
            text = exp.Lower(this=values[0])
            met = IN_TEXT[test.operator](this=exp.Lower(this=held), expression=text)
        case _:
            met = COMPARE[test.operator](this=held, expression=values[0])
    return known(exp.Paren(this=met))


def _literal(name: str, scalar: Scalar) -> exp.Expr:
    if name == "occurred_at" and isinstance(scalar, str):
        return exp.cast(exp.Literal.string(datetime.fromisoformat(scalar).isoformat()), "TIMESTAMPTZ")
    return typed(scalar, "MONEY") if name in ("amount", "quantity") else value(scalar)
