"""Our catalogue, run whole on the files in data/: nothing is sent, nothing outside the test's folder is written."""

import pytest
from segment_pipeline.testing import Trial, trial

from our_company.catalogue import OURS
from our_company.definitions import defs


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Yesterday, from the files to the segments."""
    return trial(OURS, tmp_path_factory.mktemp("home"), variables={"SEGMENT_PIPELINE_START": "@start@"})


def test_the_catalogue_has_no_mistakes() -> None:
    assert OURS.problems() == []


def test_dagster_loads_it() -> None:
    assert {job.name for job in defs().jobs or ()} >= {"refresh", "sync"}


def test_regulars_bought_twice_in_a_quarter(day: Trial) -> None:
    assert day.members("regulars") == {"ada@mail.test", "bo@mail.test", "dee@mail.test"}


def test_who_did_not_agree_is_not_written_to(day: Trial) -> None:
    """Bo is a regular and takes no newsletter."""
    plan = day.plan("regulars_by_email")
    assert (plan.candidates, plan.eligible, plan.ineligible["no_consent"]) == (3, 2, 1)
