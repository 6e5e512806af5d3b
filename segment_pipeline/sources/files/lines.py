"""Lines of text files on their way into raw files: unpacked, decoded, counted, and set aside where they are no rows."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.landing import columns
from segment_pipeline.landing.columns import TEXT, Written
from segment_pipeline.texts import REPLACEMENT

BATCH = 50_000
# A line is held in memory at once; one beyond this is no line but a file without line ends.
LINE_BYTES = 16 * 1024 * 1024
MOST_REFUSED = 100_000
# What reading a packed file raises that is not whole.
CUT_SHORT = (EOFError, gzip.BadGzipFile, zlib.error)
RAGGED = "another number of fields than the others"
UNREADABLE = "bytes that are not of the encoding declared"
# Beyond it, and beyond one, such lines are a file in another encoding.
UNREADABLE_SHARE = 0.05
# Stands in a line for bytes that are not of its encoding: Unicode has it for such uses, and no text has it.
ODD, HANDLER = "\ufdd0", "segment_pipeline.odd"
codecs.register_error(HANDLER, lambda error: (ODD, error.end))  # type: ignore[attr-defined]


@dataclass
class Refused:
    """Lines that are no rows: their texts and why."""

    texts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add(self, text: str, reason: str) -> None:
        if len(self.texts) >= MOST_REFUSED:
            raise ContractError(f"more than {MOST_REFUSED:,} lines are no rows ({reason}): see how the file is written")
        self.texts.append(text[:10_000].replace(ODD, REPLACEMENT))
        self.reasons.append(reason)


def known(encoding: str) -> None:
    """Raises ConfigError for an encoding Python has not."""
    try:
        "".encode(encoding)
    except LookupError:
        raise ConfigError(
            f"there is no encoding {encoding}: name one that Python knows, such as utf-8 or cp1252"
        ) from None


def not_in(encoding: str) -> ContractError:
    return ContractError(f"it is not written in {encoding}: declare its `encoding`")


def opened(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def lines(file: Path, encoding: str, skip: int) -> Iterator[str]:
    """Lines without their ends, none longer than LINE_BYTES; ODD stands for bytes that are not of the encoding."""
    known(encoding)
    try:
        with opened(file) as raw, io.TextIOWrapper(raw, encoding, HANDLER, newline="\n") as stream:
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
    except UnicodeError:
        raise not_in(encoding) from None
    except CUT_SHORT:
        raise ContractError("it cannot be unpacked: is it complete?") from None


def texts(into: Path, names: Sequence[str], rows: Iterator[Sequence[str | None]]) -> Written:
    """Write rows of text as a raw file, without holding more than a batch of them."""
    schema = pa.schema([(name, TEXT) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        while chunk := list(islice(rows, BATCH)):
            yield pa.RecordBatch.from_arrays(
                [pa.array(values, TEXT) for values in zip(*chunk, strict=True)], schema=schema
            )

    return columns.write(into, schema, batches())


def named(header: Sequence[str]) -> list[str]:
    """The names of a header, a blank one by its place. Raises ContractError where two are one; which, would show a row taken for a header."""
    names = [name.strip() or f"column_{number}" for number, name in enumerate(header, start=1)]
    if pair := columns.same_name(names):
        one, other = (place + 1 for place in pair)
        raise ContractError(
            f"columns {one} and {other} have the same name, whatever its case: rename one; or the first line is no header,"
            " and `header=(…)` is to name them"
        )
    return names


def some(written: Written, refused: Refused, said: str, encoding: str = "utf-8") -> Written:
    """Raises ContractError where no line is a row, and some are none; or where too many are not of the encoding."""
    odd = refused.reasons.count(UNREADABLE)
    if odd and (not written.rows or (odd > 1 and odd > UNREADABLE_SHARE * (written.rows + odd))):
        raise not_in(encoding)
    if not written.rows and refused.texts:
        raise ContractError(said)
    return written
