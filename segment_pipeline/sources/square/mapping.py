"""What Square's records mean: where things are in them, and which statements in sql/ fill which tables.

Returns and exchanges are orders of their own.
"""

import json
from collections.abc import Mapping
from functools import partial

from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import (
    FLAG,
    INTEGER,
    JSON,
    NUMBER,
    TEXT,
    Fill,
    Record,
    a_birthday,
    a_day,
    a_time,
    an_id,
    text,
)
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.standard import (
    CONSENTS,
    DELETIONS,
    LARGEST_ORDER,
    MINOR_UNITS,
    ORDER_LINES,
    ORDER_TOTALS,
)

_sql = partial(statement, "sources/square")
_LAUNCHED = "json_extract_string(r.custom_attribute_values, '$.launched_on.string_value')"
_LINE = {
    **text("uid catalog_object_id source_line_item_uid quantity item_type total_money.currency"),
    **dict.fromkeys((f"total_{each}money.amount" for each in ("", "discount_", "tax_", "service_charge_")), INTEGER),
}
# Every payment of an order, by the amount that was captured: a card's, an account's and a financed one say where they stand.
_STATUSES = " ".join(f"{way}_details.status" for way in ("card", "bank_account", "buy_now_pay_later", "square_account"))
_CAPTURED = (
    "CASE WHEN coalesce(x.card_details.status, x.bank_account_details.status, x.buy_now_pay_later_details.status,"
    " x.square_account_details.status, 'CAPTURED') IN ('CAPTURED', 'COMPLETED') THEN x.amount_money.amount ELSE 0 END"
)
_PAID = (
    "coalesce(r.total_money.amount, 0) > 0 AND CASE WHEN coalesce(len(r.tenders), 0) = 0 THEN coalesce(r.net_amount_due_money.amount = 0, FALSE)"
    f" ELSE coalesce(list_aggregate(list_transform(r.tenders, LAMBDA x: {_CAPTURED}), 'sum') >= r.total_money.amount, FALSE) END"
)
# In minor units of a currency that has hundredths; those without add up to less.
_LARGEST = f"{LARGEST_ORDER}00"
# Who an online order goes to, whichever way it goes.
_RECIPIENT = [f"fulfillments[1].{way}_details.recipient" for way in ("pickup", "shipment", "delivery")]


