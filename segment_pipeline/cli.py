"""The command line: parses, calls the rooms, prints a table or `--json`. Holds no logic of its own.

A failure ends with exit code 1 (2: wrong usage, 130: interrupted) and one line that says what to do; a held plan ends with 3, a
sync whose tool did not take all of it with 4.
"""

import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from segment_pipeline.commands import audiences, days, identifiers, people, readiness
from segment_pipeline.commands.company import DAY, HOME, company, folder, own_sets
from segment_pipeline.commands.docs import docs
from segment_pipeline.commands.init import init
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.terminal import CommandLine, plain, show, with_json

# 60 households have 13 people for the starter's smallest audience, whose guard asks for 20; this many have some thirty.
LEAST_HOUSEHOLDS = 150


def _demo_home(given: Path | None) -> Path:
    group = click.get_current_context().find_root().params.get("home")
    return folder(Path(given or group or ".demo"))


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option(
    "--home",
    type=HOME,
    help="Folder of lake, ledger and raw pages [SEGMENT_PIPELINE_HOME or .pipeline].",
)
@click.option(
    "--traceback", is_flag=True, help="Show where an unexpected error came from, and its text, which may quote rows."
)
@click.version_option(package_name="segment-pipeline")
def cli(home: Path | None, traceback: bool) -> None:  # noqa: ARG001  read by `CommandLine`
    """Customer data from sources to audiences, scheduled by Dagster."""
    from segment_pipeline.environment import adopt

    if home is not None:
        os.environ["SEGMENT_PIPELINE_HOME"] = str(home.absolute())
    adopt()
    folder(Path(os.environ["SEGMENT_PIPELINE_HOME"]))


@cli.command()
@click.option("--home", type=HOME, help="Folder of the demo [the group's --home, or .demo].")
@click.option(
    "--households", type=click.IntRange(min=LEAST_HOUSEHOLDS), help="Households of the real data, from 150 [all 2,469]."
)
@click.option("--days", type=click.IntRange(min=1, max=365), help="Days of history up to the as-of day [the year].")
@click.option("--as-of", type=DAY, default="2017-12-31", show_default=True, help="Last day of the demo.")
@with_json
def demo(home: Path | None, households: int | None, days: int | None, as_of: datetime, as_json: bool) -> None:
    """Run the whole pipeline on real receipts against the local sandbox, and report."""
    from segment_pipeline.demo import run_demo

    home = _demo_home(home)
    report = run_demo(home, households=households, days=days, as_of=as_of.date(), quiet=as_json)
    if as_json:
        click.echo(json.dumps(report, default=plain, indent=2))
        _end(report["troubles"])
        return
    audiences = [{"audience": name} | numbers for name, numbers in report["audiences"].items()]
    segments = [{"segment": name, "members": size} for name, size in report["segments"].items()]
    show(segments, as_json=False, title=f"Segments of {report['profiles']} people as of {report['as_of']}")
    show(
        audiences,
        as_json=False,
        title="Audiences",
        columns=[
            "audience",
            "destination",
            "candidates",
            "ineligible",
            "eligible",
            "unchanged",
            "added",
            "removed",
            "held",
            "remote",
        ],
    )
    quality, seconds = report["identity"], report["seconds"]
    click.echo(f"identity: precision {quality['precision']:.4f}, recall {quality['recall']:.4f} against the truth")
    click.echo("seconds: " + ", ".join(f"{stage} {took:.1f}" for stage, took in seconds.items()))
    click.echo(f"report: {home / 'report.json'}   next: make ui, or segment-pipeline --home {home} segments list")
    _end(report["troubles"])


def _end(troubles: list[str]) -> None:
    if troubles:
        raise SegmentPipelineError(f"the report is complete, and not every audience was synced: {'; '.join(troubles)}")


@cli.command()
@click.option("--home", type=HOME, help="Folder of the demo [the group's --home, or .demo].")
@click.option("--port", type=int, default=3000, show_default=True)
def ui(home: Path | None, port: int) -> None:
    """Dagster's webserver and daemon on the demo's lake, with the sandbox beside them."""
    from segment_pipeline.demo import serve_ui

    sys.exit(serve_ui(_demo_home(home), port=port))


@cli.command()
@click.option("--port", type=int, default=8787, show_default=True)
def sandbox(port: int) -> None:
    """Serve the vendors' APIs on 127.0.0.1, over the state in the home folder."""
    from segment_pipeline.sandbox.server import serve
    from segment_pipeline.settings import Settings

    serve(Settings.from_env().home, port)


@cli.command()
@with_json
def traits(as_json: bool) -> None:
    """Every trait with its exact definition."""
    from segment_pipeline.lake.core_traits import CORE

    rows = [
        {
            "trait": t.name,
            "type": t.type,
            "definition": t.definition,
            "null": t.null,
            "set": one.name,
            "owner": t.owner,
        }
        for one in (CORE, *own_sets())
        for t in one.traits
    ]
    show(rows, as_json=as_json, title="Traits")


