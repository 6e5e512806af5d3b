"""Our side of the comparisons with peers, at a tiny size, and the tool on loopback that both sides send to.

Peers themselves are not installed here: `make bench-peers` runs them.
"""

import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from segment_pipeline.http import HttpClient
from segment_pipeline_tests.benchmarks.peers.__main__ import show
from segment_pipeline_tests.benchmarks.peers.command import CommandFailedError, Cost, run
from segment_pipeline_tests.benchmarks.peers.comparison import Comparison, Finding, Work
from segment_pipeline_tests.benchmarks.peers.drt import members
from segment_pipeline_tests.benchmarks.peers.drt.compare import CHANGED, FIRST, NOTHING, Ours, kept, killed
from segment_pipeline_tests.benchmarks.peers.drt.loopback import Loopback, Received
from segment_pipeline_tests.benchmarks.peers.span import build, compare, shop
from segment_pipeline_tests.benchmarks.peers.splink import graph

pytestmark = pytest.mark.slow


@pytest.fixture
def tool() -> Iterator[Loopback]:
    with Loopback(0.0) as running:
        yield running


def test_the_tool_counts_what_it_is_sent_and_what_it_already_held(tool: Loopback) -> None:
    http = HttpClient(tool.base_url)
    for method, rows in (
        ("POST", [{"EMAIL": "a", "PHONE": "1"}, {"EMAIL": "b", "PHONE": None}]),
        ("POST", [{"EMAIL": "a", "PHONE": "1"}]),
        ("DELETE", [{"EMAIL": "b", "PHONE": None}]),
    ):
        http.json(method, "/rows", json={"rows": rows})
    assert tool.received() == Received(requests=3, rows=3, again=1, removals=1)
    assert tool.held() == {("a", "1")}
    tool.clear()
    assert tool.received() == Received(requests=0, rows=0, again=0, removals=0)
    assert tool.held() == {("a", "1")}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("company")
    members.prepare(made, 400)
    return made


def ours(company: Path, home: Path) -> Ours:
    return Ours(Path(shutil.copytree(company, home)))


def test_our_side_keeps_the_tool_equal_to_the_segment(company: Path, tmp_path: Path) -> None:
    costs, numbers = kept(ours(company, tmp_path / "ours"), company, latency=0.0, batch_rows=100)
    assert numbers == {
        "keys not as wanted after the first sync": 0,
        "requests when nothing is new": 0,
        "rows sent when 1 % changed": 4,
        "keys missing when 1 % changed": 0,
        "people who left and are still held": 0,
    }
    sent = {name: (cost.said["desired"], cost.said["requests"]) for name, cost in costs.items()}
    assert sent == {FIRST: (400, 4), NOTHING: (400, 0), CHANGED: (400, 2)}


SYNCED = """
import sys
from pathlib import Path
from segment_pipeline_tests.benchmarks.peers.drt import members

print(members.sync_members(Path(sys.argv[1]), sys.argv[2], 100)["requests"])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_sync_imports_what_it_needs(company: Path, tool: Loopback, tmp_path: Path) -> None:
    """What a command imports is part of what it costs; of a ledger's first opening its migrations are, too."""
    home = ours(company, tmp_path / "ours").home
    needless = {"dagster", "pandas", "sqlglot", "scipy", "pyspark", "holidays"}
    for requests, spared in ((4, set()), (0, {"alembic", "fsspec"})):
        command = [sys.executable, "-c", SYNCED, str(home), tool.base_url]
        told, imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        assert int(told) == requests
        assert not (needless | spared) & set(imported.split())


def test_our_side_sends_again_what_was_under_way_when_it_was_killed_and_nothing_else(
    company: Path, tmp_path: Path
) -> None:
    numbers = killed(ours(company, tmp_path / "ours"), company, latency=1.0, batch_rows=50)
    assert numbers["keys not as wanted after kill -9 in the middle"] == 0
    # Four requests are under way at a time, of eight.
    assert 0 < numbers["rows sent twice after kill -9 in the middle"] <= 200


