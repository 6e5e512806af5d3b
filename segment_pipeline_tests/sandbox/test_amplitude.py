"""Amplitude's documented rules of the export, one test each, over a literal world."""

import gzip
import io
import json
import zipfile

import pytest

from segment_pipeline_tests.sandbox.source_world import Client, move_clock
from segment_pipeline_tests.sources.amplitude_records import event

VENDOR, PATH = "amplitude", "/amplitude/api/2/export"
RECORDS = [
    event(1, "2017-05-01T10:00:00", uuid="E1"),
    event(2, "2017-05-01T10:59:59", uuid="E2"),
    event(3, "2017-05-01T11:00:00", uuid="E3"),
    event(4, "2017-05-01T13:00:00", uuid="E4"),
]


@pytest.fixture
def export(served: Client) -> Client:
    served.auth = ("sandbox-amplitude-key", "sandbox-amplitude-secret")
    return served


def files(client: Client, start: str, end: str) -> dict[str, list[str]]:
    answer = client.get(PATH, params={"start": start, "end": end})
    assert answer.status_code == 200, answer.text
    found = {}
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_STORED
            lines = gzip.decompress(archive.read(member)).decode().splitlines()
            found[member.filename] = [json.loads(line)["uuid"] for line in lines]
    return found


def status(client: Client, start: str, end: str) -> int:
    return client.get(PATH, params={"start": start, "end": end}).status_code


def test_an_export_is_a_zip_of_gzips_of_json_lines_by_hour_both_ends_included(export: Client) -> None:
    first = "100001/100001_2017-05-01_10#0.json.gz"
    assert files(export, "20170501T10", "20170501T11") == {
        first: ["E1", "E2"],
        "100001/100001_2017-05-01_11#0.json.gz": ["E3"],
    }
    export.put("/_control/amplitude/settings", json={"file_lines": 1}).raise_for_status()
    # A full hour comes in several files.
    hour = "100001/100001_2017-05-01_10#1.json.gz"
    assert files(export, "20170501T10", "20170501T10") == {first: ["E1"], hour: ["E2"]}


def test_an_hour_shows_two_hours_after_it_ended_and_is_missing_without_a_word_before(export: Client) -> None:
    move_clock(export, "2017-05-01T12:59:59+00:00")
    assert status(export, "20170501T10", "20170501T11") == 404
    move_clock(export, "2017-05-01T13:00:00+00:00")
    assert list(files(export, "20170501T10", "20170501T11")) == ["100001/100001_2017-05-01_10#0.json.gz"]
    move_clock(export, "2017-05-01T14:00:00+00:00")
    assert len(files(export, "20170501T10", "20170501T11")) == 2


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("20170501T12", "20170501T12", 404),
        ("20170502T00", "20170501T00", 400),
        ("2017-05-01", "20170501T00", 400),
        ("", "20170501T00", 400),
        ("20170101T00", "20180101T00", 400),
        ("20170101T00", "20171231T23", 200),  # 365 days are not too many
    ],
)
def test_a_range_without_events_is_not_found_and_one_that_is_no_range_is_refused(
    export: Client, start: str, end: str, expected: int
) -> None:
    assert status(export, start, end) == expected


@pytest.mark.parametrize(("setting", "refused"), [("max_export_bytes", 400), ("packed_bytes", 504)])
def test_too_much_is_refused_by_size_and_by_time(export: Client, setting: str, refused: int) -> None:
    export.put("/_control/amplitude/settings", json={setting: 500}).raise_for_status()
    assert [status(export, f"20170501T{hour}", "20170501T13") for hour in (10, 13)] == [refused, 200]


def test_a_wrong_secret_is_forbidden_and_a_limit_is_429(export: Client) -> None:
    export.post("/_control/faults", json=[{"vendor": "amplitude", "kind": "429", "times": 1}]).raise_for_status()
    assert [status(export, "20170501T10", "20170501T10") for _ in range(2)] == [429, 200]
    export.auth = ("sandbox-amplitude-key", "other")
    assert status(export, "20170501T10", "20170501T10") == 403
