"""Which tests the fast tier leaves out, by their marks, and what the gate may skip; a plugin of pytest.

`make test-fast` runs what is marked `fast`: every test without one of the marks of HEAVY. A test that is not so marked and
starts a Java machine, Dagster, a browser or a database server fails where it starts it.
"""

import os
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

HEAVY: Final[Mapping[str, str]] = {
    "spark": "starts a Java machine",
    "dagster": "starts Dagster's webserver, daemon or runs as processes",
    "demo": "needs a home in which the demo has run",
    "browser": "starts a browser",
    "database": "starts a database server",
    "kills": "kills a process at many points",
    "processes": "starts whole interpreters, one after the other",
    "slow": "takes longer than ten seconds for another reason",
}
# A fixture says it for its tests.
OF_FIXTURE: Final = {
    "spark_lake": "spark",
    "both_lake": "spark",
    "both_lake_interpreted": "spark",
    "small_home": "demo",
    "demo_home": "demo",
    "postgres": "database",
    "mariadb": "database",
}
# What of a command line takes which mark: the name of a program or module, anywhere in it.
PROGRAMS: Final = {
    "java": "spark",
    "spark-class": "spark",
    "spark-submit": "spark",
    "dagster": "dagster",
    "dagster-daemon": "dagster",
    "dagster-webserver": "dagster",
    "chromium": "browser",
    "playwright": "browser",
    "pg_ctl": "database",
    "mariadbd": "database",
}
# Of our own commands.
COMMANDS: Final = {"ui": "dagster", "demo": "demo"}
# Rooms whose tests start processes and wait for them.
LONGEST_FIRST: Final = ("engines", "defs", "end_to_end", "audiences")
NO_SPECS: Final = "SEGMENT_PIPELINE_VENDOR_SPECS names no folder of vendors' schemas"

_marks: set[str] | None = None  # of the test that runs; None: none does


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fast: of the fast tier; every test without one of the marks below")
    for name, meaning in HEAVY.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test, and puts what takes minutes first, so that no worker is left alone with it at the end
    (`--no-loadscope-reorder` keeps the order).
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if mark := OF_FIXTURE.get(fixture):
                item.add_marker(mark)
        if item.get_closest_marker("also_on_spark"):
            item.add_marker("spark")
        if not _heavy(item):
            item.add_marker("fast")
    folders = [Path(__file__).parent / name for name in LONGEST_FIRST]
    items.sort(key=lambda item: next((n for n, f in enumerate(folders) if f in item.path.parents), len(folders)))


def unit_of(test: str) -> str:
    """What goes to a worker together: a file, and the room of both engines, whose Java machine is quick once it has learnt."""
    file = test.partition("::")[0]
    return "engines" if "/engines/" in file and not file.endswith("test_cluster.py") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` a worker takes one `unit_of` after the other."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = unit_of
    return scheduler


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    global _marks
    _marks = _heavy(item)
    try:
        return (yield)
    finally:
        _marks = None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """The last test of a worker also ends the fixtures of all the others, which stop what they started."""
    global _marks
    _marks = None
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """With REQUIRE_ALL=1 a skipped test has failed, but for those that need vendors' schemas where there are none."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("REQUIRE_ALL") == "1":
        _, _, reason = report.longrepr
        if NO_SPECS not in reason:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} may not be skipped here ({reason})"
    return report


def wanted(command: Sequence[str]) -> set[str]:
    """The marks a test needs that starts this command."""
    words = {word for argument in command for word in (*argument.split("/"), argument.partition(".")[0])}
    found = {mark for program, mark in PROGRAMS.items() if program in words}
    if words & {"segment_pipeline", "segment-pipeline"}:
        found |= {mark for name, mark in COMMANDS.items() if name in command}
    return found


def _heavy(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()} & HEAVY.keys()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or _marks is None or _marks:
        return
    executable, command, *_ = arguments
    said = [command] if isinstance(command, str | bytes | os.PathLike) else command
    if missing := wanted([os.fsdecode(executable or ""), *map(os.fsdecode, said)]):
        raise AssertionError(f"a test that is not marked {' and '.join(sorted(missing))} starts {os.fsdecode(said[0])}")


sys.addaudithook(_watch)
