"""A refresh in parts and side by side leaves what one run after the other leaves, and says what stopped it."""

import errno
import importlib
import json
import os
import pickle
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import segment_pipeline
from segment_pipeline.days import Window
from segment_pipeline.defs.runs import RunFailed
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.init.write import init
from segment_pipeline.lake.lake import Lake
from segment_pipeline.refreshing import LEAST_DAYS, refresh_tasks
from segment_pipeline.settings import Settings
from segment_pipeline.starter.company import STARTER
from segment_pipeline.tasks import Task, side_by_side
from segment_pipeline_tests.test_init import clean

TABLES = (
    "orders",
    "order_lines",
    "identities",
    "profiles",
    "traits",
    "memberships",
    "segment_sizes",
    "membership_changes",
)
OF_THE_RUN = {"inputs", "ingested_at", "loaded_at", "updated_at", "computed_at"}
DAY = date(2026, 3, 10)
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks") / "our-company"
    init(folder, timezone="Europe/Berlin", currency="EUR", country="DE")
    return folder


def refreshed(company: Path, home: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "segment_pipeline.cli", "refresh", "--json", *words], cwd=company,
        env=clean({"SEGMENT_PIPELINE_HOME": str(home)}), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def content(home: Path, name: str) -> list[dict[str, object]]:
    lake = Lake.open(
        Settings.from_env({"SEGMENT_PIPELINE_HOME": str(home), "SEGMENT_PIPELINE_TIMEZONE": "Europe/Berlin"})
    )
    with lake.session() as session:
        session.scan(name)
        rows = session.rows(f"SELECT * FROM {name}")
    return sorted(({k: v for k, v in row.items() if k not in OF_THE_RUN} for row in rows), key=str)


@pytest.mark.processes
def test_side_by_side_leaves_what_in_turn_leaves(company: Path, tmp_path: Path) -> None:
    several = ("--from", str(TODAY - timedelta(days=2 * LEAST_DAYS + 1)), "--every-day")
    alone = refreshed(company, tmp_path / "alone", *several, "--at-once", "1")
    both = refreshed(company, tmp_path / "both", *several, "--at-once", "2")
    assert both["assets"] == alone["assets"]
    assert set(both["seconds"]) == set(alone["seconds"]) == {"till", "identity", "traits", "segments"}
    held = {name: content(tmp_path / "alone", name) for name in TABLES}
    assert held["membership_changes"]
    assert len({row["as_of"] for row in held["traits"]}) > LEAST_DAYS
    assert {name: content(tmp_path / "both", name) for name in TABLES} == held


def test_parts_follow_each_other_and_sources_do_not() -> None:
    settings = Settings.from_env({"SEGMENT_PIPELINE_HOME": "/nowhere"})
    landed, derived = Window.of(DAY), Window(DAY - timedelta(days=9), DAY)
    tasks = refresh_tasks(STARTER, settings, landed=landed, derived=derived, at_once=2)
    sources = {number for number, task in enumerate(tasks) if task.days == landed}
    assert {tasks[number].after for number in sources} == {frozenset()}
    assert [day for task in tasks if task.stage == "identity" and task.days for day in task.days.days()] == list(
        derived.days()
    )
    for stage in ("identity", "traits", "segments"):
        *_, before, last = (number for number, task in enumerate(tasks) if task.stage == stage)
        assert before in tasks[last].after
        assert tasks[before].days != tasks[last].days
    assert all(max(task.after, default=-1) < number for number, task in enumerate(tasks))
    [one] = (
        task for task in refresh_tasks(STARTER, settings, landed=landed, derived=derived) if task.stage == "traits"
    )
    assert one.days == derived


@contextmanager
def killed() -> Iterator[None]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield


@contextmanager
def killed_once() -> Iterator[None]:
    """The first process that works here does not survive it."""
    before = Path(os.environ["SEGMENT_PIPELINE_HOME"]).with_suffix(".killed")
    if not before.exists():
        before.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield


@contextmanager
def without_room() -> Iterator[None]:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/full/disk")
    yield


