"""What landing does with pulls, over a literal source: days, windows, order and repetition, refusals, snapshots, logs and loads."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from segment_pipeline import clock
from segment_pipeline.days import Window
from segment_pipeline.errors import ContractError, SegmentPipelineError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import generated
from segment_pipeline.landing.landing import BEGINNING, ingest, land, pull
from segment_pipeline.landing.mapping import Fill, Record, text
from segment_pipeline.landing.raw import Pulled, RawPages, pulls
from segment_pipeline.landing.source import Entity
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource
from segment_pipeline_tests.landing.test_entities import NOTES
from segment_pipeline_tests.landing.test_mapping import CLICKS, PEOPLE

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))


def person(number: int, changed: str, **more: Any) -> dict[str, Any]:
    return {"id": f"p{number}", "changed": changed, "made": "2016-01-01T00:00:00Z", "name": "Ada", **more}


def day(number: int) -> Window:
    return Window.of(date(2017, 6, number))


def source(*records: Any, entity: Entity = PEOPLE) -> LiteralSource:
    return LiteralSource((entity,), {entity.parts[0].name: [list(records)]})


def rows_of(lake: Lake, name: str) -> list[str]:
    """Every row of a table as text, in an order of its own."""
    with lake.session() as session:
        session.scan(name)
        return sorted(str(row) for row in session.rows(f"SELECT * FROM {name}"))


def fresh_lake(folder: Path) -> Lake:
    return Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=2, spill=folder / "spill"))


def landed(
    folder: Path, settings: Settings, landings: Sequence[tuple[Pulled, Window | None]], entity: Entity = PEOPLE
) -> list[list[str]]:
    """What a lake of its own holds after these landings, each of a pull's rows of some days only."""
    lake = fresh_lake(folder)
    for number, (pulled, only) in enumerate(landings):
        land(lake, LiteralSource((entity,)), entity.name, pulled, settings, f"run-{number}", only=only)
    return [rows_of(lake, name) for name in (*entity.table_names, "quarantine")]


def test_only_rows_of_the_window_land_and_each_under_its_own_company_day(lake: Lake, settings: Settings) -> None:
    """03:59:59 UTC is still the day before in New York; both ends of the window hold."""
    times = ["2017-06-01T03:59:59Z", "2017-06-01T04:00:00Z", "2017-06-02T03:59:59Z", "2017-06-02T04:00:00Z"]
    people = source(*(person(number, at) for number, at in enumerate(times)))
    assert ingest(lake, people, "people", day(1), settings, "run").rows == {"customers": 2}
    assert {row["day"]: row["rows"] for row in lake.partitions("customers")} == {date(2017, 6, 1): 2}


def test_one_window_or_many_the_same_responses_in_any_order_and_twice_give_the_same_lake(
    tmp_path: Path, settings: Settings
) -> None:
    """The source moves between the pulls: a record changes, one arrives late, one is malformed."""
    good = [person(40 + number, "2017-06-02T12:00:00Z") for number in range(20)]
    days = [person(number, f"2017-06-0{1 + number}T12:00:00Z") for number in range(9)]
    early = source(*days[:3], *good)
    moved = [person(2, "2017-06-06T12:00:00Z", name="changed"), person(90, "2017-06-03T12:00:00Z")]
    later = source(*days[:2], *days[3:], *good, *moved, person(91, "2017-06-02T12:00:00Z", made="long ago"))
    responses = [
        pull(early, "people", Window(date(2017, 6, 1), date(2017, 6, 3)), settings),
        pull(later, "people", Window(date(2017, 6, 1), date(2017, 6, 5)), settings),
        pull(later, "people", Window(date(2017, 6, 4), date(2017, 6, 9)), settings),
    ]
    as_ranges = landed(tmp_path / "ranges", settings, [(p, None) for p in responses])
    in_days = [(p, each) for p in responses for each in map(day, range(1, 10)) if each.first in p.window]
    shuffled = in_days + in_days[::4]
    random.Random(7).shuffle(shuffled)
    assert as_ranges == landed(tmp_path / "disorder", settings, shuffled)
    assert (len(as_ranges[0]), len(as_ranges[1])) == (31, 1)
    whole = pull(later, "people", JUNE, settings)
    assert landed(tmp_path / "one", settings, [(whole, None)]) == landed(
        tmp_path / "two", settings, [(p, None) for p in responses[1:]]
    )