def test_our_build_finds_the_people_of_the_files_whatever_their_order(tmp_path: Path) -> None:
    home, files = tmp_path / "ours", tmp_path / "files"
    assert shop.write_customers(files, 240) == 360
    assert shop.write_facts(files, 240) == 3000
    shop.land(home, files)
    built = build.build(home)
    side = compare.Ours(tmp_path)
    first = side.ids("ours")
    precision, recall = compare.judged(first, files)
    assert precision == 100
    assert 90 < recall < 100, "records that share nothing with the others of their person cannot be found"
    assert built["profiles"] == duckdb.execute(f"SELECT count(DISTINCT profile_id) FROM '{first}'").fetchall()[0][0]

    shop.write_customers(tmp_path / "more", 240, 'sha256("CUSTOMER_ID")', added=24)
    shop.fill_customers(tmp_path / "ours_more", tmp_path / "more")
    build.identities(tmp_path / "ours_more")
    assert compare.changed(first, side.ids("ours_more")) == 0


def test_what_is_judged_can_be_wrong(tmp_path: Path) -> None:
    shop.write_customers(tmp_path, 120)
    truth = " UNION ALL ".join(f"SELECT * FROM '{shop.customers_file(tmp_path, source)}'" for source in shop.SOURCES)
    right, wrong = tmp_path / "right.parquet", tmp_path / "wrong.parquet"
    duckdb.execute(
        f"""COPY (SELECT "CUSTOMER_ID" AS record, 'p' || "PERSON" AS profile_id FROM ({truth}) AS t) TO '{right}'"""
    )
    duckdb.execute(
        f"""COPY (SELECT "CUSTOMER_ID" AS record, 'p' || ("PERSON" // 2) AS profile_id FROM ({truth}) AS t) TO '{wrong}'"""
    )
    assert compare.judged(right, tmp_path) == (100, 100)
    precision, recall = compare.judged(wrong, tmp_path)
    assert (precision < 50, recall) == (True, 100)
    # Persons 0 and 1 keep their ids, all others lose them: 0 and 1 are in the till alone.
    assert compare.changed(right, wrong) == 180 - 1


def test_our_clustering_alone_finds_the_components_of_our_stage(tmp_path: Path) -> None:
    graph.prepare(tmp_path, 3000)
    stage = graph.resolve(tmp_path)
    graph.cluster(tmp_path)
    clusters = duckdb.execute(f"SELECT count(DISTINCT cluster_id) FROM '{tmp_path / 'ours.parquet'}'").fetchall()[0][0]
    assert stage["nodes"] == 3000
    assert 0 < stage["contradictory"] < clusters
    assert stage["mixed"] == 0
    assert stage["profiles"] > clusters, "families on one phone are taken apart"


def test_a_command_is_measured_and_its_failure_told() -> None:
    cost = run(["/bin/sh", "-c", "sleep 0.2; echo '{\"work\": 0.1}'"])
    assert 0.2 <= cost.seconds < 5
    assert cost.work == 0.1
    with pytest.raises(CommandFailedError, match="ended with 3: so it goes"):
        run(["/bin/sh", "-c", "echo so it goes; exit 3"])
    with pytest.raises(CommandFailedError, match="ended with 0"):
        run(["/bin/sh", "-c", "true"], kill_when=lambda: False)


def test_a_ratio_says_how_many_times_longer_the_peer_takes() -> None:
    ours, peer = Cost(2.0, 1.0, 10, {"work": 0.5}), Cost(3.0, 2.0, 10, {"work": 2.0})
    whole, alone = Work("both whole", ours, peer), Work("work alone", ours, peer, alone=True)
    assert (whole.ratio, whole.cpu_ratio) == (1.5, 2.0)
    assert (alone.ratio, alone.cpu_ratio) == (4.0, None)


def test_the_tables_hold_each_work_and_each_finding() -> None:
    work = Work("build", Cost(2.0, 1.0, 10), Cost(15.0, 3.0, 1200), target=5.0)
    written = io.StringIO()
    show([Comparison("peer 1", [work], [Finding("rows sent twice", 0, 5000)])], Console(file=written, width=200))
    [line] = [line for line in written.getvalue().splitlines() if "build" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "peer 1", "build", "2.00", "1.0", "10", "15.00", "3.0", "1,200", "7.5", "3.0", "5.0",
    ]  # fmt: skip
    assert "5,000" in written.getvalue()
