"""Accounts that were deleted or merged at Square and Shopify, which list neither, are closed; and nobody else is.

The pipeline's clock stands at New Year's Day of 2018, so that the newest complete day is the 31st of December.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.days import AsOf, Window
from segment_pipeline.errors import ConfigError, ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.deletions import EVERY, asked_after
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.report import IngestReport
from segment_pipeline.profiles.identity.resolution import build_identities
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.settings import Settings
from segment_pipeline.sources.square.connector import Square
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.sandbox.source_world import Version
from segment_pipeline_tests.sources import shopify_records as shopify, square_records as square
from segment_pipeline_tests.sources.conftest import VENDORS, connector
from segment_pipeline_tests.sources.sandboxed import Sandboxed, serve
from segment_pipeline_tests.sources.test_answers_outside_the_contract import vendor as scripted

BEFORE, AFTER = "2017-12-01T00:00:00+00:00", "2018-01-01T08:00:00+00:00"
GONE = {"until": "2017-12-20"}
WEEK = Window(date(2017, 12, 25), date(2017, 12, 31))
NEWEST = date(2017, 12, 31)
MADE: dict[str, Any] = {
    "square": lambda n, *at, **more: square.customer(str(n), *at, **more),
    "shopify": shopify.customer,
}
ALL = ("read_customers", "read_orders", "read_all_orders")


def asked(lake: Lake, server: Sandboxed, settings: Settings, **more: Any) -> IngestReport:
    """A week's turns of asking after accounts."""
    source = connector(server.vendor, server.base_url, **more)
    return ingest(lake, source, "deletions", WEEK, settings, "run")


def known(lake: Lake, server: Sandboxed, settings: Settings, *entities: str) -> None:
    """Land what there was before anybody went."""
    server.at(BEFORE)
    for entity in entities:
        ingest(lake, connector(server.vendor, server.base_url), entity, JUNE, settings, "run")
    server.at(AFTER)


def accounts(lake: Lake) -> dict[str, tuple[date | None, str | None]]:
    """When each account ended, and whose it is now, by its newest version."""
    with lake.session() as session:
        session.scan("customers")
        rows = session.rows("SELECT customer_key, deleted_on, owner_key FROM customers ORDER BY updated_at")
    return {row["customer_key"]: (row["deleted_on"], row["owner_key"]) for row in rows}


def together(lake: Lake) -> dict[str, str]:
    """The person of each customer record."""
    build_identities(lake, AsOf(NEWEST, "America/New_York"), IdentityRules())
    with lake.session() as session:
        session.scan("identities")
        rows = session.rows("SELECT record_key, profile_id FROM identities WHERE entity = 'customer'")
    return {row["record_key"]: row["profile_id"] for row in rows}


@pytest.mark.also_on_spark("landing/customers_there", "landing/closed_customers")
def test_square_customers_deleted_and_merged_are_closed(tmp_path: Path, lake: Lake, settings: Settings) -> None:
    """A merge makes a new customer, which is what the ids that went into it are answered with."""
    people = [
        square.customer("C1", email_address="ada@quiet.shop"), square.customer("C2", visible=GONE),
        square.customer("C3", visible=GONE, phone_number="+15135550123"), square.customer("C4", visible=GONE),
        square.customer("C5", "2017-12-20T12:00:00", creation_source="MERGE", email_address="bo@quiet.shop"),
        square.merged("C3", "C5", "2017-12-20"), square.merged("C4", "C3", "2017-12-20"),
        # Without a name it is in no search any more, and is there all the same.
        square.customer("C6", visible={"until": "2017-12-20"}), square.customer("C6", "2017-12-20T00:00:00", given_name=None),
    ]  # fmt: skip
    with serve("square")(tmp_path, people) as server:
        known(lake, server, settings, "customers")
        report = asked(lake, server, settings)
        assert (report.received, report.rows["customers"]) == (3, 3)
        december = Window(date(2017, 12, 1), NEWEST)
        ingest(lake, connector("square", server.base_url), "customers", december, settings, "run")
        again = asked(lake, server, settings)
    assert again.rows["customers"] == 0
    assert accounts(lake) == {
        "C1": (None, None), "C2": (NEWEST, None), "C3": (NEWEST, "C5"), "C4": (NEWEST, "C5"), "C5": (None, None),
        "C6": (None, None),
    }  # fmt: skip
    persons = together(lake)
    assert persons["C3"] == persons["C4"] == persons["C5"]
    assert len({persons[key] for key in ("C1", "C2", "C5", "C6")}) == 4


def test_shopify_customers_deleted_and_merged_are_closed(tmp_path: Path, lake: Lake, settings: Settings) -> None:
    """Who has orders cannot be deleted: one that is gone was merged, and its orders name who has them now."""
    people = [
        shopify.shop(), shopify.customer(1), shopify.customer(2, visible=GONE), shopify.customer(3, visible=GONE),
        shopify.customer(4), shopify.order(1, customer=shopify.gid("Customer", 1)), shopify.order(2, visible=GONE, customer=shopify.gid("Customer", 3)),
        shopify.order(2, "2017-12-20T00:00:00", customer=shopify.gid("Customer", 4)),
    ]  # fmt: skip
    with serve("shopify")(tmp_path, people) as server:
        known(lake, server, settings, "customers", "orders")
        report = asked(lake, server, settings)
        assert report.rows["customers"] == 2
    assert accounts(lake) == {"1": (None, None), "2": (NEWEST, None), "3": (NEWEST, "4"), "4": (None, None)}
    persons = together(lake)
    assert persons["3"] == persons["4"]
    assert len(set(persons.values())) == 3


