"""Precision and recall over pairs, against a truth worked out by hand."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segment_pipeline.errors import ConfigError
from segment_pipeline.lake.lake import Lake
from segment_pipeline.profiles.identity.quality import pair_quality
from segment_pipeline_tests.profiles.literal_rows import customer, jan, order
from segment_pipeline_tests.profiles.snapshots import Put, build


def test_pairs_are_counted_over_records_the_lake_holds(lake: Lake, put: Put, tmp_path: Path) -> None:
    put(
        "customers",
        [
            customer("square", "T1", email="ann.lee@mail.io"),
            customer("shopify", "S1", email="ann.lee@mail.io"),
            customer("shopify", "S2", email="ann2@mail.io"),
        ],
    )
    put(
        "orders",
        [
            order("shopify", "O1", jan(2), customer_key="S1"),
            order("square", "O2", jan(2)),
            order("square", "later", jan(40), customer_key="T1"),
        ],
    )
    truth = [
        ("square", "customer", "T1", "ann", "same_email"),
        ("shopify", "customer", "S1", "bob", "same_email"),  # two people behind one address: a pair we get wrong
        ("shopify", "customer", "S2", "ann", "nothing_shared"),
        ("shopify", "order", "O1", "bob", "same_email"),
        ("square", "order", "O2", "ann", "no_customer"),
        ("square", "order", "later", "ann", "same_email"),
    ]
    path = tmp_path / "truth.parquet"
    names = ("source", "entity", "record_key", "person_id", "kind")
    pq.write_table(pa.table({name: [row[at] for row in truth] for at, name in enumerate(names)}), path)
    build(lake, jan(31))
    # Found: T1, S1 and O1 together make 3 pairs, of which (S1, O1) is right. True: 3 pairs of ann's, 1 of bob's.
    assert pair_quality(lake, path, "UTC") == {
        "precision": 1 / 3,
        "recall": 1 / 4,
        "pairs": {"found": 3, "right": 1, "true": 4},
        "missed_by_kind": {
            "no_customer": {"missed": 1, "records": 1},
            "nothing_shared": {"missed": 1, "records": 1},
            "same_email": {"missed": 0, "records": 3},
        },
    }


def test_without_identities_there_is_nothing_to_judge(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no identities"):
        pair_quality(lake, tmp_path / "truth.parquet", "UTC")
