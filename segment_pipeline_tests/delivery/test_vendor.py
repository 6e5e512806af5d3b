"""The parts a destination across a network is made of, over loopback."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from segment_pipeline import clock
from segment_pipeline.connector import About, ConnectorKind, Env, address, secret
from segment_pipeline.delivery.destination import AudienceGone
from segment_pipeline.delivery.vendor import (
    Vendor,
    at,
    email_as_sent,
    failures,
    found_or_made,
    records,
    told,
    variable,
)
from segment_pipeline.errors import ConfigError, ContractError, RejectedRecords, TransientError
from segment_pipeline.http import Response
from segment_pipeline_tests.scripted_server import ScriptedServer, answer


@dataclass(frozen=True, kw_only=True)
class Postbox:
    about: ClassVar[About] = About(ConnectorKind.DESTINATION, "Postbox", "lists")
    name: str = "postbox"
    key: str = secret("POSTBOX_KEY", "key of the account")
    base_url: str = address("POSTBOX_BASE_URL", "https://postbox.example")
    attempts: int = 1
    vendor: Vendor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rates = {"writes": ((1, 60.0),), "reads": ((100, 1.0),)}
        vendor = Vendor(self, key="key", scheme="Postbox", refusal=lambda response: None, rates=rates)
        object.__setattr__(self, "vendor", vendor)

    def secrets_present(self) -> None: ...

    def check(self) -> None: ...


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    running.play(answer(200))
    yield running
    running.stop()


@pytest.fixture
def vendor(server: ScriptedServer) -> Iterator[Vendor]:
    made = Postbox(base_url=server.url, key="k3y").vendor
    yield made
    made.close()


def test_a_purpose_has_one_client_and_is_paced_apart(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(clock, "sleep", waits.append)
    assert vendor.client("writes") is vendor.client("writes")
    for purpose in ("writes", "reads", "reads", "any", "any"):
        vendor.client(purpose).request("GET", "/things")
    assert waits == []
    vendor.client("writes").request("GET", "/things")
    assert 55 < waits[0] <= 61


def test_all_purposes_share_one_connection(vendor: Vendor, server: ScriptedServer) -> None:
    ports = set()

    def step(handler: object) -> None:
        ports.add(handler.client_address[1])  # type: ignore[attr-defined]
        answer(200)(handler)  # type: ignore[arg-type]

    server.play(step)
    for purpose in ("writes", "reads", "any"):
        vendor.client(purpose).request("GET", "/things")
    assert len(ports) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_signs_each_request_and_is_named_where_it_is_refused(
    vendor: Vendor, server: ScriptedServer, status: int
) -> None:
    server.play(answer(status, b'{"said": "k3y"}'))
    with pytest.raises(ConfigError) as caught:
        vendor.client().request("GET", "/things")
    assert server.seen[-1][2]["authorization"] == "Postbox k3y"
    assert str(caught.value) == f"postbox refused its credentials (HTTP {status}): check POSTBOX_KEY and its scopes"


def test_an_answer_that_is_no_object_names_the_address_to_check(vendor: Vendor, server: ScriptedServer) -> None:
    server.play(answer(200, b'{"id": 1}'), answer(200, b"[]"))
    assert vendor.object("reads", "GET", "/things") == {"id": 1}
    with pytest.raises(ContractError, match="no object: check POSTBOX_BASE_URL"):
        vendor.object("reads", "GET", "/things")


def test_a_count_is_of_one_thread_and_of_all_purposes(vendor: Vendor) -> None:
    vendor.client("reads").request("GET", "/things")
    sent = vendor.counted()
    vendor.client("reads").request("GET", "/things")
    vendor.client("writes").request("GET", "/things")
    with ThreadPoolExecutor(1) as other:
        other.submit(vendor.client("reads").request, "GET", "/things").result()
    assert sent() == 2
    assert vendor.client().requests == 4


def test_nothing_is_made_before_it_is_used_and_closing_begins_anew(server: ScriptedServer) -> None:
    """An address that is none is no trouble for a connector that is never used."""
    Postbox(base_url="nowhere").vendor.close()
    with pytest.raises(ConfigError, match="the base URL of postbox is not an http"):
        Postbox(base_url="nowhere", key="k3y").vendor.client()
    again = Postbox(base_url=server.url, key="k3y").vendor
    for _ in range(2):
        assert again.client().request("GET", "/things").status_code == 200
        again.close()


def test_a_creation_whose_answer_was_lost_is_found() -> None:
    lists: list[str] = []

    def make() -> str:
        lists.append(f"list {len(lists)}")
        raise TransientError("no answer", sent=True)

    assert found_or_made(lambda: lists, make) == "list 0"
    assert lists == ["list 0"]


def test_of_several_of_one_name_every_run_takes_the_oldest() -> None:
    """Ids that are numbers grow, however many digits they have."""
    assert found_or_made(lambda: ["100", "9", "10"], lambda: "made") == "9"


@pytest.mark.parametrize(("sent", "tries"), [(False, 1), (True, 2)])
def test_a_creation_that_does_not_happen_is_given_up(sent: bool, tries: int) -> None:
    """What never arrived is for the caller to wait for; what may have arrived is looked for once more."""
    tried = []

    def make() -> str:
        tried.append(1)
        raise TransientError("no answer", sent=sent)

    with pytest.raises(TransientError):
        found_or_made(lambda: (), make)
    assert len(tried) == tries


def test_an_answer_without_what_is_asked_for_names_the_place_and_no_value() -> None:
    body = {"data": [{"id": "7", "size": 3, "email": "mary@quiet.shop"}]}
    assert (at(body, "data", 0, "id", of="Postbox"), at(body, "data", 0, "size", of="Postbox", kind=int)) == ("7", 3)
    for path in (("data", 1, "id"), ("data", 0, "name"), ("data", 0, "size"), ("data", "id"), ("data", 0, "id", "x")):
        with pytest.raises(ContractError) as caught:
            at(body, *path, of="Postbox")
        assert str(caught.value) == f"an answer of Postbox has no {'.'.join(map(str, path))}"


def test_a_listing_is_read_to_its_last_page_and_a_page_without_records_is_none() -> None:
    pages = {None: {"data": [{"id": 1}], "next": "b"}, "b": {"data": [{"id": 2}]}, "c": {"next": "d"}}
    assert [one["id"] for one in records(pages.get, lambda page: page.get("next"), of="Postbox")] == [1, 2]
    with pytest.raises(ContractError, match="an answer of Postbox has no data"):
        list(records(lambda _: {"data": None}, lambda _: None, of="Postbox"))


def test_rows_that_failed_are_all_named_or_all_of_them_or_the_batch_is_split() -> None:
    def failed(named: dict[str, str], count: int) -> dict[str, str]:
        return failures(named, count, ["a", "b", "c"], reason="failed", of="Postbox")

    assert failed({"a": "bounced"}, 1) == {"a": "bounced"}
    assert failed({"a": "bounced"}, 3) == {"a": "bounced", "b": "failed", "c": "failed"}
    with pytest.raises(RejectedRecords, match="failed 2 rows of a batch and named 1: split the batch") as caught:
        failed({"a": "bounced"}, 2)
    assert caught.value.rows == {}


@pytest.mark.parametrize(
    ("content", "expected"), [(b'{"errors": [1]}', [1]), (b'{"errors": {}}', None), (b"[]", None), (b"<html>", None)]
)
def test_what_an_error_says_is_read_where_it_is_there(content: bytes, expected: list[int] | None) -> None:
    assert told(Response(400, {}, content), "errors", list) == expected


def test_a_message_names_the_variable_a_field_is_really_read_from() -> None:
    assert variable(Postbox(), "key") == variable(Postbox(key="given"), "key") == "POSTBOX_KEY"
    assert variable(Postbox(key=Env("OTHER_KEY")), "key") == "OTHER_KEY"


def test_a_name_that_is_taken_is_looked_for_again_and_anothers_is_not_ours() -> None:
    """Made meanwhile it is found; what is never found has a name that the tool takes for the same."""
    found: list[list[str]] = [[], ["7"]]
    assert found_or_made(lambda: found.pop(0), lambda: None) == "7"
    with pytest.raises(ConfigError, match="call it otherwise"):
        found_or_made(list, lambda: None, taken="call it otherwise")


@pytest.mark.parametrize(
    ("shown", "sent"),
    [(" Ann@Quiet.Shop ", "ann@quiet.shop"), ("ANN@bücher.de", "ann@xn--bcher-kva.de"), ("No Address", "no address"), ("", None), (None, None)],
)  # fmt: skip
def test_an_address_a_tool_shows_is_known_again(shown: str | None, sent: str | None) -> None:
    assert email_as_sent(shown) == sent


def test_what_an_audience_is_not_there_for_is_gone(vendor: Vendor, server: ScriptedServer) -> None:
    """404 of a request about it, whatever else is expected; any other answer goes on."""
    server.play(answer(200), answer(400), answer(404))
    assert [vendor.of_audience("7", "GET", "/lists/7", expect=(400,)).status_code for _ in range(2)] == [200, 400]
    with pytest.raises(AudienceGone, match="no longer has audience 7: resend it"):
        vendor.of_audience("7", "GET", "/lists/7")


@pytest.mark.parametrize("key", ["s3cr3t\n", "s3cr\u20act", "s3c\r\nX: y", "s3cr3t\x00"])
def test_a_key_that_can_be_in_no_header_names_its_variable_and_is_not_shown(key: str) -> None:
    """As a line's end at the end of a variable is. Python's own error quotes the header."""
    made = Postbox(key=key)
    with pytest.raises(ConfigError, match="set POSTBOX_KEY anew") as caught:
        made.vendor.client()
    assert "s3c" not in str(caught.value)
