"""Facts are joined by numbers of their keys: two keys with one number are named, and a lake stored without numbers says the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ContractError
from segment_pipeline.lake import duckdb_engine
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.profiles.literal_rows import Row, customer, jan, line, order, product, refund
from segment_pipeline_tests.profiles.snapshots import DAY, build, rows

# The number of a key is its length, apart by kind.
WEAK = (
    "CREATE MACRO key_number(kind, source, key) AS"
    " CAST(length(key) + 1000 * list_position(['customer', 'order', 'product'], kind) AS BIGINT)"
)


@pytest.fixture
def weak_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(duckdb_engine, "KEY_NUMBER", WEAK)
    return Lake(str(tmp_path / "weak"), DuckDBEngine(spill=tmp_path / "spill"))


def put(lake: Lake, name: str, *found: Row) -> None:
    with lake.session() as session:
        session.register("literal_rows", arrow_rows(name, found))
        session.append(name, "SELECT * FROM literal_rows")


def day_of(lake: Lake) -> None:
    build(lake)
    build_traits(lake, AsOf(DAY, "UTC"))


def test_keys_of_different_lengths_are_told_apart_by_their_length(weak_lake: Lake) -> None:
    put(weak_lake, "customers", customer("shop", "anna"), customer("shop", "bo"))
    put(weak_lake, "orders", order("shop", "1", customer_key="anna"), order("shop", "22", customer_key="bo"))
    day_of(weak_lake)
    assert [row["orders_total"] for row in rows(weak_lake, "traits")] == [1, 1]


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        ("customers", [customer("shop", "anna"), customer("shop", "bert")], "different accounts have one number, 1004 (source shop)"),
        ("orders", [order("shop", "one"), order("shop", "two", jan(2))], "different orders have one number, 2003 (source shop)"),
        ("products", [product("shop", "boot"), product("shop", "shoe")], "different products have one number, 3004 (source shop)"),
    ],
)  # fmt: skip
def test_two_keys_with_one_number_are_named_and_not_taken_for_one(
    weak_lake: Lake, name: str, found: list[Row], said: str
) -> None:
    put(weak_lake, name, *found)
    with pytest.raises(ContractError) as error:
        day_of(weak_lake)
    assert str(error.value).startswith(said)
    assert not any(key in str(error.value) for key in ("anna", "bert", "boot", "shoe"))


def test_two_records_with_one_number_are_named(weak_lake: Lake) -> None:
    put(weak_lake, "customers", customer("shop", "anna"))
    put(weak_lake, "orders", order("shop", "1", customer_key="anna"), order("shop", "22", customer_key="carl"))
    with pytest.raises(ContractError, match=r"^different records have one number, 1004 \(source shop\)"):
        day_of(weak_lake)


def _of_before(name: str) -> Table:
    return replace(table(name), columns=tuple(column for column in table(name).columns if not column.derived))


def _facts(lake: Lake, *, first: bool) -> None:
    """A small shop: its customers, an order in two versions, a refund, a return and an exchange; the rest is landed later."""
    if first:
        put(lake, "customers", customer("shop", "a"), customer("shop", "b", jan(2)))
        put(lake, "products", product("shop", "P", department="Shoes"), product("shop", "Q", department="Women"))
        put(
            lake, "orders", order("shop", "1", jan(3), "30", customer_key="a"), order("shop", "2", jan(4), "20", email="g@mail.example"),
            order("shop", "1", jan(3), "25", customer_key="a", updated=jan(5)),
        )  # fmt: skip
        put(
            lake, "order_lines", line("shop", "1", "1", jan(3), "30", product_key="P"), line("shop", "2", "1", jan(4), "20", product_key="Q"),
            line("shop", "1", "1", jan(3), "25", updated=jan(5)),
        )  # fmt: skip
        put(lake, "refunds", refund("shop", "r", "1", jan(6), "5", line_number="1"))
        return
    put(
        lake, "orders", order("shop", "3", jan(8), "-10", customer_key="b", kind="return", parent_order_key="2"),
        order("shop", "4", jan(9), "5", customer_key="b", kind="exchange", parent_order_key="1"),
    )  # fmt: skip
    put(
        lake, "order_lines", line("shop", "3", "return:1", jan(8), "-10", product_key="Q", parent_line_number="1"),
        line("shop", "4", "return:1", jan(9), "-10", product_key="P"), line("shop", "4", "1", jan(9), "15", product_key="Q"),
    )  # fmt: skip


def _computed(lake: Lake) -> dict[str, list[Row]]:
    day_of(lake)
    shares = "SELECT * FROM t ORDER BY profile_id, dimension, value"
    return {
        "identities": rows(lake, "identities", "SELECT * FROM t ORDER BY source, entity, record_key"),
        "traits": rows(lake, "traits", "SELECT * FROM t ORDER BY profile_id"),
        "trait_shares": rows(lake, "trait_shares", shares),
    }


def test_a_lake_stored_without_numbers_gives_the_same_people_and_traits(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Lake(str(tmp_path / "fresh"), lake.engine)

    def by_the_version_before(work: Callable[[], None]) -> None:
        with monkeypatch.context() as before:
            before.setattr("segment_pipeline.lake.session.table", _of_before)
            before.setattr("segment_pipeline_tests.conftest.table", _of_before)
            work()

    _facts(fresh, first=True)
    by_the_version_before(lambda: _facts(lake, first=True))
    found = _computed(lake)
    assert found == _computed(fresh)
    assert [row["spend_total"] for row in found["traits"]].count(20) == 2
    for each in (lake, fresh):
        _facts(each, first=False)
    assert _computed(lake) == _computed(fresh) != found
