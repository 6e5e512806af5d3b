"""Five hundred random people: the company's traits, shares and segments are what a plain reading of the vendors' answers says."""

from pathlib import Path

from segment_pipeline_tests.money.agreement import agree


def test_five_hundred_people_are_what_the_vendors_answers_say_to_the_cent(tmp_path: Path) -> None:
    assert agree(tmp_path, seed=1, people=500) > 300
