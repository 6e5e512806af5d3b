"""Every core trait, described once: what the table `traits`, the commands and the docs say of it derives from here.

A trait is about the world at the end of as_of. Windows are company days: `365 days` are as_of and the 364 before it.
0 is known (the source landed and says nothing), NULL is unknown. What counts as an order, as spend and as bought is said in
docs/money.md; amounts are in the base currency, those without a currency rate are left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from segment_pipeline.algebra.choosing import activities
from segment_pipeline.algebra.comparing import Trait as Named
from segment_pipeline.algebra.parts import Activities, Test
from segment_pipeline.algebra.quantities import count, days_since, first, last, total_of
from segment_pipeline.algebra.times import days
from segment_pipeline.traits import Trait, TraitSet

_NO_ORDERS: Final = "the orders of the day have not landed"
_NO_RATE: Final = f"none of what it adds up has a currency rate, or {_NO_ORDERS}"
_NO_BUYER: Final = f"no order of some worth in 365 days, spend_365d is unknown, or {_NO_ORDERS}"
_NO_EVENTS: Final = "the events of the day have not landed"
_NO_MESSAGES: Final = "the messages of the day have not landed"

# What a name means, where it no longer is what it was at first: raise the number of a trait (add it at 2) in the commit that
# makes it mean something else. Segments that read it have another definition then, and nobody who enters or leaves one by
# that fires anything. "trait_shares": the shares of spend.
MEANINGS: Final[Mapping[str, int]] = dict.fromkeys(
    (
        *("age", "age_band", "birth_day"),
        *("orders_total", "orders_90d", "orders_365d", "spend_total", "spend_90d", "spend_365d", "aov_365d"),
        *("first_order_on", "last_order_on", "days_since_last_order", "spend_percentile", "value_tier"),
        *("value_tier_lifetime", "rfm_r", "rfm_f", "rfm_m", "lifecycle_stage", "loyalty_stage", "top_department"),
        *("departments_365d", "markdown_share", "new_arrival_share", "late_night_share", "lat", "lon", "trait_shares"),
        *("email_reachable", "sms_reachable", "ads_reachable"),
    ),
    2,
)

# The fields of TraitRules a trait depends on: what a company changes there, its segments mean by other people.
THRESHOLDS: Final[Mapping[str, tuple[str, ...]]] = {
    "value_tier": ("top_from", "mid_from"),
    "value_tier_lifetime": ("top_from", "mid_from"),
    "lifecycle_stage": ("new_days", "active_days", "at_risk_days"),
    "loyalty_stage": ("loyal_orders", "active_days", "top_from"),
    "activity_stage": ("power_visits", "dormant_days"),
    "new_arrival_share": ("new_arrival_days",),
    "preferred_department": ("department_questions",),
    "interests": ("interest_questions",),
}

_TIERS: Final = ("top", "mid", "low", "none")
# Traits whose values are ours: no other word, and no other number, is ever met.
VALUES: Final[Mapping[str, tuple[str | int, ...]]] = {
    "value_tier": _TIERS,
    "value_tier_lifetime": _TIERS,
    "rfm_r": (1, 2, 3, 4, 5),
    "rfm_f": (1, 2, 3, 4, 5),
    "rfm_m": (1, 2, 3, 4, 5),
    "lifecycle_stage": ("prospect", "new", "active", "at_risk", "churned"),
    "loyalty_stage": ("regular", "loyal", "vip"),
    "activity_stage": ("power", "active", "inactive", "dormant"),
    "gender": ("female", "male", "other"),
}
# Traits that are one trait divided by another: rules compare the parts, crosswise and exact, and no quotient.
RATIOS: Final[Mapping[str, tuple[str, str]]] = {
    "aov_365d": ("spend_365d", "orders_365d"),
    "spend_percentile": ("buyers_below_365d", "buyers_365d"),
    "markdown_share": ("markdown_goods_365d", "goods_365d"),
    "new_arrival_share": ("new_arrival_lines_365d", "dated_lines_365d"),
    "late_night_share": ("late_night_orders_365d", "timed_orders_365d"),
}
# Numbers, days and years are counted from 0.
_COUNTED: Final = (
    *("orders_total", "orders_90d", "orders_365d", "orders_kept", "days_since_last_order", "departments_365d", "age"),
    *("buyers_below_365d", "buyers_365d", "new_arrival_lines_365d", "dated_lines_365d", "late_night_orders_365d"),
    *("timed_orders_365d", "visits_7d", "visits_30d", "sessions_30d", "email_clicks_90d"),
)
# Traits between two numbers, both included; None: without end.
RANGES: Final[Mapping[str, tuple[int, int | None]]] = {
    **dict.fromkeys(_COUNTED, (0, None)),
    "spend_percentile": (0, 1),
    "markdown_share": (0, 1),
    "new_arrival_share": (0, 1),
    "late_night_share": (0, 1),
    "rfm_r": (1, 5),
    "rfm_f": (1, 5),
    "rfm_m": (1, 5),
    "lat": (-90, 90),
    "lon": (-180, 180),
}

_ORDERS_OF_A_YEAR: Final = activities("order", within=days(365))


def _meeting(column: str, of: Activities) -> Activities:
    return replace(of, tests=(*of.tests, Test(column, "==", (True,))))


CORE: Final = TraitSet(
    "core",
    (
        Trait(
            "orders_total",
            "BIGINT",
            "paid orders to date, also those given back; not returns, exchanges, test or cancelled orders, nor loads of prepaid"
            " balance alone",
            null=_NO_ORDERS,
            quantity=count(activities("order")).value,
        ),
        Trait(
            "orders_90d",
            "BIGINT",
            "paid orders in 90 days",
            null=_NO_ORDERS,
            quantity=count(activities("order", within=days(90))).value,
        ),
        Trait(
            "orders_365d", "BIGINT", "paid orders in 365 days", null=_NO_ORDERS, quantity=count(_ORDERS_OF_A_YEAR).value
        ),
        Trait(
            "orders_kept",
            "BIGINT",
            "paid orders to date of which goods of some worth are kept",
            null=_NO_ORDERS,
            quantity=count(_meeting("is_kept", activities("order"))).value,
        ),
        Trait(
            "spend_total",
            "MONEY",
            "spend to date: net of goods sold in orders and exchanges, less the money paid back for goods by as_of",
            null=_NO_RATE,
            quantity=total_of("amount", activities("order")).value,
        ),
        Trait(
            "spend_90d",
            "MONEY",
            "spend of the orders of 90 days; a return that names no order counts on its own day",
            null=_NO_RATE,
            quantity=total_of("amount", activities("order", within=days(90))).value,
        ),
        Trait(
            "spend_365d",
            "MONEY",
            "the same of 365 days",
            null=_NO_RATE,
            quantity=total_of("amount", _ORDERS_OF_A_YEAR).value,
        ),
        Trait(
            "aov_365d",
            "MONEY",
            "spend_365d / orders_365d",
            null=f"no order in 365 days, or {_NO_RATE}",
            quantity=(Named("spend_365d") / Named("orders_365d")).value,
        ),
        Trait(
            "first_order_on",
            "DATE",
            "company day of the first completed sale",
            null=f"no order, or {_NO_ORDERS}",
            quantity=first("day", activities("order")).value,
        ),
        Trait(
            "last_order_on",
            "DATE",
            "company day of the last completed sale",
            null=f"no order, or {_NO_ORDERS}",
            quantity=last("day", activities("order")).value,
        ),
        Trait(
            "days_since_last_order",
            "INTEGER",
            "as_of - last_order_on",
            null=f"no order, or {_NO_ORDERS}",
            quantity=days_since(Named("last_order_on")).value,
        ),
        # Strictly below: a block of equals stands at its lower edge, and if three in ten tie at the most, nobody is top.
        Trait(
            "spend_percentile",
            "DOUBLE",
            "buyers_below_365d / buyers_365d",
            null=_NO_BUYER,
        ),
        Trait("buyers_below_365d", "BIGINT", "buyers of 365 days who spent strictly less in them", null=_NO_BUYER),
        Trait(
            "buyers_365d",
            "BIGINT",
            "people with an order of some worth in 365 days and a known spend, the person among them",
            null=_NO_BUYER,
        ),
        Trait(
            "value_tier",
            "VARCHAR",
            "by spend_percentile: top >= 0.9, mid >= 0.5, low; none without an order of some worth in 365 days",
            null=f"spend_365d of somebody with such an order is unknown, or {_NO_ORDERS}",
        ),
        Trait(
            "value_tier_lifetime",
            "VARCHAR",
            "the same over spend_total among people with any order of some worth; none for others",
            null=f"spend_total of somebody with such an order is unknown, or {_NO_ORDERS}",
        ),
        # Hughes, Strategic Database Marketing (quintiles), with equal values in one bin; so are rfm_f and rfm_m.
        Trait(
            "rfm_r",
            "INTEGER",
            "1 + floor(5 x buyers of 365 days with an earlier last order / buyers); 5 is the most recent",
            null=_NO_BUYER,
        ),
        Trait("rfm_f", "INTEGER", "1 + floor(5 x buyers with fewer orders in 365 days / buyers)", null=_NO_BUYER),
        Trait("rfm_m", "INTEGER", "1 + floor(5 x buyers_below_365d / buyers_365d)", null=_NO_BUYER),
        Trait(
            "lifecycle_stage",
            "VARCHAR",
            "prospect: no order; new: first order <= 30 days ago; else by the last order: active <= 90, at_risk <= 180, churned",
            null=_NO_ORDERS,
        ),
        Trait(
            "loyalty_stage",
            "VARCHAR",
            "loyal: 6 or more orders in 365 days and the last <= 90 days ago; vip: loyal and value_tier top; else regular",
            null=f"no order, or {_NO_ORDERS}",
        ),
        Trait(
            "activity_stage",
            "VARCHAR",
            "power: 8 or more visits in 30 days; active: 1 or more; inactive: last visit <= 90 days ago; dormant: later or never",
            null=_NO_EVENTS,
        ),
        Trait(
            "top_department",
            "VARCHAR",
            "department with the largest net of goods kept of 365 days, ties to the first name",
            null=f"no goods of 365 days are kept, or {_NO_ORDERS}",
        ),
        Trait("departments_365d", "BIGINT", "departments of which goods bought in 365 days are kept", null=_NO_ORDERS),
        Trait(
            "markdown_share",
            "DOUBLE",
            "share of the net of goods kept of 365 days that was on marked-down lines",
            null=f"no goods of 365 days are kept, or {_NO_ORDERS}",
        ),
        Trait(
            "markdown_goods_365d",
            "MONEY",
            "what markdown_share is the share of: the part on marked-down lines",
            null=_NO_ORDERS,
        ),
        Trait("goods_365d", "MONEY", "what markdown_share is a share of", null=_NO_ORDERS),
        Trait(
            "new_arrival_share",
            "DOUBLE",
            "share of the kept lines of 365 days of known launch that were bought <= 30 days after it",
            null=f"no kept line of known launch in 365 days, or {_NO_ORDERS}",
        ),
        Trait("new_arrival_lines_365d", "BIGINT", "lines that new_arrival_share is the share of", null=_NO_ORDERS),
        Trait("dated_lines_365d", "BIGINT", "lines that new_arrival_share is a share of", null=_NO_ORDERS),
        Trait(
            "late_night_share",
            "DOUBLE",
            "share of sales of 365 days with a local time that were made from 22:00 to before 04:00 local time",
            null=f"no sale with a local time in 365 days, or {_NO_ORDERS}",
            quantity=(Named("late_night_orders_365d") / Named("timed_orders_365d")).value,
        ),
        Trait(
            "late_night_orders_365d",
            "BIGINT",
            "sales that late_night_share is the share of",
            null=_NO_ORDERS,
            quantity=count(activities("order", within=days(365), local_hour=(22, 4))).value,
        ),
        Trait(
            "timed_orders_365d",
            "BIGINT",
            "sales that late_night_share is a share of",
            null=_NO_ORDERS,
            quantity=count(activities("order", within=days(365), local_hour=(0, 24))).value,
        ),
        Trait("prepaid_loaded_7d", "MONEY", "prepaid balance loaded in 7 days", null=_NO_ORDERS),
        Trait("last_seen_on", "DATE", "company day of the last event of any kind", null=f"no event, or {_NO_EVENTS}"),
        Trait("visits_7d", "BIGINT", "visit events in 7 days", null=_NO_EVENTS),
        Trait("visits_30d", "BIGINT", "visit events in 30 days", null=_NO_EVENTS),
        Trait("sessions_30d", "BIGINT", "sessions with an event in 30 days", null=_NO_EVENTS),
        Trait("email_clicks_90d", "BIGINT", "clicked e-mails in 90 days, each click once", null=_NO_MESSAGES),
        Trait(
            "responded_campaigns",
            "VARCHAR[]",
            "names of the campaigns ever responded to, sorted, each once",
            null=_NO_MESSAGES,
        ),
        Trait(
            "age",
            "INTEGER",
            "completed years at as_of; born on 29 February, a year is complete on 1 March in common years",
            null="the date of birth is not known",
        ),
        Trait(
            "age_band",
            "VARCHAR",
            "declared band, else the band of age: under 19, 19-24, 25-34, 35-44, 45-54, 55-64, 65+",
            null="neither declared nor is the age known",
        ),
        Trait("gender", "VARCHAR", "female, male or other, of the golden record at as_of", null="not known"),
        Trait("income_band", "VARCHAR", "declared, of the golden record", null="not declared"),
        Trait("household_type", "VARCHAR", "declared, of the golden record", null="not declared"),
        Trait("children", "VARCHAR", "declared, of the golden record", null="not declared"),
        Trait("occupation", "VARCHAR", "declared, of the golden record", null="not declared"),
        Trait("birth_day", "VARCHAR", "MM-DD; known also where the year is not", null="not known"),
        Trait("city", "VARCHAR", "of the address at as_of", null="not known"),
        Trait("region", "VARCHAR", "of the address at as_of", null="not known"),
        Trait("postcode", "VARCHAR", "of the address at as_of", null="not known"),
        Trait("country", "VARCHAR", "of the address at as_of", null="not known"),
        Trait(
            "language",
            "VARCHAR",
            "code of ISO 639 in lower case, de of de-CH: `language`, else `locale`, among the attributes of the golden record's accounts",
            null="not known",
        ),
        Trait(
            "lat",
            "DOUBLE",
            "latitude of the store with most sales in 365 days, ties to the first key",
            null="no sale in a store of known place in 365 days",
        ),
        Trait("lon", "DOUBLE", "longitude of that store", null="no sale in a store of known place in 365 days"),
        Trait("loyalty_balance", "BIGINT", "points over the person's living loyalty accounts", null="not a member"),
        Trait("preferred_department", "VARCHAR", "newest declared answer", null="never answered"),
        Trait("interests", "VARCHAR[]", "declared interests, sorted, each once", null="never answered"),
        Trait(
            "email_reachable",
            "BOOLEAN",
            "has a current, unsuppressed e-mail covered by a yes to e-mail on itself or on the account, newer than every no on any identifier"
            " of theirs (docs/consent.md)",
        ),
        Trait("sms_reachable", "BOOLEAN", "the same for a phone and SMS"),
        Trait(
            "ads_reachable",
            "BOOLEAN",
            "the same for an e-mail or phone and ads, where a yes on any identifier of theirs covers it",
        ),
        Trait(
            "has_email",
            "BOOLEAN",
            "has an e-mail now that is theirs and may be written to with consent: its standing is current (docs/consent.md)",
        ),
        Trait("has_phone", "BOOLEAN", "the same for a phone"),
        Trait("has_loyalty_card", "BOOLEAN", "the same for the card of a loyalty account"),
        Trait("sources", "VARCHAR[]", "sources that know the person, sorted"),
    ),
)

# What the ranks of buyers are among beside, and no trait tells: orders that sold goods worth something.
BESIDE: Final = (
    Trait(
        "bought_total",
        "BIGINT",
        "paid orders to date that sold goods worth something",
        null=_NO_ORDERS,
        quantity=count(_meeting("is_worth", activities("order"))).value,
    ),
    Trait(
        "bought_365d",
        "BIGINT",
        "the same of 365 days",
        null=_NO_ORDERS,
        quantity=count(_meeting("is_worth", _ORDERS_OF_A_YEAR)).value,
    ),
)
