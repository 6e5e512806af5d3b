"""Which company this is: its catalogue and its settings, read by commands and by Dagster alike. Knows no company of its own."""

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from segment_pipeline.algebra.spelling import meant
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.environment import adopt, company_folder
from segment_pipeline.errors import ConfigError, SegmentPipelineError, place_of
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
    nowhere = f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which cannot be imported"
    if not name or not all(part.isidentifier() for part in module.split(".")):
        raise ConfigError(f"{nowhere}: set it like our_company.catalogue:OURS")
    made = _imported(reference, module, nowhere)
    if not hasattr(made, name):
        catalogues = [known for known, value in vars(made).items() if isinstance(value, Catalogue)]
        raise ConfigError(
            f"{nowhere}: {made.__file__ or module} has no {name}{meant(name, catalogues)}; set it like our_company.catalogue:OURS"
        )
    found = getattr(made, name)
    if not isinstance(found, Catalogue):
        raise ConfigError(f"SEGMENT_PIPELINE_CATALOGUE is {reference}, which is not a Catalogue")
    return found


def _imported(reference: str, module: str, nowhere: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except SegmentPipelineError:
        raise
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise ConfigError(f"{nowhere}: set it like our_company.catalogue:OURS") from None
        if error.name:
            needed = f"the catalogue {reference} needs the module {error.name}, which is not installed"
            raise ConfigError(f"{needed}: {_place(error)} imports it") from None
        raise _unloadable(reference, error) from error
    except (Exception, SystemExit) as error:
        raise _unloadable(reference, error) from error


def _unloadable(reference: str, error: BaseException) -> ConfigError:
    """What a module's own code raised, with the line of it: whoever wrote it needs no traceback to find it."""
    what = " ".join(str(error).split())
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place, what = f"{error.filename}:{error.lineno}", error.msg
    else:
        place = _place(error)
    said = f"{type(error).__name__}{place and f' at {place}'}: {what}"
    return ConfigError(f"the catalogue {reference} cannot be loaded: {said}")


def _place(error: BaseException) -> str:
    """File and line of the company's code that an error comes from; empty: none of it ran."""
    machinery = {__file__, importlib.__file__}
    ran = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in machinery and f.filename[0] != "<"]
    return place_of(error, own=Path(ran[0].filename).parent, whole=True) if ran else ""
