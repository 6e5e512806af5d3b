"""Values as each engine and the lake can hold them: Unicode without NUL, the years 1 to 9999, decimals of 38 digits.

Knows Arrow and nothing of where a value came from. What cannot be held is replaced in its own place, and counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_pipeline.texts import NUL, REPLACEMENT, plain, storable

DIGITS: Final = 38
# What a decimal of more digits keeps after its point.
FRACTION: Final = 18
EPOCH: Final = date(1970, 1, 1)
# Days since then: of the first and the last day there is, and of the day after.
FIRST, END = (date.min - EPOCH).days, (date.max - EPOCH).days + 1
PER_DAY: Final = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}


@dataclass
class Odd:
    """How many values could not be held.

    `marked`: texts, in which NUL became U+FFFD and a byte that is no UTF-8 its escape (`\\xeb`), so that two stay two.
    `moved`: days and times, now the day before the years there are, or the one after: it is there, and no mapping takes it for a time.
    `emptied`: numbers, now NULL.
    """

    marked: int = 0
    moved: int = 0
    emptied: int = 0

    def __bool__(self) -> bool:
        return bool(self.marked or self.moved or self.emptied)

    def add(self, other: "Odd") -> None:
        self.marked += other.marked
        self.moved += other.moved
        self.emptied += other.emptied

    def notes(self) -> Iterator[str]:
        """What a person should know of it."""
        if self.marked:
            yield f"{self.marked} texts held what is no Unicode, or NUL: it is a {REPLACEMENT} now, a byte its number"
        if self.moved:
            yield f"{self.moved} days or times are beyond the years 1 to 9999: each is the day before or after them now"
        if self.emptied:
            yield f"{self.emptied} numbers are none, or have more digits than can be held: they are empty"


def held_as(kind: pa.DataType) -> pa.DataType:
    """The type in which values of a type can be held."""
    if pa.types.is_decimal(kind) and kind.precision > DIGITS:
        return pa.decimal128(DIGITS, min(kind.scale, FRACTION))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(held_as(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(held_as(kind.value_type)))
    return kind


def schema_of(schema: pa.Schema) -> pa.Schema:
    """The columns of a schema in types that can be held."""
    return pa.schema([field.with_type(held_as(field.type)) for field in schema])


def held(batch: pa.RecordBatch, schema: pa.Schema, odd: Odd) -> pa.RecordBatch:
    """A batch whose values can all be held, in a schema of `schema_of`; what was replaced is added to `odd`."""
    found = [_held(column, odd).cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(found, schema=schema)


def made(values: Sequence[Any], make: Callable[[Sequence[Any]], pa.Array], odd: Odd) -> pa.Array:
    """Python's values as the array that `make` gives, where one that Arrow does not take costs itself and no other.

    Raises what `make` does where values are of several types.
    """
    try:
        array = make(values)
        if not pa.types.is_decimal256(array.type):
            return array
    except (UnicodeEncodeError, pa.ArrowInvalid, TypeError, OverflowError):
        pass
    plain = [_taken(each) for each in values]
    odd.emptied += sum(one is None and other is not None for one, other in zip(plain, values, strict=True))
    return make(plain)


def _taken(value: Any) -> Any:
    """A value that Arrow takes: a number that is none, or has more digits than there are, is None."""
    match value:
        case str():
            return storable(value)
        case int():
            return value if -(2**63) <= value < 2**64 else None
        case Decimal():
            whole = value.adjusted() + 1
            fits = value.is_finite() and whole <= DIGITS - FRACTION and -int(value.as_tuple().exponent) <= FRACTION
            return value if fits else None
        case _:
            return value


def _held(array: pa.Array, odd: Odd) -> pa.Array:
    """The array itself where nothing in it is odd."""
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(array, odd)
    if pa.types.is_date(kind):
        per_day = 1 if pa.types.is_date32(kind) else PER_DAY["ms"]
        return _within(array, pa.int32() if per_day == 1 else pa.int64(), per_day, odd)
    if pa.types.is_timestamp(kind) and kind.unit in PER_DAY:
        return _within(array, pa.int64(), PER_DAY[kind.unit], odd)
    if pa.types.is_decimal(kind) and kind.precision > DIGITS:
        return _decimals(array, odd)
    if pa.types.is_dictionary(kind):
        entries = array.dictionary
        return array if _held(entries, Odd()) is entries else _held(array.dictionary_decode(), odd)
    if pa.types.is_struct(kind):
        return _struct(array, odd)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return _list(array, odd)
    return array


def _texts(array: pa.Array, odd: Odd) -> pa.Array:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return _decoded(array, odd)
    marked = pc.sum(pc.match_substring(array, NUL)).as_py()
    if not marked:
        return array
    odd.marked += marked
    return pc.replace_substring(array, NUL, REPLACEMENT)


def _decoded(array: pa.Array, odd: Odd) -> pa.Array:
    """Texts whose bytes are not all UTF-8."""
    as_bytes = pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary()
    read = array.view(as_bytes).to_pylist()
    texts = [None if each is None else plain(each.decode(errors="backslashreplace")) for each in read]
    odd.marked += sum(text is not None and text.encode() != each for text, each in zip(texts, read, strict=True))
    return pa.array(texts, array.type)


def _within(array: pa.Array, whole: pa.DataType, per_day: int, odd: Odd) -> pa.Array:
    counted = array.view(whole)
    first, end = (pa.scalar(bound * per_day, whole) for bound in (FIRST, END))
    before, after = pc.less(counted, first), pc.greater_equal(counted, end)
    moved = pc.sum(pc.or_(before, after)).as_py()
    if not moved:
        return array
    odd.moved += moved
    last = pa.scalar((FIRST - 1) * per_day, whole)
    return pc.if_else(before, last, pc.if_else(after, end, counted)).view(array.type)


def _decimals(array: pa.Array, odd: Odd) -> pa.Array:
    kind = held_as(array.type)
    most, last = Decimal(10) ** (DIGITS - kind.scale), Decimal(1).scaleb(-kind.scale)
    exact = Context(prec=2 * DIGITS)

    def fitting(value: Decimal | None) -> Decimal | None:
        if value is None or abs(value) >= most:
            return None
        return value.quantize(last, context=exact)

    found = pa.array([fitting(each) for each in array.to_pylist()], kind)
    odd.emptied += found.null_count - array.null_count
    return found


def _struct(array: pa.Array, odd: Odd) -> pa.Array:
    read = array.flatten()
    found = [_held(each, odd) for each in read]
    if all(one is other for one, other in zip(found, read, strict=True)):
        return array
    fields = [array.type.field(n).with_type(each.type) for n, each in enumerate(found)]
    return pa.StructArray.from_arrays(found, fields=fields, mask=pc.is_null(array))


def _list(array: pa.Array, odd: Odd) -> pa.Array:
    """A list, or a map, which is a list of pairs."""
    pairs = pa.types.is_map(array.type)
    listed = array.cast(_pairs(array.type)) if pairs else array
    read = listed.flatten()
    found = _held(read, odd)
    if found is read:
        return array
    lengths = pc.fill_null(pc.list_value_length(listed), 0).to_numpy(zero_copy_only=False)
    ends: Any = np.concatenate([[0], np.cumsum(lengths)])
    nothing = pc.is_null(array)
    if pairs:
        keys, items = found.flatten()
        return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, items, mask=nothing)
    large = pa.types.is_large_list(array.type)
    made = pa.LargeListArray if large else pa.ListArray
    return made.from_arrays(pa.array(ends, pa.int64() if large else pa.int32()), found, mask=nothing)


def _pairs(kind: pa.MapType) -> pa.ListType:
    return pa.list_(pa.struct([kind.key_field, kind.item_field]))
