"""Every command on a finished demo: its JSON, its exit code, and the one line it says when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from segment_pipeline.cli import cli
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.starter.company import STARTER
from segment_pipeline_tests.conftest import run_cli


def answer(home: Path, *arguments: str) -> Any:
    return json.loads(run_cli(*arguments, "--json", home=home))


def failure(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "segment_pipeline.cli", "--home", str(home), *arguments],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def test_the_report_accounts_for_every_audience(demo_home: Path) -> None:
    report = json.loads((demo_home / "report.json").read_text())
    assert set(report) == {
        "as_of",
        "seconds",
        "requests",
        "tables",
        "profiles",
        "identity",
        "segments",
        "audiences",
        "troubles",
    }
    assert report["troubles"] == []
    assert report["identity"]["precision"] >= 0.995
    assert set(report["segments"]) == {segment.name for segment in STARTER.segments}
    assert set(report["audiences"]) == {audience.name for audience in STARTER.audiences}
    for name, n in report["audiences"].items():
        assert n["candidates"] == sum(n["ineligible"].values()) + n["eligible"], name
        assert (
            n["desired"] == n["unchanged"] + n["added"] + n["updated"] + n["rejected"] + n["held"] + n["uncertain"]
        ), name
        assert n["held"] == n["uncertain"] == 0, name
        assert n["remote"] == n["desired"] - n["rejected"], name
        assert n["desired"] > 0, name


def test_a_second_demo_on_the_same_home_sends_nothing_and_changes_nothing(demo_copy: Path) -> None:
    before = json.loads((demo_copy / "report.json").read_text())
    run_cli("demo", "--home", str(demo_copy), "--households", "300")
    after = json.loads((demo_copy / "report.json").read_text())
    assert [numbers["requests"] for numbers in after["audiences"].values()] == [0] * len(STARTER.audiences)
    for name, numbers in after["audiences"].items():
        assert numbers["unchanged"] == numbers["desired"] == before["audiences"][name]["desired"]
    assert after["segments"] == before["segments"]
    assert {t: n for t, n in after["tables"].items() if t != "loads"} == {
        t: n for t, n in before["tables"].items() if t != "loads"
    }
    assert after["profiles"] == before["profiles"]


def test_status_after_a_demo_misses_nothing_but_a_daemon(demo_copy: Path) -> None:
    """The lake is complete; that nothing runs by itself until `ui` is started is the one thing to act on."""
    found = json.loads(run_cli("status", "--json", home=demo_copy, code=1))
    assert found["expected"] == "2017-12-30"
    assert [(stage["newest"], stage["behind"]) for stage in found["stages"]] == [("2017-12-31", 0)] * 4
    assert {load["behind"] for load in found["loads"]} == {0}
    assert (found["held"], found["failures"]) == ([], [])
    (sentence,) = found["attention"]
    assert sentence.startswith("Dagster's daemon is not heard of")


def test_validate_says_ok(demo_home: Path) -> None:
    assert answer(demo_home, "validate") == {"ok": True, "problems": []}


def test_traits_and_tables_list_every_one(demo_home: Path) -> None:
    traits = {row["trait"]: row for row in answer(demo_home, "traits")}
    assert {"orders_365d", "spend_percentile", "lifecycle_stage"} <= set(traits)
    assert all(row["definition"] for row in traits.values())
    tables = answer(demo_home, "tables")
    assert [row["table"] for row in tables] == [table.name for table in all_tables()]
    assert next(row["rows"] for row in tables if row["table"] == "orders") > 0


def test_a_segment_is_listed_previewed_and_explained(demo_home: Path) -> None:
    sizes = {row["segment"]: row["size"] for row in answer(demo_home, "segments", "list")}
    preview = answer(demo_home, "segments", "preview", "recent_buyers")
    assert preview["size"] == sizes["recent_buyers"] > 0
    assert preview["steps"][-1]["remaining"] == preview["size"]
    with_one = answer(demo_home, "segments", "preview", "churned_runners")
    assert [step["remaining"] for step in with_one["steps"]] == sorted(
        (s["remaining"] for s in with_one["steps"]), reverse=True
    )


def test_a_person_is_shown_by_e_mail_and_by_id_with_segments_and_audiences(demo_home: Path) -> None:
    from deltalake import DeltaTable

    members = DeltaTable(demo_home / "lake" / "audience_members").to_pyarrow_table().to_pylist()
    member = next(row for row in members if row["audience"] == "recent_buyers_meta")
    person = answer(demo_home, "profile", "show", "--id", member["owners"][0])
    assert person["profile"]["profile_id"] == member["owners"][0]
    assert {"recent_buyers"} <= {row["segment"] for row in person["segments"]}
    assert {"recent_buyers_meta"} <= {row["audience"] for row in person["audiences"]}
    assert person["consents"]
    assert person["records"]
    email = next(
        row["identifier"] for row in person["identifiers"] if row["identifier_type"] == "email" and row["usable"]
    )
    assert answer(demo_home, "profile", "show", "--email", email.upper())["profile"] == person["profile"]
    explained = answer(demo_home, "segments", "explain", "recent_buyers", "--profile", member["owners"][0])
    assert explained["member"] is True
    assert all({"term", "holds", "depth", "value"} <= set(term) for term in explained["terms"])


def test_a_plan_sends_nothing_and_says_what_a_sync_would_do(demo_copy: Path) -> None:
    listed = {row["audience"]: row["keys"] for row in answer(demo_copy, "audiences", "list")}
    plan = answer(demo_copy, "audiences", "plan", "recent_buyers_meta")
    assert plan["status"] == "planned"
    assert plan["unchanged"] == plan["desired"] == listed["recent_buyers_meta"]
    assert plan["requests"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("segments", "preview", "nobody"), "there is no segment nobody"),
        (("audiences", "plan", "nowhere"), "there is no audience nowhere"),
        (("audiences", "approve", "0" * 8), "no plan with digest 00000000 is held"),
        (("profile", "show", "--email", "stranger@nowhere.org"), "nobody in the lake"),
        (("profile", "show", "--phone", "12"), "not a usable phone"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(demo_home: Path, arguments: tuple[str, ...], said: str) -> None:
    line = failure(demo_home, *arguments)
    assert line.startswith("error: ")
    assert said in line
    assert "stranger" not in line


def test_an_empty_home_says_what_to_run(tmp_path: Path) -> None:
    assert "run the refresh job, or `segment-pipeline demo`" in failure(tmp_path, "segments", "list")


def test_a_second_demo_on_a_running_home_is_refused(demo_copy: Path) -> None:
    from segment_pipeline.demo import alone

    with alone(demo_copy, "test"):
        assert "already running" in failure(demo_copy, "demo", "--home", str(demo_copy))


@pytest.mark.demo
def test_a_day_outside_the_real_receipts_is_refused(tmp_path: Path) -> None:
    line = failure(tmp_path, "demo", "--home", str(tmp_path / "demo"), "--as-of", "2015-01-01")
    assert "the demo's receipts are of 2017" in line


def test_a_missing_secret_names_the_variable_the_connector_and_the_way_out(demo_copy: Path) -> None:
    held = (demo_copy / "settings.env").read_text().splitlines()
    kept = [line for line in held if not line.startswith(("META_ACCESS_TOKEN", "SQUARE_ACCESS_TOKEN"))]
    (demo_copy / "settings.env").write_text("\n".join(kept))
    problems = json.loads(run_cli("validate", "--json", home=demo_copy, code=1))["problems"]
    assert problems == [
        f"{variable} is not set and the {kind} {name} needs it: set it, or switch the {kind} off by leaving {name} out of {setting}"
        for variable, kind, name, setting in (
            ("SQUARE_ACCESS_TOKEN", "source", "square", "SEGMENT_PIPELINE_SOURCES"),
            ("META_ACCESS_TOKEN", "destination", "meta", "SEGMENT_PIPELINE_DESTINATIONS"),
        )
    ]
    assert answer(demo_copy, "audiences", "plan", "best_customers_klaviyo")["status"] == "planned"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_demo_whose_audience_was_held_tells_its_report_and_ends_with_1(
    demo_home: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """A cart reminder that everybody left was held, and the whole report of the day was missing."""
    report = json.loads((demo_home / "report.json").read_text()) | {"troubles": ["cart_reminder: held, empty_result"]}
    monkeypatch.setattr("segment_pipeline.demo.run_demo", lambda *_, **__: report)
    result = CliRunner().invoke(cli, ["demo", "--home", str(demo_home), *options])
    assert result.exit_code == 1
    assert "win_back_runners" in result.stdout
    assert "not every audience was synced: cart_reminder: held, empty_result" in result.stderr
