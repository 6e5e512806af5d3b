"""What Shopify's records become, and how its limits are met; that its schema takes the queries, test_shopify_schema asks."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.settings import Settings
from segment_pipeline.testing.source import JUNE
from segment_pipeline_tests.sources.conftest import Landed, Served, connector
from segment_pipeline_tests.sources.shopify_records import checkout, customer, gid, line, metafield, order, refund, shop


def test_no_query_costs_more_than_a_query_may(served: Served, lake: Lake, settings: Settings) -> None:
    """As first sent, with the default page sizes: requested cost at most 1,000."""
    with served([order(1), customer(1)]) as server:
        source = connector("shopify", server.base_url)
        reports = [ingest(lake, source, entity.name, JUNE, settings, "run") for entity in source.entities]
    # The scopes, two counts and one page each, the shop for orders: nothing was asked a second time in smaller pages. Of June's days
    # gone by nobody is asked after.
    assert [report.requests for report in reports] == [4, 4, 5, 4, 0, 0]


def test_a_page_too_costly_is_asked_for_in_smaller_ones(served: Served, lake: Lake, settings: Settings) -> None:
    with served([shop(), *(order(n) for n in range(1, 8))]) as server:
        source = connector("shopify", server.base_url, page_size=250, nested=100)
        report = ingest(lake, source, "orders", JUNE, settings, "run")
    assert (report.received, report.rows["orders"]) == (7, 7)
    assert report.requests > 4


def test_discounts_of_every_kind_come_off_and_markdowns_are_told(landed: Landed) -> None:
    lines = [
        line(1, "20.00", discount="5.00", markdown=True),
        line(2, "10.00", discount="1.00"),
        line(3, "50.00", isGiftCard=True),
    ]
    rows = landed(
        "orders",
        [order(1, lineItems=lines, discountCodes=["TEN", "TEN"])],
        "SELECT o.gross, o.discount, o.net, o.gift_card_sold, o.coupon_codes, l.line_number, l.product_key, l.net AS line,"
        " l.is_markdown FROM orders AS o, order_lines AS l ORDER BY l.line_number",
    )
    whole = (Decimal("30.0000"), Decimal("6.0000"), Decimal("24.0000"), Decimal("50.0000"), ["TEN"])
    assert [tuple(row.values()) for row in rows] == [
        (*whole, "1", "71", Decimal("15.0000"), True),
        (*whole, "2", "72", Decimal("9.0000"), False),
    ]


ADDRESS = {"phone": "(513) 555-0123", "countryCodeV2": "US"}
CANCELLED = {"cancelledAt": "2017-06-05T12:00:00Z"}
BECOME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # A guest's order keeps what it knows of her.
    ({"email": "Guest@Quiet.shop", "shippingAddress": ADDRESS},
     {"customer_key": None, "email": "guest@quiet.shop", "phone": "+15135550123"}),
    ({"customer": gid("Customer", 9)}, {"customer_key": "9", "email": None, "phone": None}),
    ({"test": True, **CANCELLED}, {"status": "test", "channel": "web"}),
    (CANCELLED, {"status": "cancelled", "channel": "web"}),
    ({"displayFinancialStatus": "VOIDED"}, {"status": "cancelled", "channel": "web"}),
    ({"displayFinancialStatus": "PENDING", "sourceName": "mobile_app"}, {"status": "open", "channel": "app"}),
    ({"displayFinancialStatus": "REFUNDED", "sourceName": "pos"}, {"status": "completed", "channel": "store"}),
    # Local time is the shop's.
    ({"updated": "2017-06-05T04:30:00"}, {"local_at": datetime(2017, 6, 4, 23, 30)}),
]  # fmt: skip


def test_orders_become(landed: Landed) -> None:
    orders = [order(number, **told) for number, (told, _) in enumerate(BECOME, start=1)]
    rows = landed("orders", orders, "SELECT * FROM orders ORDER BY order_key")
    found = [{name: row[name] for name in expected} for row, (_, expected) in zip(rows, BECOME, strict=True)]
    assert found == [expected for _, expected in BECOME]


BORN: list[tuple[str | None, date | None, str | None]] = [
    ("1985-07-04", date(1985, 7, 4), "07-04"),
    # An import that lost the year, and one that typed a digit too many [jwx 1628 met times Go cannot write].
    ("0000-07-04", None, "07-04"),
    ("0000-02-29", None, "02-29"),
    ("19850-07-04", None, None),
    ("9999-99-99", None, None),
    ("1985-02-30", None, None),
    ("1985-02-29", None, None),
    ("489283200000", None, None),
    ("infinity", None, None),
    ("44-03-15 (BC)", None, None),
    ("", None, None),
    (None, None, None),
]


def test_the_buyer_is_whom_the_bill_goes_to_else_whom_the_parcel_goes_to(landed: Landed) -> None:
    tom = {"firstName": "Tom", "lastName": "Lee"}
    bills = [{"firstName": " Ann ", "lastName": "Lee"}, {"firstName": "", "lastName": None}, {"lastName": "May"}, None]
    orders = [order(n, billingAddress=bill, shippingAddress=tom) for n, bill in enumerate(bills, start=1)]
    rows = landed("orders", orders, "SELECT first_name, last_name FROM orders ORDER BY order_key")
    assert [tuple(row.values()) for row in rows] == [("Ann", "Lee"), ("Tom", "Lee"), (None, "May"), ("Tom", "Lee")]


def test_a_birth_date_nobody_can_write_is_empty_and_everybody_lands(
    served: Served, lake: Lake, settings: Settings
) -> None:
    told = [metafield(n, "birth_date", born) if born is not None else None for n, (born, _, _) in enumerate(BORN)]
    people = [customer(10 + n, metafields=[each] if each else []) for n, each in enumerate(told)]
    with served(people) as server:
        report = ingest(lake, connector("shopify", server.base_url), "customers", JUNE, settings, "run")
    assert (report.rows["customers"], report.quarantined) == (len(BORN), {})
    assert "7 records have a birth date that is none: it is empty" in report.notes
    with lake.session() as session:
        session.scan("customers")
        rows = session.rows("SELECT birth_date, birth_day FROM customers ORDER BY customer_key")
    assert [tuple(row.values()) for row in rows] == [(day, month) for _, day, month in BORN]


def test_refunds_by_line_and_as_a_whole_without_gift_cards(landed: Landed) -> None:
    lines = [line(1, "20.00"), line(2, "10.00"), line(3, "50.00", isGiftCard=True)]
    made = order(
        1,
        "2017-06-09T12:00:00",
        lineItems=lines,
        refunds=[refund(5, "78.00", [lines[0], lines[2]]), refund(6, "3.50", [])],
    )
    rows = landed(
        "orders",
        [made],
        "SELECT refund_key, order_key, line_number, amount, amount_base, refunded_on, day FROM refunds ORDER BY 1",
    )
    on = {"refunded_on": date(2017, 6, 7), "day": date(2017, 6, 9), "order_key": "1"}
    assert rows == [
        {
            "refund_key": "5/1",
            "line_number": "1",
            "amount": Decimal("20.0000"),
            "amount_base": Decimal("20.0000"),
            **on,
        },
        {"refund_key": "6", "line_number": None, "amount": Decimal("3.5000"), "amount_base": Decimal("3.5000"), **on},
    ]


def test_consents_are_what_was_said_and_when(landed: Landed) -> None:
    """No answer, or an unfinished one, is neither yes nor no, and said since the record's change; a sale opt-out is a no to ads."""

    def mail(state: str, at: str | None = "2017-05-01T10:00:00Z", name: str = "ada") -> dict[str, Any]:
        return {
            "emailAddress": f"{name}@quiet.shop", "marketingState": state, "marketingOptInLevel": None,
            "marketingUpdatedAt": at, "openTrackingLevel": "UNKNOWN", "validFormat": True,
        }  # fmt: skip

    phone = {
        "phoneNumber": "+15135550123",
        "smsMarketingConsent": {"state": "SUBSCRIBED", "optInLevel": None, "updatedAt": "2017-05-02T10:00:00Z", "collectedFrom": "SHOPIFY"},
        "whatsAppMarketingConsent": {"state": "NEVER_SUBSCRIBED", "updatedAt": None},
    }  # fmt: skip
    people = [
        customer(1, defaultEmailAddress=mail("SUBSCRIBED"), defaultPhoneNumber=phone),
        customer(2, defaultEmailAddress=mail("UNSUBSCRIBED", None, "bo"), dataSaleOptOut=True),
        customer(3, defaultEmailAddress=mail("NOT_SUBSCRIBED", name="cy")),
        customer(4, defaultEmailAddress=mail("PENDING", name="di")),
    ]
    rows = landed("customers", people, "SELECT identifier, channel, status, recorded_at FROM consents ORDER BY ALL")
    assert [(r["identifier"], r["channel"], r["status"], f"{r['recorded_at']:%m-%d}") for r in rows] == [
        ("+15135550123", "sms", "granted", "05-02"),
        ("2", "ads", "denied", "06-05"),
        ("2", "email", "denied", "06-05"),
        ("ada@quiet.shop", "email", "granted", "05-01"),
        ("bo@quiet.shop", "ads", "denied", "06-05"),
        ("bo@quiet.shop", "email", "denied", "06-05"),
        ("cy@quiet.shop", "email", "unsaid", "06-05"),
        ("di@quiet.shop", "email", "unsaid", "06-05"),
    ]


