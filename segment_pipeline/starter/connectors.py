"""The starter's connectors: where each system is and how its records are taken. Secrets are read from the environment.

Every address can be moved by its own variable, which is how the demo points them at the sandbox.
"""

import os
from datetime import date
from decimal import Decimal

import dagster as dg

from segment_pipeline.destinations.files import HashedFiles
from segment_pipeline.destinations.klaviyo import KlaviyoLists
from segment_pipeline.destinations.meta import MetaAudiences
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude import Amplitude
from segment_pipeline.sources.shopify import Shopify
from segment_pipeline.sources.square import Square

# US dollars for one Canadian dollar, by the day a rate begins to hold.
RATES = {date(2016, 1, 1): {"CAD": Decimal("0.7704")}}


def square() -> Square:
    return Square(base_url=_address("SQUARE_BASE_URL", "https://connect.squareup.com"))


def shopify() -> Shopify:
    return Shopify(base_url=_address("SHOPIFY_BASE_URL", "https://your-shop.myshopify.com"))


def amplitude() -> Amplitude:
    return Amplitude(base_url=_address("AMPLITUDE_BASE_URL", "https://amplitude.com"))


def meta() -> MetaAudiences:
    return MetaAudiences(
        access_token=dg.EnvVar("META_ACCESS_TOKEN"),
        app_secret=dg.EnvVar("META_APP_SECRET"),
        ad_account=dg.EnvVar("META_AD_ACCOUNT"),
        base_url=_address("META_BASE_URL", "https://graph.facebook.com"),
    )


def klaviyo() -> KlaviyoLists:
    return KlaviyoLists(
        api_key=dg.EnvVar("KLAVIYO_API_KEY"), base_url=_address("KLAVIYO_BASE_URL", "https://a.klaviyo.com")
    )


def files() -> HashedFiles:
    return HashedFiles(directory=os.environ.get("SEGMENT_PIPELINE_FILES") or str(Settings.from_env().home / "files"))


def _address(variable: str, default: str) -> str:
    return os.environ.get(variable) or default
