"""Files as nobody meant to write them: what is no row, or two things at once, is counted with its reason or refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from openpyxl.chart import BarChart, Reference
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Const, Number, Time, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Excel, FixedWidth, Format, JsonLines, Parquet, Whitespace
from segment_pipeline.sources.files.lines import RAGGED
from segment_pipeline_tests.sources.files.till import HEADER, JUNE, Drop, quarantined, rows, till

ROW = "7,2017-06-05T09:30,1.5,s"


def visits(root: Path, form: Format, **types: Any) -> Files:
    fills = (each("events", event_key="id", name=Const("visit"), lat="degrees", session_key="session"),)
    table = FileTable("visits", pattern="*", format=form, at="when", fills=fills, types=types)
    return Files(name="web", root=str(root), tables=(table,))


def landed(lake: Lake, settings: Settings, drop: Drop, form: Format, content: str | bytes, **types: Any) -> list[Any]:
    drop.write("a", content if isinstance(content, bytes) else content.encode())
    ingest(lake, visits(drop.folder, form, **types), "visits", JUNE, settings, "run")
    return rows(lake, "events", "event_key, lat")


def test_blanks_of_every_kind_are_no_id(lake: Lake, settings: Settings, drop: Drop) -> None:
    """A no-break space comes out of spreadsheets and web pages, and looks like nothing."""
    content = "id,when,degrees,session\n7,2017-06-05T09:30,1.5,\u00a0\n\u00a08 ,2017-06-05T09:30,1.5, s\u3000\n\u00a0,2017-06-05T09:30,1.5,s\n"
    landed(lake, settings, drop, Csv(), content)
    assert rows(lake, "events", "event_key, session_key") == [("7", None), ("8", "s")]
    assert reasons(lake) == ["id is empty"]


def test_what_stands_behind_a_time_is_read_or_the_row_is_refused(lake: Lake, settings: Settings, drop: Drop) -> None:
    """An engine's cast passes over PM and over zones it does not know, so that the hour was another one, and nobody was told."""
    odd = [
        "10:00:00 PM",
        "10:00:00 CEST",
        "10:00:00 Europe/Nowhere",
        "10:00:00 America/New_York",
        "10:00:00+99:00",
        "10:00:00 and",
    ]
    read = {
        "10:00:00 UTC": 10,
        "10:00:00Z": 10,
        "10:00:00+02:00": 8,
        "10:00:00-0500": 15,
        "10:00:00.25 GMT": 10,
        "10:00": 14,
    }
    texts = [*(f"2017-06-05T{text}" for text in (*odd, *read)), "epoch", "20170605"]
    usual = "".join(f"u{n},2017-06-05T09:30,1.5,s\n" for n in range(200))
    content = "id,when,degrees,session\n" + "".join(f"t{n:02},{text},1.5,s\n" for n, text in enumerate(texts)) + usual
    drop.write("a", content.encode())
    ingest(lake, visits(drop.folder, Csv()), "visits", JUNE, settings, "run")
    hours = "event_key, CAST(extract(hour FROM timezone('UTC', occurred_at)) AS INTEGER)"
    landed = [hour for key, hour in rows(lake, "events", hours) if key.startswith("t")]
    assert landed == list(read.values())
    assert len(quarantined(lake)) == len(odd) + 2


def test_amounts_too_large_to_add_up_cost_their_rows_alone(lake: Lake, settings: Settings, drop: Drop) -> None:
    huge = [f"A;{number};9000;9000000000,00;05/06/2017 09:30;7;France" for number in (1, 2)]
    usual = [f"B{number};1;2;1,50;05/06/2017 09:30;7;France" for number in range(60)]
    drop("sales-1.csv", HEADER, *huge, *usual)
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert rows(lake, "orders", "count(*), CAST(sum(net) AS VARCHAR)") == [(60, "180.0000")]
    assert reasons(lake) == ["net for order_lines is too large to add up"] * 2


