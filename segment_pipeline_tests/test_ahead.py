"""Work one thing ahead: in order, never more than two at once, and no error lost on either side."""

import threading
from collections.abc import Iterator

import pytest

from segment_pipeline.ahead import ahead


def test_things_come_in_their_order_and_two_at_most_are_held() -> None:
    held: set[int] = set()
    most = 0

    def made() -> Iterator[int]:
        nonlocal most
        for number in range(20):
            held.add(number)
            most = max(most, len(held))
            yield number

    def worked(number: int) -> str:
        held.discard(number)
        return str(number)

    assert list(ahead(worked, made())) == [str(number) for number in range(20)]
    assert most <= 2
    assert list(ahead(worked, [])) == []


def test_the_next_is_made_while_one_is_worked_on() -> None:
    asked = threading.Event()

    def made() -> Iterator[int]:
        yield 1
        asked.set()
        yield 2

    assert list(ahead(lambda number: asked.wait(5) and number, made())) == [1, 2]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_of_either_side_is_raised(at: int) -> None:
    def made() -> Iterator[int]:
        yield from range(at)
        raise LookupError

    def worked(number: int) -> int:
        if number == at:
            raise KeyError
        return number

    with pytest.raises(LookupError):
        list(ahead(str, made()))
    with pytest.raises(KeyError):
        list(ahead(worked, range(3)))
