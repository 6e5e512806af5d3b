"""A source says which permission its vendor has not given it; that it passes with all of them, the contract suite asks."""

from pathlib import Path

import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline_tests.scripted_server import ScriptedServer, answer
from segment_pipeline_tests.sources.conftest import connector
from segment_pipeline_tests.sources.sandboxed import serve
from segment_pipeline_tests.sources.shopify_records import SHOPIFY

PERMISSIONS = ["MERCHANT_PROFILE_READ", "CUSTOMERS_READ", "LOYALTY_READ", "ITEMS_READ", "ORDERS_READ"]


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


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("lacking", ["read_all_orders", "read_customers"])
def test_a_scope_the_shopify_app_lacks_is_named(tmp_path: Path, lacking: str) -> None:
    """Without read_all_orders a shop shows sixty days of orders and says that these are all."""
    held = {"read_orders", "read_all_orders", "read_customers", "read_products"} - {lacking}
    with serve("shopify")(tmp_path, SHOPIFY.setting) as server:
        server.http.put("/_control/shopify/settings", json={"scope": ",".join(sorted(held))}).raise_for_status()
        with pytest.raises(ConfigError, match=f"source shopify: its app lacks the scope {lacking}"):
            connector("shopify", server.base_url).check()