def test_gender_and_birth_date_come_from_metafields(landed: Landed) -> None:
    fields = [metafield(1, "gender", "Female"), metafield(2, "birth_date", "1980-02-03")]
    person = customer(1, metafields=fields)
    rows = landed("customers", [person], "SELECT gender, birth_date, birth_day FROM customers")
    assert rows == [{"gender": "female", "birth_date": date(1980, 2, 3), "birth_day": "02-03"}]


def test_checkouts_hold_their_products_and_whether_they_were_completed(landed: Landed) -> None:
    cart = checkout(81, shippingAddress={"phone": "(513) 555-0123", "countryCodeV2": "US"})
    rows = landed("checkouts", [cart], "SELECT cart_key, phone, completed_at, value, product_keys, lines FROM carts")
    assert rows == [
        {
            "cart_key": "81", "phone": "+15135550123", "completed_at": None, "value": Decimal("20.0000"), "product_keys": ["71"],
            "lines": '[{"product_key":"71","sku":"W-1","quantity":2,"title":"Shoe"}]',
        }
    ]  # fmt: skip


def test_a_token_that_expires_between_two_pages_is_renewed(served: Served, lake: Lake, settings: Settings) -> None:
    with served([shop(), *(order(n) for n in range(1, 10))]) as server:
        server.fault("expired_token", path_regex="graphql", times=1, after=3)
        source = connector("shopify", server.base_url, page_size=3)
        report = ingest(lake, source, "orders", JUNE, settings, "run")
    assert report.rows["orders"] == 9
