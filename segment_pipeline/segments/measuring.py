"""The SQL that measures people: one GROUP BY for all counts by name, one join per set of filters for the others.

The numbers a rule compares with travel in small Arrow tables that are joined, not in the text of a query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.errors import ConfigError
from segment_pipeline.segments.conditions import (
    Bits,
    CountCondition,
    KnownShareCondition,
    Measure,
    SequenceCondition,
    ShareCondition,
    SumCondition,
    TopCondition,
)
from segment_pipeline.segments.expressions import column, value, word
from segment_pipeline.segments.nodes import LATEST, Activities

EVER = date(1, 1, 1)
# Fields of a choice that are compared for equality, and the activities' column each stands for.
FILTERS = {
    "item": "item_key", "brand": "brand", "department": "department", "category": "category", "collection": "collection",
    "campaign": "campaign", "channel": "channel", "subject": "subject", "text": "text", "source": "source",
}  # fmt: skip

Latest = Mapping[Activities, Sequence[str]]


def first_day(of: Activities, as_of: date) -> date:
    """The first day of a choice's window."""
    return EVER if of.within is None else as_of - timedelta(days=min(of.within, as_of.toordinal()) - 1)


def launches_of(of: Activities) -> Activities:
    """What decides which collections are `latest` for a choice: its conditions on products alone."""
    return Activities("", item=of.item, brand=of.brand, department=of.department, category=of.category)


