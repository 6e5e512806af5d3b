"""Everything of the demo world that may be in no log, and where in files it is found all the same."""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segment_pipeline.sandbox import registry

EMAIL = re.compile(rb"[a-z0-9._+-]+(?:@|%40|\\u0040)[a-z0-9-]+(?:\.[a-z0-9-]+)+")
DIGITS = re.compile(rb"\d{10,}")
STREETS = ("address_line_1", "address1")
NAMES = (("given_name", "family_name"), ("firstName", "lastName"))


class People:
    """The e-mails, phones, names and streets of everybody in a world, and the secrets of its vendors."""

    def __init__(self, home: Path) -> None:
        self.emails: set[bytes] = set()
        self.phones: set[bytes] = set()
        texts = {secret for name in registry.NAMES for secret in registry.vendor_of(name).secrets.values()}
        with closing(sqlite3.connect(home / "sandbox" / "world.sqlite")) as store:
            for (body,) in store.execute("SELECT body FROM versions WHERE body IS NOT NULL AND entity <> 'locations'"):
                self.emails.update(EMAIL.findall(body.lower().encode()))
                if '"phone' in body or "Name" in body or "_name" in body:
                    texts.update(self._texts(json.loads(body)))
        self.texts = {form for text in texts for form in _forms(text)}

    def _texts(self, value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for each in value:
                yield from self._texts(each)
        if not isinstance(value, dict):
            return
        for first, last in NAMES:
            if value.get(first) and value.get(last):
                yield f"{value[first]} {value[last]}"
        for name, each in value.items():
            if name in STREETS and each:
                yield str(each)
            if "phone" in name and isinstance(each, str):
                yield each
                digits = re.sub(r"\D", "", each)
                if len(digits) >= 10:
                    self.phones |= {digits.encode(), digits[-10:].encode(), b"1" + digits[-10:].encode()}
            yield from self._texts(each)

    def found(self, content: bytes) -> list[str]:
        """Whatever of it is in some bytes."""
        lower = content.lower()
        emails = {hit.replace(b"%40", b"@").replace(b"\\u0040", b"@") for hit in EMAIL.findall(lower)} & self.emails
        phones = set(DIGITS.findall(content)) & self.phones
        return sorted(hit.decode() for hit in (*emails, *phones, *(text for text in self.texts if text in content)))


def _forms(text: str) -> Iterable[bytes]:
    return {text.encode(), json.dumps(text)[1:-1].encode(), quote(text).encode()}


def leaks(people: People, files: Iterable[Path]) -> dict[str, list[str]]:
    """By file: what was found in it."""
    found = {str(path): people.found(path.read_bytes()) for path in files if path.is_file()}
    return {path: hits for path, hits in found.items() if hits}
