"""From columns as they were read to `parsed` (see `landing.source`): typed values, key, version, and why a row cannot be mapped.

Made once the columns of a pull are known, so that unknown ones can be kept and typed ones need no parsing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from segment_pipeline.lake.dialect import literal, quote
from segment_pipeline.lake.schema import Column
from segment_pipeline.landing import channels
from segment_pipeline.landing.source import Kind
from segment_pipeline.landing.standard import LARGEST_ORDER
from segment_pipeline.landing.tabular import FRAME, Const, Flag, Given, Number, Sql, Tabular, Time, To, Total, Type
from segment_pipeline.landing.tabular_values import IMPLIED, Read, Values, mapped, raw

ROWS, RAGGED, KEYS = "rows", "ragged", "keys"
FILE = "'_file': _file"
# What is worked out on the way, beside columns that may be called anything.
AT, CHANGED, SINCE, PAID_IN, VERSION, KEY, DIGEST, REASON = (
    quote(f"landing:{name}") for name in ("at", "changed", "since", "currency", "version", "key", "digest", "reason")
)
# Tables of what people said about being written to.
STATEMENTS = frozenset({"consents", "suppressions"})
HOMES: Mapping[str, str] = {"customers": "attributes", "events": "properties"}
SAID = {Number: "number", Time: "time", Flag: "yes or no"}
SHAPES = {"email": ("e-mail", "^[^@ ]+@[^@ ]+$"), "phone": ("phone", "[0-9].*[0-9].*[0-9].*[0-9].*[0-9]")}


def unknown(tabular: Tabular, read: Read) -> list[str]:
    """Columns nobody asked for and nobody said to ignore."""
    return [name for name in read.columns if name not in tabular.used and name not in tabular.ignore]


def keeper(tabular: Tabular, read: Read) -> To | None:
    """The fill that keeps unknown columns."""
    wanting = (f for f in tabular.fills if not f.grouped and HOMES.get(f.table, "") not in {"", *f.columns})
    return next(wanting, None) if unknown(tabular, read) else None


def contact(fill: To, kind: str) -> str:
    """The column of a fill that holds an e-mail or a phone: its own, or the identifier where it is of that type; empty: none."""
    if kind in fill.columns:
        return kind
    return "identifier" if identifies_by(fill) == kind else ""


def says_no(fill: To) -> str:
    """SQL over the rows of `parsed`: whether a row says that somebody must not be written to."""
    if fill.table == "suppressions":
        return "TRUE"
    return f"coalesce(lower(trim({quote(mapped(fill, 'status'))})), '') <> 'granted'"


def identifies_by(fill: To) -> str:
    """The type of identifier a fill's rows are about: `email`, `phone`; empty: it has none."""
    kind = fill.columns.get("identifier_type")
    return str(kind.value) if isinstance(kind, Const) else ""


