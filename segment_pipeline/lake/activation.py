"""The tables of activation: plans as they were made, and what each destination holds as far as we know. Declarations only."""

from segment_pipeline.lake.schema import Column as C, Subject, Table

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
            C(
                "batch",
                "INTEGER",
                "number of the batch the row goes out in; 0: not sent, the tool's record lives on under a new key",
                nullable=False,
            ),
            C("operation", "VARCHAR", "`upsert` or `remove`", nullable=False),
            C(
                "cause",
                "VARCHAR",
                "added, updated, rekeyed, refreshed, resent, left, surplus, denied, suppressed, erased",
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
        subject=Subject(profiles=("owners",)),
        partition_by=("audience", "digest"),
        sort_by=("batch",),
        retention="days:90",
    ),
    Table(
        "audience_members",
        "one row per destination key an audience holds, may hold (`uncertain`) or refused (`rejected`)",
        (
            AUDIENCE,
            KEY,
            IDENTIFIERS,
            C("owners", "VARCHAR[]", "profiles that own the key", nullable=False),
            C("vendor_id", "VARCHAR", "the vendor's id of the member; NULL: unknown"),
            C("payload_hash", "VARCHAR", "digest of the attributes it holds", nullable=False),
            C(
                "state",
                "VARCHAR",
                "`confirmed`, `uncertain` (attempted without a final receipt) or `rejected` (the tool refused it: not held)",
                nullable=False,
            ),
            C(
                "refused",
                "VARCHAR",
                "payload_hash last refused, or the reason a removal was; not tried again for a week. NULL: nothing was",
            ),
            C("since", "TIMESTAMPTZ", "when it was first confirmed or attempted", nullable=False),
            C("refreshed_at", "TIMESTAMPTZ", "when it was last sent", nullable=False),
            C("digest", "VARCHAR", "plan that last touched it", nullable=False),
        ),
        key=("audience", "key"),
        subject=Subject(profiles=("owners",)),
        partition_by=("audience",),
    ),
    Table(
        "assignments",
        "one row per person and experiment: the variant given at first eligibility, for ever; join through profile_aliases",
        (
            C("experiment", "VARCHAR", "name of the experiment", nullable=False),
            C("profile_id", "VARCHAR", "the person's id on the day of assignment", nullable=False),
            C("variant", "VARCHAR", "`holdout` or `treatment`", nullable=False),
            C("assigned_on", "DATE", "as_of of the memberships that first made the person eligible", nullable=False),
            C("assigned_at", "TIMESTAMPTZ", "when it was stored", nullable=False),
            C("audience", "VARCHAR", "audience that assigned it", nullable=False),
        ),
        key=("experiment", "profile_id"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("experiment",),
    ),
    Table(
        "claims",
        "one row per person an audience of a priority list holds back from the audiences after it, as of its last sync",
        (
            AUDIENCE,
            C("profile_id", "VARCHAR", "the person's id on that day; join through profile_aliases", nullable=False),
            C("as_of", "DATE", "as_of of the memberships the claim was computed from", nullable=False),
        ),
        key=("audience", "profile_id"),
        subject=Subject(profiles=("profile_id",)),
        partition_by=("audience",),
    ),
)
