"""`refresh` and `status`: a day's work done now, and how the days stand."""

import json
import os
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from segment_pipeline import forks
from segment_pipeline.commands.company import DAY, company
from segment_pipeline.errors import ConfigError
from segment_pipeline.terminal import FAILED, Stages, plain, show, with_json

if TYPE_CHECKING:
    from segment_pipeline.audiences.report import SyncReport


@click.command()
@click.option("--day", "last", type=DAY, help="Company day [the last complete one].")
@click.option("--from", "first", type=DAY, help="Land everything since this day, too [the day alone].")
@click.option(
    "--every-day",
    is_flag=True,
    help="With --from: people, traits and segments of each of these days, not of the last alone.",
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    help="Runs side by side, each with SEGMENT_PIPELINE_MEMORY of its own [as many as processors; on Spark 1].",
)
@with_json
def refresh(last: datetime | None, first: datetime | None, every_day: bool, at_once: int | None, as_json: bool) -> None:
    """Land a day and compute its people, traits and segments now, with the assets the schedule would run; sends nothing."""
    if at_once != 1:
        forks.loading()

    from segment_pipeline.days import Window
    from segment_pipeline.definitions import build_definitions
    from segment_pipeline.defs.partitions import daily
    from segment_pipeline.defs.runs import instance_here
    from segment_pipeline.readiness import places
    from segment_pipeline.refreshing import refresh_tasks
    from segment_pipeline.tasks import in_turn, side_by_side

    catalogue, settings = company()
    at_once = at_once or (1 if settings.engine == "spark" else forks.processors())
    for problem in places(settings):
        raise ConfigError(problem)
    newest = daily(settings).get_last_partition_key()
    if newest is None:
        raise ConfigError("no company day is complete yet: set SEGMENT_PIPELINE_START to an earlier one")
    day = last.date() if last else date.fromisoformat(newest)
    landed = Window(_within(first, settings.start, day) if first else day, day)
    if not settings.start <= day <= date.fromisoformat(newest):
        raise ConfigError(f"{day} is no complete day of this company's: it has {settings.start} to {newest}")
    seconds: dict[str, float] = {}
    window = landed if every_day else Window.of(day)
    tasks = refresh_tasks(catalogue, settings, landed=landed, derived=window, at_once=at_once)
    with Stages(seconds, quiet=as_json) as stages:
        if at_once > 1:
            made = side_by_side(tasks, stages.stage, at_once=at_once)
        else:
            with instance_here() as instance:
                made = in_turn(tasks, build_definitions(catalogue, settings), instance, stages.stage)
    rows = [{"asset": asset, **asdict(one)} for asset, one in made.items()]
    if as_json:
        click.echo(
            json.dumps({"from": landed.first, "day": day, "seconds": seconds, "assets": rows}, default=plain, indent=2)
        )
        return
    title = f"Refreshed {landed.first} to {day}" if len(landed) > 1 else f"Refreshed {day}"
    show(rows, as_json=False, title=title, columns=("asset", "rows", "quarantined"))
    for row in rows:
        if row["notes"]:
            click.echo(f"{row['asset']}: {row['notes']}")


def _within(first: datetime, start: date, day: date) -> date:
    if not start <= first.date() <= day:
        raise ConfigError(f"--from {first.date()} is not between {start} (SEGMENT_PIPELINE_START) and {day}")
    return first.date()


@click.command()
@with_json
def status(as_json: bool) -> None:
    """How the days stand: what is late, quarantined, held, withheld or failed, and what runs next; exit 1 where someone must act."""
    from segment_pipeline import clock
    from segment_pipeline.defs.operations import withheld
    from segment_pipeline.defs.runs import dagster_instance
    from segment_pipeline.defs.ticks import automations, expected_day, failed_runs, silent_daemons
    from segment_pipeline.status import not_taken, status as look

    catalogue, settings = company()
    now = clock.now()
    found = look(catalogue, settings, now=now, expected=expected_day(settings, now))
    attention, failures = list(found.attention), []
    # Where sending is on, denials since the last sync are on their way: those count that a tool did not take.
    names = [audience.name for audience in catalogue.enabled_audiences(settings)]
    denials = withheld(catalogue, settings, not_taken(settings, names) if settings.sending else names)
    attention += [
        f"audience {report.audience}: {report.waiting(now)}: {_why_they_wait(settings.sending, report)}"
        for report in denials
    ]
    with ExitStack() as stack:
        instance = stack.enter_context(dagster_instance() if os.environ.get("DAGSTER_HOME") else nullcontext())
        ticks = automations(instance, settings, now)
        if instance is not None:
            failures = failed_runs(instance, now)
            held = [plan.digest for plan in found.held]
            attention += [
                f"a run of {run.job} failed ({run.run_id}): {run.error}"
                for run in failures
                # What only failed because a plan is held was said already.
                if not any(digest in run.error for digest in held)
            ]
            if silent := silent_daemons(instance):
                attention.append(
                    f"Dagster's daemon is not heard of ({', '.join(silent)}): nothing runs by itself until it is started"
                )
    answer: dict[str, Any] = {
        "ok": not attention,
        **(
            asdict(found)
            | {"attention": attention, "held": [asdict(held) | {"command": held.command} for held in found.held]}
        ),
        "sending": {
            "on": settings.sending,
            "denials": [{"audience": r.audience, "keys": r.denials, "since": r.denied_since} for r in denials],
        },
        "failures": [asdict(run) for run in failures],
        "automation": [asdict(tick) for tick in ticks],
    }
    if as_json:
        click.echo(json.dumps(answer, default=plain, indent=2))
    else:
        _print(answer)
    sys.exit(FAILED if attention else 0)


def _why_they_wait(sending: bool, report: "SyncReport") -> str:
    if sending:
        return f"{report.destination} did not take them, `segment-pipeline audiences sync {report.audience}` or take these people out by hand"
    return "sending is off, set SEGMENT_PIPELINE_SENDING=on or take these people out of the tool by hand"


def _print(answer: dict[str, Any]) -> None:
    show(answer["stages"], as_json=False, title=f"Newest days; {answer['expected'] or 'none'} is expected by now")
    for part, title in (
        ("loads", "Newest loads"), ("quarantine", "Quarantine"), ("held", "Held plans"), ("failures", "Failed runs"),
        ("automation", "What runs by itself"),
    ):  # fmt: skip
        if answer[part]:
            show(answer[part], as_json=False, title=title)
    click.echo(f"sending is {'on' if answer['sending']['on'] else 'off: audiences are planned, nothing leaves'}")
    for sentence in answer["attention"]:
        click.echo(f"! {sentence}")
    if answer["ok"]:
        click.echo("nothing to act on")
