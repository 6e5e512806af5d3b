"""What a vendor's module declares, once: its `VENDOR`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.routing import BaseRoute

from segment_pipeline.sandbox.faults import FaultForm
from segment_pipeline.sandbox.state import SandboxState


class Served(NamedTuple):
    """A vendor over one sandbox's state: its routes under `/<vendor>`, and those of a test under `/_control/<vendor>`."""

    routes: Sequence[BaseRoute]
    control: Sequence[BaseRoute] = ()


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """`serve` makes the routes; `fault_response` gives a fault the vendor's own form, or None for the generic one.

    `writes`: the HTTP methods that change state at the vendor; a source has none. `secrets`: the credentials it takes, by the
    environment variable that a connector reads them from; `account`: what else a connector has to be told, likewise;
    `addresses`: paths below the vendor's own address which a connector knows by a variable of their own.
    """

    serve: Callable[[SandboxState], Served]
    fault_response: FaultForm
    writes: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)
    account: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
