"""What is uploaded to Meta: rows as positional values, sessions of one batch and of a whole replacement, and what an answer
says about the rows. Sends nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from segment_pipeline import clock
from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, IdentifierRule

# Meta's name of each column.
KEYS: Final = {"email": "EMAIL", "phone": "PHONE", "external_id": "EXTERN_ID"}
EXTERN_ID: Final = IdentifierRule("external_id", "external_id", "external_id/plain/1")
ALONG: Final = (
    IdentifierRule("FN", "first_name", "name/letters-sha256/1"),
    IdentifierRule("LN", "last_name", "name/letters-sha256/1"),
    IdentifierRule("FI", "first_name", "name/initial-sha256/1"),
    IdentifierRule("CT", "city", "city/latin-sha256/1"),
    IdentifierRule("ST", "state", "state/latin-sha256/1"),
    IdentifierRule("ZIP", "postcode", "postcode/short-sha256/1"),
    IdentifierRule("COUNTRY", "country", "country/letters-sha256/1"),
    IdentifierRule("DOBY", "birth_date", "birth_date/year-sha256/1"),
    IdentifierRule("DOBM", "birth_day", "birth_day/month-sha256/1"),
    IdentifierRule("DOBD", "birth_day", "birth_day/day-sha256/1"),
    IdentifierRule("GEN", "gender", "gender/letter-sha256/1"),
)
# Where somebody is, for the limits on the use of their data; what is sent of it, by state. Of customer lists Meta offers them for
# California alone. Nobody's state: 0, and Meta finds it out.
STATE: Final = IdentifierRule("state", "state", "state/iso/1")
OPTIONS: Final = ("DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE")
_LIMITED: Final = {"US-CA": '["LDU"],1,1000', "US": '["LDU"],0,0', "ZZ": '["LDU"],0,0'}
_UNLIMITED: Final = "[],0,0"
_INVALID: Final = "invalid_entry"


@dataclass(slots=True)
class Replacement:
    """A session that takes an audience's place with its last batch; a new one each time.

    `received`, `invalid`: rows so far, by our count and by Meta's. `unnamed`: rows Meta called invalid and did not name.
    """

    audience: str
    rows: int
    id: int = field(default_factory=lambda: int(clock.now().timestamp() * 1_000_000))
    sequence: int = 0
    received: int = 0
    invalid: int = 0
    unnamed: int = 0

    def told(self, *, last: bool) -> dict[str, Any]:
        told = {"session_id": self.id, "batch_seq": self.sequence, "last_batch_flag": last}
        return told | {"estimated_num_total": self.rows}

    def named(self, samples: str, invalid: int, rows: pa.Table) -> dict[str, str]:
        """Key → reason of a batch's rows that Meta called invalid and named, of so many in the session so far."""
        fresh = min(max(0, invalid - self.invalid), rows.num_rows)
        self.invalid = max(invalid, self.invalid)
        keys = rows.column("key").to_pylist()
        found = dict.fromkeys(keys, _INVALID) if fresh == len(keys) else in_samples(rows, samples)
        self.unnamed += max(0, fresh - len(found))
        return found


def session_of(batch: Batch) -> dict[str, Any]:
    """A session of this batch alone: the same batch again is the same session."""
    session = int.from_bytes(hashlib.sha256(f"{batch.plan}/{batch.number}/{batch.remote_id}".encode()).digest()[:7])
    told = {"session_id": session, "batch_seq": 1, "last_batch_flag": True}
    return told | {"estimated_num_total": batch.rows.num_rows}


def body_of(rows: pa.Table, session: Mapping[str, Any] | None, *, limited: bool = False) -> bytes:
    """`is_raw`: each value is a key of its own; without it Meta takes them for keys combined by somebody else.

    `limited`: each row says whether the use of its data is.
    """
    keys, along = _keys(rows), _along(rows)
    pieces: list[pa.ChunkedArray | str] = []
    for column in (*(rows.column(name) for name in keys), *along.values()):
        # Nothing to escape: hashes in hex, ids as `bodies.PLAIN` has them, or nothing.
        pieces += ['","' if pieces else '["', column]
    pieces += ['",', _options(rows), "]"] if limited else ['"]']
    schema = [*keys.values(), *along, *(OPTIONS if limited else ())]
    opening = json.dumps({"schema": schema, "is_raw": True})[:-1]
    told = f',"session":{json.dumps(session)}' if session else ""
    return b"".join((b'{"payload":', opening.encode(), b',"data":[', bodies.joined(*pieces), f"]}}{told}}}".encode()))


def _keys(rows: pa.Table) -> dict[str, str]:
    return {column: name for column, name in KEYS.items() if column in rows.column_names}


def _along(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """What goes along with the rows, by Meta's name of it, but what no row has."""
    values = ", ".join(
        f"CASE WHEN regexp_full_match({value}, '{bodies.HEX}') THEN {value} END AS {rule.column}"
        for rule in ALONG
        for value in [f"json_extract_string(attributes, '$.{rule.column}')"]
    )
    told = bodies.of_each(values, rows)
    return {name: told.column(name) for name in told.column_names if told.column(name).null_count < told.num_rows}


def _options(rows: pa.Table) -> pa.ChunkedArray:
    known = "coalesce(json_extract_string(attributes, '$.state'), 'ZZ')"
    cases = " ".join(f"WHEN '{state}' THEN '{options}'" for state, options in _LIMITED.items())
    return bodies.of_each(f"CASE {known} {cases} ELSE '{_UNLIMITED}' END AS options", rows).column("options")


def in_samples(rows: pa.Table, samples: str) -> dict[str, str]:
    """Key → reason of the rows of which a value stands among the samples of invalid ones."""
    columns, named = list(_keys(rows)), set(re.findall(bodies.PLAIN, samples))
    return {
        row["key"]: _INVALID
        for row in rows.select(["key", *columns]).to_pylist()
        if not named.isdisjoint(row[column] for column in columns if row[column])
    }
