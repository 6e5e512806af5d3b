"""What records are called, in the one form names are compared in, and which first names of one component are two people's."""

import pyarrow as pa

from segment_pipeline import identifiers
from segment_pipeline.lake.session import Session
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.identity.names import differ


def define_record_names(session: Session) -> None:
    """Define record_names: first and last name of each account, guest order and guest cart that has one, in their canonical form."""
    session.define("told_names", statement("profiles/identity", "told_names"), materialize=True)
    columns = ("first_name", "last_name")
    parts = [
        f"SELECT {column} AS raw FROM told_names WHERE {column} IS NOT NULL AND {identifiers.name_sql(column)} IS NULL"
        for column in columns
    ]
    # Names beyond ASCII are few distinct ones, and SQL has no Unicode normal forms.
    session.register("other_names", identifiers.names(session.table(" UNION ".join(parts))))
    first, last = (
        f"coalesce({identifiers.name_sql(f't.{column}')}, {alias}.name)"
        for column, alias in zip(columns, "fl", strict=True)
    )
    session.define(
        "record_names",
        f"SELECT t.record_no, {first} AS first_name, {last} AS last_name FROM told_names AS t"
        " LEFT JOIN other_names AS f ON f.raw = t.first_name LEFT JOIN other_names AS l ON l.raw = t.last_name",
        materialize=True,
    )
    session.drop("told_names")


def define_different_names(session: Session) -> None:
    """Define component_names and different_names, the pairs of first names in one component that are two people's."""
    session.define("component_names", statement("profiles/identity", "component_names"), materialize=True)
    pairs = session.rows(statement("profiles/identity", "name_pairs"))
    found = [(row["one"], row["other"]) for row in pairs if differ(row["one"], row["other"])]
    columns = {name: pa.array([pair[at] for pair in found], pa.string()) for at, name in enumerate(("one", "other"))}
    session.register("different_names", pa.table(columns))
