"""What the status of Mailchimp's members becomes, and that a listing that moves while it is read loses nobody."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import ingest
from segment_pipeline.landing.raw import RawPages
from segment_pipeline.settings import Settings
from segment_pipeline.sources.mailchimp.connector import MailchimpUnsubscribes
from segment_pipeline.testing import source_contract
from segment_pipeline.testing.source import JUNE, NOON, PAGE, Records, Vendor
from segment_pipeline_tests.contracts.published import Published
from segment_pipeline_tests.sandbox.source_world import NOW, client
from segment_pipeline_tests.sources.sandboxed import Sandboxed

Member = dict[str, Any]
TEXTS: dict[str, str] = {}


def member(
    number: int, updated: str = NOON, text: str = "plain", *, visible: Mapping[str, str] | None = None, **more: Any
) -> Member:
    """`text` is told by the address alone: a member says nothing else."""
    address = f"m{number}-{hashlib.md5(text.encode()).hexdigest()}@quiet.shop"
    TEXTS[address] = text
    seen = (visible or {}).get("seen", updated)
    told = {"email_address": address, "status": "unsubscribed", "updated": f"{updated}+00:00", "seen": f"{seen}+00:00"}
    return told | more


@contextmanager
def serve(folder: Path, records: Sequence[Member]) -> Iterator[Sandboxed]:
    with client(folder, "mailchimp") as http:
        played = Sandboxed(http, "mailchimp")
        played.at(NOW)
        for each in records:
            http.post("/_control/mailchimp/people", json=each).raise_for_status()
        yield played


def source(url: str, page_size: int = PAGE) -> MailchimpUnsubscribes:
    return MailchimpUnsubscribes(
        base_url=url, api_key="sandbox-mailchimp-us1", list_id="a1b2c3d4e5", page_size=page_size
    )


MAILCHIMP = Vendor("mailchimp", source, serve)
STATUSES = Records(
    good=member, poison=lambda n, at: member(n, at, odd={"last_changed": "soon"}), column="consents.identifier"
)


class TestMailchimpStatuses(source_contract(MAILCHIMP, entity="statuses", records=STATUSES)):  # type: ignore[misc]
    def landed(self, lake: Lake) -> list[Any]:
        return sorted(TEXTS[address] for address in super().landed(lake))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SEGMENT_PIPELINE_CLOCK", NOW)
    return Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)})


@pytest.mark.also_on_spark("sources/mailchimp/said", "sources/mailchimp/suppressions")
def test_only_a_no_comes_back(tmp_path: Path, lake: Lake, settings: Settings) -> None:
    """A subscription may be one that our own import made: as a yes it would undo a no from elsewhere."""
    states = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
    members = [member(n, status=status) for n, status in enumerate(states)]
    with serve(tmp_path, members) as server:
        ingest(lake, source(server.base_url, 1_000), "statuses", JUNE, settings, "run")
    with lake.session() as session:
        session.scan("consents")
        session.scan("suppressions")
        said = session.rows(
            "SELECT identifier, channel, status, CAST(recorded_at AS DATE)::VARCHAR AS day FROM consents"
        )
        cleaned = session.rows("SELECT identifier, channel, reason FROM suppressions")
    assert [tuple(row.values()) for row in said] == [(members[1]["email_address"], "email", "denied", "2017-06-05")]
    assert [tuple(row.values()) for row in cleaned] == [(members[2]["email_address"], "email", "bounced")]


def test_members_who_change_while_the_list_is_read_cost_nobody_their_place(
    tmp_path: Path, lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read forwards, the first page's members who leave the listing would pull one of the next page past its boundary."""
    members = [member(n, f"2017-06-{n + 1:02d}T12:00:00") for n in range(9)]
    keep, read = RawPages.keep, list[int]()
    with serve(tmp_path, members) as server:

        def kept(pages: RawPages, *given: Any, **more: Any) -> Any:
            changed = members[len(read)]  # one of the oldest, with each page
            read.append(1)
            later = {"email_address": changed["email_address"], "status": "unsubscribed", "updated": NOW}
            server.http.post("/_control/mailchimp/people", json=later).raise_for_status()
            return keep(pages, *given, **more)

        monkeypatch.setattr(RawPages, "keep", kept)
        ingest(lake, source(server.base_url), "statuses", JUNE, settings, "run")
    with lake.session() as session:
        session.scan("consents")
        found = {row["identifier"] for row in session.rows("SELECT identifier FROM consents")}
    assert {one["email_address"] for one in members[3:]} <= found


def test_what_is_asked_and_answered_is_what_the_vendor_describes(
    tmp_path: Path, lake: Lake, settings: Settings
) -> None:
    described = Published("mailchimp_marketing_openapi_3.0.55_trimmed.json.gz")
    with serve(tmp_path, [member(n) for n in range(7)]) as server:
        server.http.put("/_control/recording", json={"on": True}).raise_for_status()
        source(server.base_url).check()
        ingest(lake, source(server.base_url), "statuses", JUNE, settings, "run")
        recorded = server.http.get("/_control/recorded").json()["requests"]
    assert len(recorded) == 5
    assert [why for one in recorded for why in described.wrong(one, one["path"].removeprefix("/mailchimp/3.0"))] == []
