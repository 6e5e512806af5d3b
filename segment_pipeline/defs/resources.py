"""Connectors as Dagster resources: shown on its pages, overridable there for one run, the connector itself during that run.

Each connector gets a `ConfigurableResource` generated from its own fields, so no connector is written twice and none needs
Dagster. Fields that are no plain values (a mapping, rules made of objects) stay as the catalogue says.
"""

import dataclasses
import os
import re
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import dagster as dg
from pydantic import ConfigDict, Field, create_model

from segment_pipeline.connector import ConnectorKind, Variable, fields_of, opened, source_of, value
from segment_pipeline.errors import ConfigError

PLAIN = (str, int, float, bool)


class ConnectorResource(dg.ConfigurableResource[Any]):
    """What every generated class is: its value during a run is `connector` with what the run's configuration says otherwise."""

    model_config = ConfigDict(hide_input_in_errors=True, protected_namespaces=())

    connector: ClassVar[Any]
    declared: ClassVar[dict[str, Any]]
    secrets: ClassVar[frozenset[str]]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Any]:  # noqa: ARG002  Dagster's signature
        """The connector, closed at the end of the run where it can be. What nobody overrides is read when it is used."""
        said = {name: getattr(self, name) for name in self.declared}
        # An empty secret says nothing: it is where nobody overrides what is read when it is used.
        changed = {
            n: given for n, given in said.items() if given != self.declared[n] and (given or n not in self.secrets)
        }
        with opened({"": dataclasses.replace(self.connector, **changed)}) as made:
            yield made[""]


def resource_key(kind: ConnectorKind, name: str) -> str:
    """What a run's configuration calls a connector: `source_till`. A source and a destination may share a name."""
    return f"{kind.value}_{name}"


def resource_keys(sources: Iterable[str], destinations: Iterable[str]) -> set[str]:
    """What an asset asks for that needs these connectors."""
    return {resource_key(ConnectorKind.SOURCE, name) for name in sources} | {
        resource_key(ConnectorKind.DESTINATION, name) for name in destinations
    }


def resources(sources: Mapping[str, Any], destinations: Mapping[str, Any]) -> dict[str, Any]:
    """Every connector that is switched on, by `resource_key`."""
    return {resource_key(ConnectorKind.SOURCE, name): resource(made) for name, made in sources.items()} | {
        resource_key(ConnectorKind.DESTINATION, name): resource(made) for name, made in destinations.items()
    }


def in_run(context: dg.AssetExecutionContext, kind: ConnectorKind, names: Iterable[str]) -> dict[str, Any]:
    """The connectors of a run by name: with secrets resolved, and what the run's configuration says otherwise."""
    return {name: getattr(context.resources, resource_key(kind, name)) for name in names}


def resource(connector: Any) -> Any:
    """A connector as a resource; one that is no dataclass, or does not describe itself, is the resource as it is.

    A secret is an `EnvVar` where its variable is set, so that Dagster shows the variable's name and never the value; where it is
    not, the field is empty and the connector's own error names the variable once it is used. A secret handed in is not shown.
    """
    if not dataclasses.is_dataclass(type(connector)) or not hasattr(connector, "about"):
        return connector
    variables, hints = fields_of(connector), get_type_hints(type(connector))
    plain = [each.name for each in dataclasses.fields(connector) if each.init and _is_plain(hints[each.name])]
    shown = {name: _shown(connector, name, variables.get(name)) for name in plain if name != "name"}
    if not shown:
        return connector
    fields: dict[str, Any] = {name: (hints[name], _field(shown[name], variables.get(name))) for name in shown}
    with warnings.catch_warnings():
        # A database has a `schema`, and so has pydantic's base class; nothing here calls that one.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute", category=UserWarning)
        made = create_model(
            type(connector).__name__,
            __base__=ConnectorResource,
            __doc__=connector.about.what,
            __module__=__name__,
            **fields,
        )
    made.connector, made.declared = connector, shown
    made.secrets = frozenset(name for name, variable in variables.items() if variable.secret)
    return made(**shown)


def kind_of(connector: Any) -> str:
    """What Dagster's icons and filters go by: the kind of system, whatever this one connector is called."""
    title = connector.about.title if hasattr(connector, "about") else connector.name
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def _field(default: Any, variable: Variable | None) -> Any:
    if variable is None:
        return Field(default=default)
    said = f"{variable.what} ({variable.name})"
    if not variable.secret:
        return Field(default=default, description=said)
    return Field(default="", repr=False, description=said, json_schema_extra={"dagster__is_secret": True})


def _shown(connector: Any, name: str, variable: Variable | None) -> Any:
    given = getattr(connector, name)
    if variable is None:
        return given
    if not variable.secret:
        try:
            return value(connector, name)
        except ConfigError:
            return ""
    source = source_of(connector, name)
    return dg.EnvVar(source) if source and os.environ.get(source) else ""


def _is_plain(hint: Any) -> bool:
    """Whether Dagster's configuration can hold it: a text, number or flag, one of a few literals, or none of these."""
    if get_origin(hint) in (Union, types.UnionType):
        return all(part is type(None) or part in PLAIN for part in get_args(hint))
    return hint in PLAIN or get_origin(hint) is Literal