def values_of(of: Activities, latest: Latest) -> dict[str, tuple[str, ...]]:
    """The values each filtered column may have; `latest` resolved to the collections it stands for."""
    found = {field: getattr(of, field) for field in FILTERS if getattr(of, field)}
    if LATEST in of.collection:
        found["collection"] = tuple(sorted({*of.collection, *latest[launches_of(of)]} - {LATEST}))
    return found


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures that one join can take together: they filter the same columns and are aggregated alike."""

    kind: str
    fields: tuple[str, ...]
    has_hours: bool
    has_score: bool
    not_followed_by: str | None
    never: str | None

    @classmethod
    def of(cls, measure: Measure) -> "Shape":
        of = measure.of
        return cls(
            measure.kind,
            tuple(field for field in FILTERS if getattr(of, field)),
            of.local_hour is not None,
            of.score is not None,
            of.not_followed_by,
            of.never,
        )

    @property
    def needs_item(self) -> bool:
        return self.kind == "item_count" or self.not_followed_by is not None or self.never is not None

    @property
    def columns(self) -> set[str]:
        """Columns of activities the join reads."""
        read = {"profile_id", "name", "occurred_on"} | {FILTERS[field] for field in self.fields}
        read |= {"local_at"} if self.has_hours else set()
        read |= {"score"} if self.has_score else set()
        read |= {"item_key"} if self.needs_item else set()
        read |= {"occurred_at"} if self.not_followed_by else set()
        return read | ({self.kind} if self.kind in ("amount", "quantity") else set())


def selection_rows(measures: Mapping[Measure, int], shape: Shape, latest: Latest, as_of: date) -> pa.Table:
    """One row per measure of the shape and combination of values it takes: what `measured` joins with."""
    rows = []
    for measure, number in measures.items():
        of = measure.of
        choices = values_of(of, latest)
        for combination in product(*(choices[field] for field in shape.fields)):
            fixed = {"measure": number, "name": of.name, "from_day": first_day(of, as_of)}
            hours = dict(zip(("hour_from", "hour_to"), of.local_hour or (None, None), strict=True))
            scores = dict(zip(("score_low", "score_high"), of.score or (None, None), strict=True))
            rows.append(dict(zip(shape.fields, combination, strict=True)) | fixed | hours | scores)
    schema = pa.schema(
        [("measure", pa.int32()), ("name", pa.string()), ("from_day", pa.date32())]
        + [
            ("hour_from", pa.int32()),
            ("hour_to", pa.int32()),
            ("score_low", pa.float64()),
            ("score_high", pa.float64()),
        ]
        + [(field, pa.string()) for field in shape.fields]
    )
    return pa.Table.from_pylist(rows, schema=schema)


_IN_HOURS = exp.condition(
    "CASE WHEN c.hour_from < c.hour_to THEN EXTRACT(HOUR FROM a.local_at) >= c.hour_from AND EXTRACT(HOUR FROM a.local_at) < c.hour_to "
    "ELSE EXTRACT(HOUR FROM a.local_at) >= c.hour_from OR EXTRACT(HOUR FROM a.local_at) < c.hour_to END",
    dialect="duckdb",
)
_IN_SCORES = exp.condition("a.score >= c.score_low AND a.score <= c.score_high", dialect="duckdb")
# An instant later than the last purchase of it: nothing followed.
_NOT_FOLLOWED = exp.condition(
    "a.item_key IS NOT NULL AND (f.last_at IS NULL OR f.last_at < a.occurred_at)", dialect="duckdb"
)
_NEVER = exp.condition("a.item_key IS NOT NULL AND n.last_at IS NULL", dialect="duckdb")


def measured(shape: Shape, activities: str, selection: str) -> exp.Select:
    """One row per person and measure of the shape that some activity of theirs counts for: `profile_id`, `measure`, `n` or `total`."""
    same = [exp.EQ(this=column(name, "a"), expression=column(name, "c")) for name in ("name",)]
    same += [exp.EQ(this=column(FILTERS[field], "a"), expression=column(field, "c")) for field in shape.fields]
    in_window = exp.GTE(this=column("occurred_on", "a"), expression=column("from_day", "c"))
    rows = exp.select(column("profile_id", "a"), column("measure", "c")).from_(exp.to_table(activities).as_("a"))
    rows = rows.join(exp.to_table(selection).as_("c"), on=exp.and_(*same, in_window), copy=False)
    if shape.has_hours:
        rows = rows.where(_IN_HOURS.copy(), copy=False)
    if shape.has_score:
        rows = rows.where(_IN_SCORES.copy(), copy=False)
    for alias, other, test in (("f", shape.not_followed_by, _NOT_FOLLOWED), ("n", shape.never, _NEVER)):
        if other is not None:
            on = [exp.EQ(this=column(name, alias), expression=column(name, "a")) for name in ("profile_id", "item_key")]
            on.append(exp.EQ(this=column("name", alias), expression=value(other)))
            rows = rows.join(exp.to_table("segment_last").as_(alias), on=exp.and_(*on), join_type="left").where(
                test.copy(), copy=False
            )
    keys = [column("profile_id", "a"), column("measure", "c")]
    if shape.kind in ("amount", "quantity"):
        total = exp.cast(exp.Sum(this=column(shape.kind, "a")), "DECIMAL(38,8)")
        return rows.select(
            exp.alias_(
                exp.Coalesce(this=total, expressions=[exp.cast(exp.Literal.number(0), "DECIMAL(38,8)")]), "total"
            )
        ).group_by(*keys)
    counted = exp.alias_(exp.Count(this=exp.Star(), big_int=True), "n")
    if shape.kind == "count":
        return rows.select(counted).group_by(*keys)
    by_item = rows.select(counted).where(exp.Not(this=exp.Is(this=column("item_key", "a"), expression=exp.null())))
    by_item = by_item.group_by(*keys, column("item_key", "a"))
    return (
        exp.select(column("profile_id"), column("measure"), exp.alias_(exp.Max(this=column("n")), "n"))
        .from_(by_item.subquery("by_item"))
        .group_by(column("profile_id"), column("measure"))
    )


def counts_by_name(
    conditions: Sequence[CountCondition], as_of: date, activities: str
) -> tuple[exp.Select, dict[date, str]]:
    """One row per person and activity name, with one filtered count per distinct first day of a window."""
    days = sorted({first_day(condition.measure.of, as_of) for condition in conditions})
    names = sorted({condition.measure.of.name for condition in conditions})
    columns = {day: f"since_{number}" for number, day in enumerate(days)}
    query = exp.select(column("profile_id"), column("name")).from_(exp.to_table(activities))
    for day, name in columns.items():
        counted: exp.Expr = exp.Count(this=exp.Star(), big_int=True)
        if day != days[0]:
            inside = exp.GTE(this=column("occurred_on"), expression=value(day))
            counted = exp.Filter(this=counted, expression=exp.Where(this=inside))
        query = query.select(exp.alias_(counted, name), copy=False)
    query = query.where(exp.In(this=column("name"), expressions=[value(name) for name in names]), copy=False)
    query = query.where(exp.GTE(this=column("occurred_on"), expression=value(days[0])), copy=False)
    return query.group_by(column("profile_id"), column("name")), columns


def words_by_name(bits: Bits, columns: Mapping[date, str], as_of: date) -> exp.Select:
    """One row per person with a plain count: the plain words, their bits set where the thresholds are met."""
    query = exp.select(column("profile_id")).from_(exp.to_table("segment_counts_by_name"))
    for number in range(bits.plain_words):
        by_name: dict[str, list[exp.Expr]] = {}
        for condition, bit in bits.plain.items():
            if bit.word != number:
                continue
            held = column(columns[first_day(condition.measure.of, as_of)])
            met: exp.Expr = exp.GTE(this=held, expression=value(condition.at_least))
            if condition.at_most is not None:
                met = exp.and_(met, exp.LTE(this=held.copy(), expression=value(condition.at_most)))
            mask = exp.cast(exp.Literal.number(bit.mask), "BIGINT")
            none = exp.cast(exp.Literal.number(0), "BIGINT")
            by_name.setdefault(condition.measure.of.name, []).append(
                exp.Case(ifs=[exp.If(this=met, true=mask)], default=none)
            )
        cases = [
            exp.If(this=exp.EQ(this=column("name"), expression=value(name)), true=_either(masks))
            for name, masks in sorted(by_name.items())
        ]
        row = exp.Case(ifs=cases, default=exp.cast(exp.Literal.number(0), "BIGINT"))
        query = query.select(exp.alias_(exp.BitwiseOrAgg(this=row), word(number), copy=False), copy=False)
    return query.group_by(column("profile_id"))


def _either(masks: Sequence[exp.Expr]) -> exp.Expr:
    if len(masks) == 1:
        return masks[0]
    middle = len(masks) // 2
    return exp.paren(exp.BitwiseOr(this=_either(masks[:middle]), expression=_either(masks[middle:])))


def term_tables(bits: Bits, measures: Mapping[Measure, int]) -> dict[str, pa.Table]:
    """Thresholds and their bits, by the name of the view the statement `segments/hits` reads them under."""
    counts: list[dict[str, Any]] = []
    sums: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for condition, bit in bits.others.items():
        at = {"word": bit.word, "mask": bit.mask}
        match condition:
            case CountCondition(measure, at_least, at_most):
                counts.append({"measure": measures[measure], "at_least": at_least, "at_most": at_most} | at)
            case SumCondition(measure, operator, limit):
                sums.append(
                    {"measure": measures[measure], "operator": operator, "limit": limit.quantize(Decimal("1e-8"))} | at
                )
            case ShareCondition(dimension, name, lifetime, operator, share):
                shares.append(
                    {"dimension": dimension, "value": name, "lifetime": lifetime, "operator": operator, "limit": share}
                    | at
                )
            case KnownShareCondition(dimension, lifetime):
                known.append({"dimension": dimension, "lifetime": lifetime} | at)
            case TopCondition() | SequenceCondition():
                pass
    place = [("word", pa.int32()), ("mask", pa.int64())]
    return {
        "segment_count_terms": pa.Table.from_pylist(
            counts, pa.schema([("measure", pa.int32()), ("at_least", pa.int64()), ("at_most", pa.int64()), *place])
        ),
        "segment_sum_terms": pa.Table.from_pylist(
            sums,
            pa.schema([("measure", pa.int32()), ("operator", pa.string()), ("limit", pa.decimal128(38, 8)), *place]),
        ),
        "segment_share_terms": pa.Table.from_pylist(
            shares,
            pa.schema(
                [
                    ("dimension", pa.string()),
                    ("value", pa.string()),
                    ("lifetime", pa.bool_()),
                    ("operator", pa.string()),
                    ("limit", pa.float64()),
                    *place,
                ]
            ),
        ),
        "segment_known_terms": pa.Table.from_pylist(
            known, pa.schema([("dimension", pa.string()), ("lifetime", pa.bool_()), *place])
        ),
    }


def sequence(condition: SequenceCondition, activities: str, latest: Latest, as_of: date) -> exp.Select:
    """One row per person who took the steps in order: each step carries the latest start that can lead to it."""
    chain: exp.Select | None = None
    for step in condition.steps:
        here = exp.select(column("profile_id", "a"), exp.alias_(column("occurred_at", "a"), "at"))
        here = here.from_(exp.to_table(activities).as_("a")).where(*chosen(step, latest, as_of))
        if chain is None:
            chain = here.select(exp.alias_(column("occurred_at", "a"), "began"))
            continue
        in_order = exp.and_(
            exp.EQ(this=column("profile_id", "s"), expression=column("profile_id", "b")),
            exp.LT(this=column("at", "b"), expression=column("at", "s")),
        )
        chain = (
            exp.select(
                column("profile_id", "s"), column("at", "s"), exp.alias_(exp.Max(this=column("began", "b")), "began")
            )
            .from_(here.subquery("s"))
            .join(chain.subquery("b"), on=in_order)
            .group_by(column("profile_id", "s"), column("at", "s"))
        )
    if chain is None:
        raise ConfigError("a sequence has no steps: give it two or more")
    span = exp.Interval(this=exp.Literal.string(str(condition.within)), unit=exp.var("DAY"))
    in_time = exp.LTE(this=column("at"), expression=exp.Add(this=column("began"), expression=span))
    return exp.select(column("profile_id")).distinct().from_(chain.subquery("chain")).where(in_time)


def chosen(of: Activities, latest: Latest, as_of: date) -> list[exp.Expr]:
    """A choice as conditions on the activities aliased `a`; `not_followed_by` and `never` are not among them."""
    tests: list[exp.Expr] = [
        exp.EQ(this=column("name", "a"), expression=value(of.name)),
        exp.GTE(this=column("occurred_on", "a"), expression=value(first_day(of, as_of))),
    ]
    for field, held in values_of(of, latest).items():
        listed = [value(item) for item in held]
        tests.append(exp.In(this=column(FILTERS[field], "a"), expressions=listed) if listed else exp.false())
    if of.local_hour is not None:
        hour = exp.Extract(this=exp.var("HOUR"), expression=column("local_at", "a"))
        after = exp.GTE(this=hour, expression=value(of.local_hour[0]))
        before = exp.LT(this=hour.copy(), expression=value(of.local_hour[1]))
        tests.append(exp.and_(after, before) if of.local_hour[0] < of.local_hour[1] else exp.or_(after, before))
    if of.score is not None:
        tests.append(exp.Between(this=column("score", "a"), low=value(of.score[0]), high=value(of.score[1])))
    return tests
