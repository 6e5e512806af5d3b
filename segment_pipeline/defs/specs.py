"""One way to describe every asset: key, room as group, owner, kinds, columns of the table behind it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from segment_pipeline.lake.schema import Column, Table

OWNER = "team:customer-data"
SCHEMA = "dagster/column_schema"


def schema(columns: Sequence[Column]) -> dg.TableSchema:
    """A table's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.lower(),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={"pii": "true"} if column.pii else {},
            )
            for column in columns
        ]
    )


def spec(
    key: Sequence[str],
    *,
    group: str,
    description: str,
    table: Table | None = None,
    owner: str = OWNER,
    kinds: Iterable[str] = (),
    deps: Sequence[dg.AssetKey] = (),
    partitions: dg.PartitionsDefinition[str] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    tags: dict[str, str] | None = None,
    columns: Sequence[Column] = (),
    schema_key: str = SCHEMA,
) -> dg.AssetSpec:
    """An asset's declaration; `table` gives the column schema and the grain as metadata, `columns` a schema that is no table's.

    Dagster shows what stands under SCHEMA above all other metadata; under another `schema_key` it is a row of these.
    """
    metadata: dict[str, Any] = {schema_key: schema(columns)} if columns else {}
    if table is not None:
        metadata = {"table": table.name, "grain": table.grain, schema_key: schema(table.columns)}
    return dg.AssetSpec(
        key=dg.AssetKey(list(key)),
        group_name=group,
        description=description,
        owners=[owner],
        kinds=set(kinds) or {"deltalake"},
        deps=list(deps),
        partitions_def=partitions,
        metadata=metadata,
        freshness_policy=freshness,
        tags=tags or {},
    )


def complete(
    context: dg.AssetExecutionContext, results: Iterable[dg.MaterializeResult[Any]]
) -> Iterator[dg.MaterializeResult[Any]]:
    """Pass results on and fail when a selected asset got none: Dagster can record such an asset as materialised."""
    seen = set()
    for result in results:
        seen.add(result.asset_key)
        yield result
    if missing := context.selected_asset_keys - seen:
        names = ", ".join(sorted(key.to_user_string() for key in missing))
        raise dg.Failure(f"these assets were selected and not produced: {names}", allow_retries=False)
