"""The memberships of varied segments from DuckDB's SQL written by hand for just this company and just these kinds of rules.

It knows what the package cannot: that products of events are all known, which property each event has, that no address stands
alone, and that there is no day before.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import duckdb

from segment_pipeline.algebra.nodes import (
    AllOf,
    AnyOf,
    BirthdayRule,
    CountRule,
    MemberRule,
    NearRule,
    NoneOf,
    SequenceRule,
    ShareRule,
    SumRule,
    TopRule,
    TraitRule,
)
from segment_pipeline.algebra.parts import Activities, Rule
from segment_pipeline.lake.dialect import literal
from segment_pipeline.profiles.compiler.expressions import birthdays
from segment_pipeline.segments.rules import Segment
from segment_pipeline_tests.benchmarks.by_hand import connection, written
from segment_pipeline_tests.benchmarks.company import Company

WORD = 62
OF_PRODUCTS = ("product_viewed", "cart_added", "product_bought")

PEOPLE = """
CREATE TEMP TABLE people AS
SELECT profile_id, row_number() OVER (ORDER BY profile_id)::INTEGER AS p FROM traits WHERE as_of = {as_of};
CREATE TEMP TABLE who AS
SELECT i.source, i.entity, i.record_key, i.key_no, p.p FROM identities i JOIN people p USING (profile_id) WHERE i.as_of = {as_of};
CREATE TEMP TABLE goods AS
SELECT source, product_key, product_no, row_number() OVER (ORDER BY source, product_key)::INTEGER AS v, skus[1] AS item,
    dense_rank() OVER (ORDER BY skus[1])::INTEGER AS item_no, brand, department, category, collection, launched_on
FROM products;
"""
EVENTS = """
SELECT coalesce(c.p, d.p) AS p, n.n, e.occurred_on AS day, {v} AS v{more}
FROM events e
JOIN names n ON n.name = e.name AND e.occurred_on >= n.since
LEFT JOIN (SELECT record_key, p FROM who WHERE entity = 'customer' AND source = 'shopify') c ON c.record_key = e.customer_key
LEFT JOIN (SELECT record_key, p FROM who WHERE entity = 'device') d
    ON d.record_key = CASE WHEN c.p IS NULL THEN e.anonymous_id END
{join}
WHERE coalesce(c.p, d.p) IS NOT NULL AND e.occurred_on <= {as_of} AND e.name {chosen} ('product_viewed', 'cart_added')
"""
ORDERS = """
CREATE TEMP TABLE newest AS
SELECT order_no, coalesce(max(updated_at) FILTER (WHERE day <= {as_of}), min(updated_at)) AS updated_at
FROM orders GROUP BY ALL HAVING count(*) > 1;
CREATE TEMP TABLE given_back AS
SELECT order_no, sum(amount_base) AS refunded FROM refunds WHERE refunded_on <= {as_of} GROUP BY ALL;
CREATE TEMP TABLE sales AS
SELECT w.p, o.order_no, o.updated_at, o.ordered_on AS day, o.ordered_at AS seen, o.channel,
    o.net_base - coalesce(g.refunded, 0) AS spend
FROM orders o
LEFT JOIN given_back g USING (order_no)
LEFT JOIN newest n USING (order_no)
JOIN (SELECT key_no, p FROM who WHERE entity IN ('customer', 'order')) w ON w.key_no = coalesce(o.customer_no, o.order_no)
WHERE o.kind = 'sale' AND o.status = 'completed' AND NOT (o.gift_card_sold > 0 AND o.gross = 0)
    AND o.ordered_on BETWEEN {since} AND {as_of} AND (n.updated_at IS NULL OR n.updated_at = o.updated_at);
