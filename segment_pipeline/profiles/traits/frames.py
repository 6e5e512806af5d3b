"""Own traits in pandas: the day's profiles as a DataFrame for a function, and what it gave as rows of profile_id and value.

Money comes and goes as floating-point numbers here; the table rounds it to its four digits.
"""

import traceback
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline.algebra.arguments import kind_of
from segment_pipeline.errors import ConfigError, SegmentPipelineError, stops
from segment_pipeline.lake.schema import ARROW_TYPES
from segment_pipeline.traits import Trait, place_of

# Nullable types: NULL stays apart from every number, and whole numbers stay whole.
_DTYPES: Final[Mapping[pa.DataType, Any]] = {
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
_KINDS: Final[Mapping[str, str]] = {
    "VARCHAR": "text",
    "BOOLEAN": "booleans",
    "INTEGER": "whole numbers",
    "BIGINT": "whole numbers",
    "DOUBLE": "numbers",
    "MONEY": "numbers",
    "RATE": "numbers",
    "DATE": "days",
    "VARCHAR[]": "lists of text",
}


def frame_of(profiles: pa.Table) -> pd.DataFrame:
    """The day's profiles indexed by profile_id, sorted: numbers and booleans nullable, money as Float64, days as datetime64."""
    for at, field in enumerate(profiles.schema):
        if pa.types.is_decimal(field.type):
            profiles = profiles.set_column(at, field.name, profiles.column(at).cast(pa.float64()))
        elif pa.types.is_date(field.type):
            profiles = profiles.set_column(at, field.name, profiles.column(at).cast(pa.timestamp("s")))
    frame: pd.DataFrame = profiles.to_pandas(types_mapper=_DTYPES.get)
    return frame.set_index("profile_id").sort_index()


def called(trait: Trait, frame: pd.DataFrame) -> pa.Table:
    """What a trait's function says, as rows of profile_id and value; people it leaves out have none.

    Raises ConfigError with file and line, never with a value, for a function that raises or gives something else.
    """
    series = _asked(trait, frame)

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"{place_of(trait.function)}: the function of trait {trait.name} {what}")  # type: ignore[arg-type]

    if not isinstance(series, pd.Series):
        raise wrong(f"gave {kind_of(series)}, not one Series indexed by profile_id")
    if not series.index.is_unique:
        raise wrong("gave two values for a person: its Series must have each profile_id once")
    if not series.index.isin(frame.index).all():
        raise wrong("gave values for people who are not in the frame: keep the frame's index")
    if not _fits(series, trait.type):
        raise wrong(f"gave a Series of {series.dtype}, and the trait is {trait.type}: give {_KINDS[trait.type]}")
    try:
        values = _values(series, trait.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise wrong(f"gave values that are no {_KINDS[trait.type]} of the type {trait.type}") from None
    if values is None:
        raise wrong("gave NaN or an infinite number, which are no values: leave the person out, or give pandas.NA")
    return pa.table({"profile_id": pa.array(series.index, pa.string()), "value": values})


def _asked(trait: Trait, frame: pd.DataFrame) -> object:
    if trait.function is None:
        raise ConfigError(f"{trait.place}: trait {trait.name} has no function")
    try:
        return trait.function(frame.copy())
    except SegmentPipelineError:
        raise
    except BaseException as error:
        # Whatever a company's function raises, its text may quote a person.
        if stops(error):
            raise
        where = _raised_at(error, trait)
        raise ConfigError(f"{where}: the function of trait {trait.name} raised {type(error).__name__}") from None


def _fits(series: "pd.Series[Any]", kind: str) -> bool:
    types = pd.api.types
    match kind:
        case "VARCHAR":
            return types.is_string_dtype(series.dtype) or types.is_object_dtype(series.dtype)
        case "VARCHAR[]":
            return types.is_object_dtype(series.dtype)
        case "BOOLEAN":
            return types.is_bool_dtype(series.dtype)
        case "INTEGER" | "BIGINT":
            return types.is_integer_dtype(series.dtype)
        case "DATE":
            return types.is_datetime64_any_dtype(series.dtype) or types.is_object_dtype(series.dtype)
    return types.is_float_dtype(series.dtype) or types.is_integer_dtype(series.dtype)


def _values(series: "pd.Series[Any]", kind: str) -> pa.Array | None:
    """The values in the lake's type; None where there is a NaN or an infinite number among them."""
    wanted = ARROW_TYPES[kind]
    if kind in ("DOUBLE", "MONEY", "RATE"):
        numpy_floats = not pd.api.types.is_extension_array_dtype(series.dtype)
        numbers = pa.array(series, pa.float64(), from_pandas=not numpy_floats)
        if not pc.all(pc.is_finite(numbers), min_count=0).as_py():
            return None
        return numbers if kind == "DOUBLE" else pc.round(numbers, wanted.scale).cast(wanted)
    if kind == "DATE" and pd.api.types.is_datetime64_any_dtype(series.dtype):
        if series.dt.tz is not None:
            raise ValueError("an instant is no day")
        return pa.array(series, from_pandas=True).cast(wanted)
    return pa.array(series, wanted, from_pandas=True)


def _raised_at(error: BaseException, trait: Trait) -> str:
    """File and line of the deepest frame that is in the function's own file."""
    code = getattr(trait.function, "__code__", None)
    inside = [
        frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename
    ]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else place_of(trait.function)  # type: ignore[arg-type]
