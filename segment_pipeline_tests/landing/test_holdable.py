"""What no engine holds, at the ends of Arrow's types: replaced in its place and counted, and everything else is the same array."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from segment_pipeline.landing.holdable import Odd, held, schema_of

DAY = 86_400_000_000
BYTES = pa.array([b"Ada", b"Zo\xeb", None]).view(pa.string())
FAR = [0, 2**63 - 1, -(2**63), None]


def kept(array: pa.Array) -> tuple[Any, Odd]:
    batch, odd = pa.record_batch([array], names=["x"]), Odd()
    return held(batch, schema_of(batch.schema), odd).column(0), odd


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["Ada", "", None, "😀"]), pa.array([0, 1], pa.date32()), pa.array([["a", None], None]),
        pa.array([{"a": "b"}, None]), pa.array([Decimal("1.5")]), pa.array(["a", "a"]).dictionary_encode(), pa.nulls(2),
        pa.array([-62135596800 * 1_000_000, 253402300799 * 1_000_000], pa.timestamp("us")),
    ],
    ids=lambda array: str(array.type),
)  # fmt: skip
def test_what_can_be_held_is_left_as_it_is(array: pa.Array) -> None:
    found, odd = kept(array)
    assert (found.equals(array), odd) == (True, Odd())


@pytest.mark.parametrize(
    ("array", "texts", "marked"),
    [
        (pa.array(["a\0b\0", "c", None]), ["a\ufffdb\ufffd", "c", None], 1),
        (pa.array(["a\0b"], pa.large_string()), ["a\ufffdb"], 1),
        (BYTES, ["Ada", "Zo\\xeb", None], 1),
        (BYTES.dictionary_encode().take(pa.array([1, 0, 1])), ["Zo\\xeb", "Ada", "Zo\\xeb"], 2),
        (pa.array([["x"], None, ["a", "b\0"], []]), [["x"], None, ["a", "b\ufffd"], []], 1),
        (pa.array([["x"], None, ["a", "b\0"], []]).slice(2), [["a", "b\ufffd"], []], 1),
        (pa.array([None, {"a": "b\0", "n": 1}]), [None, {"a": "b\ufffd", "n": 1}], 1),
        (pa.array([[("k", "v\0")], None], pa.map_(pa.string(), pa.string())), [[("k", "v\ufffd")], None], 1),
    ],
)
def test_a_text_is_marked_where_it_is_none(array: pa.Array, texts: list[Any], marked: int) -> None:
    found, odd = kept(array)
    assert (found.to_pylist(), odd) == (texts, Odd(marked=marked))


@pytest.mark.parametrize(
    "kind", [pa.date32(), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("s")], ids=str
)
def test_a_day_beyond_the_calendar_is_the_one_next_to_it(kind: pa.DataType) -> None:
    """An engine's own date has fewer days than 32 bits count, and its timestamp fewer milliseconds than 64."""
    days = pa.types.is_date(kind)
    far = pa.array([0, 2**31 - 1, -(2**31), None], pa.int32()) if days else pa.array(FAR, pa.int64())
    found, odd = kept(far.view(kind))
    texts = [None if each is None else each.split(" ")[0].rstrip("Z") for each in found.cast(pa.string()).to_pylist()]
    assert (texts, odd) == (["1970-01-01", "10000-01-01", "0000-12-31", None], Odd(moved=2))


def test_a_wide_decimal_is_one_of_38_digits_or_empty() -> None:
    found, odd = kept(pa.array([Decimal("1.5"), Decimal(10) ** 40, None], pa.decimal256(60, 10)))
    assert (found.type, found.to_pylist()) == (pa.decimal128(38, 10), [Decimal("1.5"), None, None])
    assert odd == Odd(emptied=1)
    fine, odd = kept(pa.array([Decimal("1.5")], pa.decimal256(70, 45)))
    assert (fine.type, fine.to_pylist(), odd) == (pa.decimal128(38, 18), [Decimal("1.5")], Odd())
