"""What is known of a world, and which of a person's activities a choice takes, told one row at a time in plain Python."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from segment_pipeline.algebra.parts import LATEST, Activities, Dates, Ended, Holidays, Hours, Period, Window
from segment_pipeline.segments.evaluating import Row, days_of_the_calendar, in_hours, meets, monday, months


@dataclass(frozen=True)
class World:
    """What is known at the end of a day, as rows of `traits`, `trait_shares`, `activities` and `products_as_of`.

    `stores`: those there are, with their places. `identifiers`: rows of `profile_identifiers` of the day. `members`: rows of `memberships` before the day; `changes`: of `membership_changes`.
    """

    as_of: date
    traits: Sequence[Row]
    shares: Sequence[Row] = ()
    activities: Sequence[Row] = ()
    products: Sequence[Row] = ()
    members: Sequence[Row] = ()
    changes: Sequence[Row] = ()
    stores: Sequence[Row] = ()
    identifiers: Sequence[Row] = ()
    zone: str = "UTC"


class Choosing:
    """Takes activities of a world as choices say."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.by_person: dict[str, list[Row]] = {}
        self.skus: dict[str, set[str]] = {}
        for row in world.products:
            self.skus.setdefault(row["item_key"], set()).update(row["skus"] or ())
        for row in world.activities:
            if row["occurred_on"] <= world.as_of:
                self.by_person.setdefault(row["profile_id"], []).append(row)

    def rows(self, of: Activities, person: Row) -> list[Row]:
        """The activities of a person that a choice takes, in no order."""
        return [row for row in self.by_person.get(person["profile_id"], ()) if self._is_chosen(of, row)]

    def _is_chosen(self, of: Activities, row: Row) -> bool:
        filters = (
            (of.brand, "brand"), (of.department, "department"), (of.category, "category"),
            (self._collections(of), "collection"), (of.campaign, "campaign"), (of.channel, "channel"),
            (of.subject, "subject"), (of.text, "text"), (of.source, "source"),
        )  # fmt: skip
        if row["name"] != of.name or any(wanted and row[column] not in wanted for wanted, column in filters):
            return False
        if of.item and not self._has_sku(row["item_key"], of.item):
            return False
        if any(row[f"property_{name}"] not in wanted for name, wanted in of.properties):
            return False
        if LATEST in of.collection and row["collection"] not in self._collections(of):
            return False
        if not self._is_in_time(of, row) or not all(meets(test, row) for test in of.tests):
            return False
        if of.score is not None and not (row["score"] is not None and of.score[0] <= row["score"] <= of.score[1]):
            return False
        others = [
            other
            for other in self.by_person[row["profile_id"]]
            if self._same_article(other["item_key"], row["item_key"])
        ]
        if (of.never or of.not_followed_by) and row["item_key"] is None:
            return False
        if of.never is not None and any(other["name"] == of.never for other in others):
            return False
        return of.not_followed_by is None or not any(
            other["name"] == of.not_followed_by and other["occurred_at"] >= row["occurred_at"] for other in others
        )

    def _is_in_time(self, of: Activities, row: Row) -> bool:
        if of.within is not None and row["occurred_on"] <= self.world.as_of - timedelta(days=of.within):
            return False
        if of.local_hour is not None and not in_hours(row["local_at"], of.local_hour):
            return False
        return of.window is None or self._in_window(of.window, row)

    def _in_window(self, window: Window, row: Row) -> bool:
        day, as_of = row["occurred_on"], self.world.as_of
        match window:
            case Ended(number, since):
                return bool(since <= (as_of - day).days < since + number)
            case Hours(number):
                midnight = datetime.combine(as_of + timedelta(days=1), time(), ZoneInfo(self.world.zone))
                return bool(row["occurred_at"] >= midnight.astimezone(UTC) - timedelta(hours=number))
            case Dates(first, last):
                return bool(first <= day <= last)
            case Period("week", back):
                return monday(day) == monday(as_of) - timedelta(days=7 * back)
            case Period("month", back):
                return months(day) == months(as_of) - back
            case Period("quarter", back):
                return months(day) // 3 == months(as_of) // 3 - back
            case Period("year", back):
                return bool(day.year == as_of.year - back)
            case Holidays(country, name, before):
                days = [day + timedelta(days=ahead) for ahead in (range(1, before + 1) if before else (0,))]
                return any(
                    name in (None, held)
                    for each in days
                    for held in days_of_the_calendar(country, each, public=name is None)
                )
        raise TypeError(type(window).__name__)

    def _has_sku(self, item: str | None, asked: Collection[str]) -> bool:
        return item is not None and (item in asked or not self.skus.get(item, set()).isdisjoint(asked))

    def _same_article(self, one: str | None, other: str | None) -> bool:
        if one is None or other is None:
            return False
        return one == other or not self.skus.get(one, set()).isdisjoint(self.skus.get(other, set()))

    def _collections(self, of: Activities) -> tuple[str, ...]:
        if LATEST not in of.collection:
            return of.collection
        launched = [
            row
            for row in self.world.products
            if row["collection"] is not None
            and row["launched_on"] is not None
            and row["launched_on"] <= self.world.as_of
            and (not of.item or self._has_sku(row["item_key"], of.item))
            and (not of.brand or row["brand"] in of.brand)
            and (not of.department or row["department"] in of.department)
            and (not of.category or row["category"] in of.category)
        ]
        newest = max((row["launched_on"] for row in launched), default=None)
        named = {name for name in of.collection if name != LATEST}
        return tuple(named | {row["collection"] for row in launched if row["launched_on"] == newest})
