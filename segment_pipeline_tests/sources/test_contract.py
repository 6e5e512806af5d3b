"""The shipped sources under the suite every source inherits."""

from segment_pipeline.testing import source_contract
from segment_pipeline_tests.sources import shopify_records, square_records
from segment_pipeline_tests.sources.amplitude_records import AMPLITUDE, EVENTS
from segment_pipeline_tests.sources.shopify_records import SHOPIFY
from segment_pipeline_tests.sources.square_records import SQUARE

TestSquareOrders = source_contract(SQUARE, entity="orders", records=square_records.ORDERS)
TestSquareCustomers = source_contract(SQUARE, entity="customers", records=square_records.CUSTOMERS)
TestShopifyOrders = source_contract(SHOPIFY, entity="orders", records=shopify_records.ORDERS)
TestShopifyCustomers = source_contract(SHOPIFY, entity="customers", records=shopify_records.CUSTOMERS)
TestAmplitudeEvents = source_contract(AMPLITUDE, entity="events", records=EVENTS)
