"""Named SQL: one file, one SELECT, beside the room that owns it. Loads and checks text; runs nothing."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

from segment_pipeline.errors import ContractError
from segment_pipeline.lake import dialect


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT in DuckDB's dialect. `name` (`profiles/order_facts`) is what errors call it."""

    name: str
    text: str

    def bound(self, **values: dialect.Value) -> str:
        """The text with its `$parameters` as literals; raises ContractError when they do not match."""
        return dialect.bind(self.text, values, name=self.name)


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
