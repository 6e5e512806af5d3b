"""Dagster's UI on the demo's lake, in a real browser: the graph, one partition from the UI, a segment's pictures, an audience's numbers."""

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from segment_pipeline_tests.defs.dagster_process import DagsterProcess

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.mark.dagster
@pytest.mark.browser
def test_a_person_sees_the_graph_runs_a_partition_and_reads_an_audiences_numbers(demo_copy: Path) -> None:
    assert CHROMIUM, "there is no chromium here (Debian: apt-get install chromium)"
    with DagsterProcess(demo_copy) as dagster, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(f"{dagster.url}/asset-groups")
        for group in ("sources", "profiles", "segments", "audiences"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=120_000)
        expect(page.get_by_role("button", name="Skip")).to_have_count(0)  # no sign-up dialog lies over the first page
        page.screenshot(path=str(demo_copy / "graph.png"))

        before = {run["runId"] for run in dagster.runs()}
        page.goto(f"{dagster.url}/assets/profiles/traits?view=partitions")
        page.get_by_role("button", name="Materialize…").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Latest", exact=True).click()
        dialog.get_by_role("button", name="Launch 1 run").click()

        def launched() -> str | None:
            mine = [r for r in dagster.runs() if r["runId"] not in before and r["jobName"] == "__ASSET_JOB"]
            return mine[0]["status"] if mine and mine[0]["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        assert dagster.until("the run from the UI ended", launched) == "SUCCESS"

        shows_its_rule_and_its_pictures(page, dagster.url, "weekly_women")
        page.screenshot(path=str(demo_copy / "segment.png"))

        audience = min(json.loads((demo_copy / "report.json").read_text())["audiences"])
        page.goto(f"{dagster.url}/assets/audiences/{audience}?view=events")
        for number in ("eligible", "added", "removed", "held", "why"):
            expect(page.get_by_text(number, exact=True).first).to_be_visible(timeout=120_000)
        page.screenshot(path=str(demo_copy / "audience.png"))
        browser.close()


def shows_its_rule_and_its_pictures(page: Page, url: str, segment: str) -> None:
    """The rule in words, below it the funnel and the size over time, drawn, and below those the columns."""
    page.goto(f"{url}/assets/segments/{segment}?view=overview")
    seen = [page.get_by_text("did order in 7 days", exact=True)]
    seen += [page.get_by_alt_text(text) for text in ("Funnel of", "Size from")]
    seen.append(page.get_by_text("columns", exact=True))
    heights = []
    for one in seen:
        expect(one).to_have_count(1, timeout=120_000)
        expect(one).to_be_visible()
        heights.append((one.bounding_box() or {"y": 0.0})["y"])
    assert heights == sorted(heights), heights
    for picture in seen[1:3]:
        page.wait_for_function("e => e.complete && e.naturalWidth > 0", arg=picture.element_handle())
    assert not page.get_by_text("[Show Markdown]").count()
