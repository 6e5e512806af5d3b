"""What a vendor has published of its API, its objects closed: a key that is misspelt, a wrong type or an unknown word is seen.

A document is a file of the folder that SEGMENT_PIPELINE_VENDOR_SPECS names. Nothing a message quotes is a person's: it is made up.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from segment_pipeline_tests.sandbox.source_world import vendor_schema

Schema = dict[str, Any]
# Bodies beyond it hold rows like those that are checked, one after the other.
LARGEST = 200_000


class Published:
    """One document. `besides`: what a body may hold that the document lacks, by the name of the object's property it stands in."""

    def __init__(self, file: str, besides: Mapping[str, Schema] | None = None) -> None:
        path = vendor_schema(file)
        text = gzip.decompress(path.read_bytes()).decode() if file.endswith(".gz") else path.read_text()
        self.document: Schema = json.loads(text)
        self._besides = besides or {}
        self._checkers: dict[tuple[str, str], Draft202012Validator | None] = {}

    def wrong(self, recorded: Mapping[str, Any], path: str) -> Iterator[str]:
        """What of a recorded request, and of its answer where it was kept, the vendor does not describe; `path` as the vendor has it."""
        method = recorded["method"].lower()
        template, described = self._described(method, path)
        if described is None:
            yield f"{method} {path}: not an operation of the vendor's"
            return
        said = f"{method} {template}"
        taken = {each["name"] for each in self._parameters(template, described) if each["in"] == "query"}
        yield from (f"{said}: no parameter is called {name}" for name, _ in recorded["query"] if name not in taken)
        if recorded["body"]:
            yield from self._problems(said, "requestBody", described.get("requestBody", {}), recorded["body"])
        if (answer := recorded.get("answer")) is not None:
            # Of fields that were asked for one by one the others are left out.
            sparse = any(name.startswith("fields[") for name, _ in recorded["query"])
            code = str(answer["status"])
            responses = described["responses"]
            found = responses.get(code) or responses.get(f"{code[0]}XX") or responses.get("default")
            if found is None:
                yield f"{said}: {code} is no answer of the vendor's"
            elif answer["body"]:
                yield from self._problems(said, code, found, answer["body"], sparse=sparse)

    def _described(self, method: str, path: str) -> tuple[str, Schema | None]:
        steps = path.strip("/").split("/")
        for template, calls in self.document["paths"].items():
            if method in calls and _fits(template.partition("?")[0].strip("/").split("/"), steps):
                return template, calls[method]
        return path, None

    def _parameters(self, template: str, described: Schema) -> Iterator[Schema]:
        for each in [*self.document["paths"][template].get("parameters", []), *described.get("parameters", [])]:
            yield closed(each, self.document, {})

    def _problems(self, said: str, of: str, described: Schema, body: str, *, sparse: bool = False) -> Iterator[str]:
        if len(body) > LARGEST:
            return
        checker = self._checker(said, of, described)
        if checker is None:
            return
        try:
            content = json.loads(body)
        except ValueError:
            yield f"{said} ({of}): not JSON"
            return
        for each in checker.iter_errors(content):
            if not (sparse and each.validator == "required"):
                yield f"{said} ({of}) {each.json_path}: {each.message[:200]}"

    def _checker(self, said: str, of: str, described: Schema) -> Draft202012Validator | None:
        """None: the vendor describes a body that is no JSON, or none that it says anything of."""
        place = (said, of)
        if place not in self._checkers:
            held = closed(described, self.document, self._besides).get("content", {})
            shape = next((each.get("schema") for kind, each in held.items() if "json" in kind or kind == "*/*"), None)
            checker = Draft202012Validator(shape, format_checker=Draft202012Validator.FORMAT_CHECKER) if shape else None
            self._checkers[place] = checker
        return self._checkers[place]


_known: dict[str, Published] = {}


def published(file: str, besides: Mapping[str, Schema]) -> Published:
    """The document, read once per process."""
    known = f"{file} {json.dumps(besides, sort_keys=True)}"
    if known not in _known:
        _known[known] = Published(file, besides)
    return _known[known]


def closed(
    schema: Any, of: Schema, besides: Mapping[str, Schema], inside: Sequence[str] = (), *, condition: bool = False
) -> Any:
    """The schema with references and `allOf` written out, and every object with named properties closed.

    What refers to itself is open from its second turn on, and so is a `condition`: what is said of some properties of an object
    that is described elsewhere.
    """
    if isinstance(schema, list):
        return [closed(each, of, besides, inside, condition=condition) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        again = reference in inside
        return {} if again else closed(_at(reference, of), of, besides, (*inside, reference))
    if "allOf" in schema:
        whole: Schema = {name: each for name, each in schema.items() if name != "allOf"}
        for part in schema["allOf"]:
            whole = merged(whole, closed(part, of, besides, inside))
        schema = whole
    conditions = {"if", "then", "else", *(("anyOf", "oneOf") if "additionalProperties" in schema else ())}
    named = {
        name: closed(each, of, besides, inside, condition=name in conditions)
        for name, each in schema.items()
        if name != "properties"
    }
    if not isinstance(schema.get("properties"), dict):
        return named
    inner = {name: closed(each, of, besides, inside) for name, each in schema["properties"].items()}
    for name, more in besides.items():
        if isinstance(inner.get(name), dict):
            inner[name] = _with(inner[name], more)
    # A map beside the named properties, where the vendor says so, stays one.
    return {**({} if condition else {"additionalProperties": False}), **named, "properties": inner}


def _at(reference: str, of: Schema) -> Any:
    found: Any = of
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def _with(schema: Schema, more: Schema) -> Schema:
    """The object, or the objects of the list, with more properties."""
    if "items" in schema:
        return {**schema, "items": _with(schema["items"], more)}
    return {**schema, "properties": {**schema.get("properties", {}), **more}}


def merged(one: Schema, other: Schema) -> Schema:
    both = dict(one)
    for name, value in other.items():
        both[name] = (
            merged(both[name], value) if isinstance(both.get(name), dict) and isinstance(value, dict) else value
        )
    return both


def _fits(parts: Sequence[str], steps: Sequence[str]) -> bool:
    return len(parts) == len(steps) and all(
        re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(part)), step)
        for part, step in zip(parts, steps, strict=True)
    )
