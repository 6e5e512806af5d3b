"""Every kind of connector there is: those of this package and those other packages bring. Imports them when asked, never before."""

from collections.abc import Iterator
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import Any

ENTRY_POINTS = "segment_pipeline.connectors"


def known() -> list[tuple[str, type[Any]]]:
    """Every connector's class with its name: those of this package, and those other packages register by entry point, which take the
    place of one of their kind and name. A source and a destination may have the same name.

    A module `connector` in a package under `sources` or `destinations` says `CONNECTOR = Till`. Another package says
    `[project.entry-points."segment_pipeline.connectors"]` with `name = "package.module:Class"`.
    """
    registered = ((entry.name, entry.load()) for entry in metadata.entry_points(group=ENTRY_POINTS))
    found = {(name, connector.about.kind): connector for name, connector in (*_own(), *registered)}
    return [(name, connector) for (name, _), connector in found.items()]


def _own() -> Iterator[tuple[str, type[Any]]]:
    for room in ("sources", "destinations"):
        package = import_module(f"segment_pipeline.{room}")
        for module in iter_modules(package.__path__):
            if module.ispkg:
                yield module.name, import_module(f"{package.__name__}.{module.name}.connector").CONNECTOR
