"""Properties of clustering: equal to a plain union-find where nothing contradicts, and never two of what is unique."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from segment_pipeline.errors import ConfigError
from segment_pipeline.profiles.identity.components import EDGE_BYTES, NODE_BYTES, Link, Member, components, resolve

LINKS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 5), st.sampled_from(["email", "phone"]), st.sampled_from("abcdef")),
    max_size=40,
)
UNIQUE = st.lists(
    st.dictionaries(st.sampled_from(["customer", "birth"]), st.integers(1, 3), max_size=2), min_size=12, max_size=12
)


def plain_union_find(records: list[int], groups: list[list[int]]) -> set[frozenset[int]]:
    parent = {record: record for record in records}

    def root(record: int) -> int:
        return record if parent[record] == record else root(parent[record])

    for group in groups:
        for record in group[1:]:
            parent[root(record)] = root(group[0])
    return {frozenset(r for r in records if root(r) == root(record)) for record in records}


def as_sets(clusters: dict[int, int]) -> set[frozenset[int]]:
    return {frozenset(r for r in clusters if clusters[r] == cluster) for cluster in clusters.values()}


def carriers(links: list[tuple[int, int, str, str]]) -> list[list[int]]:
    by_value: dict[tuple[str, str], list[int]] = {}
    for record, _, kind, value in links:
        by_value.setdefault((kind, value), []).append(record)
    return list(by_value.values())


@settings(deadline=None)
@given(LINKS)
def test_components_equal_a_plain_union_find(links: list[tuple[int, int, str, str]]) -> None:
    groups = carriers(links)
    edges = [(record, group[0]) for group in groups for record in group[1:]]
    table = pa.table(
        {"a": pa.array([e[0] for e in edges], pa.int64()), "b": pa.array([e[1] for e in edges], pa.int64())}
    )
    firsts = components(12, table.to_reader(max_chunksize=3), memory=1 << 20)
    assert all(firsts[first - 1] == first for first in firsts)
    found = {frozenset(int(r) + 1 for r in np.flatnonzero(firsts == first)) for first in firsts}
    assert found == plain_union_find(list(range(1, 13)), groups)
    assert all(int(first) == min(group) for group in found for first in {int(firsts[r - 1]) for r in group})


def test_more_edges_than_the_memory_takes_stop_before_they_are_gathered() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(4):
            read.append(1)
            yield pa.record_batch({"a": pa.array([2] * 10, pa.int64()), "b": pa.array([1] * 10, pa.int64())})

    read: list[int] = []
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    enough = 2 * NODE_BYTES + 40 * EDGE_BYTES
    assert list(components(2, pa.RecordBatchReader.from_batches(schema, batches()), enough)) == [1, 1]
    read.clear()
    with pytest.raises(ConfigError, match="2 records by more than 19 shared identifiers.*SEGMENT_PIPELINE_MEMORY"):
        components(2, pa.RecordBatchReader.from_batches(schema, batches()), 2 * NODE_BYTES + 19 * EDGE_BYTES)
    assert len(read) == 2


@settings(deadline=None)
@given(LINKS)
def test_without_contradictions_resolving_gives_the_whole_components(links: list[tuple[int, int, str, str]]) -> None:
    members = [Member(record, {}) for record in range(1, 13)]
    clusters, refused = resolve(members, [Link(*link) for link in links])
    assert refused == []
    assert as_sets(clusters) == plain_union_find(list(range(1, 13)), carriers(links))


@settings(deadline=None)
@given(LINKS, UNIQUE)
def test_no_cluster_holds_two_values_of_what_is_unique(
    links: list[tuple[int, int, str, str]], unique: list[dict[str, int]]
) -> None:
    members = [Member(record, unique[record - 1]) for record in range(1, 13)]
    clusters, _ = resolve(members, [Link(*link) for link in links])
    for first, second in combinations(members, 2):
        if clusters[first.record] == clusters[second.record]:
            assert all(second.unique.get(kind, value) == value for kind, value in first.unique.items())


@settings(deadline=None)
@given(LINKS, UNIQUE, st.randoms(use_true_random=False))
def test_the_order_of_links_and_members_does_not_show(links, unique, random) -> None:  # type: ignore[no-untyped-def]
    members = [Member(record, unique[record - 1]) for record in range(1, 13)]
    typed = [Link(*link) for link in links]
    once = resolve(members, typed)
    random.shuffle(members)
    random.shuffle(typed)
    assert resolve(members, typed) == once


def test_the_strongest_link_wins_and_what_two_people_share_joins_nobody_else() -> None:
    members = [Member(1, {"customer": "a"}), Member(2, {"customer": "b"}), Member(3, {}), Member(4, {})]
    links = [
        Link(1, 3, "phone", "p"),
        Link(2, 3, "phone", "p"),
        Link(3, 5, "phone", "p"),
        Link(4, 5, "phone", "p"),
        Link(2, 2, "email", "e"),
        Link(4, 4, "email", "e"),
    ]
    clusters, refused = resolve(members, links)
    assert as_sets(clusters) == {frozenset({1}), frozenset({2, 4}), frozenset({3})}
    assert {(r.kind, r.value, r.because) for r in refused} == {("phone", "p", "customer")}
