"""What the receiver of webhooks refuses: whatever is not signed, not of these minutes, or not of the form the documents give."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sandbox.vendors.webhook.vendor import PREVIOUS, SECRET

VENDOR = "webhook"
OPEN = {"operation": "open", "audience": "vip"}
ANN = {"key": "k1", "email": "ann@quiet.shop", "attributes": {}}
BATCH = {"operation": "upsert", "audience": "vip", "plan": "p", "batch": 1, "members": [ANN]}


def post(
    server: SandboxServer,
    message: Any,
    *,
    secret: str = SECRET,
    late: int = 0,
    changed: Mapping[str, str] | None = None,
) -> int:
    """Signed by the library the scheme's authors publish; the status it is answered with."""
    body, at = json.dumps(message), server.clock() + timedelta(seconds=late)
    headers = {"webhook-id": f"msg_{body}", "webhook-timestamp": f"{at.timestamp():.0f}"}
    headers["webhook-signature"] = Webhook(secret).sign(headers["webhook-id"], at, body)
    url = f"{server.base_url}/webhook/audiences"
    return requests.post(url, body, headers={**headers, **(changed or {})}, timeout=30).status_code


def members(server: SandboxServer) -> list[Any]:
    found: list[Any] = server.control("GET", "/webhook/lists/vip")["members"]
    return found


def test_only_what_is_signed_and_of_these_minutes_is_believed(server: SandboxServer) -> None:
    assert [post(server, OPEN, late=late) for late in (0, 300, -300, 301, -301)] == [200, 200, 200, 401, 401]
    assert post(server, OPEN, secret=PREVIOUS) == 401
    assert [post(server, OPEN, changed={"webhook-signature": said}) for said in ("", "v1,", "v2,abc", "v1a,abc")] == [
        401
    ] * 4
    assert post(server, OPEN, changed={"webhook-id": "another"}) == 401


@pytest.mark.parametrize(
    "message",
    [
        [],
        {"operation": "close", "audience": "vip"},
        {"operation": "open"},
        {**OPEN, "name": "vip"},
        {**BATCH, "members": []},
        {**BATCH, "members": [ANN, ANN]},
        {**BATCH, "members": [{"key": "k", "attributes": {}}]},
        {**BATCH, "members": [{**ANN, "mail": "a"}]},
        {**BATCH, "members": [{**ANN, "email": None}]},
        {**BATCH, "members": [{**ANN, "attributes": None}]},
        {**BATCH, "operation": "remove"},
    ],
)
def test_another_form_than_that_of_the_documents_is_refused(server: SandboxServer, message: Any) -> None:
    post(server, OPEN)
    assert post(server, message) == 400


def test_a_message_that_comes_again_does_nothing(server: SandboxServer) -> None:
    post(server, OPEN)
    gone = {**BATCH, "operation": "remove", "members": [{"key": "k1", "email": "ann@quiet.shop"}]}
    for message, held in ((BATCH, 1), (gone, 0), (BATCH, 0), ({**BATCH, "batch": 2}, 1)):
        assert post(server, message) == 200
        assert len(members(server)) == held
