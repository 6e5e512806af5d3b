"""How files are read: each format turns one file into a raw Parquet file, in bounded memory, guessing nothing.

A line that is no row becomes text with its reason, which landing quarantines. A file that cannot be read as declared raises
ContractError naming the file and what to declare; what stands in it is never repeated.
"""

import gzip
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.landing import columns
from segment_pipeline.landing.columns import TEXT, Written

BATCH = 50_000
# A line is held in memory at once; one beyond this is no line but a file without line ends.
LINE_BYTES = 16 * 1024 * 1024
MOST_REFUSED = 100_000
# What reading a packed file raises that is not whole.
CUT_SHORT = (EOFError, gzip.BadGzipFile, zlib.error)
OPEN_QUOTE = "a quote is not closed on its line: where values may hold line breaks, declare `multiline=True`"
RAGGED = "another number of fields than the others"


@dataclass
class Refused:
    """Lines that are no rows: their texts and why."""

    texts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add(self, text: str, reason: str) -> None:
        if len(self.texts) >= MOST_REFUSED:
            raise ContractError(f"more than {MOST_REFUSED:,} lines are no rows ({reason}): see how the file is written")
        self.texts.append(text[:10_000])
        self.reasons.append(reason)


class Format(Protocol):
    """`typed`: columns have types of their own; otherwise all are text. `decimal`: the mark in its numbers."""

    @property
    def typed(self) -> bool: ...

    @property
    def decimal(self) -> str: ...

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        """Write one local file's rows to `into`. Raises ContractError when the file is not what was declared."""


