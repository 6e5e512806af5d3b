"""The definition of docs/money.md in plain Python, exact and one order at a time: shares no code with the package, and is slow.

What vendors' answers say is read by `square_reading` and `shopify_reading`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

ZERO = Fraction(0)


@dataclass
class Line:
    """A line of goods sold, in the order's currency."""

    key: str
    product: str | None
    net: Fraction
    units: Fraction
    tax: Fraction = ZERO


@dataclass
class Back:
    """Something given back. `money` None: what the goods are worth. `holds_tax`: amounts hold the tax of what they are of."""

    goods: Fraction
    money: Fraction | None = None
    line: str | None = None
    product: str | None = None
    units: Fraction | None = None
    holds_tax: bool = False


@dataclass
class Sold:
    """A paid order that sold goods. `is_order` False: an exchange. `person` None: nobody's."""

    person: str | None
    lines: list[Line]
    rate: Fraction | None
    is_order: bool = True
    backs: list[Back] = field(default_factory=list)


@dataclass
class Account:
    """What is said of a person."""

    orders: int = 0
    orders_kept: int = 0
    spend: Fraction = ZERO
    kept: dict[str | None, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    owned: set[str | None] = field(default_factory=set)


def accounts(sold: Iterable[Sold], loose: Iterable[tuple[str, str | None, Fraction]]) -> dict[str, Account]:
    """By person. `loose`: person, product and base amount of what was given back without naming an order."""
    found: dict[str, Account] = defaultdict(Account)
    for order in sold:
        if order.person is None:
            continue
        account, rate = found[order.person], order.rate or ZERO
        net = sum((line.net for line in order.lines), ZERO)
        spend, left = _given_back(order, net)
        account.orders += order.is_order
        account.orders_kept += order.is_order and sum((kept for kept, _ in left.values()), ZERO) > 0
        account.spend += spend * rate
        for line in order.lines:
            kept, units = left[line.key]
            account.kept[line.product] += kept * rate
            if kept > 0 or (line.net == 0 and units > 0):
                account.owned.add(line.product)
    for person, product, amount in loose:
        found[person].spend -= amount
        found[person].kept[product] -= amount
    return found


def _given_back(order: Sold, net: Fraction) -> tuple[Fraction, dict[str, tuple[Fraction, Fraction]]]:
    """Spend, and by line what is kept of its net and its units."""
    lines = {line.key: line for line in order.lines}
    left = {line.key: line.net for line in order.lines}
    units = {line.key: line.units for line in order.lines}
    tax = sum((line.tax for line in order.lines), ZERO)
    of_lines: dict[str, list[Back]] = defaultdict(list)
    of_products: dict[str, list[Back]] = defaultdict(list)
    of_order: list[Back] = []
    money = ZERO
    for back in order.backs:
        if back.line in lines:
            named = lines[back.line]
            base, share = named.net, named.tax
            of_lines[named.key].append(back)
        else:
            base, share = net, tax
            if any(line.product == back.product for line in order.lines if back.product):
                of_products[str(back.product)].append(back)
            else:
                of_order.append(back)
        if back.holds_tax and share > 0:
            back.goods = back.goods * base / (base + share)
            back.money = None if back.money is None else back.money * base / (base + share)
        money += back.goods if back.money is None else back.money
    for key, backs in of_lines.items():
        _take(left, units, [key], backs)
    for product, backs in of_products.items():
        _take(left, units, [line.key for line in order.lines if line.product == product], backs)
    # Nobody counted units of a whole order.
    _take(left, units, [line.key for line in order.lines], [Back(back.goods) for back in of_order])
    left = {key: net if net >= Fraction(1, 100) else ZERO for key, net in left.items()}
    return net - min(max(money, ZERO), net), {key: (left[key], units[key]) for key in left}


def _take(left: dict[str, Fraction], units: dict[str, Fraction], keys: list[str], backs: list[Back]) -> None:
    """Take things given back off some lines, by what is left of each."""
    goods = sum((back.goods for back in backs), ZERO)
    counted = sum((back.units for back in backs if back.units is not None), ZERO)
    of_all, units_of_all = sum(left[key] for key in keys), sum(units[key] for key in keys)
    uncounted = bool(backs) and all(back.units is None and back.line is None and back.product is None for back in backs)
    for key in keys:
        rest = max(of_all - goods, ZERO)
        if units_of_all and counted >= units_of_all and rest < Fraction(1, 20):
            rest = ZERO
        left[key] = left[key] * rest / of_all if of_all else ZERO
        if units_of_all:
            units[key] = units[key] * max(units_of_all - counted, ZERO) / units_of_all
        if uncounted and goods > 0 and rest == 0:
            units[key] = ZERO


def rate_of(rates: Mapping[str, Mapping[str, str]], currency: str, day: str) -> Fraction | None:
    """Base currency for one unit, as fixed last; days as text."""
    if currency == "USD":
        return Fraction(1)
    days = [fixed for fixed in rates if fixed <= day and currency in rates[fixed]]
    return Fraction(rates[max(days)][currency]) if days else None
