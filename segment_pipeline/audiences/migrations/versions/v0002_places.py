"""Memory by place: what an audience holds is told apart by tool and by the tool's id, and lake and ledger carry one epoch."""

from secrets import token_hex

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Of several tools an audience was ever sent to, what the lake remembers is what the last one was sent.
COPIED = """
INSERT INTO places (audience, destination, remote_id, name, channel, purpose, state, inherits, remote_keys, counted_at, doubt)
SELECT r.audience, r.destination, r.remote_id, '', '', '', 'current', n.destination IS NOT NULL, r.remote_keys, r.counted_at,
    CASE WHEN n.destination IS NULL THEN 'what it was sent was kept under the same name as what went to another tool' END
FROM remotes AS r
LEFT JOIN (
    SELECT audience, max(destination) AS destination
    FROM remotes AS o
    WHERE NOT EXISTS (SELECT 1 FROM remotes AS l WHERE l.audience = o.audience AND l.counted_at > o.counted_at)
    GROUP BY audience
) AS n ON n.audience = r.audience AND n.destination = r.destination
"""


def upgrade() -> None:
    op.add_column("plans", sa.Column("remote_id", sa.String(200)))
    op.add_column("plans", sa.Column("memberships", sa.BigInteger))
    op.create_table(
        "places",
        sa.Column("audience", sa.String(80), primary_key=True),
        sa.Column("destination", sa.String(80), primary_key=True),
        sa.Column("remote_id", sa.String(200), primary_key=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("purpose", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ended", sa.String(16)),
        sa.Column("inherits", sa.Boolean, nullable=False),
        sa.Column("remote_keys", sa.BigInteger),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.Column("doubt", sa.Text),
        sa.Column("as_of", sa.String(10)),
        sa.Column("memberships", sa.BigInteger),
    )
    op.create_table(
        "epochs",
        sa.Column("audience", sa.String(80), primary_key=True),
        sa.Column("epoch", sa.Integer, nullable=False),
    )
    op.create_table(
        "lake_tables",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("doubt", sa.Text),
    )
    op.create_table(
        "renames",
        sa.Column("old", sa.String(80), primary_key=True),
        sa.Column("new", sa.String(80), nullable=False),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    values = sa.table("secrets", sa.column("name"), sa.column("value"))
    op.bulk_insert(values, [{"name": "sent_keys", "value": token_hex(32)}])
    op.execute(COPIED)
    op.execute(
        "UPDATE plans SET remote_id = (SELECT r.remote_id FROM remotes AS r "
        "WHERE r.audience = plans.audience AND r.destination = plans.destination)"
    )
    op.drop_table("remotes")


def downgrade() -> None:
    op.create_table(
        "remotes",
        sa.Column("audience", sa.String(80), primary_key=True),
        sa.Column("destination", sa.String(80), primary_key=True),
        sa.Column("remote_id", sa.String(200), nullable=False),
        sa.Column("remote_keys", sa.BigInteger),
        sa.Column("counted_at", sa.DateTime(timezone=True)),
    )
    op.execute(
        "INSERT INTO remotes SELECT audience, destination, remote_id, remote_keys, counted_at FROM places "
        "WHERE state = 'current' AND remote_id <> ''"
    )
    for table in ("secrets", "renames", "lake_tables", "epochs", "places"):
        op.drop_table(table)
    op.drop_column("plans", "memberships")
    op.drop_column("plans", "remote_id")
