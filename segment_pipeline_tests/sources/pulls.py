"""Pulls made of literal records, as a vendor's pages hold them, without a vendor and without HTTP."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from segment_pipeline.days import Window
from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude.connector import _lines as _counted
from segment_pipeline_tests.sandbox.source_world import Version

# Lists that GraphQL answers with as connections.
CONNECTIONS = frozenset({"lineItems", "refundLineItems", "variants", "collections"})
# What a record is before it is JSON: text is taken as it stands, and may be none.
Body = Mapping[str, Any] | str


def body(version: Version) -> dict[str, Any]:
    """A literal record as its API answers with it."""
    found = _answered(json.loads(version[-1] or "null"), connections=version[0] == "shopify")
    return cast("dict[str, Any]", found)


def _answered(held: Any, *, connections: bool) -> Any:
    if isinstance(held, list):
        return [_answered(each, connections=connections) for each in held]
    if not isinstance(held, dict):
        return held
    inner = {name: _answered(each, connections=connections) for name, each in held.items()}
    wrapped = {
        n: {"nodes": each} for n, each in inner.items() if connections and n in CONNECTIONS and isinstance(each, list)
    }
    return inner | wrapped


def _lines(into: RawPages, part: str, text: str) -> None:
    """Lines as Amplitude's export has them."""
    path = into.path(part, ".json.gz")
    path.write_bytes(gzip.compress(text.encode(errors="surrogateescape"), compresslevel=1))
    into.count(part, _counted(path, into))


def pulled(
    source: Source,
    entity: str,
    window: Window,
    settings: Settings,
    parts: Mapping[str, Sequence[Body]],
    *,
    at: datetime,
) -> Pulled:
    """One pull, one page for each part; a part without a list of its own is lines."""
    into = RawPages(settings.raw, source.name, entity, window, at)
    for part in entity_of(source, entity).parts:
        records = [body if isinstance(body, str) else json.dumps(body) for body in parts.get(part.name, ())]
        if not part.path:
            _lines(into, part.name, "".join(f"{record}\n" for record in records))
            continue
        page = "[" + ",".join(records) + "]"
        for step in reversed(part.path):
            page = f'{{"{step}":{page}}}'
        into.add(part.name, page.encode(errors="surrogateescape"), records=len(records))
    return into.finish(requests=1)
