"""What a company's own tests stand on: the suites of connectors, and a whole run of a catalogue in a folder of its own.

The one import path of `SourceContract`, `source_contract`, `DestinationContract` and `trial`. Imports pytest, which nothing else of the package does.
"""

import pytest

# Assertions of a suite that is inherited say as much as those of the test that inherits it.
pytest.register_assert_rewrite(
    *(f"segment_pipeline.testing.{suite}" for suite in ("abilities", "destination", "source"))
)

from segment_pipeline.testing.destination import DestinationContract  # noqa: E402
from segment_pipeline.testing.source import Records, SourceContract, Vendor, source_contract  # noqa: E402
from segment_pipeline.testing.trial import Trial, trial  # noqa: E402

__all__ = ["DestinationContract", "Records", "SourceContract", "Trial", "Vendor", "source_contract", "trial"]
