"""Sessions of a run: which facts they copy, so that files are opened once."""

from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts import runs
from segment_pipeline_tests.profiles.literal_rows import jan, line
from segment_pipeline_tests.profiles.snapshots import Put


@pytest.mark.parametrize(("few", "several", "opened"), [(1, False, 1), (0, False, 2), (0, True, 1)])
def test_a_run_copies_facts_for_several_days_and_few_of_them_for_one(
    lake: Lake, put: Put, monkeypatch: pytest.MonkeyPatch, few: int, several: bool, opened: int
) -> None:
    put("order_lines", [line("shop", "O", "1", jan(2), "5")])
    monkeypatch.setattr(runs, "FEW", few)
    with runs.days_of(lake, several=several) as run:
        session, scanned = run.day(), list[str]()
        scan = session.connection.scan

        def noted(name: str, *given: Any, **named: Any) -> None:
            scanned.append(name)
            scan(name, *given, **named)

        monkeypatch.setattr(session.connection, "scan", noted)
        for _ in range(2):
            session.scan("order_lines")
            assert session.value("SELECT sum(net) FROM order_lines") == 5
        assert len(scanned) == opened
        assert "order_lines" in session.pins
