"""The companies of rows with columns whose values are fuzzed: files of text, JSON and Parquet, a database, a frame."""

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import parquet

from segment_pipeline.landing.raw import Pulled, RawPages
from segment_pipeline.landing.source import Source, entity_of
from segment_pipeline.landing.tabular import Const, each, per_key, total
from segment_pipeline.settings import Settings
from segment_pipeline.sources.database.connector import Database, DatabaseTable
from segment_pipeline.sources.files.connector import Files, FileTable
from segment_pipeline.sources.files.formats import Csv, Format, JsonLines, Parquet
from segment_pipeline.sources.frame.connector import Frames, FrameTable
from segment_pipeline.texts import plain
from segment_pipeline_tests.sources.fuzz import AT, EVER, NUMBERS, TEXTS, TIMES, Subject

FILLS: Final = (
    each("order_lines", order_key="id", product_key="sku", quantity="qty", net="paid"),
    per_key("orders", order_key="id", customer_key="who", channel=Const("web"), net=total("paid")),
    per_key("customers", where="who IS NOT NULL", customer_key="who", email="mail", birth_date="born"),
)  # fmt: skip
DECLARED: Final[Mapping[str, Any]] = {"at": "when", "currency": Const("USD"), "fills": FILLS}
COLUMNS: Final = ("id", "sku", "qty", "paid", "when", "who", "mail", "born")
FLOATS: Final = (0.0, -1.5, float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 5e-324, 99999999999999.99, 1e14)
INSTANTS: Final = (
    datetime(1, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59),
    datetime(1969, 12, 31),
    datetime(2999, 1, 1),
    None,
)
DAYS: Final = (date(1, 1, 1), date(9999, 12, 31), date(1900, 1, 1), date(2999, 1, 1), None)


def row(n: int) -> dict[str, Any]:
    """A line of an order of its own: texts, as files of text hold them."""
    return {
        "id": f"o{n}k", "sku": f"W-{n % 7}", "qty": "1", "paid": "20.00", "when": f"2017-06-{1 + n % 28:02d} {n % 24:02d}:30:00",
        "who": f"c{n}k", "mail": f"u{n}@quiet.shop", "born": "1985-07-04",
    }  # fmt: skip


def typed(n: int) -> dict[str, Any]:
    """The same as Python's values."""
    when = datetime(2017, 6, 1 + n % 28, n % 24, 30)
    return {**row(n), "qty": 1, "paid": 20.0, "when": when, "born": date(1985, 7, 4)}


@dataclass(frozen=True)
class Rows(Subject):
    """Rows that `keep` puts into a folder where the source that `made` gives for it finds them."""

    made: Callable[[Path], Source] = lambda folder: Files(root=str(folder), tables=())
    keep: Callable[[Path, Sequence[Any]], None] = lambda folder, rows: None
    surrogates: bool = False
    instants: Sequence[datetime | None] = INSTANTS

    def pull(self, settings: Settings, records: Sequence[Any]) -> Pulled:
        folder = settings.home / "rows" / uuid4().hex
        folder.mkdir(parents=True)
        self.keep(folder, records)
        source, into = self.made(folder), RawPages(settings.raw, self.source.name, self.entity, EVER, AT)
        return source.pull(entity_of(source, self.entity), EVER, settings.timezone, into)

    def written(self, record: Any) -> Any:
        return record

    def mutated(self, record: Mapping[str, Any], dice: random.Random) -> Any:
        made = dict(record)
        for _ in range(dice.choice((1, 1, 2, 3))):
            name = dice.choice(list(made))
            made[name] = self._value(record[name], dice)
        return made

    def _value(self, held: Any, dice: random.Random) -> Any:
        match held:
            case datetime():
                return dice.choice(self.instants)
            case date():
                return dice.choice(DAYS)
            case float():
                return dice.choice(FLOATS)
            case int():
                return dice.choice([each for each in NUMBERS if isinstance(each, int) and abs(each) < 2**63])
        text = dice.choice(dice.choice((TIMES, TEXTS, [str(each) for each in NUMBERS], [None])))
        return text if text is None or self.surrogates else plain(text)


def as_csv(folder: Path, rows: Sequence[Any]) -> None:
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL)
    lines.writeheader()
    lines.writerows(rows)
    (folder / "rows.csv").write_bytes(text.getvalue().encode(errors="surrogatepass"))


def as_json(folder: Path, rows: Sequence[Any]) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def as_parquet(folder: Path, rows: Sequence[Any]) -> None:
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), folder / "rows.parquet")


def as_table(folder: Path, rows: Sequence[Any]) -> None:
    engine = sa.create_engine(f"sqlite:///{folder}/rows.sqlite")
    kinds = {"paid": "REAL", "qty": "INTEGER"}
    declared = ", ".join(f'"{column}" {kinds.get(column, "TEXT")}' for column in COLUMNS)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE sales ({declared})"))
        connection.execute(
            sa.text(f"INSERT INTO sales VALUES ({', '.join(f':{c}' for c in COLUMNS)})"),
            [{n: str(v) if isinstance(v, date) else v for n, v in row.items()} for row in rows],
        )
    engine.dispose()


def as_frame(folder: Path, rows: Sequence[Any]) -> None:
    FRAMES[str(folder)] = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in COLUMNS})


FRAMES: Final[dict[str, pd.DataFrame]] = {}
SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("sku", pa.string()), ("qty", pa.int64()), ("paid", pa.float64()), ("when", pa.timestamp("us")),
        ("who", pa.string()), ("mail", pa.string()), ("born", pa.date32()),
    ]
)  # fmt: skip


def files(name: str, pattern: str, read: Format) -> Callable[[Path], Source]:
    return lambda folder: Files(
        name=name, root=str(folder), tables=(FileTable("sales", pattern=pattern, format=read, **DECLARED),)
    )


def database(folder: Path) -> Source:
    return Database(
        name="database",
        url=f"sqlite:///{folder}/rows.sqlite",
        tables=(DatabaseTable("sales", table="sales", **DECLARED),),
    )


def frames(folder: Path) -> Source:
    table = FrameTable("sales", function=lambda window: FRAMES.pop(str(folder)), **DECLARED)
    return Frames(name="frame", tables=(table,))


def _rows(
    made: Callable[[Path], Source], keep: Callable[[Path, Sequence[Any]], None], record: Any, **more: Any
) -> Rows:
    return Rows(
        made(Path("nowhere")), "sales", "rows", record, lambda n: {f"o{n}k", f"c{n}k"}, {}, made=made, keep=keep, **more
    )


TABLES: Final = (
    _rows(files("csv", "*.csv", Csv(multiline=True)), as_csv, row, surrogates=True),
    _rows(files("json", "*.jsonl", JsonLines()), as_json, row, surrogates=True),
    _rows(files("parquet", "*.parquet", Parquet()), as_parquet, typed),
    # What is outside the window is not asked for.
    _rows(database, as_table, typed, instants=(datetime(1, 1, 5), datetime(9999, 12, 27), None)),
    _rows(frames, as_frame, typed, surrogates=True),
)
