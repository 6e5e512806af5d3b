"""A company's own repository, written whole and working: the template with a name, days and settings of its own."""

import keyword
import re
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from segment_pipeline import clock
from segment_pipeline.errors import ConfigError
from segment_pipeline.init.instance import dagster_yaml
from segment_pipeline.settings import Settings

PACKAGE = "our_company"
# A name beginning with a dot would be taken for a file of this repository's own.
RENAMED = {"gitignore": ".gitignore", "env.example": ".env.example"}
TAKEN = frozenset({"segment_pipeline", "dagster", "tests", "data", "deploy"})


def init(folder: Path, *, timezone: str, currency: str, country: str) -> list[Path]:
    """Write the repository into `folder`, which must be new or empty; returns the files written, below it.

    Raises ConfigError for a folder that holds something, a name no package can have, and a setting that cannot be read; then
    nothing is written.
    """
    package = package_name(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty: name a folder that is new")
    settings = Settings.from_env(
        {
            "SEGMENT_PIPELINE_TIMEZONE": timezone,
            "SEGMENT_PIPELINE_BASE_CURRENCY": currency,
            "SEGMENT_PIPELINE_COUNTRY": country,
        }
    )
    today = clock.today(settings.timezone)
    words = {
        PACKAGE: package,
        "@distribution@": package.replace("_", "-"),
        "@timezone@": settings.timezone,
        "@currency@": settings.base_currency,
        "@country@": settings.country,
        "@start@": date(today.year - 1, 1, 1).isoformat(),
    }
    written = {}
    for path, text in _template():
        for word, meaning in words.items():
            text = text.replace(word, meaning)  # noqa: PLW2901
        written[path.replace(PACKAGE, package)] = _dated(text, today)
    written[".env"] = written[".env.example"]
    written["dagster.yaml"] = dagster_yaml().read_text(encoding="utf-8")
    written["deploy/dagster.yaml"] = _with_postgres(written["dagster.yaml"])
    for path, text in sorted(written.items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [Path(path) for path in sorted(written)]


def package_name(folder: Path) -> str:
    """The name of the company's package: the folder's, as Python writes names."""
    name = re.sub(r"\W+", "_", folder.absolute().name.lower(), flags=re.ASCII).strip("_")
    if not name.isidentifier() or keyword.iskeyword(name) or name in TAKEN or name in sys.stdlib_module_names:
        raise ConfigError(f"a package cannot be called {name or folder.name}: name the folder like our-company")
    return name


def _template() -> Iterator[tuple[str, str]]:
    """Paths, as they are written, and texts of the template's files."""

    def walk(place: Traversable, at: str) -> Iterator[tuple[str, str]]:
        for each in sorted(place.iterdir(), key=lambda each: each.name):
            if each.is_dir() and each.name != "__pycache__":
                yield from walk(each, f"{at}{each.name}/")
            elif each.is_file():
                yield at + RENAMED.get(each.name, each.name), each.read_text(encoding="utf-8")

    yield from walk(resources.files("segment_pipeline").joinpath("init", "template"), "")


def _dated(text: str, today: date) -> str:
    """Days of the example count back from today, so that "in the last month" has somebody in it."""
    return re.sub(r"@day-(\d+)@", lambda found: (today - timedelta(days=int(found[1]))).isoformat(), text)


def _with_postgres(text: str) -> str:
    """The instance configuration with its production block switched on."""
    head, marker, block = text.partition("# storage:\n")
    if not marker:
        raise ConfigError("dagster.yaml of this installation has no production block: install the package again")
    return head + re.sub(r"^# ", "", marker + block, flags=re.MULTILINE)
