"""Ctrl-C and termination at a moment when the run is whole."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def deferred() -> Iterator[threading.Event]:
    """Hold back SIGINT, SIGTERM and SIGHUP; the event says that one came. A second one is not.

    In the middle of a stretch of practice the replay is half written and cannot be saved. Outside
    the main thread signals stay as they are.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def hold(number: int, _: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    wanted = [signal.SIGINT, signal.SIGTERM]
    wanted += [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # the terminal was closed
    held = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, hold) for number in held}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
