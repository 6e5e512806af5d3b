"""The configuration of a Dagster instance that people run: beside the package in a checkout, inside it when installed."""

from pathlib import Path

from segment_pipeline.errors import ConfigError


def dagster_yaml() -> Path:
    """The file; raises ConfigError where an installation lacks it."""
    package = Path(__file__).parent.parent
    for place in (package.parent / "dagster.yaml", package / "dagster.yaml"):
        if place.exists():
            return place
    raise ConfigError("dagster.yaml is missing from this installation: install the package again")
