"""The extracts of activities a run works on: only the rows, columns and values some rule asks for, and numbers for texts.

Rows are read once and looked at by every condition. Values that no rule names have the number 0, so texts need no
room; activities by names that need wide columns are extracted apart from those that do not, and kinds of facts from one another.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
from sqlglot import exp

from segment_pipeline.algebra.parts import Activities, Aggregate, Scalar, property_column
from segment_pipeline.algebra.windows import EVER, first_day, tests
from segment_pipeline.days import AsOf
from segment_pipeline.lake.schema import ARROW_TYPES
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import built
from segment_pipeline.profiles.compiler.conditions import (
    Condition,
    CountCondition,
    SequenceCondition,
    SumCondition,
    UnfollowedCondition,
)
from segment_pipeline.profiles.compiler.expressions import column, value
from segment_pipeline.profiles.compiler.filters import Latest, Shape, column_of, fields_of, test_field, values_of
from segment_pipeline.profiles.compiler.kinds import HELD, choices_of, columns_of
from segment_pipeline.profiles.compiler.tests import source_of, tested
from segment_pipeline.profiles.facts.activities import property_type, tellers

HOUR = "local_hour"


@dataclass(frozen=True, slots=True)
class Need:
    """What conditions on a choice read of activities since a day, besides person, name and day: `fields` by number, `wide` as it is."""

    of: Activities
    since: date
    fields: frozenset[str]
    wide: frozenset[str]
    has_hours: bool


@dataclass(frozen=True, slots=True)
class Extract:
    """One extract: the names it holds and the columns it has."""

    number: int
    names: tuple[str, ...]
    fields: tuple[str, ...]
    wide: tuple[str, ...]
    has_hours: bool

    @property
    def table(self) -> str:
        return f"segment_activities_{self.number}"

    @property
    def kinds(self) -> str:
        """The table of the combinations of name and numbers there are."""
        return f"segment_kinds_{self.number}"


class Extracts:
    """Which activities are extracted how, given what is needed of each choice. `properties`: types of events' properties, by name."""

    def __init__(self, needs: Iterable[Need], as_of: AsOf, properties: Mapping[str, str] | None = None) -> None:
        self.as_of, self.properties = as_of, properties or {}
        self.first_days: dict[str, date] = {}
        self.choices: dict[Activities, None] = {}
        by_name: dict[str, list[Need]] = {}
        for need in needs:
            name = need.of.name
            self.first_days[name] = min(self.first_days.get(name, need.since), need.since)
            self.choices[need.of] = None
            by_name.setdefault(name, []).append(need)
        self.numbers = {name: number for number, name in enumerate(sorted(by_name))}
        alike: dict[tuple[tuple[str, ...], str], list[str]] = {}
        for name in self.numbers:
            wide = tuple(sorted({c for need in by_name[name] for c in need.wide}))
            alike.setdefault((wide, tellers([name])[0]), []).append(name)
        self.all = []
        for number, ((wide, _), names) in enumerate(alike.items()):
            held = [need for name in names for need in by_name[name]]
            fields = tuple(sorted({field for need in held for field in need.fields}))
            self.all.append(Extract(number, tuple(names), fields, wide, any(need.has_hours for need in held)))
        self._by_name = {name: extract for extract in self.all for name in extract.names}
        self.tests = {test_field(test): test for of in self.choices for test in tests(of, as_of)}
        self.values: dict[str, dict[Scalar, int]] = {}

    def of(self, name: str) -> Extract:
        """The extract that holds the activities of a name."""
        return self._by_name[name]

    @property
    def columns(self) -> set[str]:
        """Columns of activities that are read."""
        read = {"person_no", "name", "told_by", "occurred_on"}
        for extract in self.all:
            columns = {field for field in extract.fields if field not in self.tests}
            read |= {column_of(field) for field in columns} | {name.removeprefix(HELD) for name in extract.wide}
            read |= {source_of(self.tests[field]) for field in extract.fields if field in self.tests}
            read |= {"local_at"} if extract.has_hours else set()
        return read

    def define(self, session: Session, latest: Latest, *, once: Collection[Extract] = ()) -> None:
        """Make each extract a table of one row per activity asked for: `person_no`, `name_no`, `occurred_on` and what is read.

        Where the values of a field are numbered, the column has the field's name; 0: no rule names the value. `once`: those that
        one statement reads alone, and no rule: what it reads need not be kept.
        """
        self.values = {field: {} for extract in self.all for field in extract.fields}
        for of in self.choices:
            for field, held in values_of(of, latest, self.as_of).items():
                for text in held:
                    self.values[field].setdefault(text, len(self.values[field]) + 1)
        session.register("segment_names", self._names())
        for field, numbers in self.values.items():
            if field in self.tests:
                continue
            session.register(f"segment_values_{field}", _numbered(numbers, self._kind(field)))
        for extract in self.all:
            query = built("segments/activities", self._query(extract)).joined_as_written()
            session.define(extract.table, query, materialize=extract not in once)
            if extract in once:
                continue
            kinds = exp.select(*(column(key) for key in ("name_no", *extract.fields))).distinct()
            kinds = kinds.from_(exp.to_table(extract.table))
            session.define(extract.kinds, built("segments/kinds", kinds), materialize=True)

    def forget(self, session: Session) -> None:
        """Drop the extracts: their room is wanted for what was found in them."""
        for extract in self.all:
            session.drop(extract.table)
            session.drop(extract.kinds)

    def _kind(self, field: str) -> pa.DataType:
        kinds = {property_column(name): ARROW_TYPES[property_type(kind)] for name, kind in self.properties.items()}
        return kinds.get(field, pa.string())

    def _names(self) -> pa.Table:
        names = sorted(self.numbers)
        return pa.table(
            {
                "name": pa.array(names, pa.string()),
                "name_no": pa.array([self.numbers[name] for name in names], pa.int16()),
                "from_day": pa.array([self.first_days[name] for name in names], pa.date32()),
            }
        )

    def _query(self, extract: Extract) -> exp.Select:
        query = exp.select(column("person_no", "a"), column("name_no", "n"), column("occurred_on", "a"))
        query = query.from_(exp.to_table("activities").as_("a"), copy=False)
        on = exp.and_(
            exp.EQ(this=column("name", "n"), expression=column("name", "a")),
            exp.GTE(this=column("occurred_on", "a"), expression=column("from_day", "n")),
        )
        query = query.join(exp.to_table("segment_names").as_("n"), on=on, copy=False)
        for field in extract.fields:
            if field in self.tests:
                met = exp.Case(ifs=[exp.If(this=tested(self.tests[field]), true=value(1))], default=value(0))
                query = query.select(exp.alias_(exp.cast(met, "INTEGER"), field), copy=False)
                continue
            alias = f"v_{field}"
            on = exp.EQ(this=column("value", alias), expression=column(column_of(field), "a"))
            values = exp.to_table(f"segment_values_{field}").as_(alias)
            query = query.join(values, on=on, join_type="left", copy=False)
            number = exp.Coalesce(this=column("value_no", alias), expressions=[value(0)])
            query = query.select(exp.alias_(number, field), copy=False)
        if extract.has_hours:
            hour = exp.Extract(this=exp.var("HOUR"), expression=column("local_at", "a"))
            query = query.select(exp.alias_(exp.cast(hour, "SMALLINT"), HOUR), copy=False)
        for name in extract.wide:
            query = query.select(exp.alias_(column(name.removeprefix(HELD), "a"), name), copy=False)
        # The first day of all is said as a literal too, so that files are left out by it.
        first = min(self.first_days[name] for name in extract.names)
        by_day = exp.GTE(this=column("occurred_on", "a"), expression=value(first))
        return query.where(*named(extract.names, self.as_of.day), by_day, copy=False)


