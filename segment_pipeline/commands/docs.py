"""`docs`: the reference of this installation and of the company it is run in, as Markdown."""

import click

from segment_pipeline.errors import ConfigError

SECTIONS = ("commands", "settings", "connectors", "destinations", "traits", "tables", "rules", "segments")


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS), metavar="[SECTION]...")
def docs(sections: tuple[str, ...]) -> None:
    """The reference as Markdown, of this installation and your company: commands, settings, connectors, destinations, traits, tables, rules, segments."""
    from segment_pipeline.commands.company import company
    from segment_pipeline.reference import reference

    group = click.get_current_context().find_root().command
    try:
        catalogue, _ = company()
    except ConfigError:
        # What every company has is worth reading before there is one.
        catalogue = None
    if not isinstance(group, click.Group):
        raise ConfigError("run it as segment-pipeline docs")
    click.echo("# Reference\n")
    click.echo(reference(group, catalogue, sections or SECTIONS), nl=False)
