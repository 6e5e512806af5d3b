"""The pipeline as a component of a `dg` project that has other things too: one `defs.yaml`, nothing else.

    type: segment_pipeline.dagster.CustomerData
    attributes:
      catalogue: our_company.catalogue:OURS

Everything else is a setting, read from the environment or the project's `.env`, so that commands and Dagster mean the same
company. Importing this module imports Dagster; nothing of ours imports it.
"""

import dagster as dg

from segment_pipeline.company import load, settings_here
from segment_pipeline.definitions import build_definitions


class CustomerData(dg.Component, dg.Resolvable, dg.Model):
    """Sources to people to segments to audiences: one company's catalogue as assets, checks, jobs, a schedule and sensors.

    `catalogue`: the company's, as `module:name`; left out: what `SEGMENT_PIPELINE_CATALOGUE` or `[tool.segment-pipeline]` in
    pyproject.toml says. Raises ConfigError with every mistake in it: nothing loads on a wrong rule.
    """

    catalogue: str | None = None

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            description="Customer data from sources to audiences, with consent enforced",
            tags=["customer-data"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  Dagster's signature
        settings = settings_here()
        # A project has one executor, its own: two that say one contradict each other.
        return build_definitions(load(self.catalogue or settings.catalogue), settings, executor=None)