@cli.command()
@with_json
def tables(as_json: bool) -> None:
    """Every table of the lake: grain, key, columns, and rows held."""
    own_sets()
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.lake.tables import all_tables
    from segment_pipeline.settings import Settings

    lake = Lake.open(Settings.from_env())
    rows = [
        {
            "table": t.name,
            "rows": lake.rows(t.name),
            "grain": t.grain,
            "key": list(t.key),
            "personal": list(t.pii),
            **(
                {"columns": [{"name": c.name, "type": c.type, "description": c.description} for c in t.columns]}
                if as_json
                else {}
            ),
        }
        for t in all_tables()
    ]
    show(rows, as_json=as_json, title="Tables")


@cli.command()
@with_json
def maintain(as_json: bool) -> None:
    """Drop expired snapshots and raw pages, join small files, remove unreferenced ones."""
    own_sets()
    from rich.progress import Progress

    from segment_pipeline import clock
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.lake.maintenance import maintain as run
    from segment_pipeline.landing.raw import RETENTION, trim
    from segment_pipeline.settings import Settings

    settings = Settings.from_env()
    with Progress(disable=as_json, transient=True) as bar:
        task = bar.add_task("tables", total=None)
        done = run(
            Lake.open(settings),
            clock.today(settings.timezone),
            progress=lambda name: bar.update(task, description=name, advance=1),
        )
    trim(settings.raw, clock.now() - RETENTION)
    show([asdict(upkeep) for upkeep in done], as_json=as_json, title="Maintenance")


@cli.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@with_json
def publish(tables: tuple[str, ...], as_json: bool) -> None:
    """Bring the newest profiles, traits and memberships into the database of SEGMENT_PIPELINE_PUBLISH."""
    from rich.console import Console
    from rich.progress import Progress

    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.publishing.publish import publish as run
    from segment_pipeline.publishing.shape import tables_of
    from segment_pipeline.publishing.target import Target

    catalogue, settings = company()
    console = Console(stderr=True)
    quiet = as_json or not console.is_terminal
    with closing(Target.open(settings)) as target, Progress(console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task("publishing", total=None)

        def progress(table: str, rows: int, total: int) -> None:
            if bar.tasks[task].description != table:
                bar.reset(task, description=table, total=total)
            bar.advance(task, rows)

        done = run(
            Lake.open(settings),
            target,
            [segment.name for segment in catalogue.segments],
            tables=tables or tables_of(catalogue.trait_sets),
            personal=settings.publish_personal,
            progress=progress,
        )
    show([asdict(publication) for publication in done], as_json=as_json, title="Published")


@cli.command()
@click.argument("kind", type=click.Choice(["segment", "audience"]))
@click.argument("old")
@click.argument("new")
@with_json
def rename(kind: str, old: str, new: str, as_json: bool) -> None:
    """Carry a segment or audience over to its new name, an audience at its tools too, so that it is not a new one."""
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.lake.migrations import rename as carry_over
    from segment_pipeline.settings import Settings

    if kind == "audience":
        from segment_pipeline.defs.operations import renamed

        rows = renamed(*company(), old, new)
    else:
        rows = carry_over(Lake.open(Settings.from_env()), kind, old, new)
    show([{"kind": kind, "old": old, "new": new, "rows": rows}], as_json=as_json)


@cli.command()
@click.argument("table")
@with_json
def accept(table: str, as_json: bool) -> None:
    """Go by a table as it is now, that was lost or is older than it was: once what it lacks is landed or computed again."""
    own_sets()
    from segment_pipeline.audiences.ledger import Ledger
    from segment_pipeline.audiences.trust import accept as accepted
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.settings import Settings

    settings = Settings.from_env()
    lake = Lake.open(settings)
    with closing(Ledger.open(settings.ledger)) as ledger:
        accepted(lake, ledger, table)
    show([{"table": table, "rows": lake.rows(table)}], as_json=as_json)


@cli.command("free-runs")
@with_json
def free_runs(as_json: bool) -> None:
    """After a host crash: end runs that Dagster still believes to be running, so that their pool slots are free."""
    from segment_pipeline.defs.runs import freed_runs

    show([{"run_id": run} for run in freed_runs()], as_json=as_json, title="Runs ended", columns=["run_id"])


cli.add_command(init)
cli.add_command(docs)
cli.add_command(days.refresh)
cli.add_command(days.status)
cli.add_command(readiness.validate)
cli.add_command(readiness.check)
cli.add_command(people.segments)
cli.add_command(people.profile)
cli.add_command(identifiers.identifiers)
cli.add_command(audiences.audiences)


def main() -> None:
    cli(prog_name="segment-pipeline")


if __name__ == "__main__":
    main()
