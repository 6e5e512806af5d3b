"""Every type and every odd value, on its way into either database: what goes in comes out, and NULL is not an empty text."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from segment_pipeline.lake.schema import ARROW_TYPES, Column, Table
from segment_pipeline.publishing import bulk
from segment_pipeline.publishing.shape import Shape, shape
from segment_pipeline_tests.postgres import new_database
from segment_pipeline_tests.publishing.company import Company

ODD = [
    "", " ", "a\tb", "line\nline\r\n", "\\.", "a\n\\.\nb", "\\N", "NULL", "null", '"', '""', "it's; DROP TABLE x --",
    "{a,b}", "comma, comma", "back\\slash", "ümlaut", "e\u0301", "\u202eright to left", "😀👩‍👩‍👧", "\ufeff", "\x01\x7f", "\u2028",
]  # fmt: skip
TYPES = Table(
    "typed", "one row per key", tuple(Column(f"c{n}", kind, kind) for n, kind in enumerate(ARROW_TYPES)), key=("c0",)
)


def filled(company: Company, made: Shape, rows: pa.Table) -> sa.Table:
    """The rows in a new table of the company's database."""
    with company.target.transaction() as connection:
        table = company.target.make(connection, made, ours=True)
        bulk.insert(connection, table, made, rows.to_reader(max_chunksize=3), lambda _: None)
        company.target.complete(connection, made, table)
        assert company.target.altered(connection, made) == ""
    return table


def read(company: Company, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
    with company.target.engine.connect() as connection:
        query = sa.select(*(table.c[c] for c in columns)).order_by(table.c[columns[0]])
        return [tuple(row) for row in connection.execute(query)]


def texts(*columns: str) -> Shape:
    return shape(
        Table("odd", "one row per key", tuple(Column(c, "VARCHAR", c) for c in columns), key=("k",)), personal=False
    )


def test_odd_texts_come_out_as_they_went_in(company: Company) -> None:
    keys = [f"{n:03}" for n in range(len(ODD) + 1)]
    table = filled(company, texts("k", "t"), pa.table({"k": keys, "t": pa.array([*ODD, None], pa.string())}))
    assert read(company, table, "k", "t") == list(zip(keys, [*ODD, None], strict=True))


def test_odd_texts_are_found_again_as_keys(company: Company) -> None:
    made, keys = texts("k"), pa.table({"k": ODD})
    table = filled(company, made, keys)
    with company.target.transaction() as connection:
        gone = bulk.delete(connection, table, made, keys.slice(1).to_reader(), lambda _: None)
        assert gone == len(ODD) - 1
    assert read(company, table, "k") == [("",)]


def test_the_character_nul_becomes_the_sign_for_what_cannot_be_shown(company: Company) -> None:
    made = shape(
        Table("odd", "one row per key", (Column("k", "VARCHAR", "k"), Column("l", "VARCHAR[]", "l")), key=("k",)),
        personal=False,
    )
    table = filled(company, made, pa.table({"k": ["a\x00b"], "l": [["\x00", None, "c"]]}))
    assert read(company, table, "k", "l") == [("a\ufffdb", ["\ufffd", None, "c"])]


def test_lists_keep_their_elements_nulls_and_emptiness(company: Company) -> None:
    made = shape(
        Table("odd", "one row per key", (Column("k", "VARCHAR", "k"), Column("l", "VARCHAR[]", "l")), key=("k",)),
        personal=False,
    )
    lists = [ODD, [], None, [None, "NULL", ""], ["x"], [None]]
    rows = pa.table({"k": list("abcdef"), "l": pa.array(lists, pa.list_(pa.string()))})
    # A slice has offsets that do not begin at nought.
    table = filled(company, made, pa.concat_tables([rows.slice(0, 2), rows.slice(2)]))
    assert read(company, table, "k", "l") == list(zip("abcdef", lists, strict=True))


@pytest.mark.parametrize(
    "values",
    [
        (
            "k", True, -(2**31), 2**63 - 1, 0.1, date(2016, 2, 29), datetime(2017, 3, 26, 2, 30, 0, 1),
            datetime(2017, 10, 29, 0, 30, tzinfo=UTC), ["a"], Decimal("0.0001"), Decimal("1.00000001"), '{"a": [1, null, "é"]}',
        ),
        ("k", False, 0, -(2**63), 1e300, date(1, 1, 1), datetime(1969, 12, 31), datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            [], Decimal("-99999999.9999"), Decimal("-0.00000001"), "[]"),
        ("k", *[None] * (len(ARROW_TYPES) - 1)),
    ],
)  # fmt: skip
def test_every_type_of_the_lake_has_one_in_the_database(company: Company, values: tuple[Any, ...]) -> None:
    made = shape(TYPES, personal=False)
    rows = pa.Table.from_pylist([dict(zip(made.names, values, strict=True))], TYPES.arrow)
    table = filled(company, made, rows)
    ((*plain, document),) = read(company, table, *made.names)
    zone = made.names[list(ARROW_TYPES).index("TIMESTAMPTZ")]
    if company.target.engine.dialect.name == "sqlite" and values[1] is not None:
        # SQLite keeps no offset: instants are in UTC.
        plain[made.names.index(zone)] = plain[made.names.index(zone)].replace(tzinfo=UTC)
    assert tuple(plain) == values[:-1]
    assert document == (json.loads(values[-1]) if values[-1] else None)


@pytest.fixture
def on_postgresql(postgres: str, tmp_path: Path) -> Iterator[Company]:
    made = Company(tmp_path, new_database(postgres))
    yield made
    made.close()


def test_postgresql_gets_its_own_types(on_postgresql: Company) -> None:
    filled(on_postgresql, shape(TYPES, personal=False), TYPES.arrow.empty_table())
    kinds = on_postgresql.query(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'typed'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [kind for (kind,) in kinds] == [
        "text", "boolean", "integer", "bigint", "double precision", "date", "timestamp without time zone",
        "timestamp with time zone", "text[]", "numeric(18,4)", "numeric(18,8)", "jsonb",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_reach_postgresql(on_postgresql: Company, number: float) -> None:
    columns = (Column("k", "VARCHAR", "k"), Column("d", "DOUBLE", "d"))
    made = shape(Table("odd", "one row per key", columns, key=("k",)), personal=False)
    table = filled(on_postgresql, made, pa.table({"k": ["a"], "d": [number]}))
    assert [repr(row[1]) for row in read(on_postgresql, table, "k", "d")] == [repr(number)]
