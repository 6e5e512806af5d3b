"""Which company this is: its catalogue and its settings, read by commands and by Dagster alike. Knows no company of its own."""

import importlib
import sys
import traceback
from pathlib import Path

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.environment import adopt, company_folder
from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.settings import Settings


def company() -> tuple[Catalogue, Settings]:
    """The catalogue and the settings as the environment and the company's files say; raises ConfigError where they cannot be read."""
    settings = settings_here()
    return load(settings.catalogue), settings


def settings_here() -> Settings:
    """The settings alone, for what needs no catalogue."""
    adopt()
    return Settings.from_env()


def load(reference: str | None) -> Catalogue:
    """The catalogue named as `module:name`, from what is installed or from the company's folder or its `src`.

    Raises ConfigError when none is named, when there is none of that name, and with file and line where its module raises.
    """
    if not reference:
        raise ConfigError(
            "no company is named: set SEGMENT_PIPELINE_CATALOGUE like our_company.catalogue:OURS, or say"
            ' `[tool.segment-pipeline] catalogue = "our_company.catalogue:OURS"` in pyproject.toml'
            " (`segment-pipeline demo` shows one at work)"
        )
    folder, _ = company_folder()
    for place in (str(folder), str(folder / "src")):
        if place not in sys.path:
            sys.path.append(place)
    module, _, name = reference.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except SegmentPipelineError:
        raise
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        missing = getattr(error, "name", None)
        if isinstance(error, ModuleNotFoundError) and missing and not f"{module}.".startswith(f"{missing}."):
            raise ConfigError(f"the catalogue {reference} needs the module {missing}, which is not installed") from None
        raise ConfigError(
            f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which cannot be imported: set it like our_company.catalogue:OURS"
        ) from None
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        raise ConfigError(
            f"the catalogue {reference} cannot be loaded: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"
        ) from error
    if not isinstance(found, Catalogue):
        raise ConfigError(f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which is not a Catalogue")
    return found
