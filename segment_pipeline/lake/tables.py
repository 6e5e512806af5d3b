"""The tables of the lake by name: ours, each declared once, and those a company declares.

Holds the look-up only; reading and writing is `lake.session`'s business.
"""

from collections.abc import Iterable
from typing import Final

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import activation, canonical, derived
from segment_pipeline.lake.schema import Table


def _registry() -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for table in (*canonical.TABLES, *derived.TABLES, *activation.TABLES):
        if table.name in tables:
            raise ConfigError(f"table {table.name} is declared twice: rename one")
        tables[table.name] = table
    return tables


_OURS: Final = _registry()
_DERIVED: Final = frozenset(table.name for table in derived.TABLES)
# Tables of a company's own, which its catalogue declares when it is loaded.
_OWN: dict[str, Table] = {}


def declare(own: Table) -> Table:
    """Make a company's own table known to this process, in the place of one it declared before by that name.

    Raises ConfigError for the name of one of ours.
    """
    if own.name in _OURS:
        raise ConfigError(f"table {own.name} is one of ours: choose another name")
    _OWN[own.name] = own
    return own


def forget() -> None:
    """Make the tables that were declared unknown again."""
    _OWN.clear()


def all_tables() -> Iterable[Table]:
    """Every table of the lake, facts first and a company's own last."""
    return (*_OURS.values(), *_OWN.values())


def computed(name: str) -> bool:
    """Whether a table is made of others, so that it can be made again where it is lost."""
    return name in _OWN or name in _DERIVED


def table(name: str) -> Table:
    """The declaration of one table; raises ConfigError for a name nobody declared."""
    try:
        return _OURS.get(name) or _OWN[name]
    except KeyError:
        raise ConfigError(f"there is no table {name}: `segment-pipeline tables` lists them") from None
