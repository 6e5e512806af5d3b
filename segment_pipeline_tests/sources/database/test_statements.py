"""Statements that a database does not take: a person's mistake is told as one, and only a broken line is tried again."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import exc

from segment_pipeline.errors import ConfigError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline.sources.database import told as telling
from segment_pipeline_tests import mariadb, postgres as postgresql
from segment_pipeline_tests.sources.database.test_database import ORDERS_TABLE, execute, order, shop, told
from segment_pipeline_tests.sources.files.till import JUNE

MISSING, MISWRITTEN = "the database refused the query", "the database cannot read what it is asked"
WRONG = {
    "SELECT * FROM nowhere": MISSING,
    "SELECT nosuch FROM orders WHERE who = 'ada'": MISSING,
    "SELECT id FROM orders WHERE who = 'ada' GROUP": MISWRITTEN,
    "SELECT 1 AS changed; DROP TABLE orders": MISWRITTEN,
    "WITH q AS (SELECT * FROM orders": MISWRITTEN,
    "SELECT 'ada": MISWRITTEN,
}
ENDINGS = ("", ";", " -- ada's orders", ";\n-- ada's orders; all", "; /* ada; */ ", "\n-- a\n-- b")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.database), pytest.param("mariadb", marks=pytest.mark.database)])  # fmt: skip
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Two orders, in each database we know."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    else:
        make = {"postgres": postgresql.new_database, "mariadb": mariadb.new_database}[request.param]
        url = make(request.getfixturevalue(request.param))
    execute(url, ORDERS_TABLE, order(1, "2017-06-05 12:00:00"), order(2, "2017-06-06 12:00:00"))
    return url


def test_a_wrong_statement_is_a_sentence_and_is_not_tried_again(lake: Lake, settings: Settings, database: str) -> None:
    sources = [(shop(database, table="", query=query), said) for query, said in WRONG.items()]
    for source, said in (*sources, (shop(database, table="nowhere"), MISSING)):
        assert f"shop/orders: {said}" in told(
            partial(ingest, lake, source, "orders", JUNE, settings, "run"), ConfigError
        )
        assert f"shop/orders: {said}" in told(source.check, ConfigError)


def test_a_query_may_end_as_people_end_theirs(lake: Lake, settings: Settings, database: str) -> None:
    for ending in ENDINGS:
        source = shop(database, table="", query=f"-- orders\nSELECT *, 'a;' AS note FROM orders{ending}")
        assert ingest(lake, source, "orders", JUNE, settings, "run").received == 2


@pytest.mark.parametrize(
    "query", ["DELETE FROM orders", "-- SELECT\nUPDATE orders SET id = 1", "SELEC 1", "/* a */", "5"]
)
def test_what_is_no_select_is_found_as_it_is_declared(query: str) -> None:
    with pytest.raises(ConfigError, match="entity orders: its `query` is no SELECT"):
        shop("sqlite://", table="", query=query)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("id,when\n" * 200)
    for path in (tmp_path / "none" / "x.sqlite", tmp_path / "text"):
        assert "there is no database where its URL says" in told(shop(f"sqlite:///{path}").check, ConfigError)


@pytest.mark.parametrize(
    "words",
    ["database is locked", "(2013, 'Lost connection to MySQL server during query')", "server closed the connection"],
)
def test_a_line_that_breaks_is_tried_again(words: str) -> None:
    def broken() -> None:
        with telling.told("shop/orders"):
            raise exc.OperationalError("SELECT 'ada'", {}, OSError(words))

    assert "broke off or did not answer (OSError)" in told(broken, TransientError)
