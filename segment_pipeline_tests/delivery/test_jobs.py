"""Jobs of a vendor: how often they are asked for, and when that ends."""

from collections.abc import Iterator

import pytest

from segment_pipeline import clock
from segment_pipeline.delivery import jobs
from segment_pipeline.delivery.destination import JobLost
from segment_pipeline.errors import ContractError, TransientError


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds waited so far, one by one; the clock goes on with them."""
    waited: list[float] = []
    monkeypatch.setattr(clock, "sleep", waited.append)
    monkeypatch.setattr(clock, "monotonic", lambda: sum(waited))
    return waited


@pytest.mark.parametrize("seconds", [1800.0, 4 * 3600.0])
def test_a_job_that_never_ends_is_given_up_when_its_time_is_over(slept: list[float], seconds: float) -> None:
    """Asked soon and often at first, seldom after a while: many jobs share one limit of requests."""
    with pytest.raises(ContractError, match="the tool did not finish a job in time"):
        jobs.ended(lambda: None, seconds, of="the tool")
    assert seconds < sum(slept) <= seconds * (1 + 1 / 60)
    assert (slept[0], slept[-1]) == (seconds / 9000, seconds / 60)
    assert sorted(slept) == slept
    assert len(slept) < 75


def test_a_job_is_asked_for_until_it_tells_something(slept: list[float]) -> None:
    told = iter([None, None, "done", "never asked"])
    assert jobs.ended(lambda: next(told), 1800.0, of="the tool") == "done"
    assert len(slept) == 3


def test_a_question_that_fails_is_asked_again_and_a_job_that_is_lost_is_not(slept: list[float]) -> None:
    """A limit of requests, or a quarter of a minute without the vendor, costs nobody the hour a job has taken already."""
    busy, broken, lost = TransientError("busy"), TransientError("broken", sent=True), JobLost("lost")
    told: Iterator[str | TransientError] = iter([busy, broken, "done", lost])

    def ask() -> str:
        if isinstance(now := next(told), TransientError):
            raise now
        return now

    assert jobs.ended(ask, 1800.0, of="the tool") == "done"
    with pytest.raises(JobLost):
        jobs.ended(ask, 1800.0, of="the tool")
