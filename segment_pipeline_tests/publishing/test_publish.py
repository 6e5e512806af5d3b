"""What a company's database holds after publishing: the newest snapshot, sent as the difference where there is one."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from segment_pipeline.errors import ConfigError, SegmentPipelineError
from segment_pipeline.lake.maintenance import vacuum
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import arrow_rows
from segment_pipeline_tests.publishing.company import MONDAY, TUESDAY, Company, person, told

GONE = "the lake no longer holds the version that was published"


def test_only_what_changed_is_sent(company: Company) -> None:
    company.traits(
        MONDAY,
        {"profile_id": "a", "orders_total": 1},
        {"profile_id": "b", "orders_total": 2},
        {"profile_id": "c"},
        {"profile_id": "d", "orders_total": 4},
    )
    (first,) = company.publish("traits")
    assert told(first) == ("full", 4, 0, 0, 4)
    assert first.why == "it was never published"
    company.traits(
        TUESDAY,
        {"profile_id": "a", "orders_total": 1},
        {"profile_id": "b", "orders_total": 3},
        {"profile_id": "c", "orders_total": 0},
        {"profile_id": "e"},
    )
    (second,) = company.publish("traits")
    assert told(second) == ("incremental", 1, 2, 1, 4)
    assert (second.as_of, second.why) == (TUESDAY, "")
    assert company.held("traits", "profile_id", "orders_total") == [("a", 1), ("b", 3), ("c", 0), ("e", None)]


def test_a_new_day_with_the_same_rows_and_a_second_publish_send_nothing(company: Company) -> None:
    company.members(MONDAY, vip=["a", "b"], new=[])
    company.publish("memberships")
    assert told(company.publish("memberships")[0]) == ("incremental", 0, 0, 0, 2)
    company.members(TUESDAY, vip=["a", "b"], new=[])
    (same,) = company.publish("memberships")
    assert (told(same), same.as_of) == (("incremental", 0, 0, 0, 2), TUESDAY)
    ((as_of, rows),) = company.query("SELECT as_of, row_count FROM segment_pipeline_published")
    assert (str(as_of), rows) == ("2017-06-06", 2)


def test_a_day_with_nobody_in_any_segment_empties_the_table(company: Company) -> None:
    company.members(MONDAY, vip=["a", "b"], new=[])
    company.publish("memberships")
    company.members(TUESDAY, vip=[], new=[])
    assert told(company.publish("memberships")[0]) == ("incremental", 0, 0, 2, 0)
    company.members(TUESDAY, vip=[], new=["c"])
    assert told(company.publish("memberships")[0]) == ("incremental", 1, 0, 0, 1)
    assert company.held("memberships") == [("new", "h1", "c")]


def test_a_day_on_which_a_segment_could_not_be_evaluated_waits_for_it(company: Company) -> None:
    company.segments = ("vip", "new", "not_yet_evaluated")
    company.members(MONDAY, vip=["a"], new=["b"])
    company.members(TUESDAY, vip=["c"])
    (published,) = company.publish("memberships")
    assert published.as_of == MONDAY
    company.members(TUESDAY, vip=["c"], new=["d"])
    company.publish("memberships")
    assert company.held("memberships", "segment", "profile_id") == [("new", "d"), ("vip", "c")]


def test_an_earlier_day_that_is_corrected_is_not_published_and_sends_nothing(company: Company) -> None:
    company.traits(MONDAY, {"profile_id": "a", "orders_total": 1})
    company.traits(TUESDAY, {"profile_id": "a", "orders_total": 2})
    company.publish("traits")
    company.traits(MONDAY, {"profile_id": "a", "orders_total": 9})
    assert told(company.publish("traits")[0]) == ("incremental", 0, 0, 0, 1)
    company.traits(TUESDAY, {"profile_id": "a", "orders_total": 3})
    assert told(company.publish("traits")[0]) == ("incremental", 0, 1, 0, 1)


def test_a_person_erased_from_the_lake_is_gone_after_the_next_publish(company: Company) -> None:
    company.profiles(MONDAY, person("a", city="Ulm"), person("b", city="Bonn"))
    company.traits(MONDAY, {"profile_id": "a"}, {"profile_id": "b"})
    company.members(MONDAY, vip=["a", "b"], new=["a"])
    company.publish("profiles", "traits", "memberships")
    with company.lake.session() as session:
        session.define("erased", "SELECT 'a' AS profile_id")
        for table in ("profiles", "traits", "memberships"):
            session.erase(table, "erased", ["profile_id"])
    assert [told(p) for p in company.publish("profiles", "traits", "memberships")] == [
        ("incremental", 0, 0, 1, 1),
        ("incremental", 0, 0, 1, 1),
        ("incremental", 0, 0, 2, 1),
    ]
    for table in ("profiles", "traits", "memberships"):
        assert [row[0] for row in company.held(table, "profile_id", "1")] == ["b"]


def test_columns_that_identify_a_person_are_published_only_when_asked_for(company: Company) -> None:
    company.profiles(
        MONDAY, person("a", email="ann@shop.test", phone="+4912345", city="Ulm", birth_date=date(1980, 2, 29))
    )
    company.publish("profiles")
    columns = {c["name"] for c in sa.inspect(company.target.engine).get_columns("profiles")}
    assert not columns & {"email", "phone", "first_name", "last_name", "street", "birth_date", "loyalty_id", "as_of"}
    assert {"profile_id", "city", "country", "sources", "created_at"} <= columns
    (asked,) = company.publish("profiles", personal=True)
    assert (asked.how, asked.why) == ("full", "its columns are other ones")
    assert company.held("profiles", "profile_id", "email") == [("a", "ann@shop.test")]
    company.publish("profiles")
    assert "email" not in {c["name"] for c in sa.inspect(company.target.engine).get_columns("profiles")}


def test_keys_and_an_index_by_person_are_there(company: Company) -> None:
    company.profiles(MONDAY, person("a"))
    company.traits(MONDAY, {"profile_id": "a"})
    company.members(MONDAY, vip=["a"], new=[])
    company.publish("profiles", "traits", "memberships")
    found = sa.inspect(company.target.engine)
    assert found.get_pk_constraint("profiles")["constrained_columns"] == ["profile_id"]
    assert found.get_pk_constraint("traits")["constrained_columns"] == ["profile_id"]
    assert found.get_pk_constraint("memberships")["constrained_columns"] == ["segment", "profile_id"]
    assert [index["column_names"] for index in found.get_indexes("memberships")] == [["profile_id"]]


def test_a_version_the_maintenance_removed_means_a_full_load_in_the_same_table(company: Company) -> None:
    company.profiles(MONDAY, person("a", city="Ulm"), person("b"))
    company.publish("profiles")
    company.run("CREATE VIEW cities AS SELECT city FROM profiles")
    company.profiles(TUESDAY, person("a", city="Bonn"), person("c"))
    vacuum(company.lake, "profiles")
    (full,) = company.publish("profiles")
    assert (told(full), full.why) == (("full", 2, 0, 2, 2), GONE)
    assert company.query("SELECT city FROM cities ORDER BY city IS NULL") == [("Bonn",), (None,)]


def test_a_lake_built_again_is_told_by_its_files_and_not_by_its_version_number(
    company: Company, tmp_path: Path
) -> None:
    company.traits(MONDAY, {"profile_id": "a", "orders_total": 1})
    company.publish("traits")
    company.lose_lake(tmp_path / "lost")
    company.traits(MONDAY, {"profile_id": "b", "orders_total": 1})
    company.traits(TUESDAY, {"profile_id": "b", "orders_total": 2})
    (full,) = company.publish("traits")
    assert (told(full), full.why) == (("full", 1, 0, 1, 1), GONE)
    assert company.held("traits", "profile_id", "orders_total") == [("b", 2)]


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        ("DROP TABLE traits", "the table is missing"),
        ("ALTER TABLE traits ADD COLUMN note TEXT", "its columns are other ones"),
        ("DELETE FROM traits WHERE profile_id = 'b'", "its rows are not the ones published"),
        ("UPDATE traits SET profile_id = 'x' WHERE profile_id = 'b'", "its rows are not the ones published"),
    ],
)
def test_a_table_somebody_else_changed_is_made_right_and_said(company: Company, harm: str, why: str) -> None:
    company.traits(MONDAY, {"profile_id": "a"}, {"profile_id": "b"})
    company.publish("traits")
    company.run(harm)
    company.traits(TUESDAY, {"profile_id": "a"}, {"profile_id": "b", "orders_total": 1})
    (full,) = company.publish("traits")
    assert (full.how, full.why, full.rows) == ("full", why, 2)
    assert company.held("traits", "profile_id", "orders_total") == [("a", None), ("b", 1)]
    assert len(sa.inspect(company.target.engine).get_columns("traits")) == len(arrow_rows("traits", []).schema) - 1


def test_a_row_somebody_added_under_a_key_that_is_to_come_means_a_full_load(company: Company) -> None:
    company.members(MONDAY, vip=["a"], new=["a"])
    company.publish("memberships")
    company.run("UPDATE memberships SET profile_id = 'b' WHERE segment = 'new'")
    company.members(TUESDAY, vip=["a"], new=["a", "b"])
    (full,) = company.publish("memberships")
    assert (full.how, full.why) == ("full", "its rows are not the ones published")
    assert company.held("memberships", "segment", "profile_id") == [("new", "a"), ("new", "b"), ("vip", "a")]


def test_a_table_of_somebody_elses_is_never_touched(company: Company) -> None:
    company.run("CREATE TABLE profiles (profile_id TEXT PRIMARY KEY, salary INTEGER)")
    company.run("INSERT INTO profiles VALUES ('mine', 1)")
    company.profiles(MONDAY, person("a"))
    with pytest.raises(ConfigError, match="was not published from here.*SEGMENT_PIPELINE_PUBLISH_SCHEMA"):
        company.publish("profiles")
    assert company.held("profiles") == [("mine", 1)]


def test_a_lake_without_people_says_what_to_run_and_leaves_the_table_as_it_is(company: Company, tmp_path: Path) -> None:
    company.profiles(MONDAY, person("a", city="Ulm"))
    company.publish("profiles")
    company.lose_lake(tmp_path / "lost")
    for table in ("profiles", "traits", "memberships"):
        with pytest.raises(ConfigError, match=f"no day with all {table} yet: run the refresh job"):
            company.publish(table)
    assert company.held("profiles", "profile_id", "city") == [("a", "Ulm")]


def test_amounts_are_numbers_to_the_last_digit(company: Company) -> None:
    company.traits(MONDAY, {"profile_id": "a", "spend_total": Decimal("1234567.8901")}, {"profile_id": "b"})
    company.publish("traits")
    (a, b) = company.query("SELECT spend_total FROM traits ORDER BY profile_id")
    assert Decimal(str(a[0])) == Decimal("1234567.8901")
    assert b[0] is None


def test_a_name_that_is_not_published_says_which_are(company: Company) -> None:
    with pytest.raises(ConfigError, match="orders is not published: choose among profiles, traits, memberships"):
        company.publish("orders")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:s3cret@127.0.0.1:1/warehouse?connect_timeout=1",
        "nonsense://reader:s3cret@nowhere/warehouse",
        "s3cret",
        "sqlite:////proc/s3cret/warehouse.sqlite",
    ],
)
def test_a_database_that_cannot_be_opened_is_named_by_its_setting_and_never_by_its_url(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(SegmentPipelineError, match="SEGMENT_PIPELINE_PUBLISH") as caught:
        Company(tmp_path, url).publish("traits")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_settings_never_show_the_url() -> None:
    settings = Settings.from_env({"SEGMENT_PIPELINE_PUBLISH": "postgresql+psycopg://reader:s3cret@db/warehouse"})
    assert settings.publish
    assert "s3cret" not in repr(settings)