"""


class Hand:
    """Collects what the segments ask as rows of small tables, while their rules become SQL over bits."""

    def __init__(self, segments: Sequence[Segment], as_of: date) -> None:
        self.as_of, self.by_name = as_of, {segment.name: segment for segment in segments}
        self.bits: dict[object, int] = {}
        self.counts: list[tuple[int, CountRule]] = []
        self.sums: list[tuple[int, SumRule]] = []
        self.shares: list[tuple[int, ShareRule]] = []
        self.sequences: list[tuple[int, SequenceRule]] = []
        self.tops: list[tuple[int, TopRule]] = []
        self.leaves: list[tuple[int, str]] = []
        self.wheres = {segment.name: self.sql(segment.where) for segment in segments}

    def sql(self, rule: Rule) -> str:
        match rule:
            case AllOf(rules):
                return "(" + " AND ".join(map(self.sql, rules)) + ")"
            case AnyOf(rules):
                return "(" + " OR ".join(map(self.sql, rules)) + ")"
            case NoneOf(rules):
                return "NOT (" + " OR ".join(map(self.sql, rules)) + ")"
            case MemberRule(name):
                return self.sql(self.by_name[name].where)
            case CountRule(of, 0, 0):
                return "NOT " + self.sql(CountRule(of))
        bit = self.bits.get(rule)
        if bit is None:
            bit = self.bits[rule] = len(self.bits)
            self._note(bit, rule)
        return f"(w{bit // WORD} & {1 << bit % WORD} <> 0)"

    def _note(self, bit: int, rule: Rule) -> None:  # noqa: C901 - one case per kind of rule
        match rule:
            case CountRule():
                self.counts.append((bit, rule))
            case SumRule():
                self.sums.append((bit, rule))
            case ShareRule():
                self.shares.append((bit, rule))
            case SequenceRule():
                self.sequences.append((bit, rule))
            case TopRule():
                self.tops.append((bit, rule))
            case NearRule(lat, lon, km):
                half = f"sin(radians(lat - {lat}) / 2) ** 2 + cos(radians({lat})) * cos(radians(lat)) * sin(radians(lon - {lon}) / 2) ** 2"
                self.leaves.append((bit, f"2 * 6371.0088 * asin(sqrt(least(1.0, {half}))) <= {km}"))
            case BirthdayRule(days):
                self.leaves.append((bit, f"birth_day IN {_listed(birthdays(self.as_of, days))}"))
            case TraitRule(trait, operator, values):
                held = [literal(value) for value in values]
                match operator:
                    case "unknown":
                        text = f"{trait} IS NULL"
                    case "in":
                        text = f"{trait} IN ({', '.join(held)})"
                    case "contains":
                        text = f"list_contains({trait}, {held[0]})"
                    case "between":
                        text = f"{trait} BETWEEN {held[0]} AND {held[1]}"
                    case _:
                        text = f"{trait} {operator} {held[0]}"
                self.leaves.append((bit, text))

    def first(self, of: Activities) -> date:
        assert of.within is not None
        return self.as_of - timedelta(days=of.within - 1)


def _listed(values: Sequence[str]) -> str:
    return "(" + ", ".join(map(literal, values)) + ")"


def _goods(of: Activities, as_of: date) -> str:
    """A choice's conditions on products."""
    tests = ["TRUE"]
    for field, column in (("item", "item"), ("brand", "brand"), ("department", "department"), ("category", "category")):
        if held := getattr(of, field):
            tests.append(f"{column} IN {_listed(held)}")
    known = f"launched_on <= {literal(as_of)} AND collection IS NOT NULL"
    if of.collection:
        inner = f"SELECT max(launched_on) FROM goods WHERE {known} AND {' AND '.join(tests)}"
        tests.append(
            f"collection IN (SELECT collection FROM goods WHERE {known} AND {' AND '.join(tests)} AND launched_on = ({inner}))"
        )
    return " AND ".join(tests)


def _value(of: Activities) -> Sequence[str] | None:
    return of.campaign or of.category or of.text or of.subject or None


