"""Walks listings to their end: one walker, and one small reader of "what comes next" per way vendors say it.

A listing that cannot be finished raises; it never ends early without a word.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from segment_pipeline.errors import ContractError

PageT = TypeVar("PageT")


def pages(
    fetch: Callable[[str | None], PageT], next_cursor: Callable[[PageT], str | None], *, what: str
) -> Iterator[PageT]:
    """Every page in order: `fetch(None)` first, then `fetch(cursor)` until `next_cursor(page)` is None.

    A cursor seen before raises ContractError: following it would loop for ever or skip the rest without a word.
    """
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = fetch(cursor)
        yield page
        cursor = next_cursor(page)
        if cursor is None:
            return
        if cursor in seen:
            raise ContractError(
                f"{what} gave the same cursor twice after {len(seen) + 1} pages: the listing is not complete"
            )
        seen.add(cursor)


def walk(fetch: Callable[[str | None], PageT], next_cursor: Callable[[PageT], str | None], *, what: str) -> None:
    """`pages`, where `fetch` has done with each of them what there is to do."""
    for _ in pages(fetch, next_cursor, what=what):
        pass


def cursor_field(name: str = "cursor") -> Callable[[Mapping[str, Any]], str | None]:
    """The next cursor is a field of the body; absent or empty means the last page."""
    return lambda body: body.get(name) or None


def link_next(body: Mapping[str, Any]) -> str | None:
    """The next page is the URL `links.next`, null or absent on the last page (JSON:API). A body without `links` is no page."""
    links = body.get("links")
    if not isinstance(links, Mapping):
        raise ContractError("a page has no links: the rest of the listing cannot be found")
    following = links.get("next")
    if following is not None and not isinstance(following, str):
        raise ContractError("a page's links.next is no address: the rest of the listing cannot be found")
    return following or None


def graphql_next(connection: Mapping[str, Any]) -> str | None:
    """`pageInfo` of a GraphQL connection: endCursor while hasNextPage; a promise without a cursor is refused."""
    info = connection.get("pageInfo")
    if not isinstance(info, Mapping) or not isinstance(info.get("hasNextPage"), bool):
        raise ContractError("a GraphQL connection came without pageInfo: ask for hasNextPage and endCursor")
    if not info["hasNextPage"]:
        return None
    if not info.get("endCursor"):
        raise ContractError("a GraphQL connection says there is more but gives no endCursor")
    return str(info["endCursor"])
