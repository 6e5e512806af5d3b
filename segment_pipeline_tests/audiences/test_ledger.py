"""The ledger on both databases: migrations, plans and receipts, leases between processes."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from segment_pipeline.audiences import lease
from segment_pipeline.audiences.lease import SECONDS, acquire
from segment_pipeline.audiences.ledger import HEAD, Ledger
from segment_pipeline.audiences.ledger_tables import METADATA, leases
from segment_pipeline.audiences.plan import Plan, PlannedBatch
from segment_pipeline.delivery.destination import Operation, Receipt
from segment_pipeline.errors import ConfigError, ConflictError, ContractError, SegmentPipelineError
from segment_pipeline_tests.audiences.tool import Tool
from segment_pipeline_tests.audiences.world import Person, World, audience
from segment_pipeline_tests.postgres import new_database

PLAN = Plan(
    "d1", "shoppers", "tool", "main", date(2017, 6, 30), ("email",),
    (PlannedBatch(1, 1, Operation.UPSERT, 3), PlannedBatch(2, 1, Operation.UPSERT, 1)),
)  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.database)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return new_database(request.getfixturevalue("postgres"))


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger.open(url)
    yield opened
    opened.close()


def test_migrations_make_the_tables_the_code_uses(ledger: Ledger) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with ledger.transaction() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, METADATA) == []


def test_a_ledger_of_a_newer_version_is_refused(url: str) -> None:
    ledger = Ledger.open(url)
    with ledger.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    ledger.close()
    with pytest.raises(ConfigError, match="newer"):
        Ledger.open(url)


def test_a_ledger_of_before_knows_its_places_and_what_was_sent_stays_sent(tmp_path: Path) -> None:
    """Of two tools an audience was sent to under one name, memory is that of the later one; the other is to be reconciled."""
    world, tool = World(tmp_path), Tool(tmp_path / "tool.sqlite")
    world.people([Person(f"p{i}", f"p{i}@shop.test") for i in range(3)])
    world.sync(audience(), tool)
    members = [row | {"destination": None, "remote_id": None} for row in world.rows("audience_members")]
    world.write("audience_members", members, {"audience": ["shoppers"]})
    world.ledger.close()
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    at_revision(url, "0001")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO remotes SELECT audience, 'older', '9', 5, '2017-01-01' FROM remotes WHERE destination = 'tool'"
            )
        )
    engine.dispose()
    world.ledger = Ledger.open(url)
    places = {p.destination: p for p in world.ledger.places.all("shoppers")}
    assert [(p.remote_id, p.inherits, bool(p.doubt)) for p in (places["tool"], places["older"])] == [
        ("1", True, False),
        ("9", False, True),
    ]
    report = world.sync(audience(), tool)
    assert (report.status, report.unchanged, report.requests) == ("synced", 3, 0)
    world.members(["p0"])
    assert world.sync(audience(), tool).removed == 2
    assert [(row["destination"], row["remote_id"]) for row in world.rows("audience_members")] == [("tool", "1")]
    world.ledger.close()


def at_revision(url: str, revision: str) -> None:
    """Take a ledger back to an older schema."""
    from alembic import command
    from alembic.config import Config

    from segment_pipeline.audiences import migrate

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


def test_a_plan_and_its_receipts_come_back_as_written(ledger: Ledger) -> None:
    recorded = ledger.record(PLAN, held=False, inputs="{}")
    held = acquire(ledger, "shoppers")
    with ledger.transaction() as connection:
        held.renew(connection)
        ledger.attempt(connection, "d1", 1, held.token)
    with ledger.transaction() as connection:
        ledger.receive(connection, "d1", 1, "final", Receipt(2, {"k1": "invalid"}, {"k2": "v2"}, requests=2))
        ledger.attempt(connection, "d1", 2, held.token)
    [left] = ledger.unfinished("shoppers")
    assert left.plan == PLAN
    assert (left.sequence, left.status) == (recorded.sequence, "planned") == (1, "planned")
    ledger.give_up("d1")
    first, second = ledger.answers.outcome("d1")
    assert (first.state, first.rejected, first.vendor_ids, first.requests) == (
        "final",
        {"k1": "invalid"},
        {"k2": "v2"},
        2,
    )
    assert (second.state, second.rejected) == ("uncertain", {})
    ledger.folded("d1")
    assert (ledger.unfinished("shoppers"), ledger.last_folded("shoppers")) == ([], 1)
    with pytest.raises(ContractError, match="already sent"):
        ledger.record(PLAN, held=False, inputs="{}")


def test_a_plan_held_twice_is_one_with_a_new_number(ledger: Ledger) -> None:
    assert ledger.record(PLAN, held=True, inputs="{}").sequence == 1
    assert ledger.record(PLAN, held=True, inputs="{}", floor=7).sequence == 8
    assert ledger.unfinished("shoppers") == []


def test_errors_of_the_database_quote_nothing(ledger: Ledger) -> None:
    with pytest.raises(SegmentPipelineError) as caught, ledger.transaction() as connection:
        connection.execute(sa.text("SELECT * FROM nowhere WHERE email = 'ann@shop.test'"))
    assert "ann@" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_url_that_leads_nowhere_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="SEGMENT_PIPELINE_LEDGER"):
        Ledger.open("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=1")


def test_a_whole_sync_on_either_database(url: str, tmp_path: Path) -> None:
    world, tool = World(tmp_path, url), Tool(tmp_path / "tool.sqlite", parallel=2)
    tool.trouble = 0.2
    people = [Person(f"p{i}", f"p{i}@shop.test") for i in range(9)]
    world.people(people)
    world.sync(audience(), tool)
    world.members([p.profile_id for p in people[3:]])
    report = world.sync(audience(), tool)
    if report.status == "partial":
        report = world.sync(audience(), tool)
    assert (report.status, len(tool.held()), report.remote) == ("synced", 6, 6)
    world.ledger.close()


HOLDER = """
import sys, os
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences import lease
from segment_pipeline.audiences.lease import SECONDS, acquire
acquire(Ledger.open(sys.argv[1]), "shoppers")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lease_of_a_killed_process_gives_way_at_once_and_that_of_a_live_one_does_not(
    ledger: Ledger, url: str
) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError):
            acquire(ledger, "shoppers")
        process.kill()
        process.wait(10)
        assert acquire(ledger, "shoppers").token == 2