@dataclass(frozen=True, slots=True)
class Rows:
    """The statement of `parsed`."""

    tabular: Tabular
    read: Read
    values: Values

    def sql(self) -> str:
        steps = [f"typed AS (\n  {self._typed()}\n)", f"mapped AS (\n  {self._mapped()}\n)"]
        if self.has_key:
            steps.append(
                f"versions AS (\n  SELECT *, {self._version()} AS {VERSION}, {self._key()} AS {KEY}\n  FROM mapped\n)"
            )
        else:
            numbered = (
                f"concat_ws('-', {DIGEST}, CAST(row_number() OVER (PARTITION BY _file, {DIGEST}) AS VARCHAR)) AS {KEY}"
            )
            steps += [
                f"digests AS (\n  SELECT *, {self._version()} AS {VERSION}, {self._digest()} AS {DIGEST}\n  FROM mapped\n)",
                f"versions AS (\n  SELECT *, {numbered}\n  FROM digests\n)",
            ]
        steps.append(f"judged AS (\n  SELECT *, {self._reason()} AS {REASON}\n  FROM versions\n)")
        columns = self._columns()
        rows = f"SELECT {', '.join(f'{value} AS {quote(name)}' for name, value in columns.items())}\nFROM judged"
        return f"WITH {', '.join(steps)}\n{rows}" + (
            f"\nUNION ALL\n{self._ragged(columns)}" if self.read.ragged else ""
        )

    @property
    def streamed(self) -> bool:
        """Whether each row of `parsed` is made of one row as read, so that making it again costs less than keeping it."""
        return self.has_key and self._version() == self._changed

    @property
    def _changed(self) -> str:
        """The column of when a row was changed: that of when it happened, where both are one: a text is read as a time once."""
        t = self.tabular
        if self._only_statements:
            return SINCE
        return AT if t.kind is not Kind.SNAPSHOT and (t.at or t.updated) == (t.updated or t.at) else CHANGED

    @property
    def _only_statements(self) -> bool:
        """Whether rows are statements about consent and nothing else: a no among them counts whatever its time."""
        return {fill.table for fill in self.tabular.fills} <= STATEMENTS

    @property
    def _denies(self) -> str:
        """Whether a row, as mapped, says no to anything."""
        return " OR ".join(f"({_among(f)}{says_no(f)})" for f in self.tabular.fills if f.table in STATEMENTS)

    @property
    def has_key(self) -> bool:
        """Whether columns tell rows apart."""
        return bool(self.tabular.key) or self._keyed() is not None

    def _typed(self) -> str:
        provided = self.tabular.provided
        columns = [f"r.{quote(name)} AS {raw(name)}" for name in self.read.columns]
        columns += [f"{self.values.typed(name)} AS {quote(name)}" for name in self.values.known()]
        joins = ""
        if self.read.files:
            columns.append("o.value AS _file")
            joins = " LEFT JOIN origins AS o ON o.key = r._file"
        else:
            columns.append("CAST(NULL AS VARCHAR) AS _file")
        if "_modified" in provided:
            columns.append(
                f"{'TRY_CAST(m.value AS TIMESTAMPTZ)' if joins else 'CAST($pulled_at AS TIMESTAMPTZ)'} AS _modified"
            )
            joins += " LEFT JOIN modified AS m ON m.key = r._file" if joins else ""
        return f"SELECT {', '.join(columns)}\n  FROM raw_{ROWS} AS r{joins}"

    def _mapped(self) -> str:
        t = self.tabular
        given = {quote(mapped(fill, c.name)): self.values.value(fill.columns[c.name], c) for fill, c in self._given()}
        given |= {quote(mapped(f, "")): f"coalesce(CAST({f.where} AS BOOLEAN), FALSE)" for f in t.fills if f.where}
        at, changed = t.at or t.updated, "_modified" if t.kind is Kind.SNAPSHOT else t.updated or t.at
        given[AT] = self.values.moment(at) if at else "CAST($pulled_at AS TIMESTAMPTZ)"
        if self._changed != AT:
            given[CHANGED] = self.values.moment(changed)
        given[PAID_IN] = self._currency()
        sql = f"SELECT *, {', '.join(f'{value} AS {name}' for name, value in given.items())}\n  FROM typed"
        if not self._only_statements:
            return sql
        # A time in the future is no time, nor is one that cannot be read: what was said is known since the pull. Of a yes
        # that is not enough.
        pulled = "CAST($pulled_at AS TIMESTAMPTZ)"
        untold = f"{CHANGED} > {pulled} + INTERVAL 1 DAY OR ({CHANGED} IS NULL AND ({self._denies}))"
        return f"SELECT *, CASE WHEN {untold} THEN {pulled} ELSE {CHANGED} END AS {SINCE}\n  FROM (\n  {sql}\n  ) AS m"

    def _columns(self) -> dict[str, str]:
        """The columns of `parsed`, over the rows as judged."""
        t, columns = self.tabular, list(self.read.columns)
        whole = f"to_json({self.values.json(columns, as_read=True, more=FILE)})"
        return {
            "key": f"coalesce({KEY}, md5({whole}))" if self.has_key else KEY,
            "updated_at": VERSION,
            "day": self._day(),
            "reason": REASON,
            "raw": f"CASE WHEN {REASON} IS NOT NULL THEN {whole} END",
            "origin": "_file",
            "business_at": AT,
            # One conversion of one column where both are the same: it costs as much as reading the row.
            "business_on": day_of(VERSION if self._version() == AT else AT),
            "currency": PAID_IN,
            **self._contacts(),
            **{mapped(fill, c.name): quote(mapped(fill, c.name)) for fill, c in self._given()},
            **{mapped(fill, ""): quote(mapped(fill, "")) for fill in t.fills if fill.where},
            **self._kept(),
        }

    def _day(self) -> str:
        """The company day a row is landed under: of its version, or the last that was over where no time of its own is known."""
        if self.tabular.kind is Kind.SNAPSHOT:
            return "CAST($snapshot_day AS DATE)"
        own = day_of(VERSION)
        untold = f"{VERSION} = CAST($pulled_at AS TIMESTAMPTZ)"
        return f"CASE WHEN {untold} THEN CAST($snapshot_day AS DATE) ELSE {own} END" if self._only_statements else own

    def _contacts(self) -> dict[str, str]:
        found = {}
        for kind in ("email", "phone"):
            for fill in self.tabular.fills:
                if column := contact(fill, kind):
                    found[f"{kind}_raw"] = quote(mapped(fill, column))
                    if kind == "phone":
                        country = (
                            quote(mapped(fill, "country")) if "country" in fill.columns else "CAST(NULL AS VARCHAR)"
                        )
                        found["phone_country"] = country
                    break
        return found

    def _kept(self) -> dict[str, str]:
        if keeper(self.tabular, self.read) is None:
            return {}
        return {"unknown": f"json_merge_patch('{{}}', to_json({self.values.json(unknown(self.tabular, self.read))}))"}

    def _ragged(self, columns: Mapping[str, str]) -> str:
        """Lines that could not be read as rows: all there is of them is their text and why."""
        types = {mapped(fill, c.name): c.sql for fill, c in self._given()}
        types |= {mapped(fill, ""): "BOOLEAN" for fill in self.tabular.fills}
        types |= {"updated_at": "TIMESTAMPTZ", "business_at": "TIMESTAMPTZ", "day": "DATE", "business_on": "DATE"}
        none = {name: f"CAST(NULL AS {types.get(name, 'VARCHAR')})" for name in columns}
        given = {
            "key": "md5(r.text)",
            "reason": "r.reason",
            "raw": "to_json({'text': r.text, '_file': r.origin})",
            "origin": "r.origin",
        }
        listed = ", ".join(f"{value} AS {quote(name)}" for name, value in (none | given).items())
        return f"SELECT {listed}\nFROM raw_{RAGGED} AS r WHERE r.origin IN (SELECT value FROM origins)"

    def _given(self) -> Iterator[tuple[To, Column]]:
        for fill in self.tabular.fills:
            for name in fill.columns:
                yield fill, fill.declared.by_name[name]

    def _currency(self) -> str:
        given: Given | None = self.tabular.currency
        if given is None:
            given = next((f.columns["currency"] for f in self.tabular.fills if "currency" in f.columns), None)
        match given:
            case Const():
                return literal(str(given.value).upper())
            case Sql():
                return f"upper(CAST(({given.text}) AS VARCHAR))"
            case str():
                return f"upper(CAST({quote(given)} AS VARCHAR))"
            case _:
                return "CAST(NULL AS VARCHAR)"

    def _version(self) -> str:
        """Lines have their order's version, so that a reader of one finds the other."""
        orders = next((fill for fill in self.tabular.fills if fill.grouped and fill.table == "orders"), None)
        if orders is None or len(self.tabular.fills) == 1:
            return self._changed
        return f"max({self._changed}) OVER (PARTITION BY _file, {quote(mapped(orders, 'order_key'))})"

    def _keyed(self) -> To | None:
        """The fill whose key tells rows apart: every column of it is mapped."""
        first = next((fill for fill in self.tabular.fills if not fill.grouped), self.tabular.fills[0])
        frame = FRAME[first.table]
        needed = [name for name in first.identity if name in first.columns or "{key}" in frame.get(name, "{key}")]
        return first if needed and all(name in first.columns for name in needed) else None

    def _key(self) -> str:
        fill = self._keyed()
        names = list(self.tabular.key)
        if not names and fill is not None:
            names = [mapped(fill, name) for name in fill.identity if name in fill.columns]
        texts = [f"CAST({quote(name)} AS VARCHAR)" for name in names]
        if len(texts) == 1:
            return texts[0]
        missing = " OR ".join(f"{text} IS NULL" for text in texts)
        return f"CASE WHEN NOT ({missing}) THEN concat_ws('/', {', '.join(texts)}) END"

    def _digest(self) -> str:
        # A mark between the values that no text holds, and another for no value: ('a', NULL) is not ('', 'a').
        values = [f"coalesce(CAST({raw(name)} AS VARCHAR), chr(30))" for name in sorted(self.read.columns)]
        return f"md5(concat_ws(chr(31), {', '.join(values)}))"

    def _reason(self) -> str:
        """The first of what is wrong with a row; what is right about it is NULL."""
        found: dict[str, str] = {}
        for said, held in (
            *self._mistyped(),
            *self._untimely(),
            *self._missing(),
            *self._misshapen(),
            *self._too_large(),
            *self._below_zero(),
        ):
            # Where one column fills several tables, it is empty wherever one of them has a row.
            found[said] = f"{found[said]} OR ({held})" if said in found else f"({held})"
        whens = "\n".join(f"    WHEN {held} THEN {literal(said)}" for said, held in found.items())
        return f"CASE\n{whens}\n  END" if whens else "CAST(NULL AS VARCHAR)"

    def _mistyped(self) -> Iterator[tuple[str, str]]:
        """What is there and is not what it is to be must not become NULL without a word."""
        for name in sorted(self.tabular.used & self.read.columns.keys()):
            for kind, value in self._parsings(name):
                yield (
                    f"{name} is no {SAID[type(kind)]}",
                    f"{self.values.there(name)} AND {value} IS NULL{self._unless_denied(name)}",
                )
        for fill, column in self._given():
            given = fill.columns[column.name]
            if isinstance(given, Sql) and column.type in IMPLIED:
                value = quote(mapped(fill, column.name))
                unless = self._unless_denied("") if column.name in self._unneeded(fill) else ""
                yield f"no {column.name} for {fill.table}", f"({given.text}) IS NOT NULL AND {value} IS NULL{unless}"

    def _unless_denied(self, name: str) -> str:
        """A no counts whatever is in a column that tells when it was said, and in nothing else."""
        whens = {f.columns.get("recorded_at") for f in self.tabular.fills if f.table in STATEMENTS} | {""}
        if self._only_statements:
            whens |= {self.tabular.at, self.tabular.updated}
        return f" AND NOT ({self._denies})" if name in whens else ""

    def _untimely(self) -> Iterator[tuple[str, str]]:
        t = self.tabular
        if t.kind is Kind.SNAPSHOT:
            return
        said = t.updated or t.at
        # Of the row itself: its version may be another's, of the same order.
        yield f"{said} is empty", f"{self._changed} IS NULL"
        if t.at and t.at != said:
            yield f"{t.at} is empty", f"{AT} IS NULL{self._unless_denied(t.at) if self._only_statements else ''}"
        # A day's margin: the clock that wrote it may be in another zone than the one declared.
        yield f"{said} is in the future", f"{VERSION} > CAST($pulled_at AS TIMESTAMPTZ) + INTERVAL 1 DAY"

    def _missing(self) -> Iterator[tuple[str, str]]:
        for name in self.tabular.key:
            yield f"{name} is empty", f"{quote(name)} IS NULL"
        for fill, column in self._given():
            given = fill.columns[column.name]
            if column.nullable or isinstance(given, Const) or column.name in self._unneeded(fill):
                continue
            said = f"{given} is empty" if isinstance(given, str) else f"no {column.name} for {fill.table}"
            unless = f" AND NOT ({says_no(fill)})" if fill.table in STATEMENTS and column.name == "channel" else ""
            yield said, f"{_among(fill)}{quote(mapped(fill, column.name))} IS NULL{unless}"

    def _unneeded(self, fill: To) -> frozenset[str]:
        """Columns that are never NULL and may be empty in a row: a statement about consent counts without its own time, and a no
        beside an account without an address, as the account's."""
        if fill.table not in STATEMENTS:
            return frozenset()
        accounts = any(f.table == "customers" and not f.grouped for f in self.tabular.fills)
        return frozenset({"recorded_at", *(["identifier"] if accounts and fill.table == "consents" else [])})

    def _misshapen(self) -> Iterator[tuple[str, str]]:
        for fill in self.tabular.fills:
            if fill.table == "consents" and not isinstance(fill.columns["channel"], Const):
                strange = f"NOT ({channels.known(quote(mapped(fill, 'channel')))})"
                yield "a yes in an unknown channel", f"{_among(fill)}NOT ({says_no(fill)}) AND {strange}"
            if (kind := SHAPES.get(identifies_by(fill))) and "identifier" not in self._unneeded(fill):
                said, pattern = kind
                value = quote(mapped(fill, "identifier"))
                yield f"the identifier is no {said}", f"{_among(fill)}NOT regexp_matches({value}, {literal(pattern)})"

    def _too_large(self) -> Iterator[tuple[str, str]]:
        """A sum of many must stay within the lake's type for money."""
        for fill, column in self._given():
            given = fill.columns[column.name]
            if column.type == "MONEY" and not isinstance(given, Const):
                said = given if isinstance(given, str) else f"{column.name} for {fill.table}"
                amount = quote(mapped(fill, column.name))
                yield f"{said} is too large to add up", f"{_among(fill)}abs({amount}) >= {LARGEST_ORDER}"

    def _below_zero(self) -> Iterator[tuple[str, str]]:
        """An amount with its sign the wrong way round would count as nothing, or twice."""
        for fill, column in self._given():
            if column.unsigned:
                given = fill.columns[column.name]
                said = given if isinstance(given, str) else f"{column.name} for {fill.table}"
                yield f"{said} is below zero", f"{_among(fill)}{quote(mapped(fill, column.name))} < 0"

    def _parsings(self, name: str) -> Iterator[tuple[Type, str]]:
        """Each type a column is read as, with the value that is NULL where it is none."""
        declared = self.tabular.types.get(name)
        if declared is not None:
            yield declared, quote(name)
            return
        t = self.tabular
        if name == (t.at or t.updated):
            yield Time(), AT
        elif name == t.updated:
            yield Time(), self.values.moment(name) if t.kind is Kind.SNAPSHOT else CHANGED
        for fill, column in self._given():
            given = fill.columns[column.name]
            kind = IMPLIED.get(column.type)
            if (given.of if isinstance(given, Total) else given) == name and kind is not None:
                yield kind, quote(mapped(fill, column.name))


def day_of(instant: str) -> str:
    """The company day of an instant."""
    return f"CAST(timezone($timezone, {instant}) AS DATE)"


def _among(fill: To) -> str:
    return f"{quote(mapped(fill, ''))} AND " if fill.where else ""
