"""What is known of a suite's cases so far, in a file that outlives the process: a run that was interrupted goes on.

What was found with other code counts for nothing: the file then begins anew.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import segment_pipeline
import segment_pipeline_tests

PACKAGES = (segment_pipeline, segment_pipeline_tests)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tried`: units of the case. `failure`: the last of what it said; None: the property held."""

    case: int | str
    tried: int
    seconds: float
    failure: str | None = None


class Progress:
    def __init__(self, path: Path, code: str) -> None:
        self.path, self.code = path, code
        self.outcomes: dict[int | str, Outcome] = {}

    @classmethod
    def open(cls, path: Path, *, anew: bool = False) -> Self:
        """The progress in a file, or none where there is no file, or where it was made with other code."""
        progress = cls(path, code_digest())
        said = [] if anew or not path.exists() else list(_whole_lines(path))
        if said[:1] == [{"code": progress.code}]:
            progress.outcomes = {line["case"]: Outcome(**line) for line in said[1:]}
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"code": progress.code}) + "\n", encoding="utf-8")
        return progress

    def add(self, outcome: Outcome) -> None:
        self.outcomes[outcome.case] = outcome
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that were written to their end: a process may die within its last one."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


@cache
def code_digest() -> str:
    """A digest of all code and data files of the package and its tests."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        [root] = map(Path, package.__path__)
        for path in sorted(each for each in root.rglob("*") if each.is_file() and "__pycache__" not in each.parts):
            digest.update(f"{path.relative_to(root.parent)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
