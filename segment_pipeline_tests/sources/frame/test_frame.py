"""Functions that return frames: their rows land as any source's, and their mistakes are theirs, by file and line."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.tabular import Const, Sql, Time, each
from segment_pipeline.settings import Settings
from segment_pipeline.sources.frame.connector import Frames, FrameTable, Function
from segment_pipeline_tests.sources.files.till import JUNE, quarantined, rows

ORDERS = each("orders", order_key="id", customer_key="who", channel=Const("web"), net="paid")


def shop(function: Function, **changes: Any) -> Frames:
    table = FrameTable("sales", function=function, at="when", currency=Const("EUR"), fills=(ORDERS,))
    return Frames(name="erp", tables=(replace(table, **changes),))


def frame(**columns: Any) -> pd.DataFrame:
    """Two sales, changed by what is given; a column given as None is left out."""
    held = {
        "id": ["1", "2"],
        "who": ["ada", None],
        "when": pd.to_datetime(["2017-06-05 09:30", "2017-06-06 09:30"]),
        "paid": [1.5, 2.25],
    }
    return pd.DataFrame({name: values for name, values in (held | columns).items() if values is not None})


def test_a_frame_lands_and_times_without_a_zone_are_the_companys_which_is_said(lake: Lake, settings: Settings) -> None:
    asked = []

    def sales(window: Window) -> pd.DataFrame:
        asked.append(window)
        return frame()

    report = ingest(lake, shop(sales, look_back=2), "sales", JUNE, settings, "run")
    assert asked == [Window(date(2017, 5, 30), date(2017, 6, 30))]
    assert rows(lake, "orders", "order_key, customer_key, net, ordered_at, day") == [
        ("1", "ada", Decimal("1.5"), datetime(2017, 6, 5, 13, 30, tzinfo=UTC), date(2017, 6, 5)),
        ("2", None, Decimal("2.25"), datetime(2017, 6, 6, 13, 30, tzinfo=UTC), date(2017, 6, 6)),
    ]
    assert report.notes == ("times without a zone are taken for the company's: when",)


def test_a_declared_zone_holds_and_aware_times_keep_theirs(lake: Lake, settings: Settings) -> None:
    london = {"when": Time(zone="Europe/London")}
    assert ingest(lake, shop(lambda _: frame(), types=london), "sales", JUNE, settings, "run").notes == ()
    assert rows(lake, "orders", "ordered_at")[0] == (datetime(2017, 6, 5, 8, 30, tzinfo=UTC),)
    aware = pd.to_datetime(["2017-06-05 09:30+02:00", "2017-06-06 09:30+02:00"])
    ingest(lake, shop(lambda _: frame(when=aware, id=["8", "9"]), types=london), "sales", JUNE, settings, "run")
    assert rows(lake, "orders", "ordered_at")[0] == (datetime(2017, 6, 5, 7, 30, tzinfo=UTC),)


def test_several_frames_are_one_answer_and_a_row_outside_the_window_stays_out(lake: Lake, settings: Settings) -> None:
    def sales(window: Window) -> Iterator[pd.DataFrame]:
        yield frame(who=[None, None])
        yield pd.DataFrame()
        yield frame(id=["3", "4"], when=pd.to_datetime(["2017-06-07", "2017-07-07"]), paid=[1, 2])

    report = ingest(lake, shop(sales), "sales", JUNE, settings, "run")
    assert (report.received, report.rows) == (4, {"orders": 3})


def test_keys_that_are_nan_go_to_quarantine_and_float_keys_are_whole(lake: Lake, settings: Settings) -> None:
    """A key with gaps is a column of floats in pandas."""
    ids = [float(n) for n in range(1, 40)] + [np.nan]
    many = frame(id=ids, who=["ada"] * 40, when=pd.to_datetime(["2017-06-05"] * 40), paid=[1.0] * 40)
    report = ingest(lake, shop(lambda _: many), "sales", JUNE, settings, "run")
    assert report.quarantined == {"id is empty": 1}
    assert rows(lake, "orders", "order_key")[0] == ("1",)


def test_nothing_for_a_window_is_nothing(lake: Lake, settings: Settings) -> None:
    assert ingest(lake, shop(lambda _: pd.DataFrame()), "sales", JUNE, settings, "run").received == 0
    assert ingest(lake, shop(lambda _: frame().iloc[:0]), "sales", JUNE, settings, "run").rows == {"orders": 0}


def failing(lake: Lake, settings: Settings, function: Any, kind: type[Exception] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        ingest(lake, shop(function), "sales", JUNE, settings, "run")
    assert lake.version("orders") is None
    assert "ada" not in str(caught.value)
    return str(caught.value)


def test_frames_that_are_none_say_what_they_are(lake: Lake, settings: Settings) -> None:
    assert "the column who of its frame holds values of several types" in failing(
        lake, settings, lambda _: frame(who=["ada", 7])
    )
    assert "returned list" not in failing(lake, settings, lambda _: None)
    assert "returned NoneType: let it return a pandas frame" in failing(lake, settings, lambda _: None)
    assert "yielded str" in failing(lake, settings, lambda _: ["ada"])
    twice = pd.concat([frame(), frame()[["who"]]], axis=1)
    assert "has the column who twice" in failing(lake, settings, lambda _: twice)
    assert "no column paid, which the mapping needs" in failing(
        lake, settings, lambda _: frame(paid=None), ContractError
    )

    def grows(_: Window) -> Iterator[pd.DataFrame]:
        yield frame()
        yield frame(more=["x", "y"])

    assert "a later piece has other columns than the first (more)" in failing(lake, settings, grows, ContractError)


def test_an_error_of_the_function_names_its_file_and_line_and_no_value(lake: Lake, settings: Settings) -> None:
    def sales(_: Window) -> pd.DataFrame:
        raise ValueError("ada@quiet.shop is no number")

    line = sales.__code__.co_firstlineno + 1
    said = failing(lake, settings, sales)
    assert f"ValueError at test_frame.py:{line}, its message withheld" in said
    assert said.startswith("erp/sales: its function failed")

    def deep(_: Window) -> pd.DataFrame:
        return frame(paid=["x", "y"]).astype({"paid": float})

    assert f"at test_frame.py:{deep.__code__.co_firstlineno + 1}" in failing(lake, settings, deep)


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), requests.ConnectionError("ada"), TransientError("busy")]
)
def test_what_passes_by_itself_is_tried_again(lake: Lake, settings: Settings, error: Exception) -> None:
    def sales(_: Window) -> pd.DataFrame:
        raise error

    failing(lake, settings, sales, TransientError)


def test_a_column_that_vanished_or_changed_since_the_last_window_fails(lake: Lake, settings: Settings) -> None:
    ingest(lake, shop(lambda _: frame(shade=["red", "blue"])), "sales", JUNE, settings, "first")
    for shade, said in ((None, "had the column shade"), ([1, 2], "held texts at the last landing and holds numbers")):
        with pytest.raises(ContractError, match=said):
            ingest(lake, shop(partial(_changed, shade)), "sales", JUNE, settings, "second")
    ingest(lake, shop(lambda _: frame(), optional=("shade",)), "sales", JUNE, settings, "third")


def _changed(shade: list[int] | None, _: Window) -> pd.DataFrame:
    return frame(shade=shade)


def test_rows_outside_the_window_are_counted(lake: Lake, settings: Settings) -> None:
    report = ingest(
        lake,
        shop(lambda _: frame(when=pd.to_datetime(["2017-06-05 09:30", "2017-07-06 09:30"]))),
        "sales",
        JUNE,
        settings,
        "run",
    )
    assert "1 rows are of days outside the window (2017-07-06 to 2017-07-06) and were left out" in report.notes
    assert report.rows == {"orders": 1}


def test_a_column_is_refused_for_what_it_is(lake: Lake, settings: Settings) -> None:
    aware = pd.Timestamp("2017-06-05 09:30", tz="Europe/Berlin")
    half = pd.Series([pd.Timestamp("2017-06-05 09:30"), aware], dtype=object)
    assert "the column when of its frame holds times with a zone and times without" in failing(
        lake, settings, lambda _: frame(when=half)
    )
    days = pd.Series([date(2017, 6, 5), datetime(2017, 6, 5, 9, 30)], dtype=object)
    assert "values of several types, date and datetime" in failing(lake, settings, lambda _: frame(when=days))
    assert "the column more of its frame holds values of type complex128" in failing(
        lake, settings, lambda _: frame(more=[1j, 2j])
    )
    assert "values of several types, int and str" in failing(lake, settings, lambda _: frame(who=["ada", 7]))
    sparse = frame(paid=pd.arrays.SparseArray([1.5, 2.25]))
    ingest(lake, shop(lambda _: sparse), "sales", JUNE, settings, "run")
    assert [net for (net,) in rows(lake, "orders", "net")] == [Decimal("1.5"), Decimal("2.25")]


def test_a_function_of_other_arguments_is_told_so(lake: Lake, settings: Settings) -> None:
    said = "erp/sales: its function cannot be called with a window alone"
    functions: list[Any] = [frame_of_nothing, lambda window, more: frame(), lambda *, window: frame()]
    for wrong in functions:
        assert said in failing(lake, settings, wrong)
        with pytest.raises(ConfigError, match=said):
            shop(wrong).check()
    assert "`function` cannot be called" in failing(lake, settings, "ada")
    shop(partial(_changed, None)).check()


def frame_of_nothing() -> pd.DataFrame:
    return frame()


def test_an_exit_of_the_function_is_its_failure_and_an_interrupt_is_none(lake: Lake, settings: Settings) -> None:
    class DagsterExecutionInterruptedError(BaseException):
        """Named as Dagster's is."""

    def ending(error: BaseException) -> Function:
        def sales(_: Window) -> pd.DataFrame:
            raise error

        return sales

    assert "its function failed with SystemExit at test_frame.py" in failing(
        lake, settings, ending(SystemExit("ada@quiet.shop"))
    )
    for error in (KeyboardInterrupt(), DagsterExecutionInterruptedError()):
        with pytest.raises(type(error)):
            ingest(lake, shop(ending(error)), "sales", JUNE, settings, "run")


@pytest.mark.parametrize("column", ["amount", "goods", "quantity"])
def test_a_refund_below_zero_goes_to_quarantine(lake: Lake, settings: Settings, column: str) -> None:
    """Some exports write what was paid back as an expense; such a refund would take nothing off."""
    fill = each("refunds", refund_key="id", order_key="who", **{"amount": "paid"} | {column: "said"})
    said = frame(paid=[15.0, 15.0], said=["-15.00", "15.00"])
    ingest(lake, shop(lambda _: said, fills=(fill,)), "sales", JUNE, settings, "run")
    assert rows(lake, "refunds", "refund_key, amount") == [("2", Decimal(15))]
    assert [reason for reason, _ in quarantined(lake)] == ["said is below zero"]


def test_the_mapping_may_turn_the_sign_of_refunds(lake: Lake, settings: Settings) -> None:
    fill = each("refunds", refund_key="id", amount=Sql("-paid"))
    ingest(lake, shop(lambda _: frame(paid=[-15.0, 15.0]), fills=(fill,)), "sales", JUNE, settings, "run")
    assert rows(lake, "refunds", "refund_key, amount") == [("1", Decimal(15))]
    assert [reason for reason, _ in quarantined(lake)] == ["amount for refunds is below zero"]
