"""Segments of a day from the facts to the memberships, their sizes and changes: twenty, two hundred, and one more than that."""

from collections.abc import Callable

from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline_tests.benchmarks.company import VOCABULARY, Company
from segment_pipeline_tests.benchmarks.hand_segments import members_by_hand
from segment_pipeline_tests.benchmarks.prepared import with_traits
from segment_pipeline_tests.benchmarks.stage import Stage
from segment_pipeline_tests.benchmarks.varied_segments import Assortment, varied_segments

NAMED = {0: "Running Shoes", 1: "Dresses", 2: "Snacks", 3: "Diapers"}
DEPARTMENTS = ("Shoes", "Women", "GROCERY", "Infant", "Men", "PRODUCE", "MEAT", "Home", "Beauty", "Electronics")
CATEGORIES = tuple(NAMED.get(number, f"Category {number}") for number in range(200))
ASSORTMENT = Assortment(
    products=[f"SKU{number}" for number in range(0, 4000, 3)],
    brands=[f"Brand {number}" for number in range(90)],
    departments=DEPARTMENTS,
    categories=CATEGORIES,
    campaigns=[f"K{number}" for number in range(20)],
    queries=[category.lower() for category in CATEGORIES],
    topics=[f"topic {number}" for number in range(30)],
    networks=["photos", "videos"],
    place=(42.5, -85.0),
)


def _built(number: int) -> Callable[[Company], int]:
    def run(company: Company) -> int:
        segments = varied_segments(number, ASSORTMENT)
        report = build_memberships(company.lake, company.as_of, segments, company.settings, vocabulary=VOCABULARY)
        assert not report.failed, report.failed
        return sum(report.sizes.values())

    return run


def _by_hand(number: int) -> Callable[[Company], int]:
    return lambda company: members_by_hand(company, varied_segments(number, ASSORTMENT))


STAGES = tuple(Stage(f"segments-{number}", with_traits, _built(number), _by_hand(number)) for number in (20, 200, 201))
