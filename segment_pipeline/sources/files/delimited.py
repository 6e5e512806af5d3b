"""Delimited text through Arrow's reader, a batch at a time, with nothing left in Arrow's threads once it is closed.

Arrow reads ahead in threads of its own, which hold what is Python's: the stream, blocks read of it, and who takes lines that are
no rows. An interpreter that ends while one of them lets go of such a thing is aborted, so whoever stops early waits for them.
"""

import codecs
import time
import weakref
from collections.abc import Callable
from traceback import clear_frames
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import pyarrow as pa
from pyarrow import csv

T = TypeVar("T")

BLOCK = 1 << 20
# A thread is at most a block behind; beyond this something else is wrong, and no landing waits for it.
PATIENCE = 60.0


class Batches:
    """The batches of a stream. `refuse` is called with each line that is no row; `errors`: what is made of bytes of no character."""

    def __init__(
        self,
        stream: IO[bytes],
        encoding: str,
        refuse: Callable[[str], None],
        *,
        errors: str = "strict",
        read: csv.ReadOptions,
        convert: csv.ConvertOptions,
        **parse: Any,
    ) -> None:
        self._lent: list[weakref.ref[Any]] = []
        self._reader: csv.CSVStreamingReader | None = None
        try:
            # What is lent is no local variable: one that is, is kept by the traceback of an error.
            self._reader = csv.open_csv(
                self._to_lend(_Utf8(stream, encoding, errors, self._to_lend)),
                read_options=read,
                parse_options=csv.ParseOptions(**parse, invalid_row_handler=self._to_lend(_Ragged(refuse))),
                convert_options=convert,
            )
        except BaseException as error:
            self._close(error)
            raise

    @property
    def schema(self) -> pa.Schema:
        return self._open.schema

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> pa.RecordBatch:
        return self._open.read_next_batch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(error)

    def _close(self, error: BaseException | None) -> None:
        self._reader = None
        while error is not None:
            # An error raised while Arrow read keeps the stream in its traceback.
            clear_frames(error.__traceback__)
            error = error.__context__
        until = time.monotonic() + PATIENCE
        while any(each() is not None for each in self._lent) and time.monotonic() < until:
            time.sleep(0.001)

    @property
    def _open(self) -> csv.CSVStreamingReader:
        if self._reader is None:
            raise ValueError("this reader is closed")
        return self._reader

    def _to_lend(self, thing: T) -> T:
        self._lent = [each for each in self._lent if each() is not None]
        self._lent.append(weakref.ref(thing))
        return thing


class _Utf8:
    """A stream's text in UTF-8, whatever it is written in: by a recoder of its own, Arrow would hold more that is Python's."""

    closed = False

    def __init__(self, stream: IO[bytes], encoding: str, errors: str, lend: Callable[[memoryview], memoryview]) -> None:
        self._stream, self._lend, self._rest = stream, lend, b""
        recoded = codecs.lookup(encoding).name != "utf-8" or errors != "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors) if recoded else None

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> memoryview:
        decoder = self._decoder
        return self._lend(memoryview(self._recoded(decoder, size) if decoder else self._stream.read(size)))

    def _recoded(self, decoder: codecs.IncrementalDecoder, size: int) -> bytes:
        block = b" "
        while block and len(self._rest) < size:
            block = self._stream.read(BLOCK)
            self._rest += decoder.decode(block, final=not block).encode()
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


class _Ragged:
    def __init__(self, refuse: Callable[[str], None]) -> None:
        self._refuse = refuse

    def __call__(self, row: csv.InvalidRow) -> str:
        self._refuse(row.text)
        return "skip"
