"""`make bench`: what the lake costs against the same work by hand, as ratios within one run on this machine.

Prints one JSON object per measure: seconds through the lake, seconds by hand, ratio. Bounded: one million rows, a temporary folder.
"""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table

ROWS = 1_000_000
MADE = f"""
SELECT 'shop' AS source, 'r' || i AS refund_key, TIMESTAMPTZ '2017-01-01 12:00:00+00' AS updated_at, 'o' || i AS order_key,
    CAST(NULL AS VARCHAR) AS line_number, TIMESTAMPTZ '2017-01-01 12:00:00+00' AS refunded_at,
    DATE '2017-01-01' + CAST(i % 365 AS INTEGER) AS refunded_on, CAST(i % 1000 AS DECIMAL(18,4)) AS amount,
    CAST(i % 1000 AS DECIMAL(18,4)) AS amount_base, 'USD' AS currency, DATE '2017-01-01' + CAST(i % 365 AS INTEGER) AS day
FROM range({ROWS}) AS t(i)
"""
TOTALS = "SELECT day, sum(amount_base) AS amount, count(*) AS n FROM {rows} GROUP BY day ORDER BY day"


def main() -> None:
    with TemporaryDirectory() as folder:
        lake = Lake(str(Path(folder) / "lake"), DuckDBEngine(memory="2GB", spill=Path(folder) / "spill"))
        made = duckdb.sql(MADE)
        assert made is not None
        rows: pa.Table = made.to_arrow_table().cast(table("refunds").arrow)
        bare = str(Path(folder) / "bare")

        def by_hand() -> None:
            connection = duckdb.connect()
            connection.register("made", rows)
            connection.execute(
                f"COPY made TO '{bare}' (FORMAT parquet, PARTITION_BY (source, day), OVERWRITE)"
            ).fetchall()

        def landed() -> None:
            with lake.session() as session:
                session.register("made", rows)
                session.land("refunds", "SELECT * FROM made", "shop")

        tell("land a year of a million rows, first time", _seconds(landed), _seconds(by_hand))
        tell("land the same rows again", _seconds(landed), _seconds(by_hand))

        def scanned() -> None:
            with lake.session() as session:
                session.scan("refunds")
                assert len(session.rows(TOTALS.format(rows="refunds"))) == 365

        def read() -> None:
            files = f"read_parquet('{bare}/**/*.parquet', hive_partitioning = true)"
            assert len(duckdb.connect().sql(TOTALS.format(rows=files)).fetchall()) == 365

        tell(
            "sum by day over 365 partitions",
            min(_seconds(scanned) for _ in range(3)),
            min(_seconds(read) for _ in range(3)),
        )


def tell(work: str, through: float, by_hand: float) -> None:
    measured = {"seconds": round(through, 3), "by_hand": round(by_hand, 3), "ratio": round(through / by_hand, 2)}
    print(json.dumps({"work": work, **measured, "machine": platform.processor() or platform.machine()}))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
