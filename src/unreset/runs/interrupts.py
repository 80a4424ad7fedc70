"""Ctrl-C and termination at a moment when the run is whole."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

EXIT_CODE = 130  # of a process that was interrupted
GRACE_SECONDS = 1.0  # for the main thread, before a process that a compilation holds up is ended

_end_at_once = {"SIGTERM", "SIGHUP"}  # which end a process anyhow


class Signalled(KeyboardInterrupt):
    """A signal that was not held back."""


class Again(Signalled):
    """The second signal: nothing is waited for, nothing saved."""


class Asked(threading.Event):
    """Set by a signal."""

    def __init__(self) -> None:
        super().__init__()
        self.stop: Callable[[], str] | None = None

    @contextlib.contextmanager
    def at_once(self, stop: Callable[[], str]) -> Iterator[None]:
        """Hold no signal back while this lasts, since the run does not change.

        ``stop`` saves what has not been saved and says what to do next. It is called before
        KeyboardInterrupt is raised with what it says; or from another thread, with the end of the
        process, where a compilation keeps this one from hearing of the signal.
        """
        try:
            try:
                self.stop = stop
                if self.is_set():
                    raise Signalled
                yield
            finally:
                self.stop = None
        except Again:
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(stop()) from None


class Alone:
    """That the process is a command's own, and not a notebook's: Ctrl-C ends it like termination.

    Set ``interrupted`` to have it end without waiting for compilations that nobody needs. What else
    was registered to be done at the end of the process since is done.
    """

    def __init__(self) -> None:
        self.interrupted = False
        _end_at_once.add("SIGINT")
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.interrupted:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(EXIT_CODE)


@contextlib.contextmanager
def deferred() -> Iterator[Asked]:
    """Hold back SIGINT, SIGTERM and SIGHUP; the event says that one came. A second one is not.

    In the middle of a stretch of practice the replay is half written and cannot be saved. Outside
    the main thread signals stay as they are.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def hold(number: int, _: object) -> None:
        if asked.is_set():
            raise Again
        asked.set()
        if asked.stop is not None:
            raise Signalled

    wanted = [signal.SIGINT, signal.SIGTERM]
    wanted += [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # the terminal was closed
    held = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, hold) for number in held}
    try:
        with _watched(asked, {number for number in held if number.name in _end_at_once}):
            yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _watched(asked: Asked, numbers: set[signal.Signals]) -> Iterator[None]:
    """End the process from a thread where a signal comes during a compilation.

    Python hears of a signal between two of its own instructions, and a compilation is one.
    """
    here, there = socket.socketpair()
    here.setblocking(False)
    over = threading.Event()

    def watch() -> None:
        while received := there.recv(1):
            if received[0] not in numbers:
                continue
            until = time.monotonic() + GRACE_SECONDS
            while not over.wait(0.05):
                if (stop := asked.stop) is not None and time.monotonic() > until:
                    _end(stop)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(here.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        here.close()  # which the thread receives as an end
        watcher.join()
        there.close()


def _end(stop: Callable[[], str]) -> None:
    """End the process from beside the main thread."""
    try:
        message = stop()
    except Exception as error:
        message = str(error)
    for descriptor, text in (
        (1, "\x1b[?25h" * os.isatty(1)),  # the cursor, which a display has hidden
        (2, f"unreset: interrupted: {message}\n"),
    ):
        with contextlib.suppress(OSError):
            os.write(descriptor, text.encode())
    os._exit(EXIT_CODE)
