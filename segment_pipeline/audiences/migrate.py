"""Brings a ledger's schema to the newest version, once, however many processes open it at the same time."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from segment_pipeline.errors import ConfigError

LOCK = 0x5E6_1ED6E7  # any fixed number: PostgreSQL's advisory locks are known by one


def migrate(engine: Engine, head: str) -> None:
    """Raises ConfigError for a ledger made by a newer version of this code."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        current = None
        if sa.inspect(connection).has_table("alembic_version"):
            current = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if current == head:
            return
        if current is not None and current > head:
            raise ConfigError(f"the ledger has schema {current}, newer than this version's {head}: upgrade the package")
        from alembic import command
        from alembic.config import Config

        config = Config()
        # One path, given whole: the default separators would split a path that holds a space.
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
