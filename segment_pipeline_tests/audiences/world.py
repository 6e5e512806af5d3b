"""People in a lake, written as the rooms before this one would leave them: who is known by what, who consents, who is in."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.engine import Engine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import arrow_rows

DAY = date(2017, 6, 30)
NOW = "2017-07-01T06:00:00+00:00"
BEFORE = datetime(2017, 1, 1, tzinfo=UTC)
LATER = datetime(2017, 6, 1, tzinfo=UTC)


@dataclass
class Person:
    """`consent`: True granted, False denied, None never asked; stated about the customer's account at `said`."""

    profile_id: str
    email: str | None = None
    phone: str | None = None
    consent: bool | None = True
    member: bool = True
    traits: dict[str, Any] = field(default_factory=dict)
    said: datetime = BEFORE


class World:
    """One lake, one ledger, one company."""

    def __init__(
        self, home: Path, ledger: str | None = None, memory: str = "500MB", engine: Engine | None = None
    ) -> None:
        self.home = home
        engine = engine or DuckDBEngine(memory=memory, threads=2, spill=home / "spill")
        self.lake = Lake(str(home / "lake"), engine)
        self.ledger = Ledger.open(ledger or f"sqlite:///{home / 'ledger.sqlite'}")
        self.settings = Settings.from_env({"SEGMENT_PIPELINE_HOME": str(home), "SEGMENT_PIPELINE_SENDING": "on"})
        self.day = DAY
        # What the segment meant when it was evaluated: a test with a catalogue sets its hash.
        self.definition = "h"

    def write(self, name: str, rows: Sequence[dict[str, Any]], partitions: dict[str, Any] | None = None) -> None:
        """Make these the rows of a table, or of some of its partitions."""
        with self.lake.session() as session:
            session.register("literal_rows", arrow_rows(name, rows))
            session.replace(name, "SELECT * FROM literal_rows", partitions)

    def people(
        self, people: Sequence[Person], *, channel: str = "ads", extra_consents: Sequence[dict[str, Any]] = ()
    ) -> None:
        """The whole company: profiles, identifiers, consents, memberships of segment `shoppers`, traits."""
        known = [p for p in people if p.email or p.phone or p.consent is not None]
        self.write(
            "profiles",
            [
                {"as_of": self.day, "profile_id": p.profile_id, "email": p.email, "phone": p.phone, "records": 1,
                 "sources": ["shop"], "created_at": BEFORE}
                for p in known
            ],
        )  # fmt: skip
        identifiers = [
            {"as_of": self.day, "profile_id": p.profile_id, "identifier_type": kind, "identifier": value,
             "last_seen_at": BEFORE, "usable": True}
            for p in known
            for kind, value in (("email", p.email), ("phone", p.phone), ("customer_key", f"shop:c-{p.profile_id}"))
            if value
        ]  # fmt: skip
        self.write("profile_identifiers", identifiers)
        consents = [
            {"source": "shop", "identifier_type": "customer_key", "identifier": f"c-{p.profile_id}", "channel": channel,
             "purpose": "marketing", "recorded_at": p.said, "status": "granted" if p.consent else "denied",
             "evidence": "form", "day": self.day}
            for p in people
            if p.consent is not None
        ]  # fmt: skip
        self.write("consents", [*consents, *extra_consents])
        self.members([p.profile_id for p in people if p.member])
        traits = [{"as_of": self.day, "profile_id": p.profile_id, **p.traits} for p in people if p.traits]
        if traits:
            self.write("traits", traits)

    def members(self, ids: Sequence[str], segment: str = "shoppers", population: int = 1000) -> None:
        self.write(
            "memberships",
            [{"as_of": self.day, "segment": segment, "definition_hash": self.definition, "profile_id": i} for i in ids],
            {"as_of": [self.day]},
        )
        self.write(
            "segment_sizes",
            [{"as_of": self.day, "segment": segment, "definition_hash": self.definition, "size": len(ids), "population": population,
              "inputs": "{}"}],
            {"as_of": [self.day]},
        )  # fmt: skip

    def suppress(self, rows: Sequence[tuple[str, str, str, str]]) -> None:
        """(identifier type, identifier, channel, reason)"""
        self.write(
            "suppressions",
            [
                {"source": "shop", "identifier_type": t, "identifier": i, "channel": c, "reason": r, "recorded_at": BEFORE,
                 "day": self.day}
                for t, i, c, r in rows
            ],
        )  # fmt: skip

    def alias(self, rows: Sequence[tuple[str, str]]) -> None:
        self.write(
            "profile_aliases",
            [{"old_profile_id": o, "new_profile_id": n, "since": self.day, "cause": "history"} for o, n in rows],
        )

    def sync(self, audience: Audience, tool: Destination, **options: Any) -> SyncReport:
        """`options`: those of a round."""
        [report] = sync(self.round([audience], {audience.destination: tool}, **options))
        return report

    def round(self, audiences: Sequence[Audience], tools: Mapping[str, Destination], **options: Any) -> Round:
        return Round(self.lake, self.ledger, audiences, tools, self.settings, **options)

    def opened(self) -> "World":
        """The same home, opened by another process."""
        return World(self.home, engine=self.lake.engine)

    def lose(self, name: str) -> None:
        """Somebody deletes a table."""
        shutil.rmtree(Path(self.lake.root) / name)

    def rows(self, name: str, *columns: str) -> list[dict[str, Any]]:
        with self.lake.session() as session:
            session.scan(name)
            chosen = ", ".join(columns) or "*"
            return session.rows(f"SELECT {chosen} FROM {name}")


def statement_of(
    kind: str, value: str, status: str, at: datetime = BEFORE, channel: str = "ads", purpose: str = "marketing"
) -> dict[str, Any]:
    """One consent row about an identifier itself."""
    return {
        "source": "shop", "identifier_type": kind, "identifier": value, "channel": channel, "purpose": purpose,
        "recorded_at": at, "status": status, "evidence": "form", "day": DAY,
    }  # fmt: skip


def open_guards() -> Any:
    from segment_pipeline.audiences.audience import Guards

    return Guards(removal_share=2.0, large_removal_share=2.0, allow_empty=True, minimum=0)


def audience(**changes: Any) -> Audience:
    given: dict[str, Any] = {
        "name": "shoppers", "segment": "shoppers", "destination": "tool", "channel": "ads", "owner": "team:crm",
        "guards": open_guards(),
    }  # fmt: skip
    return Audience(**(given | changes))
