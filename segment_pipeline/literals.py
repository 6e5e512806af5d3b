"""The literals of a catalogue: where each is written, and a sentence for what cannot stand in it, before anything stumbles over it."""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from segment_pipeline.errors import ConfigError

# Whether a value can stand there, and what to write instead of one that cannot.
Kind = tuple[Callable[[Any], bool], str]

TEXT: Final[Kind] = (lambda value: isinstance(value, str), "text")
TEXTS: Final[Kind] = (
    lambda value: _is_list(value) and all(isinstance(each, str) for each in value),
    'texts in parentheses, ("one", "other")',
)
WHOLE: Final[Kind] = (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number")
NUMBER: Final[Kind] = (lambda value: isinstance(value, float) or WHOLE[0](value), "a number")
YES_OR_NO: Final[Kind] = (lambda value: isinstance(value, bool), "True or False")


def by_name(kind: Kind, wanted: str) -> Kind:
    """Any number of them, each under a text."""
    fits, _ = kind
    return (
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(name, str) and fits(each) for name, each in value.items())
        ),
        wanted,
    )


TEXTS_BY_NAME: Final[Kind] = by_name(TEXT, 'texts by name, {"seats": "BIGINT"}')


def made_of(kind: type) -> Kind:
    """One literal of a kind."""
    return (lambda value: isinstance(value, kind)), f"{kind.__name__}(…)"


def or_none(kind: Kind) -> Kind:
    """The same, or nothing at all."""
    fits, wanted = kind
    return (lambda value: value is None or fits(value)), wanted


def listed(kind: type, of: str) -> Kind:
    """Any number of them; a single one in parentheses has a comma behind it."""
    return (
        lambda value: _is_list(value) and all(isinstance(each, kind) for each in value),
        f"each {with_article(kind)}(…), in a list: {of}=[{kind.__name__}(…)]",
    )


def with_article(kind: type) -> str:
    """What a kind of value is called in a sentence: an int, a str."""
    return f"{'an' if kind.__name__[0] in 'aeiouAEIO' else 'a'} {kind.__name__}"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def expect(place: str, what: str, **fields: tuple[object, Kind]) -> None:
    """Raise ConfigError, with the place of the literal, for the first of its fields that holds what cannot stand there."""
    for name, (value, (fits, wanted)) in fields.items():
        if not fits(value):
            raise ConfigError(f"{place}: {what} has {name}={_shown(value, fits)}: write {wanted}")


def _shown(value: object, fits: Callable[[Any], bool]) -> str:
    """A value cut short; of a list, the first in it that cannot stand there."""
    if isinstance(value, list | tuple) and fits(()):
        odd = next((each for each in value if not fits((each,))), value)
        return f"[{_shown(odd, fits)}]" if odd is not value else _called(value)
    return _called(value)


def _called(value: object) -> str:
    return f"{type(value).__name__}(…)" if is_ours(value) else short(value)


def is_ours(value: object) -> bool:
    """Of a class of this package."""
    return type(value).__module__.startswith(__name__.partition(".")[0])


def short(value: object) -> str:
    """A value as somebody may have written it, cut short."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def repeated(literals: Sequence[Any], what: str, instead: str) -> Iterator[str]:
    """A sentence for each name that several of them have, with the place of the last."""
    places = {each.name: each.place for each in literals}
    for name, number in Counter(each.name for each in literals).items():
        if number > 1:
            yield f"{places[name]}: {what} {name} is declared {number} times: {instead}"


def written() -> str:
    """File and line of the literal that is being made: of the nearest caller outside the module that declares its kind."""
    frame = sys._getframe(1)  # noqa: SLF001
    own = {__file__, frame.f_code.co_filename, "<string>", dataclasses.__file__}
    while frame.f_back is not None and frame.f_code.co_filename in own:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
