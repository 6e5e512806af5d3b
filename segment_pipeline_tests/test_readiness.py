"""What can be known offline is said by `validate`, all of it at once; what each system says when asked, by `check`, one line each."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.cli import cli
from segment_pipeline.connector import About, ConnectorKind, Env, require, secret
from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.statements import generated
from segment_pipeline.landing.source import Entity
from segment_pipeline.readiness import check_clock, check_lake, checks, mistakes
from segment_pipeline.sandbox.registry import environment
from segment_pipeline.settings import Settings

SECRET = "very-s3cret"


@dataclass(frozen=True, kw_only=True)
class Till:
    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Till", "receipts")
    name: str = "till"
    token: str = secret("TILL_ACCESS_TOKEN", "token")
    answer: Exception | None = None
    statement: str = "SELECT 1 AS one"

    @property
    def entities(self) -> tuple[Entity, ...]:
        generated("ours/receipts", self.statement)
        return ()

    def secrets_present(self) -> None:
        require(self)

    def pull(self, *_: Any) -> Any:
        raise AssertionError("nothing is pulled")

    def check(self) -> None:
        if self.answer:
            raise self.answer


def ours(*tills: Till, rates: Path | None = None) -> Catalogue:
    return Catalogue(sources=tills or (Till(token=SECRET),), destinations=(), segments=(), rates=rates)


def settings(home: Path, **values: str) -> Settings:
    return Settings.from_env({f"SEGMENT_PIPELINE_{k}": v for k, v in ({"HOME": str(home)} | values).items()})


def test_a_sound_company_has_no_mistakes(tmp_path: Path) -> None:
    assert mistakes(ours(), settings(tmp_path), {}) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "SEGMENT_PIPELINE_TIMEZON",
            "SEGMENT_PIPELINE_TIMEZON is read by nobody: did you mean SEGMENT_PIPELINE_TIMEZONE?",
        ),
        ("SEGMENT_PIPELINE_COLOUR", "SEGMENT_PIPELINE_COLOUR is read by nobody: it is no setting of this version"),
        ("TILL_ACESS_TOKEN", "TILL_ACESS_TOKEN is read by nobody: did you mean TILL_ACCESS_TOKEN?"),
        ("TILL_CA_ACCES_TOKEN", "TILL_CA_ACCES_TOKEN is read by nobody: did you mean TILL_CA_ACCESS_TOKEN?"),
        ("LESS_TERMCAP_mb", None),
        ("SEGMENT_PIPELINE_VENDOR_SPECS", None),
    ],
)
def test_a_misspelt_variable_is_asked_about(tmp_path: Path, name: str, said: str | None) -> None:
    second = Till(name="till_ca", token=Env("TILL_CA_ACCESS_TOKEN"))
    found = [p for p in mistakes(ours(Till(), second), settings(tmp_path), {name: "x"}) if "read by nobody" in p]
    assert found == ([said] if said else [])


def test_a_misspelt_line_of_the_homes_file_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("SEGMENT_PIPELINE_CORN=0 3 * * *\n")
    assert mistakes(ours(), settings(tmp_path), {}) == [
        "SEGMENT_PIPELINE_CORN (in settings.env) is read by nobody: did you mean SEGMENT_PIPELINE_CRON?"
    ]


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    [said] = mistakes(ours(Till()), settings(tmp_path), {})
    assert said.startswith("TILL_ACCESS_TOKEN is not set and the source till needs it")


@pytest.mark.parametrize("cron", ["every night", "61 3 * * *", "0 3 * *"])
def test_a_schedule_that_is_none_is_named(tmp_path: Path, cron: str) -> None:
    [said] = mistakes(ours(), settings(tmp_path, CRON=cron), {})
    assert said.startswith("SEGMENT_PIPELINE_CRON is no schedule")


def test_sql_of_the_companys_own_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    [said] = mistakes(ours(Till(token=SECRET, statement="SELECT FROM WHERE")), settings(tmp_path), {})
    assert "ours/receipts" in said


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ("sqlite:///{home}/notes.txt", "which is no SQLite database: name another file"),
        ("sqlite:///{home}", "which is a folder: name a file"),
        ("sqlite:///{home}/notes.txt/ledger.sqlite", "notes.txt is a file: name a place whose folders can be made"),
        (
            "mysterious://db/ledger",
            "SEGMENT_PIPELINE_LEDGER is no URL of a database that can be opened here (NoSuchModuleError)",
        ),
        ("nothing at all", "SEGMENT_PIPELINE_LEDGER is no URL of a database that can be opened here (ArgumentError)"),
    ],
)
def test_a_dead_ledger_is_named(tmp_path: Path, ledger: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database at all")
    [problem] = mistakes(ours(), settings(tmp_path, LEDGER=ledger.replace("{home}", str(tmp_path))), {})
    assert said in problem


def test_a_lake_that_is_a_file_and_an_alert_that_goes_nowhere_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    found = mistakes(ours(rates=tmp_path / "rates.csv"), settings(tmp_path, ALERT_URL="hooks.example"), {})
    assert [said.split(" ")[0] for said in found] == ["SEGMENT_PIPELINE_LAKE", "SEGMENT_PIPELINE_ALERT_URL", "the"]


def test_every_system_answers_with_one_line_and_one_that_fails_hides_no_other(tmp_path: Path) -> None:
    tills = (
        Till(name="well"),
        Till(name="wrong", answer=ConfigError("the token may not read orders: give it the scope ORDERS_READ")),
        Till(name="away", answer=TransientError("it did not answer")),
        Till(name="broken", answer=KeyError(SECRET)),
    )
    answers = list(checks(ours(*tills), settings(tmp_path)))
    said = {answer.what: (answer.ok, answer.said) for answer in answers}
    assert said == {
        "lake": (True, ""), "ledger": (True, ""), "clock": (True, ""), "source well": (True, ""),
        "source wrong": (False, "the token may not read orders: give it the scope ORDERS_READ"),
        "source away": (False, "it did not answer"),
        "source broken": (False, "failed with KeyError, whose text is withheld: it may quote a secret"),
        "sending": (True, "off: audiences are planned and shown, not sent"),
    }  # fmt: skip
    assert not list((tmp_path / "lake").glob("_probe*")), "the probe is taken away again"


@pytest.mark.parametrize(
    ("lake", "said"),
    [
        ("/proc/lake", "cannot be opened: the bucket or folder is not there"),
        ("s4://bucket/lake", "cannot be opened: nothing is known of s4://"),
    ],
)
def test_a_lake_that_cannot_be_used_says_which_step_and_what_to_set(tmp_path: Path, lake: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_lake(settings(tmp_path, LAKE=lake))


def test_a_published_database_is_asked_too(tmp_path: Path) -> None:
    there = settings(tmp_path, PUBLISH=f"sqlite:///{tmp_path}/warehouse.sqlite")
    assert [a.ok for a in checks(ours(), there) if a.what == "database to publish to"] == [True]
    nowhere = settings(tmp_path, PUBLISH="postgresql+psycopg://reader:s3cret@127.0.0.1:9/warehouse")
    [answer] = [a for a in checks(ours(), nowhere) if a.what == "database to publish to"]
    assert not answer.ok
    assert "s3cret" not in answer.said


def test_a_pinned_clock_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", "2018-01-01T03:00:00+00:00")
    assert check_clock(replace(settings(tmp_path), timezone="America/New_York")) == (
        "pinned to 2018-01-01 03:00 UTC by SEGMENT_PIPELINE_CLOCK"
    )


def test_the_commands_end_with_what_they_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_checked_company.py").write_text(
        "from segment_pipeline.catalogue import Catalogue\nOURS = Catalogue(sources=(), destinations=(), segments=())\n"
    )
    for name in [n for n in os.environ if n.startswith("SEGMENT_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", "our_checked_company:OURS")
    monkeypatch.chdir(tmp_path)
    good = CliRunner().invoke(cli, ["--home", str(tmp_path), "check", "--json"])
    assert good.exit_code == 0
    assert [answer["what"] for answer in json.loads(good.stdout)] == ["lake", "ledger", "clock", "sending"]
    monkeypatch.setenv("SEGMENT_PIPELINE_LAKE", "/proc/lake")
    bad = CliRunner().invoke(cli, ["--home", str(tmp_path), "check"])
    assert (bad.exit_code, "SEGMENT_PIPELINE_LAKE" in bad.stdout) == (1, True)


AT_ONCE = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from segment_pipeline.starter.company import STARTER

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("requests"):
            time.sleep(0.05)

assert "requests" not in sys.modules
sys.meta_path.insert(0, Slow())
remote = [one for one in (*STARTER.sources, *STARTER.destinations) if one.name != "files"]
together = Barrier(len(remote))

def ask(connector):
    together.wait()
    try:
        connector.check()
    except Exception as error:
        return type(error).__name__

with ThreadPoolExecutor(len(remote)) as pool:
    print(*sorted(set(pool.map(ask, remote))))
"""


def test_connectors_asked_at_once_by_a_new_process_each_say_what_is_wrong() -> None:
    """What sends is imported by the first that asks, and several do at once, slowly: none finds it half imported."""
    environ = {**os.environ, **environment("http://127.0.0.1:9"), "SEGMENT_PIPELINE_NO_WAIT": "1"}
    asked = subprocess.run(
        [sys.executable, "-c", AT_ONCE], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert asked.stdout == "TransientError\n", asked.stderr[-2000:]
