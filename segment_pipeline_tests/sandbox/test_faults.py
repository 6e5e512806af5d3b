"""Every kind of misbehaviour, seen from the client's side of a real connection."""

from collections.abc import Iterator

import pytest
import requests

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.faults import FaultBook
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import Klaviyo, Meta, profile


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("faults"), vendors=["meta", "klaviyo"]) as server:
        yield server


@pytest.fixture
def meta(server: SandboxServer) -> Meta:
    server.clear_faults()
    server.clear_requests()
    return Meta(server)


@pytest.fixture
def klaviyo(server: SandboxServer) -> Klaviyo:
    server.clear_faults()
    return Klaviyo(server)


def fired(book: FaultBook, requests_made: int, path: str = "/meta/v26.0/1/users") -> list[int]:
    """The numbers of the requests a rule fired on, from 0."""
    return [number for number in range(requests_made) if book.pick("meta", "POST", path, b"")]


def test_times_counts_the_requests_that_match_and_after_lets_some_through() -> None:
    book = FaultBook()
    book.add([{"vendor": "meta", "kind": "500", "path_regex": "/users$", "times": 2, "after": 1}])
    assert book.pick("meta", "POST", "/meta/v26.0/1", b"") is None
    assert book.pick("klaviyo", "POST", "/klaviyo/users", b"") is None
    assert fired(book, 5) == [1, 2]


def test_rate_is_a_share_and_the_same_seed_gives_the_same_requests() -> None:
    runs = []
    for _ in range(2):
        book = FaultBook()
        book.add([{"vendor": "*", "kind": "500", "rate": 0.25, "seed": 11}])
        runs.append(fired(book, 1000))
    assert runs[0] == runs[1]
    assert 200 < len(runs[0]) < 300


def test_method_limits_a_rule() -> None:
    book = FaultBook()
    book.add([{"vendor": "meta", "kind": "500", "method": "delete"}])
    assert book.pick("meta", "POST", "/meta/x", b"") is None
    assert book.pick("meta", "DELETE", "/meta/x", b"") is not None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"kind": "429"}, "names no vendor"),
        ({"vendor": "meta", "kind": "418"}, "unknown kind"),
        ({"vendor": "meta", "kind": "500", "rate": 0.5, "times": 1}, "both rate and times"),
        ({"vendor": "meta", "kind": "500", "rate": 2}, "between 0 and 1"),
        ({"vendor": "meta", "kind": "500", "path": "x"}, "unknown fields"),
        ({"vendor": "meta", "kind": "500", "path_regex": "("}, "not a regular expression"),
    ],
)
def test_a_wrong_rule_is_refused_and_none_of_its_list_is_added(rule: dict[str, object], words: str) -> None:
    book = FaultBook()
    with pytest.raises(ConfigError, match=words):
        book.add([{"vendor": "meta", "kind": "500"}, rule])
    assert book.rules == []


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("reset", requests.ConnectionError, False),
        ("lost_response", requests.ConnectionError, True),
        ("truncated", requests.exceptions.ChunkedEncodingError, True),  # half of the answer, and its whole length
    ],
)
def test_a_connection_breaks_before_or_after_the_work_was_done(
    meta: Meta, kind: str, error: type[Exception], done: bool
) -> None:
    audience = meta.audience()
    meta.server.faults([{"vendor": "meta", "kind": kind, "path_regex": "/users", "times": 1}])
    with pytest.raises(error):
        meta.users("POST", audience, "EXTERN_ID", ["1"])
    assert meta.rows(audience) == ([{"EXTERN_ID": "1"}] if done else [])
    assert meta.users("POST", audience, "EXTERN_ID", ["1"]).status_code == 200


def test_slow_waits_and_then_answers(meta: Meta) -> None:
    audience = meta.audience()
    meta.server.faults([{"vendor": "meta", "kind": "slow", "seconds": 0.4, "times": 1}])
    answer = meta.users("POST", audience, "EXTERN_ID", ["1"])
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.4


