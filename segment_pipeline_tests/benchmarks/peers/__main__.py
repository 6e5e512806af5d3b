"""`make bench-peers`: the work of three stages against what one would pick instead, on the same files in one run.

    python -m segment_pipeline_tests.benchmarks.peers --peers splink --share 0.1 --json figures.json

Each peer lives in an environment of its own under --environments, made by `make`, and is run as a process; so is our side.
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from segment_pipeline_tests.benchmarks.peers.command import CommandFailedError, Cost
from segment_pipeline_tests.benchmarks.peers.comparison import Comparison, Place
from segment_pipeline_tests.benchmarks.report import machine

PEERS: Final = ("span", "splink", "drt")
HERE: Final = "segment_pipeline_tests.benchmarks.peers"


@click.command(help=__doc__)
@click.option("--peers", default=",".join(PEERS), show_default=True)
@click.option("--share", default=1.0, show_default=True, help="of the full size")
@click.option("--environments", type=click.Path(path_type=Path), default=Path(".peers"), show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="write the figures there")
def main(peers: str, share: float, environments: Path, file: Path | None) -> None:
    told, found, failed = Console(stderr=True), list[Comparison](), False
    if unknown := [name for name in peers.split(",") if name not in PEERS]:
        raise click.ClickException(f"there is no peer {unknown[0]}: choose of {', '.join(PEERS)}")
    for name in peers.split(","):
        if not (environments / name / "bin").is_dir():
            raise click.ClickException(
                f"there is no environment for {name} in {environments}: `make bench-peers` makes it"
            )
        scratch = Path(mkdtemp(prefix=f"{name}-", dir=environments)).resolve()
        compare: Callable[[Place], Comparison] = import_module(f"{HERE}.{name}.compare").compare
        try:
            found.append(compare(Place(environments, scratch, share)))
            told.print(json.dumps(found[-1].record()))
        except CommandFailedError as error:
            failed = True
            told.print(f"{name}: {error}")
        finally:
            shutil.rmtree(scratch)
    show(found, Console(width=max(150, told.width)))
    if file is not None:
        record = {"machine": machine(), "share": share, "comparisons": [one.record() for one in found]}
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if failed:
        sys.exit(1)


def show(found: Sequence[Comparison], console: Console) -> None:
    costs = Table(title=", ".join(f"{name} {value}" for name, value in machine().items()), title_justify="left")
    for column in ("peer", "work"):
        costs.add_column(column)
    for column in ("ours s", "cpu s", "peak MB", "theirs s", "cpu s", "peak MB", "times faster", "in cpu s", "wanted"):
        costs.add_column(column, justify="right")
    numbers = Table()
    for column in ("peer", "what"):
        numbers.add_column(column)
    for column in ("ours", "theirs"):
        numbers.add_column(column, justify="right")
    for one in found:
        for work in one.works:
            figures = [figure for cost in (work.ours, work.peer) for figure in _figures(cost, alone=work.alone)]
            cpu, target = (f"{n:.1f}" if n else "" for n in (work.cpu_ratio, work.target))
            costs.add_row(one.peer, work.name, *figures, f"{work.ratio:.1f}", cpu, target)
        for finding in one.findings:
            numbers.add_row(one.peer, finding.what, f"{finding.ours:,}", f"{finding.peer:,}")
    console.print(costs, numbers)


def _figures(cost: Cost, *, alone: bool) -> tuple[str, str, str]:
    return f"{cost.work if alone else cost.seconds:.2f}", f"{cost.cpu_seconds:.1f}", f"{cost.peak_mb:,}"


if __name__ == "__main__":
    main()
