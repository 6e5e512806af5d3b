"""Rules as boolean SQL over words of bits, one row per person; leaves about traits as boolean SQL over the traits.

Every leaf is wrapped so that unknown is false. Values become literals here and nowhere else. Nodes are made, not asked of
sqlglot's functions where those would extract all that hangs below.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from sqlglot import exp

from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    InsideRule,
    MemberRule,
    NearRule,
    NoneOf,
    RandomRule,
    SqlRule,
    TraitRule,
    YearlyRule,
)
from segment_pipeline.algebra.parts import Rule, Scalar
from segment_pipeline.algebra.trees import Named
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import dialect
from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.profiles.compiler.conditions import Bit, Bits, literals
from segment_pipeline.profiles.compiler.predicates import compiled

EARTH_RADIUS_KM = 6371.0088  # mean radius R1 of the IUGG

# What is asked of a text in lower case.
IN_TEXT: dict[str, type[exp.Func]] = {"starts": exp.StartsWith, "ends": exp.EndsWith, "has": exp.Contains}
COMPARE: dict[str, type[exp.Binary]] = {
    "==": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}


# UNION ALL in groups: a chain as long as the catalogue would be a tree as deep.
UNION_GROUP = 50


def union(selects: Sequence[exp.Select]) -> exp.Query:
    """The rows of one or more queries."""
    if len(selects) > UNION_GROUP:
        groups = [selects[start : start + UNION_GROUP] for start in range(0, len(selects), UNION_GROUP)]
        return union([exp.select("*").from_(union(group).subquery(f"g{n}")) for n, group in enumerate(groups)])
    query: exp.Query = selects[0]
    for select in selects[1:]:
        query = exp.Union(this=query, expression=select, distinct=False)
    return query


def zero(kind: str = "BIGINT") -> exp.Expr:
    return exp.cast(exp.Literal.number(0), kind)


def column(name: str, table: str | None = None) -> exp.Column:
    return exp.column(name, table=table, quoted=True)


def value(scalar: Scalar) -> exp.Expr:
    """A Python value as a SQL literal of its own type."""
    match scalar:
        case bool():
            return exp.Boolean(this=scalar)
        case int():
            return exp.Literal.number(scalar)
        case float():
            # Through text: an engine reads 0.1 as a decimal, and its cast to DOUBLE may round twice.
            return exp.cast(exp.Literal.string(repr(scalar)), "DOUBLE")
        case Decimal():
            return exp.cast(exp.Literal.string(format(scalar, "f")), dialect.decimal_of(scalar))
        case str():
            return exp.Literal.string(scalar)
        case date():
            return exp.cast(exp.Literal.string(scalar.isoformat()), "DATE")
    raise ConfigError(f"a rule cannot compare with a {type(scalar).__name__}")


def typed(scalar: Scalar, kind: str) -> exp.Expr:
    """A value in the type its trait is compared in: exact for money, binary for DOUBLE."""
    if isinstance(scalar, float | Decimal) and not isinstance(scalar, bool):
        if kind in ("MONEY", "RATE"):
            return value(scalar if isinstance(scalar, Decimal) else Decimal(repr(scalar)))
        return value(float(scalar))
    return value(scalar)


def known(condition: exp.Expr) -> exp.Expr:
    """The condition, with unknown as false."""
    return exp.Coalesce(this=condition, expressions=[exp.false()])


def word(number: int) -> str:
    return f"word_{number}"


def is_set(bit: Bit) -> exp.Expr:
    both = exp.BitwiseAnd(this=column(word(bit.word)), expression=exp.Literal.number(bit.mask))
    return exp.NEQ(this=exp.Paren(this=both), expression=exp.Literal.number(0))


def masked(condition: exp.Expr, mask: int) -> exp.Case:
    """The mask where the condition holds, else 0."""
    return exp.Case(ifs=[exp.If(this=condition, true=exp.cast(value(mask), "BIGINT"))], default=zero())


def either(masks: Sequence[exp.Expr]) -> exp.Expr:
    """The bits of any of them."""
    if len(masks) == 1:
        return masks[0]
    middle = len(masks) // 2
    return exp.Paren(this=exp.BitwiseOr(this=either(masks[:middle]), expression=either(masks[middle:])))


def place_of(bit: Bit) -> list[exp.Expr]:
    """Where a condition's answer stands, as the columns `word` and `mask`."""
    number, mask = exp.cast(value(bit.word), "INTEGER"), exp.cast(value(bit.mask), "BIGINT")
    return [exp.alias_(number, "word"), exp.alias_(mask, "mask")]


