"""One company's audiences in the tools its messages leave from, over HTTP; and what people say in one of them coming back."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from segment_pipeline.audiences.audience import Audience
from segment_pipeline.audiences.report import SyncReport
from segment_pipeline.audiences.sync import sync
from segment_pipeline.delivery.destination import Destination
from segment_pipeline.destinations.braze.connector import BrazeAttributes
from segment_pipeline.destinations.hubspot.connector import HubSpotLists
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.mailchimp.connector import MailchimpTags
from segment_pipeline.landing.consents import refresh_consents
from segment_pipeline.landing.source import Source
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.sources.klaviyo.connector import KlaviyoConsents
from segment_pipeline.sources.mailchimp.connector import MailchimpUnsubscribes
from segment_pipeline_tests.audiences.world import BEFORE, LATER, NOW, Person, World, audience, statement_of

pytestmark = pytest.mark.slow
TOOLS = {"klaviyo": "email", "klaviyo_sms": "sms", "hubspot": "email", "mailchimp": "email", "braze": "email"}
AUDIENCES = [audience(name=f"all_{tool}", destination=tool, channel=channel) for tool, channel in TOOLS.items()]
PEOPLE = [Person(f"p{i}", f"p{i}@quiet.shop", f"+1415555{i:04d}") for i in range(40)]
MAIL = "p{}@quiet.shop".format


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    vendors = ["braze", "hubspot", "klaviyo", "mailchimp"]
    with SandboxServer(tmp_path_factory.mktemp("messaging"), vendors=vendors) as running:
        running.set_clock(datetime.fromisoformat(NOW))
        yield running


class Tools:
    """One account of each, two channels of the first; `space` keeps the audiences of a test apart."""

    def __init__(self, server: SandboxServer, space: str) -> None:
        self.server, self.space = server, space
        klaviyo: dict[str, Any] = {
            "api_key": "pk_sandbox",
            "base_url": f"{server.base_url}/klaviyo",
            "list_prefix": space,
        }
        self.destinations: dict[str, Destination] = {
            "klaviyo": KlaviyoLists(**klaviyo),
            "klaviyo_sms": KlaviyoLists(name="klaviyo_sms", channel="sms", **klaviyo),
            "hubspot": HubSpotLists(
                access_token="sandbox-hubspot-token", base_url=f"{server.base_url}/hubspot", list_prefix=space
            ),
            "mailchimp": MailchimpTags(
                api_key="sandbox-mailchimp-us1", list_id="a1b2c3d4e5", base_url=f"{server.base_url}/mailchimp",
                tag_prefix=space,
            ),
            "braze": BrazeAttributes(
                api_key="sandbox-braze-key", base_url=f"{server.base_url}/braze", attribute_prefix=space
            ),
        }  # fmt: skip
        self.sources: dict[str, Source] = {
            "klaviyo": KlaviyoConsents(api_key="pk_sandbox", base_url=f"{server.base_url}/klaviyo"),
            "mailchimp": MailchimpUnsubscribes(
                api_key="sandbox-mailchimp-us1", list_id="a1b2c3d4e5", base_url=f"{server.base_url}/mailchimp"
            ),
        }

    def held(self, world: World) -> dict[str, set[str]]:
        """Who is in each, by the identifier it is known by there."""
        found = {}
        named = {"klaviyo": "email", "klaviyo_sms": "phone_number", "hubspot": "email", "mailchimp": "email_address"}
        for tool, field in named.items():
            vendor, remote = tool.partition("_")[0], world.ledger.remote_id(f"all_{tool}", tool)
            found[tool] = {one[field] for one in self.server.control("GET", f"/{vendor}/lists/{remote}")["members"]}
        flag = str(world.ledger.remote_id("all_braze", "braze"))
        users = self.server.control("GET", "/braze/people")
        return found | {"braze": {one["email"] for one in users if one.get(flag) is True}}


@pytest.fixture
def tools(server: SandboxServer, request: pytest.FixtureRequest) -> Iterator[Tools]:
    made = Tools(server, f"{request.node.name} ")
    with ExitStack() as stack:
        for tool in made.destinations.values():
            stack.callback(tool.close)  # type: ignore[attr-defined]
        yield made


def company(world: World, people: Sequence[Person]) -> None:
    """Everybody's word is about their address and, apart from it, about their number."""
    said = [
        statement_of(kind, value, "granted" if p.consent else "denied", p.said, channel=channel)
        for p in people
        for kind, value, channel in (("email", p.email, "email"), ("phone", p.phone, "sms"))
        if value and p.consent is not None
    ]
    world.people(people, extra_consents=said)


