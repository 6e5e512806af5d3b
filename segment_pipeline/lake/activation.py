"""The tables of activation: what people decided, plans as they were made, and what each destination holds as far as we know.

Declarations only. None of them can be made again from others.
"""

from segment_pipeline.lake.schema import Column as C, Subject, Table

AUDIENCE = C("audience", "VARCHAR", "name of the audience", nullable=False)
KEY = C("key", "VARCHAR", "digest of the identifiers as sent", nullable=False)
IDENTIFIERS = C("identifiers", "JSON", "identifiers as sent, by column of the destination", pii=True)

TABLES = (
    Table(
        "identifier_proposals",
        "one row per value that seems to be nobody's own, found by the newest build, or on which a person decided: decisions stay",
        (
            C("identifier_type", "VARCHAR", "email, phone, loyalty_id, customer_key, anonymous_id", nullable=False),
            C("identifier", "VARCHAR", "canonical value; customer keys as source:key", nullable=False, pii=True),
            C("reason", "VARCHAR", "what was found, or `named` by a person unasked", nullable=False),
            C("records", "BIGINT", "records that carry it; NULL: never counted"),
            C("people", "BIGINT", "people those records are of; NULL: never counted"),
            C("first_seen", "DATE", "as_of of the build that first found it; NULL: named by a person unasked"),
            C(
                "state",
                "VARCHAR",
                "`proposed` (changes nothing), `blocked` (links nobody and is not sent to) or `allowed` (not proposed again)",
                nullable=False,
            ),
            C("decided_at", "TIMESTAMPTZ", "when a person blocked or allowed it; NULL: nobody has"),
        ),
        key=("identifier_type", "identifier"),
        subject=Subject(
            identifiers=tuple((kind, "identifier") for kind in ("email", "phone", "loyalty_id", "anonymous_id"))
        ),
    ),
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
        "one row per place (audience, destination, remote id) and destination key it holds, may hold (`uncertain`) or refused (`rejected`)",
        (
            AUDIENCE,
            C(
                "destination",
                "VARCHAR",
                "the tool; NULL in rows written before places were told apart: that of the audience",
            ),
            C("remote_id", "VARCHAR", "the tool's id of the audience; NULL: as `destination`"),
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
                "payload_hash last refused, behind `passing:` where it may be taken soon, or the reason a removal was; not tried again for a week, or for a day. NULL: nothing was",
            ),
            C("since", "TIMESTAMPTZ", "when it was first confirmed or attempted", nullable=False),
            C("refreshed_at", "TIMESTAMPTZ", "when it was last sent", nullable=False),
            C("digest", "VARCHAR", "plan that last touched it", nullable=False),
        ),
        key=("audience", "destination", "remote_id", "key"),
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
    Table(
        "sent_keys",
        "one row per identifier as sent and plan that sent it, the identifier as a keyed hash; kept through retiring and renaming",
        (
            C("destination", "VARCHAR", "the tool", nullable=False),
            C(
                "hash",
                "VARCHAR",
                "SHA-256 of a key and of the SHA-256 of a key, the field and the value as sent",
                nullable=False,
            ),
            C("key_id", "VARCHAR", "which keys: they are in the ledger", nullable=False),
            C(
                "owners",
                "VARCHAR[]",
                "profiles it was sent for, under their ids of then; join through profile_aliases",
                nullable=False,
            ),
            C("digest", "VARCHAR", "plan", nullable=False),
            C(
                "sent_at",
                "TIMESTAMPTZ",
                "when; the least is when it was first sent, the greatest when last",
                nullable=False,
            ),
        ),
        key=("destination", "hash", "digest"),
        subject=Subject(profiles=("owners",)),
        partition_by=("destination",),
    ),
)
