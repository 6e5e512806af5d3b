"""Texts that nothing could keep, made such as everything can: half a pair of surrogates, bytes that are no UTF-8, NUL.

What cannot be kept becomes the replacement character, in its own place; all else stays as it was.
"""

import re
from typing import Final

NUL: Final = "\0"
REPLACEMENT: Final = "\ufffd"
_HALF: Final = re.compile("[\x00\ud800-\udfff]")
# Pairs first, so that their halves are none; any other escape last, so that a backslash that is escaped begins none.
_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<odd>\\u(?:[dD][89a-fA-F][0-9a-fA-F]{2}|0000))|\\.",
    re.DOTALL,
)
# JSON has them as escapes; line ends and tabs stand between values.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def plain(text: str) -> str:
    """A text without what is no Unicode, and without NUL, which databases refuse."""
    return _HALF.sub(REPLACEMENT, text)


def storable(text: str) -> str:
    """A text Arrow takes: what is no Unicode in it is NUL, which is replaced, and counted, where it is written."""
    return _HALF.sub(NUL, text)


def json_text(content: bytes) -> str:
    """JSON as received, as text whose strings can be kept."""
    text = _CONTROLS.sub(REPLACEMENT, content.decode(errors="replace"))
    return _ESCAPES.sub(lambda escape: "\\ufffd" if escape["odd"] else escape[0], text)
