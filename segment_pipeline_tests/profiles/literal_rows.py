"""Literal rows of the facts with the columns a test does not care about filled in. Company days are days of UTC."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
JAN_1 = date(2017, 1, 1)


def at(day: date | datetime) -> datetime:
    """Noon of a day, or the instant itself."""
    return day if isinstance(day, datetime) else datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def jan(number: int) -> date:
    """Days counted from 1 January 2017; 0 and less are in 2016."""
    return JAN_1 + timedelta(days=number - 1)


def customer(source: str, key: str, created: date = JAN_1, *, updated: date | None = None, **columns: Any) -> Row:
    updated = updated or created
    return {
        "source": source,
        "entity": "customer",
        "customer_key": key,
        "updated_at": at(updated),
        "created_at": at(created),
        "contactable": True,
        "day": updated,
    } | columns


def loyalty(source: str, key: str, owner: str, created: date = JAN_1, **columns: Any) -> Row:
    return customer(source, key, created, entity="loyalty", owner_key=owner, loyalty_id=key, **columns)


def order(
    source: str, key: str, on: date = JAN_1, net: str = "10", *, updated: date | None = None, **columns: Any
) -> Row:
    amount = Decimal(net)
    return {
        "source": source,
        "order_key": key,
        "updated_at": at(updated or on),
        "kind": "sale",
        "channel": "store",
        "ordered_at": at(on),
        "ordered_on": on,
        "status": "completed",
        "currency": "USD",
        "gross": amount,
        "discount": Decimal(0),
        "net": amount,
        "net_base": amount,
        "gift_card_sold": Decimal(0),
        "created_at": at(on),
        "day": updated or on,
    } | columns


def line(source: str, key: str, number: str, on: date, net: str, *, updated: date | None = None, **columns: Any) -> Row:
    amount = Decimal(net)
    return {
        "source": source,
        "order_key": key,
        "line_number": number,
        "updated_at": at(updated or on),
        "quantity": Decimal(1),
        "gross": amount,
        "discount": Decimal(0),
        "net": amount,
        "net_base": amount,
        "is_markdown": False,
        "ordered_on": on,
        "day": updated or on,
    } | columns


def product(source: str, key: str, day: date = JAN_1, **columns: Any) -> Row:
    return {"source": source, "product_key": key, "updated_at": at(day), "day": day} | columns


def refund(source: str, key: str, order_key: str | None, on: date, amount: str, **columns: Any) -> Row:
    return {
        "source": source,
        "refund_key": key,
        "updated_at": at(on),
        "order_key": order_key,
        "refunded_at": at(on),
        "refunded_on": on,
        "amount": Decimal(amount),
        "amount_base": Decimal(amount),
        "currency": "USD",
        "day": on,
    } | columns


def event(key: str, name: str, on: date = JAN_1, **columns: Any) -> Row:
    return {
        "source": "amplitude",
        "event_key": key,
        "name": name,
        "occurred_at": at(on),
        "occurred_on": on,
        "received_at": at(on),
        "properties": "{}",
        "day": on,
    } | columns


def message(key: str, kind: str, on: date, email: str, **columns: Any) -> Row:
    return {
        "source": "amplitude",
        "message_key": key,
        "channel": "email",
        "type": kind,
        "occurred_at": at(on),
        "occurred_on": on,
        "received_at": at(on),
        "email": email,
        "day": on,
    } | columns


def consent(kind: str, identifier: str, channel: str, status: str, on: date | datetime, **columns: Any) -> Row:
    return {
        "source": "shopify",
        "identifier_type": kind,
        "identifier": identifier,
        "channel": channel,
        "purpose": "marketing",
        "recorded_at": at(on),
        "status": status,
        "evidence": "form",
        "day": on.date() if isinstance(on, datetime) else on,
    } | columns
