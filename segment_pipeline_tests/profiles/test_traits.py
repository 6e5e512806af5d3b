"""Traits of who people are and how they behave, and what is known of them; each test names the rule it holds."""

from datetime import UTC, date, datetime, timedelta

import pytest

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ContractError
from segment_pipeline.lake.core_traits import CORE
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.profiles.traits.compute import build_traits
from segment_pipeline_tests.profiles.literal_rows import consent, customer, event, jan, message, order
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES, Put, build
from segment_pipeline_tests.profiles.trait_rows import DAY, money, read, traits


def test_the_local_hour_is_the_clock_on_the_wall(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    hours = [
        datetime(2017, 11, 5, 1, 30),
        datetime(2017, 11, 5, 22, 0),
        datetime(2017, 11, 5, 21, 59),
        datetime(2017, 11, 5, 4, 0),
        None,
    ]
    # 01:30 came twice in New York that night; the wall clock says it either way.
    put(
        "orders",
        [order("square", f"O{n}", date(2017, 11, 5), customer_key="A", local_at=hour) for n, hour in enumerate(hours)],
    )
    assert traits(lake)["A"]["late_night_share"] == 0.5


@pytest.mark.parametrize(
    ("as_of", "age", "band"),
    [
        (date(2017, 2, 28), 16, "under 19"),
        (date(2017, 3, 1), 17, "under 19"),
        (date(2020, 2, 28), 19, "19-24"),
        (date(2020, 2, 29), 20, "19-24"),
    ],
)
def test_a_year_of_life_is_complete_on_its_day_and_for_leaplings_on_1_march(
    lake: Lake, put: Put, as_of: date, age: int, band: str
) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1), birth_date=date(2000, 2, 29))])
    a = traits(lake, as_of)["A"]
    assert (a["age"], a["age_band"], a["birth_day"]) == (age, band, "02-29")


def test_declared_attributes_come_from_the_record_and_a_declared_band_before_the_computed(lake: Lake, put: Put) -> None:
    declared = '{"age_band": "45-54", "income_band": "50-74K", "household_type": "2 Adults No Kids", "children": "0", "occupation": "nurse"}'
    put(
        "customers",
        [
            customer(
                "square", "A", date(2015, 1, 1), birth_date=date(2000, 1, 1), attributes=declared, gender="female"
            ),
            customer("square", "B", date(2015, 1, 1)),
        ],
    )
    found = traits(lake)
    names = ("age", "age_band", "income_band", "household_type", "children", "occupation", "gender")
    assert [found["A"][n] for n in names] == [17, "45-54", "50-74K", "2 Adults No Kids", "0", "nurse", "female"]
    assert [found["B"][n] for n in names] == [None] * 7


def test_geography_is_the_address_of_the_day_and_the_store_most_used(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "A", date(2015, 1, 1), city="Dayton"),
            customer("square", "A", date(2015, 1, 1), updated=jan(5), city="Columbus"),
        ],
    )
    store = {"source": "square", "updated_at": datetime(2017, 1, 1, tzinfo=UTC), "day": jan(1)}
    put(
        "stores",
        [store | {"store_key": "1", "lat": 39.1, "lon": -84.5}, store | {"store_key": "2", "lat": 40.0, "lon": -83.0}],
    )
    put("orders", [order("square", f"O{n}", jan(2), customer_key="A", store_key=key) for n, key in enumerate("122")])
    assert [traits(lake, jan(n))["A"]["city"] for n in (4, 5)] == ["Dayton", "Columbus"]
    a = traits(lake, jan(6))["A"]
    assert (a["lat"], a["lon"]) == (40.0, -83.0)


def test_visits_and_sessions_are_counted_over_devices_and_log_ins(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("shopify", "S1", date(2015, 1, 1)),
            customer("shopify", "S2", date(2015, 1, 1)),
            customer("shopify", "S3", date(2015, 1, 1)),
        ],
    )
    put(
        "events",
        [
            event("1", "visit", DAY, anonymous_id="d1", session_key="x"),
            event("2", "login", DAY, anonymous_id="d1", session_key="x", customer_key="S1"),
            event("3", "visit", date(2017, 12, 25), anonymous_id="d1", session_key="y"),
            event("4", "visit", date(2017, 12, 24), anonymous_id="d2", session_key="y"),
            event("5", "login", date(2017, 12, 24), anonymous_id="d2", session_key="y", customer_key="S1"),
            event("6", "visit", date(2017, 12, 1), anonymous_id="d1", session_key="z"),
            event("7", "visit", date(2018, 1, 1), anonymous_id="d1", session_key="w"),
            event("8", "login", date(2017, 11, 1), customer_key="S2"),
        ],
    )
    found = traits(lake)
    names = ("visits_7d", "visits_30d", "sessions_30d", "last_seen_on", "activity_stage")
    assert [found["S1"][n] for n in names] == [2, 3, 3, DAY, "active"]
    assert [found["S2"][n] for n in names] == [0, 0, 0, date(2017, 11, 1), "dormant"]
    assert [found["S3"][n] for n in names] == [0, 0, 0, None, "dormant"]


