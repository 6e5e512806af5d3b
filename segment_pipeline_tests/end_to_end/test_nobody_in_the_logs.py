"""No person and no secret in what stays behind of runs: Dagster's storage, logs, Delta logs, error texts, the ledger.

Failures are where people leak, so each kind is made to happen: vendors' faults, records no statement can read, a cast that
fails, memory that runs out, rows that tools refuse. The values that cannot be read are people's e-mails, names and numbers.
"""

import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segment_pipeline.audiences.audience import Audience, Guards
from segment_pipeline.definitions import build_definitions
from segment_pipeline.defs import audiences, failures, people, segments
from segment_pipeline.settings import Settings
from segment_pipeline.starter.company import STARTER
from segment_pipeline_tests.end_to_end.company import (
    LAST,
    Company,
    company,
    current_keys,
    everybody_consents,
    fresh_lake,
    night_after,
    rows_of,
    supersede,
)
from segment_pipeline_tests.end_to_end.leaks import People, leaks

# Some twenty runs through Dagster, in the fixture: on a busy machine more than the usual limit.
pytestmark = pytest.mark.slow
SOURCE_KINDS = ("429", "500", "503", "slow", "reset", "lost_response", "truncated", "expired_token")
TOOL_KINDS = (*SOURCE_KINDS, "row_errors")
FIRST = LAST - timedelta(days=9)
PULLED = [
    dg.AssetKey(["square", "customers"]),
    dg.AssetKey(["shopify", "customers"]),
    dg.AssetKey(["amplitude", "events"]),
]
CARRY_ROWS = {"meta": "/users$", "klaviyo": "/profile-bulk-import-jobs$"}
# One audience per kind and tool: what is sent already is not sent again, and could not fail.
SMALL = Guards(minimum=0)
SENT = {
    (kind, tool): Audience(
        f"a_{kind}_{tool}", segment="recent_buyers", destination=tool, channel=channel, owner="team:crm", guards=SMALL
    )
    for kind in TOOL_KINDS
    for tool, channel in (("meta", "ads"), ("klaviyo", "email"))
}  # fmt: skip
CATALOGUE = replace(STARTER, audiences=(*STARTER.audiences, *SENT.values()))


