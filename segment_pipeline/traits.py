"""What a trait is, as a literal: ours and a company's own. Declares only; `profiles.traits` computes.

`docs/own-traits.md` has an example, and says what a query may read.
"""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from segment_pipeline.literals import TEXT, expect, listed, or_none, written

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[["pd.DataFrame"], "pd.Series[Any]"]

CORE_NAME = "core"


class Quantity(Protocol):
    """A value of a person in the words segments are written in: `count(activities("order", within=days(90)))`."""

    @property
    def value(self) -> object: ...


@dataclass(frozen=True)
class Trait:
    """One fact about a person as of a day. `null`: what it means that it is not known; empty: it always is.

    A company's own trait has an `owner` (`team:name` or an e-mail address) and one of three: `quantity`, a value in the words of
    segments; `query`, an expression over the view
    `profiles` or a SELECT of profile_id and the value over the documented views, in which `$as_of` is the day; `function`,
    which takes the day's profiles with their core traits as a DataFrame indexed by profile_id and gives one Series indexed alike.
    """

    name: str
    type: str
    definition: str
    null: str = ""
    owner: str = ""
    query: str | None = None
    function: Function | None = None
    quantity: object = None
    file: str = field(init=False, repr=False, compare=False, default="")
    line: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        file, _, line = written().rpartition(":")
        object.__setattr__(self, "file", file)
        object.__setattr__(self, "line", int(line))
        expect(
            self.place,
            f"trait {self.name}",
            name=(self.name, TEXT),
            type=(self.type, TEXT),
            definition=(self.definition, TEXT),
            null=(self.null, TEXT),
            owner=(self.owner, TEXT),
            query=(self.query, or_none(TEXT)),
        )

    @classmethod
    def of(
        cls,
        name: str,
        type: str,  # noqa: A002
        definition: str,
        *,
        quantity: Quantity,
        owner: str,
        null: str = "",
    ) -> "Trait":
        """A trait that is a quantity: counted, summed or picked among activities, or reckoned from core traits."""
        return cls(name, type, definition, null=null, owner=owner, quantity=getattr(quantity, "value", quantity))

    @classmethod
    def sql(cls, name: str, type: str, definition: str, *, query: str, null: str, owner: str) -> "Trait":  # noqa: A002
        """A trait that an expression or a query says."""
        return cls(name, type, definition, null=null, owner=owner, query=query)

    @classmethod
    def pandas(
        cls,
        name: str,
        type: str,  # noqa: A002
        definition: str,
        *,
        function: Function,
        null: str,
        owner: str,
    ) -> "Trait":
        """A trait that a function of the day's profiles says."""
        return cls(name, type, definition, null=null, owner=owner, function=function)

    @property
    def place(self) -> str:
        """File and line of the literal."""
        return f"{self.file}:{self.line}"

    @property
    def description(self) -> str:
        return f"{self.definition}; NULL: {self.null}" if self.null else self.definition

    @property
    def digest(self) -> str:
        """Changes with the type, the quantity, and the text of the query or function; not with what a function calls."""
        if self.quantity is not None:
            says: str | None = repr(self.quantity)
        else:
            says = self.query if self.function is None else _source(self.function)
        return hashlib.sha256(f"{self.name}\n{self.type}\n{says}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class TraitSet:
    """Traits that are computed together and have one table, of one row per person and as_of: `traits`, or `traits_<name>`."""

    name: str
    traits: Sequence[Trait]
    place: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", written())
        expect(
            self.place,
            f"trait set {self.name}",
            name=(self.name, TEXT),
            traits=(self.traits, listed(Trait, "traits")),
        )

    @property
    def is_core(self) -> bool:
        return self.name == CORE_NAME

    @property
    def table(self) -> str:
        """The name of its table in the lake."""
        return "traits" if self.is_core else f"traits_{self.name}"

    @property
    def types(self) -> dict[str, str]:
        """The lake's types, by trait."""
        return {trait.name: trait.type for trait in self.traits}

    @property
    def digest(self) -> str:
        """Changes with every trait that is added, dropped or changed."""
        return hashlib.sha256("\n".join(sorted(t.digest for t in self.traits)).encode()).hexdigest()[:32]


def _source(function: Function) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        # Typed into a shell: its file says nothing, its code does.
        code = getattr(function, "__code__", None)
        return repr(function) if code is None else code.co_code.hex()


def place_of(function: Function) -> str:
    """File and line a function is defined at, as far as Python knows."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename)}:{code.co_firstlineno}" if code else repr(type(function).__name__)
