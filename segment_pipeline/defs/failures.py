"""What a failed asset may say: our own sentences, and of any other exception only where it was raised."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from segment_pipeline.errors import ConflictError, SegmentPipelineError, TransientError, of_the_system, place_of
from segment_pipeline.interrupts import interrupted


@contextmanager
def in_our_words(
    context: dg.AssetExecutionContext | None = None, *, retries: int = 0, wait: float = 0
) -> Iterator[None]:
    """Dagster keeps a failure's text for ever, and foreign exceptions quote rows: their messages stop here.

    What can pass by itself, a busy vendor or another writer, is tried `retries` times more, after `wait` seconds and twice as
    long each time; `context` is needed for that alone. It is no RetryPolicy of the asset, for Dagster obeys one where a step was
    interrupted, too: Ctrl-C and the termination of a run would have it wait and begin again.
    """
    try:
        yield
    except dg.Failure:
        raise
    except SegmentPipelineError as error:
        if interrupted():
            raise KeyboardInterrupt from None
        failure = dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False)
        if context is None or not isinstance(error, TransientError | ConflictError):
            raise failure from None
        raise dg.RetryRequested(max_retries=retries, seconds_to_wait=delay(wait, context.retry_number)) from failure
    except Exception as error:  # noqa: BLE001  every foreign exception is named the same way
        if interrupted():
            raise KeyboardInterrupt from None
        withheld = (
            f"{type(error).__name__} at {place_of(error)}: its message is withheld, since it may quote a person's data"
        )
        raise dg.Failure(of_the_system(error) or withheld, allow_retries=False) from None
    if interrupted():
        # A library swallowed what the signal raised, as PySpark may.
        raise KeyboardInterrupt


def delay(wait: float, attempt: int) -> float:
    """Seconds until a step is tried again, after so many attempts before this one."""
    return wait * float(2**attempt)


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
