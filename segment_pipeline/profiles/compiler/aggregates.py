"""The SQL that measures people: one GROUP BY for all counts by name, one join per way of counting for the others.

The numbers a rule compares with travel in small Arrow tables that are joined, not in the text of a query.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.algebra.parts import Activities
from segment_pipeline.algebra.windows import EVER, first_day, spans
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built
from segment_pipeline.profiles.compiler.conditions import (
    Bits,
    CountCondition,
    SequenceCondition,
    UnfollowedCondition,
)
from segment_pipeline.profiles.compiler.expressions import column, either, masked, union, value, word, zero
from segment_pipeline.profiles.compiler.extracts import HOUR, Extract, Extracts
from segment_pipeline.profiles.compiler.filters import Latest, Shape, values_of

PLACE = [("word", pa.int32()), ("mask", pa.int64())]


@dataclass(frozen=True, slots=True)
class Selection:
    """One join of an extract with choices of one shape, whatever they filter. `counts_for`: by choice, what a chosen activity is a row of:

    a `measure` to aggregate, or the `word` and `mask` of a condition that one such activity meets.
    """

    shape: Shape
    extract: Extract
    counts_for: Mapping[Activities, Mapping[str, int]]

    @property
    def carried(self) -> tuple[str, ...]:
        """Columns that say what a row counts for."""
        return tuple(next(iter(self.counts_for.values())))

    def define(self, session: Session, name: str, extracts: Extracts, latest: Latest) -> None:
        """Make `name` a table of one row per choice and kind of activity it takes: what `chosen` joins."""
        session.register(f"{name}_choices", self._choices(extracts, latest))
        on: list[exp.Expr] = [exp.EQ(this=column("name_no", "k"), expression=column("name_no", "c"))]
        for field in self.extract.fields:
            asked = exp.EQ(this=column(field, "c"), expression=column(field, "k"))
            on.append(exp.or_(exp.Is(this=column(field, "c"), expression=exp.null()), asked))
        query = exp.select(*(column(key, "k") for key in ("name_no", *self.extract.fields)))
        query = query.select(*(column(key, "c") for key in (*self.carried, *_LIMITS)), copy=False)
        query = query.from_(exp.to_table(self.extract.kinds).as_("k"))
        query = query.join(exp.to_table(f"{name}_choices").as_("c"), on=exp.and_(*on), copy=False)
        session.define(name, built("segments/selection", query), materialize=True)

    def _choices(self, extracts: Extracts, latest: Latest) -> pa.Table:
        # One row per choice, combination of values it takes and span of days; NULL: any value will do.
        found = []
        for of, target in self.counts_for.items():
            choices = values_of(of, latest, extracts.as_of)
            numbered = [[extracts.values[field][text] for text in held] for field, held in choices.items()]
            fixed = {"name_no": extracts.numbers[of.name]}
            hours = dict(zip(("hour_from", "hour_to"), of.local_hour or (None, None), strict=True))
            scores = dict(zip(("score_low", "score_high"), of.score or (None, None), strict=True))
            found += [
                {
                    **target,
                    **fixed,
                    **hours,
                    **scores,
                    **dict(zip(choices, combination, strict=True)),
                    "from_day": first,
                    "to_day": None if last == extracts.as_of.day else last,
                }
                for combination in product(*numbered)
                for first, last in spans(of, extracts.as_of)
            ]
        schema = pa.schema(
            [
                *([("measure", pa.int32())] if self.carried == ("measure",) else PLACE),
                ("name_no", pa.int16()),
                *_LIMITS.items(),
                *[(field, pa.int32()) for field in self.extract.fields],
            ]
        )
        return pa.Table.from_pylist(found, schema=schema)

    def chosen(self, name: str) -> exp.Select:
        """One row per activity and choice it meets, given the name `define` was given; followers are not looked at."""
        on: list[exp.Expr] = [
            exp.EQ(this=column(key, "a"), expression=column(key, "c")) for key in ("name_no", *self.extract.fields)
        ]
        on.append(exp.GTE(this=column("occurred_on", "a"), expression=column("from_day", "c")))
        query = exp.select(column("person_no", "a"), *(column(key, "c") for key in self.carried))
        query = query.select(*(column(key, "a") for key in sorted(self.shape.wide)), copy=False)
        query = query.from_(exp.to_table(self.extract.table).as_("a"), copy=False)
        query = query.join(exp.to_table(name).as_("c"), on=exp.and_(*on), copy=False)
        if any(of.window is not None for of in self.counts_for):
            query = query.where(_IN_TIME.copy(), copy=False)
        if any(of.local_hour is not None for of in self.counts_for):
            query = query.where(_IN_HOURS.copy(), copy=False)
        if any(of.score is not None for of in self.counts_for):
            query = query.where(_IN_SCORES.copy(), copy=False)
        return query


_LIMITS = {
    "from_day": pa.date32(),
    "to_day": pa.date32(),
    "hour_from": pa.int16(),
    "hour_to": pa.int16(),
    "score_low": pa.float64(),
    "score_high": pa.float64(),
}
_IN_TIME = exp.condition("c.to_day IS NULL OR a.occurred_on <= c.to_day", dialect="duckdb")
_IN_HOURS = exp.condition(
    f"CASE WHEN c.hour_from IS NULL THEN TRUE WHEN c.hour_from < c.hour_to THEN a.{HOUR} >= c.hour_from AND a.{HOUR} < c.hour_to "
    f"ELSE a.{HOUR} >= c.hour_from OR a.{HOUR} < c.hour_to END",
    dialect="duckdb",
)
_IN_SCORES = exp.condition(
    "c.score_low IS NULL OR a.score >= c.score_low AND a.score <= c.score_high", dialect="duckdb"
)
# An instant later than the last purchase of it: nothing followed.
_NOT_FOLLOWED = exp.condition("f.last_at IS NULL OR f.last_at < a.occurred_at", dialect="duckdb")
_NEVER = exp.condition("n.last_at IS NULL", dialect="duckdb")


def unfollowed(selection: Selection, candidates: str, extracts: Extracts) -> exp.Select:
    """The candidates, which are chosen activities about an item, that no follower rules out."""
    shape = selection.shape
    query = exp.select(*(column(key, "a") for key in ("person_no", *selection.carried, *sorted(shape.wide))))
    query = query.from_(exp.to_table(candidates).as_("a"), copy=False)
    for alias, other, test in (("f", shape.not_followed_by, _NOT_FOLLOWED), ("n", shape.never, _NEVER)):
        if other is not None:
            on = [exp.EQ(this=column(key, alias), expression=column(key, "a")) for key in ("person_no", "item_key")]
            on.append(exp.EQ(this=column("name_no", alias), expression=value(extracts.numbers[other])))
            last = exp.to_table("segment_last").as_(alias)
            query = query.join(last, on=exp.and_(*on), join_type="left", copy=False).where(test.copy(), copy=False)
    return query


def last(follower: str, extracts: Extracts) -> exp.Select:
    """One row per person and item of a candidate, of a name some rule looks for after or beside it: when it last happened."""
    is_follower = exp.EQ(this=column("name_no"), expression=value(extracts.numbers[follower]))
    table = exp.to_table(extracts.of(follower).table)
    read = [column(key) for key in ("person_no", "item_key", "name_no", "occurred_at")]
    told = exp.select(*read).from_(table.copy()).where(is_follower.copy())
    # What is told of an item is told of every other that is the same article.
    of_others = exp.select(
        column("person_no", "e"), column("item_key", "m"), column("name_no", "e"), column("occurred_at", "e")
    )
    of_others = of_others.from_(told.subquery("e"))
    is_same = exp.EQ(this=column("other_key", "m"), expression=column("item_key", "e"))
    of_others = of_others.join(exp.to_table("segment_same_articles").as_("m"), on=is_same)
    same = [exp.EQ(this=column(key, "c"), expression=column(key, "a")) for key in ("person_no", "item_key")]
    about = exp.select("1").from_(exp.to_table("segment_candidates").as_("c")).where(*same)
    grain = [column(key, "a") for key in ("person_no", "item_key", "name_no")]
    query = exp.select(*grain, exp.alias_(exp.Max(this=column("occurred_at", "a")), "last_at"))
    query = query.from_(union([told, of_others]).subquery("a"))
    return query.where(exp.Exists(this=about)).group_by(*grain)


def aggregated(kind: str, chosen: exp.Select) -> exp.Select:
    """One row per person and measure that some chosen activity of theirs counts for: `n`, or `total`."""
    keys = [column("person_no"), column("measure")]
    counted = exp.alias_(exp.Count(this=exp.Star(), big_int=True), "n")
    match kind:
        case "amount" | "quantity":
            held = exp.cast(exp.Sum(this=column(kind)), "DECIMAL(38,8)")
            total = exp.Coalesce(this=held, expressions=[zero("DECIMAL(38,8)")])
            return exp.select(*keys, exp.alias_(total, "total")).from_(chosen.subquery("chosen")).group_by(*keys)
        case "count":
            return exp.select(*keys, counted).from_(chosen.subquery("chosen")).group_by(*keys)
    by_item = exp.select(*keys, counted).from_(chosen.subquery("chosen"))
    by_item = by_item.where(_is_known("item_key")).group_by(*keys, column("item_key"))
    most = exp.alias_(exp.Max(this=column("n")), "n")
    return exp.select(*keys, most).from_(by_item.subquery("by_item")).group_by(*keys)


def added_up(sums: exp.Query) -> exp.Select:
    """One row per person and measure: a measure may be summed in more than one part."""
    keys = [column("person_no"), column("measure")]
    total = exp.alias_(exp.cast(exp.Sum(this=column("total")), "DECIMAL(38,8)"), "total")
    return exp.select(*keys, total).from_(sums.subquery("sums")).group_by(*keys)


def _is_known(name: str) -> exp.Expr:
    return exp.Not(this=exp.Is(this=column(name), expression=exp.null()))


def about_items(chosen: exp.Select) -> exp.Select:
    """Those of the chosen activities that are about an item: only they can be followed."""
    return exp.select("*").from_(chosen.subquery("chosen")).where(_is_known("item_key"))


def counts_by_name(conditions: Sequence[CountCondition], extracts: Extracts) -> tuple[exp.Query, dict[date, str]]:
    """One row per person and activity name, with one filtered count per distinct first day of a window."""
    days = sorted({first_day(condition.measure.of, extracts.as_of) for condition in conditions})
    names = {condition.measure.of.name for condition in conditions}
    columns = {day: f"since_{number}" for number, day in enumerate(days)}
    parts = []
    for extract in extracts.all:
        held = sorted(names & set(extract.names))
        if not held:
            continue
        query = exp.select(column("person_no"), column("name_no")).from_(exp.to_table(extract.table))
        for day, name in columns.items():
            counted: exp.Expr = exp.Count(this=exp.Star(), big_int=True)
            if day != days[0]:
                inside = exp.GTE(this=column("occurred_on"), expression=value(day))
                counted = exp.Filter(this=counted, expression=exp.Where(this=inside))
            query = query.select(exp.alias_(counted, name), copy=False)
        if len(held) < len(extract.names):
            numbers = [value(extracts.numbers[name]) for name in held]
            query = query.where(exp.In(this=column("name_no"), expressions=numbers), copy=False)
        query = query.where(exp.GTE(this=column("occurred_on"), expression=value(days[0])), copy=False)
        parts.append(query.group_by(column("person_no"), column("name_no")))
    return union(parts), columns


def words_by_name(bits: Bits, columns: Mapping[date, str], extracts: Extracts) -> exp.Select:
    """One row per person: the words of conditions on names alone, over `counts_by_name`."""
    query = exp.select(column("person_no")).from_(exp.to_table("segment_counts_by_name"))
    for number in bits.plain_words:
        by_name: dict[str, list[exp.Expr]] = {}
        for condition, bit in bits.plain.items():
            if bit.word != number:
                continue
            held = column(columns[first_day(condition.measure.of, extracts.as_of)])
            met: exp.Expr = exp.GTE(this=held, expression=value(condition.at_least))
            if condition.at_most is not None:
                met = exp.and_(met, exp.LTE(this=held.copy(), expression=value(condition.at_most)))
            by_name.setdefault(condition.measure.of.name, []).append(masked(met, bit.mask))
        cases = [
            exp.If(this=exp.EQ(this=column("name_no"), expression=value(extracts.numbers[name])), true=either(masks))
            for name, masks in sorted(by_name.items())
        ]
        row = exp.Case(ifs=cases, default=zero())
        query = query.select(exp.alias_(exp.BitwiseOrAgg(this=row), word(number), copy=False), copy=False)
    return query.group_by(column("person_no"))


def sequence(condition: SequenceCondition, extracts: Extracts, latest: Latest) -> exp.Select:
    """One row per person who took the steps in order: each step carries the latest start that can lead to it."""
    chain: exp.Select | None = None
    for step in condition.steps:
        here = _steps(step, extracts, latest, "item_key" if condition.same_product else None)
        if chain is None:
            chain = here.select(exp.alias_(column("occurred_at", "a"), "began"))
            continue
        in_order = exp.and_(
            exp.EQ(this=column("person_no", "s"), expression=column("person_no", "b")),
            exp.LT(this=column("at", "b"), expression=column("at", "s")),
        )
        keys = [column("person_no", "s"), column("at", "s")]
        if condition.same_product:
            in_order = exp.and_(in_order, exp.EQ(this=column("item_key", "s"), expression=column("item_key", "b")))
            keys.append(column("item_key", "s"))
        chain = (
            exp.select(*keys, exp.alias_(exp.Max(this=column("began", "b")), "began"))
            .from_(here.subquery("s"))
            .join(chain.subquery("b"), on=in_order)
            .group_by(*(key.copy() for key in keys))
        )
    if chain is None:
        raise ConfigError("a sequence has no steps: give it two or more")
    span = exp.Interval(this=exp.Literal.string(str(condition.within)), unit=exp.var("DAY"))
    in_time = exp.LTE(this=column("at"), expression=exp.Add(this=column("began"), expression=span))
    return exp.select(column("person_no")).distinct().from_(chain.subquery("chain")).where(in_time)


def chosen(of: Activities, extracts: Extracts, latest: Latest) -> list[exp.Expr]:
    """A choice as conditions on its extract aliased `a`; `not_followed_by` and `never` are not among them."""
    tests: list[exp.Expr] = [
        exp.EQ(this=column("name_no", "a"), expression=value(extracts.numbers[of.name])),
        _within(of, extracts),
    ]
    for field, held in values_of(of, latest, extracts.as_of).items():
        listed = [value(extracts.values[field][text]) for text in held]
        tests.append(exp.In(this=column(field, "a"), expressions=listed) if listed else exp.false())
    if of.local_hour is not None:
        after = exp.GTE(this=column(HOUR, "a"), expression=value(of.local_hour[0]))
        before = exp.LT(this=column(HOUR, "a"), expression=value(of.local_hour[1]))
        tests.append(exp.and_(after, before) if of.local_hour[0] < of.local_hour[1] else exp.or_(after, before))
    if of.score is not None:
        tests.append(exp.Between(this=column("score", "a"), low=value(of.score[0]), high=value(of.score[1])))
    return tests


def _within(of: Activities, extracts: Extracts) -> exp.Expr:
    found: list[exp.Expr] = []
    for first, last in spans(of, extracts.as_of):
        day = column("occurred_on", "a")
        since = exp.GTE(this=day, expression=value(first)) if first > EVER else None
        until = exp.LTE(this=day.copy(), expression=value(last)) if last < extracts.as_of.day else None
        found.append(exp.and_(*(test for test in (since, until) if test is not None)) if since or until else exp.true())
    return exp.Paren(this=exp.or_(*found)) if found else exp.false()


def _steps(of: Activities, extracts: Extracts, latest: Latest, item: str | None = None) -> exp.Select:
    """One row per chosen activity: `person_no` and `at`, and its item where it is asked for and known."""
    here = exp.select(column("person_no", "a"), exp.alias_(column("occurred_at", "a"), "at"))
    here = here.from_(exp.to_table(extracts.of(of.name).table).as_("a")).where(*chosen(of, extracts, latest))
    if item is not None:
        here = here.select(column(item, "a"), copy=False)
        here = here.where(exp.Not(this=exp.Is(this=column(item, "a"), expression=exp.null())), copy=False)
    return here


def unfollowed_for(condition: UnfollowedCondition, extracts: Extracts, latest: Latest) -> exp.Select:
    """One row per person with a first activity after which, in time that has passed, the other did not come."""
    span = exp.Interval(this=exp.Literal.string(str(condition.within)), unit=exp.var("DAY"))
    until = exp.Add(this=column("at", "f"), expression=span)
    end = exp.cast(exp.Literal.string(extracts.as_of.end.isoformat()), "TIMESTAMPTZ")
    followed = exp.and_(
        exp.EQ(this=column("person_no", "t"), expression=column("person_no", "f")),
        exp.GT(this=column("at", "t"), expression=column("at", "f")),
        exp.LTE(this=column("at", "t"), expression=until),
    )
    query = exp.select(column("person_no", "f")).distinct()
    query = query.from_(_steps(condition.first, extracts, latest).subquery("f"), copy=False)
    query = query.join(
        _steps(condition.then, extracts, latest).subquery("t"), on=followed, join_type="left", copy=False
    )
    passed = exp.LTE(this=until.copy(), expression=end)
    return query.where(passed, exp.Is(this=column("person_no", "t"), expression=exp.null()), copy=False)
