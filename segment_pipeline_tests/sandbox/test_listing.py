"""What every vendor of records shows, and how its pages follow each other, over a literal log of versions."""

from datetime import datetime
from pathlib import Path

import pytest

from segment_pipeline.sandbox.listing import Listing, Records, enveloped, opened, sealed
from segment_pipeline_tests.sandbox.source_world import NOW, version, world

NOTES = Listing("anybody", "notes", order="created_at")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """a and b were made at one instant, c was renamed and has gone since."""
    home: Path = tmp_path_factory.mktemp("listing")
    made = [
        version("anybody", "notes", key, {"id": key}, updated=f"2017-01-0{n}")
        for key, n in (("b", 1), ("a", 1), ("d", 3), ("e", 4))
    ]
    moved = [
        version("anybody", "notes", "c", {"id": "old"}, updated="2017-01-02", until="2017-02-01"),
        version("anybody", "notes", "c", {"id": "c"}, updated="2017-02-01", created="2017-01-02", until="2018-01-02"),
        version("anybody", "notes", "c", None, updated="2018-01-02", created="2017-01-02"),
    ]  # fmt: skip
    world(home, [*made, *moved, version("anybody", "others", "a", {}, updated="2017-01-01")])
    return Records(home / "sandbox" / "world.sqlite")


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize(("descending", "expected"), [(False, "abcde"), (True, "edcba")])
def test_pages_follow_each_other_without_loss_or_repeat_and_a_full_one_can_be_the_last(
    records: Records, limit: int, descending: bool, expected: str
) -> None:
    listing = Listing("anybody", "notes", order="created_at", descending=descending)
    found, pages, after, more = "", 0, None, True
    while more:
        page, more = records.page(listing, datetime.fromisoformat(NOW), limit, after)
        after, found, pages = (
            opened(sealed(page[-1], "notes"), "notes").after,
            found + "".join(r.key for r in page),
            pages + 1,
        )
    assert (found, pages) == (expected, -(-5 // limit))
    assert records.count(listing, datetime.fromisoformat(NOW)) == 5


@pytest.mark.parametrize(
    ("at", "shown"),
    [("2016-12-31", ""), ("2017-01-02", "a b old"), ("2017-02-01", "a b c d e"), ("2018-01-02", "a b d e")],
)
def test_the_version_of_the_instant_is_shown_and_what_is_gone_is_not(records: Records, at: str, shown: str) -> None:
    bodies = records.bodies(NOTES, datetime.fromisoformat(f"{at}T00:00:00+00:00"))
    assert bodies == [b'{"id": "%s"}' % key.encode() for key in shown.split()]


def test_a_deletion_is_shown_with_its_time_where_it_is_asked_for(records: Records) -> None:
    listing = Listing("anybody", "notes", order="created_at", deleted=True)
    page, _ = records.page(listing, datetime.fromisoformat("2018-01-03T00:00:00+00:00"), 9)
    shown = [(record.key, record.body) for record in page if not record.body.startswith(b"{")]
    assert shown == [("c", b"2018-01-02T00:00:00.000000Z")]


def test_a_cursor_serves_what_it_was_made_for_and_keeps_what_it_was_given(records: Records) -> None:
    page, _ = records.page(NOTES, datetime.fromisoformat(NOW), 1)
    cursor = sealed(page[0], ["notes", 1], "kept")
    assert opened(cursor, ["notes", 1]) == (("2017-01-01T00:00:00.000000Z", "a"), ["kept"])
    for wrong in (cursor[:-2], "bogus", cursor + "A"):
        with pytest.raises(ValueError, match="cursor"):
            opened(wrong, ["notes", 1])
    with pytest.raises(ValueError, match="made for another query"):
        opened(cursor, ["notes", 2])


def test_an_answer_holds_bodies_as_they_are_and_no_empty_list() -> None:
    assert (
        enveloped("notes", [b'{"a":1}', b'{ "b" : 2 }'], cursor="n\u00e4")
        == b'{"notes":[{"a":1},{ "b" : 2 }],"cursor":"n\\u00e4"}'
    )
    assert enveloped("notes", [], count=0) == b'{"count":0}'
    assert enveloped("notes", []) == b"{}"