def reasons(lake: Lake) -> list[str]:
    return [reason for reason, _ in quarantined(lake)]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (Csv(), f"\n\nid,when,degrees,session\n{ROW}\n"),
        (Csv(skip=1), f"a report\n\nid,when,degrees,session\n{ROW}\n"),
        (Csv(multiline=True), f'id,when,degrees,session,"a\nnote"\n{ROW},x\n'),
        (Whitespace(), "\n\nid when degrees session\n7 2017-06-05T09:30 1.5 s\n"),
    ],
    ids=["blank lines first", "title and blank line", "line break in a name", "blank lines, blanks"],
)
def test_the_header_is_the_first_line_with_anything_in_it(
    lake: Lake, settings: Settings, drop: Drop, form: Format, content: str
) -> None:
    assert landed(lake, settings, drop, form, content) == [("7", 1.5)]
    assert reasons(lake) == []


def workbook(path: Path, *written: Sequence[Any], chart_first: bool = False) -> bytes:
    book = openpyxl.Workbook()
    if chart_first:
        chart = BarChart()
        chart.add_data(Reference(book.worksheets[0], min_col=1, min_row=1, max_row=2))
        book.create_chartsheet("Figures", 0).add_chart(chart)
    for row in written:
        book.worksheets[0].append(row)
    book.save(path)
    return path.read_bytes()


def test_a_sheet_s_row_longer_than_its_header_is_set_aside(
    lake: Lake, settings: Settings, drop: Drop, tmp_path: Path
) -> None:
    content = workbook(
        tmp_path / "x.xlsx",
        [],
        ["id", "when", "degrees", "session"],
        *([n, datetime(2017, 6, 5), 1.5] for n in range(30)),
        [99, datetime(2017, 6, 5), 1.5, "s", "one more"],
        [98, datetime(2017, 6, 5), 1.5, "s", "  "],
    )
    assert len(landed(lake, settings, drop, Excel(), content)) == 31
    assert reasons(lake) == ["another number of fields than the others"]


def test_a_chart_before_the_first_sheet_is_no_sheet(lake: Lake, settings: Settings, drop: Drop, tmp_path: Path) -> None:
    written: list[list[Any]] = [["id", "when", "degrees", "session"], [7, datetime(2017, 6, 5), 1.5, "s"]]
    content = workbook(tmp_path / "x.xlsx", *written, chart_first=True)
    assert landed(lake, settings, drop, Excel(), content) == [("7", 1.5)]
    with pytest.raises(ContractError, match="Figures is no sheet with cells"):
        landed(lake, settings, drop, Excel(sheet="Figures"), content + b" ")


GOOD = "".join(f'{{"id": {n}, "when": "2017-06-05T09:30", "degrees": 1.5, "session": "s"}}\n' for n in range(30))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": 77, "id": 78, "when": "2017-06-05", "degrees": 1}', "a name is there twice"),
        ('{"id": 77, "when": "2017-06-05", "at": {"x": 1, "x": 2}}', "a name is there twice"),
        ('{"id": 77, "when": "2017-06-05", "at.x": 1, "at": {"x": 2}}', "a name is there twice"),
        ('{"id": 77, "when": "2017-06-05", "session": "\\ud800"}', "a text that is no Unicode"),
        ('{"id": 77, "when": "2017-06-05", "\\udfff": "s"}', "a text that is no Unicode"),
        ("[]", "no JSON object"),
        ('{"id": 77', "no JSON object"),
    ],
)
def test_a_line_of_json_that_could_mean_two_things_or_none_is_set_aside(
    lake: Lake, settings: Settings, drop: Drop, line: str, reason: str
) -> None:
    assert len(landed(lake, settings, drop, JsonLines(), GOOD + line + "\n")) == 30
    assert reasons(lake) == [reason]


@pytest.mark.parametrize(
    ("form", "content", "said"),
    [
        (JsonLines(), '[\n{\n"id": 1\n}\n]\n', "no line is a JSON object"),
        (JsonLines(), '{"id": 1, "when": "2017-06-05"}\n{"ID": 2}\n', "id and ID, which differ in case alone"),
        (Csv(), f"id,when,degrees,Id\n{ROW}\n", "columns 1 and 4 have the same name, whatever its case"),
        (Whitespace(), "id when ID degrees\n1 2 3 4\n", "columns 1 and 3 have the same name, whatever its case"),
        (Whitespace(), "id when degrees session\n1 2\n3 4\n", "no line has 4 fields"),
        (FixedWidth(fields={"id": (2, 4), "when": (9, 20)}), "\nx\n", "every line is too short"),
        (FixedWidth(fields={"id": (0, 4), "ID": (4, 8)}), "12345678\n", "columns 1 and 2 have the same name"),
    ],
)
def test_a_file_none_of_whose_lines_is_a_row_is_not_as_declared(
    lake: Lake, settings: Settings, drop: Drop, form: Format, content: str, said: str
) -> None:
    with pytest.raises(ContractError, match=said):
        landed(lake, settings, drop, form, content)
    assert lake.version("events") is None


