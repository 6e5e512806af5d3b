"""`docs/own-traits.md` as it stands: its code runs, and what it says of the views is what the code says."""

import re
from pathlib import Path
from typing import Any

import pytest

import segment_pipeline
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.days import AsOf
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.traits.own import build_own_traits
from segment_pipeline.profiles.traits.sets import TYPES, forget
from segment_pipeline.profiles.traits.views import VIEWS
from segment_pipeline.segments.own_traits import quantities
from segment_pipeline.segments.rules import Segment
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, rows
from segment_pipeline_tests.profiles.trait_rows import DAY, traits

DOC = (Path(segment_pipeline.__file__).parent / "docs" / "own-traits.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def said(tmp_path: Path) -> dict[str, Any]:
    """The names the page's code makes."""
    names: dict[str, Any] = {}
    for number, block in enumerate(CODE):
        file = tmp_path / f"block_{number}.py"
        file.write_text(block, encoding="utf-8")
        exec(compile(block, str(file), "exec"), names)
    return names


def test_the_traits_of_the_page_are_computed(
    lake: Lake, put: Put, said: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(forget)
    put("customers", [customer("shop", "A"), customer("shop", "B")])
    bought = [(jan(2), "S2"), (jan(3), "S1"), (jan(4), "S1"), (DAY, "S2")]
    put(
        "orders",
        [order("shop", f"O{n}", on, "10", customer_key="A", store_key=key) for n, (on, key) in enumerate(bought)],
    )
    traits(lake)
    rules = [
        Segment(name, owner="team:crm", goal="orders", description="d", where=said[name])
        for name in ("chose_gold", "large_teams")
    ]
    ours = Catalogue(
        sources=(), destinations=(), segments=rules, trait_sets=(said["CRM"],), events=(said["PLAN_CHOSEN"],)
    )
    assert ours.problems() == []
    build_own_traits(lake, AsOf(DAY, "UTC"), said["CRM"], quantities=quantities(ours.vocabulary))
    held = sorted(
        (r["favourite_store"] or "", r["is_loyal_in_store"], r["expected_spend"], r["weekend_orders"])
        for r in rows(lake, "traits_crm")
    )
    # The last day of 2017 is a Sunday.
    assert held == [("", False, None, 0), ("S1", False, 40, 1)]


def test_the_page_shows_the_views_and_types_there_are() -> None:
    for view in VIEWS.values():
        part = DOC.split(f"### `{view.name}`\n", 1)[1].split("\n#", 1)[0]
        assert view.grain[1:] in part
        if view.name != "profiles":
            shown = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (.+) \|$", part, re.MULTILINE)
            assert shown == [(name, kind, meaning) for name, (kind, meaning) in view.columns.items()]
    assert ", ".join(TYPES[:-1]) + f" and {TYPES[-1]}" in DOC.replace("\n", " ")
