"""Failures speak of statements, tables and columns, and never of a row: engines quote values, and orchestrators keep messages."""

import traceback
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import Statement
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.lake.rows import land, refund

D1 = date(2017, 1, 1)
SECRET = "ann@known.org"
PEOPLE = pa.table({"email": [SECRET] * 3, "raw": ['{"e": "ann@known.org"'] * 3, "n": [1, 2, 3]})


def named(text: str) -> Statement:
    return Statement("profiles/broken", text)


FAILING: dict[str, Callable[[Session], object]] = {
    "cast": lambda s: s.rows(named("SELECT CAST(email AS INTEGER) AS n FROM people")),
    "cast of a nested value": lambda s: s.rows(named("SELECT CAST([email] AS INTEGER[]) AS n FROM people")),
    "cast to a day": lambda s: s.rows(named("SELECT CAST(email AS DATE) AS d FROM people")),
    "decimal overflow": lambda s: s.rows(named("SELECT CAST(n * 1000000 AS DECIMAL(4,2)) AS d FROM people")),
    "JSON": lambda s: s.rows(named("SELECT json_extract(raw, '$.e') AS j FROM people")),
    "JSON cast": lambda s: s.rows(named("SELECT CAST(raw AS JSON) AS j FROM people")),
    "JSON structure": lambda s: s.rows(named("SELECT from_json_strict(raw, '{\"e\": \"INTEGER\"}') AS j FROM people")),
    "regular expression": lambda s: s.rows(named("SELECT regexp_extract('x', email || '(') AS r FROM people")),
    "format": lambda s: s.rows(named("SELECT strptime(email, '%Y') AS t FROM people")),
    "subquery of many rows": lambda s: s.rows(named("SELECT (SELECT email FROM people) AS e")),
    "error function": lambda s: s.rows(named("SELECT error(email) AS e FROM people")),
    "quoted identifier": lambda s: s.rows(named(f'SELECT "{SECRET}" FROM people')),
    "missing table": lambda s: s.rows(named(f'SELECT * FROM "{SECRET}"')),
    "syntax": lambda s: s.rows(named(f"SELECT '{SECRET}' '{SECRET}' FROM FROM")),
    "view of a constant": lambda s: s.define("v", named(f"SELECT CAST('{SECRET}' AS INTEGER) AS n"), materialize=True),
    "while streaming": lambda s: s.reader(
        named("SELECT CASE WHEN i > 400000 THEN CAST(email AS INTEGER) ELSE 1 END AS n FROM range(500000) AS r(i), people")
    ).read_all(),
    "while writing": lambda s: s.append(
        "claims",
        named(
            "SELECT 'a' AS audience, email AS profile_id,"
            " CASE WHEN i > 400000 THEN CAST(email AS DATE) ELSE DATE '2017-01-01' END AS as_of"
            " FROM range(500000) AS r(i), people"
        ),
    ),
    "while landing": lambda s: s.land(
        "refunds", named("SELECT * REPLACE (CAST(refund_key AS DATE) AS day) FROM pulled"), "shop"
    ),
    "a row outside the partitions": lambda s: s.replace(
        "claims", named("SELECT email AS audience, email AS profile_id, DATE '2017-01-01' AS as_of FROM people"),
        {"audience": ["other"]},
    ),
    "a missing parameter": lambda s: s.rows(named(f"SELECT $wanted, '{SECRET}'"), other=SECRET),
    "a raw line too long": lambda s: s.rows("SELECT record FROM lines"),
}  # fmt: skip


@pytest.mark.parametrize("failing", FAILING)
def test_no_failure_quotes_a_value(lake: Lake, tmp_path: Path, failing: str) -> None:
    long = tmp_path / "long.json"
    long.write_text('{"e": "' + SECRET * 2_000_000 + '"}\n')
    with lake.session() as session:
        session.register("people", PEOPLE)
        session.register("pulled", arrow_rows("refunds", [refund(SECRET, D1)]))
        if failing == "a raw line too long":
            session.records("lines", [long], [])
        with pytest.raises(ContractError) as raised:
            FAILING[failing](session)
        told = "".join(traceback.format_exception(raised.value))
        assert SECRET not in str(raised.value)
        assert "known.org" not in told.replace(_source_lines(told), "")
        if failing != "a raw line too long":
            assert any(name in str(raised.value) for name in ("profiles/broken", "refunds", "claims"))
        assert session.value("SELECT count(*) FROM people") == 3, "the session is still usable"


def _source_lines(told: str) -> str:
    # What Python shows of this file's own text is not what an error carries.
    return "\n".join(line for line in told.splitlines() if "FAILING" in line)


def test_running_out_of_memory_names_the_statement_and_the_setting(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"), DuckDBEngine(memory="30MB", threads=1, spill=tmp_path / "spill"))
    with lake.session() as session, pytest.raises(ContractError, match="profiles/huge .*SEGMENT_PIPELINE_MEMORY"):
        session.rows(Statement("profiles/huge", "SELECT list(i || 'ann@known.org') AS l FROM range(5000000) AS r(i)"))


def test_work_beyond_the_memory_limit_spills_and_gives_the_same_rows(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    lake = Lake(str(tmp_path / "lake"), DuckDBEngine(memory="120MB", threads=2, spill=spill))
    with lake.session() as session:
        session.define(
            "wide",
            "SELECT md5(CAST(i AS VARCHAR)) AS profile_id, 'a' AS audience, DATE '2017-01-01' AS as_of"
            " FROM range(4000000) AS r(i)",
            materialize=True,
        )
        assert any(spill.iterdir()), "four million hashes are more than the limit"
        session.replace("claims", "SELECT * FROM wide ORDER BY profile_id DESC", {"audience": ["a"]})
    assert lake.rows("claims") == 4_000_000
    assert not any(spill.iterdir()), "a closed session leaves nothing behind"


def test_a_lake_out_of_reach_is_named_without_its_address(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "refunds" / "_delta_log").mkdir(parents=True)
    (tmp_path / "lake" / "refunds" / "_delta_log" / "00000000000000000000.json").write_text(
        '{"broken": "ann@known.org"'
    )
    lake = Lake(str(tmp_path / "lake"), DuckDBEngine())
    with pytest.raises(ContractError, match="table refunds: opening it failed") as raised:
        land(lake, refund("a", D1))
    assert "known.org" not in str(raised.value)


def test_what_a_session_spilled_goes_with_it_while_another_is_open(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    lake = Lake(str(tmp_path / "lake"), DuckDBEngine(memory="40MB", threads=1, spill=spill))
    wide = "SELECT sha256(CAST(i AS VARCHAR)) AS digest FROM range(1000000) AS r(i)"

    def files() -> set[Path]:
        return {file for file in spill.iterdir() if file.stat().st_size}

    with lake.session() as outer:
        outer.define("wide", wide, materialize=True)
        before = files()
        with lake.session() as inner:
            inner.define("wide", wide, materialize=True)
            assert files() > before
        assert files() == before
        assert outer.value("SELECT count(*) FROM wide") == 1_000_000
    assert not any(spill.iterdir())
