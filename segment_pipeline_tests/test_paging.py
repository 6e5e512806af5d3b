"""Walking a listing page by page: cursors as each vendor writes them, and listings that would never end."""

from typing import Any

import pytest

from segment_pipeline import paging
from segment_pipeline.errors import ContractError


def test_a_listing_is_walked_to_its_end() -> None:
    listing = {None: (1, "a"), "a": (2, "b"), "b": (3, None)}
    walked = paging.pages(lambda cursor: listing[cursor], lambda page: page[1], what="things")
    assert [number for number, _ in walked] == [1, 2, 3]


def test_a_repeated_cursor_is_refused() -> None:
    listing = {None: "a", "a": "b", "b": "a"}
    with pytest.raises(ContractError, match="things gave the same cursor twice after 3 pages"):
        list(paging.pages(lambda cursor: listing[cursor], lambda page: page, what="things"))


def test_next_cursors_are_read_as_each_vendor_writes_them() -> None:
    assert paging.cursor_field()({"cursor": "c"}) == "c"
    assert paging.cursor_field()({}) is None
    assert paging.link_next({"links": {"next": "http://x/2"}}) == "http://x/2"
    assert paging.link_next({"links": {"next": None}}) is None
    assert paging.link_next({"links": {"self": "http://x/1"}}) is None
    assert paging.graphql_next({"pageInfo": {"hasNextPage": True, "endCursor": "c"}}) == "c"
    assert paging.graphql_next({"pageInfo": {"hasNextPage": False, "endCursor": "c"}}) is None


@pytest.mark.parametrize("page", [{}, {"links": {"next": 2}}, {"links": None}])
def test_a_page_without_links_is_refused(page: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        paging.link_next(page)


@pytest.mark.parametrize("connection", [{}, {"pageInfo": {}}, {"pageInfo": {"hasNextPage": True, "endCursor": None}}])
def test_a_connection_without_its_cursor_is_refused(connection: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        paging.graphql_next(connection)
