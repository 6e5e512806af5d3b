"""What a source is: entities, each pulled for a window into raw files and mapped to canonical tables by SQL they bring along.

Holds declarations and the protocol only; pulling is each connector's business, landing is `landing.landing`'s.

An entity's `parse` makes the view `parsed`, one row per record (or per version of one) received, usable or not. Its columns:

    key         VARCHAR      the record's id, or a digest of the record where it has none; never NULL
    updated_at  TIMESTAMPTZ  the version; for a log the server's arrival
    day         DATE         company day the rows go under; NULL only where `reason` is set
    reason      VARCHAR      why the record cannot be mapped, in a few words that hold no value of it; NULL: it can
    raw         VARCHAR      the record as received, as JSON, where `reason` is set; otherwise NULL

A `Record` makes all of it from where things are in the vendor's records. Where the entity has them, `parsed` also has what
landing looks up once per distinct value:

    email_raw                      gives the view `emails` (raw, email)
    phone_raw, phone_country       gives the view `phones` (raw, country, phone); country as the record says it, NULL: not said
    currency, business_on          gives the view `rates_on` (currency, day, rate, rate_day)

Everything else in `parsed` is between the entity's own statements. The view `usable` has the records without a reason, with
their `email`, `phone`, `rate` and `rate_day`: what prepared statements and fills read. Statements are bound with `$source`, `$timezone`, `$pulled_at`,
`$snapshot_day` and the entity's `values`, whichever of them a statement names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from segment_pipeline.connector import Described
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.dialect import Value
from segment_pipeline.lake.statements import Statement, generated
from segment_pipeline.landing.mapping import Fill, Record, listed, usable_names
from segment_pipeline.landing.raw import Pulled, RawPages


class Kind(StrEnum):
    """How an entity's rows get their `day`, and what a second pull of a day means.

    `mutable`: company day of `updated_at`; a later pull may lack what has changed since. `log`: company day of the server's
    arrival; a day is immutable once its tail has passed. `snapshot`: the last company day that was over when the pull was
    made; keys absent from it get `deleted_on`.
    """

    MUTABLE = "mutable"
    LOG = "log"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Part:
    """One listing of a pull, offered to the statements as the view `raw_<name>`.

    `path`: where the list of records is in each page; empty: the files are JSON lines. The view has one column, `record`.
    `columns`: the files are Parquet with columns of their own instead; the view has exactly these, by name and SQL type. A
    file without one of them stops the landing before anything is replaced; what else a file holds is not read.
    `file`: a further column of such a view: the name of the file a row stands in. `optional`: files may lack columns: NULL.
    `refused`: its rows are what was received and is no record; they count as received.
    """

    name: str
    path: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    optional: bool = False
    refused: bool = False

    @property
    def view(self) -> str:
        return f"raw_{self.name}"


@dataclass(frozen=True, slots=True)
class Entity:
    """One listing of a source and the tables it fills.

    The first of `parts` holds the records that are counted, mapped and quarantined; the others are looked up by the SQL.
    `parse`: makes `parsed` (see the module) of them; of JSON lines one row for each line.
    `prepare`: made temporary tables, named by the last part of the statements' names, before the fills run, in order.
    `values`: parameters of the statements; `dictionaries`: views (key, value) they may join.
    `dimension`: its first pull ever reaches back to the beginning, whatever the window: a customer last changed before the
    first day of history still buys in it. `look_back`: days pulled again before a window, for records that arrive late.
    `fit`: makes the entity that lands a pull whose columns are known only then; what is declared here is for columns as wished.
    `held`: tables the fills read besides, as views `held_<table>` of the source's rows. `streamed`: `parsed` is cheaper made again than kept. `may_go`: columns that may vanish or change their type.
    `keyed`: no two records of one pull have the same `key`, whatever their versions; a record refused without a day is released once its key lands.
    `by_origin`: rows of `parsed` have an `origin`, and those of a pull replace all that were landed of the same origins, whatever
    their day. `notes`: what a person should know of a landing. `asks_after`: of this table it is told what the lake holds,
    and says what of it is gone (`landing.deletions`). `upstream`: the Dagster asset that makes what is read, if any does.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    parse: Record | Statement
    tables: tuple[Fill, ...]
    look_back: int = 0
    dimension: bool = False
    prepare: tuple[Statement, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    dictionaries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    description: str = ""
    fit: "Callable[[Pulled], Entity] | None" = field(default=None, compare=False)
    held: tuple[str, ...] = ()
    may_go: frozenset[str] = frozenset()
    by_origin: bool = False
    streamed: bool = False
    keyed: bool = False
    notes: tuple[str, ...] = ()
    asks_after: str = ""
    upstream: str = ""

    def __post_init__(self) -> None:
        # Mistakes are found when a mapping is loaded, not at night.
        if isinstance(self.parse, Record) and bool(self.parse.updated) is (self.kind is Kind.SNAPSHOT):
            raise ConfigError(
                f"entity {self.name}: records say when they were `updated`, but for snapshots: correct one of both"
            )
        self.parsing(self.name)
        self.fills()

    def parsing(self, name: str) -> Statement:
        """The statement that makes `parsed`; `name` is what errors call one that is made here."""
        if isinstance(self.parse, Statement):
            return self.parse
        return generated(name, self.parse.sql(self.parts[0].view, repeats=self.kind is Kind.LOG))

    def fills(self) -> list[tuple[Fill, Statement]]:
        """Each fill with its statement in its frame. Raises ConfigError for a fill that does not give the table's columns."""
        parsed = self.parse.column_names if isinstance(self.parse, Record) else listed(self.parse)
        known = None if parsed is None else usable_names(parsed)
        return [(fill, fill.framed(known)) for fill in self.tables]

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(mapping.table for mapping in self.tables)


@runtime_checkable
class Source(Described, Protocol):
    """A system whose records become rows of the lake under `source = name`."""

    @property
    def entities(self) -> tuple[Entity, ...]: ...

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        """Fetch what the system says changed (or arrived) in the window's days of `timezone`, once for the whole window.

        Every listing is walked to its end or an error is raised: ConfigError (credentials), TransientError (after retries),
        ContractError (a page without its list, a repeated cursor, counts that disagree).
        """


def entity_of(source: Source, name: str) -> Entity:
    """The entity of that name; raises ConfigError for one the source does not have."""
    for entity in source.entities:
        if entity.name == name:
            return entity
    known = ", ".join(entity.name for entity in source.entities)
    raise ConfigError(f"source {source.name} has no entity {name}: it has {known}")
