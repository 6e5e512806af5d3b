"""How the command line speaks: tables or JSON, every failure as one line and an exit code. Knows no command."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from importlib import metadata
from typing import Any, NoReturn, ParamSpec, Self, TypeVar

import click

from segment_pipeline import interrupts
from segment_pipeline.errors import GuardTripped, SegmentPipelineError, Undelivered, of_the_system, place_of

P = ParamSpec("P")
T = TypeVar("T")

FAILED = 1
HELD = 3
UNDELIVERED = 4
INTERRUPTED = 130
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
INTERRUPTION = "interrupted: what was finished is kept, the same command goes on from there"


class CommandLine(click.Group):
    """The outermost group: whatever goes wrong in a command is one line on standard error and an exit code, never a traceback.

    1: failed; 3: a guard held a plan; 4: a tool did not take all of it; 130: interrupted. `--traceback` shows what an unexpected error withholds: its own text
    may quote a row.
    """

    def invoke(self, ctx: click.Context) -> Any:
        with interrupts.listening():
            try:
                return super().invoke(ctx)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise
            except KeyboardInterrupt:
                _end(INTERRUPTION, INTERRUPTED)
            except Exception as error:
                if interrupts.interrupted():
                    _end(INTERRUPTION, INTERRUPTED)
                if isinstance(error, GuardTripped):
                    _end(f"held: {error}", HELD)
                if isinstance(error, Undelivered):
                    _end(f"not delivered: {error}", UNDELIVERED)
                if isinstance(error, SegmentPipelineError):
                    _end(f"error: {error}", FAILED)
                if ctx.params.get("traceback"):
                    raise
                _end(f"error: {_said(error)}", FAILED)


def _end(line: str, code: int) -> NoReturn:
    click.echo(line, err=True)
    sys.exit(code)


def _said(error: Exception) -> str:
    """One sentence about an error that nobody raised on purpose."""
    if isinstance(error, ModuleNotFoundError) and (extra := _extra_of(error.name or "")):
        module = str(error.name).partition(".")[0]
        return f"this needs {module}, which is not installed: pip install 'segment-pipeline[{extra}]'"
    if said := of_the_system(error):
        return said
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        return f"{error.filename} cannot be used: {error.strerror.lower()}"
    return (
        f"{type(error).__name__} at {place_of(error)}, its message withheld since it may quote a person's data:"
        " `segment-pipeline --traceback …` shows it"
    )


def _extra_of(module: str) -> str | None:
    """The extra of this package that brings a module; None: none does."""
    wanted = module.partition(".")[0].replace("_", "-").lower()
    for requirement in metadata.requires("segment-pipeline") or ():
        found = re.match(r"([A-Za-z0-9._-]+).*extra == ['\"]([\w-]+)['\"]", requirement)
        if found and found[2] != "dev" and found[1].replace("_", "-").lower() == wanted:
            return found[2]
    return None


def with_json(command: Callable[P, T]) -> Callable[P, T]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable field names.")(command)


def show(rows: Sequence[dict[str, Any]], *, as_json: bool, title: str = "", columns: Sequence[str] = ()) -> None:
    """Rows as JSON, or as a table of `columns` (default: all of the first row)."""
    if as_json:
        click.echo(json.dumps(rows, default=plain, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = list(columns or (rows[0] if rows else ()))
    grid = Table()
    for name in names:
        numeric = bool(rows) and isinstance(rows[0].get(name), int | float | Decimal)
        grid.add_column(Text(_seen(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, and no markup: a bracket of a description or of somebody's data is a bracket, and ":x:" no picture.
        grid.add_row(*(Text(_seen(_cell(row.get(name)))) for name in names))
    console = Console(width=None if sys.stdout.isatty() else 160)
    if title:
        # Not the grid's own title, which is broken to the width of the columns.
        console.print(Text(_seen(title)), style="italic", highlight=False)
    console.print(grid)


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
        case datetime():
            return f"{value:%Y-%m-%d %H:%M %Z}".rstrip()
    return str(value)


def _seen(text: str) -> str:
    """A text as a terminal may have it: what would move its cursor or change its colours is written out."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


class Stages:
    """One line of progress per stage, and the seconds each took."""

    def __init__(self, seconds: dict[str, float], *, quiet: bool) -> None:
        # Rich is loaded where something is shown: most commands are asked for JSON, or fail before.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.seconds = seconds
        self.bar = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        task = self.bar.add_task(name, total=None)
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began
        self.bar.update(task, total=1, completed=1)
