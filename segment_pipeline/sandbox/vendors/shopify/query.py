"""GraphQL for the sandbox's shop: validation against the schema, cost, and projection of stored JSON along a selection.

A query text is parsed and validated once. A selection set becomes a function from a stored object to the answer's object,
so that thousands of orders are copied field by field without an executor in between. Knows no HTTP and no search syntax.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, Protocol

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
    validate,
)
from graphql.execution.values import get_argument_values, get_directive_values, get_variable_values

from segment_pipeline.sandbox.listing import seal, unseal

LARGEST_PAGE = 250
# Bodies do not say what a discount of a line is applied to.
CONSTANTS: Mapping[tuple[str, str], object] = {
    (name, "targetType"): "LINE_ITEM"
    for name in ("AutomaticDiscountApplication", "DiscountCodeApplication", "ManualDiscountApplication")
}

Json = dict[str, Any]
Project = Callable[[Json], Json | None]


class QueryError(Exception):
    """The errors of a refused query, as they stand in the answer's `errors`."""

    def __init__(self, *errors: Json) -> None:
        super().__init__(errors[0]["message"])
        self.errors = list(errors)


def refused(message: str, code: str, **extensions: object) -> QueryError:
    return QueryError({"message": message, "extensions": {"code": code, **extensions}})


class Page(NamedTuple):
    """One page of a connection. `cursors[i]` belongs to `nodes[i]`."""

    nodes: Sequence[Json]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


class Prepared(NamedTuple):
    """A valid document: its one operation and its fragments."""

    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]


class Shop(Protocol):
    """Where the objects are."""

    def page(self, name: str, arguments: Json) -> Page: ...
    def count(self, name: str, arguments: Json) -> Json: ...
    def node(self, type_name: str, gid: str) -> Json | None: ...


class Step(NamedTuple):
    """One field of an answer's object: where it goes, what it is called, whether NULL is an error, how to get it."""

    key: str
    name: str
    required: bool
    get: Callable[[Json], Any] | None


class Compiled(NamedTuple):
    """A selection ready to run. `cost` is the requested cost of one object."""

    project: Project
    cost: int


@cache
def schema() -> GraphQLSchema:
    """The part of the Admin API's schema that the sandbox's shop has."""
    return build_schema(files("segment_pipeline.sandbox.vendors.shopify").joinpath("schema.graphql").read_text("utf-8"))


@lru_cache(maxsize=256)
def prepare(text: str, operation_name: str | None) -> Prepared:
    """Parse and validate. Raises QueryError."""
    try:
        document = parse(text)
    except GraphQLError as error:
        raise QueryError(_formatted(error)) from None
    if found := validate(schema(), document):
        raise QueryError(*(_formatted(error) for error in found))
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    chosen = [node for node in operations if operation_name in (None, node.name and node.name.value)]
    if len(chosen) != 1:
        raise QueryError({"message": "An operation name is required"})
    if chosen[0].operation is not OperationType.QUERY:
        raise QueryError({"message": f"Schema is not configured for {chosen[0].operation.value}s"})
    return Prepared(chosen[0], {n.name.value: n for n in document.definitions if isinstance(n, FragmentDefinitionNode)})


def scale(size: int) -> int:
    """How many times a connection's page counts the cost of one node.

    Shopify says only that connections are "sized by first and last arguments". The one published figure under the present
    rules (250 variants, each with one object: 24 points) and the advice on page sizes fit 2 ln(size), rounded up. Unverified.
    """
    return max(1, math.ceil(2 * math.log(size))) if size > 0 else 0


