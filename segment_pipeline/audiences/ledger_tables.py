"""The ledger's tables as the code reads and writes them; migrations/ makes them. Holds keys and digests, never an identifier."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

plans = Table(
    "plans",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("audience", String(80), nullable=False),
    Column("destination", String(80), nullable=False),
    Column("remote_id", String(200)),
    Column("sequence", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("as_of", String(10), nullable=False),
    Column("fields", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("memberships", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Index("plans_by_audience", "audience", "status"),
)

batches = Table(
    "batches",
    METADATA,
    Column("plan", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("phase", Integer, nullable=False),
    Column("operation", String(16), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("handle", Text),
    Column("requests", Integer, nullable=False),
    Column("attempted_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
)

row_outcomes = Table(
    "row_outcomes",
    METADATA,
    Column("plan", String(64), primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(120)),
    Column("vendor_id", String(200)),
)

leases = Table(
    "leases",
    METADATA,
    Column("audience", String(80), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", Float, nullable=False),
)

approvals = Table(
    "approvals",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("audience", String(80), nullable=False),
    Column("approved_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

# What a tool was made to hold for an audience, one row per audience, tool and the tool's id (empty: not known yet).
places = Table(
    "places",
    METADATA,
    Column("audience", String(80), primary_key=True),
    Column("destination", String(80), primary_key=True),
    Column("remote_id", String(200), primary_key=True),
    Column("name", String(300), nullable=False),
    Column("channel", String(80), nullable=False),
    Column("purpose", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("ended", String(16)),
    Column("inherits", Boolean, nullable=False),
    Column("remote_keys", BigInteger),
    Column("counted_at", DateTime(timezone=True)),
    Column("read_at", DateTime(timezone=True)),
    Column("doubt", Text),
    Column("as_of", String(10)),
    Column("memberships", BigInteger),
)

# The number of the last fold of an audience: the lake carries the same one.
epochs = Table(
    "epochs",
    METADATA,
    Column("audience", String(80), primary_key=True),
    Column("epoch", Integer, nullable=False),
)

# Tables of the lake that say who must not be sent to, as they were when last read.
lake_tables = Table(
    "lake_tables",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("identity", String(64), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("doubt", Text),
)

renames = Table(
    "renames",
    METADATA,
    Column("old", String(80), primary_key=True),
    Column("new", String(80), nullable=False),
)

# What keys that were sent are hashed with: kept apart from the hashes, which are in the lake.
secrets = Table(
    "secrets",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)
