"""The starter's connectors: where each system is and how its records are taken. Secrets are read from the environment.

Every address can be moved by its own variable, which is how the demo points them at the sandbox.
"""

import os
from datetime import date
from decimal import Decimal

from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square

# US dollars for one Canadian dollar, by the day a rate begins to hold.
RATES = {date(2016, 1, 1): {"CAD": Decimal("0.7704")}}


def square() -> Square:
    return Square(base_url=_address("SQUARE_BASE_URL", "https://connect.squareup.com"))


def shopify() -> Shopify:
    return Shopify(base_url=_address("SHOPIFY_BASE_URL", "https://your-shop.myshopify.com"))


def amplitude() -> Amplitude:
    return Amplitude(base_url=_address("AMPLITUDE_BASE_URL", "https://amplitude.com"))


def _address(variable: str, default: str) -> str:
    return os.environ.get(variable) or default
