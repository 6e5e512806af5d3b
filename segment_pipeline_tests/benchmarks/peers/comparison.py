"""What is measured of a peer and of us in one run: costs of the same work side by side, and what each got wrong."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segment_pipeline_tests.benchmarks.peers.command import Cost


@dataclass(frozen=True, slots=True)
class Work:
    """The same work done by both. `alone`: compare the seconds each reports of the work, without start, reading and writing.

    `target`: how many times faster we want to be.
    """

    name: str
    ours: Cost
    peer: Cost
    alone: bool = False
    target: float | None = None

    @property
    def ratio(self) -> float:
        """How many times longer the peer takes."""
        mine, theirs = (self.ours.work, self.peer.work) if self.alone else (self.ours.seconds, self.peer.seconds)
        return round(theirs / max(mine, 1e-3), 2)

    @property
    def cpu_ratio(self) -> float | None:
        """The same in seconds of processors, which a busy machine disturbs less; None where the work alone is compared."""
        return None if self.alone else round(self.peer.cpu_seconds / max(self.ours.cpu_seconds, 1e-2), 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """One number about the result of each."""

    what: str
    ours: float
    peer: float


@dataclass(slots=True)
class Comparison:
    """`peer`: name and version."""

    peer: str
    works: list[Work] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        works = [{**asdict(work), "ratio": work.ratio, "cpu_ratio": work.cpu_ratio} for work in self.works]
        return {"peer": self.peer, "works": works, "findings": [asdict(finding) for finding in self.findings]}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a comparison works. `environments`: folder with one virtual environment per peer; `scratch`: its own, empty.

    `share`: of the full size, for a look that takes less time.
    """

    environments: Path
    scratch: Path
    share: float = 1.0

    def program(self, peer: str, name: str) -> str:
        return str((self.environments / peer / "bin" / name).absolute())

    def folder(self, name: str) -> Path:
        made = self.scratch / name
        made.mkdir(parents=True)
        return made
