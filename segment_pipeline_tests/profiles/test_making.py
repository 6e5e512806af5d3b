"""Tables made in the order of what they read: what is wanted stays, all else goes with its last reader."""

import pytest

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.facts.making import Part, make_all


def test_each_is_made_after_what_it_reads_and_goes_with_its_last_reader(lake: Lake) -> None:
    """orders are looked through a view; the last to read them is `sums`, which is made before `counts` is."""
    done: list[str] = []
    with lake.session() as session:
        for name in ("facts", "workings"):
            session.define(name, "SELECT 1 AS x", materialize=True)
        session.define("looked_through", "SELECT * FROM facts")

        def part(name: str, *reads: str, leaves: tuple[str, ...] = ()) -> Part:
            def make() -> None:
                done.append(name)
                session.define(name, f"SELECT count(*) AS x FROM {reads[0]}", materialize=True)
                for leaf in leaves:
                    session.define(leaf, "SELECT 1 AS x", materialize=True)
                held = {each for each in ("facts", "workings", "parts", "parts_1", "sums") if _there(session, each)}
                seen[name] = held

            return Part(make, reads, leaves=leaves)

        seen: dict[str, set[str]] = {}
        parts = {
            "counts": part("counts", "sums", "parts"),
            "sums": part("sums", "looked_through"),
            "parts": part("parts", "looked_through", leaves=("parts_1",)),
            "looked_through": Part(lambda: None, ("facts",), is_view=True),
            "unasked": part("unasked", "facts"),
        }
        make_all(session, ("counts",), parts.get, droppable=("facts", "workings"))
        assert done == ["sums", "parts", "counts"]
        assert seen == {
            "sums": {"facts", "sums"},
            "parts": {"facts", "sums", "parts", "parts_1"},
            "counts": {"sums", "parts", "parts_1"},
        }
        assert [name for name in ("facts", "sums", "parts", "parts_1", "counts") if _there(session, name)] == ["counts"]


def test_what_is_not_named_as_droppable_stays_and_what_is_wanted_as_well(lake: Lake) -> None:
    with lake.session() as session:
        session.define("facts", "SELECT 1 AS x", materialize=True)
        parts = {
            name: Part(lambda name=name: session.define(name, "SELECT 1 AS x", materialize=True), reads)  # type: ignore[misc]
            for name, reads in {"one": ("facts",), "two": ("one",)}.items()
        }
        make_all(session, ("one", "two"), parts.get)
        assert all(_there(session, name) for name in ("facts", "one", "two"))


def test_a_circle_is_said(lake: Lake) -> None:
    parts = {"one": Part(lambda: None, ("two",)), "two": Part(lambda: None, ("one",))}
    with lake.session() as session, pytest.raises(ContractError, match="one -> two -> one: tables are made of each"):
        make_all(session, ("one",), parts.get)


def _there(session: object, name: str) -> bool:
    try:
        session.table(f"SELECT * FROM {name} LIMIT 0")  # type: ignore[attr-defined]
    except ContractError:
        return False
    return True