def test_message_and_survey_traits(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("shopify", "S1", date(2015, 1, 1), email="ann.lee@mail.io"),
            customer("shopify", "S2", date(2015, 1, 1)),
        ],
    )
    put("campaigns", [{"source": "amplitude", "campaign_key": "c18", "name": "Buy Your Loved Ones", "day": jan(1)}])
    put(
        "messages",
        [
            message("1", "clicked", date(2017, 10, 3), "ann.lee@mail.io"),
            message("2", "clicked", date(2017, 10, 2), "ann.lee@mail.io"),
            message("3", "responded", jan(9), "ann.lee@mail.io", campaign_key="c18"),
            message("4", "responded", jan(10), "ann.lee@mail.io", campaign_key="c18"),
            message("5", "responded", jan(10), "ann.lee@mail.io", campaign_key="a-unnamed"),
            message("6", "responded", date(2018, 1, 1), "ann.lee@mail.io", campaign_key="later"),
        ],
    )
    answer = {"source": "amplitude", "survey_key": "s", "email": "ann.lee@mail.io"}
    put("survey_answers", [
        answer | {"answer_key": str(n), "question_key": question, "answer": text, "answered_at": datetime(2017, 5, n, tzinfo=UTC), "answered_on": date(2017, 5, n), "day": date(2017, 5, n)}
        for n, (question, text) in enumerate([
            ("favourite_department", "Shoes"), ("favourite_department", "Women"), ("interest", "running"), ("interest", "food_waste_reduction"), ("price_satisfaction", "2"),
        ], 1)
    ])  # fmt: skip
    found = traits(lake)
    assert (found["S1"]["email_clicks_90d"], found["S1"]["responded_campaigns"]) == (
        1,
        ["Buy Your Loved Ones", "a-unnamed"],
    )
    assert (found["S2"]["email_clicks_90d"], found["S2"]["responded_campaigns"]) == (0, [])
    assert (found["S1"]["preferred_department"], found["S1"]["interests"]) == (
        "Women",
        ["food_waste_reduction", "running"],
    )
    assert (found["S2"]["preferred_department"], found["S2"]["interests"]) == (None, None)


def test_reachable_means_consent_of_the_day_on_a_usable_identifier(lake: Lake, put: Put) -> None:
    noon = datetime(2017, 6, 1, 12, tzinfo=UTC)
    put(
        "customers",
        [
            customer("shopify", k, date(2015, 1, 1), email=f"{k}@mail.io", phone=f"+1513555000{n}")
            for n, k in enumerate(("granted", "withdrawn", "tie", "unasked", "customer", "bounced", "again"))
        ]
        + [customer("shopify", f"tablet {n}", date(2015, 1, 1), email="till@mail.io") for n in range(11)],
    )
    put(
        "consents",
        [
            consent("email", "granted@mail.io", "email", "granted", noon),
            consent("phone", "+15135550000", "sms", "granted", noon),
            consent("phone", "+15135550000", "ads", "granted", noon),
            consent("email", "granted@mail.io", "email", "denied", date(2018, 1, 1)),
            consent("email", "withdrawn@mail.io", "email", "granted", noon),
            consent("email", "withdrawn@mail.io", "email", "denied", date(2017, 6, 2), source="square"),
            consent("email", "tie@mail.io", "email", "granted", noon),
            consent("email", "tie@mail.io", "email", "denied", noon),
            consent("email", "again@mail.io", "email", "denied", noon),
            consent("email", "again@mail.io", "email", "granted", date(2017, 6, 2)),
            consent("email", "customer@mail.io", "email", "granted", noon),
            consent("customer_key", "customer", "email", "denied", date(2017, 7, 1)),
            consent("email", "bounced@mail.io", "email", "granted", noon),
            consent("email", "till@mail.io", "email", "granted", noon),
        ],
    )
    put(
        "suppressions",
        [
            {
                "source": "esp",
                "identifier_type": "email",
                "identifier": "bounced@mail.io",
                "channel": "*",
                "reason": "bounced",
                "recorded_at": noon,
                "day": date(2017, 6, 1),
            }
        ],
    )
    found = traits(lake)
    assert [k for k in sorted(found) if found[k]["email_reachable"]] == ["again", "granted"]
    assert (found["granted"]["sms_reachable"], found["granted"]["ads_reachable"], found["tie"]["ads_reachable"]) == (
        True,
        True,
        False,
    )
    # Once the day is not the newest, what identifiers people had on it is found out anew.
    build(lake, DAY + timedelta(days=1))
    build_traits(lake, AsOf(DAY, "UTC"), identity_rules=IdentityRules(key_spaces=KEY_SPACES))
    assert read(lake, DAY) == found


def test_a_known_zero_is_not_an_unknown(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    unknown = traits(lake, jan(2))["A"]
    assert [
        unknown[n]
        for n in (
            "orders_total",
            "spend_total",
            "value_tier",
            "lifecycle_stage",
            "visits_30d",
            "activity_stage",
            "responded_campaigns",
        )
    ] == [None] * 7
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
    load = {
        "source": "square",
        "asset": "square/orders",
        "run_id": "r",
        "table_name": "orders",
        "rows_landed": 1,
        "rows_total": 1,
        "rows_quarantined": 0,
        "rows_back_projected": 0,
        "requests": 1,
        "finished_at": datetime(2017, 1, 2, tzinfo=UTC),
    }
    put("loads", [load | {"day": jan(1)}])
    assert traits(lake, jan(1))["A"]["orders_total"] == 1
    assert traits(lake, jan(2))["A"]["orders_total"] is None


def test_traits_need_the_identities_of_their_day_and_come_out_the_same_again(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "A", date(2015, 1, 1))])
    put("orders", [order("square", "O1", jan(1), customer_key="A")])
    with pytest.raises(ContractError, match="no identities as of 2017-01-03"):
        build_traits(lake, AsOf(jan(3), "UTC"))
    once = traits(lake, jan(3))
    assert traits(lake, jan(3)) == once


def test_every_trait_column_is_defined_in_words() -> None:
    columns = [c.name for c in table("traits").columns if c.name not in ("as_of", "profile_id", "definition_hash")]
    assert [t.name for t in CORE.traits] == columns
    assert all(t.definition for t in CORE.traits)
