"""What a mapping leaves to landing: typing records, keys, times, reasons, the newest of a version, and the frame of each table.

Holds declarations and the SQL made of them; a vendor says where things are in its records and what they mean, and nothing else.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Union

import sqlglot
from sqlglot import exp

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import horizon
from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.schema import Column
from segment_pipeline.lake.statements import Statement
from segment_pipeline.lake.tables import table

TEXT, INTEGER, NUMBER, FLAG, JSON = "VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "JSON"
Fields = Mapping[str, Union[str, "Fields"]]
# A path, or paths of which the first that is not blank counts; anything that is no dotted name is SQL over `r`.
Where = str | tuple[str, ...]

_PATH: Final = re.compile(r"[\w$]+(\[1\])?(\.[\w$]+(\[1\])?)*")
# What looks like nothing at the ends of a text, or is all of it: spaces of every width, and marks of none.
BLANKS: Final = (
    " \t\n\r\v\f\x85\xa0\u1680\u180e"
    + "".join(map(chr, range(0x2000, 0x2010)))
    + "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
# Columns that say which account, device or other record a row is about, beside those named `…_key`.
_IDS: Final = frozenset({"anonymous_id", "loyalty_id"})


def text(names: str) -> dict[str, str]:
    """Fields that are text: `text("id address.country tenders[].customer_id")`."""
    return dict.fromkeys(names.split(), TEXT)


def an_id(text: str) -> str:
    """SQL for a text of SQL as an id: trimmed; nothing but blanks, whatever kind of blanks, is none (NULL)."""
    return f"nullif(trim({text}, {literal(BLANKS)}), '')"


def a_time(text: str, bounds: tuple[str, str] = horizon.INSTANTS) -> str:
    """SQL for the time that a text of SQL says; NULL where it says none, or one whose day cannot be written."""
    return horizon.within(f"TRY_CAST({text} AS TIMESTAMPTZ)", "TIMESTAMPTZ", bounds)


def a_day(text: str) -> str:
    """SQL for the day that a text of SQL says; NULL where it says none, or one that cannot be written."""
    return horizon.within(f"TRY_CAST({text} AS DATE)", "DATE")


def a_birthday(text: str) -> str:
    """SQL for the month and day (MM-DD) of a birth date; also of year 0, by which systems say that they do not know the year."""
    known = f"starts_with({text}, '0000-') OR {a_day(text)} IS NOT NULL"
    # 2000 has a 29th of February.
    day = f"TRY_CAST('2000' || substr({text}, 5) AS DATE) IS NOT NULL"
    return f"CASE WHEN regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AND ({known}) AND {day} THEN substr({text}, 6, 5) END"


@dataclass(frozen=True)
class Record:
    """Where things are in a source's records; makes `parsed` (see `landing.source`), with the typed record as its column `r`.

    `fields`: what is read of a record besides the places below, by dotted path, `[]` for lists (`"lines[]": {"uid": TEXT}`).
    What is not there, or of another type, is NULL. `key`, `updated` (a snapshot has none: its pull's time), `created`, `business`
    (when it happened) and `needs` must be there, or the record goes to quarantine; a time outside years 1 to 9999 is none.
    `version`: of two records with the same `updated` the one with the greater number counts.
    `business` gives `business_at` and `business_on` and, where a column says the `timezone`, `local_at`; NULL in an unknown one.
    `joins`: statements over other parts and, for each, the condition under which its one row is the record's: LEFT JOINed under
    the last part of its name (`zones.store_key = r.location_id`).
    `event`: what happened, in the vendor's word; gives `event`, which `names` turns into ours where it knows the word.
    `blanks`: what is left empty of a record that lands, told with the number of records for which the condition holds.
    `columns`: further columns, SQL over `r` and the joins. `reasons`: why a record is refused: a condition over `r`, the columns
    and `record`, the raw text; the first that holds is the reason.
    """

    key: Where
    updated: Where = ()
    created: Where = ()
    business: Where = ()
    version: str = ""
    email: Where = ()
    phone: Where = ()
    phone_country: Where = ()
    event: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    fields: Fields = field(default_factory=dict)
    joins: Mapping[Statement, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    blanks: Mapping[str, str] = field(default_factory=dict)

    @property
    def blanked(self) -> Mapping[str, str]:
        """`blanks`, over the columns of `parsed`; a local time where no time zone is known is one."""
        unknown = {"no time zone that is known: their local time is empty": "local_at IS NULL"}
        return {**(unknown if "local_at" in self.column_names else {}), **self.blanks}

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of `parsed`."""
        named = ["key", "updated_at", *(["created_at"] if self.created else []), "r", "reason", "raw", "day"]
        named += ["email_raw"] if self.email else []
        named += ["phone_raw", "phone_country"] if self.phone else []
        if self.business:
            named += ["business_at", "business_on", *(["local_at"] if "timezone" in self.columns else [])]
        named += ["event"] if self.event else []
        return (*named, *self.columns)

    def sql(self, view: str, *, repeats: bool) -> str:
        """The statement over the records of a view. `repeats`: a version received twice stays two rows, as logs need it."""
        key = self._first(self.key)
        named = {
            "key": f"coalesce({key}, md5(record))",
            "updated_at": self._time(self.updated) if self.updated else "CAST($pulled_at AS TIMESTAMPTZ)",
            **({"created_at": self._time(self.created, horizon.DAYS)} if self.created else {}),
            **({"business_at": self._time(self.business)} if self.business else {}),
            **({"email_raw": self._at(self.email)} if self.email else {}),
            **({"phone_raw": self._at(self.phone)} if self.phone else {}),
            **({"phone_country": self._at(self.phone_country)} if self.phone else {}),
            **({"event": self._event()} if self.event else {}),
            **self.columns,
        }
        day = "CAST(timezone($timezone, updated_at) AS DATE)" if self.updated else "CAST($snapshot_day AS DATE)"
        derived = {"raw": "CASE WHEN reason IS NOT NULL THEN record END", "day": day}
        if self.business:
            derived["business_on"] = "CAST(timezone($timezone, business_at) AS DATE)"
            if "timezone" in self.columns:
                derived["local_at"] = "timezone(known_zones.name, business_at)"
        ordered = f"coalesce({_path(self.version)}, 0) DESC, md5(record)" if self.version else "md5(record)"
        rank = f", row_number() OVER (PARTITION BY key, updated_at, reason ORDER BY {ordered}) AS rank"
        joins = "".join(f"\n  LEFT JOIN {quote(view_of(other))} ON {on}" for other, on in self.joins.items())
        zones = " LEFT JOIN known_zones ON known_zones.name = timezone" if "local_at" in derived else ""
        return (
            f"WITH typed AS (\n  SELECT record, from_json(record, {literal(json.dumps(self._shape()))}) AS r\n"
            f"  FROM {quote(view)}\n),\n"
            f"named AS (\n  SELECT record, r, {_listed(named)}\n  FROM typed{joins}\n),\n"
            f"judged AS (\n  SELECT *, {self._reason(key)} AS reason\n  FROM named\n),\n"
            f"ranked AS (\n  SELECT *{'' if repeats else rank}\n  FROM judged\n)\n"
            f"SELECT {', '.join(quote(name) for name in ('key', 'r', 'reason', *(n for n in named if n != 'key')))},"
            f" {_listed(derived)}\nFROM ranked{zones}{'' if repeats else ' WHERE rank = 1'}"
        )

    def _reason(self, key: str) -> str:
        times = {"updated_at": self.updated, "created_at": self.created, "business_at": self.business}
        said = [
            ("not an object", "json_type(record) IS DISTINCT FROM 'OBJECT'"),
            ("no id", f"{key} IS NULL"),
            *((f"no {path}", f"{an_id(_path(path))} IS NULL") for path in self.needs),
            *((f"{_places(where)[-1]} is not a time", f"{column} IS NULL") for column, where in times.items() if where),
            *self.reasons.items(),
        ]
        cases = "\n".join(f"    WHEN {held} THEN {literal(reason)}" for reason, held in said)
        return f"CASE\n{cases}\n  END"

    def _event(self) -> str:
        known = "".join(f" WHEN {literal(theirs)} THEN {literal(ours)}" for theirs, ours in self.names.items())
        said = _path(self.event)
        return f"CASE {said}{known} ELSE {said} END" if known else said

    def _shape(self) -> dict[str, Any]:
        held = (
            self.key,
            self.updated,
            self.created,
            self.business,
            self.email,
            self.phone,
            self.phone_country,
            self.needs,
        )
        paths = [path.replace("[1]", "[]") for where in held for path in _places(where) if _is_path(path)]
        version = {self.version: INTEGER} if self.version else {}
        return _shaped({**dict.fromkeys(paths, TEXT), **version, **self.fields})

    @staticmethod
    def _time(where: Where, bounds: tuple[str, str] = horizon.INSTANTS) -> str:
        return _coalesced([a_time(_value(place), bounds) for place in _places(where)])

    @staticmethod
    def _first(where: Where) -> str:
        return _coalesced([an_id(_value(place)) for place in _places(where)])

    @staticmethod
    def _at(where: Where) -> str:
        if isinstance(where, str):
            return _value(where)
        if not where:
            return "CAST(NULL AS VARCHAR)"
        return _coalesced([an_id(_value(place)) for place in where])


@dataclass(frozen=True, slots=True)
class Fill:
    """A canonical table and the statement that fills it.

    The statement gives the table's columns under their names, all but `absent`, which the source does not know (NULL), and
    `source`. `SELECT c.* … FROM usable AS c` gives those that landing knows of each usable record: `updated_at`, `created_at`,
    `day`, `email`, `phone`, `local_at`, `rate_day` and the record's columns, where the table has them.
    `one_per_record`: each usable version of a record gives exactly one row, which landing checks.
    `row_for_row`: it gives exactly one row for each, by its very form, so that nobody need count them.
    `key`: for logs, the column that a repeated record shares with its first delivery.
    A date or time beyond the years 1 to 9999 is NULL where the table's may be. A column that refers to something else (`…_key`,
    `anonymous_id`, `loyalty_id`) is trimmed, and blank is NULL: `""` is nobody's id, and two that hold it are not one.
    """

    table: str
    statement: Statement
    absent: str = ""
    one_per_record: bool = False
    row_for_row: bool = False
    key: str | None = None

    def says(self, name: str) -> bool:
        """Whether a column of the table may be anything but NULL."""
        if name in self.absent.split():
            return False
        tree = sqlglot.parse_one(self.statement.text, read="duckdb")
        given = [each.unalias() for each in getattr(tree, "selects", ()) if each.alias_or_name == name]
        return not any(isinstance(each.this if isinstance(each, exp.Cast) else each, exp.Null) for each in given)

    def framed(self, known: tuple[str, ...] | None) -> Statement:
        """The statement with every column of the table. `known`: the columns of `usable`; None: not known before it is made.

        Raises ConfigError unless what is given and `absent` are the table's columns, each once: nothing is NULL without a word.
        """
        return _framed(self.table, self.statement, tuple(self.absent.split()), known)


@lru_cache(maxsize=1024)
def listed(statement: Statement) -> tuple[str, ...] | None:
    """The columns a statement gives, where it lists them all by name."""
    tree = sqlglot.parse_one(statement.text, read="duckdb")
    names = [each.alias_or_name for each in getattr(tree, "selects", ())]
    return None if "*" in names else tuple(names)


def view_of(statement: Statement) -> str:
    """What a prepared statement's rows are called in SQL: the last part of its name."""
    return statement.name.rpartition("/")[2]


def usable_names(parsed: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of `usable`: those of `parsed` and what was looked up."""
    return (
        *(name for name in parsed if name not in {"reason", "raw"}),
        *(["email"] if "email_raw" in parsed else []),
        *(["phone"] if "phone_raw" in parsed else []),
        *(["rate", "rate_day"] if {"currency", "business_on"} <= set(parsed) else []),
    )


def usable(parsed: tuple[str, ...]) -> str:
    """The records that can be mapped, with what landing looked up for them: canonical e-mail and phone, and the day's rate."""
    looked_up, joins = [], ""
    if "email_raw" in parsed:
        looked_up.append("e.email")
        joins += " LEFT JOIN emails AS e ON e.raw = p.email_raw"
    if "phone_raw" in parsed:
        looked_up.append("n.phone")
        joins += " LEFT JOIN phones AS n ON n.raw = p.phone_raw AND n.country IS NOT DISTINCT FROM p.phone_country"
    if {"currency", "business_on"} <= set(parsed):
        looked_up += ["o.rate", "o.rate_day"]
        joins += " LEFT JOIN rates_on AS o ON o.currency = p.currency AND o.day = p.business_on"
    kept = [f"p.{quote(name)}" for name in parsed if name not in {"reason", "raw"}]
    return f"SELECT {', '.join([*kept, *looked_up])} FROM parsed AS p{joins} WHERE p.reason IS NULL"


@lru_cache(maxsize=1024)
def _framed(name: str, statement: Statement, absent: tuple[str, ...], known: tuple[str, ...] | None) -> Statement:
    declared = table(name)
    given = list(_given(statement, known, frozenset(declared.names)))
    twice = {column for column in (*given, *absent) if (*given, *absent).count(column) > 1}
    implied = {column.name for column in declared.columns if column.implied}
    missing = [c for c in declared.given if c not in {*given, *absent, *implied, "source"}]
    strangers = [c for c in (*given, *absent) if c not in declared.given]
    for columns, said in (
        (missing, "does not give {}: give them, or name them as absent"),
        (strangers, "gives {}, which the table does not have: leave them out"),
        (sorted(twice), "gives {} twice: leave one out, `c.* EXCLUDE (…)` where landing gives it too"),
    ):
        if columns:
            raise ConfigError(f"{statement.name}, for table {name}, {said.format(', '.join(columns))}")

    def value(column: Column) -> str:
        held = f"f.{quote(column.name)}"
        if column.name == declared.latest_by and column.name not in given:
            return f"CAST($pulled_at AS {column.sql})"
        if column.name in absent or (column.implied and column.name not in given):
            return f"CAST(NULL AS {column.sql})"
        if column.name not in given:
            return "$source"
        return _holdable(column, held)

    listed = _listed({name: value(declared.by_name[name]) for name in declared.given})
    return Statement(statement.name, f"SELECT {listed} FROM (\n{statement.text}\n) AS f", statement.as_written)


def _holdable(column: Column, held: str) -> str:
    """What a statement gives for a column as the table can hold it."""
    if column.type == "VARCHAR" and column.nullable and (column.name.endswith("_key") or column.name in _IDS):
        return an_id(held)
    if column.type in {"MONEY", "RATE"}:
        # Sums and products of decimals are wider than the table's; one that may be empty is, where it is too large.
        return f"{'TRY_CAST' if column.nullable else 'CAST'}({held} AS {column.sql})"
    if column.nullable and column.type in {"DATE", "TIMESTAMP", "TIMESTAMPTZ"}:
        return horizon.within(held, column.type)
    return f"CASE WHEN isfinite({held}) THEN {held} END" if column.type == "DOUBLE" else held


def _given(statement: Statement, known: tuple[str, ...] | None, wanted: frozenset[str]) -> Iterator[str]:
    """The columns a statement gives, of `usable`'s only those the table has."""
    tree = sqlglot.parse_one(statement.text, read="duckdb")
    while isinstance(tree, exp.SetOperation):
        tree = tree.this
    reads = {each.alias_or_name for each in tree.find_all(exp.Table) if each.name == "usable"}
    for each in getattr(tree, "selects", ()):
        star = each.this if isinstance(each, exp.Column) and isinstance(each.this, exp.Star) else each
        if not isinstance(star, exp.Star):
            yield each.alias_or_name
            continue
        whose = each.table if isinstance(each, exp.Column) else next(iter(reads), "")
        if whose not in reads or known is None:
            raise ConfigError(
                f"{statement.name} takes all columns of {whose or 'something'} and only those of usable are known: list them"
            )
        without = {left.name for left in star.args.get("except_") or star.args.get("except") or ()}
        yield from (name for name in known if name in wanted and name not in without)


def _shaped(fields: Fields) -> dict[str, Any]:
    """Dotted paths as the nested shape that `from_json` takes."""
    tree: dict[str, Any] = {}
    for path, kind in fields.items():
        *above, last = path.split(".")
        node = tree
        for step in above:
            name = step.removesuffix("[]")
            node = node.setdefault(name, [{}])[0] if step.endswith("[]") else node.setdefault(name, {})
        leaf = kind if isinstance(kind, str) else _shaped(kind)
        held = node.get(last.removesuffix("[]"))
        inner = held[0] if isinstance(held, list) else held
        if isinstance(inner, dict) and isinstance(leaf, dict):
            leaf = inner | leaf
        node[last.removesuffix("[]")] = [leaf] if last.endswith("[]") else leaf
    return tree


def _places(where: Where) -> tuple[str, ...]:
    return (where,) if isinstance(where, str) else where


def _is_path(where: str) -> bool:
    return _PATH.fullmatch(where) is not None


def _value(where: str) -> str:
    return _path(where) if _is_path(where) else where


def _path(path: str) -> str:
    steps = [step.partition("[") for step in path.split(".")]
    return "r." + ".".join(f"{quote(name)}{bracket}{index}" for name, bracket, index in steps)


def _coalesced(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{value} AS {quote(name)}" for name, value in columns.items())
