"""The web shop's catalogue: departments, categories, collections launched over time, prices. One row per product.

Launches are placed relative to the world's last day, so that each fashion category has one within its last 30 days.
Food and Infant are real products of the till's data and keep their product number as SKU; the rest is made up.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Category:
    """A category of the web shop. Prices in cents, from the cheapest to the dearest product; taxonomy is Shopify's."""

    department: str
    name: str
    low: int
    high: int
    taxonomy_id: str
    taxonomy: str


_APPAREL = "Apparel & Accessories > Clothing"
CATEGORIES = (
    Category("Women", "Dresses", 5900, 18900, "aa-1-4", f"{_APPAREL} > Dresses"),
    Category("Women", "Tops", 2500, 7900, "aa-1-13", f"{_APPAREL} > Clothing Tops"),
    Category("Women", "Jeans", 4900, 12900, "aa-1-12", f"{_APPAREL} > Pants"),
    Category("Women", "Coats", 11900, 34900, "aa-1-10", f"{_APPAREL} > Outerwear"),
    Category("Women", "Handbags", 4900, 24900, "aa-5", "Apparel & Accessories > Handbags, Wallets & Cases"),
    Category("Men", "Shirts", 3500, 9900, "aa-1-13", f"{_APPAREL} > Clothing Tops"),
    Category("Men", "Trousers", 4500, 12900, "aa-1-12", f"{_APPAREL} > Pants"),
    Category("Men", "Jackets", 8900, 29900, "aa-1-10", f"{_APPAREL} > Outerwear"),
    Category("Men", "Watches", 9900, 39900, "aa-6-11", "Apparel & Accessories > Jewelry > Watches"),
    Category("Shoes", "Running Shoes", 8900, 18900, "aa-8-1", "Apparel & Accessories > Shoes > Athletic Shoes"),
    Category("Shoes", "Boots", 9900, 24900, "aa-8-3", "Apparel & Accessories > Shoes > Boots"),
    Category("Shoes", "Sandals", 3900, 9900, "aa-8-6", "Apparel & Accessories > Shoes > Sandals"),
    Category("Shoes", "Sneakers", 5900, 13900, "aa-8-8", "Apparel & Accessories > Shoes > Sneakers"),
    Category("Home", "Bedding", 4900, 17900, "hg-15-1", "Home & Garden > Linens & Bedding > Bedding"),
    Category("Home", "Kitchenware", 1900, 14900, "hg-11", "Home & Garden > Kitchen & Dining"),
    Category("Beauty", "Skin Care", 1500, 8900, "hb-3-2-9", "Health & Beauty > Personal Care > Cosmetics > Skin Care"),
    Category(
        "Beauty",
        "Fragrance",
        3900,
        12900,
        "hb-3-2-8",
        "Health & Beauty > Personal Care > Cosmetics > Perfumes & Colognes",
    ),
    Category(
        "Electronics", "Phones", 29900, 89900, "el-4-8-5", "Electronics > Communications > Telephony > Mobile Phones"
    ),
    Category(
        "Electronics", "Phone Cases", 1500, 4900, "el-4-8-4", "Electronics > Communications > Telephony > Accessories"
    ),
    Category(
        "Electronics", "Headphones", 2900, 29900, "el-2-2-7", "Electronics > Audio > Audio Components > Headphones"
    ),
    Category("Infant", "Baby Clothing", 1500, 5900, "aa-1-2", f"{_APPAREL} > Baby & Toddler Clothing"),
)
# Shelf categories of the real data that the web shop also sells: (department, category here, category of the till).
SHELVES = (
    ("Food", "Snacks", "BAG SNACKS"),
    ("Food", "Ice Cream", "ICE CREAM/MILK/SHERBTS"),
    ("Food", "Candy", "CANDY - PACKAGED"),
    ("Food", "Coffee", "COFFEE"),
    ("Infant", "Diapers", "DIAPERS & DISPOSABLES"),
    ("Infant", "Baby Food", "BABY FOODS"),
    ("Infant", "Baby Care", "INFANT CARE PRODUCTS"),
)
_GIFT_CARDS = (2500, 5000, 10000)
_BRANDS = ("Northwind", "Larkspur", "Halden", "Mirror Lake", "Castleton")
_STYLES = ("Classic", "Aria", "Summit", "Harbor", "Ember")
_SEASONS = {
    1: "Winter",
    2: "Spring",
    3: "Spring",
    4: "Spring",
    5: "Summer",
    6: "Summer",
    7: "Summer",
    8: "Fall",
    12: "Winter",
}


def web_products(as_of: date, shelf: list[tuple[str, int, int]]) -> pa.Table:
    """One row per web product. `shelf`: (till category, product number, usual price in cents), best sellers first."""
    rows: list[dict[str, object]] = []
    for place, category in enumerate(CATEGORIES):
        for age in _launch_ages(place):
            launched = as_of - timedelta(days=age)
            collection = f"{_SEASONS.get(launched.month, 'Fall')} {launched.year} {category.name} No. {launched.month}"
            for number, style in enumerate(_STYLES):
                price = category.low + (category.high - category.low) * ((number * 2 + place + age) % 5) // 4
                rows.append(
                    _row(
                        len(rows), category.department, category.name, f"{style} {category.name} {launched:%y%m}", price
                    )
                    | {
                        "collection": collection,
                        "launched_on": launched,
                        "vendor": _BRANDS[(place + number) % len(_BRANDS)],
                        "taxonomy_id": category.taxonomy_id,
                        "taxonomy": category.taxonomy,
                    }
                )
    for department, name, till_category in SHELVES:
        for found, product, price in [entry for entry in shelf if entry[0] == till_category][:20]:
            rows.append(
                _row(len(rows), department, name, f"{name} {product}", max(price, 99))
                | {"sku": str(product), "launched_on": date(2016, 3, 1), "vendor": "Grocer", "till_category": found}
                | {"taxonomy_id": "fb", "taxonomy": "Food, Beverages & Tobacco"}
            )
    for price in _GIFT_CARDS:
        rows.append(
            _row(len(rows), "Gift Cards", "Gift Cards", f"Gift Card {price // 100}", price)
            | {"launched_on": date(2016, 3, 1), "vendor": "Sandbox Shop", "taxonomy_id": "gc", "taxonomy": "Gift Cards"}
            | {"is_gift_card": True}
        )
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _launch_ages(place: int) -> tuple[int, ...]:
    shift = place * 11 % 55
    return (470 - shift, 330 - shift, 250 - shift, 165 - shift, 105 - shift // 2, 8 + place * 5 % len(CATEGORIES))


_SCHEMA = pa.schema(
    [("product_no", pa.int64()), ("product_id", pa.int64())]
    + [(name, pa.string()) for name in ("sku", "title", "department", "category", "collection", "vendor")]
    + [(name, pa.string()) for name in ("taxonomy_id", "taxonomy", "till_category")]
    + [("launched_on", pa.date32()), ("price", pa.int64()), ("is_gift_card", pa.bool_())]
)


def _row(place: int, department: str, category: str, title: str, price: int) -> dict[str, object]:
    number = place + 1
    return {
        "product_no": number,
        "product_id": 7_000_000_000_000 + number,
        "sku": f"W-{number:04d}",
        "title": title,
        "department": department,
        "category": category,
        "collection": None,
        "till_category": None,
        "price": price,
        "is_gift_card": False,
    }
