"""The sandbox's schema and the source's queries against the vendor's: nothing in them that is not in the vendor's, or differs."""

import gzip
import json

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    is_specified_directive,
    parse,
    print_ast,
    validate,
)
from graphql.utilities import ast_from_value

from segment_pipeline.sandbox.vendors.shopify.shop import schema
from segment_pipeline.sources.shopify import queries
from segment_pipeline_tests.sandbox.source_world import vendor_schema

LISTED = ("orders", "customers", "products", "abandonedCheckouts")
QUERIES = (
    {name: text for name, text in vars(queries).items() if str(text).startswith("query ")}
    | {f"count of {name}": queries.count(f"{name}Count") for name in LISTED}
    | {f"ends of {name}": queries.ends(name) for name in LISTED}
    | {f"more {kind}.{field}": queries.more(kind, field) for kind, field in queries.NESTED}
)


@pytest.fixture(scope="module")
def vendor() -> GraphQLSchema:
    with gzip.open(vendor_schema("shopify_admin_2026-10_introspection.json.gz")) as content:
        # Strict validation refuses the vendor's own schema for deprecated interface fields.
        return build_client_schema(json.load(content)["data"], assume_valid=True)


def test_the_schema_is_a_true_part_of_the_vendors(vendor: GraphQLSchema) -> None:
    compared = 0
    assert str(schema().query_type) == str(vendor.query_type)
    for name, ours in schema().type_map.items():
        theirs = vendor.type_map[name]
        assert type(ours) is type(theirs), name
        if isinstance(ours, GraphQLEnumType):
            assert isinstance(theirs, GraphQLEnumType)
            assert ours.values.keys() <= theirs.values.keys(), name
        if name.startswith("__") or not isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
            continue
        assert isinstance(theirs, GraphQLObjectType | GraphQLInterfaceType)
        assert {each.name for each in ours.interfaces} <= {each.name for each in theirs.interfaces}, name
        for field_name, field in ours.fields.items():
            their_field = theirs.fields[field_name]
            assert str(field.type) == str(their_field.type), f"{name}.{field_name}"
            for argument_name, argument in field.args.items():
                theirs_too = their_field.args[argument_name]
                assert str(argument.type) == str(theirs_too.type), f"{name}.{field_name}({argument_name})"
                ours_default = ast_from_value(argument.default_value, argument.type)
                their_default = ast_from_value(theirs_too.default_value, theirs_too.type)
                assert (ours_default and print_ast(ours_default)) == (their_default and print_ast(their_default))
                compared += 1
            required = {a for a, each in their_field.args.items() if str(each.type).endswith("!")}
            assert required <= field.args.keys(), f"{name}.{field_name}"
            compared += 1
    assert compared > 300
    assert all(is_specified_directive(each) for each in schema().directives)


def test_queries_valid_against_the_vendors_schema_are_valid_here(vendor: GraphQLSchema) -> None:
    validated = json.loads(vendor_schema("shopify_queries_validated_2026-10.json").read_text())
    for name in ("orders", "customers", "abandoned", "bulk_inner"):
        document = parse(validated[name])
        assert validate(vendor, document) == [], name
        assert validate(schema(), document) == [], name


def test_the_vendors_schema_takes_every_query_of_the_source(vendor: GraphQLSchema) -> None:
    assert {name: validate(vendor, parse(text)) for name, text in QUERIES.items()} == dict.fromkeys(QUERIES, [])
    assert len(QUERIES) == 8 + 2 * len(LISTED) + len(queries.NESTED)
