"""Memory is capped by a setting: what does not fit spills to disk and comes out the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.tables import table
from segment_pipeline.profiles import build
from segment_pipeline.settings import Settings
from segment_pipeline_tests.benchmarks.company import IDENTITY, Company, make_company

pytestmark = pytest.mark.slow
WRITTEN = ("identities", "profiles", "profile_identifiers", "traits", "trait_shares")


@contextmanager
def spilled(folder: Path) -> Iterator[set[str]]:
    """Names of the files that were in the folder at some time."""
    seen, done = set[str](), Event()

    def watch() -> None:
        while not done.wait(0.005):
            seen.update(file.name for file in folder.glob("*"))

    watching = Thread(target=watch)
    watching.start()
    try:
        yield seen
    finally:
        done.set()
        watching.join()


def built(company: Company, home: Path, memory: str) -> tuple[Lake, Settings]:
    own = company.borrowed(home)
    settings = replace(own.settings, memory=memory, threads=1)
    lake = Lake.open(settings)
    build.identities(lake, own.as_of, settings, IDENTITY)
    build.traits(lake, own.as_of, settings, identity_rules=IDENTITY)
    return lake, settings


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    return make_company(tmp_path_factory.mktemp("company"), 40_000, days=21)


def test_people_and_traits_that_do_not_fit_into_memory_come_out_the_same(company: Company, tmp_path: Path) -> None:
    with spilled(tmp_path / "ample" / "spill") as none:
        ample, _ = built(company, tmp_path / "ample", "1GB")
    with spilled(tmp_path / "little" / "spill") as files:
        little, settings = built(company, tmp_path / "little", "160MB")
    assert not none
    assert files
    assert not any((settings.home / "spill").iterdir())
    for name in WRITTEN:
        query = f"SELECT * FROM {name} ORDER BY {', '.join(table(name).key)}"
        with ample.session() as first, little.session() as second:
            first.scan(name)
            second.scan(name)
            assert first.table(query).equals(second.table(query)), name


def test_memory_below_any_use_is_an_error_that_names_the_setting_and_leaves_the_lake_as_it_was(
    company: Company, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=r"^profiles/\w+/\w+ .*raise SEGMENT_PIPELINE_MEMORY$"):
        built(company, tmp_path / "home", "15MB")
    assert not (tmp_path / "home" / "lake" / "identities").exists()
    assert not any((tmp_path / "home" / "spill").iterdir())
