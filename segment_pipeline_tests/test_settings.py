"""The environment becomes settings once; what cannot be read is named with what it takes."""

import inspect
from datetime import date
from pathlib import Path

import pytest

from segment_pipeline import clock, settings as settings_module
from segment_pipeline.errors import ConfigError
from segment_pipeline.settings import SETTINGS, Settings


def test_defaults_place_everything_under_the_home(tmp_path: Path) -> None:
    settings = Settings.from_env({"SEGMENT_PIPELINE_HOME": str(tmp_path)})
    assert settings.lake == str(tmp_path / "lake")
    assert settings.ledger == f"sqlite:///{tmp_path}/ledger.sqlite"
    assert settings.raw == tmp_path / "raw"
    assert settings.sources is None, "all the catalogue declares"
    assert settings.end is None


def test_each_part_can_be_moved_by_its_own_variable(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {
            "SEGMENT_PIPELINE_HOME": str(tmp_path),
            "SEGMENT_PIPELINE_LAKE": "s3://bucket/lake",
            "SEGMENT_PIPELINE_END": "2017-12-31",
        }
    )
    assert settings.lake == "s3://bucket/lake"
    assert settings.end == date(2017, 12, 31)


def test_a_relative_path_is_the_same_place_for_a_process_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {name: f"there/{name.lower()}" for name in ("HOME", "LAKE", "RAW", "SANDBOX", "FILES")}
    urls = {name: f"sqlite:///there/{name.lower()}.sqlite" for name in ("LEDGER", "PUBLISH")}
    settings = Settings.from_env({f"SEGMENT_PIPELINE_{name}": value for name, value in (paths | urls).items()})
    for name in paths:
        assert str(getattr(settings, name.lower())) == str(tmp_path / "there" / name.lower())
    for name in urls:
        assert getattr(settings, name.lower()) == f"sqlite:///{tmp_path}/there/{name.lower()}.sqlite"
    others = ("sqlite://", "sqlite:///:memory:", "sqlite:////srv/ledger.sqlite", "postgresql+psycopg://ann@db/ledger")
    for url in others:
        assert Settings.from_env({"SEGMENT_PIPELINE_LEDGER": url}).ledger == url


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TIMEZONE", "Mars/Olympus"),
        ("START", "soon"),
        ("THREADS", "many"),
        ("FRESH_HOURS", "0"),
        ("BASE_CURRENCY", "EURO"),
        ("COUNTRY", "Germany"),
    ],
)
def test_what_cannot_be_read_is_named(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"SEGMENT_PIPELINE_{variable}"):
        Settings.from_env({f"SEGMENT_PIPELINE_{variable}": value})


def test_none_switches_every_connector_off() -> None:
    assert Settings.from_env({"SEGMENT_PIPELINE_SOURCES": "none"}).sources == ()


def test_every_setting_is_read() -> None:
    readers = [inspect.getsource(module) for module in (settings_module, clock)]
    for setting in SETTINGS:
        short = setting.variable.removeprefix("SEGMENT_PIPELINE_")
        assert any(f'get("{short}")' in text or f'get("{setting.variable}")' in text for text in readers) or (
            setting.variable == clock.VARIABLE
        ), setting.variable
