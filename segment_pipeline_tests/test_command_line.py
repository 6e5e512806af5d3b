"""Every command in every odd environment: one line that says what to do, an exit code, and never a traceback."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from segment_pipeline.cli import cli

pytestmark = pytest.mark.processes

# What a command needs said, so that it gets as far as the environment lets it.
ARGUMENTS = {
    "audiences approve": ("00000000",),
    "audiences plan": ("win_back_runners",),
    "audiences reconcile": ("win_back_runners",),
    "audiences retire": ("win_back_runners",),
    "audiences resend": ("win_back_runners", "--yes"),
    "audiences sync": ("win_back_runners",),
    "identifiers allow": ("help@shop.test",),
    "identifiers block": ("help@shop.test",),
    "init": ("our-company",),
    "profile show": ("--id", "nobody"),
    "rename": ("segment", "old", "new"),
    "accept": ("orders",),
    "segments explain": ("vip", "--profile", "nobody"),
    "segments explain-sql": ("vip",),
    "segments preview": ("vip",),
}
# These start what does not end by itself, or take minutes where nothing is wrong; they have tests of their own.
SERVING = {"demo", "sandbox", "ui"}

# All of them in one process: each is a second of imports otherwise.
DRIVER = """
import json, os, sys
from click.testing import CliRunner
from segment_pipeline.cli import cli
answers = {}
for environment, (folder, variables, lines) in json.load(sys.stdin).items():
    os.chdir(folder)
    sys.path.insert(0, folder)
    answers[environment] = {}
    for name, line in lines.items():
        os.environ.clear()
        os.environ.update(variables)
        done = CliRunner().invoke(cli, line, prog_name="segment-pipeline")
        odd = done.exception is not None and not isinstance(done.exception, SystemExit)
        answers[environment][name] = {"code": done.exit_code, "error": done.stderr, "traceback": repr(done.exception) if odd else None}
json.dump(answers, sys.stdout)
"""

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))
        else:
            yield " ".join((*prefix, name))


def obey_permissions() -> None:
    """Root too, from its next program on: what is read-only for a user is then read-only in the test."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def clean(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    company = {"SEGMENT_PIPELINE_CATALOGUE": "segment_pipeline.starter.company:STARTER"}
    return kept | {"SEGMENT_PIPELINE_NO_WAIT": "1"} | company | dict(variables)


Environment = tuple[Path | None, dict[str, str]]


def nothing(_: Path) -> Environment:
    return None, {"SEGMENT_PIPELINE_CATALOGUE": ""}


def missing(folder: Path) -> Environment:
    return folder / "nowhere" / "home", {}


def a_file(folder: Path) -> Environment:
    (folder / "home").write_text("not a folder")
    return folder / "home", {}


def below_a_file(folder: Path) -> Environment:
    return a_file(folder)[0], {"SEGMENT_PIPELINE_HOME": str(folder / "home" / "below")}


def read_only(folder: Path) -> Environment:
    (folder / "home").mkdir(mode=0o555)
    return folder / "home", {}


def no_catalogue(folder: Path) -> Environment:
    return folder, {"SEGMENT_PIPELINE_CATALOGUE": "our_company.catalogue:OURS"}


def broken_catalogue(folder: Path) -> Environment:
    (folder / "ours.py").write_text("OURS = undeclared\n")
    return folder, {"SEGMENT_PIPELINE_CATALOGUE": "ours:OURS"}


def no_setting(folder: Path) -> Environment:
    return folder, {"SEGMENT_PIPELINE_FRESH_HOURS": "soon"}


def no_dagster(folder: Path) -> Environment:
    return folder, {"DAGSTER_HOME": str(folder / "dagster")}


def broken_dagster(folder: Path) -> Environment:
    (folder / "dagster.yaml").write_text("storage: {postgres: {nothing: here}}\n")
    return folder, {"DAGSTER_HOME": str(folder)}


def lake_is_a_file(folder: Path) -> Environment:
    (folder / "lake").write_text("not a folder")
    return folder, {}


