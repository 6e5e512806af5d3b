"""`identifiers`: values that seem to be nobody's own, and what a person decides about them."""

import click

from segment_pipeline.commands.company import company
from segment_pipeline.terminal import show, show_one, with_json

KIND = click.option(
    "--type",
    "kind",
    type=click.Choice(["email", "phone", "loyalty_id", "anonymous_id"]),
    help="What it is [email where it has an @, else phone].",
)


@click.group()
def identifiers() -> None:
    """List, block and allow addresses and numbers that seem to be nobody's own."""


@identifiers.command("proposals")
@click.option("--all", "everything", is_flag=True, help="With those that were decided.")
@with_json
def identifiers_proposals(everything: bool, as_json: bool) -> None:
    """Values many people share or that accounts of many names have, the most carried first; shows people's data."""
    from segment_pipeline.lake.lake import Lake

    _, settings = company()
    with Lake.open(settings).session() as session:
        session.scan("identifier_proposals")
        rows = session.rows(
            "SELECT identifier, identifier_type, reason, records, people, first_seen, state, decided_at FROM identifier_proposals"
            " WHERE state = 'proposed' OR $everything ORDER BY state = 'proposed' DESC, records DESC NULLS LAST, identifier",
            everything=everything,
        )
    show(rows, as_json=as_json, title="Proposals")


@identifiers.command("block")
@click.argument("value")
@KIND
@with_json
def identifiers_block(value: str, kind: str | None, as_json: bool) -> None:
    """It is nobody's own: sent nothing from now on, and linking nobody from the next build of identities on."""
    _decide(value, kind, "blocked", as_json=as_json)


@identifiers.command("allow")
@click.argument("value")
@KIND
@with_json
def identifiers_allow(value: str, kind: str | None, as_json: bool) -> None:
    """It is somebody's: no pattern blocks it from the next build of identities on, and it is not proposed again."""
    _decide(value, kind, "allowed", as_json=as_json)


def _decide(value: str, kind: str | None, state: str, *, as_json: bool) -> None:
    from segment_pipeline import clock
    from segment_pipeline.lake.lake import Lake
    from segment_pipeline.profiles.identity.proposals import canonical, decide

    _, settings = company()
    of, usable = canonical(value, kind, settings.country)
    now = clock.now()
    decide(Lake.open(settings), of, usable, state, now)
    show_one({"identifier_type": of, "state": state, "decided_at": now}, as_json=as_json, title="Decided")
