"""`make bench`: every stage over companies of growing size, against the same by hand, in one run on this machine.

    python -m segment_pipeline_tests.benchmarks --sizes 100k,1M --stages 'segments-*,traits' --json figures.jsonl

Companies are made once and kept under --data. What stages make of them goes to a folder there that is removed at the end.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import mkdtemp

import click
from rich.console import Console

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.benchmarks.company import SIZES, Company, company_of
from segment_pipeline_tests.benchmarks.measure import Measured, StageFailedError, measured
from segment_pipeline_tests.benchmarks.report import Result, growth, machine, show
from segment_pipeline_tests.benchmarks.stage import Stage, chosen

DEFAULT_SIZES = "100k"


@click.command(help=__doc__)
@click.option("--sizes", default=DEFAULT_SIZES, show_default=True, help=f"of {', '.join(SIZES)}")
@click.option("--stages", default="*", help="names or patterns, separated by commas; all by default")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
@click.option("--memory", default="2GB", show_default=True, help="what an engine may use, by hand as well")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".bench"), show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write the figures there as JSON lines")
@click.option("--repeat", default=1, show_default=True, help="take the fastest of so many runs")
@click.option("--by-hand/--no-by-hand", default=True, help="measure the queries written by hand as well")
@click.option("--timeout", default=1800.0, show_default=True, help="seconds one piece of work may take")
def main(
    sizes: str,
    stages: str,
    engine: str,
    memory: str,
    data: Path,
    file: Path | None,
    repeat: int,
    by_hand: bool,
    timeout: float,
) -> None:
    told, results = Console(stderr=True), list[Result]()
    try:
        wanted = chosen(stages.split(","))
        if unknown := [size for size in sizes.split(",") if size not in SIZES]:
            raise ConfigError(f"there is no size {unknown[0]}: choose of {', '.join(SIZES)}")
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for size in sizes.split(","):
        told.print(f"company of {size}: made unless {data / size} holds it")
        company = company_of(data / size, size)
        environ = environment(company, engine, memory)
        work = Path(mkdtemp(prefix=f"work-{size}-", dir=data))
        try:
            borrowed = company.borrowed(work / "home")
            for stage in wanted:
                if stage.members_only or company.rows.get("orders"):
                    result = measure(stage, size, borrowed, environ, repeat=repeat, by_hand=by_hand, timeout=timeout)
                    results.append(result)
                    told.print(json.dumps(result.record()))
        finally:
            shutil.rmtree(work)
    show(results, Console(width=max(150, told.width)))
    if file is not None:
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines(results)), encoding="utf-8")
    if any(result.failure for result in results):
        sys.exit(1)


def environment(company: Company, engine: str, memory: str) -> Mapping[str, str]:
    """Of the processes that are measured: the morning after the last day, whenever that is."""
    morning = datetime.combine(company.as_of + timedelta(days=1), time(6), UTC)
    own = {
        "SEGMENT_PIPELINE_ENGINE": engine,
        "SEGMENT_PIPELINE_MEMORY": memory,
        "SEGMENT_PIPELINE_CLOCK": morning.isoformat(),
        "SEGMENT_PIPELINE_NO_WAIT": "1",
    }
    return {**os.environ, **own}


def measure(
    stage: Stage,
    size: str,
    company: Company,
    environ: Mapping[str, str],
    *,
    repeat: int = 1,
    by_hand: bool = True,
    timeout: float = 1800.0,
) -> Result:
    """One stage at one size: prepared before each run, then run, then by hand right after it. The fastest run counts."""
    engine = environ["SEGMENT_PIPELINE_ENGINE"]
    runs, hands = list[Measured](), list[Measured]()
    try:
        for _ in range(repeat):
            measured(stage, "prepare", company.root, environ, timeout=timeout)
            runs.append(measured(stage, "run", company.root, environ, timeout=timeout))
            if stage.by_hand and by_hand:
                hands.append(measured(stage, "by_hand", company.root, environ, timeout=timeout))
    except StageFailedError as error:
        return Result(stage.name, size, company.profiles, engine, failure=str(error))
    run = min(runs, key=lambda one: one.seconds)
    hand = min(hands, key=lambda one: one.seconds) if hands else None
    if hand and hand.rows != run.rows:
        return Result(stage.name, size, company.profiles, engine, failure=f"{run.rows} rows, by hand {hand.rows}")
    return Result(stage.name, size, company.profiles, engine, run, hand)


def lines(results: Sequence[Result]) -> Iterator[Mapping[str, object]]:
    yield {"machine": machine()}
    for result in results:
        yield result.record()
    for stage, exponent in growth(results).items():
        yield {"stage": stage, "growth_exponent": exponent}


if __name__ == "__main__":
    # So that the work folder is removed and what is being measured is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
