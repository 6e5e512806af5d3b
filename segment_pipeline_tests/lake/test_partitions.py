"""Files of many partitions: one for each, whatever batches their rows come in."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from segment_pipeline.lake import partitions

FIRST, SECOND = date(2017, 6, 5), date(2017, 6, 6)
PLACE = fsspec.filesystem("file")


def reader(*batches: list[tuple[str | None, date, int]]) -> pa.RecordBatchReader:
    schema = pa.schema([("shop", pa.string()), ("day", pa.date32()), ("n", pa.int64())])
    made = [
        pa.RecordBatch.from_arrays([pa.array(c) for c in zip(*rows, strict=True)], schema=schema) for rows in batches
    ]
    return pa.RecordBatchReader.from_batches(schema, made)


def test_a_partition_is_one_file_whose_rows_stay_in_order_across_batches(tmp_path: Path) -> None:
    rows = reader([("a b", FIRST, 3), ("a b", FIRST, 1), ("a b", SECOND, 2)], [("a b", SECOND, 5), (None, SECOND, 4)])
    paths = partitions.write(rows, ("shop", "day"), (PLACE, str(tmp_path)), fixed={})
    assert [path.rpartition("/")[0] for path in paths] == [
        "shop=a%20b/day=2017-06-05",
        "shop=a%20b/day=2017-06-06",
        "shop=__HIVE_DEFAULT_PARTITION__/day=2017-06-06",
    ]
    read = [parquet.ParquetFile(tmp_path / path).read() for path in paths]
    assert [table.to_pydict() for table in read] == [{"n": [3, 1]}, {"n": [2, 5]}, {"n": [4]}]


def test_what_all_rows_share_is_said_by_the_folder_alone(tmp_path: Path) -> None:
    schema = pa.schema([("day", pa.date32()), ("n", pa.int64())])
    rows = pa.table({"day": pa.array([FIRST, SECOND]), "n": [1, 2]}, schema=schema).to_reader()
    paths = partitions.write(rows, ("shop", "day"), (PLACE, str(tmp_path)), fixed={"shop": "till"})
    assert [path.rpartition("/")[0] for path in paths] == ["shop=till/day=2017-06-05", "shop=till/day=2017-06-06"]
    assert parquet.read_schema(tmp_path / paths[0]).names == ["n"]


def test_a_large_partition_has_several_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "ROW_GROUP", 2)
    rows = reader([("a", FIRST, 1)], [("a", FIRST, 2)], [("a", FIRST, 3), ("a", SECOND, 4)])
    paths = partitions.write(rows, ("shop", "day"), (PLACE, str(tmp_path)), fixed={})
    footers = [parquet.read_metadata(tmp_path / path) for path in paths]
    assert [(footer.num_row_groups, footer.num_rows) for footer in footers] == [(2, 3), (1, 1)]


def test_no_rows_are_no_file(tmp_path: Path) -> None:
    assert partitions.write(reader(), ("shop", "day"), (PLACE, str(tmp_path)), fixed={}) == []


def test_a_failure_while_rows_are_made_leaves_as_it_is(tmp_path: Path) -> None:
    given = reader([("a", FIRST, 1), ("a", SECOND, 2)])

    def failing() -> Iterator[pa.RecordBatch]:
        yield from given
        raise ValueError("out of luck")

    rows = pa.RecordBatchReader.from_batches(given.schema, failing())
    with pytest.raises(ValueError, match="out of luck"):
        partitions.write(rows, ("shop", "day"), (PLACE, str(tmp_path)), fixed={})
