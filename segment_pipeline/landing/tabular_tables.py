"""From `parsed` to the tables: each fill's statement, with exactly its table's columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.landing import tabular_consents
from segment_pipeline.landing.tabular import AMOUNTS, CANCELLED, FRAME, GONE, Const, Tabular, To, Total
from segment_pipeline.landing.tabular_rows import KEYS, SHAPES, STATEMENTS, contact, day_of, identifies_by, keeper
from segment_pipeline.landing.tabular_values import Read, Values, as_text, mapped

FIRST_OF = frozenset({"_business_at", "_business_on", "ordered_at", "created_at", "occurred_at"})
SHARED = ("key", "updated_at", "day", "origin", "currency", "business_at", "business_on")
CANONICAL: Mapping[str, str] = {"email": "e.email", "phone": "n.phone"}


@dataclass(frozen=True, slots=True)
class Filled:
    """The statement of one fill. `where`: `source/entity`, what is said as evidence where nobody says more."""

    tabular: Tabular
    read: Read
    values: Values
    fill: To
    where: str

    def sql(self) -> str:
        """One row per row of `parsed` that is usable and wanted, or per key of them; and of what is gone, its last version."""
        columns, rows = self._columns(), f"({self._rows()}) AS u{self._joins()}"
        sql = f"SELECT {self._listed(columns)} FROM {rows}"
        if identifies_by(self.fill) in SHAPES:
            sql += f" WHERE {CANONICAL[identifies_by(self.fill)]} IS NOT NULL"
        if tabular_consents.account(self.tabular, self.fill):
            of_account = columns | {"identifier_type": "'customer_key'", "identifier": "u._account"}
            sql += f" UNION ALL SELECT {self._listed(of_account)} FROM {rows} WHERE u._no AND u._account IS NOT NULL"
        return f"{sql} UNION ALL {self._gone()}{self._back()}" if self._marks_gone else sql

    def _listed(self, columns: Mapping[str, str]) -> str:
        return ", ".join(f"{columns[name]} AS {quote(name)}" for name in self.fill.declared.given)

    @property
    def row_for_row(self) -> bool:
        """Whether each usable row of `parsed` gives one row, and nothing else does."""
        chosen = self.fill.where or identifies_by(self.fill) in SHAPES
        return not (self.fill.grouped or chosen or self._marks_gone)

    @property
    def _marks_gone(self) -> bool:
        return bool(self.read.keys) and self.closes

    @property
    def closes(self) -> bool:
        """Whether rows of the table can be marked as gone."""
        return bool({GONE, CANCELLED} & set(self.fill.declared.names))

    def _rows(self) -> str:
        fill = self.fill
        wanted = "p.reason IS NULL" + (f" AND p.{quote(mapped(fill, ''))}" if fill.where else "")
        shared = [*SHARED, *(["unknown"] if self._keeps else [])]
        shared += ["email_raw"] if contact(fill, "email") else []
        shared += ["phone_raw", "phone_country"] if contact(fill, "phone") else []
        inner = {f"_{name}": f"p.{name}" for name in shared}
        inner |= {name: f"p.{quote(mapped(fill, name))}" for name in fill.columns}
        groups, whether = "", tabular_consents.more(self.tabular, fill)
        if fill.grouped:
            by = [f"p.{quote(mapped(fill, name))}" for name in fill.identity if name in fill.columns]
            by += ["p.day", "p.origin"]
            inner = {name: value if value in by else self._aggregate(name, value) for name, value in inner.items()}
            groups = f" GROUP BY {', '.join(by)}"
        listed = ", ".join(f"{value} AS {quote(name)}" for name, value in (inner | whether).items())
        return f"SELECT {listed} FROM parsed AS p WHERE {wanted}{groups}"

    def _aggregate(self, name: str, value: str) -> str:
        if isinstance(self.fill.columns.get(name), Total):
            return f"CAST(sum({value}) AS {self.fill.declared.by_name[name].sql})"
        return f"min({value})" if name in FIRST_OF else f"max({value})"

    def _joins(self) -> str:
        joins = " LEFT JOIN emails AS e ON e.raw = u._email_raw" if contact(self.fill, "email") else ""
        if contact(self.fill, "phone"):
            joins += (
                " LEFT JOIN phones AS n ON n.raw = u._phone_raw AND n.country IS NOT DISTINCT FROM u._phone_country"
            )
        if self._paid:
            joins += " LEFT JOIN rates_on AS x ON x.currency = u._currency AND x.day = u._business_on"
        return joins

    @property
    def _keeps(self) -> bool:
        return keeper(self.tabular, self.read) is self.fill

    @property
    def _paid(self) -> bool:
        return bool({"net_base", "amount_base"} & set(self.fill.declared.names))

    def _columns(self) -> dict[str, str]:
        """Each column over the row `u`: NULL unless the house's frame, the mapping or landing says otherwise, in this order."""
        declared, given = self.fill.declared, list(self.fill.columns)
        said = self._framed() | {name: f"u.{quote(name)}" for name in given}
        if AMOUNTS.intersection(given):
            said |= {name: _amount(name, given) for name in AMOUNTS if name in declared.names}
        for kind, canonical in CANONICAL.items():
            if column := contact(self.fill, kind):
                said[column] = canonical
        if self._keeps:
            said[next(name for name in ("attributes", "properties") if name in declared.names)] = "u._unknown"
        said |= {name: f"u._{name}" for name in ("updated_at", "day", "origin")} | {"source": "$source"}
        # A file's rows replace its own, and what is summed over rows may be summed over some of them.
        if declared.latest_by and not (self.fill.grouped or self.read.files):
            said[declared.latest_by] = "$pulled_at"
        if self._paid:
            amount = "u.amount" if "amount_base" in declared.names else said["net"]
            said |= {
                "net_base": f"TRY_CAST(({amount}) * x.rate AS DECIMAL(18,4))",
                "amount_base": f"TRY_CAST(({amount}) * x.rate AS DECIMAL(18,4))",
                "rate_day": "x.rate_day",
            }
        if declared.name in STATEMENTS:
            said |= tabular_consents.columns(self.tabular, said, self._zones())
        return {c.name: f"CAST({said.get(c.name, 'NULL')} AS {c.sql})" for c in declared.columns}

    def _zones(self) -> dict[str, str]:
        """The zones, as SQL, of when a statement about consent was made and of the version its row is of."""
        t, given = self.tabular, self.fill.columns.get("recorded_at", self.tabular.at)
        named = {"recorded_at": given if isinstance(given, str) else "", "version": t.updated or t.at}
        zones = {column: self.values.zone(name) for column, name in named.items()}
        return {column: literal(zone) if zone else "$timezone" for column, zone in zones.items()}

    def _framed(self) -> dict[str, str]:
        given = self.fill.columns
        ordered = day_of("u.ordered_at") if "ordered_at" in given else "u._business_on"
        words = {"at": "u._business_at", "on": ordered, "key": "u._key", "updated": "u._updated_at",
                 "currency": "u._currency", "entity": literal(self.where)}  # fmt: skip
        framed = {name: text.format(**words) for name, text in FRAME[self.fill.table].items()}
        if "birth_date" in given:
            framed["birth_day"] = "strftime(u.birth_date, '%m-%d')"
        if zone := self.values.zone(self.tabular.at):
            framed["local_at"] = f"timezone({literal(zone)}, u._business_at)"
        return framed

    def _gone(self) -> str:
        """The newest version of each record the source has no more, closed on the day that was over when it was asked."""
        mark = self._mark
        there = f"h.{quote(mark)} IS NULL" if mark == GONE else "h.status <> 'cancelled'"
        absent = f"NOT EXISTS (SELECT 1 FROM raw_{KEYS} AS k WHERE {self._same()})"
        return self._newest("CAST($snapshot_day AS DATE)" if mark == GONE else "'cancelled'", f"{there} AND {absent}")

    def _back(self) -> str:
        """The newest version of each record that was closed here and is among the keys again, opened as it was closed.

        Its row may be back with the cursor it had, in a window that was pulled long ago. One that is in this pull, changed since,
        says for itself what it is; so does a source that marks records as gone itself.
        """
        fill, mark = self.fill, self._mark
        if mark in fill.columns:
            return ""
        closed, opened = f"h.{quote(mark)} IS NOT NULL", "NULL"
        if mark == CANCELLED:
            closed, opened = "h.status = 'cancelled'", FRAME[fill.table][mark]
        ours = [name for name in fill.identity if name in fill.columns]
        theirs = " AND ".join(f"p.{quote(mapped(fill, name))} = h.{quote(name)}" for name in ours)
        told = f"EXISTS (SELECT 1 FROM parsed AS p WHERE p.reason IS NULL AND p.updated_at > h.updated_at AND {theirs})"
        there = f"EXISTS (SELECT 1 FROM raw_{KEYS} AS k WHERE {self._same()})"
        return f" UNION ALL {self._newest(opened, f'{closed} AND {there} AND NOT {told}')}"

    @property
    def _mark(self) -> str:
        """The column that says that a record is gone."""
        return GONE if GONE in self.fill.declared.names else CANCELLED

    def _same(self) -> str:
        """Whether a key `k` of the source is that of a version `h` the lake holds."""
        columns = {name: given for name in self.fill.identity if isinstance(given := self.fill.columns.get(name), str)}
        texts = {name: as_text(f"k.{quote(given)}", self.read.keys[given]) for name, given in columns.items()}
        return " AND ".join(f"{text} = h.{quote(name)}" for name, text in texts.items())

    def _newest(self, marked: str, wanted: str) -> str:
        """The newest version `h` of each record of this fill that satisfies a condition, with the mark as it is to be from now on."""
        fill, declared, mark = self.fill, self.fill.declared, self._mark
        ended = "timezone($timezone, CAST($snapshot_day AS TIMESTAMP) + INTERVAL 1 DAY) - INTERVAL 1 SECOND"
        later = "h.updated_at + INTERVAL 1 MICROSECOND"
        # What was closed or opened for this day already is so a moment later, or nobody could tell which was last.
        again = f"h.updated_at >= {ended} AND h.updated_at < {ended} + INTERVAL 1 SECOND"
        said = {
            "updated_at": f"CASE WHEN {again} THEN {later} ELSE {ended} END",
            "day": "CAST($snapshot_day AS DATE)",
            mark: marked,
        }
        ours = [
            f"h.{quote(name)} = {self._fixed(name)}"
            for name in fill.identity
            if not isinstance(fill.columns.get(name), str)
        ]
        listed = ", ".join(
            f"CAST({said.get(name, f'h.{quote(name)}')} AS {declared.by_name[name].sql}) AS {quote(name)}"
            for name in declared.given
        )
        order = ", ".join(f"{quote(c)} DESC NULLS LAST" for c in ("updated_at", "day", mark))
        by = ", ".join(quote(name) for name in fill.identity)
        newest = f"SELECT *, row_number() OVER (PARTITION BY {by} ORDER BY {order}) AS _rank FROM held_{fill.table}"
        return f"SELECT {listed} FROM ({newest}) AS h WHERE {' AND '.join(['h._rank = 1', *ours, wanted])}"

    def _fixed(self, name: str) -> str:
        """A key column that is the same for all rows of the fill."""
        given = self.fill.columns.get(name)
        return literal(given.value) if isinstance(given, Const) else FRAME[self.fill.table][name]


def _amount(name: str, given: Sequence[str]) -> str:
    """gross, discount and net from those that are given: two give the third, and one alone is both gross and net."""
    if name in given:
        return f"u.{name}"
    if name == "discount":
        return "u.gross - u.net" if {"gross", "net"} <= set(given) else "0"
    other = "net" if name == "gross" else "gross"
    if other not in given:
        return "0"
    sign = "+" if name == "gross" else "-"
    return f"u.{other} {sign} u.discount" if "discount" in given else f"u.{other}"
