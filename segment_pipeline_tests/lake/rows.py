"""Literal rows of the table most tests here write to, and the two ways they go in and come out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Written
from segment_pipeline_tests.conftest import arrow_rows


def refund(key: str, day: date, amount: str = "1.5", source: str = "shop", hour: int = 12) -> dict[str, Any]:
    noon = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    return {
        "source": source, "refund_key": key, "updated_at": noon, "refunded_at": noon, "refunded_on": day,
        "amount": Decimal(amount), "currency": "USD", "day": day,
    }  # fmt: skip


def land(lake: Lake, *rows: dict[str, Any], source: str = "shop") -> Written:
    with lake.session() as session:
        session.register("pulled", arrow_rows("refunds", rows))
        return session.land("refunds", "SELECT * FROM pulled", source)


def keys(lake: Lake) -> list[str]:
    with lake.session() as session:
        session.scan("refunds")
        return [row["refund_key"] for row in session.rows("SELECT refund_key FROM refunds ORDER BY ALL")]
