"""JSON objects, one a line, as rows: flattened, and under names that columns can have.

A line that is no row is refused with its reason; which names are columns is known once every line was seen.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from pathlib import Path
from typing import Any

from segment_pipeline.errors import ContractError
from segment_pipeline.landing import columns
from segment_pipeline.sources.files.lines import ODD, UNREADABLE, Refused, lines

NO_OBJECT, TWICE = "no JSON object", "a name is there twice"


def rows(file: Path, encoding: str, refused: Refused) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Each line that is an object, and its values by name."""
    for line in lines(file, encoding, 0):
        if not line.strip():
            continue
        if ODD in line:
            refused.add(line, UNREADABLE)
            continue
        try:
            # Numbers as they are written: a float would change long ones.
            found = json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object)
            if not isinstance(found, dict):
                raise ValueError(NO_OBJECT)  # noqa: TRY004 - as json says it of a line
            row = _object(list(_flat(found, "")))
            # Half of a pair of surrogates is no text that anything could keep.
            "".join(text for pair in row.items() for text in pair if text).encode()
        except _Twice:
            refused.add(line, TWICE)
        except UnicodeEncodeError:
            refused.add(line.encode(errors="replace").decode(), "a text that is no Unicode")
        except (ValueError, RecursionError):
            refused.add(line, NO_OBJECT)
        else:
            yield line, row


def spelled(objects: Iterable[AbstractSet[str]]) -> list[str]:
    """The names that columns are called by: of those that differ in case alone, what most objects write.

    Raises ContractError where as many write the one as the other.
    """
    counted, first, usual = Counter[str](), dict[str, str](), set[str]()
    for row in objects:
        if not row <= usual:
            if _alike(row):
                continue
            # An object with two that are alike has one that is not its first spelling.
            usual |= {name for name in row if first.setdefault(name.lower(), name) == name}
        counted.update(row)
    alike: dict[str, list[str]] = {}
    for name in filter(columns.usable, counted):
        alike.setdefault(name.lower(), []).append(name)
    for names in alike.values():
        names.sort(key=lambda name: -counted[name])
        if len(names) > 1 and counted[names[0]] == counted[names[1]]:
            raise ContractError(
                f"its objects have {names[0]} and {names[1]}, which differ in case alone: make them one name"
            )
    return [names[0] for names in alike.values()]


def misnamed(row: Mapping[str, Any]) -> str:
    """Why an object has a name that is no column's."""
    if not all(columns.usable(name) for name in row):
        return "a name that no column can have"
    return TWICE if _alike(row) else "a name that others write in another case"


class _Twice(ValueError):
    """An object has a name twice; which value counts nobody knows."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | None]]:
    for name, held in value.items():
        match held:
            case dict() if held:
                yield from _flat(held, f"{prefix}{name}.")
            case dict() | list():
                yield prefix + name, json.dumps(held, ensure_ascii=False)
            case bool():
                yield prefix + name, "true" if held else "false"
            case _:
                yield prefix + name, held


def _alike(names: Collection[str]) -> bool:
    return len({name.lower() for name in names}) < len(names)
