"""Members that match nobody, for tools that make no audience without any. Knows no vendor."""

import hashlib


def hashes(count: int) -> list[str]:
    """SHA-256 of as many addresses, always the same ones; nobody can have one under `.invalid` (RFC 2606)."""
    return [hashlib.sha256(f"nobody-{n}@segment-pipeline.invalid".encode()).hexdigest() for n in range(count)]
