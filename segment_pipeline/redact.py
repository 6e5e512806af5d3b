"""What may be said of a request in an error or a log: never its query, its body, a token or a person's value.

Holds pure text functions only; it must not know any vendor.
"""

import logging
import re
from urllib.parse import urlsplit

MASK = "***"

_VALUE = re.compile(
    r"""(?ix)
      "[^"]*" | '[^']*' | “[^”]*”                    # vendors quote the offending value
    | \S+@\S+ | \S+%40\S+                            # e-mail addresses, also percent-encoded
    | \b(?:bearer|basic|[a-z0-9-]+-api-key)\s+\S+   # credentials
    | \b[a-z0-9_-]*(?:token|secret|key|proof)=\S+
    | \b(?=[a-z0-9_-]*[0-9])[a-z0-9_-]{20,}\b        # hashes, tokens, opaque keys
    | \+?\d[\d\s().-]{5,}\d                          # phone numbers and long ids
    """
)
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_CONSTANT = re.compile(r"[A-Z]+[0-9]{0,3}(?:_[A-Z]+[0-9]{0,3})+")  # INVALID_SHA256_FORMAT


def text(message: str, limit: int = 200) -> str:
    """A vendor's words with everything that may be a value masked: quoted text, addresses, numbers of 7+ digits, tokens."""
    return _VALUE.sub(MASK, " ".join(message.split()))[:limit]


def code(value: object) -> str:
    """A vendor's machine-readable code as it stands, or `unknown` when it is anything but a short plain word."""
    word = str(value)
    plain = _CODE.fullmatch(word) and (_CONSTANT.fullmatch(word) or _VALUE.search(word) is None)
    return word if plain else "unknown"


def location(url: str) -> str:
    """The path of a URL without query, fragment or user name, parts that look like values masked."""
    return "/".join(_VALUE.sub(MASK, part) for part in urlsplit(url).path.split("/")) or "/"


class QuietTransport(logging.Filter):
    """Drops urllib3's debug lines: they print paths with their query, which can hold addresses and tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING
