"""One scan: declared columns of declared types, whatever files hold; partitions pruned by value; nothing unreadable read."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Column, Table
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.lake.rows import keys, land, refund

D1, D2 = date(2017, 1, 1), date(2017, 1, 2)


def plan(session_lake: Lake) -> str:
    with session_lake.session() as session:
        session.scan("refunds")
        view = session.rows("SELECT sql FROM duckdb_views() WHERE view_name = 'refunds'")
    return str(view[0]["sql"])


@pytest.mark.parametrize(
    "audience", ["a b", "a=b", "50%", "a/b", "naïve 🙂", "it's", 'say "x"', "a+b", "a:b", "%20", "a\\b", "x" * 180]
)
def test_odd_partition_values_come_back_and_prune(lake: Lake, audience: str) -> None:
    row = {"audience": audience, "profile_id": "p", "as_of": D1}
    with lake.session() as session:
        session.register("found", arrow_rows("claims", [row, row | {"audience": "other"}]))
        session.replace("claims", "SELECT * FROM found", {"audience": [audience, "other"]})
        session.scan("claims", partitions={"audience": [audience]})
        assert session.rows("SELECT * FROM claims") == [row]
        session.replace("claims", "SELECT * FROM claims WHERE FALSE", {"audience": [audience]})
    assert [entry["audience"] for entry in lake.partitions("claims")] == ["other"]


def test_a_partition_value_that_looks_like_a_number_or_a_day_stays_text(lake: Lake) -> None:
    rows = [{"audience": audience, "profile_id": "p", "as_of": D1} for audience in ("007", "2017-01-01")]
    with lake.session() as session:
        session.register("found", arrow_rows("claims", rows))
        session.append("claims", "SELECT * FROM found")
        session.scan("claims")
        assert session.rows("SELECT audience FROM claims ORDER BY 1") == [
            {"audience": "007"},
            {"audience": "2017-01-01"},
        ]


def test_files_are_opened_by_name_only_once_the_table_has_gained_a_column(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(lake, refund("a", D1))
    assert "union_by_name = false" in plan(lake).lower()
    wider = Table(
        "refunds",
        "g",
        (*table("refunds").columns, Column("note", "VARCHAR", "new")),
        table("refunds").key,
        ("source", "day"),
    )
    monkeypatch.setattr("segment_pipeline.lake.session.table", lambda name: wider)
    monkeypatch.setattr("segment_pipeline_tests.conftest.table", lambda name: wider)
    land(lake, refund("b", D2) | {"note": "said so"})
    assert "union_by_name = true" in plan(lake).lower()
    with lake.session() as session:
        session.scan("refunds")
        assert session.rows("SELECT refund_key, note FROM refunds ORDER BY 1") == [
            {"refund_key": "a", "note": None},
            {"refund_key": "b", "note": "said so"},
        ]


def test_a_column_declared_after_the_last_write_reads_as_null(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, refund("a", D1))
    wider = Table(
        "refunds", "g", (*table("refunds").columns, Column("tip", "MONEY", "new")), ("refund_key",), ("source", "day")
    )
    monkeypatch.setattr("segment_pipeline.lake.session.table", lambda name: wider)
    with lake.session() as session:
        session.scan("refunds")
        assert session.connection.columns("SELECT tip FROM refunds", name="t") == [("tip", "DECIMAL(18,4)")]
        assert session.rows("SELECT tip FROM refunds") == [{"tip": None}]


def test_a_table_that_holds_another_type_than_declared_is_not_read(lake: Lake) -> None:
    write_deltalake(lake.uri("profile_aliases"), pa.table({"old_profile_id": ["a"], "since": ["2017-01-01"]}))
    with (
        lake.session() as session,
        pytest.raises(
            ContractError, match="table profile_aliases, column since: declared date32.day., the table holds"
        ),
    ):
        session.scan("profile_aliases")


def test_a_file_whose_column_is_wider_than_declared_reads_as_declared(lake: Lake) -> None:
    """Spark's type widening leaves such files behind a schema that says otherwise."""
    land(lake, refund("a", D1))
    path = storage.files(DeltaTable(lake.uri("refunds")), table("refunds"))[0].path
    held = parquet.read_table(path, partitioning=None)
    at = held.schema.get_field_index("amount")
    parquet.write_table(held.set_column(at, "amount", held.column("amount").cast(pa.decimal128(30, 10))), path)
    with lake.session() as session:
        session.scan("refunds")
        assert session.connection.columns("SELECT amount FROM refunds", name="t") == [("amount", "DECIMAL(18,4)")]
        assert session.rows("SELECT amount FROM refunds") == [{"amount": Decimal("1.5")}]


