"""Whether Ctrl-C was pressed, whatever became of the exception it raised.

A signal's handler raises wherever the main thread happens to be. Inside a library that calls back into Python, or that looks for
signals itself (DuckDB, Arrow), the exception comes out as that library's own error, or not at all: only the signal tells.
"""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ENDING = {signal.SIGINT, signal.SIGTERM}


class _Heard:
    """Python's runtime writes each signal's number here the moment it arrives, before any handler runs."""

    def __init__(self) -> None:
        self.ear, self.mouth = socket.socketpair()
        self.ear.setblocking(False)
        self.mouth.setblocking(False)
        self.ending = False

    def __bool__(self) -> bool:
        with suppress(BlockingIOError):
            self.ending |= any(number in ENDING for number in self.ear.recv(4096))
        return self.ending

    def close(self) -> None:
        self.ear.close()
        self.mouth.close()


_heard: _Heard | None = None


@contextmanager
def listening() -> Iterator[None]:
    """Around a whole command, in the main thread: elsewhere, or within another, it does nothing."""
    global _heard  # noqa: PLW0603 - a process has one set of signals
    if _heard is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _heard = _Heard()
    before = signal.set_wakeup_fd(_heard.mouth.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        _heard.close()
        _heard = None


def interrupted() -> bool:
    """Whether SIGINT or SIGTERM came since `listening` began; False where nobody listens."""
    return bool(_heard)
