"""The shipped example company: what the demo runs, and what a team copies to begin its own."""

from datetime import date
from decimal import Decimal

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.destinations.amplitude.connector import AmplitudeCohorts
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.google.connector import GoogleCustomerMatch
from segment_pipeline.destinations.hubspot.connector import HubSpotLists
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.launchdarkly.connector import LaunchDarklySegments
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.destinations.statsig.connector import StatsigSegments
from segment_pipeline.destinations.webhook.connector import SignedWebhook
from segment_pipeline.profiles.rules import IdentityRules
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square
from segment_pipeline.starter.audiences import STARTER_AUDIENCES
from segment_pipeline.starter.goals import STARTER_GOALS
from segment_pipeline.starter.segments.all import STARTER_SEGMENTS

# US dollars for one Canadian dollar, by the day a rate begins to hold.
RATES = {date(2016, 1, 1): {"CAD": Decimal("0.7704")}}

# The web shop's customers log in to the analytics under the shop's own ids. The demo's people all have addresses in domains
# reserved for examples, which a company does not send to.
IDENTITY = IdentityRules(key_spaces={"amplitude": "shopify"}, unreachable={})

STARTER = Catalogue(
    sources=(Square(), Shopify(), Amplitude()),
    destinations=(
        MetaAudiences(),
        GoogleCustomerMatch(),
        KlaviyoLists(),
        HubSpotLists(),
        SignedWebhook(),
        AmplitudeCohorts(users_of="shopify"),
        LaunchDarklySegments(users_of="shopify"),
        StatsigSegments(users_of="shopify"),
        HashedFiles(),
    ),
    identity=IDENTITY,
    rates=RATES,
    segments=STARTER_SEGMENTS,
    audiences=STARTER_AUDIENCES,
    goals=STARTER_GOALS,
)
