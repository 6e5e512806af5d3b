"""What the lake costs: landing a day, landing it again, a first landing of the whole history, a sum over all partitions."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import date

from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import table
from segment_pipeline_tests.benchmarks import by_hand
from segment_pipeline_tests.benchmarks.company import Company
from segment_pipeline_tests.benchmarks.stage import Stage, nothing

# What a day brings from whom, and the half of it that an earlier pull had brought.
DAY = {
    "customers": ("square", "shopify"),
    "orders": ("square", "shopify"),
    "order_lines": ("square", "shopify"),
    "events": ("amplitude",),
}
EARLY = {name: f"minute({'occurred_at' if name == 'events' else 'updated_at'}) < 30" for name in DAY}
REFUNDS = {"refunds": ("square", "shopify")}
TOTALS = "SELECT day, sum(net_base) AS net, count(*) AS orders FROM orders GROUP BY day ORDER BY day"


def landing(company: Company) -> Lake:
    """A lake of the stages' own: the company's facts are not written to."""
    return Lake(str(company.root / "landing"), company.lake.engine)


def pulled(session: Session, company: Company, name: str, source: str, days: list[date] | None) -> None:
    """The view `pulled`: what the company holds of a source, of these days or of all."""
    delta = storage.open_table(company.lake.uri(name), {})
    assert delta is not None
    wanted = {"source": [source]} | ({"day": days} if days else {})
    files = [file.path for file in storage.files(delta, table(name), wanted)]
    session.connection.scan("pulled", table(name), files)


def land(
    company: Company, tables: Mapping[str, Sequence[str]], days: list[date] | None, rows: str = "SELECT * FROM pulled"
) -> int:
    count, lake = 0, landing(company)
    for name, sources in tables.items():
        for source in sources:
            with lake.session() as session:
                pulled(session, company, name, source, days)
                count += int(session.value(f"SELECT count(*) FROM ({rows})"))
                session.land(name, rows, source)
    return count


def nothing_landed(company: Company) -> None:
    shutil.rmtree(company.root / "landing", ignore_errors=True)


def half_landed(company: Company) -> None:
    nothing_landed(company)
    for name, sources in DAY.items():
        land(company, {name: sources}, [company.as_of], f"SELECT * FROM pulled WHERE {EARLY[name]}")


def landed(company: Company) -> None:
    land(company, DAY, [company.as_of])


def land_day(company: Company) -> int:
    return land(company, DAY, [company.as_of])


def land_day_by_hand(company: Company) -> int:
    """distinct(old and new) per table, where old is the half that had come before."""
    hand, rows = by_hand.connection(company), 0
    for name in DAY:
        new = by_hand.parquet(company, name, [company.as_of])
        old = f"SELECT * FROM {new} WHERE {EARLY[name]}"
        order = ", ".join(map(quote, ("source", "day", *table(name).sort_by)))
        rows += by_hand.written(
            company,
            hand,
            f"SELECT * FROM ({old} UNION SELECT * FROM {new}) ORDER BY {order}",
            partition_by=["source", "day"],
        )
    return rows


def land_again_by_hand(company: Company) -> int:
    """Nothing is new: the rows of the day less the rows of the day, per table."""
    hand, rows = by_hand.connection(company), 0
    for name in DAY:
        new = by_hand.parquet(company, name, [company.as_of])
        assert hand.execute(f"SELECT count(*) FROM (FROM {new} EXCEPT FROM {new})").fetchall() == [(0,)]
        rows += int(hand.execute(f"SELECT count(*) FROM {new}").fetchall()[0][0])
    return rows


def land_history(company: Company) -> int:
    return land(company, REFUNDS, None)


def land_history_by_hand(company: Company) -> int:
    hand = by_hand.connection(company, "refunds")
    return by_hand.written(company, hand, "SELECT * FROM refunds ORDER BY source, day", partition_by=["source", "day"])


def sum_by_day(company: Company) -> int:
    with company.lake.session() as session:
        session.scan("orders")
        return sum(row["orders"] for row in session.rows(TOTALS))


def sum_by_day_by_hand(company: Company) -> int:
    return sum(row[2] for row in by_hand.connection(company, "orders").execute(TOTALS).fetchall())


STAGES = (
    Stage("land-day", half_landed, land_day, land_day_by_hand),
    Stage("land-day-again", landed, land_day, land_again_by_hand),
    Stage("land-history", nothing_landed, land_history, land_history_by_hand),
    Stage("sum-by-day", nothing, sum_by_day, sum_by_day_by_hand),
)
