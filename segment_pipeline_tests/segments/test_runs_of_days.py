"""A run over several days leaves what its days leave one by one, from records to memberships."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.lake.duckdb_engine import DuckDBEngine
from segment_pipeline.lake.engine import Engine
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles import build
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.segments.memberships import build_memberships, build_memberships_of
from segment_pipeline.segments.rules import (
    activities,
    all_of,
    days,
    did,
    did_not,
    sequence,
    share_of_spend,
    sum_of,
    trait,
)
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import Rows, arrow_rows
from segment_pipeline_tests.profiles.literal_rows import (
    at,
    consent,
    customer,
    event,
    jan,
    line,
    loyalty,
    message,
    order,
    product,
    refund,
)
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES
from segment_pipeline_tests.segments.conftest import segment

DAYS = [jan(n) for n in (3, 4, 6, 7)]
SETTINGS = Settings.from_env({})
RULES = IdentityRules(key_spaces=KEY_SPACES)
KNOWN = Vocabulary(identity=RULES)
SEGMENTS = [
    segment("buyer", trait("orders_total") >= 1),
    segment("spender", sum_of("amount", activities("order", within=days(3))) >= 15),
    segment("viewer", all_of(did("product_viewed", within=days(2)), did_not("product_bought", category="shoes"))),
    segment("left", did("cart_abandoned", within=days(3), not_followed_by="product_bought")),
    segment("shoes", share_of_spend(category="shoes") >= 0.5),
    segment("came", sequence(activities("visit"), activities("order"), within=days(4))),
    segment("clicked", did("message_clicked", campaign="Spring")),
]


def cart(key: str, on: date, updated: date, *, done: date | None = None, **columns: Any) -> dict[str, Any]:
    return {
        "source": "shopify",
        "cart_key": key,
        "updated_at": at(updated),
        "created_at": at(on),
        "completed_at": at(done) if done else None,
        "value": 5,
        "currency": "USD",
        "product_keys": ["P1", "P2"],
        "lines": "[]",
        "day": updated,
    } | columns


FACTS: dict[str, Rows] = {
    "customers": [
        customer("shopify", "S1", jan(-30), email="ann@example.com", city="Old"),
        customer("shopify", "S1", jan(-30), updated=jan(5), email="anna@example.com", city="New"),
        customer("shopify", "S2", jan(1), updated=jan(9), email="late@example.com"),
        customer("square", "Q1", jan(2), email="ann@example.com", deleted_on=jan(6)),
        customer("square", "Q2", jan(2), phone="+14155550100"),
        loyalty("square", "L1", "Q2", jan(3), loyalty_balance=7),
    ],
    "products": [
        product("shopify", "P1", jan(1), category="shoes", department="A", collection="old", skus=["X"]),
        product(
            "shopify", "P1", jan(5), category="hats", department="A", collection="new", skus=["X"], launched_on=jan(2)
        ),
        product("square", "P2", jan(8), category="shoes", department="B", launched_on=jan(1), skus=["Y"]),
        product("square", "P3", jan(1)),
    ],
    "orders": [
        order("shopify", "A", jan(2), "20", customer_key="S1", local_at=datetime(2017, 1, 2, 23)),
        order("shopify", "A", jan(2), "12", updated=jan(4), customer_key="S1", status="cancelled"),
        order("shopify", "A", jan(2), "15", updated=jan(7), customer_key="S2"),
        order("shopify", "B", jan(3), "30", updated=jan(9), email="guest@example.com", anonymous_id="D1"),
        order("square", "C", jan(2), "8", customer_key="Q2", store_key="T1"),
        order("square", "R", jan(4), "-3", customer_key="Q2", kind="return", parent_order_key="C"),
        order("square", "E", jan(6), "2", customer_key="Q1", kind="exchange", parent_order_key="C"),
        order("square", "U", jan(6), "-4", customer_key="Q1", kind="return"),
        order("square", "T", jan(3), "9", customer_key="Q1", status="test"),
        order("square", "F", jan(6), "25", updated=jan(5), customer_key="Q2"),
        order("square", "F", jan(3), "26", updated=jan(7), customer_key="Q2", gift_card_sold=5),
    ],
    "order_lines": [
        line("shopify", "A", "1", jan(2), "20", product_key="P1", is_markdown=True),
        line("shopify", "A", "1", jan(2), "12", updated=jan(4), product_key="P1"),
        line("shopify", "A", "1", jan(2), "15", updated=jan(7), product_key="P1"),
        line("shopify", "B", "1", jan(3), "30", updated=jan(9), product_key="P9"),
        line("square", "C", "1", jan(2), "5", product_key="P2"),
        line("square", "C", "2", jan(2), "3", product_key="P3", net_base=None),
        line("square", "R", "return:1", jan(4), "-3", product_key="P3"),
        line("square", "E", "1", jan(6), "6", product_key="P2"),
        line("square", "E", "return:1", jan(6), "-4", product_key="P2"),
        line("square", "U", "return:1", jan(6), "-4", product_key=None),
        line("square", "F", "1", jan(6), "25", updated=jan(5), product_key="P2"),
        line("square", "F", "1", jan(3), "26", updated=jan(7), product_key="P2", is_markdown=True),
    ],
    "refunds": [
        refund("shopify", "r1", "A", jan(4), "2", line_number="1"),
        refund("shopify", "r1", "A", jan(4), "5", line_number="1", updated_at=at(jan(6)), day=jan(6)),
        refund("square", "r2", "C", jan(7), "1"),
    ],
    "carts": [
        cart("K1", jan(2), jan(2), customer_key="S1"),
        cart("K1", jan(2), jan(6), customer_key="S1", done=jan(6)),
        cart("K2", jan(4), jan(9), email="guest@example.com"),
    ],
    "events": [
        event("1", "visit", jan(1), anonymous_id="D1", session_key="s"),
        event("2", "visit", jan(2), anonymous_id="D1", customer_key="S1", session_key="s"),
        event("3", "product_viewed", jan(4), anonymous_id="D1", product_key="P1", session_key="t"),
        event("4", "product_viewed", jan(6), anonymous_id="D2", email="ann@example.com", product_key="P4"),
        event("5", "visit", jan(7), customer_key="S2"),
        event("6", "visit", jan(9), customer_key="S2"),
    ],
    "messages": [
        message("1", "clicked", jan(2), "ann@example.com", campaign_key="c1"),
        message("2", "responded", jan(6), "guest@example.com", campaign_key="c2"),
    ],
    "campaigns": [
        {"source": "amplitude", "campaign_key": "c1", "name": "Autumn", "day": jan(1)},
        {"source": "amplitude", "campaign_key": "c1", "name": "Spring", "day": jan(4)},
    ],
    "consents": [
        consent("email", "ann@example.com", "email", "granted", jan(1)),
        consent("email", "ann@example.com", "email", "denied", jan(6)),
    ],
    "suppressions": [
        {
            "source": "list",
            "identifier_type": "phone",
            "identifier": "+14155550100",
            "channel": "*",
            "reason": "complained",
            "recorded_at": at(jan(4)),
            "day": jan(4),
        }
    ],
    "stores": [
        {
            "source": "square",
            "store_key": "T1",
            "name": "T",
            "updated_at": at(jan(4)),
            "lat": 1.0,
            "lon": 2.0,
            "day": jan(4),
        }
    ],
    "survey_answers": [
        {
            "source": "amplitude",
            "answer_key": str(n),
            "survey_key": "s",
            "question_key": "interest",
            "answer": answer,
            "answered_at": at(jan(n)),
            "answered_on": jan(n),
            "email": "ann@example.com",
            "day": jan(n),
        }
        for n, answer in ((2, "running"), (6, "golf"))
    ],
    "loads": [
        {
            "source": "amplitude",
            "asset": "events",
            "run_id": "r",
            "table_name": "events",
            "finished_at": at(jan(9)),
            "day": jan(n),
        }
        | dict.fromkeys(("rows_landed", "rows_total", "rows_quarantined", "rows_back_projected", "requests"), 0)
        for n in (3, 6)
    ],
}
MADE = (
    "identities",
    "identity_events",
    "profile_aliases",
    "profiles",
    "profile_identifiers",
    "traits",
    "trait_shares",
    "memberships",
    "segment_sizes",
    "membership_changes",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "order_of_days",
    [
        DAYS,
        pytest.param(
            DAYS[::-1],
            marks=pytest.mark.also_on_spark(
                "profiles/identity/event_days",
                "profiles/traits/visit_days",
                "profiles/identity/numbered_people",
                "profiles/identity/numbered_persons",
            ),
        ),
        [DAYS[0], DAYS[3], DAYS[1], DAYS[2], DAYS[1]],
    ],
)
def test_a_run_of_several_days_leaves_what_its_days_leave_one_by_one(
    tmp_path: Path, engine: Engine, order_of_days: list[date]
) -> None:
    alone, together = _lake(tmp_path / "alone"), _lake(tmp_path / "together", engine)
    reports: list[list[Any]] = [[build.identities(alone, day, SETTINGS, RULES) for day in order_of_days]]
    reports += [[build.traits(alone, day, SETTINGS, identity_rules=RULES) for day in order_of_days]]
    reports += [[build_memberships(alone, day, SEGMENTS, SETTINGS, vocabulary=KNOWN) for day in order_of_days]]
    assert reports == [
        list(build.identities_of(together, order_of_days, SETTINGS, RULES)),
        list(build.traits_of(together, order_of_days, SETTINGS, identity_rules=RULES)),
        list(build_memberships_of(together, order_of_days, SEGMENTS, SETTINGS, vocabulary=KNOWN)),
    ]
    for name in MADE:
        assert _content(together, name) == _content(alone, name), name
    assert all(any(size for size in report.sizes.values()) and not report.failed for report in reports[2])


def test_a_run_sees_what_was_landed_before_its_first_day_and_the_next_run_the_rest(tmp_path: Path) -> None:
    lake = _lake(tmp_path)
    run = build.identities_of(lake, [jan(3), jan(4)], SETTINGS)
    next(run)
    _append(lake, "customers", [customer("square", "Q9", jan(1))])
    held, fresh = next(run), build.identities(lake, jan(4), SETTINGS)
    assert (fresh.records - held.records, fresh.profiles - held.profiles) == (1, 1)


def test_events_of_a_day_that_comes_next_in_the_run_are_written_by_it_alone(tmp_path: Path) -> None:
    lake = _lake(tmp_path)

    def written() -> int:
        with lake.session() as session:
            session.scan("identity_events")
            return session.pins["identity_events"]

    list(build.identities_of(lake, DAYS[:2], SETTINGS))
    once = written()
    list(build.identities_of(lake, DAYS[:2], SETTINGS))
    again = written()
    build.identities(lake, DAYS[0], SETTINGS)
    assert (again - once, written() - again) == (2, 2)


def _lake(root: Path, engine: Engine | None = None) -> Lake:
    lake = Lake(str(root / "lake"), engine or DuckDBEngine(memory="1GB", threads=2, spill=root / "spill"))
    for name, rows in FACTS.items():
        _append(lake, name, rows)
    return lake


def _append(lake: Lake, name: str, rows: Rows) -> None:
    with lake.session() as session:
        session.register("literal_rows", arrow_rows(name, rows))
        session.append(name, "SELECT * FROM literal_rows")


def _content(lake: Lake, name: str) -> list[dict[str, Any]]:
    with lake.session() as session:
        session.scan(name)
        return session.rows(f"SELECT * FROM {name} ORDER BY ALL")
