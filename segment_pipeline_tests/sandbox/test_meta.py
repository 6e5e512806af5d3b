"""Meta's custom audiences as its guide describes them, as far as the connector's tests and Meta's SDK do not ask it."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.conftest import NOON
from segment_pipeline_tests.sandbox.vendors import META_TOKEN, Meta

VENDOR = "meta"
# The guide's own examples: mary@example.com and 15559876543.
MARY = "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"
PHONE = "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e"
OTHER = "0" * 64
AUDIENCES = "/act_1001/customaudiences"
NEW = {"name": "a", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}


@pytest.fixture
def meta(server: SandboxServer) -> Meta:
    return Meta(server)


def error(answer: requests.Response) -> tuple[int, int | None]:
    """(code, subcode) of an error; fails when the answer is none."""
    assert answer.status_code >= 400, answer.text
    content = answer.json()["error"]
    assert {"message", "type", "code", "is_transient", "fbtrace_id"} <= set(content)
    return content["code"], content.get("error_subcode")


REFUSED: list[tuple[str, str, dict[str, Any] | None, dict[str, Any], tuple[int, int | None]]] = [
    *(("POST", AUDIENCES, {k: v for k, v in NEW.items() if k != name}, {}, (100, code))
      for name, code in (("name", None), ("subtype", None), ("customer_file_source", 1870053))),
    ("GET", "/{a}", None, {"fields": "name,shoe_size"}, (100, None)),
    ("POST", "/{a}/users", {"payload": {"schema": ["EMAIL", "PHONE"], "data": [[MARY]]}}, {}, (100, None)),
    ("POST", "/{a}/users", {"payload": {"schema": "EMAIL_SHA256", "data": []}}, {}, (100, None)),
    ("POST", "/{a}/users", {"payload": {"schema": ["SHOE_SIZE"], "data": [["44"]]}}, {}, (100, None)),
    ("POST", "/{a}/users", {"payload": {"data": [[MARY]]}}, {}, (100, None)),
    ("POST", "/{a}/users", {"payload": {"schema": "UID", "data": ["1"] * 10_001}}, {}, (100, None)),
    ("POST", "/{a}/usersreplace", {"payload": {"schema": "UID", "data": ["1"]}}, {}, (100, None)),
    ("GET", "/7", None, {}, (100, 33)),
    ("GET", "/act_2002/customaudiences", None, {}, (100, 33)),
    ("GET", AUDIENCES, None, {"after": "bogus"}, (100, None)),
    ("GET", "/act_1001/pigeons", None, {}, (2500, None)),
    ("GET", "/", None, {"ids": "1,2"}, (100, None)),
    *(("GET", "/act_1001", None, {name: "1"}, (100, None)) for name in ("pretty", "debug", "__debug__", "date_format")),
    ("POST", "/{a}/users", {"payload": {"schema": "UID", "data": ["1"]}, "method": "DELETE"}, {}, (100, None)),
    ("GET", "/act_1001", None, {"access_token": "wrong"}, (190, 467)),
    ("GET", "/act_1001", None, {"access_token": None}, (104, None)),
    ("GET", "/act_1001", None, {"appsecret_proof": None}, (100, None)),
    ("GET", "/act_1001", None, {"appsecret_proof": OTHER}, (100, None)),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "query", "expected"), REFUSED)
def test_what_graph_refuses(
    meta: Meta, method: str, path: str, body: Any, query: Any, expected: tuple[int, int | None]
) -> None:
    assert error(meta.call(method, path.format(a=meta.audience()), body, **query)) == expected


def test_if_none_match_is_gone_and_a_link_to_more_holds_no_token(meta: Meta) -> None:
    for _ in range(2):
        meta.audience()
    assert META_TOKEN not in meta.call("GET", AUDIENCES, limit=1).json()["paging"]["next"]
    url, headers = f"{meta.base}{AUDIENCES}", {"If-None-Match": '"x"'}
    assert error(requests.get(url, params=meta.auth, headers=headers, timeout=10))[0] == 100


def test_removal_by_any_one_key_takes_whole_rows_out_and_a_stranger_changes_nothing(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, ["EMAIL", "PHONE", "EXTERN_ID"], [[MARY, PHONE, "7"], [OTHER, "", "7"]])
    meta.users("DELETE", audience, "EXTERN_ID", ["8"])
    assert [row["EMAIL"] for row in meta.rows(audience)] == [OTHER, MARY]
    meta.users("DELETE", audience, "PHONE_SHA256", [PHONE])
    assert meta.rows(audience) == [{"EMAIL": OTHER, "EXTERN_ID": "7"}]


@pytest.mark.parametrize("value", ["mary@example.com", MARY.upper(), MARY[:-1], f" {MARY}"])
def test_a_value_that_is_not_64_lowercase_hex_digits_makes_its_row_invalid(meta: Meta, value: str) -> None:
    audience = meta.audience()
    answer = meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[value, "1"]] * 250 + [[MARY, "2"]]).json()
    assert (answer["num_received"], answer["num_invalid_entries"]) == (251, 250)
    assert answer["invalid_entry_samples"] == [[value, "1"]] * 100
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["2"]


@pytest.mark.parametrize(
    ("key", "known", "unknown"),
    [
        ("GEN", "f", "female"),
        ("DOBY", "1986", "86"),
        ("DOBM", "02", "2"),
        ("DOBD", "31", "32"),
        ("COUNTRY", "de", "DE"),
    ],
)
def test_a_value_of_a_key_of_few_that_is_the_hash_of_none_makes_its_row_invalid(
    meta: Meta, key: str, known: str, unknown: str
) -> None:
    """The guide lists them; a month without its zero would match nobody, and nothing would say so."""
    audience, hashed = meta.audience(), {text: hashlib.sha256(text.encode()).hexdigest() for text in (known, unknown)}
    answer = meta.users("POST", audience, ["EMAIL", key], [[MARY, hashed[known]], [OTHER, hashed[unknown]]]).json()
    assert (answer["num_received"], answer["num_invalid_entries"]) == (2, 1)
    assert meta.rows(audience) == [{"EMAIL": MARY, key: hashed[known]}]


LDU = ["DATA_PROCESSING_OPTIONS", "DATA_PROCESSING_OPTIONS_COUNTRY", "DATA_PROCESSING_OPTIONS_STATE"]


def test_limits_on_the_use_of_data_are_a_rows_own(meta: Meta) -> None:
    """The guide's two ways: alone, so that Meta finds out where somebody is, and with country and state; `[]` is off."""
    audience = meta.audience()
    meta.users("POST", audience, ["EMAIL", LDU[0]], [[MARY, ["LDU"]], [OTHER, []]])
    assert {row["EMAIL"]: row[LDU[0]] for row in meta.rows(audience)} == {OTHER: "[]", MARY: '["LDU"]'}
    meta.users("POST", audience, ["EMAIL", *LDU], [[MARY, ["LDU"], 1, 1000]])
    assert {"EMAIL": MARY, LDU[0]: '["LDU"]', LDU[1]: "1", LDU[2]: "1000"} in meta.rows(audience)
    told = meta.users("POST", audience, ["EMAIL", LDU[0]], [["", ["LDU"]]]).json()
    assert told["num_invalid_entries"] == 1


