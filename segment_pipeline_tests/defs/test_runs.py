"""Jobs run in this process: what passes by itself is tried again, and an interruption ends the run at once, wherever it lands."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.runs import RunFailed, run
from segment_pipeline.errors import ConfigError, SegmentPipelineError, TransientError

pytestmark = pytest.mark.dagster

# A step that would be tried again if it failed of something that passes, and another one after it.
INTERRUPTED = """
import contextlib, sys, time
import dagster as dg, pyarrow as pa
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.runs import run
from segment_pipeline.interrupts import listening
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings

def slow():
    for number in range(100):
        time.sleep(0.1)
        yield pa.record_batch({"range": [number]})

@dg.asset
def first(context: dg.AssetExecutionContext):
    with in_our_words(context, retries=2, wait=60), Lake.open(Settings.from_env()).session() as session:
        rows = pa.RecordBatchReader.from_batches(pa.schema([("range", pa.int64())]), slow())
        session.connection.raw.register("slow", rows)
        print("running", flush=True)
        if sys.argv[1] == "swallow":
            with contextlib.suppress(BaseException):
                time.sleep(10)
            return
        getattr(session, sys.argv[1])(*sys.argv[2:], **({"materialize": True} if sys.argv[1] == "define" else {}))
        time.sleep(0.1)

@dg.asset
def second():
    print("went on", flush=True)

job = dg.define_asset_job("both", executor_def=dg.in_process_executor)
definitions = dg.Definitions([first, second], jobs=[job])
with listening(), dg.DagsterInstance.ephemeral() as instance:
    try:
        run(definitions.resolve_job_def("both"), instance, [dg.AssetKey("first"), dg.AssetKey("second")])
    except KeyboardInterrupt:
        print("interrupted")
"""
IN_DUCKDB = "SELECT count(*) AS n FROM (SELECT hash(CAST(range AS VARCHAR)) AS h, count(*) AS n FROM range(20000000) GROUP BY h)"
IN_PYTHON = "SELECT count(*) AS n FROM slow"


@pytest.mark.parametrize(
    "call",
    [["define", "counted", IN_DUCKDB], ["value", IN_PYTHON], ["swallow"]],
    ids=["in DuckDB", "in Python, read by DuckDB", "swallowed by a library"],
)
def test_an_interruption_in_a_running_statement_ends_the_run(tmp_path: Path, call: list[str]) -> None:
    """DuckDB makes an error of its own of it, or nothing, PySpark may swallow it, and Dagster takes it for a reason to try again."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *call],
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        | {"SEGMENT_PIPELINE_HOME": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=50)
    assert output.splitlines() == ["interrupted"], errors[-2000:]


@pytest.mark.parametrize(
    ("error", "attempts"), [(TransientError("the vendor is busy"), 3), (ConfigError("no such key"), 1)]
)
def test_only_what_can_pass_by_itself_is_tried_again(error: SegmentPipelineError, attempts: int) -> None:
    seen: list[int] = []

    @dg.asset
    def busy(context: dg.AssetExecutionContext) -> None:
        with in_our_words(context, retries=2, wait=0.01):
            seen.append(context.retry_number)
            raise error

    definitions = dg.Definitions([busy], jobs=[dg.define_asset_job("all_of_it")])
    with (
        dg.DagsterInstance.ephemeral() as instance,
        pytest.raises(RunFailed, match=f"busy: {type(error).__name__}: {error}"),
    ):
        run(definitions.resolve_job_def("all_of_it"), instance, [dg.AssetKey("busy")])
    assert seen == list(range(attempts))
