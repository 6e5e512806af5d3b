"""Functions that return pandas frames: whatever Python can reach, a window at a time.

    def sales(window: Window) -> pandas.DataFrame: ...

    Frames(name="erp", tables=(FrameTable("sales", function=sales, at="when", fills=(…)),))

A function may yield several frames with the same columns. A frame's index is no column: `reset_index()` makes it one.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pyarrow as pa

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError
from segment_pipeline.landing import columns, fitting
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.foreign import of_theirs
from segment_pipeline.landing.holdable import Odd, made
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity
from segment_pipeline.landing.tabular import Tabular
from segment_pipeline.landing.tabular_rows import ROWS
from segment_pipeline.texts import plain

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[[Window], "pd.DataFrame | Iterable[pd.DataFrame]"]


@dataclass(frozen=True, kw_only=True)
class FrameTable(Tabular):
    """`function`: the rows that changed, or happened, in the days of a window, look-back included; of a snapshot, all there are."""

    function: Function


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Python functions as a source. NaN, NaT and None are no value; times without a zone are the declared zone's or the company's."""

    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Frames", "what Python functions return as pandas frames")

    name: str = "frames"
    tables: tuple[FrameTable, ...]

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        return tuple(fitting.entity(table, self.name) for table in self.tables)

    def secrets_present(self) -> None:
        """What a function needs is its own business."""

    def check(self) -> None:
        for table in self.tables:
            _check_signature(f"{self.name}/{table.name}", table.function)

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:  # noqa: ARG002
        table = next(each for each in self.tables if each.name == entity.name)
        where, found = f"{self.name}/{table.name}", list[Extract]()
        _check_signature(where, table.function)
        with of_theirs(f"{where}: its function", table.function):
            for frame in _frames(where, table.function(window)):
                if frame.empty and not len(frame.columns):
                    continue
                odd = Odd()
                rows = _arrow(where, frame, odd)
                written = columns.write(into.path(ROWS, ".parquet"), rows.schema, rows.to_batches())
                written.odd.add(odd)
                into.written(ROWS, written)
                found.append(Extract("", written.columns, written.rows))
        return into.finish(requests=0, extracts=[columns.together(where, found)] if found else ())


def _check_signature(where: str, function: Any) -> None:
    """Raises ConfigError for what cannot be called with one window."""
    if not callable(function):
        raise ConfigError(f"{where}: `function` cannot be called: hand in a function of a window")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # What is written in C does not say what it takes.
        return
    try:
        signature.bind(None)
    except TypeError:
        raise ConfigError(
            f"{where}: its function cannot be called with a window alone: let it take one argument, the window, and bind others with `functools.partial`"
        ) from None


def _frames(where: str, given: Any) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        yield given
        return
    if given is None or isinstance(given, str | dict) or not isinstance(given, Iterable):
        raise ConfigError(
            f"{where}: its function returned {type(given).__name__}: let it return a pandas frame, or yield several"
        )
    for each in given:
        if not isinstance(each, pd.DataFrame):
            raise ConfigError(f"{where}: its function yielded {type(each).__name__}: let it yield pandas frames")
        yield each


def _arrow(where: str, frame: "pd.DataFrame", odd: Odd) -> pa.Table:
    """A frame as columns; what could not be held is added to `odd`."""
    names = [plain(str(name)) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{where}: its frame has the column {', '.join(twice)} twice: rename one")
    arrays = []
    for position, name in enumerate(names):
        column = frame.iloc[:, position]
        if why := _mixed_times(column):
            raise ConfigError(f"{where}: the column {name} of its frame holds {why}")
        try:
            arrays.append(_array(_dense(column), odd))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            raise ConfigError(
                f"{where}: the column {name} of its frame holds {_kinds(column)}: make it one type that columns have, by"
                " `astype(str)` say"
            ) from None
    return pa.table([_plain(array) for array in arrays], names=names)


def _array(column: "pd.Series[Any]", odd: Odd) -> pa.Array | pa.ChunkedArray:
    try:
        array = pa.Array.from_pandas(column)
        if not pa.types.is_decimal256(array.type):
            return array
    except (UnicodeEncodeError, pa.ArrowInvalid, TypeError, OverflowError):
        pass
    return made(column.tolist(), lambda values: pa.array(values, from_pandas=True), odd)


def _mixed_times(column: "pd.Series[Any]") -> str:
    """What is wrong with a column of times and days that Arrow would make one of, each by another reading; empty: nothing."""
    if column.dtype != object:
        return ""
    held = column[column.notna()]
    if held.empty or not isinstance(held.iloc[0], date):
        return ""
    if len({isinstance(each, datetime) for each in held}) > 1:
        return f"{_kinds(column)}: make them one, by `pandas.to_datetime` say"
    if isinstance(held.iloc[0], datetime) and len({each.tzinfo is None for each in held}) > 1:
        return "times with a zone and times without: give all one, by `tz_localize`"
    return ""


def _kinds(column: "pd.Series[Any]") -> str:
    """What a column holds, by the names of its values' types."""
    if column.dtype != object:
        return f"values of type {column.dtype}"
    kinds = sorted({type(each).__name__ for each in column[column.notna()]})
    return f"values of {'several types' if len(kinds) > 1 else 'type'}, {' and '.join(kinds)}"


def _dense(column: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    return cast("Any", column).sparse.to_dense() if isinstance(column.dtype, pd.SparseDtype) else column


def _plain(array: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    array = pa.chunked_array([array]) if isinstance(array, pa.Array) else array
    if pa.types.is_dictionary(array.type):
        return array.cast(array.type.value_type)
    return array


CONNECTOR = Frames