@pytest.fixture
def here(company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process works for the company, and so do those forked for it."""
    monkeypatch.chdir(company)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("SEGMENT_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEGMENT_PIPELINE_CATALOGUE", "our_company.catalogue:OURS")


def task(*key: str, after: frozenset[int] = frozenset(), day: date = DAY) -> Task:
    return Task(key[-1], "refresh", (dg.AssetKey(key),), Window.of(day), after)


@pytest.mark.processes
@pytest.mark.usefixtures("here")
def test_of_one_that_fails_only_those_that_wait_for_it_are_not_begun() -> None:
    """Traits of a day without people fail; what waits for them is not begun, and what does not is done."""
    begun: list[str] = []

    def stage(name: str) -> AbstractContextManager[None]:
        begun.append(name)
        return nullcontext()

    tasks = [task("profiles", "traits"), task("segments", "regulars", after=frozenset({0})), task("till", "sales")]
    with pytest.raises(RunFailed, match=r"traits: .*identities"):
        side_by_side(tasks, stage, at_once=1)
    assert begun == ["traits", "sales"]


@pytest.mark.processes
@pytest.mark.usefixtures("here")
def test_a_process_that_is_killed_is_said() -> None:
    with pytest.raises(RunFailed, match=r"sales: its process ended with code -9 and no word"):
        side_by_side([task("till", "sales")], lambda _: nullcontext(), at_once=2, around=killed)


@pytest.mark.processes
@pytest.mark.usefixtures("here")
def test_what_a_killed_process_would_have_done_next_another_does() -> None:
    ended: list[str] = []

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        yield
        ended.append(name)

    tasks = [task("profiles", "traits"), task("till", "sales")]
    with pytest.raises(RunFailed, match="traits: its process ended with code -9"):
        side_by_side(tasks, stage, at_once=1, around=killed_once)
    assert ended == ["sales"]


@pytest.mark.processes
@pytest.mark.usefixtures("here")
def test_a_process_that_has_no_room_to_begin_in_says_so() -> None:
    with pytest.raises(RunFailed, match=r"^sales: /a/full/disk cannot be used, its disk is full"):
        side_by_side([task("till", "sales")], lambda _: nullcontext(), at_once=1, around=without_room)


def kinds(of: type[SegmentPipelineError]) -> Iterator[type[SegmentPipelineError]]:
    for one in of.__subclasses__():
        yield one
        yield from kinds(one)


def test_every_error_comes_out_of_its_process_as_it_was() -> None:
    """Errors of every module, those with a constructor of their own too: what cannot be read back has lost its sentence."""
    for module in pkgutil.walk_packages(segment_pipeline.__path__, "segment_pipeline."):
        if not module.name.startswith(("segment_pipeline.init.template", "segment_pipeline.audiences.migrations")):
            importlib.import_module(module.name)
    errors = [
        kind("a sentence") for kind in kinds(SegmentPipelineError) if kind.__module__.startswith("segment_pipeline.")
    ]
    assert len(errors) > 15
    assert [type(e) for e in errors if str(pickle.loads(pickle.dumps(e))) != str(e) or str(e) != "a sentence"] == []


@pytest.mark.processes
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_nobody_goes_on_once_the_command_is_ended(company: Path, tmp_path: Path, by: signal.Signals) -> None:
    """Interrupted with one sentence, or killed without any."""
    process = subprocess.Popen(
        [sys.executable, "-m", "segment_pipeline.cli", "refresh", "--every-day", "--at-once", "2", "--from",
         str(TODAY - timedelta(days=20))], cwd=company, env=clean({"SEGMENT_PIPELINE_HOME": str(tmp_path)}),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("lake/identities/_delta_log/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(by)
    _, said = process.communicate(timeout=120)
    assert process.returncode == (130 if by is signal.SIGINT else -by), said
    if by is signal.SIGINT:
        assert "Traceback" not in said
        assert "interrupted: what was finished is kept" in said
    # What others were forked from ends once it sees that nobody is left.
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline + 60:
            os.killpg(process.pid, 0)
            time.sleep(0.1)
