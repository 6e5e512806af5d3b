"""What the status of a Mailchimp member says: where things are in a member, and which statements in sql/ fill which tables."""

from functools import partial

from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import Fill, Record, text
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.standard import CONSENTS

_sql = partial(statement, "sources/mailchimp")


def entities(look_back: int) -> tuple[Entity, ...]:
    return (
        Entity(
            "statuses",
            Kind.MUTABLE,
            (Part("statuses", ("members",)),),
            Record(key="id", updated="last_changed", email="email_address", fields=text("status")),
            (Fill("consents", CONSENTS), Fill("suppressions", _sql("suppressions"))),
            look_back=look_back,
            dimension=True,
            prepare=(_sql("said"),),
            description="members who are unsubscribed or cleaned",
        ),
    )
