"""The generated world, asked through the vendors' own doors: every field of the schemas is held, every body has its shape."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from segment_pipeline.sandbox.vendors.shopify.shop import schema
from segment_pipeline.sandbox.world.build import build_world
from segment_pipeline_tests.sandbox.shopify_asked import data, token
from segment_pipeline_tests.sandbox.source_world import Client, client, vendor_schema

ANSWERS = {
    "/v2/customers/search": ("customers", "SearchCustomersResponse"),
    "/v2/loyalty/accounts/search": ("loyalty_accounts", "SearchLoyaltyAccountsResponse"),
    "/v2/orders/search": ("orders", "SearchOrdersResponse"),
    "/v2/catalog/search": ("objects", "ListCatalogResponse"),
    "/v2/locations": ("locations", "ListLocationsResponse"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("world")
    build_world(built, households=25, days=120)
    return built


@pytest.fixture(scope="module")
def square(home: Path) -> Iterator[Client]:
    with client(home, "square") as served:
        served.headers["Authorization"] = "Bearer sandbox-square-token"
        yield served


@pytest.fixture(scope="module")
def shopify(home: Path) -> Iterator[Client]:
    with client(home, "shopify") as served:
        served.headers["X-Shopify-Access-Token"] = token(served)
        served.put("/_control/shopify/settings", json={"largest_query": 1_000_000}).raise_for_status()
        yield served


def everything(target: GraphQLNamedType, above: tuple[str, ...] = ()) -> str:
    """A selection of every field there is, each record type once on a path."""
    if isinstance(target, GraphQLInterfaceType):
        kinds = schema().get_possible_types(target)
        return "__typename " + " ".join(f"... on {kind.name} {{ {everything(kind, above)} }}" for kind in kinds)
    assert isinstance(target, GraphQLObjectType)
    parts = ["__typename"]
    for name, field in target.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            parts.append(name)
        elif inner.name not in above and name != "edges":
            written = ""
            if inner.name.endswith("Connection"):
                written = "(first: 250)"
            elif name == "metafield":
                written = '(key: "gender", namespace: "custom")'
            parts.append(f"{name}{written} {{ {everything(inner, (*above, target.name))} }}")
    return " ".join(parts)


@pytest.mark.parametrize("name", ["orders", "customers", "products", "abandonedCheckouts"])
def test_every_field_of_the_shops_schema_is_held_and_the_pages_add_up_to_the_count(shopify: Client, name: str) -> None:
    root = schema().query_type
    assert root is not None
    selection = everything(get_named_type(root.fields[name].type), ("QueryRoot",))
    query = f"query Q($after: String) {{ {name}(first: 250, after: $after, sortKey: ID) {{ {selection} }} }}"
    found: set[str] = set()
    cursor = None
    while True:
        page = data(shopify, query, after=cursor)[name]
        found |= {node["id"] for node in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            break
        cursor = page["pageInfo"]["endCursor"]
    assert found
    counted = data(shopify, f"{{ {name}Count(limit: null) {{ count precision }} }}")
    assert counted == {f"{name}Count": {"count": len(found), "precision": "EXACT"}}


def test_the_shop_is_held_whole(shopify: Client) -> None:
    assert data(shopify, f"{{ shop {{ {everything(schema().type_map['Shop'])} }} }}")["shop"]["ianaTimezone"]


@pytest.mark.parametrize("path", ANSWERS)
def test_square_answers_have_the_keys_of_squares_schema_and_no_others(square: Client, path: str) -> None:
    schemas = json.loads(vendor_schema("square_openapi_2025-08-20_trimmed.json").read_text())["components"]["schemas"]
    name, response = ANSWERS[path]
    locations = square.get("/square/v2/locations").json()["locations"]
    asked = {"count": True, "location_ids": [each["id"] for each in locations][:10]}
    searched = path.endswith("search")
    answer = (square.post(f"/square{path}", json=asked) if searched else square.get(f"/square{path}")).json()
    assert answer[name]
    # A search of the catalogue has it besides what a listing has, whose schema is the one there is.
    assert bool(answer.pop("latest_time", None)) == ("catalog" in path)
    assert strangers(answer, {"$ref": f"/{response}"}, schemas, response) == set()
    error = square.post("/square/v2/orders/search", json={}).json()["errors"][0]
    assert error["code"] in schemas["ErrorCode"]["enum"]
    assert error["category"] in schemas["ErrorCategory"]["enum"]


def strangers(value: Any, declared: dict[str, Any], schemas: dict[str, Any], path: str) -> set[str]:
    """The paths of keys that the vendor's schema does not declare."""
    if "$ref" in declared:
        declared = schemas.get(declared["$ref"].rsplit("/", 1)[-1], {})
    if isinstance(value, list):
        return {found for each in value for found in strangers(each, declared.get("items", {}), schemas, f"{path}[]")}
    known = declared.get("properties")
    if not isinstance(value, dict) or known is None:
        return set()
    unknown = {f"{path}.{key}" for key in value.keys() - known.keys()}
    for key in value.keys() & known.keys():
        unknown |= strangers(value[key], known[key], schemas, f"{path}.{key}")
    return unknown


def test_a_whole_year_of_events_comes_in_one_archive_by_hour(home: Path) -> None:
    with client(home, "amplitude") as served:
        auth = ("sandbox-amplitude-key", "sandbox-amplitude-secret")
        span = {"start": "20170102T00", "end": "20180101T23"}
        content = served.get("/amplitude/api/2/export", params=span, auth=auth).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) > 24
