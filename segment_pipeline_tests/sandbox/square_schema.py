"""The vendor's schema of Square with its objects closed: a misspelt key, a word that is no enum's and a wrong type are refused."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from segment_pipeline_tests.sandbox.source_world import Client, vendor_schema

# What the file, of a version before, and the excerpt of it do not hold: by the vendor's SDK.
RESPONSES: dict[str, dict[str, Any]] = {
    "SearchCatalogObjectsResponse": {"objects": "CatalogObject[]", "cursor": "string", "latest_time": "string"},
    "ListCustomerGroupsResponse": {"groups": "CustomerGroup[]", "cursor": "string", "errors": "Error[]"},
    "CustomerGroup": {"id": "string", "name": "string", "created_at": "string", "updated_at": "string"},
    "BulkRetrieveCustomersResponse": {"responses": "RetrieveCustomerResponse{}", "errors": "Error[]"},
}


def _written(kind: str) -> dict[str, Any]:
    name = kind.removesuffix("[]").removesuffix("{}")
    inner = {"type": name} if name.islower() else {"$ref": f"#/components/schemas/{name}"}
    if kind.endswith("[]"):
        return {"type": "array", "items": inner}
    return {"type": "object", "additionalProperties": inner} if kind.endswith("{}") else inner


def _closed(schema: Any) -> Any:
    """Objects with named properties closed, and `nullable`, which checkers skip, written as a type."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _closed(each) for name, each in schema.items() if name not in ("nullable", "example")}
    if isinstance(schema.get("properties"), dict):
        told["properties"] = {name: _closed(each) for name, each in schema["properties"].items()}
        told["additionalProperties"] = False
    return {"anyOf": [told, {"type": "null"}]} if schema.get("nullable") is True else told


@cache
def _schemas() -> dict[str, Any]:
    published = json.loads(vendor_schema("square_openapi_2025-08-20_trimmed.json").read_text())["components"]["schemas"]
    ours = {
        name: {"type": "object", "properties": {field: _written(kind) for field, kind in fields.items()}}
        for name, fields in RESPONSES.items()
    }
    return {name: _closed(each) for name, each in (ours | published).items()}


def validator(response: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{response}", "components": {"schemas": _schemas()}})


def wrong(answer: Any, response: str) -> list[str]:
    """Where an answer is not the vendor's, and by which of its rules; no value is told."""
    found = validator(response).iter_errors(answer)
    return sorted(
        {
            f"{'.'.join(str(step) for step in each.path if isinstance(step, str))}: {each.message[:160]}"
            for each in found
        }
    )


def pages(square: Client, path: str, asked: dict[str, Any]) -> Iterator[Any]:
    """The answers of a listing, a POST unless nothing is asked, to its end."""
    cursor: dict[str, str] = {}
    while True:
        body = {**asked, **cursor}
        answer = (square.post(path, json=body) if asked else square.get(path, params=body)).json()
        yield answer
        if "cursor" not in answer:
            return
        cursor = {"cursor": answer["cursor"]}
