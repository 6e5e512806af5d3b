"""JSON as a message of Google's: which fields there are, of which kinds, and what Google cannot read.

Names come in camelCase or as in the proto, enums by name or number, numbers of 64 bits as text or number; null is absence.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.vendors.google.rpc import status

Document = dict[str, Any]
Unreadable = list[tuple[str, str]]
SYSTEM = ("$alt", "alt", "fields", "key", "prettyPrint", "quotaUser")
TYPES = "type.googleapis.com/google.ads.datamanager.v1."


@dataclass(frozen=True)
class Scalar:
    """A value by itself; `read` raises ValueError or TypeError."""

    label: str
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class Enum:
    """The names of an enum by their numbers; unspecified reads as an empty text."""

    label: str
    names: tuple[str, ...]

    def read(self, sent: Any) -> str:
        found = self.names[sent] if type(sent) is int and 0 <= sent < len(self.names) else sent
        if found not in self.names:
            raise ValueError(sent)
        return "" if found == self.names[0] else str(found)


@dataclass(frozen=True)
class Message:
    """Fields by name, a list of one kind where they are repeated; at most one field of `choice` may be there."""

    label: str
    fields: Mapping[str, "Kind"]
    choice: tuple[str, ...] = ()

    def own(self, name: str) -> str | None:
        """The field that is meant, in camelCase."""
        return name if name in self.fields else {snake(one): one for one in self.fields}.get(name)


Kind = Scalar | Enum | Message | list[Any]


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)


def read(kind: Message, sent: Any) -> Document:
    """Refuses (400) with every field that cannot be read."""
    wrong: Unreadable = []
    found: Document = _read(kind, sent, "", wrong)
    if wrong:
        violations = [{"field": field, "description": said} for field, said in wrong]
        bad = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
        raise status(400, "\n".join(said for _, said in wrong), bad)
    return found


def body(kind: Message, request: Request) -> Document:
    try:
        return read(kind, json_body(request) or {})
    except ValueError:
        raise status(400, "Invalid JSON payload received. Unexpected token.") from None


def query(kind: Message, request: Request) -> Document:
    sent: Document = {name: value for name, value in request.query_params.items() if name not in SYSTEM}
    for name in set(sent) & {"validateOnly", "validate_only"}:
        sent[name] = {"true": True, "false": False}.get(sent[name])
    return read(kind, sent)


def _read(kind: Kind, sent: Any, path: str, wrong: Unreadable) -> Any:
    if isinstance(kind, Message):
        return _message(kind, sent, path, wrong)
    if isinstance(kind, list):
        if isinstance(sent, list):
            return [_read(kind[0], each, f"{path}[{place}]", wrong) for place, each in enumerate(sent)]
        wrong.append((path, f"Invalid value at '{path}': a repeated field must be a list"))
        return None
    try:
        return kind.read(sent)
    except (ValueError, TypeError):
        wrong.append((path, f"Invalid value at '{path}' ({kind.label})"))
        return None


def _message(kind: Message, sent: Any, path: str, wrong: Unreadable) -> Document:
    if not isinstance(sent, dict):
        wrong.append((path, f"Invalid value at '{path}' ({TYPES}{kind.label})"))
        return {}
    found: Document = {}
    for name, value in sent.items():
        if (own := kind.own(name)) is None:
            where = f" at '{path}'" if path else ""
            wrong.append((path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'))
        elif value is not None:
            if own in kind.choice and any(one in found for one in kind.choice):
                taken = f"Invalid value at '{path}' (oneof), oneof field is already set. Cannot set '{own}'"
                wrong.append((path, taken))
            found[own] = _read(kind.fields[own], value, f"{path}.{snake(own)}".lstrip("."), wrong)
    return {name: found[name] for name in kind.fields if name in found}


def _of(*kinds: type) -> Callable[[Any], Any]:
    def read(sent: Any) -> Any:
        if type(sent) not in kinds:
            raise TypeError
        return sent

    return read


def _whole(sent: Any) -> int:
    if type(sent) is not int and not (isinstance(sent, str) and re.fullmatch(r"-?\d+", sent)):
        raise TypeError
    return int(sent)


def _instant(sent: Any) -> datetime:
    """To the microsecond; a proto holds nanoseconds."""
    digits = re.sub(r"(\.\d{6})\d{1,3}", r"\1", sent)
    instant = datetime.fromisoformat(digits)
    if instant.tzinfo is None or "T" not in sent:
        raise ValueError(sent)
    return instant


def _duration(sent: Any) -> timedelta:
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,9})?s", sent):
        raise ValueError(sent)
    return timedelta(seconds=float(sent[:-1]))


TEXT, FLAG = Scalar("TYPE_STRING", _of(str)), Scalar("TYPE_BOOL", _of(bool))
INT64, INT32 = Scalar("TYPE_INT64", _whole), Scalar("TYPE_INT32", _whole)
INSTANT = Scalar("type.googleapis.com/google.protobuf.Timestamp", _instant)
DURATION = Scalar("type.googleapis.com/google.protobuf.Duration", _duration)
# What only Google's partners send, or who encrypts: seen, and then refused as a whole.
OPAQUE = Scalar("an object", _of(dict))
