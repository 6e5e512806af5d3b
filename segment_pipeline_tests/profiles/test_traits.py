"""Each trait against a person worked out by hand; each test names the rule it holds."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.traits import TRAITS, TraitRules, build_traits
from segment_pipeline_tests.profiles.literal_rows import (
    Row,
    consent,
    customer,
    event,
    jan,
    line,
    message,
    order,
    product,
    refund,
)
from segment_pipeline_tests.profiles.test_identity import Put, build, rows

DAY = date(2017, 12, 31)


def traits(lake: Lake, as_of: date = DAY, **rules: Any) -> dict[str, Row]:
    """Traits by the customer key of the person."""
    build(lake, as_of)
    build_traits(lake, as_of, TraitRules(**rules))
    return read(lake, as_of)


def read(lake: Lake, as_of: date) -> dict[str, Row]:
    keys = {r["profile_id"]: r["record_key"] for r in rows(lake, "identities") if r["as_of"] == as_of and r["entity"] == "customer"}
    return {keys[r["profile_id"]]: r for r in rows(lake, "traits") if r["as_of"] == as_of and r["profile_id"] in keys}


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.0001"))


def test_orders_and_spend_count_company_days_up_to_and_with_as_of(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [
        order("square", "today", DAY, "1", customer_key="A"),
        order("square", "90th day", date(2017, 10, 3), "2", customer_key="A"),
        order("square", "91st day", date(2017, 10, 2), "4", customer_key="A"),
        order("square", "365th day", date(2017, 1, 1), "8", customer_key="A"),
        order("square", "366th day", date(2016, 12, 31), "16", customer_key="A"),
        order("square", "tomorrow", date(2018, 1, 1), "32", customer_key="A"),
    ])
    a = traits(lake)["A"]
    assert (a["orders_90d"], a["orders_365d"], a["orders_total"]) == (2, 4, 5)
    assert (a["spend_90d"], a["spend_365d"], a["spend_total"]) == (money("3"), money("15"), money("31"))
    assert a["aov_365d"] == money("3.75")
    assert (a["first_order_on"], a["last_order_on"], a["days_since_last_order"]) == (date(2016, 12, 31), DAY, 0)


def test_only_completed_sales_are_orders(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [
        order("square", "sale", DAY, "10", customer_key="A"),
        order("square", "open", DAY, "20", customer_key="A", status="open"),
        order("square", "cancelled", DAY, "40", customer_key="A", status="cancelled"),
        order("square", "test", DAY, "80", customer_key="A", status="test"),
        order("square", "gift card alone", DAY, "0", customer_key="A", gift_card_sold=Decimal(50)),
        order("square", "gift card and milk", DAY, "5", customer_key="A", gift_card_sold=Decimal(25)),
        order("square", "foreign without rate", DAY, "7", customer_key="A", net_base=None),
    ])
    a = traits(lake)["A"]
    assert (a["orders_total"], a["spend_total"], a["prepaid_loaded_7d"]) == (3, money("15"), money("75"))


def test_a_refund_lowers_its_orders_day_once_it_was_made(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "A", date(2015, 1, 1))])
    put("orders", [order("shopify", "O1", date(2017, 9, 1), "100", customer_key="A"), order("shopify", "O2", DAY, "10", customer_key="A")])
    put("refunds", [refund("shopify", "R1", "O1", date(2017, 12, 30), "30"), refund("shopify", "R2", "O2", date(2018, 1, 2), "10")])
    before, after = traits(lake, date(2017, 12, 29))["A"], traits(lake)["A"]
    assert (before["spend_365d"], before["spend_90d"]) == (money("100"), money("0"))
    assert (after["spend_365d"], after["spend_90d"], after["orders_365d"]) == (money("80"), money("10"), 2)


def test_a_linked_return_lowers_the_order_it_names_and_an_unlinked_one_its_own_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1)), customer("square", "B", date(2015, 1, 1))])
    put("orders", [
        order("square", "A1", date(2016, 12, 1), "100", customer_key="A"),
        order("square", "A2", DAY, "-40", customer_key="A", kind="return", parent_order_key="A1"),
        order("square", "B1", date(2016, 12, 1), "100", customer_key="B"),
        order("square", "B2", DAY, "-40", customer_key="B", kind="return"),
    ])
    found = traits(lake)
    assert [(found[k]["orders_total"], found[k]["spend_total"], found[k]["spend_365d"]) for k in "AB"] == [
        (1, money("60"), money("0")),
        (1, money("60"), money("-40")),
    ]


def test_an_exchange_sells_goods_gives_back_others_and_is_no_order(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [
        order("square", "A1", date(2017, 3, 1), "50", customer_key="A"),
        order("square", "X", DAY, "5", customer_key="A", kind="exchange", parent_order_key="A1"),
    ])
    put("order_lines", [
        line("square", "A1", "1", date(2017, 3, 1), "50"),
        line("square", "X", "1", DAY, "35"),
        line("square", "X", "return:1", DAY, "-30"),
    ])
    a = traits(lake)["A"]
    assert (a["orders_total"], a["spend_total"], a["spend_90d"]) == (1, money("55"), money("35"))


def test_the_version_of_an_order_is_the_one_of_the_day(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [
        order("square", "O1", jan(1), "10", customer_key="A", status="open"),
        order("square", "O1", jan(1), "10", updated=jan(3), customer_key="A"),
        order("square", "O1", jan(1), "10", updated=jan(5), customer_key="A", status="cancelled"),
        order("square", "pulled late", jan(1), "7", updated=jan(4), customer_key="A"),
    ])
    assert [traits(lake, jan(n))["A"]["spend_total"] for n in (2, 3, 5)] == [money("7"), money("17"), money("7")]


def test_equal_spend_ranks_equal_and_bins_may_stay_empty(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in "ABCDE"])
    put("orders", [
        *(order("square", f"O{k}", DAY, "10", customer_key=k) for k in "ABC"),
        order("square", "OD", date(2017, 12, 1), "20", customer_key="D"),
    ])
    found = traits(lake)
    assert [found[k]["spend_percentile"] for k in "ABCDE"] == [0.75, 0.75, 0.75, 1.0, None]
    assert [found[k]["value_tier"] for k in "ABCDE"] == ["mid", "mid", "mid", "top", "none"]
    assert [found[k]["rfm_m"] for k in "ABCDE"] == [4, 4, 4, 5, None]
    assert [found[k]["rfm_r"] for k in "ABCDE"] == [5, 5, 5, 2, None]
    assert [found[k]["rfm_f"] for k in "ABCDE"] == [5, 5, 5, 5, None]


def test_tiers_begin_at_their_thresholds(lake: Lake, put: Put) -> None:
    keys = [f"K{n}" for n in range(1, 11)]
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in keys])
    put("orders", [
        order("square", k, date(2016, 1, 1) if k == "K10" else DAY, str(n), customer_key=k) for n, k in enumerate(keys, 1)
    ])
    found = traits(lake)
    # Nine bought within the year; K9 is 9/9, K8 is 8/9 < 0.9, K5 is 5/9.
    assert [found[k]["value_tier"] for k in keys] == ["low"] * 4 + ["mid"] * 4 + ["top", "none"]
    # Over all ten, K9 is exactly 0.9 and K5 exactly 0.5.
    assert [found[k]["value_tier_lifetime"] for k in keys] == ["low"] * 4 + ["mid"] * 4 + ["top", "top"]


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
def test_lifecycle_stages_meet_at_30_90_and_180_days(lake: Lake, put: Put, first: date | None, last: date | None, stage: str) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "other", jan(1))])
    put("orders", [order("square", f"O{n}", day, customer_key="A") for n, day in enumerate((first, last)) if day])
    assert traits(lake)["A"]["lifecycle_stage"] == stage


def test_loyalty_stage_wants_six_orders_a_recent_one_and_for_vip_the_top_tier(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", k, date(2015, 1, 1)) for k in ("five", "six", "vip", "late", "none")])
    put("orders", [
        *(order("square", f"five{n}", DAY, customer_key="five") for n in range(5)),
        *(order("square", f"six{n}", DAY, customer_key="six") for n in range(6)),
        *(order("square", f"vip{n}", DAY, "100", customer_key="vip") for n in range(6)),
        *(order("square", f"late{n}", date(2017, 10, 1), customer_key="late") for n in range(9)),
    ])
    found = traits(lake)
    assert {k: found[k]["loyalty_stage"] for k in found} == {
        "five": "regular", "six": "loyal", "vip": "vip", "late": "regular", "none": None,
    }  # fmt: skip


def test_shares_are_of_spend_of_known_value_with_refunds_and_returns_off(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("products", [
        product("square", "shoe", department="Shoes", category="Running", collection="Winter", launched_on=date(2017, 11, 1)),
        product("square", "shirt", department="Men", category="Shirts", launched_on=date(2017, 1, 1)),
        product("square", "mystery"),
    ])
    put("orders", [
        order("square", "O1", date(2017, 12, 1), "100", customer_key="A"),
        order("square", "O0", date(2016, 6, 1), "60", customer_key="A"),
        order("square", "R", date(2017, 12, 20), "-10", customer_key="A", kind="return", parent_order_key="O1"),
    ])
    put("order_lines", [
        line("square", "O1", "1", date(2017, 12, 1), "50", product_key="shoe", is_markdown=True),
        line("square", "O1", "2", date(2017, 12, 1), "30", product_key="shirt"),
        line("square", "O1", "3", date(2017, 12, 1), "20", product_key="mystery"),
        line("square", "O0", "1", date(2016, 6, 1), "60", product_key="shirt"),
        line("square", "R", "return:1", date(2017, 12, 20), "-10", product_key="shirt"),
    ])
    put("refunds", [refund("square", "F", "O1", date(2017, 12, 10), "10", line_number="1")])
    a = traits(lake)["A"]
    shares = {(r["dimension"], r["value"]): (r["spend_365d"], r["share_365d"], r["spend_total"], r["share_total"]) for r in rows(lake, "trait_shares")}
    assert shares == {
        ("department", "Shoes"): (money("40"), 40 / 60, money("40"), 40 / 120),
        ("department", "Men"): (money("20"), 20 / 60, money("80"), 80 / 120),
        ("category", "Running"): (money("40"), 40 / 60, money("40"), 40 / 120),
        ("category", "Shirts"): (money("20"), 20 / 60, money("80"), 80 / 120),
        ("collection", "Winter"): (money("40"), 1.0, money("40"), 1.0),
    }
    assert (a["top_department"], a["departments_365d"]) == ("Shoes", 2)
    assert a["markdown_share"] == 40 / 90
    # Two lines of known launch; the shoe was launched 30 days before, the shirt 334.
    assert a["new_arrival_share"] == 0.5


def test_the_local_hour_is_the_clock_on_the_wall(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    hours = [datetime(2017, 11, 5, 1, 30), datetime(2017, 11, 5, 22, 0), datetime(2017, 11, 5, 21, 59), datetime(2017, 11, 5, 4, 0), None]
    # 01:30 came twice in New York that night; the wall clock says it either way.
    put("orders", [order("square", f"O{n}", date(2017, 11, 5), customer_key="A", local_at=hour) for n, hour in enumerate(hours)])
    assert traits(lake)["A"]["late_night_share"] == 0.5


@pytest.mark.parametrize(
    ("as_of", "age", "band"),
    [(date(2017, 2, 28), 16, "under 19"), (date(2017, 3, 1), 17, "under 19"), (date(2020, 2, 28), 19, "19-24"), (date(2020, 2, 29), 20, "19-24")],
)
def test_a_year_of_life_is_complete_on_its_day_and_for_leaplings_on_1_march(lake: Lake, put: Put, as_of: date, age: int, band: str) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1), birth_date=date(2000, 2, 29))])
    a = traits(lake, as_of)["A"]
    assert (a["age"], a["age_band"], a["birth_day"]) == (age, band, "02-29")


def test_declared_attributes_come_from_the_record_and_a_declared_band_before_the_computed(lake: Lake, put: Put) -> None:
    declared = '{"age_band": "45-54", "income_band": "50-74K", "household_type": "2 Adults No Kids", "children": "0", "occupation": "nurse"}'
    put("customers", [customer("square", "A", date(2015, 1, 1), birth_date=date(2000, 1, 1), attributes=declared, gender="female"), customer("square", "B", date(2015, 1, 1))])
    found = traits(lake)
    names = ("age", "age_band", "income_band", "household_type", "children", "occupation", "gender")
    assert [found["A"][n] for n in names] == [17, "45-54", "50-74K", "2 Adults No Kids", "0", "nurse", "female"]
    assert [found["B"][n] for n in names] == [None] * 7


def test_geography_is_the_address_of_the_day_and_the_store_most_used(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1), city="Dayton"), customer("square", "A", date(2015, 1, 1), updated=jan(5), city="Columbus")])
    store = {"source": "square", "updated_at": datetime(2017, 1, 1, tzinfo=UTC), "day": jan(1)}
    put("stores", [store | {"store_key": "1", "lat": 39.1, "lon": -84.5}, store | {"store_key": "2", "lat": 40.0, "lon": -83.0}])
    put("orders", [order("square", f"O{n}", jan(2), customer_key="A", store_key=key) for n, key in enumerate("122")])
    assert [traits(lake, jan(n))["A"]["city"] for n in (4, 5)] == ["Dayton", "Columbus"]
    a = traits(lake, jan(6))["A"]
    assert (a["lat"], a["lon"]) == (40.0, -83.0)


def test_visits_and_sessions_are_counted_over_devices_and_log_ins(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", date(2015, 1, 1)), customer("shopify", "S2", date(2015, 1, 1)), customer("shopify", "S3", date(2015, 1, 1))])
    put("events", [
        event("1", "visit", DAY, anonymous_id="d1", session_key="x"),
        event("2", "login", DAY, anonymous_id="d1", session_key="x", customer_key="S1"),
        event("3", "visit", date(2017, 12, 25), anonymous_id="d1", session_key="y"),
        event("4", "visit", date(2017, 12, 24), anonymous_id="d2", session_key="y"),
        event("5", "login", date(2017, 12, 24), anonymous_id="d2", session_key="y", customer_key="S1"),
        event("6", "visit", date(2017, 12, 1), anonymous_id="d1", session_key="z"),
        event("7", "visit", date(2018, 1, 1), anonymous_id="d1", session_key="w"),
        event("8", "login", date(2017, 11, 1), customer_key="S2"),
    ])
    found = traits(lake)
    names = ("visits_7d", "visits_30d", "sessions_30d", "last_seen_on", "activity_stage")
    assert [found["S1"][n] for n in names] == [2, 3, 3, DAY, "active"]
    assert [found["S2"][n] for n in names] == [0, 0, 0, date(2017, 11, 1), "dormant"]
    assert [found["S3"][n] for n in names] == [0, 0, 0, None, "dormant"]


def test_message_and_survey_traits(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", date(2015, 1, 1), email="ann.lee@mail.io"), customer("shopify", "S2", date(2015, 1, 1))])
    put("campaigns", [{"source": "amplitude", "campaign_key": "c18", "name": "Buy Your Loved Ones", "day": jan(1)}])
    put("messages", [
        message("1", "clicked", date(2017, 10, 3), "ann.lee@mail.io"),
        message("2", "clicked", date(2017, 10, 2), "ann.lee@mail.io"),
        message("3", "responded", jan(9), "ann.lee@mail.io", campaign_key="c18"),
        message("4", "responded", jan(10), "ann.lee@mail.io", campaign_key="c18"),
        message("5", "responded", jan(10), "ann.lee@mail.io", campaign_key="a-unnamed"),
        message("6", "responded", date(2018, 1, 1), "ann.lee@mail.io", campaign_key="later"),
    ])
    answer = {"source": "amplitude", "survey_key": "s", "email": "ann.lee@mail.io"}
    put("survey_answers", [
        answer | {"answer_key": str(n), "question_key": question, "answer": text, "answered_at": datetime(2017, 5, n, tzinfo=UTC), "answered_on": date(2017, 5, n), "day": date(2017, 5, n)}
        for n, (question, text) in enumerate([
            ("favourite_department", "Shoes"), ("favourite_department", "Women"), ("interest", "running"), ("interest", "food_waste_reduction"), ("price_satisfaction", "2"),
        ], 1)
    ])  # fmt: skip
    found = traits(lake)
    assert (found["S1"]["email_clicks_90d"], found["S1"]["responded_campaigns"]) == (1, ["Buy Your Loved Ones", "a-unnamed"])
    assert (found["S2"]["email_clicks_90d"], found["S2"]["responded_campaigns"]) == (0, [])
    assert (found["S1"]["preferred_department"], found["S1"]["interests"]) == ("Women", ["food_waste_reduction", "running"])
    assert (found["S2"]["preferred_department"], found["S2"]["interests"]) == (None, None)


def test_reachable_means_consent_of_the_day_on_a_usable_identifier(lake: Lake, put: Put) -> None:
    noon = datetime(2017, 6, 1, 12, tzinfo=UTC)
    put("customers", [
        customer("shopify", k, date(2015, 1, 1), email=f"{k}@mail.io", phone=f"+1513555000{n}")
        for n, k in enumerate(("granted", "withdrawn", "tie", "unasked", "customer", "bounced"))
    ])
    put("consents", [
        consent("email", "granted@mail.io", "email", "granted", noon),
        consent("phone", "+15135550000", "sms", "granted", noon),
        consent("phone", "+15135550000", "ads", "granted", noon),
        consent("email", "granted@mail.io", "email", "denied", date(2018, 1, 1)),
        consent("email", "withdrawn@mail.io", "email", "granted", noon),
        consent("email", "withdrawn@mail.io", "email", "denied", date(2017, 6, 2), source="square"),
        consent("email", "tie@mail.io", "email", "granted", noon),
        consent("email", "tie@mail.io", "email", "denied", noon),
        consent("email", "customer@mail.io", "email", "granted", noon),
        consent("customer_key", "customer", "email", "denied", date(2017, 7, 1)),
        consent("email", "bounced@mail.io", "email", "granted", noon),
    ])
    put("suppressions", [{"source": "esp", "identifier_type": "email", "identifier": "bounced@mail.io", "channel": "*", "reason": "bounced", "recorded_at": noon, "day": date(2017, 6, 1)}])
    found = traits(lake)
    assert [k for k in sorted(found) if found[k]["email_reachable"]] == ["granted"]
    assert (found["granted"]["sms_reachable"], found["granted"]["ads_reachable"], found["tie"]["ads_reachable"]) == (True, True, False)


def test_a_known_zero_is_not_an_unknown(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    unknown = traits(lake, jan(2))["A"]
    assert [unknown[n] for n in ("orders_total", "spend_total", "value_tier", "lifecycle_stage", "visits_30d", "activity_stage", "responded_campaigns")] == [None] * 7
    put("orders", [order("square", "somebody's", jan(1))])
    put("events", [event("1", "visit", jan(1), anonymous_id="d")])
    known = traits(lake, jan(2))["A"]
    assert [known[n] for n in ("orders_total", "spend_total", "value_tier", "lifecycle_stage", "visits_30d", "activity_stage")] == [
        0, money("0"), "none", "prospect", 0, "dormant",
    ]  # fmt: skip
    assert known["days_since_last_order"] is None


def test_a_day_the_loads_do_not_know_is_unknown(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "O1", jan(1), customer_key="A")])
    load = {"source": "square", "asset": "square/orders", "run_id": "r", "table_name": "orders", "rows_landed": 1, "rows_total": 1, "rows_quarantined": 0, "rows_back_projected": 0, "requests": 1, "finished_at": datetime(2017, 1, 2, tzinfo=UTC)}
    put("loads", [load | {"day": jan(1)}])
    assert traits(lake, jan(1))["A"]["orders_total"] == 1
    assert traits(lake, jan(2))["A"]["orders_total"] is None


def test_traits_need_the_identities_of_their_day_and_come_out_the_same_again(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "O1", jan(1), customer_key="A")])
    with pytest.raises(ContractError, match="no identities as of 2017-01-03"):
        build_traits(lake, jan(3))
    once = traits(lake, jan(3))
    assert traits(lake, jan(3)) == once


def test_every_trait_column_is_defined_in_words() -> None:
    columns = [c.name for c in table("traits").columns if c.name not in ("as_of", "profile_id")]
    assert [t.name for t in TRAITS] == columns
    assert all(t.definition for t in TRAITS)
