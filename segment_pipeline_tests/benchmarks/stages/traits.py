"""Traits of a day: all of them as the pipeline builds them, and those of purchases against the same rows by hand."""

from datetime import timedelta

import duckdb

from segment_pipeline.days import AsOf
from segment_pipeline.profiles import build
from segment_pipeline.profiles.facts import persons
from segment_pipeline.profiles.facts.making import make_all
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.profiles.traits.compute import PURCHASES, DayOfTraits
from segment_pipeline.profiles.traits.sets import declare
from segment_pipeline.segments.own_traits import quantities
from segment_pipeline.segments.rules import (
    Quantity,
    activities,
    count,
    days,
    distinct,
    max_of,
    most_frequent,
    share,
    sum_of,
)
from segment_pipeline.traits import Trait, TraitSet
from segment_pipeline_tests.benchmarks import by_hand
from segment_pipeline_tests.benchmarks.company import IDENTITY, START, VOCABULARY, Company
from segment_pipeline_tests.benchmarks.prepared import with_identities, with_traits
from segment_pipeline_tests.benchmarks.stage import Stage

LEFT = (
    "prepaid_facts",
    "store_facts",
    "buyers",
    "lifetime_buyers",
    "person_lines",
    "shares_department",
    "shares_category",
    "shares_collection",
    "known_spend",
    "department_facts",
)
DIMENSIONS = ("department", "category", "collection")
COUNTED = " + ".join(f"(SELECT count(*) FROM {name})" for name in LEFT)
BUYERS = "(SELECT count(*) FROM measured WHERE orders_total > 0)"

