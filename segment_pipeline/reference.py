"""The reference, written from the declarations themselves: what there is, in Markdown tables. Nothing of it is written by hand."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import Variable, fields_of
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.registry import known
from segment_pipeline.segments.examples import EXAMPLES, STAY
from segment_pipeline.segments.wording import words
from segment_pipeline.settings import SETTINGS

SECTIONS = ("commands", "settings", "connectors", "traits", "tables", "rules", "segments")


def reference(group: click.Group, catalogue: Catalogue | None, sections: Sequence[str] = SECTIONS) -> str:
    """The sections asked for. `catalogue`: whose segments, audiences and own traits are told of; None: of no company."""
    parts = []
    for name in sections:
        match name:
            case "commands":
                text = _commands(group)
            case "settings":
                text = _settings()
            case "connectors":
                text = _connectors()
            case "traits":
                text = _traits(catalogue)
            case "tables":
                text = _tables()
            case "rules":
                text = _rules()
            case _:
                text = _segments(catalogue)
        parts.append(f"## {name.capitalize()}\n\n{text}")
    return "\n".join(parts)


def _commands(group: click.Group) -> str:
    rows = [(f"`{line}`", what) for line, what in _lines(group, "segment-pipeline")]
    return (
        "`--home DIR` before a command's name is the folder of lake, ledger and raw pages, `--traceback` shows what the line about an\n"
        "unexpected error withholds. A failure ends with exit code 1 and one line that says what to do (2: wrong usage, 3: a plan was\n"
        "held, 4: a tool did not take all of a sync, 130: interrupted).\n\n" + _table(("command", "what it does"), rows)
    )


def _lines(group: click.Group, prefix: str) -> Iterator[tuple[str, str]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _lines(command, f"{prefix} {name}")
            continue
        words = [f"{prefix} {name}"]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                words.append(parameter.make_metavar(click.Context(command)))
                continue
            option = max(parameter.opts, key=len)
            flag = isinstance(parameter, click.Option) and parameter.is_flag
            said = option if flag else f"{option} {_metavar(parameter, command)}"
            words.append(said if parameter.required else f"[{said}]")
        yield " ".join(words), (command.help or "").replace("\n", " ")


def _metavar(parameter: click.Parameter, command: click.Command) -> str:
    match parameter.type:
        case click.DateTime():
            return "DAY"
        case click.Choice():
            return parameter.make_metavar(click.Context(command))
        case _ if "int" in parameter.type.name:
            return "N"
    return parameter.human_readable_name.upper()


def _settings() -> str:
    return _table(
        ("variable", "default", "meaning"),
        [(f"`{s.variable}`", f"`{s.default}`" if s.default else "–", s.meaning) for s in SETTINGS],
    )


def _connectors() -> str:
    rows = []
    for name, connector in sorted(known(), key=lambda each: (each[1].about.kind, each[0])):
        variables = fields_of(connector).values()
        about = connector.about
        rows.append(
            (
                f"`{name}`",
                about.kind.value,
                f"{about.title}: {about.what}" + (f" (untested: {about.untested})" if about.untested else ""),
                _variables(v for v in variables if v.secret),
                _variables(v for v in variables if not v.secret),
            )
        )
    return _table(("name", "kind", "what", "secrets", "moved by"), rows)


def _variables(variables: Iterator[Variable]) -> str:
    return ", ".join(f"`{v.name}`" + (" (optional)" if v.optional else "") for v in variables) or "–"


def _traits(catalogue: Catalogue | None) -> str:
    sets = [CORE, *getattr(catalogue, "trait_sets", ())]
    rows = [(f"`{t.name}`", t.type, t.definition, t.null or "–") for one in sets for t in one.traits]
    return "As of a day, one row per person.\n\n" + _table(("trait", "type", "definition", "NULL"), rows)


def _tables() -> str:
    parts = [
        "Delta tables in `SEGMENT_PIPELINE_LAKE`, one each. Columns marked ⚑ identify a person.\n",
    ]
    for declared in all_tables():
        columns = [
            (
                f"`{column.name}`{' ⚑' if column.pii else ''}",
                column.type + ("" if column.nullable else ", never NULL"),
                column.description,
            )
            for column in declared.columns
        ]
        parts.append(
            f"### {declared.name}\n\n{declared.grain.capitalize()}. Key: {', '.join(f'`{name}`' for name in declared.key)}.\n\n"
            + _table(("column", "type", "meaning"), columns)
        )
    return "\n".join(parts)


def _rules() -> str:
    rows = [(one.wish, f"`{one.text}`", words(one.rule)) for one in EXAMPLES]
    return (
        "What marketers ask for, how it is written with the words of `segment_pipeline.segments.rules`, and what commands say of it. Each is\n"
        f"tried on known people by `segment_pipeline_tests/segments/test_examples.py`. `{STAY.name}` is an event of a company's own, which\n"
        f"declares it: `Event({STAY.name!r}, {dict(STAY.properties)})`.\n\n"
        + _table(("wish", "rule", "in words"), rows)
    )


def _segments(catalogue: Catalogue | None) -> str:
    if catalogue is None:
        return "No company is named here: run it in a company's folder.\n"
    segments = [(f"`{s.name}`", s.description, s.goal, s.owner) for s in catalogue.segments]
    goals = [(goal.name, goal.measure) for goal in catalogue.goals]
    audiences: list[tuple[Any, ...]] = [
        (f"`{a.name}`", f"`{a.segment}`", a.destination, f"{a.channel}, {a.purpose}", a.owner)
        for a in catalogue.audiences
    ]
    return (
        _table(("segment", "who", "goal", "owner"), segments)
        + (f"\n{_table(('goal', 'measure'), goals)}" if goals else "")
        + "\n"
        + _table(("audience", "segment", "destination", "consent it needs", "owner"), audiences)
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