@dataclass
class Aftermath:
    """What the runs left, and how they ended: `failed` counts steps by what was done to them."""

    home: Path
    people: People
    failed: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    refused: int = 0
    faults: set[tuple[str, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    home = tmp_path_factory.mktemp("logs") / "home"
    output = home.parent / "output.txt"
    with company(home, households=40, days=30) as made, pytest.MonkeyPatch.context() as patch:
        # A step's next attempt would come half a minute later.
        patch.setattr(failures, "delay", lambda *_: 0)
        patch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
        with (home / "settings.env").open("a") as settings:
            settings.write("SEGMENT_PIPELINE_NO_WAIT=1\n")
        found = Aftermath(home, People(home))
        poison(home)
        with dg.DagsterInstance.get() as instance, written_to(output):
            go_wrong(made, instance, found)
        found.texts.append(output.read_text())
        lake = fresh_lake(home)
        found.quarantined = {f"{row['source']}/{row['entity']}" for row in rows_of(lake, "quarantine")}
        found.refused = sum(row["state"] == "rejected" for row in rows_of(lake, "audience_members"))
        yield found


@contextlib.contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Standard output and standard error of this process, whoever writes to them, in a file."""
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, before in zip((1, 2), kept, strict=True):
                os.dup2(before, number)
                os.close(before)


def poison(home: Path) -> None:
    """One record per listing that no statement can read, with a person's own values where numbers and times should be."""
    at = datetime.fromisoformat(f"{LAST}T12:00:00")

    def spoil(vendor: str, entity: str, change: Callable[[Any], Any]) -> None:
        # Of records that come once, one of the last day: what happened before the window is not asked for.
        since = at - timedelta(hours=8) if entity == "events" else None
        supersede(home, (vendor, entity, current_keys(home, vendor, entity, at, since)[0]), at, change)

    spoil("square", "customers", lambda body: body | {"created_at": body.get("email_address", "Ann Example")})
    spoil(
        "square", "orders", lambda body: body | {"line_items": "ann@example.net", "updated_at": f"{LAST}T12:00:00.000Z"}
    )
    spoil("shopify", "customers", lambda body: body | {"createdAt": "Ann Example"})
    spoil("amplitude", "events", lambda body: body | {"event_time": "ann@example.net"})


def go_wrong(made: Company, instance: dg.DagsterInstance, found: Aftermath) -> None:
    settings = made.settings
    for kind in SOURCE_KINDS:
        made.sandbox.faults([{"vendor": "*", "kind": kind, "seconds": 0.01}])
        run(made, settings, instance, found, kind, PULLED, window=(LAST, LAST))
        made.sandbox.clear_faults()
    run(made, settings, instance, found, "poison", None, window=(FIRST, LAST), leave_out=(segments.GROUP,))
    run(made, replace(settings, memory="8MB"), instance, found, "memory", [people.TRAITS], window=(LAST, LAST))
    run(made, settings, instance, found, "sound", segment_keys(made), window=(LAST, LAST))
    everybody_consents(fresh_lake(made.home))
    for kind in TOOL_KINDS:
        made.sandbox.clear_requests()
        made.sandbox.faults(
            [
                {"vendor": vendor, "kind": kind, "seconds": 0.01, "every": 3, "method": "POST", "path_regex": path}
                for vendor, path in CARRY_ROWS.items()
            ]
        )
        tools = [audiences.audience_key(SENT[kind, vendor].name) for vendor in CARRY_ROWS]
        run(made, settings, instance, found, f"sync {kind}", tools, job="sync")
        if kind == "500":
            found.texts.append(command(made.home, "audiences", "sync", "best_customers_klaviyo", code=1))
        counts = made.sandbox.requests()
        found.faults |= {(vendor, kind) for vendor in CARRY_ROWS if counts[vendor]["faults"].get(kind)}
        made.sandbox.clear_faults()
    found.texts += [
        command(made.home, "audiences", "plan", "best_customers_klaviyo", code=3),
        command(made.home, "profile", "show", "--email", "not an address", code=1),
    ]
    format_changed(made)
    run(made, settings, instance, found, "format", [dg.AssetKey(["square", "customers"])], window=(LAST, LAST))
    widen_a_type(made.home)
    run(made, settings, instance, found, "cast", [people.IDENTITIES], window=(LAST, LAST))


def segment_keys(made: Company) -> list[dg.AssetKey]:
    return [segments.segment_key(segment.name) for segment in made.catalogue.segments]


def run(
    made: Company,
    settings: Settings,
    instance: dg.DagsterInstance,
    found: Aftermath,
    what: str,
    keys: list[dg.AssetKey] | None,
    *,
    window: tuple[date, date] | None = None,
    job: str = "refresh",
    leave_out: tuple[str, ...] = (),
) -> None:
    definitions = build_definitions(CATALOGUE, settings)
    tags = {}
    if window:
        tags = dict(
            zip(
                ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"),
                (day.isoformat() for day in window),
                strict=True,
            )
        )
    if keys is None:
        keys = [
            key
            for definition in definitions.assets or ()
            if isinstance(definition, dg.AssetsDefinition)
            for key in definition.keys
            if definition.get_asset_spec(key).group_name not in {*leave_out, audiences.GROUP}
        ]
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, asset_selection=keys, tags=tags, raise_on_error=False
    )
    for event in result.all_events:
        if event.is_step_failure:
            found.failed[what] += 1


def format_changed(made: Company) -> None:
    """Half of the customers with an address where a time should be: more than landing takes for single mistakes."""
    at = night_after(LAST) - timedelta(hours=5)
    keys = current_keys(made.home, "square", "customers", at)
    for key in keys[::2]:
        supersede(
            made.home,
            ("square", "customers", key),
            at,
            lambda body: body | {"created_at": body.get("email_address", "x")},
        )


def widen_a_type(home: Path) -> None:
    """A foreign writer's file: addresses in a column that is declared as a date."""
    for path in (home / "lake" / "customers").rglob("*.parquet"):
        held = pq.ParquetFile(path).read()
        place = held.schema.get_field_index("birth_date")
        texts = held.column("email").cast(pa.string())
        pq.write_table(held.set_column(place, "birth_date", texts), path)


def command(home: Path, *arguments: str, code: int) -> str:
    """Both outputs of the command line as a process of its own."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "segment_pipeline.cli", "--home", str(home), *arguments],
        env=environ, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) == (code != 0), done.stderr[-2000:]
    return done.stdout + done.stderr


def test_what_should_go_wrong_went_wrong(aftermath: Aftermath) -> None:
    failed = set(aftermath.failed)
    assert {*SOURCE_KINDS} - {"slow"} <= failed
    assert aftermath.faults == {(tool, kind) for kind, tool in SENT}
    assert {"memory", "format", "cast"} <= failed
    assert not {"sound", "poison"} & failed
    assert aftermath.quarantined == {"square/customers", "square/orders", "shopify/customers", "amplitude/events"}
    assert aftermath.refused >= 1


def test_the_scan_finds_what_there_is(aftermath: Aftermath, tmp_path: Path) -> None:
    """People's values are in the vendors' world and found there: emptiness elsewhere is no blindness."""
    hits = aftermath.people.found((aftermath.home / "sandbox" / "world.sqlite").read_bytes())
    assert len(hits) > 100
    (tmp_path / "log").write_text(f"could not send to {next(hit for hit in hits if '@' in hit)}")
    assert leaks(aftermath.people, [tmp_path / "log"])


def test_nobody_is_in_dagsters_storage(aftermath: Aftermath) -> None:
    files = [path for path in (aftermath.home / "dagster").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) > 100_000
    assert leaks(aftermath.people, files) == {}


def test_nobody_is_in_the_delta_logs(aftermath: Aftermath) -> None:
    files = list((aftermath.home / "lake").glob("*/_delta_log/**/*"))
    tables = {path.relative_to(aftermath.home / "lake").parts[0] for path in files}
    assert {"customers", "orders", "profiles", "audience_members", "quarantine"} <= tables
    assert leaks(aftermath.people, files) == {}


def test_nobody_is_in_the_ledger(aftermath: Aftermath) -> None:
    files = list(aftermath.home.glob("ledger.sqlite*"))
    assert files
    assert leaks(aftermath.people, files) == {}


def test_nobody_is_in_what_was_printed_and_told(aftermath: Aftermath) -> None:
    told = "\n".join(aftermath.texts)
    assert "best_customers_klaviyo" in told
    assert aftermath.people.found(told.encode()) == []
