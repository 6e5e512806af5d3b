"""Currency rates, declared by the company or kept in a CSV file, landed as the source `rates`.

A rate holds from its day until the next one of its currency. Orders take it when they are landed: land rates first.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table

SOURCE = "rates"

Declared = Mapping[date, Mapping[str, Decimal | str]]


def land_rates(lake: Lake, rates: Declared | Path, *, base: str) -> int:
    """Land units of `base` per unit of each currency, by the day they were fixed; returns how many.

    A CSV file has the columns day, currency, rate. Landing the same rates again changes nothing; a changed rate of a day
    already landed is refused with ConfigError, because orders converted by it would stay as they are.
    """
    rows = [
        {"source": SOURCE, "currency": currency, "rate_day": day, "rate": rate, "day": day}
        for day, currency, rate in sorted(_read(rates) if isinstance(rates, Path) else _listed(rates))
        if currency != base
    ]
    if not rows:
        return 0
    with lake.session() as session:
        session.register("new_rates", pa.Table.from_pylist(rows, schema=table("rates").arrow))
        session.scan("rates", partitions={"source": [SOURCE]})
        changed = session.value(
            "SELECT count(*) FROM rates AS r INNER JOIN new_rates AS n"
            " ON n.currency = r.currency AND n.rate_day = r.rate_day AND n.rate <> r.rate"
        )
        if changed:
            raise ConfigError(
                f"{changed} currency rates differ from those already used for the same day: declare them for a later day"
            )
        session.land("rates", "SELECT * FROM new_rates", SOURCE)
    return len(rows)


def _listed(rates: Declared) -> Iterable[tuple[date, str, Decimal]]:
    for day, currencies in rates.items():
        for currency, rate in currencies.items():
            yield day, *_checked(currency, str(rate))


def _read(path: Path) -> Iterable[tuple[date, str, Decimal]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                try:
                    day = datetime.strptime(row["day"], "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
                    yield day, *_checked(row["currency"], row["rate"])
                except (KeyError, TypeError, ValueError):
                    raise ConfigError(
                        f"{path.name}, line {number}: a rate has the columns day (2017-01-31), currency and rate"
                    ) from None
    except OSError:
        raise ConfigError(f"the currency rates in {path.name} cannot be read: see whether the file is there") from None


def _checked(currency: str, rate: str) -> tuple[str, Decimal]:
    try:
        value = Decimal(rate).quantize(Decimal("0.00000001"))
    except InvalidOperation:
        value = Decimal(0)
    code = currency.strip().upper()
    if len(code) != 3 or not code.isalpha() or not value > 0:
        raise ConfigError("a currency rate has a three-letter code and a number above zero: correct it")
    return code, value
