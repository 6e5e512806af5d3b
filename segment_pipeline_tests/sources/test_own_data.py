"""The guides to a company's own files and databases, run as they stand."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from segment_pipeline.days import Window
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.files.till import rows

DOCS = Path(__file__).parents[2] / "segment_pipeline/docs"
DECEMBER = Window(date(2016, 12, 1), date(2016, 12, 31))
SOURCE_LINES = 60


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A company's repository with the guides' modules, in whose folder the test runs."""
    package = tmp_path / "acme"
    package.mkdir()
    (package / "__init__.py").touch()
    for block in [*blocks("own-files.md", "python"), *blocks("own-database.md", "python")]:
        name = block.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme"]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return importlib.import_module(f"acme.{name}")


def test_a_source_of_rows_is_less_than_sixty_lines(acme: Path) -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in (acme / "acme").glob("*.py")}
    assert set(lines) == {"__init__.py", "till.py", "partner.py", "shop.py", "kept.py"}
    assert max(lines.values()) < SOURCE_LINES


def test_the_tills_files_land(acme: Path, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks("own-files.md", "text")
    (acme / "exports").mkdir()
    (acme / "exports/sales-1.csv").write_text(text, encoding="cp1252")
    os.utime(acme / "exports/sales-1.csv", (1.48e9, 1.48e9))
    till = module("till").TILL
    till.check()
    assert ingest(lake, till, "sales", DECEMBER, settings, "run").rows == {
        "order_lines": 3,
        "orders": 2,
        "customers": 1,
    }
    assert rows(lake, "orders", "order_key, customer_key, net, currency, ordered_at") == [
        ("536365", "17850", Decimal("35.64"), "GBP", datetime(2016, 12, 1, 8, 26, tzinfo=UTC)),
        ("536366", None, Decimal("1.85"), "GBP", datetime(2016, 12, 1, 8, 28, tzinfo=UTC)),
    ]
    monkeypatch.setenv("PARTNER_PASSWORD", "not shown")
    assert "not shown" not in repr(module("partner").PARTNER)


def test_the_shops_tables_land_and_a_deletion_is_seen(
    acme: Path, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{acme / 'shop.sqlite'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE customers (id INTEGER, email TEXT, name TEXT, updated_at TIMESTAMP)",
            "CREATE TABLE orders (id INTEGER, customer_id INTEGER, gross NUMERIC, discount NUMERIC, currency TEXT, placed_at TIMESTAMP, updated_at TIMESTAMP)",
            "INSERT INTO customers VALUES (7, 'Ada@Quiet.shop', 'Ada', '2016-12-01 10:00:00'), (8, NULL, 'Bob', '2016-12-01 10:00:00')",
            "INSERT INTO orders VALUES (1, 7, 12.5, 2.5, 'eur', '2016-12-02 10:00:00', '2016-12-03 10:00:00')",
        ):
            connection.execute(sa.text(statement))
        monkeypatch.setenv("SHOP_URL", url)
        shop = module("shop").SHOP
    shop.check()
    ingest(lake, shop, "orders", DECEMBER, settings, "run")
    assert rows(lake, "orders", "order_key, email, gross, discount, net, currency, updated_at") == [
        (
            "1",
            "ada@quiet.shop",
            Decimal("12.5"),
            Decimal("2.5"),
            Decimal(10),
            "EUR",
            datetime(2016, 12, 3, 10, tzinfo=UTC),
        ),
    ]
    whole = Window(date(2016, 12, 1), date(2017, 12, 31))
    ingest(lake, shop, "customers", whole, settings, "first")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM customers WHERE id = 8"))
    engine.dispose()
    ingest(lake, shop, "customers", whole, settings, "second")
    assert rows(lake, "customers", "customer_key, deleted_on") == [("7", None), ("8", date(2017, 12, 31)), ("8", None)]


def test_kept_tables_and_functions_land(acme: Path, lake: Lake, settings: Settings) -> None:
    (acme / "marts/orders").mkdir(parents=True)
    when = datetime(2016, 12, 5, 12, tzinfo=UTC)
    table = pa.table({"id": ["1"], "customer": ["7"], "net": [1.5], "when": [when]})
    parquet.write_table(table, acme / "marts/orders/a.parquet")
    kept = module("kept")
    ingest(lake, kept.MARTS, "orders", DECEMBER, settings, "run")
    ingest(lake, kept.PHONE, "orders", Window(date(2016, 12, 5), date(2016, 12, 6)), settings, "run")
    assert [key for (key,) in rows(lake, "orders", "order_key")] == ["1", "phone-20161206"], (
        "midnight in UTC is the day before"
    )
