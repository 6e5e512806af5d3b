"""Values of a Parquet file's types that no engine holds, and names of columns: each costs itself, and what it costs is said."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.report import IngestReport
from segment_pipeline.landing.tabular import each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Format, JsonLines, Parquet
from segment_pipeline_tests.sources.files.test_odd_files import GOOD, reasons, visits
from segment_pipeline_tests.sources.files.till import JUNE, Drop, rows

USUAL = 30
BEYOND = "1 days or times are beyond the years 1 to 9999: each is the day before or after them now"
MARKED = "1 texts held what is no Unicode, or NUL: it is a \ufffd now, a byte its number"
LINES = "id,when,degrees,session\n" + "".join(f"{n},2017-06-05,1.5,s\n" for n in range(USUAL))


def table(**odd: pa.Array) -> pa.Table:
    """Rows of which the last, `77`, holds the odd value."""
    count = USUAL + 1
    usual = {"when": ["2017-06-05"] * count, "degrees": [1.5] * count, "session": ["s"] * count}
    return pa.table({"id": [*map(str, range(USUAL)), "77"], **usual, **odd})


def among(usual: Any, odd: Any, kind: pa.DataType) -> pa.Array:
    """An odd value after usual ones, written as a type of its width and taken for one of `kind`."""
    wide = {32: pa.int32(), 64: pa.int64()}[kind.bit_width]
    return pa.array([usual] * USUAL + [odd], wide).view(kind)


def land(lake: Lake, settings: Settings, drop: Drop, held: pa.Table) -> IngestReport:
    parquet.write_table(held, drop.folder / "a")
    drop.touch("a", "2017-06-10T00:00:00")
    return ingest(lake, visits(drop.folder, Parquet()), "visits", JUNE, settings, "run")


WHEN = {
    "the last day of 32 bits": among(17322, 2**31 - 2, pa.date32()),
    "the first day of 32 bits": among(17322, -(2**31), pa.date32()),
    "a millisecond beyond microseconds": among(1496664000_000, 2**62, pa.timestamp("ms", "UTC")),
    "the first microsecond of 64 bits": among(1496664000_000_000, -(2**63), pa.timestamp("us")),
}


@pytest.mark.parametrize("when", WHEN.values(), ids=WHEN.keys())
def test_a_time_beyond_the_calendar_costs_its_row(lake: Lake, settings: Settings, drop: Drop, when: pa.Array) -> None:
    report = land(lake, settings, drop, table(when=when))
    assert (report.received, report.rows, report.quarantined) == (31, {"events": 30}, {"when is no time": 1})
    assert BEYOND in report.notes


@pytest.mark.parametrize("when", WHEN.values(), ids=WHEN.keys())
def test_one_that_nothing_is_mapped_to_costs_nothing_else(
    lake: Lake, settings: Settings, drop: Drop, when: pa.Array
) -> None:
    report = land(lake, settings, drop, table(until=when))
    assert (report.rows, report.quarantined) == ({"events": 31}, {})
    assert BEYOND in report.notes


def test_a_birth_day_beyond_the_calendar_is_none(lake: Lake, settings: Settings, drop: Drop) -> None:
    """Where a day goes to a day, no time is made of it that would be refused."""
    born = among(5000, 2**31 - 2, pa.date32())
    parquet.write_table(table(born=born), drop.folder / "a")
    drop.touch("a", "2017-06-10T00:00:00")
    people = each("customers", customer_key="id", birth_date="born")
    source = FileTable("people", pattern="*", format=Parquet(), at="when", fills=(people,))
    ingest(lake, Files(name="web", root=str(drop.folder), tables=(source,)), "people", JUNE, settings, "run")
    assert rows(lake, "customers", "DISTINCT birth_date") == [(date(1983, 9, 10),)]
    assert reasons(lake) == ["born is no time"]


@pytest.mark.parametrize(
    ("column", "found", "values"),
    [("session", "session_key", {"s", "Zo\\xeb"}), ("other", "properties", {'{"other":"s"}', '{"other":"Zo\\\\xeb"}'})],
)
def test_bytes_that_are_no_text_cost_themselves(  # noqa: PLR0917 - fixtures and cases
    lake: Lake, settings: Settings, drop: Drop, column: str, found: str, values: set[str]
) -> None:
    """Each is kept by its number: two names of another encoding stay two."""
    odd = pa.array([b"s"] * USUAL + [b"Zo\xeb"]).view(pa.string())
    report = land(lake, settings, drop, table(**{column: odd}))
    assert (report.rows, report.notes[0]) == ({"events": 31}, MARKED)
    assert {value for (value,) in rows(lake, "events", found)} == values


@pytest.mark.parametrize(("digits", "scale"), [(50, 2), (39, 0), (60, 45)])
def test_a_decimal_wider_than_an_engine_has_is_read(
    lake: Lake, settings: Settings, drop: Drop, digits: int, scale: int
) -> None:
    """Its type says what it might hold; a till's export holds amounts in it."""
    odd = Decimal(10) ** 38 if digits - scale > 38 else None
    held = pa.array([Decimal(2)] * USUAL + [odd], pa.decimal256(digits, scale))
    report = land(lake, settings, drop, table(degrees=held))
    said = "1 numbers are none, or have more digits than can be held: they are empty"
    assert report.notes == ((said,) if odd is not None else ())
    assert sorted(rows(lake, "events", "DISTINCT lat"), key=str) == [(2.0,), (None,)]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (Csv(), LINES + "77,2017-06-05,1.5,a\0b\n"),
        (Csv(multiline=True), LINES + '77,2017-06-05,1.5,"a\0b"\n'),
        (JsonLines(), GOOD + '{"id": 77, "when": "2017-06-05", "degrees": 1.5, "session": "a\\u0000b"}\n'),
        (Parquet(), table(session=pa.array(["s"] * USUAL + ["a\0b"]))),
    ],
    ids=["csv", "csv with quotes", "json", "parquet"],
)
def test_a_nul_is_a_mark_and_nothing_behind_it_is_lost(
    lake: Lake, settings: Settings, drop: Drop, form: Format, content: str | pa.Table
) -> None:
    if isinstance(content, pa.Table):
        parquet.write_table(content, drop.folder / "a")
        drop.touch("a", "2017-06-10T00:00:00")
    else:
        drop.write("a", content.encode())
    report = ingest(lake, visits(drop.folder, form), "visits", JUNE, settings, "run")
    assert rows(lake, "events", "DISTINCT session_key") == [("a\ufffdb",), ("s",)]
    assert (report.rows, report.notes) == ({"events": 31}, (MARKED,))


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        (Csv(), LINES.replace("session", "ses\0sion").encode(), "it is not written in utf-8"),
        (Csv(), LINES.encode("utf-16-le"), "it is not written in utf-8"),
        (
            Csv(),
            LINES.replace("\n", ",\n").replace("session,", "session,landing:at").encode(),
            "the column landing:at has the name of what landing",
        ),
    ],
    ids=["NUL", "another encoding", "landing's own"],
)
def test_a_header_that_names_no_columns_is_told(
    lake: Lake, settings: Settings, drop: Drop, form: Format, content: bytes, said: str
) -> None:
    drop.write("a", content)
    with pytest.raises(ContractError, match=said):
        ingest(lake, visits(drop.folder, form), "visits", JUNE, settings, "run")


