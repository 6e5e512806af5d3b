"""The starter's audiences: which segment is kept in which tool, under which consent.

`lookalike_seed` goes to every tool. The three with a `Priority` form a group: one person is in at most one of them.
"""

from segment_pipeline.audiences.audience import Attribute, Audience, Guards, Holdout, Priority

# Ad platforms take a list of any size and deliver once enough of it is matched, so a small shop's list may wait there.
SMALL = Guards(minimum=20)

STARTER_AUDIENCES = (
    Audience(
        "best_customers_meta",
        segment="lookalike_seed",
        destination="meta",
        channel="ads",
        owner="team:performance",
        guards=SMALL,
    ),
    Audience(
        "best_customers_google",
        segment="lookalike_seed",
        destination="google",
        channel="ads",
        owner="team:performance",
        guards=SMALL,
    ),
    Audience(
        "best_customers_klaviyo",
        segment="lookalike_seed",
        destination="klaviyo",
        channel="email",
        owner="team:crm",
        attributes=(Attribute("value_tier", "value_tier"), Attribute("top_department", "top_department")),
    ),
    Audience(
        "best_customers_hubspot",
        segment="lookalike_seed",
        destination="hubspot",
        channel="email",
        owner="team:crm",
    ),
    Audience(
        "best_customers_webhook",
        segment="lookalike_seed",
        destination="webhook",
        channel="email",
        owner="team:data",
        attributes=(
            Attribute("value_tier", "tier"),
            Attribute("spend_365d", "spend"),
            Attribute("last_order_on", "last_order"),
        ),
    ),
    Audience(
        "best_customers_amplitude",
        segment="lookalike_seed",
        destination="amplitude_cohorts",
        channel="product",
        owner="team:product",
    ),
    Audience(
        "best_customers_launchdarkly",
        segment="lookalike_seed",
        destination="launchdarkly",
        channel="product",
        owner="team:product",
    ),
    Audience(
        "best_customers_statsig",
        segment="lookalike_seed",
        destination="statsig",
        channel="product",
        owner="team:product",
    ),
    Audience(
        "best_customers_files",
        segment="lookalike_seed",
        destination="files",
        channel="ads",
        owner="team:performance",
    ),
    Audience(
        "recent_buyers_meta",
        segment="recent_buyers",
        destination="meta",
        channel="ads",
        owner="team:performance",
        guards=SMALL,
    ),
    Audience(
        "win_back_runners",
        segment="churned_runners",
        destination="klaviyo",
        channel="email",
        owner="team:crm",
        priority=Priority("email", 1),
        attributes=(
            Attribute("days_since_last_order", "days_since_last_order"),
            Attribute("lifecycle_stage", "lifecycle_stage"),
        ),
    ),
    Audience(
        "cart_reminder",
        segment="abandoned_cart",
        destination="klaviyo",
        channel="email",
        owner="team:crm",
        priority=Priority("email", 2),
    ),
    Audience(
        "win_back_dormant",
        segment="dormant",
        destination="klaviyo",
        channel="email",
        owner="team:crm",
        priority=Priority("email", 3),
        holdout=Holdout("dormant_win_back", 0.1),
    ),
)
