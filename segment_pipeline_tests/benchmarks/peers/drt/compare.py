"""Keeping 200,000 members in a tool: the first sync, nothing new, 1 % changed, and a first sync killed in the middle."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import duckdb

from segment_pipeline_tests.benchmarks.peers.command import Cost, run
from segment_pipeline_tests.benchmarks.peers.comparison import Comparison, Finding, Place, Work
from segment_pipeline_tests.benchmarks.peers.drt.loopback import Loopback
from segment_pipeline_tests.benchmarks.peers.drt.members import IN_VERSION, enter, keys, prepare

MEMBERS: Final = 200_000
LATENCY: Final = 0.1  # seconds the tool takes to answer a request
LARGE: Final = 10_000  # rows of a batch: the most that Meta takes
SMALL: Final = 1_000  # and that Klaviyo takes
HERE: Final = Path(__file__).parent

Killed = Callable[[], bool]


class Side(Protocol):
    """One of the two, in a folder of its own that holds the company and nothing it has sent."""

    def enter(self, version: int) -> None: ...

    def sync(self, tool: Loopback, batch_rows: int, kill_when: Killed | None = None) -> Cost: ...


@dataclass
class Ours:
    home: Path

    def enter(self, version: int) -> None:
        enter(self.home, version)

    def sync(self, tool: Loopback, batch_rows: int, kill_when: Killed | None = None) -> Cost:
        module = "segment_pipeline_tests.benchmarks.peers.ours"
        command = [sys.executable, "-m", module, "sync", str(self.home), tool.base_url, str(batch_rows)]
        return run(command, kill_when=kill_when)


@dataclass
class Drt:
    """`program`: its command line. `people`: file of those who may be in the segment."""

    home: Path
    program: str
    people: Path

    def enter(self, version: int) -> None:
        """The table a warehouse would hold: who is in the segment, each row with the time it was written.

        It is given the members as they are to be sent; who may be sent at all is left to its user's SQL.
        """
        with duckdb.connect(str(self.home / "warehouse.duckdb")) as warehouse:
            warehouse.execute(
                f"""
                CREATE OR REPLACE TABLE members AS
                SELECT email, phone, TIMESTAMP '2026-01-01' + to_days({version} * CAST(who % 201 = 1 AS INTEGER)) AS updated_at
                FROM (SELECT *, CAST(substr(profile_id, 2) AS BIGINT) AS who FROM read_parquet('{self.people}')) AS people
                WHERE {IN_VERSION.format(absent=1 - version)}
                """
            )

    def sync(self, tool: Loopback, batch_rows: int, kill_when: Killed | None = None) -> Cost:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home / "home"),
            "LOOPBACK": tool.base_url,
            "BATCH_ROWS": str(batch_rows),
        }
        command = [self.program, "run", "--select", "members"]
        return run(command, environ=environ, folder=self.home, kill_when=kill_when)


FIRST, NOTHING, CHANGED = "first sync", "nothing new", "1 % changed"
SMALLER = "first sync, smaller batches"
Costs = dict[str, Cost]
Numbers = dict[str, int]


def kept(side: Side, company: Path, latency: float, batch_rows: int) -> tuple[Costs, Numbers]:
    """A first sync, one with nothing new, and one after 1 % changed."""
    wanted = [keys(company, version) for version in (0, 1)]
    costs, numbers = Costs(), Numbers()
    with Loopback(latency) as tool:
        costs[FIRST] = side.sync(tool, batch_rows)
        numbers["keys not as wanted after the first sync"] = len(tool.held() ^ wanted[0])
        tool.clear()
        costs[NOTHING] = side.sync(tool, batch_rows)
        numbers["requests when nothing is new"] = tool.received().requests
        tool.clear()
        side.enter(1)
        costs[CHANGED] = side.sync(tool, batch_rows)
        received, held = tool.received(), tool.held()
        numbers["rows sent when 1 % changed"] = received.rows + received.removals
        numbers["keys missing when 1 % changed"] = len(wanted[1] - held)
        numbers["people who left and are still held"] = len(held - wanted[1])
    return costs, numbers


def killed(side: Side, company: Path, latency: float, batch_rows: int) -> Numbers:
    """A first sync killed when half of its requests have come in, and run again."""
    wanted = keys(company, 0)
    half = len(wanted) // batch_rows // 2
    with Loopback(latency) as tool:
        side.sync(tool, batch_rows, lambda: tool.requests() >= half)
        side.sync(tool, batch_rows)
        return {
            "rows sent twice after kill -9 in the middle": tool.received().again,
            "keys not as wanted after kill -9 in the middle": len(tool.held() ^ wanted),
        }


def first_time(side: Side, latency: float, batch_rows: int) -> Costs:
    with Loopback(latency) as tool:
        return {SMALLER: side.sync(tool, batch_rows)}


def compare(place: Place) -> Comparison:
    company = place.folder("company")
    prepare(company, max(200, round(MEMBERS * place.share) // 200 * 200))

    def ours() -> Side:
        shutil.rmtree(place.scratch / "ours", ignore_errors=True)
        return Ours(Path(shutil.copytree(company, place.scratch / "ours")))

    def peer() -> Side:
        shutil.rmtree(place.scratch / "drt", ignore_errors=True)
        home = Path(shutil.copytree(HERE / "project", place.scratch / "drt"))
        side = Drt(home, place.program("drt", "drt"), company / "people.parquet")
        side.enter(0)
        return side

    costs, numbers = list[Costs](), list[Numbers]()
    for fresh in (ours, peer):
        spent, counted = kept(fresh(), company, LATENCY, LARGE)
        numbers.append(counted | killed(fresh(), company, LATENCY, LARGE))
        costs.append(spent | first_time(fresh(), LATENCY, SMALL))
    targets = {FIRST: 5.0, SMALLER: 5.0}
    return Comparison(
        "drt-core 1.2.1",
        [Work(name, cost, costs[1][name], target=targets.get(name)) for name, cost in costs[0].items()],
        [Finding(what, number, numbers[1][what]) for what, number in numbers[0].items()],
    )
