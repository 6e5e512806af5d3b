"""A company whose lake is written as the rooms before would leave it, and the database its BI tools read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from segment_pipeline.lake.lake import Lake
from segment_pipeline.publishing.publish import Publication, publish
from segment_pipeline.publishing.target import Target
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import arrow_rows, engine_of

MONDAY, TUESDAY = date(2017, 6, 5), date(2017, 6, 6)
Row = dict[str, Any]


def person(profile_id: str, **values: Any) -> Row:
    return {
        "profile_id": profile_id, "records": 1, "sources": ["shop"], "created_at": datetime(2017, 1, 1, tzinfo=UTC),
    } | values  # fmt: skip


class Company:
    """`profiles`, `traits` and `members` write a snapshot of the lake; `publish` and `held` are about the database."""

    def __init__(self, home: Path, url: str, *, engine: str = "duckdb", **settings: str) -> None:
        self.url = url
        environ = {"SEGMENT_PIPELINE_HOME": str(home), "SEGMENT_PIPELINE_PUBLISH": url}
        self.settings = Settings.from_env(environ | {f"SEGMENT_PIPELINE_{k.upper()}": v for k, v in settings.items()})
        self.lake = Lake(self.settings.lake, engine_of(engine, home))
        self.target = Target.open(self.settings)
        self.segments: tuple[str, ...] = ("vip", "new")

    def close(self) -> None:
        self.target.close()

    def lose_lake(self, to: Path) -> None:
        """The lake's folder is moved away, and the next process opens a lake in which nothing was ever written."""
        Path(self.lake.root).rename(to)
        self.lake = Lake(self.lake.root, self.lake.engine)

    def write(self, name: str, rows: Sequence[Row], partitions: dict[str, Any] | None = None) -> None:
        with self.lake.session() as session:
            session.register("literal_rows", arrow_rows(name, rows))
            session.replace(name, "SELECT * FROM literal_rows", partitions)

    def profiles(self, day: date, *rows: Row) -> None:
        self.write("profiles", [row | {"as_of": day} for row in rows])

    def traits(self, day: date, *rows: Row) -> None:
        self.write("traits", [row | {"as_of": day} for row in rows], {"as_of": [day]})

    def members(self, day: date, **segments: Sequence[str]) -> None:
        """Who is in each segment that was evaluated for the day."""
        rows = [
            {"as_of": day, "segment": segment, "definition_hash": "h1", "profile_id": profile_id}
            for segment, profile_ids in segments.items()
            for profile_id in profile_ids
        ]
        self.write("memberships", rows, {"as_of": [day]})
        sizes = [
            {"as_of": day, "segment": name, "definition_hash": "h1", "size": len(who), "population": 9, "inputs": "{}"}
            for name, who in segments.items()
        ]
        self.write("segment_sizes", sizes, {"as_of": [day]})

    def publish(self, *tables: str, **options: Any) -> list[Publication]:
        return publish(self.lake, self.target, self.segments, tables=tables, **options)

    def held(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Rows of a published table, as another reader of the database gets them, in order."""
        names = ", ".join(columns) if columns else "*"
        return self.query(f"SELECT {names} FROM {table} ORDER BY 1, 2")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.exec_driver_sql(sql)]
        engine.dispose()
        return rows

    def run(self, sql: str) -> None:
        """Something somebody else does to the database."""
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.exec_driver_sql(sql)
        engine.dispose()


def told(publication: Publication) -> tuple[str, int, int, int, int]:
    """How it was done, what was inserted, updated and deleted, and what is held."""
    return publication.how, publication.inserted, publication.updated, publication.deleted, publication.rows
