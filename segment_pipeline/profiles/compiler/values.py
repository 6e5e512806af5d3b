"""Values of people: aggregates over activities as columns of a table per extract, and expressions over these and over traits.

Comparisons are exact: quotients by their parts, crosswise, in decimals.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property, reduce
from typing import Final

from sqlglot import exp

from segment_pipeline.algebra.nodes import Compared
from segment_pipeline.algebra.parts import Aggregate, Ago, Arithmetic, Constant, DaysSince, Scalar, TraitValue, Value
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built
from segment_pipeline.profiles.compiler.aggregates import chosen
from segment_pipeline.profiles.compiler.expressions import COMPARE, column, known, typed, value, zero
from segment_pipeline.profiles.compiler.extracts import Extract, Extracts
from segment_pipeline.profiles.compiler.filters import Latest
from segment_pipeline.profiles.compiler.held import EXACT, as_decimal, tried
from segment_pipeline.profiles.compiler.kinds import (
    HELD,
    INTEGERS,
    SUMS,
    Kinds,
    choices_of,
    is_ranked,
    parted,
    source_column,
)

_ARITHMETIC: Final[dict[str, type[exp.Binary]]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}
# Digits of a side that is multiplied with another, in all and after the point: the product has room in the decimals of both engines.
_CROSSWISE, _CROSSWISE_DIGITS = 18, 8
# Digits before and after the point of a whole number that is added up.
_WHOLE_SUM: Final = (19, 8)


class Values:
    """The aggregates some rule or trait needs, and what is made of them. Without any nothing is read."""

    def __init__(self, aggregates: Iterable[Aggregate], extracts: Extracts, kinds: Kinds) -> None:
        self.numbers = {aggregate: number for number, aggregate in enumerate(dict.fromkeys(aggregates))}
        self.extracts, self.kinds, self.as_of = extracts, kinds, extracts.as_of

    def define(self, session: Session, latest: Latest) -> None:
        """Make each table of `tables`: one row per person with some chosen activity, a column per aggregate."""
        for table, (extract, held) in self.tables.items():
            query = self._together(extract, held, latest) if extract else self._ranked(held[0], latest)
            session.define(table, built("segments/values", query).joined_as_written(), materialize=True)

    @property
    def readers(self) -> Counter[Extract]:
        """How many of the tables are made from each extract."""
        return Counter(extract or self.extracts.of(held[0].of.name) for extract, held in self.tables.values())

    @cached_property
    def tables(self) -> Mapping[str, tuple[Extract | None, list[Aggregate]]]:
        """What stands in which table: aggregates over one extract together, what goes by rank alone."""
        found: dict[str, tuple[Extract | None, list[Aggregate]]] = {}
        for aggregate, number in self.numbers.items():
            if is_ranked(aggregate):
                found[f"segment_value_{number}"] = (None, [aggregate])
                continue
            for of in choices_of(aggregate):
                extract = self.extracts.of(of.name)
                found.setdefault(f"segment_values_{extract.number}", (extract, []))[1].append(aggregate)
        return found

    def joined(self, query: exp.Select, person: str) -> exp.Select:
        """The query with the tables beside the people of its table `person`."""
        for table in self.tables:
            on = exp.EQ(this=column("person_no", table), expression=column("person_no", person))
            query = query.join(exp.to_table(table), on=on, join_type="left", copy=False)
        return query

    def _together(self, extract: Extract, held: list[Aggregate], latest: Latest) -> exp.Select:
        query = exp.select(column("person_no", "a")).from_(exp.to_table(extract.table).as_("a"))
        for aggregate in held:
            of = next(one for one in choices_of(aggregate) if one.name in extract.names)
            tests = chosen(of, self.extracts, latest)
            found = exp.Filter(this=self._aggregate(aggregate), expression=exp.Where(this=exp.and_(*tests)))
            query = query.select(exp.alias_(found, self._name(aggregate)), copy=False)
            if aggregate.kind == "total":
                rows = exp.Filter(this=_rows(), expression=exp.Where(this=exp.and_(*(test.copy() for test in tests))))
                query = query.select(exp.alias_(rows, f"{self._name(aggregate)}_rows"), copy=False)
        return query.group_by(column("person_no", "a"))

    def _aggregate(self, aggregate: Aggregate) -> exp.Expr:
        held = self._field(aggregate.field) if aggregate.field else exp.Star()
        match aggregate.kind:
            case "count":
                return exp.Count(this=held, big_int=True)
            case "distinct":
                return exp.Count(this=exp.Distinct(expressions=[held]), big_int=True)
            case "sum" | "total":
                return exp.Sum(this=self._summed(held, self.kinds.field(aggregate.field)))
            case "min" | "first":
                return exp.Min(this=held)
        return exp.Max(this=held)

    def _summed(self, held: exp.Expr, kind: str | None) -> exp.Expr:
        # Spark adds whole numbers up in whole numbers, and fails where they have no room.
        if kind in INTEGERS:
            return as_decimal(held, _WHOLE_SUM)
        return _rounded(held) if kind == "DOUBLE" else held

    def _field(self, field: str) -> exp.Expr:
        held = column(HELD + source_column(field), "a")
        if field == "week":
            days = exp.DateDiff(this=value(self.as_of.day), expression=held, unit=exp.Literal.string("day"))
            return exp.cast(exp.Floor(this=exp.Div(this=days, expression=value(7))), "BIGINT")
        if field == "month":
            year = exp.Extract(this=exp.var("YEAR"), expression=held)
            month = exp.Extract(this=exp.var("MONTH"), expression=held.copy())
            return exp.Add(this=exp.Mul(this=year, expression=value(12)), expression=month)
        return held

    def _ranked(self, aggregate: Aggregate, latest: Latest) -> exp.Select:
        """One row per person: the value that comes first by the aggregate's order."""
        extract, held = self.extracts.of(aggregate.of.name), self._field(aggregate.field)
        tests = [*chosen(aggregate.of, self.extracts, latest), exp.Not(this=exp.Is(this=held, expression=exp.null()))]
        rows = exp.select(column("person_no", "a"), exp.alias_(held.copy(), "value"))
        rows = rows.from_(exp.to_table(extract.table).as_("a")).where(*tests)
        if aggregate.kind == "most":
            counted = exp.alias_(exp.Count(this=exp.Star(), big_int=True), "n")
            rows = exp.select(column("person_no"), column("value"), counted).from_(rows.subquery("rows"))
            rows = rows.group_by(column("person_no"), column("value"))
            first = exp.Ordered(this=column("n"), desc=True)
        else:
            rows = rows.select(column("occurred_at", "a"))
            first = exp.Ordered(this=column("occurred_at"), desc=aggregate.kind == "last")
        order = exp.Order(expressions=[first, exp.Ordered(this=column("value"), desc=aggregate.kind == "last")])
        place = exp.Window(this=exp.RowNumber(), partition_by=[column("person_no")], order=order)
        placed = exp.select(column("person_no"), column("value"), exp.alias_(place, "place")).from_(
            rows.subquery("held")
        )
        mine = exp.EQ(this=column("place"), expression=value(aggregate.n if aggregate.kind == "nth" else 1))
        named = exp.alias_(column("value"), self._name(aggregate))
        return exp.select(column("person_no"), named).from_(placed.subquery("placed")).where(mine)

    def _name(self, aggregate: Aggregate) -> str:
        return f"value_{self.numbers[aggregate]}"

    def compared(self, rule: Compared) -> exp.Expr:
        """A comparison as a condition on a person's row: TRUE, or FALSE where it is not or something is unknown."""
        left, right = parted(rule.left), parted(rule.right)
        kind, tests = COMPARE[rule.operator], list[exp.Expr]()
        sides: list[exp.Expr] = []
        exact = all(self._can_be_exact(side) for side in (left, right))
        if exact and (_is_quotient(left) or _is_quotient(right)):
            # a / b against c / d is a x d against c x b, where b and d are above 0.
            over = [side.right if _is_quotient(side) else None for side in (left, right)]  # type: ignore[union-attr]
            for side, other in zip((left, right), reversed(over), strict=True):
                part = self.exact(side.left if _is_quotient(side) else side)  # type: ignore[union-attr]
                sides.append(part if other is None else exp.Mul(this=part, expression=self.exact(other)))
            tests = [exp.GT(this=self.exact(whole), expression=zero()) for whole in over if whole is not None]
        elif exact and any(isinstance(side, Arithmetic) for side in (left, right)):
            sides = [self._reckoned(left), self._reckoned(right)]
        else:
            sides = [self.expression(side, beside=other) for side, other in ((left, right), (right, left))]
        return known(
            exp.and_(*tests, exp.Paren(this=kind(this=exp.Paren(this=sides[0]), expression=exp.Paren(this=sides[1]))))
        )

    def _can_be_exact(self, side: Value) -> bool:
        parts = (side.left, side.right) if isinstance(side, Arithmetic) and side.operator == "/" else (side,)
        return all(self.kinds.room(part) is not None for part in parts)

    def exact(self, side: Value) -> exp.Expr:
        """A number as a decimal with room beside it, so that a product with another is exact; unknown where it has none."""
        if isinstance(side, Constant):
            number = Decimal(str(side.value))
            scale = max(0, -int(number.as_tuple().exponent))
            return exp.cast(exp.Literal.string(format(number, "f")), f"DECIMAL(19,{scale})")
        digits = min(_CROSSWISE_DIGITS, (self.kinds.room(side) or (0, 0))[1])
        return self._with_room(side, _CROSSWISE - digits, digits)

    def _reckoned(self, side: Value) -> exp.Expr:
        """A number in as many digits as its parts can make: no sum and no product of them is too large."""
        whole, digits = self.kinds.room(side) or (0, 0)
        match side:
            case Constant(held):
                return as_decimal(exp.Literal.string(format(Decimal(str(held)), "f")), (whole, digits))
            case Arithmetic(operator, left, right):
                made = _ARITHMETIC[operator](this=self._reckoned(left), expression=self._reckoned(right))
                return as_decimal(exp.Paren(this=made), (whole, digits))
        return self._with_room(side, whole, digits)

    def _with_room(self, side: Value, whole: int, digits: int) -> exp.Expr:
        """A value as a decimal; NULL for one with more digits before the point, so that one person's costs nobody else theirs."""
        held = self.expression(side)
        if isinstance(side, TraitValue) and EXACT[self.kinds.of(side) or ""][0] <= whole:
            return as_decimal(held, (whole, digits))
        fits = exp.LT(this=exp.Abs(this=exp.cast(held.copy(), "DOUBLE")), expression=value(float(10**whole)))
        return exp.Case(ifs=[exp.If(this=fits, true=as_decimal(held, (whole, digits)))])

    def expression(self, side: Value, *, beside: Value | None = None) -> exp.Expr:
        """A value of a person's row; NULL: unknown. `beside`: what it is compared with, in whose type a constant is written."""
        match side:
            case Aggregate():
                return self._held(side)
            case TraitValue(name):
                return column(name, "t")
            case DaysSince(day):
                since = exp.DateDiff(
                    this=value(self.as_of.day), expression=self.expression(day), unit=exp.Literal.string("day")
                )
                return exp.cast(since, "BIGINT")
            case Ago(days):
                return value(self.as_of.day - timedelta(days=days))
            case Constant(held):
                return typed(held, self._beside(beside, held))
            case Arithmetic("/", left, right):
                parts = [exp.cast(self.expression(each), "DOUBLE") for each in (left, right)]
                above = exp.GT(this=parts[1].copy(), expression=zero())
                return exp.Case(ifs=[exp.If(this=above, true=exp.Div(this=parts[0], expression=parts[1]))])
            case Arithmetic():
                if self._can_be_exact(side):
                    return self._reckoned(side)
                parts = [exp.cast(self.expression(each), "DOUBLE") for each in (side.left, side.right)]
                return exp.Paren(this=_ARITHMETIC[side.operator](this=parts[0], expression=parts[1]))

    def _beside(self, beside: Value | None, held: Scalar) -> str:
        kind = self.kinds.of(beside) if beside is not None else None
        # A decimal beside whole numbers stays one.
        return "RATE" if kind in INTEGERS and not isinstance(held, int) else kind or "RATE"

    def _held(self, aggregate: Aggregate) -> exp.Expr:
        name = self._name(aggregate)
        if is_ranked(aggregate):
            return column(name, f"segment_value_{self.numbers[aggregate]}")
        tables = dict.fromkeys(f"segment_values_{self.extracts.of(of.name).number}" for of in choices_of(aggregate))
        parts: list[exp.Expr] = [column(name, table) for table in tables]
        if aggregate.kind in ("count", "distinct"):
            return exp.Coalesce(this=parts[0], expressions=[zero()])
        if aggregate.kind not in SUMS:
            return parts[0]
        kind = "DECIMAL(38,8)"
        whole = reduce(lambda one, other: exp.cast(exp.Add(this=one, expression=other), kind), map(_or_none, parts))
        if aggregate.kind == "sum":
            return whole
        rows = [_is_some(column(f"{name}_rows", table)) for table in tables]
        of_none_known = exp.and_(exp.or_(*rows), *(exp.Is(this=part.copy(), expression=exp.null()) for part in parts))
        return exp.Case(ifs=[exp.If(this=of_none_known, true=exp.null())], default=whole)


def _rows() -> exp.Expr:
    return exp.Count(this=exp.Star(), big_int=True)


def _is_some(rows: exp.Expr) -> exp.Expr:
    return exp.GT(this=exp.Coalesce(this=rows, expressions=[zero()]), expression=zero())


def _or_none(part: exp.Expr) -> exp.Expr:
    kind = "DECIMAL(38,8)"
    return exp.Coalesce(this=exp.cast(part.copy(), kind), expressions=[zero(kind)])


def _is_quotient(side: Value) -> bool:
    return isinstance(side, Arithmetic) and side.operator == "/"


def _rounded(held: exp.Expr) -> exp.Expr:
    """A floating-point number with eight digits, so that the order of adding does not show; NULL where it has no room."""
    return tried(held, "DECIMAL(30,8)")
