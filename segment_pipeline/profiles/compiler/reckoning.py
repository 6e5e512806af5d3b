"""Arithmetic of a predicate's parts: with room for every digit, and unknown where there is no value."""

from dataclasses import replace

from sqlglot import exp

from segment_pipeline.profiles.compiler.held import (
    EXACT,
    MOST_DIGITS,
    MOST_OF_A_PRODUCT,
    OTHER_TYPES,
    WHOLE_DOUBLE,
    Held,
    Refused,
    as_decimal,
    as_long,
    days_later,
    double,
    firm,
    floating,
    in_decimal,
    instead,
    not_0,
    shown,
    too_many,
    whole_number,
)


def reckoned(node: exp.Add | exp.Sub | exp.Mul, left: Held, right: Held) -> Held:
    """A sum, difference or product; of a day and a number of days, too."""
    if "DATE" in (left.kind, right.kind) and not isinstance(node, exp.Mul):
        return days_later(node, left, right)
    if not (left.is_number and right.is_number):
        raise Refused(OTHER_TYPES)
    if "DOUBLE" in (left.kind, right.kind):
        sides = [double(each).sql for each in (left, right)]
        return Held(exp.Paren(this=type(node)(this=sides[0], expression=sides[1])), "DOUBLE", loose=True)
    one, other = left.room, right.room
    if isinstance(node, exp.Mul):
        room, most = (one[0] + other[0], one[1] + other[1]), MOST_OF_A_PRODUCT
    else:
        room, most = (max(one[0], other[0]) + 1, max(one[1], other[1])), MOST_DIGITS
    if sum(room) > most:
        raise too_many(node)
    # Of decimals of up to 18 digits DuckDB makes one of 18 again, whatever it has to hold.
    narrow = max(sum(one), sum(other)) < 19
    sides = [in_decimal(left, 19 if narrow else 0), in_decimal(right)]
    made = type(node)(this=sides[0], expression=sides[1])
    return Held(as_decimal(exp.Paren(this=made), room), "EXACT", room)


def divided(node: exp.Div | exp.IntDiv | exp.Mod, left: Held, right: Held) -> Held:
    if isinstance(node, exp.Div):
        by = double(firm(right)).sql
        return Held(exp.Paren(this=exp.Div(this=double(left).sql, expression=not_0(by))), "DOUBLE", loose=True)
    if any(each.kind != "EXACT" or each.room[1] or each.room[0] > EXACT["BIGINT"][0] for each in (left, right)):
        raise instead(node, f"whole numbers on both sides, as CAST({shown(node.left)} AS BIGINT)")
    # The least whole number has no opposite among them.
    least = exp.Literal.number(-(2**63 - 1))
    above = exp.GTE(this=as_long(left), expression=least)
    whole = exp.Case(ifs=[exp.If(this=above, true=as_long(left))])
    made = type(node)(this=whole, expression=not_0(as_long(right)))
    return Held(exp.Paren(this=made), "EXACT", left.room if isinstance(node, exp.IntDiv) else right.room)


def figure(node: exp.Expr, number: Held) -> Held:
    """What a function of one number makes of it; it may be given digits to round to."""
    held = firm(number)
    match node:
        case exp.Abs():
            held = turned(held)
            return replace(held, sql=exp.Abs(this=held.sql))
        case exp.Sqrt() | exp.Ln():
            test = exp.GTE if isinstance(node, exp.Sqrt) else exp.GT
            root = double(held).sql
            above = test(this=root, expression=floating("0.0"))
            return Held(type(node)(this=exp.Case(ifs=[exp.If(this=above, true=root.copy())])), "DOUBLE", loose=True)
        case exp.Exp():
            return Held(exp.Exp(this=double(held).sql), "DOUBLE", loose=True)
    digits = node.args.get("decimals")
    if held.kind == "DOUBLE":
        if digits is not None:
            raise instead(node, f"round(TRY_CAST({shown(node.this)} AS DECIMAL(18,4)), …)")
        fits = exp.LT(this=exp.Abs(this=held.sql), expression=floating(repr(WHOLE_DOUBLE)))
        inner = exp.Case(ifs=[exp.If(this=fits, true=held.sql.copy())])
        return Held(exp.cast(type(node)(this=inner), "DOUBLE"), "DOUBLE")
    after = 0
    if digits is not None:
        after = int(whole_number(digits, 0, node, "digits of 0 or more").name)
    room = (held.room[0] + 1, min(after, held.room[1]))
    args = {} if digits is None else {"decimals": exp.Literal.number(room[1])}
    return Held(as_decimal(type(node)(this=in_decimal(held), **args), room), "EXACT", room)


def power(number: Held, exponent: Held) -> Held:
    base, other = double(firm(number)).sql, double(firm(exponent))
    # 0 to less than 0 is an error of one engine, and infinite on another.
    met = exp.Not(
        this=exp.Paren(
            this=exp.and_(
                exp.EQ(this=base, expression=floating("0.0")),
                exp.LT(this=other.sql, expression=floating("0.0")),
            )
        )
    )
    made = exp.Pow(this=base.copy(), expression=other.sql.copy())
    return Held(exp.Case(ifs=[exp.If(this=met, true=made)]), "DOUBLE", loose=True)


def turned(held: Held) -> Held:
    """A number whose sign may be turned: the least whole number of a type has no opposite in it."""
    return replace(held, sql=in_decimal(held) if held.kind == "EXACT" else held.sql, written=None)
