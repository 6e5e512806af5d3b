"""Files as people write them, good and bad: each lands, goes to quarantine with its reason, or fails with a sentence."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Const, Flag, Number, Time, each, sql
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Excel, FixedWidth, Format, JsonLines, Parquet, Whitespace
from segment_pipeline_tests.sources.files.till import HEADER, JUNE, Drop, quarantined, rows, till

LINE = "1;A;1;1,50;05/06/2017 09:30;ada;NL"


def visits(root: Path, form: Format, **changes: Any) -> Files:
    """Visits with an id, a time and a number, in whatever format."""
    table = FileTable(
        "visits",
        **{
            "pattern": "*",
            "format": form,
            "at": "when",
            "fills": (each("events", event_key="id", name=Const("visit"), lat="degrees", session_key="session"),),
            **changes,
        },
    )
    return Files(name="web", root=str(root), tables=(table,))


def landed(lake: Lake, settings: Settings, source: Files) -> list[tuple[Any, ...]]:
    ingest(lake, source, "visits", JUNE, settings, "run")
    return rows(lake, "events", "event_key, occurred_at, lat, session_key, properties")


EXPECTED = [("7", datetime(2017, 6, 5, 13, 30, tzinfo=UTC), 1.5, "s 1", "{}")]


@pytest.mark.parametrize(
    ("name", "form", "content"),
    [
        ("a.csv", Csv(), b"id,when,degrees,session\n7,2017-06-05 09:30,1.5,s 1\n"),
        ("bom.csv", Csv(), b"\xef\xbb\xbfid,when,degrees,session\n7,2017-06-05 09:30,1.5,s 1\n"),
        ("crlf.csv", Csv(), b'"id","when","degrees","session"\r\n"7","2017-06-05T13:30:00Z","1.5","s 1"\r\n'),
        ("utf16.csv", Csv(encoding="utf-16", delimiter="\t"), "id\twhen\tdegrees\tsession\n7\t2017-06-05 09:30\t1.5\ts 1\n".encode("utf-16")),
        ("gz.csv.gz", Csv(), gzip.compress(b"id,when,degrees,session\n7,2017-06-05 09:30,1.5,s 1\n")),
        ("names.csv", Csv(header=("id", "when", "degrees", "session"), decimal=","), b'7,2017-06-05 09:30,"1,5",s 1\n'),
        ("title.csv", Csv(skip=2), b"a report\n\nid,when,degrees,session\n7,2017-06-05 09:30,1.5,s 1\n"),
        ("quotes.csv", Csv(quote="'", escape="\\", delimiter="|"), b"id|when|degrees|session\n'7'|'2017-06-05 09:30'|1.5|'s 1'\n"),
        ("lines.jsonl", JsonLines(), b'{"id": 7, "when": "2017-06-05T09:30:00-04:00", "degrees": 1.50, "session": "s 1"}\n\n'),
        ("fixed.txt", FixedWidth(fields={"id": (0, 4), "when": (4, 20), "degrees": (20, 24), "session": (24, 30)}), b"   72017-06-05 09:301.5 s 1\n\n"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)  # fmt: skip
def test_one_visit_is_the_same_however_it_is_written(
    lake: Lake, settings: Settings, drop: Drop, name: str, form: Format, content: bytes
) -> None:
    drop.write(name, content)
    assert landed(lake, settings, visits(drop.folder, form)) == EXPECTED


def test_fields_between_blanks(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("a.txt", "  id  day       degrees session", " 7  20170605  1.5   s1", " 8  20170605", "")
    source = visits(
        drop.folder, Whitespace(), at="day", types={"day": Time("%Y%m%d")}, fills=(each("events", event_key="id", name=Const("v"), lat="degrees", session_key="session"),)
    )  # fmt: skip
    assert landed(lake, settings, source) == [("7", datetime(2017, 6, 5, 4, tzinfo=UTC), 1.5, "s1", "{}")]
    ((reason, raw),) = quarantined(lake)
    assert reason == "another number of fields than the others"
    assert json.loads(raw) == {"text": " 8  20170605", "_file": "a.txt"}


def test_a_sheet_with_dates_numbers_and_gaps(lake: Lake, settings: Settings, drop: Drop) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "when", "degrees", "session"])
    book.active.append([7, datetime(2017, 6, 5, 9, 30), 1.5, "s 1"])
    book.active.append([])
    book.active.append([8.0, datetime(2017, 6, 5, 9, 30), None])
    book.save(drop.folder / "a.xlsx")
    drop.touch("a.xlsx", "2017-06-10T00:00:00")
    assert landed(lake, settings, visits(drop.folder, Excel())) == [*EXPECTED, ("8", EXPECTED[0][1], None, None, "{}")]


def test_parquet_keeps_its_types_and_naive_times_are_the_companys(lake: Lake, settings: Settings, drop: Drop) -> None:
    """A key read as a float, as tools do with gaps, is the whole number it was."""
    table = pa.table(
        {
            "id": pa.array([7.0, 8.0]),
            "when": pa.array([datetime(2017, 6, 5, 9, 30)] * 2, pa.timestamp("ns")),
            "degrees": pa.array([1.5, float("nan")]),
            "session": pa.array(["s 1", None]).dictionary_encode(),
        }
    )
    parquet.write_table(table, drop.folder / "a.parquet")
    drop.touch("a.parquet", "2017-06-10T00:00:00")
    assert landed(lake, settings, visits(drop.folder, Parquet())) == [
        *EXPECTED,
        ("8", EXPECTED[0][1], None, None, "{}"),
    ]


def test_nested_json_has_dotted_names_and_long_numbers_stay(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop(
        "a.jsonl",
        '{"id": 12345678901234567890, "when": "2017-06-05T13:30:00Z", "who": {"device": "d1"}, "tags": ["x"]}',
    )
    fill = each("events", event_key="id", name=Const("visit"), anonymous_id="who.device")
    source = visits(drop.folder, JsonLines(), fills=(fill,))
    ingest(lake, source, "visits", JUNE, settings, "run")
    assert rows(lake, "events", "event_key, anonymous_id, properties") == [
        ("12345678901234567890", "d1", '{"tags":"[\\"x\\"]"}')
    ]


def test_unknown_columns_are_kept_and_said(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("a.csv", "id,when,degrees,session,device,colour,secret", "7,2017-06-05 09:30,1.5,s 1,phone,,x")
    report = ingest(lake, visits(drop.folder, Csv(), ignore=("secret",)), "visits", JUNE, settings, "run")
    assert rows(lake, "events", "properties") == [('{"device":"phone"}',)]
    assert report.notes == ("columns kept in events: device, colour",)
    drop("sales-1.csv", HEADER + ";colour", LINE + ";red")
    report = ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert report.notes == ("columns mapped to nothing: colour",)


def test_values_that_are_not_of_their_type_go_to_quarantine_with_their_row(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    good = [f"{n};A;1;1,50;05/06/2017 09:30;ada;NL" for n in range(200)]
    bad = [
        "901;A;one;1,50;05/06/2017 09:30;ada;NL",
        "902;A;1;1.50;05/06/2017 09:30;ada;NL",
        "903;A;1;1,50;06/13/2017 09:30;ada;NL",
        "904;A;1;1,50;;ada;NL",
        ";A;1;1,50;05/06/2017 09:30;ada;NL",
        "906;A;1;1,50;05/06/2018 09:30;ada;NL",
        "907;A;1",
    ]
    drop("sales-1.csv", HEADER, *good, *bad)
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "run")
    assert sorted(reason for reason, _ in quarantined(lake)) == [
        "another number of fields than the others",
        "invoice is empty",
        "price is no number",
        "qty is no number",
        "when is empty",
        "when is in the future",
        "when is no time",
    ]
    assert {json.loads(raw)["_file"] for _, raw in quarantined(lake)} == {"sales-1.csv"}
    assert len(rows(lake, "orders", "order_key")) == 200


def test_a_mended_file_takes_its_records_out_of_quarantine(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("sales-1.csv", HEADER, LINE, "2;A;one;1,50;05/06/2017 09:30;ada;NL")
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "first")
    assert [reason for reason, _ in quarantined(lake)] == ["qty is no number"]
    drop("sales-1.csv", HEADER, LINE, "2;A;1;1,50;05/06/2017 09:30;ada;NL", at="2017-06-20T00:00:00")
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "second")
    assert not quarantined(lake)
    assert len(rows(lake, "orders", "order_key")) == 2


def test_empty_and_unfinished_files_are_left_for_the_next_time_and_said(
    lake: Lake, settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands at 2018-01-01 08:00 UTC; a file with a header only is a file without rows."""
    drop("sales-1.csv", HEADER)
    drop.write("sales-2.csv", b"")
    drop("sales-3.csv", HEADER, LINE, at="2018-01-01T07:59:30")
    drop("sales-4.csv.part", HEADER, LINE)
    report = ingest(lake, till(drop.folder, pattern="sales-*"), "sales", JUNE, settings, "first")
    assert report.notes == (
        "1 files are empty and are left for the next time: sales-2.csv",
        "1 files changed a moment ago and are left for the next time: sales-3.csv",
    )
    assert report.received == 0
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T08:05:00+00:00")
    assert ingest(lake, till(drop.folder), "sales", JUNE, settings, "second").received == 1


