"""A rule, or a part of one, as JSON values: equal exactly where the same is said. Order inside all_of, any_of, none_of and lists of
names does not count, nor does a name a value goes by in Python.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from segment_pipeline.algebra.nodes import AllOf, AnyOf, MemberRule, NoneOf, TraitRule
from segment_pipeline.algebra.parts import NAMED, Activities, Rule, Term, Test
from segment_pipeline.errors import ConfigError


def canonical(node: object, referred: Mapping[str, str] | None = None) -> Any:  # noqa: C901 - one case per kind of node
    """A rule, or a part of one, as JSON values. `referred`: digests of the rules of segments it refers to, by their names."""
    match node:
        case MemberRule(segment):
            return {"MemberRule": {"segment": segment} if referred is None else {"rule": referred[segment]}}
        case AllOf(rules) | AnyOf(rules) | NoneOf(rules):
            texts = sorted({json.dumps(canonical(rule, referred), sort_keys=True) for rule in rules})
            return {type(node).__name__: [json.loads(text) for text in texts]}
        case TraitRule(trait, "in", values):
            return {"TraitRule": [trait, "in", sorted((canonical(value) for value in values), key=json.dumps)]}
        case Test(column, "in" | "any" | "all" | "none" as operator, values):
            held = {"column": column, "operator": operator, "values": sorted(map(canonical, values), key=json.dumps)}
            return {"Test": held}
        case Rule() | Activities() | Term():
            held = {}
            for field in fields(node):  # type: ignore[arg-type]
                value = getattr(node, field.name)
                if value != () and value is not None and value is not False:
                    held[field.name] = sorted(value) if field.name in NAMED else canonical(value)
            return {type(node).__name__: held}
        case tuple():
            return [canonical(item) for item in node]
        case bool() | str() | None:
            return node
        case int() | float() | Decimal():
            return {"number": format(Decimal(str(node)).normalize(), "f")}
        case date():
            return {"day": node.isoformat()}
    raise ConfigError(f"a rule cannot hold a {type(node).__name__}")
