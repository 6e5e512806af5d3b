"""Large counts of what the gate tries a few cases of.

    python -m segment_pipeline_tests.prove crashes

prints how many cases were tried, their seeds, and each that failed; run again it goes on where it was interrupted and tries
what failed once more. Without a name: the suites there are. Ends with 1 where a case failed, with 3 where some are left.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import click

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.prove.progress import Outcome, Progress
from segment_pipeline_tests.prove.suite import Suite, module_of, names, suite

FAILED, UNFINISHED = 1, 3
LAST_LINES = 12


@click.command(help=__doc__)
@click.argument("wanted", nargs=-1, metavar="[SUITE]...")
@click.option("--all", "every", is_flag=True, help="every suite, one after the other")
@click.option("--first", type=int, help="the first so many cases only")
@click.option("--only", multiple=True, help="this case only; can be given several times")
@click.option("--workers", type=int, help="cases at once; the suite says by default")
@click.option("--minutes", default=60.0, show_default=True, help="no case of a suite begins later than that")
@click.option("--anew", is_flag=True, help="forget what is known already")
@click.option("--state", type=click.Path(path_type=Path), default=Path(".prove"), show_default=True)
def main(
    wanted: Sequence[str],
    every: bool,
    first: int | None,
    only: Sequence[str],
    workers: int | None,
    minutes: float,
    anew: bool,
    state: Path,
) -> None:
    try:
        chosen = {name: suite(name) for name in (names() if every or not wanted else wanted)}
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if not wanted and not every:
        for name, each in chosen.items():
            click.echo(f"{name}: {len(each.cases)} cases. {each.what}")
        return
    codes = []
    for module, each in chosen.items():
        name = module.rpartition(".")[2]
        cases = [case for case in each.cases[:first] if not only or str(case) in only]
        progress = Progress.open(state / f"{name}.jsonl", anew=anew)
        before = {case for case in cases if case in progress.outcomes and progress.outcomes[case].failure is None}
        if before:
            click.echo(f"{name}: {len(before)} of {len(cases)} cases are known, going on")
        left = [case for case in cases if case not in before]
        until = time.monotonic() + minutes * 60
        for outcome in outcomes(module_of(module), each, left, workers or each.workers, until):
            progress.add(outcome)
            said = f"failed: {outcome.failure}" if outcome.failure else f"{outcome.tried} {each.units}"
            click.echo(f"{name} {outcome.case}: {said} ({outcome.seconds:.0f} s)")
        codes.append(summary(name, each, cases, progress))
    sys.exit(FAILED if FAILED in codes else max(codes))


def summary(name: str, each: Suite, cases: Sequence[int | str], progress: Progress) -> int:
    """Prints what is known of these cases; returns the exit code."""
    known = [progress.outcomes[case] for case in cases if case in progress.outcomes]
    failed, left = [one for one in known if one.failure], len(cases) - len(known)
    tried, seconds = sum(one.tried for one in known), sum(one.seconds for one in known)
    units = "" if each.units == "cases" else f", {tried:,} {each.units}"
    click.echo(
        f"{name}: {len(known)} of {len(cases)} cases ({spans([one.case for one in known])}){units}, "
        f"{len(failed)} failed, {seconds:,.0f} s of work"
    )
    for one in failed:
        click.echo(f"{name} {one.case} failed, again: --only {one.case}\n{one.failure}")
    if left:
        click.echo(f"{name}: {left} cases are left: run it again to go on")
    return FAILED if failed else UNFINISHED if left else 0


def spans(cases: Sequence[int | str]) -> str:
    """Seeds as ranges (`0-99, 117`), names as they are."""
    found: list[list[int]] = []
    for case in sorted(case for case in cases if isinstance(case, int)):
        if found and case == found[-1][-1] + 1:
            found[-1] = [found[-1][0], case]
        else:
            found.append([case])
    seeds = ["-".join(map(str, one)) for one in found]
    return ", ".join([*seeds, *(case for case in cases if isinstance(case, str))]) or "none"


@dataclass
class Running:
    case: int | str
    process: subprocess.Popen[bytes]
    folder: Path
    began: float

    def ended(self, minutes: float) -> Outcome | None:
        """What came of it; None: it is under way."""
        seconds = round(time.monotonic() - self.began, 1)
        if self.process.poll() is None:
            return (
                Outcome(self.case, 0, seconds, f"not done after {minutes:g} minutes")
                if seconds > minutes * 60
                else None
            )
        result = self.folder / "result.json"
        if self.process.returncode == 0 and result.exists():
            return Outcome(self.case, json.loads(result.read_text(encoding="utf-8")), seconds)
        said = (self.folder / "said.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return Outcome(self.case, 0, seconds, "\n".join(said[-LAST_LINES:]) or f"ended with {self.process.returncode}")

    def clear(self) -> None:
        """End what still runs of it, with everything it started, and remove its folder."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder)


def outcomes(module: str, each: Suite, cases: Sequence[int | str], workers: int, until: float) -> Iterator[Outcome]:
    """What came of each case, as they end; none begins after `until`, and none goes on when this ends."""
    waiting, running = list(cases), list[Running]()
    try:
        while running or (waiting and time.monotonic() < until):
            while waiting and len(running) < workers and time.monotonic() < until:
                running.append(_begin(module, waiting.pop(0)))
            time.sleep(0.1)
            for one in list(running):
                if outcome := one.ended(each.minutes):
                    running.remove(one)
                    one.clear()
                    yield outcome
    finally:
        for one in running:
            one.clear()


def _begin(module: str, case: int | str) -> Running:
    folder = Path(mkdtemp(prefix="prove-"))
    work, result = folder / "work", folder / "result.json"
    work.mkdir()
    command = [
        sys.executable,
        "-m",
        "segment_pipeline_tests.prove.case",
        module,
        json.dumps(case),
        str(work),
        str(result),
    ]
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    return Running(case, process, folder, time.monotonic())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
