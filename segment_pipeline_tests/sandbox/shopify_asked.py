"""The ways tests ask the sandbox's Shopify, in the vendor's own words."""

from typing import Any

from segment_pipeline_tests.sandbox.source_world import Client

GRAPHQL = "/shopify/admin/api/2026-10/graphql.json"
TOKEN = "/shopify/admin/oauth/access_token"
CREDENTIALS = {
    "client_id": "sandbox-shopify-id",
    "client_secret": "sandbox-shopify-secret",
    "grant_type": "client_credentials",
}


def token(shopify: Client) -> str:
    answer = shopify.post(TOKEN, json=CREDENTIALS)
    assert answer.status_code == 200, answer.text
    issued: str = answer.json()["access_token"]
    return issued


def ask(shopify: Client, query: str, **variables: Any) -> Any:
    answer = shopify.post(GRAPHQL, json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(shopify: Client, query: str, **variables: Any) -> Any:
    answer = ask(shopify, query, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def code(shopify: Client, query: str, **variables: Any) -> str:
    answer = ask(shopify, query, **variables)
    assert answer.get("data") is None
    found: str = answer["errors"][0].get("extensions", {}).get("code", "")
    return found
