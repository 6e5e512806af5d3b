"""Which records belong together: connected components, and the few that contradict themselves resolved link by link.

Works on numbers and digests only; knows no table. The result does not depend on the order of its inputs.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby, product
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from segment_pipeline.errors import ConfigError
from segment_pipeline.profiles.identity.names import Name, strangers

Unique = Mapping[str, Hashable]

# From this strength on, evidence is what an account held once and holds no more.
FORMER: Final = 7
NAMELESS: Final = Name(None, None)
TWO_NAMES: Final = "two_first_names"
# What one edge costs at the peak: its two ends, and scipy's two compressed matrices of them. 29 bytes were measured.
EDGE_BYTES: Final = 40
# What one node costs: the matrices' row pointers, scipy's labels and stack, and the result. 17 bytes were measured.
NODE_BYTES: Final = 40


def components(nodes: int, edges: pa.RecordBatchReader, memory: int) -> np.ndarray:
    """The smallest node of the component of each of the nodes 1..nodes (position 0 is node 1).

    `edges`: two integer columns, read batch by batch. `memory`: bytes this may take, at NODE_BYTES a node and EDGE_BYTES an
    edge; raises ConfigError as soon as more have been read than that, before they are gathered.
    """
    most = (memory - NODE_BYTES * nodes) // EDGE_BYTES
    parts: list[np.ndarray] = []
    read = 0
    for batch in edges:
        read += len(batch)
        if read > most:
            break
        parts.append(np.stack([batch.column(at).to_numpy().astype(np.int32) for at in (0, 1)]))
    if read > most:
        edges.close()
        raise ConfigError(
            f"linking {nodes} records by more than {max(most, 0)} shared identifiers needs more than the {memory >> 20} MB it may take: "
            "raise SEGMENT_PIPELINE_MEMORY"
        )
    ends = np.concatenate(parts, axis=1) if parts else np.empty((2, 0), dtype=np.int32)
    del parts
    ends -= 1
    graph = csr_array((np.ones(read, dtype=np.float64), (ends[0], ends[1])), shape=(nodes, nodes))
    del ends
    labels = connected_components(graph, directed=False)[1]
    # Of positions that share a label the last one assigned stays: backwards, that is the first.
    firsts = np.empty(nodes, dtype=np.int32)
    firsts[labels[::-1]] = np.arange(nodes, 0, -1, dtype=np.int32)
    result: np.ndarray = firsts[labels]
    return result


@dataclass(frozen=True, slots=True)
class Member:
    """A record and what may not differ within one person: by kind (`customer of till`, `birth date`), its value.

    `name`: in full, None where a part of it is not known. `called`: what weak evidence is held against.
    """

    record: int
    unique: Unique
    name: str | None = None
    called: Name = NAMELESS


@dataclass(frozen=True, slots=True)
class Link:
    """A record carries a value; `strength` 0 is the strongest evidence, `value` a digest of the value, `seen` when it was last
    said: of equally strong evidence the newer counts."""

    record: int
    strength: int
    kind: str
    value: str
    seen: int = 0

    @property
    def weak(self) -> bool:
        """Whether people who are not one may carry it: a phone rings for a household, and what an account held once may be
        another's mistake."""
        return self.kind == "phone" or self.strength >= FORMER


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that would have joined records of different people: `first` and `second` stand for the two people."""

    kind: str
    value: str
    because: str
    first: int
    second: int
    records: int


@dataclass(slots=True)
class _Clusters:
    parent: dict[int, int] = field(default_factory=dict)
    unique: dict[int, dict[str, Hashable]] = field(default_factory=dict)
    called: dict[int, set[Name]] = field(default_factory=dict)
    emails: dict[int, set[str]] = field(default_factory=dict)

    def root(self, record: int) -> int:
        while self.parent[record] != record:
            self.parent[record] = self.parent[self.parent[record]]
            record = self.parent[record]
        return record

    def conflict(self, roots: Iterable[int]) -> tuple[str, int, int] | None:
        """What two of these clusters hold different values of, and which two; None: they may be one person."""
        held: dict[str, tuple[Hashable, int]] = {}
        for root in sorted(roots):
            for kind, value in sorted(self.unique[root].items()):
                known, owner = held.setdefault(kind, (value, root))
                if known != value:
                    return kind, owner, root
        return None

    def strangers(self, roots: Iterable[int]) -> tuple[str, int, int] | None:
        """Which two of these clusters have other e-mails and other first names; None: they may be one person."""
        for one, other in combinations(sorted(roots), 2):
            apart = self.emails[one] and self.emails[other] and not self.emails[one] & self.emails[other]
            if apart and self.called[one] and self.called[other] and self._named_apart(one, other):
                return TWO_NAMES, one, other
        return None

    def _named_apart(self, one: int, other: int) -> bool:
        return all(strangers(a, b) for a, b in product(self.called[one], self.called[other]))

    def unite(self, roots: Iterable[int]) -> None:
        first, *others = sorted(roots)
        for other in others:
            self.parent[other] = first
            self.unique[first].update(self.unique.pop(other))
            self.called[first] |= self.called.pop(other)
            self.emails[first] |= self.emails.pop(other)


def resolve(members: Sequence[Member], links: Sequence[Link]) -> tuple[dict[int, int], list[Refusal]]:
    """The cluster (its smallest record) of each record, and the links refused.

    Values are taken from the strongest evidence to the weakest. Of the clusters a value touches, those with the same
    full name are joined first, then those that claim nothing of their own; then all of them, unless two contradict:
    a value two people share says nothing about a third record that carries nothing else, which therefore stays apart.
    By weak evidence (`Link.weak`) two with other e-mails and other first names are not joined either.
    """
    clusters, names = _Clusters(), {member.record: member.name for member in members}
    emails = _emails(links)
    for member in members:
        clusters.parent[member.record] = member.record
        clusters.unique[member.record] = dict(member.unique)
        clusters.called[member.record] = {member.called} if member.called.first else set()
        clusters.emails[member.record] = emails.get(member.record, set())
    refused: list[Refusal] = []
    for link, records in _by_strength(links):
        for alike in _by_name(records, names):
            _join(clusters, alike, link)
        free = [r for r in records if not clusters.unique[clusters.root(r)]]
        _join(clusters, free, link)
        conflict = _join(clusters, records, link)
        if conflict and conflict[0] == TWO_NAMES:
            for called in _called_alike(clusters, records):
                _join(clusters, called, link)
        if conflict:
            because, first, second = conflict
            refused.append(Refusal(link.kind, link.value, because, first, second, len(records)))
    return {record: clusters.root(record) for record in clusters.parent}, refused


def _join(clusters: _Clusters, records: Iterable[int], link: Link) -> tuple[str, int, int] | None:
    roots = {clusters.root(record) for record in records}
    if len(roots) < 2:
        return None
    conflict = clusters.conflict(roots) or (clusters.strangers(roots) if link.weak else None)
    if conflict is None:
        clusters.unite(roots)
    return conflict


def _emails(links: Sequence[Link]) -> dict[int, set[str]]:
    """The e-mails a record is known by: those of its strongest evidence, of an account what it holds now."""
    best: dict[int, int] = {}
    for link in links:
        if link.kind == "email":
            best[link.record] = min(link.strength, best.get(link.record, link.strength))
    found: dict[int, set[str]] = defaultdict(set)
    for link in links:
        if link.kind == "email" and link.strength == best[link.record] and link.strength < FORMER:
            found[link.record].add(link.value)
    return found


def _called_alike(clusters: _Clusters, records: Sequence[int]) -> Iterator[list[int]]:
    """The records whose clusters have first names, by names that may be one person's."""
    left = sorted({root for root in map(clusters.root, records) if clusters.called[root]})
    while left:
        together, rest = [left[0]], left[1:]
        for root in rest:
            if clusters.strangers([*together, root]) is None:
                together.append(root)
        left = [root for root in rest if root not in together]
        yield together


def _by_strength(links: Sequence[Link]) -> Iterator[tuple[Link, list[int]]]:
    """Values with the records that carry them, from the strongest: first the records of the strongest links, then with weaker;
    of equally strong ones from the newest. What the records carry is told by the weakest of their links."""
    carriers: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in links:
        carriers[link.kind, link.value].append(link)
    steps: list[tuple[int, int, str, str, list[int]]] = []
    for (kind, value), carried in carriers.items():
        records: list[int] = []
        for strength, group in groupby(sorted(carried, key=lambda k: (k.strength, k.record)), key=lambda k: k.strength):
            added = list(group)
            records = sorted({*records, *(link.record for link in added)})
            if len(records) > 1:
                steps.append((strength, -max(link.seen for link in added), kind, value, records))
    for strength, _, kind, value, records in sorted(steps):
        yield Link(records[0], strength, kind, value), records


def _by_name(records: Sequence[int], names: Mapping[int, str | None]) -> Iterator[list[int]]:
    alike: dict[str, list[int]] = defaultdict(list)
    for record in records:
        name = names[record]
        if name is not None:
            alike[name].append(record)
    for name in sorted(alike):
        yield alike[name]