def test_a_file_that_changes_while_it_is_read_is_left(
    lake: Lake, settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop("sales-1.csv", HEADER, LINE)

    class Growing(Csv):
        def convert(self, *given: Any) -> Any:
            with path.open("ab") as file:
                file.write(LINE.encode())
            return super().convert(*given)

    with pytest.raises(Exception, match=r"sales-1\.csv changed while it was read"):
        ingest(lake, till(drop.folder, format=Growing(delimiter=";", decimal=",")), "sales", JUNE, settings, "run")
    assert lake.version("orders") is None


def test_a_column_that_vanishes_or_changes_its_type_fails_before_anything_is_replaced(
    lake: Lake, settings: Settings, drop: Drop
) -> None:
    drop("sales-1.csv", HEADER + ";colour", LINE + ";red")
    ingest(lake, till(drop.folder), "sales", JUNE, settings, "first")
    drop("sales-2.csv", HEADER, LINE.replace("1;A", "2;A"))
    with pytest.raises(
        ContractError, match=r"sales-1\.csv had the column colour at the last landing and sales-2\.csv has it not"
    ):
        ingest(lake, till(drop.folder), "sales", JUNE, settings, "second")
    ingest(lake, till(drop.folder, optional=("colour",)), "sales", JUNE, settings, "third")
    assert rows(lake, "orders", "order_key") == [("1",), ("2",)]

    def write(name: str, ids: pa.Array, at: str) -> None:
        table = pa.table({"id": ids, "when": [datetime(2017, 6, 5)], "degrees": [1.0], "session": ["s"]})
        parquet.write_table(table, drop.folder / name)
        drop.touch(name, at)

    write("a.parquet", pa.array([1]), "2017-06-10T00:00:00")
    ingest(lake, visits(drop.folder, Parquet(), pattern="*.parquet"), "visits", JUNE, settings, "first")
    write("b.parquet", pa.array([1.0]), "2017-06-11T00:00:00")
    ingest(lake, visits(drop.folder, Parquet(), pattern="*.parquet"), "visits", JUNE, settings, "second")
    write("a.parquet", pa.array(["x"]), "2017-06-12T00:00:00")
    with pytest.raises(
        ContractError, match=r"a\.parquet: the column id held numbers at the last landing and holds texts"
    ):
        ingest(lake, visits(drop.folder, Parquet(), pattern="*.parquet"), "visits", JUNE, settings, "third")


def test_words_for_yes_and_no_and_numbers_with_thousands(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("a.csv", "id;when;who;ok;points", "1;2017-06-05;ada;JA;1.234", "2;2017-06-05;bob;nee;", "3;2017-06-05;cyd;;7")
    fill = each("customers", customer_key="who", contactable=sql("coalesce(ok, FALSE)"), loyalty_balance="points")
    source = visits(
        drop.folder, Csv(delimiter=";", decimal=","), key=("id",), fills=(fill,),
        types={"ok": Flag(yes=("ja",), no=("nee",)), "points": Number(thousands=".")},
    )  # fmt: skip
    ingest(lake, source, "visits", JUNE, settings, "run")
    assert rows(lake, "customers", "customer_key, contactable, loyalty_balance, attributes") == [
        ("ada", True, 1234, None),
        ("bob", False, None, None),
        ("cyd", False, 7, None),
    ]


def test_a_snapshot_in_files_closes_what_is_absent(
    lake: Lake, settings: Settings, drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segment_pipeline.landing.source import Kind

    table = FileTable(
        "shops", pattern="shops-*.csv", kind=Kind.SNAPSHOT, fills=(each("stores", store_key="id", name="name"),)
    )
    source = Files(name="till", root=str(drop.folder), tables=(table,))
    drop("shops-eu.csv", "id,name", "1,North", "2,South")
    drop("shops-us.csv", "id,name", "9,West")
    ingest(lake, source, "shops", JUNE, settings, "first")
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-02T08:00:00+00:00")
    ingest(lake, source, "shops", JUNE, settings, "second")
    assert {row[0] for row in rows(lake, "stores", "day")} == {date(2017, 12, 31)}, "nothing changed, nothing is said"
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-03T08:00:00+00:00")
    drop("shops-eu.csv", "id,name", "1,North", at="2018-01-03T00:00:00")
    ingest(lake, source, "shops", JUNE, settings, "third")
    assert rows(lake, "stores", "store_key, day, deleted_on") == [
        ("1", date(2017, 12, 31), None), ("1", date(2018, 1, 2), None),
        ("2", date(2017, 12, 31), None), ("2", date(2018, 1, 2), date(2018, 1, 2)),
        ("9", date(2017, 12, 31), None), ("9", date(2018, 1, 2), None),
    ]  # fmt: skip


def test_contacts_are_made_canonical_and_consents_are_of_them(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop(
        "c.csv",
        "id,when,mail,tel,land,yes",
        "1,2017-06-05 10:00, Ada@Quiet.Shop ,(212) 555-0101,us,granted",
        "2,2017-06-05,none,,US,denied",
    )
    customers = each("customers", customer_key="id", email="mail", phone="tel", country="land")
    consents = each(
        "consents",
        where="mail LIKE '%@%'",
        identifier="mail",
        identifier_type=Const("email"),
        channel=Const("email"),
        status="yes",
    )
    source = visits(drop.folder, Csv(), fills=(customers, consents))
    ingest(lake, source, "visits", JUNE, settings, "run")
    assert rows(lake, "customers", "customer_key, email, phone, country") == [
        ("1", "ada@quiet.shop", "+12125550101", "US"),
        ("2", None, None, "US"),
    ]
    assert rows(lake, "consents", "identifier, status, purpose, evidence, recorded_at") == [
        ("ada@quiet.shop", "granted", "marketing", "web/visits", datetime(2017, 6, 5, 14, tzinfo=UTC)),
    ]


def test_columns_may_have_the_names_landing_uses_itself(lake: Lake, settings: Settings, drop: Drop) -> None:
    drop("a.csv", "key,updated_at,reason,day,currency,digest,raw,origin", "7,2017-06-05 09:30,why,x,eur,y,z,w")
    fill = each(
        "orders", order_key="key", channel=Const("web"), net=sql("CAST(1 AS DECIMAL(9,2))"), campaign_key="reason"
    )
    source = visits(drop.folder, Csv(), at="updated_at", currency="currency", fills=(fill,))
    ingest(lake, source, "visits", JUNE, settings, "run")
    assert rows(lake, "orders", "order_key, currency, campaign_key, ordered_at, origin") == [
        ("7", "EUR", "why", datetime(2017, 6, 5, 13, 30, tzinfo=UTC), "a.csv")
    ]