ENVIRONMENTS = (
    nothing, missing, a_file, below_a_file, read_only, no_catalogue, broken_catalogue, no_setting, no_dagster,
    broken_dagster, lake_is_a_file,
)  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What every command that ends by itself says in each environment."""
    asked = {}
    for environment in ENVIRONMENTS:
        folder = tmp_path_factory.mktemp(environment.__name__)
        home, variables = environment(folder)
        options = ["--home", str(home)] if home else []
        lines = {
            name: [*options, *name.split(), *ARGUMENTS.get(name, ())] for name in commands(cli) if name not in SERVING
        }
        asked[environment.__name__] = (str(folder), clean(variables), lines)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps(asked), preexec_fn=obey_permissions,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("environment", [environment.__name__ for environment in ENVIRONMENTS])
def test_no_command_ends_in_a_traceback(answers: dict[str, dict[str, Any]], environment: str) -> None:
    """A failure is sentences on standard error and exit code 1, a held plan one and 3; `validate` alone says one per mistake."""
    for name, said in answers[environment].items():
        assert said["traceback"] is None, (name, said)
        assert said["code"] in (0, 1, 3), (name, said)
        # What goes on without a company says so.
        lines = [
            line for line in said["error"].splitlines() if not line.startswith("without the company's own traits: ")
        ]
        # What looks at everything, and tells of it on standard output, ends with 1 where something is to be done.
        assert bool(lines) == bool(said["code"]) or name in ("check", "status"), (name, said)
        assert "Traceback" not in said["error"], name
        if name != "validate":
            assert all(line.startswith(("error: ", "held: ")) for line in lines[-1:]), (name, lines)
            assert "its message withheld" not in said["error"], (name, lines)


def test_a_mistake_in_a_company_s_own_module_names_its_file_and_line(answers: dict[str, dict[str, Any]]) -> None:
    said = answers["broken_catalogue"]["segments list"]["error"]
    assert "the catalogue ours:OURS cannot be loaded: NameError at " in said
    assert "/ours.py:1: name 'undeclared' is not defined" in said


def test_a_home_that_is_a_file_is_named(answers: dict[str, dict[str, Any]]) -> None:
    for said in answers["a_file"].values():
        assert said["error"].startswith("error: /")
        assert (
            said["error"]
            .strip()
            .endswith("/home is a file where a folder is needed: name another with --home or SEGMENT_PIPELINE_HOME")
        )


def failure(
    arguments: Sequence[str], code: int = 1, start: str = "from segment_pipeline.cli import main; main()"
) -> str:
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        env=clean({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize(("command", "module"), [("demo", "faker"), ("ui", "uvicorn"), ("sandbox", "starlette")])
def test_what_the_demo_needs_is_named_by_its_extra(tmp_path: Path, command: str, module: str) -> None:
    without = f"import sys; sys.modules[{module!r}] = None; from segment_pipeline.cli import main; main()"
    assert failure(["--home", str(tmp_path), command], start=without) == (
        f"error: this needs {module}, which is not installed: pip install 'segment-pipeline[demo]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_knowing_a_company_takes_neither_dagster_nor_pandas() -> None:
    """Most commands load the catalogue, and what it imports is most of what the short ones cost."""
    code = "import sys, segment_pipeline.commands.audiences, segment_pipeline.starter.company; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"dagster", "pandas", "pyspark", "scipy"} & set(told.split())


@pytest.mark.parametrize("command", ["demo", "ui"])
def test_a_demo_s_home_that_is_a_file_is_named(tmp_path: Path, command: str) -> None:
    home, _ = a_file(tmp_path)
    assert f"{home} is a file where a folder is needed" in failure([command, "--home", str(home)])


def test_too_few_households_are_refused_at_once(tmp_path: Path) -> None:
    """An audience of the starter would be below its least size, and the demo would end in its guard's error."""
    done = CliRunner().invoke(cli, ["demo", "--home", str(tmp_path / "demo"), "--households", "60"])
    assert done.exit_code == 2
    assert "60 is not in the range x>=150" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_taken_port_stops_the_ui_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "settings.env").write_text("SEGMENT_PIPELINE_START=2017-12-01\nSEGMENT_PIPELINE_END=2017-12-31\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        line = failure(["ui", "--home", str(tmp_path), "--port", str(port)])
    assert (
        line
        == f"error: port {port} of 127.0.0.1 cannot be listened on: end what uses it, or choose another with --port"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["settings.env"]


@pytest.mark.demo
def test_an_interrupted_command_is_one_line(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the demo: whatever was going on ends, and nothing is printed but that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "segment_pipeline.cli", "demo", "--home", str(tmp_path), "--households", "300"],
        env=clean({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "lake" / "loads").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors[-2000:]
    assert output == ""
    assert errors.strip().splitlines()[-1].endswith("the same command goes on from there")
    assert "Traceback" not in errors
