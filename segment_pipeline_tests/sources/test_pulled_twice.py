"""Two pulls that tell one version of a record differently: the later pull counts, whichever lands first, and so do its parts."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from segment_pipeline.days import Window
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest, land
from segment_pipeline.landing.source import Source
from segment_pipeline.landing.tabular import Const, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.frame.connector import Frames, FrameTable
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.sources import shopify_records as shopify, square_records as square
from segment_pipeline_tests.sources.pulls import body, pulled

SHOP = Shopify(base_url="http://127.0.0.1:9", access_token="t")
TILL = Square(base_url="http://127.0.0.1:9", access_token="t")
ZONE = '{"data": {"shop": {"ianaTimezone": "America/Chicago"}}}'


def at(hour: int) -> datetime:
    return datetime(2017, 6, 10, hour, tzinfo=UTC)


def held(
    folder: Path, settings: Settings, source: Source, entity: str, pulls: Sequence[tuple[int, Mapping[str, Any]]]
) -> dict[str, list[str]]:
    """All rows of a lake of its own after these pulls, each of an hour, were landed in this order."""
    lake = Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill"))
    for number, (hour, parts) in enumerate(pulls):
        asked = pulled(source, entity, JUNE, settings, parts, at=at(hour))
        land(lake, source, entity, asked, settings, f"run-{number}")
    [declared] = [each for each in source.entities if each.name == entity]
    with lake.session() as session:
        for name in declared.table_names:
            session.scan(name)
        return {
            name: [str(r) for r in session.rows(f"SELECT * FROM {name} ORDER BY ALL")] for name in declared.table_names
        }


LINE = {n: shopify.line(n, "10.00") for n in (1, 2, 3)}
BACK = shopify.refund(5, "10.00", [LINE[1]])
# The states of one order under one time, in the order they were pulled (shopify-app-js 603): each at another hour.
STATES: dict[str, list[dict[str, Any]]] = {
    "paid later": [{"displayFinancialStatus": "PENDING"}, {"displayFinancialStatus": "PAID"}],
    "another line": [{"lineItems": [LINE[1], LINE[2]]}, {"lineItems": [LINE[1], LINE[3]]}],
    "a line less": [{"lineItems": [LINE[1], LINE[2]]}, {"lineItems": [LINE[1]]}],
    "no line left": [{"lineItems": [LINE[1], LINE[2]]}, {"lineItems": []}],
    "a refund taken back": [{"lineItems": [LINE[1]], "refunds": [BACK]}, {"lineItems": [LINE[1]]}],
    "there and back": [{"lineItems": [LINE[1]]}, {"email": "bob@quiet.shop", "lineItems": [LINE[2]]}, {"lineItems": [LINE[1]]}],
}  # fmt: skip


@pytest.mark.parametrize("states", STATES.values(), ids=STATES.keys())
def test_the_later_pull_of_a_version_counts_in_any_order_of_landing(
    tmp_path: Path, settings: Settings, states: list[dict[str, Any]]
) -> None:
    other = body(shopify.order(9, lineItems=[LINE[1], LINE[2]]))
    pulls = [
        (hour, {"orders": [body(shopify.order(1, **told)), other], "shop": [ZONE]}) for hour, told in enumerate(states)
    ]
    last = held(tmp_path / "last", settings, SHOP, "orders", pulls[-1:])
    for number, landed in enumerate(itertools.permutations(pulls)):
        assert held(tmp_path / f"{number}", settings, SHOP, "orders", [*landed, landed[0]]) == last


def test_a_line_that_is_gone_from_an_order_of_the_till_is_gone(tmp_path: Path, settings: Settings) -> None:
    """29.00 were asked for, and lines of 34.00 stayed."""
    lines = {uid: square.line(uid, amount) for uid, amount in (("1", 1500), ("2", 500), ("3", 1400))}
    places = [body(square.location("L1"))]
    before = {"orders": [body(square.order("O", line_items=[lines["1"], lines["2"]]))], "locations": places}
    after = {"orders": [body(square.order("O", line_items=[lines["1"], lines["3"]]))], "locations": places}
    forth, back = (
        held(tmp_path / name, settings, TILL, "orders", pulls)
        for name, pulls in (("forth", [(1, before), (2, after)]), ("back", [(2, after), (1, before)]))
    )
    assert forth == back == held(tmp_path / "one", settings, TILL, "orders", [(2, after)])


def test_a_store_that_a_later_snapshot_of_the_day_has_not_is_not_there(tmp_path: Path, settings: Settings) -> None:
    one, two = (body(square.location(key)) for key in ("L1", "L2"))
    pulls = [(6, {"locations": [one, two]}), (7, {"locations": [{**one, "name": "moved"}]})]
    forth, back = (held(tmp_path / str(n), settings, TILL, "locations", p) for n, p in enumerate((pulls, pulls[::-1])))
    assert forth == back
    [row] = forth["stores"]
    assert "'moved'" in row


def test_a_row_of_a_table_changed_twice_on_the_day_of_its_cursor_is_what_the_later_pull_says(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cursor of days: changes of one day share their version."""

    def orders(window: Window) -> pd.DataFrame:
        return pd.DataFrame({"id": ["1"], "when": [date(2017, 6, 5)], "status": [status], "paid": [amount]})

    fill = each("orders", order_key="id", status="status", channel=Const("web"), net="paid")
    table = FrameTable("orders", function=orders, at="when", currency=Const("USD"), fills=(fill,))
    for hour, (status, amount) in enumerate((("open", 9.0), ("completed", 1.0)), start=10):
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", at(hour).isoformat())
        ingest(lake, Frames(name="ours", tables=(table,)), "orders", JUNE, settings, "run")
    with lake.session() as session:
        session.scan("orders")
        [row] = session.rows("SELECT status, net FROM orders")
    assert tuple(row.values()) == ("completed", Decimal(1))