def needs_of(conditions: Iterable[Condition], values: Iterable[Aggregate], as_of: AsOf) -> Iterator[Need]:
    """What conditions and values of people read of activities."""
    for condition in conditions:
        if isinstance(condition, CountCondition | SumCondition):
            wide = Shape.of(condition.measure).wide
            yield from (_need(of, wide, as_of) for of in condition.measure.parts)
            yield from _followers(condition.measure.of, as_of)
        elif isinstance(condition, SequenceCondition):
            wide = frozenset({"occurred_at", "item_key"} if condition.same_product else {"occurred_at"})
            yield from (_need(step, wide, as_of) for step in condition.steps)
        elif isinstance(condition, UnfollowedCondition):
            yield from (_need(of, frozenset({"occurred_at"}), as_of) for of in (condition.first, condition.then))
    for aggregate in values:
        yield from (_need(of, columns_of(aggregate), as_of) for of in choices_of(aggregate))


def _followers(of: Activities, as_of: AsOf) -> Iterator[Need]:
    # What follows an activity is not before it, so not before the first day of its window either.
    for name, since in ((of.not_followed_by, first_day(of, as_of)), (of.never, EVER)):
        if name is not None:
            yield Need(Activities(name), since, frozenset(), frozenset({"item_key", "occurred_at"}), False)


def _need(of: Activities, wide: frozenset[str], as_of: AsOf) -> Need:
    score = {"score"} if of.score is not None else set()
    fields = frozenset(fields_of(of, as_of))
    return Need(of, first_day(of, as_of), fields, wide | score, of.local_hour is not None)


def named(names: Sequence[str], as_of: date) -> list[exp.Expr]:
    """Conditions on activities aliased `a`: by these names, up to a day. Said as literals, so that other kinds of facts are not read."""
    return [
        exp.In(this=column("name", "a"), expressions=[value(name) for name in names]),
        exp.In(this=column("told_by", "a"), expressions=[value(kind) for kind in tellers(names)]),
        exp.LTE(this=column("occurred_on", "a"), expression=value(as_of)),
    ]


def _numbered(numbers: Mapping[Scalar, int], values: pa.DataType) -> pa.Table:
    kind = pa.int16() if len(numbers) < 2**15 else pa.int32()
    return pa.table(
        {
            "value": pa.array([float(v) if isinstance(v, Decimal) else v for v in numbers], values),
            "value_no": pa.array(list(numbers.values()), kind),
        }
    )