def test_a_nul_in_the_name_of_a_column_is_told(lake: Lake, settings: Settings, drop: Drop) -> None:
    with pytest.raises(ContractError, match="the name of column 5 holds a NUL character: rename it"):
        land(lake, settings, drop, table(**{"a\0b": pa.nulls(31)}))


@pytest.mark.parametrize("form", [Csv(), Parquet()], ids=["csv", "parquet"])
def test_files_whose_columns_differ_in_case_alone_are_told(
    lake: Lake, settings: Settings, tmp_path: Path, drop: Drop, form: Format
) -> None:
    for name, column in (("a", "Shade"), ("b", "shade")):
        if isinstance(form, Parquet):
            parquet.write_table(table(**{column: pa.nulls(31)}), drop.folder / name)
            drop.touch(name, "2017-06-10T00:00:00")
        else:
            drop(name, f"id,when,degrees,session,{column}", f"{name},2017-06-05,1.5,s,red")
    with pytest.raises(ContractError, match="files have the columns Shade and shade, which differ in case alone"):
        ingest(lake, visits(drop.folder, form), "visits", JUNE, settings, "run")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": 77, "ID": 78, "when": "2017-06-05"}', "a name is there twice"),
        ('{"id": 77, "when": "2017-06-05", "at": {"X": 1, "x": 2}}', "a name is there twice"),
        ('{"ID": 77, "when": "2017-06-05"}', "a name that others write in another case"),
        ('{"": 1, "id": 77, "when": "2017-06-05"}', "a name that no column can have"),
        ('{"a\\u0000b": 1, "id": 77, "when": "2017-06-05"}', "a name that no column can have"),
        ('{"_file": 1, "id": 77, "when": "2017-06-05"}', "a name that no column can have"),
    ],
)
def test_an_object_of_odd_names_costs_its_line(
    lake: Lake, settings: Settings, drop: Drop, line: str, reason: str
) -> None:
    """SQL knows no name from the same in another case: one object that has both must not cost all others."""
    drop.write("a", f"{line}\n{GOOD}".encode())
    report = ingest(lake, visits(drop.folder, JsonLines()), "visits", JUNE, settings, "run")
    assert (report.received, report.rows, report.quarantined) == (31, {"events": 30}, {reason: 1})
