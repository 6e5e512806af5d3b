"""How good the identities are, against a truth that says which record is whose: pairs found, pairs right."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from segment_pipeline.days import AsOf
from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.lake.statements import statement
from segment_pipeline.profiles.facts.persons import define_persons, define_sales
from segment_pipeline.profiles.facts.versions import define_carts


def pair_quality(lake: Lake, truth_path: Path | str, timezone: str) -> dict[str, Any]:
    """Precision and recall over pairs of records at the newest as_of, and the pairs missed by kind of record.

    `truth_path`: Parquet with one row per record: source, entity, record_key, person_id, kind. Judged are its records that the
    lake holds by then; orders and carts with a customer are the customer's, and a record that belongs to nobody counts as
    missed. `missed_by_kind` gives, per kind, the records that are not with the largest part of their person. Precision or
    recall is None where there is no pair.
    """
    days = lake.snapshots("identities")
    if not days:
        raise ConfigError("there are no identities to compare with the truth: materialise them first")
    with lake.session() as session:
        session.register("truth_file", pq.read_table(truth_path))
        newest = AsOf(days[-1], timezone)
        define_persons(session, newest)
        for name in ("customers", "events"):
            session.scan(name)
        define_sales(session, newest)
        define_carts(session, newest)
        session.define(
            "judged", statement("profiles/identity", "judged"), materialize=True, as_of=newest.day, end=newest.end
        )
        pairs = session.rows(statement("profiles/identity", "pair_counts"))[0]
        missed = session.rows(statement("profiles/identity", "missed_by_kind"))
    found, right, true = (int(pairs[name] or 0) for name in ("found", "right_pairs", "true_pairs"))
    return {
        "precision": right / found if found else None,
        "recall": right / true if true else None,
        "pairs": {"found": found, "right": right, "true": true},
        "missed_by_kind": {row["kind"]: {"missed": row["missed"], "records": row["records"]} for row in missed},
    }
