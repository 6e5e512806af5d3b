"""Files of one table that do not go together, or cannot be read: a sentence for each, and no rows without a column in silence."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet

from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.raw import pulls
from segment_pipeline.landing.source import Kind
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.kept.connector import Kept, KeptTable
from segment_pipeline_tests.sources.files.till import JUNE, rows
from segment_pipeline_tests.sources.kept.test_kept import kept, table

OPENED = each("orders", order_key="id", customer_key="who", channel=Const("web"), net="paid")


def whose(place: Path | str, **changes: object) -> Kept:
    """Orders with customers, `who`."""
    source = KeptTable(
        "orders",
        place=str(place),
        at="when",
        currency=Const("EUR"),
        fills=(OPENED,),
        **changes,  # type: ignore[arg-type]
    )
    return Kept(name="lakehouse", tables=(source,))


def put(path: Path, held: pa.Table, hour: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(held, path)
    seconds = datetime(2017, 6, 10, hour).timestamp()
    os.utime(path, (seconds, seconds))


@pytest.mark.parametrize("folder", [".", "land=NL"])
def test_a_column_that_newer_files_lack_fails_and_one_that_older_files_lack_is_said(
    lake: Lake, settings: Settings, tmp_path: Path, folder: str
) -> None:
    place = tmp_path / "t"
    put(place / folder / "a.parquet", table("1"), 8)
    put(place / folder / "b.parquet", table("2", who=["ada"]), 9)
    report = ingest(lake, whose(place), "orders", JUNE, settings, "run")
    assert "the column who is not in 1 of 2 files: 1 rows have no value in it" in report.notes
    assert rows(lake, "orders", "order_key, customer_key") == [("1", None), ("2", "ada")]
    put(place / folder / "c.parquet", table("3"), 10)
    version = lake.version("orders")
    with pytest.raises(
        ContractError, match="orders: 2 of 3 files lack the column who, which an older file has: nothing"
    ):
        ingest(lake, whose(place), "orders", JUNE, settings, "again")
    assert lake.version("orders") == version
    ingest(lake, whose(place, optional=("who",)), "orders", JUNE, settings, "once more")


def test_a_column_added_to_a_delta_table_is_said(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", table("1"))
    write_deltalake(tmp_path / "t", table("2", who=["ada"]), mode="append", schema_mode="merge")
    report = ingest(lake, whose(tmp_path / "t"), "orders", JUNE, settings, "run")
    assert "the column who is not in 1 of 2 files: 1 rows have no value in it" in report.notes


def test_files_below_named_folders_have_the_columns_of_all(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "t/land=NL/a.parquet", table("1"), 8)
    put(tmp_path / "t/land=BE/b.parquet", table("2", shade=["red"]).set_column(2, "paid", [[2.5]]), 9)
    report = ingest(lake, kept(tmp_path / "t"), "orders", JUNE, settings, "run")
    assert "columns mapped to nothing: shade, land" in report.notes
    assert [float(net) for (net,) in rows(lake, "orders", "net")] == [1.5, 2.5]


def failing(lake: Lake, settings: Settings, source: Kept, kind: type[SegmentPipelineError], said: str) -> None:
    with pytest.raises(kind, match=f"^lakehouse/orders: .*{said}") as caught:
        ingest(lake, source, "orders", JUNE, settings, "run")
    assert ".py" not in str(caught.value)
    assert lake.version("orders") is None


@pytest.mark.parametrize("folder", [".", "land=NL"])
def test_a_file_that_is_half_there_may_pass_and_one_that_is_none_does_not(
    lake: Lake, settings: Settings, tmp_path: Path, folder: str
) -> None:
    put(tmp_path / "t" / folder / "a.parquet", table("1"), 8)
    other = tmp_path / "t" / folder / "b.parquet"
    for content, kind, said in (
        (b"PAR1 half", TransientError, "it may be being written"),
        (b"", TransientError, "it may be being written"),
        (b"id,when,paid\n", ConfigError, "is no Parquet file: correct `place`"),
    ):
        other.write_bytes(content)
        failing(lake, settings, kept(tmp_path / "t"), kind, said)
    failing(lake, settings, kept(other), ConfigError, "is no Parquet file")
    put(other, table("2").set_column(2, "paid", [["much"]]), 9)
    failing(lake, settings, kept(tmp_path / "t"), ContractError, "the column paid holds numbers and texts")


@pytest.mark.parametrize("by", [None, ["land"]])
def test_files_that_went_under_a_delta_table(
    lake: Lake, settings: Settings, tmp_path: Path, by: list[str] | None
) -> None:
    write_deltalake(tmp_path / "t", table("1", land=["NL"]), partition_by=by)
    for file in (tmp_path / "t").rglob("*.parquet"):
        file.unlink()
    failing(lake, settings, kept(tmp_path / "t"), TransientError, "files of the table are not there")


def _raising(error: Exception) -> Callable[..., bool]:
    def is_deltatable(*_: object) -> bool:
        raise error

    return staticmethod(is_deltatable)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OSError("error: the credential provider of ada was not enabled"), ConfigError, "its place let nobody in"),
        (OSError("error sending request for url"), TransientError, "cannot be reached"),
        (RuntimeError("ada@quiet.shop"), ContractError, r"cannot be read \(RuntimeError\)"),
    ],
)
def test_a_store_that_does_not_let_us_in(  # noqa: PLR0917 - fixtures and cases
    lake: Lake,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[SegmentPipelineError],
    said: str,
) -> None:
    monkeypatch.setattr(deltalake.DeltaTable, "is_deltatable", _raising(error))
    failing(lake, settings, kept("s3://bucket/t"), kind, said)


@pytest.mark.parametrize("kind", [Kind.MUTABLE, Kind.LOG])
def test_rows_of_one_key_that_differ_are_counted(lake: Lake, settings: Settings, tmp_path: Path, kind: Kind) -> None:
    put(tmp_path / "t/a.parquet", table("1", "2", "3"), 8)
    put(tmp_path / "t/b.parquet", table("1", "2", who=["x", "y"]).set_column(2, "paid", [[9.5, 1.5]]), 8)
    report = ingest(lake, kept(tmp_path / "t", kind=kind), "orders", JUNE, settings, "run")
    assert report.rows == {"orders": 5}
    assert len(rows(lake, "orders", "order_key")) == 3
    (said,) = [note for note in report.notes if "share their key" in note]
    assert said.startswith("1 rows of orders share their key with others that differ: one of each is kept")


def test_a_snapshot_with_a_key_twice_says_so(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": ["1", "1", "2"], "name": ["North", "South", "East"]}), tmp_path / "a.parquet")
    shops = KeptTable(
        "shops", place=str(tmp_path), kind=Kind.SNAPSHOT, fills=(each("stores", store_key="id", name="name"),)
    )
    report = ingest(lake, Kept(name="lakehouse", tables=(shops,)), "shops", JUNE, settings, "run")
    assert [note[:39] for note in report.notes] == ["1 rows of stores share their key with o"]


def test_a_url_is_read_as_a_folder_is(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "t/land=NL/a.parquet", table("1"), 8)
    put(tmp_path / "t/b.parquet", table("2", who=["ada"]), 9)
    put(tmp_path / "t/_temporary/c.parquet", table("3"), 9)
    report = ingest(lake, whose((tmp_path / "t").as_uri()), "orders", JUNE, settings, "run")
    assert report.rows == {"orders": 2}
    assert "the column who is not in 1 of 2 files: 1 rows have no value in it" in report.notes


def test_a_file_with_a_value_no_engine_holds_is_copied_and_the_others_are_read_where_they_are(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    put(tmp_path / "t/a.parquet", table("1", who=["ada"]), 8)
    put(tmp_path / "t/b.parquet", table("2", who=["a\0b"]), 9)
    report = ingest(lake, whose(tmp_path / "t"), "orders", JUNE, settings, "run")
    assert rows(lake, "orders", "customer_key") == [("ada",), ("a\ufffdb",)]
    assert "1 texts held what is no Unicode, or NUL: it is a \ufffd now, a byte its number" in report.notes
    [pulled] = pulls(settings.raw, "lakehouse", "orders")
    assert [path.parent == tmp_path / "t" for path in pulled.files["rows"]].count(True) == 1


def test_a_file_with_a_damaged_page_is_named(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "t/a.parquet"
    put(path, table("1", who=["ada"]), 8)
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    with pytest.raises(
        ContractError, match=r"lakehouse/orders, a\.parquet: it cannot be read as Parquet: is it complete"
    ):
        ingest(lake, whose(tmp_path / "t"), "orders", JUNE, settings, "run")
