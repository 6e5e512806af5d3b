"""The lake's promises again, with Spark's executors writing: the tests are those of DuckDB's lake, the fixture is not."""

import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from segment_pipeline.lake import maintenance
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.lake.rows import keys, land, refund
from segment_pipeline_tests.lake.test_derived import (  # noqa: F401 - collected here again
    as_before,
    test_a_table_stored_before_they_were_declared_reads_the_same,
    test_rows_that_are_read_and_written_again_keep_them,
)
from segment_pipeline_tests.lake.test_lake import (  # noqa: F401 - collected here again
    test_a_column_declared_later_reads_as_null_in_older_files,
    test_a_marker_is_kept_with_its_commit,
    test_a_session_keeps_reading_the_version_it_pinned,
    test_a_wrong_type_is_refused_by_name_and_not_cast,
    test_erasure_joins_keys_and_leaves_no_identifier_in_the_log,
    test_null_in_a_required_column_is_refused_and_nothing_is_written,
    test_rows_of_another_source_are_refused,
)
from segment_pipeline_tests.lake.test_scan import (  # noqa: F401
    test_odd_partition_values_come_back_and_prune,
    test_the_log_of_no_table_holds_a_text_of_its_rows,
)
from segment_pipeline_tests.lake.test_upkeep import (  # noqa: F401
    test_a_table_with_a_column_nobody_declares_is_not_written_to,
    test_after_erasure_and_upkeep_no_byte_of_the_person_is_left,
)
from segment_pipeline_tests.lake.test_writers import (  # noqa: F401
    test_a_whole_table_made_from_an_older_version_is_not_written,
    test_landing_what_is_held_already_commits_nothing,
    test_reading_and_replacing_again_sees_what_the_other_writer_left,
    test_rows_made_from_an_older_version_may_replace_a_partition_nobody_touched,
    test_rows_made_from_an_older_version_of_the_same_partition_are_not_written,
    test_rows_outside_the_partitions_replaced_are_refused_without_their_values,
)

D1, D2 = date(2017, 1, 1), date(2017, 1, 2)


@pytest.fixture
def lake(spark_lake: Lake) -> Lake:
    return spark_lake


def test_landing_in_any_grouping_gives_what_duckdb_gives(lake: Lake, tmp_path: Path) -> None:
    rows = [refund("a", D1), refund("b", D1, "2"), refund("c", D2), refund("b", D1, "3")]
    other = Lake(str(tmp_path / "other"), DuckDBEngine())
    land(other, *rows)
    for row in reversed(rows):
        land(lake, row)
    contents = []
    for each in (other, Lake(lake.root, DuckDBEngine()), lake):
        with each.session() as session:
            session.scan("refunds")
            contents.append(session.rows("SELECT * FROM refunds ORDER BY refund_key"))
    assert contents[0] == contents[1] == contents[2]


def test_the_log_counts_rows_and_keeps_the_bounds_of_columns_that_name_nobody(lake: Lake) -> None:
    import deltalake
    import pyarrow as pa

    land(lake, refund("a", D1, "1.5"), refund("b", D1, "-2"))
    delta = deltalake.DeltaTable(lake.uri("refunds"))
    [action] = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    assert action["num_records"] == 2
    assert (float(action["min.amount"]), float(action["max.amount"])) == (-2.0, 1.5)
    assert not [name for name in action if name.startswith("min.") and name.endswith("key")]
    footer = pq.read_metadata(f"{lake.uri('refunds')}/{action['path']}")
    assert footer.num_rows == 2


def test_a_job_killed_half_way_leaves_the_old_table_and_its_files_are_removed(lake: Lake, tmp_path: Path) -> None:
    land(lake, refund("before", D1))
    script = "import sys; from segment_pipeline_tests.engines.test_lake_on_spark import write_and_stop; write_and_stop(*sys.argv[1:])"
    moved = tmp_path / "moved"
    process = subprocess.Popen([sys.executable, "-c", script, lake.root, str(moved)], start_new_session=True)
    try:
        until = time.monotonic() + 600
        while not moved.exists() and time.monotonic() < until:
            time.sleep(0.1)
        assert moved.exists()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert keys(lake) == ["before"]
    assert len(list(Path(lake.uri("refunds")).glob("source=*/*/*.parquet"))) == 2
    maintenance.vacuum(lake, "refunds")
    assert len(list(Path(lake.uri("refunds")).glob("source=*/*/*.parquet"))) == 1
    assert keys(lake) == ["before"]


def write_and_stop(root: str, moved: str) -> None:
    """In a process of its own: land a row, and stop where the files are in place and the log does not name them yet."""
    from segment_pipeline.lake import commits
    from segment_pipeline_tests.conftest import engine_of

    def stop(*_: object) -> None:
        Path(moved).touch()
        time.sleep(600)

    commits._committed = stop  # type: ignore[assignment]
    land(Lake(root, engine_of("spark", Path(moved).parent)), refund("never", D2))
