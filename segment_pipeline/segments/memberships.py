"""Writes who is in which segment on a day: `memberships`, `segment_sizes` and `membership_changes`.

A segment that cannot be compiled or run fails alone: what was written of it before stays, and no row says it is empty.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError, ContractError, SegmentPipelineError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.compiler.compilation import Compilation, compile_segments
from segment_pipeline.profiles.compiler.past import define_past
from segment_pipeline.profiles.compiler.stores import define_asked_stores
from segment_pipeline.profiles.facts.activities import define_activities
from segment_pipeline.profiles.facts.runs import Run, days_of, session_of
from segment_pipeline.profiles.traits.sets import define_traits, outdated, read_by, unready
from segment_pipeline.segments.changes import rebuild_changes
from segment_pipeline.segments.definition import COMPILER_VERSION, definition_hash, former_hash, reads_core, traits_of
from segment_pipeline.segments.domains import define_asked_domains
from segment_pipeline.segments.partitions import replace_segments
from segment_pipeline.segments.rules import Segment
from segment_pipeline.segments.sizes import Funnel, funnels_of
from segment_pipeline.segments.validation import problems
from segment_pipeline.segments.vocabulary import Vocabulary
from segment_pipeline.settings import Settings
from segment_pipeline.traits import TraitSet


@dataclass(frozen=True, slots=True)
class MembershipReport:
    """What one run left. `sizes`: by segment that was written; `failed`: why the others were not, by segment.

    `changes`: (entered, exited) by segment, of every cause; `triggering`: how many of them have the cause `data`.
    `funnels`: by segment that was written its terms, where they were asked for.
    """

    as_of: date
    population: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    triggering: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    funnels: Mapping[str, Funnel] = field(default_factory=dict)


def build_memberships(
    lake: Lake,
    as_of: date,
    segments: Sequence[Segment],
    settings: Settings,
    *,
    selected: Iterable[str] | None = None,
    vocabulary: Vocabulary | None = None,
    run: Run | None = None,
    with_funnels: bool = False,
    wrong: Mapping[str, Sequence[str]] | None = None,
) -> MembershipReport:
    """Evaluate segments as of a day and write the three tables; running it again leaves the same content.

    `segments`: all that are declared; `selected`: names of those to write, None: all. Rows of others stay as they are.
    `run`: of whose days this is one. `with_funnels`: count the terms of each segment as well. `wrong`: the segments' `problems`,
    where they are known.
    Raises ContractError when the day has no traits, ConfigError for a name nobody declared.
    """
    known = vocabulary or Vocabulary()
    wanted = _wanted(segments, selected)
    wrong = problems(segments, known) if wrong is None else wrong
    failed = {name: wrong[name][0] for name in wanted if name in wrong}
    by_name = {segment.name: segment for segment in segments if segment.name not in wrong}
    good = [by_name[name] for name in wanted if name in by_name]
    with session_of(lake, run) as session:
        sets = _readable(session, as_of, good, by_name, known=known, failed=failed)
        good = [segment for segment in good if segment.name not in failed]
        open_people(session, as_of, sets)
        population = int(session.value("SELECT count(*) FROM traits"))
        end = AsOf(as_of, settings.timezone)
        compilation = compile_segments(good, end, traits=known.traits, declared=by_name, properties=known.properties)
        define_asked_activities(session, compilation, known)
        funnels: dict[str, Funnel] | None = {} if with_funnels else None
        try:
            _run(session, compilation, funnels)
            written = [segment.name for segment in good]
        except ContractError:
            written = _run_alone(session, good, by_name, end, known=known, failed=failed, funnels=funnels)
        hashes = {name: definition_hash(by_name[name], by_name, known.meanings) for name in written}
        if written:
            _write(session, as_of, population, hashes)
    if written:
        former = {name: {former_hash(by_name[name], by_name, known.meanings): hashes[name]} for name in written}
        rebuild_changes(lake, as_of, written, run, former=former)
    report = _report(lake, as_of, population, written, failed=failed, run=run)
    return replace(report, funnels=funnels or {})


def build_memberships_of(
    lake: Lake,
    days: Sequence[date],
    segments: Sequence[Segment],
    settings: Settings,
    *,
    selected: Collection[str] | None = None,
    vocabulary: Vocabulary | None = None,
    with_funnels: bool = False,
) -> Iterator[MembershipReport]:
    """`build_memberships` of several days in turn, over the facts as the first day finds them.

    `with_funnels`: of the newest of them, which only its report has.
    """
    wrong = problems(segments, vocabulary)
    with days_of(lake, several=len(days) > 1) as run:
        for day in days:
            yield build_memberships(
                lake,
                day,
                segments,
                settings,
                selected=selected,
                vocabulary=vocabulary,
                run=run,
                with_funnels=with_funnels and day == max(days),
                wrong=wrong,
            )


def _readable(
    session: Session,
    as_of: date,
    segments: Sequence[Segment],
    by_name: Mapping[str, Segment],
    *,
    known: Vocabulary,
    failed: dict[str, str],
) -> list[TraitSet]:
    """The company's sets of traits that the segments read and that can be read; what reads one that cannot has failed.

    So has what reads core traits that were made when they meant something else.
    """
    if other := outdated(session, as_of, known.rules):
        for segment in segments:
            if reads_core(segment.where, by_name):
                failed[segment.name] = f"{segment.place}: segment {segment.name}: {other}"
    read = {segment.name: read_by(traits_of(segment.where, by_name), known.sets) for segment in segments}
    sets = [one for one in known.sets if any(one in held for held in read.values())]
    why = unready(session, as_of, sets)
    for segment in segments:
        for one in read[segment.name]:
            if one.name in why:
                failed[segment.name] = f"{segment.place}: segment {segment.name}: {why[one.name]}"
    return [one for one in sets if one.name not in why]


def open_people(session: Session, as_of: date, sets: Sequence[TraitSet] = ()) -> None:
    """Define the views traits, people and trait_shares of one day; raises ContractError when there is no such snapshot.

    `sets`: a company's own, whose traits are columns of `traits` then.
    """
    define_traits(session, as_of, sets)
    if not session.value("SELECT count(*) FROM traits") and not session.is_empty_snapshot("traits", as_of):
        raise ContractError(f"there are no traits as of {as_of}: materialise them for that day first")
    session.define("people", statement("segments", "people"), materialize=True)
    session.scan("trait_shares", partitions={"as_of": [as_of]})


def define_asked_activities(session: Session, compilation: Compilation, known: Vocabulary) -> None:
    """Define the views activities, segment_past, segment_stores and segment_domains as far as the segments compiled ask for them, of the people that are there."""
    if compilation.names:
        define_activities(
            session,
            compilation.as_of,
            since=compilation.since,
            key_spaces=known.identity.key_spaces,
            names=compilation.names,
            columns=compilation.columns,
            properties=compilation.extracts.properties,
            keys=known.keys,
            people_defined=True,
        )
    define_past(session, compilation.past, compilation.as_of.day)
    define_asked_stores(session, compilation.stores, compilation.as_of.day)
    define_asked_domains(session, compilation.domains, compilation.as_of, known.identity)


def _wanted(segments: Sequence[Segment], selected: Iterable[str] | None) -> list[str]:
    declared = list(dict.fromkeys(segment.name for segment in segments))
    if selected is None:
        return declared
    asked = set(selected)
    if unknown := sorted(asked - set(declared)):
        raise ConfigError(f"there is no segment {unknown[0]}: `segment-pipeline segments list` shows those declared")
    return [name for name in declared if name in asked]


def _run(session: Session, compilation: Compilation, funnels: dict[str, Funnel] | None) -> None:
    compilation.define(session)
    compilation.extracts.forget(session)
    session.define("segment_members", compilation.members(), materialize=True)
    if funnels is not None:
        funnels |= funnels_of(session, compilation)


def stopped(segment: Segment, error: SegmentPipelineError) -> str:
    """That an engine could not finish a segment, and where to look."""
    return (
        f"{segment.place}: segment {segment.name}: {error}; try its terms one by one:"
        f" `segment-pipeline segments explain-sql {segment.name}` shows what is asked"
    )


def _run_alone(
    session: Session,
    segments: Sequence[Segment],
    by_name: Mapping[str, Segment],
    as_of: AsOf,
    *,
    known: Vocabulary,
    failed: dict[str, str],
    funnels: dict[str, Funnel] | None,
) -> list[str]:
    """Each segment by itself, after the run of all failed: finds which one it was; those done are numbered in turn."""
    done: list[str] = []
    for segment in segments:
        try:
            _run(
                session,
                compile_segments([segment], as_of, traits=known.traits, declared=by_name, properties=known.properties),
                funnels,
            )
            members = f"SELECT {len(done)} AS segment_no, person_no FROM segment_members"
            session.define(f"segment_members_{len(done)}", members, materialize=True)
            done.append(segment.name)
        except SegmentPipelineError as error:
            failed[segment.name] = stopped(segment, error)
    together = " UNION ALL ".join(f"SELECT * FROM segment_members_{number}" for number in range(len(done)))
    if done:
        session.define("segment_members", together, materialize=True)
    return done


def _write(session: Session, as_of: date, population: int, hashes: Mapping[str, str]) -> None:
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:32]
    inputs = {"tables": json.loads(session.inputs), "definitions": digest, "compiler": COMPILER_VERSION}
    definitions = {
        "segment_no": pa.array(range(len(hashes)), pa.int32()),
        "segment": pa.array(hashes, pa.string()),
        "definition_hash": pa.array(hashes.values(), pa.string()),
    }
    session.register("segment_definitions", pa.table(definitions))
    session.define("memberships_made", statement("segments", "memberships"), as_of=as_of)
    session.scan("segment_sizes", partitions={"as_of": [as_of]}, alias="sizes_before")
    text = json.dumps(inputs, sort_keys=True)
    sizes = statement("segments", "sizes")
    session.define("sizes_made", sizes, materialize=True, as_of=as_of, population=population, inputs=text)
    replace_segments(session, "memberships", "SELECT * FROM memberships_made", as_of, hashes)
    replace_segments(session, "segment_sizes", "SELECT * FROM sizes_made", as_of, hashes)


def _report(
    lake: Lake, as_of: date, population: int, written: Collection[str], *, failed: Mapping[str, str], run: Run | None
) -> MembershipReport:
    with session_of(lake, run) as session:
        session.scan("segment_sizes", partitions={"as_of": [as_of]})
        session.scan("membership_changes", partitions={"as_of": [as_of]})
        sizes = {r["segment"]: r["size"] for r in session.rows("SELECT segment, size FROM segment_sizes")}
        rows = session.rows(statement("segments", "change_counts"))
    found = {row["segment"]: row for row in rows}
    none = {"entered": 0, "exited": 0, "triggering": 0}
    counts = {name: found.get(name, none) for name in written}
    return MembershipReport(
        as_of,
        population,
        sizes={name: sizes[name] for name in written},
        changes={name: (int(row["entered"]), int(row["exited"])) for name, row in counts.items()},
        triggering={name: int(row["triggering"]) for name, row in counts.items()},
        failed=dict(failed),
    )
