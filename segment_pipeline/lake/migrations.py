"""Changes to our own tables once they hold data: added columns, rewritten shapes, and renames that keep history.

A column that is only added needs no step here: the next write adds it, and older rows read as NULL.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import Table
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.tables import all_tables, table

RENAMED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "segment": (("memberships", "segment"), ("segment_sizes", "segment"), ("membership_changes", "segment")),
    "audience": (
        ("plan_rows", "audience"),
        ("audience_members", "audience"),
        ("claims", "audience"),
        ("assignments", "audience"),
    ),
}

# The table whose commits carry the number of an audience's last plan.
MARKED = "audience_members"


@dataclass(frozen=True, slots=True)
class Step:
    """One table from `version` to `version + 1`: a SELECT over the view `old` that gives the new shape."""

    table: str
    version: int
    select: str


STEPS: tuple[Step, ...] = ()


def migrate(lake: Lake, steps: tuple[Step, ...] = STEPS) -> list[str]:
    """Bring every table to its declared version; returns the names of those rewritten.

    Raises ContractError for a table that holds an undeclared column or a version no step leads on from.
    """
    rewritten = []
    for declared in all_tables():
        delta = storage.open_table(lake.uri(declared.name), lake.storage_options)
        if delta is None:
            continue
        version = int(delta.metadata().configuration.get(storage.VERSION_KEY, "1"))
        while version < declared.version:
            step = next((s for s in steps if s.table == declared.name and s.version == version), None)
            if step is None:
                raise ContractError(
                    f"table {declared.name} is at version {version} and no migration leads on from there"
                )
            _rewrite(lake, step)
            version += 1
            rewritten.append(declared.name)
    return rewritten


def _rewrite(lake: Lake, step: Step) -> None:
    declared = table(step.table)
    delta = storage.open_table(lake.uri(step.table), lake.storage_options)
    if delta is None:
        return
    change = f"{step.version} to {step.version + 1}"
    # Killed between the two commits below, the rows are of the new shape already and the property is not.
    done = delta.history(1)[0].get("migration") == change
    with lake.session() as session:
        if not done:
            _write_new_shape(session, step, delta, change)
        with storage.delta_errors(step.table, "migrating it"):
            properties = {
                storage.VERSION_KEY: str(step.version + 1),
                # Every file is new and holds every column.
                storage.COLUMNS_KEY: str(len(declared.columns)),
                "delta.enableDeletionVectors": "false",
            }
            delta.update_incremental()
            delta.alter.set_table_properties(properties, raise_if_not_exists=False)


def _write_new_shape(session: Session, step: Step, delta: DeltaTable, change: str) -> None:
    declared = table(step.table)
    files = [file.path for file in storage.files(delta, declared)]
    if files:
        session.connection.scan_as_held("old", declared, files)
    else:
        session.connection.scan("old", declared, [])
    reader = session.reader(f"SELECT {', '.join(quote(c) for c in declared.names)} FROM ({step.select})")
    with storage.delta_errors(step.table, "migrating it"):
        write_deltalake(
            delta,
            _typed(reader, declared),
            mode="overwrite",
            schema_mode="overwrite",
            partition_by=list(declared.partition_by) or None,
            # Whoever else wrote since the rows were read must not be overwritten.
            commit_properties=CommitProperties(custom_metadata={"migration": change}, max_commit_retries=0),
        )


def _typed(reader: pa.RecordBatchReader, declared: Table) -> pa.RecordBatchReader:
    """The same rows typed as declared; delta-rs would cast '7' to a number without a word. Raises ContractError."""
    storage.check_schema(reader.schema, declared)
    required = [column.name for column in declared.columns if not column.nullable]

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            for name in required:
                if batch.column(name).null_count:
                    raise ContractError(f"table {declared.name}, column {name}: expected a value, got NULL")
            columns = [batch.column(column.name).cast(column.arrow) for column in declared.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=declared.arrow)

    return pa.RecordBatchReader.from_batches(declared.arrow, batches())


def rename(lake: Lake, kind: str, old: str, new: str, *, marker: tuple[str, int] | None = None) -> int:
    """Give a segment or an audience another name in every table, history included; returns the rows changed.

    Each table changes in one commit; cut short, the same call finishes the rest. `marker`: the number an audience's members are
    marked with under its new name; with it a call without any rows to change is a call that is made again. Raises ConfigError for another
    kind, for a name without rows, and where a table has rows of both names: two histories cannot be one.
    """
    held = rows_named(lake, kind, old)
    with lake.session() as session:
        for name, column in RENAMED[kind]:
            session.scan(name, lost=True)
            if name in held and session.value(f"SELECT count(*) FROM {name} WHERE {column} = $new", new=new):
                raise ConfigError(f"{kind} {new} already has rows in table {name}: choose a name nobody has used")
        if not held and marker is None:
            raise ConfigError(f"{kind} {old} has no rows in any table: check its name")
        for name, column in RENAMED[kind]:
            declared = table(name)
            mark = marker if name == MARKED and marker and marker[1] > (lake.marked(name, marker[0]) or 0) else None
            if name not in held and not mark:
                continue
            columns = ", ".join(
                f"CASE WHEN {column} = $old THEN $new ELSE {column} END AS {column}" if c == column else quote(c)
                for c in declared.names
            )
            within = {column: [old, new]} if column in declared.partition_by else None
            rows = f"SELECT {columns} FROM {name}" + (f" WHERE {column} IN ($old, $new)" if within else "")
            session.replace(name, rows, within, marker=mark, old=old, new=new)
    return sum(held.values())


def rows_named(lake: Lake, kind: str, name: str) -> dict[str, int]:
    """How many rows each table has of a segment or an audience; tables without any are left out."""
    if kind not in RENAMED:
        raise ConfigError(f"cannot rename a {kind}: only {' and '.join(RENAMED)} have history")
    with lake.session() as session:
        held = {}
        for each, column in RENAMED[kind]:
            # What is lost has nothing to rename; whoever reads it says so.
            session.scan(each, lost=True)
            held[each] = int(session.value(f"SELECT count(*) FROM {each} WHERE {column} = $name", name=name))
    return {each: rows for each, rows in held.items() if rows}
