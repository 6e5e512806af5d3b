"""Columns that are computed from others: whoever writes rows, and where files of before do not hold them."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake import storage
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.maintenance import maintain
from segment_pipeline.lake.schema import Column, Table
from segment_pipeline.lake.tables import table
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.lake.rows import land, refund

D1, D2, D3 = date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)
OLD = replace(table("refunds"), columns=tuple(column for column in table("refunds").columns if not column.derived))


def number(kind: str, source: str, key: str) -> int:
    """What the number of a key is, told without an engine."""
    digest = hashlib.md5(f"{kind}:{source}:{key}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def of_order(key: str, day: date, order: str | None) -> dict[str, Any]:
    return refund(key, day) | {"order_key": order}


def numbers(lake: Lake) -> dict[str, int | None]:
    with lake.session() as session:
        session.scan("refunds")
        return {row["refund_key"]: row["order_no"] for row in session.rows("SELECT refund_key, order_no FROM refunds")}


def stored(lake: Lake, day: date) -> list[int | None]:
    """What the files of a day hold themselves; none: no such column."""
    with lake.opened.newest("refunds") as delta:
        assert delta is not None
        files = storage.files(delta, table("refunds"), {"day": [day]})
    held = [parquet.read_table(file.path, partitioning=None) for file in files]
    return [value for rows in held if "order_no" in rows.column_names for value in rows.column("order_no").to_pylist()]


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Call something with the declaration of before."""

    def called(work: Callable[[], object]) -> None:
        with monkeypatch.context() as before:
            before.setattr("segment_pipeline.lake.session.table", lambda name: OLD)
            before.setattr("segment_pipeline_tests.conftest.table", lambda name: OLD)
            work()

    return called


def test_rows_landed_get_numbers_and_none_for_a_key_that_is_not_there(lake: Lake) -> None:
    land(lake, of_order("a", D1, "o1"), of_order("b", D1, None), of_order("c", D1, "naïve:1"))
    wanted = {"a": number("order", "shop", "o1"), "b": None, "c": number("order", "shop", "naïve:1")}
    assert numbers(lake) == wanted
    assert sorted(stored(lake, D1), key=str) == sorted(wanted.values(), key=str)


def test_rows_that_are_read_and_written_again_keep_them(lake: Lake) -> None:
    land(lake, of_order("a", D1, "o1"), of_order("b", D1, None))
    before = numbers(lake)
    with lake.session() as session:
        session.scan("refunds")
        session.replace("refunds", "SELECT * FROM refunds", {"source": ["shop"], "day": [D1]})
    assert numbers(lake) == before
    with lake.session() as session:
        session.register("more", arrow_rows("refunds", [of_order("c", D1, "o1")]))
        session.append("refunds", "SELECT * EXCLUDE (order_no) FROM more")
    assert numbers(lake) == before | {"c": before["a"]}


def test_a_table_stored_before_they_were_declared_reads_the_same(
    lake: Lake, tmp_path: Path, as_before: Callable[[Callable[[], object]], None]
) -> None:
    rows = [of_order("a", D1, "o1"), of_order("b", D2, "o2"), of_order("c", D3, None), of_order("d", D3, "o1")]
    fresh = Lake(str(tmp_path / "fresh"), lake.engine)
    land(fresh, *rows)
    as_before(lambda: land(lake, *rows))
    assert stored(lake, D1) == []
    assert numbers(lake) == numbers(fresh)
    # A landing stores them for the days it writes; what the others lack is still computed.
    land(lake, of_order("e", D2, "o3"))
    land(fresh, of_order("e", D2, "o3"))
    assert None not in stored(lake, D2) and len(stored(lake, D2)) == 2
    assert stored(lake, D1) == []
    assert numbers(lake) == numbers(fresh)
    # Nothing new: days are not written only for this.
    assert land(lake, *rows).rows == 0
    # Maintenance stores them for all, once.
    assert [each.completed for each in maintain(lake, D3) if each.table == "refunds"] == [2]
    assert stored(lake, D1) == stored(fresh, D1)
    assert len(stored(lake, D3)) == 2
    assert numbers(lake) == numbers(fresh)
    with lake.opened.newest("refunds") as delta:
        assert delta is not None
        assert storage.held_by_all(delta) == set(table("refunds").names)
    assert [each.completed for each in maintain(lake, D3) if each.table == "refunds"] == [0]


def test_the_log_tells_no_number(lake: Lake) -> None:
    land(lake, of_order("a", D1, "o1"))
    log = "".join(file.read_text() for file in Path(lake.uri("refunds"), "_delta_log").glob("*.json"))
    assert str(number("order", "shop", "o1")) not in log


def test_a_derived_column_that_is_required_is_refused() -> None:
    twice = Column("twice", "BIGINT", "d", nullable=False, derived="2 * once")
    with pytest.raises(ConfigError, match="twice is derived"):
        Table("t", "g", (Column("once", "BIGINT", "o"), twice), ("once",))
