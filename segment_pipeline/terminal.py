"""How the command line speaks: tables or JSON, our errors as one line, exit codes. Knows no command."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click

from segment_pipeline.errors import GuardTripped, SegmentPipelineError

P = ParamSpec("P")
T = TypeVar("T")

HELD = 3


def told(command: Callable[P, T]) -> Callable[P, T]:
    """Our errors as one line on standard error and an exit code, instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except GuardTripped as error:
            click.echo(f"held: {error}", err=True)
            sys.exit(HELD)
        except SegmentPipelineError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)

    return run


def with_json(command: Callable[P, T]) -> Callable[P, T]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable field names.")(command)


def show(rows: Sequence[dict[str, Any]], *, as_json: bool, title: str = "", columns: Sequence[str] = ()) -> None:
    """Rows as JSON, or as a table of `columns` (default: all of the first row)."""
    if as_json:
        click.echo(json.dumps(rows, default=plain, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    names = list(columns or (rows[0] if rows else ()))
    grid = Table(title=title or None, title_justify="left")
    for name in names:
        numeric = bool(rows) and isinstance(rows[0].get(name), int | float | Decimal)
        grid.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row.get(name)) for name in names))
    Console(width=None if sys.stdout.isatty() else 160).print(grid)


def show_one(thing: dict[str, Any], *, as_json: bool, title: str) -> None:
    """One thing as a JSON object, or as a table of its fields."""
    if as_json:
        click.echo(json.dumps(thing, default=plain, ensure_ascii=False, indent=2))
        return
    show([{"field": name, "value": _cell(value)} for name, value in thing.items()], as_json=False, title=title)


def plain(value: Any) -> Any:
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case set() | frozenset() | tuple():
            return sorted(value) if not isinstance(value, tuple) else list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _cell(value: Any) -> str:
    match value:
        case None:
            return "–"
        case dict():
            return ", ".join(f"{k} {v}" for k, v in value.items() if v) or "–"
        case list() | tuple():
            return ", ".join(map(str, value)) or "–"
        case float():
            return f"{value:.4g}"
    return str(value)