@pytest.mark.parametrize("feature", ["deletionVectors", "columnMapping"])
def test_a_table_whose_files_do_not_tell_its_rows_is_refused(lake: Lake, feature: str) -> None:
    land(lake, refund("a", D1))
    first = Path(lake.uri("refunds")) / "_delta_log/00000000000000000000.json"
    lines = [json.loads(line) for line in first.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            line["protocol"] = {
                "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature],
            }  # fmt: skip
    first.write_text("\n".join(json.dumps(line) for line in lines))
    with (
        Lake(lake.root, lake.engine).session() as session,
        pytest.raises(ContractError, match="deletion vectors|columnMapping|maps column names"),
    ):
        session.scan("refunds")


def test_no_table_may_be_read_past_deletion_vectors_of_our_own_making(lake: Lake) -> None:
    for declared in all_tables():
        delta = storage.create(declared, lake.uri(declared.name), {})
        assert delta.metadata().configuration["delta.enableDeletionVectors"] == "false"
        assert "deletionVectors" not in (delta.protocol().reader_features or [])


def test_the_log_of_no_table_holds_a_text_of_its_rows(lake: Lake) -> None:
    """The least and greatest of each column stay in the log after the rows are erased; texts may tell who somebody was."""
    texts = {
        "VARCHAR": "'ann' || '@known.org'",
        "JSON": "'{\"e\": \"ann' || '@known.org\"}'",
        "VARCHAR[]": "['ann' || '@known.org']",
    }
    values = texts | {"DATE": "DATE '1984-05-06'", "DOUBLE": "CAST(52.520008 AS DOUBLE)", "BOOLEAN": "TRUE"}
    for declared in all_tables():
        shown = ", ".join(
            f"CAST({_value(column, declared, values)} AS {column.sql}) AS {column.name}" for column in declared.columns
        )
        with lake.session() as session:
            session.append(declared.name, f"SELECT {shown}")
        log = "".join(path.read_text() for path in Path(lake.uri(declared.name), "_delta_log").glob("*.json"))
        for secret in ("known.org", "52.52"):
            assert secret not in log, declared.name
        if any(column.type == "DATE" and column.pii for column in declared.columns):
            assert "1984-05-06" not in log, declared.name


def _value(column: Column, declared: Table, values: dict[str, str]) -> str:
    if column.name in declared.partition_by:
        return "'2017-01-01'"
    if column.type == "DATE" and not column.pii:
        return "'2017-01-01'"
    return values.get(column.type, "'2017-01-01 00:00:00'" if column.type.startswith("TIMESTAMP") else "1")


def test_a_table_made_before_a_column_was_known_to_be_personal_gets_its_statistics_corrected(lake: Lake) -> None:
    land(lake, refund("a", D1))
    delta = DeltaTable(lake.uri("refunds"))
    delta.alter.set_table_properties({storage.STATISTICS_KEY: "refund_key"})
    land(lake, refund("ann-known", D2))
    log = "".join(path.read_text() for path in Path(lake.uri("refunds"), "_delta_log").glob("*.json"))
    assert "ann-known" not in log
    assert keys(lake) == ["a", "ann-known"]


def test_a_version_that_is_gone_is_named(lake: Lake) -> None:
    land(lake, refund("a", D1))
    with (
        lake.session({"refunds": 99}) as session,
        pytest.raises(ContractError, match="table refunds: opening its version 99 failed"),
    ):
        session.scan("refunds")
