"""What somebody meant who wrote a name nobody declares."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(name: object, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: the one that was meant; empty where none is like it."""
    by_case = {each.casefold(): each for each in known}
    close = get_close_matches(str(name).strip().casefold(), list(by_case), n=1)
    return f": did you mean {by_case[close[0]]}?" if close else ""


def one_of(name: object, known: Iterable[str]) -> str:
    """The same, where there are few: all of them where none is like it."""
    known = list(known)
    return meant(name, known) or f": write one of {', '.join(known)}"
