"""One segment in four tools, through the real connectors and the sandbox vendors over HTTP."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.sync import sync
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.google.connector import GoogleCustomerMatch
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline_tests.audiences.world import LATER, Person, World, audience, statement_of

pytestmark = pytest.mark.slow
SHARED = "+14155550100"
PEOPLE = [Person(f"p{i}", f"p{i}@quiet.shop", f"+1415555{i:04d}" if i % 3 else SHARED) for i in range(60)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("vendors"), vendors=["meta", "google", "klaviyo"]) as running:
        yield running


class Vendors:
    """The four tools, and what each holds by e-mail (hashed or not) and phone."""

    def __init__(self, server: SandboxServer, files: Path) -> None:
        self.server = server
        self.meta = MetaAudiences(
            access_token="sandbox-meta-token", app_secret="sandbox-meta-secret", ad_account="1001",
            base_url=f"{server.base_url}/meta", marker=f"test {files.name}",
        )  # fmt: skip
        self.google = GoogleCustomerMatch(
            client_id="sandbox-google-client", client_secret="sandbox-google-secret", refresh_token="sandbox-google-refresh",
            customer="1234567890", base_url=f"{server.base_url}/google", token_url=f"{server.base_url}/google/token",
            marker=f"test {files.name}",
        )  # fmt: skip
        self.klaviyo = KlaviyoLists(
            api_key="pk_sandbox", base_url=f"{server.base_url}/klaviyo", list_prefix=f"test/{files.name}/"
        )
        self.files = HashedFiles(directory=str(files))

    @property
    def destinations(self) -> dict[str, Destination]:
        return {"meta": self.meta, "google": self.google, "klaviyo": self.klaviyo, "files": self.files}

    def held(self, world: World) -> dict[str, set[tuple[str | None, ...]]]:
        ids = {name: str(world.ledger.remote_id(f"all_{name}", name)) for name in self.destinations}
        meta = self.server.control("GET", f"/meta/lists/{ids['meta']}")["members"]
        google = self.server.control("GET", f"/google/lists/{ids['google']}")["members"]
        klaviyo = self.server.control("GET", f"/klaviyo/lists/{ids['klaviyo']}")["members"]
        lines = (Path(self.files.directory) / ids["files"] / "members.csv").read_text().splitlines()[1:]
        return {
            "meta": {(row.get("EMAIL"), row.get("PHONE")) for row in meta},
            "google": {
                tuple(next(iter(row.get(kind, ())), None) for kind in ("emailAddress", "phoneNumber")) for row in google
            },
            "klaviyo": {(profile["email"],) for profile in klaviyo},
            "files": {tuple(cell or None for cell in line.split(",")) for line in lines},
        }

    def close(self) -> None:
        self.meta.close()
        self.google.close()
        self.klaviyo.close()


@pytest.fixture
def vendors(server: SandboxServer, tmp_path: Path) -> Iterator[Vendors]:
    before = server.control("GET", "/meta/settings")
    made = Vendors(server, tmp_path / f"files-{tmp_path.name}")
    yield made
    made.close()
    server.clear_faults()
    server.control("PUT", "/meta/settings", before)


AUDIENCES = [
    audience(name=f"all_{name}", destination=name, channel=channel)
    for name, channel in (("meta", "ads"), ("google", "ads"), ("klaviyo", "email"), ("files", "ads"))
]


def company(world: World, people: list[Person], *said: dict[str, Any]) -> None:
    """Everyone who consents does so for ads and for e-mail."""
    mails = [
        statement_of("email", p.email, "granted" if p.consent else "denied", p.said, channel="email")
        for p in people
        if p.email and p.consent is not None
    ]
    world.people(people, extra_consents=[*mails, *said])


def run(world: World, vendors: Vendors) -> dict[str, SyncReport]:
    reports = sync(world.round(AUDIENCES, vendors.destinations))
    return {report.destination: report for report in reports}


def sha(value: str | None) -> str | None:
    return value and hashlib.sha256(value.encode()).hexdigest()


def wanted(people: list[Person]) -> dict[str, set[tuple[str | None, ...]]]:
    blocked = {i for p in people if p.consent is False for i in (p.email, p.phone)}
    pairs = {
        (p.email, None if p.phone in blocked else p.phone) for p in people if p.member and p.consent and p.email not in blocked
    }  # fmt: skip
    return {
        "meta": {(sha(email), sha(phone and phone.removeprefix("+"))) for email, phone in pairs},
        "google": {(sha(email), sha(phone)) for email, phone in pairs},
        "klaviyo": {(email,) for email, _ in pairs},
        "files": {(sha(email), sha(phone)) for email, phone in pairs},
    }


CHANGED = [
    *(replace(p, member=False) for p in PEOPLE[:5]),
    *(replace(p, consent=False, said=LATER) for p in PEOPLE[5:8]),
    *(replace(p, email=f"new-{p.email}") for p in PEOPLE[8:11]),
    *(replace(p, phone="+14155559999") for p in PEOPLE[11:14]),
    *PEOPLE[14:],
    Person("late", "late@quiet.shop", SHARED),
]


def test_four_tools_follow_one_segment(world: World, vendors: Vendors) -> None:
    company(world, PEOPLE)
    first = run(world, vendors)
    assert vendors.held(world) == wanted(PEOPLE)
    assert {n: (r.status, r.added, r.remote) for n, r in first.items()} == dict.fromkeys(first, ("synced", 60, 60))
    company(world, CHANGED)
    second = run(world, vendors)
    assert vendors.held(world) == wanted(CHANGED)
    assert {n: (r.status, r.remote) for n, r in second.items()} == dict.fromkeys(second, ("synced", 53))
    third = run(world, vendors)
    assert {n: (r.requests, r.unchanged, r.remote) for n, r in third.items()} == dict.fromkeys(third, (0, 53, 53))


@pytest.mark.parametrize("seed", range(2))
def test_one_in_five_requests_failing_in_mixed_ways_still_converges(
    world: World, vendors: Vendors, server: SandboxServer, seed: int
) -> None:
    kinds = ("429", "503", "reset", "lost_response", "truncated")
    server.faults(
        [
            {"vendor": vendor, "kind": kind, "rate": 0.04, "seed": seed * 10 + number}
            for vendor in ("meta", "google", "klaviyo")
            for number, kind in enumerate(kinds)
        ]
    )
    company(world, PEOPLE)
    run(world, vendors)
    company(world, CHANGED)
    run(world, vendors)
    reports = run(world, vendors)
    assert vendors.held(world) == wanted(CHANGED)
    assert {r.status for r in reports.values()} == {"synced"}
    assert all(r.remote == r.desired - r.rejected for r in reports.values())


def test_a_row_that_poisons_metas_batch_is_alone_in_being_rejected(
    world: World, vendors: Vendors, server: SandboxServer
) -> None:
    bad = sha("p7@quiet.shop")
    server.control("PUT", "/meta/settings", {"poison": [bad]})
    company(world, PEOPLE)
    report = run(world, vendors)["meta"]
    assert (report.status, report.added, report.rejected, report.remote) == ("synced", 59, 1, 59)
    assert bad not in {email for email, _ in vendors.held(world)["meta"]}
    assert run(world, vendors)["meta"].requests == 0


def test_a_removal_meta_refuses_for_too_few_people_is_reported_and_left_alone(world: World, vendors: Vendors) -> None:
    company(world, PEOPLE[:21])
    run(world, vendors)
    company(world, [replace(p, member=i >= 3) for i, p in enumerate(PEOPLE[:21])])
    reports = run(world, vendors)
    assert (reports["meta"].remove_rejected, reports["meta"].remote) == (3, 21)
    assert reports["meta"].reasons == ("removals_refused",)
    assert (reports["klaviyo"].removed, reports["files"].removed) == (3, 3)
    again = run(world, vendors)["meta"]
    assert (again.requests, again.remove_rejected) == (0, 3)
