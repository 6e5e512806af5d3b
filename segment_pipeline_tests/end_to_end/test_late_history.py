"""Half a year of history that arrives after the first sync: ids move, and nobody changes variant, enters again or is sent again.

The segments here look at the last seven days only, which the older days say nothing about: who is in them may change where
records turn out to be one person's, and not otherwise.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from segment_pipeline.audiences.audience import Audience, Guards, Holdout
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import sync
from segment_pipeline.days import Window
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.lake.lake import Lake
from segment_pipeline.segments.rules import Segment, days, did, trait
from segment_pipeline_tests.end_to_end.company import (
    LAST,
    Company,
    Held,
    company,
    everybody_consents,
    fresh_lake,
    held_by_tools,
    night_after,
    rows_of,
)

pytestmark = pytest.mark.slow
RECENT = Window(LAST - timedelta(days=19), LAST)
OLDER = Window(LAST - timedelta(days=199), LAST - timedelta(days=20))
SEGMENTS = (
    Segment(
        "visited_lately",
        owner="team:web",
        goal="conversion_rate",
        description="Visited this week",
        where=trait("visits_7d") >= 1,
    ),
    Segment(
        "bought_lately",
        owner="team:web",
        goal="conversion_rate",
        description="Ordered this week",
        where=did("order", within=days(7)),
    ),
)
OPEN = Guards(removal_share=2.0, large_removal_share=2.0, allow_empty=True, minimum=0)
AUDIENCES = [
    Audience(
        f"{segment}_{tool}", segment=segment, destination=tool, channel=channel, owner="team:crm", guards=OPEN,
        holdout=Holdout(f"{segment}_{tool}", 0.4),
    )
    for segment in ("visited_lately", "bought_lately")
    for tool, channel in (("meta", "ads"), ("klaviyo", "email"), ("files", "ads"))
]  # fmt: skip


@dataclass
class Stage:
    """What was true after one sync. People are under the ids of that day."""

    members: dict[str, set[str]]
    changes: set[tuple[str, str, str]]
    variants: dict[str, dict[str, str]]
    holders: dict[str, set[str]]
    tools: dict[str, set[Held]]
    contacts: dict[str, set[str]]
    statuses: set[str]


@dataclass
class Story:
    """The two syncs; `moved`: the id that stands for an earlier one now; `sent`: plan rows of the second sync."""

    before: Stage
    after: Stage
    moved: dict[str, str]
    living: set[str]
    sent: list[dict[str, Any]]
    writes_of_a_third: int

    def now(self, people: set[str]) -> set[str]:
        return {self.moved.get(person, person) for person in people}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("late-history")
    with company(folder / "home", households=60, days=200) as made:
        lake = fresh_lake(folder)
        made.move(night_after(LAST))
        made.rates(lake)
        with closing(Ledger.open(made.settings.ledger)) as ledger, made.tools() as tools:
            arrive(made, lake, RECENT)
            everybody_consents(lake)
            before = stage(made, lake, ledger, tools)
            plans = {row["digest"] for row in rows_of(lake, "plan_rows")}
            made.move(night_after(LAST) + timedelta(hours=2))
            arrive(made, lake, OLDER)
            after = stage(made, lake, ledger, tools)
            sent = [row for row in rows_of(lake, "plan_rows") if row["digest"] not in plans]
            made.sandbox.clear_requests()
            sync(Round(lake, ledger, AUDIENCES, tools, made.settings))
            counts = made.sandbox.requests()
        yield Story(
            before,
            after,
            {row["old_profile_id"]: row["new_profile_id"] for row in rows_of(lake, "profile_aliases")},
            {row["profile_id"] for row in rows_of(lake, "identities") if row["as_of"] == LAST},
            sent,
            sum(counts.get(vendor, {}).get("write", 0) for vendor in ("meta", "klaviyo")),
        )


def arrive(made: Company, lake: Lake, window: Window) -> None:
    for pulled in made.pull(window):
        made.land(lake, pulled)
    made.derive(lake, [LAST - timedelta(days=1), LAST], SEGMENTS)


def stage(made: Company, lake: Lake, ledger: Ledger, tools: Mapping[str, Destination]) -> Stage:
    reports = sync(Round(lake, ledger, AUDIENCES, tools, made.settings))
    members: dict[str, set[str]] = {segment.name: set() for segment in SEGMENTS}
    for row in rows_of(lake, "memberships"):
        if row["as_of"] == LAST:
            members[row["segment"]].add(row["profile_id"])
    variants: dict[str, dict[str, str]] = {audience.name: {} for audience in AUDIENCES}
    for row in rows_of(lake, "assignments"):
        variants[row["experiment"]][row["profile_id"]] = row["variant"]
    holders: dict[str, set[str]] = {audience.name: set() for audience in AUDIENCES}
    for row in rows_of(lake, "audience_members"):
        holders[row["audience"]] |= set(row["owners"])
    held = held_by_tools(made, ledger, AUDIENCES)
    contacts: dict[str, set[str]] = {}
    for row in rows_of(lake, "profile_identifiers"):
        if row["identifier_type"] in {"email", "phone"}:
            contacts.setdefault(row["profile_id"], set()).add(row["identifier"])
    return Stage(
        members,
        {(row["segment"], row["profile_id"], row["change"]) for row in rows_of(lake, "membership_changes")},
        variants,
        holders,
        {name: set(keys) for name, keys in held.items()},
        contacts,
        {report.status for report in reports},
    )


def sent_before(story: Story, audience: Audience) -> set[str]:
    return story.now(story.before.holders[audience.name])


def held_out(story: Story, audience: Audience) -> set[str]:
    """People, by the ids of now, of whom some earlier id was drawn into the holdout."""
    drawn = story.before.variants[audience.name]
    return story.now({person for person, variant in drawn.items() if variant == "holdout"})


def test_history_moved_the_ids_of_people_who_were_sent_or_held_out(story: Story) -> None:
    assert story.before.statuses == story.after.statuses == {"synced"}
    assert set(story.moved.values()) <= story.living
    assert not set(story.moved) & story.living
    for audience in AUDIENCES:
        drawn = story.before.variants[audience.name]
        assert {drawn[person] for person in story.moved.keys() & drawn.keys()} == {"holdout", "treatment"}, (
            audience.name
        )
        assert story.moved.keys() & story.before.holders[audience.name], audience.name


def test_nobody_changes_variant(story: Story) -> None:
    for audience in AUDIENCES:
        assert not held_out(story, audience) & story.now(story.after.holders[audience.name]), audience.name
        # Two people who turn out to be one, drawn differently, are held out: nothing can unsend, but more can be withheld.
        kept = sent_before(story, audience) - held_out(story, audience)
        assert kept <= story.now(story.after.holders[audience.name]), audience.name
        redrawn = set(story.after.variants[audience.name]) - set(story.before.variants[audience.name])
        assert not redrawn & story.now(set(story.before.variants[audience.name])), audience.name


@pytest.mark.parametrize("segment", [segment.name for segment in SEGMENTS])
def test_nobody_enters_again_or_leaves(story: Story, segment: str) -> None:
    assert story.now(story.before.members[segment]) == story.after.members[segment]
    before, after = (
        {(story.moved.get(person, person), change) for name, person, change in stage.changes if name == segment}
        for stage in (story.before, story.after)
    )
    assert after == before


def with_the_same_contacts(story: Story) -> set[str]:
    """People, by the ids of now, with the e-mails and phones they had before; not two known apart who turned out to be one."""
    apart: dict[str, list[set[str]]] = {}
    for person, contacts in story.before.contacts.items():
        apart.setdefault(story.moved.get(person, person), []).append(contacts)
    return {
        person for person, known in apart.items() if all(each == story.after.contacts.get(person) for each in known)
    }


def test_nobody_who_was_sent_is_sent_again(story: Story) -> None:
    same = with_the_same_contacts(story)
    moved = set(story.moved.values())
    for audience in AUDIENCES:
        stays = (sent_before(story, audience) & same) - held_out(story, audience)
        assert stays & moved, audience.name
        # What an older record tells of a name or place goes along as a change of whom the tool holds already.
        again = [row for row in story.sent if row["audience"] == audience.name and row["cause"] != "updated"]
        touched = story.now({owner for row in again for owner in row["owners"]})
        assert not touched & stays, audience.name
    assert story.writes_of_a_third == 0


def test_the_tools_still_hold_whom_they_held(story: Story) -> None:
    same = with_the_same_contacts(story)
    for audience in AUDIENCES:
        gone = story.before.tools[audience.name] - story.after.tools[audience.name]
        others = (sent_before(story, audience) - same) | (sent_before(story, audience) & held_out(story, audience))
        assert len(gone) <= len(others), audience.name
