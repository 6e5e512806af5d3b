"""The control plane: the clock, the counts, the recording, and what survives a restart."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from segment_pipeline.errors import ConfigError
from segment_pipeline.sandbox.app import create_app
from segment_pipeline.sandbox.registry import NAMES, environment
from segment_pipeline.sandbox.state import SandboxState
from segment_pipeline_tests.sandbox.vendors import Klaviyo, Meta, serving

NEW_YEAR = datetime(2018, 1, 1, 3, tzinfo=UTC)


def test_the_clock_moves_when_told_and_survives_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path, "meta") as server:
        server.set_clock(NEW_YEAR)
        assert server.clock() == NEW_YEAR
    with serving(tmp_path, "meta") as server:
        assert server.clock() == NEW_YEAR


def test_every_answer_tells_the_sandboxs_time(tmp_path: Path) -> None:
    """Once, and faults too: clients go by the other side's clock."""
    with serving(tmp_path, "meta") as server:
        server.set_clock(NEW_YEAR)
        server.faults([{"vendor": "meta", "kind": "503", "times": 1}])
        for status in (503, 400):
            answer = requests.get(f"{server.base_url}/meta/v27.0/act_1001", timeout=10)
            assert (answer.status_code, answer.headers["date"]) == (status, "Mon, 01 Jan 2018 03:00:00 GMT")


def test_an_instant_without_an_offset_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path, "meta") as server, pytest.raises(ConfigError, match="offset from UTC"):
        server.set_clock(datetime(2018, 1, 1))
    with pytest.raises(ConfigError, match="offset from UTC"):
        SandboxState(tmp_path).set_now(datetime(2018, 1, 1))


def test_another_processs_change_of_the_clock_is_seen(tmp_path: Path) -> None:
    first, second = SandboxState(tmp_path), SandboxState(tmp_path)
    first.set_now(NEW_YEAR)
    assert second.now() == NEW_YEAR
    first.set_now(NEW_YEAR.replace(hour=4))
    assert second.now() == NEW_YEAR.replace(hour=4)


def test_the_environment_has_every_vendors_address_and_those_below_it() -> None:
    given = environment("http://127.0.0.1:1")
    assert {f"{name.upper()}_BASE_URL" for name in NAMES} <= set(given)
    assert given["GOOGLE_TOKEN_URL"] == f"{given['GOOGLE_BASE_URL']}/token" == "http://127.0.0.1:1/google/token"


def test_requests_are_counted_as_reads_and_writes_by_route_without_ids(tmp_path: Path) -> None:
    with serving(tmp_path, "meta") as server:
        meta = Meta(server)
        first, second = meta.audience("a"), meta.audience("b")
        for audience in (first, second):
            meta.users("POST", audience, "EXTERN_ID", ["1"])
            meta.call("GET", f"/{audience}")
        assert server.requests()["meta"] == {
            "read": 2,
            "write": 4,
            "by_route": {
                "POST /{version}/act_{account}/customaudiences": 2,
                "POST /{version}/{audience:int}/users": 2,
                "GET /{version}/{audience:int}": 2,
            },
            "faults": {},
        }
        server.clear_requests()
        assert server.requests()["meta"]["write"] == 0


def test_a_patch_is_a_write_and_control_calls_are_not_counted(tmp_path: Path) -> None:
    with serving(tmp_path, "klaviyo") as server:
        klaviyo = Klaviyo(server)
        identifier = klaviyo.new_list("a")
        klaviyo.call("PATCH", f"/lists/{identifier}", {"type": "list", "id": identifier, "attributes": {"name": "b"}})
        server.control("GET", "/klaviyo/lists")
        counts = server.requests()["klaviyo"]
        assert (counts["read"], counts["write"]) == (0, 2)


def test_recording_keeps_requests_without_credentials_headers(tmp_path: Path) -> None:
    with serving(tmp_path, "klaviyo") as server:
        klaviyo = Klaviyo(server)
        klaviyo.new_list("before")
        server.record()
        klaviyo.new_list("after")
        [request] = server.recorded("klaviyo")
        assert (request["method"], request["path"]) == ("POST", "/klaviyo/api/lists")
        assert '"after"' in request["body"]
        assert request["headers"]["revision"] == "2026-10-15"
        assert "pk_sandbox" not in str(request)


def test_a_vendor_that_was_not_asked_for_is_not_served(tmp_path: Path) -> None:
    with serving(tmp_path, "meta") as server:
        assert requests.get(f"{server.base_url}/klaviyo/api/lists", timeout=5).status_code == 404


def test_all_vendors_are_served_when_none_is_named(tmp_path: Path) -> None:
    assert set(create_app(tmp_path).vendors) == set(NAMES) != set()


def test_an_unknown_vendor_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mailpigeon"):
        create_app(tmp_path, ["mailpigeon"])
