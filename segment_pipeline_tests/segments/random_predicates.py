"""Random predicates in SQL over traits of every type, and rows at the edges of each."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import TypeVar

import pyarrow as pa

Each = TypeVar("Each")
TYPES = {
    "i": "INTEGER", "b": "BIGINT", "m": "MONEY", "r": "RATE", "d": "DOUBLE", "t": "VARCHAR", "day": "DATE", "day2": "DATE", "f": "BOOLEAN",
    "l": "VARCHAR[]",
}  # fmt: skip
FIRST, LAST, MOST = date(1, 1, 1), date(9999, 12, 31), Decimal("99999999999999.9999")
ROWS = pa.table(
    {
        "i": pa.array([2**31 - 1, -(2**31), 0, -1, 1, None], pa.int32()),
        "b": pa.array([2**63 - 1, -(2**63), 0, -1, 1, None], pa.int64()),
        "m": pa.array([MOST, -MOST, Decimal(0), Decimal(-1), Decimal("0.5"), None], pa.decimal128(18, 4)),
        "r": pa.array([Decimal("9999999999.99999999"), Decimal(-7), Decimal(0), Decimal(-1), Decimal("1E-8"), None], pa.decimal128(18, 8)),
        "d": pa.array([1.7976931348623157e308, -1.7976931348623157e308, 0.0, -1e-308, 5e-324, None], pa.float64()),
        "t": pa.array(["9" * 40 + "e99", "", "0", "nan", "-inf", None], pa.string()),
        "day": pa.array([LAST, FIRST, date(2017, 1, 1), date(1970, 1, 1), None, None], pa.date32()),
        "day2": pa.array([FIRST, LAST, date(2016, 2, 29), None, None, None], pa.date32()),
        "f": pa.array([True, False, None, None, None, None], pa.bool_()),
        "l": pa.array([["a"], [], [None], None, None, None], pa.list_(pa.string())),
    }
)  # fmt: skip


class Predicates:
    """Gives one predicate after the other; most of them are of kinds that go together."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311

    def one(self, depth: int) -> str:
        comparison = self._of("= < >= <> IS_DISTINCT_FROM".split()).replace("_", " ")
        side: Callable[[int], str] = self._of([self.number, self.number, self.text, self.day])
        asked = f"{side(depth)} {comparison} {side(depth)}"
        more = [
            asked, asked, f"{self.number(depth)} BETWEEN {self.number(depth - 1)} AND {self.number(depth - 1)}",
            f"{self.number(depth)} IN ({self.number(depth - 1)}, {self.number(0)})", f"NOT ({asked} OR f)",
        ]  # fmt: skip
        return self._of(more)

    def number(self, depth: int) -> str:
        if depth <= 0:
            return self._of("i b m r d 1 0 -1 2.5 1e10 99999999999 0.1 10".split())
        a, b, text, day = self.number(depth - 1), self.number(depth - 1), self.text(depth - 1), self.day(depth - 1)
        kind = self._of("INTEGER BIGINT DOUBLE DECIMAL(18,4) DECIMAL(38,10) DECIMAL(3,1)".split())
        return self._of(
            [
                *(f"({a} {sign} {b})" for sign in "+ - * / // %".split()),
                *(f"{name}({a})" for name in "abs sqrt ln exp round floor ceil -".split()),
                *(f"{name}({a}, {b})" for name in "power coalesce nullif greatest least".split()),
                f"round({a}, 2)", f"CAST({a} AS {kind})", f"TRY_CAST(t AS {kind})", f"CASE WHEN f THEN {a} ELSE {b} END",
                f"length({text})", "len(l)", f"date_diff('month', {day}, day2)", f"year({day})", f"({day} - day2)",
            ]
        )  # fmt: skip

    def text(self, depth: int) -> str:
        if depth <= 0:
            return self._of(["t", "'a'", "'é'", "''"])
        a, b, day = self.text(depth - 1), self.text(depth - 1), self.day(depth - 1)
        return self._of(
            [
                f"lower({a})", f"upper({a})", f"trim({a})", f"({a} || {b})", f"concat({a}, {b})", f"substr({a}, 2, 3)", f"left({a}, 2)",
                f"right({a}, 0)", "CAST(i AS VARCHAR)", "CAST(f AS VARCHAR)", f"strftime({day}, '%Y-%m')", f"coalesce({a}, {b})",
            ]
        )  # fmt: skip

    def day(self, depth: int) -> str:
        return self._of(
            ["day", "day2", "DATE '2017-01-01'", "(day2 - 365)", "TRY_CAST(t AS DATE)", "coalesce(day, day2)"][
                : 3 + depth
            ]
        )

    def _of(self, among: Sequence[Each]) -> Each:
        return self.random.choice(among)
