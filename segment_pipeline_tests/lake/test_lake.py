"""The lake's promises, through real Delta tables and DuckDB."""

import multiprocessing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import Statement
from segment_pipeline.profiles.facts.runs import days_of
from segment_pipeline_tests.conftest import arrow_rows

NOON = datetime(2017, 1, 1, 12, tzinfo=UTC)


def refund(key: str, day: date, amount: str = "1.5", source: str = "shop") -> dict[str, Any]:
    return {
        "source": source, "refund_key": key, "updated_at": NOON, "refunded_at": NOON, "refunded_on": day,
        "amount": Decimal(amount), "currency": "USD", "day": day,
    }  # fmt: skip


def land(lake: Lake, *rows: dict[str, Any], source: str = "shop") -> None:
    with lake.session() as session:
        session.register("pulled", arrow_rows("refunds", rows))
        session.land("refunds", "SELECT * FROM pulled", source)


def content(lake: Lake, name: str = "refunds") -> list[dict[str, Any]]:
    with lake.session() as session:
        session.scan(name)
        return session.rows(f"SELECT * FROM {name} ORDER BY ALL")


D1, D2, D3 = date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)


def test_an_unwritten_table_reads_as_an_empty_view_with_its_declared_types(lake: Lake) -> None:
    with lake.session() as session:
        session.scan("refunds")
        assert session.connection.columns("FROM refunds", name="t")[6:8] == [
            ("refunded_on", "DATE"),
            ("amount", "DECIMAL(18,4)"),
        ]
        assert session.rows("SELECT * FROM refunds") == []


def test_landing_is_the_same_in_any_order_grouping_and_repetition(tmp_path: Path) -> None:
    rows = [refund("a", D1), refund("b", D1, "2"), refund("c", D2), refund("b", D1, "3")]
    contents = []
    for index, plan in enumerate(([rows], [rows[::-1]], [[row] for row in rows], [rows, rows[:2], rows[2:]])):
        lake = Lake(str(tmp_path / str(index)), DuckDBEngine())
        for group in plan:
            land(lake, *group)
        contents.append(content(lake))
    assert contents[0] == contents[1] == contents[2] == contents[3]
    assert [(row["refund_key"], row["amount"]) for row in contents[0]] == [
        ("a", Decimal("1.5")), ("b", Decimal("3")), ("c", Decimal("1.5")),
    ]  # fmt: skip


def test_landing_one_source_leaves_the_days_of_another_alone(lake: Lake) -> None:
    land(lake, refund("a", D1))
    land(lake, refund("a", D1, source="till"), source="till")
    assert [row["source"] for row in content(lake)] == ["shop", "till"]


def test_rows_of_another_source_are_refused(lake: Lake) -> None:
    with pytest.raises(ContractError, match="1 rows for table refunds do not belong to source shop"):
        land(lake, refund("a", D1, source="till"))


def test_a_wrong_type_is_refused_by_name_and_not_cast(lake: Lake) -> None:
    query = "SELECT 'shop' AS source, 'EUR' AS currency, DATE '2017-01-01' AS rate_day, 'secret7' AS rate, DATE '2017-01-01' AS day"
    with (
        lake.session() as session,
        pytest.raises(ContractError, match="table rates, column rate: expected decimal128.18, 8., got string") as e,
    ):
        session.append("rates", query)
    assert "secret7" not in str(e.value)


def test_null_in_a_required_column_is_refused_and_nothing_is_written(lake: Lake) -> None:
    land(lake, refund("a", D1))
    bad = refund("b", D1) | {"currency": None}
    with pytest.raises(ContractError, match="table refunds, column currency: expected a value, got NULL"):
        land(lake, bad)
    assert [row["refund_key"] for row in content(lake)] == ["a"]


def test_a_session_keeps_reading_the_version_it_pinned(lake: Lake) -> None:
    land(lake, refund("a", D1))
    with lake.session() as session:
        session.scan("refunds")
        land(lake, refund("b", D2))
        session.scan("refunds", alias="again")
        assert session.value("SELECT count(*) FROM again") == 1
        assert session.inputs == '{"refunds": 1}'


def test_scans_read_only_the_days_asked_for(lake: Lake) -> None:
    land(lake, refund("a", D1), refund("b", D2), refund("c", D3))
    with lake.session() as session:
        session.scan("refunds", days=Window(D2, D3))
        session.scan("refunds", until=D2, alias="early")
        assert session.rows("SELECT (SELECT count(*) FROM refunds) AS late, (SELECT count(*) FROM early) AS early") == [
            {"late": 2, "early": 2}
        ]


def test_a_column_declared_later_reads_as_null_in_older_files(lake: Lake) -> None:
    land(lake, refund("a", D1))
    from segment_pipeline.lake.schema import Column, Table
    from segment_pipeline.lake.tables import table

    wider = Table(
        "refunds",
        "g",
        (*table("refunds").columns, Column("note", "VARCHAR", "new")),
        ("refund_key",),
        ("source", "day"),
    )
    with lake.session() as session:
        session.connection.scan("wide", wider, [f.path for f in session._files(wider, None, None, None)])
        assert session.rows("SELECT refund_key, note FROM wide") == [{"refund_key": "a", "note": None}]


