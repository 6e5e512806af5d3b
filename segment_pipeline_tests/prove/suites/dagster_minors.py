"""The first and the newest release of every Dagster minor we say we run on: the code location's tests under each.

A release is laid over the environment the suite runs in, so that what is tested differs from the gate in Dagster alone. The
daemon runs too; the browser and PostgreSQL stay the gate's.
"""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import segment_pipeline_tests
from segment_pipeline_tests.prove.suite import Suite

# Of each minor the first and the newest. `pyproject.toml` takes these minors and no other.
RELEASES = ("1.12.0", "1.12.22", "1.13.0", "1.13.28")
CORE = ("dagster", "dagster-graphql", "dagster-pipes", "dagster-shared", "dagster-webserver")
TESTS = Path(segment_pipeline_tests.__file__).parent
LEFT_OUT = ("test_browser.py", "test_production.py")


def prove(release: str, folder: Path) -> int:
    """Returns the number of tests that passed."""
    overlay, answers = folder / "site", folder / "answers.xml"
    wanted = [f"{name}=={release}" for name in CORE]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(overlay), *wanted], check=True
    )
    seen = [str(overlay), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), str(TESTS.parent)]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(seen), "DAGSTER_HOME": ""}
    said = subprocess.run(
        [sys.executable, "-c", "import dagster; print(dagster.__version__)"],
        env=environ, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == release
    ignored = [f"--ignore={TESTS / 'defs' / name}" for name in LEFT_OUT]
    # What an older Dagster deprecates or is warned of by its own libraries is not ours to mend.
    quiet = ["-W", "ignore::DeprecationWarning"]
    command = ["pytest", "-q", "-p", "no:cacheprovider", *quiet, f"--junitxml={answers}", *ignored, str(TESTS / "defs")]
    done = subprocess.run([sys.executable, "-m", *command], env=environ, check=False, cwd=TESTS.parent)
    found = ET.parse(answers).getroot().find("testsuite")
    assert found is not None
    assert done.returncode == 0, f"{found.get('failures')} failures and {found.get('errors')} errors under {release}"
    return int(found.get("tests", 0)) - int(found.get("skipped", 0))


SUITE = Suite(
    "Our Dagster definitions work under every minor of the range.",
    RELEASES, prove, units="tests", workers=1, minutes=30,
)  # fmt: skip
