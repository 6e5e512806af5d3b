"""What Klaviyo's profiles say about consent: where things are in them, and which statements in sql/ fill which tables."""

from functools import partial
from typing import Final

from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import Fill, Record, a_time, text
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.standard import CONSENTS

_sql = partial(statement, "sources/klaviyo")
_MAIL: Final = "attributes.subscriptions.email.marketing"
_SMS: Final = "attributes.subscriptions.sms.marketing"


def entities(look_back: int) -> tuple[Entity, ...]:
    return (
        Entity(
            "subscriptions",
            Kind.MUTABLE,
            (Part("subscriptions", ("data",)),),
            Record(
                key="id",
                updated="attributes.updated",
                email="attributes.email",
                phone="attributes.phone_number",
                fields={
                    _MAIL: {**text("consent consent_timestamp method"), "suppression[]": text("reason timestamp")},
                    _SMS: text("consent consent_timestamp method"),
                },
                columns={
                    "mail": f"r.{_MAIL}",
                    "sms": f"r.{_SMS}",
                    "mail_said_at": a_time(f"r.{_MAIL}.consent_timestamp"),
                    "sms_said_at": a_time(f"r.{_SMS}.consent_timestamp"),
                },
                blanks={
                    "a time of consent that is none: the record's stands in": f"(r.{_MAIL}.consent_timestamp <> '' AND mail_said_at IS NULL)"
                    f" OR (r.{_SMS}.consent_timestamp <> '' AND sms_said_at IS NULL)",
                },
            ),
            (Fill("consents", CONSENTS), Fill("suppressions", _sql("suppressions"))),
            look_back=look_back,
            dimension=True,
            prepare=(_sql("said"),),
            description="what profiles say about e-mail and SMS, with complaints, bounces and suppressions",
        ),
    )