def folded(rows: exp.Table | exp.Subquery, numbers: range) -> exp.Select:
    """One row per person of rows of person_no, word and mask: the words of these numbers, a column each."""
    query = exp.select(column("person_no")).from_(rows)
    for number in numbers:
        mine = exp.If(this=exp.EQ(this=column("word"), expression=value(number)), true=column("mask"))
        row = exp.BitwiseOrAgg(this=exp.Case(ifs=[mine], default=zero()))
        query = query.select(exp.alias_(row, word(number), copy=False), copy=False)
    return query.group_by(column("person_no"))


def with_words(query: exp.Select, person: str, table: str, numbers: range) -> exp.Select:
    """The query with the words of a table beside the people of its table `person`; 0 for those the table does not have."""
    if numbers:
        on = exp.EQ(this=column("person_no", table), expression=column("person_no", person))
        query = query.join(exp.to_table(table), on=on, join_type="left", copy=False)
    for number in numbers:
        held = exp.Coalesce(this=column(word(number), table), expressions=[zero()])
        query = query.select(exp.alias_(held, word(number), copy=False), copy=False)
    return query


def nothing(**columns: str) -> exp.Select:
    """No row of these columns, given their types."""
    none = [exp.alias_(exp.cast(exp.null(), kind), name) for name, kind in columns.items()]
    return exp.select(*none).where(exp.false())


class Expressions:
    """Turns rules into SQL over words, given the bits of their conditions and the segments they may refer to."""

    def __init__(self, bits: Bits, segments: Mapping[str, Named]) -> None:
        self.bits, self.segments = bits, segments

    def of(self, rule: Rule) -> exp.Expr:
        """A condition that is TRUE or FALSE for every person, never NULL."""
        match rule:
            case AllOf(rules):
                return _join(exp.And, [self.of(child) for child in rules], empty=True)
            case AnyOf(rules):
                return _join(exp.Or, [self.of(child) for child in rules], empty=False)
            case NoneOf(rules):
                return exp.Not(this=exp.Paren(this=_join(exp.Or, [self.of(child) for child in rules], empty=False)))
            case MemberRule(segment):
                return self.of(self.segments[segment].where)
        found = literals(rule)
        if found is None:
            raise ConfigError(f"the compiler does not know {type(rule).__name__}")
        held = [is_set(self.bits.of(condition)) for condition in found.set_]
        held += [exp.Not(this=exp.Paren(this=is_set(self.bits.of(condition)))) for condition in found.unset]
        return _join(exp.And, held, empty=True)


def personal(
    rule: TraitRule | NearRule | InsideRule | BirthdayRule | YearlyRule | RandomRule | SqlRule,
    traits: Mapping[str, str],
    as_of: date,
) -> exp.Expr:
    """What a leaf asks of a person's row of `traits`, aliased `t`, whose types are given: TRUE, or FALSE where it is not or unknown."""
    match rule:
        case TraitRule():
            return _trait(rule, traits[rule.trait])
        case NearRule(lat, lon, km):
            apart = distance(column("lat", "t"), column("lon", "t"), value(lat), value(lon))
            return known(exp.LTE(this=apart, expression=value(km)))
        case InsideRule(corners):
            return known(_inside(corners))
        case BirthdayRule(days):
            listed = [exp.Literal.string(text) for text in birthdays(as_of, days)]
            return known(exp.In(this=column("birth_day", "t"), expressions=listed))
        case RandomRule(share, salt):
            text = exp.Concat(expressions=[exp.Literal.string(f"{salt}:"), column("profile_id", "n")])
            digest = exp.Substring(
                this=exp.SHA2(this=text, length=exp.Literal.number(256)), start=value(1), length=value(8)
            )
            # Digests are compared as text: eight hex digits below the limit are that share of all.
            return exp.LT(this=digest, expression=exp.Literal.string(f"{int(share * 2**32):08x}"))
        case SqlRule(text):
            return known(exp.Paren(this=compiled(text, traits)))
        case YearlyRule():
            return known(_yearly(rule, traits[rule.trait], as_of))


