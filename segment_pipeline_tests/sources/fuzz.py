"""Records of every source, mutated field by field, landed beside records nobody touched.

Whatever a record holds, the run does not crash, each record lands or is in quarantine, and no row of another record is any
different from what it is where nothing was mutated. Many mutated records land at once; where that fails, halves of them are
landed until the fewest are left that fail.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import SegmentPipelineError
from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing import judgement
from segment_pipeline.landing.landing import land
from segment_pipeline.landing.raw import Pulled
from segment_pipeline.landing.report import IngestReport
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sources.pulls import pulled

EVER: Final = Window(date(1, 1, 3), date(9999, 12, 28))
JUNE: Final = Window(date(2017, 6, 1), date(2017, 6, 30))
AT: Final = datetime(2018, 1, 1, 8, tzinfo=UTC)
# The column of a table by which its rows are told to be of which record.
OF_RECORD: Final = {
    "orders": "order_key", "order_lines": "order_key", "refunds": "order_key", "customers": "customer_key",
    "products": "product_key", "carts": "cart_key", "stores": "store_key", "events": "event_key", "consents": "identifier",
    "messages": "message_key", "survey_answers": "answer_key",
}  # fmt: skip
TIMES: Final = (
    "0000-07-04", "0000-07-04T00:00:00Z", "19850-07-04", "9999-99-99", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
    "2017-02-30T12:00:00Z", "2016-12-31T23:59:60Z", "2017-06-05T24:00:00Z", "2017-06-05T12:00:00+25:00", "1496664000",
    "1496664000000", "1496664000000000", "1496664000000000000", "infinity", "-infinity", "epoch", "now", "today",
    "2017-06-05T12:00:00", "2017-06-05T12:00:00.123456789Z", "2017-06-05 12:00:00 America/Chicago", "290000-01-01",
    "44-03-15 (BC)", "2017-06-05T12:00:00Z[Europe/Berlin]", "3000-01-01T00:00:00Z", "05/06/2017", "2017-W23-1", "20170605",
)  # fmt: skip
TEXTS: Final = (
    "", " ", "\t\n", "null", "None", "undefined", "NaN", "Zoë", "Zoe\u0308", "\u202eabc", "\u200b", "😀", "half \ud83d emoji",
    "\ude00\ud83d", "Ada\x00", "\x01\x1f\x7f", "\ufdd0", "\ufffd", "x" * 40_000, "'; DROP TABLE orders; --", '"', "\\", "$source",
    "$timezone", "{}", "[]", "%s", "a,b;c\td", "-", "+", "1e5", "1,5", "1.5.5", "0x10", "१२", "١٢", "Infinity", "-0", "1_000",
    "99999999999999.99", "9" * 60, "1e400", "-1e-400", "USD", "usd", "XXX", "EURO", "US", "Atlantis", "Mars/Olympus",
    "America/Chicago", "+05:00", "ada@quiet.shop", "@", "a@b", "ada@quiet.shop.", "+14045550199", "000", "0", "return:1", "a/b",
)  # fmt: skip
NUMBERS: Final = (
    0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**40, -(10**40), 0.1, -0.0, 1e308, 5e-324, 1e-9, 99999999999999.99,
)  # fmt: skip
LENGTHS: Final = (0, 1, 2, 21, 251)
# What JSON's grammar lets through and Python would not write, and bytes that are no UTF-8: each in place of a value.
RAW: Final = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1" + "0" * 400,
    '"\udcff"',
    '"Zo\udceb"',
    '"\\ud83d"',
    '"\\u0000"',
    '"\x00"',
)
HOLE: Final = "hole-for-what-python-would-not-write"


@dataclass(frozen=True)
class Subject:
    """An entity of a source, and the company whose records are mutated.

    `record`: the n-th of them. `names`: what its rows are known by, in the columns of OF_RECORD. `parts`: the pull's other parts.
    """

    source: Source
    entity: str
    part: str
    record: Callable[[int], Mapping[str, Any]]
    names: Callable[[int], set[str]]
    parts: Mapping[str, Sequence[Any]]

    def pull(self, settings: Settings, records: Sequence[Any]) -> Pulled:
        return pulled(self.source, self.entity, EVER, settings, {**self.parts, self.part: records}, at=AT)

    def written(self, record: Any) -> Any:
        return json.dumps(record)

    def mutated(self, record: Mapping[str, Any], dice: random.Random) -> Any:
        return mutated(record, dice)


class Breach(AssertionError):
    """A property did not hold."""


def paths(body: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a record, the whole first."""
    yield above
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, held in inner:
        yield from paths(held, (*above, step))


