"""Currency rates: what is declared, what a file holds, and what may not change afterwards."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.rates import land_rates


def held(lake: Lake) -> list[tuple[str, date, Decimal]]:
    with lake.session() as session:
        session.scan("rates")
        rows = session.rows("SELECT currency, rate_day, rate FROM rates ORDER BY ALL")
    return [(row["currency"], row["rate_day"], row["rate"]) for row in rows]


def test_declared_rates_and_a_file_land_alike_and_twice_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    declared: dict[date, dict[str, Decimal | str]] = {
        date(2017, 1, 1): {"CAD": Decimal("0.74"), "USD": "1"},
        date(2017, 2, 1): {"CAD": "0.76"},
    }
    file = tmp_path / "rates.csv"
    file.write_text("day,currency,rate\n2017-01-01,cad,0.74\n2017-02-01,CAD,0.76\n")
    assert land_rates(lake, declared, base="USD") == 2
    assert land_rates(lake, file, base="USD") == 2
    assert held(lake) == [("CAD", date(2017, 1, 1), Decimal("0.74")), ("CAD", date(2017, 2, 1), Decimal("0.76"))]


def test_a_rate_already_used_cannot_change(lake: Lake) -> None:
    land_rates(lake, {date(2017, 1, 1): {"CAD": "0.74"}}, base="USD")
    with pytest.raises(ConfigError, match="declare them for a later day"):
        land_rates(lake, {date(2017, 1, 1): {"CAD": "0.75"}}, base="USD")


@pytest.mark.parametrize(
    "line", ["2017-13-01,CAD,1", "2017-01-01,CAD", "2017-01-01,CAD,-1", "2017-01-01,DOLLAR,1", "2017-01-01,CAD,x"]
)
def test_a_line_that_is_no_rate_is_refused(lake: Lake, tmp_path: Path, line: str) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(f"day,currency,rate\n{line}\n")
    with pytest.raises(ConfigError, match="rate"):
        land_rates(lake, file, base="USD")


def test_a_missing_file_is_named(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rates\.csv"):
        land_rates(lake, tmp_path / "rates.csv", base="USD")
