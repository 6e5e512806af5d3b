"""What a source is: entities, each pulled for a window into raw pages and mapped to canonical tables by named SQL.

Holds declarations and the protocol only; pulling is each connector's business, landing is `sources.landing`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from segment_pipeline import settings
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.dialect import Value
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
    """One listing of a pull. `path`: where the list of records is in each page; empty: the file is JSON lines."""

    name: str
    path: tuple[str, ...] = ()

    @property
    def view(self) -> str:
        return f"raw_{self.name}"


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A canonical table and the statement in the source's `sql/` that fills it.

    `one_per_record`: each usable version of a record gives exactly one row, which landing checks.
    `key`: for logs, the column that a repeated record shares with its first delivery.
    """

    table: str
    statement: str
    one_per_record: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """One listing of a source and the tables it fills.

    The first of `parts` holds the records that are counted, mapped and quarantined; the others are looked up by the SQL.
    `parse`: statement that types the records (of JSON lines: one row for each line), with `key` (a digest where it has
    none), `updated_at`, `day`, `reason` (NULL: usable), `raw`; and where they exist `email_raw`, `phone_raw`,
    `phone_country`, `currency`, `business_on` for what landing looks up.
    `prepare`: statements made temporary tables of their own names before the mappings run, in order.
    `values`: parameters of the statements; `dictionaries`: views (key, value) they may join.
    `dimension`: its first pull ever reaches back to the beginning, whatever the window: a customer last changed before the
    first day of history still buys in it. `look_back`: days pulled again before a window, for records that arrive late.
    """

    name: str
    kind: Kind
    parts: tuple[Part, ...]
    parse: str
    tables: tuple[TableMapping, ...]
    look_back: int = 0
    dimension: bool = False
    prepare: tuple[str, ...] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    dictionaries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    description: str = ""

    @property
    def table_names(self) -> tuple[str, ...]:
        return tuple(mapping.table for mapping in self.tables)


@runtime_checkable
class Source(Protocol):
    """A system whose records become rows of the lake under `source = name`."""

    @property
    def name(self) -> str: ...

    @property
    def entities(self) -> tuple[Entity, ...]: ...

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        """Fetch what the system says changed (or arrived) in the window's days of `timezone`, once for the whole window.

        Every listing is walked to its end or an error is raised: ConfigError (credentials), TransientError (after retries),
        ContractError (a page without its list, a repeated cursor, counts that disagree).
        """

    def check(self) -> None:
        """The secrets are there; raises ConfigError naming the missing variable, the source and how to switch it off."""


def entity_of(source: Source, name: str) -> Entity:
    """The entity of that name; raises ConfigError for one the source does not have."""
    for entity in source.entities:
        if entity.name == name:
            return entity
    known = ", ".join(entity.name for entity in source.entities)
    raise ConfigError(f"source {source.name} has no entity {name}: it has {known}")


def secret(given: str, variable: str, source: str) -> str:
    """A source's secret, handed in or from its environment variable; raises ConfigError as `settings.secret` does."""
    return settings.secret(given, variable, source, "source")
