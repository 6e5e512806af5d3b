"""People made for the worked examples: whatever chance does, each example has members, labelled in the truth.

A plant is a web shopper (some also known at the till) with orders, carts and visits placed relative to the last day.
The natural world is not touched. What lies before the world's first day is left out when the world is built.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from segment_pipeline.sandbox.world.people import PLANTED, Seat

Product = dict[str, object]
WOMEN_ONLY = ("weekly_women", "gift_givers")
AT_TILL = ("prepaid_balance", "abandoned_cart")
EXAMPLES = (
    "weekly_women", "churned_runners", "gift_givers", "early_adopters", "abandoned_cart", "recent_visitors",
    "complement_missing", "social_engaged", "repeat_viewers", "category_interest", "late_night_snackers",
    "parents_infant", "logged_in_idle", "prepaid_balance", "newcomers", "dormant",
)  # fmt: skip
_FIRST_ORDINAL = 5000


def plant_seats(per_example: int) -> list[Seat]:
    """One seat per planted person."""
    return [
        Seat(
            person_id=f"P-{example}-{number}",
            group=PLANTED,
            ordinal=_FIRST_ORDINAL + place * 20 + number,
            gender="female" if example in WOMEN_ONLY else None,
            planted=example,
            at_till=example in AT_TILL,
        )
        for place, example in enumerate(EXAMPLES)
        for number in range(per_example)
    ]


@dataclass
class Garden:
    """What the planted people do; each list becomes one table of the world's builder."""

    as_of: date
    products: Sequence[Product]
    orders: list[dict[str, object]] = field(default_factory=list)
    lines: list[dict[str, object]] = field(default_factory=list)
    carts: list[dict[str, object]] = field(default_factory=list)
    cart_lines: list[dict[str, object]] = field(default_factory=list)
    sessions: list[dict[str, object]] = field(default_factory=list)
    deeds: list[dict[str, object]] = field(default_factory=list)

    def grow(self, seats: Sequence[Seat]) -> None:
        """Fill the lists with what each seat's example asks for."""
        for seat in seats:
            if seat.planted is not None:
                getattr(self, f"_{seat.planted}")(seat, seat.ordinal % 20)

    def tables(self) -> dict[str, pa.Table]:
        """The lists as Arrow tables, by the name the SQL knows them under."""
        return {
            "plant_orders": pa.Table.from_pylist(self.orders, schema=_ORDERS),
            "plant_lines": pa.Table.from_pylist(self.lines, schema=_LINES),
            "plant_carts": pa.Table.from_pylist(self.carts, schema=_CARTS),
            "plant_cart_lines": pa.Table.from_pylist(self.cart_lines, schema=_CART_LINES),
            "plant_sessions": pa.Table.from_pylist(self.sessions, schema=_SESSIONS),
            "plant_deeds": pa.Table.from_pylist(self.deeds, schema=_DEEDS),
        }

    def _weekly_women(self, seat: Seat, number: int) -> None:
        for days in (330, 300, 260, 220, 180, 150, 120, 90, 50, 20, 2 + number % 4):
            self._order(seat, days, 19, self._dearest("Women", days, 4))

    def _churned_runners(self, seat: Seat, number: int) -> None:
        for step in range(9):
            days = 350 - step * 18 + number
            picks = self._dearest("Shoes", days, 3) + self._dearest("Women", days, 1)
            self._order(seat, days, 18, picks)
        newest = self._newest("Running Shoes")
        self._visit(seat, 12, 20, [("product_viewed", newest[0])])
        self._visit(seat, 2 + number % 4, 20, [("product_viewed", product) for product in newest[:3]])

    def _gift_givers(self, seat: Seat, number: int) -> None:
        for days in (170, 130, 75, 40, 16 + number):
            older = [p for p in self._launched("Men", days) if (self._day(days) - _launch(p)).days > 125]
            affordable = [p for p in older if 9000 <= _price(p) <= 26000]
            self._order(seat, days, 20, affordable[number : number + 4], markdown=True)

    def _early_adopters(self, seat: Seat, number: int) -> None:
        launches = sorted({(_launch(p), str(p["collection"])) for p in self.products if p["collection"]})
        recent = [launch for launch in launches if 8 <= (self.as_of - launch[0]).days <= 350]
        for launched, collection in recent[number % 3 :: 3]:
            picks = [p for p in self.products if p["collection"] == collection][-3:]
            self._order(seat, (self.as_of - launched).days - 4 - number % 3, 19, picks)
        newest = [p for p in self.products if p["collection"] == launches[-1][1]]
        self._visit(seat, 2, 19, [("product_viewed", product) for product in newest[:3]])
        for category in sorted({str(p["category"]) for p in self.products if p["collection"]})[number::6]:
            self._visit(seat, 3, 12, [("product_viewed", self._newest(category)[0])])

    def _abandoned_cart(self, seat: Seat, number: int) -> None:
        self._order(seat, 60, 19, self._dearest("Home", 60, 1))
        cart_no = 8_500_000_000_000 + seat.ordinal
        picks = [self._newest("Dresses")[number % 5], self._newest("Boots")[number % 5]]
        # The last of them buys at the till what is in the cart: a near miss.
        bought = self._at(1, 15) if number == 1 else None
        left = self._at(2 if number == 1 else 1, 18)
        self.carts.append(
            {"cart_no": cart_no, "person_id": seat.person_id, "ts": left, "bought_at": bought, "planted": seat.planted}
        )
        for line, product in enumerate(picks, 1):
            self.cart_lines.append({"cart_no": cart_no, "line": line, "product_no": product["product_no"]})

    def _recent_visitors(self, seat: Seat, number: int) -> None:
        picks = self._dearest("Home", 3, 3)
        self._visit(seat, 1 + number % 3, 20, [("product_viewed", product) for product in picks])

    def _complement_missing(self, seat: Seat, number: int) -> None:
        phones = [p for p in self._launched("Electronics", 60) if p["category"] == "Phones"]
        self._order(seat, 55 + number, 19, phones[:1])

    def _social_engaged(self, seat: Seat, number: int) -> None:
        for days in (3, 9, 15 + number):
            self._visit(seat, days, 20, [("social_engaged", None)])

    def _repeat_viewers(self, seat: Seat, number: int) -> None:
        coat = self._newest("Coats")[number % 5]
        for days in (1, 4, 6, 10):
            self._visit(seat, days, 20, [("product_viewed", coat)])

    def _category_interest(self, seat: Seat, number: int) -> None:
        for days in (2, 5, 8):
            self._visit(
                seat, days, 19, [("product_viewed", product) for product in self._newest("Dresses")[: 2 + number % 3]]
            )

    def _late_night_snackers(self, seat: Seat, number: int) -> None:
        snacks = [p for p in self.products if p["category"] == "Snacks"]
        for days in (5, 19, 33, 47, 61, 80):
            self._order(seat, days, 23 if days % 2 else 24, snacks[number : number + 3], quantity=2)

    def _parents_infant(self, seat: Seat, number: int) -> None:
        infant = [p for p in self.products if p["category"] in ("Diapers", "Baby Food", "Baby Care")]
        for days in (6, 20, 34, 48, 62):
            self._order(seat, days + number, 19, infant[number * 3 : number * 3 + 4], quantity=2)

    def _logged_in_idle(self, seat: Seat, number: int) -> None:
        self._visit(seat, 2 + number % 4, 20, [])

    def _prepaid_balance(self, seat: Seat, number: int) -> None:
        self._order(seat, 45 + number, 19, self._dearest("Beauty", 45, 1))

    def _newcomers(self, seat: Seat, number: int) -> None:
        self._order(seat, 3 + number * 3, 19, self._dearest("Home", 30, 2))

    def _dormant(self, seat: Seat, number: int) -> None:
        self._order(seat, 280 + number, 19, self._dearest("Beauty", 300, 2))

    def _day(self, days: int) -> date:
        return self.as_of - timedelta(days=days)

    def _at(self, days: int, hour: int) -> datetime:
        # Hours are the shop's; the world's winter time is five hours behind UTC.
        return datetime.combine(self._day(days), datetime.min.time()) + timedelta(hours=hour + 5)

    def _launched(self, department: str, days: int) -> list[Product]:
        day = self._day(days)
        return [p for p in self.products if p["department"] == department and _launch(p) < day]

    def _dearest(self, department: str, days: int, count: int) -> list[Product]:
        return sorted(self._launched(department, days), key=lambda p: (-_price(p), str(p["sku"])))[:count]

    def _newest(self, category: str) -> list[Product]:
        offered = [p for p in self.products if p["category"] == category]
        latest = max(_launch(p) for p in offered)
        return [p for p in offered if _launch(p) == latest]

    def _order(
        self,
        seat: Seat,
        days: int,
        hour: int,
        picks: Sequence[Product],
        *,
        quantity: int = 1,
        markdown: bool | None = False,
    ) -> None:
        taken = sum(order["person_id"] == seat.person_id for order in self.orders)
        order_no = 5_600_000_000_000 + seat.ordinal * 1000 + taken
        self.orders.append(
            {
                "order_no": order_no,
                "person_id": seat.person_id,
                "ts": self._at(days, hour) + timedelta(minutes=20 + taken),
            }
        )
        for line, product in enumerate(picks, 1):
            self.lines.append(
                {
                    "order_no": order_no,
                    "line": line,
                    "product_no": product["product_no"],
                    "qty": quantity,
                    "markdown": markdown,
                }
            )

    def _visit(self, seat: Seat, days: int, hour: int, deeds: Sequence[tuple[str, Product | None]]) -> None:
        key = f"p{seat.person_id}.{sum(s['person_id'] == seat.person_id for s in self.sessions)}"
        self.sessions.append({"session_key": key, "person_id": seat.person_id, "start_ts": self._at(days, hour)})
        for step, (what, product) in enumerate([("visit", None), *deeds]):
            number = None if product is None else product["product_no"]
            self.deeds.append({"session_key": key, "step": step * 2, "what": what, "product_no": number, "qty": None})


