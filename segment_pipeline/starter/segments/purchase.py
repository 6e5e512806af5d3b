"""Segments by what people buy: worked examples on departments, new arrivals, carts, complements, hours and occasions."""

from segment_pipeline.segments.library import abandoned_cart, active, bought_without, prefers, top_shopper
from segment_pipeline.segments.rules import (
    Segment,
    activities,
    all_of,
    any_of,
    birthday_within,
    days,
    did,
    did_not,
    share_of_spend,
    sum_of,
    trait,
)

# The web shop's own departments; the till's real ones are in upper case.
WEB_DEPARTMENTS = ("Women", "Men", "Shoes", "Home", "Beauty", "Electronics", "Infant")
SNACKS = (
    "Snacks",
    "Candy",
    "Ice Cream",
    "BAG SNACKS",
    "CANDY - PACKAGED",
    "ICE CREAM/MILK/SHERBTS",
    "COOKIES/CONES",
    "POPCORN",
)
INFANT = (
    "Diapers", "Baby Food", "Baby Care", "Baby Clothing",
    "DIAPERS & DISPOSABLES", "BABY FOODS", "INFANT CARE PRODUCTS", "INFANT FORMULA", "BABY HBC",
)  # fmt: skip

SEGMENTS = (
    Segment(
        "weekly_women",
        owner="team:merchandising",
        goal="orders_30d",
        description="Top shoppers who prefer the women's department and bought in the last week",
        where=all_of(did("order", within=days(7)), prefers("Women"), top_shopper()),
    ),
    Segment(
        "gift_givers",
        owner="team:crm",
        goal="campaign_orders",
        description="Active women, mid-level buyers, who buy much for men, marked down, and answered the gift-day campaign",
        where=all_of(
            trait("gender") == "female",
            active(),
            trait("value_tier") == "mid",
            share_of_spend(department="Men") >= 0.4,
            trait("responded_campaigns").contains("Buy Your Loved Ones"),
            trait("markdown_share") >= 0.5,
        ),
        message={"campaign": "gift-day"},
    ),
    Segment(
        "early_adopters",
        owner="team:merchandising",
        goal="advocacy_sign_ups",
        description="Active top shoppers of several departments who buy new arrivals and looked at the newest collection",
        where=all_of(
            active(),
            top_shopper(),
            trait("new_arrival_share") >= 0.5,
            trait("departments_365d") >= 3,
            did("product_viewed", department=WEB_DEPARTMENTS, collection="latest", within=days(14)),
        ),
    ),
    Segment(
        "abandoned_cart",
        owner="team:crm",
        goal="recovered_carts",
        description="Left something in a cart in the last three days and has not bought it since in any channel",
        where=abandoned_cart(days(3)),
        message={"template": "cart-reminder"},
    ),
    Segment(
        "complement_missing",
        owner="team:merchandising",
        goal="cross_sell_orders",
        description="Bought a phone in the last quarter and no case for it",
        where=bought_without("Phones", "Phone Cases", days(90)),
    ),
    Segment(
        "late_night_snackers",
        owner="team:app",
        goal="app_orders",
        description="Buy a good part of their orders at night, and snacks then",
        where=all_of(
            trait("late_night_share") >= 0.3,
            did("product_bought", category=SNACKS, local_hour=(22, 4), at_least=2, within=days(90)),
        ),
    ),
    Segment(
        "parents_infant",
        owner="team:merchandising",
        goal="infant_orders",
        description="Buy for an infant again and again",
        where=any_of(
            did("product_bought", category=INFANT, at_least=3, within=days(90)),
            share_of_spend(department="Infant") >= 0.3,
        ),
    ),
    Segment(
        "prepaid_balance",
        owner="team:crm",
        goal="prepaid_redemptions",
        description="Loaded prepaid balance this week",
        where=trait("prepaid_loaded_7d") > 0,
    ),
    Segment(
        "birthday_soon",
        owner="team:crm",
        goal="birthday_orders",
        description="Customers whose birthday is in the next two weeks",
        where=all_of(birthday_within(days(14)), trait("orders_365d") >= 1),
        message={"template": "birthday"},
    ),
    Segment(
        "season_spenders",
        owner="team:merchandising",
        goal="orders_30d",
        description="Spent at least 300 in the last six weeks, in several orders",
        where=all_of(
            sum_of("amount", activities("order", within=days(42))) >= 300, did("order", at_least=3, within=days(42))
        ),
    ),
    Segment(
        "meat_without_produce",
        owner="team:stores",
        goal="basket_size",
        description="Weekly shoppers at the till with meat and without produce",
        where=all_of(
            did("order", channel="store", at_least=4, within=days(30)),
            did("product_bought", department=("MEAT", "MEAT-PCKGD"), within=days(30)),
            did_not("product_bought", department="PRODUCE", within=days(30)),
        ),
    ),
)
