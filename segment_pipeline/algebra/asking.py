"""The words for what an activity's field is asked, beside the names it may have."""

from typing import Any

from segment_pipeline.algebra.arguments import Number, word
from segment_pipeline.algebra.parts import Asked, Mistake


def _wrong(mistake: Mistake) -> Any:
    # What takes the answer says it.
    return mistake


@word(_wrong)
def at_least(number: Number) -> Asked:
    return Asked(">=", (number,))


@word(_wrong)
def at_most(number: Number) -> Asked:
    return Asked("<=", (number,))


@word(_wrong)
def between(low: Number, high: Number) -> Asked:
    """From one number to another, both included."""
    return Asked("between", (low, high))


@word(_wrong)
def starts(text: str) -> Asked:
    """The text begins so, in capitals or not."""
    return Asked("starts", (text,))


@word(_wrong)
def ends(text: str) -> Asked:
    """The text ends so, in capitals or not."""
    return Asked("ends", (text,))


@word(_wrong)
def has(text: str) -> Asked:
    """The text has it somewhere, in capitals or not."""
    return Asked("has", (text,))


@word(_wrong)
def any_item(*values: str) -> Asked:
    """The list has one of them."""
    return Asked("any", values)


@word(_wrong)
def all_items(*values: str) -> Asked:
    """The list has each of them."""
    return Asked("all", values)


@word(_wrong)
def no_item(*values: str) -> Asked:
    """The list is known and has none of them."""
    return Asked("none", values)
