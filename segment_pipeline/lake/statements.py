"""Named SQL: one file, one SELECT, beside the room that owns it. Loads and checks text; runs nothing."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from segment_pipeline.errors import ContractError
from segment_pipeline.lake import dialect


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT in DuckDB's dialect. `name` (`profiles/order_facts`) is what errors call it.

    `as_written`: a temporary table of it holds the right side of each join in memory, whatever the engine expects. For facts joined
    by keys of several columns: an engine that takes those for independent expects no rows, and holds the facts instead.
    """

    name: str
    text: str
    as_written: bool = False

    def bound(self, **values: dialect.Value) -> str:
        """The text with its `$parameters` as literals; raises ContractError when they do not match."""
        return dialect.bind(self.text, values, name=self.name)

    def joined_as_written(self) -> "Statement":
        return replace(self, as_written=True)


@cache
def statement(room: str, name: str) -> Statement:
    """The statement in `segment_pipeline/<room>/sql/<name>.sql`, checked against the allow-list of constructs."""
    folder = resources.files("segment_pipeline").joinpath(*room.split("/"), "sql")
    try:
        text = folder.joinpath(f"{name}.sql").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractError(f"there is no statement {room}/{name}") from None
    dialect.parse(text, name=f"{room}/{name}")
    return Statement(f"{room}/{name}", text)


def generated(name: str, text: str) -> Statement:
    """A statement made by code, under the same allow-list."""
    dialect.parse(text, name=name)
    return Statement(name, text)