def _trait(rule: TraitRule, kind: str) -> exp.Expr:
    held = column(rule.trait, "t")
    if rule.trait in RATIOS and rule.operator != "unknown":
        return _ratio(rule, *RATIOS[rule.trait])
    match rule.operator:
        case "unknown":
            return exp.Is(this=held, expression=exp.null())
        case "in":
            return known(exp.In(this=held, expressions=[typed(item, kind) for item in rule.values]))
        case "contains":
            return known(exp.ArrayContains(this=held, expression=value(rule.values[0])))
        case "between":
            low, high = (typed(item, kind) for item in rule.values)
            return known(exp.Between(this=held, low=low, high=high))
        case "starts" | "ends" | "has":
            # The engine's lower case of both: Python has another one of some letters.
            text = exp.Lower(this=value(rule.values[0]))
            return known(IN_TEXT[rule.operator](this=exp.Lower(this=held), expression=text))
        case _:
            return known(COMPARE[rule.operator](this=held, expression=typed(rule.values[0], kind)))


def _ratio(rule: TraitRule, part: str, whole: str) -> exp.Expr:
    """A trait that is part / whole, compared crosswise: exact, whatever the quotient's digits. Without a whole it is unknown."""

    def compared(kind: type[exp.Binary], limit: Scalar) -> exp.Expr:
        return kind(this=_decimal(part), expression=exp.Mul(this=_decimal(whole), expression=_exact(limit)))

    met: exp.Expr
    match rule.operator:
        case "in":
            met = exp.or_(*(compared(exp.EQ, limit) for limit in rule.values))
        case "between":
            met = exp.and_(compared(exp.GTE, rule.values[0]), compared(exp.LTE, rule.values[1]))
        case operator:
            met = compared(COMPARE[operator], rule.values[0])
    return known(exp.and_(exp.GT(this=column(whole, "t"), expression=exp.Literal.number(0)), exp.Paren(this=met)))


def _decimal(trait: str) -> exp.Expr:
    return exp.cast(column(trait, "t"), "DECIMAL(18,4)")


def _exact(limit: Scalar) -> exp.Expr:
    """A number as a decimal whose product with an amount has room for all digits: in a narrower one DuckDB's product overflows, in
    a wider one Spark's is rounded.
    """
    number = Decimal(str(limit))
    scale = max(0, -int(number.as_tuple().exponent))
    return exp.cast(exp.Literal.string(format(number, "f")), f"DECIMAL(19,{scale})")


def _yearly(rule: YearlyRule, kind: str, as_of: date) -> exp.Expr:
    first, days = as_of - timedelta(days=rule.past), rule.past + rule.ahead
    if rule.month:
        first = as_of.replace(day=1)
        days = ((first + timedelta(days=31)).replace(day=1) - first).days
    listed, held = birthdays(first, days), column(rule.trait, "t")
    if kind != "DATE":
        return exp.In(this=held, expressions=[exp.Literal.string(text) for text in listed])
    month, day = (exp.Extract(this=exp.var(part), expression=held.copy()) for part in ("MONTH", "DAY"))
    number = exp.Add(this=exp.Mul(this=month, expression=exp.Literal.number(100)), expression=day)
    numbers = [exp.Literal.number(int(text.replace("-", ""))) for text in listed]
    # The day itself is no anniversary of it.
    earlier = exp.LT(this=held.copy(), expression=value(first))
    return exp.and_(exp.In(this=number, expressions=numbers), earlier)


