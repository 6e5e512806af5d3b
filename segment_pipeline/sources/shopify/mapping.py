"""What Shopify's records mean: where things are in them, and which statements in sql/ fill which tables.

Amounts are in the shop's currency, in which an order can be added up with others.
"""

from functools import partial

from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import FLAG, INTEGER, Fill, Record, a_birthday, a_day, a_time, text
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.standard import (
    CONSENTS,
    DELETIONS,
    LARGEST_ORDER,
    ORDER_LINES,
    ORDER_TOTALS,
    PRODUCT_DELETIONS,
)

_sql = partial(statement, "sources/shopify")
# Whom the bill goes to, else the parcel: first and last name of one of both.
_BUYER = {f"{side}Address": text("firstName lastName") for side in ("billing", "shipping")}
_BORN = "r.birthDate.value"
_LAUNCHED, _PUBLISHED = a_day("r.launchedOn.value"), a_time("r.publishedAt")
# Its list goes on in the record as it came: the rest could not be asked for.
_CUT_SHORT = {"a list without its end": "regexp_matches(record, '\"hasNextPage\"[ ]*:[ ]*true')"}


def _amount(bag: str) -> str:
    return f"TRY_CAST({bag}.shopMoney.amount AS DECIMAL(18,4))"


def _inner(records: str, field: str, value: str) -> str:
    """A value of every element `x` of a list within each record of a list."""
    return f"flatten(list_transform({records}, LAMBDA o: list_transform(o.{field}, LAMBDA x: {value})))"


_LINES, _REFUNDS = "r.lineItems.nodes", "r.refunds"
_REFUNDED = _inner(_REFUNDS, "refundLineItems.nodes", "x")
# Every amount of an order, and every number of units: lists that are added up.
_AMOUNTS = (
    f"list_transform({_LINES}, LAMBDA x: {_amount('x.originalTotalSet')})",
    f"list_transform({_REFUNDS}, LAMBDA x: {_amount('x.totalRefundedSet')})",
    _inner(_LINES, "discountAllocations", _amount("x.allocatedAmountSet")),
    _inner(_LINES, "taxLines", _amount("x.priceSet")),
    _inner(_REFUNDS, "refundLineItems.nodes", _amount("x.subtotalSet")),
    _inner(_REFUNDS, "refundLineItems.nodes", _amount("x.totalTaxSet")),
    _inner(_REFUNDS, "refundShippingLines.nodes", _amount("x.subtotalAmountSet")),
    _inner(_REFUNDS, "refundShippingLines.nodes", _amount("x.taxAmountSet")),
    _inner(_REFUNDS, "orderAdjustments.nodes", _amount("x.amountSet")),
    _inner(_REFUNDS, "orderAdjustments.nodes", _amount("x.taxAmountSet")),
    _inner(_REFUNDS, "duties", _amount("x.amountSet")),
)
_QUANTITIES = (
    f"list_transform({_LINES}, LAMBDA x: x.quantity)",
    f"list_transform({_LINES}, LAMBDA x: x.currentQuantity)",
    _inner(_REFUNDS, "refundLineItems.nodes", "x.quantity"),
)
_MOST = 1_000_000


