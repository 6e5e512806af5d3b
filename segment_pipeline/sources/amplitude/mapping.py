"""What Amplitude's events mean: where things are in them, and which statements in sql/ fill which tables."""

from collections.abc import Mapping
from functools import partial
from importlib import resources

from segment_pipeline.lake.dialect import literal
from segment_pipeline.lake.statements import statement
from segment_pipeline.landing import channels
from segment_pipeline.landing.mapping import INTEGER, JSON, NUMBER, Fill, Record, an_id, text
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.standard import CONSENTS

_sql = partial(statement, "sources/amplitude")

# What the vendor's own tracking calls things.
NAMES = {"session_start": "visit", "Product Viewed": "product_viewed", "Product Added": "cart_added"}
# What trackers call the types of identifiers.
_KINDS = {
    "email": ("email", "e-mail", "mail", "email_address", "e-mail address", "email address", "emailaddress"),
    "phone": ("phone", "phone_number", "phone number", "phonenumber", "mobile", "tel", "telephone", "sms"),
    "customer_key": ("customer_key", "customer_id", "customer", "user_id", "userid", "user", "account"),
}
_INSERTED = """nullif(r."$insert_id", '') || coalesce('/' || nullif(r.device_id, ''), '')"""


def entities(look_back: int, names: Mapping[str, str]) -> tuple[Entity, ...]:
    return (
        Entity(
            "events",
            Kind.LOG,
            (Part("events"),),
            Record(
                # A repeated delivery shares its insert id with the first, which is unique within its device alone.
                key=(_INSERTED, "uuid"),
                needs=("event_type",),
                updated="server_upload_time",
                business="event_time",
                event="event_type",
                names={**NAMES, **names},
                email=_consent_of("email", names, otherwise="r.user_properties.email"),
                phone=_consent_of("phone", names),
                fields={
                    **text("$insert_id user_id device_id user_properties.email country platform"),
                    "session_id": INTEGER,
                    "event_properties": JSON,
                    "location_lat": NUMBER,
                    "location_lng": NUMBER,
                },
                columns={
                    "anonymous_id": "r.device_id",
                    "customer_key": "r.user_id",
                    "consent_of": _kind(),
                    "consent_channel": channels.heard(_property("channel")),
                },
                reasons={
                    "a message without channel": f"starts_with(event, 'message_') AND {_property('channel')} IS NULL",
                    "an answer without survey or question": "event = 'survey_answered'"
                    f" AND ({_property('survey_id')} IS NULL OR {_property('question_id')} IS NULL)",
                    # A no is kept as long as it says of anybody that it is one; what is wrong about a yes makes it none.
                    "a consent without identifier": "event = 'consent_updated'"
                    f" AND coalesce({_word('identifier')}, '') = '' AND customer_key IS NULL",
                    "a yes in an unknown channel": "event = 'consent_updated'"
                    f" AND coalesce({_word('status')}, '') = 'granted' AND NOT ({channels.known(_property('channel'))})",
                    "a consent of an unknown type of identifier": "event = 'consent_updated'"
                    f" AND coalesce({_word('identifier')}, '') <> '' AND consent_of IS NULL"
                    f" AND (customer_key IS NULL OR coalesce({_word('status')}, '') = 'granted')",
                },
            ),
            (
                Fill("events", _sql("events"), absent="local_at", key="event_key"),
                Fill("messages", _sql("messages"), absent="anonymous_id", key="message_key"),
                Fill("campaigns", _sql("campaigns")),
                Fill("survey_answers", _sql("survey_answers"), key="answer_key"),
                Fill("consents", CONSENTS),
            ),
            prepare=(_sql("said"),),
            look_back=look_back,
            dictionaries={"countries": _countries()},
            description="what people and devices did, were sent, answered and consented to",
        ),
    )


def _property(name: str) -> str:
    return an_id(f"json_extract_string(r.event_properties, '$.{name}')")


def _word(name: str) -> str:
    """A property that is one of a few words, whatever its case."""
    return f"lower(trim({_property(name)}))"


def _kind() -> str:
    """The type of the identifier a statement about consent names; NULL: a word nobody knows, and the identifier is no address."""
    cases = " ".join(
        f"WHEN {_word('identifier_type')} IN ({', '.join(literal(word) for word in words)}) THEN {literal(kind)}"
        for kind, words in _KINDS.items()
    )
    return f"CASE {cases} WHEN strpos({_word('identifier')}, '@') > 1 AND coalesce({_word('status')}, '') <> 'granted' THEN 'email' END"


def _consent_of(kind: str, names: Mapping[str, str], otherwise: str = "NULL") -> str:
    """The identifier of a statement about consent that is of this type, whatever the company's tracking calls such events."""
    theirs = {"consent_updated", *(name for name, ours in names.items() if ours == "consent_updated")}
    called = ", ".join(literal(name) for name in sorted(theirs))
    said = f"r.event_type IN ({called}) AND {_kind()} = '{kind}'"
    return f"CASE WHEN {said} THEN json_extract_string(r.event_properties, '$.identifier') ELSE {otherwise} END"


def _countries() -> Mapping[str, str]:
    """ISO 3166 alpha-2 codes by country name, in lower case, from the time zone database's table."""
    lines = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    # The table's short names where the vendor spells them out.
    spelled = {
        "united kingdom": "GB",
        "south korea": "KR",
        "north korea": "KP",
        "bosnia and herzegovina": "BA",
        "czechia": "CZ",
    }
    return {name.lower(): code for code, name in pairs} | spelled