def test_all_that_was_read_is_landed_or_in_quarantine(lake: Lake, settings: Settings, drop: Drop) -> None:
    lines = [f"{n},2017-06-05,1.5,s" for n in range(40)]
    drop("a", "id,when,degrees,session", *lines, "77,2017-06-05")
    report = ingest(lake, visits(drop.folder, Csv()), "visits", JUNE, settings, "run")
    assert (report.received, report.rows, report.quarantined) == (41, {"events": 40}, {RAGGED: 1})


def test_too_many_malformed_rows_are_told_with_their_reasons(lake: Lake, settings: Settings, drop: Drop) -> None:
    lines = [f"{n},5 June,1.5,s" for n in range(30)]
    drop("a", "id,when,degrees,session", *lines, "77,2017-06-05,none,s")
    with pytest.raises(ContractError) as caught:
        ingest(lake, visits(drop.folder, Csv()), "visits", JUNE, settings, "run")
    assert "31 of 31 records are malformed, more than 5% (30: when is no time in a, 1: degrees is no" in str(
        caught.value
    )


def test_rows_without_a_key_that_two_files_have_are_kept_once_and_said(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    fills = (each("survey_answers", survey_key=Const("s"), question_key=Const("q"), answer="said", customer_key="who"),)
    table = FileTable("answers", pattern="*", at="when", fills=fills)
    for name in ("a", "b"):
        drop(name, "said,who,when", "yes,ada,2017-06-05", "yes,ada,2017-06-05", f"no,{name},2017-06-05")
    report = ingest(lake, Files(name="web", root=str(drop.folder), tables=(table,)), "answers", JUNE, settings, "run")
    assert len(rows(lake, "survey_answers", "answer")) == 4
    assert report.notes == ("2 rows of survey_answers are equal to others with their key: one of each is kept",)


def test_a_damaged_page_of_parquet_is_told_with_its_file(lake: Lake, settings: Settings, drop: Drop) -> None:
    path = drop.folder / "a.parquet"
    texts = [f"{n * n * 7919 % 10**9:x}" * 5 for n in range(20_000)]
    table = pa.table({"id": texts, "when": ["2017-06-05"] * 20_000, "degrees": [1.5] * 20_000, "session": texts})
    parquet.write_table(table, path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[1000:3000] = bytes(2000)
    path.write_bytes(content)
    drop.touch("a.parquet", "2017-06-10T00:00:00")
    with pytest.raises(ContractError, match=r"web/visits, a\.parquet: it cannot be read as Parquet: is it complete\?"):
        ingest(lake, visits(drop.folder, Parquet()), "visits", JUNE, settings, "run")
    assert lake.version("events") is None


def test_what_is_nested_in_parquet_is_json(lake: Lake, settings: Settings, drop: Drop) -> None:
    nested = {"at": [{"x": 1}], "list": [[1, 2]], "tags": [["a", None]], "map": [[("k", 1.5)]]}
    kinds = {"map": pa.map_(pa.string(), pa.float64())}
    held = {name: pa.array(values, kinds.get(name)) for name, values in nested.items()}
    rest = {"id": ["7"], "when": ["2017-06-05"], "degrees": [1.5], "session": ["s"]}
    parquet.write_table(pa.table({**rest, **held}), drop.folder / "a")
    drop.touch("a", "2017-06-10T00:00:00")
    ingest(lake, visits(drop.folder, Parquet()), "visits", JUNE, settings, "run")
    [(properties,)] = rows(lake, "events", "properties")
    kept = json.loads(properties)
    assert {name: kept[name] for name in ("at", "list", "map")} == {
        "at": '{"x":1}',
        "list": "[1,2]",
        "map": '{"k":1.5}',
    }
    assert kept["tags"] == ["a", None]


@pytest.mark.parametrize(
    ("name", "said"),
    [("_file", "the column _file has the name"), ("", "column 5 has no name"), ("ID", "id and ID differ in case")],
)
def test_a_column_of_a_name_nobody_could_use_is_refused(
    lake: Lake, settings: Settings, drop: Drop, name: str, said: str
) -> None:
    table = pa.table([["7"], ["2017-06-05"], [1.5], ["s"], ["x"]], names=["id", "when", "degrees", "session", name])
    parquet.write_table(table, drop.folder / "a")
    drop.touch("a", "2017-06-10T00:00:00")
    with pytest.raises(ContractError, match=said):
        ingest(lake, visits(drop.folder, Parquet()), "visits", JUNE, settings, "run")


def test_a_column_is_what_landing_knows_of_a_file_only_where_that_is_asked_for(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    """Tools that keep tables have a `_modified` of their own, which nobody could rename."""
    drop("a", "id,when,degrees,session,_modified", "7,2017-06-05,1.5,s,yesterday")
    source = visits(drop.folder, Csv())
    ingest(lake, source, "visits", JUNE, settings, "run")
    assert rows(lake, "events", "properties") == [('{"_modified":"yesterday"}',)]
    asked = replace(source, tables=(replace(source.tables[0], at="_modified"),))
    drop("b", "id,when,degrees,session,_modified", "8,2017-06-05,1.5,s,yesterday")
    with pytest.raises(ContractError, match="web/visits, b: the column _modified has the name of what landing knows"):
        ingest(lake, asked, "visits", JUNE, settings, "run")


def test_two_figures_of_a_year_are_no_year_of_four(lake: Lake, settings: Settings, drop: Drop) -> None:
    """`strptime` of DuckDB takes `17` for a `%Y`: the year 17 after Christ."""
    lines = [f"{n},05/06/2017,1.5,s" for n in range(30)]
    content = "\n".join(["id,when,degrees,session", *lines, "77,5/6/17,1.5,s"]) + "\n"
    assert len(landed(lake, settings, drop, Csv(), content, when=Time("%d/%m/%Y"))) == 30
    assert reasons(lake) == ["when is no time"]
    for number, formats in enumerate((("%d/%m/%y", "%d/%m/%Y"), ("%d/%m/%Y", "%d/%m/%y")), start=1):
        assert len(landed(lake, settings, drop, Csv(), content + "\n" * number, when=Time(*formats))) == 31
    assert rows(lake, "events", "DISTINCT occurred_at") == [(datetime(2017, 6, 5, 4, tzinfo=UTC),)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,5", 1234.5),
        ("1234,5", 1234.5),
        ("-12.345.678", -12345678.0),
        ("1.5", None),
        ("12.34.567,1", None),
        ("1,234.5", None),
        (".5", None),
    ],
)
def test_a_mark_of_thousands_stands_before_three_figures(
    lake: Lake, settings: Settings, drop: Drop, text: str, number: float | None
) -> None:
    lines = [f"{n};2017-06-05;1.000;s" for n in range(30)]
    content = "\n".join(["id;when;degrees;session", *lines, f"77;2017-06-05;{text};s"]) + "\n"
    found = dict(landed(lake, settings, drop, Csv(delimiter=";"), content, degrees=Number(decimal=",", thousands=".")))
    assert found.get("77") == number
    assert reasons(lake) == ([] if number else ["degrees is no number"])


def test_equal_rows_of_two_files_are_two_where_the_file_is_of_the_key(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    fills = (each("survey_answers", survey_key=Const("s"), question_key=Const("q"), answer="said"),)
    table = FileTable("answers", pattern="*", at="when", fills=fills, key=("_file", "line"))
    for name in ("a", "b"):
        drop(name, "line,said,when", "1,yes,2017-06-05", "2,yes,2017-06-05")
    report = ingest(lake, Files(name="web", root=str(drop.folder), tables=(table,)), "answers", JUNE, settings, "run")
    assert (len(rows(lake, "survey_answers", "answer")), report.notes) == (4, ())


def test_a_number_has_no_underscore(lake: Lake, settings: Settings, drop: Drop) -> None:
    lines = [f"{n},2017-06-05,1.5,s" for n in range(30)]
    content = "\n".join(["id,when,degrees,session", *lines, "77,2017-06-05,1_0,s"]) + "\n"
    assert len(landed(lake, settings, drop, Csv(), content, degrees=Number())) == 30
    assert reasons(lake) == ["degrees is no number"]
