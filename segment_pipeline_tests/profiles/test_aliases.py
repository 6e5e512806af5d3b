"""An id that gives way to another leaves an alias, whatever moved its anchor, and the table stays flat."""

from datetime import date
from typing import Any

from segment_pipeline.lake.lake import Lake
from segment_pipeline_tests.profiles.literal_rows import customer, event, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build, rows


def ids(lake: Lake, as_of: date) -> dict[str, str]:
    return {row["record_key"]: row["profile_id"] for row in rows(lake, "identities") if row["as_of"] == as_of}


def aliases(lake: Lake) -> list[dict[str, Any]]:
    return rows(lake, "profile_aliases", "SELECT * FROM t ORDER BY ALL")


def alias(old: str, new: str, since: date, cause: str) -> dict[str, Any]:
    return {"old_profile_id": old, "new_profile_id": new, "since": since, "cause": cause}


def erase(lake: Lake, customer_key: str) -> None:
    with lake.session() as session:
        session.define("gone", f"SELECT '{customer_key}' AS customer_key", materialize=True)
        session.erase("customers", "gone", ["customer_key"])


def test_history_that_arrives_later_moves_the_anchor_and_leaves_an_alias(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", jan(200), email="ann.lee@mail.io")])
    build(lake, jan(300))
    before = ids(lake, jan(300))["S1"]
    put("customers", [customer("square", "T1", jan(20), email="ann.lee@mail.io")])
    put("orders", [order("square", f"O{n}", jan(20 + n), customer_key="T1") for n in range(180)])
    build(lake, jan(300))
    after = ids(lake, jan(300))["S1"]
    assert after != before
    assert aliases(lake) == [alias(before, after, jan(300), "history")]


def test_a_merge_leaves_an_alias_of_the_younger_person(lake: Lake, put: Put) -> None:
    put("customers", [customer("square", "T1", jan(1), email="ann.lee@mail.io"), customer("shopify", "S1", jan(2))])
    put("orders", [order("shopify", "O1", jan(5), customer_key="S1", email="ann.lee@mail.io")])
    build(lake, jan(3))
    build(lake, jan(6))
    old = ids(lake, jan(3))
    assert aliases(lake) == [alias(old["S1"], old["T1"], jan(6), "merge")]


def test_an_erased_anchor_leaves_an_alias_and_an_erased_person_none(lake: Lake, put: Put) -> None:
    put(
        "customers",
        [
            customer("square", "T1", jan(1), email="ann.lee@mail.io"),
            customer("shopify", "S1", jan(2), email="ann.lee@mail.io"),
            customer("shopify", "S2", jan(2), email="tom@mail.io"),
        ],
    )
    build(lake, jan(3))
    old = ids(lake, jan(3))
    erase(lake, "T1")
    erase(lake, "S2")
    build(lake, jan(3))
    new = ids(lake, jan(3))
    assert aliases(lake) == [alias(old["T1"], new["S1"], jan(3), "erasure")]
    assert set(new) == {"S1"}


def test_a_split_leaves_the_old_id_to_whoever_holds_its_anchor(lake: Lake, put: Put) -> None:
    put(
        "orders",
        [order("shopify", f"O{n}", jan(n), email=f"guest{n}@mail.io", phone="+15135550009") for n in range(1, 10)],
    )
    build(lake, jan(8))
    build(lake, jan(9))
    assert ids(lake, jan(9))["O1"] == ids(lake, jan(8))["O2"]
    assert aliases(lake) == []


def test_an_id_whose_anchor_is_nobodys_any_more_goes_to_most_of_its_records(lake: Lake, put: Put) -> None:
    put(
        "events",
        [
            *(event(f"{n}", "login", jan(1), anonymous_id="kiosk", customer_key="S0") for n in range(3)),
            *(event(f"late {n}", "login", jan(5), anonymous_id="kiosk", customer_key=f"S{n}") for n in range(1, 9)),
        ],
    )
    put("customers", [customer("shopify", f"S{n}", jan(2), email=f"s{n}@mail.io") for n in range(9)])
    build(lake, jan(3))
    build(lake, jan(6))
    assert aliases(lake) == [alias(ids(lake, jan(3))["kiosk"], ids(lake, jan(6))["S0"], jan(6), "split")]


def test_chains_are_flat_and_one_join_finds_the_person(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "C", jan(3), email="ann.lee@mail.io")])
    build(lake, jan(10))
    third = ids(lake, jan(10))["C"]
    put("customers", [customer("shop2", "B", jan(2), email="ann.lee@mail.io")])
    build(lake, jan(10))
    second = ids(lake, jan(10))["C"]
    put("customers", [customer("shop3", "A", jan(1), email="ann.lee@mail.io")])
    build(lake, jan(10))
    first = ids(lake, jan(10))["C"]
    assert len({first, second, third}) == 3
    found = aliases(lake)
    assert {(row["old_profile_id"], row["new_profile_id"]) for row in found} == {(third, first), (second, first)}


def test_an_id_that_lives_again_is_no_alias(lake: Lake, put: Put) -> None:
    put("customers", [customer("shopify", "S1", jan(2), email="ann.lee@mail.io")])
    build(lake, jan(3))
    put("customers", [customer("square", "T1", jan(1), email="ann.lee@mail.io")])
    build(lake, jan(3))
    assert len(aliases(lake)) == 1
    erase(lake, "T1")
    build(lake, jan(3))
    # The older record is gone: its id gives way, and the first one is produced again.
    living = ids(lake, jan(3))["S1"]
    assert [(row["new_profile_id"], row["cause"]) for row in aliases(lake)] == [(living, "erasure")]
