"""Time zones by one set of rules, the engine's, so that Python's days begin when SQL's do.

The system's zone data, Python's `tzdata` and the engine's are three releases of one database, whose rules change several times
a year: a record pulled by the one and stored by the other would be of two days, or of none. `check` says where they differ.
"""

import io
import struct
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# The years 1880 to 2100, in seconds since 1970; before and after them a zone stays as it is there.
FIRST, LAST = -90 * 365 * 86400, 130 * 366 * 86400
# Each day is asked for; then of a day within which the distance from UTC changes each hour, and so on.
_STEPS: Final = (86400, 3600, 60, 1)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name as the engine knows it. Raises ZoneInfoNotFoundError for a name it does not know."""
    if name not in names():
        raise ZoneInfoNotFoundError(f"no time zone {name}")
    return ZoneInfo.from_file(io.BytesIO(_tzif(_offsets(name))), key=name)


@cache
def names() -> frozenset[str]:
    """The time zones the engine knows, by their names."""
    # Imported late: whoever asks for no day needs no engine.
    import duckdb

    with duckdb.connect() as connection:
        return frozenset(row[0] for row in connection.execute("SELECT name FROM pg_timezone_names()").fetchall())


def _offsets(name: str) -> list[tuple[int, int]]:
    """From when on (seconds since 1970) the zone is how many seconds ahead of UTC; the first holds before it too."""
    import duckdb

    ahead = "CAST(epoch(timezone($zone, to_timestamp(t))) AS BIGINT) - t"
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        [(before,)] = connection.execute(f"SELECT {ahead} FROM (SELECT $t AS t)", {"zone": name, "t": FIRST}).fetchall()
        changes = [(FIRST, LAST, before)]
        for step in _STEPS:
            asked = {
                "zone": name,
                "firsts": [one[0] for one in changes],
                "lasts": [one[1] for one in changes],
                "step": step,
            }
            changes = connection.execute(
                f"SELECT earlier, t, ahead FROM (SELECT t, ahead, lag(t) OVER span AS earlier, lag(ahead) OVER span AS was"
                f" FROM (SELECT first, t, {ahead} AS ahead FROM (SELECT first, unnest(range(first, last + 1, $step)) AS t"
                " FROM (SELECT unnest($firsts) AS first, unnest($lasts) AS last)))"
                " WINDOW span AS (PARTITION BY first ORDER BY t)) WHERE ahead <> was ORDER BY t",
                asked,
            ).fetchall()
    return [(FIRST, before), *((at, found) for _, at, found in changes)]


def _tzif(offsets: list[tuple[int, int]]) -> bytes:
    """Offsets in the form of RFC 8536, which Python's zones are read from."""
    kinds = list(dict.fromkeys(ahead for _, ahead in offsets))
    changes = offsets[1:]
    body = b"".join(struct.pack(">q", at) for at, _ in changes)
    body += bytes(kinds.index(ahead) for _, ahead in changes)
    body += b"".join(struct.pack(">lbb", ahead, 0, 0) for ahead in kinds) + b"-\0"
    header = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, len(changes), len(kinds), 2)
    return struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, 1) + bytes(7) + header + body + b"\n\n"
