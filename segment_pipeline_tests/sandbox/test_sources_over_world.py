"""The generated world, asked through the vendors' own doors: every field of the schemas is held, every body has its shape."""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_client_schema,
    execute_sync,
    get_named_type,
    is_leaf_type,
    parse,
)

from segment_pipeline.sandbox.vendors.shopify.shop import schema
from segment_pipeline.sandbox.world.build import build_world
from segment_pipeline_tests.sandbox.shopify_asked import data, token
from segment_pipeline_tests.sandbox.source_world import Client, client, vendor_schema
from segment_pipeline_tests.sandbox.square_schema import pages, wrong

ANSWERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "/v2/customers/search": ("customers", {"count": True}, "SearchCustomersResponse"),
    "/v2/customers/groups": ("groups", {}, "ListCustomerGroupsResponse"),
    "/v2/loyalty/accounts/search": ("loyalty_accounts", {"limit": 200}, "SearchLoyaltyAccountsResponse"),
    "/v2/orders/search": ("orders", {"limit": 200}, "SearchOrdersResponse"),
    "/v2/catalog/search": (
        "objects", {"include_deleted_objects": True, "begin_time": "2016-01-01T00:00:00Z"}, "SearchCatalogObjectsResponse",
    ),
    "/v2/locations": ("locations", {}, "ListLocationsResponse"),
}  # fmt: skip


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


FORMS = {
    "DateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "Decimal": r"-?\d+\.\d+",
    "Money": r"-?\d+\.\d+",
    "UnsignedInt64": r"\d+",
    "URL": r"https://.+",
}


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    """The vendor's schema, its scalars as strict as its answers."""

    def strictly(name: str, pattern: str) -> Callable[[Any], Any]:
        def serialize(value: Any) -> Any:
            if not isinstance(value, str) or not re.fullmatch(pattern, value):
                raise GraphQLError(f"not the form of {name}")
            return value

        return serialize

    with gzip.open(vendor_schema("shopify_admin_2026-10_introspection.json.gz")) as content:
        found = build_client_schema(json.load(content)["data"], assume_valid=True)
    for name, pattern in FORMS.items():
        scalar = found.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.serialize = strictly(name, pattern)  # type: ignore[assignment, method-assign]
    return found


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


def executed(vendor: GraphQLSchema, query: str, answer: Any) -> Any:
    """An answer put through the vendor's schema: the same where every leaf is of its type, every enum's word the vendor's."""
    found = execute_sync(vendor, parse(query), root_value=answer, variable_values={})
    assert not found.errors, [error.message[:120] for error in found.errors][:3]
    return found.data


@pytest.mark.parametrize("name", ["orders", "customers", "products", "abandonedCheckouts"])
def test_every_field_of_the_shops_schema_is_held_and_the_pages_add_up_to_the_count(
    shopify: Client, published: GraphQLSchema, name: str
) -> None:
    root = schema().query_type
    assert root is not None
    selection = everything(get_named_type(root.fields[name].type), ("QueryRoot",))
    query = f"query Q($after: String) {{ {name}(first: 250, after: $after, sortKey: ID) {{ {selection} }} }}"
    found: set[str] = set()
    cursor = None
    while True:
        answer = data(shopify, query, after=cursor)
        page = answer[name]
        assert executed(published, query, answer) == answer
        found |= {node["id"] for node in page["nodes"]}
        if not page["pageInfo"]["hasNextPage"]:
            break
        cursor = page["pageInfo"]["endCursor"]
    assert found
    counted = data(shopify, f"{{ {name}Count(limit: null) {{ count precision }} }}")
    assert counted == {f"{name}Count": {"count": len(found), "precision": "EXACT"}}


@pytest.mark.parametrize(
    "wrong", [{"marketingState": "NOT_A_STATE"}, {"emailAddress": None}, {"marketingUpdatedAt": "yesterday"}]
)
def test_a_wrong_answer_of_the_shop_would_be_seen(published: GraphQLSchema, wrong: dict[str, Any]) -> None:
    right = {
        "emailAddress": "ada@quiet.shop",
        "marketingState": "SUBSCRIBED",
        "marketingUpdatedAt": "2017-05-01T10:00:00Z",
    }
    query = '{ customer(id: "1") { defaultEmailAddress { emailAddress marketingState marketingUpdatedAt } } }'
    answer = {"customer": {"defaultEmailAddress": right}}
    assert executed(published, query, answer) == answer
    with pytest.raises(AssertionError):
        executed(published, query, {"customer": {"defaultEmailAddress": right | wrong}})


def test_the_shop_is_held_whole(shopify: Client, published: GraphQLSchema) -> None:
    query = f"{{ shop {{ {everything(schema().type_map['Shop'])} }} currentAppInstallation {{ id accessScopes {{ handle }} }} }}"
    answer = data(shopify, query)
    assert answer["shop"]["ianaTimezone"]
    assert executed(published, query, answer) == answer


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_of_square_is_as_squares_schema_says(square: Client, path: str) -> None:
    """Every page of the world: each key one of the vendor's, each word one of its enum, each type its own."""
    name, asked, response = ANSWERS[path]
    locations = [each["id"] for each in square.get("/square/v2/locations").json()["locations"]]
    wanted = asked | ({"location_ids": locations[:10]} if "orders" in path else {})
    answers = list(islice(pages(square, f"/square{path}", wanted), 5))
    assert answers[0][name]
    assert [wrong(answer, response) for answer in answers] == [[]] * len(answers)


def test_customers_by_id_and_refusals_are_as_squares_schema_says(square: Client) -> None:
    (there,) = square.post("/square/v2/customers/search", json={"limit": 1}).json()["customers"]
    one = square.get(f"/square/v2/customers/{there['id']}").json()
    assert (one["customer"]["id"], wrong(one, "RetrieveCustomerResponse")) == (there["id"], [])
    bulk = square.post("/square/v2/customers/bulk-retrieve", json={"customer_ids": [there["id"], "nobody"]}).json()
    assert (len(bulk["responses"]), wrong(bulk, "BulkRetrieveCustomersResponse")) == (2, [])
    refusals = [square.post("/square/v2/orders/search", json={}), square.get("/square/v2/customers/nobody")]
    refusals += [
        square.get("/square/v2/locations", headers=h) for h in ({"Authorization": "?"}, {"Square-Version": "new"})
    ]
    for kind in ("429", "500", "503", "504", "expired_token"):
        square.post("/_control/faults", json=[{"vendor": "square", "kind": kind, "times": 1}]).raise_for_status()
        refusals.append(square.get("/square/v2/locations"))
    assert [answer.status_code for answer in refusals] == [400, 404, 401, 400, 429, 500, 503, 504, 401]
    assert [wrong(answer.json(), "SearchOrdersResponse") for answer in refusals] == [[]] * len(refusals)


def test_a_wrong_answer_of_square_would_be_seen() -> None:
    customer = {"id": "C1", "creation_source": "LOYALTY"}
    assert wrong({"customers": [customer]}, "SearchCustomersResponse") == []
    for told in ({"creation_source": "CARD"}, {"given_nam": "Ada"}, {"version": "1"}):
        assert len(wrong({"customers": [customer | told]}, "SearchCustomersResponse")) == 1


def test_a_whole_year_of_events_comes_in_one_archive_by_hour(home: Path) -> None:
    with client(home, "amplitude") as served:
        auth = ("sandbox-amplitude-key", "sandbox-amplitude-secret")
        span = {"start": "20170102T00", "end": "20180101T23"}
        content = served.get("/amplitude/api/2/export", params=span, auth=auth).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) > 24
