"""A source that answers from memory: what landing does with records, asked without a vendor and without HTTP."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
from pyarrow import parquet

from segment_pipeline.connector import About, ConnectorKind
from segment_pipeline.days import Window
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Entity


@dataclass
class LiteralSource:
    """`pages`: what each part holds, page by page: lists of records, or Arrow tables for a part with columns."""

    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Literal", "records in memory")

    entities: tuple[Entity, ...]
    pages: Mapping[str, Sequence[list[Any] | pa.Table]] = field(default_factory=dict)
    name: str = "literal"
    said: int | None = None

    def pull(self, entity: Entity, window: Window, timezone: str, into: RawPages) -> Pulled:
        for part in entity.parts:
            for page in self.pages.get(part.name, ()):
                if isinstance(page, pa.Table):
                    parquet.write_table(page, into.path(part.name, ".parquet"))
                    into.count(part.name, page.num_rows)
                else:
                    into.add(part.name, json.dumps({"records": page}).encode(), records=len(page))
        return into.finish(requests=1, said=self.said)

    def secrets_present(self) -> None:
        pass

    def check(self) -> None:
        pass
