"""Syncs of a company's own ends, by their real connectors: letters, a table, a receiver of webhooks."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from segment_pipeline.audiences.audience import Attribute
from segment_pipeline.audiences.rename import rename
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.table.connector import AudienceTable
from segment_pipeline.destinations.webhook.connector import SignedWebhook
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.vendors.webhook.vendor import SECRET
from segment_pipeline_tests.audiences.test_along import named
from segment_pipeline_tests.audiences.test_keys import ANN, BOB
from segment_pipeline_tests.audiences.world import LATER, Person, World, audience

CAT = Person("cat", consent=True)


def test_letters_go_to_whoever_agreed_to_mail_and_has_an_address(world: World, tmp_path: Path) -> None:
    """Also to somebody of whom neither e-mail nor phone is known; whoever moves, or gets an address, is written to there."""
    letters = HashedFiles(directory=str(tmp_path / "letters"), platform="mail")
    to = audience(destination="files", channel="mail")
    world.people([ANN, BOB, CAT, Person("dan", "dan@shop.test", consent=None)], channel="mail")
    home: dict[str, str | date | None] = {
        "first_name": "Cat",
        "last_name": "O'Hara",
        "street": '1 "High" St',
        "city": "Bath",
        "postcode": "BA1",
    }
    named(world, ann={"street": "2 Low St", "city": "Bath"}, cat=home, dan=home)

    def held() -> list[dict[str, str]]:
        with (tmp_path / "letters/shoppers/members.csv").open(newline="") as file:
            return sorted(csv.DictReader(file), key=lambda row: row["street"])

    report = world.sync(to, letters)
    assert (report.added, report.rejections) == (2, {"no_address": 1})
    assert [(row["street"], row["last_name"], row["region"]) for row in held()] == [
        ('1 "High" St', "O'Hara", ""), ("2 Low St", "", ""),
    ]  # fmt: skip
    named(world, cat={**home, "street": "3 Mid St"}, ann={"street": "2 Low St", "city": "Bath"})
    assert world.sync(to, letters).updated == 1
    assert [row["street"] for row in held()] == ["2 Low St", "3 Mid St"]
    named(world, bob={"street": "4 New St", "postcode": "BA2"})
    assert world.sync(to, letters).added == 1
    assert len(held()) == 3
    world.people([replace(ANN, consent=False, said=LATER), BOB, CAT], channel="mail")
    named(world, cat={**home, "street": "3 Mid St"}, bob={"street": "4 New St", "postcode": "BA2"})
    assert world.sync(to, letters).removed == 1
    assert [row["street"] for row in held()] == ["3 Mid St", "4 New St"]


def test_a_table_has_what_its_people_have_and_follows_its_audience(world: World, tmp_path: Path) -> None:
    """Traits as they are typed, members others took out put back, another name for the same rows."""
    url = f"sqlite:///{tmp_path / 'company.sqlite'}"
    tool, engine = AudienceTable(name="table", url=url), sa.create_engine(url)
    mapped = [Attribute("orders_total", "orders"), Attribute("last_seen_on", "last"), Attribute("city", "town")]
    to = audience(destination="table", owned=True, attributes=mapped)
    traits = {"orders_total": 3, "last_seen_on": date(2017, 6, 1), "city": "Köln"}
    world.people([replace(ANN, traits=traits), BOB])

    def held() -> dict[str, Any]:
        table = sa.Table("audience_members", sa.MetaData(), autoload_with=engine)
        with engine.connect() as connection:
            return {row["email"]: dict(row) for row in connection.execute(sa.select(table)).mappings()}

    assert world.sync(to, tool).added == 2
    rows = held()
    assert {name: rows["ann@shop.test"][name] for name in ("audience", "orders", "last", "town")} == {
        "audience": "shoppers", "orders": 3, "last": date(2017, 6, 1), "town": "Köln",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM audience_members WHERE email = 'bob@shop.test'"))
    assert world.sync(to, tool).added == 1
    assert set(held()) == {"ann@shop.test", "bob@shop.test"}
    renamed = replace(to, name="buyers")
    rename(world.lake, world.ledger, "shoppers", "buyers", declared=[renamed], destinations={"table": tool})
    assert {row["audience"] for row in held().values()} == {"buyers"}
    assert world.sync(renamed, tool).requests == 0
    tool.close()
    engine.dispose()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path / "receiver", vendors=["webhook"]) as running:
        yield running


def test_a_receiver_of_webhooks_holds_what_is_wanted(world: World, receiver: SandboxServer) -> None:
    """A member it does not take costs nobody else their place, and who withdraws leaves; an audience it lost is sent anew."""
    tool = SignedWebhook(signing_secret=SECRET, base_url=f"{receiver.base_url}/webhook/audiences", batch_rows=20)
    to, people = audience(destination="webhook"), [Person(f"p{n}", f"p{n}@shop.test") for n in range(60)]

    def held() -> set[str]:
        return {member["email"] for member in receiver.control("GET", "/webhook/lists/shoppers")["members"]}

    world.people(people)
    receiver.control("PUT", "/webhook/settings", {"poison": ["p7@shop.test"], "poison_form": "unnamed"})
    report = world.sync(to, tool)
    assert (report.added, report.rejections) == (59, {"refused": 1})
    assert held() == {person.email for person in people} - {"p7@shop.test"}
    receiver.control("PUT", "/webhook/settings", {"poison": []})
    world.people([replace(person, consent=n > 2, said=LATER) for n, person in enumerate(people)])
    world.sync(to, tool)
    assert held() >= {person.email for person in people[3:]} - {"p7@shop.test"}
    assert held().isdisjoint({person.email for person in people[:3]})
    receiver.control("DELETE", "/webhook/lists/shoppers")
    world.people([*people, Person("late", "late@shop.test")])
    report = world.sync(to, tool)
    assert "resend it to make it anew" in " ".join(report.reasons)
    tool.close()
