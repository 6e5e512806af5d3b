"""The tables computed from the facts: people, their traits, their segments. Declarations only.

`as_of` = D means what the sources, as far as we hold them, say about the world up to the end of company day D.
"""

from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.schema import Column as C, Subject, Table
from segment_pipeline.traits import TraitSet

AS_OF = C("as_of", "DATE", "end of this company day", nullable=False)
PROFILE = C("profile_id", "VARCHAR", "person: 32 hex digits, a pure function of the anchor record", nullable=False)
SEGMENT = C("segment", "VARCHAR", "name of the segment", nullable=False)
HASH = C(
    "definition_hash",
    "VARCHAR",
    "digest of the segment's rule, of what it refers to, and of what all they read means",
    nullable=False,
)


def trait_table(traits: TraitSet) -> Table:
    """The table of a set of traits: of the core ones, or of a company's own."""
    made_by = C(
        "definition_hash",
        "VARCHAR",
        "digest of what the traits meant when this was computed; NULL: before it was noted"
        if traits.is_core
        else "digest of the set as it was declared when this was computed",
        nullable=traits.is_core,
    )
    return Table(
        traits.table,
        f"one row per person and as_of; definitions: {'lake/core_traits.py' if traits.is_core else 'the catalogue'} and `segment-pipeline traits`",
        (
            AS_OF,
            PROFILE,
            *(C(trait.name, trait.type, trait.description) for trait in traits.traits),
            made_by,
        ),
        key=("as_of", "profile_id"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("as_of",),
        retention="snapshots",
    )


TABLES = (
    Table(
        "identities",
        "one row per record known by as_of: which person it belongs to",
        (
            AS_OF,
            C("source", "VARCHAR", "source of the record", nullable=False),
            C(
                "entity",
                "VARCHAR",
                "customer, loyalty, order, cart, device, email (a message or answer known by address alone)",
                nullable=False,
            ),
            C("record_key", "VARCHAR", "key of the record within (source, entity)", nullable=False),
            PROFILE,
            C("key_no", "BIGINT", "number of the record", derived="key_number(entity, source, record_key)"),
        ),
        key=("as_of", "source", "entity", "record_key"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("as_of",),
        sort_by=("source", "entity", "record_key"),
        retention="newest",
    ),
    Table(
        "identity_events",
        "one row per merge, split, refused edge or limit newly reached, against the previous existing as_of",
        (
            AS_OF,
            C("kind", "VARCHAR", "merge, split, refused, blocked, limit", nullable=False),
            C("rule", "VARCHAR", "identifier type or rule that caused it", nullable=False),
            C("profile_id", "VARCHAR", "person concerned; NULL: none yet"),
            C("other_profile_id", "VARCHAR", "the other person of a merge or split"),
            C("records", "BIGINT", "records concerned", nullable=False),
            C("evidence", "VARCHAR", "digest of the identifier value, never the value", nullable=False),
        ),
        key=("as_of", "kind", "rule", "evidence", "profile_id", "other_profile_id"),
        subject=Subject(profiles=("profile_id", "other_profile_id")),
        partition_by=("as_of",),
    ),
    Table(
        "profile_aliases",
        "one row per profile_id that gave way to another; durable readers join through it",
        (
            C("old_profile_id", "VARCHAR", "id no longer produced", nullable=False),
            C(
                "new_profile_id",
                "VARCHAR",
                "id that stands for the same person now; never itself an old id",
                nullable=False,
            ),
            C("since", "DATE", "as_of in which the change was seen", nullable=False),
            C("cause", "VARCHAR", "history, merge, split, erasure", nullable=False),
        ),
        key=("old_profile_id",),
        subject=Subject(profiles=("old_profile_id", "new_profile_id")),
    ),
    Table(
        "profiles",
        "one row per person, newest as_of only: the golden record",
        (
            AS_OF,
            PROFILE,
            C("email", "VARCHAR", "the address to use, by survivorship", pii=True),
            C("phone", "VARCHAR", "the E.164 phone to use, by survivorship", pii=True),
            C("first_name", "VARCHAR", "given name", pii=True),
            C("last_name", "VARCHAR", "family name", pii=True),
            C("street", "VARCHAR", "street and number", pii=True),
            C("city", "VARCHAR", "city"),
            C("region", "VARCHAR", "state or province"),
            C("postcode", "VARCHAR", "postcode"),
            C("country", "VARCHAR", "ISO 3166 alpha-2"),
            C("birth_date", "DATE", "date of birth", pii=True),
            C("birth_day", "VARCHAR", "MM-DD"),
            C("gender", "VARCHAR", "female, male, other"),
            C("loyalty_id", "VARCHAR", "loyalty number", pii=True),
            C("records", "BIGINT", "records that make up the person", nullable=False),
            C("sources", "VARCHAR[]", "sources they come from", nullable=False),
            C("created_at", "TIMESTAMPTZ", "creation of the anchor record", nullable=False),
        ),
        key=("profile_id",),
        subject=Subject(profiles=("profile_id",)),
        retention="newest",
    ),
    Table(
        "profile_identifiers",
        "one row per identifier a person is known by, newest as_of only",
        (
            AS_OF,
            PROFILE,
            C("identifier_type", "VARCHAR", "email, phone, loyalty_id, customer_key, anonymous_id", nullable=False),
            C("identifier", "VARCHAR", "canonical value; customer keys as source:key", nullable=False, pii=True),
            C("last_seen_at", "TIMESTAMPTZ", "newest record that carries it", nullable=False),
            C("usable", "BOOLEAN", "True: it may be sent to, `current` or `shared`", nullable=False),
            C(
                "standing",
                "VARCHAR",
                "`current`; `former`: given up by the account that had it, and no other record of theirs has it now; `shared`: by more people than the limit;"
                " `blocked`: a placeholder, or nobody's by decision. NULL: as `usable` says",
                implied=True,
            ),
        ),
        key=("profile_id", "identifier_type", "identifier"),
        subject=Subject(profiles=("profile_id",)),
        retention="newest",
    ),
    trait_table(CORE),
    Table(
        "trait_shares",
        "one row per person, as_of, dimension and value: shares of the goods kept, of the 365 days to as_of and of all time",
        (
            AS_OF,
            PROFILE,
            C("dimension", "VARCHAR", "department, category or collection", nullable=False),
            C("value", "VARCHAR", "its value", nullable=False),
            C("spend_365d", "MONEY", "net of the goods of it kept, of 365 days", nullable=False),
            C("share_365d", "DOUBLE", "spend_365d / known_365d; NULL: nothing to share"),
            C("spend_total", "MONEY", "net of the goods of it kept, to date", nullable=False),
            C("share_total", "DOUBLE", "spend_total / known_total; NULL: nothing to share"),
            C(
                "known_365d",
                "MONEY",
                "net of all the person's goods kept with a known value of the dimension, of 365 days",
            ),
            C("known_total", "MONEY", "the same to date"),
        ),
        key=("as_of", "profile_id", "dimension", "value"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("as_of",),
        retention="snapshots",
    ),
    Table(
        "memberships",
        "one row per person in a segment as of a day",
        (AS_OF, SEGMENT, HASH, PROFILE),
        key=("as_of", "segment", "profile_id"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("as_of",),
        sort_by=("segment", "profile_id"),
        retention="snapshots",
    ),
    Table(
        "segment_sizes",
        "one row per segment and as_of, kept for ever; a row means the segment was evaluated, even if it is empty",
        (
            AS_OF,
            SEGMENT,
            HASH,
            C("size", "BIGINT", "members", nullable=False),
            C("population", "BIGINT", "people known", nullable=False),
            C(
                "inputs",
                "JSON",
                "versions of the tables read, digest of the catalogue, version of the code",
                nullable=False,
            ),
        ),
        key=("as_of", "segment"),
        partition_by=("as_of",),
    ),
    Table(
        "membership_changes",
        "one row per person who entered or left a segment between two existing snapshots that follow each other",
        (
            AS_OF,
            SEGMENT,
            HASH,
            PROFILE,
            C("change", "VARCHAR", "`entered` or `exited`", nullable=False),
            C("cause", "VARCHAR", "data, first, gap, definition, identity", nullable=False),
            C("previous_as_of", "DATE", "snapshot compared with; NULL: there is none"),
        ),
        key=("as_of", "segment", "profile_id"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("as_of",),
        sort_by=("segment",),
    ),
)
