"""Segments by where people stand: lifecycle and loyalty, value and RFM, churn and activity."""

from segment_pipeline.segments.library import browsed_latest_without_buying, lapsed, top_shopper
from segment_pipeline.segments.rules import (
    Segment,
    all_of,
    any_of,
    days,
    did,
    did_not,
    member_of,
    share_of_spend,
    top_n,
    trait,
)

SEGMENTS = (
    Segment(
        "churned_runners",
        owner="team:crm",
        goal="reactivated_orders",
        description="Lapsed top shoppers who came back to look at the new running shoes and did not buy",
        where=all_of(
            lapsed(at_most=days(365)),
            top_shopper(lifetime=True),
            browsed_latest_without_buying("Running Shoes", days(30)),
            did("visit", within=days(7)),
            share_of_spend(department="Shoes") >= 0.3,
        ),
        message={"template": "we-miss-you", "offer": "shoes-7-days"},
    ),
    Segment(
        "newcomers",
        owner="team:crm",
        goal="second_orders",
        description="Placed their first order in the last month: onboarding",
        where=trait("lifecycle_stage") == "new",
        message={"template": "welcome"},
    ),
    Segment(
        "vip",
        owner="team:crm",
        goal="retention_90d",
        description="Loyal and in the top tenth by spend",
        where=trait("loyalty_stage") == "vip",
        message={"template": "vip"},
    ),
    Segment(
        "dormant",
        owner="team:crm",
        goal="reactivated_orders",
        description="Bought once, not for half a year, and not seen for a month: win-back",
        where=all_of(
            trait("lifecycle_stage") == "churned", any_of(trait("visits_30d") == 0, trait("last_seen_on").is_unknown())
        ),
        message={"template": "win-back"},
    ),
    Segment(
        "valuable_at_risk",
        owner="team:crm",
        goal="retention_90d",
        description="Good customers whose last order is three to six months ago",
        where=all_of(trait("lifecycle_stage") == "at_risk", trait("value_tier_lifetime").isin("top", "mid")),
    ),
    Segment(
        "champions",
        owner="team:crm",
        goal="referrals",
        description="Best fifth by recency, frequency and spend",
        where=all_of(trait("rfm_r") == 5, trait("rfm_f") == 5, trait("rfm_m") == 5),
    ),
    Segment(
        "best_hundred",
        owner="team:stores",
        goal="retention_90d",
        description="The hundred people who spent most in a year",
        where=top_n("spend_365d", 100),
    ),
    Segment(
        "power_visitors",
        owner="team:web",
        goal="conversion_rate",
        description="Visit twice a week or more",
        where=trait("activity_stage") == "power",
    ),
    Segment(
        "recent_buyers",
        owner="team:ads",
        goal="ad_cost_saved",
        description="Ordered in the last two weeks: kept out of acquisition",
        where=did("order", within=days(14)),
    ),
    Segment(
        "lookalike_seed",
        owner="team:ads",
        goal="new_customers",
        description="Best customers who agree to advertising: what new ones are sought to be like",
        where=all_of(
            any_of(member_of("vip"), member_of("champions")),
            trait("ads_reachable").is_true(),
        ),
    ),
    Segment(
        "one_time_buyers",
        owner="team:crm",
        goal="second_orders",
        description="One order, one to six months ago, and never a second",
        where=all_of(
            trait("orders_total") == 1,
            trait("days_since_last_order").between(31, 180),
            did_not("order", within=days(30)),
        ),
    ),
)
