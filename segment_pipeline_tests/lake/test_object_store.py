"""The lake in an S3 bucket: a real S3 protocol over loopback, written by delta-rs and read by DuckDB."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import boto3
import pytest
from moto.server import ThreadedMotoServer

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.maintenance import maintain
from segment_pipeline_tests.conftest import arrow_rows

DAY = date(2017, 1, 1)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="customers")
    yield "s3://customers/lake"
    server.stop()


def test_landing_reading_erasing_and_upkeep_in_a_bucket(bucket: str) -> None:
    lake = Lake(bucket, DuckDBEngine())
    row = {
        "source": "shop", "updated_at": datetime(2017, 1, 1, 12, tzinfo=UTC), "refunded_on": DAY, "currency": "USD",
        "refunded_at": datetime(2017, 1, 1, 12, tzinfo=UTC), "amount": Decimal("1.5"), "day": DAY,
    }  # fmt: skip
    for key in ("a", "b", "a"):
        with lake.session() as session:
            session.register("pulled", arrow_rows("refunds", [row | {"refund_key": key}]))
            session.land("refunds", "SELECT * FROM pulled", "shop")
    with lake.session() as session:
        session.define("gone", "SELECT 'b' AS refund_key")
        assert session.erase("refunds", "gone", ["refund_key"]) == 1
        session.scan("refunds")
        assert session.rows("SELECT refund_key, amount FROM refunds") == [{"refund_key": "a", "amount": Decimal("1.5")}]
    assert [upkeep.table for upkeep in maintain(lake, date(2018, 1, 1))] == ["refunds"]