def test_a_clock_that_is_set_back_makes_no_lease_last_longer_and_gives_it_to_nobody_else(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on another host held an audience, after it was dead, until a day that was two years ahead."""
    times = iter([2 * 365 * 86400.0, 0.0, 2.0, SECONDS, SECONDS + 1, 2 * SECONDS + 2, 2 * SECONDS + 2])
    monkeypatch.setattr(lease, "_now", lambda connection: next(times))
    held = acquire(ledger, "shoppers")
    held.holder = "elsewhere|1|1|x"
    with ledger.transaction() as connection:
        connection.execute(leases.update().values(holder=held.holder))
    with pytest.raises(ConflictError):
        acquire(ledger, "shoppers")
    with ledger.transaction() as connection:
        held.renew(connection)
    for _ in range(2):
        with pytest.raises(ConflictError):
            acquire(ledger, "shoppers")
    assert acquire(ledger, "shoppers").token == 2
    with pytest.raises(ConflictError), ledger.transaction() as connection:
        held.renew(connection)


OPENER = (
    "import sys; from segment_pipeline.audiences.ledger import Ledger; Ledger.open(sys.argv[1]).remote_id('a', 'b')"
)


def test_processes_that_open_a_new_ledger_together_all_succeed(url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", OPENER, url]) for _ in range(3)]
    assert [process.wait(600) for process in processes] == [0, 0, 0]
