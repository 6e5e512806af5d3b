"""Files and mappings that are not as declared: refused with a sentence, before anything is replaced."""

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Const, Time, each, sql, total
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files import formats, lines
from segment_pipeline.sources.files.connector import FileTable
from segment_pipeline.sources.files.formats import Csv, Excel, JsonLines, Parquet
from segment_pipeline_tests.sources.files.till import HEADER, JUNE, Drop, rows, till

LINE = "1;A;1;1,50;05/06/2017 09:30;ada;NL"


def test_more_than_a_few_malformed_lines_fail_before_anything_is_replaced(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    drop("sales-1.csv", HEADER, LINE)
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "first")
    drop("sales-1.csv", HEADER, *[LINE] * 20, *["2;A;one;1,50;05/06/2017 09:30;ada;NL"] * 2, at="2017-06-20T00:00:00")
    with pytest.raises(ContractError, match="2 of 22 records are malformed"):
        ingest(lake, till(drop.folder), "sales", JUNE, settings, "second")
    assert rows(lake, "orders", "net") == [(Decimal("1.5"),)]


def failing(lake: Lake, settings: Settings, drop: Drop, content: bytes, **changes: Any) -> str:
    drop.write("sales-1.csv", content)
    with pytest.raises((ContractError, ConfigError)) as caught:
        ingest(lake, till(drop.folder, **changes), "sales", JUNE, settings, "run")
    assert lake.version("orders") is None
    assert "ada" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_as_declared_say_so_and_nothing_is_written(
    lake: Lake, settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = HEADER.encode() + b"\n"
    good = LINE.encode() + b"\n"

    def said(content: bytes, **changes: Any) -> str:
        return failing(lake, settings, drop, content, **changes)

    assert "columns 1 and 3 have the same name" in said(b"invoice;stock;invoice;price;when;customer;country\n" + good)
    assert "no column qty, which the mapping needs" in said(head.replace(b"qty", b"quantity") + good)
    assert "no column country, customer, invoice" in said(good.replace(b"1;A;1;", b"1;A;7;") * 3), (
        "a file without a header: its first row names nothing"
    )
    assert "no line has 1 fields: declare its `delimiter`" in said(head.replace(b";", b",") + good)
    utf8 = Csv(delimiter=";", decimal=",")
    assert "it is not written in utf-8: declare its `encoding`" in said(
        head + good.replace(b"NL", b"\xe9"), format=utf8
    )
    assert "a quote is not closed" in said(head + b'1;"A;1;1,50;05/06/2017 09:30;ada;NL\n' + good * 3)
    assert "the last quote is not closed" in said(
        head + good + b'1;A;1;1,50;05/06/2017 09:30;ada;"N\n' + good, format=Csv(delimiter=";", multiline=True)
    )
    assert "cannot be read as Parquet: is it complete?" in said(b"PAR1" + b"x" * 50, format=Parquet())
    assert "cannot be read as an .xlsx workbook: is it complete?" in said(b"PK" + b"x" * 50, format=Excel())
    assert "cannot be read as an .xlsx workbook: is it complete?" in said(_damaged_sheet(), format=Excel())
    monkeypatch.setattr(formats, "LINE_BYTES", 1 << 16)
    monkeypatch.setattr(lines, "LINE_BYTES", 1 << 16)
    assert "a line is longer than" in said(head + b"x" * (1 << 17) + b"\n" + good)
    assert "a line is longer than" in said(b"x" * (1 << 17), format=JsonLines())
    with pytest.raises(ConfigError, match="no encoding utf-9"):
        Csv(encoding="utf-9")
    with pytest.raises(ConfigError, match="header"):
        Csv(header=False)


def test_a_line_of_any_length_is_refused_without_being_held(drop: Drop, tmp_path: Path) -> None:
    """A sparse file of 2 GB in one line, refused before half of it is in memory, the interpreter and its libraries included."""
    import subprocess
    import sys

    path = drop.folder / "sales-1.csv"
    with path.open("wb") as file:
        file.write(b"a;b\n")
        file.truncate(2 * 1024**3)
    code = (
        "import re, sys; from pathlib import Path; from segment_pipeline.errors import ContractError\n"
        "from segment_pipeline.sources.files.formats import Csv\n"
        "from segment_pipeline.sources.files.lines import Refused\n"
        "try: Csv(delimiter=';').convert(Path(sys.argv[1]), Path(sys.argv[2]), Refused())\n"
        # Not of getrusage, where a process begins with its parent's peak.
        "except ContractError as error:\n"
        "    print(error, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1], flush=True)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, path, tmp_path / "x.parquet"], capture_output=True, text=True, check=True
    )
    *said, peak = run.stdout.split()
    assert "a line is longer than" in " ".join(said)
    assert int(peak) < 1_000_000


def test_mistakes_in_a_mapping_are_found_when_it_is_loaded() -> None:
    def said(**changes: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            FileTable("sales", **{"pattern": "*", "at": "when", "currency": Const("EUR"), "fills": (), **changes})
        return str(caught.value)

    assert "it fills no table" in said()
    assert "Europe/Londn of when is no time zone" in said(types={"when": Time(zone="Europe/Londn")})
    assert "%Q in the format of when is no part of a time" in said(types={"when": Time("%d/%m/%Y %Q")})
    assert "EURO is no currency" in said(currency=Const("EURO"))
    assert "orders needs order_key, channel, gross, discount, net" in said(fills=(each("orders"),))
    assert "orders has no column colour" in said(fills=(each("orders", colour="x"),))
    assert "rate_day of orders is landing's to say" in said(fills=(each("orders", rate_day="x"),))
    assert "have no currency" in said(
        currency=None, fills=(each("orders", order_key="i", channel=Const("web"), net="x"),)
    )
    assert "no column says when" in said(at="", fills=(each("events", name="x"),))
    assert "no table that sources fill" in said(fills=(each("memberships"),))
    assert "cannot be read as an expression" in said(fills=(each("events", name=sql("(a")),))
    assert "use `per_key`" in said(fills=(each("orders", order_key="i", channel=Const("web"), net=total("x")),))


@pytest.mark.parametrize("harm", ["cut", "overwritten"])
@pytest.mark.parametrize("form", [Csv(delimiter=";"), JsonLines()])
def test_a_packed_file_that_is_not_whole_is_refused(form: Csv | JsonLines, harm: str, tmp_path: Path) -> None:
    """Half an upload: the end is missing, or the bytes after the head are another file's."""
    rows = b"".join(b'{"a": %d, "b": %d}\n' % (n, n * n) for n in range(5000))
    packed = gzip.compress(rows.replace(b'", ', b";") if isinstance(form, Csv) else rows)
    half = len(packed) // 2
    path = tmp_path / "rows.gz"
    path.write_bytes(packed[:half] if harm == "cut" else packed[:20] + b"\xff" * half)
    with pytest.raises(ContractError, match="it cannot be unpacked"):
        form.convert(path, tmp_path / "rows.parquet", lines.Refused())


def _damaged_sheet() -> bytes:
    """A workbook whose table of contents is whole and whose sheet is not: half an upload over an older file."""
    import io
    import zipfile

    whole = io.BytesIO()
    openpyxl.Workbook().save(whole)
    sheet = zipfile.ZipFile(whole).getinfo("xl/worksheets/sheet1.xml")
    begins = sheet.header_offset + 30 + len(sheet.filename)
    return whole.getvalue()[:begins] + b"\xff" * sheet.compress_size + whole.getvalue()[begins + sheet.compress_size :]
