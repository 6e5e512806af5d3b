"""`validate` and `check`: what is wrong by what is written down, and what each system says when it is asked."""

import json
import sys
from dataclasses import asdict

import click

from segment_pipeline.commands.company import company
from segment_pipeline.errors import ConfigError
from segment_pipeline.terminal import FAILED, show, with_json


@click.command()
@with_json
def validate(as_json: bool) -> None:
    """Find every mistake in declarations, settings and secrets without asking anybody; exit 1 naming each."""
    from segment_pipeline import clock
    from segment_pipeline.readiness import mistakes

    catalogue, settings = company()
    clock.now()
    problems = mistakes(catalogue, settings)
    if as_json:
        click.echo(json.dumps({"ok": not problems, "problems": problems}, indent=2))
    elif problems:
        for problem in problems:
            click.echo(problem, err=True)
    else:
        click.echo(f"{len(catalogue.segments)} segments and {len(catalogue.audiences)} audiences: no mistakes")
    if problems:
        sys.exit(FAILED)


@click.command()
@with_json
def check(as_json: bool) -> None:
    """Ask lake, ledger and every connector switched on whether they can be used; exit 1 where one cannot."""
    from segment_pipeline import clock
    from segment_pipeline.readiness import checks

    catalogue, settings = company()
    clock.now()
    catalogue.validate()
    answers = list(checks(catalogue, settings))
    if as_json:
        click.echo(json.dumps([asdict(answer) for answer in answers], indent=2))
    else:
        rows = [{"asked": a.what, "usable": "yes" if a.ok else "no", "said": a.said} for a in answers]
        show(rows, as_json=False, title="Check")
    if failed := [answer.what for answer in answers if not answer.ok]:
        raise ConfigError(f"{len(failed)} of {len(answers)} cannot be used as they are: {', '.join(failed)}")