@dataclass(frozen=True, kw_only=True)
class Csv:
    """Delimited text. `header`: True: the first line names the columns; otherwise their names, in order.

    `skip`: lines before the header or the first row. `multiline`: values may hold line breaks, within quotes. `quote` empty: none.
    `.gz` files are unpacked.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    header: bool | Sequence[str] = True
    quote: str = '"'
    escape: str = ""
    skip: int = 0
    multiline: bool = False
    typed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        _known(self.encoding)
        if self.header is False:
            raise ConfigError('a CSV file without header needs the names of its columns: `header=("id", "when", …)`')

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        try:
            names = self._names(file)
            if len(set(names)) != len(names):
                first = next(n for n, name in enumerate(names) if names.index(name) < n)
                raise ContractError(
                    f"columns {names.index(names[first]) + 1} and {first + 1} have the same name: rename one; or the"
                    " first line is no header, and `header=(…)` is to name them"
                )
            with _opened(file) as stream, self._reader(stream, names, refused) as reader:
                written = columns.write(into, reader.schema, self._checked(reader, file))
        except UnicodeDecodeError:
            raise ContractError(f"it is not written in {self.encoding}: declare its `encoding`") from None
        except CUT_SHORT:
            raise ContractError("it cannot be unpacked: is it complete?") from None
        except pa.ArrowInvalid as error:
            raise ContractError(self._told(str(error))) from None
        if any(self._swallows(text) for text in refused.texts):
            raise ContractError(OPEN_QUOTE)
        if not written.rows and refused.texts:
            raise ContractError(f"no line has {len(names)} fields: declare its `delimiter` and `header`")
        return written

    def _names(self, file: Path) -> list[str]:
        if not isinstance(self.header, bool):
            return list(self.header)
        with _opened(file) as stream, self._reader(stream, None, Refused()) as reader:
            found = [name.strip().removeprefix("\ufeff") for name in reader.schema.names]
        return [name or f"column_{number}" for number, name in enumerate(found, start=1)]

    def _reader(self, stream: IO[bytes], names: Sequence[str] | None, refused: Refused) -> csv.CSVStreamingReader:
        def ragged(row: csv.InvalidRow) -> str:
            refused.add(row.text, RAGGED)
            return "skip"

        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(
                encoding=self.encoding,
                block_size=LINE_BYTES // 2,
                column_names=names,
                skip_rows=self.skip + (names is not None and self.header is True),
            ),
            parse_options=csv.ParseOptions(
                delimiter=self.delimiter,
                quote_char=self.quote or False,
                escape_char=self.escape or False,
                newlines_in_values=True,
                invalid_row_handler=ragged,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names or (), TEXT), null_values=[], strings_can_be_null=False
            ),
        )

    def _swallows(self, text: str) -> bool:
        """Whether a line that is no row is several, held together by a quote."""
        return bool(self.quote) and "\n" in text.strip() and (not self.multiline or text.count(self.quote) % 2 == 1)

    def _checked(self, reader: csv.CSVStreamingReader, file: Path) -> Iterator[pa.RecordBatch]:
        """A quote that is opened and never closed swallows every line after it, into one value."""
        last = None
        for batch in reader:
            last = batch if batch.num_rows else last
            if not self.multiline and self.quote and any(_broken(column) for column in batch.columns):
                raise ContractError(OPEN_QUOTE)
            yield batch
        if self.multiline and self.quote and last is not None and _ends_open(last, file, self.quote):
            raise ContractError("the last quote is not closed: is the file complete?")

    def _told(self, said: str) -> str:
        if "straddl" in said or "block" in said:
            return f"a line is longer than {LINE_BYTES // 2 // 1024 // 1024} MB: see whether it has line ends, and quotes are closed"
        if "UTF8" in said:
            return f"it is not written in {self.encoding}: declare its `encoding`"
        if "Empty CSV" in said:
            return "it has no header: if it means that there are no rows, write one"
        return "it cannot be read as CSV: declare its `delimiter`, `quote` and `escape`"


@dataclass(frozen=True, kw_only=True)
class Whitespace:
    """Text whose fields are separated by any number of blanks; `header` as for Csv."""

    header: bool | Sequence[str] = True
    encoding: str = "utf-8"
    decimal: str = "."
    skip: int = 0
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        lines = _lines(file, self.encoding, self.skip)
        names = next(lines, "").split() if self.header is True else list(self.header or ())
        _once(names)

        def rows() -> Iterator[Sequence[str]]:
            for line in lines:
                fields = line.split()
                if len(fields) == len(names):
                    yield fields
                elif fields:
                    refused.add(line, RAGGED)

        return _texts(into, names, rows())


@dataclass(frozen=True, kw_only=True)
class FixedWidth:
    """Text whose fields stand at fixed places: `fields={"id": (0, 6), "when": (6, 14)}`, from (included) to (excluded)."""

    fields: Mapping[str, tuple[int, int]]
    encoding: str = "utf-8"
    decimal: str = "."
    skip: int = 0
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        places = list(self.fields.values())
        shortest = min(start for start, _ in places) + 1

        def rows() -> Iterator[Sequence[str]]:
            for line in _lines(file, self.encoding, self.skip):
                if len(line) < shortest:
                    if line.strip():
                        refused.add(line, "a line too short for its fields")
                    continue
                yield [line[start:end] for start, end in places]

        return _texts(into, list(self.fields), rows())


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """One JSON object a line. What is nested has dotted names (`customer.id`); lists are JSON text."""

    encoding: str = "utf-8"
    decimal: str = field(default=".", init=False)
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        # Twice through the file: the columns are known at its end, and its rows are too many to keep.
        names: dict[str, None] = {}
        for row in self._rows(file, Refused()):
            names.update(dict.fromkeys(row))
        return _texts(into, list(names), ([row.get(name) for name in names] for row in self._rows(file, refused)))

    def _rows(self, file: Path, refused: Refused) -> Iterator[dict[str, str | None]]:
        for line in _lines(file, self.encoding, 0):
            if not line.strip():
                continue
            try:
                # Numbers as they are written: a float would change long ones.
                found = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict):
                yield dict(_flat(found, ""))
            else:
                refused.add(line, "no JSON object")


@dataclass(frozen=True, kw_only=True)
class Excel:
    """A sheet of an .xlsx workbook (`sheet` empty: the first); `header` as for Csv. Formulas are their last values."""

    sheet: str = ""
    header: bool | Sequence[str] = True
    skip: int = 0
    decimal: str = field(default=".", init=False)
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:  # noqa: ARG002
        try:
            import openpyxl
        except ImportError:
            raise ConfigError("reading Excel needs an extra package: pip install 'segment-pipeline[files]'") from None
        try:
            with file.open("rb") as stream:
                book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
                if self.sheet and self.sheet not in book.sheetnames:
                    raise ContractError(f"it has no sheet {self.sheet}")
                sheet = book[self.sheet] if self.sheet else book.worksheets[0]
                return self._written(sheet.iter_rows(values_only=True), into)
        except ContractError:
            raise
        except (OSError, KeyError, ValueError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error):
            raise ContractError("it cannot be read as an .xlsx workbook: is it complete?") from None

    def _written(self, rows: Iterator[Sequence[Any]], into: Path) -> Written:
        for _ in range(self.skip):
            next(rows, None)
        if self.header is True:
            named = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
            while named and not named[-1]:
                named.pop()
            names = [name or f"column_{number}" for number, name in enumerate(named, start=1)]
        else:
            names = list(self.header or ())
        _once(names)
        width = len(names)
        filled = ([_cell(cell) for cell in row[:width]] for row in rows if any(cell is not None for cell in row))
        return _texts(into, names, (row + [None] * (width - len(row)) for row in filled))


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """Parquet, with the types its columns have."""

    decimal: str = field(default=".", init=False)
    typed: bool = field(default=True, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:  # noqa: ARG002
        try:
            held = parquet.ParquetFile(file)
        except (pa.ArrowException, OSError):
            raise ContractError("it cannot be read as Parquet: is it complete?") from None
        with held:
            found = columns.types_of(held.schema_arrow)
            rows = held.metadata.num_rows
        shutil.copyfile(file, into)
        return Written(found, rows)


def _known(encoding: str) -> None:
    try:
        "".encode(encoding)
    except LookupError:
        raise ConfigError(
            f"there is no encoding {encoding}: name one that Python knows, such as utf-8 or cp1252"
        ) from None


def _opened(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _lines(file: Path, encoding: str, skip: int) -> Iterator[str]:
    """Lines without their ends, none longer than LINE_BYTES."""
    _known(encoding)
    try:
        with _opened(file) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="\n") as stream:
            first = True
            while line := stream.readline(LINE_BYTES):
                if len(line) == LINE_BYTES:
                    raise ContractError(
                        f"a line is longer than {LINE_BYTES // 1024 // 1024} MB: see whether it has line ends"
                    )
                if first:
                    line, first = line.removeprefix("\ufeff"), False
                if skip:
                    skip -= 1
                    continue
                yield line.rstrip("\r\n")
    except UnicodeDecodeError:
        raise ContractError(f"it is not written in {encoding}: declare its `encoding`") from None
    except CUT_SHORT:
        raise ContractError("it cannot be unpacked: is it complete?") from None


def _texts(into: Path, names: Sequence[str], rows: Iterator[Sequence[str | None]]) -> Written:
    schema = pa.schema([(name, TEXT) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        while chunk := list(islice(rows, BATCH)):
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, TEXT) for values in zip(*chunk, strict=True)], schema=schema
            )

    return columns.write(into, schema, batches())


def _once(names: Sequence[str]) -> None:
    for number, name in enumerate(names, start=1):
        if names.index(name) + 1 < number:
            raise ContractError(f"columns {names.index(name) + 1} and {number} have the same name: rename one")


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | None]]:
    for name, held in value.items():
        match held:
            case dict() if held:
                yield from _flat(held, f"{prefix}{name}.")
            case dict() | list():
                yield prefix + name, json.dumps(held, ensure_ascii=False)
            case bool():
                yield prefix + name, "true" if held else "false"
            case _:
                yield prefix + name, held


def _cell(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case _:
            return str(value)


def _broken(column: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring(column, "\n")).as_py())


def _ends_open(last: pa.RecordBatch, file: Path, quote: str) -> bool:
    value = last.column(last.num_columns - 1)[last.num_rows - 1].as_py() or ""
    if "\n" not in value and not any("\n" in (c[last.num_rows - 1].as_py() or "") for c in last.columns):
        return False
    with _opened(file) as stream:
        tail = b""
        while block := stream.read(1 << 20):
            tail = block[-16:]
    return quote.encode() not in tail.rstrip()[-2:]
