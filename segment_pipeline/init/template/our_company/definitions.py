"""What Dagster loads: `dagster dev` finds it by [tool.dagster] in pyproject.toml."""

import dagster as dg
from segment_pipeline.definitions import build_definitions

from our_company.catalogue import OURS


@dg.definitions
def defs() -> dg.Definitions:
    return build_definitions(OURS)
