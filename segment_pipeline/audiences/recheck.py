"""Consent looked at again for a plan that has been on its way for a while, batch by batch."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.eligibility import define_evidence
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session

OLD_AFTER_SECONDS = 15 * 60.0


class Recheck(AbstractContextManager["Recheck"]):
    """Called with a batch's rows: the keys that carry an identifier nobody may be sent under any more.

    Nothing is asked while the plan is younger than fifteen minutes; then the consents are pulled and read anew, and again
    every fifteen minutes.
    """

    def __init__(
        self,
        lake: Lake,
        audience: Audience,
        place: Place,
        shape: Shape,
        *,
        refresh: Callable[[], None] | None,
        key_spaces: Mapping[str, str],
    ) -> None:
        self.lake, self.audience, self.place, self.shape, self.refresh = lake, audience, place, shape, refresh
        self.key_spaces = key_spaces
        self.known_at = clock.monotonic()
        self.session: Session | None = None
        self._open = ExitStack()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __call__(self, rows: pa.Table) -> frozenset[str]:
        if clock.monotonic() - self.known_at >= OLD_AFTER_SECONDS:
            self._look_again()
        if self.session is None:
            return frozenset()
        self.session.register("batch_rows", rows)
        self.session.define("batch_long", self.shape.long("batch_rows", "key"))
        found = self.session.table(
            "SELECT DISTINCT l.key FROM batch_long AS l JOIN blocked_as_sent AS b ON b.carries = l.carries"
        )
        return frozenset(found.column("key").to_pylist())

    def _look_again(self) -> None:
        if self.refresh:
            self.refresh()
        self._open.close()
        self.session = self._open.enter_context(self.lake.session())
        define_evidence(self.session, self.audience, self.shape, self.key_spaces, self.place)
        self.session.define("blocked_as_sent", self.shape.blocked(), materialize=True)
        self.known_at = clock.monotonic()