def test_landing_again_changes_nothing_also_from_stored_pages_after_a_restart(
    lake: Lake, tmp_path: Path, settings: Settings
) -> None:
    people = source(*(person(number, "2017-06-05T12:00:00Z") for number in range(5)))
    ingest(lake, people, "people", JUNE, settings, "first")
    before = rows_of(lake, "customers")
    ingest(lake, people, "people", JUNE, settings, "second")
    assert rows_of(lake, "customers") == before
    kept = pulls(settings.raw, "literal", "people")
    assert landed(tmp_path / "again", settings, [(kept[0], None)])[0] == before


def test_a_window_is_widened_by_the_look_back_and_a_dimensions_first_pull_to_the_beginning(
    lake: Lake, settings: Settings
) -> None:
    late, old = person(1, "2017-06-02T12:00:00Z"), person(2, "2009-03-01T12:00:00Z")
    people = source(late, old, entity=replace(PEOPLE, look_back=3))
    assert ingest(lake, people, "people", day(5), settings, "run").pulled == Window(date(2017, 6, 2), date(2017, 6, 5))
    assert [row["day"] for row in lake.partitions("customers")] == [date(2017, 6, 2)]
    dimension = source(late, old, entity=replace(PEOPLE, name="everybody", dimension=True))
    assert ingest(lake, dimension, "everybody", day(5), settings, "run").pulled.first == BEGINNING
    assert [row["day"] for row in lake.partitions("customers")] == [date(2009, 3, 1), date(2017, 6, 2)]
    assert ingest(lake, dimension, "everybody", day(5), settings, "run").pulled == day(5)


def test_a_malformed_record_is_quarantined_once_and_the_run_goes_on(lake: Lake, settings: Settings) -> None:
    good = [person(number, "2017-06-05T12:00:00Z") for number in range(5)]
    people = source(*good, person(9, "2017-06-05T12:00:00Z", made="long ago"))
    for run in ("run", "again"):
        report = ingest(lake, people, "people", JUNE, settings, run)
        assert (report.rows, report.quarantined) == ({"customers": 5}, {"made is not a time": 1})
    with lake.session() as session:
        session.scan("quarantine")
        (row,) = session.rows("SELECT source, entity, key, reason, first_seen FROM quarantine")
    assert tuple(row.values()) == ("literal", "people", "p9", "made is not a time", clock.now())


def test_too_many_malformed_records_fail_before_anything_is_replaced(lake: Lake, settings: Settings) -> None:
    good = [person(number, "2017-06-05T12:00:00Z") for number in range(20)]
    bad = [person(90 + number, "2017-06-06T12:00:00Z", made="long ago") for number in range(2)]
    with pytest.raises(ContractError, match="2 of 22 records are malformed"):
        ingest(lake, source(*good, *bad), "people", JUNE, settings, "run")
    assert (lake.version("customers"), lake.version("quarantine")) == (None, None)


def test_fewer_records_than_the_source_says_are_refused(lake: Lake, settings: Settings) -> None:
    people = replace(source(person(1, "2017-06-05T12:00:00Z"), person(1, "2017-06-05T12:00:00Z")), said=2)
    with pytest.raises(ContractError, match="1 records arrived and the source says it has 2"):
        ingest(lake, people, "people", JUNE, settings, "run")
    assert lake.version("customers") is None


def test_pages_changed_after_they_were_received_are_refused(lake: Lake, settings: Settings) -> None:
    people = LiteralSource((PEOPLE,), {"people": [[person(n, "2017-06-05T12:00:00Z")] for n in range(3)]})
    pulled = pull(people, "people", JUNE, settings)
    for changed in (
        replace(pulled, files={"people": pulled.files["people"][1:]}),
        replace(pulled, records={"people": 4}),
    ):
        with pytest.raises(ContractError, match="hold"):
            land(lake, people, "people", changed, settings, "run")
    assert lake.version("customers") is None


def test_a_pull_is_landed_as_what_it_is_and_an_unknown_entity_is_named(lake: Lake, settings: Settings) -> None:
    both = LiteralSource((PEOPLE, NOTES))
    pulled = pull(both, "people", JUNE, settings)
    with pytest.raises(ContractError, match="cannot be landed as literal/notes"):
        land(lake, both, "notes", pulled, settings, "run")
    with pytest.raises(SegmentPipelineError, match="no entity nonsense: it has people, notes"):
        ingest(lake, both, "nonsense", JUNE, settings, "run")


def test_loads_tell_what_each_day_got(lake: Lake, settings: Settings) -> None:
    people = source(person(1, "2017-06-05T12:00:00Z"), person(2, "2017-06-05T13:00:00Z"))
    ingest(lake, people, "people", Window(date(2017, 6, 4), date(2017, 6, 6)), settings, "run-9")
    with lake.session() as session:
        session.scan("loads")
        rows = session.rows("SELECT * FROM loads ORDER BY day")
    assert [(row["day"].day, row["rows_landed"], row["rows_total"]) for row in rows] == [
        (4, 0, 0),
        (5, 2, 2),
        (6, 0, 0),
    ]
    told = {(row["asset"], row["run_id"], row["table_name"], row["requests"]) for row in rows}
    assert told == {("literal/people", "run-9", "customers", 1)}


