"""What one batch of people is to Meta: a schema, positional values, and keys to match on.

A row matches on any one of its identifying keys (e-mail, phone, own id, device); names, places and dates only come along.
"""

import hashlib
import itertools
import json
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segment_pipeline.sandbox.exchange import RowErrors
from segment_pipeline.sandbox.lists import Person, digest
from segment_pipeline.sandbox.vendors.meta.graph import refused

MAXIMUM_ROWS, MAXIMUM_SAMPLES = 10_000, 100
ALIASES = {"EMAIL_SHA256": "EMAIL", "PHONE_SHA256": "PHONE", "MOBILE_ADVERTISER_ID": "MADID"}
PLAIN = frozenset({"EXTERN_ID", "MADID", "UID", "APPUID", "LOOKALIKE_VALUE"})
HASHED = frozenset({"EMAIL", "PHONE", "GEN", "DOBY", "DOBM", "DOBD", "LN", "FN", "FI", "CT", "ST", "ZIP", "COUNTRY"})
# Limited Data Use: on or off; the country, 1 is the US; the state, for customer lists California alone. 0: Meta is to find it out.
OPTIONS: Mapping[str, tuple[Any, ...]] = {
    "DATA_PROCESSING_OPTIONS": (["LDU"], []),
    "DATA_PROCESSING_OPTIONS_COUNTRY": (0, 1),
    "DATA_PROCESSING_OPTIONS_STATE": (0, 1000),
}
IDENTIFYING = ("EMAIL", "PHONE", "EXTERN_ID", "MADID", "UID", "APPUID")
SHA256 = re.compile(r"[0-9a-f]{64}")
# Of what the guide gives all values of, their hashes.
OF_FEW: Mapping[str, frozenset[str]] = {
    name: frozenset(hashlib.sha256(value.encode()).hexdigest() for value in values)
    for name, values in {
        "GEN": ("m", "f"),
        "DOBY": map(str, range(1900, 2100)),
        "DOBM": (f"{month:02}" for month in range(1, 13)),
        "DOBD": (f"{day:02}" for day in range(1, 32)),
        "COUNTRY": map("".join, itertools.product(string.ascii_lowercase, repeat=2)),
    }.items()
}


@dataclass(slots=True)
class People:
    """A batch as read: the rows that stand, and samples (as sent) of those that do not."""

    received: int
    rows: list[Person] = field(default_factory=list)
    invalid: int = 0
    samples: list[Any] = field(default_factory=list)


def read_people(payload: Any, fault: RowErrors | None, poison: frozenset[str]) -> People:
    """Refuses (100) the whole batch when its shape is wrong, it is too large or it holds a poison value.

    A row with a value that should be a SHA-256 (64 lowercase hex digits) and is not, that is the hash of none of the few values its
    key may have, or with no value at all, is invalid: counted, sampled, and not stored under any of its keys.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("data"), list) or not payload.get("schema"):
        raise refused(100, "Invalid parameter: payload needs schema and data")
    single = isinstance(payload["schema"], str)
    schema = [ALIASES.get(name, name) for name in map(str, [payload["schema"]] if single else payload["schema"])]
    for name in schema:
        if name not in HASHED | PLAIN | set(OPTIONS):
            raise refused(100, f"Invalid parameter: the schema has no key {name}")
    data: list[Any] = payload["data"]
    if not 1 <= len(data) <= MAXIMUM_ROWS:
        raise refused(100, f"Invalid parameter: a request takes from 1 to {MAXIMUM_ROWS} rows")
    people = People(received=len(data))
    for position, sent in enumerate(data):
        values = [sent] if single and not isinstance(sent, list) else sent
        if not isinstance(values, list) or len(values) != len(schema):
            raise refused(100, "Invalid parameter: a row of data has not as many values as the schema has keys")
        if poison and not poison.isdisjoint(value for value in values if isinstance(value, str)):
            raise refused(100, "Invalid parameter")
        held = None if fault is not None and fault.picks(position) else _held(schema, values)
        if held:
            # A row is known by what identifies it, all together, so that a test can read back exactly what was sent.
            known_by = {name: value for name, value in held.items() if name in IDENTIFYING} or held
            number = digest(json.dumps(known_by, sort_keys=True))
            people.rows.append(Person(number, "", held, "", ""))
        else:
            people.invalid += 1
            people.samples += [sent] if len(people.samples) < MAXIMUM_SAMPLES else []
    return people


def _held(schema: Sequence[str], values: Sequence[Any]) -> dict[str, str] | None:
    """What a row tells, and under what limits; None: it is invalid."""
    held: dict[str, str] = {}
    limits: dict[str, str] = {}
    for name, value in zip(schema, values, strict=True):
        if value is None or value == "":
            continue
        if name in OPTIONS:
            if value not in OPTIONS[name]:
                raise refused(100, f"Invalid parameter: {name} is none of the options")
            limits[name] = json.dumps(value)
            continue
        if not isinstance(value, str | int | float) or (name in HASHED and not SHA256.fullmatch(str(value))):
            return None
        if name in OF_FEW and value not in OF_FEW[name]:
            return None
        held[name] = str(value)
    return held | limits if held else None
