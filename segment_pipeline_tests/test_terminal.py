"""What is shown is what was written: texts of a company and of its data are nobody's markup."""

import io
import sys

import pytest

from segment_pipeline.terminal import Stages, show, show_one

ODD = [
    "[/sale] ends",
    "[b]bold[/b]",
    'trait("city") == "[/b]"',
    "[red]",
    "[link=x]y",
    ":smile:",
    "\\[x]",
    "[",
    "a\x1b[31mb",
]


@pytest.mark.parametrize("odd", ODD)
def test_a_bracket_is_shown_wherever_it_stands(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = odd.replace("\x1b", "\\x1b")
    show([{"a": odd, odd: [odd], "c": {"k": odd}}], as_json=False, title=odd)
    assert capsys.readouterr().out.count(shown) == 5
    show_one({odd: odd}, as_json=False, title=odd)
    assert capsys.readouterr().out.count(shown) == 3


@pytest.mark.parametrize("odd", ODD[:-1])
def test_a_stage_is_named_as_it_is(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with Stages({}, quiet=False) as stages, stages.stage(odd):
        pass
    assert odd in said.getvalue()