def entities(look_back: int) -> tuple[Entity, ...]:
    return (
        Entity(
            "customers",
            Kind.MUTABLE,
            (Part("customers", ("data", "customers", "nodes")),),
            Record(
                key="legacyResourceId",
                updated="updatedAt",
                created="createdAt",
                email="defaultEmailAddress.emailAddress",
                phone="defaultPhoneNumber.phoneNumber",
                phone_country="defaultAddress.countryCodeV2",
                fields={
                    **text("firstName lastName locale gender.value birthDate.value"),
                    **text("defaultEmailAddress.marketingState defaultEmailAddress.marketingUpdatedAt"),
                    "defaultPhoneNumber.smsMarketingConsent": text("state updatedAt"),
                    "defaultAddress": text("address1 city provinceCode zip"),
                    "dataSaleOptOut": FLAG,
                },
                columns={
                    "mail_said_at": a_time("r.defaultEmailAddress.marketingUpdatedAt"),
                    "sms_said_at": a_time("r.defaultPhoneNumber.smsMarketingConsent.updatedAt"),
                    "birth_date": a_day(_BORN),
                    "birth_day": a_birthday(_BORN),
                },
                blanks={
                    "a birth date that is none: it is empty": f"{_BORN} <> '' AND birth_date IS NULL AND birth_day IS NULL",
                    "a time of consent that is none: the record's stands in": "(r.defaultEmailAddress.marketingUpdatedAt <> ''"
                    " AND mail_said_at IS NULL) OR (r.defaultPhoneNumber.smsMarketingConsent.updatedAt <> '' AND sms_said_at IS NULL)",
                },
            ),
            (
                Fill(
                    "customers",
                    _sql("customers"),
                    absent="owner_key loyalty_id loyalty_balance deleted_on",
                    one_per_record=True,
                ),
                Fill("consents", CONSENTS),
            ),
            look_back=look_back,
            dimension=True,
            prepare=(_sql("said"),),
            description="accounts, with marketing consents and data sale opt-outs",
        ),
        Entity(
            "products",
            Kind.MUTABLE,
            (Part("products", ("data", "products", "nodes")),),
            Record(
                key="legacyResourceId",
                updated="updatedAt",
                fields={
                    **text("title vendor productType publishedAt category.name department.value launchedOn.value"),
                    **text("collections.nodes[].title variants.nodes[].sku"),
                    "priceRangeV2.minVariantPrice": text("amount currencyCode"),
                },
                columns={"launched_on": f"coalesce({_LAUNCHED}, CAST(timezone($timezone, {_PUBLISHED}) AS DATE))"},
                blanks={
                    "a launch day that is none: it is empty": f"(r.launchedOn.value <> '' AND {_LAUNCHED} IS NULL)"
                    f" OR (r.publishedAt <> '' AND {_PUBLISHED} IS NULL)"
                },
                reasons=_CUT_SHORT,
            ),
            (Fill("products", _sql("products"), absent="deleted_on", one_per_record=True),),
            look_back=look_back,
            dimension=True,
            description="products with department, category, collection and launch day",
        ),
        Entity(
            "orders",
            Kind.MUTABLE,
            (Part("orders", ("data", "orders", "nodes")), Part("shop")),
            Record(
                key="legacyResourceId",
                needs=("id",),
                updated="updatedAt",
                created="createdAt",
                business=("processedAt", "createdAt"),
                email="email",
                phone=("phone", "shippingAddress.phone", "billingAddress.phone"),
                phone_country=("shippingAddress.countryCodeV2", "billingAddress.countryCodeV2"),
                fields={
                    **text("cancelledAt sourceName attribution.handle retailLocation.id customer.legacyResourceId"),
                    **text("currencyCode displayFinancialStatus discountCodes[]"),
                    **_BUYER,
                    "customerJourneySummary.lastVisit.utmParameters": text("campaign"),
                    "test": FLAG,
                    "taxesIncluded": FLAG,
                    "totalTipReceivedSet": text("shopMoney.amount"),
                    "lineItems.nodes[]": {
                        **text("id sku title product.legacyResourceId originalTotalSet.shopMoney.amount"),
                        "discountAllocations[]": text(
                            "allocatedAmountSet.shopMoney.amount discountApplication.__typename"
                        ),
                        "taxLines[]": text("priceSet.shopMoney.amount"),
                        "quantity": INTEGER,
                        "currentQuantity": INTEGER,
                        "isGiftCard": FLAG,
                    },
                    "refunds[]": {
                        **text("legacyResourceId createdAt processedAt totalRefundedSet.shopMoney.amount"),
                        "refundLineItems.nodes[]": {
                            **text("lineItem.id subtotalSet.shopMoney.amount totalTaxSet.shopMoney.amount"),
                            "lineItem.isGiftCard": FLAG,
                            "quantity": INTEGER,
                        },
                        "refundShippingLines.nodes[]": text(
                            "subtotalAmountSet.shopMoney.amount taxAmountSet.shopMoney.amount"
                        ),
                        "orderAdjustments.nodes[]": text(
                            "reason amountSet.shopMoney.amount taxAmountSet.shopMoney.amount"
                        ),
                        "duties[]": text("amountSet.shopMoney.amount"),
                    },
                },
                joins={_sql("zone"): "TRUE"},
                columns={
                    "timezone": "zone.timezone",
                    "currency": "r.currencyCode",
                    "taxes_included": "coalesce(r.taxesIncluded, FALSE)",
                    "tips": "TRY_CAST(r.totalTipReceivedSet.shopMoney.amount AS DECIMAL(18,4))",
                },
                reasons={
                    **_CUT_SHORT,
                    "no currency": "currency IS NULL",
                    "lineItems is not a list": "r.lineItems.nodes IS NULL",
                    "a line without id or amount": f"len(list_filter(r.lineItems.nodes, LAMBDA l: nullif(l.id, '') IS NULL OR {_amount('l.originalTotalSet')} IS NULL)) > 0",
                    "two lines share an id": "len(list_distinct(list_transform(r.lineItems.nodes, LAMBDA l: l.id))) <> len(r.lineItems.nodes)",
                    "amounts too large to add up": " OR ".join(f"{_sum(each)} >= {LARGEST_ORDER}" for each in _AMOUNTS),
                    "quantities too large to add up": " OR ".join(
                        f"len(list_filter({each}, LAMBDA n: n NOT BETWEEN -{_MOST} AND {_MOST})) > 0"
                        for each in _QUANTITIES
                    ),
                    "a refund without id, time or amount": "len(list_filter(r.refunds, LAMBDA f: nullif(f.legacyResourceId, '') IS NULL OR "
                    f"{_amount('f.totalRefundedSet')} IS NULL OR coalesce({a_time('f.processedAt')}, {a_time('f.createdAt')}) IS NULL)) > 0",
                    "two refunds share an id": "len(list_distinct(list_transform(r.refunds, LAMBDA f: f.legacyResourceId))) <> len(r.refunds)",
                    "a refunded line without id or amount": f"len(list_filter({_REFUNDED}, LAMBDA i: nullif(i.lineItem.id, '') IS NULL"
                    f" OR {_amount('i.subtotalSet')} IS NULL)) > 0",
                },
            ),
            (
                Fill("order_lines", ORDER_LINES),
                Fill("refunds", _sql("refunds")),
                Fill("orders", _sql("orders"), absent="parent_order_key anonymous_id", one_per_record=True),
            ),
            look_back=look_back,
            prepare=(_sql("line_items"), _sql("order_items"), ORDER_TOTALS),
            description="orders of guests and accounts, their lines and refunds",
        ),
        Entity(
            "checkouts",
            Kind.MUTABLE,
            (Part("checkouts", ("data", "abandonedCheckouts", "nodes")),),
            Record(
                key="list_aggregate(string_split(r.id, '/'), 'last')",
                updated="updatedAt",
                created="createdAt",
                email="customer.defaultEmailAddress.emailAddress",
                phone=("customer.defaultPhoneNumber.phoneNumber", "shippingAddress.phone", "billingAddress.phone"),
                phone_country=("shippingAddress.countryCodeV2", "billingAddress.countryCodeV2"),
                fields={
                    **text("id completedAt customer.legacyResourceId"),
                    **_BUYER,
                    "subtotalPriceSet.shopMoney": text("amount currencyCode"),
                    "lineItems.nodes[]": {**text("sku title product.legacyResourceId"), "quantity": INTEGER},
                },
                columns={"completed_at": a_time("r.completedAt")},
                reasons={
                    # Without its time a cart that was bought would be a cart left.
                    "completedAt is not a time": "r.completedAt <> '' AND completed_at IS NULL",
                    **_CUT_SHORT,
                    "no amount": f"{_amount('r.subtotalPriceSet')} IS NULL OR r.subtotalPriceSet.shopMoney.currencyCode IS NULL",
                    "lineItems is not a list": "r.lineItems.nodes IS NULL",
                },
            ),
            (Fill("carts", _sql("carts"), absent="anonymous_id", one_per_record=True),),
            look_back=look_back,
            description="checkouts left, and those completed later",
        ),
        DELETIONS,
        PRODUCT_DELETIONS,
    )


def _sum(amounts: str) -> str:
    """What all amounts of a list come to, whichever way each goes."""
    return f"coalesce(list_aggregate(list_transform({amounts}, LAMBDA x: abs(CAST(x AS DECIMAL(38,4)))), 'sum'), 0)"
