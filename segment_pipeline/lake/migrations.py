"""Changes to our own tables once they hold data: added columns, rewritten shapes, and renames that keep history.

A column that is only added needs no step here: the next write adds it, and older rows read as NULL.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from deltalake import CommitProperties, write_deltalake

from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake import storage
from segment_pipeline.lake.dialect import quote
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables, table

RENAMED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "segment": (("memberships", "segment"), ("segment_sizes", "segment"), ("membership_changes", "segment")),
    "audience": (("plan_rows", "audience"), ("audience_members", "audience")),
}


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
    with lake.session() as session:
        files = [file.path for file in storage.files(delta, declared)]
        if files:
            session.connection.scan_as_held("old", declared, files)
        else:
            session.connection.scan("old", declared, [])
        reader = session.reader(f"SELECT {', '.join(quote(c) for c in declared.names)} FROM ({step.select})")
        stream = storage.Stream()
        with storage.delta_errors(step.table, "migrating it"):
            write_deltalake(
                lake.uri(step.table),
                storage.checked(reader, declared, stream),
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=list(declared.partition_by) or None,
                storage_options=lake.storage_options or None,
                commit_properties=CommitProperties(
                    custom_metadata={"migration": f"{step.version} to {step.version + 1}"}
                ),
            )
            delta.update_incremental()
            delta.alter.set_table_properties({storage.VERSION_KEY: str(step.version + 1)}, raise_if_not_exists=False)


def rename(lake: Lake, kind: str, old: str, new: str) -> int:
    """Give a segment or an audience another name in every table, history included; returns the rows changed.

    Raises ConfigError for another kind, and when rows of the new name exist: two histories cannot be one.
    """
    if kind not in RENAMED:
        raise ConfigError(f"cannot rename a {kind}: only {' and '.join(RENAMED)} have history")
    total = 0
    with lake.session() as session:
        for name, column in RENAMED[kind]:
            session.scan(name)
            counted = f"SELECT count(*) FROM {name} WHERE {column} = $value"
            if session.value(counted, value=new):
                raise ConfigError(f"{kind} {new} already has rows in table {name}: choose a name nobody has used")
        for name, column in RENAMED[kind]:
            declared = table(name)
            rows = session.value(f"SELECT count(*) FROM {name} WHERE {column} = $value", value=old)
            if not rows:
                continue
            columns = ", ".join(
                f"CASE WHEN {column} = $old THEN $new ELSE {column} END AS {column}" if c == column else quote(c)
                for c in declared.names
            )
            if column in declared.partition_by:
                session.replace(
                    name, f"SELECT {columns} FROM {name} WHERE {column} = $old", {column: [old, new]}, old=old, new=new
                )
            else:
                session.replace(name, f"SELECT {columns} FROM {name}", old=old, new=new)
            total += rows
    return total
