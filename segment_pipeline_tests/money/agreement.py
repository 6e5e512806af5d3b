"""Random people of two vendors: what a plain reading of the vendors' answers says of them, and what the company says."""

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from pyarrow import parquet

from segment_pipeline.landing.raw import pulls
from segment_pipeline.segments.rules import activities, did, sum_of
from segment_pipeline_tests.money import random_shop, random_till, shopify_reading, square_reading
from segment_pipeline_tests.money.company import RATES, Company, Person, shop_products, till_products
from segment_pipeline_tests.money.definition import Account

PULLED = ("2017-06-15T08:00:00+00:00",)
# Half a cent either way: the lake keeps ten-thousandths, the definition all digits.
CENT = Fraction(1, 200)
MADE: Mapping[str, ModuleType] = {"square": random_till, "shopify": random_shop}
READ: Mapping[str, ModuleType] = {"square": square_reading, "shopify": shopify_reading}
LIMITS = (0, 5, 20, 50, 100)


def agree(folder: Path, seed: int, people: int) -> int:
    """Make so many people, half of either vendor's, and compare all of them; returns how many had an order."""
    company, random = Company(folder), Random(seed)
    for vendor, made in MADE.items():
        products = till_products(made.PRODUCTS) if vendor == "square" else shop_products(made.PRODUCTS)
        company.land(vendor, [*products, *made.records(random, people // 2)], PULLED)
    rules: dict[str, Any] = {
        f"owns_{number}": did("product_bought", product=(f"SKU{number}", f"W-{number}"))
        for number in random_shop.PRODUCTS
    }
    rules |= {f"spent_{n}": sum_of("amount", activities("order")) >= n for n in LIMITS}
    found, rates = company.people(rules), {day.isoformat(): fixed for day, fixed in RATES.items()}
    bought = 0
    for vendor, reading in READ.items():
        expected = reading.read(_answers(company, vendor), rates, company.settings.timezone)
        keys = [key for key in found if key.startswith("C") == (vendor == "square")]
        wrong = [
            f"{key}: {text}" for key in keys for text in _differences(found[key], expected.get(key, Account()), vendor)
        ]
        assert not wrong, f"seed {seed}, {vendor}: {len(wrong)} differences\n" + "\n".join(sorted(wrong)[:20])
        bought += sum(account.orders > 0 for account in expected.values())
    return bought


def _answers(company: Company, vendor: str) -> Iterator[Mapping[str, Any]]:
    for pulled in pulls(company.settings.raw, vendor, "orders"):
        for page in pulled.files["orders"]:
            for content in parquet.read_table(page).column("content").to_pylist():
                answer = json.loads(content)
                yield from answer.get("orders", []) if vendor == "square" else answer["data"]["orders"]["nodes"]


def _differences(person: Person, account: Account, vendor: str) -> Iterator[str]:
    begins, traits = "V" if vendor == "square" else "7", person.traits
    for name, expected in (("orders_total", account.orders), ("orders_kept", account.orders_kept)):
        if traits[name] != expected:
            yield f"{name} {traits[name]}, should be {expected}"
    if abs(Fraction(traits["spend_total"]) - account.spend) > CENT:
        yield f"spend {traits['spend_total']}, should be {float(account.spend)}"
    for limit in LIMITS:
        # A sum at the limit itself is met or not by what rounding leaves.
        if abs(account.spend - limit) > CENT and (f"spent_{limit}" in person.segments) != (account.spend >= limit):
            yield f"spent at least {limit} by the segment, spend is {float(account.spend)}"
    owned = {f"owns_{product.removeprefix(begins)}" for product in account.owned if product is not None}
    held = {name for name in person.segments if name.startswith("owns_")}
    if owned != held:
        yield f"owns {sorted(held)}, should own {sorted(owned)}"
    yield from _shares_differ(person, account, begins)


def _shares_differ(person: Person, account: Account, begins: str) -> Iterator[str]:
    kept: dict[str, Fraction] = {}
    for product, net in account.kept.items():
        if product is not None:
            name = random_shop.PRODUCTS[product.removeprefix(begins)]
            kept[name] = kept.get(name, Fraction(0)) + net
    shares = {value: Fraction(net) for (kind, value), net in person.shares.items() if kind == "department"}
    for name in kept.keys() | shares.keys():
        if abs(shares.get(name, Fraction(0)) - kept.get(name, Fraction(0))) > CENT:
            yield f"{name} {float(shares.get(name, 0))}, should be {float(kept.get(name, 0))}"