# Each leaves a table of one of the names above, or one that a later one reads. The company has no returns and no exchanges, and
# a careful reader who knows that leaves them out; versions of orders, refunds, guests and unknown rates are all there.
BY_HAND = {
    "people": """
        SELECT profile_id, CAST(row_number() OVER (ORDER BY profile_id) AS INTEGER) AS person_no
        FROM (SELECT DISTINCT profile_id FROM identities WHERE as_of = $as_of)""",
    "buyers_of": """
        SELECT key_no, person_no
        FROM identities JOIN people USING (profile_id)
        WHERE as_of = $as_of AND entity IN ('customer', 'order')""",
    "revised": """
        SELECT order_no, coalesce(max(updated_at) FILTER (WHERE day <= $as_of), min(updated_at)) AS updated_at
        FROM orders WHERE ordered_on <= $as_of GROUP BY ALL HAVING count(*) > 1""",
    "given_back": """
        SELECT order_no, line_number, amount_base
        FROM (
            SELECT *, row_number() OVER (PARTITION BY source, refund_key ORDER BY day > $as_of, updated_at DESC) AS place
            FROM refunds WHERE refunded_on <= $as_of
        ) WHERE place = 1""",
    "sales": """
        SELECT
            o.source, o.day, o.order_no, o.updated_at, b.person_no, o.ordered_on, o.store_key, o.local_at,
            CAST(o.net_base - coalesce(g.refunded, 0) AS DECIMAL(18,4)) AS revenue, g.refunded IS NOT NULL AS refunded
        FROM orders AS o
        JOIN buyers_of AS b ON b.key_no = coalesce(o.customer_no, o.order_no)
        LEFT JOIN revised AS v ON v.order_no = o.order_no
        LEFT JOIN (
            SELECT order_no, sum(amount_base) AS refunded FROM given_back GROUP BY ALL
        ) AS g ON g.order_no = o.order_no
        WHERE o.ordered_on <= $as_of AND o.kind = 'sale' AND o.status = 'completed'
            AND NOT (o.gift_card_sold > 0 AND o.gross = 0) AND (v.updated_at IS NULL OR v.updated_at = o.updated_at)""",
    "prepaid_facts": """
        SELECT b.person_no, sum(o.gift_card_sold) AS loaded
        FROM orders AS o
        JOIN buyers_of AS b ON b.key_no = coalesce(o.customer_no, o.order_no)
        LEFT JOIN revised AS v ON v.order_no = o.order_no
        WHERE o.ordered_on > $days_7 AND o.ordered_on <= $as_of AND o.status = 'completed' AND o.gift_card_sold > 0
            AND (v.updated_at IS NULL OR v.updated_at = o.updated_at)
        GROUP BY ALL""",
    "order_facts": """
        SELECT
            person_no, count(*) AS orders_total, count(*) FILTER (WHERE ordered_on > $days_90) AS orders_90d,
            count(*) FILTER (WHERE ordered_on > $days_365) AS orders_365d, coalesce(sum(revenue), 0) AS spend_total,
            coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_90), 0) AS spend_90d,
            coalesce(sum(revenue) FILTER (WHERE ordered_on > $days_365), 0) AS spend_365d,
            min(ordered_on) AS first_order_on, max(ordered_on) AS last_order_on,
            count(local_at) FILTER (WHERE ordered_on > $days_365) AS timed_orders,
            count(*) FILTER (WHERE ordered_on > $days_365 AND hour(local_at) NOT BETWEEN 4 AND 21) AS late_orders
        FROM sales GROUP BY ALL""",
    "store_facts": """
        SELECT person_no, lat, lon
        FROM (
            SELECT person_no, store_key, source, row_number() OVER (PARTITION BY person_no ORDER BY count(*) DESC, source, store_key) AS place
            FROM sales WHERE ordered_on > $days_365 AND store_key IS NOT NULL GROUP BY person_no, source, store_key
        ) AS used
        JOIN (SELECT source, store_key, lat, lon FROM stores) AS s USING (source, store_key)
        WHERE place = 1""",
    "buyers": """
        SELECT
            person_no, count(*) OVER () AS buyers, rank() OVER by_spend - 1 AS below,
            CAST(1 + 5 * (rank() OVER (ORDER BY last_order_on) - 1) // count(*) OVER () AS INTEGER) AS rfm_r,
            CAST(1 + 5 * (rank() OVER (ORDER BY orders_365d) - 1) // count(*) OVER () AS INTEGER) AS rfm_f,
            CAST(1 + 5 * (rank() OVER by_spend - 1) // count(*) OVER () AS INTEGER) AS rfm_m
        FROM order_facts WHERE orders_365d > 0 WINDOW by_spend AS (ORDER BY spend_365d)""",
    "lifetime_buyers": "SELECT person_no, count(*) OVER () AS buyers, rank() OVER (ORDER BY spend_total) - 1 AS below FROM order_facts",
    "held_products": """
        SELECT
            product_no, department, category, collection, launched_on,
            CAST(dense_rank() OVER (ORDER BY department, category, collection) AS INTEGER) AS class_no
        FROM products""",
    "values_of": """
        SELECT dimension, value, CAST(row_number() OVER (ORDER BY dimension, value) AS INTEGER) AS value_no
        FROM (
            SELECT DISTINCT unnest(['department', 'category', 'collection']) AS dimension,
                unnest([department, category, collection]) AS value FROM held_products
        ) WHERE value IS NOT NULL""",
    "classes": """
        SELECT DISTINCT class_no, dimension, value_no
        FROM held_products JOIN values_of ON value = CASE dimension
            WHEN 'department' THEN department WHEN 'category' THEN category ELSE collection END""",
    "bought": """
        SELECT
            s.person_no, p.class_no, l.is_markdown, s.ordered_on > $days_365 AS recent, p.launched_on IS NOT NULL AS dated,
            s.ordered_on - p.launched_on <= 30 AS fresh,
            CAST(l.net_base - CASE WHEN g.order_no IS NULL THEN 0 ELSE g.refunded END AS DECIMAL(18,4)) AS spend
        FROM order_lines AS l
        JOIN sales AS s ON s.order_no = l.order_no AND s.updated_at = l.updated_at
        JOIN held_products AS p ON p.product_no = l.product_no
        LEFT JOIN (
            SELECT order_no, line_number, sum(amount_base) AS refunded FROM given_back GROUP BY ALL
        ) AS g ON g.order_no = CASE WHEN s.refunded THEN l.order_no END AND g.line_number = l.line_number
        WHERE l.day BETWEEN $first AND $last AND s.day BETWEEN $first AND $last""",
    "person_lines": """
        SELECT
            person_no, sum(spend) FILTER (recent) AS sold_365d, coalesce(sum(spend) FILTER (recent AND is_markdown), 0) AS markdown_365d,
            count(*) FILTER (recent AND dated) AS dated_lines_365d, count(*) FILTER (recent AND fresh) AS new_lines_365d
        FROM bought GROUP BY ALL""",
    # One dimension after the other: all three at once do not fit into the memory, and cost twice as much.
    **{
        f"shares_{dimension}": f"""
        SELECT
            person_no, value_no, CAST(coalesce(sum(CASE WHEN recent THEN spend END), 0) AS DECIMAL(18,4)) AS spend_365d,
            CAST(coalesce(sum(spend), 0) AS DECIMAL(18,4)) AS spend_total, count(CASE WHEN recent THEN 1 END) AS lines_365d
        FROM bought JOIN classes USING (class_no) WHERE dimension = '{dimension}' GROUP BY ALL"""
        for dimension in DIMENSIONS
    },
    "known_spend": """
        SELECT * FROM (SELECT person_no, sum(spend_365d) AS department_365d, sum(spend_total) AS department_total FROM shares_department GROUP BY ALL)
        LEFT JOIN (SELECT person_no, sum(spend_365d) AS category_365d, sum(spend_total) AS category_total FROM shares_category GROUP BY ALL)
            USING (person_no)
        LEFT JOIN (SELECT person_no, sum(spend_365d) AS collection_365d, sum(spend_total) AS collection_total FROM shares_collection GROUP BY ALL)
            USING (person_no)""",
    "department_facts": """
        SELECT
            person_no, count(CASE WHEN lines_365d > 0 THEN 1 END) AS departments_365d,
            min(CASE WHEN place = 1 AND spend_365d > 0 THEN value END) AS top_department
        FROM (
            SELECT s.*, v.value, row_number() OVER (PARTITION BY person_no ORDER BY spend_365d DESC, value_no) AS place
            FROM shares_department AS s JOIN values_of AS v USING (value_no)
        ) GROUP BY ALL""",
}  # fmt: skip
# Lines of a quarter at a time: all orders to join them to do not fit into the memory.
QUARTERS = tuple((START + timedelta(days=92 * n), START + timedelta(days=92 * n + 91)) for n in range(4))
FACTS = ("identities", "orders", "order_lines", "refunds", "products", "stores")


