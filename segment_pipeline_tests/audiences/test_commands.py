"""`audiences plan`, `sync` and `resend` as a person types them: what they print, where, and their exit codes."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.cli import cli
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.segments.rules import Segment, trait
from segment_pipeline_tests.audiences.world import LATER, NOW, Person, World, audience

COMPANY = Catalogue(
    sources=(),
    destinations=(HashedFiles(),),
    segments=(Segment("shoppers", owner="team:crm", goal="orders", description="d", where=trait("orders_total") > 0),),
    audiences=(audience(destination="files"),),
)
# The audience was taken out, and has another name.
WITHOUT = replace(COMPANY, audiences=())
RENAMED = replace(COMPANY, audiences=(audience(name="buyers", destination="files"),))
PEOPLE = [Person(f"p{i}", f"p{i}@shop.test") for i in range(6)]


def environment(home: Path, **changes: str) -> Mapping[str, str]:
    return {
        "SEGMENT_PIPELINE_HOME": str(home),
        "SEGMENT_PIPELINE_CATALOGUE": f"{__name__}:COMPANY",
        "SEGMENT_PIPELINE_SENDING": "on",
        "SEGMENT_PIPELINE_CLOCK": NOW,
        **changes,
    }


@pytest.fixture
def company(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in environment(world.home).items():
        monkeypatch.setenv(name, value)
    world.definition = COMPANY.definition("shoppers")
    world.people(PEOPLE)
    return world


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["audiences", *arguments])


def report(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_plan_ends_with_the_exit_code_of_the_sync(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = run("plan", "shoppers", "--json")
    assert (plan.exit_code, report(plan)["status"], report(plan)["added"]) == (0, "planned", 6)
    assert run("sync", "shoppers", "--json").exit_code == 0
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2017-07-05T06:00:00+00:00")
    for command in ("plan", "sync"):
        held = run(command, "shoppers", "--json")
        assert (held.exit_code, report(held)["status"], report(held)["unchanged"]) == (3, "held", 0)
        assert "stale_source: the newest day of segment shoppers is 2017-06-30" in held.stderr


def test_a_plan_says_that_another_audience_is_left_behind_as_the_sync_does(
    company: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan ended with 0, and the sync of the same audience with 3."""
    company.sync(audience(name="old", destination="files"), HashedFiles(directory=str(company.home / "files")))
    for command in ("plan", "sync"):
        said = run(command, "shoppers", "--json")
        assert (said.exit_code, report(said)["added"]) == (3, 6)
        assert [(r["audience"], r["status"]) for r in report(said)["others"]] == [("old", "held")]
        assert "left_behind: nobody declares audience old at files any more" in said.stderr
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", f"{__name__}:WITHOUT")
    assert [run(command, "old").exit_code for command in ("plan", "sync")] == [3, 3]


def test_a_deleted_folder_holds_plan_and_sync_until_all_is_resent(company: World) -> None:
    run("sync", "shoppers")
    folder = company.home / "files" / "shoppers"
    before = (folder / "members.csv").read_bytes()
    (folder / "members.csv").unlink()
    for command in ("plan", "sync"):
        lost = run(command, "shoppers", "--json")
        assert (lost.exit_code, report(lost)["status"]) == (3, "held")
        assert "resend it to make it anew (`segment-pipeline audiences resend shoppers`)" in lost.stderr
    shown = run("resend", "shoppers", "--json")
    assert (shown.exit_code, report(shown)["status"], report(shown)["updated"]) == (3, "planned", 6)
    assert "nothing was sent: `segment-pipeline audiences resend shoppers --yes` sends it" in shown.stderr
    assert not (folder / "members.csv").exists()
    for _ in range(2):
        sent = run("resend", "shoppers", "--yes", "--json")
        assert (sent.exit_code, report(sent)["status"], report(sent)["updated"]) == (0, "synced", 6)
        assert (folder / "members.csv").read_bytes() == before
    assert report(run("sync", "shoppers", "--json"))["unchanged"] == 6