def _launch(product: Product) -> date:
    launched = product["launched_on"]
    assert isinstance(launched, date)
    return launched


def _price(product: Product) -> int:
    price = product["price"]
    assert isinstance(price, int)
    return price


_WHEN = pa.timestamp("us")
_ORDERS = pa.schema([("order_no", pa.int64()), ("person_id", pa.string()), ("ts", _WHEN)])
_LINES = pa.schema(
    [
        ("order_no", pa.int64()),
        ("line", pa.int64()),
        ("product_no", pa.int64()),
        ("qty", pa.int64()),
        ("markdown", pa.bool_()),
    ]
)
_CARTS = pa.schema(
    [("cart_no", pa.int64()), ("person_id", pa.string()), ("ts", _WHEN), ("bought_at", _WHEN), ("planted", pa.string())]
)
_CART_LINES = pa.schema([("cart_no", pa.int64()), ("line", pa.int64()), ("product_no", pa.int64())])
_SESSIONS = pa.schema([("session_key", pa.string()), ("person_id", pa.string()), ("start_ts", _WHEN)])
_DEEDS = pa.schema(
    [
        ("session_key", pa.string()),
        ("step", pa.int64()),
        ("what", pa.string()),
        ("product_no", pa.int64()),
        ("qty", pa.int64()),
    ]
)
