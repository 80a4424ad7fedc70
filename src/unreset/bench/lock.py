"""One bench at a time in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from unreset.errors import UnresetError


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold ``bench.lock``, which names this process; yields the descriptor to hand to children.

    The system gives the lock up with the last process that has the descriptor, however it ends:
    the file of a dead process is taken over, but not while runs that it started go on.

    Raises:
        UnresetError: where another process holds it, with its number.
    """
    path = folder / "bench.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UnresetError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = path.read_text().strip() or "unknown"
            raise UnresetError(
                f"{folder} is in use by process {owner}, or by runs that it started: wait for it, "
                "or choose another --out"
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)
