"""What our company collects, derives and sends: the file to begin with, everything else follows from it."""

from datetime import timedelta
from pathlib import Path

from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.landing.tabular import Const, Flag, Number, Time, each, per_key, sql, total
from segment_pipeline.segments.rules import Segment, days, did, trait
from segment_pipeline.sources.files.connector import Files, FileTable

DATA = Path(__file__).parent.parent / "data"

# One row per article sold. A text on the right is a column of the file; what the file does not say is said here.
SALES = FileTable(
    "sales",
    pattern="sales-*.csv",
    at="bought_at",
    currency=Const("@currency@"),
    types={"bought_at": Time("%Y-%m-%d %H:%M"), "paid": Number(), "newsletter": Flag()},
    fills=(
        per_key("orders", order_key="receipt", customer_key="customer", channel=Const("store"), net=total("paid")),
        each("order_lines", order_key="receipt", product_key="article", quantity=Const(1), net="paid"),
        # Without these conditions the receipt of a guest would be refused whole, for want of a customer.
        per_key("customers", where="customer IS NOT NULL", customer_key="customer", email="email", first_name="name"),
        per_key(
            "consents",
            where="email IS NOT NULL",
            identifier_type=Const("email"),
            identifier="email",
            channel=Const("email"),
            status=sql("CASE WHEN newsletter THEN 'granted' ELSE 'denied' END"),
        ),
    ),
    # Our example is written whole. Where somebody else writes the files keep the default: a minute without a change.
    settled=timedelta(0),
)

SEGMENTS = (
    Segment(
        "recent_buyers",
        owner="team:crm",
        goal="orders",
        description="Bought something in the last month",
        where=did("order", within=days(30)),
    ),
    Segment(
        "regulars",
        owner="team:crm",
        goal="orders",
        description="Bought twice or more in the last quarter",
        where=trait("orders_90d") >= 2,
    ),
)

AUDIENCES = (
    Audience(
        "regulars_by_email",
        segment="regulars",
        destination="files",
        channel="email",
        owner="team:crm",
        # Ten rows make a small audience; the default asks what the tool asks.
        guards=Guards(minimum=1),
    ),
)

OURS = Catalogue(
    sources=(Files(name="till", root=str(DATA), tables=(SALES,)),),
    destinations=(HashedFiles(channel="email"),),
    segments=SEGMENTS,
    audiences=AUDIENCES,
)
