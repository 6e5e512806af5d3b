"""The README says what the code does: commands, settings, segments, audiences, connectors and tables, none missing, none extra."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from segment_pipeline.cli import cli
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.settings import SETTINGS, Settings
from segment_pipeline.starter.company import STARTER

SOURCES = STARTER.enabled_sources(Settings.from_env({}))
DESTINATIONS = STARTER.enabled_destinations(Settings.from_env({}))
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    match = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, flags=re.MULTILINE | re.DOTALL)
    assert match, f"the README has no section {title}"
    return match.group(1)


def first_cells(title: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", section(title), flags=re.MULTILINE)


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_every_command_and_option_is_documented() -> None:
    documented = first_cells("Commands")
    expected = list(commands(cli, "segment-pipeline"))
    assert len(documented) == len(expected)
    for line, (name, command) in zip(documented, expected, strict=True):
        assert line.startswith(name)
        for parameter in command.params:
            named = max(parameter.opts, key=len)
            assert (named if named.startswith("--") else parameter.human_readable_name.upper()) in line, line


def test_every_setting_is_documented_with_its_meaning() -> None:
    text = section("Settings")
    assert first_cells("Settings") == [setting.variable for setting in SETTINGS]
    assert [setting.meaning for setting in SETTINGS if setting.meaning not in text] == []


def test_every_segment_and_audience_of_the_starter_is_documented() -> None:
    text = section("Segments of the starter")
    assert first_cells("Segments of the starter") == [segment.name for segment in STARTER.segments]
    assert [audience.name for audience in STARTER.audiences if f"`{audience.name}`" not in text] == []


def test_every_table_is_documented() -> None:
    assert first_cells("Tables") == [table.name for table in all_tables()]


@pytest.mark.parametrize(
    ("kind", "name"), [*(("source", name) for name in SOURCES), *(("destination", name) for name in DESTINATIONS)]
)
def test_every_connector_is_documented(kind: str, name: str) -> None:
    rows = re.findall(r"^\| ([A-Z][\w ]+) \| (source|destination) \|", section("Connectors"), flags=re.MULTILINE)
    assert any(name in row[0].lower() and row[1] == kind for row in rows)


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"make ([a-z]+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
