"""How a person's rows are found, table by table: theirs, all of them, and nobody else's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import all_tables, table
from segment_pipeline.profiles.view import define_person, profile_view, theirs
from segment_pipeline_tests.profiles.literal_rows import (
    consent,
    customer,
    event,
    jan,
    line,
    loyalty,
    message,
    order,
    refund,
)
from segment_pipeline_tests.profiles.snapshots import KEY_SPACES, Put, build, rows

NOON = datetime(2017, 1, 5, 12, tzinfo=UTC)
ABOUT_PEOPLE = {
    "profile_id", "old_profile_id", "owners", "owner_key", "customer_key", "anonymous_id", "identifier", "email", "phone",
}  # fmt: skip


@pytest.mark.parametrize("name", [each.name for each in all_tables()])
def test_every_table_that_holds_a_person_says_how_their_rows_are_found(name: str) -> None:
    declared = table(name)
    if declared.pii or ABOUT_PEOPLE & set(declared.names):
        assert declared.subject is not None, "say how a person's rows are found: Table(subject=…)"
    subject = declared.subject
    if subject is None:
        return
    named = [
        *subject.profiles,
        *(column for _, column in subject.records),
        *(column for _, column in subject.identifiers),
    ]
    needs = ["source"] * bool(subject.records or subject.typed or subject.through)
    needs += [subject.mentions] * bool(subject.mentions)
    needs += ["entity"] * any(entity == "entity" for entity, _ in subject.records)
    needs += ["identifier_type", "identifier"] * subject.typed + ["order_key"] * bool(subject.through)
    assert {*named, *needs} <= set(declared.names)
    assert theirs(declared) != "FALSE"


def a_cart(key: str) -> dict[str, Any]:
    return {
        "source": "shopify", "cart_key": f"C{key}", "updated_at": NOON, "customer_key": key, "created_at": NOON, "value": 1,
        "currency": "USD", "product_keys": [], "lines": "[]", "day": jan(5),
    }  # fmt: skip


@pytest.fixture
def two(lake: Lake, put: Put) -> Lake:
    """Ann and Bob, each with a row of their own in every kind of table; Ann's web id is what analytics calls her."""
    for name, key in (("ann", "A"), ("bob", "B")):
        mail, phone = f"{name}@mail.io", f"+1513555000{ord(key) - 64}"
        put("customers", [
            customer("shopify", key, email=mail, phone=phone), loyalty("shopify", f"L{key}", key, jan(1)),
        ])  # fmt: skip
        put("orders", [order("shopify", f"O{key}", jan(2), customer_key=key)])
        put("order_lines", [line("shopify", f"O{key}", "1", jan(2), "10")])
        put("refunds", [refund("shopify", f"R{key}", f"O{key}", jan(3), "1")])
        put("carts", [a_cart(key)])
        put("events", [
            event(f"1{key}", "login", jan(3), customer_key=key), event(f"2{key}", "visit", jan(4), anonymous_id=f"d{key}", customer_key=key),
            event(f"3{key}", "visit", jan(4), anonymous_id=f"d{key}"), event(f"4{key}", "visit", jan(4), email=mail),
        ])  # fmt: skip
        put(
            "messages",
            [
                message(f"5{key}", "opened", jan(4), mail),
                {**message(f"6{key}", "opened", jan(4), mail), "email": None, "phone": phone},
            ],
        )
        put("consents", [
            consent("email", mail, "email", "granted", jan(2)), consent("customer_key", key, "email", "granted", jan(2), source="shopify"),
        ])  # fmt: skip
        put(
            "suppressions",
            [
                {
                    "source": "crm",
                    "identifier_type": "email",
                    "identifier": mail,
                    "channel": "*",
                    "reason": "bounced",
                    "recorded_at": NOON,
                    "day": jan(5),
                }
            ],
        )
        put(
            "quarantine",
            [
                {
                    "source": "shopify",
                    "entity": "orders",
                    "key": f"O{key}",
                    "reason": "odd",
                    "raw": f'{{"email": "{mail.upper()}"}}',
                    "first_seen": NOON,
                    "day": jan(5),
                }
            ],
        )
    put("stores", [{"source": "shopify", "store_key": "S1", "updated_at": NOON, "day": jan(5)}])
    build(lake, jan(10))
    return lake


def test_a_persons_rows_are_counted_in_every_table_and_nobody_elses(two: Lake, put: Put) -> None:
    ids = {r["record_key"]: r["profile_id"] for r in rows(two, "identities") if r["entity"] == "customer"}
    ann = ids["A"]
    put("profile_aliases", [{"old_profile_id": "former", "new_profile_id": ann, "since": jan(9), "cause": "merge"}])
    put("memberships", [{"as_of": jan(9), "segment": "s", "definition_hash": "h", "profile_id": "former"}])
    put("audience_members", [member(owners=[ann, ids["B"]]), member(owners=[ids["B"]])])
    found = profile_view(two, ann, KEY_SPACES)
    assert {each["table"]: each["rows"] for each in found["held"]} == {
        "customers": 2, "orders": 1, "order_lines": 1, "refunds": 1, "carts": 1, "events": 4, "messages": 2, "consents": 2,
        "suppressions": 1, "quarantine": 1, "identities": 4, "profiles": 1, "profile_identifiers": 5, "profile_aliases": 1,
        "memberships": 1, "audience_members": 1,
    }  # fmt: skip
    assert [c["identifier_type"] for c in found["consents"]] == ["customer_key", "email"]
    assert found["profile"]["email"] == "ann@mail.io"
    assert {r["entity"] for r in found["records"]} >= {"customer", "loyalty", "device"}


def member(**columns: Any) -> dict[str, Any]:
    return {
        "audience": "a", "key": "".join(columns["owners"]), "identifiers": "{}", "payload_hash": "h", "state": "confirmed",
        "since": NOON, "refreshed_at": NOON, "digest": "d",
    } | columns  # fmt: skip


def test_somebody_the_lake_does_not_know_has_no_rows(two: Lake) -> None:
    found = profile_view(two, "nobody")
    assert (found["profile"], found["held"], found["consents"]) == ({}, [], [])
    with two.session() as session:
        define_person(session, "nobody", {})
        assert session.rows("SELECT * FROM person_ids") == [{"profile_id": "nobody"}]
