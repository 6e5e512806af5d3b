"""Pictures of segments: Markdown that Dagster shows in its place, around an SVG that stays one whatever a rule says."""

import re
from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from segment_pipeline.segments.pictures import IN_PLACE, WIDTH, funnel, size_over_time

D = date(2017, 12, 31)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(markdown: str) -> tuple[str, ET.Element]:
    """The alternative text and the picture; nothing stands beside it."""
    found = re.fullmatch(r"!\[([^\[\]]*)\]\(data:image/svg\+xml,([^\s()&\\#\"]*)\)", markdown)
    assert found, markdown
    return found[1], ET.fromstring(unquote(found[2]))


def texts(picture: ET.Element) -> list[str | None]:
    return [text.text for text in picture.iter(f"{SVG}text")]


def bars(picture: ET.Element) -> list[int]:
    path = picture.find(f"{SVG}path")
    assert path is not None
    return [int(wide) for wide in re.findall(r"h(\d+)v", path.attrib["d"])]


def test_the_funnel_has_a_bar_for_everybody_and_for_those_left_after_each_term() -> None:
    said, picture = drawn(funnel(D, 2400, (("gender == female", 1300), ("did order", 600))))
    assert said == "Funnel of 2017-12-31: 600 of 2,400 people"
    assert picture.findtext(f"{SVG}title") == said
    assert texts(picture) == ["2,400 everybody", "1,300 gender == female", "600 did order"]
    assert bars(picture) == [WIDTH, WIDTH * 1300 // 2400, WIDTH // 4]


@pytest.mark.parametrize(
    "term", ["a < b & c", "<script>alert('x')</script>", "50% off #1 (new)", 'é \\ [x](y) `"', "&lt;"]
)
def test_what_a_rule_says_stays_text(term: str) -> None:
    _, picture = drawn(funnel(D, 2, ((term, 1),)))
    assert texts(picture)[1] == f"1 {term}"
    assert {element.tag for element in picture.iter()} == {f"{SVG}{tag}" for tag in ("svg", "title", "path", "text")}


def test_terms_are_shortened_until_the_funnel_shows_in_its_place() -> None:
    terms = [f"did product_bought, category {'Outdoor & Garden ' * 4} {n}" for n in range(8)]
    markdown = funnel(D, 900, tuple((term, 100 - n) for n, term in enumerate(terms)))
    said = texts(drawn(markdown)[1])
    assert len(markdown) < IN_PLACE
    assert len(said) == 9
    assert all(
        text and text.startswith(f"{100 - n} did product_b") and text.endswith("…") for n, text in enumerate(said[1:])
    )


def test_a_funnel_too_long_for_its_place_is_shortened_less_and_stands_behind_a_click() -> None:
    terms = [f"did product_bought, category {n:02}" for n in range(40)]
    markdown = funnel(D, 900, tuple((term, 100) for term in terms))
    assert len(markdown) > IN_PLACE
    assert texts(drawn(markdown)[1])[1:] == [f"100 {term}" for term in terms]


def test_nobody_has_a_funnel_too() -> None:
    _, picture = drawn(funnel(D, 0, (("did order", 0),)))
    assert (texts(picture), bars(picture)) == (["0 everybody", "0 did order"], [1, 1])
    assert texts(drawn(funnel(D, 3, ()))[1]) == ["3 everybody"]


def test_the_size_over_time_is_a_line_through_the_days_that_were_evaluated() -> None:
    sizes = [(D - timedelta(days=10), 5), (D - timedelta(days=9), 10), (D, 0)]
    said, picture = drawn(size_over_time(sizes))
    assert said == "Size from 2017-12-21 to 2017-12-31: 0 people"
    assert texts(picture) == ["most 10, now 0", "2017-12-21", "2017-12-31"]
    [_, line] = picture.iter(f"{SVG}path")
    # A tenth of the way in the first day, the rest in the other nine; up by half of the height, down by all of it.
    assert line.attrib["d"] == "M0,50l44-30l397,60"


@pytest.mark.parametrize("size", [0, 7])
def test_a_size_of_one_day_is_a_point(size: int) -> None:
    _, picture = drawn(size_over_time([(D, size)]))
    assert texts(picture)[0] == f"most {size}, now {size}"


@pytest.mark.parametrize(("least", "most"), [(999_000, 1_000_000), (100_000, 20_000_000)])
def test_a_quarter_of_a_year_shows_in_its_place(least: int, most: int) -> None:
    sizes = [(D - timedelta(days=89 - n), most if n % 5 < 2 else least) for n in range(90)]
    markdown = size_over_time(sizes)
    assert len(markdown) < IN_PLACE
    said, picture = drawn(markdown)
    assert said.endswith(f"to 2017-12-31: {least:,} people")
    [_, line] = picture.iter(f"{SVG}path")
    assert line.attrib["d"].count("l") >= 44