def test_a_usable_record_that_gives_no_row_or_two_is_refused(lake: Lake, settings: Settings) -> None:
    doubled = generated(
        "ours/customers", PEOPLE.tables[0].statement.text + " CROSS JOIN (SELECT unnest([1, 2]) AS n) AS two"
    )
    entity = replace(PEOPLE, tables=(replace(PEOPLE.tables[0], statement=doubled),))
    with pytest.raises(ContractError, match="1 usable records became 2 rows of customers"):
        ingest(lake, source(person(1, "2017-06-05T12:00:00Z"), entity=entity), "people", JUNE, settings, "run")


def at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", f"2017-06-{number:02d}T08:00:00+00:00")


def test_a_key_that_is_gone_is_closed_once_whatever_snapshot_lands_first(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (5, 2, 4, 2, 3):
        at(monkeypatch, number)
        there = [{"id": "a", "name": "A"}, *([{"id": "b", "name": "B"}] if number < 3 else [])]
        ingest(lake, source(*there, entity=NOTES), "notes", JUNE, settings, f"run-{number}")
    with lake.session() as session:
        session.scan("stores")
        rows = session.rows("SELECT store_key, day, deleted_on FROM stores ORDER BY day, store_key")
    assert [(row["store_key"], row["day"].day, row["deleted_on"]) for row in rows] == [
        ("a", 1, None), ("b", 1, None), ("a", 2, None), ("b", 2, date(2017, 6, 2)), ("a", 3, None), ("a", 4, None),
    ]  # fmt: skip


def test_an_empty_snapshot_after_one_with_rows_is_refused(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, 2)
    ingest(lake, source({"id": "a", "name": "A"}, entity=NOTES), "notes", JUNE, settings, "run")
    at(monkeypatch, 3)
    with pytest.raises(ContractError, match="snapshot of stores is empty"):
        ingest(lake, source(entity=NOTES), "notes", JUNE, settings, "run")


def test_of_a_snapshot_a_key_is_one_row(lake: Lake, settings: Settings) -> None:
    stores = replace(
        NOTES,
        parse=Record(key="id", fields=text("name")),
        tables=(
            Fill(
                "stores",
                generated("ours/shops", "SELECT c.*, c.key AS store_key, c.r.name AS name FROM usable AS c"),
                absent="lat lon timezone country currency deleted_on",
                one_per_record=True,
            ),
        ),
        prepare=(),
    )
    twice = source({"id": "a", "name": "A"}, {"id": "a", "name": "B"}, entity=stores)
    assert ingest(lake, twice, "notes", JUNE, settings, "run").rows == {"stores": 1}


def test_a_record_of_a_log_delivered_twice_is_one_whichever_day_lands_first(tmp_path: Path, settings: Settings) -> None:
    """In the last hour of one day and the first of the next: the first is kept. Two weeks later it is another."""
    click = {"id": "i", "what": "visit", "at": "2017-06-05T12:00:00Z"}
    got = {5: "2017-06-05T23:00:00Z", 6: "2017-06-06T06:00:00Z", 20: "2017-06-20T06:00:00Z"}
    clicks = source(*({**click, "got": when} for when in got.values()), entity=CLICKS)
    landings = [(pull(clicks, "clicks", day(number), settings), day(number)) for number in got]
    forth, back = (
        landed(tmp_path / name, settings, each, CLICKS)
        for name, each in (("forth", landings), ("back", landings[::-1]))
    )
    assert forth == back
    assert len(forth[0]) == 2


def test_a_page_is_kept_as_it_came_with_its_records_counted(settings: Settings) -> None:
    pages = RawPages(settings.raw, "literal", "people", JUNE, clock.now())
    content = b'{"people": [{"id": "a"}, {"id": "b"}], "cursor": "next", "count": 9}'
    assert pages.keep("people", content, "people", ("cursor", "errors")) == {"cursor": "next", "errors": None}
    pulled = pages.finish(requests=1)
    assert pulled.records == {"people": 2}
    (file,) = pulled.files["people"]
    assert parquet.read_table(file).column("content").to_pylist() == [content.decode()]
    with pytest.raises(ContractError, match="people of a page is not a list"):
        pages.keep("people", b'{"people": {}}', "people", ())
