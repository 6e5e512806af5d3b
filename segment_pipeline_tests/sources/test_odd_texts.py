"""A text that no engine reads, in one record of many: the others land, and what came is kept (ax 906 met half an emoji)."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segment_pipeline import texts
from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.holdable import Odd
from segment_pipeline.landing.landing import ingest, land
from segment_pipeline.landing.raw import pulls
from segment_pipeline.landing.tabular import each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.database.connector import _table
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, FixedWidth, Format, JsonLines, Whitespace
from segment_pipeline.sources.frame.connector import Frames, FrameTable
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline.testing.source import JUNE
from segment_pipeline.texts import storable
from segment_pipeline_tests.sources.test_answers_outside_the_contract import customer, nodes, vendor

RECORDS = 59
# JSON of a name, as it may come over the wire; each stands in one record.
ODD = {
    "half a pair of surrogates": rb'"half \ud83d emoji"',
    "the second half": rb'"\ude00"',
    "a surrogate as bytes": b'"\xed\xa0\xbd"',
    "bytes of another encoding": b'"Zo\xeb"',
    "NUL": b'"Ada\x00"',
    "NUL as an escape": rb'"Ada\u0000"',
    "a control character": b'"Ada\x01"',
    "a number no type holds": b"1" + b"0" * 400,
    "not a number": b"NaN",
    "a name that is there twice": b'"Ada", "given_name": "Bo", "firstName": "Bo"',
}


def among(page: bytes, odd: bytes, marker: bytes) -> bytes:
    assert page.count(marker) == 1
    return page.replace(marker, odd)


def landed(lake: Lake, table: str, column: str) -> tuple[int, str | None]:
    """How many rows there are, and what stands in the odd one."""
    with lake.session() as session:
        session.scan(table)
        [row] = session.rows(
            f"SELECT count(*) AS n, max({column}) FILTER (coalesce({column}, '') <> 'Ada') AS odd FROM {table}"
        )
    return row["n"], row["odd"]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_page_of_square_costs_at_worst_the_record(lake: Lake, settings: Settings, odd: bytes) -> None:
    records = [customer(n) for n in range(RECORDS)]
    records[7]["given_name"] = "here"
    page = among(json.dumps({"customers": records}).encode(), odd, b'"here"')

    def answer(path: str, body: Mapping[str, Any]) -> Any:
        return {} if path.startswith(("/v2/customers/groups", "/v2/locations")) else page

    with vendor(answer) as url:
        source = Square(base_url=url, access_token="t")
        report = ingest(lake, source, "customers", JUNE, settings, "run")
    check(lake, settings, report, source, page, "customers")


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_page_of_shopify_costs_at_worst_the_record(lake: Lake, settings: Settings, odd: bytes) -> None:
    answered = nodes(*range(RECORDS))
    for record in answered["data"]["customers"]["nodes"]:
        record["firstName"] = "Ada"
    answered["data"]["customers"]["nodes"][7]["firstName"] = "here"
    page = among(json.dumps(answered).encode(), odd, b'"here"')

    def answer(path: str, body: Mapping[str, Any]) -> Any:
        if "accessScopes" in str(body.get("query")):
            return {"data": {"currentAppInstallation": {"accessScopes": [{"handle": "read_customers"}]}}}
        counted = "customersCount" in str(body.get("query"))
        return {"data": {"customersCount": {"count": RECORDS, "precision": "EXACT"}}} if counted else page

    with vendor(answer) as url:
        source = Shopify(base_url=url, access_token="t")
        report = ingest(lake, source, "customers", JUNE, settings, "run")
    check(lake, settings, report, source, page, "customers")


def check(lake: Lake, settings: Settings, report: Any, source: Any, page: bytes, entity: str) -> None:
    assert (report.received, report.rows["customers"], report.quarantined) == (RECORDS, RECORDS, {})
    [pulled] = pulls(settings.raw, source.name, entity)
    [kept] = pulled.files[entity]
    received = kept.with_suffix(".received")
    if texts.json_text(page).encode() != page:
        assert received.read_bytes() == page
        assert "1 pages or lines held characters that are no Unicode: each is a \ufffd now" in report.notes
    else:
        assert not received.exists()
    # From the pages as they are kept the same lands again.
    before = lake.version("customers")
    land(lake, source, entity, pulled, settings, "again")
    assert lake.version("customers") == before


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_line_of_amplitude_costs_at_worst_the_record(lake: Lake, settings: Settings, odd: bytes) -> None:
    good = {"event_type": "visit", "event_time": "2017-06-05 12:00:00", "server_upload_time": "2017-06-05 12:00:00"}
    lines = [json.dumps({**good, "uuid": f"u{n}", "country": "here" if n == 7 else "US"}) for n in range(RECORDS)]
    content = among("\n".join(lines).encode(), odd, b'"here"')
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("1/1_2017-06-05_12#0.json.gz", gzip.compress(content))
    asked = 0

    def answer(path: str, body: Mapping[str, Any]) -> Any:
        nonlocal asked
        asked += 1
        return archive.getvalue()

    with vendor(answer) as url:
        source = Amplitude(base_url=url, api_key="k", secret_key="s", look_back=0, chunk_hours=2000)
        report = ingest(lake, source, "events", JUNE, settings, "run")
    assert (report.received, report.rows["events"], report.quarantined) == (RECORDS, RECORDS, {})
    assert asked == 1


def test_a_line_longer_than_a_record_may_be_is_quarantined_alone(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segment_pipeline.sources.amplitude.connector.RECORD_BYTES", 2000)
    test_a_line_of_amplitude_costs_at_worst_the_record(lake, settings, b'"US"')
    with pytest.raises(AssertionError, match="not an object"):
        test_a_line_of_amplitude_costs_at_worst_the_record(lake, settings, b'"' + b"x" * 3000 + b'"')


READ = {
    "csv": (Csv(), "id,when,who\n", "{n},2017-06-05,{who}\n"),
    "csv of another encoding": (Csv(encoding="ascii"), "id,when,who\n", "{n},2017-06-05,{who}\n"),
    "blanks": (Whitespace(), "id when who\n", "{n} 2017-06-05 {who}\n"),
    "fixed width": (FixedWidth(fields={"id": (0, 3), "when": (3, 13), "who": (13, 20)}), "", "{n:03d}2017-06-05{who}\n"),
    "json lines": (JsonLines(), "", '{{"id": "{n}", "when": "2017-06-05", "who": "{who}"}}\n'),
}  # fmt: skip


@pytest.mark.parametrize(("read", "header", "line"), READ.values(), ids=READ.keys())
def test_a_line_of_a_file_that_is_not_of_its_encoding_is_quarantined_alone(
    lake: Lake, settings: Settings, tmp_path: Path, read: Format, header: str, line: str
) -> None:
    text = header + "".join(line.format(n=n, who="Zoe" if n == 7 else "Ada") for n in range(RECORDS))
    (tmp_path / "people.txt").write_bytes(text.encode().replace(b"Zoe", b"Zo\xeb"))
    people = each("customers", customer_key="id", first_name="who")
    table = FileTable("people", pattern="people.txt", format=read, at="when", fills=(people,))
    source = Files(name="desk", root=str(tmp_path), tables=(table,))
    report = ingest(lake, source, "people", JUNE, settings, "run")
    assert (report.received, report.rows, report.quarantined) == (
        RECORDS, {"customers": RECORDS - 1}, {"bytes that are not of the encoding declared": 1},
    )  # fmt: skip
    with lake.session() as session:
        session.scan("quarantine")
        assert "Zo\ufffd" in session.value("SELECT raw FROM quarantine")


@pytest.mark.parametrize("odd", ["half \ud83d emoji", "\udcff", "Ada\x00"])
def test_a_value_of_a_frame_costs_at_worst_the_record(lake: Lake, settings: Settings, odd: str) -> None:
    def people(window: Window) -> pd.DataFrame:
        names = pd.Series([odd if n == 7 else "Ada" for n in range(RECORDS)], dtype=object)
        return pd.DataFrame({"id": range(RECORDS), "when": pd.Timestamp("2017-06-05"), "who": names})

    table = FrameTable(
        "people", function=people, at="when", fills=(each("customers", customer_key="id", first_name="who"),)
    )
    report = ingest(lake, Frames(name="ours", tables=(table,)), "people", JUNE, settings, "run")
    assert (report.rows, report.quarantined) == ({"customers": RECORDS}, {})
    assert "1 texts held what is no Unicode, or NUL: it is a \ufffd now, a byte its number" in report.notes
    assert landed(lake, "customers", "first_name") == (RECORDS, storable(odd).replace("\0", "\ufffd"))


def test_an_escaped_backslash_begins_no_escape_and_a_pair_is_a_character() -> None:
    for kept in (rb'{"a": "\\ud83d"}', rb'{"a": "\ud83d\ude00"}', rb'{"a": "\\\\u0000"}', '{"a": "😀\ufffd"}'.encode()):
        assert texts.json_text(kept).encode() == kept
    assert texts.json_text(rb'"\\\ud83d\ud83d\ude00"') == r'"\\\ufffd\ud83d\ude00"'


@pytest.mark.parametrize("odd", [Decimal("Infinity"), Decimal("1e60"), Decimal("1e90"), 2**70])
def test_a_number_nothing_holds_costs_itself_in_a_frame(lake: Lake, settings: Settings, odd: Any) -> None:
    def people(window: Window) -> pd.DataFrame:
        held = pd.Series([odd if n == 7 else type(odd)(n) for n in range(RECORDS)], dtype=object)
        return pd.DataFrame({"id": range(RECORDS), "when": pd.Timestamp("2017-06-05"), "points": held})

    fills = (each("customers", customer_key="id", loyalty_balance="points"),)
    source = Frames(name="ours", tables=(FrameTable("people", function=people, at="when", fills=fills),))
    report = ingest(lake, source, "people", JUNE, settings, "run")
    assert (report.rows, report.quarantined) == ({"customers": RECORDS}, {})
    assert "1 numbers are none, or have more digits than can be held: they are empty" in report.notes


def test_a_decimal_that_is_no_number_is_empty_and_all_others_are_kept() -> None:
    """PostgreSQL's NUMERIC holds NaN, infinity and as many digits as one likes."""
    odd = [Decimal("NaN"), Decimal("Infinity"), Decimal("1e60"), Decimal("1e-60"), None]
    counted = Odd()
    held = _table("shop/orders", ["paid"], [(each,) for each in [Decimal("1.50"), *odd, Decimal(20)]], counted)
    assert counted.emptied == 4
    assert held.column("paid").to_pylist() == [Decimal("1.50"), None, None, None, None, None, Decimal(20)]
