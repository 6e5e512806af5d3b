"""Segments by what people do without buying: browsing, messages, social networks, content."""

from segment_pipeline.segments.library import unreceptive, viewed_not_bought, visited_without_action
from segment_pipeline.segments.rules import Segment, activities, all_of, days, did, did_not, sequence, trait

SEGMENTS = (
    Segment(
        "recent_visitors",
        owner="team:web",
        goal="conversion_rate",
        description="Looked at products in the last week and did nothing about it",
        where=visited_without_action(days(7)),
    ),
    Segment(
        "repeat_viewers",
        owner="team:web",
        goal="conversion_rate",
        description="Looked at the same product three times or more in a month and never bought it",
        where=viewed_not_bought(3, days(30)),
    ),
    Segment(
        "category_interest",
        owner="team:merchandising",
        goal="orders_30d",
        description="Interested in dresses and looked at the new ones, without buying them",
        where=all_of(
            did("product_viewed", category="Dresses", at_least=3, within=days(30)),
            did("product_viewed", category="Dresses", collection="latest", within=days(30)),
            did_not("product_bought", category="Dresses", collection="latest"),
        ),
    ),
    Segment(
        "social_engaged",
        owner="team:social",
        goal="advocacy_sign_ups",
        description="Shared, liked or followed twice or more in a month",
        where=did("social_engaged", at_least=2, within=days(30)),
    ),
    Segment(
        "logged_in_idle",
        owner="team:web",
        goal="conversion_rate",
        description="Logged in during the last week and did not go on to look at a product",
        where=all_of(
            did("login", within=days(7)), did_not("product_viewed", within=days(7)), did_not("order", within=days(7))
        ),
    ),
    Segment(
        "content_converters",
        owner="team:content",
        goal="orders_30d",
        description="Read content and ordered within two weeks of it",
        where=sequence(
            activities("content_viewed", within=days(60)), activities("order", within=days(60)), within=days(14)
        ),
    ),
    Segment(
        "newsletter_readers",
        owner="team:crm",
        goal="email_orders",
        description="Clicked an e-mail in the last quarter and may be written to",
        where=all_of(trait("email_clicks_90d") >= 1, trait("email_reachable").is_true()),
    ),
    Segment(
        "unreceptive",
        owner="team:crm",
        goal="messages_saved",
        description="Were sent three messages or more in half a year and opened none: leave them alone",
        where=unreceptive(3, days(180)),
    ),
)
