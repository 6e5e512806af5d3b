"""What every connector says of itself, once: its kind and title, the secrets it reads, and where its system is.

A connector is a plain frozen dataclass, made without Dagster, without secrets and without a network:

    @dataclass(frozen=True, kw_only=True)
    class Till:
        about: ClassVar[About] = About(ConnectorKind.SOURCE, "Till", "customers, orders with returns, articles")
        name: str = "till"
        access_token: str = secret("TILL_ACCESS_TOKEN", "access token of the shop")
        base_url: str = address("TILL_BASE_URL", "https://api.till.example")

Fields left empty are read from the environment when they are used, so no secret is part of any configuration. A second one of
a kind says where its own are: `Till(name="till_ca", access_token=Env("TILL_CA_ACCESS_TOKEN"))`. Everything that lists,
checks or documents connectors reads `About` and `fields_of`; nothing outside a vendor's own files names a vendor.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from segment_pipeline.errors import ConfigError

T = TypeVar("T")


class ConnectorKind(StrEnum):
    SOURCE = "source"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class About:
    """A kind of system, in the words of the reference. `untested`: what no test of ours has run against; empty: nothing.

    `oracle`: what its tests hold it to that is not ours: the vendor's SDK, as `name version`, or what the vendor published.
    """

    kind: ConnectorKind
    title: str
    what: str
    untested: str = ""
    oracle: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that a field left empty is read from. `default` None: there is none; `secret`: never shown."""

    name: str
    what: str
    default: str | None = None
    secret: bool = False
    optional: bool = False


class Env(str):
    """Stands for what the environment variable of this name holds when it is used. Dagster's `EnvVar` does as well."""

    __slots__ = ()

    @property
    def env_var_name(self) -> str:
        return str(self)


@runtime_checkable
class Described(Protocol):
    """What sources and destinations have in common."""

    about: ClassVar[About]

    @property
    def name(self) -> str:
        """Name of this one connector in its company: `source` of its rows, part of its asset keys."""

    def secrets_present(self) -> None:
        """Offline: raises ConfigError naming the first variable that is missing."""

    def check(self) -> str | None:
        """Online: credentials, scopes, terms and clock are right; raises ConfigError with the way out, or TransientError.

        What it returns is a sentence to be shown all the same; None: there is nothing to add.
        """


def secret(variable: str, what: str, *, optional: bool = False) -> Any:
    """A dataclass field for a secret: empty unless handed in, and then read from its variable when it is used."""
    held = Variable(variable, what, secret=True, optional=optional)
    return field(default="", repr=False, metadata={"variable": held})


def address(variable: str, default: str, what: str = "address of the system", *, optional: bool = False) -> Any:
    """A dataclass field for an address that its variable can move: how tests and the demo point at the sandbox."""
    return field(default="", metadata={"variable": Variable(variable, what, default=default, optional=optional)})


def fields_of(connector: type[Any] | Any) -> dict[str, Variable]:
    """The fields of a connector, or of its class, that are read from the environment, in order of declaration."""
    return {each.name: each.metadata["variable"] for each in fields(connector) if "variable" in each.metadata}


def source_of(connector: Any, name: str) -> str | None:
    """The environment variable a field is read from; None where its value was handed in."""
    given = getattr(connector, name)
    if named := getattr(given, "env_var_name", None):
        return str(named)
    return None if given else fields_of(connector)[name].name


def value(connector: Any, name: str) -> str:
    """A field's value: as handed in, or from its variable, or its default; "" for an optional one that is nowhere.

    Raises ConfigError naming the variable, the connector, and how to do without it.
    """
    variable: Variable = fields_of(connector)[name]
    source = source_of(connector, name)
    found = getattr(connector, name) if source is None else os.environ.get(source, "") or variable.default or ""
    if not found and not variable.optional:
        kind = connector.about.kind
        raise ConfigError(
            f"{source} is not set and the {kind} {connector.name} needs it: set it, or switch the {kind} off by"
            f" leaving {connector.name} out of SEGMENT_PIPELINE_{kind.upper()}S"
        )
    return str(found)


def require(connector: Any, *names: str) -> None:
    """Raises ConfigError unless each of these fields has a value; without names: every secret that is not optional."""
    needed = names or [name for name, held in fields_of(connector).items() if held.secret and not held.optional]
    for name in needed:
        value(connector, name)


def misset(connector: Any) -> Iterator[str]:
    """What is wrong with settings by themselves, a sentence each: a word that is none of its field's, a number below the least its field
    takes, anything of another type.
    """
    hints = get_type_hints(type(connector))
    for each in filter(lambda each: each.init, fields(connector)):
        given, hint = getattr(connector, each.name), hints[each.name]
        if get_origin(hint) is Literal:
            if given not in get_args(hint):
                said = f"set one of {', '.join(map(str, get_args(hint)))}"
                yield f"{connector.name} has the {each.name} {given!r}: {said}"
        elif hint in (str, int, bool) and "variable" not in each.metadata:
            if not isinstance(given, hint) or (isinstance(given, bool) and hint is not bool):
                yield f"{connector.name} has the {each.name} {given!r}, which is no {_PLAIN[hint]}"
            elif hint is int and isinstance(each.default, int) and given < (least := _least(each)) <= each.default:
                yield f"{connector.name} has the {each.name} {given}: set {least} or more"


def _least(each: Field[Any]) -> int:
    """What a whole number may not be below: 1, unless its field says `metadata={"least": 0}`, where that has a meaning."""
    return int(each.metadata.get("least", 1))


_PLAIN: Final[Mapping[type[Any], str]] = {str: "text", int: "whole number", bool: "True or False"}


@contextmanager
def opened(connectors: Mapping[str, T]) -> Iterator[dict[str, T]]:
    """Connectors for as long as they are used; those that can be closed are closed at the end."""
    with ExitStack() as stack:
        for connector in connectors.values():
            if close := getattr(connector, "close", None):
                stack.callback(close)
        yield dict(connectors)
