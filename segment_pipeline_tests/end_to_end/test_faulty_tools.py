"""The starter's audiences against tools that fail one request in five in every way there is: they end as with sound tools.

What a sound tool ends with is known independently: it is what the demo's own sync left in the same tools.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline.demo import prepare
from segment_pipeline.lake.activation import TABLES
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.starter.company import STARTER
from segment_pipeline_tests.end_to_end.company import LAST, Company, fresh_lake, held_by_tools, rows_of

KINDS = ("429", "500", "503", "reset", "lost_response", "slow", "truncated", "row_errors")
# Between them every kind meets some request of a sync, of which there are few.
SEEDS = (2706, 296, 1)
MOST_SYNCS = 3


@contextmanager
def forgetful(demo: Path, home: Path) -> Iterator[Company]:
    """The demo's company before anything was ever sent: empty tools, no ledger, no memory of a sync."""
    activation = (table.name for table in TABLES)
    shutil.copytree(demo / "lake", home / "lake", ignore=shutil.ignore_patterns(*activation))
    (home / "sandbox").mkdir()
    shutil.copyfile(demo / "sandbox" / "clock", home / "sandbox" / "clock")
    before = dict(os.environ)
    try:
        with SandboxServer(home) as sandbox:
            settings = prepare(home, sandbox.base_url, as_of=LAST, days=365)
            os.environ["SEGMENT_PIPELINE_NO_WAIT"] = "1"
            yield Company(home, sandbox, settings)
    finally:
        os.environ.clear()
        os.environ.update(before)


def faults(seed: int) -> list[dict[str, Any]]:
    """One request in five fails; refused rows are a fault of requests that carry rows."""
    share = 0.2 / (len(KINDS) - 1)
    rules: list[dict[str, Any]] = []
    for vendor, carries_rows, other in (
        ("meta", "/users$", 0),
        ("google", ":ingest$", 25),
        ("klaviyo", "/profile-bulk-import-jobs$", 50),
    ):
        refusing = {"kind": "row_errors", "method": "POST", "path_regex": carries_rows, "rate": 0.2}
        others = [{"kind": kind, "rate": share, "seconds": 0.2} for kind in KINDS if kind != "row_errors"]
        rules += [
            {"vendor": vendor, "seed": seed * 100 + other + number, **rule}
            for number, rule in enumerate([refusing, *others])
        ]
    return rules


def keys(home: Path, state: str) -> dict[str, set[str]]:
    """Destination keys in a state of the lake's account of the tools, by audience."""
    found: dict[str, set[str]] = {audience.name: set() for audience in STARTER.audiences}
    for row in rows_of(fresh_lake(home), "audience_members"):
        if row["state"] == state:
            found[row["audience"]].add(row["key"])
    return found


def synced(made: Company, ledger: Ledger) -> list[dict[str, SyncReport]]:
    """Sync until every audience says that it is done; the reports of each sync."""
    done: list[dict[str, SyncReport]] = []
    while len(done) < MOST_SYNCS and not (done and all(r.status == "synced" for r in done[-1].values())):
        with made.tools() as tools:
            reports = sync(Round(fresh_lake(made.home), ledger, made.catalogue.audiences, tools, made.settings))
        done.append({report.audience: report for report in reports})
    return done


def test_every_audience_of_the_starter_ends_as_with_sound_tools(demo_home: Path, tmp_path: Path) -> None:
    sound = keys(demo_home, "confirmed")
    fired: dict[str, Counter[str]] = {"meta": Counter(), "google": Counter(), "klaviyo": Counter()}
    refused = 0
    for seed in SEEDS:
        with (
            forgetful(demo_home, tmp_path / f"{seed}") as made,
            closing(Ledger.open(made.settings.ledger)) as ledger,
        ):
            made.sandbox.faults(faults(seed))
            reports = synced(made, ledger)[-1]
            for vendor, counts in made.sandbox.requests().items():
                fired.get(vendor, Counter()).update(counts["faults"])
            assert {name: report.status for name, report in reports.items()} == dict.fromkeys(sound, "synced")
            tools = held_by_tools(made, ledger, made.catalogue.audiences)
            rejected, confirmed = keys(made.home, "rejected"), keys(made.home, "confirmed")
            refused += sum(map(len, rejected.values()))
        for name, report in reports.items():
            assert rejected[name] <= sound[name], (seed, name)
            assert confirmed[name] == sound[name] - rejected[name], (seed, name)
            assert len(tools[name]) == len(set(tools[name])) == len(confirmed[name]), (seed, name)
            assert len(tools[name]) == report.desired - report.rejected, (seed, name)
            assert report.remote in {None, len(tools[name])}, (seed, name)
            assert report.rejected == len(rejected[name]), (seed, name)
    assert refused > 0
    assert set().union(*fired.values()) == set(KINDS)
    assert all(fired.values())


def test_a_tool_that_recovers_is_sent_nothing_again(demo_home: Path, tmp_path: Path) -> None:
    with forgetful(demo_home, tmp_path / "home") as made, closing(Ledger.open(made.settings.ledger)) as ledger:
        made.sandbox.faults(faults(SEEDS[0]))
        synced(made, ledger)
        before = held_by_tools(made, ledger, made.catalogue.audiences)
        made.sandbox.clear_faults()
        made.sandbox.clear_requests()
        [again] = synced(made, ledger)
        assert {name: (r.status, r.requests) for name, r in again.items()} == dict.fromkeys(again, ("synced", 0))
        counts = made.sandbox.requests()
        assert [counts.get(vendor, {}).get("write", 0) for vendor in ("meta", "google", "klaviyo")] == [0, 0, 0]
        assert held_by_tools(made, ledger, made.catalogue.audiences) == before
