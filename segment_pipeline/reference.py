"""The reference, written from the declarations themselves: what there is, in Markdown tables. Nothing of it is written by hand."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any

import click

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.connector import ConnectorKind, Variable, fields_of
from segment_pipeline.delivery.destination import (
    Capabilities,
    Countable,
    Deletable,
    Erasing,
    Findable,
    Readable,
    Renameable,
    Replaceable,
    Traceable,
)
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.tables import all_tables
from segment_pipeline.registry import known
from segment_pipeline.segments.examples import EXAMPLES, STAY
from segment_pipeline.segments.wording import words
from segment_pipeline.settings import SETTINGS


def reference(group: click.Group, catalogue: Catalogue | None, sections: Sequence[str]) -> str:
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
            case "destinations":
                text = _destinations()
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


# What a destination can do beside adding and removing, by the protocol that says so.
_ABILITIES: tuple[tuple[type[Any], str], ...] = (
    (Replaceable, "replaces all"),
    (Readable, "reads back"),
    (Countable, "counts"),
    (Traceable, "knows whether it is there"),
    (Findable, "finds by name"),
    (Renameable, "renames"),
    (Deletable, "deletes"),
    (Erasing, "forgets a person"),
)
# How the docstring of a vendor's connector begins what its documents leave open.
_UNVERIFIED = re.compile(r"Not verified against the live API[:,] (.+?)\.(?:\s|$)", re.DOTALL)


def _destinations() -> str:
    rows = []
    for name, kind in sorted(known(), key=lambda each: each[0]):
        if kind.about.kind is not ConnectorKind.DESTINATION:
            continue
        connector = _bare(kind)
        can: Capabilities = connector.capabilities
        unverified = _UNVERIFIED.search(kind.__doc__ or "")
        rows.append(
            (
                f"`{name}`",
                _variables(v for v in fields_of(kind).values() if v.secret),
                ", ".join(f"`{i.kind}` as `{i.rule}`" for i in can.identifiers)
                + (", each of somebody's" if can.every else ""),
                ", ".join(said for protocol, said in _ABILITIES if isinstance(connector, protocol)) or "–",
                _limits(can),
                _taken_out(can),
                f"{can.expires_after_days} days, renewed before" if can.expires_after_days else "never",
                can.channel,
                kind.about.oracle or "–",
                " ".join(unverified[1].split()) if unverified else "–",
            )
        )
    return (
        "What each tool is sent and can do, of a connector whose fields are left as they are; its docstring says what fields change. None of\n"
        "them has been run against a live account here: `held to` is what their tests compare requests, answers and results with.\n\n"
        + _table(
            (
                "tool",
                "signed in by",
                "knows people by",
                "besides adding and removing",
                "limits",
                "who is taken out",
                "lapses",
                "consent",
                "held to",
                "not verified",
            ),
            rows,
        )
    )


def _bare(kind: type[Any]) -> Any:
    """A connector of which nothing is said but what must be: names in angle brackets."""
    missing = (f for f in fields(kind) if f.init and f.default is MISSING and f.default_factory is MISSING)
    return kind(**{field.name: f"<{field.name}>" for field in missing})


def _limits(can: Capabilities) -> str:
    said = [
        f"{can.batch_rows:,} rows a batch",
        f"{can.under_way} at once" if can.under_way > 1 else "one after the other",
    ]
    return ", ".join([*said, *([f"from {can.minimum_size} members on"] if can.minimum_size else [])])


def _taken_out(can: Capabilities) -> str:
    if can.matches_any_key:
        return "who has any of the identifiers sent, which nobody who stays has"
    return "the record its strongest identifier finds" if can.one_record else "the member as it was put in"


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
