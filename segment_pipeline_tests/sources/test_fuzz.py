"""A few of the odd records that `make prove SUITE=fuzz` lands by the ten thousand, of each entity of each source."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as examples, strategies as st

from segment_pipeline.errors import ContractError
from segment_pipeline.settings import Settings
from segment_pipeline_tests.prove.suites.fuzz import EVERY
from segment_pipeline_tests.sources.fuzz import Breach, Subject, fuzz, landed

FEW = examples(
    max_examples=1, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
@FEW
@given(seed=st.integers(1, 2**32))
def test_an_odd_record_lands_or_is_in_quarantine_and_no_other_differs(settings: Settings, name: str, seed: int) -> None:
    with TemporaryDirectory() as folder:
        assert fuzz(EVERY[name], Path(folder), settings, seed, count=60) == 30


@pytest.mark.parametrize("name", ["shopify/customers", "amplitude/events"])
def test_too_many_malformed_records_fail_before_anything_is_replaced(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    subject = EVERY[name]
    records = [subject.written(subject.record(n)) for n in range(40)]
    before = landed(subject, tmp_path, settings, records)
    odd = [f'{{"odd": {n}}}' if n < 10 else record for n, record in enumerate(records)]
    with pytest.raises(ContractError, match="10 of 40 records are malformed"):
        landed(subject, tmp_path, settings, odd, share=0.05)
    assert landed(subject, tmp_path, settings, records).rows == before.rows


@dataclass(frozen=True)
class Meddling(Subject):
    """Of its mutated records one says that it is the next one, who touched nothing."""

    def mutated(self, record: Mapping[str, Any], dice: random.Random) -> Any:
        other = self.record(9)
        meddles = record["id"] == self.record(8)["id"]
        return json.dumps({**record, "id": other["id"]} if meddles else record)


def test_a_record_that_changes_anothers_row_is_found_among_all(settings: Settings, tmp_path: Path) -> None:
    told = EVERY["square/customers"]
    meddling = Meddling(**{each.name: getattr(told, each.name) for each in fields(Subject)})
    with pytest.raises(Breach, match=r"seed 1: (?s:.*)rows of records that nobody touched differ(?s:.*)of 1 records"):
        fuzz(meddling, tmp_path, settings, 1, count=40)
