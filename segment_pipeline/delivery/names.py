"""What an audience is called where a tool takes few characters, or its name is to say nothing of its people. Knows no vendor."""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

SAFE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def digest(name: str) -> str:
    """Sixteen digits by which an audience of this name is found again."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def neutral(name: str, marker: str) -> str:
    """A name that says nothing of the people, of equal names the same one; `marker` tells an installation's from all others."""
    return f"Audience {digest(name)} ({marker})"


def spellings(name: str) -> Iterator[str]:
    """What an audience of this name may be called in small letters, digits, hyphens and underscores; of equal names the same ones.

    A name that is fit stays as it is; any other, or one that is taken, gets a slug with a digest.
    """
    if SAFE.fullmatch(name):
        yield name
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40] or "audience"
    for more in ("", *map(str, range(1, 1_000))):
        yield f"{slug}-{hashlib.sha256((name + more).encode()).hexdigest()[:12]}"
