"""A till that writes CSV files with decimal commas and British days into a folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.tabular import Const, Number, Time, each, per_key, sql, total
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
HEADER = "invoice;stock;qty;price;when;customer;country"
SALES = FileTable(
    "sales",
    pattern="sales-*.csv",
    format=Csv(delimiter=";", encoding="cp1252", decimal=","),
    at="when",
    currency=Const("GBP"),
    types={"when": Time("%d/%m/%Y %H:%M", zone="Europe/London"), "qty": Number(), "price": Number()},
    fills=(
        each("order_lines", order_key="invoice", product_key="stock", quantity="qty", net=sql("qty * price")),
        per_key(
            "orders",
            order_key="invoice",
            customer_key="customer",
            channel=Const("store"),
            net=total(sql("qty * price")),
        ),
        per_key("customers", where="customer IS NOT NULL", customer_key="customer", country="country"),
    ),
)


def till(root: Path | str, **changes: Any) -> Files:
    return Files(name="till", root=str(root), tables=(replace(SALES, **changes),))


@dataclass(frozen=True)
class Drop:
    """Puts files of these lines into the folder, as if written at some time."""

    folder: Path

    def __call__(self, name: str, *lines: str, at: str = "2017-06-10T00:00:00", encoding: str = "cp1252") -> Path:
        return self.write(name, "".join(line + "\n" for line in lines).encode(encoding), at=at)

    def write(self, name: str, content: bytes, at: str = "2017-06-10T00:00:00") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.touch(name, at)
        return path

    def touch(self, name: str, at: str) -> None:
        seconds = datetime.fromisoformat(at + "+00:00").timestamp()
        os.utime(self.folder / name, (seconds, seconds))


def rows(lake: Lake, table: str, columns: str) -> list[tuple[Any, ...]]:
    with lake.session() as session:
        session.scan(table)
        return [tuple(row.values()) for row in session.rows(f"SELECT {columns} FROM {table} ORDER BY ALL")]


def quarantined(lake: Lake) -> Sequence[tuple[str, str]]:
    return rows(lake, "quarantine", "reason, raw")