def entities(
    look_back: int, coupon_prefix: str, campaign_metadata: str, group_attributes: Mapping[str, str]
) -> tuple[Entity, ...]:
    """The arguments are fields of the connector."""
    return (
        Entity(
            "locations",
            Kind.SNAPSHOT,
            (Part("locations", ("locations",)),),
            Record(
                key="id",
                fields={
                    **text("name timezone country currency created_at"),
                    "coordinates": {"latitude": NUMBER, "longitude": NUMBER},
                },
                reasons={"created_at is not a time": f"{a_time('r.created_at')} IS NULL AND r.created_at IS NOT NULL"},
            ),
            (Fill("stores", _sql("stores"), absent="deleted_on", one_per_record=True),),
            description="stores with their time zone",
        ),
        Entity(
            "customers",
            Kind.MUTABLE,
            (Part("customers", ("customers",)), Part("groups", ("groups",)), Part("locations", ("locations",))),
            Record(
                key="id",
                updated="updated_at",
                created="created_at",
                version="version",
                email="email_address",
                phone="phone_number",
                phone_country=("address.country", "(seller.country)"),
                fields={
                    **text("given_name family_name birthday reference_id creation_source group_ids[]"),
                    "preferences.email_unsubscribed": FLAG,
                    "address": text("address_line_1 locality administrative_district_level_1 postal_code country"),
                },
                # Of year 0000 where the year is not known.
                columns={"birth_date": a_day("r.birthday"), "birth_day": a_birthday("r.birthday")},
                blanks={
                    "a birthday that is none: it is empty": "r.birthday <> '' AND birth_date IS NULL AND birth_day IS NULL"
                },
                joins={_sql("seller"): "TRUE"},
            ),
            (
                Fill(
                    "customers",
                    _sql("customers"),
                    absent="owner_key gender loyalty_id loyalty_balance deleted_on",
                    one_per_record=True,
                ),
                Fill("consents", CONSENTS),
            ),
            look_back=look_back,
            dimension=True,
            prepare=(_sql("customer_attributes"), _sql("said")),
            dictionaries={"group_attributes": group_attributes},
            description="customers with what their groups declare, and e-mail opt-outs",
        ),
        Entity(
            "loyalty",
            Kind.MUTABLE,
            (Part("accounts", ("loyalty_accounts",)), Part("locations", ("locations",))),
            Record(
                key="id",
                updated="updated_at",
                created="created_at",
                phone="mapping.phone_number",
                phone_country="(seller.country)",
                fields={"customer_id": TEXT, "balance": INTEGER},
                joins={_sql("seller"): "TRUE"},
            ),
            (
                Fill(
                    "customers",
                    _sql("loyalty"),
                    absent="email first_name last_name street city region postcode country birth_date birth_day gender"
                    " deleted_on attributes",
                    one_per_record=True,
                ),
            ),
            look_back=look_back,
            dimension=True,
            description="loyalty accounts, each with the customer that owns it",
        ),
        Entity(
            "catalog",
            Kind.MUTABLE,
            (Part("items", ("objects",)), Part("categories", ("objects",))),
            Record(
                key="id",
                updated="updated_at",
                version="version",
                columns={"launched_on": a_day(_LAUNCHED)},
                blanks={"a launch day that is none: it is empty": f"{_LAUNCHED} <> '' AND launched_on IS NULL"},
                fields={
                    "is_deleted": FLAG,
                    "custom_attribute_values": JSON,
                    "item_data": text("name category_id categories[].id reporting_category.id"),
                    "item_data.variations[]": {
                        "id": TEXT,
                        "is_deleted": FLAG,
                        "item_variation_data": {**text("name sku price_money.currency"), "price_money.amount": INTEGER},
                    },
                },
                reasons={
                    "variations is not a list": "json_type(record, '$.item_data.variations') NOT IN ('ARRAY', 'NULL')",
                    "a variation without id": "len(list_filter(r.item_data.variations, LAMBDA x: x.id IS NULL)) > 0",
                },
            ),
            (Fill("products", _sql("products")),),
            look_back=look_back,
            dimension=True,
            held=("products",),
            dictionaries={"minor_units": MINOR_UNITS},
            description="item variations with department and category, deleted ones included",
        ),
        Entity(
            "orders",
            Kind.MUTABLE,
            (Part("orders", ("orders",)), Part("locations", ("locations",))),
            Record(
                key="id",
                updated="updated_at",
                created="created_at",
                business="created_at",
                version="version",
                email=tuple(f"{each}.email_address" for each in _RECIPIENT),
                phone=tuple(f"{each}.phone_number" for each in _RECIPIENT),
                phone_country="(zones.country)",
                fields={
                    **text("location_id customer_id state source.name tenders[].customer_id discounts[].name"),
                    **text(
                        "total_money.currency net_amounts.total_money.currency returns[].source_order_id returns[].uid"
                    ),
                    "total_money.amount": INTEGER,
                    "net_amount_due_money.amount": INTEGER,
                    "tenders[].amount_money.amount": INTEGER,
                    "tenders[]": text(_STATUSES),
                    "metadata": JSON,
                    **dict.fromkeys((f"{each.replace('[1]', '[]')}.display_name" for each in _RECIPIENT), TEXT),
                    "line_items[]": _LINE,
                    "returns[].return_line_items[]": _LINE,
                },
                joins={_sql("zones"): "zones.store_key = r.location_id"},
                columns={
                    "first_name": f"coalesce({', '.join(an_id(f'r.{each}.display_name') for each in _RECIPIENT)})",
                    "timezone": "zones.timezone",
                    "currency": "coalesce(r.total_money.currency, r.net_amounts.total_money.currency, r.line_items[1].total_money.currency)",
                    "returned": "list_concat([], flatten(list_transform(r.returns, LAMBDA x: x.return_line_items)))",
                    "parents": "list_filter(coalesce(list_distinct(list_transform(r.returns, LAMBDA x: x.source_order_id)), []), LAMBDA x: x <> '')",
                    "is_paid": _PAID,
                },
                reasons={
                    "unknown state": "r.state IS NULL OR r.state NOT IN ('OPEN', 'COMPLETED', 'CANCELED', 'DRAFT')",
                    "line_items is not a list": "json_type(record, '$.line_items') NOT IN ('ARRAY', 'NULL')",
                    "returns is not a list": "json_type(record, '$.returns') NOT IN ('ARRAY', 'NULL')",
                    "no currency": "currency IS NULL",
                    "a line without uid or amount": "len(list_filter(r.line_items, LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL)) > 0",
                    "two lines share a uid": "len(list_distinct(list_transform(r.line_items, LAMBDA x: x.uid))) <> len(r.line_items)",
                    "amounts too large to add up": f"coalesce(list_aggregate(list_transform(list_concat(list_concat([], r.line_items), returned), LAMBDA x:"
                    " abs(CAST(x.total_money.amount AS DECIMAL(38,0))) + abs(CAST(coalesce(x.total_discount_money.amount, 0) AS DECIMAL(38,0)))"
                    " + abs(CAST(coalesce(x.total_tax_money.amount, 0) AS DECIMAL(38,0)))"
                    f" + abs(CAST(coalesce(x.total_service_charge_money.amount, 0) AS DECIMAL(38,0)))), 'sum'), 0) >= {_LARGEST}",
                    # Of several returns each has lines of its own.
                    "two returned lines share a uid": "len(r.returns) = 1 AND"
                    " len(list_distinct(list_transform(returned, LAMBDA x: x.uid))) <> len(returned)",
                    "a returned line without uid or amount": "len(list_filter(returned, LAMBDA x: x.uid IS NULL OR x.total_money.amount IS NULL)) > 0",
                },
            ),
            (
                Fill("order_lines", ORDER_LINES),
                Fill("orders", _sql("orders"), absent="anonymous_id", one_per_record=True),
            ),
            look_back=look_back,
            prepare=(_sql("order_items"), ORDER_TOTALS),
            dictionaries={"minor_units": MINOR_UNITS},
            values={
                "coupon_prefix": coupon_prefix,
                "campaign_path": f"$.{json.dumps(campaign_metadata)}",
            },
            description="orders of every state, returns and exchanges included",
        ),
        DELETIONS,
    )
