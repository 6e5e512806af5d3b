"""A tabular mapping as the entity that lands it: as declared, and fitted to the columns that a pull has."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from segment_pipeline.errors import ContractError
from segment_pipeline.lake.statements import generated
from segment_pipeline.landing.columns import same_name, usable
from segment_pipeline.landing.extracts import NOTHING, Extract, family
from segment_pipeline.landing.mapping import Fill
from segment_pipeline.landing.raw import Pulled
from segment_pipeline.landing.source import Entity, Kind, Part
from segment_pipeline.landing.tabular import Tabular
from segment_pipeline.landing.tabular_rows import KEYS, RAGGED, ROWS, Rows, keeper, unknown
from segment_pipeline.landing.tabular_tables import Filled
from segment_pipeline.landing.tabular_values import Read, Values


def entity(tabular: Tabular, source: str, *, decimal: str = ".", files: bool = False) -> Entity:
    """The entity as declared, for columns of text; it fits itself to the columns of each pull.

    `files`: a pull holds files, each with rows of its own; otherwise it holds what one query or function gave.
    """
    fit = partial(_fitted, tabular, source, decimal=decimal, files=files)
    wished = Read(dict.fromkeys(sorted(tabular.used), "VARCHAR"), files=files, decimal=decimal)
    return replace(_made(tabular, wished, source, ()), fit=fit)


def _fitted(tabular: Tabular, source: str, pulled: Pulled, *, decimal: str, files: bool) -> Entity:
    read = [each for each in pulled.extracts if each.file or not files]
    if not read:
        return entity(tabular, source, decimal=decimal, files=files)
    where = f"{source}/{tabular.name}"
    for each in read:
        place = f"{where}, {each.origin}" if each.origin else where
        if absent := sorted(tabular.used - each.columns.keys() - set(tabular.optional)):
            raise ContractError(
                f"{place}: there is no column {', '.join(absent)}, which the mapping needs: nothing was written;"
                " see whether its format changed, and that what is declared of it is right"
            )
        if taken := [name for name in each.columns if not usable(name) or name.lower() in tabular.provided]:
            raise ContractError(
                f"{place}: the column {', '.join(taken)} has the name of what landing knows of a row: nothing was written;"
                " rename it"
            )
    columns = _columns(where, read)
    keys = {name: columns[name] for name in _key_columns(tabular)} if KEYS in pulled.files else {}
    found = Read(columns, files=files, decimal=decimal, ragged=RAGGED in pulled.files, keys=keys)
    fit = partial(_fitted, tabular, source, decimal=decimal, files=files)
    return replace(_made(tabular, found, source, read), fit=fit)


def _made(tabular: Tabular, read: Read, source: str, extracts: Sequence[Extract]) -> Entity:
    values, where = Values(tabular, read), f"{source}/{tabular.name}"
    rows = Rows(tabular, read, values)
    filled = [Filled(tabular, read, values, fill, where) for fill in tabular.fills]
    log = tabular.kind is Kind.LOG
    return Entity(
        tabular.name,
        tabular.kind,
        tuple(_parts(read)),
        generated(where, rows.sql()),
        tuple(
            Fill(
                each.fill.table,
                generated(f"{where}/{each.fill.table}", each.sql()),
                # Rows told apart by several columns are no repeats of each other for sharing the first.
                key=each.fill.identity[0] if log and not each.fill.grouped and len(each.fill.identity) == 1 else None,
                row_for_row=each.row_for_row,
            )
            for each in filled
        ),
        look_back=tabular.look_back,
        dimension=tabular.dimension,
        dictionaries={
            # By the name of the raw file: which file that was, and when it was changed.
            "origins": {each.file: each.origin for each in extracts},
            "modified": {each.file: each.modified_at.isoformat() for each in extracts if each.modified_at},
        },
        description=tabular.description,
        held=tuple(each.fill.table for each in filled if each.closes) if read.keys else (),
        may_go=frozenset({*tabular.optional, *tabular.ignore}),
        by_origin=read.files and tabular.kind is not Kind.SNAPSHOT,
        notes=tuple(_notes(tabular, read)),
        streamed=rows.streamed,
        keyed=rows.has_key and (bool(tabular.key) or not all(fill.grouped for fill in tabular.fills)),
        upstream=tabular.upstream,
    )


def _parts(read: Read) -> Iterator[Part]:
    yield Part(ROWS, columns=dict(read.columns), file="_file" if read.files else "", optional=True)
    if read.ragged:
        yield Part(RAGGED, columns=dict.fromkeys(("text", "reason", "origin"), "VARCHAR"), refused=True)
    if read.keys:
        yield Part(KEYS, columns=dict(read.keys))


def _notes(tabular: Tabular, read: Read) -> Iterator[str]:
    if strangers := unknown(tabular, read):
        fill = keeper(tabular, read)
        kept = f"kept in {fill.table}" if fill else "mapped to nothing"
        yield f"columns {kept}: {', '.join(strangers)}"
    values = Values(tabular, read)
    naive = [name for name in sorted(tabular.used) if read.columns.get(name) == "TIMESTAMP" and not values.zone(name)]
    if naive:
        yield f"times without a zone are taken for the company's: {', '.join(naive)}"


def _key_columns(tabular: Tabular) -> list[str]:
    givens = [fill.columns.get(name) for fill in tabular.fills for name in fill.identity]
    return list(dict.fromkeys(given for given in givens if isinstance(given, str)))


def _columns(where: str, read: Sequence[Extract]) -> dict[str, str]:
    """All columns of all files, each of one type."""
    found: dict[str, str] = {}
    for each in read:
        for name, kind in each.columns.items():
            known = found.setdefault(name, kind)
            if known == NOTHING:
                found[name] = kind
            if known == kind or NOTHING in {known, kind}:
                continue
            if family(known) != family(kind) or family(kind) != "number":
                raise ContractError(
                    f"{where}: files hold the column {name} as {family(known)} and as {family(kind)}: nothing was written; make"
                    " it one type, or two entities"
                )
            found[name] = "DOUBLE"
    if pair := same_name(list(found)):
        one, other = (list(found)[place] for place in pair)
        raise ContractError(
            f"{where}: files have the columns {one} and {other}, which differ in case alone: nothing was written; give all the"
            " same name"
        )
    return {name: "VARCHAR" if kind == NOTHING else kind for name, kind in found.items()}
