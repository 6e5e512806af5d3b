"""What has changed of the people a vendor knows, in the order of time; and what a test says in their place, past the vendor's API.

`POST /people` of a vendor's control plane: somebody by their identifiers, with whatever the vendor holds of them, when that was
`updated` (default: now), from when on it is `seen`, and as `odd` what is shown in place of the truth. Knows no vendor.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import json_body
from segment_pipeline.sandbox.lists import PERSON, Lists, Person
from segment_pipeline.sandbox.state import parse_instant

PLACE = "p.updated_at || printf(' %012d', p.number)"


class Changed(NamedTuple):
    """Somebody, and their place in the order of time."""

    place: str
    person: Person


def changed(lists: Lists, bounds: Iterable[tuple[str, str, str]], after: str = "", limit: int = -1) -> list[Changed]:
    """Who was `created` or `updated` within bounds ((one of both, `>` or `<`, instant) each), behind a place."""
    held = list(bounds)
    where = " AND ".join(["1", *(f"p.{name}_at {sign} ?" for name, sign, _ in held)])
    seen = "coalesce(json_extract(p.held, '$.seen'), '') <= ?"
    query = f"SELECT {PERSON}, {PLACE} FROM people p WHERE {PLACE} > ? AND {where} AND {seen} ORDER BY {PLACE} LIMIT ?"
    instants = (instant for *_, instant in held)
    rows = lists.store.rows(query, after, *instants, lists.store.now, limit)
    return [Changed(row[5], Person.of(row)) for row in rows]


def people(lists: Lists, identify: Callable[[Mapping[str, Any]], str] | None = None) -> Route:
    """`identify`: the id of somebody with these fields; None: any that nobody has had."""

    def told(request: Request) -> Response:
        given = json_body(request)
        updated = parse_instant(given.pop("updated", lists.store.now)).isoformat()
        with lists.store.writing():
            book = Book(lists, [given])
            person = book.upsert(given, book.find(given))
            person.id = identify(given) if identify else person.id
            person.updated_at = updated
            book.save()
        return JSONResponse({"id": person.id})

    return Route("/people", told, methods=["POST"])
