"""Answers no vendor should give: each must fail the pull, never make a shorter table."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.days import Window
from segment_pipeline.errors import ConfigError, ContractError, TransientError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest, land, pull
from segment_pipeline.landing.raw import MANIFEST, Envelopes, Pulled, RawPages, pulls, trim
from segment_pipeline.settings import Settings
from segment_pipeline.sources.amplitude.connector import Amplitude
from segment_pipeline.sources.shopify.connector import Shopify
from segment_pipeline.sources.square.connector import Square

JUNE = Window(date(2017, 6, 1), date(2017, 6, 30))
Answer = Callable[[str, Mapping[str, Any]], Any]


@contextmanager
def vendor(answer: Answer) -> Iterator[str]:
    """A server that answers each request with what `answer(path, body)` gives: bytes as they are, anything else as JSON."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text.startswith(b"{") else {}
            given = answer(self.path, body)
            content = given if isinstance(given, bytes) else json.dumps(given).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def customer(number: int) -> dict[str, Any]:
    return {
        "id": f"C{number}",
        "created_at": "2016-01-01T00:00:00Z",
        "updated_at": "2017-06-05T12:00:00Z",
        "given_name": "Ada",
    }


def square(lake: Lake, settings: Settings, page: Any) -> int:
    def answer(path: str, body: Mapping[str, Any]) -> Any:
        return {} if path.startswith(("/v2/customers/groups", "/v2/locations")) else page

    with vendor(answer) as url:
        return ingest(lake, Square(base_url=url, access_token="t"), "customers", JUNE, settings, "run").received


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({"customers": [customer(1)], "cursor": "same"}, "same cursor twice"),
        (
            {"customers": [customer(1)], "errors": [{"code": "INTERNAL", "detail": "ada@quiet.shop"}]},
            "came with errors",
        ),
        ({"customers": {"0": customer(1)}}, "not a list"),
        ([customer(1)], "no whole JSON object"),
        (json.dumps({"customers": [customer(1)], "cursor": "c"}).encode()[:-9], "no whole JSON object"),
        (b"<html>Bad gateway</html>", "no whole JSON object"),
        ({"customers": [customer(1)], "count": 2}, "1 records arrived and the source says it has 2"),
    ],
)
def test_square_pages(lake: Lake, settings: Settings, page: Any, said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        square(lake, settings, page)
    assert "ada@quiet.shop" not in str(caught.value)
    assert lake.version("customers") is None


def test_an_empty_object_is_an_empty_listing(lake: Lake, settings: Settings) -> None:
    assert square(lake, settings, {}) == 0


SCOPES = {"data": {"currentAppInstallation": {"accessScopes": [{"handle": "read_customers"}]}}}


def shopify(lake: Lake, settings: Settings, page: Any, *, count: Any = None) -> int:
    counted = count or {"count": 1, "precision": "EXACT"}

    def answer(path: str, body: Mapping[str, Any]) -> Any:
        asked = str(body.get("query"))
        if "customersCount" in asked:
            return {"data": {"customersCount": counted}}
        return SCOPES if "accessScopes" in asked else page

    with vendor(answer) as url:
        return ingest(lake, Shopify(base_url=url, access_token="t"), "customers", JUNE, settings, "run").received


def nodes(*numbers: int, more: bool = False, cursor: str | None = None) -> dict[str, Any]:
    held = [
        {"legacyResourceId": str(n), "createdAt": "2016-01-01T00:00:00Z", "updatedAt": "2017-06-05T12:00:00Z"}
        for n in numbers
    ]
    return {"data": {"customers": {"pageInfo": {"hasNextPage": more, "endCursor": cursor}, "nodes": held}}}


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (nodes(1, more=True, cursor="same"), "same cursor twice"),
        (nodes(1, more=True), "no endCursor"),
        ({"data": {"customers": {"nodes": []}}}, "without pageInfo"),
        ({"data": {"customers": None}}, "without nodes"),
        ({"errors": [{"message": "ada@quiet.shop", "extensions": {"code": "undefinedField"}}]}, "undefinedField"),
        ({**nodes(1), "errors": [{"message": "half an answer"}]}, "answered with errors"),
        (nodes(), "0 records arrived and the source says it has 1"),
    ],
)
def test_shopify_pages(lake: Lake, settings: Settings, page: Any, said: str) -> None:
    with pytest.raises(ContractError, match=said) as caught:
        shopify(lake, settings, page)
    assert "ada@quiet.shop" not in str(caught.value)
    assert lake.version("customers") is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("THROTTLED", TransientError), ("INTERNAL_SERVER_ERROR", TransientError), ("ACCESS_DENIED", ConfigError)],
)
def test_shopify_codes_tell_what_to_do(lake: Lake, settings: Settings, code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        shopify(lake, settings, {"errors": [{"message": "no", "extensions": {"code": code}}]})


def test_a_window_with_more_than_a_listing_gives_is_halved(lake: Lake, settings: Settings) -> None:
    """The count stops at its limit until the window is a day."""
    asked: list[str] = []

    def answer(path: str, body: Mapping[str, Any]) -> Any:
        if "accessScopes" in str(body["query"]):
            return SCOPES
        search = body["variables"]["query"]
        if "customersCount" in str(body["query"]):
            first, last = (datetime.fromisoformat(part.split("'")[1]) for part in search.split(" "))
            short = last - first <= timedelta(days=20)
            return {
                "data": {
                    "customersCount": {"count": 0 if short else 20_000, "precision": "EXACT" if short else "AT_LEAST"}
                }
            }
        asked.append(search)
        return nodes()

    with vendor(answer) as url:
        source = Shopify(base_url=url, access_token="t", look_back=0)
        pulled = pull(source, "customers", JUNE, settings)
    assert len(asked) == 2
    assert pulled.said == 0


def test_an_unfinished_pull_does_not_count_and_old_ones_go(lake: Lake, settings: Settings) -> None:
    square(lake, settings, {"customers": [customer(1)]})
    (kept,) = pulls(settings.raw, "square", "customers")
    folder = kept.files["customers"][0].parent
    assert trim(settings.raw, datetime.now(UTC) - timedelta(days=30)) == 0
    (folder / MANIFEST).unlink()
    assert pulls(settings.raw, "square", "customers") == []
    with pytest.raises(ContractError, match="not a finished pull"):
        Pulled.load(folder)
    assert trim(settings.raw, datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"a": [1, 2}', b"\xff\xfe", b'["a"]'])
def test_an_envelope_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(ContractError):
        Envelopes().read(content, "a", ("cursor",))


def test_an_envelope_tells_its_fields_and_counts_its_records(tmp_path: Path) -> None:
    assert Envelopes().read(b'{"a":[{"x":1},null],"cursor":"c\\u00e9"}', "a", ("cursor", "errors")) == (
        {"cursor": "c\u00e9", "errors": None},
        2,
    )


def test_a_line_that_is_no_json_is_quarantined_and_its_neighbours_land(lake: Lake, settings: Settings) -> None:
    pages = RawPages(settings.raw, "amplitude", "events", JUNE, datetime(2017, 7, 1, 12, tzinfo=UTC))
    good = {
        "uuid": "u", "event_type": "visit", "event_time": "2017-06-05 12:00:00", "server_upload_time": "2017-06-05 12:00:00",
    }  # fmt: skip
    lines = [json.dumps({**good, "uuid": f"u{n}"}) for n in range(3)]
    with gzip.open(pages.path("events", ".json.gz"), "wt", encoding="utf-8") as file:
        file.write("\n".join([lines[0], lines[1][:-7], lines[2], ""]))
    pages.count("events", 3)
    report = land(lake, Amplitude(), "events", pages.finish(requests=1), settings, "run")
    assert (report.received, report.rows["events"], report.quarantined) == (3, 2, {"not an object": 1})