def birthdays(as_of: date, days: int) -> list[str]:
    """MM-DD of every birthday on so many days, as_of the first of them, sorted; 02-29 counts as 02-28 where there is none."""
    found = set()
    for offset in range(min(days, 366)):
        day = as_of + timedelta(days=offset)
        found.add(f"{day:%m-%d}")
        if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3:
            found.add("02-29")
    return sorted(found)


def _join(kind: type[exp.And] | type[exp.Or], parts: list[exp.Expr], *, empty: bool) -> exp.Expr:
    if not parts:
        return exp.Boolean(this=empty)
    # Halved, not chained: a rule of a thousand terms stays shallow.
    if len(parts) == 1:
        return exp.Paren(this=parts[0])
    middle = len(parts) // 2
    left, right = _join(kind, parts[:middle], empty=empty), _join(kind, parts[middle:], empty=empty)
    return exp.Paren(this=kind(this=left, expression=right))


def distance(lat: exp.Expr, lon: exp.Expr, to_lat: exp.Expr, to_lon: exp.Expr) -> exp.Expr:
    """Kilometres along the great circle (haversine) from one place to another."""
    half_lat = exp.Radians(this=exp.Paren(this=exp.Sub(this=lat, expression=to_lat))) / exp.Literal.number(2)
    half_lon = exp.Radians(this=exp.Paren(this=exp.Sub(this=lon, expression=to_lon))) / exp.Literal.number(2)
    sines = exp.Pow(this=exp.Sin(this=half_lat), expression=exp.Literal.number(2))
    sines_lon = exp.Pow(this=exp.Sin(this=half_lon.copy()), expression=exp.Literal.number(2))
    cosines = exp.Cos(this=exp.Radians(this=lat.copy())) * exp.Cos(this=exp.Radians(this=to_lat.copy()))
    inner = exp.Least(this=value(1.0), expressions=[exp.Add(this=sines, expression=cosines * sines_lon)])
    return exp.Asin(this=exp.Sqrt(this=inner)) * value(2 * EARTH_RADIUS_KM)


def _inside(corners: tuple[tuple[float, float], ...]) -> exp.Expr:
    """Even-odd rule: a ray to the east crosses an odd number of edges."""
    crossings: list[exp.Expr] = []
    for (lat_a, lon_a), (lat_b, lon_b) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if lat_a == lat_b:
            continue
        low, high = min(lat_a, lat_b), max(lat_a, lat_b)
        between = exp.and_(
            exp.GTE(this=column("lat", "t"), expression=value(low)),
            exp.LT(this=column("lat", "t"), expression=value(high)),
        )
        slope = (lon_b - lon_a) / (lat_b - lat_a)
        offset = exp.Paren(this=exp.Sub(this=column("lat", "t"), expression=value(lat_a)))
        edge = exp.Add(this=exp.Mul(this=offset, expression=value(slope)), expression=value(lon_a))
        hit = exp.and_(between, exp.LT(this=column("lon", "t"), expression=edge))
        crossings.append(exp.Case(ifs=[exp.If(this=hit, true=exp.Literal.number(1))], default=exp.Literal.number(0)))
    if not crossings:
        return exp.false()
    total = crossings[0]
    for crossing in crossings[1:]:
        total = exp.Add(this=total, expression=crossing)
    odd = exp.EQ(
        this=exp.Mod(this=exp.Paren(this=total), expression=exp.Literal.number(2)), expression=exp.Literal.number(1)
    )
    unknown = exp.or_(
        exp.Is(this=column("lat", "t"), expression=exp.null()), exp.Is(this=column("lon", "t"), expression=exp.null())
    )
    return exp.and_(exp.not_(unknown), odd)
