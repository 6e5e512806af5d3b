"""Segments by who people are: age and income, places, declared interests and opinions, and personas made of those."""

from segment_pipeline.segments.rules import Segment, all_of, any_of, days, did, near, none_of, share_of_spend, trait

AFFLUENT = ("100-124K", "125-149K", "150-174K", "175-199K", "200-249K", "250K+")

SEGMENTS = (
    Segment(
        "affluent_waste_savers",
        owner="team:sustainability",
        goal="campaign_orders",
        description="High incomes, and declared interest in reducing food waste",
        where=all_of(trait("income_band").isin(*AFFLUENT), trait("interests").contains("food_waste_reduction")),
    ),
    Segment(
        "price_unhappy",
        owner="team:crm",
        goal="discount_orders",
        description="Said in a survey that prices are too high",
        where=did("survey_answered", subject="price_satisfaction", score=(1, 2), within=days(365)),
        message={"offer": "price-promise"},
    ),
    Segment(
        "young_online_shoppers",
        owner="team:app",
        goal="app_orders",
        description="Up to 34 years old, and order online often enough for the app to be the channel",
        where=all_of(
            trait("age_band").isin("19-24", "25-34"), did("order", channel=("web", "app"), at_least=2, within=days(365))
        ),
        message={"channel": "app"},
    ),
    Segment(
        "cincinnati_area",
        owner="team:stores",
        goal="store_visits",
        description="Shop in a store within 40 km of the centre of Cincinnati, or live in the city",
        where=any_of(near(39.1031, -84.5120, 40), all_of(trait("city") == "Cincinnati", trait("region") == "OH")),
    ),
    Segment(
        "canada",
        owner="team:crm",
        goal="orders_30d",
        description="Live in Canada",
        where=trait("country") == "CA",
    ),
    Segment(
        "pantry_families",
        owner="team:merchandising",
        goal="basket_size",
        description="Persona: families who fill the pantry from the grocery department",
        where=all_of(
            none_of(trait("children").is_unknown(), trait("children") == "0"),
            share_of_spend(department="GROCERY") >= 0.4,
        ),
        persona=True,
    ),
)
