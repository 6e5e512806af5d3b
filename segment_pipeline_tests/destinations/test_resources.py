"""Destinations as Dagster resources: secrets come from the environment at launch and show up nowhere."""

from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from segment_pipeline.destinations.files.connector import HashedFiles
from segment_pipeline.destinations.klaviyo.connector import KlaviyoLists
from segment_pipeline.destinations.meta.connector import MetaAudiences
from segment_pipeline.errors import ConfigError

SECRET = "very-s3cret-value"


@dg.op
def use_meta(meta: MetaAudiences) -> None:
    assert meta.access_token == SECRET
    meta.check()


@dg.job
def job_with_meta() -> None:
    use_meta()


def test_a_secret_is_read_at_launch_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The connection fails on purpose; events, logs and output of the failed run hold no secret."""
    monkeypatch.setenv("META_ACCESS_TOKEN", SECRET)
    monkeypatch.setenv("SEGMENT_PIPELINE_NO_WAIT", "1")
    caplog.set_level("DEBUG")
    resource = MetaAudiences(
        access_token=dg.EnvVar("META_ACCESS_TOKEN"), ad_account="1001", base_url="http://127.0.0.1:9", attempts=1
    )
    with dg.DagsterInstance.ephemeral() as instance:
        ran = job_with_meta.execute_in_process(resources={"meta": resource}, instance=instance, raise_on_error=False)
        assert not ran.success
        (failure,) = [event for event in ran.all_events if event.is_step_failure]
        kept = "".join(str(event) for event in ran.all_events)
    said = str(failure.event_specific_data)
    assert "could not connect" in said
    out, err = capfd.readouterr()
    assert SECRET not in said + kept + caplog.text + out + err


@pytest.mark.parametrize("resource", [MetaAudiences, KlaviyoLists])
def test_a_bad_field_is_refused_without_quoting_a_secret(resource: type[dg.ConfigurableResource[Any]]) -> None:
    fields = {"access_token": SECRET, "api_key": SECRET, "ad_account": "1", "attempts": SECRET}
    wanted = {name: value for name, value in fields.items() if name in resource.model_fields}
    with pytest.raises((ValidationError, dg.DagsterInvalidConfigError)) as caught:
        resource(**wanted)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("resource", "variable"),
    [
        (MetaAudiences(access_token="", ad_account="1"), "META_ACCESS_TOKEN"),
        (KlaviyoLists(api_key=""), "KLAVIYO_API_KEY"),
        (HashedFiles(directory="/proc/nowhere"), "SEGMENT_PIPELINE_FILES"),
    ],
)
def test_a_missing_setting_names_its_variable(resource: MetaAudiences, variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        resource.check()
