"""Every SQL statement of the package, on DuckDB and on Spark, over the same rows: the demo's, from raw pages to an audience in a tool.

The tests of this file follow one another: each goes on with the tables the one before it left.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

import segment_pipeline
from segment_pipeline.audiences.ledger import Ledger
from segment_pipeline.audiences.round import Round
from segment_pipeline.audiences.sync import plan_only, sync
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.defs import checks
from segment_pipeline.defs.ingest import entity_key
from segment_pipeline.lake.lake import Lake
from segment_pipeline.landing.landing import land
from segment_pipeline.landing.rates import land_rates
from segment_pipeline.landing.raw import pulls
from segment_pipeline.profiles import build
from segment_pipeline.profiles.identity.quality import pair_quality
from segment_pipeline.profiles.view import find_profile, profile_view
from segment_pipeline.publishing.publish import publish
from segment_pipeline.publishing.target import Target
from segment_pipeline.segments.health import findings
from segment_pipeline.segments.inspect import explain, preview
from segment_pipeline.segments.memberships import build_memberships
from segment_pipeline.settings import Settings
from segment_pipeline_tests.conftest import MANY_STATEMENTS, engine_of
from segment_pipeline_tests.engines.both import BothEngines
from segment_pipeline_tests.engines.conftest import settings_of
from segment_pipeline_tests.engines.job import COMPANY
from segment_pipeline_tests.engines.named import named_by_tests

PACKAGE = Path(segment_pipeline.__file__).parent
pytestmark = pytest.mark.spark
LAST = date(2017, 12, 31)


@dataclass
class Company:
    settings: Settings
    lake: Lake
    engine: BothEngines
    catalogue: Catalogue = COMPANY

    @property
    def on_duckdb(self) -> Lake:
        """The same lake, asked by DuckDB alone: for what another test asks both."""
        return Lake(self.lake.root, self.engine.duckdb)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, small_home: Path) -> Iterator[Company]:
    """A demo of a few households without its lake: what the engines make of its raw pages goes into a new one."""
    home = tmp_path_factory.mktemp("both") / "home"
    shutil.copytree(small_home, home, ignore=shutil.ignore_patterns("running", "spill", "lake", "ledger.sqlite"))
    engine = engine_of("both", home, MANY_STATEMENTS)
    assert isinstance(engine, BothEngines)
    with settings_of(home) as settings:
        yield Company(settings, Lake(settings.lake, engine), engine)


def test_raw_pages_become_the_same_facts(company: Company) -> None:
    land_rates(company.lake, company.catalogue.rates or {}, base=company.settings.base_currency)
    for source in company.catalogue.enabled_sources(company.settings).values():
        for entity in source.entities:
            found = list(pulls(company.settings.raw, source.name, entity.name))
            # Landing again what consent asked for again: Shopify's customers and the events show it, for all.
            for pulled in found[:1] if source.name == "square" else found:
                land(company.lake, source, entity.name, pulled, company.settings, "run")
    assert company.lake.rows("orders") > 0
    assert company.lake.rows("events") > 0


def test_records_become_the_same_people_with_the_same_traits(company: Company) -> None:
    # The day before is what the events of this one are found against: its own statements are those of `test_odd_rows`.
    rules = company.catalogue.identity
    assert build.identities(company.on_duckdb, LAST - timedelta(days=1), company.settings, rules).profiles > 0
    assert build.identities(company.lake, LAST, company.settings, rules).profiles > 0
    assert build.traits(company.lake, LAST, company.settings, identity_rules=rules).profiles > 0
    quality = pair_quality(
        company.lake, company.settings.sandbox / "truth" / "records.parquet", timezone=company.settings.timezone
    )
    assert quality["pairs"]["right"] > 0


def test_the_compiler_finds_the_same_members(company: Company) -> None:
    segments, known = company.catalogue.segments, company.catalogue.vocabulary
    report = build_memberships(company.lake, LAST, segments, company.settings, vocabulary=known)
    assert not report.failed
    assert sum(report.sizes.values()) > 0
    assert findings(company.lake, segments, LAST) is not None
    chosen = next(segment for segment in segments if segment.name == "churned_runners")
    assert (
        preview(company.lake, LAST, chosen, segments, company.settings, vocabulary=known).population
        == report.population
    )


def test_an_audience_is_planned_sent_and_accounted_for_alike(company: Company) -> None:
    settings = replace(company.settings, destinations=("files",))
    audiences = company.catalogue.enabled_audiences(settings)
    ledger = Ledger.open(settings.ledger)
    tools = company.catalogue.enabled_destinations(settings)
    [planned] = plan_only(Round(company.on_duckdb, ledger, audiences, tools, settings))
    [sent] = sync(Round(company.lake, ledger, audiences, tools, settings))
    assert (sent.status, sent.desired, sent.added) == ("synced", planned.desired, planned.added)
    assert sent.added > 0
    [again] = sync(Round(company.lake, ledger, audiences, tools, settings))
    assert (again.unchanged, again.added, again.removed) == (sent.desired, 0, 0)


def test_one_person_is_shown_alike(company: Company) -> None:
    with company.lake.session() as session:
        session.scan("memberships")
        [one] = session.rows("SELECT profile_id, segment FROM memberships ORDER BY segment, profile_id LIMIT 1")
    found = find_profile(company.lake, profile_id=one["profile_id"], country="US")
    with company.lake.session() as session:
        session.scan("profiles")
        [known] = session.rows("SELECT profile_id, email FROM profiles WHERE email IS NOT NULL ORDER BY email LIMIT 1")
    assert find_profile(company.lake, email=known["email"], country="US") == known["profile_id"]
    assert one["segment"] in {each["segment"] for each in profile_view(company.lake, found)["segments"]}
    segments = company.catalogue.segments
    chosen = next(segment for segment in segments if segment.name == one["segment"])
    assert explain(
        company.lake, LAST, chosen, segments, company.settings, found, vocabulary=company.catalogue.vocabulary
    ).member


def test_the_checks_see_the_same_loads(company: Company) -> None:
    [source, *_] = company.catalogue.enabled_sources(company.settings).values()
    with company.lake.session() as session:
        for entity in source.entities:
            results = list(checks._entity_results(session, source.name, entity, entity_key(source.name, entity.name)))
            assert [result.passed for result in results] == [True] * 3


def test_the_same_rows_are_published(company: Company, tmp_path: Path) -> None:
    target = Target.open(replace(company.settings, publish=f"sqlite:///{tmp_path / 'warehouse.sqlite'}"))
    names = [segment.name for segment in company.catalogue.segments]
    done = {one.table: one.rows for one in publish(company.lake, target, names)}
    target.close()
    assert done == {name: company.lake.rows(name) for name in done}


def test_every_statement_of_the_package_was_asked_on_both(company: Company) -> None:
    written = {
        f"{path.parent.parent.relative_to(PACKAGE).as_posix()}/{path.stem}"
        for path in PACKAGE.rglob("sql/*.sql")
        if "sandbox" not in path.parts
    }
    elsewhere = named_by_tests()
    missing = sorted(written - company.engine.seen - elsewhere)
    assert not missing, "\n".join(missing)
    generated = re.compile(r'(?:generated|built|trusted)\(\s*"([^"]+)"')
    made = {name for path in PACKAGE.rglob("*.py") for name in generated.findall(path.read_text(encoding="utf-8"))}
    assert not elsewhere - written - made, "a statement that is no more"
