"""How files are read: each format turns one file into a raw Parquet file, in bounded memory, guessing nothing.

A line that is no row becomes text with its reason, which landing quarantines. A file that cannot be read as declared raises
ContractError naming the file and what to declare; what stands in it is never repeated.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.landing import columns
from segment_pipeline.landing.columns import TEXT, Written
from segment_pipeline.sources.files import objects, sheets
from segment_pipeline.sources.files.delimited import Batches
from segment_pipeline.sources.files.lines import (
    CUT_SHORT,
    HANDLER,
    LINE_BYTES,
    ODD,
    RAGGED,
    UNREADABLE,
    Refused,
    known,
    lines,
    named,
    not_in,
    opened,
    some,
    texts,
)
from segment_pipeline.texts import NUL

OPEN_QUOTE = "a quote is not closed on its line: where values may hold line breaks, declare `multiline=True`"


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
        known(self.encoding)
        if self.header is False:
            raise ConfigError('a CSV file without header needs the names of its columns: `header=("id", "when", …)`')

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        found = Refused()
        try:
            written = self._converted(file, into, found, errors="strict")
        except UnicodeDecodeError:
            # Slower, line by line: one that is not of the encoding must not cost all others.
            found = Refused()
            written = self._converted(file, into, found, errors=HANDLER)
        for text, reason in zip(found.texts, found.reasons, strict=True):
            refused.add(text, reason)
        said = f"no line has {len(written.columns)} fields: declare its `delimiter` and `header`"
        return some(written, refused, said, self.encoding)

    def _converted(self, file: Path, into: Path, refused: Refused, *, errors: str) -> Written:
        """Raises UnicodeDecodeError for bytes that are not of the encoding, where `errors` are strict."""
        try:
            read = self._header(file, errors)
            names = named([name.removeprefix("\ufeff") for name in read])
            schema = pa.schema([(name, TEXT) for name in names])
            if any(ODD in name or NUL in name for name in names):
                raise not_in(self.encoding)
            with opened(file) as stream, self._reader(stream, read, refused, errors) as reader:
                rows = (
                    self._readable(self._checked(reader, file), refused)
                    if errors != "strict"
                    else self._checked(reader, file)
                )
                written = columns.write(into, schema, (each.rename_columns(names) for each in rows))
        except CUT_SHORT:
            raise ContractError("it cannot be unpacked: is it complete?") from None
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error) and errors == "strict":
                raise UnicodeDecodeError(self.encoding, b"", 0, 0, "") from None
            raise ContractError(self._told(str(error))) from None
        if any(self._swallows(text) for text in refused.texts):
            raise ContractError(OPEN_QUOTE)
        return written

    def _readable(self, batches: Iterator[pa.RecordBatch], refused: Refused) -> Iterator[pa.RecordBatch]:
        """The rows whose bytes are all of the encoding; the others are refused."""
        for batch in batches:
            odd = reduce(pc.or_, (pc.match_substring(column, ODD) for column in batch.columns))
            for row in batch.filter(odd).to_pylist():
                refused.add(self.delimiter.join(row.values()), UNREADABLE)
            yield batch.filter(pc.invert(odd))

    def _header(self, file: Path, errors: str) -> list[str]:
        """The names as they are written, in the file or in the declaration."""
        if not isinstance(self.header, bool):
            return list(self.header)
        with opened(file) as stream, self._reader(stream, (), Refused(), errors) as reader:
            return list(reader.schema.names)

    def _reader(self, stream: IO[bytes], names: Sequence[str], refused: Refused, errors: str) -> Batches:
        """The file's rows, all of text; where the file names its columns, Arrow finds the header itself, behind blank lines too."""
        return Batches(
            stream,
            self.encoding,
            lambda text: refused.add(text, RAGGED),
            errors=errors,
            read=csv.ReadOptions(
                block_size=LINE_BYTES // 2,
                column_names=None if self.header is True else names,
                skip_rows=self.skip,
            ),
            convert=csv.ConvertOptions(
                column_types=dict.fromkeys(names, TEXT), null_values=[], strings_can_be_null=False
            ),
            delimiter=self.delimiter,
            quote_char=self.quote or False,
            escape_char=self.escape or False,
            newlines_in_values=True,
        )

    def _swallows(self, text: str) -> bool:
        """Whether a line that is no row is several, held together by a quote."""
        return bool(self.quote) and "\n" in text.strip() and (not self.multiline or text.count(self.quote) % 2 == 1)

    def _checked(self, reader: Batches, file: Path) -> Iterator[pa.RecordBatch]:
        """A quote that is opened and never closed swallows every line after it, into one value."""
        last = None
        for batch in reader:
            last = batch if batch.num_rows else last
            broken = (pc.any(pc.match_substring(column, "\n")).as_py() for column in batch.columns)
            if not self.multiline and self.quote and any(broken):
                raise ContractError(OPEN_QUOTE)
            yield batch
        if self.multiline and self.quote and last is not None and _ends_open(last, file, self.quote):
            raise ContractError("the last quote is not closed: is the file complete?")

    def _told(self, said: str) -> str:
        if "straddl" in said or "block" in said:
            return f"a line is longer than {LINE_BYTES // 2 // 1024 // 1024} MB: see whether it has line ends, and quotes are closed"
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
        rest = (line for line in lines(file, self.encoding, self.skip) if line.strip())
        names = named(next(rest, "").split() if self.header is True else list(self.header or ()))
        if any(ODD in name for name in names):
            raise not_in(self.encoding)

        def rows() -> Iterator[Sequence[str]]:
            for line in rest:
                fields = line.split()
                if ODD in line:
                    refused.add(line, UNREADABLE)
                elif len(fields) == len(names):
                    yield fields
                else:
                    refused.add(line, RAGGED)

        said = f"no line has {len(names)} fields: declare its `header`"
        return some(texts(into, names, rows()), refused, said, self.encoding)


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
            for line in lines(file, self.encoding, self.skip):
                if ODD in line or len(line) < shortest:
                    if line.strip():
                        refused.add(line, UNREADABLE if ODD in line else "a line too short for its fields")
                    continue
                yield [line[start:end] for start, end in places]

        written = texts(into, named(list(self.fields)), rows())
        return some(written, refused, "every line is too short: correct its `fields`", self.encoding)


