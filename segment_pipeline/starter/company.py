"""The shipped example company: what the demo runs, and what a team copies to begin its own."""

from segment_pipeline.catalogue import Catalogue
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.starter import connectors
from segment_pipeline.starter.audiences import STARTER_AUDIENCES
from segment_pipeline.starter.segments.all import STARTER_SEGMENTS

STARTER = Catalogue(
    sources=(connectors.square, connectors.shopify, connectors.amplitude),
    destinations=(MetaAudiences(), KlaviyoLists(), HashedFiles()),
    rates=connectors.RATES,
    segments=STARTER_SEGMENTS,
    audiences=STARTER_AUDIENCES,
)
