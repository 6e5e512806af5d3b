"""The tools' settings: every exception has its reason, and a commit is held to the commands of `make lint`."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text()


def test_every_ignored_rule_has_a_reason() -> None:
    ignored = tomllib.loads(PYPROJECT)["tool"]["ruff"]["lint"]["ignore"]
    [block] = re.findall(r"^ignore = \[\n(.*?)^\]", PYPROJECT, re.MULTILINE | re.DOTALL)
    lines = [re.fullmatch(r' *"([A-Z]+\d*)", *(# .+)?', line) for line in block.splitlines()]
    found = [(line[1], line[2]) for line in lines if line]
    assert [rule for rule, _ in found] == ignored == sorted(ignored)
    # One reason may stand for rules of one family that follow each other.
    for (rule, reason), (before, _) in zip(found[1:], found, strict=False):
        assert reason or rule[:3] == before[:3], f"{rule} is ignored without a reason"
    assert found[0][1]


def test_no_count_of_branches_and_no_rule_on_time_zones_is_ignored() -> None:
    ignored = tomllib.loads(PYPROJECT)["tool"]["ruff"]["lint"]["ignore"]
    assert not {"C901", "PLR0912", "PLR0915", "DTZ"} & set(ignored)


def test_a_commit_is_held_to_the_commands_of_make_lint() -> None:
    [recipe] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    hooks = re.findall(r"^ *entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert hooks == commands
