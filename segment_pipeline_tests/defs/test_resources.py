"""A connector is a Dagster resource made of its own fields: shown, overridable for a run, closed after it, and silent about secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import dagster as dg
import pytest
from pydantic import ValidationError

from segment_pipeline.connector import About, ConnectorKind, Env, address, fields_of, require, secret, value
from segment_pipeline.defs.resources import kind_of, resource, resource_key
from segment_pipeline.errors import ConfigError
from segment_pipeline.starter.company import STARTER

SECRET = "very-s3cret-value"
CLOSED: list[str] = []


@dataclass(frozen=True, kw_only=True)
class Till:
    about: ClassVar[About] = About(ConnectorKind.SOURCE, "Till 2", "receipts")
    name: str = "till"
    token: str = secret("TILL_TOKEN", "token of the till")
    base_url: str = address("TILL_BASE_URL", "https://till.example")
    schema: str | None = None
    attempts: int = 6
    unit: Literal["cents", "whole"] = "cents"
    names: Mapping[str, str] = field(default_factory=lambda: {"sale": "order"})

    def close(self) -> None:
        CLOSED.append(self.name)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("TILL_TOKEN", "TILL_BASE_URL", "TILL_CA_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    CLOSED.clear()
    yield


def ran(till: Any, config: Mapping[str, Any] | None = None) -> tuple[list[Any], dg.ExecuteInProcessResult]:
    """What an op of a run got as the resource, and the run."""
    got: list[Any] = []

    @dg.op(required_resource_keys={"source_till"})
    def use(context: dg.OpExecutionContext) -> None:
        got.append(context.resources.source_till)
        assert not CLOSED
        context.log.info(repr(context.resources.source_till))
        if getattr(context.resources.source_till, "attempts", 1) == 0:
            require(context.resources.source_till)

    @dg.job(resource_defs={"source_till": resource(till)})
    def job() -> None:
        use()

    configured = {"resources": {"source_till": {"config": dict(config or {})}}}
    return got, job.execute_in_process(run_config=configured, raise_on_error=False)


def test_a_run_gets_the_connector_itself_and_closes_it() -> None:
    till = Till(name="till_ca", names={"verkauf": "order"})
    got, run = ran(till)
    assert run.success
    assert got == [till]
    assert CLOSED == ["till_ca"]


def test_a_run_may_override_plain_fields_and_keeps_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILL_TOKEN", SECRET)
    changed = {"base_url": "http://127.0.0.1:1", "attempts": 2, "unit": "whole", "schema": "pos"}
    got, run = ran(Till(names={"verkauf": "order"}), changed)
    assert run.success
    assert got == [Till(names={"verkauf": "order"}, **changed)]  # type: ignore[arg-type]
    assert value(got[0], "token") == SECRET
    with pytest.raises(dg.DagsterInvalidConfigError):
        ran(Till(), {"unit": "dozen"})


def test_a_secret_is_a_variables_name_where_it_is_set_and_is_resolved_at_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TILL_TOKEN", "of-the-load")
    made = resource(Till())
    assert isinstance(made, dg.ConfigurableResource)
    schema = made.get_resource_definition().config_schema.as_field()
    shown = schema.default_value_as_json_str if schema.default_provided else ""
    assert '{"env": "TILL_TOKEN"}' in shown
    assert "of-the-load" not in shown + repr(made)
    assert '"base_url": "https://till.example"' in shown
    monkeypatch.setenv("TILL_TOKEN", "of-the-launch")
    got, _ = ran(Till())
    assert value(got[0], "token") == "of-the-launch"


def test_a_missing_secret_stops_no_run_that_does_not_use_it_and_is_named_when_used() -> None:
    _, unused = ran(Till())
    assert unused.success
    got, used = ran(Till(attempts=0))
    assert not used.success
    with pytest.raises(ConfigError, match="TILL_TOKEN is not set and the source till needs it"):
        require(got[0])


def test_a_second_one_of_a_kind_reads_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for its_own in (Env("TILL_CA_TOKEN"), dg.EnvVar("TILL_CA_TOKEN")):
        canadian = Till(name="till_ca", token=its_own)
        monkeypatch.delenv("TILL_CA_TOKEN", raising=False)
        with pytest.raises(ConfigError, match="TILL_CA_TOKEN is not set and the source till_ca needs it"):
            require(canadian)
        monkeypatch.setenv("TILL_CA_TOKEN", "north")
        assert value(canadian, "token") == "north"
        assert value(ran(canadian)[0][0], "token") == "north"


def test_no_secret_is_shown_logged_or_quoted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    handed_in = Till(token=SECRET)
    made = resource(handed_in)
    got, run = ran(handed_in)
    assert value(got[0], "token") == SECRET
    kept = "".join(str(event) for event in run.all_events)
    schema = made.get_resource_definition().config_schema.as_field()
    assert SECRET not in kept + caplog.text + repr(made) + schema.default_value_as_json_str
    wrong: dict[str, Any] = {"token": SECRET, "attempts": SECRET}
    with pytest.raises((ValidationError, dg.DagsterInvalidConfigError)) as caught:
        type(made)(**wrong)
    assert SECRET not in str(caught.value)


def test_a_source_and_a_destination_may_share_a_name_and_a_kind_is_the_systems() -> None:
    assert resource_key(ConnectorKind.SOURCE, "files") != resource_key(ConnectorKind.DESTINATION, "files")
    assert kind_of(Till(name="till_ca")) == "till_2"


@pytest.mark.parametrize("connector", STARTER.connectors(), ids=lambda connector: connector.name)
def test_every_connector_of_the_starter_is_a_resource_that_shows_variables_and_no_secret(
    connector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = fields_of(connector)
    for variable in held.values():
        monkeypatch.setenv(variable.name, SECRET if variable.secret else "http://127.0.0.1:1")
    made = resource(connector)
    shown = made.get_resource_definition().config_schema.as_field().default_value_as_json_str
    assert SECRET not in shown + repr(made)
    for variable in held.values():
        assert (f'{{"env": "{variable.name}"}}' if variable.secret else '"http://127.0.0.1:1"') in shown
