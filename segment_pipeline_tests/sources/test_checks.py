"""Each source asks its vendor whether it may read what it reads, and says which permission is missing."""

from pathlib import Path

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.settings import Settings
from segment_pipeline_tests.sandbox.source_world import client, world
from segment_pipeline_tests.scripted_server import ScriptedServer, answer
from segment_pipeline_tests.sources.amplitude_records import event
from segment_pipeline_tests.sources.conftest import connector
from segment_pipeline_tests.sources.shopify_records import shop
from segment_pipeline_tests.sources.square_records import location

PERMISSIONS = ["MERCHANT_PROFILE_READ", "CUSTOMERS_READ", "LOYALTY_READ", "ITEMS_READ", "ORDERS_READ"]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("vendor", ["square", "shopify", "amplitude"])
def test_credentials_that_may_read_everything_pass_and_others_do_not(tmp_path: Path, vendor: str) -> None:
    world(tmp_path, [location("L1"), shop(), event(1, "2017-06-05T12:00:00")])
    with client(tmp_path, vendor) as http:
        source = connector(vendor, f"{http.base_url}/{vendor}")
        source.check()
        http.post("/_control/faults", json=[{"vendor": vendor, "kind": "expired_token", "rate": 1.0}])
        with pytest.raises(ConfigError, match="credentials"):
            source.check()


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("lacking", PERMISSIONS)
def test_a_permission_the_square_token_lacks_is_named(lacking: str) -> None:
    server = ScriptedServer()
    allowed = [answer(200, b'{"locations": [{"id": "L1"}]}')] * PERMISSIONS.index(lacking)
    server.play(*allowed, answer(403, b'{"errors": [{"code": "INSUFFICIENT_SCOPES"}]}'))
    try:
        with pytest.raises(ConfigError, match=f"source square: its access token lacks the permission {lacking}"):
            connector("square", server.url).check()
    finally:
        server.stop()


@pytest.mark.parametrize("lacking", ["read_all_orders", "read_customers"])
def test_a_scope_the_shopify_app_lacks_is_named(tmp_path: Path, settings: Settings, lacking: str) -> None:
    """Without read_all_orders a shop shows sixty days of orders and says that these are all."""
    held = {"read_orders", "read_all_orders", "read_customers", "read_products"} - {lacking}
    world(tmp_path, [shop()])
    with client(tmp_path, "shopify") as http:
        http.put("/_control/shopify/settings", json={"scope": ",".join(sorted(held))}).raise_for_status()
        with pytest.raises(ConfigError, match=f"source shopify: its app lacks the scope {lacking}"):
            connector("shopify", f"{http.base_url}/shopify").check()
