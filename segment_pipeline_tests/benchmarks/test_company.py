"""The benchmarks' companies: deterministic, keyed as declared, each partition written once, and people for identity to find."""

from pathlib import Path

import pytest

from segment_pipeline.lake import storage
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles import build
from segment_pipeline_tests.benchmarks.company import (
    COMPLETE,
    IDENTITY,
    Company,
    make_company,
    make_members,
    open_company,
)

PROFILES, DAYS = 300, 21


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return make_company(tmp_path_factory.mktemp("company"), PROFILES, days=DAYS)


def test_the_same_arguments_give_the_same_rows(company: Company, tmp_path: Path) -> None:
    again = make_company(tmp_path, PROFILES, days=DAYS)
    assert again.rows == company.rows
    for name in company.rows:
        with company.lake.session() as first, again.lake.session() as second:
            first.scan(name)
            second.scan(name)
            query = f"SELECT * FROM {name} ORDER BY {', '.join(table(name).key)}"
            assert first.table(query).equals(second.table(query)), name


def test_a_company_that_lies_there_complete_is_taken(company: Company) -> None:
    made = company.lake.version("events")
    assert make_company(company.root, PROFILES, days=DAYS) == company == open_company(company.root)
    assert company.lake.version("events") == made


def test_what_a_making_that_was_cut_short_left_is_not_added_to(company: Company, tmp_path: Path) -> None:
    cut = make_company(tmp_path, 30, days=3)
    (tmp_path / COMPLETE).unlink()
    again = make_company(tmp_path, PROFILES, days=DAYS)
    assert again.lake.rows("orders") == company.rows["orders"] > cut.rows["orders"]


def test_every_row_has_a_key_of_its_own(company: Company) -> None:
    with company.lake.session() as session:
        for name, rows in company.rows.items():
            session.scan(name)
            key = ", ".join(table(name).key)
            assert session.value(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {name})") == rows > 0, name


def test_each_partition_is_one_file(company: Company) -> None:
    for name in company.rows:
        delta = storage.open_table(company.lake.uri(name), {})
        assert delta is not None
        partitions = [tuple(file.partition.values()) for file in storage.files(delta, table(name))]
        assert len(partitions) == len(set(partitions)), name


def test_identity_finds_about_as_many_people_as_were_asked_for(company: Company) -> None:
    report = build.identities(company.lake, company.as_of, company.settings, IDENTITY)
    assert PROFILES * 0.9 < report.profiles < PROFILES * 1.3
    assert report.contradictory > 0
    assert report.blocked > 0
    traits = build.traits(company.lake, company.as_of, company.settings, identity_rules=IDENTITY)
    assert traits.unknown == ()
    assert PROFILES * 0.7 < traits.buyers_365d < report.profiles


def test_members_are_people_without_facts(tmp_path: Path) -> None:
    members = make_members(tmp_path, PROFILES)
    assert members.rows["profiles"] == PROFILES
    assert members.rows["profile_identifiers"] > PROFILES * 2
    assert set(members.rows) == {"profiles", "profile_identifiers", "consents", "suppressions"}
    with members.lake.session() as session:
        for name in ("profiles", "profile_identifiers", "consents"):
            session.scan(name)
        met = (
            "SELECT count(DISTINCT i.profile_id) FROM profile_identifiers AS i JOIN profiles AS p ON p.profile_id = i.profile_id "
            "JOIN consents AS c ON c.identifier_type = i.identifier_type AND c.identifier = i.identifier WHERE c.channel = 'email'"
        )
        assert session.value(met) == PROFILES
