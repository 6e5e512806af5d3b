"""What is handed on while audiences are seen to: the company's lake, ledger, declarations and tools, opened once. Decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.lease import SECONDS
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.push import Progress
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings


@dataclass(frozen=True)
class Round:
    """What the runs of a company's audiences share; made for one round.

    `audiences`: those kept up to date. `declared`: every one of the catalogue, those of tools that are switched off included;
    None: there are no others. `refresh_consents` pulls consents, so that they are as of now. `key_spaces`: sources whose
    customer keys are another source's. `claims`: the people each audience holds back from those after it, filled as they come
    to be known. `unread`: why consents are not as of now.
    """

    lake: Lake
    ledger: Ledger
    audiences: Sequence[Audience]
    destinations: Mapping[str, Destination]
    settings: Settings
    declared: Sequence[Audience] | None = None
    refresh_consents: Callable[[], None] | None = None
    progress: Progress | None = None
    lease_seconds: float = SECONDS
    key_spaces: Mapping[str, str] = field(default_factory=dict)
    claims: dict[str, pa.Table | None] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def catalogue(self) -> Sequence[Audience]:
        """Every audience somebody declares."""
        return self.audiences if self.declared is None else self.declared

    def refresh(self) -> None:
        """Consents as of now. Where they cannot be had, the round sends nothing but the denials that are known."""
        if not self.refresh_consents:
            return
        try:
            self.refresh_consents()
        except SegmentPipelineError as error:
            self.unread.append(f"stale_consents: what people said until now cannot be read: {error}")

    def destination(self, audience: Audience) -> Destination:
        """Raises ConfigError where it is not switched on."""
        try:
            return self.destinations[audience.destination]
        except KeyError:
            raise ConfigError(
                f"audience {audience.name} goes to destination {audience.destination}, which is not switched on: "
                "add it to SEGMENT_PIPELINE_DESTINATIONS or drop the audience"
            ) from None
