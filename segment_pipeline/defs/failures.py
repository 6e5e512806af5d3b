"""What a failed asset may say: our own sentences, and of any other exception only where it was raised."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from segment_pipeline.errors import ConflictError, SegmentPipelineError, TransientError, place_of


@contextmanager
def in_our_words() -> Iterator[None]:
    """Dagster keeps a failure's text for ever, and foreign exceptions quote rows: their messages stop here.

    Retries are allowed for what can pass by itself: a busy vendor, another writer.
    """
    try:
        yield
    except dg.Failure:
        raise
    except SegmentPipelineError as error:
        retry = isinstance(error, TransientError | ConflictError)
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=retry) from None
    except Exception as error:  # noqa: BLE001  every foreign exception is named the same way
        raise dg.Failure(
            f"{type(error).__name__} at {place_of(error)}: its message is withheld, since it may quote a person's data",
            allow_retries=False,
        ) from None


def quoted(data: StepFailureData) -> str:
    """Of a failed step what may be shown: our own sentence, raised within a body or before it; of anything else its kind."""
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        # What a retry policy gave up on.
        error = error.cause
    if error is None:
        return "failed"
    ours: list[type[SegmentPipelineError]] = [SegmentPipelineError, *SegmentPipelineError.__subclasses__()]
    if error.cls_name in {kind.__name__ for kind in ours}:
        return error.message.partition(": ")[2].strip()
    return str(error.cls_name)