@pytest.mark.also_on_spark("landing/products_there", "landing/closed_products")
def test_shopify_products_that_were_deleted_end(tmp_path: Path, lake: Lake, settings: Settings) -> None:
    """Its deletion events are deprecated, and its listing leaves out what is gone."""
    made = [shopify.shop(), shopify.product(1), shopify.product(2, visible=GONE)]
    with serve("shopify")(tmp_path, made) as server:
        known(lake, server, settings, "products")
        source = connector("shopify", server.base_url)
        ingest(lake, source, "product_deletions", WEEK, settings, "run")
    with lake.session() as session:
        session.scan("products")
        rows = session.rows("SELECT product_key, title, deleted_on FROM products ORDER BY updated_at, product_key")
    assert [tuple(row.values()) for row in rows] == [("1", "Shoe", None), ("2", "Shoe", None), ("2", "Shoe", NEWEST)]


@pytest.mark.parametrize("vendor", ["square", "shopify"])
def test_an_account_that_is_restored_is_there_again(
    tmp_path: Path, lake: Lake, settings: Settings, vendor: str
) -> None:
    made = MADE[vendor]
    back = made(1, "2018-01-01T06:00:00", visible={"seen": "2018-01-02"})
    with serve(vendor)(tmp_path, [*VENDORS[vendor].setting, made(1, visible=GONE), back]) as server:
        known(lake, server, settings, "customers")
        asked(lake, server, settings)
        assert accounts(lake)["1"] == (NEWEST, None)
        server.at("2018-01-02T08:00:00+00:00")
        new_year = Window.of(date(2018, 1, 1))
        ingest(lake, connector(vendor, server.base_url), "customers", new_year, settings, "run")
    assert accounts(lake)["1"] == (None, None)


@pytest.mark.parametrize("vendor", ["square", "shopify"])
def test_when_too_many_are_gone_nobody_is_closed(tmp_path: Path, lake: Lake, settings: Settings, vendor: str) -> None:
    """Credentials of another shop know none of the accounts."""
    made = MADE[vendor]
    people = [made(n, visible=GONE if n < 5 else None) for n in range(1, 11)]
    with serve(vendor)(tmp_path, [*VENDORS[vendor].setting, *people]) as server:
        known(lake, server, settings, "customers")
        with pytest.raises(ContractError, match=r"4 of the 10 asked after .* more than 20%: nothing was closed"):
            asked(lake, server, settings)
        assert {ended for ended, _ in accounts(lake).values()} == {None}
        assert asked(lake, server, settings, most_gone=0.5).rows["customers"] == 4


def test_an_account_that_bulk_answers_nothing_of_is_asked_for_alone(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    """A page that is missing closes nobody."""
    with serve("square")(tmp_path, [square.customer(f"C{n}") for n in range(3)]) as server:
        known(lake, server, settings, "customers")

    def answer(path: str, _: Any) -> Any:
        return {"responses": {}} if path.endswith("bulk-retrieve") else {"customer": {"id": path.rpartition("/")[2]}}

    with scripted(answer) as url:
        report = ingest(lake, Square(base_url=url, access_token="t"), "deletions", WEEK, settings, "run")
    assert (report.received, report.requests) == (0, 4)


@pytest.mark.parametrize("vendor", ["square", "shopify"])
@pytest.mark.parametrize("nothing", [{}, {"data": None}, {"data": {"nodes": []}}, {"responses": []}])
def test_an_answer_that_names_nobody_fails(
    lake: Lake, settings: Settings, tmp_path: Path, vendor: str, nothing: dict[str, Any]
) -> None:
    made = MADE[vendor]
    with serve(vendor)(tmp_path, [*VENDORS[vendor].setting, made(1)]) as server:
        known(lake, server, settings, "customers")
    scopes = {"data": {"currentAppInstallation": {"accessScopes": [{"handle": s} for s in ALL]}}}

    def answer(_: str, body: Any) -> Any:
        return scopes if "accessScopes" in str(body) else nothing

    with scripted(answer) as url, pytest.raises(ContractError, match="see whether the API changed"):
        made_for: Any = connector(vendor, url)
        ingest(lake, replace(made_for, access_token="t"), "deletions", WEEK, settings, "run")


def test_a_shopify_app_that_sees_no_old_orders_cannot_tell_a_merge(
    tmp_path: Path, lake: Lake, settings: Settings
) -> None:
    with serve("shopify")(tmp_path, [shopify.shop(), shopify.customer(1)]) as server:
        known(lake, server, settings, "customers")
        server.set(scope="read_customers,read_orders")
        with pytest.raises(ConfigError, match="read_all_orders"):
            asked(lake, server, settings)


def test_each_account_has_its_turn_once_a_week_and_those_just_changed_have_none(
    tmp_path: Path, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    people: Sequence[Version] = [square.customer(f"C{n}") for n in range(50)]
    fresh = square.customer("new", "2017-12-31T12:00:00")
    with serve("square")(tmp_path, [*people, fresh]) as server:
        known(lake, server, settings, "customers")
        ingest(lake, connector("square", server.base_url), "customers", Window.of(NEWEST), settings, "run")
    whole = [account.key for account in asked_after(lake, "square", "customers", WEEK, settings)]
    assert sorted(whole) == sorted(f"C{n}" for n in range(50))
    # A night alone asks after a seventh; of days gone by nobody is asked after.
    turns: list[str] = []
    for day in range(1, EVERY + 1):
        monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", f"2018-01-{day + 1:02d}T08:00:00+00:00")
        turns += [
            each.key for each in asked_after(lake, "square", "customers", Window.of(date(2018, 1, day)), settings)
        ]
    assert sorted(turns) == sorted([*whole, "new"])
    assert asked_after(lake, "square", "customers", WEEK, settings) == ()
