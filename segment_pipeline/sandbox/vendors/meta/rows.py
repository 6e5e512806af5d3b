"""What one batch of people is to Meta: a schema, positional values, and keys to match on.

A row matches on any one of its identifying keys (e-mail, phone, own id, device); names, places and dates only come along.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from segment_pipeline.sandbox.exchange import RowErrors
from segment_pipeline.sandbox.vendors.meta.graph import GraphError

MAXIMUM_ROWS = 10_000
MAXIMUM_SAMPLES = 100
ALIASES = {"EMAIL_SHA256": "EMAIL", "PHONE_SHA256": "PHONE", "MOBILE_ADVERTISER_ID": "MADID"}
PLAIN = frozenset({"EXTERN_ID", "MADID", "UID", "APPUID", "LOOKALIKE_VALUE"})
HASHED = frozenset({"EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "COUNTRY"})
OPTIONS = frozenset({"DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE"})
IDENTIFYING = frozenset({"EMAIL", "PHONE", "EXTERN_ID", "MADID", "UID", "APPUID"})
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Person:
    """One row. `row` is a number made of all its keys, `held` are these as JSON, `keys` a number for each identifying one."""

    row: int
    held: str
    keys: tuple[int, ...]
    options: str | None


@dataclass(slots=True)
class People:
    """A batch as read: the rows that stand, and samples (as sent) of those that do not."""

    received: int
    rows: list[Person] = field(default_factory=list)
    invalid: int = 0
    samples: list[Any] = field(default_factory=list)


def read_people(payload: Any, fault: RowErrors | None, poison: frozenset[str]) -> People:
    """Raises GraphError 100 for the whole batch when its shape is wrong, it is too large or it holds a poison value.

    A row with a value that should be a SHA-256 (64 lowercase hex digits) and is not, or with no value at all, is invalid:
    counted, sampled, and not stored under any of its keys.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), list) or not payload.get("schema"):
        raise GraphError(100, "Invalid parameter: payload needs schema and data")
    schema, single = _schema(payload["schema"])
    data: list[Any] = payload["data"]
    if not data:
        raise GraphError(100, "Invalid parameter: payload has no data")
    if len(data) > MAXIMUM_ROWS:
        raise GraphError(100, f"Invalid parameter: a request takes at most {MAXIMUM_ROWS} rows")
    people = People(received=len(data))
    for position, sent in enumerate(data):
        values = _values(schema, sent, single=single)
        if poison and not poison.isdisjoint(value for value in values if isinstance(value, str)):
            raise GraphError(100, "Invalid parameter")
        person = None if fault is not None and fault.picks(position) else _person(schema, values)
        if person is not None:
            people.rows.append(person)
        else:
            people.invalid += 1
            if len(people.samples) < MAXIMUM_SAMPLES:
                people.samples.append(sent)
    return people


def _schema(given: Any) -> tuple[list[str], bool]:
    single = isinstance(given, str)
    names = [given] if single else list(given)
    schema = [ALIASES.get(str(name), str(name)) for name in names]
    unknown = [name for name in schema if name not in HASHED | PLAIN | OPTIONS]
    if unknown:
        raise GraphError(100, f"Invalid parameter: the schema has no key {unknown[0]}")
    return schema, single


def _values(schema: Sequence[str], sent: Any, *, single: bool) -> Sequence[Any]:
    values = [sent] if single and not isinstance(sent, list) else sent
    if not isinstance(values, list) or len(values) != len(schema):
        raise GraphError(100, "Invalid parameter: a row of data has not as many values as the schema has keys")
    return values


def _person(schema: Sequence[str], values: Sequence[Any]) -> Person | None:
    held: dict[str, str] = {}
    options: dict[str, Any] = {}
    for name, value in zip(schema, values, strict=True):
        if name in OPTIONS:
            options[name] = value
        elif value is None or value == "":
            continue
        elif not isinstance(value, str | int | float) or (name in HASHED and not SHA256.fullmatch(str(value))):
            return None
        else:
            held[name] = str(value)
    if not held:
        return None
    keys = tuple(_number(f"{name}:{value}") for name, value in held.items() if name in IDENTIFYING)
    text = json.dumps(held, sort_keys=True)
    return Person(_number(text), text, keys, json.dumps(options) if options else None)


def _number(text: str) -> int:
    """63 bits of a digest: short keys keep the trees of a large audience small."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1
