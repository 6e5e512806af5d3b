"""Every answer of the sandbox's Klaviyo against the vendor's published schema, with its objects closed: no misspelt key passes."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.source_world import vendor_schema
from segment_pipeline_tests.sandbox.vendors import Klaviyo, email, import_of, profile

VENDOR = "klaviyo"
JOBS = "/profile-bulk-import-jobs"
# Errors carry these beside what the schema names, as the vendor's pages show them.
MORE_OF_ERRORS: dict[str, Any] = {"status": {}, "links": {}, "meta": {}}
Schema = dict[str, Any]


@pytest.fixture(scope="module")
def vendor() -> Schema:
    published: Schema = json.loads(vendor_schema("klaviyo_openapi_2026-07-15_trimmed.json").read_text())
    return published


def closed(schema: Any, of: Schema) -> Any:
    """The schema with references and `allOf` written out, and every object with named properties closed."""
    if isinstance(schema, list):
        return [closed(each, of) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found: Any = of
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return closed(found, of)
    if "allOf" in schema:
        whole: Schema = {}
        for part in schema["allOf"]:
            whole = merged(whole, closed(part, of))
        return whole
    named = {name: closed(each, of) for name, each in schema.items() if name != "properties"}
    if "properties" not in schema:
        return named
    inner = {name: closed(each, of) for name, each in schema["properties"].items()}
    return {**named, "properties": inner, "additionalProperties": False}


def merged(one: Schema, other: Schema) -> Schema:
    both = dict(one)
    for name, value in other.items():
        both[name] = (
            merged(both[name], value) if isinstance(both.get(name), dict) and isinstance(value, dict) else value
        )
    return both


class Validated(Klaviyo):
    """Each answer is checked as it comes."""

    def __init__(self, server: SandboxServer, vendor: Schema) -> None:
        super().__init__(server)
        self.vendor, self.seen = vendor, set[tuple[str, str, int]]()

    def call(self, method: str, path: str, data: Any = None, **query: Any) -> Any:
        answer = super().call(method, path, data, **query)
        asked = path.removeprefix(self.base).partition("?")[0]
        template, described = self.described(method.lower(), f"/api{asked}".replace("//", "/"))
        self.seen.add((method, template, answer.status_code))
        responses = described["responses"]
        schema = closed(
            responses.get(str(answer.status_code)) or responses[f"{answer.status_code // 100}XX"], self.vendor
        )
        content = schema.get("content")
        if not content:
            assert answer.content == b""
            return answer
        (held,) = content.values()
        shape = held["schema"]
        if answer.status_code >= 400:
            shape["properties"]["errors"]["items"]["properties"] |= MORE_OF_ERRORS
        checker = Draft202012Validator(shape, format_checker=Draft202012Validator.FORMAT_CHECKER)
        assert [f"{each.json_path}: {each.message[:200]}" for each in checker.iter_errors(answer.json())] == []
        return answer

    def described(self, method: str, path: str) -> tuple[str, Mapping[str, Any]]:
        steps = path.strip("/").split("/")
        for template, calls in self.vendor["paths"].items():
            parts = template.strip("/").split("/")
            if len(parts) == len(steps) and all(p == s or p[0] == "{" for p, s in zip(parts, steps, strict=True)):
                return template, calls[method]
        raise AssertionError(f"the vendor describes no {path}")


@pytest.fixture
def klaviyo(server: SandboxServer, vendor: Schema) -> Iterator[Validated]:
    yield Validated(server, vendor)
    Klaviyo(server).settings(polls_to_complete=2)


def test_every_answer_is_one_the_vendor_describes(klaviyo: Validated) -> None:
    listed = klaviyo.new_list("of the schema")
    people = [profile(email=email(), first_name="Ann", location={"city": "Oslo"}, properties={"tier": 1})]
    job = klaviyo.imported([*people, *(profile(email=email()) for _ in range(30)), profile(email="broken")], listed)
    errors = klaviyo.pages(f"{JOBS}/{job['id']}/import-errors")
    assert len(errors[0]) == 1
    for fields in ({}, {"fields[profile]": "email"}):
        for path in (f"{JOBS}/{job['id']}/profiles", "/profiles"):
            klaviyo.pages(path, **{**fields, "page[size]": 30})
    assert len(klaviyo.pages(f"/lists/{listed}/profiles", **{"page[size]": 20})) == 2
    assert len(klaviyo.pages(f"/lists/{listed}/relationships/profiles")) == 2
    klaviyo.pages("/lists")
    klaviyo.call("GET", f"/lists/{listed}")
    klaviyo.call("GET", f"/lists/{listed}", **{"additional-fields[list]": "profile_count"})
    [made] = klaviyo.pages("/profiles", filter=f'equals(email,"{people[0]["attributes"]["email"]}")')[0]
    for method in ("DELETE", "POST"):
        klaviyo.call(method, f"/lists/{listed}/relationships/profiles", [{"type": "profile", "id": made["id"]}])
    klaviyo.upsert(email=email())
    klaviyo.upsert(email=email().upper(), phone_number=None)
    klaviyo.call("POST", "/profiles", profile(email=email()))
    gone = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": people[0]}}}
    klaviyo.call("POST", "/data-privacy-deletion-jobs", gone)
    assert len(klaviyo.seen) == 15


def test_every_refusal_is_one_the_vendor_describes(klaviyo: Validated) -> None:
    codes = [
        klaviyo.call("GET", "/lists/none").status_code,
        klaviyo.call("GET", "/lists/none/profiles").status_code,
        klaviyo.call("GET", f"{JOBS}/none").status_code,
        klaviyo.call("GET", "/profiles", filter="nonsense").status_code,
        klaviyo.call("GET", "/profiles", **{"fields[profile]": "shoe_size"}).status_code,
        klaviyo.call("POST", JOBS, import_of([])).status_code,
        klaviyo.upsert(email="broken").status_code,
    ]
    assert codes == [404, 404, 404, 400, 400, 400, 400]


@pytest.mark.parametrize("wrong", [{"data": [], "links": {"self": "x", "nxt": "y"}}, {"data": [], "links": {}}])
def test_an_answer_the_vendor_does_not_describe_is_seen(klaviyo: Validated, wrong: Any) -> None:
    schema = closed(
        klaviyo.vendor["components"]["schemas"]["GetListListResponseCollectionCompoundDocument"], klaviyo.vendor
    )
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(wrong)


def test_a_job_state_the_vendor_does_not_know_is_seen(klaviyo: Validated) -> None:
    job = klaviyo.open_import([profile(email=email())]).json()
    job["data"]["attributes"]["status"] = "done"
    schema = closed(klaviyo.vendor["components"]["schemas"]["PostProfileImportJobResponse"], klaviyo.vendor)
    with pytest.raises(ValidationError, match="is not one of"):
        Draft202012Validator(schema).validate(job)
