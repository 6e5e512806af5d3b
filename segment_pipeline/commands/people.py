"""`segments` and `profile`: who is in a segment and why, and what is held about one person."""

import json
import sys
from dataclasses import asdict
from datetime import datetime

import click

from segment_pipeline.commands.company import DAY, company, day_of
from segment_pipeline.errors import ConfigError
from segment_pipeline.terminal import FAILED, plain, show, with_json


@click.group()
def segments() -> None:
    """List, preview and explain segments."""


@segments.command("list")
@click.option("--as-of", type=DAY, help="Day [the newest].")
@with_json
def segments_list(as_of: datetime | None, as_json: bool) -> None:
    """Every segment with its size, and what is wrong with those that are not evaluated; exit 1 where one is wrong, or none was evaluated."""
    from segment_pipeline.lake.lake import Lake

    catalogue, settings = company()
    lake = Lake.open(settings)
    days = lake.snapshots("segment_sizes")
    day = as_of.date() if as_of else days[-1] if days else None
    sizes = {}
    if day in days:
        with lake.session() as session:
            session.scan("segment_sizes", partitions={"as_of": [day]})
            sizes = {row["segment"]: row["size"] for row in session.rows("SELECT segment, size FROM segment_sizes")}
    wrong = catalogue.segment_problems()
    rows = [
        {"segment": s.name, "size": sizes.get(s.name), "owner": s.owner, "goal": s.goal, "description": s.description}
        | ({"problem": wrong.get(s.name, [None])[0]} if wrong else {})
        for s in catalogue.segments
    ]
    if wrong or day in days:
        show(rows, as_json=as_json, title=f"Segments as of {day}" if day in days else "Segments")
    if day not in days:
        none = (
            f"no segment was evaluated as of {day}"
            if day
            else f"the lake at {settings.lake} has no segments evaluated yet"
        )
        way_out = f"the newest day is {days[-1]}" if days else "run the refresh job, or `segment-pipeline demo`"
        raise ConfigError(f"{none}: {way_out}")
    if wrong:
        sys.exit(FAILED)


@segments.command("preview")
@click.argument("name")
@click.option("--as-of", type=DAY, help="Day [the newest].")
@click.option(
    "--by", multiple=True, metavar="TRAIT", help="Count members by the values of a trait; can be given several times."
)
@with_json
def segments_preview(name: str, as_of: datetime | None, by: tuple[str, ...], as_json: bool) -> None:
    """Size of a segment as written now: of each term and step; whom it reaches, shares people with, and how it grew."""
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.segments.inspect import preview

    catalogue, settings = company()
    catalogue.validate()
    day = day_of(as_of, settings, "traits")
    result = preview(
        Lake.open(settings),
        day,
        catalogue.segment(name),
        catalogue.segments,
        settings,
        vocabulary=catalogue.vocabulary,
        by=by,
    )
    if as_json:
        click.echo(json.dumps(asdict(result), default=plain, indent=2))
        return
    rows = [{"term": step.term, "people": step.size, "left after it": step.remaining} for step in result.steps]
    show(rows, as_json=False, title=f"{name} as of {day}: {result.size} of {result.population} people")
    for text in result.unheard:
        click.echo(f"{name} {text}")
    size = max(result.size, 1)
    reach = [
        {"reachable by": key.removesuffix("_reachable"), "people": n, "share": f"{n / size:.0%}"}
        for key, n in result.reach.items()
    ]
    show(reach, as_json=False, title="Reach")
    if result.overlaps:
        shared = [{"segment": other, "people in both": n, "share": f"{n / size:.0%}"} for other, n in result.overlaps]
        show(shared, as_json=False, title="Also in")
    if result.trend:
        show([{"day": day, "people": n} for day, n in result.trend], as_json=False, title="The days before")
    for trait in by:
        values = [{trait: value, "people": n} for of, value, n in result.breakdown if of == trait]
        show(values, as_json=False, title=f"By {trait}")


@segments.command("explain-sql")
@click.argument("name")
@click.option("--as-of", type=DAY, help="Day [the newest].")
@with_json
def segments_explain_sql(name: str, as_of: datetime | None, as_json: bool) -> None:
    """The SQL that finds a segment's members, statement by statement, as DuckDB is asked."""
    import sqlglot

    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.segments.inspect import statements

    catalogue, settings = company()
    day = day_of(as_of, settings, "traits")
    said = statements(
        Lake.open(settings), day, catalogue.segment(name), catalogue.segments, settings, vocabulary=catalogue.vocabulary
    )
    if as_json:
        click.echo(json.dumps([{"name": made, "sql": sql} for made, sql in said], indent=2))
        return
    for made, sql in said:
        [tree] = sqlglot.parse(sql, read="duckdb")
        click.echo(f"-- {made}\n{tree.sql(dialect='duckdb', pretty=True) if tree else sql};\n")


@segments.command("explain")
@click.argument("name")
@click.option("--profile", "profile_id", required=True, help="Profile id.")
@click.option("--as-of", type=DAY, help="Day [the newest].")
@with_json
def segments_explain(name: str, profile_id: str, as_of: datetime | None, as_json: bool) -> None:
    """Why a person is or is not in a segment: each term, true or false."""
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.segments.inspect import explain

    catalogue, settings = company()
    day = day_of(as_of, settings, "traits")
    result = explain(
        Lake.open(settings),
        day,
        catalogue.segment(name),
        catalogue.segments,
        settings,
        profile_id,
        vocabulary=catalogue.vocabulary,
    )
    if as_json:
        click.echo(json.dumps(asdict(result), default=plain, indent=2))
        return
    rows = [
        {"term": "  " * t.depth + t.term, "holds": "yes" if t.holds else "no", "value": t.value} for t in result.terms
    ]
    verdict = "is" if result.member else "is not"
    show(rows, as_json=False, title=f"{profile_id} {verdict} in {name} as of {day}")


@click.group()
def profile() -> None:
    """Look at one person."""


@profile.command("show")
@click.option("--id", "profile_id", help="Profile id.")
@click.option("--email", help="Any address of the person.")
@click.option("--phone", help="Any phone of the person.")
@with_json
def profile_show(profile_id: str | None, email: str | None, phone: str | None, as_json: bool) -> None:
    """Everything held about one person: records, traits, segments, audiences and which tool was sent what."""
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.profiles.view import find_profile, profile_view

    if sum(given is not None for given in (profile_id, email, phone)) != 1:
        raise click.UsageError("give exactly one of --id, --email and --phone")
    catalogue, settings = company()
    lake = Lake.open(settings)
    found = find_profile(lake, profile_id=profile_id, email=email, phone=phone, country=settings.country)
    view = profile_view(lake, found, catalogue.identity.key_spaces)
    if as_json:
        click.echo(json.dumps(view, default=plain, ensure_ascii=False, indent=2))
        return
    show([{"field": k, "value": v} for k, v in view["profile"].items()], as_json=False, title=f"Person {found}")
    for part in ("identifiers", "records", "segments", "consents", "audiences", "held"):
        show(view[part], as_json=False, title=part.capitalize())
    show([{"trait": k, "value": v} for k, v in view["traits"].items()], as_json=False, title="Traits")