def run(world: World, tools: Tools, audiences: Sequence[Audience] = AUDIENCES) -> dict[str, SyncReport]:
    return {report.destination: report for report in sync(world.round(audiences, tools.destinations))}


def wanted(people: Sequence[Person]) -> dict[str, set[str]]:
    inside = [p for p in people if p.member and p.consent]
    mails, phones = {str(p.email) for p in inside}, {str(p.phone) for p in inside}
    return {tool: phones if channel == "sms" else mails for tool, channel in TOOLS.items()}


def test_the_tools_follow_one_segment(world: World, tools: Tools) -> None:
    """Leavers, withdrawals, changed addresses and newcomers, in each tool by its own means; then nothing is left to do."""
    company(world, PEOPLE)
    first = run(world, tools)
    assert {name: (report.status, report.added) for name, report in first.items()} == dict.fromkeys(
        TOOLS, ("synced", 40)
    )
    assert tools.held(world) == wanted(PEOPLE)
    changed = [
        *(replace(p, member=False) for p in PEOPLE[:5]),
        *(replace(p, consent=False, said=LATER) for p in PEOPLE[5:8]),
        *(replace(p, email=f"new-{p.email}", phone=f"+1415556{i:04d}") for i, p in enumerate(PEOPLE[8:11])),
        *PEOPLE[11:],
        Person("late", "late@quiet.shop", "+14155557777"),
    ]
    company(world, changed)
    run(world, tools)
    assert tools.held(world) == wanted(changed)
    tools.server.clear_requests()
    again = run(world, tools)
    assert {report.status for report in again.values()} == {"synced"}
    asked = {vendor: told["write"] for vendor, told in tools.server.requests().items()}
    # HubSpot's contacts are read by POST.
    assert {vendor: writes for vendor, writes in asked.items() if vendor != "hubspot"} == dict.fromkeys(
        ("braze", "klaviyo", "mailchimp"), 0
    )


def test_what_people_say_in_a_tool_comes_back(world: World, tools: Tools) -> None:
    """An unsubscribe and a complaint there take out of every tool; being imported, or an old yes there, lets nobody in again."""
    company(world, [*PEOPLE[:6], replace(PEOPLE[6], consent=False, said=LATER)])
    run(world, tools)
    assert tools.held(world)["mailchimp"] == {MAIL(i) for i in range(6)}
    at = "2017-06-30T12:00:00+00:00"
    unsubscribed = {
        "consent": "UNSUBSCRIBED",
        "consent_timestamp": at,
        "suppression": [{"reason": "UNSUBSCRIBE", "timestamp": at}],
    }
    complained = {
        "consent": "SUBSCRIBED",
        "consent_timestamp": BEFORE.isoformat(),
        "suppression": [{"reason": "SPAM_COMPLAINT", "timestamp": at}],
    }
    old_yes = {"consent": "SUBSCRIBED", "consent_timestamp": BEFORE.isoformat()}
    stopped = {"sms": {"consent": "UNSUBSCRIBED", "consent_timestamp": at}}
    for person, said in ((0, {"email": unsubscribed}), (1, {"email": complained}), (6, {"email": old_yes})):
        tools.server.control("POST", "/klaviyo/people", {"email": MAIL(person), "subscriptions": said})
    tools.server.control("POST", "/klaviyo/people", {"phone_number": PEOPLE[2].phone, "subscriptions": stopped})
    tools.server.control(
        "POST", "/mailchimp/people", {"email_address": MAIL(3), "status": "unsubscribed", "updated": at}
    )
    refresh_consents(world.lake, tools.sources, world.settings, "run")
    reports = run(world, tools)
    assert {report.status for report in reports.values()} == {"synced"}
    left = {MAIL(i) for i in (2, 4, 5)}
    held = tools.held(world)
    assert {name: held[name] for name in ("klaviyo", "hubspot", "mailchimp", "braze")} == dict.fromkeys(
        ("klaviyo", "hubspot", "mailchimp", "braze"), left
    )
    # What was said about mail is about mail, and about messages about messages.
    assert held["klaviyo_sms"] == {str(PEOPLE[i].phone) for i in (0, 1, 3, 4, 5)}
    assert world.rows("suppressions", "identifier", "channel", "reason") == [
        {"identifier": MAIL(1), "channel": "email", "reason": "complained"}
    ]