@pytest.mark.parametrize(
    ("kind", "status", "code", "subcode", "transient"),
    [("429", 400, 80003, 2446079, False), ("500", 500, 1, None, True), ("503", 503, 2, None, True),
     ("expired_token", 401, 190, 463, False)],
)  # fmt: skip
def test_metas_own_errors_for_each_kind(
    meta: Meta, kind: str, status: int, code: int, subcode: int | None, transient: bool
) -> None:
    """A limit is a 400 without Retry-After: the usage header names the minutes."""
    meta.server.faults([{"vendor": "meta", "kind": kind, "times": 1, "seconds": 120}])
    answer = meta.call("GET", "/act_1001")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, subcode)
    assert (error["is_transient"], "Retry-After" in answer.headers) == (transient, False)
    usage = answer.headers.get("X-Business-Use-Case-Usage", "")
    assert ('"estimated_time_to_regain_access": 2' in usage) == (kind == "429")
    assert meta.call("GET", "/act_1001").status_code == 200


def test_meta_row_errors_hide_behind_a_200(meta: Meta) -> None:
    audience = meta.audience()
    meta.server.faults([{"vendor": "meta", "kind": "row_errors", "every": 3, "times": 1}])
    answer = meta.users("POST", audience, ["EXTERN_ID"], [["1"], ["2"], ["3"], ["4"]])
    assert answer.status_code == 200
    assert answer.json()["num_invalid_entries"] == 2
    assert answer.json()["invalid_entry_samples"] == [["1"], ["4"]]
    assert meta.rows(audience) == [{"EXTERN_ID": "2"}, {"EXTERN_ID": "3"}]


def test_rows_taken_without_an_answer_are_taken_again(meta: Meta) -> None:
    audience = meta.audience()
    meta.server.faults(
        [{"vendor": "meta", "kind": "lost_response", "times": 1}, {"vendor": "meta", "kind": "row_errors", "every": 1}]
    )
    with pytest.raises(requests.ConnectionError):
        meta.users("POST", audience, ["EXTERN_ID"], [["1"], ["2"]])
    again = meta.users("POST", audience, ["EXTERN_ID"], [["1"], ["2"]])
    other = meta.users("POST", audience, ["EXTERN_ID"], [["1"], ["3"]])
    assert (again.json()["num_invalid_entries"], other.json()["num_invalid_entries"]) == (0, 2)
    assert meta.rows(audience) == [{"EXTERN_ID": "1"}, {"EXTERN_ID": "2"}]


def test_klaviyos_own_errors(klaviyo: Klaviyo) -> None:
    """A limit has Retry-After and none of the headers that tell how near it is."""
    rules = [{"vendor": "klaviyo", "kind": kind, "times": 1, "seconds": 3} for kind in ("429", "expired_token")]
    klaviyo.server.faults(rules)
    limited, expired, good = (klaviyo.call("GET", "/lists") for _ in range(3))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "3")
    assert "RateLimit-Limit" not in limited.headers
    assert (expired.status_code, expired.json()["errors"][0]["code"]) == (401, "not_authenticated")
    assert good.headers["RateLimit-Remaining"].isdigit()


def test_klaviyo_row_errors_hide_behind_a_complete_job(klaviyo: Klaviyo) -> None:
    identifier = klaviyo.new_list()
    klaviyo.server.faults(
        [{"vendor": "klaviyo", "kind": "row_errors", "every": 2, "path_regex": "import-jobs$", "times": 1}]
    )
    job = klaviyo.imported([profile(external_id=str(number)) for number in range(3)], identifier)
    assert (job["attributes"]["completed_count"], job["attributes"]["failed_count"]) == (1, 2)
    assert klaviyo.members(identifier) == [{"external_id": "1"}]
    [errors] = klaviyo.pages(f"/profile-bulk-import-jobs/{job['id']}/import-errors")
    assert [error["attributes"]["original_payload"]["attributes"]["external_id"] for error in errors] == ["0", "2"]


def test_counts_and_rules_tell_what_fired(meta: Meta) -> None:
    meta.server.faults([{"vendor": "meta", "kind": "500", "times": 1}])
    for _ in range(2):
        meta.call("GET", "/act_1001")
    counts = meta.server.requests()["meta"]
    assert (counts["read"], counts["faults"]) == (2, {"500": 1})
    [rule] = meta.server.control("GET", "/faults")["rules"]
    assert (rule["seen"], rule["fired"]) == (2, 1)
