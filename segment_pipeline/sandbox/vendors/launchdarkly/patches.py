"""What changes a LaunchDarkly segment: instructions, JSON patches and files of keys, read and refused as LaunchDarkly does."""

import csv
import io
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Refused, form, json_object

KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
MOST_OPERATIONS, MOST_TARGETS = 1_500, 15_000
TARGETS: Final = re.compile(r"(add|remove)(Included|Excluded)Targets")


class Targets(NamedTuple):
    """A standard segment's keys by side, and the one kind of context the sandbox keeps in it."""

    sides: Mapping[str, set[str]]
    kind: str


def refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(status, {"code": code, "message": message}, headers)


def wrong(message: str) -> Refused:
    return refused(400, "invalid_request", message)


def json_of(request: Request) -> dict[str, Any]:
    return json_object(request, wrong("the body is no JSON object"))


def instructed(given: Mapping[str, Any], held: Targets) -> Targets:
    """What a segment has after the instructions of a semantic patch; one that is bad fails them all."""
    sides, kind, operations = {side: set(ids) for side, ids in held.sides.items()}, held.kind, 0
    for one in given.get("instructions") or []:
        match, values = TARGETS.fullmatch(str(one.get("kind"))), one.get("values")
        if match is None or not isinstance(values, list) or not one.get("contextKind"):
            raise wrong("unknown kind of instruction, or one without contextKind and values")
        operations += len(values)
        if operations > MOST_OPERATIONS:
            raise wrong(f"no more than {MOST_OPERATIONS} target operations per request")
        kind = one["contextKind"]
        ids = sides[match[2].lower()]
        (ids.update if match[1] == "add" else ids.difference_update)(values)
    return sound(sides, kind)


def pointed(given: Mapping[str, Any], held: Targets) -> Targets:
    """What a segment has after a JSON patch: whole sides in the place of what they were."""
    sides, kind, operations = dict(held.sides), held.kind, given.get("patch")
    if not isinstance(operations, list):
        raise wrong("patch is required: a semantic patch needs a content type of its own")
    for one in operations:
        path, value = str(one.get("path")).removeprefix("/"), one.get("value")
        side = path.removesuffix("Contexts")
        if one.get("op") not in ("add", "replace") or side not in sides:
            raise wrong("the sandbox patches included and excluded whole")
        for target in value if path != side else [{"contextKind": "user", "values": value}]:
            kind, sides[side] = target["contextKind"], set(target["values"])
    return sound(sides, kind)


def sound(sides: Mapping[str, set[str]], kind: str) -> Targets:
    if sides["included"] & sides["excluded"]:
        raise wrong("a target cannot be both included and excluded")
    if sum(map(len, sides.values())) > MOST_TARGETS:
        raise wrong(f"a segment holds no more than {MOST_TARGETS} targets: use a big segment")
    return Targets(sides, kind)


def imported(request: Request) -> tuple[str, list[str]]:
    """The mode of an import, and the keys in the first column of its file."""
    given = {name: content for name, (_, content) in form(request).items()}
    mode = given.get("mode", b"").decode()
    if "file" not in given or mode not in ("merge", "replace"):
        raise wrong("an import is multipart/form-data with a file and the mode merge or replace")
    rows = csv.reader(io.StringIO(given["file"].decode("utf-8"), newline=""))
    return mode, list(dict.fromkeys(row[0] for row in rows if row))
