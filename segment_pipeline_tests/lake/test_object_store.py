"""The lake in an S3 bucket: a real S3 protocol over loopback, written by delta-rs and read by DuckDB; and why it is out of reach."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import boto3
import pytest

from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.maintenance import maintain
from segment_pipeline.lake.reach import reason
from segment_pipeline_tests import s3
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.scripted_server import ScriptedServer, answer

DAY = date(2017, 1, 1)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with s3.bucket(monkeypatch, "customers") as (_, endpoint):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        yield "s3://customers/lake"


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


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delenv(name, raising=False)


def test_a_missing_bucket_is_named_with_what_to_set(bucket: str) -> None:
    for use in (lambda lake: lake.rows("refunds"), Lake.probe):
        with pytest.raises(
            ConfigError, match="bucket of the lake does not exist: make it, name another in SEGMENT_PIPELINE_LAKE"
        ):
            use(Lake("s3://nobody/lake", DuckDBEngine()))


def test_an_endpoint_without_tls_has_to_be_allowed(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "AWS_ALLOW_HTTP")
    with pytest.raises(ConfigError, match="endpoint is http://.*AWS_ALLOW_HTTP=true"):
        Lake(bucket, DuckDBEngine()).rows("refunds")


def test_an_endpoint_nobody_answers_at_is_named_with_its_variable(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot be reached: check AWS_ENDPOINT_URL"):
        Lake(bucket, DuckDBEngine()).rows("refunds")


def test_credentials_that_are_missing_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    # Where a machine of Amazon's would ask for its role.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match="no credentials .* set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        Lake(bucket, DuckDBEngine()).rows("refunds")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDenied", "refuses these credentials: allow them to list it"),
        (403, "InvalidAccessKeyId", "does not know these credentials: check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "does not know these credentials: check AWS_ACCESS_KEY_ID"),
        (301, "PermanentRedirect", "another region: set AWS_REGION"),
    ],
)
def test_what_a_store_refuses_is_told_apart(
    bucket: str, monkeypatch: pytest.MonkeyPatch, status: int, code: str, said: str
) -> None:
    store = ScriptedServer()
    store.play(answer(status, f"<Error><Code>{code}</Code><Message>ann@known.org</Message></Error>".encode()))
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    try:
        with pytest.raises(ConfigError, match=said) as raised:
            Lake(bucket, DuckDBEngine()).rows("refunds")
    finally:
        store.stop()
    assert "known.org" not in str(raised.value)


@pytest.mark.parametrize(
    "root", ["gs://customers/lake", "abfss://c@x.dfs.core.windows.net/lake", "s3a://customers/lake"]
)
def test_a_lake_in_another_kind_of_store_is_refused_at_once(root: str) -> None:
    with pytest.raises(ConfigError, match=r"SEGMENT_PIPELINE_LAKE begins with \w+://, .* a folder or an s3:// bucket"):
        Lake(root, DuckDBEngine())


def test_without_the_extra_it_is_named() -> None:
    program = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from segment_pipeline.lake.lake import Lake; from segment_pipeline.lake.duckdb_engine import DuckDBEngine\n"
        "Lake('s3://customers/lake', DuckDBEngine())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        "ConfigError: a lake in an s3:// bucket needs the extra s3: pip install 'segment-pipeline[s3]'"
    )


def objects(bucket: str) -> list[str]:
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    held = boto3.client("s3").list_objects_v2(Bucket=name, Prefix=prefix)
    return [each["Key"] for each in held.get("Contents", [])]


def test_the_probe_leaves_nothing_behind(bucket: str, tmp_path: Path) -> None:
    Lake(bucket, DuckDBEngine()).probe()
    assert objects(bucket) == []
    Lake(str(tmp_path / "lake"), DuckDBEngine()).probe()
    assert list((tmp_path / "lake").iterdir()) == []


def test_the_probe_says_when_nothing_may_be_deleted(bucket: str) -> None:
    name = bucket.removeprefix("s3://").partition("/")[0]
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    boto3.client("s3").put_bucket_policy(Bucket=name, Policy=policy)
    with pytest.raises(
        ConfigError, match="refuses these credentials: allow them to list it and to read, write and delete"
    ):
        Lake(bucket, DuckDBEngine()).probe()


def test_a_file_in_the_way_of_the_lakes_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    with pytest.raises(ConfigError, match="lake is a file where the lake's folder should be"):
        Lake(str(tmp_path / "lake"), DuckDBEngine())


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Generic LocalFileSystem error: No space left on device (os error 28)", ConfigError, "a disk is full"),
        (
            "IO Error: Could not write file: Read-only file system",
            ConfigError,
            "may not be read or written by this user",
        ),
        ("Generic S3 error: Server returned non-2xx status code: 503 Service Unavailable", TransientError, "busy"),
        ("An error occurred (SlowDown) when calling PutObject", TransientError, "busy"),
    ],
)
def test_a_full_disk_and_a_busy_store_are_told_apart(text: str, kind: type[Exception], said: str) -> None:
    assert isinstance(found := reason(OSError(text)), kind)
    assert said in str(found)


def test_other_failures_stay_without_their_text() -> None:
    assert reason(OSError("parquet: row 7 of ann@known.org")) is None
