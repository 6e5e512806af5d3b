"""Traits of orders and goods, each against a person worked out by hand; each test names the rule it holds."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.rules import TraitRules
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline_tests.profiles.literal_rows import customer, jan, line, order, product, refund
from segment_pipeline_tests.profiles.snapshots import Put, rows
from segment_pipeline_tests.profiles.trait_rows import DAY, money, traits


def test_orders_and_spend_count_company_days_up_to_and_with_as_of(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("square", "today", DAY, "1", customer_key="A"),
            order("square", "90th day", date(2017, 10, 3), "2", customer_key="A"),
            order("square", "91st day", date(2017, 10, 2), "4", customer_key="A"),
            order("square", "365th day", date(2017, 1, 1), "8", customer_key="A"),
            order("square", "366th day", date(2016, 12, 31), "16", customer_key="A"),
            order("square", "tomorrow", date(2018, 1, 1), "32", customer_key="A"),
        ],
    )
    a = traits(lake)["A"]
    assert (a["orders_90d"], a["orders_365d"], a["orders_total"]) == (2, 4, 5)
    assert (a["spend_90d"], a["spend_365d"], a["spend_total"]) == (money("3"), money("15"), money("31"))
    assert a["aov_365d"] == money("3.75")
    assert (a["first_order_on"], a["last_order_on"], a["days_since_last_order"]) == (date(2016, 12, 31), DAY, 0)


def test_only_completed_sales_are_orders(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("square", "sale", DAY, "10", customer_key="A"),
            order("square", "open", DAY, "20", customer_key="A", status="open"),
            order("square", "cancelled", DAY, "40", customer_key="A", status="cancelled"),
            order("square", "test", DAY, "80", customer_key="A", status="test"),
            order("square", "gift card alone", DAY, "0", customer_key="A", gift_card_sold=Decimal(50)),
            order("square", "gift card and milk", DAY, "5", customer_key="A", gift_card_sold=Decimal(25)),
            order("square", "foreign without rate", DAY, "7", customer_key="A", net_base=None),
        ],
    )
    a = traits(lake)["A"]
    assert (a["orders_total"], a["spend_total"], a["prepaid_loaded_7d"]) == (3, money("15"), money("75"))


@pytest.mark.also_on_spark("profiles/traits/buyers", "profiles/traits/lifetime_buyers", "profiles/traits/traits")
def test_spend_of_which_no_rate_is_known_is_unknown_and_ranks_nobody(lake: Lake, put: Put) -> None:
    early, late = date(2016, 5, 1), date(2017, 12, 1)
    put(
        "customers",
        [customer("square", key, date(2015, 1, 1)) for key in ("none", "some", "lately", "other", "nothing")],
    )
    unknown: dict[str, Any] = {"net_base": None, "currency": "XTS"}
    put(
        "orders",
        [
            order("square", "1", late, "10", customer_key="none", **unknown),
            order("square", "2", late, "10", customer_key="some", **unknown),
            order("square", "3", late, "5", customer_key="some"),
            order("square", "4", early, "7", customer_key="lately"),
            order("square", "5", late, "10", customer_key="lately", **unknown),
            order("square", "6", late, "9", customer_key="other"),
        ],
    )
    put("refunds", [refund("square", "R", "1", DAY, "4", amount_base=None)])
    found = traits(lake)
    spend = {key: (t["spend_total"], t["spend_365d"], t["spend_90d"], t["aov_365d"]) for key, t in found.items()}
    assert spend == {
        "none": (None, None, None, None),
        "some": (money("5"), money("5"), money("5"), money("2.5")),
        "lately": (money("7"), None, None, None),
        "other": (money("9"), money("9"), money("9"), money("9")),
        "nothing": (money("0"), money("0"), money("0"), None),
    }
    ranks = {key: (t["buyers_below_365d"], t["buyers_365d"], t["rfm_m"], t["rfm_r"]) for key, t in found.items()}
    assert (ranks["some"], ranks["other"]) == ((0, 2, 1, 1), (1, 2, 3, 1))
    assert {ranks[key] for key in ("none", "lately", "nothing")} == {(None, None, None, None)}
    tiers = {key: (t["value_tier"], t["value_tier_lifetime"]) for key, t in found.items()}
    assert [tiers[key] for key in ("none", "lately", "nothing")] == [(None, None), (None, "low"), ("none", "none")]
    assert found["none"]["orders_total"] == 1


def test_a_refund_lowers_its_orders_day_once_it_was_made(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("shopify", "O1", date(2017, 9, 1), "100", customer_key="A"),
            order("shopify", "O2", DAY, "10", customer_key="A"),
        ],
    )
    put(
        "refunds",
        [
            refund("shopify", "R1", "O1", date(2017, 12, 30), "30"),
            refund("shopify", "R2", "O2", date(2018, 1, 2), "10"),
        ],
    )
    before, after = traits(lake, date(2017, 12, 29))["A"], traits(lake)["A"]
    assert (before["spend_365d"], before["spend_90d"]) == (money("100"), money("0"))
    assert (after["spend_365d"], after["spend_90d"], after["orders_365d"]) == (money("80"), money("10"), 2)


def test_a_linked_return_lowers_the_order_it_names_and_an_unlinked_one_its_own_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1)), customer("square", "B", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("square", "A1", date(2016, 12, 1), "100", customer_key="A"),
            order("square", "A2", DAY, "-40", customer_key="A", kind="return", parent_order_key="A1"),
            order("square", "B1", date(2016, 12, 1), "100", customer_key="B"),
            order("square", "B2", DAY, "-40", customer_key="B", kind="return"),
        ],
    )
    found = traits(lake)
    assert [(found[k]["orders_total"], found[k]["spend_total"], found[k]["spend_365d"]) for k in "AB"] == [
        (1, money("60"), money("0")),
        (1, money("60"), money("-40")),
    ]


def test_an_exchange_sells_goods_gives_back_others_and_is_no_order(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("square", "A1", date(2017, 3, 1), "50", customer_key="A"),
            order("square", "X", DAY, "5", customer_key="A", kind="exchange", parent_order_key="A1"),
        ],
    )
    put(
        "order_lines",
        [
            line("square", "A1", "1", date(2017, 3, 1), "50"),
            line("square", "X", "1", DAY, "35"),
            line("square", "X", "return:1", DAY, "-30"),
        ],
    )
    a = traits(lake)["A"]
    assert (a["orders_total"], a["spend_total"], a["spend_90d"]) == (1, money("55"), money("35"))


def test_the_version_of_an_order_is_the_one_of_the_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put(
        "orders",
        [
            order("square", "O1", jan(1), "10", customer_key="A", status="open"),
            order("square", "O1", jan(1), "10", updated=jan(3), customer_key="A"),
            order("square", "O1", jan(1), "10", updated=jan(5), customer_key="A", status="cancelled"),
            order("square", "pulled late", jan(1), "7", updated=jan(4), customer_key="A"),
        ],
    )
    assert [traits(lake, jan(n))["A"]["spend_total"] for n in (2, 3, 5)] == [money("7"), money("17"), money("7")]


def test_equal_spend_ranks_equal_and_bins_may_stay_empty(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in "ABCDE"])
    put(
        "orders",
        [
            *(order("square", f"O{k}", DAY, "10", customer_key=k) for k in "ABC"),
            order("square", "OD", date(2017, 12, 1), "20", customer_key="D"),
        ],
    )
    found = traits(lake)
    assert [found[k]["spend_percentile"] for k in "ABCDE"] == [0.0, 0.0, 0.0, 0.75, None]
    assert [(found[k]["buyers_below_365d"], found[k]["buyers_365d"]) for k in "ADE"] == [(0, 4), (3, 4), (None, None)]
    assert [found[k]["value_tier"] for k in "ABCDE"] == ["low", "low", "low", "mid", "none"]
    assert [found[k]["rfm_m"] for k in "ABCDE"] == [1, 1, 1, 4, None]
    assert [found[k]["rfm_r"] for k in "ABCDE"] == [2, 2, 2, 1, None]
    assert [found[k]["rfm_f"] for k in "ABCDE"] == [1, 1, 1, 1, None]


def buyers(put: Put, spend: Sequence[int], orders: Sequence[int] | None = None) -> None:
    """So many buyers, B0 onwards, with their spend in so many orders of DAY (default: one)."""
    put("customers", [customer("square", f"B{n}", date(2015, 1, 1)) for n in range(len(spend))])
    counts = orders or [1] * len(spend)
    put("orders", [
        order("square", f"{n}:{one}", DAY, str(Decimal(spend[n]) / counts[n]), customer_key=f"B{n}")
        for n in range(len(spend)) for one in range(counts[n])
    ])  # fmt: skip


@pytest.mark.also_on_spark("profiles/traits/buyers")
def test_who_bought_once_like_most_has_the_lowest_frequency(lake: Lake, put: Put) -> None:
    """Of 20 buyers 17 with one order had the score 5 and were champions (rfm 17, ibis 3590)."""
    buyers(put, [12] * 20, [1] * 17 + [2, 3, 4])
    found = traits(lake)
    assert [found[f"B{n}"]["rfm_f"] for n in (0, 16, 17, 18, 19)] == [1, 1, 5, 5, 5]
    assert {found[f"B{n}"]["rfm_m"] for n in range(20)} == {1}


@pytest.mark.also_on_spark(
    "profiles/traits/buyers",
    "profiles/traits/lifetime_buyers",
    "profiles/traits/traits",
)
def test_the_top_tenth_of_ten_is_one_and_of_equals_nobody(lake: Lake, put: Put) -> None:
    buyers(put, range(1, 11))
    found = traits(lake)
    assert [found[f"B{n}"]["value_tier"] for n in range(10)] == ["low"] * 5 + ["mid"] * 4 + ["top"]
    assert [found[f"B{n}"]["rfm_m"] for n in range(10)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_nine_equals_beside_one_who_spent_much_more_are_not_top(lake: Lake, put: Put) -> None:
    buyers(put, [10] * 9 + [1260])
    found = traits(lake)
    assert [found[f"B{n}"]["value_tier"] for n in range(10)] == ["low"] * 9 + ["top"]
    assert [found[f"B{n}"]["value_tier_lifetime"] for n in range(10)] == ["low"] * 9 + ["top"]


def test_three_in_ten_who_tie_at_the_most_leave_nobody_on_top(lake: Lake, put: Put) -> None:
    buyers(put, [10] * 7 + [99] * 3)
    found = traits(lake)
    assert [found[f"B{n}"]["value_tier"] for n in range(10)] == ["low"] * 7 + ["mid"] * 3
    assert [found[f"B{n}"]["rfm_m"] for n in range(10)] == [1] * 7 + [4] * 3


def test_thresholds_of_a_company_are_met_as_they_are_written(lake: Lake, put: Put) -> None:
    buyers(put, range(1, 11))
    traits(lake)
    build_traits(lake, AsOf(DAY, "UTC"), TraitRules(top_from=0.7, mid_from=0.3))
    with lake.session() as session:
        session.scan("traits")
        rows = session.rows("SELECT value_tier FROM traits ORDER BY spend_total")
    assert [row["value_tier"] for row in rows] == ["low"] * 3 + ["mid"] * 4 + ["top"] * 3


def test_tiers_begin_at_their_thresholds(lake: Lake, put: Put) -> None:
    keys = [f"K{n}" for n in range(1, 11)]
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in keys])
    put(
        "orders",
        [
            order("square", k, date(2016, 1, 1) if k == "K10" else DAY, str(n), customer_key=k)
            for n, k in enumerate(keys, 1)
        ],
    )
    found = traits(lake)
    # Nine bought within the year: eight are below K9, which is less than 0.9 of them; five below K6, four below K5.
    assert [found[k]["value_tier"] for k in keys] == ["low"] * 5 + ["mid"] * 4 + ["none"]
    # Of all ten exactly 0.9 are below K10 and exactly 0.5 below K6.
    assert [found[k]["value_tier_lifetime"] for k in keys] == ["low"] * 5 + ["mid"] * 4 + ["top"]


@pytest.mark.parametrize(
    ("first", "last", "stage"),
    [
        (None, None, "prospect"),
        (date(2017, 12, 1), date(2017, 12, 1), "new"),
        (date(2017, 11, 30), date(2017, 11, 30), "active"),
        (date(2016, 1, 1), date(2017, 10, 2), "active"),
        (date(2016, 1, 1), date(2017, 10, 1), "at_risk"),
        (date(2016, 1, 1), date(2017, 7, 4), "at_risk"),
        (date(2016, 1, 1), date(2017, 7, 3), "churned"),
    ],
)
def test_lifecycle_stages_meet_at_30_90_and_180_days(
    lake: Lake, put: Put, first: date | None, last: date | None, stage: str
) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "other", jan(1))])
    put("orders", [order("square", f"O{n}", day, customer_key="A") for n, day in enumerate((first, last)) if day])
    assert traits(lake)["A"]["lifecycle_stage"] == stage


def test_loyalty_stage_wants_six_orders_a_recent_one_and_for_vip_the_top_tier(lake: Lake, put: Put) -> None:
    few = [f"few{n}" for n in range(6)]
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in ("five", "six", "vip", "late", "none", *few)])
    put(
        "orders",
        [
            *(order("square", k, DAY, "1", customer_key=k) for k in few),
            *(order("square", f"five{n}", DAY, customer_key="five") for n in range(5)),
            *(order("square", f"six{n}", DAY, customer_key="six") for n in range(6)),
            *(order("square", f"vip{n}", DAY, "100", customer_key="vip") for n in range(6)),
            *(order("square", f"late{n}", date(2017, 10, 1), customer_key="late") for n in range(9)),
        ],
    )
    found = traits(lake)
    assert {k: found[k]["loyalty_stage"] for k in found if k not in few} == {
        "five": "regular", "six": "loyal", "vip": "vip", "late": "regular", "none": None,
    }  # fmt: skip


def test_shares_are_of_spend_of_known_value_with_refunds_and_returns_off(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put(
        "products",
        [
            product(
                "square",
                "shoe",
                department="Shoes",
                category="Running",
                collection="Winter",
                launched_on=date(2017, 11, 1),
            ),
            product("square", "shirt", department="Men", category="Shirts", launched_on=date(2017, 1, 1)),
            product("square", "mystery"),
        ],
    )
    put(
        "orders",
        [
            order("square", "O1", date(2017, 12, 1), "100", customer_key="A"),
            order("square", "O0", date(2016, 6, 1), "60", customer_key="A"),
            order("square", "R", date(2017, 12, 20), "-10", customer_key="A", kind="return", parent_order_key="O1"),
        ],
    )
    put(
        "order_lines",
        [
            line("square", "O1", "1", date(2017, 12, 1), "50", product_key="shoe", is_markdown=True),
            line("square", "O1", "2", date(2017, 12, 1), "30", product_key="shirt"),
            line("square", "O1", "3", date(2017, 12, 1), "20", product_key="mystery"),
            line("square", "O0", "1", date(2016, 6, 1), "60", product_key="shirt"),
            line("square", "R", "return:1", date(2017, 12, 20), "-10", product_key="shirt"),
        ],
    )
    put("refunds", [refund("square", "F", "O1", date(2017, 12, 10), "10", line_number="1")])
    a = traits(lake)["A"]
    shares = {
        (r["dimension"], r["value"]): (r["spend_365d"], r["share_365d"], r["spend_total"], r["share_total"])
        for r in rows(lake, "trait_shares")
    }
    assert shares == {
        ("department", "Shoes"): (money("40"), 40 / 60, money("40"), 40 / 120),
        ("department", "Men"): (money("20"), 20 / 60, money("80"), 80 / 120),
        ("category", "Running"): (money("40"), 40 / 60, money("40"), 40 / 120),
        ("category", "Shirts"): (money("20"), 20 / 60, money("80"), 80 / 120),
        ("collection", "Winter"): (money("40"), 1.0, money("40"), 1.0),
    }
    assert (a["top_department"], a["departments_365d"]) == ("Shoes", 2)
    assert a["markdown_share"] == 40 / 80
    # Two lines of known launch; the shoe was launched 30 days before, the shirt 334.
    assert a["new_arrival_share"] == 0.5


def test_spend_without_a_marked_down_line_is_a_share_of_zero(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "O1", DAY, "30", customer_key="A")])
    put("order_lines", [line("square", "O1", "1", DAY, "30")])
    a = traits(lake)["A"]
    # No launch is known of what was bought: of that nothing can be said.
    assert (a["markdown_share"], a["new_arrival_share"]) == (0.0, None)


def test_traits_do_not_depend_on_how_many_orders_are_joined_at_once(
    lake: Lake, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("products", [product("square", "shoe", department="Shoes")])
    put(
        "orders",
        [
            order("square", "O1", date(2017, 3, 1), "50", customer_key="A", status="open"),
            order("square", "O1", date(2017, 3, 1), "50", updated=date(2017, 3, 9), customer_key="A"),
            order("square", "O2", date(2017, 3, 5), "20", customer_key="A"),
            order("square", "R", DAY, "-30", customer_key="A", kind="return", parent_order_key="O1"),
        ],
    )
    put(
        "order_lines",
        [
            line("square", "O1", "1", date(2017, 3, 1), "50", product_key="shoe"),
            line("square", "O1", "1", date(2017, 3, 1), "50", updated=date(2017, 3, 9), product_key="shoe"),
            line("square", "O2", "1", date(2017, 3, 5), "20", product_key="shoe"),
            line("square", "R", "return:1", DAY, "-30", product_key="shoe"),
        ],
    )
    put("refunds", [refund("square", "F", "O2", date(2017, 3, 7), "5", line_number="1")])
    at_once, shares = traits(lake), rows(lake, "trait_shares")
    monkeypatch.setattr("segment_pipeline.profiles.traits.compute.ORDERS_AT_ONCE", 1)
    assert (traits(lake), rows(lake, "trait_shares")) == (at_once, shares)
    assert (at_once["A"]["orders_total"], at_once["A"]["spend_total"]) == (2, money("35"))
    assert [(r["value"], r["spend_total"]) for r in shares] == [("Shoes", money("35"))]
