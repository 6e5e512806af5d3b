"""Which definition the memberships of a day were made with: what whoever reads memberships compares with today's.

    definition_of(session, "vip", day) == definition_hash(vip, by_name, vocabulary.meanings)   # or `catalogue.definition("vip")`

Where they differ, the rule, what it refers to or what we mean by something it reads has changed since: evaluate the day again.
"""

from datetime import date

from segment_pipeline.lake.session import Session


def definition_of(session: Session, segment: str, day: date) -> str | None:
    """The `definition_hash` a segment was evaluated with as of a day; None: it was not."""
    session.scan("segment_sizes", partitions={"as_of": [day]}, alias="sizes_evaluated")
    found = session.rows("SELECT definition_hash FROM sizes_evaluated WHERE segment = $segment", segment=segment)
    return found[0]["definition_hash"] if found else None
