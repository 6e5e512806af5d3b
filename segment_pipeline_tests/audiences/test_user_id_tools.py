"""One segment in the tools that know people by a company's own user ids, through the real connectors and the sandbox over HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from segment_pipeline.delivery.destination import Operation
from segment_pipeline.destinations.amplitude.connector import AmplitudeCohorts
from segment_pipeline.destinations.customerio.connector import CustomerIoSegments
from segment_pipeline.destinations.iterable.connector import IterableLists
from segment_pipeline.destinations.launchdarkly.connector import LaunchDarklySegments
from segment_pipeline.destinations.statsig.connector import StatsigSegments
from segment_pipeline.sandbox.registry import environment
from segment_pipeline.sandbox.server import SandboxServer
from segment_pipeline.testing.batches import Person as Row, batch
from segment_pipeline_tests.audiences.shoppers import PEOPLE, again, denied
from segment_pipeline_tests.audiences.world import World, audience

pytestmark = pytest.mark.slow
WHO = audience()
TOOLS: dict[str, Callable[[], Any]] = {
    "amplitude": lambda: AmplitudeCohorts(users_of="shop"),
    "launchdarkly, big": lambda: LaunchDarklySegments(users_of="shop"),
    "launchdarkly, standard": lambda: LaunchDarklySegments(users_of="shop", kind="standard", prefix="standard-"),
    "statsig": lambda: StatsigSegments(users_of="shop"),
    "customerio": lambda: CustomerIoSegments(users_of="shop"),
    "iterable": lambda: IterableLists(by="user_id", users_of="shop"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    vendors = sorted({name.partition(",")[0] for name in TOOLS})
    with SandboxServer(tmp_path_factory.mktemp("users"), vendors=vendors) as running:
        yield running


@pytest.mark.parametrize("name", list(TOOLS))
def test_members_are_the_ids_of_customers_whatever_is_lost(
    world: World, server: SandboxServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Those who leave or withdraw are taken out; with our memory gone, the tool is made to hold who should be there and nobody else."""
    for variable, given in environment(server.base_url).items():
        monkeypatch.setenv(variable, given)
    vendor, tool = name.partition(",")[0], TOOLS[name]()

    def held() -> set[str]:
        place = world.ledger.remote_id("shoppers", "tool")
        members = server.control("GET", f"/{vendor}/lists/{place}")["members"]
        return {member.get("user_id") or member["userId"] for member in members}

    everybody = {f"c-{person.profile_id}" for person in PEOPLE}
    world.people(PEOPLE)
    report = world.sync(WHO, tool)
    assert (report.status, report.added, held()) == ("synced", 12, everybody)
    denied(world, "p1", "p2")
    assert (world.sync(WHO, tool).removed, held()) == (2, everybody - {"c-p1", "c-p2"})
    assert world.sync(WHO, tool).requests == 0
    stranger = batch(tool, str(world.ledger.remote_id("shoppers", "tool")), [Row(user_id="c-p1")], Operation.UPSERT)
    assert tool.apply(stranger).accepted == 1
    world.ledger.close()
    world.lose("audience_members")
    later = world.opened()
    world.ledger = later.ledger
    report = later.sync(WHO, tool)
    assert report.status == "held", report.reasons
    assert again(later, WHO, tool, strangers="ours")[0].status == "synced"
    assert held() == everybody - {"c-p1", "c-p2"}
    tool.close()
