"""A company whose people are told from records of a shop and a till."""

from pathlib import Path
from typing import Any

import pytest

from segment_pipeline_tests.money.asked import RULES, Told
from segment_pipeline_tests.money.company import Company, Person, shop_products, till_products
from segment_pipeline_tests.sandbox.source_world import Version

DEPARTMENTS = {"1": "Shoes", "2": "Men", "3": "Home"}


@pytest.fixture
def told(tmp_path: Path) -> Told:
    def run(*records: Version, **more: Any) -> dict[str, Person]:
        company = Company(tmp_path)
        for vendor in ("square", "shopify"):
            mine = [record for record in records if record[0] == vendor]
            products = till_products(DEPARTMENTS) if vendor == "square" else shop_products(DEPARTMENTS)
            if mine:
                company.land(vendor, [*products, *mine])
        return company.people(RULES, **more)

    return run
