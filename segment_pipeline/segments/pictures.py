"""A segment's funnel and its size over time as static SVG in Markdown: sizes, days and the rule's words, and nothing about any person."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from segment_pipeline.segments.sizes import Funnel

# Dagster shows Markdown shorter than this in its place, and longer behind a click.
IN_PLACE: Final = 1000
# Letters of a funnel's terms, as many as leave room for all of them.
LETTERS: Final = (70, 50, 36, 24, 14)
WIDTH: Final = 450
# What neither Markdown nor a URI gives a meaning; `&` is not of them, since Markdown reads `&lt;` anew.
PLAIN: Final = "<>='/:;,.+!*@|?"


def funnel(day: date, population: int, steps: Funnel) -> str:
    """A bar for everybody and one for those left after each term; terms are shortened so that it shows in its place, if that is enough."""
    drawn = [_funnel(day, population, steps, letters) for letters in LETTERS]
    return next((one for one in drawn if len(one) < IN_PLACE), drawn[0])


def size_over_time(sizes: Sequence[tuple[date, int]]) -> str:
    """A line through the sizes of the days, oldest first, above an axis at 0; there is at least one. Where it goes up and down so much
    that it would not show in its place, it passes over some days.
    """
    drawn = [_size_over_time(sizes[(len(sizes) - 1) % each :: each]) for each in (1, 2, 3)]
    return next((one for one in drawn if len(one) < IN_PLACE), drawn[0])


def _size_over_time(sizes: Sequence[tuple[date, int]]) -> str:
    (first, _), (last, newest), high = sizes[0], sizes[-1], max(size for _, size in sizes)
    wide = max((last - first).days, 1)
    places = [((WIDTH - 9) * (day - first).days // wide, 80 - 60 * size // max(high, 1)) for day, size in sizes]
    line = f"M{places[0][0]},{places[0][1]}" + "".join(
        f"l{x - before_x}{y - before_y:+}".replace("+", ",") for (before_x, before_y), (x, y) in pairwise(places)
    )
    x, y = places[-1]
    body = (
        f"<path d='M0,82h{WIDTH}' stroke='silver'/><path d='{line}' fill='none' stroke='steelblue' stroke-width='2'/>"
        f"<circle cx='{x}' cy='{y}' r='3'/><text y='12'>most {high:,}, now {newest:,}</text><text y='96'>{first}</text>"
        f"<text x='{WIDTH}' y='96' text-anchor='end'>{last}</text>"
    )
    return _image(f"Size from {first} to {last}: {newest:,} people", body, height=100)


def _funnel(day: date, population: int, steps: Funnel, letters: int) -> str:
    rows = [("everybody", population), *steps]
    bars = "".join(
        f"M0,{32 * n + 16}h{max(WIDTH * left // max(population, 1), 1)}v9H0z" for n, (_, left) in enumerate(rows)
    )
    texts = "".join(
        f"<text y='{32 * n + 12}'>{left:,} {escape(_short(term, letters))}</text>"
        for n, (term, left) in enumerate(rows)
    )
    left = rows[-1][1]
    title = f"Funnel of {day}: {left:,} of {population:,} people"
    return _image(title, f"<path d='{bars}' fill='steelblue'/>{texts}", height=32 * len(rows))


def _image(title: str, body: str, *, height: int) -> str:
    drawn = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' fill='slategray' font-size='12' "
        f"font-family='sans-serif'><title>{escape(title)}</title>{body}</svg>"
    )
    return f"![{title}](data:image/svg+xml,{quote(drawn, safe=PLAIN)})"


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
