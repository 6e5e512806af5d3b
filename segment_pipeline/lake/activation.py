"""The tables of activation: plans as they were made, and what each destination holds as far as we know. Declarations only."""

from segment_pipeline.lake.tables import Column as C, Table

AUDIENCE = C("audience", "VARCHAR", "name of the audience", nullable=False)
KEY = C("key", "VARCHAR", "digest of the identifiers as sent", nullable=False)
IDENTIFIERS = C("identifiers", "JSON", "identifiers as sent, by column of the destination", pii=True)

TABLES = (
    Table(
        "plan_rows",
        "one row per change a plan makes to a destination key; written before anything is sent, never changed",
        (
            AUDIENCE,
            C("digest", "VARCHAR", "plan", nullable=False),
            C("batch", "INTEGER", "number of the batch the row goes out in", nullable=False),
            C("operation", "VARCHAR", "`upsert` or `remove`", nullable=False),
            C(
                "cause",
                "VARCHAR",
                "added, updated, rekeyed, refreshed, resent, left, denied, suppressed, erased",
                nullable=False,
            ),
            KEY,
            IDENTIFIERS,
            C("vendor_id", "VARCHAR", "the vendor's id of the member; NULL: unknown"),
            C("attributes", "JSON", "attributes to send; NULL: none"),
            C("payload_hash", "VARCHAR", "digest of attributes as sent", nullable=False),
            C("owners", "VARCHAR[]", "profiles that own the key", nullable=False),
        ),
        key=("digest", "key", "operation"),
        partition_by=("audience", "digest"),
        sort_by=("batch",),
        retention="days:90",
    ),
    Table(
        "audience_members",
        "one row per destination key an audience holds as far as we know",
        (
            AUDIENCE,
            KEY,
            IDENTIFIERS,
            C("owners", "VARCHAR[]", "profiles that own the key", nullable=False),
            C("vendor_id", "VARCHAR", "the vendor's id of the member; NULL: unknown"),
            C("payload_hash", "VARCHAR", "digest of the attributes it holds", nullable=False),
            C("state", "VARCHAR", "`confirmed` or `uncertain` (attempted without a final receipt)", nullable=False),
            C("since", "TIMESTAMPTZ", "when it was first confirmed or attempted", nullable=False),
            C("refreshed_at", "TIMESTAMPTZ", "when it was last sent", nullable=False),
            C("digest", "VARCHAR", "plan that last touched it", nullable=False),
        ),
        key=("audience", "key"),
        partition_by=("audience",),
    ),
)
