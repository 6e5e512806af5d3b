"""Every core trait and its exact definition.

A trait is about the world at the end of as_of. Windows are company days: `365 days` are as_of and the 364 before it.
0 is known (the source landed and says nothing), NULL is unknown. Money is net of discounts, without tax and shipping, in
the base currency, with refunds made by as_of off the order they belong to; amounts without a currency rate are left out.
"""

from dataclasses import dataclass
from typing import Final

from segment_pipeline.lake.tables import table


@dataclass(frozen=True, slots=True)
class Trait:
    """One column of `traits`. `formula`: where its definition comes from; empty: our own."""

    name: str
    type: str
    definition: str
    formula: str = ""


_RFM = "Hughes, Strategic Database Marketing (quintiles), with equal values in one bin"
_DEFINITIONS: Final[dict[str, tuple[str, str]]] = {
    "orders_total": (
        "completed sales to date; not returns, exchanges, test or cancelled orders, nor loads of prepaid balance alone",
        "",
    ),
    "orders_90d": ("completed sales in 90 days", ""),
    "orders_365d": ("completed sales in 365 days", ""),
    "spend_total": (
        "revenue to date: net of sales and of goods sold in exchanges, minus refunds and returns made by as_of",
        "",
    ),
    "spend_90d": (
        "revenue of the orders of 90 days, refunds by as_of off; an unlinked return counts on its own day",
        "",
    ),
    "spend_365d": ("the same of 365 days", ""),
    "aov_365d": ("spend_365d / orders_365d; NULL without an order", ""),
    "first_order_on": ("company day of the first completed sale", ""),
    "last_order_on": ("company day of the last completed sale", ""),
    "days_since_last_order": ("as_of - last_order_on; NULL without an order", ""),
    "spend_percentile": (
        "cume_dist of spend_365d among people with an order in 365 days; NULL for others",
        "SQL:2003 CUME_DIST",
    ),
    "value_tier": ("by spend_percentile: top >= 0.9, mid >= 0.5, low; `none` without an order in 365 days", ""),
    "value_tier_lifetime": ("the same over spend_total among people with any order; `none` without", ""),
    "rfm_r": (
        "ceil(5 x cume_dist of last_order_on) among people with an order in 365 days; 5 is the most recent",
        _RFM,
    ),
    "rfm_f": ("ceil(5 x cume_dist of orders_365d) among the same", _RFM),
    "rfm_m": ("ceil(5 x cume_dist of spend_365d) among the same", _RFM),
    "lifecycle_stage": (
        "prospect: no order; new: first order <= 30 days ago; else by the last order: active <= 90, at_risk <= 180, churned",
        "",
    ),
    "loyalty_stage": (
        "loyal: 6 or more orders in 365 days and the last <= 90 days ago; vip: loyal and value_tier top; else regular",
        "",
    ),
    "activity_stage": (
        "power: 8 or more visits in 30 days; active: 1 or more; inactive: last visit <= 90 days ago; dormant: later or never",
        "",
    ),
    "top_department": ("department with the largest spend in 365 days, ties to the first name; NULL without spend", ""),
    "departments_365d": ("departments bought from in 365 days", ""),
    "markdown_share": (
        "share of the spend on sold lines of 365 days, refunds off, that was on marked-down lines; NULL without",
        "",
    ),
    "new_arrival_share": (
        "share of sold lines of 365 days of known launch that were bought <= 30 days after it; NULL without",
        "",
    ),
    "late_night_share": (
        "share of sales of 365 days with a local time that were made from 22:00 to before 04:00 local time",
        "",
    ),
    "prepaid_loaded_7d": ("prepaid balance loaded in 7 days", ""),
    "last_seen_on": ("company day of the last event of any kind", ""),
    "visits_7d": ("visit events in 7 days", ""),
    "visits_30d": ("visit events in 30 days", ""),
    "sessions_30d": ("sessions with an event in 30 days", ""),
    "email_clicks_90d": ("clicked e-mails in 90 days, each click once", ""),
    "responded_campaigns": ("names of the campaigns ever responded to, sorted, each once", ""),
    "age": ("completed years at as_of; born on 29 February, a year is complete on 1 March in common years", ""),
    "age_band": ("declared band, else the band of age: under 19, 19-24, 25-34, 35-44, 45-54, 55-64, 65+", ""),
    "gender": ("of the golden record at as_of", ""),
    "income_band": ("declared, of the golden record", ""),
    "household_type": ("declared, of the golden record", ""),
    "children": ("declared, of the golden record", ""),
    "occupation": ("declared, of the golden record", ""),
    "birth_day": ("MM-DD; known also where the year is not", ""),
    "city": ("of the address at as_of", ""),
    "region": ("of the address at as_of", ""),
    "postcode": ("of the address at as_of", ""),
    "country": ("of the address at as_of", ""),
    "lat": ("latitude of the store with most sales in 365 days, ties to the first key; NULL: none", ""),
    "lon": ("longitude of that store", ""),
    "loyalty_balance": ("points over the person's living loyalty accounts; NULL: not a member", ""),
    "preferred_department": ("newest declared answer; NULL: never answered", ""),
    "interests": ("declared interests, sorted, each once; NULL: never answered", ""),
    "email_reachable": (
        "has a usable, unsuppressed e-mail whose newest e-mail consent is a grant and no newer denial names the customer",
        "",
    ),
    "sms_reachable": ("the same for a phone and SMS", ""),
    "ads_reachable": ("the same for an e-mail or phone and ads", ""),
    "sources": ("sources that know the person, sorted", ""),
}

TRAITS: Final = tuple(
    Trait(column.name, column.type, *_DEFINITIONS[column.name])
    for column in table("traits").columns
    if column.name not in ("as_of", "profile_id")
)
