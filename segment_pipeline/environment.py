"""What files say for variables the environment leaves open: one rule for commands and for Dagster, whatever folder they start in.

A variable that is set wins. Then `settings.env` in the home folder, then `.env` in the company's folder: the nearest folder, from
the working folder upwards, whose `pyproject.toml` says `[tool.segment-pipeline] catalogue = "our_company.catalogue:OURS"`. That
line is what SEGMENT_PIPELINE_CATALOGUE is where no other place sets it. Without such a file the company's folder is the working
folder. A relative home is one of the company's folder.
"""

import os
import tomllib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from segment_pipeline.errors import ConfigError

HOME = "SEGMENT_PIPELINE_HOME"
CATALOGUE = "SEGMENT_PIPELINE_CATALOGUE"


def adopt(environ: MutableMapping[str, str] = os.environ, *, start: Path | None = None) -> None:
    """Fill what the environment leaves open, looking from `start` (the working folder); raises ConfigError for an unreadable file."""
    folder, declared = company_folder(start)
    beside = variables_of(folder / ".env")
    if not environ.get(HOME):
        environ[HOME] = str(folder / Path(beside.get(HOME) or ".pipeline").expanduser())
    for variables in (variables_of(Path(environ[HOME]).expanduser() / "settings.env"), beside):
        for name, value in variables.items():
            environ.setdefault(name, value)
    if declared:
        environ.setdefault(CATALOGUE, declared)


def company_folder(start: Path | None = None) -> tuple[Path, str | None]:
    """The company's folder and the catalogue its `pyproject.toml` names; None where none does."""
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if catalogue := _declared(folder / "pyproject.toml"):
            return folder, catalogue
    return start, None


def _declared(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        table: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("segment-pipeline", {})
    except (OSError, ValueError):
        raise ConfigError(f"{path} is no readable TOML: mend it, or set {CATALOGUE}") from None
    return str(table["catalogue"]) if isinstance(table, dict) and table.get("catalogue") else None


def variables_of(path: Path) -> Mapping[str, str]:
    """The variables a file of lines `NAME=value` gives; none where there is no such file. Raises ConfigError for one that cannot be read."""
    if not path.is_file():
        return {}
    try:
        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    except (OSError, ValueError):
        raise ConfigError(
            f"{path} cannot be read: it takes lines like SEGMENT_PIPELINE_TIMEZONE=Europe/Berlin"
        ) from None
