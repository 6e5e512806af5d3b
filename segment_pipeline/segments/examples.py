"""Ordinary wishes of marketers, and how each is written: the table of the reference, each of them tried on known people."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from segment_pipeline.events import Event
from segment_pipeline.segments import library, rules
from segment_pipeline.segments.rules import Rule


@dataclass(frozen=True)
class Example:
    """One wish. `text`: the rule as it is written, with the words of `segments.rules` and `segments.library`."""

    wish: str
    text: str

    @cached_property
    def rule(self) -> Rule:
        """The rule the text makes."""
        from datetime import date

        words = {name: getattr(rules, name) for name in rules.__all__} | {"date": date}
        made: Rule = eval(self.text, vars(library) | words)  # noqa: S307 - of the literals below, and of nothing else
        return made


# An event of a company's own that wishes below ask for, as a phone's app or a store's sensors send one when somebody goes.
STAY: Final = Event("place_left", {"place": "VARCHAR", "minutes": "DOUBLE", "meters_from_store": "DOUBLE"})
EXAMPLES: Final = (
    # When
    Example("on days between two dates", 'did("order", within=dates(date(2017, 11, 1), date(2017, 11, 30)))'),
    Example("in the month before the last one, counted in days", 'did("order", within=ended(days(30), ago=days(30)))'),
    Example("in the last hours", 'did("visit", within=hours(48))'),
    Example("this calendar month", 'did("order", within=period("month"))'),
    Example("last calendar month", 'did("order", within=period("month", back=1))'),
    Example("this week, from Monday", 'did("visit", within=period("week"))'),
    Example("in the same quarter last year", 'did("order", within=period("quarter", back=4))'),
    Example("on a public holiday", 'did("order", within=holidays("US"))'),
    Example("in the days before a gift day", 'did("order", within=holidays("US", "Christmas Day", before=14))'),
    Example("a day of a trait relative to today", 'trait("last_order_on") < ago(days(60))'),
    Example("birthday today", "birthday_within(days(1))"),
    Example("birthday in the days to come", "birthday_within(days(14))"),
    Example("birthday just past", "birthday_past(days(7))"),
    Example("birthday this month", "birthday_this_month()"),
    Example("anniversary of the first order", 'anniversary_within("first_order_on", days(7))'),
    Example("customer for a year", 'days_since(trait("first_order_on")) >= 365'),
    # Known by
    Example("has a phone, and no e-mail", 'all_of(trait("has_phone") == True, trait("has_email") == False)'),
    Example("has an e-mail address at one of these domains", 'email_domain("mail.io", "acme.de")'),
    Example("has no loyalty card", 'trait("has_loyalty_card") == False'),
    Example("speaks one of these languages", 'trait("language").isin("de", "fr")'),
    # What is bought, and how
    Example("an order of at least an amount", 'did("order", amount=at_least(100))'),
    Example("orders worth more than so much on average", 'avg_of("amount", activities("order", within=days(365))) > 50'),
    Example("the largest order of all", 'max_of("amount", activities("order")) >= 120'),
    Example("marked down", 'did("product_bought", markdown=True)'),
    Example("never anything marked down", 'all_of(did("product_bought"), did_not("product_bought", markdown=True))'),
    Example("with any coupon", 'did("order", coupon=True)'),
    Example("with one of these coupons", 'did("order", coupon=("WELCOME10", "FRIENDS"))'),
    Example("in a store", 'did("order", store="till:7")'),
    Example("on a weekday", 'did("order", weekday=("sat", "sun"))'),
    Example("by the hour on their own clock", 'did("order", local_hour=(22, 4))'),
    Example("the first order ever, long ago", 'first("day", activities("order")) <= ago(days(365))'),
    Example("for the first time lately", 'first("day", activities("order")) >= ago(days(30))'),
    Example("had it in the first order ever", 'did("product_bought", category="Hats", of_order=1)'),
    Example("had it among the first orders", 'did("product_bought", category="Shoes", of_order=at_most(2))'),
    Example("the first order was in a store, the second online", 'all_of(did("order", channel="store", of_order=1), did("order", channel="web", of_order=2))'),
    Example("the second order was large", 'nth(2, "amount", activities("order")) >= 100'),
    Example(
        "regularly: in n of the last m weeks",
        'distinct("week", activities("order", within=days(42))) >= 3',
    ),
    Example("stopped", 'all_of(did("order", within=ended(days(365), ago=days(90))), did_not("order", within=days(90)))'),
    Example(
        "started again",
        'all_of(did("order", within=days(30)), did_not("order", within=ended(days(60), ago=days(30))), '
        'did("order", within=ended(days(365), ago=days(90))))',
    ),
    # What is given back
    Example("gave something back lately", 'did("product_returned", within=days(30))'),
    Example("never gave anything back", 'all_of(did("product_bought"), did_not("product_returned"))'),
    Example("gives back as much as they keep", 'share(activities("product_returned"), activities("product_bought"), "quantity") >= 1'),
    Example(
        "gives back half of what they buy, or more",
        'sum_of("quantity", activities("product_returned")) / '
        '(sum_of("quantity", activities("product_bought")) + sum_of("quantity", activities("product_returned"))) >= 0.5',
    ),
    Example("was given back so much money", 'sum_of("amount", activities("order_refunded", within=days(365))) >= 50'),
    Example("ordered again after giving something back", 'sequence(activities("product_returned"), activities("order"), within=days(30))'),
    # How often, how varied
    Example("on so many different days", 'distinct("day", activities("visit", within=days(30))) >= 3'),
    Example("so many different products", 'distinct("product", activities("product_bought")) >= 2'),
    Example("so many different categories", 'distinct("category", activities("product_bought")) >= 2'),
    Example("mostly one category", 'most_frequent("category", activities("product_bought")) == "Shoes"'),
    Example("what they bought last", 'last("category", activities("product_bought")) == "Shoes"'),
    # Events of a company's own, and text
    Example("an answer that begins so", 'did("survey_answered", text=starts("very"))'),
    Example("a search with a word in it", 'did("search", text=has("boots"))'),
    Example("a trait that begins so", 'trait("city").starts("new")'),
    Example("a trait that ends so", 'trait("city").ends("ville")'),
    Example("one of several in a list", 'trait("interests").contains_any("running", "yoga")'),
    Example("all of several in a list", 'trait("interests").contains_all("running", "yoga")'),
    Example("none of several in a list", 'trait("interests").contains_none("running", "yoga")'),
    # Consent
    Example("said yes to e-mail lately", 'did("consent_given", channel="email", within=days(30))'),
    Example("said no soon after an order", 'sequence(activities("order"), activities("consent_withdrawn"), within=days(7))'),
    Example("said yes again", 'sequence(activities("consent_withdrawn", channel="email"), activities("consent_given", channel="email"), within=days(365))'),
    # Compared with each other
    Example("more orders than in the time before", 'count(activities("order", within=days(90))) > count(activities("order", within=ended(days(90), ago=days(90))))'),
    Example("two traits compared", 'trait("spend_90d") * 2 > trait("spend_365d")'),
    Example("what was spent, where any of it is known", 'total_of("amount", activities("order", within=days(30))) < 50'),
    Example("a sum between two numbers", 'sum_of("amount", activities("order", within=days(365))).between(50, 120)'),
    Example("share of several departments", 'share(activities("product_bought", department=("Outdoor", "Sport")), activities("product_bought"), "amount") >= 0.5'),
    Example("share of a brand", 'share(activities("product_bought", brand="Acme"), activities("product_bought")) > 0.4'),
    Example("share of a channel", 'share(activities("order", channel="web"), activities("order")) == 1'),
    Example("one share above another", 'share(activities("order", channel="web"), activities("order")) > share(activities("order", channel="store"), activities("order"))'),
    Example("campaign responses", 'did("message_responded", campaign="Winter Sale", within=days(365))'),
    Example("a survey score", 'avg_of("score", activities("survey_answered")) >= 9'),
    # In order
    Example("one thing, then another in time", 'sequence(activities("visit"), activities("search"), within=days(3))'),
    Example("one thing, then not the other in time", 'not_then(activities("visit"), activities("order"), within=days(4))'),
    Example("the same product through a sequence", 'sequence(activities("product_viewed"), activities("product_bought"), within=days(30), same_product=True)'),
    # Ranks, chance, places
    Example("the top n", 'top("spend_365d", n=1)'),
    Example("the top n per cent", 'top("spend_365d", share=0.3)'),
    Example("the top n among others", 'top("spend_365d", n=1, among=trait("city").ends("ville"))'),
    Example("at most n of each", 'top("spend_365d", n=1, per="city")'),
    Example("a share by chance that stays", 'random_share(0.5, "spring")'),
    Example("near a place", "near(40.7, -74, 20)"),
    Example("near a store", 'near_store(5, store="till:7")'),
    Example("near any store there is", "near_store(50)"),
    Example("inside an area", "inside((36, -87), (36.5, -87), (36.5, -86), (36, -86))"),
    Example("stayed at a place, so long or longer", 'did("place_left", properties={"place": "Central Station", "minutes": at_least(20)}, within=days(30))'),
    Example("stayed near a store, so long or longer", 'did("place_left", properties={"meters_from_store": at_most(200), "minutes": at_least(20)})'),
    # Who was in a segment
    Example("in a segment yesterday", 'was_member("vip", ago=days(1))'),
    Example("in a segment for n days", 'member_for("vip", days(2))'),
    Example("came into a segment lately", 'entered("vip", within=days(7))'),
    Example("went out of a segment lately", 'left("vip", within=days(7))'),
    Example("never in a segment", 'never_member("vip")'),
    # Where no word says it
    Example("a predicate in SQL", """sql("spend_365d > 60 AND city LIKE 'New%'")"""),
)  # fmt: skip
