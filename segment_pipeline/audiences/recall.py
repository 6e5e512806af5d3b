"""What a tool says it holds, made what we remember: for memory that is lost or in doubt, and for members changed by hand.

A member the tool holds is one of ours if we remember it, ever sent it, or are alone in the audience; others are left alone.
Reads the tool; changes nothing there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.audiences import memory, sent
from segment_pipeline.audiences.places import Place
from segment_pipeline.audiences.shape import Shape
from segment_pipeline.delivery.destination import Readable
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement

READ_AFTER: Final = timedelta(days=7)
VIEW: Final = "members_recalled"


@dataclass(frozen=True, slots=True)
class Recalled:
    """`missing`: keys we remember as held and the tool does not hold; `found`: keys of ours it holds and we did not know of;
    `strangers`: members that are not ours as far as anybody knows; `unrecorded`: plans that were sent there and of whose keys no
    record is left to know ours by.
    """

    missing: int
    found: int
    strangers: int
    unrecorded: int

    @property
    def differs(self) -> bool:
        return bool(self.missing or self.found)

    def said(self, destination: str) -> str:
        return f"{destination} lacks {self.missing} keys that were sent and holds {self.found} that we did not know of"


def due(place: Place) -> bool:
    """The members are to be compared one by one again."""
    return place.read_at is None or clock.now() - place.read_at > READ_AFTER


def recall(
    session: Session, place: Place, shape: Shape, tool: Readable, *, owned: bool, secret: str, plans: Sequence[str]
) -> Recalled:
    """Read the tool and define `members_recalled`: what the place holds, in the columns of `audience_members`.

    `owned`: every member is ours. `plans`: digests of those that were sent there. Raises AudienceGone, and what else the reading
    raises.
    """
    columns = [*shape.fields, "vendor_id"]
    empty = pa.schema([(c, pa.string()) for c in columns]).empty_table()
    parts = [part.select(columns).cast(empty.schema) for part in tool.members(place.remote_id)]
    session.register("tool_rows", pa.concat_tables([empty, *parts]))
    session.define("tool_keyed", shape.told(), materialize=True)
    session.define("tool_long", shape.long("tool_keyed", "key"), materialize=True)
    memory.scan(session, place)
    session.define("remembered", "SELECT * FROM audience_members", materialize=True)
    session.define("remembered_wide", shape.wide("remembered"))
    session.define("recognised", shape.recognised(), materialize=True)
    session.scan("plan_rows", partitions={"audience": [place.audience]}, alias="planned_before", lost=True)
    session.define("planned_wide", shape.wide("planned_before"))
    session.define("planned_long", shape.long("planned_wide", "operation"))
    sent.scan(session, place.destination)
    inner, outer = sent.keys(secret)
    session.define(
        "own", statement("audiences", "own"), materialize=True, owned=owned, inner_key=inner, outer_key=outer
    )
    session.define(VIEW, statement("audiences", "recalled"), materialize=True, now=clock.now())
    session.register("plans_sent", pa.table({"digest": pa.array(plans, pa.string())}))
    [numbers] = session.rows(statement("audiences", "recalled_numbers"), key_id=sent.key_id(secret))
    return Recalled(**{name: int(number) for name, number in numbers.items()})
