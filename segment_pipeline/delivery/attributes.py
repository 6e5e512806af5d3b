"""What goes along with a row, divided into the objects a vendor wants it in: SQL over the column `attributes`, a JSON object of
whatever a company maps, or NULL.

A NULL among its values is there to empty the tool's field. Holds no vendor's names.
"""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from segment_pipeline.delivery import bodies
from segment_pipeline.lake.dialect import literal

_EACH: Final = (
    "list_zip(json_keys(CAST(attributes AS JSON)), json_extract(CAST(attributes AS JSON), '$.*'))"  # in their order
)
# Of one attribute `e`, within the expressions handed in.
NAME, VALUE = "e[1]", "e[2]"
KNOWN: Final = f"json_type({VALUE}) <> 'NULL'"
# As a text, whatever it is; NULL stays NULL.
TEXT: Final = f"coalesce(to_json(json_extract_string({VALUE}, '$')), 'null')"


def carried(rows: pa.Table) -> list[str]:
    """The names of all attributes that rows carry, in order."""
    return [
        str(name)
        for (name,) in bodies.query("SELECT DISTINCT unnest(json_keys(attributes)) FROM rows ORDER BY 1", rows)
    ]


def named(names: Iterable[str]) -> str:
    """A condition: an attribute has one of these names."""
    return f"{NAME} IN ({', '.join(literal(name) for name in names)})"


def members(*, where: str = "TRUE", name: str = NAME, value: str = VALUE) -> str:
    """SQL: the members of a JSON object, without its brackets, of the attributes a condition holds for; '' for none."""
    member = f"CAST(to_json({name}) AS VARCHAR) || ':' || CAST({value} AS VARCHAR)"
    return _joined(where, member)


def listed(*, where: str = "TRUE", name: str = NAME) -> str:
    """SQL: the names of the attributes a condition holds for, as the members of a JSON list; '' for none."""
    return _joined(where, f"CAST(to_json({name}) AS VARCHAR)")


def wrapped(inner: str, before: str, after: str = "}") -> str:
    """SQL: a text within others; '' where it is ''."""
    return f"CASE WHEN {inner} = '' THEN '' ELSE {literal(before)} || {inner} || {literal(after)} END"


def _joined(where: str, each: str) -> str:
    kept = f"list_filter({_EACH}, LAMBDA e: {where})"
    return f"array_to_string(list_transform({kept}, LAMBDA e: {each}), ',')"
