"""What a choice among activities means on a day: its first day, the values its columns may have, and what reads it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from segment_pipeline.profiles.facts.activities import property_column
from segment_pipeline.segments.compiler.conditions import Measure
from segment_pipeline.segments.nodes import COLUMNS, LATEST, Activities, Scalar

EVER = date(1, 1, 1)

Latest = Mapping[Activities, Sequence[str]]


def column_of(field: str) -> str:
    """The activities' column a field of a choice is compared with; a property's has the field's own name."""
    return COLUMNS.get(field, field)


def fields_of(of: Activities) -> list[str]:
    """The fields a choice restricts."""
    return [*(field for field in COLUMNS if getattr(of, field)), *(property_column(name) for name, _ in of.properties)]


def first_day(of: Activities, as_of: date) -> date:
    """The first day of a choice's window."""
    return EVER if of.within is None else as_of - timedelta(days=min(of.within, as_of.toordinal()) - 1)


def items_of(of: Activities) -> Activities:
    """What decides which items a choice takes: the SKUs it asks for."""
    return Activities("items", item=of.item)


def launches_of(of: Activities) -> Activities:
    """What decides which collections are `latest` for a choice: its conditions on products alone."""
    return Activities("", item=of.item, brand=of.brand, department=of.department, category=of.category)


def values_of(of: Activities, latest: Latest) -> dict[str, tuple[Scalar, ...]]:
    """The values each filtered column may have; `latest` resolved to the collections it stands for, SKUs to the items that have them."""
    found: dict[str, tuple[Scalar, ...]] = {field: getattr(of, field) for field in COLUMNS if getattr(of, field)}
    found |= {property_column(name): values for name, values in of.properties}
    if of.item:
        found["item"] = tuple(sorted({*of.item, *latest.get(items_of(of), ())}))
    if LATEST in of.collection:
        found["collection"] = tuple(sorted({*of.collection, *latest[launches_of(of)]} - {LATEST}))
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