@dataclass(frozen=True, kw_only=True)
class JsonLines:
    """One JSON object a line. What is nested has dotted names (`customer.id`); lists are JSON text."""

    encoding: str = "utf-8"
    decimal: str = field(default=".", init=False)
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        # Twice through the file: the columns are known at its end, and its rows are too many to keep.
        names = objects.spelled(row.keys() for _, row in objects.rows(file, self.encoding, Refused()))
        known = frozenset(names)

        def rows() -> Iterator[Sequence[str | None]]:
            for line, row in objects.rows(file, self.encoding, refused):
                if row.keys() <= known:
                    yield [row.get(name) for name in names]
                else:
                    refused.add(line, objects.misnamed(row))

        said = "no line is a JSON object that can be a row: write one object a line, and each of its names once"
        return some(texts(into, names, rows()), refused, said, self.encoding)


@dataclass(frozen=True, kw_only=True)
class Excel:
    """A sheet of an .xlsx workbook (`sheet` empty: the first); `header` as for Csv. Formulas are their last values."""

    sheet: str = ""
    header: bool | Sequence[str] = True
    skip: int = 0
    decimal: str = field(default=".", init=False)
    typed: bool = field(default=False, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:
        try:
            import openpyxl
        except ImportError:
            raise ConfigError("reading Excel needs an extra package: pip install 'segment-pipeline[files]'") from None
        with file.open("rb") as stream:
            with sheets.readable():
                book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            if self.sheet and self.sheet not in book.sheetnames:
                raise ContractError(f"it has no sheet {self.sheet}")
            sheet = book[self.sheet] if self.sheet else next(iter(book.worksheets), None)
            if sheet not in book.worksheets:
                raise ContractError(f"{self.sheet or 'it'} is no sheet with cells: name one with `sheet`")
            return self._written(sheets.rows(sheet), into, refused)

    def _written(self, sheet: Iterator[Sequence[Any]], into: Path, refused: Refused) -> Written:
        cells = ([sheets.text_of(cell) for cell in row] for row in islice(sheet, self.skip, None))
        filled = (sheets.trimmed(row) for row in cells if any(cell and cell.strip() for cell in row))
        header = [cell or "" for cell in next(filled, [])] if self.header is True else list(self.header or ())
        names = named(header)

        def rows() -> Iterator[Sequence[str | None]]:
            for row in filled:
                if len(row) > len(names):
                    refused.add("\t".join(cell or "" for cell in row), RAGGED)
                else:
                    yield row + [None] * (len(names) - len(row))

        return some(
            texts(into, names, rows()), refused, f"no row has {len(names)} cells: declare its `header` and `skip`"
        )


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """Parquet, with the types its columns have."""

    decimal: str = field(default=".", init=False)
    typed: bool = field(default=True, init=False)

    def convert(self, file: Path, into: Path, refused: Refused) -> Written:  # noqa: ARG002
        written = columns.as_it_is(file)
        if written is None:
            return columns.anew(file, into)
        shutil.copyfile(file, into)
        return written


def _ends_open(last: pa.RecordBatch, file: Path, quote: str) -> bool:
    value = last.column(last.num_columns - 1)[last.num_rows - 1].as_py() or ""
    if "\n" not in value and not any("\n" in (c[last.num_rows - 1].as_py() or "") for c in last.columns):
        return False
    with opened(file) as stream:
        tail = b""
        while block := stream.read(1 << 20):
            tail = block[-16:]
    return quote.encode() not in tail.rstrip()[-2:]
