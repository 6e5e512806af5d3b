"""Random days: few people, and many activities, products and former members of theirs, as a strategy of hypothesis."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from segment_pipeline.lake.core_traits import RATIOS
from segment_pipeline.segments.evaluate import World
from segment_pipeline_tests.segments.conftest import ACTIVITY_SCHEMA, PRODUCT_SCHEMA, address

PEOPLE = [f"{number:032x}" for number in range(6)]
NAMES = ["visit", "product_viewed", "product_bought", "order", "survey_answered"]
STAGES = ["new", "active", "churned"]
TEXTS = ["Shoes", "Läufer 👟", "it's $x; --", "latest edition"]
AS_OF = [date(2017, 12, 31), date(2016, 2, 29), date(2017, 2, 28), date(2019, 2, 27), date(2018, 3, 1)]
MONEY = [Decimal("0"), Decimal("0.1000"), Decimal("-3.5000"), Decimal("99.9999")]
# Parts and wholes whose quotients meet a fraction exactly, lie beside it, or have no end; no whole: unknown.
QUOTIENTS = [("4.8000", "12.0000"), ("4.7999", "12.0000"), ("4.8001", "12.0000"), ("0.1000", "1.0000"), ("0.3000", "1.0000"),
             ("1.0000", "3.0000"), ("0.0000", "7.0000"), ("-1.0000", "3.0000"), ("5.0000", "5.0000"), ("0.0000", "0.0000")]  # fmt: skip
FRACTIONS: list[float | Decimal] = [0.0, 0.1, 0.3, 0.4, Decimal("0.333333333333333333"), 1.0]
LAST_ORDERS = [date(2016, 2, 29), date(2017, 12, 31), date(2018, 1, 1)]
# Items with their SKUs: two are one article where they have one in common; of one nobody knows any.
ITEMS: dict[str, list[str] | None] = {"a": ["a"], "b": ["b"], "a|b": ["a", "b"], "b|c": ["b", "c"], "web:1": None}
COLLECTIONS = ["old", "new", "newer"]


def _maybe(random: Random, values: Sequence[Any], unknown: float = 0.25) -> Any:
    return None if random.random() < unknown else random.choice(values)


def _quotient(random: Random, name: str) -> dict[str, Any]:
    part, whole = map(Decimal, random.choice(QUOTIENTS))
    if name == "aov_365d":
        whole = Decimal(random.choice([0, 3, 12]))
    if name == "late_night_share":
        part, whole = Decimal(random.randrange(5)), Decimal(random.choice([0, 5, 10]))
    quotient = None if not whole else round(part / whole, 4) if name == "aov_365d" else float(part / whole)
    return {name: quotient} | dict(zip(RATIOS[name], (part, whole), strict=True))


def _person(random: Random, profile_id: str, as_of: date) -> dict[str, Any]:
    return {
        "as_of": as_of, "profile_id": profile_id, "orders_total": _maybe(random, range(5)), "age": _maybe(random, range(17, 21)),
        "spend_total": _maybe(random, MONEY), **_quotient(random, "markdown_share"), **_quotient(random, "aov_365d"), **_quotient(random, "late_night_share"),
        "lifecycle_stage": _maybe(random, STAGES), "city": _maybe(random, TEXTS), "last_order_on": _maybe(random, LAST_ORDERS),
        "email_reachable": _maybe(random, [True, False]), "interests": _maybe(random, [[], TEXTS[:1], TEXTS[1:3]]),
        "birth_day": _maybe(random, ["02-28", "02-29", "03-01", "12-31", "01-01", "06-15"]),
        "lat": _maybe(random, [0.0, 39.1, 40.0, -33.9]), "lon": _maybe(random, [0.0, -84.5, 10.25]),
    }  # fmt: skip


def _activity(random: Random, as_of: date) -> dict[str, Any]:
    day = as_of - timedelta(days=random.choice([-1, 0, 0, 1, 2, 6, 7, 30, 31]))
    at = datetime.combine(day, time(random.choice([0, 4, 12, 22, 23])), UTC)
    return dict.fromkeys(ACTIVITY_SCHEMA.names) | {
        "profile_id": random.choice([*PEOPLE, "f" * 32]), "name": random.choice(NAMES),
        "occurred_at": at, "occurred_on": day, "local_at": _maybe(random, [at.replace(tzinfo=None)]),
        "item_key": _maybe(random, list(ITEMS)), "category": _maybe(random, TEXTS[:3]), "department": _maybe(random, TEXTS[1:]),
        "collection": _maybe(random, COLLECTIONS), "text": _maybe(random, TEXTS[:2]),
        "amount": _maybe(random, MONEY), "quantity": _maybe(random, [Decimal("0.5"), Decimal("1")]),
        "score": _maybe(random, [1.0, 2.0, 5.0]), "source": random.choice(["till", "web"]),
        "is_markdown": _maybe(random, [True, False]), "store_key": _maybe(random, ["s1", "s2"]), "order_key": _maybe(random, ["o1", "o2", "o3"]), "order_number": _maybe(random, [1, 2, 3]),
        "coupon_codes": _maybe(random, [[], ["TEN"], ["TEN", "FREE"]]),
    }  # fmt: skip


def _product(random: Random, as_of: date) -> dict[str, Any]:
    launched, item = _maybe(random, [-1, 0, 1, 300]), random.choice(list(ITEMS))
    return dict.fromkeys(PRODUCT_SCHEMA.names) | {
        "item_key": item, "skus": ITEMS[item], "category": _maybe(random, TEXTS[:3]), "department": _maybe(random, TEXTS[1:]),
        "collection": _maybe(random, COLLECTIONS),
        "launched_on": None if launched is None else as_of - timedelta(days=launched),
    }  # fmt: skip


def _shares(random: Random, profile_id: str, as_of: date) -> list[dict[str, Any]]:
    # A share is unknown for all values of a dimension or for none: it has one denominator per person.
    whole = {
        (d, c): random.choice(["12.0000", "3.0000", "1.0000", "0.0000"])
        for d in ("department", "category")
        for c in ("365d", "total")
    }
    return [
        {
            "as_of": as_of,
            "profile_id": profile_id,
            "dimension": dimension,
            "value": value,
        }
        | {f"spend_{column}": Decimal(random.choice(QUOTIENTS)[0]) for column in ("365d", "total")}
        | {f"known_{column}": Decimal(whole[dimension, column]) for column in ("365d", "total")}
        for dimension in ("department", "category")
        for value in random.sample(TEXTS, random.randrange(3))
    ]


DOMAINS = ["mail.io", "post.mail.io", "acme.de"]


def _addresses(random: Random) -> list[dict[str, Any]]:
    """Of some people none, of some several, and of what standing it may be."""
    standings = ["current", "current", "shared", "former", "blocked"]
    return [
        address(random.choice([*PEOPLE, "f" * 32]), f"a{number}@{random.choice(DOMAINS)}", random.choice(standings))
        for number in range(8)
    ]


CAUSES = ["data", "first", "gap", "definition", "identity"]


def _was(random: Random, as_of: date) -> dict[str, Any]:
    """A row of memberships: of a segment, on a day before or of as_of."""
    day = as_of - timedelta(days=random.choice([0, 1, 2, 3]))
    held = {"as_of": day, "segment": random.choice(["s1", "s2"]), "definition_hash": "h"}
    return held | {"profile_id": random.choice([*PEOPLE, "f" * 32])}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Dense random days, drawn by seed: hypothesis' own lists are mostly too short for counts to be met."""
    random = Random(draw(st.integers(0, 2**32)))
    as_of = draw(st.sampled_from(AS_OF))
    people = [one for one in PEOPLE if random.random() < 0.8]
    return World(
        as_of,
        [_person(random, one, as_of) for one in people],
        [row for one in people for row in _shares(random, one, as_of)],
        [_activity(random, as_of) for _ in range(draw(st.sampled_from([120, 60, 0])))],
        [_product(random, as_of) for _ in range(draw(st.sampled_from([12, 3, 0])))],
        [_was(random, as_of) for _ in range(12)],
        [
            _was(random, as_of)
            | {"change": random.choice(["entered", "exited"]), "cause": random.choice(CAUSES), "previous_as_of": None}
            for _ in range(12)
        ],
        identifiers=_addresses(random),
    )
