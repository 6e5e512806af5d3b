"""The sandbox as what plays a vendor for the contract suite."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segment_pipeline_tests.sandbox.source_world import Client, Version, client, move_clock, world


@dataclass(frozen=True)
class Sandboxed:
    http: Client
    vendor: str

    @property
    def base_url(self) -> str:
        return f"{self.http.base_url}/{self.vendor}"

    def at(self, instant: str) -> None:
        move_clock(self.http, instant)

    def fault(self, kind: str, **rule: Any) -> None:
        assert self.http.post("/_control/faults", json=[{"vendor": self.vendor, "kind": kind, **rule}]).ok

    def set(self, **settings: Any) -> None:
        """Change settings of the vendor."""
        self.http.put(f"/_control/{self.vendor}/settings", json=settings).raise_for_status()

    def mend(self) -> None:
        assert self.http.delete("/_control/faults").ok


def serve(vendor: str) -> Callable[[Path, Sequence[Version]], AbstractContextManager[Sandboxed]]:
    """Literal records, served over HTTP as one vendor's."""

    @contextmanager
    def serving(folder: Path, records: Sequence[Version]) -> Iterator[Sandboxed]:
        world(folder, records)
        with client(folder, vendor) as http:
            yield Sandboxed(http, vendor)

    return serving
