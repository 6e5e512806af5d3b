"""What is the same for every source: lines and totals of orders, consents, accounts that are gone, and what money's smallest
units are worth.

Of what a source's own prepared statements give: `order_items`, one row per line of a usable version of an order, gift cards
included, tips not (key, updated_at, line_number, product_key, quantity, is_gift_card, gross, discount, net, tax, is_markdown,
parent_order_key, parent_line_number); `said`, one row per statement about consent (identifier_type, identifier, channel, purpose,
granted, said_at: its own time or NULL, arrived_at: when the source had it at the latest, evidence, day). What a record denies it
denies of its customer, too: the address may be gone from it.
"""

from collections.abc import Mapping

from segment_pipeline.lake.statements import statement
from segment_pipeline.landing.mapping import Fill, Record, text
from segment_pipeline.landing.source import Entity, Kind, Part

ORDER_LINES = statement("landing", "order_lines")
ORDER_TOTALS = statement("landing", "order_totals")
CONSENTS = statement("landing", "consents")


def _deletions(name: str, table: str, description: str) -> Entity:
    """Of a source that tells nobody of deletions: its pull keeps what `landing.deletions` writes down of those it asked after."""
    return Entity(
        name,
        Kind.MUTABLE,
        (Part("gone"),),
        Record(key="id", updated="at", fields=text("survivor")),
        (Fill(table, statement("landing", f"closed_{table}")),),
        dimension=True,
        held=(table,),
        asks_after=table,
        description=f"{description}: each is asked after once a week",
    )


DELETIONS = _deletions("deletions", "customers", "accounts that were deleted or merged into another")
PRODUCT_DELETIONS = _deletions("product_deletions", "products", "products that were deleted")

# ISO 4217, list one of 2024: currencies without minor digits, and with three or four. The ariary and the ouguiya, in fifths, have two.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_TEN_THOUSANDTHS = "CLF UYW"
# What one of the smallest unit is worth, by currency, where it is not a hundredth: a dictionary for statements.
MINOR_UNITS: Mapping[str, str] = (
    dict.fromkeys(_WHOLE.split(), "1")
    | dict.fromkeys(_THOUSANDTHS.split(), "0.001")
    | dict.fromkeys(_TEN_THOUSANDTHS.split(), "0.0001")
)
# What an order may add up to, either way and in its own currency: sums of many stay within the lake's type for money.
LARGEST_ORDER = "1000000000000"
