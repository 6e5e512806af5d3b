"""A company's own repository is written whole, works at once, and is what its docs say."""

import importlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
import yaml

from segment_pipeline.errors import ConfigError
from segment_pipeline.init.write import init
from segment_pipeline_tests.defs.dagster_process import DagsterProcess, free_port
from segment_pipeline_tests.postgres import new_database

PACKAGE = Path(__file__).parent.parent
GUIDE = (PACKAGE / "segment_pipeline/docs/own-company.md").read_text(encoding="utf-8")
SECONDS = 120
MOST_COMMANDS = 8


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as `init` leaves it; to be read only."""
    folder = tmp_path_factory.mktemp("init") / "our-company"
    init(folder, timezone="Europe/Berlin", currency="EUR", country="DE")
    return folder


def clean(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_", "PIP_", "PYTEST_"))
    }
    return kept | dict(variables)


def test_it_is_whole_and_nothing_of_the_template_is_left(company: Path) -> None:
    files = {str(path.relative_to(company)): path.read_text() for path in company.rglob("*") if path.is_file()}
    assert sorted(files) == [
        ".env", ".env.example", ".gitignore", "Dockerfile", "README.md", "compose.yaml", "dagster.yaml", "data/sales-1.csv",
        "deploy/dagster.yaml", "our_company/__init__.py", "our_company/catalogue.py", "our_company/definitions.py",
        "pyproject.toml", "tests/test_our_company.py",
    ]  # fmt: skip
    assert [name for name, text in files.items() if re.search(r"@[a-z-]+@|@day-", text)] == []
    assert len(files["data/sales-1.csv"].splitlines()) == 1 + 10
    assert ".env" in files[".gitignore"].splitlines()


def test_the_folder_names_the_package_everywhere(tmp_path: Path) -> None:
    init(tmp_path / "Till & Web", timezone="UTC", currency="USD", country="US")
    assert (tmp_path / "Till & Web/till_web/catalogue.py").exists()
    declared = tomllib.loads((tmp_path / "Till & Web/pyproject.toml").read_text())
    assert declared["project"]["name"] == "till-web"
    assert declared["tool"]["segment-pipeline"]["catalogue"] == "till_web.catalogue:OURS"
    assert "our_company" not in "".join(p.read_text() for p in (tmp_path / "Till & Web").rglob("*") if p.is_file())


@pytest.mark.parametrize("name", ["json", "class", "9lives", "dagster", "---"])
def test_a_name_no_package_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name the folder like our-company"):
        init(tmp_path / name, timezone="UTC", currency="USD", country="US")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        init(tmp_path / "shop", timezone="UTC", currency="USD", country="US")
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["notes.txt"]


def test_a_wrong_setting_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TIMEZONE names no time zone"):
        init(tmp_path / "shop", timezone="Berlin", currency="EUR", country="DE")
    assert list(tmp_path.iterdir()) == []


def compose(company: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((company / "compose.yaml").read_text())
    return found


def test_the_compose_file_is_valid_by_its_schema(company: Path) -> None:
    schema = json.loads(
        resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    )
    jsonschema.Draft202012Validator(schema).validate(compose(company))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"services": {"daemon": {"comand": "x"}}})


def test_every_variable_of_compose_and_env_is_one_there_is(company: Path) -> None:
    from segment_pipeline.settings import SETTINGS

    known = {setting.variable for setting in SETTINGS}
    text = (company / "compose.yaml").read_text() + (company / ".env.example").read_text()
    assert set(re.findall(r"SEGMENT_PIPELINE_\w+", text)) <= known


def test_every_promised_name_has_the_import_path_the_guide_says() -> None:
    rows = re.findall(r"^\| `(segment_pipeline[\w.]*)` \| (.+) \|$", GUIDE, flags=re.MULTILINE)
    assert len(rows) >= 17
    for module, names in rows:
        found = importlib.import_module(module)
        assert [name for name in re.findall(r"`(\w+)`", names) if not hasattr(found, name)] == [], module


def test_the_component_of_the_guide_is_one_of_ours() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
    declared = yaml.safe_load(text)
    module, _, name = declared["type"].rpartition(".")
    assert set(declared["attributes"]) <= set(getattr(importlib.import_module(module), name).model().model_fields)


def commands_of(text: str) -> list[str]:
    """The commands of the first console block."""
    (block, *_) = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in block.splitlines()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment into which pip installs the built wheel and nothing else; what it depends on is the test's own."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")],
        cwd=PACKAGE, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, capture_output=True, timeout=300)
    site = subprocess.run(
        [folder / "venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout.strip()  # fmt: skip
    # All that the test's environment has but ourselves, whose editable installation would satisfy pip.
    dependencies = folder / "dependencies"
    dependencies.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "segment_pipeline" not in entry.name:
            (dependencies / entry.name).symlink_to(entry)
    (Path(site) / "dependencies.pth").write_text(f"{dependencies}\n")
    for name in ("dagster", "pytest"):
        launcher = folder / "venv/bin" / name
        launcher.write_text(
            f"#!{folder / 'venv/bin/python'}\nimport runpy\nrunpy.run_module({name!r}, run_name='__main__')\n"
        )
        launcher.chmod(0o755)
    return clean(
        {
            "PATH": f"{folder / 'venv/bin'}:{os.environ['PATH']}", "PYTHONPATH": "", "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1",
            "PIP_FIND_LINKS": str(folder / "dist"), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
    )  # fmt: skip


@pytest.mark.slow
def test_from_nothing_to_a_synced_audience_by_the_guide_s_very_commands(
    tmp_path: Path, installed: Mapping[str, str]
) -> None:
    """No more than eight, nothing edited, and within two minutes of the machine's time; then its own tests pass."""
    commands = commands_of(GUIDE)
    assert len(commands) <= MOST_COMMANDS
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=tmp_path, env=dict(installed), capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "nothing to act on" in done.stdout
    assert not any(word in done.stderr.lower() for word in ("deprecat", "warning", "traceback")), done.stderr
    company = tmp_path / "our-company"
    members = (company / ".pipeline/files/regulars_by_email/members.csv").read_text().splitlines()
    assert (members[0], len(members)) == ("email,phone", 1 + 2)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS
    where = subprocess.run(
        ["python", "-c", "import segment_pipeline; print(segment_pipeline.__file__)"],
        cwd=company, env=dict(installed), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert str(Path(installed["PIP_FIND_LINKS"]).parent / "venv") in where.stdout
    tested = subprocess.run(
        ["pytest", "-q", "-p", "no:cacheprovider"],
        cwd=company,
        env=dict(installed),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout[-3000:]
    assert "4 passed" in tested.stdout


@pytest.mark.slow
def test_status_says_which_denials_wait_while_sending_is_off(company: Path, tmp_path: Path) -> None:
    """Two were sent; one of them says no in a later file; off again, she is still in the tool, and somebody must act."""
    shutil.copytree(company, tmp_path / "company")

    def command(*words: str, code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "segment_pipeline.cli", *words], cwd=tmp_path / "company", env=clean(variables),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    command("refresh")
    command("audiences", "sync", "regulars_by_email", SEGMENT_PIPELINE_SENDING="on")
    assert json.loads(command("status", "--json"))["sending"] == {"on": False, "denials": []}
    header, *rows = (company / "data/sales-1.csv").read_text().splitlines()
    (last,) = [row for row in rows if row.startswith("1008,")]
    denied = last.replace("1008,", "1010,").replace(",yes,", ",no,").replace(" 09:55", " 23:10")
    (tmp_path / "company/data/sales-2.csv").write_text(f"{header}\n{denied}\n")
    command("refresh")
    found = json.loads(command("status", "--json", code=1))
    (waiting,) = found["sending"]["denials"]
    assert (waiting["audience"], waiting["keys"]) == ("regulars_by_email", 1)
    (sentence,) = found["attention"]
    assert sentence.startswith("audience regulars_by_email: 1 denial waits, the oldest since ")


@pytest.mark.dagster
def test_dagster_dev_in_it_is_green_at_once(company: Path, tmp_path: Path) -> None:
    """The location loads, every daemon is healthy, and a refresh of its assets succeeds."""
    shutil.copytree(company, tmp_path / "our-company")
    command = [
        "bash",
        "-c",
        f'cd {tmp_path / "our-company"} && exec {sys.executable} -m dagster dev --host 127.0.0.1 "$@"',
        "dev",
    ]
    with DagsterProcess(tmp_path, clean({}), command=command) as dagster:
        unhealthy = """{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }"""

        def healthy() -> bool:
            found = dagster.graphql(unhealthy)["instance"]["daemonHealth"]["allDaemonStatuses"]
            return all(daemon["healthy"] for daemon in found if daemon["required"])

        dagster.until("every daemon is healthy", healthy)
        assets = dagster.graphql("{ assetNodes { assetKey { path } } }")["assetNodes"]
    assert {"/".join(node["assetKey"]["path"]) for node in assets} >= {
        "till/sales",
        "segments/regulars",
        "audiences/regulars_by_email",
    }


@pytest.mark.dagster
def test_the_services_of_the_compose_file_run_without_docker(company: Path, postgres: str, tmp_path: Path) -> None:
    """Their very commands, with the environment the file gives them: the addresses inside it are those of this machine."""
    shutil.copytree(company, tmp_path / "company")
    (tmp_path / "dagster").mkdir()
    shutil.copy(company / "deploy/dagster.yaml", tmp_path / "dagster/dagster.yaml")
    declared = compose(company)
    assert declared["configs"]["databases"]["content"] == "CREATE DATABASE ledger;"
    databases = {name: new_database(postgres) for name in ("dagster", "ledger")}
    port = free_port()
    environ = clean(
        {"DAGSTER_HOME": str(tmp_path / "dagster"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    )
    running = []
    try:
        for name in ("webserver", "daemon"):
            service = declared["services"][name]
            said = dict(service["environment"])
            for variable, text in said.items():
                if "://" in text:
                    url = sa.make_url(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text))
                    here = sa.make_url(databases[str(url.database)]).set(drivername=url.drivername)
                    said[variable] = here.render_as_string(hide_password=False)
            said["SEGMENT_PIPELINE_HOME"] = str(tmp_path / "home")
            command = [{"3000": str(port), "0.0.0.0": "127.0.0.1"}.get(word, word) for word in service["command"]]
            log = (tmp_path / f"{name}.log").open("w")
            running.append(
                subprocess.Popen(
                    command, cwd=tmp_path / "company", env=environ | said, stdout=log, stderr=subprocess.STDOUT
                )
            )
            log.close()
        environ |= said
        waiting = DagsterProcess(tmp_path)
        waiting.process, waiting.url, waiting.log = running[0], f"http://127.0.0.1:{port}", tmp_path / "webserver.log"
        waiting.until("the webserver has loaded the company", waiting._loaded)
        waiting.until("the daemon's heart beats in PostgreSQL", lambda: _alive(environ, tmp_path / "company"))
        assert running[1].poll() is None
        with urllib.request.urlopen(f"{waiting.url}/server_info", timeout=30) as answer:
            assert json.load(answer)["dagster_version"]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)
    engine = sa.create_engine(databases["dagster"])
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM daemon_heartbeats")).scalar()
    engine.dispose()


def _alive(environ: Mapping[str, str], folder: Path) -> bool:
    command = [sys.executable, "-m", "dagster._daemon", "liveness-check"]
    return (
        subprocess.run(command, env=dict(environ), cwd=folder, capture_output=True, timeout=120, check=False).returncode
        == 0
    )
