"""What a choice among activities means on a day: the values its columns may have, what it asks beside, and what reads it needs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segment_pipeline.algebra.canonical import canonical
from segment_pipeline.algebra.parts import COLUMNS, LATEST, Activities, Scalar, Test, property_column
from segment_pipeline.algebra.windows import tests
from segment_pipeline.days import AsOf
from segment_pipeline.profiles.compiler.conditions import Measure

Latest = Mapping[Activities, Sequence[str]]


def column_of(field: str) -> str:
    """The activities' column a field of a choice is compared with; a property's has the field's own name."""
    return COLUMNS.get(field, field)


def test_field(test: Test) -> str:
    """What the field is called that says whether an activity meets a test: it has the number 1 where it does, and no other."""
    text = json.dumps(canonical(test), sort_keys=True)
    return f"test_{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def fields_of(of: Activities, as_of: AsOf) -> list[str]:
    """The fields a choice restricts, each of its tests one."""
    columns = [field for field in COLUMNS if getattr(of, field)]
    return [*columns, *(property_column(name) for name, _ in of.properties), *map(test_field, tests(of, as_of))]


def items_of(of: Activities) -> Activities:
    """What decides which items a choice takes: the SKUs it asks for."""
    return Activities("items", item=of.item)


def launches_of(of: Activities) -> Activities:
    """What decides which collections are `latest` for a choice: its conditions on products alone."""
    return Activities("", item=of.item, brand=of.brand, department=of.department, category=of.category)


def values_of(of: Activities, latest: Latest, as_of: AsOf) -> dict[str, tuple[Scalar, ...]]:
    """The values each field of a choice may have; `latest` resolved to the collections it stands for, SKUs to the items that have them."""
    found: dict[str, tuple[Scalar, ...]] = {field: getattr(of, field) for field in COLUMNS if getattr(of, field)}
    found |= {property_column(name): values for name, values in of.properties}
    if of.item:
        found["item"] = tuple(sorted({*of.item, *latest.get(items_of(of), ())}))
    if LATEST in of.collection:
        found["collection"] = tuple(sorted({*of.collection, *latest[launches_of(of)]} - {LATEST}))
    found |= {test_field(test): (True,) for test in tests(of, as_of)}
    return found


@dataclass(frozen=True, slots=True)
class Shape:
    """Measures that one join can take together: they are aggregated alike, and the same followers rule activities out."""

    kind: str
    not_followed_by: str | None
    never: str | None

    @classmethod
    def of(cls, measure: Measure) -> "Shape":
        return cls(measure.kind, measure.of.not_followed_by, measure.of.never)

    @property
    def needs_item(self) -> bool:
        return self.kind == "item_count" or self.has_follower

    @property
    def has_follower(self) -> bool:
        """Activities that come after or beside the chosen ones decide as well."""
        return self.not_followed_by is not None or self.never is not None

    @property
    def wide(self) -> frozenset[str]:
        """Columns of chosen activities whose very values are needed, not only whether some rule names them."""
        read = {"item_key"} if self.needs_item else set()
        read |= {"occurred_at"} if self.has_follower else set()
        return frozenset(read | ({self.kind} if self.kind in ("amount", "quantity") else set()))
