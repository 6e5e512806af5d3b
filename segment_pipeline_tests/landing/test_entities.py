"""An entity brings its own statements and files: text, a file beside its module, and Parquet with columns."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import Statement, beside, generated, statement
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.mapping import Fill
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.settings import Settings
from segment_pipeline_tests.landing.literal_source import LiteralSource

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
STORES = generated(
    "ours/stores",
    "SELECT $source AS source, n.key AS store_key, n.updated_at, p.title AS name, CAST(NULL AS DOUBLE) AS lat,"
    " CAST(NULL AS DOUBLE) AS lon, CAST(NULL AS VARCHAR) AS timezone, CAST(NULL AS VARCHAR) AS country,"
    " CAST(NULL AS VARCHAR) AS currency, CAST(NULL AS DATE) AS deleted_on, n.day"
    " FROM parsed AS n INNER JOIN titles AS p ON p.key = n.key WHERE n.reason IS NULL",
)
TITLES = generated("ours/titles", "SELECT key, upper(name) AS title FROM parsed WHERE reason IS NULL")
PARSE = beside(__file__, "notes")
NOTES = Entity(
    "notes",
    Kind.SNAPSHOT,
    (Part("notes", ("records",)),),
    PARSE,
    (Fill("stores", STORES, one_per_record=True),),
    prepare=(TITLES,),
)
PRICES = Entity(
    "prices",
    Kind.SNAPSHOT,
    (Part("prices", columns={"shop": "VARCHAR", "amount": "DECIMAL(18,4)"}),),
    generated(
        "ours/prices",
        "SELECT shop AS key, CAST($pulled_at AS TIMESTAMPTZ) AS updated_at, CAST($snapshot_day AS DATE) AS day,"
        " CAST(amount AS VARCHAR) AS name, CAST(NULL AS VARCHAR) AS reason, CAST(NULL AS VARCHAR) AS raw FROM raw_prices",
    ),
    NOTES.tables,
    prepare=NOTES.prepare,
)


def names(lake: Lake) -> list[tuple[Any, ...]]:
    with lake.session() as session:
        session.scan("stores")
        return [tuple(row.values()) for row in session.rows("SELECT store_key, name FROM stores ORDER BY 1")]


def test_statements_come_with_the_entity_and_prepared_ones_are_views_of_their_names(
    lake: Lake, settings: Settings
) -> None:
    source = LiteralSource((NOTES,), {"notes": [[{"id": "a", "name": "Ada"}], [{"id": "b"}]]})
    report = ingest(lake, source, "notes", JUNE, settings, "run")
    assert names(lake) == [("a", "ADA")]
    assert report.quarantined == {"no name": 1}


def test_errors_call_a_statement_by_the_folders_of_its_package(lake: Lake, settings: Settings) -> None:
    assert PARSE.name == "segment_pipeline_tests/landing/notes"
    broken = replace(NOTES, parse=Statement(PARSE.name, "SELECT nonsense FROM raw_notes"))
    with pytest.raises(ContractError, match="segment_pipeline_tests/landing/notes.*nonsense"):
        ingest(lake, LiteralSource((broken,), {"notes": [[{"id": "a"}]]}), "notes", JUNE, settings, "run")


def test_a_statement_that_is_not_there_is_asked_for_by_its_file(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r"segment_pipeline_tests/landing/nowhere.*sql/nowhere\.sql"):
        beside(__file__, "nowhere")
    with pytest.raises(ContractError, match="there is no statement landing/nowhere"):
        statement("landing", "nowhere")


def test_files_with_columns_are_read_by_name_and_cast(lake: Lake, settings: Settings) -> None:
    pages = [
        pa.table({"shop": ["a"], "amount": [Decimal("1.5")], "more": [1]}),
        pa.table({"amount": [2], "shop": ["b"]}),
    ]
    report = ingest(lake, LiteralSource((PRICES,), {"prices": pages}), "prices", JUNE, settings, "run")
    assert names(lake) == [("a", "1.5000"), ("b", "2.0000")]
    assert report.received == 2


def test_no_file_with_columns_is_an_empty_listing(lake: Lake, settings: Settings) -> None:
    assert ingest(lake, LiteralSource((PRICES,)), "prices", JUNE, settings, "run").rows == {"stores": 0}


def test_a_file_without_a_declared_column_stops_the_landing(lake: Lake, settings: Settings) -> None:
    whole = pa.table({"shop": ["a"], "amount": [1]})
    source = LiteralSource((PRICES,), {"prices": [whole, whole.drop_columns("amount")]})
    with pytest.raises(ContractError, match="literal/prices: a file of prices has no column amount"):
        ingest(lake, source, "prices", JUNE, settings, "run")
    assert lake.version("stores") is None


def test_a_usable_record_without_a_day_is_refused_and_not_lost(lake: Lake, settings: Settings) -> None:
    undated = PARSE.text.replace("CAST($snapshot_day AS DATE)", "CAST(NULL AS DATE)")
    odd = replace(NOTES, parse=generated("ours/undated", undated))
    source = LiteralSource((odd,), {"notes": [[{"id": "a", "name": "Ada"}]]})
    with pytest.raises(ContractError, match="1 usable records have no day"):
        ingest(lake, source, "notes", JUNE, settings, "run")
