"""Values that seem to be nobody's own are proposed, and what a person decides is remembered and followed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree

import pytest
from click.testing import CliRunner

from segment_pipeline.cli import cli
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.storage import LostTable
from segment_pipeline.profiles.identity.proposals import decide
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build, rows

JUNK, TILL = "front@quiet.shop", "+15135550001"


def strangers(put: Put, *, many: int = 5) -> None:
    names = ("Ada", "Bo", "Cy", "Di", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo", "Kim", "Lee")
    put("customers", [customer("shopify", f"S{n}", jan(n + 1), email=JUNK, first_name=names[n], last_name=names[n]) for n in range(many)])  # fmt: skip


def proposals(lake: Lake) -> list[tuple[str, str, int, str]]:
    return sorted((r["identifier"], r["reason"], r["records"], r["state"]) for r in rows(lake, "identifier_proposals"))


@pytest.mark.also_on_spark("profiles/identity/proposals_found", "profiles/identity/proposals_now")
def test_what_accounts_of_many_names_have_is_proposed_and_changes_nothing(lake: Lake, put: Put) -> None:
    strangers(put, many=5)
    build(lake)
    assert proposals(lake) == [(JUNK, "many_names", 5, "proposed")]
    assert all(r["usable"] for r in rows(lake, "profile_identifiers"))
    first = rows(lake, "identifier_proposals")[0]["first_seen"]
    build(lake, jan(32))
    assert rows(lake, "identifier_proposals")[0]["first_seen"] == first


def test_a_value_over_its_limit_is_proposed_and_no_more_once_it_is_not(lake: Lake, put: Put) -> None:
    put("orders", [order("square", f"O{n}", jan(2), phone=TILL, email=f"p{n}@mail.io") for n in range(12)])
    build(lake)
    assert proposals(lake) == [(TILL, "limit", 12, "proposed")]
    build(lake, limits={"phone": 50, "email": 50})
    assert proposals(lake) == []


def test_what_guests_share_without_agreeing_is_proposed(lake: Lake, put: Put) -> None:
    """Another name each time; and on more orders than the limit nobody's name, of a source that tells names."""
    names = ("Ada", "Bo", "Cy", "Di", "Eve", "Fay")
    put("orders", [order("square", f"N{n}", jan(2), email=JUNK, first_name=name) for n, name in enumerate(names)])
    put("orders", [order("square", f"O{n}", jan(2), phone=TILL) for n in range(26)])
    build(lake)
    assert proposals(lake) == [(TILL, "limit_guests", 26, "proposed"), (JUNK, "disagreeing", 6, "proposed")]
    assert not rows(lake, "profile_identifiers", "SELECT * FROM t WHERE usable")


@pytest.fixture
def run(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("SEGMENT_PIPELINE_LAKE", lake.root)
    monkeypatch.setenv("SEGMENT_PIPELINE_HOME", str(lake.root))
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", "segment_pipeline.starter.company:STARTER")
    return CliRunner()


def test_a_person_decides_and_the_decision_stays(lake: Lake, put: Put, run: CliRunner) -> None:
    strangers(put)
    build(lake)
    listed = json.loads(run.invoke(cli, ["identifiers", "proposals", "--json"]).output)
    assert [(r["identifier"], r["records"]) for r in listed] == [(JUNK, 5)]
    assert run.invoke(cli, ["identifiers", "block", JUNK.upper()]).exit_code == 0
    assert json.loads(run.invoke(cli, ["identifiers", "proposals", "--json"]).output) == []
    for day in (jan(31), jan(32)):
        build(lake, day)
        assert proposals(lake) == [(JUNK, "many_names", 5, "blocked")]
        assert len(rows(lake, "profiles")) == 5, "it links nobody"
    assert {r["standing"] for r in rows(lake, "profile_identifiers") if r["identifier"] == JUNK} == {"blocked"}
    assert run.invoke(cli, ["identifiers", "allow", JUNK]).exit_code == 0
    build(lake, jan(33))
    assert proposals(lake) == [(JUNK, "many_names", 5, "allowed")]


@pytest.mark.also_on_spark(
    "profiles/identity/blocked", "profiles/identity/blocked_identifiers", "profiles/identity/proposals_decided"
)
def test_what_is_allowed_is_matched_by_no_pattern(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", jan(1), email="test@firma.de"), customer("square", "C1", jan(2), email="test@firma.de")])  # fmt: skip
    build(lake)
    assert len(rows(lake, "profiles")) == 2
    decide(lake, "email", "test@firma.de", "allowed", datetime(2017, 2, 1, tzinfo=UTC))
    build(lake)
    assert len(rows(lake, "profiles")) == 1


def test_what_is_no_address_is_refused(run: CliRunner) -> None:
    done = run.invoke(cli, ["identifiers", "block", "nonsense"])
    assert done.exit_code != 0


def test_decisions_that_are_lost_are_not_taken_for_none(lake: Lake, put: Put) -> None:
    """Read as an empty table, what people blocked would link and be sent to again."""
    strangers(put)
    build(lake)
    decide(lake, "email", JUNK, "blocked", datetime(2017, 2, 1, tzinfo=UTC))
    rmtree(Path(lake.root) / "identifier_proposals")
    with pytest.raises(LostTable):
        build(Lake(lake.root, lake.engine))
