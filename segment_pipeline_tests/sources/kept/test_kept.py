"""Tables others keep are read where they are: nothing is copied that need not be, and nothing they hold is missed."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import dataset, parquet

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.raw import pulls
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.kept.connector import Kept, KeptTable
from segment_pipeline_tests.sources.files.till import JUNE, rows

WHEN = datetime(2017, 6, 5, 9, 30)


def kept(place: Path | str, **changes: Any) -> Kept:
    table = KeptTable(
        "orders",
        place=str(place),
        upstream="dlt/orders",
        at="when",
        currency=Const("EUR"),
        fills=(each("orders", order_key="id", channel=Const("web"), net="paid"),),
        **changes,
    )
    return Kept(name="lakehouse", tables=(table,))


def table(*keys: str, **more: Any) -> pa.Table:
    n = len(keys)
    return pa.table({"id": keys, "when": [WHEN] * n, "paid": [Decimal("1.50")] * n, **more})


def landed(lake: Lake, settings: Settings, source: Kept) -> list[str]:
    ingest(lake, source, "orders", JUNE, settings, "run")
    return [key for (key,) in rows(lake, "orders", "order_key")]


def copied(settings: Settings) -> list[Path]:
    return list(settings.raw.rglob("*.parquet"))


def test_parquet_is_read_where_it_is(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "t" / "load").mkdir(parents=True)
    parquet.write_table(table("1"), tmp_path / "t" / "a.parquet")
    parquet.write_table(table("2", extra=["x"]), tmp_path / "t" / "load" / "b.parquet")
    parquet.write_table(table("9"), tmp_path / "t" / "_unfinished.parquet")
    assert landed(lake, settings, kept(tmp_path / "t")) == ["1", "2"]
    assert copied(settings) == []
    (pull,) = pulls(settings.raw, "lakehouse", "orders")
    assert {path.name for path in pull.files["rows"]} == {"a.parquet", "b.parquet"}


def test_values_in_names_of_folders_are_columns(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    dataset.write_dataset(
        table("1", "2", land=["NL", "BE"]),
        tmp_path / "t",
        format="parquet",
        partitioning=["land"],
        partitioning_flavor="hive",
    )
    source = kept(tmp_path / "t")
    report = ingest(lake, source, "orders", JUNE, settings, "run")
    assert report.rows == {"orders": 2}
    assert "columns mapped to nothing: land" in report.notes


def test_a_delta_table_is_its_newest_version(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", table("1"))
    write_deltalake(tmp_path / "t", table("2", "3"), mode="overwrite")
    assert landed(lake, settings, kept(tmp_path / "t")) == ["2", "3"]
    assert copied(settings) == []


def test_a_delta_table_with_partitions_keeps_their_column(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", table("1", "2", land=["NL", "BE"]), partition_by=["land"])
    report = ingest(lake, kept(tmp_path / "t"), "orders", JUNE, settings, "run")
    assert report.rows == {"orders": 2}
    assert "columns mapped to nothing: land" in report.notes


def test_what_is_not_there_says_who_writes_it(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="lakehouse/orders: there is nothing at its place: correct `place`, or run dlt/orders"
    ):
        ingest(lake, kept(tmp_path / "t"), "orders", JUNE, settings, "run")
    (tmp_path / "t").mkdir()
    with pytest.raises(ConfigError, match="no Parquet file"):
        kept(tmp_path / "t").check()
    (tmp_path / "t" / "a.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(TransientError, match="it may be being written"):
        ingest(lake, kept(tmp_path / "t"), "orders", JUNE, settings, "run")


def test_a_column_that_vanished_fails(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", table("1", extra=["x"]))
    landed(lake, settings, kept(tmp_path / "t"))
    write_deltalake(tmp_path / "t", table("2"), mode="overwrite", schema_mode="overwrite")
    with pytest.raises(ContractError, match="had the column extra at the last landing"):
        landed(lake, settings, kept(tmp_path / "t"))


def test_the_asset_that_writes_it_is_part_of_the_lineage(settings: Settings, tmp_path: Path) -> None:
    (entity,) = kept(tmp_path).entities
    assert entity.upstream == "dlt/orders"


def test_rows_outside_the_window_are_counted(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    parquet.write_table(table("1", "2"), tmp_path / "a.parquet")
    july = Window(date(2017, 7, 1), date(2017, 7, 31))
    report = ingest(lake, kept(tmp_path), "orders", july, settings, "run")
    assert (report.received, report.rows) == (2, {"orders": 0})
    assert "2 rows are of days outside the window (2017-06-05 to 2017-06-05) and were left out" in report.notes