def test_an_audience_that_left_the_catalogue_holds_list_and_sync_until_it_is_retired(
    company: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sync", "shoppers")
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", f"{__name__}:WITHOUT")
    company.people([replace(p, consent=p.profile_id != "p0", said=LATER) for p in PEOPLE])
    listed, sync = run("list", "--json"), run("sync", "shoppers", "--json")
    assert (listed.exit_code, json.loads(listed.stdout)[0]["state"]) == (3, "left_behind")
    assert (sync.exit_code, report(sync)["status"], report(sync)["removed"]) == (3, "held", 1)
    assert "`segment-pipeline audiences retire shoppers --destination files`" in sync.stderr
    members = company.home / "files" / "shoppers" / "members.csv"
    shown = run("retire", "shoppers", "--json")
    assert (shown.exit_code, report(shown)["removed"], len(members.read_text().splitlines())) == (3, 5, 6)
    done = run("retire", "shoppers", "--yes", "--json")
    assert (done.exit_code, report(done)["status"], len(members.read_text().splitlines())) == (0, "retired", 1)
    assert (run("list", "--json").exit_code, run("sync", "shoppers").exit_code) == (0, 1)


def test_a_renamed_audience_is_one_audience(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run("sync", "shoppers")
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", f"{__name__}:RENAMED")
    renamed = CliRunner().invoke(cli, ["rename", "audience", "shoppers", "buyers", "--json"])
    assert renamed.exit_code == 0, renamed.stderr
    sync, listed = run("sync", "buyers", "--json"), run("list", "--json")
    assert (sync.exit_code, report(sync)["unchanged"], "others" in report(sync)) == (0, 6, False)
    assert [(row["audience"], row["keys"], row["state"]) for row in json.loads(listed.stdout)] == [
        ("buyers", 6, "kept")
    ]
    assert [path.name for path in (company.home / "files").glob("*/members.csv")] == ["members.csv"]


def test_a_lost_ledger_holds_until_it_is_reconciled(company: World) -> None:
    run("sync", "shoppers")
    company.ledger.close()
    for path in company.home.glob("ledger.sqlite*"):
        path.unlink()
    for command in ("plan", "sync"):
        held = run(command, "shoppers", "--json")
        assert (held.exit_code, report(held)["status"]) == (3, "held")
        assert "segment-pipeline audiences reconcile shoppers" in held.stderr
    assert run("list").exit_code == 3
    shown = run("reconcile", "shoppers", "--json")
    assert (shown.exit_code, report(shown)["status"]) == (3, "planned")
    done = run("reconcile", "shoppers", "--yes", "--json")
    assert (done.exit_code, report(done)["status"], report(done)["unchanged"]) == (0, "synced", 6)
    assert (run("sync", "shoppers").exit_code, run("list").exit_code) == (0, 0)


def test_a_segment_that_means_something_else_holds_a_reconciliation_too(company: World) -> None:
    """It went by memberships of the old meaning, and sent members without their segment's message."""
    run("sync", "shoppers")
    company.definition = "another"
    company.members([PEOPLE[0].profile_id])
    held = run("reconcile", "shoppers", "--yes", "--json")
    assert (held.exit_code, report(held)["status"]) == (3, "held")
    assert "changed_segment: segment shoppers" in held.stderr


def test_nothing_is_resent_where_sending_is_off(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_PIPELINE_SENDING", "off")
    off = run("resend", "shoppers", "--yes", "--json")
    assert (off.exit_code, report(off)["status"]) == (3, "off")
    assert not (company.home / "files").exists()


@pytest.mark.parametrize("arguments", [("--sample", "2"), ("--sample", "2", "--json")])
def test_a_sample_is_shown_on_a_terminal_only(company: World, arguments: tuple[str, ...]) -> None:
    refused = run("plan", "shoppers", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--sample shows people's data: it needs a terminal, and goes without --json" in refused.stderr


def test_a_sample_on_a_terminal_is_so_many_changes_as_they_would_be_sent(company: World, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "segment_pipeline.cli", "audiences", "plan", "shoppers", "--sample", "2"]
    where = {**os.environ, **environment(company.home), "COLUMNS": "250"}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=where) as plan:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b"")).decode()
        assert plan.stderr is not None
        assert (plan.wait(), plan.stderr.read()) == (0, b"")
    os.close(ours)
    assert "2 of the changes" in shown
    assert len(set(re.findall(r"[0-9a-f]{64}", shown))) == 2
    assert "shop.test" not in shown


def _read(terminal: int) -> bytes:
    """What a terminal's other side wrote; nothing once that has been closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
