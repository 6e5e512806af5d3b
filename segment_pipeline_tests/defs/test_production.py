"""Production: the block of dagster.yaml that is shipped commented out, switched on, and the ledger, on a real PostgreSQL."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from segment_pipeline.init.instance import dagster_yaml
from segment_pipeline.lake.lake import Lake
from segment_pipeline.sandbox import registry
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import MANY_STATEMENTS
from segment_pipeline_tests.defs.dagster_process import DagsterProcess
from segment_pipeline_tests.postgres import new_database

AUDIENCE = "best_customers_files"


def switched_on(shipped: str) -> str:
    """The file with its production block as configuration: exactly the comment marks of that block taken off."""
    before, block = shipped.split("# storage:\n")
    lines = ["# storage:", *block.splitlines()]
    assert all(line.startswith("# ") for line in lines)
    return before + "\n".join(line.removeprefix("# ") for line in lines)


def environment(home: Path, sandbox: str, **values: str) -> dict[str, str]:
    """What an operator sets, on the demo's lake and its local vendors."""
    lines = (home / "settings.env").read_text().splitlines()
    held: dict[str, str] = dict(line.split("=", 1) for line in lines)
    return held | registry.environment(sandbox) | values


def forget_members(home: Path) -> None:
    """Nothing was ever sent, as far as the lake knows, and the tool holds nobody."""
    for name in ("audience_members", "plan_rows", "sent_keys"):
        shutil.rmtree(home / "lake" / name)
        (home / "lake" / "_tables" / name).unlink()
    shutil.rmtree(home / "files")


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found


@pytest.mark.dagster
@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def test_runs_events_and_the_ledger_live_in_postgresql(
    demo_copy: Path, postgres: str, tmp_path: Path, engine: str
) -> None:
    production = tmp_path / "production"
    production.mkdir()
    (production / "dagster.yaml").write_text(switched_on(dagster_yaml().read_text()))
    storage, ledger = new_database(postgres), new_database(postgres)
    with SandboxServer(demo_copy) as sandbox:
        environ = environment(
            demo_copy,
            sandbox.base_url,
            DAGSTER_HOME=str(production),
            DAGSTER_PG_URL=storage.replace("+psycopg:", "+psycopg2:"),
            SEGMENT_PIPELINE_LEDGER=ledger,
            SEGMENT_PIPELINE_ENGINE=engine,
            SEGMENT_PIPELINE_SPARK_CONF=";".join(f"{key}={value}" for key, value in MANY_STATEMENTS.items()),
        )
        forget_members(demo_copy)
        command = [sys.executable, "-m", "dagster", "dev", "--module-name", "segment_pipeline.definitions"]
        with DagsterProcess(demo_copy, environ, command=[*command, "--host", "127.0.0.1"]) as dagster:
            launched = {
                dagster.launch("refresh", ["profiles", "traits"], **{"dagster/partition": "2017-12-31"}),
                dagster.launch("sync", ["audiences", AUDIENCE]),
            }

            def ended() -> bool:
                states = {run["runId"]: run["status"] for run in dagster.runs()}
                assert not {states[run] for run in launched} & {"FAILURE", "CANCELED"}
                return {states[run] for run in launched} == {"SUCCESS"}

            assert dagster.until("the daemon took both runs from the queue and they ended", ended)

    assert rows(storage, "SELECT run_id, status FROM runs ORDER BY run_id") == [
        (run, "SUCCESS") for run in sorted(launched)
    ]
    materialised = (
        "SELECT asset_key, partition FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' ORDER BY 1"
    )
    assert rows(storage, materialised) == [
        (f'["audiences", "{AUDIENCE}"]', None),
        ('["profiles", "traits"]', "2017-12-31"),
    ]
    queued = "SELECT count(DISTINCT run_id) FROM event_logs WHERE dagster_event_type = 'PIPELINE_ENQUEUED'"
    assert rows(storage, queued) == [(2,)]
    assert not list(production.rglob("*.db"))

    assert rows(ledger, "SELECT audience, status FROM plans") == [(AUDIENCE, "folded")]
    ((attempted, received, sent),) = rows(
        ledger, "SELECT count(attempted_at), count(ended_at) FILTER (WHERE state = 'final'), sum(rows) FROM batches"
    )
    assert attempted == received > 0
    with Lake.open(Settings.from_env(environ)).session() as session:
        session.scan("audience_members", partitions={"audience": [AUDIENCE]})
        assert session.value("SELECT count(*) FROM audience_members") == sent > 0
    assert not (production / "ledger.sqlite").exists()
