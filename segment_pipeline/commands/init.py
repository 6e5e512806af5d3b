"""`init`: a company's own repository, written whole and working."""

from pathlib import Path

import click

from segment_pipeline.commands.company import Home


@click.command()
@click.argument("folder", metavar="DIR", type=Home(path_type=Path, file_okay=False))
@click.option("--timezone", default="UTC", show_default=True, help="IANA zone of a company day.")
@click.option("--currency", default="USD", show_default=True, help="Base currency, ISO 4217.")
@click.option("--country", default="US", show_default=True, help="Country of phones that name none.")
def init(folder: Path, timezone: str, currency: str, country: str) -> None:
    """Write a repository for your own company into DIR: catalogue, example data, tests, Dagster, compose file; it works at once."""
    from segment_pipeline.init.write import init as write

    for path in write(folder, timezone=timezone, currency=currency, country=country):
        click.echo(folder / path)
    click.echo(
        f"next: cd {folder}, then segment-pipeline validate and segment-pipeline refresh; README.md has the rest"
    )