def members_by_hand(company: Company, segments: Sequence[Segment]) -> int:
    """Write memberships, sizes and first changes as Parquet; returns the number of members."""
    hand, as_of = Hand(segments, company.as_of), literal(company.as_of)
    con = connection(
        company, "traits", "trait_shares", "identities", "products", "events", "orders", "order_lines", "refunds"
    )
    since = literal(min(hand.first(of) for of in _choices(hand)))
    con.execute(PEOPLE.format(as_of=as_of))
    _names(con, hand)
    # One value per event: which property it is depends on the name. Hours stand beside it.
    prop = """CASE e.name WHEN 'visit' THEN e.utm_campaign WHEN 'category_viewed' THEN e.category
        WHEN 'search' THEN json_extract_string(e.properties, '$.query')
        WHEN 'content_viewed' THEN json_extract_string(e.properties, '$.topic')
        WHEN 'social_engaged' THEN json_extract_string(e.properties, '$.network') END"""
    slim = {"v": "u.v", "more": ", hour(e.local_at)::TINYINT AS hour", "chosen": "NOT IN", "as_of": as_of}
    con.execute("CREATE TEMP TABLE slim AS " + EVENTS.format(join=f"LEFT JOIN vals u ON u.value = {prop}", **slim))
    wide = {"v": "g.v", "more": ", g.item_no, e.occurred_at AS seen", "chosen": "IN", "as_of": as_of}
    by_key = "LEFT JOIN goods g ON g.source = 'shopify' AND g.product_key = e.product_key"
    con.execute("CREATE TEMP TABLE wide AS " + EVENTS.format(join=by_key, **wide))
    con.execute(ORDERS.format(since=since, as_of=as_of))
    con.execute(
        """INSERT INTO wide SELECT s.p, (SELECT n FROM names WHERE name = 'product_bought'), s.day, g.v, g.item_no, s.seen
        FROM order_lines l JOIN sales s USING (order_no, updated_at)
        LEFT JOIN goods g ON g.product_no = l.product_no"""
    )
    _hits(con, hand)
    words = range(-(-len(hand.bits) // WORD))
    ors = ", ".join(f"bit_or(m) FILTER (WHERE w = {word}) AS w{word}" for word in words)
    personal = ["0"] * len(words)
    for bit, text in hand.leaves:
        personal[bit // WORD] += f" | CASE WHEN {text} THEN {1 << bit % WORD} ELSE 0 END"
    both = ", ".join(f"coalesce(h.w{word}, 0) | ({personal[word]}) AS w{word}" for word in words)
    con.execute(f"CREATE TEMP TABLE hit AS SELECT p, {ors} FROM hits GROUP BY p")
    con.execute(
        f"CREATE TEMP TABLE bits AS SELECT q.p, {both} FROM traits t JOIN people q USING (profile_id) "
        f"LEFT JOIN hit h USING (p) WHERE t.as_of = {as_of}"
    )
    parts = " UNION ALL ".join(
        f"SELECT {number}::SMALLINT AS s, p FROM bits WHERE {hand.wheres[segment.name]}"
        for number, segment in enumerate(segments)
    )
    con.execute(f"CREATE TEMP TABLE members AS {parts}")
    con.execute("CREATE TEMP TABLE declared (s SMALLINT, segment VARCHAR)")
    con.executemany("INSERT INTO declared VALUES (?, ?)", [[n, one.name] for n, one in enumerate(segments)])
    named = "members JOIN declared USING (s) JOIN people USING (p) ORDER BY s, p"
    rows = written(
        company, con, f"SELECT {as_of} AS as_of, segment, 'hash' AS definition_hash, profile_id FROM {named}"
    )
    written(
        company,
        con,
        f"SELECT {as_of} AS as_of, segment, profile_id, 'entered' AS change, 'first' AS cause FROM {named}",
    )
    written(company, con, "SELECT segment, count(p) AS size FROM declared LEFT JOIN members USING (s) GROUP BY segment")
    return rows


def _choices(hand: Hand) -> list[Activities]:
    found = [rule.of for _, rule in hand.counts] + [rule.of for _, rule in hand.sums]
    return found + [step for _, rule in hand.sequences for step in rule.steps]


def _names(con: duckdb.DuckDBPyConnection, hand: Hand) -> None:
    choices = _choices(hand)
    names = sorted({of.name for of in choices} | {"product_bought", "product_viewed"})
    con.execute("CREATE TEMP TABLE names (name VARCHAR, n TINYINT, since DATE)")
    for n, name in enumerate(names):
        con.execute(
            "INSERT INTO names VALUES (?, ?, ?)",
            [name, n, min([hand.first(of) for of in choices if of.name == name], default=hand.as_of)],
        )
    values = sorted({text for of in choices if of.name not in OF_PRODUCTS for text in _value(of) or ()})
    con.execute(
        "CREATE TEMP TABLE vals AS SELECT unnest(?) AS value, unnest(range(?))::INTEGER AS v", [values, len(values)]
    )


def _hits(con: duckdb.DuckDBPyConnection, hand: Hand) -> None:
    con.execute("CREATE TEMP TABLE hits (p INTEGER, w TINYINT, m BIGINT)")
    kinds = ("plain", "slim", "hours", "orders", "plain_wide", "wide", "item", "followed", "followed_plain")
    for kind in kinds:
        con.execute(
            f"CREATE TEMP TABLE c_{kind} (b SMALLINT, n TINYINT, v INTEGER, since DATE, k INTEGER, h1 INTEGER, h2 INTEGER)"
        )
    for bit, rule in hand.counts:
        of, since = rule.of, literal(hand.first(rule.of))
        n = f"(SELECT n FROM names WHERE name = {literal(of.name)})"
        h1, h2 = of.local_hour or ("NULL", "NULL")
        tail = f"{since}, {rule.at_least}, {h1}, {h2}"
        about = of.item or of.brand or of.department or of.category or of.collection
        if of.name in OF_PRODUCTS:
            kind = "followed" if of.not_followed_by else "item" if rule.same_product else "wide"
            if kind == "wide" and not about:
                con.execute(f"INSERT INTO c_plain_wide SELECT {bit}, {n}, NULL, {tail}")
            elif kind == "followed" and not about:
                con.execute(f"INSERT INTO c_followed_plain SELECT {bit}, {n}, NULL, {tail}")
            else:
                con.execute(
                    f"INSERT INTO c_{kind} SELECT {bit}, {n}, v, {tail} FROM goods WHERE {_goods(of, hand.as_of)}"
                )
        elif of.name == "order":
            v = {(): "NULL", ("web",): "1", ("store",): "0"}[of.channel]
            con.execute(f"INSERT INTO c_orders SELECT {bit}, {n}, {v}, {tail}")
        elif (held := _value(of)) is not None:
            con.execute(f"INSERT INTO c_slim SELECT {bit}, {n}, v, {tail} FROM vals WHERE value IN {_listed(held)}")
        else:
            con.execute(f"INSERT INTO c_{'hours' if of.local_hour else 'plain'} SELECT {bit}, {n}, NULL, {tail}")
    for kind, table in (("plain", "slim"), ("plain_wide", "wide")):
        _plain(con, kind, table)
    hours = "CASE WHEN c.h1 < c.h2 THEN hour >= c.h1 AND hour < c.h2 ELSE hour >= c.h1 OR hour < c.h2 END"
    channel = "(c.v IS NULL OR channel = CASE c.v WHEN 1 THEN 'web' ELSE 'store' END)"
    for kind, rows, on in (
        ("slim", "slim a", "c.n = a.n AND c.v = a.v"),
        ("hours", "slim a", f"c.n = a.n AND {hours}"),
        ("wide", "wide a", "c.n = a.n AND c.v = a.v"),
        ("orders", "sales a", channel),
    ):
        joined = f"FROM {rows} JOIN c_{kind} c ON {on} AND a.day >= c.since"
        con.execute(f"INSERT INTO hits SELECT a.p, c.b // {WORD}, 1::BIGINT << (c.b % {WORD}) {joined} WHERE c.k = 1")
        grouped = f"SELECT a.p, c.b {joined} WHERE c.k > 1 GROUP BY a.p, c.b HAVING count(*) >= any_value(c.k)"
        con.execute(f"INSERT INTO hits SELECT p, b // {WORD}, 1::BIGINT << (b % {WORD}) FROM ({grouped})")
    con.execute(
        f"""INSERT INTO hits SELECT p, b // {WORD}, 1::BIGINT << (b % {WORD}) FROM (
        SELECT DISTINCT p, b FROM (SELECT a.p, c.b, a.item_no FROM wide a
        JOIN c_item c ON c.n = a.n AND c.v = a.v AND a.day >= c.since GROUP BY a.p, c.b, a.item_no HAVING count(*) >= any_value(c.k)))"""
    )
    con.execute(
        """CREATE TEMP TABLE candidates AS
        SELECT a.p, c.b, a.item_no, a.seen FROM wide a JOIN c_followed c ON c.n = a.n AND c.v = a.v AND a.day >= c.since
        UNION ALL SELECT a.p, c.b, a.item_no, a.seen FROM wide a JOIN c_followed_plain c ON c.n = a.n AND a.day >= c.since
        WHERE a.item_no IS NOT NULL"""
    )
    con.execute(
        f"""INSERT INTO hits SELECT c.p, c.b // {WORD}, 1::BIGINT << (c.b % {WORD}) FROM candidates c
        LEFT JOIN (SELECT p, item_no, max(seen) AS seen FROM wide b
            WHERE n = (SELECT n FROM names WHERE name = 'product_bought')
            AND EXISTS (SELECT 1 FROM candidates c WHERE c.p = b.p AND c.item_no = b.item_no)
            GROUP BY p, item_no
        ) b
        USING (p, item_no) WHERE b.seen IS NULL OR b.seen < c.seen"""
    )
    _others(con, hand)


def _plain(con: duckdb.DuckDBPyConnection, kind: str, table: str) -> None:
    rows = con.execute(f"SELECT b, n, since, k FROM c_{kind} ORDER BY n").fetchall()
    if not rows:
        return
    days = sorted({since for _, _, since, _ in rows})
    counts = ", ".join(f"count(*) FILTER (WHERE day >= {literal(day)}) AS d{i}" for i, day in enumerate(days))
    for word in {bit // WORD for bit, *_ in rows}:
        cases: dict[int, list[str]] = {}
        for bit, n, since, k in rows:
            if bit // WORD == word:
                cases.setdefault(n, []).append(
                    f"CASE WHEN d{days.index(since)} >= {k} THEN {1 << bit % WORD} ELSE 0 END"
                )
        mask = "CASE n " + " ".join(f"WHEN {n} THEN {' | '.join(texts)}" for n, texts in cases.items()) + " ELSE 0 END"
        con.execute(
            f"INSERT INTO hits SELECT p, {word}, m FROM (SELECT p, {mask} AS m FROM "
            f"(SELECT p, n, {counts} FROM {table} WHERE n IN ({', '.join(map(str, cases))}) GROUP BY p, n)) WHERE m <> 0"
        )


def _others(con: duckdb.DuckDBPyConnection, hand: Hand) -> None:
    def add(bit: int, query: str) -> None:
        con.execute(f"INSERT INTO hits SELECT p, {bit // WORD}, {1 << bit % WORD} FROM ({query})")

    for bit, sum_rule in hand.sums:
        assert sum_rule.value > Decimal(0)
        of = sum_rule.of
        where = f"day >= {literal(hand.first(of))} AND channel IN {_listed(of.channel)}"
        add(bit, f"SELECT p FROM sales WHERE {where} GROUP BY p HAVING sum(spend) >= {sum_rule.value}")
    for bit, share in hand.shares:
        where = f"as_of = {literal(hand.as_of)} AND dimension = {literal(share.dimension)} AND value = {literal(share.value)}"
        add(
            bit,
            f"SELECT p FROM trait_shares JOIN people USING (profile_id) WHERE {where} AND known_365d > 0 AND spend_365d >= known_365d * {share.share}",
        )
    for bit, top in hand.tops:
        held = f"as_of = {literal(hand.as_of)} AND {top.trait} IS NOT NULL"
        add(
            bit,
            f"SELECT p FROM traits JOIN people USING (profile_id) WHERE {held} ORDER BY {top.trait} DESC, profile_id LIMIT {top.n}",
        )
    for bit, rule in hand.sequences:
        one, other = rule.steps
        begun, bought = (
            f"SELECT p, seen FROM wide WHERE n = (SELECT n FROM names WHERE name = {literal(of.name)}) AND day >= {literal(hand.first(of))}"
            for of in (one, other)
        )
        begun += f" AND v IN (SELECT v FROM goods WHERE {_goods(one, hand.as_of)})"
        span = f"INTERVAL {rule.within} DAY"
        add(
            bit,
            f"SELECT DISTINCT a.p FROM ({begun}) a JOIN ({bought}) b ON b.p = a.p AND b.seen > a.seen AND b.seen <= a.seen + {span}",
        )