def traits(company: Company) -> int:
    report = build.traits(company.lake, company.as_of, company.settings, identity_rules=IDENTITY)
    return report.profiles + report.shares


def purchases(company: Company) -> int:
    with company.lake.session() as session:
        as_of = AsOf(company.as_of, company.settings.timezone)
        persons.define_numbered_persons(session, as_of)
        day = DayOfTraits(session, as_of, TraitRules(), IDENTITY, dict.fromkeys(("orders", "events", "messages"), True))
        day.open_purchases()
        make_all(session, PURCHASES, day.part)
        return int(session.value(f"SELECT {COUNTED} + {BUYERS}"))


def purchases_by_hand(company: Company) -> int:
    return int(made_by_hand(company).execute(f"SELECT {COUNTED} + (SELECT count(*) FROM order_facts)").fetchall()[0][0])


def made_by_hand(company: Company) -> duckdb.DuckDBPyConnection:
    hand = by_hand.connection(company, *FACTS)
    # DuckDB expects joins by (order_no, updated_at) to leave next to nothing, and then holds lines to look up products.
    hand.execute("SET disabled_optimizers = 'build_side_probe_side'")
    days = {"as_of": company.as_of} | {f"days_{n}": company.as_of - timedelta(days=n) for n in (7, 90, 365)}
    for name, query in BY_HAND.items():
        made = f"CREATE TEMP TABLE {name} AS"
        for first, last in QUARTERS if "$first" in query else QUARTERS[:1]:
            text = query
            for key, day in (days | {"first": first, "last": last}).items():
                text = text.replace(f"${key}", f"DATE '{day}'")
            hand.execute(f"{made} {text}")
            made = f"INSERT INTO {name}"
    return hand


def fifty() -> TraitSet:
    """Fifty quantities as companies write them: counts, sums, extremes, firsts and shares of orders, lines and events."""
    made: list[Trait] = []

    def add(kind: str, quantity: Quantity) -> None:
        made.append(Trait.of(f"own_{len(made)}", kind, "measured", quantity=quantity, owner="team:crm"))

    for within in (7, 30, 60, 180, 365):
        orders, lines = activities("order", within=days(within)), activities("product_bought", within=days(within))
        add("BIGINT", count(orders))
        add("MONEY", sum_of("amount", orders))
        add("MONEY", max_of("amount", orders))
        add("DOUBLE", share(activities("order", channel="web", within=days(within)), orders))
        add("BIGINT", distinct("category", lines))
        add("MONEY", sum_of("amount", activities("product_bought", department="Shoes", within=days(within))))
        for name in ("visit", "product_viewed", "cart_added"):
            add("BIGINT", count(activities(name, within=days(within))))
        add("VARCHAR", most_frequent("category", activities("product_viewed", within=days(within))))
    return TraitSet("fifty", tuple(made))


def own_traits(company: Company) -> int:
    own = fifty()
    declare(own)
    day = [company.as_of]
    [report] = build.own_traits_of(
        company.lake, day, company.settings, own, IDENTITY, quantities=quantities(VOCABULARY)
    )
    return report.profiles


STAGES = (
    Stage("traits", with_identities, traits),
    Stage("traits-own-fifty", with_traits, own_traits),
    Stage("traits-of-purchases", with_identities, purchases, purchases_by_hand),
)