@pytest.mark.parametrize("options", [("LDU", 1, 1000), (["CCPA"], 0, 0), (["LDU"], "US", "CA"), (["LDU"], 1, 1001)])
def test_options_nobody_knows_are_refused(meta: Meta, options: tuple[Any, ...]) -> None:
    """1001 is Colorado, which Meta limits for its other products only."""
    assert error(meta.users("POST", meta.audience(), ["EMAIL", *LDU], [[MARY, *options]])) == (100, None)


def test_received_counts_add_up_over_a_session(meta: Meta) -> None:
    audience, session = meta.audience(), {"session_id": 41, "batch_seq": 1, "last_batch_flag": False}
    assert meta.users("POST", audience, "EXTERN_ID", ["1", "2"], session=session).json()["num_received"] == 2
    session |= {"batch_seq": 2, "last_batch_flag": True}
    assert meta.users("POST", audience, "EXTERN_ID", ["3"], session=session).json()["num_received"] == 3
    [shown] = meta.call("GET", f"/{audience}/sessions", session_id=41).json()["data"]
    assert (shown["num_received"], shown["stage"], shown["progress"]) == ("3", "done", "100")


def test_a_replace_changes_nothing_until_its_last_batch_and_everything_else_waits_for_it(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["old", "kept"])
    assert error(meta.replace(audience, 1, 2, ["1"])) == (2650, 1870147)
    assert meta.replace(audience, 1, 1, ["kept"]).status_code == 200
    assert meta.replace(audience, 1, 2, ["new"]).json()["num_received"] == 2
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["kept", "old"]
    status = meta.call("GET", f"/{audience}", fields="operation_status").json()["operation_status"]
    assert status["description"] == "replace_in_progress"
    for answer in (
        meta.replace(audience, 4, 1, ["2"]),
        *(meta.users(m, audience, "UID", ["2"]) for m in ("POST", "DELETE")),
    ):
        assert (error(answer), answer.json()["error"]["is_transient"]) == ((2650, 1870145), True)
    meta.replace(audience, 1, 3, ["last"], last=True)
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["kept", "last", "new"]
    assert error(meta.replace(audience, 1, 4, ["2"])) == (2650, 1870159)


def test_a_replace_ends_ninety_minutes_after_its_first_batch_with_what_came(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["old"])
    meta.replace(audience, 6, 1, ["1"])
    meta.server.set_clock(NOON + timedelta(minutes=90))
    assert meta.replace(audience, 6, 2, ["2"]).status_code == 200
    meta.server.set_clock(NOON + timedelta(minutes=90, seconds=1))
    assert error(meta.replace(audience, 6, 3, ["3"])) == (2650, 1870158)
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["1", "2"]


def test_erasure_takes_a_person_out_of_every_audience_however_few_that_leaves(meta: Meta) -> None:
    meta.settings(minimum_people=2)
    held = [meta.audience(), meta.audience()]
    for audience in held:
        meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[MARY, "7"], [OTHER, "8"]])
    body = {"payload": {"schema": "EMAIL_SHA256", "data": [MARY]}}
    assert meta.call("DELETE", "/act_1001/usersofanyaudience", body).status_code == 200
    assert [row["EXTERN_ID"] for audience in held for row in meta.rows(audience)] == ["8", "8"]


def test_calls_past_the_hourly_limit_are_80003_and_the_header_tells_how_near_it_is(meta: Meta) -> None:
    usage = json.loads(meta.call("GET", "/act_1001").headers["X-Business-Use-Case-Usage"])
    assert usage["1001"][0]["type"] == "custom_audience"
    meta.settings(calls_per_hour=1)
    answer = meta.call("GET", "/act_1001")
    assert error(answer)[0] == 80003
    assert json.loads(answer.headers["X-Business-Use-Case-Usage"])["1001"][0]["estimated_time_to_regain_access"] > 0
