"""Named SQL: one file, one SELECT, beside the room or the module that owns it. Loads and checks text; runs nothing.

Checked when it is made is what a company hands in. What we wrote is checked by our tests, which switch on `READ_AGAIN`: a parser
is slower to import and to ask than a small company is to compare with its tools.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import dialect

if TYPE_CHECKING:
    from sqlglot import exp

# Whether statements of ours are held to the allow-list each time they are made.
READ_AGAIN = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT in DuckDB's dialect. `name` (`profiles/order_facts`) is what errors call it.

    `as_written`: a temporary table of it holds the right side of each join in memory, whatever the engine expects. For facts joined
    by keys of several columns: an engine that takes those for independent expects no rows, and holds the facts instead.
    """

    name: str
    text: str
    as_written: bool = False

    def bound(self, **values: dialect.Value) -> str:
        """The text with its `$parameters` as literals; raises ContractError when they do not match."""
        return dialect.bind(self.text, values, name=self.name)

    def joined_as_written(self) -> "Statement":
        return replace(self, as_written=True)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what it selects."""
        return _columns(self)

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables and views it reads, as they follow each other in it."""
        return _reads(self)

    def only(self, columns: Collection[str], *, lookups: Collection[str] = ()) -> "Statement":
        """The same rows with these of its columns alone: what the others are made of is not read.

        `lookups`: tables with one row at most for each it looks up by a LEFT JOIN; one that nothing is read of is not joined.
        """
        return _narrowed(self, frozenset(columns), frozenset(lookups))


@lru_cache(maxsize=1024)
def _columns(one: Statement) -> tuple[str, ...]:
    return tuple(_tree(one).named_selects)


@lru_cache(maxsize=1024)
def _reads(one: Statement) -> tuple[str, ...]:
    from segment_pipeline.lake import constructs  # late, here and below: see above

    return constructs.tables(_tree(one))


@lru_cache(maxsize=256)
def _narrowed(one: Statement, columns: frozenset[str], lookups: frozenset[str]) -> Statement:
    from segment_pipeline.lake import constructs

    return replace(one, text=constructs.narrowed(_tree(one), columns, lookups).sql(dialect="duckdb", copy=False))


@lru_cache(maxsize=256)
def _tree(one: Statement) -> "exp.Query":
    from segment_pipeline.lake import constructs

    return constructs.parse(one.text, name=one.name)


@cache
def statement(room: str, name: str) -> Statement:
    """The statement in `segment_pipeline/<room>/sql/<name>.sql`."""
    folder = resources.files("segment_pipeline").joinpath(*room.split("/"), "sql")
    try:
        text = folder.joinpath(f"{name}.sql").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractError(f"there is no statement {room}/{name}") from None
    return trusted(f"{room}/{name}", text)


@cache
def statements(room: str) -> frozenset[str]:
    """The names of a room's statements."""
    folder = resources.files("segment_pipeline").joinpath(*room.split("/"), "sql")
    return frozenset(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql"))


@cache
def beside(module: str, name: str) -> Statement:
    """The statement in `sql/<name>.sql` beside a module of any package: `beside(__file__, "orders")`; checked.

    Errors call it by the folders of its package: `acme/till/orders`. Raises ConfigError where there is no such file.
    """
    folder = Path(module).parent
    path, rooms = folder / "sql" / f"{name}.sql", [folder]
    while (rooms[-1].parent / "__init__.py").exists():
        rooms.append(rooms[-1].parent)
    label = "/".join([*(room.name for room in reversed(rooms)), name])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"statement {label} cannot be read: write it to sql/{name}.sql beside the module") from None
    return generated(label, text)


@lru_cache(maxsize=1024)
def generated(name: str, text: str) -> Statement:
    """A statement made by code or handed in as text, held to the allow-list."""
    statement = Statement(name, text)
    _tree(statement)
    return statement


def trusted(name: str, text: str) -> Statement:
    """A statement made by code of ours, of names and forms we declare: its tests have held it to the allow-list."""
    return generated(name, text) if READ_AGAIN else Statement(name, text)


def built(name: str, tree: "exp.Expr") -> Statement:
    """The same of a tree, which is not to be used any more."""
    if READ_AGAIN:
        from segment_pipeline.lake import constructs

        constructs.check(tree, name=name)
    return Statement(name, tree.sql(dialect="duckdb", copy=False))