def mutated(body: Mapping[str, Any], dice: random.Random) -> str:
    """The JSON of a record with one to three fields made something else."""
    made: Any = copy.deepcopy(dict(body))
    raw = ""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        *above, last = dice.choice([path for path in paths(made) if path] or [(None,)])
        if last is None:
            break
        place = made
        for step in above:
            place = place[step]
        if dice.random() < 0.05:
            place[last], raw = HOLE, dice.choice(RAW)
        elif dice.random() < 0.1 and isinstance(place, dict):
            del place[last]
        else:
            place[last] = value(place[last], dice)
    if dice.random() < 0.005:
        made = value(made, dice)
    text = json.dumps(made).replace(f'"{HOLE}"', raw)
    if dice.random() < 0.02 and text.startswith("{") and isinstance(made, dict) and made:
        # A name that is there twice; which of them counts nobody says.
        name = dice.choice(list(made))
        text = f"{text[:-1]}, {json.dumps(name)}: {json.dumps(value(made[name], dice))}}}".replace(f'"{HOLE}"', raw)
    return text


def value(held: Any, dice: random.Random) -> Any:
    """Something else than what is held: often of its kind."""
    if isinstance(held, list) and held and dice.random() < 0.7:
        length = dice.choice(LENGTHS)
        return [copy.deepcopy(dice.choice(held)) for _ in range(length)]
    match dice.randrange(12):
        case 0:
            return None
        case 1 | 2 | 3:
            return dice.choice(TIMES)
        case 4 | 5 | 6:
            return dice.choice(TEXTS)
        case 7 | 8:
            return dice.choice(NUMBERS)
        case 9:
            return dice.choice(
                (True, False, [], {}, [None], [[]], [{}], {"": None}, [held], {"amount": held}, str(held))
            )
        case 10:
            deep: Any = held
            for _ in range(dice.choice((3, 60))):
                deep = [deep] if dice.random() < 0.5 else {"amount": deep}
            return deep
        case _:
            return str(dice.choice(NUMBERS))


@dataclass(frozen=True)
class Landed:
    rows: Mapping[str, list[dict[str, Any]]]
    report: IngestReport | None


def landed(subject: Subject, folder: Path, settings: Settings, records: Sequence[Any], share: float = 1.0) -> Landed:
    """All rows of a lake of its own after these records. `share` of them may be malformed."""
    lake = Lake(str(folder / "lake"), DuckDBEngine(memory="1GB", threads=1, spill=folder / "spill"))
    asked = subject.pull(settings, records)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judgement, "MALFORMED_SHARE", share)
        report = land(lake, subject.source, subject.entity, asked, settings, "run", window=JUNE)
    return Landed(rows_of(subject, lake), report)


def rows_of(subject: Subject, lake: Lake) -> dict[str, list[dict[str, Any]]]:
    found = {}
    with lake.session() as session:
        for name in (*entity_of(subject.source, subject.entity).table_names, "quarantine"):
            session.scan(name)
            found[name] = session.rows(f"SELECT * FROM {name} ORDER BY ALL")
    return found


