"""How a segment takes its fields: each by its type, and what does not fit becomes a sentence instead of an exception."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final

from segment_pipeline.algebra.arguments import is_day, is_text, is_whole, shown
from segment_pipeline.algebra.parts import Mistake, Rule
from segment_pipeline.algebra.spelling import meant

DEFAULT_MINIMUM_SIZE: Final = 20


class Judged(type):
    """Makes a segment whatever is wrong with its fields: they are empty then, and its `mistakes` say so."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        declared = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
        mistakes = {}
        if len(args) > len(declared):
            mistakes[""] = f"has {len(args)} values without a name: at most {len(declared)}"
        given = dict(zip(declared, args, strict=False)) | {k: v for k, v in kwargs.items() if k in declared}
        for name in kwargs.keys() - declared.keys():
            mistakes[name] = f"writes Segment({name}=…), which a segment does not have{meant(name, declared)}"
        for name, (fits, empty, wanted) in _FIELDS.items():
            if name not in given and declared[name].default is MISSING and declared[name].default_factory is MISSING:
                mistakes[name] = f"has no {name}"
                given[name] = empty
            elif name in given and not fits(given[name]):
                mistakes[name] = f"has the {name} {shown(given[name])}: {name} takes {wanted}"
                given[name] = empty
        made = super().__call__(**given)
        object.__setattr__(made, "mistakes", mistakes)
        return made


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# Holds for nobody; that there is no rule was said.
_NOWHERE = Mistake("", "")
# Of each field: when it is met, what it is where it is not, and what to write.
_FIELDS: Mapping[str, tuple[Callable[[Any], bool], Any, str]] = {
    "name": (_is_text, "", "text"),
    "owner": (_is_text, "", "text"),
    "goal": (_is_text, "", "text"),
    "description": (_is_text, "", "text"),
    "where": (lambda value: isinstance(value, Rule), _NOWHERE, "a rule"),
    "review_on": (lambda value: value is None or is_day(value), None, "a date, date(2027, 1, 31)"),
    "minimum_size": (is_whole, DEFAULT_MINIMUM_SIZE, "a whole number"),
    "persona": (lambda value: isinstance(value, bool), False, "True or False"),
    "message": (
        lambda value: isinstance(value, Mapping) and all(is_text(key) and _is_text(v) for key, v in value.items()),
        {},
        'texts by name, {"template": "welcome"}',
    ),
}
