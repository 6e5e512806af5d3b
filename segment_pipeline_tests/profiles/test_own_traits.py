"""A company's own traits: what a query or a function says of a person, and every way it can be wrong."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.schema import ARROW_TYPES
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.facts.runs import days_of
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits.own import build_own_traits
from segment_pipeline.profiles.traits.queries import query_of
from segment_pipeline.profiles.traits.sets import declare, define_traits, forget, unready
from segment_pipeline.profiles.traits.views import VIEWS, define_views
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, line, order, product
from segment_pipeline_tests.profiles.snapshots import Put, rows
from segment_pipeline_tests.profiles.trait_rows import DAY, traits as core_traits

AS_OF = AsOf(DAY, "UTC")
OWNER = "team:crm"


@pytest.fixture(autouse=True)
def _no_tables_left() -> Iterator[None]:
    yield
    forget()


@pytest.fixture
def shop(lake: Lake, put: Put) -> Lake:
    """Ann bought twice in store S1 and once in S2; Bob looked at a product; both are known on DAY."""
    put("customers", [customer("shop", "A", email="ann@mail.io"), customer("shop", "B", email="bob@mail.io")])
    put("products", [product("shop", "P1", jan(1), department="Shoes", skus=["SKU1"])])
    put(
        "orders",
        [
            order("shop", "O1", jan(3), "10", customer_key="A", store_key="S1"),
            order("shop", "O2", jan(4), "20", customer_key="A", store_key="S1"),
            order("shop", "O3", jan(5), "30", customer_key="A", store_key="S2"),
            order("shop", "O4", jan(5), "30", customer_key="A", store_key="S3", status="open"),
        ],
    )
    put("order_lines", [line("shop", "O1", "1", jan(3), "10", product_key="P1")])
    put("events", [event("1", "product_viewed", jan(5), source="shop", customer_key="B", properties='{"shelf": 7}')])
    core_traits(lake)
    return lake


def sql(name: str, kind: str, query: str) -> Trait:
    return Trait.sql(name, kind, "for tests", query=query, null="unknown", owner=OWNER)


def made(lake: Lake, *traits: Trait) -> dict[str, dict[str, Any]]:
    """The rows of a set of these traits, by customer key."""
    declared = TraitSet("crm", traits)
    declare(declared)
    build_own_traits(lake, AS_OF, declared)
    keys = {r["profile_id"]: r["record_key"] for r in rows(lake, "identities") if r["entity"] == "customer"}
    return {
        keys[r["profile_id"]]: {t.name: r[t.name] for t in traits}
        for r in rows(lake, "traits_crm")
        if r["as_of"] == DAY and r["definition_hash"] == declared.digest
    }


@pytest.mark.also_on_spark(
    "profiles/traits/trait_orders",
    "profiles/traits/trait_order_lines",
    "profiles/traits/trait_events",
    "profiles/facts/person_events",
)
def test_the_documented_views_have_the_columns_they_are_documented_with(shop: Lake) -> None:
    with shop.session() as session:
        define_views(session, AS_OF, VIEWS, IdentityRules())
        for view in VIEWS.values():
            columns = ", ".join(f'"{name}"' for name in view.columns)
            found = session.table(f"SELECT {columns} FROM trait_{view.name}")
            assert found.num_rows > 0, view.name
            assert found.column("profile_id").null_count == 0
            held = {field.name: field.type for field in found.schema}
            assert held == {name: ARROW_TYPES[kind] for name, (kind, _) in view.columns.items()}, view.name


def test_a_run_of_several_days_has_all_columns_of_the_documented_views(shop: Lake) -> None:
    with days_of(shop, several=True) as run:
        session = run.day()
        define_views(session, AS_OF, VIEWS, IdentityRules())
        for view in VIEWS.values():
            assert set(view.columns) <= set(session.table(f"SELECT * FROM trait_{view.name} LIMIT 0").schema.names)


KEYS = {"customer_key", "email", "phone", "anonymous_id", "first_name", "last_name"}
KEPT_BY_LANDING = {"updated_at", "pulled_at", "created_at", "received_at", "rate_day", "day", "origin", "event_key"}
# In the order's own currency; `net_base` is called net.
NOT_COMPARABLE = {"currency", "gross", "discount", "net_base"}
ONE_VALUE = {"status"}


@pytest.mark.parametrize("name", ["orders", "order_lines", "events"])
def test_a_documented_view_leaves_out_whose_a_fact_is_and_what_landing_keeps_and_nothing_else(name: str) -> None:
    left_out = set(table(name).given) - VIEWS[name].columns.keys()
    assert left_out <= KEYS | KEPT_BY_LANDING | NOT_COMPARABLE | ONE_VALUE
    assert not (KEYS | KEPT_BY_LANDING) & VIEWS[name].columns.keys()


@pytest.mark.parametrize(
    ("said", "subject", "text"),
    [
        ({"name": "content_viewed", "subject": "trails", "text": None}, "trails", None),
        ({"name": "content_viewed", "properties": '{"topic": "trails"}'}, "trails", None),
        ({"name": "search", "properties": '{"query": "boots"}'}, None, "boots"),
        ({"name": "search", "text": "boots", "properties": '{"query": "shoes"}'}, None, "boots"),
    ],
)
def test_subject_and_text_of_an_event_are_seen_whenever_it_was_landed(
    shop: Lake, put: Put, said: dict[str, Any], subject: str | None, text: str | None
) -> None:
    put("events", [event("2", "", jan(6), source="shop", customer_key="B") | said])
    about = sql("about", "VARCHAR", f"SELECT profile_id, subject FROM events WHERE name = '{said['name']}'")
    words = sql("words", "VARCHAR", f"SELECT profile_id, text FROM events WHERE name = '{said['name']}'")
    assert made(shop, about, words)["B"] == {"about": subject, "words": text}


def test_a_query_and_an_expression_say_one_value_for_a_person(shop: Lake) -> None:
    favourite = sql(
        "favourite_store",
        "VARCHAR",
        "WITH stores AS (SELECT profile_id, store_key, count(*) AS orders FROM orders GROUP BY profile_id, store_key)"
        " SELECT profile_id, arg_max(store_key, orders) FROM stores GROUP BY profile_id",
    )
    doubled = sql("doubled", "MONEY", "CAST(spend_total * 2 AS DECIMAL(18,4))  -- of all time")
    recent = sql(
        "lines_400d",
        "BIGINT",
        "SELECT l.profile_id, count(*) FROM order_lines AS l WHERE ordered_on > $as_of - 400 GROUP BY l.profile_id",
    )
    shelf = sql("shelf", "VARCHAR", "SELECT profile_id, json_extract_string(properties, '$.shelf') FROM events AS e")
    ever = sql("did_anything", "BIGINT", "SELECT profile_id, count(*) FROM activities GROUP BY profile_id")
    assert made(shop, favourite, doubled, recent, shelf, ever) == {
        "A": {
            "favourite_store": "S1", "doubled": Decimal(120), "lines_400d": 1, "shelf": None, "did_anything": 4,
        },
        "B": {"favourite_store": None, "doubled": Decimal(0), "lines_400d": None, "shelf": "7", "did_anything": 1},
    }  # fmt: skip


def test_a_function_of_the_profiles_says_one_value_for_a_person(shop: Lake) -> None:
    def ltv(profiles: pd.DataFrame) -> "pd.Series[Any]":
        assert profiles.index.name == "profile_id"
        return profiles["spend_total"] * 1.5

    def buyers(profiles: pd.DataFrame) -> "pd.Series[Any]":
        return profiles[profiles["orders_total"] > 0]["orders_total"]

    def first(profiles: pd.DataFrame) -> "pd.Series[Any]":
        return profiles["first_order_on"]

    def words(profiles: pd.DataFrame) -> "pd.Series[Any]":
        return pd.Series([["a"] if one else None for one in profiles["orders_total"]], index=profiles.index)

    found = made(
        shop,
        Trait.pandas("ltv", "MONEY", "x", function=ltv, null="", owner=OWNER),
        Trait.pandas("orders", "BIGINT", "x", function=buyers, null="no order", owner=OWNER),
        Trait.pandas("first", "DATE", "x", function=first, null="no order", owner=OWNER),
        Trait.pandas("words", "VARCHAR[]", "x", function=words, null="no order", owner=OWNER),
    )
    assert found == {
        "A": {"ltv": Decimal(90), "orders": 3, "first": jan(3), "words": ["a"]},
        "B": {"ltv": Decimal(0), "orders": None, "first": None, "words": None},
    }


@pytest.mark.parametrize(
    ("kind", "query", "said"),
    [
        ("VARCHAR", "SELECT 'somebody', 'x' FROM profiles", "first column is not profile_id"),
        ("BIGINT", "SELECT profile_id, count(*) FROM customers GROUP BY 1", "'customers', which is no documented view"),
        ("BIGINT", "SELECT profile_id, 1 FROM lake.orders", "no documented view"),
        ("BIGINT", "SELECT profile_id, 1 FROM 'people.csv'", "a file or a function as a table"),
        ("BIGINT", "SELECT * FROM profiles", "two columns by name"),
        ("BIGINT", "SELECT FROM WHERE", "neither one expression nor one SELECT"),
        ("BIGINT", "DROP TABLE profiles", "neither one expression nor one SELECT"),
        ("BIGINT", "1; SELECT 2", "neither one expression nor one SELECT"),
        ("DOUBLE", "random()", "is refused: .*random"),
        ("BIGINT", "SELECT profile_id, 1 FROM orders WHERE ordered_on > $day", r"parameter \$day"),
        ("BIGINT", "WITH orders AS (SELECT 1) SELECT profile_id, 1 FROM orders", "choose another name"),
    ],
)
def test_a_query_that_is_no_query_of_the_documented_views_is_refused_with_its_place(
    kind: str, query: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        query_of(sql("x", kind, query))
    assert str(raised.value).startswith(f"{__file__}:")


@pytest.mark.parametrize(
    ("kind", "query", "said"),
    [
        ("VARCHAR", "SELECT profile_id, store_key FROM orders", "more rows than one for a person"),
        ("VARCHAR", "SELECT 'z' AS profile_id, 'x' AS v", "somebody who is no person"),
        ("VARCHAR", "SELECT NULL AS profile_id, 'x' AS v", "somebody who is no person"),
        ("BIGINT", "orders_total * 0.5", r"is BIGINT and its query gives .*: write CAST\(… AS BIGINT\)"),
        ("DOUBLE", "CAST(spend_total AS DOUBLE) / CAST(orders_total AS DOUBLE)", "gives NaN"),
        ("BIGINT", "CAST(concat(country, 'ann@mail.io') AS BIGINT)", "the query of trait x failed on DuckDB"),
        ("BIGINT", "no_such_column", "trait x reads no_such_column, which is no column of profiles"),
        ("BIGINT", "orders_totl", "reads orders_totl, which is no column of profiles: did you mean orders_total?"),
        (
            "BIGINT",
            "SELECT o.profile_id, max(o.nett) FROM orders AS o GROUP BY 1",
            "reads nett, which is no column of orders",
        ),
    ],
)
def test_a_query_that_says_something_else_is_a_sentence_with_its_place_and_leaves_no_row(
    shop: Lake, kind: str, query: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        made(shop, sql("x", kind, query))
    assert str(raised.value).startswith(f"{__file__}:")
    assert "ann@" not in str(raised.value)
    assert shop.version("traits_crm") is None


def _reset(profiles: pd.DataFrame) -> Any:
    return profiles["orders_total"].reset_index(drop=True)


def _raises(profiles: pd.DataFrame) -> Any:
    raise ValueError("of ann@mail.io")


def _exits(profiles: pd.DataFrame) -> Any:
    raise SystemExit("ann@mail.io")


def _inner(profiles: pd.DataFrame) -> Any:
    return profiles.apply(lambda row: row["nothing"], axis=1)


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        (_reset, "BIGINT", "people who are not in the frame"),
        (lambda p: pd.concat([p["orders_total"], p["orders_total"]]), "BIGINT", "two values for a person"),
        (lambda p: p[["orders_total"]], "BIGINT", "gave a DataFrame, not one Series"),
        (lambda p: None, "BIGINT", "gave a NoneType"),
        (lambda p: p["orders_total"], "VARCHAR", "gave a Series of Int64, and the trait is VARCHAR: give text"),
        (lambda p: p["orders_total"] * 1.5, "BIGINT", "give whole numbers"),
        (lambda p: p["orders_total"] * 2**40, "INTEGER", "gave values that are no whole numbers of the type INTEGER"),
        (lambda p: pd.Series([1, "x"], index=p.index), "VARCHAR", "gave values that are no text"),
        (lambda p: p["spend_total"].astype("float64") / 0, "DOUBLE", "gave NaN or an infinite number"),
        (lambda p: pd.Series([float("nan"), 1.0], index=p.index), "DOUBLE", "gave NaN or an infinite number"),
        (lambda p: pd.Series([float("nan"), 1.0], index=p.index), "MONEY", "gave NaN or an infinite number"),
        (_raises, "BIGINT", "the function of trait x raised ValueError"),
        (_inner, "BIGINT", "the function of trait x raised KeyError"),
        (_exits, "BIGINT", "the function of trait x raised SystemExit"),
    ],
)  # fmt: skip
def test_a_wrong_function_is_a_sentence_with_its_place_and_leaves_no_row(
    shop: Lake, function: Callable[[pd.DataFrame], Any], kind: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        made(shop, Trait.pandas("x", kind, "for tests", function=function, null="", owner=OWNER))
    assert str(raised.value).startswith(f"{__file__}:")
    assert "ann@" not in str(raised.value)
    assert shop.version("traits_crm") is None


def test_one_wrong_trait_leaves_the_sets_other_traits_as_they_were(shop: Lake) -> None:
    good = sql("good", "BIGINT", "orders_total")
    assert made(shop, good)["A"] == {"good": 3}
    with pytest.raises(ConfigError):
        made(shop, good, sql("bad", "BIGINT", "SELECT profile_id, 1 FROM orders"))
    assert [r["good"] for r in rows(shop, "traits_crm") if r["good"]] == [3]


def test_own_traits_that_are_not_of_the_days_core_traits_cannot_be_read(shop: Lake) -> None:
    """Missing, made from another declaration, or made before the core traits were made anew: each is said."""
    one = TraitSet("crm", (sql("x", "BIGINT", "orders_total"),))
    declare(one)

    def told(sets: TraitSet) -> list[str]:
        with shop.session() as session:
            return list(unready(session, DAY, [sets]).values())

    assert told(one) == [f"the traits of the set crm are not there as of {DAY}: materialise profiles/traits_crm for that day"]  # fmt: skip
    build_own_traits(shop, AS_OF, one)
    assert told(one) == []
    changed = TraitSet("crm", (sql("x", "BIGINT", "orders_total + 1"),))
    assert "declared otherwise" in told(changed)[0]
    core_traits(shop)
    assert "are not there" in told(one)[0]


def test_the_view_of_traits_has_own_traits_beside_core_ones(shop: Lake) -> None:
    one = TraitSet("crm", (sql("x", "BIGINT", "orders_total + 1"),))
    declare(one)
    build_own_traits(shop, AS_OF, one)
    with shop.session() as session:
        define_traits(session, DAY, [one])
        assert session.rows("SELECT orders_total, x FROM traits ORDER BY x") == [
            {"orders_total": 0, "x": 1},
            {"orders_total": 3, "x": 4},
        ]


def test_a_trait_that_is_dropped_or_retyped_needs_another_set(shop: Lake) -> None:
    made(shop, sql("x", "BIGINT", "orders_total"), sql("y", "BIGINT", "orders_total"))
    with pytest.raises(ConfigError, match="table traits_crm holds days with y, which the set no longer declares"):
        made(shop, sql("x", "BIGINT", "orders_total"))
    with pytest.raises(ConfigError, match="table traits_crm holds days with other types"):
        made(shop, sql("x", "BIGINT", "orders_total"), sql("y", "VARCHAR", "city"))
    added = made(shop, *(sql(name, "BIGINT", "orders_total") for name in ("x", "y", "z")))
    assert added["A"] == {"x": 3, "y": 3, "z": 3}


def test_a_day_without_core_traits_is_told(shop: Lake) -> None:
    one = TraitSet("crm", (sql("x", "BIGINT", "orders_total"),))
    declare(one)
    with pytest.raises(ContractError, match="no traits as of 2016-12-31"):
        build_own_traits(shop, AsOf(date(2016, 12, 31), "UTC"), one)


def test_a_trait_knows_where_it_is_written_and_a_change_of_its_words_changes_its_digest() -> None:
    first, second = sql("x", "BIGINT", "orders_total"), sql("x", "BIGINT", "orders_total + 1")
    assert first.place.startswith(f"{__file__}:")
    assert first.digest != second.digest == sql("x", "BIGINT", "orders_total + 1").digest
    assert query_of(first).views == {"profiles"}