def untouched(subject: Subject, held: Landed, numbers: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """The rows of these records."""
    names = set().union(*(subject.names(n) for n in numbers))
    return {
        name: [row for row in rows if row[OF_RECORD[name]] in names]
        for name, rows in held.rows.items()
        if name in OF_RECORD
    }


def check(
    subject: Subject, folder: Path, settings: Settings, plain: Landed, count: int, odd: Mapping[int, Any]
) -> None:
    """Raises Breach where a property does not hold of these mutated records among `count`; `plain`: where none is mutated."""
    records = [odd.get(n) or subject.written(subject.record(n)) for n in range(count)]
    try:
        held = landed(subject, folder, settings, records)
    except SegmentPipelineError as error:
        raise Breach(f"the landing failed: {error}") from error
    except Exception as error:
        raise Breach(f"the landing crashed: {type(error).__name__}: {error}") from error
    report = held.report
    assert report is not None
    if report.received != count:
        raise Breach(f"{report.received} of {count} records were received")
    refused = sum(report.quarantined.values())
    fills = entity_of(subject.source, subject.entity).tables
    main = next((fill for fill in fills if fill.one_per_record or fill.row_for_row), None)
    if main is not None and report.rows[main.table] + refused + _merged(odd.values()) < count:
        raise Breach(f"{count} records became {report.rows[main.table]} rows and {refused} in quarantine")
    if len(held.rows["quarantine"]) + _merged(odd.values()) < refused:
        raise Breach(f"{refused} records were refused and {len(held.rows['quarantine'])} kept")
    rest = [n for n in range(count) if n not in odd]
    for name, rows in untouched(subject, plain, rest).items():
        now = untouched(subject, held, rest)[name]
        if rows != now:
            strange = [row for row in now if row not in rows][:2] or [row for row in rows if row not in now][:2]
            raise Breach(
                f"{name}: rows of records that nobody touched differ ({len(rows)} before, {len(now)} now): {strange}"
            )


def _merged(records: Any) -> int:
    """How many of these records may be one with another: what their ids are is the fuzzer's doing too."""
    seen: dict[str, int] = {}
    for text in records:
        try:
            record = json.loads(text, strict=False)
        except (ValueError, TypeError):
            continue
        ids = [
            str(record.get(name))
            for name in ("id", "legacyResourceId", "$insert_id", "uuid")
            if isinstance(record, dict)
        ]
        seen["/".join(ids)] = seen.get("/".join(ids), 0) + 1
    return sum(times - 1 for times in seen.values())


def fewest(fails: Callable[[Mapping[int, Any]], str | None], odd: Mapping[int, Any]) -> tuple[Mapping[int, Any], str]:
    """The fewest mutated records found that fail together, and what was said of them."""
    said = fails(odd) or "it does not fail again"
    parts = 2
    while len(odd) > 1:
        items = list(odd.items())
        size = -(-len(items) // parts)
        for start in range(0, len(items), size):
            half = dict(items[start : start + size])
            if why := fails(half):
                odd, said, parts = half, why, 2
                break
        else:
            if size == 1 or parts >= 8:
                break
            parts *= 2
    return odd, said


def fuzz(subject: Subject, folder: Path, settings: Settings, seed: int, *, count: int = 400) -> int:
    """Lands a company half of whose records are mutated; returns how many were. Raises Breach with the fewest that fail."""
    dice = random.Random(f"{subject.source.name}/{subject.entity}/{seed}")
    plain = landed(subject, folder / "plain", settings, [subject.written(subject.record(n)) for n in range(count)])
    odd = {n: subject.mutated(subject.record(n), dice) for n in range(0, count, 2)}
    tries = iter(range(1000))

    def fails(some: Mapping[int, Any]) -> str | None:
        try:
            check(subject, folder / f"try-{next(tries)}", settings, plain, count, some)
        except Breach as breach:
            return str(breach)
        return None

    if fails(odd):
        few, said = fewest(fails, odd)
        shown = "\n".join(ascii(text)[:3000] for text in list(few.values())[:3])
        raise Breach(f"{subject.source.name}/{subject.entity}, seed {seed}: {said}\nof {len(few)} records:\n{shown}")
    return len(odd)
