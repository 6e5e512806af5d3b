"""The ledger as first made: plans, batches with their receipts, outcomes of rows, leases, approvals, remote audiences."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("audience", sa.String(80), nullable=False),
        sa.Column("destination", sa.String(80), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("as_of", sa.String(10), nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("plans_by_audience", "plans", ["audience", "status"])
    op.create_table(
        "batches",
        sa.Column("plan", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("phase", sa.Integer, nullable=False),
        sa.Column("operation", sa.String(16), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("handle", sa.Text),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "row_outcomes",
        sa.Column("plan", sa.String(64), primary_key=True),
        sa.Column("batch", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(120)),
        sa.Column("vendor_id", sa.String(200)),
    )
    op.create_table(
        "leases",
        sa.Column("audience", sa.String(80), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("audience", sa.String(80), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "remotes",
        sa.Column("audience", sa.String(80), primary_key=True),
        sa.Column("destination", sa.String(80), primary_key=True),
        sa.Column("remote_id", sa.String(200), nullable=False),
        sa.Column("remote_keys", sa.BigInteger),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    for table in ("remotes", "approvals", "leases", "row_outcomes", "batches", "plans"):
        op.drop_table(table)