class Compiler:
    """Turns one operation with its variables into a function that answers it."""

    def __init__(self, prepared: Prepared, variables: Json, shop: Shop) -> None:
        self.prepared = prepared
        self.shop = shop
        values = get_variable_values(schema(), prepared.operation.variable_definitions or (), variables)
        if isinstance(values, list):
            raise QueryError(*(_formatted(error) for error in values))
        self.variables = values
        self.actual_cost = 0

    def compile(self) -> tuple[Callable[[], Json], int]:
        """The function that answers, and the requested cost."""
        root = schema().query_type
        assert root is not None
        steps: list[tuple[str, Callable[[], Any]]] = []
        cost = 0
        for key, nodes in self._fields(root, [self.prepared.operation.selection_set]).items():
            run, requested = self._root_field(root, nodes)
            steps.append((key, run))
            cost += requested
        return lambda: {key: run() for key, run in steps}, cost

    def _root_field(self, root: GraphQLObjectType, nodes: list[FieldNode]) -> tuple[Callable[[], Any], int]:
        name = nodes[0].name.value
        if name == "__typename":
            return lambda: root.name, 0
        if name.startswith("__"):
            raise refused("The sandbox does not answer introspection: read its schema file", "undefinedField")
        field = root.fields[name]
        arguments = get_argument_values(field, nodes[0], self.variables)
        target = get_named_type(field.type)
        if target.name.endswith("Connection"):
            size = _page_size(name, arguments)
            connection, node_cost = self._connection(target, nodes)

            def paged() -> Json:
                page = self.shop.page(name, arguments)
                self.actual_cost += scale(len(page.nodes)) * node_cost
                return connection(page)

            return paged, scale(size) * node_cost
        compiled = self._object(target, nodes)

        def single() -> Json | None:
            self.actual_cost += compiled.cost
            if name.endswith("Count"):
                return compiled.project(self.shop.count(name.removesuffix("Count"), arguments))
            found = self.shop.node(target.name, str(arguments.get("id", "")))
            return None if found is None else compiled.project(found)

        return single, compiled.cost

    def _object(self, target: GraphQLNamedType, nodes: list[FieldNode]) -> Compiled:
        if isinstance(target, GraphQLInterfaceType):
            kinds = {kind.name: self._object(kind, nodes) for kind in schema().get_possible_types(target)}
            projects = {name: compiled.project for name, compiled in kinds.items()}
            return Compiled(lambda o: projects[o["__typename"]](o), max(each.cost for each in kinds.values()))
        assert isinstance(target, GraphQLObjectType)
        selections = [node.selection_set for node in nodes if node.selection_set]
        steps: list[Step] = []
        cost = 1
        for key, found in self._fields(target, selections).items():
            step, requested = self._field(target, key, found)
            steps.append(step)
            cost += requested
        return Compiled(self._projection(target.name, steps), cost)

    def _projection(self, type_name: str, steps: Sequence[Step]) -> Project:
        def project(found: Json) -> Json:
            answer: Json = {}
            for key, name, required, get in steps:
                value = found.get(name) if get is None else get(found)
                if value is None and required:
                    value = CONSTANTS.get((type_name, name))
                    if value is None:
                        raise refused(f"The sandbox's world holds no {type_name}.{name}", "INTERNAL_SERVER_ERROR")
                answer[key] = value
            return answer

        if type_name not in ("Customer", "Product", "ProductVariant"):
            return project
        wanted = {step.name for step in steps if step.name != "__typename"}

        def followed(found: Json) -> Json | None:
            if wanted <= found.keys():
                return project(found)
            whole = self.shop.node(type_name, found["id"])
            return None if whole is None else project(whole)

        return followed

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> tuple[Step, int]:
        name = nodes[0].name.value
        if name == "__typename":
            return Step(key, name, True, lambda _: parent.name), 0
        field = parent.fields[name]
        required = is_non_null_type(field.type)
        target = get_named_type(field.type)
        if is_leaf_type(target):
            return Step(key, name, required, None), 0
        arguments = get_argument_values(field, nodes[0], self.variables)
        if target.name.endswith("Connection"):
            size = _page_size(name, arguments)
            connection, node_cost = self._connection(target, nodes)
            return (
                Step(key, name, required, lambda o: connection(_slice(_kept(o.get(name), arguments), arguments))),
                scale(size) * node_cost,
            )
        compiled = self._object(target, nodes)
        return Step(key, name, required, _getter(name, field, arguments, compiled.project)), compiled.cost

    def _connection(self, target: GraphQLNamedType, nodes: list[FieldNode]) -> tuple[Callable[[Page], Json], int]:
        assert isinstance(target, GraphQLObjectType)
        parts: list[tuple[str, Callable[[Page], Any]]] = []
        cost = 0
        for key, found in self._fields(target, [node.selection_set for node in nodes if node.selection_set]).items():
            part, node_cost = self._connection_part(target, found)
            parts.append((key, part))
            cost = max(cost, node_cost)
        return lambda page: {key: part(page) for key, part in parts}, cost

    def _connection_part(self, target: GraphQLObjectType, nodes: list[FieldNode]) -> tuple[Callable[[Page], Any], int]:
        name = nodes[0].name.value
        if name == "nodes":
            compiled = self._object(get_named_type(target.fields["nodes"].type), nodes)
            project = compiled.project
            return lambda page: [project(node) for node in page.nodes], compiled.cost
        if name == "edges":
            edge = get_named_type(target.fields["edges"].type)
            compiled = self._object(edge, nodes)
            project = compiled.project
            return (
                lambda page: [
                    project({"node": node, "cursor": cursor})
                    for node, cursor in zip(page.nodes, page.cursors, strict=True)
                ],
                compiled.cost - 1,
            )
        if name == "pageInfo":
            project = self._object(get_named_type(target.fields["pageInfo"].type), nodes).project
            return lambda page: project(_page_info(page)), 0
        return lambda _: target.name, 0

    def _fields(self, target: GraphQLObjectType, selections: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Fields by response key, fragments opened, those that @skip and @include leave out left out."""
        found: dict[str, list[FieldNode]] = {}
        for selection in selections:
            for node in selection.selections:
                if not self._included(node):
                    continue
                if isinstance(node, FieldNode):
                    found.setdefault((node.alias or node.name).value, []).append(node)
                    continue
                inner: InlineFragmentNode | FragmentDefinitionNode
                if isinstance(node, FragmentSpreadNode):
                    inner = self.prepared.fragments[node.name.value]
                else:
                    assert isinstance(node, InlineFragmentNode)
                    inner = node
                if _applies(inner, target):
                    for key, nodes in self._fields(target, [inner.selection_set]).items():
                        found.setdefault(key, []).extend(nodes)
        return found

    def _included(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))


def _applies(fragment: InlineFragmentNode | FragmentDefinitionNode, target: GraphQLObjectType) -> bool:
    if fragment.type_condition is None:
        return True
    name = fragment.type_condition.name.value
    return name == target.name or name in {interface.name for interface in target.interfaces}


def _getter(name: str, field: GraphQLField, arguments: Json, project: Project) -> Callable[[Json], Any]:
    outer = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    if is_list_type(outer):
        size = arguments.get("first")
        return lambda o: [project(each) for each in (o.get(name) or [])[:size]]
    if name == "metafield":
        namespace, wanted = arguments.get("namespace"), arguments["key"]

        def metafield(found: Json) -> Json | None:
            for each in found.get("metafields") or []:
                if each["key"] == wanted and namespace in (None, each["namespace"]):
                    return project(each)
            return None

        return metafield
    if "withCodeDiscounts" in field.args and not arguments["withCodeDiscounts"]:
        return lambda o: project(_before_codes(o[name], o.get("discountAllocations") or [])) if name in o else None
    return lambda o: None if (value := o.get(name)) is None else project(value)


def _before_codes(total: Json, allocations: Sequence[Json]) -> Json:
    """A line's total without its code discounts: stored totals have all discounts off, Shopify's default has not."""
    amounts = {currency: Decimal(money["amount"]) for currency, money in total.items()}
    for allocation in allocations:
        if allocation["discountApplication"]["__typename"] == "DiscountCodeApplication":
            for currency, money in allocation["allocatedAmountSet"].items():
                amounts[currency] += Decimal(money["amount"])
    return {currency: {**money, "amount": str(amounts[currency])} for currency, money in total.items()}


def _kept(values: list[Json] | None, arguments: Json) -> list[Json]:
    found = values or []
    if namespace := arguments.get("namespace"):
        found = [each for each in found if each["namespace"] == namespace]
    if (keys := arguments.get("keys")) is not None:
        found = [each for each in found if each["key"] in keys or f"{each['namespace']}.{each['key']}" in keys]
    return found[::-1] if arguments.get("reverse") else found


def _slice(values: list[Json], arguments: Json) -> Page:
    start = 0
    if after := arguments.get("after"):
        try:
            (position,) = unseal(after)
        except ValueError:
            raise refused("Invalid cursor for current pagination sort.", "INVALID_CURSOR") from None
        start = int(str(position)) + 1
    nodes = values[start : start + arguments["first"]]
    cursors = [seal(start + offset) for offset in range(len(nodes))]
    return Page(nodes, cursors, start + len(nodes) < len(values), start > 0)


def _page_size(name: str, arguments: Json) -> int:
    if arguments.get("last") is not None or arguments.get("before") is not None:
        raise refused(f"The sandbox pages {name} forwards only", "BAD_REQUEST")
    size = arguments.get("first")
    if size is None:
        raise refused("you must provide one of first or last", "BAD_REQUEST")
    if not 0 <= size <= LARGEST_PAGE:
        raise refused(f"first must be between 0 and {LARGEST_PAGE}", "BAD_REQUEST")
    return int(size)


def _page_info(page: Page) -> Json:
    return {
        "hasNextPage": page.has_next,
        "hasPreviousPage": page.has_previous,
        "startCursor": page.cursors[0] if page.cursors else None,
        "endCursor": page.cursors[-1] if page.cursors else None,
    }


def _formatted(error: GraphQLError) -> Json:
    locations = [{"line": each.line, "column": each.column} for each in error.locations or ()]
    return {"message": error.message, "locations": locations, "extensions": {"code": "argumentOrFieldRefused"}}