def test_erasure_joins_keys_and_leaves_no_identifier_in_the_log(lake: Lake, tmp_path: Path) -> None:
    row = {
        "source": "crm",
        "identifier_type": "email",
        "channel": "email",
        "reason": "asked",
        "recorded_at": NOON,
        "day": D1,
    }
    with lake.session() as session:
        session.register(
            "r",
            arrow_rows("suppressions", [row | {"identifier": "ann@known.org"}, row | {"identifier": "bob@known.org"}]),
        )
        session.append("suppressions", "SELECT * FROM r")
        session.define("gone", "SELECT 'ann@known.org' AS identifier")
        assert session.erase("suppressions", "gone", ["identifier"]) == 1
        assert session.erase("suppressions", "gone", ["identifier"]) == 0
    assert [r["identifier"] for r in content(lake, "suppressions")] == ["bob@known.org"]
    log = "".join(p.read_text() for p in (tmp_path / "lake/suppressions/_delta_log").glob("*.json"))
    assert "known.org" not in log


def _land_days(root: str, worker: int) -> None:
    lake = Lake(root, DuckDBEngine(memory="200MB", threads=1))
    for day in range(3):
        land(lake, refund(f"{worker}-{day}", date(2017, 1 + worker, 1 + day)))


def test_concurrent_writers_of_different_days_all_succeed(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    land(Lake(root, DuckDBEngine()), refund("first", date(2018, 1, 1)))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_land_days, args=(root, worker)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(600)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(content(Lake(root, DuckDBEngine()))) == 13


def test_a_marker_is_kept_with_its_commit(lake: Lake) -> None:
    with lake.session() as session:
        session.register("pulled", arrow_rows("refunds", [refund("a", D1)]))
        session.append("refunds", "SELECT * FROM pulled", marker=("fold:x", 1))
    assert lake.marked("refunds", "fold:x") == 1
    assert lake.marked("refunds", "fold:y") is None


def test_a_path_the_engine_would_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the lake's path holds .: choose a folder without them"):
        Lake(str(tmp_path / "lake[1]"), DuckDBEngine())


def test_joins_are_as_written_for_that_statement_alone(tmp_path: Path) -> None:
    """Whether the engine may choose the side to hold is seen in its settings, from inside the statement and after it."""
    told = Statement("told", "SELECT current_setting('disabled_optimizers') AS held")
    with Lake(str(tmp_path / "lake"), DuckDBEngine()).session() as session:
        session.define("chosen", told, materialize=True)
        session.define("kept", told.joined_as_written(), materialize=True)
        with pytest.raises(ContractError):
            session.define("failed", Statement("failed", "SELECT nothing").joined_as_written(), materialize=True)
        session.define("after", told, materialize=True)
        found = {name: session.value(f"SELECT held FROM {name}") for name in ("chosen", "kept", "after")}
    assert found == {"chosen": "", "kept": "build_side_probe_side", "after": ""}


def test_a_lake_kept_open_sees_what_others_write(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    lake, other = Lake(root, DuckDBEngine()), Lake(root, DuckDBEngine())
    land(lake, refund("first", date(2018, 1, 1)))
    before = lake.version("refunds")
    with lake.session() as session:
        session.scan("refunds")
        land(other, refund("second", date(2018, 1, 2)))
        session.scan("refunds", alias="again")
        assert session.value("SELECT count(*) FROM again") == 1, "a session stays at its version"
        assert lake.rows("refunds") == 2, "and the lake does not"
    assert before is not None
    assert lake.version("refunds") == other.version("refunds") == before + 1
    assert [entry["day"] for entry in lake.partitions("refunds")] == [date(2018, 1, 1), date(2018, 1, 2)]
    with lake.session(pins={"refunds": before}) as session:
        session.scan("refunds")
        assert session.value("SELECT count(*) FROM refunds") == 1
    with lake.session() as session:
        session.scan("refunds")
        assert session.value("SELECT count(*) FROM refunds") == 2


def test_what_one_session_opened_the_next_has_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def noted(module: object, name: str) -> None:
        function = getattr(module, name)

        def noting(*given: Any, **named: Any) -> Any:
            opened.append(name)
            return function(*given, **named)

        monkeypatch.setattr(module, name, noting)

    noted(storage, "open_table")
    noted(duckdb, "connect")
    lake = Lake(str(tmp_path / "lake"), DuckDBEngine(spill=tmp_path / "spill"))
    land(lake, refund("first", date(2018, 1, 1)))
    assert "connect" in opened
    opened.clear()
    for turn in range(3):
        land(lake, refund(str(turn), date(2018, 1, 2)))
        assert lake.rows("refunds") == turn + 2
    with days_of(lake, several=True) as run:
        for _ in range(2):
            run.day().scan("refunds", alias="again")
    assert opened == []


def test_sessions_of_one_engine_have_names_of_their_own(lake: Lake) -> None:
    with lake.session() as one, lake.session() as two:
        one.define("found", "SELECT 1 AS n", materialize=True)
        two.define("found", "SELECT 2 AS n", materialize=True)
        assert (one.value("SELECT n FROM found"), two.value("SELECT n FROM found")) == (1, 2)
    with lake.session() as three, pytest.raises(ContractError):
        three.value("SELECT n FROM found")


def test_a_database_that_answers_nothing_any_more_is_opened_anew(tmp_path: Path) -> None:
    engine = DuckDBEngine(spill=tmp_path / "spill")
    lake = Lake(str(tmp_path / "lake"), engine)
    with lake.session() as session:
        assert session.value("SELECT 1 AS n") == 1
    engine._idle[0].raw.close()  # noqa: SLF001 - as a fatal error leaves it, which nobody can cause at will
    with lake.session() as session:
        assert session.value("SELECT 1 AS n") == 1
