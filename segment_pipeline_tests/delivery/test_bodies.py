"""Batches that are sent in several runs of rows."""

import pyarrow as pa
import pytest

from segment_pipeline.delivery import bodies
from segment_pipeline.delivery.destination import Batch, Operation
from segment_pipeline.errors import RejectedRecords, SegmentPipelineError, TransientError

ROWS = pa.table({"key": ["a", "b", "c", "d"], "email": ["a@x.co", None, "c@x.co", "d@x.co"]})
BATCH = Batch("plan", 1, Operation.UPSERT, "1", ROWS)


def raised_by_the_last(error: SegmentPipelineError) -> SegmentPipelineError:
    """What comes of an error about `d`, when each row is sent by itself and `b` is not sent at all."""
    rows, _ = bodies.refuse_nobody(BATCH, "email")

    def send(part: pa.Table, text: str) -> dict[str, str]:
        if text == '"d@x.co"':
            raise error
        return dict.fromkeys(part.column("key").to_pylist(), "taken")

    with pytest.raises(type(error)) as raised:
        bodies.in_parts(BATCH, rows, "to_json(email)", 1, send)
    return raised.value


def test_a_refusal_of_a_part_names_positions_of_the_whole_batch() -> None:
    refused = raised_by_the_last(RejectedRecords("refused", rows={0: "invalid"}))
    assert isinstance(refused, RejectedRecords)
    assert refused.rows == {3: "invalid"}


def test_what_fails_behind_a_part_that_was_sent_may_have_arrived() -> None:
    failed = raised_by_the_last(TransientError("down", sent=False))
    assert isinstance(failed, TransientError)
    assert failed.sent
