"""The Parquet files that are one table: what each holds, whether they go together, and what to say of one that cannot be read."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import dataset, fs, parquet

from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError, TransientError
from segment_pipeline.landing import columns
from segment_pipeline.landing.extracts import Extract
from segment_pipeline.landing.holdable import schema_of
from segment_pipeline.landing.raw import RawPages
from segment_pipeline.landing.tabular_rows import ROWS

MAGIC = b"PAR1"
# Of what a store says, only its class is repeated; these words in it tell a person's mistake from a passing trouble.
REFUSED = re.compile(r"credential|forbidden|denied|unauthori|\b40[13]\b|169\.254\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """One file. `changed`: when it was last written, in nanoseconds; 0: nobody knows."""

    path: str
    schema: pa.Schema
    rows: int
    changed: int

    @property
    def extract(self) -> Extract:
        return Extract("", columns.types_of(schema_of(self.schema)), self.rows)


@contextmanager
def reached(where: str) -> Iterator[None]:
    """Raises TransientError for a store that does not answer, ConfigError for one that lets nobody in, ContractError for what is no table."""
    try:
        yield
    except SegmentPipelineError:
        raise
    except FileNotFoundError:
        raise TransientError(
            f"{where}: files of the table are not there: try again, and run what writes it if they stay away"
        ) from None
    except (ImportError, pa.ArrowNotImplementedError) as error:
        raise ConfigError(
            f"{where}: its place cannot be opened ({type(error).__name__}): install what it needs"
        ) from None
    except pa.ArrowInvalid as error:
        raise ContractError(
            f"{where}: a file of the table cannot be read as one of it ({type(error).__name__}): write it again"
        ) from None
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, PermissionError) or REFUSED.search(str(error)):
            raise ConfigError(
                f"{where}: its place let nobody in ({type(error).__name__}): see `options`, rights and credentials"
            ) from None
        raise TransientError(
            f"{where}: the table cannot be reached ({type(error).__name__}): try again later"
        ) from None
    except Exception as error:  # noqa: BLE001 - told by class and withheld
        # delta-rs and the libraries of stores have exceptions of their own, whose text may quote a value.
        if REFUSED.search(f"{type(error).__name__} {error}"):
            raise ConfigError(
                f"{where}: its place let nobody in ({type(error).__name__}): see `options`, rights and credentials"
            ) from None
        raise ContractError(f"{where}: the table cannot be read ({type(error).__name__})") from None


def pieces(where: str, paths: Sequence[str], store: fs.FileSystem) -> list[Piece]:
    """What each file says of itself. Raises ConfigError for one that is no Parquet, TransientError for one without its end yet."""
    with reached(where):
        return [_piece(where, path, store) for path in paths]


def _piece(where: str, path: str, store: fs.FileSystem) -> Piece:
    try:
        with parquet.ParquetFile(path, filesystem=store) as held:
            schema, rows = held.schema_arrow, held.metadata.num_rows
    except pa.ArrowInvalid:
        with store.open_input_stream(path) as file:
            head = bytes(file.read(len(MAGIC)))
        if head.strip(b"\0") and not MAGIC.startswith(head):
            raise ConfigError(
                f"{where}: one of the files at its place is no Parquet file: correct `place`, or take the file away"
            ) from None
        raise TransientError(f"{where}: one of its files cannot be read, it may be being written: try again") from None
    return Piece(path, schema, rows, store.get_file_info(path).mtime_ns or 0)


def check_grown(where: str, held: Sequence[Piece], mapped: Collection[str], *, declared: bool = False) -> list[str]:
    """Notes on mapped columns that were added over time, so that older files lack them.

    `declared`: the table itself says what its columns are, and a file without one means no value. Otherwise raises ContractError for
    a column that a file lacks although an older one has it: it vanished.
    """
    notes = []
    filled = [each for each in held if each.rows]
    for name in sorted(mapped):
        lacking = [each for each in filled if name not in each.schema.names]
        having = [each.changed for each in filled if name in each.schema.names]
        if not lacking or not having:
            continue
        if not declared and max(each.changed for each in lacking) > min(having):
            raise ContractError(
                f"{where}: {len(lacking)} of {len(filled)} files lack the column {name}, which an older file has: nothing was"
                " written; bring it back, or name it as `optional`"
            )
        rows = sum(each.rows for each in lacking)
        notes.append(
            f"the column {name} is not in {len(lacking)} of {len(filled)} files: {rows} rows have no value in it"
        )
    return notes


def listed(where: str, place: str, store: fs.FileSystem) -> list[str]:
    """The files below a place, save those that tools hide behind a _ or a dot until they are finished."""
    with reached(where):
        if store.get_file_info(place).type is fs.FileType.File:
            return [place]
        infos = store.get_file_info(fs.FileSelector(place, recursive=True, allow_not_found=True))
    found = sorted(each.path for each in infos if each.type is fs.FileType.File and each.path.endswith(".parquet"))
    inside = {path: PurePosixPath(path).relative_to(PurePosixPath(place)).parts for path in found}
    return [path for path in found if not any(part.startswith(("_", ".")) for part in inside[path])]


def as_one(where: str, held: Sequence[Piece], store: fs.FileSystem, base: str) -> Any:
    """Files as one data set with the columns of all, and those that names of folders hold (`land=NL`)."""
    paths: list[str] = [each.path for each in held]
    options: dict[str, Any] = {
        "filesystem": store,
        "format": "parquet",
        "partitioning": "hive",
        "partition_base_dir": base,
    }
    columns.together(where, [each.extract for each in held], grown=True)
    with reached(where):
        schema = pa.unify_schemas([each.schema for each in held], promote_options="permissive")
        inferred = dataset.dataset(paths, **options).schema
        folders = [field for field in inferred if field.name not in schema.names]
        return dataset.dataset(paths, schema=pa.schema([*schema, *folders]), **options)


def refer(where: str, piece: Piece, into: RawPages) -> None:
    """Make a file on this machine part of the pull: read where it is, or written anew where engines could not hold all of it."""
    file = Path(piece.path).absolute()
    try:
        written = columns.as_it_is(file)
        if written is None:
            written = columns.anew(file, into.path(ROWS, ".parquet"))
        else:
            into.refer(ROWS, file)
    except ContractError as error:
        raise ContractError(f"{where}, {file.name}: {error}") from None
    into.written(ROWS, written)


def batches(where: str, opened: Any) -> Iterator[pa.RecordBatch]:
    with reached(where):
        yield from opened.to_batches()
