"""A `dg` project that has other things gets the pipeline with one `defs.yaml`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.processes

CATALOGUE = """
from segment_pipeline.catalogue import Catalogue
from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.segments.rules import Segment, trait

OURS = Catalogue(
    sources=(),
    destinations=(HashedFiles(directory="files"),),
    segments=(Segment("buyers", owner="team:crm", description="Bought once", goal="orders", where=trait("orders_total") >= 1),),
)
"""
DEFINITIONS = """
from pathlib import Path
import dagster as dg

@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
OTHER = """
import dagster as dg

@dg.asset
def something_else(): ...

@dg.definitions
def defs():
    return dg.Definitions(assets=[something_else], executor=dg.in_process_executor)
"""
LOADED = """
import json
from acme.definitions import defs
from dagster import Definitions
found = defs()
Definitions.validate_loadable(found)
repository = found.get_repository_def()
print(json.dumps({
    "assets": sorted(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()),
    "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
    "schedules": [schedule.name for schedule in repository.schedule_defs],
    "executor": found.executor.name,
}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder layout `create-dagster project` makes, with an asset of its own and our component beside it."""
    for path, text in {
        "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "acme"\n',
        "src/acme/__init__.py": "",
        "src/acme/catalogue.py": CATALOGUE,
        "src/acme/definitions.py": DEFINITIONS,
        "src/acme/defs/other.py": OTHER,
        "src/acme/defs/customers/defs.yaml": "type: segment_pipeline.dagster.CustomerData\n\nattributes:\n  catalogue: acme.catalogue:OURS\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def loaded(project: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SEGMENT_PIPELINE_", "DAGSTER_"))}
    environ["PYTHONPATH"] = os.pathsep.join([str(project / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done


def test_a_project_loads_us_beside_what_it_has(project: Path) -> None:
    """Its own executor stays; ours are the assets, jobs and schedule of `build_definitions`."""
    found: dict[str, Any] = json.loads(loaded(project).stdout)
    assert found["assets"] == ["profiles/identities", "profiles/traits", "segments/buyers", "something_else"]
    assert found["jobs"] == ["refresh", "sync"]
    assert found["schedules"] == ["nightly"]
    assert found["executor"] == "in_process"


def test_without_attributes_the_project_s_pyproject_names_the_catalogue(project: Path) -> None:
    (project / "src/acme/defs/customers/defs.yaml").write_text("type: segment_pipeline.dagster.CustomerData\n")
    with (project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.segment-pipeline]\ncatalogue = "acme.catalogue:OURS"\n')
    assert "segments/buyers" in json.loads(loaded(project).stdout)["assets"]


def test_a_mistake_in_the_catalogue_keeps_the_project_from_loading_with_our_sentence(project: Path) -> None:
    catalogue = project / "src/acme/catalogue.py"
    catalogue.write_text(catalogue.read_text().replace('Segment("buyers', 'Segment("Not A Name'))
    errors = loaded(project, code=1).stderr
    assert "catalogue.py:" in errors
    assert "Not A Name" in errors


def test_a_misspelt_attribute_is_named(project: Path) -> None:
    (project / "src/acme/defs/customers/defs.yaml").write_text(
        "type: segment_pipeline.dagster.CustomerData\nattributes:\n  catalog: acme.catalogue:OURS\n"
    )
    assert "catalog" in loaded(project, code=1).stderr
