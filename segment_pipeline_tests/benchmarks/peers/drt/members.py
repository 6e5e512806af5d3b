"""The members of an audience, twice: in a lake as the rooms before audiences leave them, and as a file for a peer's warehouse.

Version 1 of the segment is 1 % away from version 0: one in 200 has left it and as many have entered.
"""

from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

from segment_pipeline import clock
from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline_tests.benchmarks.peers.drt.tool import LoopbackTool
from segment_pipeline_tests.benchmarks.peers.lakes import fill, lake_of, settings_of

AUDIENCE: Final = Audience("members", segment="members", destination="loopback", channel="ads", owner="team:crm")

# One row per person. Of every 201 people, one is in version 0 alone and one in version 1 alone, which leaves 200 in each.
PEOPLE: Final = """
SELECT
    'p' || lpad(CAST(i AS VARCHAR), 9, '0') AS profile_id,
    'person' || CAST(i AS VARCHAR) || '@mail.example' AS email,
    '+1212' || lpad(CAST(i AS VARCHAR), 7, '0') AS phone
FROM range({people}) AS t(i)
"""
IN_VERSION: Final = "CAST(substr(profile_id, 2) AS BIGINT) % 201 <> {absent}"


def people_for(members: int) -> int:
    """How many people make segments of so many members; `members` is a multiple of 200."""
    return members // 200 * 201


def prepare(home: Path, members: int) -> None:
    """A lake in which everybody is known by an e-mail and a phone and has consented; and the same people in `people.parquet` for a peer."""
    now = clock.now()
    day, before = (now - timedelta(days=1)).date(), now - timedelta(days=30)
    stamp = f"CAST('{day}' AS DATE) AS as_of"
    with lake_of(home).session() as session:
        session.define("people", PEOPLE.format(people=people_for(members)), materialize=True)
        fill(
            session,
            "profiles",
            f"SELECT {stamp}, profile_id, email, phone, 1 AS records, ['shop'] AS sources, "
            f"CAST('{before}' AS TIMESTAMPTZ) AS created_at FROM people",
        )
        known = (("email", "email"), ("phone", "phone"), ("customer_key", "'shop:' || profile_id"))
        fill(
            session,
            "profile_identifiers",
            " UNION ALL ".join(
                f"SELECT {stamp}, profile_id, '{kind}' AS identifier_type, {value} AS identifier, "
                f"CAST('{before}' AS TIMESTAMPTZ) AS last_seen_at, TRUE AS usable FROM people"
                for kind, value in known
            ),
        )
        fill(
            session,
            "consents",
            "SELECT 'shop' AS source, 'customer_key' AS identifier_type, profile_id AS identifier, 'ads' AS channel, "
            f"'marketing' AS purpose, CAST('{before}' AS TIMESTAMPTZ) AS recorded_at, 'granted' AS status, "
            f"'form' AS evidence, CAST('{before.date()}' AS DATE) AS day FROM people",
        )
        pq.write_table(session.table("SELECT profile_id, email, phone FROM people"), home / "people.parquet")
    enter(home, 0)


def enter(home: Path, version: int) -> None:
    """Make version 0 or 1 of the segment the newest memberships."""
    day = (clock.now() - timedelta(days=1)).date()
    stamp = f"CAST('{day}' AS DATE) AS as_of, 'members' AS segment, 'h' AS definition_hash"
    with lake_of(home).session() as session:
        session.scan("profiles")
        session.define("everybody", "SELECT * FROM profiles", materialize=True)
        chosen = f"FROM everybody WHERE {IN_VERSION.format(absent=1 - version)}"
        size = fill(session, "memberships", f"SELECT {stamp}, profile_id {chosen}", {"as_of": [day]})
        sizes = f"SELECT {stamp}, {size} AS size, (SELECT count(*) FROM everybody) AS population, '{{}}' AS inputs"
        fill(session, "segment_sizes", sizes, {"as_of": [day]})


def sync_members(home: Path, base_url: str, batch_rows: int) -> dict[str, Any]:
    """The sync of the package, as an asset or the command line runs it."""
    settings = settings_of(home)
    tool = LoopbackTool(base_url, batch_rows)
    began = perf_counter()
    [report] = sync(Round(lake_of(home), Ledger.open(settings.ledger), [AUDIENCE], {"loopback": tool}, settings))
    if report.status != "synced":
        raise ValueError(f"the sync ended as {report.status}: {'; '.join(report.reasons)}")
    return {"work": perf_counter() - began, "desired": report.desired, "requests": report.requests}


def keys(home: Path, version: int) -> set[tuple[str | None, ...]]:
    """What the tool is to hold when this version is synced, worked out without either side's code."""
    query = f"""
    SELECT sha256(email), sha256(ltrim(phone, '+')) FROM read_parquet('{home / "people.parquet"}')
    WHERE {IN_VERSION.format(absent=1 - version)}
    """
    return set(duckdb.execute(query).fetchall())
