"""The starter's goals. Days are counted from the day a person enters the segment; its rate is of those who entered."""

from segment_pipeline.goals import Goal

STARTER_GOALS = (
    Goal("ad_cost_saved", "advertising cost of the days a member was kept out of acquisition"),
    Goal("advocacy_sign_ups", "share of members who sign up as advocates within 30 days"),
    Goal("app_orders", "orders in the app per member within 30 days"),
    Goal("basket_size", "net per order of members within 30 days, against the 30 days before"),
    Goal("birthday_orders", "share of members who order within 14 days"),
    Goal("campaign_orders", "orders per member credited to the campaign within 30 days"),
    Goal("conversion_rate", "share of members who order within 7 days"),
    Goal("cross_sell_orders", "share of members who buy the article that goes with it within 30 days"),
    Goal("discount_orders", "orders with a marked-down line per member within 30 days"),
    Goal("email_orders", "orders per member within 7 days of a clicked e-mail"),
    Goal("infant_orders", "orders with an infant article per member within 30 days"),
    Goal("messages_saved", "messages not sent to members within 90 days"),
    Goal("new_customers", "first orders of people found by likeness to members, within 30 days of the campaign"),
    Goal("orders_30d", "orders per member within 30 days"),
    Goal("prepaid_redemptions", "share of the balance loaded that is spent within 90 days"),
    Goal("reactivated_orders", "share of members who order within 30 days"),
    Goal("recovered_carts", "share of members who buy an article of the cart within 7 days"),
    Goal("referrals", "people who name a member as theirs within 90 days"),
    Goal("retention_90d", "share of members with an order in the 90 days after"),
    Goal("second_orders", "share of members with a second order within 60 days"),
    Goal("store_visits", "orders in a store per member within 30 days"),
)
