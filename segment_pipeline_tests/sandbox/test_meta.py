"""Meta's custom audiences as its guide describes them: who is in, who is out, and what it refuses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.sandbox.vendors import META_PROOF, META_TOKEN, Meta

# The guide's own examples: mary@example.com and 15559876543.
MARY = "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79"
PHONE = "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e"
OTHER = "0" * 64
NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("meta"), vendors=["meta"]) as server:
        yield server


@pytest.fixture
def meta(server: SandboxServer) -> Iterator[Meta]:
    server.set_clock(NOON)
    defaults = server.control("GET", "/meta/settings")
    yield Meta(server)
    server.control("PUT", "/meta/settings", defaults)


def error(answer: requests.Response) -> tuple[int, int | None]:
    """(code, subcode) of an error; fails when the answer is none."""
    assert answer.status_code >= 400, answer.text
    content = answer.json()["error"]
    assert {"message", "type", "code", "is_transient", "fbtrace_id"} <= set(content)
    return content["code"], content.get("error_subcode")


def test_a_new_audience_is_empty_named_and_normal(meta: Meta) -> None:
    audience = meta.audience("spring")
    shown = meta.call(
        "GET", f"/{audience}", fields="name,subtype,operation_status,approximate_count_lower_bound"
    ).json()
    assert shown == {
        "id": audience,
        "name": "spring",
        "subtype": "CUSTOM",
        "operation_status": {"code": 200, "description": "Normal"},
        "approximate_count_lower_bound": -1,
    }


@pytest.mark.parametrize("missing", ["name", "subtype", "customer_file_source"])
def test_an_audience_needs_its_three_parameters(meta: Meta, missing: str) -> None:
    body = {"name": "a", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    del body[missing]
    assert error(meta.call("POST", "/act_1001/customaudiences", body))[0] == 100


def test_audiences_are_listed_page_by_page_with_cursors(meta: Meta) -> None:
    created = [meta.audience(f"page {number}") for number in range(5)]
    found: list[str] = []
    after: dict[str, Any] = {}
    while True:
        answer = meta.call("GET", "/act_1001/customaudiences", fields="id,name", limit=2, **after).json()
        found += [row["id"] for row in answer["data"] if row["name"].startswith("page ")]
        if "next" not in answer["paging"]:
            break
        assert META_TOKEN not in answer["paging"]["next"]
        after = {"after": answer["paging"]["cursors"]["after"]}
    assert found == created


def test_an_unknown_field_is_an_error(meta: Meta) -> None:
    assert error(meta.call("GET", f"/{meta.audience()}", fields="name,shoe_size"))[0] == 100


def test_adding_the_same_people_twice_leaves_them_once(meta: Meta) -> None:
    audience = meta.audience()
    for _ in range(2):
        answer = meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[MARY, "7"]]).json()
        assert answer["num_received"] == 1
    assert meta.rows(audience) == [{"EMAIL": MARY, "EXTERN_ID": "7"}]


def test_removal_by_any_one_key_takes_the_whole_row_out(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, ["EMAIL", "PHONE", "EXTERN_ID"], [[MARY, PHONE, "7"], [OTHER, "", "8"]])
    meta.users("DELETE", audience, "PHONE_SHA256", [PHONE])
    assert meta.rows(audience) == [{"EMAIL": OTHER, "EXTERN_ID": "8"}]


def test_a_new_e_mail_beside_an_old_one_leaves_both_until_the_old_is_removed(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[MARY, "7"]])
    meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[OTHER, "7"]])
    assert [row["EMAIL"] for row in meta.rows(audience)] == [OTHER, MARY]
    meta.users("DELETE", audience, "EMAIL", [MARY])
    assert [row["EMAIL"] for row in meta.rows(audience)] == [OTHER]


def test_removing_somebody_who_is_not_there_changes_nothing(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["1"])
    assert meta.users("DELETE", audience, "EXTERN_ID", ["2"]).status_code == 200
    assert meta.rows(audience) == [{"EXTERN_ID": "1"}]


def test_positional_data_may_leave_a_key_empty(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, ["EXTERN_ID", "EMAIL"], [["1", ""], ["", MARY]])
    assert meta.rows(audience) == [{"EMAIL": MARY}, {"EXTERN_ID": "1"}]


@pytest.mark.parametrize("value", ["mary@example.com", MARY.upper(), MARY[:-1], f" {MARY}"])
def test_a_value_that_is_not_64_lowercase_hex_digits_makes_its_row_invalid(meta: Meta, value: str) -> None:
    audience = meta.audience()
    answer = meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[value, "1"], [MARY, "2"]])
    assert answer.status_code == 200
    assert answer.json()["num_received"] == 2
    assert answer.json()["num_invalid_entries"] == 1
    assert answer.json()["invalid_entry_samples"] == [[value, "1"]]
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["2"]


def test_at_most_a_hundred_samples_of_invalid_rows_come_back(meta: Meta) -> None:
    answer = meta.users("POST", meta.audience(), "EMAIL_SHA256", ["x"] * 250).json()
    assert (answer["num_invalid_entries"], len(answer["invalid_entry_samples"])) == (250, 100)


def test_samples_can_come_as_a_map(meta: Meta) -> None:
    meta.settings(samples_form="map")
    answer = meta.users("POST", meta.audience(), "EMAIL_SHA256", ["x", MARY]).json()
    assert answer["invalid_entry_samples"] == {"0": "x"}


def test_ten_thousand_rows_are_taken_and_one_more_is_not(meta: Meta) -> None:
    audience = meta.audience()
    rows = [str(number) for number in range(10_001)]
    assert error(meta.users("POST", audience, "EXTERN_ID", rows))[0] == 100
    assert meta.rows(audience) == []
    assert meta.users("POST", audience, "EXTERN_ID", rows[:-1]).json()["num_received"] == 10_000
    assert len(meta.rows(audience)) == 10_000


def test_the_read_count_is_an_estimate(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", [str(number) for number in range(5000)])
    shown = meta.call(
        "GET", f"/{audience}", fields="approximate_count_lower_bound,approximate_count_upper_bound"
    ).json()
    assert (shown["approximate_count_lower_bound"], shown["approximate_count_upper_bound"]) == (3200, 3800)


@pytest.mark.parametrize(
    "payload",
    [
        {"schema": ["EMAIL", "PHONE"], "data": [[MARY]]},
        {"schema": "EMAIL_SHA256", "data": []},
        {"schema": ["SHOE_SIZE"], "data": [["44"]]},
        {"data": [[MARY]]},
    ],
)
def test_a_batch_of_the_wrong_shape_is_refused_whole(meta: Meta, payload: dict[str, Any]) -> None:
    assert error(meta.call("POST", f"/{meta.audience()}/users", {"payload": payload}))[0] == 100


def test_a_poison_value_refuses_the_whole_batch_without_naming_the_row(meta: Meta) -> None:
    audience = meta.audience()
    meta.settings(poison=["666"])
    assert error(meta.users("POST", audience, "EXTERN_ID", ["1", "666"])) == (100, None)
    assert meta.rows(audience) == []
    assert meta.users("POST", audience, "EXTERN_ID", ["1"]).status_code == 200


def test_a_removal_that_would_leave_too_few_people_is_refused_and_takes_nobody_out(meta: Meta) -> None:
    meta.settings(minimum_people=3)
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["1", "2", "3", "4"])
    assert error(meta.users("DELETE", audience, "EXTERN_ID", ["1", "2"])) == (200, 1870047)
    assert len(meta.rows(audience)) == 4
    assert meta.users("DELETE", audience, "EXTERN_ID", ["1"]).status_code == 200


def test_an_audience_already_under_the_minimum_may_shrink(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["1", "2"])
    assert meta.users("DELETE", audience, "EXTERN_ID", ["1", "2"]).status_code == 200
    assert meta.rows(audience) == []


def test_received_counts_add_up_over_a_session(meta: Meta) -> None:
    audience = meta.audience()
    session = {"session_id": 41, "batch_seq": 1, "last_batch_flag": False}
    assert meta.users("POST", audience, "EXTERN_ID", ["1", "2"], session=session).json()["num_received"] == 2
    session |= {"batch_seq": 2, "last_batch_flag": True}
    assert meta.users("POST", audience, "EXTERN_ID", ["3"], session=session).json()["num_received"] == 3
    [shown] = meta.call("GET", f"/{audience}/sessions", session_id=41).json()["data"]
    assert (shown["num_received"], shown["stage"], shown["progress"]) == ("3", "done", "100")


def test_a_replace_changes_nothing_until_its_last_batch_and_then_everything(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["old", "kept"])
    assert meta.replace(audience, 1, 1, ["kept"]).status_code == 200
    assert meta.replace(audience, 1, 2, ["new"]).json()["num_received"] == 2
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["kept", "old"]
    status = meta.call("GET", f"/{audience}", fields="operation_status").json()["operation_status"]
    assert status["description"] == "replace_in_progress"
    meta.replace(audience, 1, 3, ["last"], last=True)
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["kept", "last", "new"]


def test_a_replace_must_start_with_batch_one(meta: Meta) -> None:
    assert error(meta.replace(meta.audience(), 2, 2, ["1"])) == (2650, 1870147)


def test_a_second_replace_and_plain_changes_wait_for_the_running_one(meta: Meta) -> None:
    audience = meta.audience()
    meta.replace(audience, 3, 1, ["1"])
    refused = [
        meta.replace(audience, 4, 1, ["2"]),
        meta.users("POST", audience, "EXTERN_ID", ["2"]),
        meta.users("DELETE", audience, "EXTERN_ID", ["1"]),
    ]
    assert [error(answer) for answer in refused] == [(2650, 1870145)] * 3
    assert all(answer.json()["error"]["is_transient"] for answer in refused)
    meta.replace(audience, 3, 2, ["2"], last=True)
    assert meta.users("POST", audience, "EXTERN_ID", ["3"]).status_code == 200


def test_a_finished_session_takes_no_more_batches(meta: Meta) -> None:
    audience = meta.audience()
    meta.replace(audience, 5, 1, ["1"], last=True)
    assert error(meta.replace(audience, 5, 2, ["2"])) == (2650, 1870159)


def test_a_replace_ends_ninety_minutes_after_its_first_batch_with_what_came(meta: Meta) -> None:
    audience = meta.audience()
    meta.users("POST", audience, "EXTERN_ID", ["old"])
    meta.replace(audience, 6, 1, ["1"])
    meta.server.set_clock(NOON + timedelta(minutes=90))
    assert meta.replace(audience, 6, 2, ["2"]).status_code == 200
    meta.server.set_clock(NOON + timedelta(minutes=90, seconds=1))
    assert error(meta.replace(audience, 6, 3, ["3"])) == (2650, 1870158)
    assert [row["EXTERN_ID"] for row in meta.rows(audience)] == ["1", "2"]
    assert meta.users("POST", audience, "EXTERN_ID", ["4"]).status_code == 200


def test_erasure_takes_a_person_out_of_every_audience_however_few_that_leaves(meta: Meta) -> None:
    meta.settings(minimum_people=2)
    first, second = meta.audience(), meta.audience()
    for audience in (first, second):
        meta.users("POST", audience, ["EMAIL", "EXTERN_ID"], [[MARY, "7"], [OTHER, "8"]])
    body = {"payload": {"schema": "EMAIL_SHA256", "data": [MARY]}}
    assert meta.call("DELETE", "/act_1001/usersofanyaudience", body).status_code == 200
    assert [row["EXTERN_ID"] for audience in (first, second) for row in meta.rows(audience)] == ["8", "8"]


def test_a_deleted_audience_is_gone(meta: Meta) -> None:
    audience = meta.audience()
    assert meta.call("DELETE", f"/{audience}").json() == {"success": True}
    assert error(meta.call("GET", f"/{audience}")) == (100, 33)


def test_terms_come_before_anything_else(meta: Meta) -> None:
    audience = meta.audience()
    meta.settings(terms_accepted=False)
    assert error(meta.users("POST", audience, "EXTERN_ID", ["1"])) == (200, 1870034)
    assert meta.call("GET", "/act_1001", fields="tos_accepted").json()["tos_accepted"] == {}
    meta.call("POST", "/act_1001/customaudiencestos", {"tos_id": "custom_audience_tos"})
    assert meta.call("GET", "/act_1001", fields="tos_accepted").json()["tos_accepted"]["custom_audience_tos"] == 1
    assert meta.users("POST", audience, "EXTERN_ID", ["1"]).status_code == 200


def test_a_flagged_audience_cannot_be_edited(meta: Meta) -> None:
    audience = meta.audience()
    meta.server.control("POST", f"/meta/lists/{audience}", {"operation": 471})
    assert meta.call("GET", f"/{audience}", fields="operation_status").json()["operation_status"]["code"] == 471
    assert error(meta.users("POST", audience, "EXTERN_ID", ["1"])) == (100, 1713230)


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({}, 104),
        ({"access_token": "wrong", "appsecret_proof": META_PROOF}, 190),
        ({"access_token": META_TOKEN}, 100),
        ({"access_token": META_TOKEN, "appsecret_proof": "0" * 64}, 100),
    ],
)
def test_wrong_credentials_are_refused(meta: Meta, auth: dict[str, str], code: int) -> None:
    meta.auth = auth
    assert error(meta.call("GET", "/act_1001"))[0] == code


def test_a_bearer_token_is_a_token(meta: Meta) -> None:
    url = f"{meta.base}/act_1001?appsecret_proof={META_PROOF}"
    answer = requests.get(url, headers={"Authorization": f"Bearer {META_TOKEN}"}, timeout=10)
    assert answer.json() == {"id": "act_1001"}


@pytest.mark.parametrize("removed", ["pretty", "debug", "__debug__", "date_format"])
def test_the_parameters_removed_in_v26_are_errors(meta: Meta, removed: str) -> None:
    assert error(meta.call("GET", "/act_1001", None, **{removed: "1"}))[0] == 100


def test_the_root_ids_query_and_if_none_match_are_errors_too(meta: Meta) -> None:
    assert error(meta.call("GET", "/", ids="1,2"))[0] == 100
    answer = requests.get(f"{meta.base}/act_1001", params=meta.auth, headers={"If-None-Match": '"x"'}, timeout=10)
    assert error(answer)[0] == 100


def test_a_dead_version_is_2635(meta: Meta) -> None:
    meta.base = meta.base.replace("v26.0", "v20.0")
    assert error(meta.call("GET", "/act_1001"))[0] == 2635


def test_an_unknown_path_is_an_error_of_graph(meta: Meta) -> None:
    assert error(meta.call("GET", "/act_1001/pigeons"))[0] == 2500


def test_another_ad_account_does_not_exist_for_this_token(meta: Meta) -> None:
    assert error(meta.call("GET", "/act_2002/customaudiences")) == (100, 33)


def test_form_bodies_urls_and_a_method_parameter_say_the_same_as_json(meta: Meta) -> None:
    audience = meta.audience()
    url, payload = f"{meta.base}/{audience}/users", json.dumps({"schema": "EXTERN_ID", "data": ["1", "2", "3"]})
    requests.post(url, data={**meta.auth, "payload": payload}, timeout=10)
    assert len(meta.rows(audience)) == 3
    one = json.dumps({"schema": "EXTERN_ID", "data": ["1"]})
    requests.delete(url, data={**meta.auth, "payload": one}, timeout=10)
    requests.delete(url, params={**meta.auth, "payload": one.replace("1", "2")}, timeout=10)
    requests.post(url, data={**meta.auth, "method": "DELETE", "payload": one.replace("1", "3")}, timeout=10)
    assert meta.rows(audience) == []


def test_calls_past_the_hourly_limit_are_80003_and_the_header_tells_how_near_it_is(meta: Meta) -> None:
    meta.settings(calls_per_hour=1_000_000)
    usage = json.loads(meta.call("GET", "/act_1001").headers["X-Business-Use-Case-Usage"])
    assert usage["1001"][0]["type"] == "custom_audience"
    meta.settings(calls_per_hour=1)
    answer = meta.call("GET", "/act_1001")
    assert error(answer)[0] == 80003
    assert json.loads(answer.headers["X-Business-Use-Case-Usage"])["1001"][0]["estimated_time_to_regain_access"] > 0
