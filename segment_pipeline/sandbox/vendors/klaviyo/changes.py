"""What has changed of Klaviyo's profiles, in the order of time; and what a test says in people's place, past the API.

`POST /_control/klaviyo/people`: a profile by its identifiers, its `subscriptions` as they are shown
(`{"email": {"consent": "UNSUBSCRIBED", "consent_timestamp": …, "suppression": […]}, "sms": {…}}`), when it was `updated` (default:
now), from when on that is `seen`, and as `odd` what is shown in place of the truth.
"""

import sqlite3
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from segment_pipeline.sandbox.book import Book
from segment_pipeline.sandbox.exchange import Answer, json_body
from segment_pipeline.sandbox.listing import unseal
from segment_pipeline.sandbox.lists import PERSON, Lists, Person
from segment_pipeline.sandbox.state import parse_instant
from segment_pipeline.sandbox.store import VendorStore
from segment_pipeline.sandbox.vendors.klaviyo.jsonapi import Document, collection, invalid

PLACE = "p.updated_at || printf(' %012d', p.number)"


def changed(
    store: VendorStore,
    request: Request,
    bounds: Sequence[tuple[str, str, str]],
    show: Callable[[Person, Request], Document],
) -> Answer:
    """Profiles created or updated within bounds: (field, sign, instant) of each."""
    if request.query_params.get("sort") != "updated":
        raise invalid("The sandbox lists what has changed by 'updated' alone.", "sort")
    where = " AND ".join(f"p.{field}_at {sign} ?" for field, sign, _ in bounds)
    seen = "coalesce(json_extract(p.held, '$.seen'), '') <= ?"
    query = f"SELECT {PERSON}, {PLACE} FROM people p WHERE {PLACE} > ? AND {where} AND {seen} ORDER BY {PLACE} LIMIT ?"

    def find(after: str, limit: int) -> Sequence[sqlite3.Row]:
        return store.rows(query, after, *(instant for *_, instant in bounds), store.now, limit)

    def shown(row: sqlite3.Row) -> tuple[str, Document]:
        return row[5], show(Person.of(row), request)

    return collection(request, find, shown, at=lambda cursor: str(unseal(cursor)[0]) if cursor else "")


def told(lists: Lists, request: Request) -> Response:
    given = json_body(request)
    updated = parse_instant(given.pop("updated", lists.store.now)).isoformat()
    with lists.store.writing():
        book = Book(lists, [given])
        person = book.upsert(given, book.find(given))
        person.updated_at = updated
        book.save()
    return JSONResponse({"id": person.id})
