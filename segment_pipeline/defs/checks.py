"""Asset checks: what a person should look at. They read `loads` and the tables; what must stop a run is in the code path."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg

from segment_pipeline import clock
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import Window
from segment_pipeline.defs.failures import in_our_words
from segment_pipeline.defs.ingest import entity_key
from segment_pipeline.defs.people import IDENTITIES, TRAITS
from segment_pipeline.defs.segments import segment_key
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.lake.tables import table
from segment_pipeline.landing.source import Entity, Source
from segment_pipeline.segments.health import Finding, findings
from segment_pipeline.settings import Settings

NULL_RATE_JUMP = 0.5
WARN = dg.AssetCheckSeverity.WARN


def checks(catalogue: Catalogue, settings: Settings, sources: Mapping[str, Source]) -> list[dg.AssetChecksDefinition]:
    """Row counts, keys and NULL rates per entity; keys of the derived tables; sizes of the segments."""
    return [
        *(_source_checks(source, settings) for source in sources.values()),
        _derived_checks(settings),
        _segment_checks(catalogue, settings),
    ]


def _source_checks(source: Source, settings: Settings) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{source.name}",
        specs=[
            dg.AssetCheckSpec(name, asset=entity_key(source.name, entity.name), description=what)
            for entity in source.entities
            for name, what in (
                ("rows_match_source", "the newest load holds what the source said it has"),
                ("keys_are_unique", "no two rows of the newest load's days share the key"),
                ("nulls_are_usual", "no column lost most of its values against the days before"),
            )
        ],
        can_subset=True,
    )
    def body(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        lake = Lake.open(settings)
        for entity in source.entities:
            key = entity_key(source.name, entity.name)
            wanted = {check.name for check in context.selected_asset_check_keys if check.asset_key == key}
            if not wanted:
                continue
            with in_our_words(), lake.session() as session:
                yield from (r for r in _entity_results(session, source.name, entity, key) if r.check_name in wanted)

    return body


def _entity_results(session: Session, source: str, entity: Entity, key: dg.AssetKey) -> Iterator[dg.AssetCheckResult]:
    session.scan("loads", partitions={"source": [source]})
    # What the source counts is comparable with a table of one row per record alone; landing itself compares records.
    counted = next((m.table for m in entity.tables if m.one_per_record), None)
    asset, shown = f"{source}/{entity.name}", counted or entity.table_names[0]
    load = session.rows(statement("defs", "newest_load"), asset=asset, table=shown, now=clock.now())
    if not load or load[0]["first_day"] is None:
        for name in ("rows_match_source", "keys_are_unique", "nulls_are_usual"):
            yield dg.AssetCheckResult(passed=True, check_name=name, asset_key=key, metadata={"loads": 0})
        return
    newest = load[0]
    said, landed = newest["rows_said"], newest["rows_landed"]
    yield dg.AssetCheckResult(
        passed=said is None or counted is None or landed + newest["rows_quarantined"] >= said,
        check_name="rows_match_source",
        asset_key=key,
        metadata={"landed": landed, "said": -1 if said is None else said, "quarantined": newest["rows_quarantined"]},
    )
    window = Window(newest["first_day"], newest["last_day"])
    duplicates, jumps = 0, []
    for name in entity.table_names:
        declared = table(name)
        session.scan(name, days=window, partitions={"source": [source]}, alias="checked")
        session.scan(name, days=_weeks_before(window.first), partitions={"source": [source]}, alias="before")
        duplicates += _duplicates(session, "checked", declared.key)
        optional = [column.name for column in declared.columns if column.nullable and not column.derived]
        rates = ", ".join(f'avg(CASE WHEN "{c}" IS NULL THEN 1 ELSE 0 END) AS "{c}"' for c in optional)
        if not rates:
            continue
        now, then = (session.rows(f"SELECT {rates} FROM {view}")[0] for view in ("checked", "before"))
        jumps += [
            f"{name}.{c}"
            for c in optional
            if now[c] is not None and then[c] is not None and now[c] - then[c] > NULL_RATE_JUMP
        ]
    yield dg.AssetCheckResult(
        passed=not duplicates, check_name="keys_are_unique", asset_key=key, metadata={"duplicates": duplicates}
    )
    yield dg.AssetCheckResult(
        passed=not jumps,
        check_name="nulls_are_usual",
        asset_key=key,
        severity=WARN,
        metadata={"columns": ", ".join(jumps) or "none"},
    )


def _weeks_before(day: date) -> Window:
    return Window(day - timedelta(days=28), day - timedelta(days=1))


def _duplicates(session: Session, view: str, key: tuple[str, ...]) -> int:
    columns = ", ".join(f'"{column}"' for column in key)
    return int(
        session.value(
            f"SELECT CAST(coalesce(sum(n - 1), 0) AS BIGINT) FROM (SELECT count(*) AS n FROM {view} GROUP BY {columns})"
        )
    )


def _derived_checks(settings: Settings) -> dg.AssetChecksDefinition:
    tables = {IDENTITIES: "identities", TRAITS: "traits"}

    @dg.multi_asset_check(
        name="check_profiles",
        specs=[
            dg.AssetCheckSpec(
                "keys_are_unique", asset=key, description="no two rows of the newest snapshot share the key"
            )
            for key in tables
        ]
        + [
            dg.AssetCheckSpec(
                "spend_is_not_negative",
                asset=TRAITS,
                description="nobody's spend is below zero by returns that name no order",
            )
        ],
        can_subset=True,
    )
    def body(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        lake = Lake.open(settings)
        for check in sorted(context.selected_asset_check_keys, key=str):
            declared = table(tables[check.asset_key])
            with in_our_words(), lake.session() as session:
                newest = max(lake.snapshots(declared.name), default=None)
                session.scan(declared.name, partitions={"as_of": [newest] if newest else []}, alias="checked")
                if check.name == "spend_is_not_negative":
                    people = int(session.value("SELECT count(*) FROM checked WHERE spend_total < 0"))
                    yield dg.AssetCheckResult(
                        passed=not people,
                        check_name=check.name,
                        asset_key=check.asset_key,
                        severity=WARN,
                        metadata={"people": people},
                    )
                    continue
                duplicates = _duplicates(session, "checked", declared.key)
            yield dg.AssetCheckResult(
                passed=not duplicates,
                check_name=check.name,
                asset_key=check.asset_key,
                metadata={"duplicates": duplicates},
            )

    return body


def _segment_checks(catalogue: Catalogue, settings: Settings) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name="check_segments",
        specs=[
            dg.AssetCheckSpec(
                "size_is_usual",
                asset=segment_key(segment.name),
                description="no sudden dip, not below the segment's minimum size, no word that no product has",
            )
            for segment in catalogue.segments
        ],
        can_subset=True,
    )
    def body(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        with in_our_words():
            found: list[Finding] = findings(Lake.open(settings), catalogue.segments)
        for check in sorted(context.selected_asset_check_keys, key=str):
            name = check.asset_key.path[-1]
            mine = [finding for finding in found if finding.segment == name]
            said: dict[str, Any] = {"findings": "; ".join(finding.message for finding in mine) or "none"}
            yield dg.AssetCheckResult(
                passed=not mine, check_name=check.name, asset_key=check.asset_key, severity=WARN, metadata=said
            )

    return body
